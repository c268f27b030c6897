"""The whole job: load the data, train every seed, record it, draw its figures."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pandas as pd
import torch

from srnn import tasks
from srnn.errors import StoppedError, UserError
from srnn.experiment import Experiment
from srnn.kernels.arithmetic import fast_arithmetic
from srnn.plots.particle_types import particle_types
from srnn.plots.style import save
from srnn.plots.training_curves import training_curves
from srnn.runs.checkpoints import Checkpoint
from srnn.runs.resume import as_begun, claim, require_same_data, starts
from srnn.runs.run import Run
from srnn.runs.writer import RunWriter, versions
from srnn.tasks import Task
from srnn.training.loop import Report, Training
from srnn.untrusted import own_folder


def _tell(message: str) -> None:
    print(f"srnn: {message}", file=sys.stderr)


def run(
    experiment: Experiment,
    out: str | Path = "runs",
    *,
    seeds: Sequence[int] | None = None,
    resume: bool = False,
    data_dir: str | Path | None = None,
    device: str = "cpu",
    image_format: str | None = "png",
    after_start: Callable[[Training], None] = lambda training: None,
    after_batch: Callable[[], None] = lambda: None,
    after_report: Callable[[Report], None] = lambda report: None,
    stop: Callable[[], bool] = lambda: False,
    say: Callable[[str], None] = _tell,
) -> list[Run]:
    """Run an experiment, from its data to its figures.

    Args:
        experiment: What to run, such as ``srnn.load_preset("connectivity")``.
        out: Each seed's folder is ``out/NAME/seed-S``.
        seeds: One run each, trained side by side; without any, the experiment's own seed.
        resume: Go on with runs that were interrupted, to the same bits as if they had not been; leave those that have
            ended as they are, and begin the others.
        data_dir: Where the IDX files of mnist and fashion_mnist are.
        device: ``cpu`` or ``cuda``.
        image_format: ``png``, ``svg`` or ``pdf``; None: without figures.
        after_start: Called when training is about to begin.
        after_batch: Called after every batch.
        after_report: Called with everything measured: before the first epoch and after each.
        stop: Asked after every batch; once it says yes, the whole state is saved and training ends.
        say: Told, in a line each, of how the data were taken, of damaged checkpoints and of divergence; without it
            they are printed to stderr.

    Returns:
        The runs, in the order of the seeds.

    Raises:
        UserError: Data are missing, damaged or not those that a run was begun with, a run folder exists or is being
            written by another process, the experiment does not fit its data, or there is no such device.
        OSError: A folder cannot be written, as with a full disk; once it can, the runs can be resumed.
        StoppedError: Because of ``stop``.

    Example:
        >>> [run] = srnn.run(srnn.load_preset("digits"), "my-runs")  # doctest: +SKIP
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device is cuda, but torch finds no CUDA device here; use --device cpu")
    if experiment.comparison.variants:
        raise UserError(
            f"{experiment.name} is a comparison of {', '.join(experiment.comparison.variants)}: run each of "
            "experiment.expand(), or srnn run on the command line"
        )
    seeds = [experiment.seed] if seeds is None else list(seeds)
    complete = {"versions": versions(), "task": tasks.complete(experiment.task)}
    experiments = {seed: experiment.model_copy(update={"seed": seed, **complete}) for seed in seeds}
    folders = {seed: Path(out) / experiment.name / f"seed-{seed}" for seed in seeds}
    with ExitStack() as locks:
        to_do = {seed: folders[seed] for seed in seeds if claim(folders[seed], experiments[seed], resume, locks, say)}
        if to_do:
            begun = as_begun(experiment.task, to_do.values())
            task = tasks.load(begun, None if data_dir is None else Path(data_dir)).to(device)
            described = {"task": tasks.complete(begun, task)}
            experiments = {seed: one.model_copy(update=described) for seed, one in experiments.items()}
            for seed in to_do:
                require_same_data(folders[seed], experiments[seed], task)
            groups = starts(to_do, say)
            trainings = [_training(experiment, task, group) for group in groups]
            since = {seed: checkpoint for group in groups for seed, checkpoint in group.items()}
            writers = {seed: RunWriter(folders[seed], experiments[seed], since[seed]) for seed in to_do}
            with _saying_how_it_ended(writers):
                for note in task.notes:
                    say(note)
                for training in trainings:
                    after_start(training)
                    with fast_arithmetic(len(training.seeds) * training.organism.size * experiment.training.batch_size):
                        _train(training, writers, after_batch, after_report, stop, say)
                if image_format is not None:
                    _draw_all(folders, to_do, image_format)
    return [Run(folder) for folder in folders.values()]


def _draw_all(folders: Mapping[int, Path], new: Mapping[int, Path], image_format: str) -> None:
    """Draw the figures of each new run and, if there are several, those of all together."""
    parent = next(iter(folders.values())).parent
    for seed, folder in new.items():
        draw(Run(folder).metrics, folder / "figures", f"{parent.name}, seed {seed}", image_format)
    if len(folders) > 1:
        frames = [Run(folder).metrics.assign(Seed=seed) for seed, folder in folders.items()]
        draw(pd.concat(frames), own_folder(parent / "figures"), f"{parent.name}, {len(folders)} seeds", image_format)


def draw(metrics: pd.DataFrame, folder: Path, title: str, image_format: str = "png") -> None:
    """Draw the two figures of a run, or of several seeds, into ``folder``."""
    save(training_curves(metrics, title), folder / f"training_curves.{image_format}")
    save(particle_types(metrics, title), folder / f"particle_types.{image_format}")


def _training(experiment: Experiment, task: Task, group: Mapping[int, Checkpoint | None]) -> Training:
    """The training of seeds from where they go on."""
    training = Training(experiment, task, list(group))
    for place, since in enumerate(group.values()):
        if since is not None:
            training.load_state(place, since.tensors, since.state)
    return training


def _train(
    training: Training,
    writers: Mapping[int, RunWriter],
    after_batch: Callable[[], None],
    after_report: Callable[[Report], None],
    stop: Callable[[], bool],
    say: Callable[[str], None],
) -> None:
    """Train to the end, and record it."""
    last_saved, told = time.monotonic(), set[int]()

    def save_state(places: Sequence[int]) -> None:
        nonlocal last_saved
        own = {place: writers[training.seeds[place]] for place in places}
        for place, writer in own.items():
            writer.checkpoint(training.epoch, *training.state(place))
        # Only when all have theirs, so that wherever this is cut off they have one in common.
        for writer in own.values():
            writer.prune()
        last_saved = time.monotonic()

    def watch() -> None:
        after_batch()
        if stop():
            save_state(training.running)
            raise StoppedError("training was asked to stop; its whole state is saved")
        minutes = training.experiment.checkpoint.minutes
        if minutes is not None and time.monotonic() - last_saved > 60 * minutes:
            save_state(training.running)

    for report in training.run(watch):
        for place, what in report.diverged.items():
            if place not in told:
                say(_of_divergence(training, report, place, what))
                told.add(place)
        for place, scores in report.scores.items():
            writer = writers[training.seeds[place]]
            writer.metrics(report.epoch, report.batch, scores, save=report.logged)
            if report.logged and not report.stopped:
                followed = training.followed[place]
                names = [training.organism.name(particle) for particle in followed.tolist()]
                weights = training.weights[:, training.columns(place).start + followed]
                writer.trajectory(report.epoch, names, weights)
        ended = report.stopped or report.epoch == training.experiment.training.epochs
        if ended or (report.epoch and report.epoch % training.experiment.checkpoint.every == 0):
            save_state(list(report.scores))
        after_report(report)


def _of_divergence(training: Training, report: Report, place: int, what: str) -> str:
    how = training.experiment.replication.divergent
    then = {"keep": "training goes on", "reset": "they are drawn anew", "stop": "this seed stops"}[how]
    epoch = report.epoch + report.stopped
    return f"seed {training.seeds[place]}, epoch {epoch}: {what}; {then} (replication.divergent is {how!r})"


@contextmanager
def _saying_how_it_ended(writers: Mapping[int, RunWriter]) -> Iterator[None]:
    """Record in the status of each run how what is done inside this context ended."""
    try:
        yield
    except BaseException as error:
        stopped = isinstance(error, StoppedError | KeyboardInterrupt)
        with suppress(OSError):
            for writer in writers.values():
                writer.status("interrupted" if stopped else "failed", "" if stopped else _why(error))
        raise
    for writer in writers.values():
        writer.status("diverged" if writer.diverged else "finished", writer.diverged)


def _why(error: BaseException) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else f"{type(error).__name__}: {error}"
