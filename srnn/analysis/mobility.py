"""Mobility: do units stay as useful as they are while a network learns?

The words are those of social mobility. Units are ranked by usefulness within their layer, since layers are not to be
compared by it (R. Amjad et al., arXiv 1804.06679), and divided into classes of equal size; how they change class from
one time to another is a matrix of transitions. A unit can change class for nothing but the choice of examples: how much
they would by that alone is the *noise floor*, the same measures between two halves of the examples at one time. It is
to be held against what changes from one half at one time to the *other* half at the next, which has all of that noise
in it; over the same examples a network that rests changes nothing.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
#: Into how many classes of equal size units are divided.
CLASSES: Final = 5
#: All layers together, beside each by itself; ranks are within the layer in either.
TOTAL: Final = "total"
#: Below this rank correlation with what it was, a layer has forgotten half.
_HALF: Final = 0.5
#: The part of the units that is lowest, or that varies most.
_TENTH: Final = 0.1


def compare(before: Floats, after: Floats, classes: int = CLASSES) -> dict[str, float]:
    """How far the units of a layer have moved between two times.

    Args:
        before: What each was worth, ``(n,)``.
        after: What each is worth, ``(n,)``.
        classes: Into how many classes of equal size they are divided; with fewer units, as many as those.

    Returns:
        - Spearman, Kendall (τ-b): their rank correlations;
        - Mobility: Shorrocks' and Prais' index ``(K − tr P) / (K − 1)`` of the matrix of transitions P: 0 if none
          changes its class, 1 if the classes are independent, more if they are reversed;
        - Determinant: ``1 − |det P|^(1 / (K − 1))``;
        - Classes moved: Bartholomew's index ``Σ π_a Σ P_ab |a − b| / (K − 1)``;
        - Ranks moved: the mean change of rank over ``n − 1``; at random it would be ``(n + 1) / (3 n)``;
        - Rise: the share of the lowest class that comes into the highest.

        NaN where fewer than two units, or all alike, allow none.
    """
    from scipy import stats

    matrix = transitions(before, after, classes)
    n, k = len(before), len(matrix)
    found = dict.fromkeys(
        ["Spearman", "Kendall", "Mobility", "Determinant", "Classes moved", "Ranks moved", "Rise"], np.nan
    )
    if k < 2 or not np.isfinite([before, after]).all():
        return found
    distance = np.abs(np.subtract.outer(np.arange(k), np.arange(k)))
    weight = np.bincount(in_classes(before, k), minlength=k) / n
    ranks = [stats.rankdata(values) for values in (before, after)]
    found |= {
        "Mobility": _index(matrix),
        "Determinant": 1 - abs(np.linalg.det(matrix)) ** (1 / (k - 1)),
        "Classes moved": float(weight @ (matrix * distance).sum(1)) / (k - 1),
        "Ranks moved": float(np.abs(ranks[1] - ranks[0]).mean()) / (n - 1),
        "Rise": matrix[0, -1],
    }
    if np.ptp(before) > 0 and np.ptp(after) > 0:
        found["Spearman"] = float(stats.spearmanr(before, after).statistic)
        found["Kendall"] = float(stats.kendalltau(before, after).statistic)
    return {name: float(value) for name, value in found.items()}


def in_classes(values: Floats, classes: int = CLASSES) -> NDArray[np.intp]:
    """The class of each of ``values (n,)``, 0 the lowest: by the middle of its ranks, so that equals are together."""
    from scipy.stats import rankdata

    share = (rankdata(values) - 0.5) / len(values)
    return np.minimum((share * classes).astype(np.intp), classes - 1)


def transitions(before: Floats, after: Floats, classes: int = CLASSES) -> Floats:
    """P ``(K, K)``: of the units of class a before, the share in class b after; the rows of empty classes are even.

    NaN where what they are worth is not finite.
    """
    k = min(classes, len(before))
    if not np.isfinite([before, after]).all():
        return np.full((k, k), np.nan)
    counts = np.zeros((k, k))
    np.add.at(counts, (in_classes(before, k), in_classes(after, k)), 1)
    sums = counts.sum(1, keepdims=True)
    found: Floats = np.divide(counts, sums, out=np.full_like(counts, 1 / max(k, 1)), where=sums > 0)
    return found


def mobility(film: pd.DataFrame, classes: int = CLASSES) -> pd.DataFrame:
    """How far each layer is from its end, after every epoch.

    Args:
        film: Of units, as :func:`srnn.analysis.usefulness.film` gives it, of one seed.
        classes: As for :func:`compare`.

    Returns:
        Columns Epoch (int), Layer (str; ``total``: the mean over the layers), and those of :func:`compare` (float)
        between this epoch and the last.
    """
    parts = []
    for layer, usefulness in _layers(film):
        end = usefulness[:, -1]
        rows = [compare(column, end, classes) for column in usefulness.T]
        parts.append(pd.DataFrame(rows).assign(Layer=layer, Epoch=sorted(film["Epoch"].unique())))
    every = pd.concat(parts, ignore_index=True)
    mean = every.drop(columns="Layer").groupby("Epoch", as_index=False).mean().assign(Layer=TOTAL)
    frame: pd.DataFrame = pd.concat([every, mean], ignore_index=True)
    return frame[["Epoch", "Layer", *every.columns.drop(["Layer", "Epoch"])]]


def between_epochs(film: pd.DataFrame, classes: int = CLASSES) -> pd.DataFrame:
    """The matrix of transitions from one logged epoch to the next, over all of them.

    Args:
        film: As for :func:`mobility`.
        classes: As for :func:`compare`.

    Returns:
        Columns Layer, From, To (int, 1 the least useful class) and Share (float).
    """
    parts = []
    for layer, usefulness in _layers(film):
        steps = [transitions(one, two, classes) for one, two in pairwise(usefulness.T)] or [np.empty((0, 0))]
        mean = np.mean(steps, axis=0)
        start, end = np.indices(mean.shape)
        parts.append(
            pd.DataFrame({"From": start.ravel() + 1, "To": end.ravel() + 1, "Share": mean.ravel()}).assign(Layer=layer)
        )
    frame: pd.DataFrame = pd.concat(parts, ignore_index=True)
    return frame[["Layer", "From", "To", "Share"]]


def summary(film: pd.DataFrame, halves: tuple[pd.DataFrame, pd.DataFrame], classes: int = CLASSES) -> pd.DataFrame:
    """What there is to say of a run in a few numbers.

    Args:
        film: As for :func:`mobility`.
        halves: The same of two disjoint halves of the examples.
        classes: As for :func:`compare`.

    Returns:
        Columns Layer, Metric (str), Score (float):

        - ``Mobility``: between one logged epoch and the next, the mean, over the same examples;
        - ``Across halves``: the same from either half to the other one at the next logged epoch; ``Noise floor``:
          between the halves at one epoch. If units do not move, these are equal in the mean; the former above the
          latter is movement beyond noise;
        - ``Half-life``: the least number of logged epochs after which the rank correlation with what was, in the mean,
          is below ½; NaN if it never is;
        - ``First half, last``: the rank correlation of the mean over the first half of the epochs with the end;
        - ``Persistent``: the share of units in the lowest tenth in each of the last three epochs;
        - ``Restless rise``: of the tenth that varies most over time, the share more useful at the end than at the
          first epoch;
        - ``Of layer`` (only ``total``): the share of the variance of usefulness at the end that the layers explain, η².
    """
    rows: list[tuple[str, str, float]] = []
    for (layer, usefulness), (_, one), (_, two) in zip(_layers(film), *map(_layers, halves), strict=True):
        crossing = np.hstack([one[:, :-1], two[:, :-1]]), np.hstack([two[:, 1:], one[:, 1:]])
        resting = np.hstack([one[:, :-1], two[:, 1:]]), np.hstack([two[:, :-1], one[:, 1:]])
        last = usefulness[:, -3:]
        lowest = last <= np.quantile(last, _TENTH, axis=0)
        spread = usefulness.var(1)
        restless = spread >= np.quantile(spread, 1 - _TENTH)
        rows += [
            (layer, "Mobility", _mean_mobility(usefulness[:, :-1], usefulness[:, 1:], classes)),
            (layer, "Across halves", _mean_mobility(*crossing, classes)),
            (layer, "Noise floor", _mean_mobility(*resting, classes)),
            (layer, "Half-life", half_life(usefulness)),
            (layer, "First half, last", _early(usefulness)),
            (layer, "Persistent", float(lowest.all(1).mean())),
            (layer, "Restless rise", float((usefulness[:, -1] > usefulness[:, 0])[restless].mean())),
        ]
    frame = pd.DataFrame(rows, columns=["Layer", "Metric", "Score"])
    total = frame.groupby("Metric", as_index=False, sort=False)["Score"].mean().assign(Layer=TOTAL)
    end = film[film["Epoch"] == film["Epoch"].max()]
    explained = pd.DataFrame([(TOTAL, "Of layer", _of_layer(end))], columns=["Layer", "Metric", "Score"])
    found: pd.DataFrame = pd.concat([frame, total[["Layer", "Metric", "Score"]], explained], ignore_index=True)
    return found


def half_life(usefulness: Floats) -> float:
    """Of units ``(n, epochs)``: the least lag at which the mean rank correlation is below ½; NaN if none is."""
    from scipy.stats import rankdata

    with np.errstate(invalid="ignore", divide="ignore"):
        spearman = np.atleast_2d(np.corrcoef(rankdata(usefulness, axis=0), rowvar=False))
    for lag in range(1, usefulness.shape[1]):
        pairs = np.diagonal(spearman, lag)
        known = pairs[np.isfinite(pairs)]
        if len(known) and known.mean() < _HALF:
            return float(lag)
    return float("nan")


def _layers(film: pd.DataFrame) -> list[tuple[str, Floats]]:
    """Each layer and its units' usefulness, ``(n, epochs)``."""
    found = []
    for layer, own in film.groupby("Layer", sort=False):
        wide = own.pivot(index="Name", columns="Epoch", values="Loss change")
        found.append((str(layer), wide.loc[own["Name"].unique()].sort_index(axis=1).to_numpy()))
    return found


def _mean_mobility(before: Floats, after: Floats, classes: int) -> float:
    """The mean over pairs of times, ``(n, pairs)``; NaN of none."""
    found = [_index(transitions(one, two, classes)) for one, two in zip(before.T, after.T, strict=True)]
    return float(np.mean(found)) if found else float("nan")


def _index(matrix: Floats) -> float:
    """Shorrocks' and Prais' index of a matrix of transitions; NaN of a single class."""
    k = len(matrix)
    return float((k - np.trace(matrix)) / (k - 1)) if k > 1 else float("nan")


def _early(usefulness: Floats) -> float:
    epochs = usefulness.shape[1]
    if epochs < 2:
        return float("nan")
    return compare(usefulness[:, : epochs // 2].mean(1), usefulness[:, -1])["Spearman"]


def _of_layer(end: pd.DataFrame) -> float:
    values = end["Loss change"]
    within = (values - values.groupby(end["Layer"]).transform("mean")).var(ddof=0)
    total = values.var(ddof=0)
    return float(1 - within / total) if total > 0 else float("nan")
