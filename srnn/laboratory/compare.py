"""Experiments beside each other: their curves, how they ended, paired tests and the order of learning."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pandas as pd

from srnn.analysis import comparison
from srnn.files import write_whole
from srnn.laboratory.questions import Drawing
from srnn.plots import comparison as draw
from srnn.plots.style import save

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
