"""The organism that a run has saved, made again from its checkpoint, or from what its trajectory holds of an epoch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from srnn import tasks
from srnn.errors import NotApplicableError, UserError
from srnn.files import is_file
from srnn.kernels.arithmetic import plain_torch
from srnn.methods import METHODS
from srnn.methods.lifted import Lifted
from srnn.methods.plain import fill, require_same_kind
from srnn.organism import Organism
from srnn.runs import checkpoints, records
from srnn.terms.gate import Circumstances, gates_of, opened
from srnn.training.birth import build_organism, particle_count
from srnn.training.state import image_of

if TYPE_CHECKING:
    from srnn.runs.run import Run


@plain_torch()
def organism(run: Run, epoch: int | None = None) -> Organism:
    """The organism of a run; see :meth:`srnn.Run.organism`."""
    saved = checkpoints.path_of(run.folder, epoch)
    if epoch is None or (is_file(saved) and not _logs_all_of(run, epoch)):
        return _of_checkpoint(run, saved)
    found = _of_checkpoint(run, checkpoints.path_of(run.folder))
    if epoch not in run.logged_epochs:
        known = ", ".join(map(str, run.logged_epochs))
        raise UserError(f"epoch is {epoch}; the trajectory of {run.folder} has {known}")
    path = run.folder / "trajectory" / f"epoch-{epoch:06}.parquet"
    weights = records.read_trajectory(path, *found.weights.shape).drop(columns=["Epoch", "Weight"]).to_numpy().T
    if weights.shape != found.weights.shape:
        raise NotApplicableError(f"{path} holds {weights.shape[1]:,} of {found.size:,} particles: log.particles")
    found.weights.data = torch.tensor(np.ascontiguousarray(weights))
    numbers = checkpoints.fill_ordinary(run.folder, epoch, found.body, run.gates)
    found.opened = _opened(run, found, numbers, epoch)
    return found


@plain_torch()
def newest(run: Run) -> tuple[Organism, int]:
    """The organism as the newest checkpoint has it, and after how many epochs that is: of a run in progress, both.

    Raises:
        UserError: There is no checkpoint, or it is damaged or belongs to another experiment.
    """
    path = checkpoints.path_of(run.folder)
    with records.open_checkpoint(path) as (_, state):
        return _of_checkpoint(run, path), int(state["epoch"])


@plain_torch()
def gate_score(run: Run, epoch: int | None = None) -> Tensor | None:
    """How much the gates of a run say that each weight is worth keeping; see :meth:`srnn.Run.gate_score`."""
    if len(gates := gates_of(run.experiment.terms)) != 1:
        return None
    [(name, gate)] = gates.items()
    found = organism(run, epoch)
    with found.behind(None):
        worth = found.worth()
    if not gate.has_numbers:
        return gate.score(worth, worth)
    if epoch is not None and _logs_all_of(run, epoch):
        numbers = checkpoints.fill_ordinary(run.folder, epoch, found.body, run.gates)[f"gate.{name}"]
    else:
        path = checkpoints.path_of(run.folder, epoch)
        with records.open_checkpoint(path) as (tensors, _):
            numbers = tensors.get_tensor(f"gate.{name}")
    return gate.score(worth, numbers)


@plain_torch()
def count_of(run: Run) -> int:
    """How many particles, N: as the newest checkpoint has them or, before the first, as the task makes them.

    Raises:
        UserError: The checkpoint is damaged, or there is none and the data of the task cannot be read.
    """
    if run.checkpoints:
        with records.open_checkpoint(run.checkpoints[-1]) as (tensors, _):
            return int(tensors.get_slice("weights").get_shape()[-1])
    if (shape := tasks.shape(run.experiment.task)) is None:
        raise UserError(f"{run.folder / checkpoints.FOLDER} is empty, and the data of the task cannot be read")
    return particle_count(run.experiment, *shape[:2], tasks.image(run.experiment.task))


def _logs_all_of(run: Run, epoch: int) -> bool:
    """Whether the trajectory is to have all particles as they were after an epoch."""
    return epoch in run.logged_epochs and run.experiment.log.particles == "all"


def _of_checkpoint(run: Run, path: Path) -> Organism:
    """The organism as a checkpoint has it."""
    experiment = run.experiment
    with records.open_checkpoint(path) as (tensors, state):
        inputs, outputs = records.count(state, "inputs"), records.count(state, "outputs")
        known = tasks.shape(experiment.task)
        if known is not None and known[:2] != (inputs, outputs):
            raise UserError(
                f"{path} is of {inputs} inputs and {outputs} outputs; the task {experiment.task.name} of "
                f"config.toml has {known[0]} and {known[1]}: the two do not belong together"
            )
        held = tensors.get_slice("weights")
        # Compared before an organism of that many is made: the file holds as much as its header says.
        image = image_of(state)
        count = particle_count(experiment, inputs, outputs, image)
        shape, wanted = tuple(held.get_shape()), (experiment.particle.size, count)
        if shape != wanted:
            raise UserError(
                f"{path}: its weights have shape {shape}; config.toml asks for {wanted}: the two do not belong together"
            )
        if held.get_dtype() != "F32":
            raise ValueError(f"its weights are {held.get_dtype()}, not F32")
        found = build_organism(experiment, inputs, outputs, image=image)
        found.weights.data = tensors.get_tensor("weights")
        method, settings = METHODS[experiment.replication.method], experiment.replication
        if state.get("behind") and issubclass(method, Lifted):
            effective = tensors.get_tensor("effective")
            require_same_kind("effective", effective, found.weights[0])
            method.take_far(found.weights.detach(), found.replicator, effective, settings)
        ordinary = [name for name in tensors.keys() if name.startswith("body.")]  # noqa: SIM118 (it is no mapping)
        fill(found.body, {name: tensors.get_tensor(name) for name in ordinary})
        if gates_of(experiment.terms):
            numbers = {name: tensors.get_tensor(name) for name in run.gates}
            found.opened = _opened(run, found, numbers, int(state["epoch"]))
    return found


def _opened(run: Run, found: Organism, numbers: Mapping[str, Tensor], epoch: int) -> Tensor | None:
    """How far gates are open at rest, ``(N,)``.

    Raises:
        ValueError: Their numbers are of another shape or type.
    """
    with found.behind(None):
        worth = found.worth()
    for name, own in numbers.items():
        require_same_kind(name, own, worth)
    at = Circumstances(epoch, 1, found.shapes)
    named = {name.removeprefix("gate."): own for name, own in numbers.items()}
    return opened(gates_of(run.experiment.terms), worth, named, at)
