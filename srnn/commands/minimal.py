"""``srnn minimal``: the smallest dense body that reaches a metric."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from srnn.commands.options import DataDir, Settings, number
from srnn.commands.tables import grid
from srnn.errors import UserError
from srnn.seeds import parse_seeds

if TYPE_CHECKING:
    from rich.table import Table


def command(
    experiment: Annotated[
        str, typer.Argument(metavar="PRESET|FILE", help="A preset (srnn presets) or a TOML file.")
    ] = "digits",
    metric: Annotated[
        float,
        typer.Option(
            help="Test accuracy to reach, or mean absolute error not to exceed, after the last epoch.",
            metavar="NUMBER",
            parser=number("--metric"),
        ),
    ] = 0.9,
    settings: Settings = None,
    widths: Annotated[
        str, typer.Option(metavar="RANGE", help="Units per hidden layer to choose from: a range, or one number.")
    ] = "1-16",
    seeds: Annotated[
        str,
        typer.Option(metavar="SEEDS", help="A number of seeds (3 is 0, 1, 2), a range (0-4) or a list (0,7,9)."),
    ] = "3",
    data_dir: DataDir = None,
) -> None:
    """Find the smallest dense body that reaches a metric on test data, in the mean over the seeds.

    The experiment's body is trained directly, without particles, at several widths: doubled until one reaches the
    metric, then halved in between.

    \b
    Examples:
      srnn minimal
      srnn minimal digits --metric 0.95 --set body.depth=3
      srnn minimal connectivity --metric 0.87 --seeds 1 --data-dir data/mnist
      srnn minimal addition --metric 0.05
    """
    low, high = parse_widths(widths)

    from srnn.presets import load_experiment

    numbers = parse_seeds(seeds)
    chosen = load_experiment(experiment).override(settings or [])
    from srnn.analysis.baselines import layers, smallest_body

    if layers(chosen).depth < 2:
        raise UserError("body.depth is 1: such a body has no hidden layer to make smaller; set it to 2 or more")

    from srnn import tasks

    task = tasks.load(chosen.task, data_dir)
    for note in task.notes:
        print(f"srnn: {note}", file=sys.stderr)
    highest = 1.0 if task.metric == "accuracy" else float("inf")
    if not 0 < metric <= highest:
        allowed = "above 0 to 1" if task.metric == "accuracy" else "above 0"
        raise UserError(
            f"--metric is {metric:g}; the task {task.name} has the metric {task.metric}: allowed: {allowed}"
        )

    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from srnn.commands.output import console as printer

    console = printer()
    found: list[dict[str, float]] = []
    columns = [TextColumn("{task.description}"), BarColumn(), TextColumn("epoch"), MofNCompleteColumn()]
    with Progress(
        *columns, TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), console=console
    ) as progress:
        bar = progress.add_task(f"width {low}", total=chosen.training.epochs)

        def after_epoch(width: int, epoch: int) -> None:
            if epoch == 1:
                progress.reset(bar, description=f"width {width}")
            progress.update(bar, completed=epoch)

        found.extend(smallest_body(chosen, task, metric, (low, high), numbers, after_epoch))
        progress.update(bar, visible=False)
    found.sort(key=lambda row: row["Width"])
    console.print(_table(found, task.metric, len(numbers)))
    reached = next((row for row in found if row["Reached"]), None)
    sign = "≥" if task.metric == "accuracy" else "≤"
    if reached is None:
        best = (max if task.metric == "accuracy" else min)(found, key=lambda row: row["Mean"])
        raise UserError(
            f"no body of width {widths} has a test {task.metric} {sign} {metric:g}; the best is {best['Mean']:.4g} at "
            f"width {best['Width']}: allow other --widths, or another --metric"
        )
    console.print(
        f"[bold]width {reached['Width']}[/bold] is the smallest with a test {task.metric} {sign} {metric:g}: "
        f"{reached['Units']:,} units, {reached['Weights']:,} weights"
    )


def parse_widths(text: str) -> tuple[int, int]:
    """The smallest and the largest width that ``1-16`` or ``8`` stand for.

    Raises:
        UserError: The text is neither.
    """
    from srnn.errors import shorten

    first, dash, last = text.partition("-")
    try:
        low, high = int(first), int(last if dash else first)
    except ValueError:
        low = high = 0
    if not 1 <= low <= high <= 10_000:
        raise UserError(
            f"--widths is {shorten(repr(text))}; allowed: a range (1-16) or one number (8), from 1 to 10,000"
        )
    return low, high


def _table(found: list[dict[str, float]], metric: str, seeds: int) -> Table:

    table = grid()
    for heading in ("width", "units", "weights", f"test {metric}" + (" (mean ± 95 %)" if seeds > 1 else ""), "reached"):
        table.add_column(heading, justify="right")
    for row in found:
        interval = f" ± {row['High'] - row['Mean']:.2g}" if seeds > 1 else ""
        table.add_row(
            f"{row['Width']:,}",
            f"{row['Units']:,}",
            f"{row['Weights']:,}",
            f"{row['Mean']:.4f}{interval}",
            "yes" if row["Reached"] else "no",
        )
    return table
