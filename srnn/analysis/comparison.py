"""How do experiments differ? Curves, final figures, paired tests and the order of learning, across groups of runs.

A group is the seeds of one experiment, under the name it shall have in tables and figures::

    groups = {"residual": open_runs(["runs/residual-h8"]), "none": open_runs(["runs/no-residual-h8"])}

A metric is a name in ``metrics.csv`` or ``<type>_share``, the share of a fixpoint type among the particles of the whole
organism (``identity_share``) or of a layer (``L0_identity_share``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, Final

import numpy as np
import pandas as pd

from srnn.analysis.statistics import (
    MARGIN,
    SHARE,
    Floats,
    Measured,
    by_epoch,
    equivalence,
    holm,
    interval,
    last_scores,
    over_seeds,
    paired,
    range_of,
    survival,
)
from srnn.errors import UserError, nearest
from srnn.fixpoint_types import FixpointType

Groups = Mapping[str, Sequence[Measured]]
#: What :func:`final_table` and :func:`paired_tests` tell of, where the runs measured it.
METRICS: Final = (
    "test_accuracy",
    "test_mae",
    "early_stop_epoch",
    "early_stop_test_accuracy",
    "early_stop_test_mae",
    "identity",
    "zero",
    "other",
    "identity_share",
)
#: The values whose first epoch :func:`order_of_learning` looks for.
MILESTONES: Final[Mapping[str, Sequence[float]]] = {
    "replication_loss": (1e-3, 1e-5, 1e-8),
    "test_accuracy": (0.5, 0.8, 0.87),
}
#: The columns of :func:`paired_tests`.
TESTED: Final = (
    *("Metric", "A", "B", "Difference", "Low", "High", "n", "t", "p", "p, Holm", "p (Wilcoxon)", "p (Wilcoxon), Holm"),
    *("Margin", "p (equivalence)", "p (equivalence), Holm"),
)
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
        _require_seeds(group, runs)
        own = pd.concat([_scores(run, metric).assign(Seed=run.experiment.seed) for run in runs])
        frames.append(own.assign(Group=group))
    frame = pd.concat(frames or [pd.DataFrame(columns=["Group", "Seed", "Epoch", "Score"])], ignore_index=True)
    if frame.empty:
        known = _measured([run for runs in groups.values() for run in runs])
        raise UserError(f"no run measured {metric}{nearest(metric, known)}")
    return frame[["Group", "Seed", "Epoch", "Score"]]


def compare(groups: Groups, metric: str) -> pd.DataFrame:
    """The curve of a metric in each group: mean over its seeds and 95 % confidence band at each epoch.

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
    frames, every = [], scores(groups, metric)
    # Of a count, how many particles there are.
    last = last_scores(run for runs in groups.values() for run in runs)
    known = last[last["Metric"] == metric]
    within = range_of(metric) if known.empty else (float(known["Least"].min()), float(known["Most"].max()))
    for group, own in every.groupby("Group", sort=False):
        values = own.pivot(index="Epoch", columns="Seed", values="Score")
        frame = interval(values, is_logarithmic(metric), within).reset_index()
        frames.append(frame.assign(Group=group, Metric=metric))
    return pd.concat(frames, ignore_index=True)[["Group", "Metric", "Epoch", "Mean", "Low", "High", "Seeds"]]


def final_table(groups: Groups, metrics: Sequence[str] = METRICS) -> pd.DataFrame:
    """How the groups ended: mean over the seeds of each metric's last score, with its 95 % interval.

    Returns:
        Columns Metric (str), Group (str), Mean, Low, High (float; no interval of one seed: NaN), Seeds (int). Metrics
        that no run measured are left out; a seed that ended with NaN is not passed over: the mean is NaN too.

    Raises:
        UserError: A group is empty or has a seed twice.

    Example:
        >>> final_table(groups).pivot(index="Group", columns="Metric", values="Mean")  # doctest: +SKIP
    """
    finals = final_scores(groups, metrics)
    if finals.empty:
        return pd.DataFrame(columns=["Metric", "Group", "Mean", "Low", "High", "Seeds"])
    return over_seeds(finals, by=["Metric", "Group"]).reset_index()


def final_scores(groups: Groups, metrics: Sequence[str] | None = METRICS) -> pd.DataFrame:
    """The last score of every run, of these metrics or of all that were measured.

    Returns:
        Columns Metric, Group (str), Seed (int), Score (float; NaN of what was not finite), Least and Most (float: the
        range of the metric). Metrics that no run measured are left out.

    Raises:
        UserError: A group is empty or has a seed twice.
    """
    frames = []
    for group, runs in groups.items():
        _require_seeds(group, runs)
        last = last_scores(runs)
        counted = last[last["Metric"].str.rpartition("_")[2].isin(_LABELS) & np.isfinite(last["Most"])]
        shares = counted.assign(Metric=counted["Metric"] + "_share", Score=counted["Score"] / counted["Most"], Most=1.0)
        frames.append(pd.concat([last, shares]).assign(Group=group))
    columns = ["Metric", "Group", "Seed", "Score", "Least", "Most"]
    every = pd.concat(frames or [pd.DataFrame(columns=columns)])
    every["Score"] = every["Score"].astype(float).where(np.isfinite(every["Score"].astype(float)))
    if metrics is not None:
        every = pd.concat([every[every["Metric"] == metric] for metric in metrics])
    found: pd.DataFrame = every[columns].reset_index(drop=True)
    return found


def paired_tests(groups: Groups, metrics: Sequence[str] = METRICS) -> pd.DataFrame:
    """Whether two groups ended differently: tests of the differences, pair by pair, between runs of the same seed.

    All of them are one family, for which each p-value is corrected (Holm). Where it was always the same particles that
    were of neither type, ``identity``, ``other`` and ``identity_share`` are one test told three times, and count once.

    Returns:
        A row for each metric and each two groups: Metric, A, B (str), Difference (mean of A − B over the common seeds),
        Low, High (its 95 % t-interval), n (int, the common seeds), t, p and p (Wilcoxon), as
        :func:`srnn.analysis.statistics.paired` explains them; Margin and p (equivalence) of accuracies and shares (NaN
        of others), as :func:`srnn.analysis.statistics.equivalence`; and for each p-value the corrected one:
        ``p, Holm``, ``p (Wilcoxon), Holm``, ``p (equivalence), Holm``.

    Raises:
        UserError: As :func:`final_table`.

    Example:
        >>> paired_tests({"residual": with_links, "none": without}).query("Metric == 'identity'")  # doctest: +SKIP
    """
    rows, tests = [], []
    for metric, last in final_scores(groups, metrics).groupby("Metric", sort=False):
        of_group = {group: own.set_index("Seed")["Score"] for group, own in last.groupby("Group", sort=False)}
        for a, b in combinations(of_group, 2):
            pairs = pd.concat([of_group[a], of_group[b]], axis=1, join="inner", keys=["a", "b"]).sort_index()
            one, other = pairs["a"].to_numpy(), pairs["b"].to_numpy()
            row: dict[str, Any] = {"Metric": metric, "A": a, "B": b, **paired(one, other)}
            if range_of(str(metric)) == SHARE:
                row |= {"Margin": MARGIN, "p (equivalence)": equivalence(one - other)}
            rows.append(row)
            tests.append((a, b, _up_to_a_factor(one - other)))
    found = pd.DataFrame(rows, columns=[column for column in TESTED if not column.endswith(", Holm")])
    shares = found["Margin"].notna()
    found.loc[shares, ["Low", "High"]] = found.loc[shares, ["Low", "High"]].clip(-1, 1)
    for p in ("p", "p (Wilcoxon)", "p (equivalence)"):
        # An equivalence is a test of its own for each margin, in the units of its metric.
        found[f"{p}, Holm"] = holm(found[p].to_numpy(dtype=float), None if p == "p (equivalence)" else tests)
    return found[list(TESTED)]


def distinct(tests: pd.DataFrame) -> int:
    """For how many tests of a difference the p-values of :func:`paired_tests` are corrected."""
    done = tests.dropna(subset="p")
    return len(done.assign(Size=done["p"].map("{:.6g}".format)).drop_duplicates(["A", "B", "Size"]))


def order_of_learning(groups: Groups, milestones: Mapping[str, Sequence[float]] = MILESTONES) -> pd.DataFrame:
    """What is learnt first: the first logged epoch at which each run reaches given values.

    A loss or an error reaches a value when it is not above it, any other metric when it is not below. An epoch
    is no finer than the log: test metrics, every ``log.every`` epochs; losses, every epoch.

    Returns:
        Columns Group (str), Seed (int), Metric (str), Value (float), Milestone (str: ``test_accuracy ≥ 0.5``),
        Epoch (float; NaN if the run never reaches it), Last (int: the last epoch at which the run measured it).

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
            last = every.groupby(["Group", "Seed"], sort=False)["Epoch"].max().reset_index()
            for group, seed, final in last.itertuples(index=False, name=None):
                epoch = float(first.get((group, seed), np.nan))
                rows.append((group, seed, metric, value, f"{metric} {word} {value:g}", epoch, final))
    return pd.DataFrame(rows, columns=["Group", "Seed", "Metric", "Value", "Milestone", "Epoch", "Last"])


def reached_by(reached: pd.DataFrame) -> pd.DataFrame:
    """Which share of the seeds has reached each milestone by each epoch: survival curves, as Kaplan and Meier's.

    A mean over the seeds that reach it would favour the group of which few do; here those that do not count, too.

    Args:
        reached: As :func:`order_of_learning` gives it.

    Returns:
        Columns Group, Milestone (str) and those of :func:`srnn.analysis.statistics.survival`: Epoch, Share, Low, High.
    """
    frames = [pd.DataFrame(columns=["Group", "Milestone", "Epoch", "Share", "Low", "High"])]
    for (group, name), own in reached.groupby(["Group", "Milestone"], sort=False):
        curve = survival(own["Epoch"].to_numpy(dtype=float), own["Last"].to_numpy(dtype=float))
        curve.insert(0, "Group", str(group))
        curve.insert(1, "Milestone", str(name))
        frames.append(curve)
    return pd.concat(frames[len(frames) > 1 :], ignore_index=True)


def milestones(reached: pd.DataFrame) -> pd.DataFrame:
    """When half of the seeds have reached each milestone, and how many ever do.

    Args:
        reached: As :func:`order_of_learning` gives it.

    Returns:
        Columns Group, Milestone (str), Median (float: the first epoch by which at least half have, NaN if never),
        Reached, Seeds (int).
    """
    curves = reached_by(reached)
    half = curves[curves["Share"] >= 0.5 - 1e-9].groupby(["Group", "Milestone"])["Epoch"].min()
    rows = [
        (*key, float(half.get(key, np.nan)), int(own["Epoch"].notna().sum()), len(own))
        for key, own in reached.groupby(["Group", "Milestone"], sort=False)
    ]
    return pd.DataFrame(rows, columns=["Group", "Milestone", "Median", "Reached", "Seeds"])


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


def _require_seeds(group: str, runs: Sequence[Measured]) -> None:
    if not runs:
        raise UserError(f"the group {group} holds no run; name the folder of at least one")
    seeds = [run.experiment.seed for run in runs]
    if len({*seeds}) < len(seeds):
        raise UserError(f"the group {group} has a seed twice: {', '.join(map(str, sorted(seeds)))}")


def _up_to_a_factor(differences: Floats) -> tuple[float, ...]:
    """Differences over the largest of them: the same where one is a multiple of the other, whose tests are then one."""
    largest = differences[np.abs(differences).argmax()] if len(differences) else 0.0
    return tuple(np.round(differences / largest, 6)) if largest else ()
