"""What a section of the figure tables works with: its runs, its images, its Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from srnn import tasks
from srnn.analysis.statistics import last_scores, mean_and_half_width
from srnn.laboratory.questions.question import Drawing
from srnn.laboratory.subject import Subject
from srnn.plots.particle_types import particle_types
from srnn.plots.style import save
from srnn.plots.training_curves import training_curves
from srnn.runs.run import Run
from srnn.tasks import Task


@dataclass(frozen=True)
class Desk:
    """The runs of a section's presets, where its data are, and the folder for its images."""

    folder: Path
    runs: Mapping[str, Sequence[Run]]
    data_dir: Path | None
    watch: Callable[[str], None]

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
        scores = last_scores(self.runs[preset])
        return interval(*mean_and_half_width(scores[scores["Metric"] == metric]["Score"]), form)

    def census(self, preset: str) -> list[str]:
        """Zero, identity and other at the end, and the accuracy."""
        counts = [self.ended(preset, kind) for kind in ("zero", "identity", "other")]
        return [*counts, self.ended(preset, "test_accuracy", "{:.3f}")]

    def image(self, drawing: Drawing, frame: pd.DataFrame, title: str, name: str, **options: bool) -> str:
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


def interval(mean: float, half: float, form: str = "{:,.0f}") -> str:
    """``mean ± half``, or the mean alone of a single seed."""
    return form.format(mean) if half != half else f"{form.format(mean)} ± {form.replace('+', '').format(half)}"


def between(mean: float, low: float, high: float, form: str) -> str:
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
