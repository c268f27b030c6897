"""Groups: are there units that need each other, or stand in for each other?

The synergy of a group is what is lost without all of it, minus the sum of what is lost without each: below zero its
members need each other, above zero they back each other up. Groups are formed on one half of the examples and judged on
the other, beside random sets with as many units of every layer; units without which nothing changes are in none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Final

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from srnn.analysis.many import evaluate
from srnn.analysis.rhythm import corrected
from srnn.analysis.thinning import signals
from srnn.analysis.usefulness import halves, unit_masks
from srnn.organism import Organism
from srnn.tasks import Task

Floats = NDArray[np.float64]
#: Random sets that a group is compared with, and from how many the nearest in what their units cost are taken.
SETS: Final = 200
_CANDIDATES: Final = 4000
#: Groups at most.
_MOST: Final = 8
#: Below this a network loses nothing without a unit.
_DEAD: Final = 1e-9


class Costs:
    """What is lost without sets of hidden units, over some examples.

    Args:
        organism: A single one, whose body is an MLP made of particles alone.
        task: Its test data are asked.

    Attributes:
        names: Of the units, in the order of the layers.
        layers: Of each.
        single: What is lost without each, ``(units,)``.
    """

    def __init__(self, organism: Organism, task: Task) -> None:
        rows, self._masks = unit_masks(organism)
        self.layers, self.names = ([*one] for one in zip(*rows, strict=True))
        self._organism, self._task, self._worth = organism, task, organism.worth()
        losses, scores = evaluate(organism, self._worth[None], task)
        self._whole = float(losses[0]), float(scores[0])
        self.single = self.of(np.eye(len(self.names), dtype=bool))[0]

    def of(self, sets: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """Changes of the loss and of the score without sets of units ``(A, units)``: positive is worse, ``(A,)``."""
        parts = []
        for block in np.array_split(sets, max(1, len(sets) // 256)):
            chosen = torch.from_numpy(block).to(self._masks.device).float() @ self._masks.float() > 0
            found = evaluate(self._organism, self._worth.masked_fill(chosen, 0), self._task)
            parts.append(np.stack([one.double().cpu().numpy() for one in found]))
        losses, scores = np.concatenate(parts, 1)
        sign = 1 if self._task.metric == "accuracy" else -1
        return losses - self._whole[0], sign * (self._whole[1] - scores)

    def synergy(self, members: Sequence[int]) -> float:
        """What is lost without these units together, minus the sum of what is without each."""
        together = np.zeros((1, len(self.names)), bool)
        together[0, [*members]] = True
        return float(self.of(together)[0][0] - self.single[[*members]].sum())

    def pairs(self, units: NDArray[np.intp]) -> Floats:
        """The synergy of every pair of these units, ``(n, n)``, 0 on the diagonal."""
        one, two = np.triu_indices(len(units), 1)
        sets = np.zeros((len(one), len(self.names)), bool)
        rows = np.arange(len(one))
        sets[rows, units[one]] = sets[rows, units[two]] = True
        found = np.zeros((len(units), len(units)))
        if len(one):
            found[one, two] = self.of(sets)[0] - self.single[units[one]] - self.single[units[two]]
        return found + found.T


def partition(distance: Floats) -> NDArray[np.intp]:
    """Clusters by average linkage, as many as have the largest silhouette: of distances ``(n, n)``, ``(n,)``."""
    from sklearn.cluster import AgglomerativeClustering
    from sklearn.metrics import silhouette_score

    best, found = -np.inf, np.zeros(len(distance), np.intp)
    for count in range(2, min(_MOST, len(distance) - 1) + 1):
        labels = AgglomerativeClustering(count, metric="precomputed", linkage="average").fit_predict(distance)
        if (score := float(silhouette_score(distance, labels, metric="precomputed"))) > best:
            best, found = score, labels
    return found


@torch.no_grad()
def groups(
    organism: Organism,
    task: Task,
    generator: np.random.Generator,
    others: Mapping[str, tuple[Sequence[str], Floats]] | None = None,
) -> pd.DataFrame:
    """Groups of hidden units, and what they are worth together.

    Args:
        organism: A single one, whose body is an MLP made of particles alone; it is not changed.
        task: Its first test examples, of which every second forms the groups and the others judge them.
        generator: Where the random sets are drawn from.
        others: Further ways to form groups: the names of the units, and what tells them apart, ``(n, k)``.

    Returns:
        A row for each group of two units or more: By (str: ``synergy`` of pairs, ``activation``: the correlation of
        what they put out, …), Group (int), Units (int), Members (str), Cost, Score cost (float: the loss and the
        score that are lost without it), Sum (float: of what is lost without each), Synergy (float: Cost − Sum),
        Random, Random low, Random high (float: mean and central 95 % of the costs of random sets with as many units in
        each layer), Matched (float: mean of those that are nearest in Sum), Below, Below matched (float: share of the
        sets that cost no more), p (float: that random sets cost so little) and q (float: with the share of false
        discoveries controlled).

    Raises:
        NotApplicableError: Units are not known of the body.
    """
    first, second = halves(task)
    forming, judging = Costs(organism, first), Costs(organism, second)
    alive = np.flatnonzero(np.abs(forming.single) > _DEAD)
    ways: dict[str, tuple[NDArray[np.intp], Floats]] = {}
    if len(alive) > 2:
        synergy = forming.pairs(alive)
        near = synergy - synergy.min()
        np.fill_diagonal(near, 0)
        outputs = torch.cat(signals(organism, first.test_x)[1:-1], 1).double().cpu().numpy()[:, alive]
        with np.errstate(invalid="ignore"):
            together = np.abs(np.nan_to_num(np.corrcoef(outputs.T)))
        apart = np.clip(1 - together, 0, 1)
        np.fill_diagonal(apart, 0)
        ways = {"synergy": (alive, near), "activation": (alive, apart)}
    place = {name: index for index, name in enumerate(forming.names)}
    for name, (members, told) in (others or {}).items():
        known = np.array([place[one] for one in members], np.intp)
        keep = np.isin(known, alive)
        points = told[keep]
        if len(points) > 2:
            ways[name] = known[keep], np.sqrt(np.square(points[:, None] - points[None]).sum(2))
    rows = []
    for by, (units, distance) in ways.items():
        labels = partition(distance)
        chosen = [units[labels == label] for label in np.unique(labels)]
        rows += [
            (by, number, *_judged(judging, members, alive, generator))
            for number, members in enumerate(own for own in chosen if len(own) > 1)
        ]
    columns = ["By", "Group", "Units", "Members", "Cost", "Score cost", "Sum", "Synergy", "Random", "Random low"]
    columns += ["Random high", "Matched", "Below", "Below matched", "p"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.assign(q=corrected(frame["p"].to_numpy(dtype=float)))


def _judged(
    costs: Costs, members: NDArray[np.intp], alive: NDArray[np.intp], generator: np.random.Generator
) -> tuple[object, ...]:
    sets = random_sets(costs.layers, members, alive, _CANDIDATES, generator)
    sums = sets @ costs.single
    total = float(costs.single[members].sum())
    nearest = np.abs(sums - total).argsort(kind="stable")[:SETS]
    own = np.zeros((1, len(costs.names)), bool)
    own[0, members] = True
    [cost], [score] = costs.of(own)
    random, matched = (costs.of(sets[chosen])[0] for chosen in (slice(SETS), nearest))
    below = int((random <= cost).sum())
    return (
        len(members),
        " ".join(costs.names[one] for one in members),
        float(cost),
        float(score),
        total,
        float(cost - total),
        float(random.mean()),
        *(float(np.quantile(random, end)) for end in (0.025, 0.975)),
        float(matched.mean()),
        below / SETS,
        float((matched <= cost).mean()),
        (1 + below) / (1 + SETS),
    )


def random_sets(
    layers: Sequence[str],
    members: NDArray[np.intp],
    alive: NDArray[np.intp],
    count: int,
    generator: np.random.Generator,
) -> NDArray[np.bool_]:
    """Sets of living units, as many of each layer as among the members: bool ``(count, units)``."""
    of = np.array(layers)
    sets = np.zeros((count, len(of)), bool)
    for layer in dict.fromkeys(layers):
        pool = alive[of[alive] == layer]
        wanted = int((of[members] == layer).sum())
        if wanted:
            order = generator.random((count, len(pool))).argsort(1)[:, :wanted]
            sets[np.arange(count)[:, None], pool[order]] = True
    return sets


def agreement(groups: pd.DataFrame) -> pd.DataFrame:
    """How far ways to form groups agree: columns One, Other (str), Units (int), Rand (float).

    Units are how many are in groups of both, Rand is the adjusted Rand index of the two partitions of these: 1 if they
    are the same, 0 in the mean of random ones (L. Hubert, P. Arabie 1985); NaN of fewer than two units.
    """
    from sklearn.metrics import adjusted_rand_score

    places = {
        str(by): {
            name: group for group, names in zip(own["Group"], own["Members"], strict=True) for name in names.split()
        }
        for by, own in groups.groupby("By", sort=False)
    }
    rows = []
    for one, other in combinations(places, 2):
        both = [name for name in places[one] if name in places[other]]
        labels = [[places[by][name] for name in both] for by in (one, other)]
        rows.append((one, other, len(both), float(adjusted_rand_score(*labels)) if len(both) > 1 else np.nan))
    return pd.DataFrame(rows, columns=["One", "Other", "Units", "Rand"])


def measures(groups: pd.DataFrame) -> pd.DataFrame:
    """What there is to say of a run: columns By, Metric (str) and Score (float).

    ``groups``: how many; ``needing_share``: of those with a synergy below zero; ``cheap_share``: of those that cost
    less than random sets, with the share of false discoveries controlled at 5 %; ``below_share`` and
    ``matched_share``: the mean share of random sets, and of those matched in the sum, that cost no more.
    """
    rows = []
    for by, own in groups.groupby("By", sort=False):
        found = {
            "groups": len(own),
            "needing_share": (own["Synergy"] < 0).mean(),
            "cheap_share": (own["q"] < 0.05).mean(),
            "below_share": own["Below"].mean(),
            "matched_share": own["Below matched"].mean(),
        }
        rows += [(by, metric, float(score)) for metric, score in found.items()]
    return pd.DataFrame(rows, columns=["By", "Metric", "Score"])
