"""The tables of one experiment, its seeds together: what was run, how it ended, its last figures and particles."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from srnn.commands.tables import grid, is_figure, labels
from srnn.shown import with_interval

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console
    from rich.table import Table

    from srnn.experiment import Experiment
    from srnn.runs.run import Run


def print_runs(runs: Sequence[Run]) -> None:
    """Print the runs, the seeds of one experiment together."""
    from srnn.commands.output import console
    from srnn.runs.groups import by_experiment

    printed = console()
    for group in by_experiment(runs):
        _print_group(printed, group)


def _print_group(console: Console, runs: list[Run]) -> None:
    from rich.markup import escape

    from srnn.analysis.statistics import last_scores, over_seeds
    from srnn.runs.run import figures

    experiment = runs[0].experiment
    measured = [run for run in runs if (run.folder / "metrics.csv").is_file()]
    if not measured:
        for run in runs:
            print_status(console, run)
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
            print_status(console, run)
    console.print()
    console.print(_last_figures(summary, scores))
    if experiment.task.classes and (recalls := _recalls(summary, experiment.task.classes)):
        console.print()
        console.print(recalls)
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


def print_status(console: Console, run: Run, place: str = "") -> None:
    """How far the run has come, in a line."""
    experiment, status = run.experiment, run.status
    epochs, last = experiment.training.epochs, run.epoch
    what = {
        "running": f"is running ({status.why}), epoch {last} of {epochs}",
        "finished": "is finished" if last == epochs else f"is finished: it ended in epoch {last} of {epochs}",
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
        count = float(summary.loc[labels(), "Mean"].sum())
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


def _last_figures(summary: pd.DataFrame, scores: pd.DataFrame) -> Table:
    """Mean and interval of each figure, and of few seeds the values themselves."""
    from srnn.analysis.statistics import FEW

    several = summary["Seeds"].max() > 1
    few = several and summary["Seeds"].max() <= FEW
    table = grid()
    table.add_column("last figures")
    table.add_column("mean, 95 % interval" if several else "value", justify="right")
    if few:
        table.add_column("each seed", justify="right")
    for metric, row in summary.iterrows():
        if is_figure(str(metric)):
            name = str(metric)
            if name.startswith("rest_"):
                name = f"{name.removeprefix('rest_')}_at_rest"
            cells = [with_interval(row["Mean"], row["Low"], row["High"])]
            if few:
                cells.append(" ".join(f"{score:.3g}" for score in scores[scores["Metric"] == metric]["Score"]))
            table.add_row(name.replace("_", " "), *cells)
    return table


def _recalls(summary: pd.DataFrame, classes: Sequence[str]) -> Table | None:
    """How well each class is recognised, where classes have names and are few enough to be measured."""
    from rich.markup import escape

    from srnn.tasks.scores import recall_names

    measured = {f"test_{name}": label for name, label in zip(recall_names(classes), classes, strict=True)}
    there = [metric for metric in measured if metric in summary.index]
    if not there:
        return None
    table = grid()
    table.add_column("class", overflow="fold")
    table.add_column("test recall", justify="right")
    for metric in there:
        ends = (float(summary[column][metric]) for column in ("Mean", "Low", "High"))
        table.add_row(escape(measured[metric]), with_interval(*ends))
    return table


def _census(summary: pd.DataFrame) -> Table:

    means, lows, highs = (layer_table(summary, column) for column in ("Mean", "Low", "High"))
    table = grid()
    table.add_column("layer")
    for kind in means.columns:
        table.add_column(kind, justify="right")
    table.add_column("identity share", justify="right")
    for layer in means.index:
        if layer == "total":
            table.add_section()
        cells = [
            with_interval(*ends, counts=True)
            for ends in zip(means.loc[layer], lows.loc[layer], highs.loc[layer], strict=True)
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
    """The census of each layer, of all and, if there is one, at rest: a row for each, a column for each type.

    Args:
        summary: As :func:`srnn.analysis.statistics.over_seeds` gives it.
        column: Which of its columns to lay out.
    """
    import pandas as pd

    types = labels()
    layers = [name.removesuffix("_other") for name in summary.index if re.fullmatch(r"(L\d+|rest)_other", name)]
    rows = {layer: [summary.at[f"{layer}_{label}", column] for label in types] for layer in layers}
    at_rest = {"at rest": rows.pop("rest")} if "rest" in rows else {}
    rows |= {"total": [summary.at[label, column] for label in types], **at_rest}
    return pd.DataFrame.from_dict(rows, orient="index", columns=types).rename_axis("layer")
