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

from srnn.bodies.module import as_named
from srnn.errors import UserError
from srnn.experiment import Experiment
from srnn.files import is_file
from srnn.fixpoint_types import FixpointType
from srnn.runs import records
from srnn.runs.status import Status, read_status
from srnn.shown import Rows, Shown, figure
from srnn.terms.gate import gates_of
from srnn.untrusted import expanded

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from srnn.bodies.module import Body
    from srnn.organism import Organism


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
        how = f"{status.status}, epoch {last_epoch(status, last):,}"
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
        from srnn.runs import checkpoints

        return checkpoints.found(self.folder)

    @property
    def status(self) -> Status:
        """How far it has come."""
        return read_status(self.folder)

    @property
    def epoch(self) -> int:
        """The last epoch that it is known to have come to: of a run in progress, or killed, the last it measured."""
        return last_epoch(self.status, records.last_scores(self.folder / "metrics.csv"))

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

    def organism(self, epoch: int | None = None, *, body: Body | None = None) -> Organism:
        """The organism as the newest checkpoint has it, or as it was after an epoch: behind its gates at rest.

        Args:
            epoch: One that was logged with all its particles, or has a checkpoint; without it, the newest checkpoint.
            body: The class of its body, if that is not srnn's own and the run was opened without it.

        Raises:
            UserError: There is no checkpoint, or it is damaged or belongs to another experiment; that epoch was not
                logged, or not with all its particles; or the body is not srnn's own, and no class was given.
        """
        from srnn.runs import rebuilt

        return rebuilt.organism(self if body is None else Run(self.folder, body), epoch)

    def gate_score(self, epoch: int | None = None) -> Tensor | None:
        """How much its gates say that each weight is worth keeping, ``(N,)``, the larger the more.

        Args:
            epoch: As for :meth:`organism`.

        Returns:
            The score, or None of a run without gates, or with several kinds, which may not agree.

        Raises:
            UserError: As for :meth:`organism`.
        """
        from srnn.runs import rebuilt

        return rebuilt.gate_score(self, epoch)

    @property
    def gates(self) -> list[str]:
        """The names of the tensors that hold the numbers of gates: ``gate.NAME``."""
        return [f"gate.{name}" for name, gate in gates_of(self.experiment.terms).items() if gate.has_numbers]

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
        from srnn.runs import checkpoints

        with records.open_checkpoint(checkpoints.path_of(self.folder)) as (_, state):
            return records.count(state, name)

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

        from srnn.runs import rebuilt

        particles, size = rebuilt.count_of(self), self.experiment.particle.size
        return pd.concat([records.read_trajectory(path, size, particles) for path in paths], ignore_index=True)


def last_epoch(status: Status, scores: Mapping[str, tuple[int, float]]) -> int:
    """The last epoch that a run is known to have come to: its status is written at checkpoints only.

    Args:
        status: What it says of itself.
        scores: The last epoch and score of each metric, as :func:`srnn.runs.records.last_scores` gives them.
    """
    return max([status.epoch, *(epoch for epoch, _ in scores.values())])


def figures(folder: Path) -> list[Path]:
    """The figures of a run, or of the seeds in a folder, by name."""
    # Their names are printed: a stranger's could command the terminal.
    return sorted(path for path in (folder / "figures").glob("[!.]*") if path.name.isprintable())
