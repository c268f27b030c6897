"""The tables about other minima: how far repulsion leads, what lies between, and what networks are worth together."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import pandas as pd
import torch
from torch import Tensor

from srnn.analysis import landscape
from srnn.analysis.ensembles import ensemble, probabilities
from srnn.analysis.statistics import ANYTHING, POSITIVE, SHARE, Range, holm, mean_interval, paired
from srnn.fixpoints import classify
from srnn.laboratory.ensemble import bottoms, snapshots
from srnn.laboratory.subject import Subject
from srnn.plots.minima import distances, plane, ways
from srnn.runs.run import Run
from srnn.tables.desk import ALPHA, Desk, between, interval, markdown, probability, side_by_side, values

PRESETS: Final = ("repulsion", "snapshots")
#: Each variant of ``repulsion`` beside its control, in the order of the questions; both have the same schedule.
PAIRS: Final = {
    "pushed": "control",
    "width-0.1": "control",
    "width-0.25": "control",
    "width-1": "control",
    "strength-0.1": "control",
    "strength-10": "control",
    "narrow-strong": "control",
    "wide-strong": "control",
    "slow": "slow-control",
    "drops": "drops-control",
    "longer": "longer-control",
    "last": "control",
    "merged": "control",
    "tanh": "control",
    "restarts": "restarts-control",
    "fresh": "fresh-control",
    "sgd": "sgd-control",
    "lifted": "lifted-control",
}
#: Whose minima are looked between, and whose distances are drawn.
_BETWEEN: Final = (
    *("control", "pushed", "strength-10", "restarts-control", "restarts", "fresh-control"),
    *("sgd-control", "sgd", "lifted-control", "lifted"),
)
_DRAWN: Final = ("control", "pushed", "width-1", "strength-10", "fresh")
#: Ways to make members, as they are called; ``seeds`` are of four runs.
_TOGETHER: Final = ("long", "constant", "cosine", "cyclic", "repulsion", "cosine-repulsion", "seeds", "lifted-cosine")
_OF_SEEDS: Final = 4
#: Which of them are told apart.
_GAINS: Final = (("cosine-repulsion", "cosine"), ("cosine", "long"), ("repulsion", "constant"), ("seeds", "long"))
#: Of a paired test.
_ENDS: Final = ("Difference", "Low", "High")
#: How far a run is from its last minimum before it leaves the next: the epochs' metric.
_FAR: Final = "distance_last"
#: The barrier of the error below which two networks count as one basin (Frankle et al. 2020, of test error).
_STABLE: Final = 0.02
#: Of a valley: the share of the line's barrier that the way may have.
_LOW: Final = 0.1
#: What is told of what lies between minima: heading, in what form, in what range, times what.
_LYING: Final[dict[str, tuple[str, str, Range, float]]] = {
    "line_error": ("line, points", "{:.2f}", (0, 100), 100),
    "path_error": ("way, points", "{:.2f}", (0, 100), 100),
    "line_barrier": ("line, nats", "{:.4f}", POSITIVE, 1),
    "path_barrier": ("way, nats", "{:.4f}", POSITIVE, 1),
    "random": ("random", "{:.4f}", ANYTHING, 1),
    "distance": ("distance", "{:.3f}", POSITIVE, 1),
    "matched_distance": ("matched", "{:.3f}", POSITIVE, 1),
    "cosine": ("cosine", "{:.3f}", (-1, 1), 1),
    "gradient_norm": ("gradient", "{:.4f}", POSITIVE, 1),
    "gradient_cosine": ("its cosine", "{:.2f}", (-1, 1), 1),
    "disagreement": ("differ", "{:.2%}", SHARE, 1),
    "particles": ("of particles", "{:.3f}", POSITIVE, 1),
    "types": ("types that differ", "{:.2%}", SHARE, 1),
}


def minima(desk: Desk) -> str:
    """Does repulsion lead to other minima, and are networks from there better together?"""
    far = {variant: _far(desk.runs[f"repulsion-{variant}"]) for variant in {**PAIRS, **_reversed(PAIRS)}}
    scores = {variant: _accuracy(desk.runs[f"repulsion-{variant}"]) for variant in far}
    tests = _tests(far, scores)
    lying = pd.concat([_lying_between(desk, variant) for variant in _BETWEEN], ignore_index=True)
    together = pd.concat([_together(desk, way) for way in _TOGETHER], ignore_index=True)
    measured = pd.concat(
        _course(run).assign(Variant=variant, Seed=run.experiment.seed)
        for variant in _DRAWN
        for run in desk.runs[f"repulsion-{variant}"]
    )
    through = pd.concat(
        _ways(desk, run).assign(Seed=run.experiment.seed) for run in desk.runs["repulsion-restarts-control"]
    )
    images = {
        "distance": desk.image(distances, measured, "repulsion", "distance"),
        "between": desk.image(ways, through, "restarts, without repulsion", "ways"),
        "plane": desk.image(plane, _plane(desk, "pushed"), f"pushed, seed {_first(desk, 'pushed')}", "plane"),
    }
    between_them, ps = ["variant", *(heading for heading, *_ in _LYING.values())], ("p", "corrected")
    return f"""A network of 64 units in two hidden layers is in a minimum after every quarter of its epochs; from then
on hills at its minima push it away. Distances are root mean squares of differences of effective weights, in units of
the first minimum's: unrelated networks are about 1.4 apart. *far* is the distance from the last minimum when the next
is left, in the mean over minima. Beside each variant is its control with the same schedule and a strength of 0: plain
training moves away, too. Differences are paired by seed.

{side_by_side(images)}

{markdown(_rows(tests), ["variant", "far", "control", "difference", *ps, "accuracy", "difference in points", *ps])}

Between each minimum and the next: barriers are how much higher than the mean of both ends the training error (in
percentage points) and loss (in nats) are on the straight line and on the way that training took; *random* is how much a
step of the same length in a random direction adds to the loss. *matched* is the relative distance once units are in the
order that fits best, *cosine* that of the effective weights, *gradient* the length of the loss's at the second minimum
and *its cosine* that with the one at the first. *differ* is the share of test examples that are answered otherwise,
*of particles* the relative distance of all weights that particles are made of.

{markdown(_of_landscape(lying), between_them)}

Together, on test data, at as many epochs altogether: members from the bottoms of the schedule, the minima and the end,
and of *seeds* from four runs of a quarter, each of which is in four of these ensembles: their intervals are too narrow.

{markdown(_of_ensembles(together), ["members from", "members", "accuracy", "NLL", "ECE", "differ / error"])}

Judged:

{_judged(tests, lying, together)}
"""


def _reversed(pairs: dict[str, str]) -> dict[str, str]:
    return {control: variant for variant, control in pairs.items()}


def _first(desk: Desk, variant: str) -> int:
    return desk.runs[f"repulsion-{variant}"][0].experiment.seed


def _far(runs: Sequence[Run]) -> pd.Series:
    """Of each seed, how far it was from its last minimum when it left the next, in the mean."""
    found = {}
    for run in runs:
        at = [*snapshots(run.experiment)[1:], run.status.epoch]
        own = run.metrics.query("Metric == @_FAR").drop_duplicates("Epoch", keep="last").set_index("Epoch")["Score"]
        found[run.experiment.seed] = float(own.reindex([*dict.fromkeys(at)]).mean())
    return pd.Series(found, dtype=float)


def _accuracy(runs: Sequence[Run]) -> pd.Series:
    last = {one.experiment.seed: one.metrics.query("Metric == 'test_accuracy'")["Score"].iloc[-1] for one in runs}
    return pd.Series(last, dtype=float)


def _course(run: Run) -> pd.DataFrame:
    own = run.metrics.query("Metric == @_FAR").drop_duplicates("Epoch", keep="last")
    return own[["Epoch", "Score"]].rename(columns={"Score": "Distance"})


def _tests(far: dict[str, pd.Series], scores: dict[str, pd.Series]) -> pd.DataFrame:
    """Each variant against its control, in distance and in accuracy; each of the two is one family of tests."""
    rows: list[dict[str, Any]] = []
    for variant, control in PAIRS.items():
        row: dict[str, Any] = {"Variant": variant, "Far": far[variant], "Control": far[control]}
        row |= {"Accuracy": scores[variant]}
        for name, of, within in (("far", far, POSITIVE), ("accuracy", scores, SHARE)):
            pairs = pd.concat([of[variant], of[control]], axis=1, join="inner")
            row |= {f"{key} ({name})": value for key, value in paired(*pairs.to_numpy().T).items()}
            row[f"Within ({name})"] = within
        rows.append(row)
    found = pd.DataFrame(rows).set_index("Variant")
    for name in ("far", "accuracy"):
        found[f"Holm ({name})"] = holm(found[f"p ({name})"].to_numpy(dtype=float))
    return found


def _rows(tests: pd.DataFrame) -> list[list[str]]:
    rows = []
    for variant, one in tests.iterrows():
        far = [interval(*mean_interval(one[key], POSITIVE), form="{:.3f}") for key in ("Far", "Control")]
        moved = between(*(one[f"{key} (far)"] for key in _ENDS), form="{:+.3f}")
        points = between(*(100 * one[f"{key} (accuracy)"] for key in _ENDS), form="{:+.2f}")
        accuracy = interval(*mean_interval(one["Accuracy"], SHARE), form="{:.4f}") + values(one["Accuracy"], "{:.4f}")
        ps = [[probability(one[f"{p} ({name})"]) for p in ("p", "Holm")] for name in ("far", "accuracy")]
        rows.append([str(variant), *far, moved, *ps[0], accuracy, points, *ps[1]])
    return rows


def _minima(run: Run) -> dict[int, Tensor]:
    return {epoch: run.organism(epoch).worth() for epoch in bottoms(run)}


def _lying_between(desk: Desk, variant: str) -> pd.DataFrame:
    """For each seed and each minimum what lies between it and the next."""

    def ask(subject: Subject) -> pd.DataFrame:
        run, organism, rows = subject.run, subject.organism(), []
        epochs = bottoms(run)
        for one, other in pairwise(epochs):
            logged = [epoch for epoch in run.logged_epochs if one <= epoch <= other]
            path = {epoch: run.organism(epoch).worth() for epoch in logged}
            row = landscape.valley(organism, path, subject.task, subject.generator)
            row |= landscape.apart(organism, path[one], path[other], subject.task)
            rows.append(row | _of_particles(run, one, other) | {"From": one, "To": other})
        return pd.DataFrame(rows)

    return desk.over_seeds(f"repulsion-{variant}", ask).assign(Variant=variant)


def _of_particles(run: Run, one: int, other: int) -> dict[str, float]:
    """How far particles are from where they were in another minimum, and which share of them is of another type.

    Of plain numbers both are NaN.
    """
    if run.experiment.particle.kind == "number":
        return {"particles": float("nan"), "types": float("nan")}
    both = [run.organism(epoch) for epoch in (one, other)]
    types = [classify(organism.weights.detach(), organism.replicator) for organism in both]
    a, b = (organism.weights.detach().double() for organism in both)
    return {"particles": float((a - b).norm() / a.norm()), "types": float((types[0] != types[1]).double().mean())}


def _ways(desk: Desk, run: Run) -> pd.DataFrame:
    """The loss on the straight line and on a curve of little loss between the last two minima."""
    task, organism, generator = desk.task("repulsion-control"), run.organism(), torch.Generator()
    generator.manual_seed(run.experiment.seed)
    *_, a, b = _minima(run).values()
    desk.watch(f"a curve, seed {run.experiment.seed}")
    middle = landscape.curve(organism, a, b, task, generator, epochs=10)
    points = {"line": landscape.line(a, b), "curve": landscape.bend(a, middle, b)}
    return pd.concat(landscape.along(organism, own, task).assign(Way=way) for way, own in points.items())


def _plane(desk: Desk, variant: str) -> pd.DataFrame:
    run = desk.runs[f"repulsion-{variant}"][0]
    found = [*_minima(run).values()]
    return landscape.plane(
        run.organism(), [found[0], found[len(found) // 2], found[-1]], desk.task("repulsion-control")
    )


def _of_landscape(lying: pd.DataFrame) -> list[list[str]]:
    rows = []
    for variant, own in lying.groupby("Variant", sort=False):
        each = own.groupby("Seed")[[*_LYING]].mean()
        cells = [
            "–" if each[column].isna().all() else interval(*mean_interval(factor * each[column], within), form=form)
            for column, (_, form, within, factor) in _LYING.items()
        ]
        rows.append([str(variant), *cells])
    return rows


def _together(desk: Desk, way: str) -> pd.DataFrame:
    """What the members of each seed are worth together; of ``seeds`` each seed with the three after it."""
    preset = f"snapshots-{way}"
    task, runs, frames = desk.task(preset), desk.runs[preset], []
    for place, run in enumerate(runs):
        desk.watch(f"{preset}, seed {run.experiment.seed}")
        if way == "seeds":
            chosen = [runs[(place + more) % len(runs)] for more in range(min(_OF_SEEDS, len(runs)))]
            members = [probabilities(one.organism(), task.test_x) for one in chosen]
        else:
            at = [run.status.epoch] if way == "long" else _members(run)
            members = [probabilities(run.organism(epoch), task.test_x) for epoch in at]
        frames.append(ensemble(members, task.test_y).iloc[[-1]].assign(Way=way, Seed=run.experiment.seed))
    return pd.concat(frames, ignore_index=True)


def _members(run: Run) -> list[int]:
    """The bottoms of its schedule and its minima, or of a run without any four equal parts."""
    found = bottoms(run)
    if len(found) == 1:
        found = [run.status.epoch * part // _OF_SEEDS for part in range(1, _OF_SEEDS + 1)]
    return found


def _of_ensembles(together: pd.DataFrame) -> list[list[str]]:
    rows = []
    for way, own in together.groupby("Way", sort=False):
        numbers = [
            interval(*mean_interval(own[column].astype(float), within), form=form)
            for column, within, form in (
                ("Accuracy", SHARE, "{:.4f}"),
                ("NLL", POSITIVE, "{:.4f}"),
                ("ECE", SHARE, "{:.4f}"),
            )
        ]
        relative = own["Relative disagreement"].astype(float)
        differ = "–" if relative.isna().all() else interval(*mean_interval(relative, POSITIVE), form="{:.2f}")
        rows.append([str(way), f"{own['Members'].iloc[0]}", *numbers, differ])
    return rows


# -- what is made of it ----------------------------------------------------------------------------------------------


def _judged(tests: pd.DataFrame, lying: pd.DataFrame, together: pd.DataFrame) -> str:
    """A sentence for each remark, by what was measured."""

    def said(*variants: str) -> str:
        return "; ".join(_said(tests, variant) for variant in variants)

    alone = [f"{tests['Control'][variant].mean():.3f}" for variant in ("drops", "pushed")]
    restarts, *gains = _gains(together)
    sentences = [
        f"Strength and distance: {said('strength-10', 'strength-0.1')}.",
        f"Width: {said('width-0.1', 'width-0.25', 'width-1')}. {_what_counts(tests)}",
        f"Drops of the learning rate: {said('drops')}; the control alone is {alone[0]} far with drops and {alone[1]} "
        "without.",
        f"All minima, the last, or one large one: {said('pushed', 'last', 'merged')}.",
        f"Restarts: {said('restarts')}. {restarts}",
        f"Ensembles: {' '.join(gains)}",
        f"Valley or walk: {'; '.join(_kind(lying, variant) for variant in _BETWEEN)}.",
        f"Particles: {said('sgd', 'lifted')}. {'; '.join(_types(lying, way) for way in ('sgd-control', 'sgd'))}.",
    ]
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _said(tests: pd.DataFrame, variant: str) -> str:
    one, told = tests[tests.index == variant].iloc[0], []
    for name, factor, form, what in (
        ("far", 1, "{:+.3f}", "in distance"),
        ("accuracy", 100, "{:+.2f}", "points of accuracy"),
    ):
        ends = between(*(factor * one[f"{key} ({name})"] for key in _ENDS), form=form)
        told.append(f"{ends} {what}{'' if one[f'Holm ({name})'] < ALPHA else ', not shown'}")
    return f"{variant} minus its control is {' and '.join(told)}"


def _what_counts(tests: pd.DataFrame) -> str:
    """Whether distance answers more to four times the width, or to a hundred times the strength."""
    far = tests["Far"].to_dict()
    gains = far["width-1"] - far["width-0.25"], far["strength-10"] - far["strength-0.1"]
    width, strength = (between(*mean_interval(gain), form="{:+.3f}") for gain in gains)
    more = between(*mean_interval(gains[0] - gains[1]), form="{:+.3f}")
    both = f"Four times the width adds {width} to the distance and a hundred times the strength {strength}"
    return f"{both}; the former minus the latter, paired by seed, is {more}."


def _gains(together: pd.DataFrame) -> list[str]:
    """Pairs of ways to make members, paired by seed, in NLL and accuracy: all of these tests are one family."""
    of = {way: own.set_index("Seed").sort_index() for way, own in together.groupby("Way")}
    tests = {
        (pair, column): paired(*(of[way][column].to_numpy(dtype=float) for way in pair))
        for pair in _GAINS
        for column in ("NLL", "Accuracy")
    }
    corrected = dict(zip(tests, holm([test["p"] for test in tests.values()]), strict=True))
    told: dict[tuple[str, str], list[str]] = {pair: [] for pair in _GAINS}
    for (pair, column), test in tests.items():
        unit, factor, form = ("nats", 1, "{:+.4f}") if column == "NLL" else ("points", 100, "{:+.2f}")
        ps = f"p = {probability(test['p'])}, corrected {probability(corrected[pair, column])}"
        told[pair].append(f"{between(*(factor * test[key] for key in _ENDS), form=form)} {unit} ({ps})")
    return [f"{one} against {other}: {', '.join(ends)}." for (one, other), ends in told.items()]


def _types(lying: pd.DataFrame, variant: str) -> str:
    """How many particles are of another type in the next minimum, beside how much of the function is another."""
    own = lying[lying["Variant"] == variant].groupby("Seed")[["types", "disagreement"]].mean()
    types, differ = (interval(*mean_interval(own[name], SHARE), form="{:.1%}") for name in own)
    return (
        f"{variant}: from one minimum to the next {types} of the particles change their type, and {differ} of answers"
    )


def _kind(lying: pd.DataFrame, variant: str) -> str:
    """Whether training went through a valley, over a hill, or stayed in its basin: by the seeds' mean over all minima.

    Two minima are of one basin if the error's barrier on the line between them is below 2 points; else the way is
    through a valley if its own barrier is below a tenth of the line's, over a hill if it is above. Each has to hold of
    the whole 95 % interval over the seeds.
    """
    own = lying[lying["Variant"] == variant].groupby("Seed")[["line_error", "path_error", "disagreement"]].mean()
    line, way = (mean_interval(own[column], SHARE) for column in ("line_error", "path_error"))
    if line[2] < _STABLE:
        kind = "never left its basin"
    elif line[1] > _STABLE and way[2] <= _LOW * line[0]:
        kind = "went through a valley"
    elif line[1] > _STABLE and way[1] > _LOW * line[0]:
        kind = "went over a hill"
    else:
        kind = "is not shown to be any of these"
    told = [interval(*(100 * end for end in one), form="{:.2f}") for one in (line, way)]
    differ = mean_interval(own["disagreement"], SHARE)
    return (
        f"{variant} {kind} (line {told[0]} points, way {told[1]} points, {interval(*differ, form='{:.1%}')} answered "
        "otherwise)"
    )
