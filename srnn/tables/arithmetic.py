"""The table about what of a self-replicator's stability is rounding: the same particles, computed in several ways."""

from __future__ import annotations

from typing import Final

from srnn.analysis import stability
from srnn.analysis.statistics import SHARE, mean_interval
from srnn.tables.desk import Desk, interval, markdown

PRESETS: Final = {"sgd": "connectivity", "newton": "exact-newton", "lifted": "exact-lifted"}
_WAYS: Final = {
    "kernel": "float32, fused kernel",
    "torch": "float32, torch",
    "float64": "float64",
    "float64, projected": "float64, projected in float64",
}


def arithmetic(desk: Desk) -> str:
    """How many self-replicators self-application leaves, by the way it is computed."""
    rows, told = [], []
    for method, preset in PRESETS.items():
        found = desk.over_seeds(preset, lambda one: stability.by_arithmetic(one.organism()))
        of_theorem = desk.over_seeds(preset, lambda one: stability.multipliers(one.organism()))
        along = (of_theorem["Along itself"] - stability.ALONG_ITSELF).abs().max()
        told.append(f"{along:.0e} ({method})")
        for way, name in _WAYS.items():
            own = found[found["Arithmetic"] == way]
            shares = [own[own["Applications"] == count]["Identity"] for count in (20, 1000)]
            rows.append([method, name, *(interval(*mean_interval(share, SHARE), form="{:.1%}") for share in shares)])
    columns = ["method", "computed in", "self-replicators after 20", "after 1,000"]
    return f"""Self-application of the same self-replicators, in ways that differ in rounding alone; in the last they
are made exact in double precision before it begins. That an error along a particle is multiplied by 4 at each
application, so that none is stable, is a property: it is proved, and holds in any arithmetic. How many are still
self-replicators after so and so many applications is not.

{markdown(rows, columns)}

Judged: what the multiplier along itself deviates from 4, at most, over all particles and seeds, is {", ".join(told)};
it is that of self-replicators as inexact as they are. The shares above are those of one and the same set of particles
in each method: where the first three rows differ, rounding is what they tell of, and where the last differs from the
third, what the particles lacked in float32.
"""
