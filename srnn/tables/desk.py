"""What a section of the figure tables works with: its runs, its images, its Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pandas as pd

from srnn import tasks
from srnn.analysis.statistics import FEW, Range, last_scores, mean_interval, paired
from srnn.bodies.mlp import MLP
from srnn.laboratory.questions.question import Drawing
from srnn.laboratory.study import Study
from srnn.laboratory.subject import Subject
from srnn.plots.particle_types import particle_types
from srnn.plots.style import save
from srnn.plots.training_curves import training_curves
from srnn.runs.run import Run
from srnn.tasks import Task

#: Below which probability a test is taken to show something.
ALPHA: Final = 0.05


@dataclass(frozen=True)
class Desk:
    """The runs of a section's presets, where its data are, the folder for its images, and its studies of pruning."""

    folder: Path
    runs: Mapping[str, Sequence[Run]]
    data_dir: Path | None
    watch: Callable[[str], None]
    studies: Sequence[Study] = ()
    _last: dict[str, pd.DataFrame] = field(default_factory=dict, init=False, repr=False)

    def task(self, preset: str) -> Task:
        """The data of a preset."""
        return tasks.load(self.runs[preset][0].experiment.task, self.data_dir)

    def over_seeds(self, preset: str, answer: Callable[[Subject], pd.DataFrame]) -> pd.DataFrame:
        """An analysis of every seed of a preset, one after the other, told apart by a column Seed."""
        task, frames = self.task(preset), []
        for run in self.runs[preset]:
            self.watch(f"{preset}, seed {run.experiment.seed}")
            frames.append(answer(Subject(run, task)).assign(Seed=run.experiment.seed))
        return pd.concat(frames, ignore_index=True)

    def metrics(self, preset: str) -> pd.DataFrame:
        """The metrics of all seeds of a preset."""
        frames = [run.metrics.assign(Seed=run.experiment.seed) for run in self.runs[preset]]
        return pd.concat(frames, ignore_index=True)

    def ended(self, preset: str, metric: str, form: str = "{:,.0f}") -> str:
        """How the seeds of a preset ended: the mean of a metric and its interval."""
        own = self._ended(preset, metric)
        return interval(*mean_interval(own["Score"], (own["Least"].min(), own["Most"].max())), form=form)

    def cell(self, preset: str, metric: str, form: str = "{:,.0f}") -> str:
        """The same for a cell of a table: with the single values, if they are few."""
        return f"{self.ended(preset, metric, form)}{values(self._ended(preset, metric)['Score'], form)}"

    def _ended(self, preset: str, metric: str) -> pd.DataFrame:
        if preset not in self._last:
            self._last[preset] = last_scores(self.runs[preset])
        scores = self._last[preset]
        return scores[scores["Metric"] == metric]

    def census(self, preset: str) -> list[str]:
        """Zero, identity and other at the end, and the accuracy."""
        counts = [self.cell(preset, kind) for kind in ("zero", "identity", "other")]
        return [*counts, self.cell(preset, "test_accuracy", "{:.3f}")]

    def image(self, drawing: Drawing, frame: pd.DataFrame, title: str, name: str, **options: Any) -> str:
        """Draw an image of this section with a function of ``srnn.plots``; its Markdown."""
        path = save(drawing(frame, title, **options), self.folder / f"{name}.png")
        return f"![{title or name}]({self.folder.name}/{path.name})"

    def training(self, preset: str) -> str:
        """The two figures of a preset's runs, side by side."""
        return side_by_side(
            {
                "training": self.image(training_curves, self.metrics(preset), preset, f"{preset}-training"),
                "particle types": self.image(particle_types, self.metrics(preset), preset, f"{preset}-types"),
            }
        )


def interval(mean: float, low: float, high: float, *, form: str = "{:,.0f}") -> str:
    """``mean ± half``, or ``mean (low … high)`` where the halves differ, or the mean alone of a single seed."""
    if low != low:
        return form.format(mean)
    halves = {form.replace("+", "").format(half) for half in (mean - low, high - mean)}
    return f"{form.format(mean)} ± {halves.pop()}" if len(halves) == 1 else between(mean, low, high, form=form)


def values(scores: pd.Series, form: str) -> str:
    """The values of a few seeds, in brackets and in order; nothing of one or of many."""
    if not 1 < len(scores) <= FEW:
        return ""
    return f" [{', '.join(form.format(score) for score in scores.sort_values())}]"


def probability(p: float) -> str:
    """A p-value, or a dash where no test was done."""
    return "–" if p != p else f"{p:.2g}"


def verdict(what: str, test: pd.Series) -> str:
    """What a test of a difference shows, in a sentence: a difference, equivalence, or neither.

    Args:
        what: In what the two were compared.
        test: A row of :func:`srnn.analysis.comparison.paired_tests`.
    """
    margin = f"less than {100 * test['Margin']:g} percentage point apart"
    p, equivalence = (
        f"p = {probability(test[one])}, corrected {probability(test[f'{one}, Holm'])}"
        for one in ("p", "p (equivalence)")
    )
    if test["p, Holm"] < ALPHA:
        return f"The two differ in {what} ({p})"
    if test["p (equivalence), Holm"] < ALPHA:
        return f"The two are equivalent in {what}: {margin} ({equivalence})"
    return f"In {what} neither a difference ({p}) nor equivalence,\n{margin} ({equivalence}), is shown"


def points(scores: pd.Series, others: pd.Series) -> str:
    """The mean difference of two shares of the same seeds, in percentage points, with its interval, or a dash."""
    found = paired(scores.to_numpy(), others.to_numpy())
    ends = [min(max(100 * found[one], -100.0), 100.0) for one in ("Difference", "Low", "High")]
    return between(*ends, form="{:+.2f}") + (" points" if ends[0] == ends[0] else "")


def between(mean: float, low: float, high: float, *, form: str) -> str:
    """``mean (low … high)``, or a dash where there is none."""
    if mean != mean:
        return "–"
    return form.format(mean) if low != low else f"{form.format(mean)} ({form.format(low)} … {form.format(high)})"


def markdown(rows: Sequence[Sequence[object]], columns: Sequence[object]) -> str:
    """A Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def side_by_side(images: Mapping[str, str]) -> str:
    """Images in a row, each under its heading."""
    return markdown([list(images.values())], list(images))


def of_what(run: Run) -> str:
    """The sizes of a run's MLP, its activation and its data, in words: ``225-64-64-10 (relu) on mnist``."""
    body, experiment = run.organism().body, run.experiment
    assert isinstance(body, MLP)
    sizes, activation = "-".join(map(str, body.sizes)), experiment.body.model_dump().get("activation")
    return f"{sizes} ({activation}) on {experiment.task.name}"


def particles(run: Run) -> int:
    """How many particles the organism of a run has."""
    return run.organism().size


def with_values(scores: pd.Series, form: str, within: Range) -> str:
    """The mean of some seeds with its interval and, if they are few, their values."""
    return interval(*mean_interval(scores, within), form=form) + values(scores, form)
