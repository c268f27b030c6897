"""``srnn watch``: runs in progress, whoever trains them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from srnn.commands.options import number, path_option

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType

    from srnn.laboratory.event_files import EventFiles
    from srnn.laboratory.watching import Progress

#: Lines beside those of runs: headings, what there are in all, and the prompt.
_BESIDE: Final = 6


def command(
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN", help="Run folders; a folder of seeds or of experiments stands for all in it."),
    ],
    every: Annotated[
        float, typer.Option(metavar="SECONDS", help="Seconds from one look to the next.", parser=number("--every"))
    ] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Look once, and end.")] = False,
    tensorboard: Annotated[
        Path | None, path_option("Write what is seen as event files of TensorBoard, too.", "--tensorboard")
    ] = None,
) -> None:
    """Watch runs in progress until all have ended: how far they are, and what they measured last.

    Of a sweep that is named, until no run of it waits any more.

    Everything is read from the folders: it does not matter who trains the runs, or
    on which machine. Where the output is no terminal, it looks once.

    \b
    Examples:
      srnn watch runs/digits
      srnn watch runs --every 30
      srnn watch runs --tensorboard board
    """
    import time

    from rich.live import Live

    from srnn.commands.output import console
    from srnn.errors import UserError
    from srnn.laboratory.watching import Watch
    from srnn.runs.groups import is_sweep
    from srnn.sweeps.folder import Sweep
    from srnn.untrusted import expanded

    if not 0.1 <= every <= 86_400:
        raise UserError(f"--every is {every:g}; allowed: a number of seconds from 0.1 to 86400")
    printed, watch = console(), Watch(runs)
    sweeps = [folder for folder in map(expanded, runs) if is_sweep(folder)]
    files = None if tensorboard is None else _event_files(tensorboard)

    def look() -> tuple[list[Progress], int]:
        found = watch.look()
        if files is not None:
            files.write(progress.run for progress in found)
        return found, sum(Sweep.open(folder).states["waiting"] for folder in sweeps)

    found, waiting = look()
    if once or not printed.is_terminal:
        printed.print(picture(found, waiting=waiting))
        return
    with Live(picture(found, printed.height, waiting), console=printed, auto_refresh=False) as live:
        while waiting or any(progress.status.status == "running" for progress in found):
            time.sleep(every)
            found, waiting = look()
            live.update(picture(found, printed.height, waiting), refresh=True)
        live.update(picture(found), refresh=True)


def _event_files(folder: Path) -> EventFiles:
    from srnn.laboratory.event_files import EventFiles

    return EventFiles(folder)


def picture(found: Sequence[Progress], height: int | None = None, waiting: int = 0) -> RenderableType:
    """A line for each run, those in progress first if not all fit into the height, and a line for all."""
    from rich.console import Group

    from srnn.shown import figure

    shown = list(found)
    if height is not None and len(shown) > max(1, height - _BESIDE):
        shown.sort(key=lambda progress: progress.status.status != "running")
        shown = shown[: max(1, height - _BESIDE)]
    rows = []
    for progress in shown:
        scores = progress.scores
        test = scores.get("test_accuracy", scores.get("test_mae"))
        state = progress.status.status
        counts = [figure(scores[name]) if name in scores else "" for name in ("identity", "zero")]
        cells = (
            "/".join(progress.run.folder.parts[-2:]),
            f"{progress.epoch:,}/{progress.epochs:,}",
            state,
            "" if test is None else f"{test:.4g}",
            *counts,
            _time(progress.left),
            _time(progress.quiet) if state == "running" else "",
        )
        rows.append(dict(zip(_COLUMNS, cells, strict=True)))
    states = Counter[str](progress.status.status for progress in found)
    # Some of which were begun, and wait for somebody to go on.
    states["waiting"] = waiting
    told = ", ".join(f"{count} {state}" for state, count in states.items() if count)
    hidden = f"; {len(found) - len(shown)} not shown" if len(shown) < len(found) else ""
    return Group(_Fitting(rows), f"\n{len(found)} run{'' if len(found) == 1 else 's'}: {told}{hidden}")


#: How no run should end.
_BAD: Final = ("failed", "killed", "diverged")
#: The columns; and those that are left out where there is no room, the first first.
_COLUMNS: Final = ("run", "epoch", "", "test", "identity", "zero", "left", "last")
_LEFT_OUT: Final = ("last", "zero", "identity", "left", "test", "epoch")
#: The part of the width that is the names', if they are so long.
_NAMES: Final = 1 / 3


@dataclass(frozen=True)
class _Fitting:
    """A table of as many columns as there is room for: which run it is, and its state, are always told."""

    rows: Sequence[Mapping[str, str]]

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        from rich.markup import escape

        from srnn.commands.tables import grid

        columns = self._columns(options.max_width)
        table = grid()
        for name in columns:
            left = name in ("run", "")
            table.add_column(name, justify="left" if left else "right", no_wrap=name != "run", overflow="fold")
        for row in self.rows:
            cells = {**row, "run": escape(row["run"])}
            if row[""] in _BAD:
                cells[""] = f"[red]{row['']}[/red]"
            table.add_row(*(cells[name] for name in columns))
        yield table

    def _columns(self, width: int) -> list[str]:
        from rich.cells import cell_len

        widths = {name: max(cell_len(cell) for cell in [name, *(row[name] for row in self.rows)]) for name in _COLUMNS}
        widths["run"] = min(widths["run"], int(width * _NAMES))
        columns = [*_COLUMNS]
        for name in _LEFT_OUT:
            # Two spaces between each and the next.
            if sum(widths[name] + 2 for name in columns) - 2 > width:
                columns.remove(name)
        return columns


def _time(seconds: float | None) -> str:
    """A time in one unit."""
    if seconds is None:
        return ""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
