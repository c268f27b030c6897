"""Experiments beside each other: their curves, how they ended, paired tests and the order of learning."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import pandas as pd

from srnn import tasks
from srnn.analysis import baselines, comparison
from srnn.analysis.statistics import Measured
from srnn.experiment import Experiment
from srnn.files import write_whole
from srnn.laboratory.questions import Drawing
from srnn.plots import comparison as draw
from srnn.plots.style import save
from srnn.runs.run import Run

#: Figures, by the result that they show.
_DRAWINGS: Final[Mapping[str, Drawing]] = {
    "curves": draw.curves,
    "final": draw.finals,
    "order_of_learning": draw.order_of_learning,
}


def compare(groups: comparison.Groups, folder: Path, image_format: str = "png") -> list[Path]:
    """Compare experiments: curves, how they ended, paired tests and the order of learning.

    Args:
        groups: The seeds of each, under the name it shall have in tables and figures.
        folder: Where ``results/*.csv`` and ``figures/*`` go.
        image_format: ``png``, ``svg`` or ``pdf``.

    Returns:
        The figures.
    """
    measured = {metric for runs in groups.values() for run in runs for metric in run.metrics["Metric"]}
    metrics = [metric for metric in ("test_accuracy", "test_mae", "replication_loss") if metric in measured]
    milestones = {metric: values for metric, values in comparison.MILESTONES.items() if metric in measured}
    frames = {
        "curves": pd.concat([comparison.compare(groups, metric) for metric in (*metrics, "identity_share")]),
        "final": comparison.final_table(groups),
        "tests": comparison.paired_tests(groups),
        "order_of_learning": comparison.order_of_learning(groups, milestones),
    }
    (folder / "results").mkdir(parents=True, exist_ok=True)
    (folder / "figures").mkdir(exist_ok=True)
    for name, frame in frames.items():
        write_whole(folder / "results" / f"{name}.csv", frame.to_csv(index=False).encode())
    return [
        save(drawing(frames[name]), folder / "figures" / f"{name}.{image_format}")
        for name, drawing in _DRAWINGS.items()
        if not frames[name].empty
    ]


def compare_variants(
    experiment: Experiment,
    groups: Mapping[str, Sequence[Run]],
    folder: Path,
    data_dir: Path | None = None,
    image_format: str = "png",
    after_epoch: Callable[[int], None] = lambda epoch: None,
) -> list[Path]:
    """Compare the variants of an experiment, and with them, if it asks for that, the dense body.

    Args:
        experiment: What has the variants.
        groups: The runs of each, by its name, with the same seeds.
        folder: Where ``results/*.csv`` and ``figures/*`` go.
        data_dir: Where the IDX files of mnist and fashion_mnist are.
        image_format: ``png``, ``svg`` or ``pdf``.
        after_epoch: Told the epochs that the dense body has trained.

    Returns:
        The figures.
    """
    compared: dict[str, Sequence[Measured]] = {**groups}
    if experiment.comparison.dense:
        seeds = [run.experiment.seed for run in next(iter(groups.values()))]
        task = tasks.load(experiment.task, data_dir)
        compared["dense"] = baselines.dense_runs(experiment, task, seeds, after_epoch)
    return compare(compared, folder, image_format)
