"""The tables about what experiments end with: the published rows, and comparisons between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from srnn.analysis import comparison, connectivity
from srnn.analysis.statistics import SHARE, last_scores, mean_interval, paired, share_of_cases, shares_differ
from srnn.fixpoint_types import FixpointType
from srnn.plots import comparison as draw
from srnn.plots.connectivity import connectivity as draw_connectivity
from srnn.plots.training_curves import training_curves
from srnn.tables.desk import (
    ALPHA,
    Desk,
    between,
    interval,
    markdown,
    particles,
    points,
    probability,
    side_by_side,
    values,
    verdict,
)
from srnn.tasks.multiply import multiplies

#: Hidden units of the sanity check, and the type that its particle is published to end as.
SANITY = {2: "–", 3: "identity", 4: "identity", 6: "other", 10: "other"}
#: Batches of an epoch → the presets with them, but for the hidden units.
_BATCHES = {1: "sanity-batches-1-h", 2: "sanity-batches-2-h", 5: "sanity-h", 10: "sanity-batches-10-h"}
_PS = ("p", "corrected", "p of equivalence", "corrected")
_CURVES = ("test_accuracy", "replication_loss", "identity_share", "zero_share")


def sanity(desk: Desk) -> str:
    """Who multiplies?"""
    rows, images = [], {}
    for hidden, published in SANITY.items():
        preset = f"sanity-h{hidden}"
        multiply = _multiplying([preset], desk)
        worth = desk.ended(preset, "learned_factor", "{:.5f}")
        rows.append([hidden, published, _kinds([preset], desk), worth, f"{sum(multiply)} of {len(multiply)}"])
        if hidden != 2:
            images[f"{hidden} units"] = desk.image(
                training_curves, desk.metrics(preset), f"{hidden} hidden units", f"h{hidden}"
            )
    columns = ["units", "published type", "our types (seeds)", "learned factor, n = 0.03", "multiplies"]
    return f"""Can one particle both replicate itself and multiply by n = 0.03?

{side_by_side(images)}

{markdown(rows, columns)}

Published, the task loss rests at 0.0009 = 0.03², the loss of the constant 0: those particles do not multiply. In the
table, a learned factor within a tenth of n counts as multiplying.

{_batches(desk)}
"""


def _batches(desk: Desk) -> str:
    """What hangs on how many batches an epoch has, which the notes do not tell; and what on the size of a particle."""
    rows = []
    for batches, stem in _BATCHES.items():
        presets = [preset for hidden in SANITY if (preset := f"{stem}{hidden}") in desk.runs]
        if presets:
            rows.append([batches, _of(_multiplying(presets, desk)), _kinds(presets, desk)])
    small, large = (
        _identity([f"sanity-h{hidden}" for hidden, published in SANITY.items() if published == kind], desk)
        for kind in ("identity", "other")
    )
    return f"""The notes do not tell how many batches an epoch has: five above. With other numbers, the particles of all
sizes and seeds together (exact binomial intervals):

{markdown(rows, ["batches an epoch", "multiply", "types"])}

Judged: {by_size(small, large)}"""


def by_size(small: Sequence[bool], large: Sequence[bool]) -> str:
    """Whether types go by size, as published, in a sentence.

    Args:
        small: Of each particle of a size that is published to end as identity, whether it does.
        large: Likewise of those that are published to end as other.
    """
    p = shares_differ(small, large)
    found = "that types go by size is not shown, nor is it that they do not"
    if p < ALPHA:
        found = f"types go by size, {'as' if sum(small) * len(large) > sum(large) * len(small) else 'not as'} published"
    return (
        f"with five batches an epoch {_of(small)} of the sizes that are published to end as identity do, and "
        f"{_of(large)} of those published as other: {found} (Fisher's exact test, the only one of this table: "
        f"p = {probability(p)})."
    )


def _ended(presets: Sequence[str], desk: Desk) -> pd.DataFrame:
    return last_scores([run for preset in presets for run in desk.runs.get(preset, ())])


def _kinds(presets: Sequence[str], desk: Desk) -> str:
    """How many ended as which type, the most frequent first."""
    last = _ended(presets, desk)
    ended = last[last["Metric"].isin([kind.label for kind in FixpointType]) & (last["Score"] > 0)]
    return ", ".join(f"{count} {kind}" for kind, count in ended["Metric"].value_counts().items())


def _multiplying(presets: Sequence[str], desk: Desk) -> list[bool]:
    """Of each seed, whether its particle multiplies."""
    factor = desk.runs[presets[0]][0].experiment.task.factor
    last = _ended(presets, desk)
    return [multiplies(value, factor) for value in last[last["Metric"] == "learned_factor"]["Score"]]


def _identity(presets: Sequence[str], desk: Desk) -> list[bool]:
    """Of each seed, whether its particle is a self-replicator."""
    present = [preset for preset in presets if preset in desk.runs]
    return [] if not present else [*(_ended(present, desk).query("Metric == 'identity'")["Score"] > 0)]


def _of(cases: Sequence[bool]) -> str:
    """``12 of 20, 60% (36% … 81%)``."""
    if not cases:
        return "–"
    return f"{sum(cases)} of {len(cases)}, {between(*share_of_cases(sum(cases), len(cases)), form='{:.0%}')}"


def addition(desk: Desk) -> str:
    """Does a small organism add?"""
    return f"""Two normal inputs, target their sum; 2 → 3 → 3 → 1, linear, 18 particles of 3 units.

{desk.training("addition")}

Mean absolute error on test data at the end: {desk.ended("addition", "test_mae", "{:.2g}")}; self-replicators:
{desk.ended("addition", "identity")} of 18.
"""


def connections(desk: Desk) -> str:
    """The published organism, and its connectivity by type."""
    runs = desk.runs["connectivity"]
    run = runs[0]
    edges = connectivity.edges(run.organism())
    graph = desk.image(draw_connectivity, edges, f"connectivity, seed {run.experiment.seed}", "graph")
    rows = [
        ["published", "≈ 1,165 with zero", "", "≈ 353", "≈ 0.65"],
        ["rerun, 4 seeds", "1,004–1,043", "140–158", "318–365", "0.742–0.879"],
        [f"ours, {len(desk.runs['connectivity'])} seeds", *desk.census("connectivity")],
    ]
    last = last_scores(runs).pivot(index="Seed", columns="Metric", values="Score").astype(float)
    first = {kind: desk.ended("connectivity", f"L0_{kind}") for kind in ("zero", "identity", "other")}
    replicating = last["L0_zero"] + last["L0_identity"]
    covered, of_zero = (
        interval(*mean_interval(share, SHARE), form="{:.1%}")
        for share in (replicating / (replicating + last["L0_other"]), last["L0_zero"] / replicating)
    )
    accuracy = last["test_accuracy"]
    return f"""225 → 6 → 6 → 6 → 6 → 10 on MNIST, linear, 1,518 particles of 4 units, residual links.

{desk.training("connectivity")}

{markdown(rows, ["", "zero", "identity", "other", "test accuracy"])}

{graph}

*Identity against the other connectivity: an edge is a particle, a panel a type.* Of the 1,350 edges of the input layer
{first["zero"]} are zero, {first["identity"]} identity and {first["other"]} other. Zero and identity together, which are
published to cover that layer almost wholly, cover {covered} of it, and {of_zero} of these edges are zero.
Single seeds end with an accuracy from {accuracy.min():.3f} to {accuracy.max():.3f}.
"""


def residual(desk: Desk) -> str:
    """Residual links against none, beside the published numbers."""
    rows = [
        ["residual-h8", "published", "≈ 590 with zero", "", "≈ 930", "≈ 0.91"],
        ["", "rerun", "82", "501", "935", "0.913"],
        ["", "ours", *desk.census("residual-h8")],
        ["no-residual-h8", "published", "≈ 640 with zero", "", "≈ 880", "≈ 0.905"],
        ["", "rerun, 2 seeds", "61–82", "485–501", "935–972", "0.898, 0.901"],
        ["", "ours", *desk.census("no-residual-h8")],
    ]
    question = f"""Residual links against none, in a linear body of 1,518 particles of 8 units.

{markdown(rows, ["", "", "zero", "identity", "other", "test accuracy"])}

Published: without residual links self-replication is learnt first and the task comes through slowly (0.46 at epoch 5,
0.75 at 15, 0.88 at 40); with them 0.87 at epoch 5."""
    table = compared({"residual": "residual-h8", "none": "no-residual-h8"}, question, desk, early=True)
    runs = {"with": desk.runs["residual-h8"], "without": desk.runs["no-residual-h8"]}
    reached = comparison.milestones(comparison.order_of_learning(runs, {"test_accuracy": (0.8,)}))
    when = {str(row["Group"]): _milestone(row) for _, row in reached.iterrows()}
    course = []
    for epoch, published in ((5, ("0.87", "0.46")), (15, ("", "0.75")), (40, ("", "0.88")), (200, ("0.91", "0.905"))):
        ours = []
        for name, own in runs.items():
            scores = comparison.scores({name: own}, "test_accuracy").query(f"Epoch == {epoch}")
            ours.append(interval(*mean_interval(scores["Score"], SHARE), form="{:.3f}"))
        course.append([epoch, ours[0], published[0], ours[1], published[1]])
    tests = comparison.paired_tests(runs)
    told = []
    for metric, what in (("test_accuracy", "test accuracy"), ("identity_share", "their share of self-replicators")):
        test = tests[tests["Metric"] == metric].iloc[0]
        less = between(*(100 * test[column] for column in ("Difference", "Low", "High")), form="{:+.2f}")
        told.append(f"{verdict(what, test)}: with − without is {less} percentage points.")
    return f"""{table}
The course of the accuracy:

{markdown(course, ["epoch", "residual", "published", "none", "published"])}

Judged: the epoch by which half of the seeds have reached 0.8 is {when["with"]} with residual links, {when["without"]}
without; test accuracy is logged every {runs["with"][0].experiment.log.every} epochs.
{" ".join(told)}
"""


def later(desk: Desk) -> str:
    """The later configuration of the same project."""
    rows = [
        ["rerun (shared momentum)", "0", "345", "855", "0.877"],
        [f"ours, {len(desk.runs['mnist-h5'])} seeds", *desk.census("mnist-h5")],
    ]
    return f"""225 → 5 → 5 → 10 on MNIST, linear, 1,200 particles of 5 units, ten replication steps a batch with a fresh
momentum.

{desk.training("mnist-h5")}

{markdown(rows, ["", "zero", "identity", "other", "test accuracy"])}
"""


def sizes(desk: Desk) -> str:
    """Particles of 4 units against particles of 8, beside each other's published census."""
    question = "Particles of 4 units against 8, in the same linear body."
    table = compared({"4 units": "connectivity", "8 units": "residual-h8"}, question, desk)
    small, large = (_replicating(desk, preset) for preset in ("connectivity", "residual-h8"))
    return f"""{table}
Judged: {by_count(small, large)} Published, with zero among them,
are ≈ 1,165 of 4 units and ≈ 590 of 8, of 1,518. Which newborns fall into zero, and organisms of 4 units that do not, is
told in *At rest, and from another birth*.
"""


def _replicating(desk: Desk, preset: str) -> pd.DataFrame:
    """Of each seed the share of self-replicators without zero fixpoints and with them."""
    last = last_scores(desk.runs[preset]).pivot(index="Seed", columns="Metric", values="Score").astype(float)
    counts = pd.DataFrame({"without": last["identity"], "with": last["identity"] + last["zero"]})
    return counts / particles(desk.runs[preset][0])


def by_count(small: pd.DataFrame, large: pd.DataFrame) -> str:
    """Which way the size of particles moves the share of self-replicators, in a sentence.

    Args:
        small: Of each seed of the smaller particles, that share: columns without and with (zero fixpoints).
        large: Likewise of the larger ones.
    """
    told = [f"{points(small[count], large[count])} {count} zero fixpoints among them" for count in ("without", "with")]
    tests = [paired(small[count].to_numpy(), large[count].to_numpy()) for count in ("without", "with")]
    opposite = min(test["High"] for test in tests) < 0 < max(test["Low"] for test in tests)
    turns = " Which way the size moves it depends on how zero is counted."
    return (
        f"the share of self-replicators of 4 units minus that of 8, paired by seed, is {' and '.join(told)}."
        f"{turns if opposite else ''}"
    )


def compared(groups: Mapping[str, str], question: str, desk: Desk, early: bool = False) -> str:
    """A table that compares presets.

    Args:
        groups: The name that each has in figures and tables → the preset.
        question: The text above.
        desk: With the runs of these presets.
        early: Whether the figure stretches the first epochs.
    """
    runs = {name: desk.runs[preset] for name, preset in groups.items()}
    ended, tests = comparison.final_table(runs), comparison.paired_tests(runs)
    seeds = comparison.final_scores(runs)
    images = {
        "curves": desk.image(
            draw.curves,
            pd.concat([comparison.compare(runs, metric) for metric in _CURVES]),
            "",
            "curves",
            early=early,
        ),
        "at the end": desk.image(draw.finals, ended, "", "finals", scores=seeds),
    }
    return f"""{question}

{side_by_side(images)}

{markdown(_ended_rows(ended, seeds, list(groups)), ["at the end", *groups])}

Paired by seed:

{markdown(_tested_rows(tests), ["metric", "difference", "mean (95 % interval)", *_PS, "seeds"])}

Corrected for the {comparison.distinct(tests)} tests of this table; rows that are one test told twice, such as a count
and its share, count once. Equivalence is a difference below a percentage point.

First logged epoch by which half of the seeds have reached it, and how many ever do:

{markdown(_order_rows(comparison.milestones(comparison.order_of_learning(runs)), list(groups)), ["reached", *groups])}
"""


def _ended_rows(ended: pd.DataFrame, scores: pd.DataFrame, groups: list[str]) -> list[list[str]]:
    rows = []
    every = dict([*scores.groupby(["Metric", "Group"])["Score"]])
    for metric, own in ended.groupby("Metric", sort=False):
        form = "{:,.0f}" if metric in ("identity", "zero", "other") else "{:.3f}"
        cells = {
            row["Group"]: interval(row["Mean"], row["Low"], row["High"], form=form)
            + values(every[metric, row["Group"]], form)
            for _, row in own.iterrows()
        }
        rows.append([str(metric).replace("_", " "), *(cells[group] for group in groups)])
    return rows


def _tested_rows(tests: pd.DataFrame) -> list[list[object]]:
    return [
        [
            str(row["Metric"]).replace("_", " "),
            f"{row['A']} − {row['B']}",
            between(row["Difference"], row["Low"], row["High"], form="{:+.4g}"),
            *(probability(row[f"{p}{end}"]) for p in ("p", "p (equivalence)") for end in ("", ", Holm")),
            row["n"],
        ]
        for _, row in tests.iterrows()
    ]


def _order_rows(reached: pd.DataFrame, groups: list[str]) -> list[list[str]]:
    rows = []
    for milestone, own in reached.groupby("Milestone", sort=False):
        cells = {str(row["Group"]): _milestone(row) for _, row in own.iterrows()}
        rows.append([str(milestone).replace("_", " "), *(cells[group] for group in groups)])
    return rows


def _milestone(row: pd.Series) -> str:
    """By which epoch half of the seeds have reached it, and how many ever do."""
    median = "never" if row["Median"] != row["Median"] else f"{row['Median']:g}"
    return f"{median} ({row['Reached']} of {row['Seeds']})"
