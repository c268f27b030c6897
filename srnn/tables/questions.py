"""The tables about what is inside a trained organism: the laboratory's questions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import pandas as pd

from srnn.analysis import baselines, dropout, heatmap, robustness, thinning, trajectories, transfer
from srnn.analysis.statistics import SHARE, Floats, equivalence, holm, mean_interval, over_seeds, paired
from srnn.plots.baselines import baselines as draw_baselines
from srnn.plots.dropout import dropout as draw_dropout
from srnn.plots.heatmap import heatmap as draw_heatmap
from srnn.plots.robustness import robustness as draw_robustness
from srnn.plots.thinning import live_edges, structure
from srnn.plots.trajectories import trajectories as draw_trajectories
from srnn.plots.transfer import weights
from srnn.tables.desk import ALPHA, Desk, between, interval, markdown, points, probability, side_by_side
from srnn.tables.rates import own_rates

#: Between which levels of noise robustness is told: well above what self-replicators lack themselves, up to 1e-5.
_SLOPE: Final = (1e-1, 1e-4)
_LIVE = {
    "live_type": "not zero",
    "live_weight": "abs(effective weight) > 0.001",
    "live_signal": "carry 99 % of the signal",
}


def thin(desk: Desk) -> str:
    """Does the network really thin out?"""
    frame = desk.over_seeds("connectivity", lambda one: thinning.thinning(one.over_epochs(), one.task.test_x))
    shares = thinning.live_shares(frame, [0, 50, 200])
    rows = [
        [
            _LIVE[str(metric)],
            layer,
            *(interval(*row, form="{:.1%}") for row in own[["Mean", "Low", "High"]].to_numpy()),
        ]
        for (metric, layer), own in shares.groupby(["Metric", "Layer"], sort=False)
    ]
    images = {
        "live edges": desk.image(live_edges, frame, "connectivity", "live"),
        "structure": desk.image(structure, frame, "connectivity", "structure"),
    }
    live = frame[(frame["Layer"] == "total") & (frame["Metric"] == "live_type")]
    early, late = (live[live["Epoch"] == epoch].set_index("Seed")["Score"] for epoch in (5, 200))
    total = next(row for row in rows if row[:2] == [_LIVE["live_signal"], "total"])
    return f"""Does the network really thin out? Measured by three definitions of a live edge.

{side_by_side(images)}

{markdown(rows, ["live", "layer", "epoch 0", "epoch 50", "epoch 200"])}

Judged: the edges that carry 99 % of Σ abs(effective weight) · E abs(input) go from {total[2]} of all at birth to
{total[3]} after 50 epochs and {total[4]} after 200. After 5 epochs {_percent(early)} of the edges are not zero, and
after 200 {_percent(late)}: {points(late, early)}, paired by seed. Published, "the network really thins out" while it
learns; how many of these zeros come of replication alone, without a task, is told in *At rest, and from another birth*.
"""


def drop(desk: Desk) -> str:
    """Can self-replicators be dropped?"""
    rows, images, costs, differences = [], {}, {}, {}
    for preset in ("connectivity", "residual-h8", "no-residual-h8"):
        frame = desk.over_seeds(preset, lambda one: dropout.dropout(one.organism(), one.task, generator=one.generator))
        images[preset] = desk.image(draw_dropout, frame, preset, preset)
        judged = dropout.differences(frame).query("Scope == 'total'")
        for kind in ("zero", "identity", "other"):
            own = judged[judged["Type"] == kind].set_index("Against")
            if own.empty:
                continue
            cells = {
                str(against): between(*(100 * row[["Difference", "Low", "High"]]), form="{:+.2f}")
                for against, row in own.iterrows()
            }
            rows.append([preset, kind, f"{own['Dropped'].iloc[0]:,.0f}", *cells.values()])
            if kind == "identity":
                differences[preset] = cells
        costs[preset] = frame.query("Scope == 'total' and Type == 'identity'")["Change"].to_numpy()
    columns = [
        "preset",
        "dropped",
        "particles",
        "against before",
        *("against " + one.replace("|", "\\|") for one in dropout.REFERENCES.values()),
    ]
    return f"""How the test accuracy changes, in percentage points with 95 % intervals, when all particles of a type are
set to zero: against the organism as it was, and against dropping as many others. *Random* are any, or any that are not
zero fixpoints; *random others* and the *nearest* are neither zero nor of that type, in each layer as many: drawn, or
for each particle the one nearest in the modulus of its effective weight, in that times the mean modulus of its input on
training data, or in the latter alone. The *least* have the smallest of that product in their layer, whatever their
type but zero. A dash: there are too few others. Published: −0.05 points without identity (zero among them); chance
level, 0.098, without other. Rerun: −0.2 to −1.0 for identity that are not zero, exactly 0 for zero fixpoints.

{side_by_side(images)}

{markdown(rows, columns)}

Judged: {_cost_of_identity(costs, differences)}
"""


def _cost_of_identity(costs: Mapping[str, Floats], differences: Mapping[str, Mapping[str, str]]) -> str:
    """What it costs to drop the self-replicators that are not zero, and against which control.

    Args:
        costs: Preset → the change of the accuracy in each seed, ``(n,)``.
        differences: Preset → against what → the difference in percentage points, in words.
    """
    tests = [equivalence(cost) for cost in costs.values()]
    told = [
        f"{differences[preset]['before']} points in {preset} (less than a point: p = {probability(p)}, "
        f"corrected {probability(corrected)})"
        for preset, p, corrected in zip(differences, tests, holm(tests), strict=True)
    ]
    shown = [preset for preset, corrected in zip(differences, holm(tests), strict=True) if corrected < ALPHA]
    controls = [
        f"{own['random others']} against random others of the same layers, {own['nearest signal']} against others "
        f"nearest in what they add to their unit, {own['smallest signal']} against those that add the least ({preset})"
        for preset, own in differences.items()
    ]
    return (
        f"dropping the self-replicators that are not zero changes the accuracy by {'; '.join(told)}. That this is less "
        f"than a point either way is shown, by two one-sided tests, in {', '.join(shown) or 'none of them'}. As to "
        f"whether it is their type: the change is {'; '.join(controls)} points. Only where it is above that of those "
        "that add the least would the type tell more than weight and input do."
    )


def worth(desk: Desk) -> str:
    """Is the organism a plain dense network?"""
    rows, images, computed = [], {}, list[pd.DataFrame]()
    for preset in desk.runs:
        frame = desk.over_seeds(preset, lambda one: transfer.transfer(one.organism(), one.task))
        for copy, own in frame.groupby("Copy", sort=False):
            if copy == "particles":
                computed.append(own)
            equal = f"{own['Equal'].sum()} of {len(own)}"
            rows.append([preset, copy, f"{own['Relative difference'].max():.1e}", equal])
        if preset in ("connectivity", "residual-h8"):
            histogram = desk.over_seeds(preset, lambda one: transfer.weight_histogram(one.organism()))
            images[preset] = desk.image(weights, histogram, preset, preset)
    return f"""As a weight, a particle is one number, its effective weight: so the organism is a dense network. Its
outputs on test data are compared with those of its dense copy, and with those of its particles each computing for
itself (in double precision). They should differ by less than 1e-5.

{markdown(rows, ["preset", "against", "largest relative difference", "metric equal (seeds)"])}

Judged: against *dense* that holds by construction, both being computed by the same code; the test is *particles*, which
differ by {pd.concat(computed)["Relative difference"].max():.1e} at most. {_equal(computed)}

{side_by_side(images)}
"""


def _equal(computed: Sequence[pd.DataFrame]) -> str:
    """In how many seeds a metric is the same, computed by particles."""
    every = pd.concat(computed)
    told = [
        f"the {metric} is equal to the last digit in {own['Equal'].sum()} of {len(own)} seeds"
        for metric, own in every.groupby("Metric", sort=False)
    ]
    return f"Over all presets, {'; '.join(told)}."


_OWN: Final = "same units, own start"
#: What stands beside the baselines, so that start, step and a linear body are told apart from particles.
_CONTROLS: Final = {
    _OWN: "exact-dense",
    f"{_OWN}, step of exact particles": "exact-dense-step-particles",
    "softmax regression": "dense-baselines-softmax",
}


def dense(desk: Desk) -> str:
    """What do ordinary networks reach?"""
    runs, task = desk.runs["connectivity"], desk.task("connectivity")
    experiment = runs[0].experiment
    presets = {
        baselines.ORGANISM: "connectivity",
        baselines.NO_REPLICATION: "no-replication",
        baselines.SAME_UNITS: "dense-baselines-same-units",
        baselines.SAME_WEIGHTS: "dense-baselines-same-weights",
    }
    curves = pd.concat([desk.metrics(preset).assign(Network=network) for network, preset in presets.items()])
    dense = desk.runs["dense-baselines-same-units"]
    histogram = pd.concat(
        transfer.weight_histogram(run.organism(), other.organism().to_dense()).assign(Seed=run.experiment.seed)
        for run, other in zip(runs, dense, strict=True)
    )
    sizes = baselines.sizes(experiment, task.inputs, task.outputs).set_index("Network")
    rows = [
        [network, *sizes.loc[network], desk.cell(preset, "test_accuracy", "{:.3f}")]
        for network, preset in presets.items()
    ]
    for network, preset in _CONTROLS.items():
        body = baselines.layers(desk.runs[preset][0].experiment)
        weights_of, units = body.count(task.inputs, task.outputs)
        width = "–" if body.depth == 1 else body.width
        rows.append([network, width, units, weights_of, weights_of, desk.cell(preset, "test_accuracy", "{:.3f}")])
    images = {
        "curves": desk.image(draw_baselines, curves, "connectivity", "baselines"),
        "weights": desk.image(weights, histogram, "connectivity and the dense body", "weights"),
    }
    return f"""The same body trained directly on the same batches: with as many units, with as many weights as the
organism's particles have together, and as an organism that does not replicate.

{side_by_side(images)}

{markdown(rows, ["network", *sizes.columns, "test accuracy"])}

To be read in pairs: the organism against the one without replication is what self-replication costs organisms that are
drawn as the published ones, of whose particles {desk.ended("connectivity", "zero")} are zero in the end (those that are
not: *At rest, and from another birth*). That one against the dense body with as many units is what it costs that
weights are particles, and what another start and another step make: with their own start they begin with what the
newborn exact particles are worth. The body is linear: none of these can represent what the softmax regression in the
last row cannot. All have the learning rate {experiment.training.lr:g}, chosen for none.

{own_rates(desk)}"""


def cubes(desk: Desk) -> str:
    """How do particles travel?"""
    run = desk.runs["connectivity"][0]
    title = f"connectivity, seed {run.experiment.seed}"
    forms: dict[trajectories.Form, str] = {"particle": "one PCA per particle", "layer": "one PCA per layer"}
    images = {}
    for form, heading in forms.items():
        frame = trajectories.trajectories(run.trajectory(), run.organism().particle, form)
        images[heading] = desk.image(draw_trajectories, frame, title, form)
    found = desk.over_seeds(
        "connectivity", lambda one: trajectories.against_random_walk(one.trajectory(), one.generator)
    )
    headings = {str(form): heading for form, heading in forms.items()}
    parts = {"whole": "all epochs", "later": "later ones"}
    names = ("Explained", "Random walk", "Explained by 3", "Random walk by 3")
    rows = [
        [headings[str(form)], layer, parts[str(part)], *(_percent(own[name]) for name in names)]
        for (form, layer, part), own in found.groupby(["Form", "Layer", "Part"], sort=False)
    ]
    columns = ["form", "layer", "of", "two explain", "of a random walk", "three explain", "of a random walk"]
    return f"""The particles' way through weight space: two principal components, the epoch as height, coloured by the
type at the end. Drawn is one seed; the table is of all.

{side_by_side(images)}

{markdown(rows, columns)}

A random walk begins where the particle does and takes steps of the same lengths in random directions. *Later ones* are
without the first logged interval of {run.experiment.log.every} epochs.

Judged: {_straightness(found)}
"""


def _straightness(found: pd.DataFrame) -> str:
    """What the explained variance of a PCA per particle says, beside a random walk, in the mean over the layers."""
    each = found[found["Form"] == "particle"].groupby(["Part", "Seed"]).mean(numeric_only=True)
    told = {}
    for part in ("whole", "later"):
        own, random = each.loc[part]["Explained"], each.loc[part]["Random walk"]
        test = paired(own.to_numpy(), random.to_numpy())
        more = between(*(100 * test[one] for one in ("Difference", "Low", "High")), form="{:+.2f}")
        told[part] = f"{_percent(own)} against {_percent(random)} of a random walk ({more} points, paired by seed)"
    return (
        f"of a particle's course, in the mean over layers, two components explain {told['whole']}. But "
        f"{_percent(each.loc['whole']['First'])} of its path lie in the first logged interval, and one step is a line "
        f"whatever its direction. Of what comes later they explain {told['later']}."
    )


def _percent(shares: pd.Series) -> str:
    return interval(*mean_interval(shares, SHARE), form="{:.1%}")


def robust(desk: Desk) -> str:
    """How much noise does a self-replicator survive?"""
    images, rows, growth = {}, [], []
    for preset in ("connectivity", "residual-h8"):
        frame = desk.over_seeds(preset, lambda one: robustness.robustness(one.organism(), generator=one.generator))
        images[preset] = desk.image(draw_robustness, frame, preset, preset)
        levels = robustness.by_level(frame)
        steps_at = levels.set_index("Level")["Steps"]
        decades = math.log10(max(_SLOPE) / min(_SLOPE))
        growth.append(f"{(steps_at[min(_SLOPE)] - steps_at[max(_SLOPE)]) / decades:.2f} ({preset})")
        for _, row in levels.iterrows():
            ends = [f"{row[end]:.1%}" for end in ("Zero", "Divergent", "Cap")]
            steps = [f"{row[steps]:.0f}" for steps in ("Steps", "Identity steps")]
            rows.append([preset, f"{row['Level']:.0e}", f"{row['Clones']:,.0f}", *steps, *ends])
    columns = ["preset", "noise", "clones", "steps to the end", "as fixpoint", "zero", "divergent", "hit the cap"]
    return f"""Clones of each self-replicator, with noise on every weight, self-applied until they are zero or
divergent; steps are medians. At the lowest levels float32 hardly registers the noise: those clones show how unstable
the self-replicators themselves are.

{side_by_side(images)}

{markdown(rows, columns)}

Judged: from noise of {max(_SLOPE):g} to {min(_SLOPE):g}, well above what the self-replicators lack themselves, ten
times less takes {", ".join(growth)} applications more at the median. The theorem says log 10 / log 4 =
{math.log(10, 4):.2f} of any of them: an error along it is multiplied by 4, and its sign decides between zero and
divergence. Clones are pooled over particles and seeds, and have no interval.
"""


def heat(desk: Desk) -> str:
    """Where on the image do the types sit?"""
    frame = desk.over_seeds(
        "connectivity", lambda one: heatmap.heatmap(one.organism(), one.task.train_x, one.task.image)
    )
    correlations = over_seeds(heatmap.against_mean_image(frame).assign(Least=-1.0, Most=1.0)).dropna(subset="Mean")
    ends = correlations[["Mean", "Low", "High"]].to_numpy()
    rows = [[name, interval(*row, form="{:+.2f}")] for name, row in zip(correlations.index, ends, strict=True)]
    return f"""Where on the image do particles of each type and their effective weights sit?

{desk.image(draw_heatmap, frame, "connectivity", "heatmap")}

{markdown(rows, ["in the input layer", "rank correlation with the mean image"])}

A particle that weighs a pixel which is always dark has no gradient from the task: no task step moves it, so that it is
counted as a self-replicator, unless it is zero.
"""
