"""How do experiments differ? Curves, final figures, paired tests and the order of learning, across groups of runs.

A group is the seeds of one experiment, under the name it shall have in tables and figures::

    groups = {"residual": open_runs(["runs/residual-h8"]), "none": open_runs(["runs/no-residual-h8"])}

A metric is a name in ``metrics.csv`` or ``<type>_share``, the share of a fixpoint type among the particles of the whole
organism (``identity_share``) or of a layer (``L0_identity_share``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Final

import numpy as np
import pandas as pd

from srnn.analysis.statistics import Measured, by_epoch, interval, over_seeds, paired
from srnn.errors import UserError, nearest
from srnn.fixpoints import FixpointType

Groups = Mapping[str, Sequence[Measured]]
#: What :func:`final_table` and :func:`paired_tests` tell of, where the runs measured it.
METRICS: Final = ("test_accuracy", "test_mae", "identity", "zero", "other", "identity_share")
#: The values whose first epoch :func:`order_of_learning` looks for.
MILESTONES: Final[Mapping[str, Sequence[float]]] = {
    "replication_loss": (1e-3, 1e-5, 1e-8),
    "test_accuracy": (0.5, 0.8, 0.87),
}
_LABELS: Final = tuple(kind.label for kind in FixpointType)


def is_logarithmic(metric: str) -> bool:
    """Whether means of this metric are those of its logarithms: a loss or an error, which spans powers of ten."""
    return metric.endswith(("_loss", "_mae"))


def scores(groups: Groups, metric: str) -> pd.DataFrame:
    """One metric of every run, the last batch of each epoch.

    Returns:
        Columns Group (str), Seed (int), Epoch (int), Score (float; what was logged as NaN is infinite). Runs that did
        not measure the metric, say the replication loss of organisms that do not replicate, have no row.

    Raises:
        UserError: A group is empty or has a seed twice, or no run measured the metric.

    Example:
        >>> scores(groups, "identity_share").pivot_table("Score", "Epoch", "Group")  # doctest: +SKIP
    """
    frames = []
    for group, runs in groups.items():
        if not runs:
            raise UserError(f"the group {group} holds no run; name the folder of at least one")
        seeds = [run.experiment.seed for run in runs]
        if len({*seeds}) < len(seeds):
            raise UserError(f"the group {group} has a seed twice: {', '.join(map(str, sorted(seeds)))}")
        own = pd.concat([_scores(run, metric).assign(Seed=run.experiment.seed) for run in runs])
        frames.append(own.assign(Group=group))
    frame = pd.concat(frames or [pd.DataFrame(columns=["Group", "Seed", "Epoch", "Score"])], ignore_index=True)
    if frame.empty:
        known = _measured([run for runs in groups.values() for run in runs])
        raise UserError(f"no run measured {metric}{nearest(metric, known)}")
    return frame[["Group", "Seed", "Epoch", "Score"]]


def compare(groups: Groups, metric: str) -> pd.DataFrame:
    """The curve of a metric in each group: mean over its seeds and 95 % confidence band (Student's t) at each epoch.

    Of a loss or an error both are those of the logarithms, as a log axis shows them. A score that is not finite (or,
    of a loss, not above zero) is left out; Seeds tells of how many seeds the mean is.

    Returns:
        Columns Group (str), Metric (str), Epoch (int), Mean, Low, High (float; no band of one seed: NaN), Seeds (int).

    Raises:
        UserError: As :func:`scores`.

    Example:
        >>> frames = [compare(groups, name) for name in ("test_accuracy", "identity_share")]  # doctest: +SKIP
        >>> plots.comparison.curves(pd.concat(frames), "residual against none")  # doctest: +SKIP
    """
    frames = []
    for group, own in scores(groups, metric).groupby("Group", sort=False):
        values = own.pivot(index="Epoch", columns="Seed", values="Score")
        frame = interval(values, is_logarithmic(metric)).reset_index()
        frames.append(frame.assign(Group=group, Metric=metric))
    return pd.concat(frames, ignore_index=True)[["Group", "Metric", "Epoch", "Mean", "Low", "High", "Seeds"]]


def final_table(groups: Groups, metrics: Sequence[str] = METRICS) -> pd.DataFrame:
    """How the groups ended: mean over the seeds of each metric's last score, with its 95 % t-interval.

    Returns:
        Columns Metric (str), Group (str), Mean, Low, High (float; no interval of one seed: NaN), Seeds (int). Metrics
        that no run measured are left out; a seed that ended with NaN is not passed over: the mean is NaN too.

    Raises:
        UserError: A group is empty or has a seed twice.

    Example:
        >>> final_table(groups).pivot(index="Group", columns="Metric", values="Mean")  # doctest: +SKIP
    """
    finals = [last.assign(Metric=metric) for metric, last in _finals(groups, metrics).items()]
    if not finals:
        return pd.DataFrame(columns=["Metric", "Group", "Mean", "Low", "High", "Seeds"])
    return over_seeds(pd.concat(finals), by=["Metric", "Group"]).reset_index()


def paired_tests(groups: Groups, metrics: Sequence[str] = METRICS) -> pd.DataFrame:
    """Whether two groups ended differently: tests of the differences, pair by pair, between runs of the same seed.

    The p-values are each of one test: with many metrics or groups, some are small by chance.

    Returns:
        A row for each metric and each two groups: Metric, A, B (str), Difference (mean of A − B over the common seeds),
        Low, High (its 95 % t-interval), n (int, the common seeds), t, p and p (Wilcoxon), as
        :func:`srnn.analysis.statistics.paired` explains them.

    Raises:
        UserError: As :func:`final_table`.

    Example:
        >>> paired_tests({"residual": with_links, "none": without}).query("Metric == 'identity'")  # doctest: +SKIP
    """
    rows = []
    for metric, last in _finals(groups, metrics).items():
        of_group = {group: own.set_index("Seed")["Score"] for group, own in last.groupby("Group", sort=False)}
        for a, b in combinations(of_group, 2):
            pairs = pd.concat([of_group[a], of_group[b]], axis=1, join="inner", keys=["a", "b"])
            rows.append({"Metric": metric, "A": a, "B": b} | paired(pairs["a"].to_numpy(), pairs["b"].to_numpy()))
    return pd.DataFrame(rows, columns=["Metric", "A", "B", "Difference", "Low", "High", "n", "t", "p", "p (Wilcoxon)"])


def order_of_learning(groups: Groups, milestones: Mapping[str, Sequence[float]] = MILESTONES) -> pd.DataFrame:
    """What is learnt first: the first logged epoch at which each run reaches given values.

    A loss or an error reaches a value when it is not above it, any other metric when it is not below. An epoch
    is no finer than the log: test metrics, every ``log.every`` epochs; losses, every epoch.

    Returns:
        Columns Group (str), Seed (int), Metric (str), Value (float), Milestone (str: ``test_accuracy ≥ 0.5``),
        Epoch (float; NaN if the run never reaches it).

    Raises:
        UserError: As :func:`scores`.

    Example:
        >>> reached = order_of_learning(groups)  # doctest: +SKIP
        >>> reached.pivot_table("Epoch", "Milestone", "Group", sort=False)  # doctest: +SKIP
    """
    rows = []
    for metric, values in milestones.items():
        every = scores(groups, metric)
        sign, word = (-1, "≤") if is_logarithmic(metric) else (1, "≥")
        for value in values:
            reached = every[np.isfinite(every["Score"]) & (sign * every["Score"] >= sign * value)]
            first = reached.groupby(["Group", "Seed"])["Epoch"].min()
            for key in every[["Group", "Seed"]].drop_duplicates().itertuples(index=False, name=None):
                rows.append((*key, metric, value, f"{metric} {word} {value:g}", float(first.get(key, np.nan))))
    return pd.DataFrame(rows, columns=["Group", "Seed", "Metric", "Value", "Milestone", "Epoch"])


def _scores(run: Measured, metric: str) -> pd.DataFrame:
    """Epoch and Score of one run, empty if it did not measure the metric."""
    whole = metric.removesuffix("_share")
    prefix, _, label = whole.rpartition("_")
    if whole == metric or label not in _LABELS:
        values = by_epoch(run.metrics, metric)
    else:
        counts = [by_epoch(run.metrics, "_".join(filter(None, (prefix, kind)))) for kind in _LABELS]
        values = by_epoch(run.metrics, whole) / sum(counts) if all(len(count) for count in counts) else pd.DataFrame()
    return pd.DataFrame({"Epoch": values.index, "Score": values.to_numpy().ravel()})


def _measured(runs: Sequence[Measured]) -> list[str]:
    """The metrics that these runs measured."""
    return sorted({metric for run in runs for metric in run.metrics["Metric"]})


def _finals(groups: Groups, metrics: Sequence[str]) -> dict[str, pd.DataFrame]:
    """The last score of every run: Group, Seed, Epoch, Score, for each metric that the runs measured."""
    names = {*_measured([run for runs in groups.values() for run in runs])}
    names |= {f"{name}_share" for name in names}
    finals = {}
    for metric in metrics:
        if metric in names:
            last = scores(groups, metric).groupby(["Group", "Seed"], sort=False).tail(1)
            finals[metric] = last.assign(Score=last["Score"].where(np.isfinite(last["Score"])))
    return finals
