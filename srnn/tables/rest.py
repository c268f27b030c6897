"""The table of what the trade-off needs as a control: the census at rest, another birth, a task that fades."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd

from srnn.analysis import basin, masks
from srnn.analysis.statistics import SHARE, equivalence, holm, last_scores, mean_interval
from srnn.plots.basin import basin as draw_basin
from srnn.runs.run import Run
from srnn.tables.desk import Desk, interval, markdown, points, probability, side_by_side

#: What is compared, by preset: how it begins, and how the task's step goes.
_RUNS: Final = {
    "connectivity": "H = 4 as published",
    "residual-h8": "H = 8 as published",
    "birth-drawn-fading": "H = 4, the task fades",
    "birth-copying": "copying newborns",
    "birth-copying-fading": "copying newborns, the task fades",
    "birth-exact": "born exact",
    "birth-exact-fading": "born exact, the task fades",
    "exact-dense": "dense, from the worths of those",
    "birth-dense-fading": "dense likewise, the task fades",
}
PRESETS: Final = ("connectivity", "residual-h8", "birth", "exact-dense")
#: Organisms that begin where plain numbers do, and these.
_PAIRS: Final = {"birth-exact": "exact-dense", "birth-exact-fading": "birth-dense-fading"}


def rest(desk: Desk) -> str:
    """Is there a trade-off where the task leaves the particles alone, and where they are born alive?"""
    return "\n".join(part(desk) for part in (_rest, _basin, _masks))


def _rest(desk: Desk) -> str:
    rows, changes = [], []
    for preset, name in _RUNS.items():
        runs = desk.runs[preset]
        if runs[0].experiment.particle.kind == "number":
            rows.append([name, "", "", "", "", desk.ended(preset, "test_accuracy", "{:.4f}"), ""])
            continue
        counts = [desk.ended(preset, kind) for kind in ("zero", "identity", "other", "rest_identity")]
        accuracies = [desk.ended(preset, metric, "{:.4f}") for metric in ("test_accuracy", "rest_test_accuracy")]
        rows.append([name, *counts, *accuracies])
        changes.append(float((_last(runs, "rest_test_accuracy") - _last(runs, "test_accuracy")).abs().max()))
    pairs = {
        preset: [_last(desk.runs[one], "test_accuracy") for one in (preset, dense)] for preset, dense in _PAIRS.items()
    }
    tests = [equivalence((own - theirs).to_numpy()) for own, theirs in pairs.values()]
    differences = [
        f"{points(own, theirs)} ({_RUNS[preset]} − {_RUNS[_PAIRS[preset]]}; less than a point apart: p = "
        f"{probability(p)}, corrected {probability(corrected)})"
        for (preset, (own, theirs)), p, corrected in zip(pairs.items(), tests, holm(tests), strict=True)
    ]
    columns = ["", "zero", "identity", "other", "identity at rest", "test accuracy", "test accuracy at rest"]
    return f"""The census is taken right after a task step: a particle that it has just moved by more than the tolerance
is `other`. At rest, after {desk.runs["connectivity"][0].experiment.log.rest} steps of replication alone from the state
of the run, it is taken again, and so is the accuracy. *Born exact*: newborns are projected onto the set of
self-replicators, worth the same; *copying* ones are drawn to be outside of zero's basin; where the task *fades* its
gradient does, along a half wave to zero.

{markdown(rows, columns)}

Judged: at rest the accuracy of no seed of these differs by more than {100 * max(changes):.2f} points. Test accuracy of
organisms that begin where dense bodies do, minus theirs, paired by seed: {"; ".join(differences)}.
"""


def _basin(desk: Desk) -> str:
    rows, images = [], {}
    for preset in ("connectivity", "residual-h8"):
        frame = desk.over_seeds(
            preset, lambda one: basin.basin(one.run.organism(0), one.organism(), one.run.experiment)
        )
        images[preset] = desk.image(draw_basin, frame, preset, f"{preset}-basin")
        fates = pd.concat(basin.fates(own).assign(Seed=seed) for seed, own in frame.groupby("Seed"))
        for kind in ("zero", "identity"):
            own = fates[fates["Fate"] == kind]
            cells = [_share(own[column]) for column in ("Alone", "Trained", "Overlap")]
            rows.append([preset, kind, *cells, f"{own['v0'].median():+.3f}", f"{own['Norm'].median():.2f}"])
    columns = ["preset", "type", "by replication alone", "after training", "overlap", "v0 at birth", "norm at birth"]
    return f"""Which newborns fall into zero? Replication alone, without a task, from the same newborns, by the same
rule: the shares of particles that become a type, and how many of those that do so alone or after training do both
(Jaccard's index). v0 and norm are medians of those that come to the type alone.

{side_by_side(images)}

{markdown(rows, columns)}
"""


def _masks(desk: Desk) -> str:
    frame = desk.over_seeds(
        "connectivity",
        lambda one: masks.masks(one.run.organism(0), one.organism(), one.run.experiment, one.task, one.generator),
    )
    scores = frame.pivot(index="Seed", columns="Mask", values="Score")
    scores["organism"] = _last(desk.runs["connectivity"], "test_accuracy")
    names = {
        "organism": "the organism",
        "zeros": "plain numbers without its zeros",
        "random": "plain numbers without as many at random, layer by layer",
        "first layer": "plain numbers without its zeros of the first layer",
        "none": "plain numbers",
    }
    share = frame.groupby("Mask")["Masked"].mean()
    rows = []
    for name, told in names.items():
        masked = float(share.get(name, share["zeros"]))
        rows.append([told, f"{masked:.1%}", interval(*mean_interval(scores[name], SHARE), form="{:.3f}")])
    pairs = []
    for one, other in (("organism", "zeros"), ("zeros", "random"), ("zeros", "none")):
        pairs.append(f"{names[one]} − {names[other]}: {points(scores[one], scores[other])}")
    # Of two seeds it is 1 or −1.
    alike = (
        f" Correlation, over seeds, of the organism's accuracy with that of plain numbers\nwithout its zeros: "
        f"{np.corrcoef(scores['organism'], scores['zeros'])[0, 1]:.2f}."
        if len(scores) > 2
        else ""
    )
    return f"""What do the zeros of connectivity cost? The body as plain numbers, from what its newborn particles were
worth, on the same batches, without some of its weights from birth to the end.

{markdown(rows, ["", "weights that are zero", "test accuracy"])}

Judged, paired by seed: {"; ".join(pairs)}.{alike}
"""


def _last(runs: Sequence[Run], metric: str) -> pd.Series:
    """The last value of a metric, by seed."""
    scores = last_scores(runs)
    return scores[scores["Metric"] == metric].set_index("Seed")["Score"].astype(float)


def _share(values: pd.Series) -> str:
    return interval(*(100 * end for end in mean_interval(values, SHARE)), form="{:.1f}") + " %"
