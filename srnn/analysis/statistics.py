"""Metrics over seeds: their last scores and their courses, 95 % intervals of means, and paired tests.

The only place for statistics. Of several seeds a frame has the columns Mean, Low, High (Student's t-interval of the
mean; NaN of a single seed) and Seeds; of differences between pairs Difference, Low, High and n.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from srnn.experiment import Experiment

Floats = NDArray[np.floating]
COLUMNS: Final = ("Epoch", "Batch", "Metric", "Score")
#: Powers of ten between which a mean and an interval of logarithms are told: that of two seeds may reach beyond what a
#: float can hold.
EXPONENTS: Final = (-300, 300)
#: Where the upper end of a 95 % interval is.
_UPPER: Final = 0.975
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
    """The last value of every metric of every run.

    Returns:
        Columns Seed (int), Epoch (int, when it was measured), Metric (str), Score (float).
    """
    frames = []
    for run in runs:
        # Not groupby(…).last(), which passes over the NaN of a run that diverged.
        last = run.metrics.groupby("Metric", sort=False).tail(1).set_index("Metric")
        last = last.loc[run.metrics["Metric"].unique()].reset_index()
        frames.append(last.assign(Seed=run.experiment.seed)[["Seed", "Epoch", "Metric", "Score"]])
    return pd.concat(frames, ignore_index=True)


def interval(values: pd.DataFrame, logarithmic: bool = False) -> pd.DataFrame:
    """Mean and 95 % interval of each row, over its columns (seeds): of curves, as :func:`by_epoch` gives them.

    What is not finite is left out, so that one seed's divergence does not end the curve of the others; Seeds tells of
    how many the mean is.

    Args:
        values: A row for each epoch, or whatever else is told apart; a column for each seed.
        logarithmic: Mean and interval are those of the logarithms, and numbers that have none are left out.

    Returns:
        The rows of ``values``, columns Mean, Low, High (float) and Seeds (int).
    """
    values = values.where(np.isfinite(values))
    if logarithmic:
        values = values.where(values > 0).apply(np.log10)
    found = _interval(values.mean(axis=1), values.sem(axis=1), values.count(axis=1))
    if logarithmic:
        found[["Mean", "Low", "High"]] = 10 ** found[["Mean", "Low", "High"]].clip(*EXPONENTS)
    return found


def over_seeds(scores: pd.DataFrame, by: str | list[str] = "Metric") -> pd.DataFrame:
    """Mean and 95 % interval of each case, over its rows (seeds): of final figures, as :func:`last_scores` gives them.

    The NaN of a seed that diverged is not passed over: the mean of the others would say something else.

    Args:
        scores: A column Score and those of ``by``, a row for each seed.
        by: The columns that tell apart what is not to be averaged.

    Returns:
        A row for each metric (each case of ``by``, its index), in their order: columns Mean, Low, High (float) and
        Seeds (int).
    """
    groups = scores.groupby(by, sort=False)["Score"]
    found = _interval(groups.mean(), groups.sem(), groups.size())
    whole = groups.count() == found["Seeds"]
    return found.assign(**{column: found[column].where(whole) for column in ("Mean", "Low", "High")})


def mean_and_half_width(scores: pd.Series) -> tuple[float, float]:
    """What :func:`over_seeds` says of a single case: the mean, and half its interval (NaN for a single score)."""
    [(mean, _, high, _)] = over_seeds(pd.DataFrame({"Metric": "", "Score": scores})).to_numpy()
    return float(mean), float(high - mean)


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
    if n > 1 and np.ptp(differences) == 0:
        result |= {"Low": result["Difference"], "High": result["Difference"]}
    elif n > 1:
        test = stats.ttest_rel(a, b)
        low, high = test.confidence_interval(0.95)
        result |= {"Low": float(low), "High": float(high), "t": float(test.statistic), "p": float(test.pvalue)}
        if n >= _FEWEST_FOR_WILCOXON:
            result["p (Wilcoxon)"] = float(stats.wilcoxon(a, b).pvalue)
    return result


def _interval(mean: pd.Series, error: pd.Series, count: pd.Series) -> pd.DataFrame:
    """The t-interval of means with these standard errors, as ``scipy.stats.t.interval`` gives it.

    By its quantile alone: all of ``scipy.stats`` takes a second to import, and it has no interval for an error of 0.
    """
    half = error * np.nan
    if (count > 1).any():
        from scipy.special import stdtrit  # half a second to import, for which a run of one seed should not wait

        half = error * stdtrit((count - 1).where(count > 1), _UPPER)
    return pd.DataFrame({"Mean": mean, "Low": mean - half, "High": mean + half, "Seeds": count})
