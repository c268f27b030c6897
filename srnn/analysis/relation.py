"""Relation: does usefulness hang together with what a particle is, beyond how active its input is?

Where nothing enters a weight, it is useless whatever it is made of; and self-replicators sit where little enters. So
rank correlations are partial: what input activity explains is taken out of both ranks first (Spearman's, within each
layer).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]
#: Below this part of the variance of ranks nothing is left to correlate.
_NOTHING = 1e-9


def partial(x: Floats, y: Floats, given: Floats) -> float:
    """The partial rank correlation of ``x`` and ``y (n,)`` given others ``(k, n)``; NaN if nothing is left of one."""
    ranks = [rankdata(values) for values in (x, y, *given)]
    design = np.stack([np.ones(len(x)), *ranks[2:]], 1)
    left = []
    for values in ranks[:2]:
        factors = np.linalg.lstsq(design, values, rcond=None)[0]
        rest = values - design @ factors
        if rest @ rest <= _NOTHING * max(1.0, values.var() * len(values)):
            return float("nan")
        left.append(rest)
    return float(left[0] @ left[1] / np.sqrt((left[0] @ left[0]) * (left[1] @ left[1])))


def relations(usefulness: pd.DataFrame, properties: pd.DataFrame, given: Sequence[str]) -> pd.DataFrame:
    """How usefulness goes with each property, alone and given others.

    Args:
        usefulness: Columns Layer, Name and Loss change, of units or particles.
        properties: As :func:`srnn.analysis.usefulness.properties` gives them.
        given: Columns of it.

    Returns:
        Columns Property (str), Alone and Given (float: rank correlations within a layer, the mean over the layers where
        there is one).
    """
    both = usefulness.merge(properties, on=["Layer", "Name"])
    rows = []
    for name in properties.columns.drop(["Layer", "Name", *given]):
        found = []
        for _, own in both.groupby("Layer", sort=False):
            x, y = own["Loss change"].to_numpy(dtype=float), own[name].to_numpy(dtype=float)
            if np.isfinite([x, y]).all():
                found.append([partial(x, y, own[[*others]].to_numpy(dtype=float).T) for others in ((), given)])
        means = [float(np.nanmean(each)) if np.isfinite(each).any() else np.nan for each in np.transpose(found)]
        rows.append((name, *(means or (np.nan, np.nan))))
    return pd.DataFrame(rows, columns=["Property", "Alone", "Given"])
