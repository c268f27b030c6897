"""``srnn figures``: make the figure tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME…]", help="Which tables, such as connectivity; all without.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="Seeds of every experiment.")] = 5,
    out: Annotated[Path, typer.Option(help="Where the tables go.")] = Path("figures"),
    runs: Annotated[Path, typer.Option(help="Where the runs are kept, to be used again.")] = Path("runs/figures"),
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the MNIST files.", envvar="SRNN_DATA_DIR")] = None,
) -> None:
    """Reproduce the published figures: run what is missing, draw, and write OUT/README.md.

    What is made already is left as it is; remove OUT/NAME to make a table anew.

    \b
    Examples:
      srnn figures --data-dir data/mnist
      srnn figures sanity addition --seeds 10
    """
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from srnn.figure_tables import make

    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("")
        made = make(names or [], seeds, out, runs, data_dir, lambda what: progress.update(bar, description=what))
    for name in made:
        print(f"made   {out / name}")
    print(f"table  {out / 'README.md'}")
