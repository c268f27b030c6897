"""What is shown while an organism is trained: epoch, losses, metric, census and the time left."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from itertools import chain
from types import TracebackType
from typing import Any, ParamSpec, Self, TextIO, cast

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from srnn.experiment import Experiment
from srnn.fixpoint_types import FixpointType
from srnn.terminal import Lasting, console
from srnn.training.loop import Training
from srnn.training.measuring import Report

_P = ParamSpec("_P")

#: More seeds than this share one line, their mean.
_LINES = 8
#: Seconds between two pictures in a file, where none takes the place of the one before.
_PAUSE = 10.0


@contextmanager
def progress_of(experiment: Experiment, seeds: list[int], wanted: bool | None) -> Iterator[Display | None]:
    """A display on stderr or in the cell of a notebook; None where it is not wanted, or nobody looks."""
    errors = Lasting(sys.stderr)
    notebook = Console(stderr=True).is_jupyter
    if not (notebook or errors.isatty() if wanted is None else wanted):
        yield None
    elif notebook:
        with Display(experiment, seeds, console(error=True)) as display:
            yield display
    else:
        # Nor does it end a run that its terminal is closed.
        with redirect_stderr(cast(TextIO, errors)), Display(experiment, seeds, console(error=True)) as display:
            yield display


def then(first: Callable[_P, object], second: Callable[_P, object]) -> Callable[_P, None]:
    """Both, one after the other."""

    def both(*args: _P.args, **kwargs: _P.kwargs) -> None:
        first(*args, **kwargs)
        second(*args, **kwargs)

    return both


class _Cell:
    """An output of a notebook's cell that each picture takes the place of: without widgets, which not all have."""

    transient = False

    def __enter__(self) -> Self:
        from IPython.display import display

        self._handle: Any = display({"text/plain": ""}, raw=True, display_id=True)
        return self

    def update(self, picture: Group) -> None:
        drawn = Console(file=io.StringIO(), record=True, force_jupyter=False, force_terminal=True, width=100)
        drawn.print(picture)
        html = drawn.export_html(inline_styles=True, code_format="<pre>{code}</pre>", clear=False)
        shown = {"text/plain": ""} if self.transient else {"text/html": html, "text/plain": drawn.export_text()}
        with suppress(Exception):  # whatever becomes of the notebook, training goes on
            self._handle.update(shown, raw=True)

    def __exit__(self, *_: object) -> None:
        """The last picture stays."""


class _Log:
    """A file, to which a picture is printed now and then, and the last."""

    transient = False

    def __init__(self, console: Console) -> None:
        self._console = console
        self._printed = time.monotonic()
        self._waiting: Group | None = None

    def __enter__(self) -> Self:
        return self

    def update(self, picture: Group) -> None:
        self._waiting = picture
        if time.monotonic() - self._printed > _PAUSE:
            self._print()

    def __exit__(self, *_: object) -> None:
        if self._waiting is not None and not self.transient:
            self._print()

    def _print(self) -> None:
        self._console.print(self._waiting)
        self._printed, self._waiting = time.monotonic(), None


class Display:
    """A live display, a context manager; :meth:`batch` and :meth:`report` feed it.

    Args:
        experiment: What is trained.
        seeds: Its seeds.
        console: Where it is shown. On stdout, what is no terminal gets the last picture alone.
    """

    def __init__(self, experiment: Experiment, seeds: list[int], console: Console) -> None:
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
        self._console = console
        self._surface: Live | _Cell | _Log
        if console.is_jupyter:
            self._surface = _Cell()
        elif console.stderr and not console.is_terminal:
            self._surface = _Log(console)
        else:
            # What is printed meanwhile stands above it; what goes into a file, goes there.
            above = not console.stderr or Lasting(sys.stdout).isatty()
            self._surface = Live(self._render(), console=console, refresh_per_second=4, redirect_stdout=above)

    def __enter__(self) -> Self:
        self._surface.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._progress.tasks[0].started:
            # Nothing was trained: an empty table would only hide why.
            self._surface.transient = True
        self._surface.update(self._render())
        self._surface.__exit__(kind, error, trace)
        if isinstance(self._surface, Live) and not self._console.is_terminal and not self._surface.transient:
            self._console.print()  # there, rich ends its last line only on a terminal

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
            self._surface.update(self._render())

    def report(self, report: Report) -> None:
        """An epoch has been trained."""
        for seed, scores in report.scores.items():
            self._latest[seed].update(scores)
        self._epochs = report.epoch
        self._progress.update(self._bar, completed=report.epoch)
        self._surface.update(self._render())

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
