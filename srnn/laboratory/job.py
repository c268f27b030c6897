"""The whole job: load the data, train every seed, record it, draw its figures."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsIndex

import torch

from srnn import tasks
from srnn.bodies.module import require_consent, with_body
from srnn.choices import require_format
from srnn.errors import StoppedError, UserError, nearest, option, shorten
from srnn.experiment import Experiment
from srnn.files import is_file
from srnn.kernels.arithmetic import fast_arithmetic, plain_torch
from srnn.laboratory.beginning import folders_of, make_longer, own_body, prepare
from srnn.laboratory.network_files import NETWORK, write_network
from srnn.laboratory.remedies import of_divergence
from srnn.presets import load_experiment
from srnn.runs.disk import Disk
from srnn.runs.groups import first_difference, open_runs
from srnn.runs.lock import open_files
from srnn.runs.run import Run
from srnn.runs.start import write_masks
from srnn.runs.writer import RunWriter, texts
from srnn.seeds import numbers
from srnn.tasks import Task
from srnn.tasks.settings import TaskConfig
from srnn.terminal import tell
from srnn.training.loop import Training
from srnn.training.measuring import Report
from srnn.untrusted import expanded, own_folder

if TYPE_CHECKING:
    import pandas as pd

    from srnn.bodies.module import Body

#: An experiment, or the name of a preset or the path of a TOML file.
Named = Experiment | str | os.PathLike[str]
Seeds = SupportsIndex | str | Iterable[SupportsIndex]


class _Told:
    """Tells lines by ``say``, and keeps those that nobody could be told."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self.unsaid: list[str] = []

    def __call__(self, message: str) -> None:
        try:
            self._say(message)
        except OSError:
            self.unsaid.append(message)


@plain_torch()
def run(
    experiment: Named,
    out: str | os.PathLike[str] = "runs",
    *,
    seeds: Seeds | None = None,
    resume: bool = False,
    data_dir: str | os.PathLike[str] | None = None,
    device: str | torch.device = "cpu",
    image_format: str | None = "png",
    body: Body | None = None,
    after_start: Callable[[Training], None] = lambda training: None,
    after_batch: Callable[[], None] = lambda: None,
    after_report: Callable[[Report], None] = lambda report: None,
    stop: Callable[[], bool] = lambda: False,
    say: Callable[[str], None] = tell,
    progress: bool | None = None,
) -> list[Run]:
    """Run an experiment, from its data to its figures.

    Args:
        experiment: What to run: an experiment, the name of a preset such as ``"connectivity"``, or a TOML file. Of a
            comparison all variants are run, and compared; of a study of pruning, its trunk and all branches.
        out: Each seed's folder is ``out/NAME/seed-S``.
        seeds: One run each, trained side by side: whole numbers, or how many (3: the seeds 0, 1 and 2); without any,
            the experiment's own seed.
        resume: Go on with runs that were interrupted, to the same bits as if they had not been; leave those that have
            ended as they are, and begin the others.
        data_dir: Where the IDX files of mnist and fashion_mnist are.
        device: ``cpu`` or ``cuda``.
        image_format: ``png``, ``svg`` or ``pdf``; None: without figures.
        body: A class of ``torch.nn.Module`` in place of the experiment's body, or a function that makes one; a
            ``functools.partial`` gives it arguments, and if it takes ``inputs`` or ``outputs``, it is told the task's.
            What an experiment itself names as its body is imported only where it begins: to ``resume``, name it here.
        after_start: Called when training is about to begin.
        after_batch: Called after every batch, or after some that were trained in one call.
        after_report: Called with everything measured: before the first epoch and after each.
        stop: Asked likewise; once it says yes, the whole state is saved and training ends.
        say: Told, in a line each, of how the data were taken, of damaged checkpoints and of divergence; without it
            they are printed to stderr. What it cannot tell (an OSError) stands in the status of the runs.
        progress: Whether to show on stderr, or in a notebook's cell, how far it is; without it, where somebody looks:
            on a terminal and in a notebook.

    Returns:
        The runs, in the order of the seeds; of a comparison, a :class:`srnn.Comparison` of the runs of its variants; of
        a study of pruning, a :class:`srnn.laboratory.study.Study` of all of its runs.

    Raises:
        UserError: An argument is wrong, data are missing, damaged or not those that a run was begun with, a run folder
            exists or is being written by another process, the experiment does not fit its data, or there is no such
            device.
        OSError: A folder cannot be written, as with a full disk; once it can, the runs can be resumed.
        StoppedError: Because of ``stop``.

    Example:
        >>> [run] = srnn.run(srnn.load_preset("digits"), "my-runs")  # doctest: +SKIP
    """
    if not isinstance(experiment, Experiment):
        experiment = load_experiment(experiment)
    if experiment.sweep.over:
        raise UserError(f"{experiment.name} is a sweep of many points: run it by srnn sweep, or srnn.sweep in Python")
    experiment = with_body(experiment, body, begins=not resume)
    chosen = [experiment.seed] if seeds is None else numbers(seeds)
    out, data_dir = expanded(out), None if data_dir is None else expanded(data_dir)
    device = require_device(device)
    if image_format is not None:
        require_format(image_format)
    if experiment.comparison.variants or experiment.pruning.asked:
        return _of_several(experiment)(
            run,
            experiment,
            out,
            chosen,
            data_dir=data_dir,
            image_format=image_format,
            stop=stop,
            resume=resume,
            device=device,
            after_start=after_start,
            after_batch=after_batch,
            after_report=after_report,
            say=say,
            progress=progress,
        )
    own, folders = own_body(experiment), folders_of(experiment, out, chosen)
    told = _Told(say)
    with ExitStack() as locks:
        if progress is not False:
            from srnn.laboratory.live import progress_of, then

            if (display := locks.enter_context(progress_of(experiment, chosen, progress))) is not None:
                after_start = then(display.start, after_start)
                after_batch = then(display.batch, after_batch)
                after_report = then(display.report, after_report)
        locks.enter_context(open_files(len(chosen)))

        def load(config: TaskConfig) -> Task:
            return tasks.load(config, data_dir).to(device)

        ready = prepare(experiment, folders, resume, load, locks, told)
        if ready.to_do:
            disk = locks.enter_context(Disk())
            writers = {
                seed: RunWriter(folder, ready.experiments[seed], ready.since[seed], disk)
                for seed, folder in ready.to_do.items()
            }
            write_masks(ready.trainings, {seed: folders[seed] for seed, since in ready.since.items() if since is None})
            with _saying_how_it_ended(writers, disk, told.unsaid):
                for note in ready.notes:
                    told(note)
                for training in ready.trainings:
                    after_start(training)
                    with fast_arithmetic(training.organism.size * experiment.training.batch_size):
                        _train(training, writers, disk, after_batch, after_report, stop, told)
                for folder in ready.to_do.values():
                    if is_file(folder / NETWORK):
                        write_network(Run(folder, own))
                if image_format is not None:
                    _draw_all(folders, ready.to_do, image_format, stop)
    return [Run(folder, own) for folder in folders.values()]


def _of_several(experiment: Experiment) -> Callable[..., list[Run]]:
    """What runs an experiment that consists of several."""
    if experiment.pruning.asked:
        from srnn.laboratory.study import run_study

        return run_study
    from srnn.laboratory.compare import run_comparison

    return run_comparison


def extend(
    folder: Run | str | os.PathLike[str],
    epochs: int,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    device: str | torch.device = "cpu",
    image_format: str | None = "png",
    body: Body | None = None,
    **watchers: Any,
) -> list[Run]:
    """Train finished runs on, where they are, to the bytes of runs that were longer from the start.

    What is wrong is told before anything of them is changed.

    Args:
        folder: A run, its folder, or the folder of the seeds of an experiment.
        epochs: How many more.
        data_dir, device, image_format, body: As of :func:`run`.
        watchers: Of the arguments of :func:`run` those that look on: :data:`WATCHERS`.

    Returns:
        The runs.

    Raises:
        UserError: One has not ended, or is not of the same experiment as the others; or as of :func:`run`.

    Example:
        >>> srnn.extend("runs/digits", 100)  # doctest: +SKIP
    """
    require_watchers(watchers)
    runs = runs_of(folder, body)
    require_consent(runs[0].experiment)
    place, device = place_of(runs), require_device(device)
    if image_format is not None:
        require_format(image_format)
    data_dir = None if data_dir is None else expanded(data_dir)
    make_longer(runs, epochs, data_dir, device)
    options: dict[str, Any] = {"data_dir": data_dir, "device": device, "image_format": image_format}
    seeds = [one.experiment.seed for one in runs]
    return run(Run(runs[0].folder, runs[0].body).experiment, place, seeds=seeds, resume=True, **options, **watchers)


#: The arguments of :func:`run` that only look on, or stop it.
WATCHERS = ("after_start", "after_batch", "after_report", "stop", "say", "progress")


def require_watchers(watchers: Mapping[str, Any]) -> None:
    """Make sure that these are watchers, before anything is done for them to look at.

    Raises:
        UserError: One is none.
    """
    for name, watcher in watchers.items():
        if name not in WATCHERS:
            raise UserError(f"there is no argument {name}{nearest(name, WATCHERS)}; allowed: {', '.join(WATCHERS)}")
        if name != "progress" and not callable(watcher):
            raise UserError(f"{name} is {shorten(repr(watcher))}; allowed: what can be called")


def runs_of(folder: Run | str | os.PathLike[str], body: Body | None = None) -> list[Run]:
    """A run alone, or those that a folder holds.

    Raises:
        UserError: As for :func:`srnn.runs.groups.open_runs`.
    """
    if isinstance(folder, Run):
        return open_runs([folder.folder], folder.body if body is None else body)
    return open_runs([folder], body)


def place_of(runs: Sequence[Run]) -> Path:
    """The ``out`` that led to these runs, which are of one experiment.

    Raises:
        UserError: They are not, or a folder was renamed.
    """
    experiment = runs[0].experiment
    for one in runs:
        if (difference := first_difference(one.experiment, experiment)) is not None:
            raise UserError(f"{one.folder} and {runs[0].folder} differ in {difference[0]}: name one of them")
        place = (experiment.name, f"seed-{one.experiment.seed}")
        if one.folder.resolve().parts[-2:] != place:
            raise UserError(f"{one.folder} was renamed: to go on with it, name it {'/'.join(place)} again")
    first = runs[0].folder
    if first.parts[-2:] != (experiment.name, f"seed-{runs[0].experiment.seed}") or ".." in first.parts:
        # Named by a link or from within: its ``out`` is that of the folder itself.
        first = first.resolve()
    return first.parents[1]


def require_device(device: str | torch.device) -> str:
    """The name of a device that is there.

    Raises:
        UserError: It is none, or not here.
    """
    name = str(device)
    if not re.fullmatch(r"cpu|cuda(:\d{1,3})?", name):
        raise UserError(f"{option('device')} is {shorten(repr(name))}; allowed: cpu, cuda")
    if name != "cpu" and int(name.partition(":")[2] or 0) >= torch.cuda.device_count():
        cpu = option("device cpu", "device='cpu'")
        raise UserError(f"{option('device')} is {name}, but torch finds no CUDA device here; use {cpu}")
    return name


def _draw_all(
    folders: Mapping[int, Path], new: Mapping[int, Path], image_format: str, stop: Callable[[], bool]
) -> None:
    """Draw the figures of each new run and, if there are several, those of all together."""
    import pandas as pd

    def heard() -> None:
        if stop():
            raise StoppedError("drawing was asked to stop; all is trained, and the figures are drawn when it goes on")

    parent = next(iter(folders.values())).parent
    for seed, folder in new.items():
        heard()
        draw(Run(folder).metrics, folder / "figures", f"{parent.name}, seed {seed}", image_format, heard)
    if len(folders) > 1:
        heard()
        frames = [Run(folder).metrics.assign(Seed=seed) for seed, folder in folders.items()]
        title = f"{parent.name}, {len(folders)} seeds"
        draw(pd.concat(frames), own_folder(parent / "figures"), title, image_format, heard)


def draw(
    metrics: pd.DataFrame,
    folder: Path,
    title: str,
    image_format: str = "png",
    between: Callable[[], None] = lambda: None,
) -> None:
    """Draw the two figures of a run, or of several seeds, into ``folder``; ``between`` them something may be done."""
    from srnn.plots.particle_types import particle_types
    from srnn.plots.style import save
    from srnn.plots.training_curves import training_curves

    save(training_curves(metrics, title), folder / f"training_curves.{image_format}")
    between()
    if (metrics["Metric"] == "identity").any():  # plain numbers have no types
        save(particle_types(metrics, title), folder / f"particle_types.{image_format}")


def _train(
    training: Training,
    writers: Mapping[int, RunWriter],
    disk: Disk,
    after_batch: Callable[[], None],
    after_report: Callable[[Report], None],
    stop: Callable[[], bool],
    say: Callable[[str], None],
) -> None:
    """Train to the end, and record it."""
    last_saved, told, branching = time.monotonic(), set[int](), training.experiment.start.run and not training.begun
    names = [texts(training.organism.names_of(followed)) for followed in training.followed]

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
            disk.wait()
            raise StoppedError("training was asked to stop; its whole state is saved")
        minutes = training.experiment.checkpoint.minutes
        if minutes is not None and time.monotonic() - last_saved > 60 * minutes:
            save_state(training.running)

    for report in training.run(watch):
        for place, what in report.diverged.items():
            if place not in told:
                say(of_divergence(training, report, place, what))
                told.add(place)
        for place, scores in report.scores.items():
            writer = writers[training.seeds[place]]
            writer.metrics(report.epoch, report.batch, scores, save=report.logged)
            if report.logged and not report.stopped:
                followed = training.followed[place]
                weights = training.weights[:, training.columns(place).start + followed]
                beside = training.plain.values(place) | training.terms.numbers(place)
                writer.trajectory(report.epoch, names[place], weights, beside)
        ended = report.stopped or report.ended or report.epoch == training.experiment.training.epochs
        if ended or branching or training.experiment.checkpoint.due(report.epoch):
            save_state(list(report.scores))
            branching = False
        if ended:
            disk.wait()
        after_report(report)


@contextmanager
def _saying_how_it_ended(writers: Mapping[int, RunWriter], disk: Disk, unsaid: Sequence[str]) -> Iterator[None]:
    """Record in the status of each run how what is done inside this context ended."""
    try:
        yield
        disk.wait()
    except BaseException as error:
        stopped = isinstance(error, StoppedError | KeyboardInterrupt)
        with suppress(Exception):  # what is told is what happened first
            disk.wait()
        for writer in writers.values():
            with suppress(OSError):
                writer.status("interrupted" if stopped else "failed", "" if stopped else _why(error), unsaid)
        raise
    for writer in writers.values():
        writer.status("diverged" if writer.diverged else "finished", writer.diverged, unsaid)


def _why(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return f"{type(error).__name__}: {error}"
