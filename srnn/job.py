"""The whole job: load the data, train every seed, record it, draw its figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import torch

from srnn import tasks
from srnn.arithmetic import fast_arithmetic
from srnn.config import Experiment
from srnn.errors import UserError
from srnn.plots.particle_types import particle_types
from srnn.plots.style import save
from srnn.plots.training_curves import training_curves
from srnn.runs import Run, RunWriter, require_new, versions
from srnn.training import Report, Training


def run(
    experiment: Experiment,
    out: str | Path = "runs",
    *,
    seeds: Sequence[int] | None = None,
    data_dir: str | Path | None = None,
    device: str = "cpu",
    image_format: str = "png",
    after_start: Callable[[Training], None] = lambda training: None,
    after_batch: Callable[[], None] = lambda: None,
    after_report: Callable[[Report], None] = lambda report: None,
) -> list[Run]:
    """Run an experiment, from its data to its figures.

    Args:
        experiment: What to run, such as ``srnn.load_preset("connectivity")``.
        out: Each seed's folder is ``out/NAME/seed-S``.
        seeds: One run each, trained side by side; without any, the experiment's own seed.
        data_dir: Where the IDX files of mnist and fashion_mnist are.
        device: ``cpu`` or ``cuda``.
        image_format: ``png``, ``svg`` or ``pdf``.
        after_start: Called when training is about to begin.
        after_batch: Called after every batch.
        after_report: Called with everything measured: before the first epoch and after each.

    Returns:
        The runs, in the order of the seeds.

    Raises:
        UserError: Data are missing or damaged, a run folder exists, the experiment does not fit its data, or there is
            no such device.

    Example:
        >>> [run] = srnn.run(srnn.load_preset("digits"), "my-runs")  # doctest: +SKIP
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device is cuda, but torch finds no CUDA device here; use --device cpu")
    seeds = [experiment.seed] if seeds is None else list(seeds)
    folders = [Path(out) / experiment.name / f"seed-{seed}" for seed in seeds]
    for folder in folders:
        require_new(folder)
    task = tasks.load(experiment.task, None if data_dir is None else Path(data_dir)).to(device)
    training = Training(experiment, task, seeds)
    complete = {"versions": versions(), "task": tasks.complete(experiment.task)}
    writers = [
        RunWriter(folder, experiment.model_copy(update={"seed": seed, **complete}))
        for folder, seed in zip(folders, seeds, strict=True)
    ]
    after_start(training)
    with fast_arithmetic(len(seeds) * training.organism.size * experiment.training.batch_size):
        for report in training.run(after_batch):
            _record(training, report, writers)
            after_report(report)

    runs = [Run(writer.folder) for writer in writers]
    for one, seed in zip(runs, seeds, strict=True):
        draw(one.metrics, one.folder / "figures", f"{experiment.name}, seed {seed}", image_format)
    if len(runs) > 1:
        frames = [one.metrics.assign(Seed=seed) for one, seed in zip(runs, seeds, strict=True)]
        folder = Path(out) / experiment.name / "figures"
        folder.mkdir(exist_ok=True)
        draw(pd.concat(frames), folder, f"{experiment.name}, {len(runs)} seeds", image_format)
    return runs


def draw(metrics: pd.DataFrame, folder: Path, title: str, image_format: str = "png") -> None:
    """Draw the two figures of a run, or of several seeds, into ``folder``."""
    save(training_curves(metrics, title), folder / f"training_curves.{image_format}")
    save(particle_types(metrics, title), folder / f"particle_types.{image_format}")


def _record(training: Training, report: Report, writers: Sequence[RunWriter]) -> None:
    organism, checkpoint = training.organism, training.experiment.checkpoint
    last = report.epoch == training.experiment.training.epochs or report.stopped
    for seed, scores in report.scores.items():
        writer = writers[seed]
        writer.metrics(report.epoch, report.batch, scores, save=report.logged)
        if report.logged and not report.stopped:
            followed = training.followed[seed]
            names = [organism.name(particle) for particle in followed.tolist()]
            writer.trajectory(report.epoch, names, training.weights[:, training.columns(seed).start + followed])
        if last or (report.epoch and report.epoch % checkpoint.every == 0):
            writer.checkpoint(report.epoch, *training.state(seed))
