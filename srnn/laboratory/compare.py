"""Experiments beside each other: their curves, how they ended, paired tests and the order of learning.

The folder of a comparison is beside those of its variants: ``runs/NAME`` of ``runs/NAME-VARIANT``. ``config.toml`` is
the experiment with its variants, ``results/`` and ``figures/`` are what :func:`compare` leaves there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import pandas as pd

from srnn import tasks
from srnn.analysis import comparison
from srnn.errors import StoppedError, UserError, option, shorten
from srnn.experiment import Experiment
from srnn.files import is_file, write_whole
from srnn.laboratory.beginning import require_all_can_begin
from srnn.laboratory.questions.question import Drawing
from srnn.plots import comparison as draw
from srnn.plots.style import save
from srnn.runs.groups import first_difference, is_comparison, open_runs
from srnn.runs.making import make_folder, write_config
from srnn.runs.records import explained
from srnn.runs.run import Run, figures
from srnn.runs.writer import versions
from srnn.shown import Rows, Shown, figure
from srnn.untrusted import expanded, require_file

#: Bytes of a table that is read to be shown.
_SHOWN = 1024**2
#: Figures, by the result that they show.
_DRAWINGS: Final[Mapping[str, Drawing]] = {
    "curves": draw.curves,
    "final": draw.finals,
    "order_of_learning": draw.order_of_learning,
}


def compare(groups: comparison.Groups, folder: Path, image_format: str | None = "png") -> list[Path]:
    """Compare experiments: curves, how they ended, paired tests and the order of learning.

    Args:
        groups: The seeds of each, under the name it shall have in tables and figures.
        folder: Where ``results/*.csv`` and ``figures/*`` go.
        image_format: ``png``, ``svg`` or ``pdf``; None: without figures.

    Returns:
        The figures.
    """
    measured = {metric for runs in groups.values() for run in runs for metric in run.metrics["Metric"]}
    metrics = [metric for metric in ("test_accuracy", "test_mae", "replication_loss") if metric in measured]
    milestones = {metric: values for metric, values in comparison.MILESTONES.items() if metric in measured}
    frames = {
        "curves": pd.concat([comparison.compare(groups, metric) for metric in (*metrics, "identity_share")]),
        "final": comparison.final_table(groups),
        "final_seeds": comparison.final_scores(groups)[["Metric", "Group", "Seed", "Score"]],
        "tests": comparison.paired_tests(groups),
        "order_of_learning": (reached := comparison.order_of_learning(groups, milestones)),
        "milestones": comparison.reached_by(reached),
    }
    (folder / "results").mkdir(parents=True, exist_ok=True)
    for name, frame in frames.items():
        write_whole(folder / "results" / f"{name}.csv", frame.to_csv(index=False).encode())
    if image_format is None:
        return []
    options = {"final": {"scores": frames["final_seeds"]}}
    return [
        save(drawing(frames[name], **options.get(name, {})), folder / "figures" / f"{name}.{image_format}")
        for name, drawing in _DRAWINGS.items()
        if not frames[name].empty
    ]


class Comparison(Shown, list[Run]):
    """The runs of all variants of an experiment, and how they ended.

    Attributes:
        folder: Where its tables and figures are.
        experiment: What has the variants.
        variants: The runs of each that is there, by its name.

    Example:
        >>> comparison = srnn.Comparison.open("runs/trade-off")  # doctest: +SKIP
        >>> comparison.final.pivot(index="Group", columns="Metric", values="Mean")  # doctest: +SKIP
    """

    def __init__(self, folder: Path, experiment: Experiment, variants: Mapping[str, Sequence[Run]]) -> None:
        super().__init__(run for runs in variants.values() for run in runs)
        self.folder, self.experiment, self.variants = folder, experiment, dict(variants)

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> Comparison:
        """The comparison in that folder.

        Raises:
            UserError: The folder is missing or is not that of a comparison.
        """
        folder = expanded(folder)
        if not is_comparison(folder):
            raise UserError(f"{folder} is not the folder of a comparison; name one such as runs/trade-off")
        experiment = Experiment.from_toml(folder / "config.toml")
        variants = {}
        for variant, one in experiment.expand().items():
            with suppress(UserError):  # not begun
                variants[variant] = open_runs([folder.absolute().parent / one.name])
        return cls(folder, experiment, variants)

    @cached_property
    def final(self) -> pd.DataFrame:
        """How the variants ended: Metric, Group, Mean, Low, High, Seeds.

        Raises:
            UserError: They are not compared yet, or the file is damaged.
        """
        return self._result("final")

    @cached_property
    def tests(self) -> pd.DataFrame:
        """Whether two variants ended differently: the columns are :data:`~srnn.analysis.comparison.TESTED`.

        Raises:
            UserError: As for :attr:`final`.
        """
        return self._result("tests")

    @property
    def figures(self) -> list[Path]:
        """The figures, by name."""
        return figures(self.folder)

    def _line(self) -> str:
        return f"Comparison({str(self.folder)!r}: {', '.join(self.variants)})"

    def _shown(self) -> tuple[str, Rows]:
        title, metrics, finals = str(self.folder), list[str](), pd.DataFrame()
        with suppress(UserError, OSError, ValueError, KeyError):  # not compared yet, or damaged
            if require_file(self.folder / "results" / "final.csv") <= _SHOWN:
                finals = self.final.pivot(index="Group", columns="Metric", values="Mean")
                metrics = list(dict.fromkeys(self.final["Metric"]))
        rows = [("variant", *map(str, metrics), "seeds")]
        for variant, runs in self.variants.items():
            known = variant in finals.index
            cells = (figure(float(str(finals.at[variant, metric]))) if known else "?" for metric in metrics)
            rows.append((variant, *cells, str(len(runs))))
        return title, rows

    def _result(self, name: str) -> pd.DataFrame:
        path = self.folder / "results" / f"{name}.csv"
        if not is_file(path):
            raise UserError(f"{path} is missing: {self.experiment.name} is not compared yet; go on with it")
        with explained(path):
            require_file(path)
            with path.open("rb") as file:
                return pd.read_csv(file)


def run_comparison(
    run: Callable[..., list[Run]],
    experiment: Experiment,
    out: Path,
    seeds: Sequence[int],
    *,
    resume: bool,
    data_dir: Path | None,
    device: str,
    image_format: str | None,
    stop: Callable[[], bool],
    **options: Any,
) -> Comparison:
    """Run the variants of an experiment, one after the other, and compare them; all can begin, or none does.

    Args:
        run: :func:`srnn.run`, by which a single experiment is run; the other arguments are its own.
        experiment: Its variants are run.
        out: As for ``run``, and so are all that follow.
    """
    groups: dict[str, list[Run]] = {}
    common: dict[str, Any] = {"resume": resume, "data_dir": data_dir, "device": device}
    variants = experiment.expand()
    with begun(experiment, out, [out / one.name for one in variants.values()]) as folder:
        require_all_can_begin(variants.values(), out, seeds, **common)
        for variant, one in variants.items():
            if groups and stop():
                raise StoppedError("a comparison was asked to stop before all of its variants were trained")
            groups[variant] = run(one, out, seeds=seeds, image_format=image_format, stop=stop, **common, **options)
        compare(groups, folder, image_format)
    return Comparison(folder, experiment, groups)


@contextmanager
def begun(experiment: Experiment, out: Path, places: Iterable[Path]) -> Iterator[Path]:
    """The folder of a comparison or study, in which it says what it is of; it is gone again if no run could be begun.

    Args:
        experiment: What it is of.
        out: It is ``out/NAME``.
        places: The folders of its runs' seeds.

    Raises:
        UserError: One of others is there.
    """
    folder = out / experiment.name
    complete = {"versions": versions(), "task": tasks.complete(experiment.task)}
    whole = experiment.model_copy(update=complete)
    made = make_folder(folder)
    file = folder / "config.toml"
    new = not is_file(file)
    if not new and (difference := first_difference(Experiment.from_toml(file), whole)) is not None:
        key, theirs, ours = difference
        what = f"{folder} exists already, with {key} {shorten(repr(theirs))} and not {shorten(repr(ours))}"
        raise UserError(f"{what}: choose another {option('out')}, or remove it first")
    if new:
        write_config(folder, whole)
    try:
        yield folder
    except UserError:
        if new and not any(any(place.glob("seed-*/config.toml")) for place in places):
            with suppress(OSError):
                file.unlink()
                for path in made:
                    path.rmdir()
        raise
