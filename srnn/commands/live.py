"""What ``srnn run`` shows while it trains: epoch, losses, metric, census and the time left."""

from __future__ import annotations

import time
from itertools import chain
from types import TracebackType
from typing import Self

from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from srnn.commands.output import console
from srnn.experiment import Experiment
from srnn.fixpoints import FixpointType
from srnn.training.loop import Training
from srnn.training.measuring import Report

#: More seeds than this share one line, their mean.
_LINES = 8


class Display:
    """A live display on the terminal, a context manager; :meth:`batch` and :meth:`report` feed it."""

    def __init__(self, experiment: Experiment, seeds: list[int]) -> None:
        self._show_seeds(seeds)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("epoch"),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            expand=True,
        )
        self._bar = self._progress.add_task(experiment.name, total=experiment.training.epochs, start=False)
        self._training: Training | None = None
        self._epochs = 0.0
        self._shown = 0.0
        self._live = Live(self._render(), console=console(), refresh_per_second=4)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._progress.tasks[0].started:
            # Nothing was trained: an empty table would only hide why.
            self._live.transient = True
        self._live.update(self._render())
        self._live.__exit__(kind, error, trace)
        if not self._live.console.is_terminal and not self._live.transient:
            self._live.console.print()  # there, rich ends its last line only on a terminal

    def start(self, training: Training) -> None:
        """Training is about to begin, or to go on."""
        self._show_seeds(training.seeds)
        self._training = training
        self._epochs = training.batch / training.batches.per_epoch
        self._progress.start_task(self._bar)

    def _show_seeds(self, seeds: list[int]) -> None:
        self._seeds = seeds
        self._latest: list[dict[str, float]] = [{} for _ in seeds]

    def batch(self) -> None:
        """One or more batches have been trained."""
        assert self._training is not None
        self._epochs = self._training.batch / self._training.batches.per_epoch
        if (now := time.monotonic()) - self._shown > 0.25:
            self._shown = now
            self._progress.update(self._bar, completed=int(self._epochs * 100) / 100)

    def report(self, report: Report) -> None:
        """An epoch has been trained."""
        for seed, scores in report.scores.items():
            self._latest[seed].update(scores)
        self._epochs = report.epoch
        self._progress.update(self._bar, completed=report.epoch)
        self._live.update(self._render())

    def _render(self) -> Group:
        table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
        lines = [(str(seed), scores) for seed, scores in zip(self._seeds, self._latest, strict=True)]
        if len(lines) > _LINES:
            lines = [(f"mean of {len(lines)}", _mean(self._latest))]
        metric = "mae" if any("test_mae" in scores for _, scores in lines) else "accuracy"
        table.add_column("seed")
        for heading in ("replication", "task", "train", "test", *(kind.label for kind in FixpointType)):
            table.add_column(heading, justify="right")
        names = ("replication_loss", "task_loss", f"train_{metric}", f"test_{metric}")
        for label, scores in lines:
            values = [_short(scores.get(name)) for name in names]
            counts = ["" if kind.label not in scores else f"{scores[kind.label]:,.0f}" for kind in FixpointType]
            table.add_row(label, *values, *counts)
        return Group(self._progress, table)


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _mean(scores: list[dict[str, float]]) -> dict[str, float]:
    """Of each name over those that have it: a seed that stopped has no later scores."""
    having = {name: [one[name] for one in scores if name in one] for name in dict.fromkeys(chain(*scores))}
    return {name: sum(values) / len(values) for name, values in having.items()}
