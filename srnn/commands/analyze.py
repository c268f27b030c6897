"""``srnn analyze``: ask a run, or the seeds of an experiment, the questions of the laboratory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from srnn.commands.options import Body, DataDir, ImageFormat, completing
from srnn.commands.tables import grid
from srnn.shown import with_interval

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console
    from rich.table import Table

    from srnn.laboratory.ask import Answers
    from srnn.laboratory.questions.question import Summary
    from srnn.runs.run import Run

#: As many columns of means and intervals as 80 characters hold without breaking them.
_COLUMNS = 4


class Command(TyperCommand):
    """The command, whose help lists the questions there are."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        from srnn.laboratory.questions import QUESTIONS

        lines = [
            f"  {name:<13} {question.about}{' (trains)' if question.trains else ''}"
            for name, question in QUESTIONS.items()
        ]
        self.help = "\n".join([self.help or "", "", "\b", "Questions:", *lines])
        super().format_help(ctx, formatter)


def _questions() -> list[str]:
    from srnn.laboratory.questions import QUESTIONS

    return list(QUESTIONS)


def command(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN", help="Run folders; a folder of seeds stands for all of them.")
    ],
    only: Annotated[
        str | None,
        typer.Option(
            metavar="QUESTION,…",
            help="Only these questions; without, all that need no training.",
            autocompletion=completing(_questions),
        ),
    ] = None,
    data_dir: DataDir = None,
    body: Body = None,
    image_format: ImageFormat = "png",
    title: Annotated[
        str | None, typer.Option(help="Above the figures instead of the experiment's name; '' for none.")
    ] = None,
) -> None:
    """Answer the laboratory's questions: print, write and draw the answers.

    Tables go to RUN/results, figures to RUN/figures.
    Of several seeds the means with 95 % intervals are printed; tables of them
    all, of the means, and the figures go beside the seeds.
    Several experiments are compared, too; of a comparison (srnn run trade-off) its
    final table is shown, of a sweep that of its points. What trains is asked only by
    name.

    \b
    Examples:
      srnn analyze runs/digits/seed-0
      srnn analyze runs/connectivity --only thinning,dropout --data-dir data/mnist
      srnn analyze runs/digits --only baselines
      srnn analyze runs/residual-h8 runs/no-residual-h8 --data-dir data/mnist
    """
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from srnn.commands.output import console
    from srnn.commands.side_by_side import print_comparison
    from srnn.commands.sweeps import print_sweep
    from srnn.errors import NotApplicableError
    from srnn.laboratory.ask import analyze, choose
    from srnn.laboratory.compare import compare
    from srnn.runs.groups import by_experiment, is_comparison, is_sweep, names_apart, open_runs
    from srnn.sweeps.figures import draw
    from srnn.sweeps.folder import Sweep
    from srnn.untrusted import expanded

    questions = choose(only)
    drawn_as = None if image_format == "none" else image_format
    folders = [expanded(run) for run in runs]
    groups = by_experiment(open_runs(folders, body))
    for group in groups:
        terminal = console(error=True)
        columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
        with Progress(*columns, console=terminal, transient=True, disable=not terminal.is_terminal) as progress:
            bar = progress.add_task("")

            def watch(what: str, bar: object = bar, name: str = group[0].experiment.name) -> None:
                progress.update(bar, description=f"{name}: {what}")  # type: ignore[arg-type]

            answers = analyze(group, questions, data_dir, drawn_as, title, watch)
        _print(console(), group, answers)
    compared = [folder for folder in folders if is_comparison(folder)]
    for folder in compared:
        print_comparison(folder)
    for folder in filter(is_sweep, folders):
        found = Sweep.open(folder)
        found.write_table()
        if drawn_as is not None:
            draw(found, drawn_as)
        print_sweep(found)
        compared.append(folder)
    if len(groups) > 1 and not compared:
        named = dict(zip(names_apart(groups), groups, strict=True))
        together = "-".join(["comparison", *named])
        folder = groups[0][0].folder.parent.parent / together[:_LONGEST].rstrip("-")
        try:
            for figure in compare(named, folder, drawn_as):
                console().print(f"figure   {figure}", soft_wrap=True, markup=False)
        except NotApplicableError as error:
            print(f"left out comparison: {error}")


#: Characters of a folder's name, for many experiments.
_LONGEST = 120


def _print(console: Console, runs: list[Run], answers: Answers) -> None:
    """Print the answers of an experiment's seeds, and where all of them are."""
    from rich.markup import escape

    from srnn.laboratory.questions import QUESTIONS

    seeds = [str(run.experiment.seed) for run in runs]
    of = f"seed {seeds[0]}" if len(seeds) == 1 else f"{len(seeds)} seeds: means and 95 % intervals"
    console.print(f"\n[bold]{escape(runs[0].experiment.name)}[/bold], {of}")
    for name, summaries in answers.summaries.items():
        console.print(f"\n[bold]{name}[/bold]  {QUESTIONS[name].about}")
        for result, summary in QUESTIONS[name].summaries.items():
            if summary.rows and len(table := shown(summaries[result], summary, len(seeds))):
                console.print(_table(result, table))
    console.print()
    for reason in answers.left_out:
        print(f"left out {reason}")
    folders = [run.folder for run in runs]
    for folder in folders if len(runs) == 1 else [*folders, runs[0].folder.parent]:
        console.print(f"results  {folder / 'results'}", soft_wrap=True, markup=False)
    for figure in answers.figures:
        console.print(f"figure   {figure}", soft_wrap=True, markup=False)


def shown(summary: pd.DataFrame, how: Summary, seeds: int = 1) -> pd.DataFrame:
    """What is printed of a summary: a cell, mean and interval, for each row and column, in their order.

    Args:
        summary: As :func:`srnn.laboratory.ask.summarize` gives it.
        how: What is shown of it. Of more epochs, shares or levels than fit beside each other as many are, evenly, the
            first and the last among them.
        seeds: How many there are: a mean of fewer says so.
    """
    import numpy as np

    rows = summary.query(how.where) if how.where else summary
    # Of what does not occur there is nothing to tell.
    rows = rows[(rows["Mean"].fillna(0) != 0).groupby(rows[how.rows]).transform("any")]
    columns = rows[how.columns] if how.columns else "mean"
    cells = [
        with_interval(*ends) + (f" ({own:.0f} seed{'s' if own > 1 else ''})" if own < seeds else "")
        for *ends, own in rows[["Mean", "Low", "High", "Seeds"]].to_numpy(dtype=float)
    ]
    table = rows.assign(Columns=columns, Cells=cells).set_index([how.rows, "Columns"])["Cells"]
    wide = table.unstack("Columns").reindex(rows[how.rows].unique()).fillna("")
    order = rows.assign(Columns=columns)["Columns"].unique()
    if how.columns != "Quantity":
        order = order[np.linspace(0, len(order) - 1, min(len(order), _COLUMNS)).round().astype(int)]
    found: pd.DataFrame = wide[order]
    return found


def _table(name: str, cells: pd.DataFrame) -> Table:
    from rich.markup import escape

    table = grid()
    table.add_column(name.replace("_", " "), overflow="fold")
    for heading in cells:
        table.add_column(f"{heading:g}" if isinstance(heading, float) else escape(str(heading)), justify="right")
    for row, values in zip(cells.index, cells.to_numpy(), strict=True):
        table.add_row(f"{row:g}" if isinstance(row, float) else escape(str(row).replace("_", " ")), *values)
    return table
