"""``srnn show``: what was run and how it ended."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from srnn.commands.options import Body, DataDir

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srnn.runs.run import Run


def command(
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN", help="Run folders; a folder of seeds or of experiments stands for all in it."),
    ],
    verify: Annotated[
        bool, typer.Option("--verify", help="Check the files of finished runs; exit code 1 if anything is wrong.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    data_dir: DataDir = None,
    body: Body = None,
) -> None:
    """Show what was run, how it ended, its last figures and the particle types of each layer.

    Several seeds of one experiment are shown together: mean ± 95 % confidence interval. Several experiments are shown
    side by side in one table, a comparison with its final table and paired tests, a study of pruning with its branches,
    a sweep with its points.

    \b
    Examples:
      srnn show runs/digits/seed-0
      srnn show runs/connectivity runs/residual-h8
      srnn show runs/connectivity --verify --data-dir data/mnist
      srnn show runs/digits --json
    """
    from srnn.commands.seeds import print_runs
    from srnn.commands.side_by_side import print_comparison, print_side_by_side
    from srnn.commands.study import print_study
    from srnn.commands.sweeps import print_sweep
    from srnn.runs.groups import by_experiment, is_comparison, is_study, is_sweep, only_planned, open_runs
    from srnn.sweeps.folder import sweeps_of
    from srnn.untrusted import expanded

    folders = [expanded(run) for run in runs]
    if verify:
        if not _print_checks(open_runs(folders, body), data_dir):
            raise typer.Exit(1)
        return
    if as_json:
        print_json(by_experiment(open_runs(folders)))
        return
    plain = [folder for folder in folders if not (is_comparison(folder) or is_study(folder) or is_sweep(folder))]
    for folder in folders:
        if folder not in plain and not is_sweep(folder):
            (print_study if is_study(folder) else print_comparison)(folder)
    sweeps = sweeps_of(folders)
    for sweep in sweeps:
        print_sweep(sweep)
    plain = [folder for folder in plain if not only_planned(folder)]
    if plain:
        below = [sweep.folder for sweep in sweeps if sweep.folder not in folders]
        groups = by_experiment(one for one in open_runs(plain) if not any(map(one.folder.is_relative_to, below)))
        if len(groups) == 1:
            print_runs(groups[0])
        elif groups:
            print_side_by_side(groups)


def _print_checks(runs: list[Run], data_dir: Path | None) -> bool:
    """Verify the runs and print what was found; whether all is well."""
    from rich.markup import escape

    from srnn import tasks
    from srnn.commands.output import console as printer
    from srnn.commands.tables import grid
    from srnn.runs.verify import verify

    console = printer()
    well = True
    for run in runs:
        checks = verify(run, tasks.load(run.experiment.task, data_dir))
        table = grid()
        for heading in (str(run.folder), "", "found"):
            table.add_column(escape(heading), overflow="fold")
        for check, holds, found in checks.itertuples(index=False):
            table.add_row(check, "[green]yes[/green]" if holds else "[red]NO[/red]", escape(found))
        console.print(table)
        console.print()
        well = well and bool(checks["Holds"].all())
    return well


def print_json(groups: Sequence[Sequence[Run]]) -> None:
    """Print what is known of the runs as JSON: a list, an entry for each experiment."""
    import json
    from math import isfinite

    from srnn.analysis.statistics import last_scores, over_seeds

    def number(value: float) -> float | None:
        return float(value) if isfinite(value) else None

    entries: list[dict[str, Any]] = []
    for runs in groups:
        measured = [run for run in runs if (run.folder / "metrics.csv").is_file()]
        metrics: dict[str, Any] = {}
        if measured:
            scores = last_scores(measured)
            for metric, row in over_seeds(scores).iterrows():
                own = scores[scores["Metric"] == metric]
                metrics[str(metric)] = {
                    "mean": number(row["Mean"]),
                    "low": number(row["Low"]),
                    "high": number(row["High"]),
                    "seeds": {str(seed): number(score) for seed, score in zip(own["Seed"], own["Score"], strict=True)},
                }
        settings = runs[0].experiment.model_dump(exclude={"seed", "versions"}, exclude_none=True)
        entries.append(
            {
                "name": runs[0].experiment.name,
                "about": runs[0].experiment.about,
                "runs": [
                    {
                        "folder": str(run.folder),
                        "seed": run.experiment.seed,
                        "status": run.status.status,
                        "epoch": run.epoch,
                        "why": run.status.why,
                        "unsaid": list(run.status.unsaid),
                    }
                    for run in runs
                ],
                "metrics": metrics,
                "settings": settings,
            }
        )
    print(json.dumps(entries, indent=2))
