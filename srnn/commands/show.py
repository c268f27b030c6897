"""``srnn show``: what was run and how it ended."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from srnn.commands.options import Body, DataDir

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from rich.console import Console
    from rich.table import Table

    from srnn.experiment import Experiment
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
    side by side in one table, a comparison with its final table and paired tests.

    \b
    Examples:
      srnn show runs/digits/seed-0
      srnn show runs/connectivity runs/residual-h8
      srnn show runs/connectivity --verify --data-dir data/mnist
      srnn show runs/digits --json
    """
    from srnn.runs.groups import by_experiment, is_comparison, open_runs
    from srnn.untrusted import expanded

    folders = [expanded(run) for run in runs]
    if verify:
        if not _print_checks(open_runs(folders, body), data_dir):
            raise typer.Exit(1)
        return
    if as_json:
        print_json(by_experiment(open_runs(folders)))
        return
    plain = [folder for folder in folders if not is_comparison(folder)]
    for folder in folders:
        if folder not in plain:
            print_comparison(folder)
    if plain:
        groups = by_experiment(open_runs(plain))
        if len(groups) == 1:
            print_runs(groups[0])
        else:
            print_side_by_side(groups)


def _print_checks(runs: list[Run], data_dir: Path | None) -> bool:
    """Verify the runs and print what was found; whether all is well."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from srnn import tasks
    from srnn.commands.output import console as printer
    from srnn.runs.verify import verify

    console = printer()
    well = True
    for run in runs:
        checks = verify(run, tasks.load(run.experiment.task, data_dir))
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
        for heading in (str(run.folder), "", "found"):
            table.add_column(escape(heading), overflow="fold")
        for check, holds, found in checks.itertuples(index=False):
            table.add_row(check, "[green]yes[/green]" if holds else "[red]NO[/red]", escape(found))
        console.print(table)
        console.print()
        well = well and bool(checks["Holds"].all())
    return well


def print_runs(runs: Sequence[Run]) -> None:
    """Print the runs, the seeds of one experiment together."""
    from srnn.commands.output import console
    from srnn.runs.groups import by_experiment

    printed = console()
    for group in by_experiment(runs):
        _print_group(printed, group)


def print_side_by_side(groups: Sequence[Sequence[Run]]) -> None:
    """Print several experiments in one table, a line for each figure and a column for each experiment."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from srnn.analysis.statistics import last_scores, over_seeds
    from srnn.commands.output import console
    from srnn.commands.tables import with_interval
    from srnn.runs.groups import names_apart

    printed, labels = console(), {*_labels()}
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
        if metric in labels or _is_figure(str(metric))
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
                float(summary["Mean"][metric]),
                float(summary["High"][metric] - summary["Mean"][metric]),
                counts=metric in labels,
            )
            for summary in summaries
        ]
    across = max(1, (printed.width - max(map(len, lines))) // 20)
    for first in range(0, len(groups), across):
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
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
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from srnn.commands.output import console
    from srnn.commands.tables import with_interval
    from srnn.errors import UserError
    from srnn.laboratory.compare import Comparison

    comparison, printed = Comparison.open(folder), console()
    experiment = comparison.experiment
    printed.print(f"\n[bold]{escape(experiment.name)}[/bold]  {escape(experiment.about)}")
    for run in comparison:
        if run.status.status != "finished":
            _print_status(printed, run, f"{run.folder.parent.name}, ")
    try:
        final, tests = comparison.final, comparison.tests
    except UserError as error:
        printed.print(f"not compared yet: {error}", markup=False, soft_wrap=True)
        printed.print(f"go on with: srnn run {folder} --resume", markup=False, soft_wrap=True)
        return
    metrics = list(dict.fromkeys(final["Metric"]))
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("variant", overflow="fold")
    for metric in metrics:
        table.add_column(metric.replace("_", " "), justify="right")
    cells = final.set_index(["Group", "Metric"])
    for group in dict.fromkeys(final["Group"]):
        row = [cells.loc[(group, metric)] if (group, metric) in cells.index else None for metric in metrics]
        table.add_row(
            escape(group),
            *(
                "" if one is None else with_interval(one["Mean"], one["High"] - one["Mean"], counts=metric in _labels())
                for metric, one in zip(metrics, row, strict=True)
            ),
        )
    printed.print()
    printed.print(table)
    printed.print()
    shown = tests[tests["Metric"].isin([metrics[0], "identity_share"])] if metrics else tests
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for heading in ("paired tests", "variants"):
        table.add_column(heading, overflow="fold")
    for heading in ("difference", "95 % interval", "n", "p"):
        table.add_column(heading, justify="right")
    for _, test in shown.head(_MOST_TESTS).iterrows():
        interval = "" if test["Low"] != test["Low"] else f"{test['Low']:+.3g} … {test['High']:+.3g}"
        table.add_row(
            str(test["Metric"]).replace("_", " "),
            escape(f"{test['A']} − {test['B']}"),
            f"{test['Difference']:+.3g}",
            interval,
            f"{test['n']}",
            "" if test["p"] != test["p"] else f"{test['p']:.2g}",
        )
    printed.print(table)
    printed.print()
    for path in (*sorted((folder / "results").glob("[!.]*.csv")), *comparison.figures):
        printed.print(f"{'table' if path.suffix == '.csv' else 'figure':<7} {path}", soft_wrap=True, markup=False)


#: Of many variants there are many pairs; all are in the file.
_MOST_TESTS = 30


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
                    "half_width": number(row["High"] - row["Mean"]),
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
                        "epoch": run.status.epoch,
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


def _print_group(console: Console, runs: list[Run]) -> None:
    from rich.markup import escape

    from srnn.analysis.statistics import last_scores, over_seeds
    from srnn.runs.run import figures

    experiment = runs[0].experiment
    measured = [run for run in runs if (run.folder / "metrics.csv").is_file()]
    if not measured:
        for run in runs:
            _print_status(console, run)
            console.print(f"run     {run.folder}", soft_wrap=True, markup=False)
        return
    scores = last_scores(measured)
    summary = over_seeds(scores)
    console.print(f"\n[bold]{escape(experiment.name)}[/bold]  {escape(experiment.about)}")
    console.print(escape(_describe(measured, summary)), style="dim")
    if all(run.status.status == "finished" and not run.status.unsaid for run in runs):
        console.print("finished", style="dim")
    else:
        for run in runs:
            _print_status(console, run)
    console.print()
    console.print(_last_figures(summary))
    for line in _answers(experiment, scores):
        console.print(line)
    console.print()
    if "identity" in summary.index:  # plain numbers have no types
        console.print(_census(summary))
        console.print()
    # Several seeds run together have figures of their own, with bands; those of each seed are in its folder.
    together = figures(runs[0].folder.parent) if len({run.folder.parent for run in runs}) == 1 < len(runs) else []
    for run in runs:
        console.print(f"run     {run.folder}", soft_wrap=True, markup=False)
        for figure in [] if together else run.figures:
            console.print(f"figure  {figure}", soft_wrap=True, markup=False)
    for figure in together:
        console.print(f"figure  {figure}", soft_wrap=True, markup=False)


def _print_status(console: Console, run: Run, place: str = "") -> None:
    """How far the run has come, in a line."""
    experiment, status = run.experiment, run.status
    epochs, last = experiment.training.epochs, status.epoch
    if (run.folder / "metrics.csv").is_file():
        last = int(run.metrics["Epoch"].max())
    what = {
        "running": f"is running ({status.why}), epoch {last} of {epochs}",
        "finished": "is finished",
        "interrupted": f"was interrupted in epoch {last + 1} of {epochs}",
        "killed": f"was killed in epoch {last + 1} of {epochs}",
        "diverged": f"diverged in epoch {status.epoch + 1} of {epochs} and stopped: {status.why}",
        "failed": f"failed in epoch {status.epoch + 1} of {epochs}: {status.why}",
        "unknown": f"ended at epoch {last} of {epochs}",
    }[status.status]
    # An older srnn did not say how a run ended; most have come to their end.
    well = status.status in ("finished", "running") or (status.status == "unknown" and last == epochs)
    line = f"{place}seed {experiment.seed} {what}"
    if not status.ended and status.status != "running":
        line += f"; go on with: srnn run {run.folder} --resume"
    console.print(line, style="dim" if well else "red", markup=False, soft_wrap=True)
    for unsaid in status.unsaid:
        console.print(unsaid, style="red", markup=False, soft_wrap=True)


def _describe(runs: list[Run], summary: pd.DataFrame) -> str:
    """What was run, in a line or two."""
    experiment = runs[0].experiment
    particle, replication, training = experiment.particle, experiment.replication, experiment.training
    if particle.kind == "number":
        what = "plain numbers"
    else:
        count = float(summary.loc[_labels(), "Mean"].sum())
        what = f"{_many(count, 'particle')} of {_many(particle.hidden, 'hidden unit')}"
    how = "without replication"
    if replication.method != "none":
        how = f"replication {replication.method}, {replication.target}, α = {replication.alpha:g}"
    seeds = [run.experiment.seed for run in runs]
    return "; ".join(
        [
            experiment.task.name,
            experiment.body.describe(),
            what,
            how,
            _many(training.epochs, "epoch"),
            f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}",
        ]
    )


def _last_figures(summary: pd.DataFrame) -> Table:
    from rich import box
    from rich.table import Table

    from srnn.commands.tables import with_interval

    several = summary["Seeds"].max() > 1
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("last figures")
    table.add_column("mean ± 95 % interval" if several else "value", justify="right")
    for metric, row in summary.iterrows():
        if _is_figure(str(metric)):
            table.add_row(str(metric).replace("_", " "), with_interval(row["Mean"], row["High"] - row["Mean"]))
    return table


def _census(summary: pd.DataFrame) -> Table:
    from rich import box
    from rich.table import Table

    from srnn.commands.tables import with_interval

    means, highs = (layer_table(summary, column) for column in ("Mean", "High"))
    widths = highs - means
    # Narrow enough for 80 columns with the intervals of thousands of particles.
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("layer")
    for kind in means.columns:
        table.add_column(kind, justify="right")
    table.add_column("identity share", justify="right")
    for layer in means.index:
        if layer == "total":
            table.add_section()
        cells = [
            with_interval(mean, width, counts=True)
            for mean, width in zip(means.loc[layer], widths.loc[layer], strict=True)
        ]
        table.add_row(
            layer,
            *cells,
            f"{means.at[layer, 'identity'] / means.loc[layer].sum():.1%}",
        )
    return table


def _answers(experiment: Experiment, scores: pd.DataFrame) -> list[str]:
    """What the experiment's own question has for an answer: does the particle of ``multiply`` really multiply?"""
    from srnn.tasks.multiply import multiplies

    if experiment.task.name != "multiply":
        return []
    factor = experiment.task.factor
    lines = []
    learned = scores[scores["Metric"] == "learned_factor"]
    for seed, learned_factor in zip(learned["Seed"], learned["Score"].astype(float), strict=True):
        verdict = "[green]multiplies[/green]" if multiplies(learned_factor, factor) else "[red]does not multiply[/red]"
        lines.append(f"seed {seed}: learned factor {learned_factor:.4g}, n = {factor:g}: {verdict}")
    return lines


def _many(number: float, of: str) -> str:
    return f"{number:,.0f} {of}{'s' if number != 1 else ''}"


def layer_table(summary: pd.DataFrame, column: str = "Mean") -> pd.DataFrame:
    """The census of each layer and, last, of all: a row for each layer, a column for each type.

    Args:
        summary: As :func:`srnn.analysis.statistics.over_seeds` gives it.
        column: Which of its columns to lay out.
    """
    import pandas as pd

    labels = _labels()
    layers = [name.removesuffix("_other") for name in summary.index if name.endswith("_other")]
    rows = {layer: [summary.at[f"{layer}_{label}", column] for label in labels] for layer in layers}
    rows["total"] = [summary.at[label, column] for label in labels]
    return pd.DataFrame.from_dict(rows, orient="index", columns=labels).rename_axis("layer")


def _labels() -> list[str]:
    from srnn.fixpoints import FixpointType

    return [kind.label for kind in FixpointType]


def _mean_and_half(summary: pd.DataFrame, metric: str) -> tuple[float, float]:
    """Of one metric the mean over the seeds and half its interval."""
    mean = float(summary["Mean"][metric])
    return mean, float(summary["High"][metric]) - mean


def _is_figure(metric: str) -> bool:
    """Whether a metric is told by itself: not the counts of the census, nor the recall of each of many classes."""
    return metric.rpartition("_")[2] not in _labels() and not metric.startswith("test_recall_")
