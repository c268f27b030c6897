"""What is done of a sweep in whatever process: some seeds of a point.

What that takes is imported there, and not where jobs are handed out.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from srnn.experiment import Experiment
from srnn.sweeps.engine import Contact


def train(
    experiment: Mapping[str, object],
    out: Path,
    seeds: tuple[int, ...],
    contact: Contact,
    *,
    data_dir: Path | None,
    device: str,
    body: str | None,
) -> None:
    """Train some seeds of a point; without figures, which take longer than many a small run."""
    from srnn.laboratory.job import run

    there = Experiment.from_dict(experiment)
    epochs = there.training.epochs
    run(
        there,
        out,
        seeds=seeds,
        resume=True,
        data_dir=data_dir,
        device=device,
        image_format=None,
        body=body,
        after_report=lambda report: contact.tell(f"epoch {report.epoch:,} of {epochs:,}"),
        stop=contact.stop,
        say=_say_nothing,
        progress=False,
    )


def _say_nothing(message: str) -> NoReturn:
    """Nobody listens here: it stands in the status of the run."""
    raise OSError(message)
