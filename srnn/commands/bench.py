"""``srnn bench``: how fast it is, as ratios measured in one run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from srnn.commands.options import path_option
from srnn.commands.output import console
from srnn.commands.tables import grid

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from srnn.laboratory.bench import Result
    from srnn.laboratory.race import Cell


def command(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Only the organism of the preset connectivity; with --scaling, few sizes.")
    ] = False,
    scaling: Annotated[
        Path | None,
        path_option(
            "Instead measure how the cost of a batch grows with examples, particles and seeds, and write scaling.csv "
            "and scaling.png into this folder.",
            "--scaling",
        ),
    ] = None,
) -> None:
    """Measure the speed of the fused kernels, of training and of classification against their alternatives.

    Takes some minutes. All ratios are measured in the same run, on as many threads as torch uses; where JAX is
    installed it takes part.

    \b
    Examples:
      srnn bench
      srnn bench --json > speed.json
      srnn bench --scaling bench
    """
    from srnn import kernels
    from srnn.errors import UserError

    if not kernels.fused():
        raise UserError("there are no fused kernels to be measured here: Numba is missing or switched off")
    if scaling is None:
        _speed(quick, as_json)
    else:
        _scaling(scaling, quick, as_json)


def _speed(quick: bool, as_json: bool) -> None:
    import dataclasses
    import json

    from srnn.laboratory import bench

    with _watching() as watch:
        result = bench.measure(
            sizes=(1_518,) if quick else bench.SIZES,
            hidden=(4,) if quick else bench.HIDDEN,
            million=not quick,
            watch=watch,
        )
    if as_json:
        print(json.dumps(dataclasses.asdict(result), indent=2))
    else:
        _print(result)


def _scaling(folder: Path, quick: bool, as_json: bool) -> None:
    import json

    from srnn.laboratory import scaling
    from srnn.laboratory.bench import machine

    with _watching() as watch:
        measured = scaling.measure(scaling.QUICK if quick else scaling.SIZES, watch)
    written, growth = scaling.write(measured, folder), scaling.summarize(measured)
    if as_json:
        tables = {"batches": measured.to_dict("records"), "growth": growth.to_dict("records")}
        print(json.dumps({"machine": machine()} | tables, indent=2))
        return
    _print_growth(growth)
    printed = console()
    printed.print(f"\n{machine()}", style="dim", soft_wrap=True)
    for label, path in zip(("table ", "figure"), written, strict=True):
        print(f"{label}  {path}")


@contextmanager
def _watching() -> Iterator[Callable[[str], None]]:
    """Shows what is being measured, on a terminal, while it is."""
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    terminal = console(error=True)
    with Progress(*columns, console=terminal, transient=True, disable=not terminal.is_terminal) as progress:
        bar = progress.add_task("")
        yield lambda what: progress.update(bar, description=what)


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
    # In two lines where that leaves all columns their room in a terminal of 80.
    heads = {"lifted, epoch": "lifted\nepoch", "10 seeds": "10\nseeds"}
    for column in ("body", "batch", "dense\nµs", *(heads.get(method, method) for method in methods)):
        races.add_column(column, justify="left" if column == "body" else "right")
    for one in result.training:
        # Two digits: the next turns of the same race would differ in the third.
        ratios = (f"{one.ratios[method]:.2g}" if method in one.ratios else "" for method in methods)
        races.add_row(one.body, str(one.batch), f"{one.dense * 1e6:,.0f}", *ratios)
    others.add_column("besides")
    others.add_column("", justify="right")
    for what, value in result.figures.items():
        others.add_row(what, f"{value:.3g}")
    printed = console()
    printed.print("replication: nanoseconds per particle and step\n")
    printed.print(swarms)
    printed.print("\n\na batch of training, in dense steps of torch\n")
    printed.print(races)
    printed.print(_peers(result.training))
    printed.print()
    printed.print(others)
    printed.print(f"\n{result.machine}", style="dim", soft_wrap=True)


def _peers(cells: list[Cell]) -> Table | str:
    """JAX's figures, each before ours; a line that says how to get them where it is not installed."""
    if not any(one.jax for one in cells):
        return "\nno JAX here to compare with: pip install jax"
    table = grid()
    table.add_column("the same by JAX")
    for column in ("batch", "JAX dense", "numbers", "JAX sgd", "sgd", "sgd / JAX"):
        table.add_column(column, justify="right")
    for one in cells:
        dense, sgd = one.jax["dense"], one.jax["sgd"]
        figures = dense, one.ratios["numbers"], sgd, one.ratios["sgd"], one.ratios["sgd"] / sgd
        table.add_row(one.body, str(one.batch), *(f"{figure:.3g}" for figure in figures))
    return table


def _print_growth(growth: pd.DataFrame) -> None:
    table, names = grid(), ("grows", "from", "to", "network", "µs", "µs then", "ns", "exponent", "upper half")
    for name in names:
        table.add_column(name, justify="left" if name in ("grows", "network") else "right")
    for row in growth.to_dict("records"):
        sizes = f"{row['From']:,}", f"{row['To']:,}"
        times = f"{row['First']:,.0f}", f"{row['Last']:,.0f}", f"{row['Nanoseconds']:.3g}"
        table.add_row(row["Grows"], *sizes, row["Network"], *times, f"{row['Exponent']:.2f}", f"{row['Upper']:.2f}")
    printed = console()
    printed.print("a batch, at the first size and at the last, there also by example and particle\n")
    printed.print(table)
