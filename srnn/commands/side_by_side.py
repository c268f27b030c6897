"""The tables of several experiments beside each other, and of a comparison with its tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from srnn.commands.seeds import print_status
from srnn.commands.tables import grid, is_figure, labels
from srnn.shown import with_interval

if TYPE_CHECKING:
    from srnn.runs.run import Run


def print_side_by_side(groups: Sequence[Sequence[Run]]) -> None:
    """Print several experiments in one table, a line for each figure and a column for each experiment."""
    from rich.markup import escape

    from srnn.analysis.statistics import last_scores, over_seeds
    from srnn.commands.output import console
    from srnn.runs.groups import names_apart

    printed, types = console(), {*labels()}
    names = names_apart(groups)
    summaries = []
    for runs in groups:
        measured = [run for run in runs if (run.folder / "metrics.csv").is_file()]
        summaries.append(over_seeds(last_scores(measured)) if measured else None)
    metrics = dict.fromkeys(
        metric
        for summary in summaries
        if summary is not None
        for metric in summary.index
        if metric in types or is_figure(str(metric))
    )
    lines: dict[str, list[str]] = {
        "seeds": [str(len(runs)) for runs in groups],
        "epochs": [f"{runs[0].experiment.training.epochs:,}" for runs in groups],
        "ended": [", ".join(dict.fromkeys(run.status.status for run in runs)) for runs in groups],
    }
    for metric in metrics:
        lines[metric.replace("_", " ")] = [
            ""
            if summary is None or metric not in summary.index
            else with_interval(
                *(float(summary[column][metric]) for column in ("Mean", "Low", "High")),
                counts=metric in types,
            )
            for summary in summaries
        ]
    across = max(1, (printed.width - max(map(len, lines))) // 20)
    for first in range(0, len(groups), across):
        table = grid()
        table.add_column("")
        for name in names[first : first + across]:
            table.add_column(escape(name), justify="right", overflow="fold")
        for what, values in lines.items():
            table.add_row(what, *map(escape, values[first : first + across]))
        printed.print(table)
        printed.print()
    for runs in groups:
        place = runs[0].folder.parent if len(runs) > 1 else runs[0].folder
        printed.print(f"runs    {place}", soft_wrap=True, markup=False)


def print_comparison(folder: Path) -> None:
    """Print how the variants of a comparison ended, and the tests of their differences."""
    from rich.markup import escape

    from srnn.commands.output import console
    from srnn.errors import UserError
    from srnn.laboratory.compare import Comparison

    comparison, printed = Comparison.open(folder), console()
    experiment = comparison.experiment
    printed.print(f"\n[bold]{escape(experiment.name)}[/bold]  {escape(experiment.about)}")
    for run in comparison:
        if run.status.status != "finished":
            print_status(printed, run, f"{run.folder.parent.name}, ")
    try:
        final, tests = comparison.final, comparison.tests
    except UserError as error:
        printed.print(f"not compared yet: {error}", markup=False, soft_wrap=True)
        printed.print(f"go on with: srnn run {folder} --resume", markup=False, soft_wrap=True)
        return
    metrics = list(dict.fromkeys(final["Metric"]))
    table = grid()
    table.add_column("variant", overflow="fold")
    for metric in metrics:
        table.add_column(metric.replace("_", " "), justify="right")
    cells = final.set_index(["Group", "Metric"])
    for group in dict.fromkeys(final["Group"]):
        row = [cells.loc[(group, metric)] if (group, metric) in cells.index else None for metric in metrics]
        table.add_row(
            escape(group),
            *(
                "" if one is None else with_interval(one["Mean"], one["Low"], one["High"], counts=metric in labels())
                for metric, one in zip(metrics, row, strict=True)
            ),
        )
    printed.print()
    printed.print(table)
    printed.print()
    shown = tests[tests["Metric"].isin([metrics[0], "identity_share"])] if metrics else tests
    table = grid()
    for heading in ("paired tests", "variants"):
        table.add_column(heading, overflow="fold")
    for heading in ("difference", "95 % interval", "n", "p", "Holm"):
        table.add_column(heading, justify="right")
    for _, test in shown.head(_MOST_TESTS).iterrows():
        interval = "" if test["Low"] != test["Low"] else f"{test['Low']:+.3g} … {test['High']:+.3g}"
        table.add_row(
            str(test["Metric"]).replace("_", " "),
            escape(f"{test['A']} − {test['B']}"),
            f"{test['Difference']:+.3g}",
            interval,
            f"{test['n']}",
            *("" if test[p] != test[p] else f"{test[p]:.2g}" for p in ("p", "p, Holm")),
        )
    printed.print(table)
    printed.print()
    for path in (*sorted((folder / "results").glob("[!.]*.csv")), *comparison.figures):
        printed.print(f"{'table' if path.suffix == '.csv' else 'figure':<7} {path}", soft_wrap=True, markup=False)


#: Of many variants there are many pairs; all are in the file.
_MOST_TESTS = 30
