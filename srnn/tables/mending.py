"""The table about particles that repair themselves: rule, placement and noise, beside a dense network."""

from __future__ import annotations

from typing import Final

import pandas as pd

from srnn.analysis import repair
from srnn.analysis.statistics import SHARE, mean_interval, paired
from srnn.plots.repair import repair as draw
from srnn.tables.desk import Desk, between, interval, markdown

PRESETS: Final = ("repair", "exact-dense")
#: Kinds of noise, in words.
_KINDS: Final = {"once": "once, on all", "some": "once, on a tenth", "always": "before each application"}
_LEVELS: Final = (1e-1, 1e-2, 1e-3)


def mending(desk: Desk) -> str:
    """Who returns from noise, by which rule, and what becomes of the accuracy?"""
    found = desk.over_seeds(
        "repair", lambda one: repair.repair(one.organism(), one.task, _LEVELS, generator=one.generator)
    )
    places = desk.over_seeds("repair", lambda one: repair.placements(one.organism(), one.generator))
    rows = []
    for (kind, level, placement, rule), own in found.groupby(["Noise", "Level", "Placement", "Rule"], sort=False):
        applications = own["Applications"].median()
        steps = "–" if applications != applications else f"{applications:.0f}"
        shares = [_share(own[column]) for column in ("Identity", "Noisy", "Repaired")]
        worths = [_change(own[column].median()) for column in ("Worth noisy", "Worth repaired")]
        rows.append([_KINDS[str(kind)], f"{level:g}", placement, rule, shares[0], steps, *shares[1:], *worths])
    columns = ["noise", "level", "placement", "rule", "self-replicators again", "applications", "accuracy, noisy"]
    columns += ["accuracy, repaired", "abs(Δv4), noisy", "abs(Δv4), repaired"]
    sizes = [
        [placement, _share(own["Identity"]), *(f"{own[column].mean():.2f}" for column in ("Norm", "Sensitivity"))]
        for placement, own in places.groupby("Placement", sort=False)
    ]
    return f"""Noise on every weight of every particle, then each is left to a rule that knows its own weights alone.
*own* are the organism's particles as they were trained; *placed* ones are made to the same worths, with that response
to an error; *dense* is a network of plain numbers under the same noise on each number, with no rule at all. Medians of
abs(Δv4), the change of the effective weight, are over the particles and then the seeds. Noise *before each
application*, of which there are 100, is there again when self-replicators are counted, but for one application. A dash
is where in a seed nothing finite is left to tell of, or nothing was asked.

{desk.image(draw, found, "repair", "repair")}

{markdown(rows, columns)}

How large they are there, and how much their effective weight answers to noise (medians):

{markdown(sizes, ["placement", "self-replicators", "norm", "sensitivity"])}

Judged: {_judged(desk, found)}
"""


def _judged(desk: Desk, found: pd.DataFrame) -> str:
    middle = found[(found["Noise"] == "once") & (found["Level"] == 1e-2)]

    def case(placement: str, rule: str) -> pd.DataFrame:
        return middle[(middle["Placement"] == placement) & (middle["Rule"] == rule)].set_index("Seed")

    own, plain = case("own", "leak"), case("dense", "none")
    changes = [
        _points(own["Repaired"], own["Noisy"]),
        _points(own["Repaired"], own["Before"]),
        _points(own["Repaired"], plain["Repaired"]),
    ]
    organism, dense = (desk.ended(preset, "test_accuracy", "{:.4f}") for preset in PRESETS)
    applied = case("ordinary", "self-application")["Identity"]
    return (
        f"of the particles of the trained organism {desk.ended('repair', 'identity')} are self-replicators, at "
        f"{organism} (plain numbers under the same optimizer, exact-dense: {dense}). After noise of 0.01 on every "
        f"weight {_share(own['Identity'])} are again, and of ordinary ones under self-application {_share(applied)}. "
        f"The repair changes the accuracy by {changes[0]} against right after the noise, {changes[1]} against before; "
        f"against a dense network under the same noise per number the repaired organism is {changes[2]}. What an "
        f"effective weight was is not restored: its median change is {own['Worth noisy'].median():.4f} before the "
        f"repair and {own['Worth repaired'].median():.4f} after."
    )


def _change(worth: float) -> str:
    return "–" if worth != worth else f"{worth:.4f}"


def _share(shares: pd.Series) -> str:
    if shares.isna().any():
        return "–"
    return interval(*mean_interval(shares, SHARE), form="{:.3f}")


def _points(scores: pd.Series, others: pd.Series) -> str:
    test = paired(scores.to_numpy(), others.to_numpy())
    return between(*(100 * test[one] for one in ("Difference", "Low", "High")), form="{:+.2f}") + " points"
