"""What was run, how it ended, and whether that differs: small tables in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import pandas as pd

from srnn.analysis import comparison
from srnn.analysis.statistics import last_scores, over_seeds
from srnn.errors import UserError, one_line
from srnn.fixpoint_types import FixpointType, is_count
from srnn.reports.section import Facts, Section
from srnn.runs.run import Run
from srnn.shown import with_interval

Groups = Mapping[str, Sequence[Run]]
_LABELS: Final = [kind.label for kind in FixpointType]
#: What is not a setting but a word about the run, or its seed.
_ABOUT: Final = {"name", "about", "duration", "seed", "versions"}


def what_was_run(groups: Groups, unmeasured: Iterable[Run] = ()) -> list[Facts]:
    """The runs and their settings: those in which they differ first.

    Args:
        groups: The experiments that have measured something.
        unmeasured: Runs that have not, of which is told how they ended.
    """
    runs = [[name, str(run.experiment.seed), _ended(run), _place(run)] for name, own in groups.items() for run in own]
    runs += map(_unmeasured, unmeasured)
    settings = [_settings(own[0].experiment.model_dump(mode="json", exclude=_ABOUT)) for own in groups.values()]
    versions = [_settings({"versions": own[0].experiment.versions}) for own in groups.values()]
    rows = _side_by_side(settings)
    differing = [row for row in rows if len({*row[1:]}) > 1]
    found = [
        Facts(
            "What is asked", ["experiment", "about"], [[name, own[0].experiment.about] for name, own in groups.items()]
        ),
        Facts("How the runs ended", ["experiment", "seed", "ended", "folder"], runs),
    ]
    if differing:
        found.append(Facts("In what they differ", ["setting", *groups], differing))
    rows += _side_by_side(versions)
    return [*found, Facts(f"All settings ({len(rows)})", ["setting", *groups], rows, folded=True)]


def _ended(run: Run) -> str:
    """How a run ended, or how far it is."""
    status = run.status
    told = f"{status.status}, epoch {run.epoch:,} of {run.experiment.training.epochs:,}"
    why = f": {status.why}" if status.why and status.status in ("diverged", "failed") else ""
    return told + why


def _unmeasured(run: Run) -> list[str]:
    """What is told of a run that has measured nothing, whose configuration may be what is wrong with it."""
    try:
        experiment = run.experiment
    except UserError as error:
        return [run.folder.absolute().parent.name, "", str(error), _place(run)]
    return [experiment.name, str(experiment.seed), f"{_ended(run)}; nothing was measured", _place(run)]


def _place(run: Run) -> str:
    return "/".join(run.folder.absolute().parts[-2:])


def how_it_ended(groups: Groups) -> list[Facts]:
    """The last score of every metric, with its interval over the seeds."""
    summaries = {name: over_seeds(last_scores(own)) for name, own in groups.items()}
    metrics = list(dict.fromkeys(metric for summary in summaries.values() for metric in summary.index))
    rows: dict[bool, list[list[str]]] = {True: [], False: []}
    for metric in metrics:
        counts = is_count(metric)
        cells = [
            with_interval(*(float(summary[column][metric]) for column in ("Mean", "Low", "High")), counts=counts)
            if metric in summary.index
            else ""
            for summary in summaries.values()
        ]
        detail = counts and metric.removeprefix("rest_") not in _LABELS
        rows[detail or metric.startswith("test_recall_")].append([in_words(metric), *cells])
    seeds = ["seeds", *(str(len(own)) for own in groups.values())]
    found = [Facts("Last figures: mean and 95 % interval over the seeds", ["figure", *groups], [seeds, *rows[False]])]
    if rows[True]:
        found.append(Facts("By layer and by class", ["figure", *groups], rows[True], folded=True))
    return found


def differences(groups: Groups) -> Section:
    """Paired tests between experiments of common seeds."""
    tests = comparison.paired_tests(groups)
    section = Section(
        "differences",
        "Differences",
        "Between runs of the same seed: the mean difference A − B with its 95 % interval, a paired t-test, Wilcoxon's "
        "test and one of equivalence, each corrected for all that are made here (Holm). Few seeds say little.",
        tables={"Paired tests": tests, "How the experiments ended": comparison.final_table(groups)},
    )
    if tests.empty or not (tests["n"] > 1).any():
        section.notes.append("No two of these experiments have two seeds in common: nothing can be tested.")
    return section


def in_words(metric: str) -> str:
    """What a metric is called in the page."""
    if metric.startswith("rest_"):
        return f"{in_words(metric.removeprefix('rest_'))}, at rest"
    return metric.replace("_", " ")


def _settings(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as dotted ones, in words."""
    found: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= _settings(value, f"{prefix}{key}.")
        elif value is not None:
            found[one_line(prefix + key)] = one_line(str(value))
    return found


def _side_by_side(columns: Sequence[Mapping[str, str]]) -> list[list[str]]:
    """A row for each key, a cell for each column that may lack it."""
    keys = dict.fromkeys(key for column in columns for key in column)
    return [[key, *(column.get(key, "") for column in columns)] for key in keys]


def measured(runs: Sequence[Run]) -> pd.DataFrame:
    """The metrics of all seeds, one below the other, with a column Seed."""
    return pd.concat([run.metrics.assign(Seed=run.experiment.seed) for run in runs], ignore_index=True)
