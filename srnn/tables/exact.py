"""The table about exact self-replicators: what they cost, and what it is like to be one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import pandas as pd

from srnn.analysis import pruning, robustness, stability
from srnn.analysis.baselines import layers
from srnn.analysis.statistics import SHARE, equivalence, last_scores, mean_interval
from srnn.experiment import Experiment
from srnn.laboratory.subject import Subject
from srnn.particle import Particle
from srnn.plots import stability as draw
from srnn.plots.methods import by_method
from srnn.plots.pruning import pruning as draw_pruning
from srnn.plots.trade_off import diverged
from srnn.plots.trade_off import trade_off as draw_trade_off
from srnn.runs.run import Run
from srnn.tables import trade_off
from srnn.tables.desk import ALPHA, Desk, between, interval, markdown, particles, with_values
from srnn.tasks import Task

#: The runs of each method, of the published body and of a larger one.
_PUBLISHED: Final = {"sgd": "connectivity", "newton": "exact-newton", "lifted": "exact-lifted"}
_LARGER: Final = {method: f"exact-comparison-{method}" for method in _PUBLISHED}
#: The same bodies as plain numbers, from where the exact ones begin.
_DENSE: Final = {"connectivity": "exact-dense", "exact-comparison-sgd": "exact-comparison-dense"}
#: And with another step: that of the newborn exact ones, of each its own or the mean of them.
_STEPS: Final = {
    "connectivity": {"own step": "exact-dense-step-particles", "mean step": "exact-dense-step-mean"},
    "exact-comparison-sgd": {
        "own step": "exact-comparison-step-particles",
        "mean step": "exact-comparison-step-mean",
    },
}
_TITLE: Final = "connectivity"
#: Noise of this and more is told apart from less, which is as small as what self-replicators lack themselves.
_REGISTERED: Final = 1e-5


def exact(desk: Desk) -> str:
    """Can every particle be a self-replicator, what does that cost, and is it stable?"""
    return "\n".join(part(desk) for part in (_cost, _leaving, _multipliers, _robust, _return, _tolerance, _pruning))


def _cost(desk: Desk) -> str:
    rows, paired = [], []
    constructed, gained, left = list[str](), list[str](), list[str]()

    def pair(body: str, told: str, found: pd.DataFrame) -> str:
        difference = between(*mean_interval(100 * found["Difference"]), form="{:+.2f}")
        paired.append([body, told, difference, f"{found['Drift'].max():.2g}", len(found)])
        return f"{difference} points on {body}"

    for presets in (_PUBLISHED, _LARGER):
        dense = _DENSE[presets["sgd"]]
        body = _body(desk.runs[dense][0].experiment, desk.task(dense))
        for method, preset in presets.items():
            found = _drift(desk.runs[preset], desk.runs[dense])
            accuracy = with_values(found["Organism"], "{:.4f}", SHARE)
            counts = [desk.cell(preset, kind) for kind in ("zero", "identity")]
            rows.append([body, method, accuracy, *counts, f"{particles(desk.runs[preset][0]):,}", _error(desk, preset)])
            if method == "sgd":
                continue
            verdict = pair(body, f"{method} − dense", found)
            (gained if method == "newton" else constructed).append(verdict)
        rows.append([body, "dense", with_values(found["Dense"], "{:.4f}", SHARE), "", "", "", ""])
        for step, preset in _STEPS[presets["sgd"]].items():
            found = _drift(desk.runs[presets["newton"]], desk.runs[preset])
            rows.append([body, f"dense, {step}", with_values(found["Dense"], "{:.4f}", SHARE), "", "", "", ""])
            verdict = pair(body, f"newton − dense, {step}", found)
            if step == "own step":
                left.append(verdict)
    ended = trade_off.ended(desk)
    lost = diverged(ended)
    told = "".join(f" With {name} {some} of {every} seeds diverge." for name, some, every in lost.itertuples())
    columns = ["body", "method", "test accuracy", "zero", "identity", "particles", "largest replication error"]
    return f"""Can every particle be a self-replicator, and what does that cost? `newton` puts the particles back onto
the set of self-replicators after every task step, `lifted` moves their effective weights alone and lets the particles
follow; `sgd` is gradient descent on the replication loss, times α. The published work (arXiv 2212.10078) concludes from
its curve that particles specialise in the task or in self-replication. That curve is of organisms of whose particles,
with α = 100, {desk.ended("connectivity", "zero")} are zero in the end (since when: *At rest, and from another birth*),
and of a census right after a task step. Its controls: *at rest* is after steps of replication alone, *born exact*
begins with self-replicators, and where the *task fades* its gradient falls to zero along a half wave.

{desk.image(draw_trade_off, ended, _TITLE, "trade-off")}

{markdown(rows, columns)}

The replication error is the largest deviation of any weight from its particle's output for it, at any logged epoch of
any seed; the dense body starts from the effective weights of the newborn organisms and sees the same batches. A step of
newton moves an effective weight v4 by |∂v4/∂w|² times what it moves a plain number: with its *own step* each number has
that of its newborn exact particle, with the *mean step* all have the mean of these. Paired by seed, in percentage
points, with the largest distance between an effective weight and its dense weight at the end:

{markdown(paired, ["body", "difference", "test accuracy (95 % interval)", "drift", "seeds"])}

Judged: newton − dense is {"; ".join(gained)}. Against the dense body with the particles' own steps, which controls for
the size of newton's, there is left {"; ".join(left)}. Where an interval of the latter holds 0, newton is not shown to
gain by anything but its step. That lifted − dense is {"; ".join(constructed)} holds by construction: the
optimizer moves the same numbers, so it is a test of the code.
{trade_off.without_artefacts(ended)}
{trade_off.frontier(ended[~ended["Name"].isin(lost.index)])}{told}
"""


def _drift(organisms: Sequence[Run], dense: Sequence[Run]) -> pd.DataFrame:
    """How far organisms have come away from plain numbers that began where they did, on the same batches.

    Returns:
        A row for each seed that both have: Seed (int), Drift (float: the largest difference of an effective weight and
        the number in its place), Organism, Dense, Difference (float: the last metric on test data, and Organism −
        Dense).
    """
    numbers = {run.experiment.seed: run for run in dense}
    rows = []
    for run in organisms:
        if (other := numbers.get(run.experiment.seed)) is None:
            continue
        apart = float((run.organism().worth() - other.organism().worth()).abs().max())
        own, theirs = (float(one.metrics.query("Metric == 'test_accuracy'")["Score"].iloc[-1]) for one in (run, other))
        rows.append((run.experiment.seed, apart, own, theirs, own - theirs))
    return pd.DataFrame(rows, columns=["Seed", "Drift", "Organism", "Dense", "Difference"])


def _leaving(desk: Desk) -> str:
    growth = _by_method(desk, lambda subject: stability.self_application(subject.organism()))
    rows = []
    for method, own in by_method(growth).items():
        median = own.groupby("Applications").median(numeric_only=True)
        distance = median["Distance"]
        far = distance.index[distance >= 1]
        ended = {column: median[column].to_dict() for column in ("Identity", "Zero", "Divergent", "Other")}
        shares = [f"{ended['Identity'][n]:.0%}" for n in (1, 5, 10, 20, 1000)]
        ends = [f"{ended[end][1000]:.0%}" for end in ("Zero", "Divergent", "Other")]
        rows.append([method, f"{stability.growth_rate(own):.2f}", far[0] if len(far) else "never", *shares, *ends])
    columns = [
        "method",
        "growth of the largest",
        "median change of 1 after",
        *(f"identity after {n:,}" for n in (1, 5, 10, 20, 1000)),
        *(f"{end} after 1,000" for end in ("zero", "divergent", "other")),
    ]
    factors = ", ".join(f"{row[1]} ({row[0]})" for row in rows)
    kept = "; ".join(f"{row[6]} of {row[0]} are self-replicators after 20 and {row[7]} after 1,000" for row in rows)
    return f"""Is an exact self-replicator stable? Its own output takes its place, again and again (float32, medians
over the particles of a seed, and over the seeds).

{desk.image(draw.self_application, growth, _TITLE, "self-application")}

{markdown(rows, columns)}

Judged: by theory none is stable, and an error grows by 4 with each application; the largest change grows by {factors}.
Nevertheless {kept}. How many rounding holds so is told, with intervals and in other ways to compute it, in
*What of stability is rounding*.
"""


def _multipliers(desk: Desk) -> str:
    found = _by_method(desk, lambda subject: stability.multipliers(subject.organism()))
    rows = []
    for method, own in by_method(found).items():
        others = own[[f"Multiplier {n}" for n in (1, 2, 3)]].to_numpy()
        # 4 is known to rounding only where the particle is a self-replicator only to the tolerance.
        wilder = (others.max(axis=1) > 1.001 * stability.ALONG_ITSELF).mean()
        rows.append(
            [
                method,
                f"{own['Along itself'].median():.4f}",
                f"{np.median(others):.3f} ({np.quantile(others, 0.025):.3f} … {np.quantile(others, 0.975):.3f})",
                f"{(others > 1).mean():.0%}",
                f"{wilder:.1%}",
                f"{own['Radius'].max():.2f}",
                f"{(own['Scale'] == 1).mean():.0%}",
                f"{own['Error'].median():.1e}",
                f"{own['Applications'].median():.1f}",
            ]
        )
    columns = [
        "method",
        "along itself",
        "the other three (95 % of them)",
        "of these above 1",
        "particles where one is above 4",
        "largest",
        "v0 is 1 to the bit",
        "median error",
        "applications to 1",
    ]
    rare, held = (", ".join(f"{row[place]} of {row[0]}" for row in rows) for place in (4, 6))
    took = ", ".join(f"{row[8]} ({row[0]})" for row in rows)
    return f"""By how much does a self-replicator multiply an error of itself? All but four eigenvalues of
self-application's derivative are 1; of these four one is always 4, because `F((1 + ε) w) = (1 + ε)⁴ w`.

{desk.image(draw.multipliers, found, _TITLE, "multipliers")}

{markdown(rows, columns)}

Judged: another multiplier than the common 4 is the largest in {rare} particles; of the rest the fastest way
out is along themselves. A median error would take {took} applications to grow to 1; but in {held} v0 is 1 to the last
bit of float32, and there is no error along themselves to multiply, until the smaller ones have added up.
"""


def _robust(desk: Desk) -> str:
    clones = _by_method(desk, lambda one: robustness.robustness(one.organism(), generator=one.generator))
    levels = {method: robustness.by_level(own).set_index("Level") for method, own in by_method(clones).items()}
    rows = []
    for level in next(iter(levels.values())).index:
        own = [of_method.loc[level] for of_method in levels.values()]
        steps = [f"{row['Steps']:.0f}, {row['Identity steps']:.0f}" for row in own]
        rows.append([f"{level:.0e}", *steps, *(f"{row['Cap']:.0%}" for row in own)])
    columns = ["noise", *(f"steps, {method}" for method in levels), *(f"at the cap, {method}" for method in levels)]
    medians = pd.DataFrame({method: own["Steps"] for method, own in levels.items()})
    apart = medians.max(axis=1) - medians.min(axis=1)
    above, least = apart[apart.index > 0.9 * _REGISTERED].max(), apart.index.min()
    return f"""Are they more robust to noise? Noisy clones self-applied until they are zero or divergent, as in the
table on robustness: median steps, and at how many of them the clone was a self-replicator; the cap is at 1,000.

{markdown(rows, columns)}

Judged: from noise of 1 down to {_REGISTERED:g} the medians of the methods are at most {above:.0f} steps apart, and with
noise of {least:.0e}, beside the median errors of the originals in the table above, {apart[least]:.0f}. Clones are
pooled over particles and seeds, and have no interval.
"""


def _return(desk: Desk) -> str:
    clones = _by_method(desk, lambda one: stability.noisy_return(one.organism(), generator=one.generator))
    size = Particle(desk.runs["exact-lifted"][0].experiment.particle.hidden).size
    rows, kept = [], []
    for method, own in by_method(clones).items():
        levels = stability.return_by_level(own)
        for _, row in levels.iterrows():
            lengths = [f"{row[column]:.3g}" for column in ("From original", "From clone")]
            rows.append([method, f"{row['Level']:.0e}", f"{row['Identity']:.1%}", *lengths, f"{row['Worth']:.1e}"])
        [middle] = levels[np.isclose(levels["Level"], 0.01)].to_dict("records")
        kept.append(f"{middle['Identity']:.1%} of {method} come back, {middle['From original']:.2f} lengths from home")
    columns = ["method", "noise", "come back", "from the original", "from the clone", "change of effective weight"]
    return f"""Do noisy clones return? Each self-replicator is cloned ten times with noise on every weight, and the
clones are put back onto the set by Newton steps; distances are medians in lengths of the noise.

{desk.image(draw.noisy_return, clones, _TITLE, "noisy-return")}

{markdown(rows, columns)}

Judged: with noise of 0.01 {"; ".join(kept)}. They become self-replicators, not their originals: the set has P − 4 =
{size - 4} of {size} dimensions, and noise along it, √({size - 4}/{size}) = {np.sqrt((size - 4) / size):.2f} of its
length, stays. Below 1e-6 the distances are those of rounding, and of how inexact the originals were.
"""


def _tolerance(desk: Desk) -> str:
    counts = _by_method(desk, lambda subject: stability.census_by_tolerance(subject.organism()))
    identity = counts[counts["Type"] == "identity"]
    totals = counts.groupby(["Method", "Seed", "Tolerance"])["Particles"].sum()
    rows, kept = [], []
    for method in _PUBLISHED:
        own = identity[identity["Method"] == method]
        by_tolerance = {level: one["Particles"] for level, one in own.groupby("Tolerance")}
        rows.append(
            [
                method,
                *(with_values(by_tolerance[level], "{:,.0f}", (0, totals.max())) for level in stability.TOLERANCES),
            ]
        )
        shares = [by_tolerance[level].mean() / totals[method].mean() for level in (1e-6, 1e-7)]
        kept.append(f"{shares[0]:.1%} of the particles of {method} ({shares[1]:.1%} at 1e-7)")
    return f"""How exact are they? Self-replicators at finer and coarser tolerances.

{desk.image(draw.census_by_tolerance, counts, _TITLE, "tolerance")}

{markdown(rows, ["identity at", *(f"{level:.0e}" for level in stability.TOLERANCES)])}

Judged: at 1e-6, ten times finer than the published tolerance, {", ".join(kept)} are self-replicators; float32 itself
tells 1 from 1 + 1.2e-7 and no finer.
"""


def _pruning(desk: Desk) -> str:
    curves = _by_method(desk, lambda one: pruning.pruning(one.organism(), one.task, generator=one.generator))
    shown = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99)
    rows, against, free = [], [], []
    for method, own in by_method(curves).items():
        for order in pruning.ORDERS:
            scores = own[own["Order"] == order].pivot(index="Share", columns="Seed", values="Score")
            told = [interval(*mean_interval(scores.T[share], SHARE), form="{:.3f}") for share in shown]
            rows.append([method, order, *told, f"{_spared(scores):.0%}"])
            if order == pruning.SMALLEST:
                free.append(f"{_spared(scores):.0%} of {method}")
        for other, found in pruning.against_smallest(own).groupby("Order", sort=False):
            points = 100 * found.set_index("Share")[["Difference", "Low", "High"]].T
            against.append([method, other, *(between(*points[share], form="{:+.2f}") for share in shown[1:])])
    sgd = pruning.against_smallest(curves[curves["Method"] == "sgd"]).set_index(["Order", "Share"])
    share = _share_of_replicators(desk)
    difference = 100 * sgd.loc[(pruning.REPLICATORS, share), ["Difference", "Low", "High"]]
    heads = [f"{share:.0%} dropped" for share in shown]
    return f"""How many particles can be dropped, and in which order? Of those that are not zero fixpoints, for to drop
these costs nothing in any order. Where all are self-replicators a type tells nothing: there the second order is the
first.

{desk.image(draw_pruning, curves, _TITLE, "pruning")}

{markdown(rows, ["method", "order", *heads, "within a point"])}

Against the smallest first, paired by seed, in percentage points with 95 % intervals:

{markdown(against, ["method", "order", *heads[1:]])}

Judged: smallest first, {", ".join(free)} can be dropped within a percentage point, as two one-sided tests show at each
share up to that. In sgd, where self-replicators are some {share:.0%} of what is not zero, to drop them first is
{between(*difference, form="{:+.2f}")} points against as many of the smallest.
"""


def _spared(scores: pd.DataFrame) -> float:
    """Up to which share the metric, shares in rows and seeds in columns, is shown to stay within the margin.

    From the smallest share on, until a test fails: in a fixed order nothing is to be corrected.
    """
    spared = 0.0
    for share, own in scores.iterrows():
        if not equivalence((own - scores.iloc[0]).to_numpy()) < ALPHA:
            break
        spared = float(str(share))
    return spared


def _share_of_replicators(desk: Desk) -> float:
    """The share of pruning's that comes nearest to that of self-replicators among what is not zero in sgd."""
    scores = last_scores(desk.runs["connectivity"]).groupby("Metric")["Score"].mean()
    share = scores["identity"] / (particles(desk.runs["connectivity"][0]) - scores["zero"])
    return min(pruning.SHARES[1:], key=lambda one: abs(one - share))


def _by_method(desk: Desk, answer: Callable[[Subject], pd.DataFrame]) -> pd.DataFrame:
    """An analysis of every seed of every method, told apart by the columns Method and Seed."""
    frames = [desk.over_seeds(preset, answer).assign(Method=method) for method, preset in _PUBLISHED.items()]
    return pd.concat(frames, ignore_index=True)


def _body(experiment: Experiment, task: Task) -> str:
    """``225-6-6-6-6-10`` and its activation; without one it is linear."""
    body = layers(experiment)
    activation = "linear" if body.activation == "none" else body.activation
    return "-".join(map(str, body.sizes(task.inputs, task.outputs))) + f" {activation}"


def _error(desk: Desk, preset: str) -> str:
    """The largest replication error that the runs of a preset logged; sgd logs a loss instead."""
    errors = desk.metrics(preset).query("Metric == 'replication_error'")["Score"]
    return "–" if errors.empty else f"{errors.max():.1e}"
