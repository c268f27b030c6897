"""How did the runs end? Last figures, over seeds, with intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from srnn.fixpoints import FixpointType
from srnn.runs.run import Run


def last_scores(runs: Sequence[Run]) -> pd.DataFrame:
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


def mean_and_interval(scores: pd.DataFrame, by: str | list[str] = "Metric") -> pd.DataFrame:
    """Mean over the seeds and half the width of its 95 % confidence interval (Student's t).

    Args:
        scores: A column Score and those of ``by``, a row for each seed, as :func:`last_scores` gives them.
        by: The columns that tell apart what is not to be averaged.

    Returns:
        A row for each metric (each case of ``by``, its index), in their order: columns mean, half_width (NaN for a
        single seed) and seeds.
    """
    groups = scores.groupby(by, sort=False)["Score"]
    # The NaN of a seed that diverged is not passed over: the mean of the others would say something else.
    frame = pd.DataFrame({"mean": groups.agg(lambda score: score.mean(skipna=False)), "seeds": groups.size()})
    error = groups.agg(lambda score: score.std(ddof=1, skipna=False)) / np.sqrt(frame["seeds"])
    frame["half_width"] = error * stats.t.ppf(0.975, np.maximum(frame["seeds"] - 1, 1))
    return frame[["mean", "half_width", "seeds"]]


def mean_and_half_width(scores: pd.Series) -> tuple[float, float]:
    """What :func:`mean_and_interval` says of a single case: the mean, and half the width (NaN for a single score)."""
    found = mean_and_interval(pd.DataFrame({"Metric": "", "Score": scores}))
    return float(found["mean"].iloc[0]), float(found["half_width"].iloc[0])


def layer_table(summary: pd.DataFrame, column: str = "mean") -> pd.DataFrame:
    """The census of each layer and, last, of all: a row for each layer, a column for each type.

    Args:
        summary: As :func:`mean_and_interval` gives it.
        column: Which of its columns to lay out.
    """
    labels = [kind.label for kind in FixpointType]
    layers = [name.removesuffix("_other") for name in summary.index if name.endswith("_other")]
    rows = {layer: [summary.at[f"{layer}_{label}", column] for label in labels] for layer in layers}
    rows["total"] = [summary.at[label, column] for label in labels]
    return pd.DataFrame.from_dict(rows, orient="index", columns=labels).rename_axis("layer")
