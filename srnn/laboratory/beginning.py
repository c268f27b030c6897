"""What comes before training: all that can be checked is checked, and nothing of a run that is there is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from srnn import tasks
from srnn.bodies.module import ModuleConfig, with_body
from srnn.errors import UserError
from srnn.experiment import Experiment
from srnn.kernels.arithmetic import plain_torch
from srnn.runs.checkpoints import Checkpoint
from srnn.runs.resume import as_begun, claim, lengthen, lengthened, require_same_data, starts
from srnn.runs.run import Run
from srnn.runs.start import begin_all
from srnn.runs.writer import versions
from srnn.tasks import Task
from srnn.tasks.settings import TaskConfig
from srnn.training.loop import Training

if TYPE_CHECKING:
    from srnn.bodies.module import Body


@dataclass
class Beginning:
    """The seeds of an experiment about to be trained.

    Attributes:
        to_do: The folders of those that are, by seed; the others have ended.
        experiments: What is recorded of each.
        trainings: They, side by side, where they begin or go on.
        since: From which checkpoints; None: from the very beginning.
        notes: What is to be told of the data.
    """

    to_do: dict[int, Path]
    experiments: dict[int, Experiment] = field(default_factory=dict)
    trainings: list[Training] = field(default_factory=list)
    since: dict[int, Checkpoint | None] = field(default_factory=dict)
    notes: Sequence[str] = ()


def folders_of(experiment: Experiment, out: Path, seeds: Iterable[int]) -> dict[int, Path]:
    """The folder of each seed."""
    return {seed: out / experiment.name / f"seed-{seed}" for seed in seeds}


def own_body(experiment: Experiment) -> Body | None:
    """What makes the body, if that is not srnn's own."""
    return experiment.body if isinstance(experiment.body, ModuleConfig) else None


def prepare(
    experiment: Experiment,
    folders: Mapping[int, Path],
    resume: bool,
    load: Callable[[TaskConfig], Task],
    locks: ExitStack,
    say: Callable[[str], None],
) -> Beginning:
    """Have the seeds of an experiment be about to be trained.

    Args:
        experiment: It alone, whose body may be built.
        folders: Where each seed goes.
        resume: Whether those that are there go on.
        load: Loads the data to the device.
        locks: Keeps the folders locked; those that are made are gone with it if nothing was written to them.
        say: As of :func:`srnn.run`.

    Raises:
        UserError: One cannot be begun, or gone on with.
    """
    own, complete = own_body(experiment), {"versions": versions(), "task": tasks.complete(experiment.task)}
    experiments = {seed: experiment.model_copy(update={"seed": seed, **complete}) for seed in folders}
    to_do = {seed: folder for seed, folder in folders.items() if claim(folder, experiments[seed], resume, locks, say)}
    if not to_do:
        return Beginning(to_do)
    begun = as_begun(experiment.task, to_do.values())
    task = load(begun)
    described = {"task": tasks.complete(begun, task)}
    experiments = {seed: one.model_copy(update=described) for seed, one in experiments.items()}
    for seed, folder in to_do.items():
        require_same_data(folder, experiments[seed], task)
    groups = starts(to_do, say, own)
    trainings = [_training(experiment, task, group) for group in groups]
    experiments |= begin_all(trainings, groups, experiments, own)
    since = {seed: checkpoint for group in groups for seed, checkpoint in group.items()}
    return Beginning(to_do, experiments, trainings, since, task.notes)


def _training(experiment: Experiment, task: Task, group: Mapping[int, Checkpoint | None]) -> Training:
    """The training of seeds from where they go on."""
    training = Training(experiment, task, list(group))
    for place, since in enumerate(group.values()):
        if since is not None:
            training.load_state(place, since.tensors, since.state)
    return training


@plain_torch()
def require_all_can_begin(
    experiments: Iterable[Experiment],
    out: Path,
    seeds: Sequence[int],
    *,
    resume: bool,
    data_dir: Path | None,
    device: str,
) -> None:
    """Make sure that experiments which are run one after the other can all be begun, before the first one is.

    Args:
        experiments: They, none of which begins from another.
        out, seeds, resume, data_dir, device: As of :func:`srnn.run`.

    Raises:
        UserError: One cannot; the message names it.
    """
    loaded: dict[str, Task] = {}

    def load(config: TaskConfig) -> Task:
        key = config.model_dump_json()
        if key not in loaded:
            loaded[key] = tasks.load(config, data_dir).to(device)
        return loaded[key]

    for experiment in experiments:
        try:
            bound = with_body(experiment, None, begins=not resume)
            with ExitStack() as locks:
                prepare(bound, folders_of(bound, out, seeds), resume, load, locks, lambda message: None)
        except UserError as error:
            raise UserError(f"{experiment.name}: {error}") from None


@plain_torch()
def make_longer(runs: Sequence[Run], epochs: int, data_dir: Path | None, device: str) -> None:
    """Make runs that have ended the beginnings of longer ones, to be resumed, if these can be trained.

    Args:
        runs: The seeds of one experiment, whose body may be built.
        epochs: How many more epochs there are to be.
        data_dir: Where the data are, if they have moved.
        device: Where they are to be trained.

    Raises:
        UserError: One has not ended, its data are missing or others, or there cannot be as many epochs.
        OSError: A folder cannot be written.
    """
    longer = lengthened(runs, epochs)
    config = as_begun(runs[0].experiment.task, [run.folder for run in runs])
    task = tasks.load(config, data_dir).to(device)
    Training(next(iter(longer.values())), task, [run.experiment.seed for run in runs])
    lengthen(longer, task)
