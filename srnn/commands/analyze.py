"""``srnn analyze``: ask a run, or the seeds of an experiment, the questions of the laboratory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def command(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN…", help="Run folders; a folder of seeds stands for all of them.")
    ],
    only: Annotated[
        str | None,
        typer.Option(metavar="QUESTION,…", help="Only these questions; without, all that need no training."),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the MNIST or Fashion-MNIST files, or of own data that were moved.", envvar="SRNN_DATA_DIR"
        ),
    ] = None,
    image_format: Annotated[
        Literal["png", "svg", "pdf"], typer.Option("--format", help="File format of the figures.")
    ] = "png",
) -> None:
    """Answer the laboratory's questions: connectivity, thinning, dropout, transfer, trajectories, robustness, heatmap.

    Tables go to RUN/results, figures to RUN/figures; those of several seeds of an experiment beside the seeds. Asked
    only by name: baselines, which trains dense networks on the same batches. Several experiments are compared, too.

    \b
    Examples:
      srnn analyze runs/digits/seed-0
      srnn analyze runs/connectivity --only thinning,dropout --data-dir data/mnist
      srnn analyze runs/digits --only baselines
      srnn analyze runs/residual-h8 runs/no-residual-h8 --data-dir data/mnist
    """
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from srnn.errors import NotApplicableError
    from srnn.laboratory.questions import analyze, choose, compare
    from srnn.runs.groups import by_experiment, open_runs

    questions = choose(only)
    groups = by_experiment(open_runs(runs))
    for group in groups:
        console = Console(stderr=True)
        columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            bar = progress.add_task("")
            figures, left_out = analyze(
                group,
                questions,
                data_dir,
                image_format,
                lambda what, bar=bar, group=group: progress.update(  # type: ignore[misc]
                    bar, description=f"{group[0].experiment.name}: {what}"
                ),
            )
        for reason in left_out:
            print(f"left out {reason}")
        for run in group:
            print(f"results  {run.folder / 'results'}")
        for figure in figures:
            print(f"figure   {figure}")
    if len(groups) > 1:
        named = {group[0].experiment.name: group for group in groups}
        if len(named) < len(groups):
            print("left out comparison: two of the experiments have the same name")
            return
        folder = groups[0][0].folder.parent.parent / ("comparison-" + "-".join(named))
        try:
            for figure in compare(named, folder, image_format):
                print(f"figure   {figure}")
        except NotApplicableError as error:
            print(f"left out comparison: {error}")
