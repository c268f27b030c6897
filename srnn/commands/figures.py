"""``srnn figures``: make the figure tables."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from srnn.commands.options import DataDir, completing, path_option, whole


def _tables() -> list[str]:
    from srnn.tables import SECTIONS

    return list(SECTIONS)


def command(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help="Which tables, such as connectivity or exact; all published ones without.",
            autocompletion=completing(_tables),
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            help="Seeds of every experiment.",
            metavar="NUMBER",
            parser=whole("--seeds", 1, 1000),
            show_default="10",
        ),
    ] = None,
    out: Annotated[Path, path_option("Where the tables go.", "--out")] = Path("figures"),
    runs: Annotated[Path, path_option("Where the runs are kept, to be used again.", "--runs")] = Path("runs/figures"),
    data_dir: DataDir = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            help="Processes to work in.",
            metavar="NUMBER",
            parser=whole("--jobs", 1, 1000),
            show_default="as many as there are cores",
        ),
    ] = None,
) -> None:
    """Reproduce the published figures: run what is missing, draw, and write OUT/README.md.

    What is made already is left as it is; remove OUT/NAME to make a table anew. Some go beyond what is published and
    are made when they are named: rest, exact, arithmetic, repair, pruning, pruning-linear, tickets, sparsity,
    usefulness, rescue, minima and regularisation.

    \b
    Examples:
      srnn figures --data-dir data/mnist
      srnn figures exact --data-dir data/mnist
      srnn figures sanity addition --seeds 10
    """
    from rich.console import Group
    from rich.live import Live
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TimeElapsedColumn
    from rich.text import Text

    from srnn.commands.output import console as printer
    from srnn.commands.signals import Signals
    from srnn.errors import StoppedError
    from srnn.sweeps.workers import cores
    from srnn.tables import make

    progress = Progress(SpinnerColumn(), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    bar = progress.add_task("", total=None)
    console = printer(error=True)
    with Live(progress, console=console, transient=True) if console.is_terminal else nullcontext() as live:

        def watch(done: int, total: int, running: dict[str, str]) -> None:
            if live is not None:
                progress.update(bar, completed=done, total=total)
                lines = "\n".join(f"{name}: {state}" if state else name for name, state in running.items())
                live.update(Group(progress, Text(lines)))

        signals = Signals()
        try:
            with signals:
                signals.listen(at_once=True)
                made = make(names or [], seeds, out, runs, data_dir, jobs or cores(), watch)
        except KeyboardInterrupt:
            raise StoppedError("interrupted; the same command goes on", 128 + signals.last) from None
    for name in made:
        print(f"made   {out / name}")
    print(f"table  {out / 'README.md'}")
