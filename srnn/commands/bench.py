"""``srnn bench``: how fast it is, as ratios measured in one run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from srnn.commands.output import console
from srnn.commands.tables import grid

if TYPE_CHECKING:
    from srnn.laboratory.bench import Result


def command(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Only the organism of the preset connectivity.")] = False,
) -> None:
    """Measure the speed of the fused kernels, of training and of classification against their alternatives.

    Takes about a minute. All ratios are measured in the same run, on as many threads as torch uses.

    \b
    Examples:
      srnn bench
      srnn bench --json > speed.json
    """
    import dataclasses
    import json

    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from srnn import kernels
    from srnn.errors import UserError

    if not kernels.fused():
        raise UserError("there are no fused kernels to be measured here: Numba is missing or switched off")
    from srnn.laboratory import bench

    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    terminal = console(error=True)
    with Progress(*columns, console=terminal, transient=True, disable=not terminal.is_terminal) as progress:
        bar = progress.add_task("")
        result = bench.measure(
            sizes=(1_518,) if quick else bench.SIZES,
            hidden=(4,) if quick else bench.HIDDEN,
            million=not quick,
            watch=lambda what: progress.update(bar, description=what),
        )
    if as_json:
        print(json.dumps(dataclasses.asdict(result), indent=2))
    else:
        _print(result)


def _print(result: Result) -> None:
    swarms, races, others = grid(), grid(), grid()
    for column in ("hidden", "particles", "kernel", "torch", "naive loop", "kernel faster", "of peak"):
        swarms.add_column(column, justify="right")
    for row in result.replication:
        swarms.add_row(
            str(row.hidden),
            f"{row.particles:,}",
            f"{row.kernel:.3g}",
            f"{row.torch:.3g}",
            f"{row.naive:,.0f}",
            f"{row.naive / row.kernel:,.0f} ×",
            f"{row.peak_share:.0%}",
        )
    methods = list(dict.fromkeys(method for one in result.training for method in one.ratios))
    for column in ("body", "batch", "dense", *methods):
        races.add_column(column, justify="left" if column == "body" else "right")
    for one in result.training:
        ratios = (f"{one.ratios[method]:.3g}" if method in one.ratios else "" for method in methods)
        races.add_row(one.body, str(one.batch), f"{one.dense * 1e6:,.0f} µs", *ratios)
    others.add_column("besides")
    others.add_column("", justify="right")
    for what, value in result.figures.items():
        others.add_row(what, f"{value:.3g}")
    printed = console()
    printed.print("replication: nanoseconds per particle and step\n")
    printed.print(swarms)
    printed.print("\n\na batch of training, in dense steps of torch\n")
    printed.print(races)
    printed.print()
    printed.print(others)
    printed.print(f"\n{result.machine}", style="dim", soft_wrap=True)
