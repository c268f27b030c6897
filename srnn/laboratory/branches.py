"""The runs of a study of pruning: the trunk, what else is scored, and the branches, each an experiment by itself.

All are in the study's folder, ``STUDY/NAME/seed-S``: ``trunk``, the others by their names, and branches such as
``magnitude-round-3`` or ``lamp-0.1-reinit``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from srnn.analysis.rounds import DENSE, TICKET, schedule
from srnn.bodies.body import MLPConfig
from srnn.choices import Score
from srnn.errors import UserError
from srnn.events.prune import Prune
from srnn.experiment import Experiment
from srnn.settings import PruningConfig, StartConfig

#: The name of what is trained whole.
TRUNK = "trunk"
#: The control of a run that is only scored.
SCORED = "scored"
#: What else is in the folder of a study.
_TAKEN = ("results", "figures")


@dataclass(frozen=True)
class Branch:
    """A run of a study.

    Attributes:
        experiment: What is run, in the folder of the study.
        by: By which score, and of which other run, weights are dropped: ``magnitude``, ``organism-type``; empty of the
            trunk and of what is only scored.
        round: Which round it is, or which of the densities; 0 where nothing is dropped.
        control: :data:`srnn.analysis.rounds.DENSE`, :data:`SCORED`, :data:`srnn.analysis.rounds.TICKET`, or that.
        begins: The epoch at which it begins.
    """

    experiment: Experiment
    by: str = ""
    round: int = 0
    control: str = DENSE
    begins: int = 0


def branches(study: Experiment, folder: Path) -> list[Branch]:
    """What a study of pruning consists of, in the order in which it can be run.

    Args:
        study: An experiment with ``[pruning]``.
        folder: Its folder, as the branches will name it.

    Raises:
        UserError: Two have the same name, or one is not valid.
    """
    rewind = study.pruning.rewind
    pinned = study.checkpoint.pin + ([] if rewind == "end" else [rewind])
    checkpoint = study.checkpoint.model_copy(update={"pin": sorted({*pinned})})
    trunk = study.model_copy(update={"name": TRUNK, "pruning": PruningConfig(), "checkpoint": checkpoint})
    found = [Branch(trunk), *(Branch(other, control=SCORED) for other in study.scored().values())]
    for score in dict.fromkeys(study.pruning.by):
        found += _of_score(study, trunk, folder, score)
    for name, other in study.pruning.others.items():
        for score in dict.fromkeys(other.by):
            found += _of_score(study, trunk, folder, score, name)
    names = [branch.experiment.name for branch in found]
    for place, name in enumerate(names):
        if name in names[:place] or name in _TAKEN:
            raise UserError(f"pruning.others.{name} has the name of another run of the study: choose another")
    return found


def _of_score(study: Experiment, trunk: Experiment, folder: Path, score: Score, other: str = "") -> Iterator[Branch]:
    """The branches whose weights are dropped by one score, each followed by its controls."""
    settings, last = study.pruning, trunk.training.epochs
    by = f"{other}-{score}" if other else score
    before, ended = TRUNK, last
    for number, (label, density) in enumerate(_densities(study), start=1):
        name, iterated = f"{by}-{label}", isinstance(settings.rounds, int) or settings.iterative
        if settings.cubic:
            yield Branch(_pruned(trunk, name, score, density, settings), by, number, TICKET)
            continue
        begins = ended if settings.rewind == "end" else settings.rewind
        begun = begins - last if settings.rewind == "end" else begins
        start = StartConfig(
            run=str(folder / before),
            epoch=begins,
            of=str(folder / other) if other else "",
            drop=score,
            at=(0 if before == TRUNK else begun) if score == "snip" else "end",
            density=density,
            scope=settings.scope,
        )
        until = begins + last if settings.rewind == "end" else last
        yield Branch(_begun(trunk, name, start, until), by, number, TICKET, begins)
        controlled = not settings.controlled or number in settings.controlled
        for control in dict.fromkeys(settings.controls if controlled else ()):
            # On the trunk: what was dropped before is no matter to it.
            start = StartConfig(run=str(folder / TRUNK), epoch=begins, mask=str(folder / name), control=control)
            yield Branch(_begun(trunk, f"{name}-{control}", start, until), by, number, control, begins)
        if iterated:
            before, ended = name, until


def _pruned(trunk: Experiment, name: str, score: Score, density: Any, settings: PruningConfig) -> Experiment:
    """The trunk from birth, of which weights are dropped while it is trained."""
    since, until = settings.cubic
    event = Prune.model_validate(
        {"do": "prune", "by": score, "density": density, "scope": settings.scope, "since": since, "until": until}
    )
    branch = _begun(trunk, name, StartConfig(), trunk.training.epochs)
    return branch.model_copy(update={"events": {**trunk.events, "prune": event}})


def _begun(trunk: Experiment, name: str, start: StartConfig, until: int) -> Experiment:
    training = trunk.training.model_copy(update={"epochs": until})
    texts = {"name": name, "about": f"{name}, a branch of {trunk.about or trunk.name}"[:4_000], "duration": ""}
    return trunk.model_copy(update={**texts, "start": start, "training": training})


def _densities(study: Experiment) -> list[tuple[str, float | list[float]]]:
    """What each branch keeps, of the whole or of each layer, and how that is told in its name."""
    settings = study.pruning
    if not settings.rounds:
        return [(f"{density:g}", density) for density in dict.fromkeys(settings.densities)]
    wanted = range(1, settings.rounds + 1) if isinstance(settings.rounds, int) else sorted({*settings.rounds})
    if settings.scope == "global":
        return [(f"round-{done}", (1 - settings.rate) ** done) for done in wanted]
    assert isinstance(study.body, MLPConfig)
    every = schedule(study.body.depth, max(wanted), settings.rate, settings.last_rate)
    return [(f"round-{done}", every[done - 1]) for done in wanted]
