"""The tables about particles that repair themselves: rule, placement and noise, and remedies, beside plain numbers."""

from __future__ import annotations

from itertools import product
from typing import Final

import pandas as pd

from srnn.analysis import remedies, repair
from srnn.analysis.statistics import SHARE, mean_interval, paired
from srnn.plots.repair import repair as draw
from srnn.tables.desk import Desk, interval, markdown, points

PRESETS: Final = ("repair", "exact-dense")
#: Kinds of noise, in words.
_KINDS: Final = {"once": "once, on all", "some": "once, on a tenth", "always": "before each application"}
_LEVELS: Final = (1e-1, 1e-2, 1e-3)
#: Applications of a rule.
_CAP: Final = 100
#: What is told of particles in a place.
_SIZES: Final = ("Norm", "Sensitivity", "Sensitivity repaired")
#: Of the remedies.
_FEWER_LEVELS: Final = (1e-1, 1e-2)
#: Placement and rule of a remedy, and of numbers with the same redundancy.
_AGAINST: Final = (
    (("copies", "leak, mean"), ("numbers, copies", "none, mean")),
    (("copies", "leak, median"), ("numbers, copies", "none, median")),
    (("copies", "melting, mean"), ("numbers, copies", "none, mean")),
    (("copies", "melting, median"), ("numbers, copies", "none, median")),
    (("grid", "leak, nearest"), ("numbers, grid", "nearest")),
)


def mending(desk: Desk) -> str:
    """Who returns from noise, by which rule, and what becomes of the accuracy?"""
    found = desk.over_seeds(
        "repair", lambda one: repair.repair(one.organism(), one.task, _LEVELS, _CAP, generator=one.generator)
    )
    places = desk.over_seeds("repair", lambda one: repair.placements(one.organism(), one.generator))
    sizes = [
        [placement, _share(own["Identity"]), *(f"{own[column].mean():.2f}" for column in _SIZES)]
        for placement, own in places.groupby("Placement", sort=False)
    ]
    return f"""Noise on every weight of every particle, then each is left to a rule that knows its own weights alone.
*own* are the organism's particles as they were trained; *placed* ones are made to the same worths, with that response
to an error, of which *hardened* ones are moved on to where repair changes their worth least; *dense* is a network of
plain numbers under the same noise on each number, with no rule at all, and *dense, copies* one whose weights are means
of as many numbers as a particle has. Medians of abs(Δv4), the change of the effective weight, are over the particles
and then the seeds. Noise *before each application*, of which there are {_CAP}, is there again when self-replicators are
counted, but for one application. A dash is where in a seed nothing finite is left to tell of, or nothing was asked.

{desk.image(draw, found, "repair", "repair")}

{_table(found)}

How large they are there, how much their effective weight answers to noise, and how much of that is left where a rule
brings them back (medians; of a plain number it is 1):

{markdown(sizes, ["placement", "self-replicators", "norm", "sensitivity", "after repair"])}

Judged: {_judged(desk, found)}

{_remedied(desk)}"""


def _table(found: pd.DataFrame) -> str:
    rows = []
    for (kind, level, placement, rule), own in found.groupby(["Noise", "Level", "Placement", "Rule"], sort=False):
        applications = own["Applications"].median()
        steps = "–" if applications != applications else f"{applications:.0f}"
        shares = [_share(own[column]) for column in ("Identity", "Noisy", "Repaired")]
        worths = [_change(own[column].median()) for column in ("Worth noisy", "Worth repaired")]
        rows.append([_KINDS[str(kind)], f"{level:g}", placement, rule, shares[0], steps, *shares[1:], *worths])
    columns = ["noise", "level", "placement", "rule", "self-replicators again", "applications", "accuracy, noisy"]
    return markdown(rows, [*columns, "accuracy, repaired", "abs(Δv4), noisy", "abs(Δv4), repaired"])


def _remedied(desk: Desk) -> str:
    """What restores the worths, against numbers that are as redundant?"""
    found = desk.over_seeds(
        "repair", lambda one: remedies.remedies(one.organism(), one.task, _FEWER_LEVELS, _CAP, generator=one.generator)
    )
    cases = dict([*found.groupby(["Placement", "Rule", "Noise", "Level"], sort=False)])
    pairs, ahead, behind, made = [], list[str](), 0, 0
    for (level, kind), (own, numbers) in product(product(_FEWER_LEVELS, _KINDS), _AGAINST):
        ours, theirs = (cases[*one, kind, level].set_index("Seed") for one in (own, numbers))
        cells = [points(ours["Repaired"], ours["Before"]), points(ours["Repaired"], theirs["Repaired"])]
        pairs.append([_KINDS[kind], f"{level:g}", " ".join(own), " ".join(numbers), *cells])
        gap = paired(ours["Repaired"].to_numpy(), theirs["Repaired"].to_numpy())
        made += gap["Difference"] == gap["Difference"]
        behind += gap["High"] < 0
        if gap["Low"] > 0:
            ahead.append(f"{' '.join(own)} after noise of {level:g} {_KINDS[kind]}")
    attacked, melted = (cases["copies", f"{rule}, mean", "some", _FEWER_LEVELS[0]] for rule in ("attack", "melting"))
    grid = cases["grid", "leak, nearest", "once", _FEWER_LEVELS[-1]].set_index("Seed")
    own = cases["copies", "leak, mean", "once", _FEWER_LEVELS[-1]].set_index("Seed")
    return f"""Another way to keep what a particle was worth is redundancy. Three remedies, each beside plain numbers
with the same redundancy under the same noise per number. *copies*: {remedies.COPIES} equal particles, placed with
λ = 3, for each weight, which is worth their mean or their median; the damaged ones, that is those that are no
self-replicators, are left to the leak, or attacked by a copy that is sound, or melted with it (half of the weights are
handed over at a time). *grid*: worths are multiples of {remedies.SPACING:g}, and after each leak a particle is placed
anew, worth the nearest of these. Self-replicators are counted copy by copy.

{_table(found)}

Test accuracy after the repair, paired by seed, with 95 % intervals:

{markdown(pairs, ["noise", "level", "particles", "numbers", "against before", "against the numbers"])}

Judged: an attack by a self-replicator, being the identity map, leaves its victims as they are: after noise of
{_FEWER_LEVELS[0]:g} on a tenth of the copies {_share(attacked["Identity"])} of these are self-replicators again, and
the median change of the effective weight is {attacked["Worth noisy"].median():.4f} before and
{attacked["Worth repaired"].median():.4f} after. By melting {_share(melted["Identity"])} are, and that change is
{melted["Worth repaired"].median():.4f}: where a sound copy is left it is given back to the bit, and where noise is on
all none is. The grid itself changes the accuracy by {points(grid["Before"], own["Before"])}; after noise of
{_FEWER_LEVELS[-1]:g} on all the repaired organism on it is {points(grid["Repaired"], grid["Before"])} from that. Of the
{made} comparisons with numbers that are as redundant and can be made, the particles are behind, with the whole
interval, in {behind}, and ahead in {len(ahead)}{f" ({'; '.join(ahead)})" if ahead else ""}.
"""


def _judged(desk: Desk, found: pd.DataFrame) -> str:
    middle = found[(found["Noise"] == "once") & (found["Level"] == 1e-2)]

    def case(placement: str, rule: str) -> pd.DataFrame:
        return middle[(middle["Placement"] == placement) & (middle["Rule"] == rule)].set_index("Seed")

    own, hard, plain = case("own", "leak"), case("hardened 3", "leak"), case("dense", "none")
    organism, dense = (desk.ended(preset, "test_accuracy", "{:.4f}") for preset in PRESETS)
    applied = case("ordinary", "self-application")["Identity"]
    copies = points(hard["Repaired"], case("dense, copies", "mean")["Repaired"])
    return (
        f"of the particles of the trained organism {desk.ended('repair', 'identity')} are self-replicators, at "
        f"{organism} (plain numbers under the same optimizer, exact-dense: {dense}). After noise of 0.01 on every "
        f"weight {_share(own['Identity'])} are again, and of ordinary ones under self-application {_share(applied)}. "
        f"The repair changes the accuracy by {_against(own, plain)}. The median change of an effective weight is "
        f"{own['Worth noisy'].median():.4f} before the repair and {own['Worth repaired'].median():.4f} after. Of "
        f"hardened ones {_share(hard['Identity'])} are self-replicators again, and the repair changes the accuracy by "
        f"{_against(hard, plain)}, and against a dense network with as many numbers for each weight {copies}: there "
        f"the median change of an effective weight is {hard['Worth noisy'].median():.4f} before the repair and "
        f"{hard['Worth repaired'].median():.4f} after, of a plain number {plain['Worth noisy'].median():.4f}."
    )


def _against(own: pd.DataFrame, plain: pd.DataFrame) -> str:
    """The accuracy after repair beside what it is compared with, paired by seed."""
    after = own["Repaired"]
    return (
        f"{points(after, own['Noisy'])} against right after the noise, {points(after, own['Before'])} against before; "
        f"against a dense network under the same noise per number the repaired organism is "
        f"{points(after, plain['Repaired'])}"
    )


def _change(worth: float) -> str:
    return "–" if worth != worth else f"{worth:.4f}"


def _share(shares: pd.Series) -> str:
    if shares.isna().any():
        return "–"
    return interval(*mean_interval(shares, SHARE), form="{:.3f}")
