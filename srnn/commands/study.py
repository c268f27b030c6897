"""A study of pruning on the command line: one bar for all of its runs, and a table of what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srnn.commands.tables import grid
from srnn.shown import with_interval

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from srnn.experiment import Experiment
    from srnn.training import Report, Training


def make_study(
    chosen: Experiment,
    out: Path,
    seeds: list[int],
    resume: bool,
    quiet: bool,
    again: str,
    common: Mapping[str, Any],
) -> None:
    """Run a study and print its table, or its folder alone; ``again`` is the command that goes on with it."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from srnn.commands.output import console, print_path
    from srnn.commands.signals import going_on
    from srnn.laboratory.job import run
    from srnn.laboratory.study import run_study

    terminal = console(error=True)
    columns = SpinnerColumn(), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}")
    hidden = quiet or not terminal.is_terminal
    with (
        going_on(lambda: f"go on with: {again}") as signals,
        Progress(*columns, console=terminal, transient=True, disable=hidden) as progress,
    ):
        signals.listen(at_once=True)
        bar, now = progress.add_task("", total=None), ""

        def watch(done: int, total: int, name: str) -> None:
            nonlocal now
            now = name
            # Between two runs, and while the tables are made, there is nothing to be saved.
            signals.listen(at_once=True)
            progress.update(bar, completed=done, total=total, description=name)

        def after_start(training: Training) -> None:
            signals.listen()

        def after_report(report: Report) -> None:
            progress.update(bar, description=f"{now}, epoch {report.epoch}")

        study = run_study(
            run,
            chosen,
            out,
            seeds,
            resume=resume,
            stop=signals.received,
            watch=watch,
            after_start=after_start,
            after_report=after_report,
            progress=False,
            **common,
        )
    if quiet:
        print_path(study.folder)
    else:
        print_study(study.folder)


def print_study(folder: Path) -> None:
    """Print what became of the branches of a study, and what they keep of each layer."""
    from rich.markup import escape

    from srnn.commands.output import console
    from srnn.commands.seeds import print_status
    from srnn.errors import UserError
    from srnn.laboratory.study import Study
    from srnn.runs.records import explained

    study, printed = Study.open(folder), console()
    printed.print(f"\n[bold]{escape(study.experiment.name)}[/bold]  {escape(study.experiment.about)}")
    for run in study:
        if run.status.status != "finished":
            print_status(printed, run, f"{run.folder.parent.name}, ")
    try:
        summary, layers, metric = study.summary, study.layers, next(iter(study.branches["Metric"]), "score")
        with explained(folder / "results"):
            tables = _scores(summary, f"test {metric}"), _kept(summary, layers)
    except UserError as error:
        printed.print(f"not told yet: {error}", markup=False, soft_wrap=True)
        printed.print(f"go on with: srnn run {folder} --resume", markup=False, soft_wrap=True)
        return
    for table in tables:
        printed.print()
        printed.print(table)
    printed.print()
    for path in (*sorted((folder / "results").glob("[!.]*.csv")), *study.figures):
        printed.print(f"{'table' if path.suffix == '.csv' else 'figure':<7} {path}", soft_wrap=True, markup=False)


def _scores(summary: pd.DataFrame, score: str) -> Table:
    """How good each branch was where it should have stopped, or at the end, and what it has ahead of the dense run."""
    stopped = bool((summary["Quantity"] == "Early stop").any())
    table = grid()
    table.add_column("branch", overflow="fold")
    for heading in ("kept", score, "− dense", *(["at epoch"] if stopped else [])):
        table.add_column(heading, justify="right")
    for (by, _, control), rows in summary.groupby(_KEYS, sort=False):
        own: dict[str, Any] = {row["Quantity"]: row for row in rows.to_dict("records")}
        one = own["Test score" if stopped else "End score"]
        cells = [_named(by, control), _share(own["Density"]["Mean"])]
        cells.append(with_interval(one["Mean"], one["Low"], one["High"]))
        ahead = with_interval(one["Difference"], one["Difference low"], one["Difference high"])
        cells.append(f"+{ahead}" if one["Difference"] > 0 else "" if control == "dense" else ahead)
        table.add_row(*cells, *([f"{own['Early stop']['Mean']:.3g}"] if stopped else []))
    return table


def _kept(summary: pd.DataFrame, layers: pd.DataFrame) -> Table:
    """What the branches keep of each layer, how much of all lies on paths, and in how many seeds a layer is cut."""
    from srnn.analysis.rounds import TICKET
    from srnn.analysis.thinning import TOTAL

    names = [name for name in layers["Layer"].unique() if name != TOTAL][:_MOST_LAYERS]
    means = layers.groupby([*_KEYS, "Layer"], sort=False)["Density"].mean()
    table = grid()
    table.add_column("kept", overflow="fold")
    for heading in (*names, "on paths", "collapsed"):
        table.add_column(heading, justify="right")
    for key, rows in summary[summary["Control"] == TICKET].groupby(_KEYS, sort=False):
        own = dict(zip(rows["Quantity"], rows["Mean"], strict=True))
        shown = [_share(means.get((*key, name))) for name in names]
        table.add_row(_named(key[0], ""), *shown, _share(own.get("Effective")), _share(own["Collapsed"], "{:.0%}"))
    return table


def _share(value: float | None, form: str = "{:.1%}") -> str:
    """A share, or a dash where nothing was there to be measured, as of a branch that could not begin."""
    return "–" if value is None or value != value else form.format(value)


def _named(by: object, control: object) -> str:
    return " ".join(str(one) for one in (by, control) if one not in ("", "ticket"))


_KEYS = ["By", "Round", "Control"]
#: Of a deep body all are in the file.
_MOST_LAYERS = 5
