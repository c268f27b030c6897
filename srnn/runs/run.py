"""The run folder: what a run leaves behind, readable without srnn.

``config.toml`` (complete, with versions and seed), ``metrics.csv`` (long form: Epoch, Batch, Metric, Score),
``trajectory/`` (Parquet, one file per logged epoch: Epoch, Weight = the particle's name, dim_1 … dim_P),
``checkpoints/*.safetensors``, ``status.json`` and ``figures/``. Every file is written whole or not at all.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from srnn import tasks
from srnn.bodies.module import as_named
from srnn.errors import NotApplicableError, UserError
from srnn.experiment import Experiment
from srnn.files import is_file
from srnn.fixpoints import FixpointType
from srnn.kernels.arithmetic import plain_torch
from srnn.methods import METHODS
from srnn.methods.lifted import Lifted
from srnn.methods.plain import fill, require_same_kind
from srnn.organism import Organism
from srnn.runs import checkpoints, records
from srnn.runs.status import Status, read_status
from srnn.shown import Rows, Shown, figure
from srnn.terms.gate import Circumstances, gates_of, opened
from srnn.training.birth import build_organism, particle_count
from srnn.training.state import image_of
from srnn.untrusted import expanded

if TYPE_CHECKING:
    import pandas as pd

    from srnn.bodies.module import Body


@dataclass(frozen=True, init=False, repr=False)
class Run(Shown):
    """A run's folder, to be read.

    Example:
        >>> run = Run.open("runs/digits/seed-0")  # doctest: +SKIP
        >>> run.metrics.query("Metric == 'identity'")  # doctest: +SKIP
        >>> run.organism().weights.shape  # doctest: +SKIP
        torch.Size([40, 720])
    """

    folder: Path
    #: What makes its body, if that is not srnn's own: nothing that the folder names is imported unasked.
    body: Body | None = field(default=None, compare=False)

    def __init__(self, folder: str | os.PathLike[str], body: Body | None = None) -> None:
        object.__setattr__(self, "folder", expanded(folder))
        object.__setattr__(self, "body", body)

    @classmethod
    def open(cls, folder: str | os.PathLike[str], body: Body | None = None) -> Run:
        """The run in that folder.

        Args:
            folder: Such as ``runs/digits/seed-0``.
            body: The class of its body, or the class's import path, if that is not srnn's own.

        Raises:
            UserError: The folder is missing or is not that of a run.
        """
        folder = expanded(folder)
        if not is_file(folder / "config.toml"):
            what = "is not a folder"
            with suppress(OSError):
                what = "is not the folder of a run (it has no config.toml)" if folder.is_dir() else what
            raise UserError(f"{folder} {what}; name a run such as runs/digits/seed-0")
        return cls(folder, body)

    def _line(self) -> str:
        _, rows = self._shown()
        known = {row[0]: row[1] for row in rows}
        shown = [known[name] for name in ("status", "experiment") if name in known]
        shown += [f"{name} {value}" for name, value in rows if name.startswith("test ")]
        shown += [known["particles"]] if "particles" in known else []
        return f"Run({str(self.folder)!r}: {', '.join(shown)})"

    def _shown(self) -> tuple[str, Rows]:
        status, rows = self.status, [("folder", str(self.folder))]
        last = records.last_scores(self.folder / "metrics.csv")
        epoch = max([status.epoch, *(epoch for epoch, _ in last.values())])
        how = f"{status.status}, epoch {epoch:,}"
        try:
            experiment = self.experiment
            how += f" of {experiment.training.epochs:,}"
            rows += [
                ("task", experiment.task.name),
                ("body", experiment.body.describe()),
                ("replication", experiment.replication.method),
                ("seed", str(experiment.seed)),
            ]
            title = experiment.name
        except UserError as error:
            title = self.folder.name
            rows.append(("experiment", f"cannot be read: {error}"))
        rows.append(("status", how + (f": {status.why}" if status.why else "")))
        tests = [name for name in ("test_accuracy", "test_mae") if name in last]
        rows += [(name.replace("_", " "), figure(last[name][1])) for name in tests]
        types = [kind.label for kind in FixpointType if kind.label in last and last[kind.label][1] != 0]
        if types:
            rows.append(("particles", ", ".join(f"{figure(last[name][1])} {name}" for name in types)))
        return title, rows

    @cached_property
    def experiment(self) -> Experiment:
        """What was run."""
        return as_named(Experiment.from_toml(self.folder / "config.toml"), self.body)

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """Everything measured, in long form: Epoch, Batch (both int), Metric (str), Score (float).

        Raises:
            UserError: Nothing is measured yet, or the file is damaged.
        """
        path = self.folder / "metrics.csv"
        if not is_file(path):
            raise UserError(f"{path} is missing: this run was stopped before it measured anything")
        return records.read_metrics(path)

    @property
    def checkpoints(self) -> list[Path]:
        """The checkpoints, oldest first."""
        return checkpoints.found(self.folder)

    @property
    def status(self) -> Status:
        """How far it has come."""
        return read_status(self.folder)

    @property
    def figures(self) -> list[Path]:
        """The figures, by name."""
        return figures(self.folder)

    @property
    def logged_epochs(self) -> list[int]:
        """Epochs whose weights the trajectory holds, in order."""
        paths = (self.folder / "trajectory").glob("epoch-*.parquet")
        epochs = (path.stem.removeprefix("epoch-") for path in paths)
        return sorted(int(epoch) for epoch in epochs if epoch.isdecimal())

    @plain_torch()
    def organism(self, epoch: int | None = None, *, body: Body | None = None) -> Organism:
        """The organism as the newest checkpoint has it, or as it was after an epoch: behind its gates at rest.

        Args:
            epoch: One that was logged with all its particles, or has a checkpoint; without it, the newest checkpoint.
            body: The class of its body, if that is not srnn's own and the run was opened without it.

        Raises:
            UserError: There is no checkpoint, or it is damaged or belongs to another experiment; that epoch was not
                logged, or not with all its particles; or the body is not srnn's own, and no class was given.
        """
        if body is not None:
            return Run(self.folder, body).organism(epoch)
        saved = self._newest if epoch is None else self.folder / checkpoints.FOLDER / checkpoints.name(epoch)
        if epoch is not None and is_file(saved) and not self._logs_all_of(epoch):
            return self._organism_of(saved)
        organism = self._organism_of(self._newest)
        if epoch is not None:
            if epoch not in self.logged_epochs:
                known = ", ".join(map(str, self.logged_epochs))
                raise UserError(f"epoch is {epoch}; the trajectory of {self.folder} has {known}")
            path = self.folder / "trajectory" / f"epoch-{epoch:06}.parquet"
            weights = (
                records.read_trajectory(path, *organism.weights.shape).drop(columns=["Epoch", "Weight"]).to_numpy().T
            )
            if weights.shape != organism.weights.shape:
                raise NotApplicableError(
                    f"{path} holds {weights.shape[1]:,} of {organism.size:,} particles: log.particles"
                )
            organism.weights.data = torch.tensor(np.ascontiguousarray(weights))
            numbers = checkpoints.fill_ordinary(self.folder, epoch, organism.body, self.gates)
            organism.opened = self._opened(organism, numbers, epoch)
        return organism

    def _logs_all_of(self, epoch: int) -> bool:
        """Whether the trajectory is to have all particles as they were after an epoch."""
        return epoch in self.logged_epochs and self.experiment.log.particles == "all"

    def _organism_of(self, path: Path) -> Organism:
        """The organism as a checkpoint has it."""
        with records.open_checkpoint(path) as (tensors, state):
            inputs, outputs = records.count(state, "inputs"), records.count(state, "outputs")
            known = tasks.shape(self.experiment.task)
            if known is not None and known[:2] != (inputs, outputs):
                raise UserError(
                    f"{path} is of {inputs} inputs and {outputs} outputs; the task {self.experiment.task.name} of "
                    f"config.toml has {known[0]} and {known[1]}: the two do not belong together"
                )
            held = tensors.get_slice("weights")
            # Compared before an organism of that many is made: the file holds as much as its header says.
            image = image_of(state)
            count = particle_count(self.experiment, inputs, outputs, image)
            shape, wanted = tuple(held.get_shape()), (self._size, count)
            if shape != wanted:
                raise UserError(
                    f"{path}: its weights have shape {shape}; config.toml asks for {wanted}: the two do not belong "
                    "together"
                )
            if held.get_dtype() != "F32":
                raise ValueError(f"its weights are {held.get_dtype()}, not F32")
            organism = build_organism(self.experiment, inputs, outputs, image=image)
            organism.weights.data = tensors.get_tensor("weights")
            method, settings = METHODS[self.experiment.replication.method], self.experiment.replication
            if state.get("behind") and issubclass(method, Lifted):
                effective = tensors.get_tensor("effective")
                require_same_kind("effective", effective, organism.weights[0])
                method.take_far(organism.weights.detach(), organism.replicator, effective, settings)
            ordinary = [name for name in tensors.keys() if name.startswith("body.")]  # noqa: SIM118 (it is no mapping)
            fill(organism.body, {name: tensors.get_tensor(name) for name in ordinary})
            if gates_of(self.experiment.terms):
                numbers = {name: tensors.get_tensor(name) for name in self.gates}
                organism.opened = self._opened(organism, numbers, int(state["epoch"]))
        return organism

    @plain_torch()
    def gate_score(self, epoch: int | None = None) -> Tensor | None:
        """How much its gates say that each weight is worth keeping, ``(N,)``, the larger the more.

        Args:
            epoch: As for :meth:`organism`.

        Returns:
            The score, or None of a run without gates, or with several kinds, which may not agree.

        Raises:
            UserError: As for :meth:`organism`.
        """
        if len(gates := gates_of(self.experiment.terms)) != 1:
            return None
        [(name, gate)] = gates.items()
        organism = self.organism(epoch)
        with organism.behind(None):
            worth = organism.worth()
        if not gate.has_numbers:
            return gate.score(worth, worth)
        if epoch is not None and self._logs_all_of(epoch):
            numbers = checkpoints.fill_ordinary(self.folder, epoch, organism.body, self.gates)[f"gate.{name}"]
        else:
            path = self._newest if epoch is None else self.folder / checkpoints.FOLDER / checkpoints.name(epoch)
            with records.open_checkpoint(path) as (tensors, _):
                numbers = tensors.get_tensor(f"gate.{name}")
        return gate.score(worth, numbers)

    @property
    def gates(self) -> list[str]:
        """The names of the tensors that hold the numbers of gates: ``gate.NAME``."""
        return [f"gate.{name}" for name, gate in gates_of(self.experiment.terms).items() if gate.has_numbers]

    def _opened(self, organism: Organism, numbers: Mapping[str, Tensor], epoch: int) -> Tensor | None:
        """How far gates are open at rest, ``(N,)``.

        Raises:
            ValueError: Their numbers are of another shape or type.
        """
        with organism.behind(None):
            worth = organism.worth()
        for name, own in numbers.items():
            require_same_kind(name, own, worth)
        at = Circumstances(epoch, 1, organism.shapes)
        named = {name.removeprefix("gate."): own for name, own in numbers.items()}
        return opened(gates_of(self.experiment.terms), worth, named, at)

    @property
    def _size(self) -> int:
        """Weights P of a particle."""
        return self.experiment.particle.size

    @property
    def inputs(self) -> int:
        """Numbers of an example, as the newest checkpoint has them.

        Raises:
            UserError: There is no checkpoint, or it is damaged.
        """
        return self._held("inputs")

    @property
    def outputs(self) -> int:
        """Numbers of an answer, likewise."""
        return self._held("outputs")

    def _held(self, name: str) -> int:
        with records.open_checkpoint(self._newest) as (_, state):
            return records.count(state, name)

    @property
    def _newest(self) -> Path:
        if not self.checkpoints:
            raise UserError(f"{self.folder / 'checkpoints'} is empty: this run was stopped before its first checkpoint")
        return self.checkpoints[-1]

    def _particles(self) -> int:
        """Particles N, as the newest checkpoint has them or, before the first, as the task makes them."""
        if self.checkpoints:
            with records.open_checkpoint(self.checkpoints[-1]) as (tensors, _):
                return int(tensors.get_slice("weights").get_shape()[-1])
        if (shape := tasks.shape(self.experiment.task)) is None:
            raise UserError(f"{self.folder / 'checkpoints'} is empty, and the data of the task cannot be read")
        return particle_count(self.experiment, *shape[:2], tasks.image(self.experiment.task))

    @plain_torch()
    def trajectory(self) -> pd.DataFrame:
        """All logged weights: Epoch (int), Weight (the particle's name), dim_1 … dim_P (float32).

        Raises:
            UserError: Nothing is logged yet, or a file is damaged.
        """
        folder = self.folder / "trajectory"
        paths = sorted(folder.glob("epoch-*.parquet"))
        if not paths:
            raise UserError(f"{folder} is empty: this run was stopped before it logged anything")
        import pandas as pd

        particles = self._particles()
        return pd.concat([records.read_trajectory(path, self._size, particles) for path in paths], ignore_index=True)


def figures(folder: Path) -> list[Path]:
    """The figures of a run, or of the seeds in a folder, by name."""
    # Their names are printed: a stranger's could command the terminal.
    return sorted(path for path in (folder / "figures").glob("[!.]*") if path.name.isprintable())
