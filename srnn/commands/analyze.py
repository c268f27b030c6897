"""``srnn analyze``: ask a run, or the seeds of an experiment, the questions of the laboratory."""

from __future__ import annotations

from typing import Annotated

import typer

from srnn.commands.options import Body, DataDir, ImageFormat, completing


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
) -> None:
    """Answer the laboratory's questions of runs.

    Tables go to RUN/results, figures to RUN/figures; those of several seeds of an experiment beside the seeds. Several
    experiments are compared, too; of a comparison (srnn run trade-off) its final table is shown.

    \b
    Questions:
      connectivity  which particles of which type connect which units
      thinning      does the network really thin out
      dropout       what is lost when all particles of a type are dropped
      pruning       how many particles can be dropped, and in which order
      transfer      is it a plain dense network, what are its particles worth
      trajectories  how particles travel through weight space
      robustness    how much noise a self-replicator survives
      stability     are self-replicators stable, do noisy ones return
      heatmap       where on the image the types sit
      baselines     what ordinary networks reach (by name only: it trains)

    \b
    Examples:
      srnn analyze runs/digits/seed-0
      srnn analyze runs/connectivity --only thinning,dropout --data-dir data/mnist
      srnn analyze runs/digits --only baselines
      srnn analyze runs/residual-h8 runs/no-residual-h8 --data-dir data/mnist
    """
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from srnn.commands.output import console
    from srnn.commands.show import print_comparison
    from srnn.errors import NotApplicableError
    from srnn.laboratory.ask import analyze, choose
    from srnn.laboratory.compare import compare
    from srnn.runs.groups import by_experiment, is_comparison, names_apart, open_runs
    from srnn.untrusted import expanded

    questions = choose(only)
    folders = [expanded(run) for run in runs]
    groups = by_experiment(open_runs(folders, body))
    for group in groups:
        terminal = console(error=True)
        columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
        with Progress(*columns, console=terminal, transient=True, disable=not terminal.is_terminal) as progress:
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
    compared = [folder for folder in folders if is_comparison(folder)]
    for folder in compared:
        print_comparison(folder)
    if len(groups) > 1 and not compared:
        named = dict(zip(names_apart(groups), groups, strict=True))
        together = "-".join(["comparison", *named])
        folder = groups[0][0].folder.parent.parent / together[:_LONGEST].rstrip("-")
        try:
            for figure in compare(named, folder, image_format):
                print(f"figure   {figure}")
        except NotApplicableError as error:
            print(f"left out comparison: {error}")


#: Characters of a folder's name, for many experiments.
_LONGEST = 120
