"""Metrics in long form as the series that figures draw."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import stdtrit

COLUMNS = ("Epoch", "Batch", "Metric", "Score")


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


def seeds(metrics: pd.DataFrame) -> int:
    """How many seeds the metrics are of."""
    return metrics["Seed"].nunique() if "Seed" in metrics else 1


def mean_and_band(values: pd.DataFrame) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Mean over the columns (seeds) and both ends of its 95 % t-interval, NaN where fewer than two have a value."""
    mean, count = values.mean(axis=1), values.count(axis=1)
    half = values.std(axis=1) / np.sqrt(count) * stdtrit((count - 1).where(count > 1), 0.975)
    return mean, mean - half, mean + half
