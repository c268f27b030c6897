"""The tables about other minima: how far repulsion leads, what lies between, and what networks are worth together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Final

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from srnn.analysis import landscape
from srnn.analysis.ensembles import ensemble, probabilities
from srnn.analysis.statistics import ANYTHING, POSITIVE, SHARE, Range, holm, mean_interval, paired
from srnn.experiment import ComparisonConfig, Experiment
from srnn.fixpoints import FixpointType, classify
from srnn.laboratory.ensemble import bottoms, snapshots
from srnn.laboratory.subject import Subject
from srnn.organism import Organism
from srnn.particle import Particle
from srnn.plots.minima import distances, plane, ways
from srnn.runs.run import Run
from srnn.tables.desk import ALPHA, Desk, between, interval, markdown, probability, side_by_side, values
from srnn.tasks import Task

#: Of each pair what its two tests say, by name.
Tests = dict[tuple[str, str], dict[str, Any]]

PRESETS: Final = ("repulsion", "snapshots")
#: What both presets are changed in for networks of a kind: without a name, of plain numbers, in nothing.
_KINDS: Final[dict[str, tuple[str, ...]]] = {
    "": (),
    "sgd": ("particle.kind=weightwise", "replication.method=sgd", "training.lr=0.008"),
    "lifted": ("particle.kind=weightwise", "replication.method=lifted", 'replication.every="epoch"'),
}
#: The same in words.
_OF: Final = {
    "": "of plain numbers",
    "sgd": "of weightwise particles that descend on the task and on replication",
    "lifted": "of weightwise particles that follow plain numbers and are made self-replicators after every epoch",
}
#: Each variant of ``repulsion`` beside its control, in the order of the questions; both have the same schedule.
CONTROLS: Final = {
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
}
#: What else is told apart: what is pushed from, and schedules without repulsion.
DIRECT: Final = (
    ("last", "pushed"),
    ("merged", "pushed"),
    ("slow-control", "control"),
    ("drops-control", "control"),
    ("longer-control", "control"),
    ("restarts-control", "control"),
)
#: Whose minima are looked between, and whose distances are drawn.
BETWEEN: Final = (
    "control",
    "pushed",
    "strength-0.1",
    "strength-10",
    "restarts-control",
    "restarts",
    "fresh-control",
)
_DRAWN: Final = ("control", "pushed", "width-1", "strength-10", "fresh")
#: Ways to make members, as they are called; ``seeds`` are of four runs.
_TOGETHER: Final = ("long", "constant", "cosine", "cyclic", "repulsion", "cosine-repulsion", "seeds")
_OF_SEEDS: Final = 4
#: Those of them whose runs are variants of ``repulsion``, too, and trained once.
_TRAINED_AS: Final = {
    "constant": "repulsion-control",
    "cosine": "repulsion-restarts-control",
    "repulsion": "repulsion-pushed",
    "cosine-repulsion": "repulsion-restarts",
}
#: Which of them are told apart.
_GAINS: Final = (
    ("cosine-repulsion", "cosine"),
    ("cosine-repulsion", "repulsion"),
    ("cosine", "long"),
    ("repulsion", "constant"),
    ("seeds", "long"),
)
#: Between which the share of particles that change their type is told apart.
_RETYPED: Final = (
    ("pushed", "control"),
    ("strength-0.1", "control"),
    ("restarts", "restarts-control"),
    ("fresh-control", "control"),
)
#: Training examples by which it is judged what lies between minima.
_EXAMPLES: Final = 10_000
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
    "types_by_chance": ("by chance", "{:.2%}", SHARE, 1),
}


def of_kind(kind: str, preset: Experiment) -> Experiment:
    """A preset with networks of a kind, in place of plain numbers, and without what the other has, too.

    Trajectories of particles are large, and whole only where something is asked of what a run was on its way.
    """
    changed = preset.override([f"name={preset.name}-{kind}", "log.particles=1", *_KINDS[kind]]) if kind else preset
    variants = {}
    for name, changes in preset.comparison.variants.items():
        members = preset.name == "snapshots"
        if members and name in _TRAINED_AS:
            continue
        variants[name] = [_scaled(change, changed.training.lr / preset.training.lr) for change in changes]
        variants[name] += ["log.particles=all"] if members or name in BETWEEN else []
    return changed.model_copy(update={"comparison": ComparisonConfig(variants=variants)})


def _scaled(change: str, factor: float) -> str:
    """A learning rate of its own that is as much slower than that of the others."""
    key, _, value = change.partition("=")
    return f"{key}={factor * float(value):g}" if key == "training.lr" else change


def minima(desk: Desk, kind: str) -> str:
    """Does repulsion lead to other minima, and are networks from there better together? Of numbers, or of particles."""
    desk = replace(desk, runs={name.replace(f"-{kind}-", "-", 1): runs for name, runs in desk.runs.items()})
    far = {variant: _far(desk.runs[f"repulsion-{variant}"]) for variant in {**CONTROLS, **_reversed(CONTROLS)}}
    broken = _broken({variant: desk.runs[f"repulsion-{variant}"] for variant in far})
    scores = {variant: _accuracy(desk.runs[f"repulsion-{variant}"]) for variant in far}
    tests = _tests(far, scores)
    lying = pd.concat([_lying_between(desk, variant) for variant in BETWEEN], ignore_index=True)
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
    columns, seeds = _columns(lying), min(_OF_SEEDS, len(desk.runs["snapshots-seeds"]))
    ps = ("p", "corrected")
    of_tests = ["variant", "against", "far", "the other", "difference", *ps, "accuracy", "difference in points", *ps]
    return f"""A network of 64 units in two hidden layers, {_OF[kind]}, is in a minimum
after every quarter of its epochs; from then on hills at its minima push it away. Distances are root mean squares of
differences of effective weights, in units of the first minimum's: unrelated networks are about 1.4 apart. *far* is the
distance from the last minimum when the next is left, in the mean over minima. Beside each variant is its control with
the same schedule and a strength of 0: plain training moves away, too. Differences are paired by seed; the {len(tests)}
tests of distance are one family, and so are those of accuracy.

{side_by_side(images)}

{markdown(_rows(tests), of_tests)}
{_of_broken(broken)}
Between each minimum and the next: barriers are how much higher than the mean of both ends the training error (in
percentage points) and loss (in nats) are on the straight line and on the way that training took, by {_EXAMPLES:,}
training examples; *random* is how much a step of the same length in a random direction adds to the loss. *matched* is
the relative distance once units are in the order that fits best, *cosine* that of the effective weights, *gradient* the
length of the loss's at the second minimum and *its cosine* that with the one at the first. *differ* is the share of
test examples that are answered otherwise{_of_types(columns)}.

{markdown(_of_landscape(lying, columns), ["variant", *(_LYING[column][0] for column in columns)])}

Together, on test data, at as many epochs altogether: members from the bottoms of the schedule, the minima and the end,
and of *seeds* from {seeds} runs of a quarter, each of which is in {seeds} of these ensembles: their intervals are too
narrow.

{markdown(_of_ensembles(together), ["members from", "members", "accuracy", "NLL", "ECE", "differ / error"])}

Judged:

{_judged(far, tests, lying, together, broken)}
"""


def _columns(lying: pd.DataFrame) -> list[str]:
    """What there is to tell of what lies between minima: of plain numbers no types."""
    return [column for column in _LYING if lying[column].notna().any()]


def _of_types(columns: Sequence[str]) -> str:
    if "types" not in columns:
        return ""
    return """, *of particles* the relative distance of all
weights that particles are made of, *types that differ* the share of particles of another type, and *by chance* what
that would be if types were dealt anew to the particles"""


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


def _broken(runs: Mapping[str, Sequence[Run]]) -> dict[str, str]:
    """In how many seeds training broke down, of variants in which it did."""
    counts = {
        variant: sum(not np.isfinite(run.metrics.query("Metric == 'task_loss'")["Score"]).all() for run in own)
        for variant, own in runs.items()
    }
    return {variant: f"{count} of {len(runs[variant])}" for variant, count in counts.items() if count}


def _of_broken(broken: Mapping[str, str]) -> str:
    told = ", ".join(f"{variant} in {seeds}" for variant, seeds in broken.items())
    return f"\nThe loss was no number at some time, and particles were drawn anew: {told} seeds.\n" if told else ""


def _course(run: Run) -> pd.DataFrame:
    own = run.metrics.query("Metric == @_FAR").drop_duplicates("Epoch", keep="last")
    return own[["Epoch", "Score"]].rename(columns={"Score": "Distance"})


def _tests(far: dict[str, pd.Series], scores: dict[str, pd.Series]) -> Tests:
    """Each variant against another, in distance and in accuracy; each of the two is one family of tests."""
    found: Tests = {}
    for variant, other in (*CONTROLS.items(), *DIRECT):
        one: dict[str, Any] = {"Far": far[variant], "Other": far[other], "Accuracy": scores[variant]}
        for name, of in (("far", far), ("accuracy", scores)):
            pairs = pd.concat([of[variant], of[other]], axis=1, join="inner")
            one |= {f"{key} ({name})": value for key, value in paired(*pairs.to_numpy().T).items()}
        found[variant, other] = one
    for name in ("far", "accuracy"):
        for one, corrected in zip(found.values(), holm([one[f"p ({name})"] for one in found.values()]), strict=True):
            one[f"Holm ({name})"] = float(corrected)
    return found


def _rows(tests: Tests) -> list[list[str]]:
    rows = []
    for pair, one in tests.items():
        far = [interval(*mean_interval(one[key], POSITIVE), form="{:.3f}") for key in ("Far", "Other")]
        moved = between(*(one[f"{key} (far)"] for key in _ENDS), form="{:+.3f}")
        points = between(*(100 * one[f"{key} (accuracy)"] for key in _ENDS), form="{:+.2f}")
        accuracy = interval(*mean_interval(one["Accuracy"], SHARE), form="{:.4f}") + values(one["Accuracy"], "{:.4f}")
        ps = [[probability(one[f"{p} ({name})"]) for p in ("p", "Holm")] for name in ("far", "accuracy")]
        rows.append([*pair, *far, moved, *ps[0], accuracy, points, *ps[1]])
    return rows


def _minima(run: Run) -> dict[int, Tensor]:
    return {epoch: run.organism(epoch).worth() for epoch in bottoms(run)}


def _lying_between(desk: Desk, variant: str) -> pd.DataFrame:
    """For each seed and each minimum what lies between it and the next."""

    def ask(subject: Subject) -> pd.DataFrame:
        run, organism, rows = subject.run, subject.organism(), []
        epochs, task = bottoms(run), _fewer(subject.task)
        for one, other in pairwise(epochs):
            logged = [epoch for epoch in run.logged_epochs if one <= epoch <= other]
            path = {epoch: run.organism(epoch).worth() for epoch in logged}
            row = landscape.valley(organism, path, task, subject.generator)
            row |= landscape.apart(organism, path[one], path[other], task)
            rows.append(row | of_particles(run.organism(one), run.organism(other)) | {"From": one, "To": other})
        return pd.DataFrame(rows)

    return desk.over_seeds(f"repulsion-{variant}", ask).assign(Variant=variant)


def _fewer(task: Task) -> Task:
    return replace(task, train_x=task.train_x[:_EXAMPLES], train_y=task.train_y[:_EXAMPLES])


def of_particles(one: Organism, other: Organism) -> dict[str, float]:
    """How far particles are from where they are in another organism, and which share of them is of another type.

    Beside it the share that would be if types were dealt anew. Of plain numbers all are NaN.
    """
    if not isinstance(one.particle, Particle):
        return dict.fromkeys(("particles", "types", "types_by_chance"), float("nan"))
    types = [classify(organism.weights.detach(), organism.replicator) for organism in (one, other)]
    a, b = (organism.weights.detach().double() for organism in (one, other))
    shares = [torch.bincount(own.long(), minlength=len(FixpointType)).double() / len(own) for own in types]
    return {
        "particles": float((a - b).norm() / a.norm()),
        "types": float((types[0] != types[1]).double().mean()),
        "types_by_chance": 1 - float(shares[0] @ shares[1]),
    }


def _ways(desk: Desk, run: Run) -> pd.DataFrame:
    """The loss on the straight line and on a curve of little loss between the last two minima."""
    task, organism, generator = desk.task("repulsion-control"), run.organism(), torch.Generator()
    generator.manual_seed(run.experiment.seed)
    *_, a, b = _minima(run).values()
    desk.watch(f"a curve, seed {run.experiment.seed}")
    middle = landscape.curve(organism, a, b, task, generator, epochs=10)
    points = {"line": landscape.line(a, b), "curve": landscape.bend(a, middle, b)}
    return pd.concat(landscape.along(organism, own, _fewer(task)).assign(Way=way) for way, own in points.items())


def _plane(desk: Desk, variant: str) -> pd.DataFrame:
    run = desk.runs[f"repulsion-{variant}"][0]
    found = [*_minima(run).values()]
    return landscape.plane(
        run.organism(), [found[0], found[len(found) // 2], found[-1]], desk.task("repulsion-control")
    )


def _of_landscape(lying: pd.DataFrame, columns: Sequence[str]) -> list[list[str]]:
    rows = []
    for variant, own in lying.groupby("Variant", sort=False):
        each = own.groupby("Seed")[[*columns]].mean()
        cells = []
        for column in columns:
            _, form, within, factor = _LYING[column]
            cells.append(interval(*mean_interval(factor * each[column], within), form=form))
        rows.append([str(variant), *cells])
    return rows


def _together(desk: Desk, way: str) -> pd.DataFrame:
    """What the members of each seed are worth together; of ``seeds`` each seed with the three after it."""
    preset = _TRAINED_AS.get(way, f"snapshots-{way}")
    task, runs, frames = desk.task(preset), desk.runs[preset], []
    for place, run in enumerate(runs):
        desk.watch(f"{preset}, seed {run.experiment.seed}")
        if way == "seeds":
            chosen = [runs[(place + more) % len(runs)] for more in range(min(_OF_SEEDS, len(runs)))]
            organisms = [one.organism() for one in chosen]
        else:
            organisms = [run.organism(epoch) for epoch in bottoms(run)]
        members = [probabilities(organism, task.test_x) for organism in organisms]
        frames.append(ensemble(members, task.test_y).iloc[[-1]].assign(Way=way, Seed=run.experiment.seed))
    return pd.concat(frames, ignore_index=True)


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


def _judged(
    far: dict[str, pd.Series], tests: Tests, lying: pd.DataFrame, together: pd.DataFrame, broken: Mapping[str, str]
) -> str:
    """A sentence for each remark, by what was measured."""

    def said(*pairs: str | tuple[str, str]) -> str:
        each = [(pair, CONTROLS[pair]) if isinstance(pair, str) else pair for pair in pairs]
        return "; ".join(_said(tests, *pair) for pair in each)

    gains = _gains(together)
    sentences = [
        f"Width: {said('width-0.1', 'width-0.25', 'width-1')}.",
        f"Strength: {said('strength-0.1', 'strength-10')}.",
        f"Both: {said('narrow-strong', 'wide-strong')}. {_what_counts(far)}",
        f"Learning rate: {said('slow', ('slow-control', 'control'))}.",
        f"Drops of the learning rate: {said('drops', ('drops-control', 'control'))}.",
        f"Epochs: {said('longer', ('longer-control', 'control'))}.",
        f"All minima, the last, or one large one: {said('pushed', 'last', 'merged', *DIRECT[:2])}.",
        f"The other kernel: {said('tanh')}.",
        f"Restarts: {said('restarts', ('restarts-control', 'control'))}. {' '.join(gains[:2])}",
        f"Fresh starts: {said('fresh')}.",
        f"Ensembles: {' '.join(gains[2:])} These and those of restarts are one family of tests.",
        f"Valley or walk: {'; '.join(_went(lying, variant, broken) for variant in BETWEEN)}.",
    ]
    if lying["types"].notna().any():
        sentences.append(f"Types: {_types(lying)}")
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _said(tests: Tests, variant: str, other: str) -> str:
    one, told = tests[variant, other], []
    for name, factor, form, what in (
        ("far", 1, "{:+.3f}", "in distance"),
        ("accuracy", 100, "{:+.2f}", "points of accuracy"),
    ):
        ends = between(*(factor * one[f"{key} ({name})"] for key in _ENDS), form=form)
        told.append(f"{ends} {what}{'' if one[f'Holm ({name})'] < ALPHA else ', not shown'}")
    beside = "its control" if CONTROLS.get(variant) == other else other
    return f"{variant} minus {beside} is {' and '.join(told)}"


def _what_counts(far: dict[str, pd.Series]) -> str:
    """What four times the width adds to the distance, at two strengths, and a hundred times the strength."""
    strong = far["wide-strong"] - far["narrow-strong"]
    width, strength = far["width-1"] - far["width-0.25"], far["strength-10"] - far["strength-0.1"]
    added, more, less, by_strength = (
        between(*mean_interval(gain), form="{:+.3f}") for gain in (width, strong, strong - width, strength)
    )
    return (
        f"Four times the width adds {added} to the distance, and at ten times the strength {more}: {less} more, paired "
        f"by seed. A hundred times the strength adds {by_strength}."
    )


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


def _types(lying: pd.DataFrame) -> str:
    """How many particles are of another type in the next minimum, and where that is more: one family of tests."""
    if not lying["types"].any():
        return "no particle is of another type in the next minimum, in any of these."
    columns = ["types", "types_by_chance", "disagreement"]
    each = {variant: lying[lying["Variant"] == variant].groupby("Seed")[columns].mean() for variant in BETWEEN}
    told = []
    for variant in BETWEEN:
        own = [each[variant][column] for column in columns]
        types, chance, differ = (interval(*mean_interval(one, SHARE), form="{:.1%}") for one in own)
        told.append(f"{variant} {types} of particles ({chance} by chance) and {differ} of answers")
    tests = [paired(*(each[variant]["types"].to_numpy() for variant in pair)) for pair in _RETYPED]
    apart = []
    for (one, other), test, corrected in zip(_RETYPED, tests, holm([test["p"] for test in tests]), strict=True):
        ends = between(*(100 * test[key] for key in _ENDS), form="{:+.1f}")
        ps = f"p = {probability(test['p'])}, corrected {probability(corrected)}"
        apart.append(f"{one} minus {other}: {ends} points ({ps})")
    return f"from one minimum to the next are others: {'; '.join(told)}. Of particles: {'; '.join(apart)}."


def _went(lying: pd.DataFrame, variant: str, broken: Mapping[str, str]) -> str:
    """Whether training went through a valley, over a hill, or stayed in its basin: by the seeds' mean over all minima.

    Two minima are of one basin if the error's barrier on the line between them is below 2 points; else the way is
    through a valley if its own barrier is below a tenth of the line's, over a hill if it is above. Each has to hold of
    the whole 95 % interval over the seeds. What broke down went nowhere by itself, and is told so.
    """
    own = lying[lying["Variant"] == variant].groupby("Seed")[["line_error", "path_error", "disagreement"]].mean()
    line, way = (mean_interval(own[column], SHARE) for column in ("line_error", "path_error"))
    if variant in broken:
        kind = f"broke down in {broken[variant]} seeds"
    elif line[2] < _STABLE:
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
