"""Which kind of mask is best: arms of a study of pruning against one of them, over all of its densities.

An arm is what ranked the weights, the column By of the branches (:mod:`srnn.analysis.rounds`). Its endpoint is the mean
of the test score over the densities, of each seed; those are asked of that make steps of equal size on a log axis.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pandas as pd
from torch import Tensor

from srnn import importance
from srnn.analysis.rounds import TICKET
from srnn.analysis.statistics import equivalence, holm, paired
from srnn.organism import Organism

#: Two arms that are less than half a percentage point apart are as good as each other.
MARGIN: Final = 0.005
#: Below which probability a test is taken to show something.
_ALPHA: Final = 0.05
#: What can be found of an arm against another.
BETTER, EQUAL, WORSE, OPEN = "better", "as good", "worse", "open"


def endpoints(branches: pd.DataFrame) -> pd.DataFrame:
    """The mean score at the end over the densities, of each arm and seed; a seed that collapsed counts as it is.

    Args:
        branches: Columns Seed, By, Round, Control and End score, of a classification.

    Returns:
        A row for each seed, a column for each arm, in their order.
    """
    own = branches[branches["Control"] == TICKET]
    means = own.groupby(["Seed", "By"], sort=False)["End score"].mean().unstack("By")
    found: pd.DataFrame = means[own["By"].unique()]
    return found


def against(ends: pd.DataFrame, arm: str) -> pd.DataFrame:
    """What an arm has ahead of each other one, paired by seed.

    Args:
        ends: As :func:`endpoints` gives them.
        arm: Which.

    Returns:
        By, Difference (of the arm minus the other), Low, High (its 95 % t-interval), n, p, p (equivalence) (that they
        are :data:`MARGIN` or more apart), of both the p-value corrected for all others (``p, Holm``,
        ``p (equivalence), Holm``), and Found: :data:`BETTER` or :data:`WORSE` where the corrected p is below 0.05, else
        :data:`EQUAL` where that of equivalence is, or :data:`OPEN`.
    """
    rows = []
    for other in ends.columns.drop(arm):
        pair = ends[[arm, other]].dropna()
        one, two = pair[arm].to_numpy(dtype=float), pair[other].to_numpy(dtype=float)
        test = paired(one, two)
        row = {"By": other, **{key: test[key] for key in ("Difference", "Low", "High", "n", "p")}}
        rows.append({**row, "p (equivalence)": equivalence(one - two, MARGIN)})
    found = pd.DataFrame(rows)
    for p in ("p", "p (equivalence)"):
        found[f"{p}, Holm"] = holm(found[p].to_numpy(dtype=float))
    differs, same = found["p, Holm"] < _ALPHA, found["p (equivalence), Holm"] < _ALPHA
    found["Found"] = OPEN
    found.loc[same, "Found"] = EQUAL
    found.loc[differs & (found["Difference"] > 0), "Found"] = BETTER
    found.loc[differs & (found["Difference"] < 0), "Found"] = WORSE
    return found


def beats_all(found: pd.DataFrame) -> bool:
    """Whether an arm beats every other, as one test of all: each single interval is above 0, without correction."""
    return bool((found["Low"] > 0).all())


def on_quiet_inputs(masks: Mapping[str, Tensor], organism: Organism, x: Tensor) -> dict[str, float]:
    """Which share of the weights that masks keep is on inputs that are hardly ever not zero.

    Args:
        masks: Which weights are kept, bool ``(N,)`` each.
        organism: One whose body is an MLP.
        x: The training examples, ``(n, inputs)``.
    """
    quiet = importance.quiet_inputs_first(organism, x) == 0
    return {name: float(quiet[kept].double().mean()) for name, kept in masks.items()}
