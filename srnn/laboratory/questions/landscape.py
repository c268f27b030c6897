"""What lies between minima: of a run, of seeds, or along its course?"""

from __future__ import annotations

from itertools import pairwise

import pandas as pd
from torch import Tensor

from srnn.analysis import landscape
from srnn.analysis.statistics import CORRELATION, POSITIVE, SHARE
from srnn.errors import NotApplicableError
from srnn.laboratory.ensemble import bottoms
from srnn.laboratory.questions.question import Frames, Question, Summary
from srnn.laboratory.subject import Subject
from srnn.plots.minima import plane, ways
from srnn.runs.groups import open_runs
from srnn.runs.run import Run

#: Networks that a plane takes.
_THREE = 3
#: How long the middle of a curve is trained.
_EPOCHS = 10


def answer(subject: Subject) -> Frames:
    organism, task, generator = subject.organism(), subject.task, subject.generator
    if organism.opened is not None or any(True for _ in organism.body.parameters()):
        raise NotApplicableError("what lies between effective weights is asked of bodies that have nothing beside them")
    networks = _networks(subject.run)
    if not all(one.isfinite().all() for one in networks.values()):
        raise NotApplicableError("a network is not finite, so that there is nothing between it and another")
    lines, pairs = [], []
    for (one, a), (other, b) in pairwise(networks.items()):
        middle = landscape.curve(organism, a, b, task, generator, epochs=_EPOCHS)
        points = {"line": landscape.line(a, b), "curve": landscape.bend(a, middle, b)}
        row: dict[str, object] = {"From": one, "To": other}
        for way, own in points.items():
            found = landscape.along(organism, own, task)
            lines.append(found.assign(Way=way, From=one, To=other))
            for data, losses in found.groupby("Data")["Loss"]:
                row[f"{way} {data}".capitalize()] = landscape.barrier(losses.to_numpy())
        row |= {
            name.replace("_", " ").capitalize(): value for name, value in landscape.apart(organism, a, b, task).items()
        }
        pairs.append(row)
    first, *_, last = networks.values()
    middle = list(networks.values())[len(networks) // 2]
    columns = ["From", "To", "Way", "Data", "Point", "Loss", "Score"]
    return {
        "landscape": pd.concat(lines, ignore_index=True)[columns],
        "landscape_apart": pd.DataFrame(pairs),
        "landscape_plane": landscape.plane(organism, [first, middle, last], task),
    }


def _networks(run: Run) -> dict[str, Tensor]:
    """Three or more networks by name: its minima; or the ends of the seeds beside it; or those of its own course."""
    epochs = bottoms(run)
    if len(epochs) < _THREE:
        beside = [one for one in open_runs([run.folder.parent]) if one.status.epoch]
        if len(beside) >= _THREE:
            beside.sort(key=lambda one: one.experiment.seed != run.experiment.seed)
            return {f"seed {one.experiment.seed}": one.organism().worth() for one in beside[:_THREE]}
        logged = run.logged_epochs
        epochs = [logged[0], logged[len(logged) // 2], logged[-1]] if len(logged) >= _THREE else []
    if not epochs:
        raise NotApplicableError("there are no three networks to look between: minima, seeds, or logged epochs")
    return {f"epoch {epoch}": run.organism(epoch).worth() for epoch in epochs}


def _means(pairs: pd.DataFrame) -> pd.DataFrame:
    return pairs.drop(columns=["From", "To"]).mean().to_frame().T


_RANGES = {
    **dict.fromkeys(("Distance", "Matched distance", "Map distance", "Gradient norm", "Divergence"), POSITIVE),
    **dict.fromkeys(("Cosine", "Gradient cosine"), CORRELATION),
    "Disagreement": SHARE,
}
QUESTION = Question(
    "What lies between minima, seeds, or the ends of a course?",
    answer,
    {"landscape_apart": Summary((), reduce=_means, within=_RANGES, rows="Quantity", columns="")},
    {"landscape": ("landscape", ways), "plane": ("landscape_plane", plane)},
    trains=True,
)
