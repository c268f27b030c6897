"""The run folder: what a run leaves behind, readable without srnn.

``config.toml`` (complete, with versions and seed), ``metrics.csv`` (long form: Epoch, Batch, Metric, Score),
``trajectory/`` (Parquet, one file per logged epoch: Epoch, Weight = the particle's name, dim_1 … dim_P),
``checkpoints/*.safetensors``, ``status.json`` and ``figures/``. Every file is written whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import tomli_w
import torch
from torch import Tensor

from srnn import checkpoints, records, tasks
from srnn.checkpoints import Checkpoint
from srnn.config import Experiment
from srnn.errors import NotApplicableError, UserError
from srnn.files import is_file, replacing, sweep, write_whole
from srnn.organism import Organism
from srnn.particle import Particle
from srnn.status import State, Status, read_status, write_status
from srnn.training import build_organism, particle_count
from srnn.untrusted import own_folder, require_file


def write_config(folder: Path, experiment: Experiment) -> None:
    """Write what is run in a folder."""
    write_whole(folder / "config.toml", tomli_w.dumps(experiment.model_dump(exclude_none=True)).encode())


class RunWriter:
    """Writes one run's folder while the run goes on; whoever has one must be the only writer of that folder.

    Args:
        folder: The run folder. It is made, or what an interrupted run has left there is removed or cut back.
        experiment: What is run, complete.
        since: The checkpoint of this folder from which the run goes on; without one it begins anew.

    Attributes:
        epoch: Epochs trained at the newest checkpoint.
        diverged: Of what the run diverged and stopped; empty as long as it has not.

    Raises:
        UserError: The folder cannot be made, or a part of it is a link that leads out of it.
        OSError: It cannot be written, as with a full disk; what was there can still be gone on with.
    """

    def __init__(self, folder: Path, experiment: Experiment, since: Checkpoint | None = None) -> None:
        self.folder = folder
        self.keep = experiment.checkpoint.keep
        self.epoch = 0 if since is None else int(since.state["epoch"])
        self.diverged = "" if since is None else str(since.state["diverged"])
        make_folder(folder)
        parts = [folder / part for part in ("trajectory", "checkpoints", "figures")]
        for path in parts:
            if path.is_symlink():
                own_folder(path)  # refuses it, before anything is removed there
        sweep(folder)
        for path in (folder / "trajectory").glob("epoch-*.parquet"):
            epoch = path.stem.removeprefix("epoch-")
            if epoch.isdecimal() and (since is None or int(epoch) > self.epoch):
                path.unlink()
        for path in checkpoints.found(folder):
            if since is None or path.name > since.path.name:
                path.unlink()
        if since is None:
            self._metrics, self._unsaved = records.HEADER, True
            (folder / "metrics.csv").unlink(missing_ok=True)
            # Before the rest: what has a config.toml has a status.
            self.status("running")
            write_config(folder, experiment)
        else:
            self._metrics, self._unsaved = _measured_until(since), True
            self.save_metrics()
            self.status("running")
        for path in parts:
            own_folder(path)

    def status(self, status: State, why: str = "") -> None:
        """Record how far the run has come."""
        write_status(self.folder, Status(status, self.epoch, why))

    def metrics(self, epoch: int, batch: int, scores: Mapping[str, float], save: bool) -> None:
        """Add a row for each metric; with ``save``, bring the file up to date."""
        self._metrics += "".join(f"{epoch},{batch},{metric},{score:.9g}\n" for metric, score in scores.items())
        self._unsaved = True
        if save:
            self.save_metrics()

    def save_metrics(self) -> None:
        """Bring ``metrics.csv`` up to date."""
        if self._unsaved:
            write_whole(self.folder / "metrics.csv", self._metrics.encode())
            self._unsaved = False

    def trajectory(self, epoch: int, names: Iterable[str], weights: Tensor) -> None:
        """Write the weights ``(P, N)`` of all particles after an epoch."""
        names = list(names)
        columns = {"Epoch": pa.array([epoch] * len(names), pa.int32()), "Weight": pa.array(names)}
        columns |= {f"dim_{k}": pa.array(row) for k, row in enumerate(weights.detach().cpu().numpy(), start=1)}
        with replacing(self.folder / "trajectory" / f"epoch-{epoch:06}.parquet") as path:
            pq.write_table(pa.table(columns), path, write_page_checksum=True)

    def checkpoint(self, epoch: int, tensors: Mapping[str, Tensor], state: Mapping[str, object]) -> None:
        """Write a checkpoint of tensors and small plain values, after all that was measured until then.

        One inside an epoch says so in ``state``: ``batch``, and ``batches_of_epoch`` above 0.
        """
        self.save_metrics()
        measured = self._metrics.encode()
        complete = {**state, "metrics": {"bytes": len(measured), "sha256": hashlib.sha256(measured).hexdigest()}}
        batch = state["batch"] if state.get("batches_of_epoch") else None
        path = self.folder / checkpoints.FOLDER / checkpoints.name(epoch, batch)  # type: ignore[arg-type]
        checkpoints.write(path, tensors, complete)
        self.epoch = epoch
        self.diverged = str(state.get("diverged", ""))

    def prune(self) -> None:
        """Remove all but the newest checkpoints, once those of all runs side by side are written."""
        checkpoints.prune(self.folder, self.keep, inside=1 if self.diverged else self.keep)


def make_folder(folder: Path) -> list[Path]:
    """Make a run folder, unless it exists; the folders that were made, the run's own first.

    Raises:
        UserError: It cannot be made.
    """
    try:
        made = [path for path in (folder, *folder.parents) if not path.exists()]
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be made: {error.strerror}; choose another --out") from None
    return made


def read_checkpoint(path: Path) -> Checkpoint:
    """A checkpoint from which its run can go on: it is whole, and so is what was measured until then.

    Raises:
        UserError: One of the two is not.
    """
    checkpoint = checkpoints.read(path)
    with records.explained(path):
        _require_state(checkpoint)
    _measured_until(checkpoint)
    return checkpoint


#: What a checkpoint's state holds, besides the sizes and what was measured.
_STATE = {"epoch": int, "batch": int, "batches_of_epoch": int, "replicating": bool, "diverged": str, "metrics": dict}


def _require_state(checkpoint: Checkpoint) -> None:
    """Raise ValueError or KeyError unless the plain values are such as a run writes, and the file's name fits."""
    state = checkpoint.state
    for key, kind in _STATE.items():
        value = state[key]
        if type(value) is not kind or (isinstance(value, int) and not 0 <= value <= 10**12):
            raise ValueError(f"its {key} is {value!r}")
    for key in ("inputs", "outputs"):
        records.count(state, key)
    name = checkpoints.name(state["epoch"], state["batch"] if state["batches_of_epoch"] else None)
    if checkpoint.path.name != name:
        raise ValueError(f"its state is that of {name}")


def _measured_until(checkpoint: Checkpoint) -> str:
    """What ``metrics.csv`` was when the checkpoint was written; it may have grown since."""
    path = checkpoint.path.parents[1] / "metrics.csv"
    try:
        known = checkpoint.state["metrics"]
        require_file(path)
        content = path.read_bytes()[: known["bytes"]]
        if hashlib.sha256(content).hexdigest() == known["sha256"]:
            return content.decode()
        raise ValueError("its rows are not those of the checkpoint")
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is damaged before {checkpoint.path.name}: {error}") from None


@dataclass(frozen=True)
class Run:
    """A run's folder, to be read.

    Example:
        >>> run = Run.open("runs/digits/seed-0")  # doctest: +SKIP
        >>> run.metrics.query("Metric == 'identity'")  # doctest: +SKIP
        >>> run.organism().weights.shape  # doctest: +SKIP
        torch.Size([40, 720])
    """

    folder: Path

    @classmethod
    def open(cls, folder: str | Path) -> Run:
        """The run in that folder.

        Raises:
            UserError: The folder is missing or is not that of a run.
        """
        folder = Path(folder)
        if not is_file(folder / "config.toml"):
            what = "is not a folder"
            with suppress(OSError):
                what = "is not the folder of a run (it has no config.toml)" if folder.is_dir() else what
            raise UserError(f"{folder} {what}; name a run such as runs/digits/seed-0")
        return cls(folder)

    @cached_property
    def experiment(self) -> Experiment:
        """What was run."""
        return Experiment.from_toml(self.folder / "config.toml")

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

    def organism(self, epoch: int | None = None) -> Organism:
        """The organism as the newest checkpoint has it, or as it was after a logged epoch.

        Raises:
            UserError: There is no checkpoint, or it is damaged or belongs to another experiment; that epoch was not
                logged, or not with all its particles.
        """
        organism = self._newest_organism()
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
        return organism

    def _newest_organism(self) -> Organism:
        if not self.checkpoints:
            raise UserError(f"{self.folder / 'checkpoints'} is empty: this run was stopped before its first checkpoint")
        path = self.checkpoints[-1]
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
            shape, wanted = tuple(held.get_shape()), (self._size, particle_count(self.experiment, inputs, outputs))
            if shape != wanted:
                raise UserError(
                    f"{path}: its weights have shape {shape}; config.toml asks for {wanted}: the two do not belong "
                    "together"
                )
            if held.get_dtype() != "F32":
                raise ValueError(f"its weights are {held.get_dtype()}, not F32")
            organism = build_organism(self.experiment, inputs, outputs)
            organism.weights.data = tensors.get_tensor("weights")
        return organism

    @property
    def _size(self) -> int:
        """Weights P of a particle."""
        return Particle(self.experiment.particle.hidden).size

    def _particles(self) -> int:
        """Particles N, as the newest checkpoint has them or, before the first, as the task makes them."""
        if self.checkpoints:
            with records.open_checkpoint(self.checkpoints[-1]) as (tensors, _):
                return int(tensors.get_slice("weights").get_shape()[-1])
        if (shape := tasks.shape(self.experiment.task)) is None:
            raise UserError(f"{self.folder / 'checkpoints'} is empty, and the data of the task cannot be read")
        return particle_count(self.experiment, *shape[:2])

    def trajectory(self) -> pd.DataFrame:
        """All logged weights: Epoch (int), Weight (the particle's name), dim_1 … dim_P (float32).

        Raises:
            UserError: Nothing is logged yet, or a file is damaged.
        """
        folder = self.folder / "trajectory"
        paths = sorted(folder.glob("epoch-*.parquet"))
        if not paths:
            raise UserError(f"{folder} is empty: this run was stopped before it logged anything")
        particles = self._particles()
        return pd.concat([records.read_trajectory(path, self._size, particles) for path in paths], ignore_index=True)


def figures(folder: Path) -> list[Path]:
    """The figures of a run, or of the seeds in a folder, by name."""
    # Their names are printed: a stranger's could command the terminal.
    return sorted(path for path in (folder / "figures").glob("[!.]*") if path.name.isprintable())


def open_runs(folders: Iterable[str | Path]) -> list[Run]:
    """The runs in these folders, each once; a folder of seeds (``runs/digits``) stands for all of them.

    Raises:
        UserError: A folder holds no run.
    """
    runs = []
    for folder in map(Path, folders):
        seeds: list[Path] = []
        # A name that is too long to be one: Run.open tells.
        with suppress(OSError):
            seeds = [path.parent for path in folder.glob("seed-*/config.toml")]
        runs += [Run(seed) for seed in sorted(seeds, key=lambda seed: (len(seed.name), seed.name))] or [
            Run.open(folder)
        ]
    # A run named twice must not count as two seeds.
    return list({run.folder.resolve(): run for run in runs}.values())


def same_experiment(one: Experiment, other: Experiment) -> bool:
    """Whether two experiments differ in nothing but their seed, versions and the texts about them."""
    return _essence(one) == _essence(other)


def first_difference(one: Experiment, other: Experiment) -> tuple[str, object, object] | None:
    """The first setting in which two experiments differ, dotted, with both values; as :func:`same_experiment`."""
    ours, theirs = (_settings(json.loads(_essence(experiment))) for experiment in (one, other))
    # Not all have the same settings: the variants of a comparison are named by each.
    keys = dict.fromkeys([*ours, *theirs])
    return next(((key, ours.get(key), theirs.get(key)) for key in keys if ours.get(key) != theirs.get(key)), None)


def _settings(values: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    settings: dict[str, object] = {}
    for key, value in values.items():
        settings |= _settings(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return settings


def _essence(experiment: Experiment) -> str:
    return experiment.model_copy(update={"seed": 0, "versions": {}, "about": "", "duration": ""}).model_dump_json()


def by_experiment(runs: Iterable[Run]) -> list[list[Run]]:
    """The runs, the seeds of one experiment together.

    Raises:
        UserError: Two runs of one experiment have the same seed.
    """
    groups: dict[str, list[Run]] = {}
    for run in runs:
        group = groups.setdefault(_essence(run.experiment), [])
        for other in group:
            if other.experiment.seed == run.experiment.seed:
                raise UserError(
                    f"seed {run.experiment.seed} is named twice: {other.folder} and {run.folder}; name one of them"
                )
        group.append(run)
    return list(groups.values())


def versions() -> dict[str, str]:
    """Versions of what a result depends on."""
    return {"python": platform.python_version()} | {name: version(name) for name in ("srnn", "torch", "numpy", "numba")}
