"""Metrics over seeds: their last scores and their courses, 95 % intervals of means, tests and their corrections.

The only place for statistics. Of several seeds a frame has the columns Mean, Low, High (the 95 % interval of the mean;
NaN of a single seed) and Seeds; of differences between pairs Difference, Low, High and n.

**Intervals stay in the range of what they are of.** They are Student's t-intervals. Of what has two ends (a share, an
accuracy, a count of so many particles, a correlation) the t-interval is that of the mean's logit, with its standard
error by the delta method (``error / (m (1 − m))`` of a share), taken back: as Stata's ``citype(logit)`` and R's
``svyciprop(method = "logit")``; of a correlation that is Fisher's z. It needs no more than the mean and its error, so
that seeds at the very end (an accuracy of 1) need no exception. What has one end, as a loss at 0, and differences of
shares, at ±1, are cut off there, which costs no coverage.

**Where one table tests much**, :func:`holm` corrects for it; that nothing differs is never said without
:func:`equivalence`.
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, Final, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from srnn.experiment import Experiment
from srnn.fixpoint_types import FixpointType, is_count

Floats = NDArray[np.floating]
COLUMNS: Final = ("Epoch", "Batch", "Metric", "Score")
#: Powers of ten between which a mean and an interval of logarithms are told: that of two seeds may reach beyond what a
#: float can hold.
EXPONENTS: Final = (-300, 300)
Range = tuple[float, float]
#: Between which numbers the mean of a share or a correlation lies, of what is never negative, and of anything else.
SHARE: Final[Range] = (0.0, 1.0)
CORRELATION: Final[Range] = (-1.0, 1.0)
POSITIVE: Final[Range] = (0.0, np.inf)
ANYTHING: Final[Range] = (-np.inf, np.inf)
#: Which difference of two shares or accuracies counts as none: a percentage point.
MARGIN: Final = 0.01
#: Up to how many seeds their single values are told and drawn beside the mean.
FEW: Final = 5
_SHARES: Final = (
    *("accuracy", "_share", "recall", "precision", "AUC", "live_", "on_paths", "units_without_", "gini"),
    *("open_gates", "density", "frozen"),
)
_POSITIVE: Final = (
    *("_epoch", "_loss", "_mae", "_objective", "error", "mae"),
    *("_rank", "_examples", "collapsed_layers", "paths", "groups", "lags"),
)
_LABELS: Final = tuple(kind.label for kind in FixpointType)
#: Where the upper end of a 95 % interval is.
_UPPER: Final = 0.975
_ENDS: Final = {"Least": -np.inf, "Most": np.inf}
#: Of scores: what their differences may be apart by rounding alone.
_SAME: Final = 1e-12
#: Below this many pairs Wilcoxon's test cannot reach p < 0.05, whatever the data.
_FEWEST_FOR_WILCOXON: Final = 6


class Measured(Protocol):
    """What has metrics: a run, or anything else that was measured as runs are."""

    @property
    def experiment(self) -> Experiment:
        """What was run, with its seed."""

    @property
    def metrics(self) -> pd.DataFrame:
        """As :attr:`srnn.runs.Run.metrics`."""


def seeds(frame: pd.DataFrame) -> int:
    """How many seeds a frame is of: those in its column Seed, or one."""
    return frame["Seed"].nunique() if "Seed" in frame else 1


def by_epoch(metrics: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Scores of one metric: a row per epoch, in order, and a column per seed; empty if it was not logged.

    NaN stands for an epoch that a seed did not log; a NaN that it did log becomes infinity, the other way of not
    being a number.

    Args:
        metrics: Columns Epoch, Batch, Metric, Score and, of several seeds, Seed. Of several rows in an epoch the last
            batch counts.

    Raises:
        ValueError: One of these columns is missing.
    """
    missing = [column for column in COLUMNS if column not in metrics]
    if missing:
        raise ValueError(f"metrics lack the columns {', '.join(missing)}; needed: {', '.join(COLUMNS)}")
    rows = metrics[metrics["Metric"] == metric]
    rows = rows.assign(Score=rows["Score"].astype(float).fillna(np.inf))
    if "Seed" not in rows:
        rows = rows.assign(Seed=0)
    rows = rows.sort_values("Batch", kind="stable").drop_duplicates(["Epoch", "Seed"], keep="last")
    return rows.pivot(index="Epoch", columns="Seed", values="Score").sort_index()


def wide(rows: pd.DataFrame, by: str, column: str) -> pd.DataFrame:
    """A column of rows told apart by ``by`` and by seed: a row for each ``by``, in order, a column for each seed."""
    return rows.assign(Seed=rows.get("Seed", 0)).pivot(index=by, columns="Seed", values=column)


def last_scores(runs: Iterable[Measured]) -> pd.DataFrame:
    """The last value of every metric of every run, and where validation data would have it stop.

    That is ``early_stop_epoch`` (:func:`early_stop`), and ``early_stop_test_accuracy``, or ``_mae``, as it was then.

    Returns:
        Columns Seed (int), Epoch (int, when it was measured), Metric (str), Score, Least and Most (float: the range of
        the metric; of a count of a type up to the particles that there are, of an epoch up to the last).
    """
    runs = list(runs)
    every = pd.concat([run.metrics.assign(Run=place) for place, run in enumerate(runs)], ignore_index=True)
    # Not groupby(…).last(), which passes over the NaN of a run that diverged.
    order = every.groupby(["Run", "Metric"], sort=False).ngroup()
    last = every.assign(Order=order).drop_duplicates("Order", keep="last").sort_values("Order", ignore_index=True)
    last = with_range(last)
    scopes = last["Metric"].str.rpartition("_")
    counted = scopes[2].isin(_LABELS)
    census = last["Score"].groupby([last["Run"], counted, scopes[0]])
    whole = counted & (census.transform("size") == len(_LABELS))
    last.loc[whole, "Most"] = census.transform("sum")[whole]
    validated = last["Run"][last["Metric"] == "validation_loss"]
    stopped = [_stopped_early(runs[place].metrics).assign(Run=place) for place in validated]
    found = pd.concat([last, *stopped]).sort_values("Run", kind="stable", ignore_index=True)
    seeds = np.array([run.experiment.seed for run in runs])
    return found.assign(Seed=seeds[found["Run"]])[["Seed", "Epoch", "Metric", "Score", "Least", "Most"]]


def _stopped_early(metrics: pd.DataFrame) -> pd.DataFrame:
    """When one run would be stopped, and its test scores then; no rows if its validation loss was never a number."""
    epoch = early_stop(metrics)
    then = metrics[(metrics["Epoch"] == epoch) & metrics["Metric"].isin(("test_accuracy", "test_mae"))]
    then = pd.concat([then.assign(Metric="epoch", Score=float("nan" if epoch is None else epoch)), then])
    stopped = with_range(then.assign(Metric="early_stop_" + then["Metric"]))
    stopped.loc[stopped["Metric"] == "early_stop_epoch", "Most"] = float(metrics["Epoch"].max())
    return stopped


def early_stop(metrics: pd.DataFrame) -> int | None:
    """The first logged epoch of the least validation loss; None where no validation data were held back.

    Args:
        metrics: Columns Epoch, Metric and Score of one run.
    """
    losses = metrics[metrics["Metric"] == "validation_loss"].dropna(subset="Score")
    return None if losses.empty else int(losses["Epoch"].iloc[int(losses["Score"].argmin())])


def range_of(metric: str) -> Range:
    """Between which numbers the mean of a metric lies, by its name."""
    if any(part in metric for part in _SHARES):
        return SHARE
    if metric.endswith("correlation"):
        return CORRELATION
    return POSITIVE if is_count(metric) or metric.endswith(_POSITIVE) else ANYTHING


def with_range(scores: pd.DataFrame, column: str = "Metric") -> pd.DataFrame:
    """The same rows with the range of what the column names, in Least and Most."""
    ranges = [range_of(str(name)) for name in scores[column]]
    return scores.assign(Least=[low for low, _ in ranges], Most=[high for _, high in ranges])


def interval(values: pd.DataFrame, logarithmic: bool = False, within: Range = ANYTHING) -> pd.DataFrame:
    """Mean and 95 % interval of each row, over its columns (seeds): of curves, as :func:`by_epoch` gives them.

    What is not finite is left out, so that one seed's divergence does not end the curve of the others; Seeds tells of
    how many the mean is.

    Args:
        values: A row for each epoch, or whatever else is told apart; a column for each seed.
        logarithmic: Mean and interval are those of the logarithms, and numbers that have none are left out.
        within: The range of the values, such as :data:`SHARE`; logarithms have none.

    Returns:
        The rows of ``values``, columns Mean, Low, High (float) and Seeds (int).
    """
    values = values.where(np.isfinite(values))
    if logarithmic:
        values = values.where(values > 0).apply(np.log10)
    found = _interval(
        values.mean(axis=1), values.sem(axis=1), values.count(axis=1), *(ANYTHING if logarithmic else within)
    )
    if logarithmic:
        found[["Mean", "Low", "High"]] = 10 ** found[["Mean", "Low", "High"]].clip(*EXPONENTS)
    return found


def over_seeds(scores: pd.DataFrame, by: str | list[str] = "Metric") -> pd.DataFrame:
    """Mean and 95 % interval of each case, over its rows (seeds): of final figures, as :func:`last_scores` gives them.

    The NaN of a seed that diverged is not passed over: the mean of the others would say something else.

    Args:
        scores: A column Score and those of ``by``, a row for each seed; Least and Most if the scores have a range.
        by: The columns that tell apart what is not to be averaged.

    Returns:
        A row for each metric (each case of ``by``, its index), in their order: columns Mean, Low, High (float) and
        Seeds (int).
    """
    least, most = (scores[one] if one in scores else pd.Series(end, scores.index) for one, end in _ENDS.items())
    every = scores.assign(Least=least, Most=most).groupby(by, sort=False)
    groups = every["Score"]
    found = _interval(groups.mean(), groups.sem(), groups.size(), every["Least"].min(), every["Most"].max())
    whole = groups.count() == found["Seeds"]
    return found.assign(**{column: found[column].where(whole) for column in ("Mean", "Low", "High")})


def differences_over_seeds(scores: pd.DataFrame, by: str | list[str]) -> pd.DataFrame:
    """As :func:`over_seeds`, of differences of what the column Metric says; those of shares end at ±1.

    Returns:
        Columns Difference, Low, High (float) and Seeds (int).
    """
    shares = [range_of(str(metric)) == SHARE for metric in scores["Metric"]]
    found = over_seeds(scores, by).rename(columns={"Mean": "Difference"})
    bounded = scores.assign(Bounded=shares).groupby(by, sort=False)["Bounded"].all()
    ends = ["Low", "High"]
    found[ends] = found[ends].clip(-1, 1).where(bounded, found[ends], axis=0)
    return found


def mean_interval(scores: pd.Series, within: Range = ANYTHING) -> tuple[float, float, float]:
    """What :func:`over_seeds` says of a single case: the mean, and the ends of its interval (NaN of a single score)."""
    frame = pd.DataFrame({"Metric": "", "Score": scores, "Least": within[0], "Most": within[1]})
    [(mean, low, high, _)] = over_seeds(frame).to_numpy()
    return float(mean), float(low), float(high)


def paired(a: Floats, b: Floats) -> dict[str, float]:
    """Difference of scores ``(n,)`` of the same seeds, its 95 % interval, and whether it could be chance.

    Returns:
        Difference (the mean of a − b), Low, High, n, t, p (paired t-test), p (Wilcoxon) (signed-rank test, from n = 6
        on: below that it cannot reach 0.05). Tests are NaN where n does not allow them or where the difference is the
        same in every pair.
    """
    from scipy import stats  # takes a second to import, which no figure of a run should wait for

    n, differences = len(a), a - b
    keys = ("Difference", "Low", "High", "t", "p", "p (Wilcoxon)")
    result: dict[str, float] = {"n": n, **dict.fromkeys(keys, np.nan)}
    if n:
        result["Difference"] = float(differences.mean())
    if n > 1 and np.ptp(differences) <= _SAME * max(np.abs(a).max(), np.abs(b).max()):
        result |= {"Low": result["Difference"], "High": result["Difference"]}
    elif n > 1:
        test = stats.ttest_rel(a, b)
        low, high = test.confidence_interval(0.95)
        result |= {"Low": float(low), "High": float(high), "t": float(test.statistic), "p": float(test.pvalue)}
        if n >= _FEWEST_FOR_WILCOXON:
            result["p (Wilcoxon)"] = float(stats.wilcoxon(a, b).pvalue)
    return result


def equivalence(differences: Floats, margin: float = MARGIN) -> float:
    """Whether a difference is none to speak of: two one-sided t-tests (Schuirmann's).

    Args:
        differences: Of the pairs, ``(n,)``.
        margin: What is none to speak of: a difference between −margin and margin.

    Returns:
        The larger p-value of the two, that the difference is −margin or less, and margin or more. Below 0.05 the 90 %
        interval lies within the margin. NaN of fewer than two pairs.
    """
    from scipy.special import stdtr

    n = len(differences)
    if n < 2 or not np.isfinite(differences).all():
        return float("nan")
    mean, error = differences.mean(), differences.std(ddof=1) / np.sqrt(n)
    if error == 0:
        return float(abs(mean) >= margin)
    return float(max(stdtr(n - 1, -(mean + margin) / error), stdtr(n - 1, (mean - margin) / error)))


def holm(p: Sequence[float] | Floats, tests: Sequence[Hashable] | None = None) -> Floats:
    """p-values corrected for how many there are, by Holm: none below 0.05 is by chance, but with probability 0.05.

    Args:
        p: Of each test, ``(n,)``; NaN, where none was done, stays NaN.
        tests: What each is a test of; those of the same are one test, told several times. Without it, all differ.

    Returns:
        ``(n,)``, in the same order.
    """
    frame = pd.DataFrame(
        {
            "p": np.asarray(p, float),
            "test": range(len(p)) if tests is None else pd.factorize(pd.Series([*tests], dtype=object))[0],
        }
    )
    each = frame.dropna().groupby("test")["p"].min().sort_values()
    corrected = (each * np.arange(len(each), 0, -1)).cummax().clip(upper=1)
    found: Floats = frame["test"].map(corrected).where(frame["p"].notna()).to_numpy(dtype=float)
    return found


def share_of_cases(count: int, cases: int) -> tuple[float, float, float]:
    """The share of independent cases in which something happened, and its exact 95 % interval (Clopper–Pearson)."""
    from scipy import stats

    ends = stats.binomtest(count, cases).proportion_ci(0.95)
    return count / cases, float(ends.low), float(ends.high)


def shares_differ(some: Sequence[bool], others: Sequence[bool]) -> float:
    """Whether a share of independent cases is another than that of others: Fisher's exact test, two-sided.

    Returns:
        The p-value; NaN where there are no cases.
    """
    from scipy import stats

    counts = np.array([[sum(cases), len(cases) - sum(cases)] for cases in (some, others)])
    return float(stats.fisher_exact(counts).pvalue) if some and others else float("nan")


def survival(epochs: Floats, last: Floats) -> pd.DataFrame:
    """Which share has reached something by each epoch: Kaplan and Meier's estimate, of runs that did not all reach it.

    Args:
        epochs: When each run reached it, ``(n,)``; NaN: never.
        last: How far each was followed, ``(n,)``.

    Returns:
        Columns Epoch (those at which one reached it or was followed no further), Share, Low, High (float; its 95 %
        interval, by the logarithm of its logarithm, which stays in [0, 1]; NaN where all or none have reached it).
    """
    from scipy import stats

    reached = np.isfinite(epochs)
    data = stats.CensoredData.right_censored(np.where(reached, epochs, last), ~reached)
    kept = stats.ecdf(data).sf
    with warnings.catch_warnings():
        # Where all or none have reached it there is no interval.
        warnings.simplefilter("ignore", RuntimeWarning)
        ends: Any = kept.confidence_interval(method="log-log")
    return pd.DataFrame(
        {
            "Epoch": kept.quantiles,
            "Share": 1 - kept.probabilities,
            "Low": 1 - ends.high.probabilities,
            "High": 1 - ends.low.probabilities,
        }
    )


def _interval(
    mean: pd.Series, error: pd.Series, count: pd.Series, least: pd.Series | float, most: pd.Series | float
) -> pd.DataFrame:
    """The interval of means with these standard errors, within their ranges.

    By the t-distribution's quantile alone: all of ``scipy.stats`` takes a second to import, and it has no interval for
    an error of 0.
    """
    if not (count > 1).any():
        return pd.DataFrame({"Mean": mean, "Low": np.nan, "High": np.nan, "Seeds": count})
    from scipy.special import expit, stdtrit  # half a second to import, for which a run of one seed should not wait

    half = error * stdtrit((count - 1).where(count > 1), _UPPER)
    least, most = (pd.Series(end, mean.index, dtype=float) for end in (least, most))
    bounded = np.isfinite(least) & np.isfinite(most) & (half > 0) & (mean > least) & (mean < most)
    width = (most - least).where(bounded)
    share = ((mean - least) / width).where(bounded)
    arm = half / width / (share * (1 - share))
    ends = {}
    for name, sign in (("Low", -1), ("High", 1)):
        by_logit = least + width * expit(np.log(share / (1 - share)) + sign * arm)
        ends[name] = by_logit.where(bounded, (mean + sign * half).clip(least, most))
    return pd.DataFrame({"Mean": mean, **ends, "Seeds": count})
