"""Which runs begin, which go on and from where, and which are left as they are."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import cache
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsIndex

from srnn import tasks
from srnn.bodies.module import as_named
from srnn.errors import UserError, option, shorten
from srnn.experiment import Experiment, TaskConfig
from srnn.files import is_file
from srnn.runs import checkpoints, lock
from srnn.runs.checkpoints import Checkpoint
from srnn.runs.groups import first_difference, is_sweep
from srnn.runs.making import is_free, make_folder, write_config
from srnn.runs.records import explained
from srnn.runs.run import Run
from srnn.runs.status import Status, recorded, write_status
from srnn.runs.writer import read_checkpoint
from srnn.tasks import Task
from srnn.training.state import require_layout

if TYPE_CHECKING:
    from srnn.bodies.module import Body


def claim(folder: Path, experiment: Experiment, resume: bool, locks: ExitStack, say: Callable[[str], None]) -> bool:
    """Make sure that a run may be written to a folder, and be its only writer.

    Args:
        folder: The run folder; it is made, and removed with the locks if nothing was written to it.
        experiment: What is to be run, complete.
        resume: Whether a run that is there goes on.
        locks: Keeps the folder locked.
        say: Told if the run was begun with other versions.

    Returns:
        Whether there is anything to do: not if the run has ended and is left as it is.

    Raises:
        UserError: Another process writes to the folder, or a run is there that must not be touched, or one of another
            experiment; or its name cannot be that of a folder.
    """
    if is_sweep(folder.parent):
        raise UserError(
            f"{folder.parent} is the folder of a sweep: give this run a name of its own, or choose another "
            f"{option('out')}"
        )
    locks.callback(_remove_empty, make_folder(folder))
    begun = is_file(folder / "config.toml")
    if not begun and not is_free(folder):
        raise UserError(f"{folder} exists already: {_elsewhere()}")
    # Nothing is written to the folder of a run that has ended, not even a lock.
    if not begun or not recorded(folder).ended:
        locks.enter_context(lock.only_writer(folder))
    if not is_file(folder / "config.toml"):
        return True
    # Only now: it may have ended meanwhile.
    status = recorded(folder)
    if resume:
        _check_same(folder, experiment, say)
    elif status.ended:
        raise UserError(_exists(folder, experiment))
    else:
        raise UserError(
            f"{folder} holds an interrupted run: go on with it by {option('resume', 'resume=True')}, or choose "
            f"another {option('out')} or other {option('seeds')}"
        )
    return not status.ended


def go_on_for_longer(run: Run, experiment: Experiment, folder: Path) -> None:
    """Make what a run has left the beginning of one for more epochs, to be resumed, in a folder of its own.

    Args:
        run: A run that has ended.
        experiment: The same experiment but for its name and its number of epochs, which is larger.
        folder: Where the longer run is to be; there is nothing there yet.

    Raises:
        OSError: The folder is there, or cannot be written.
    """
    shutil.copytree(run.folder, folder, ignore=shutil.ignore_patterns("figures", "results", "export"))
    complete = {"seed": run.experiment.seed, "versions": run.experiment.versions, "task": run.experiment.task}
    write_config(folder, experiment.model_copy(update=complete))
    write_status(folder, Status("interrupted", run.status.epoch))


def lengthened(runs: Sequence[Run], epochs: Any) -> dict[Run, Experiment]:
    """What runs that have ended are to be for :func:`lengthen`; nothing is changed yet.

    Args:
        runs: Runs that have ended.
        epochs: How many more epochs there are to be.

    Raises:
        UserError: One has not ended, or there cannot be as many epochs.
    """
    longer = {}
    for run in runs:
        if not run.status.ended:
            resume = option("resume", "resume=True")
            raise UserError(f"{run.folder} has not ended: go on with it by {resume} before it is made longer")
        if not isinstance(epochs, SupportsIndex) or (more := index(epochs)) < 1:
            raise UserError(f"{option('extend', 'epochs')} is {epochs}; allowed: a whole number from 1")
        if run.experiment.training.keep == "best":
            raise UserError(
                f"{run.folder} ended as it was when its validation loss was least (training.keep), and cannot be made "
                "longer: begin another run there, by start.run and start.epoch 'end'"
            )
        until = run.experiment.training.epochs + more
        longer[run] = run.experiment.override(f"training.epochs={until}")
    return longer


def lengthen(longer: Mapping[Run, Experiment], task: Task) -> None:
    """Make runs that have ended the beginnings of longer ones, in their own folders, to be resumed.

    What is in their ``results`` and ``figures`` was of the shorter ones, and is removed.

    Args:
        longer: What each is to be, as :func:`lengthened` has it.
        task: The data.

    Raises:
        UserError: The data are others, or another process writes to a folder: then nothing is changed.
        OSError: A folder cannot be written.
    """
    with ExitStack() as locks:
        for run, experiment in longer.items():
            locks.enter_context(lock.only_writer(run.folder))
            described = tasks.complete(as_begun(experiment.task, [run.folder]), task)
            _found_with_same_data(run.folder, run.experiment.model_copy(update={"task": described}), task)
        if len(longer) > 1:
            for name in ("figures", "results"):
                shutil.rmtree(next(iter(longer)).folder.parent / name, ignore_errors=True)
        for run, experiment in longer.items():
            _lengthen(run, experiment)


def _lengthen(run: Run, experiment: Experiment) -> None:
    """Make one the beginning of a longer one; its folder is locked."""
    every = run.experiment.log.every, run.experiment.checkpoint.every
    if run.status.status == "diverged":
        write_config(run.folder, experiment)
        return
    # Until all is done it is one that was interrupted, and goes on to the longer end or, by then, to the old.
    write_status(run.folder, Status("interrupted", run.status.epoch))
    for path in run.checkpoints:
        epoch = int(path.stem.removeprefix("epoch-").partition("_")[0])
        # The last epoch is logged and saved in any case, in the middle of a longer run it is one like others.
        if any(epoch % one for one in every) and epoch not in run.experiment.checkpoint.pin:
            path.unlink()
    for name in ("figures", "results"):
        if not (run.folder / name).is_symlink():
            shutil.rmtree(run.folder / name, ignore_errors=True)
    write_config(run.folder, experiment)


def _remove_empty(folders: list[Path]) -> None:
    with suppress(OSError):
        for folder in folders:
            folder.rmdir()


def _exists(folder: Path, experiment: Experiment) -> str:
    """What is there, and what to do; of another experiment, in what it differs."""
    difference = None
    with suppress(UserError):
        difference = first_difference(Experiment.from_toml(folder / "config.toml"), experiment)
    if difference is None:
        return f"{folder} exists already: {_elsewhere()}"
    key, theirs, ours = difference
    what = f"{folder} exists already, with {key} {shorten(repr(theirs))} and not {shorten(repr(ours))}"
    own = option("set name=…", "override('name=…')")
    return f"{what}: give this one a name of its own ({own}), choose another {option('out')}, or remove it first"


def _elsewhere() -> str:
    return f"choose another {option('out')} or other {option('seeds')}, or remove it first"


def _check_same(folder: Path, experiment: Experiment, say: Callable[[str], None]) -> None:
    found = Experiment.from_toml(folder / "config.toml")
    if found.seed != experiment.seed:
        raise UserError(f"{folder} holds seed {found.seed}, not {experiment.seed}: choose another {option('out')}")
    _require_no_difference(folder, found, experiment)
    for name, now in experiment.versions.items():
        if (then := found.versions.get(name)) != now and not recorded(folder).ended:
            say(f"{folder} was begun with {name} {then or 'unknown'} and goes on with {now}: the last bits may differ")


def _require_no_difference(folder: Path, found: Experiment, experiment: Experiment) -> None:
    if (difference := first_difference(found, experiment)) is not None:
        key, theirs, ours = difference
        raise UserError(
            f"{key} is {ours!r} now and {theirs!r} in {folder}, and a run goes on only as it was begun: "
            f"set it to {theirs!r}, or choose another {option('out')}"
        )


def as_begun(config: TaskConfig, folders: Iterable[Path]) -> TaskConfig:
    """How the data of runs are to be loaded: as it was then, if one was begun by an srnn that did not describe them.

    Raises:
        UserError: A run's config.toml is damaged.
    """
    for folder in folders:
        if is_file(folder / "config.toml"):
            found = Experiment.from_toml(folder / "config.toml").task
            if found.fingerprint == {}:
                return config.model_copy(update={"fingerprint": {}, "scale": config.scale or found.scale})
    return config


def require_same_data(folder: Path, experiment: Experiment, task: Task) -> None:
    """Make sure that a run goes on with the data that it was begun with; where they lie now is recorded.

    Args:
        folder: The run folder, locked.
        experiment: What is to be run, complete with what its data say.
        task: The data.

    Raises:
        UserError: They are others, or scaled in another way.
    """
    found = _found_with_same_data(folder, experiment, task) if is_file(folder / "config.toml") else None
    if found is not None and found.task.path != experiment.task.path:
        moved = found.task.model_copy(update={"path": experiment.task.path})
        write_config(folder, found.model_copy(update={"task": moved}))


def _found_with_same_data(folder: Path, experiment: Experiment, task: Task) -> Experiment:
    """What a run was begun as, if that is this with these data; else UserError."""
    found = Experiment.from_toml(folder / "config.toml")
    otherwise = f"than {folder} was begun with, and a run goes on only as it was begun"
    tasks.require_same_data(
        found.task.fingerprint, task, f"{otherwise}: bring those back, or choose another {option('out')}"
    )
    _require_no_difference(folder, found, experiment)
    return found


def starts(
    folders: Mapping[int, Path], say: Callable[[str], None], body: Body | None = None
) -> list[dict[int, Checkpoint | None]]:
    """From where runs go on, by seed: those of one group side by side, one group after the other.

    Seeds that were trained side by side go on so from the newest checkpoint that is whole in all of them: then even
    the rounding is as if they had never stopped. If they have none in common, each goes on from its own newest.

    Args:
        folders: The run folders of the seeds, locked.
        say: Told of every damaged checkpoint.
        body: What makes their body, if that is not srnn's own.

    Returns:
        Groups of seeds in their order, with their checkpoints; ``None`` for the very beginning. Seeds whose training
        is over, as of those that diverged, are in every group, at their end: to keep the others company.
    """
    paths = {seed: {path.name: path for path in checkpoints.found(folder)} for seed, folder in folders.items()}

    @cache
    def whole(path: Path) -> Checkpoint | None:
        try:
            checkpoint = read_checkpoint(path)
            with explained(path):
                experiment = Experiment.from_toml(path.parents[1] / "config.toml")
                _require_tensors(checkpoint, as_named(experiment, body))
            return checkpoint
        except UserError as error:
            say(f"{error}; the checkpoint before it is used")
            return None

    newest: dict[int, Checkpoint | None] = {}
    for seed, own in paths.items():
        if is_file(folders[seed] / "config.toml"):
            newest[seed] = next(filter(None, (whole(path) for _, path in sorted(own.items(), reverse=True))), None)
    over = {seed for seed, since in newest.items() if since is not None and _is_over(since)}
    begun = [seed for seed in newest if seed not in over]

    since = {seed: newest.get(seed) for seed in folders}
    for name in sorted(set.intersection(*({*paths[seed]} for seed in begun)) if begun else (), reverse=True):
        common = {seed: whole(paths[seed][name]) for seed in begun}
        if all(common.values()):
            since |= common
            break
    else:
        # Stopped while their first checkpoints were written: they begin again, together.
        if not all(newest[seed] for seed in begun) and all(len(paths[seed]) <= 1 for seed in begun):
            since |= dict.fromkeys(begun)

    groups: dict[Path | str, list[int]] = {}
    for seed in folders:
        if seed not in over:
            groups.setdefault(since[seed].path.name if since[seed] else "", []).append(seed)  # type: ignore[union-attr]
    return [
        {seed: since[seed] for seed in folders if seed in group or seed in over} for group in groups.values() or [[]]
    ]


def _is_over(since: Checkpoint) -> bool:
    """Whether it is that of a seed which diverged, or ended before its epochs."""
    return bool(since.state["diverged"] or since.state.get("ended"))


def _require_tensors(checkpoint: Checkpoint, experiment: Experiment) -> None:
    """Raise ValueError or KeyError unless the tensors are such as training the experiment leaves behind."""
    sizes = checkpoint.state["inputs"], checkpoint.state["outputs"]
    if (known := tasks.shape(experiment.task)) is not None and known[:2] != sizes:
        raise ValueError(f"it is of {sizes[0]} inputs and {sizes[1]} outputs; the task has {known[0]} and {known[1]}")
    require_layout(experiment, checkpoint.tensors, checkpoint.state)
