"""Weights are dropped in the course of training, ever fewer at a time: a cubic schedule (Zhu & Gupta 2017)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from srnn.choices import Scope, ScoreInTraining
from srnn.errors import UserError
from srnn.events.drop import require_that_none_comes_back
from srnn.events.event import Event
from srnn.events.freeze import Freeze
from srnn.section import Count, Share

if TYPE_CHECKING:
    from srnn.training.loop import Training


class Prune(Event):
    """The weights of the least score are dropped, until a density is reached, while training goes on.

    They are worth exactly 0 from then on: see :meth:`srnn.training.loop.Training.drop`. It happens after every so many
    epochs, the first time so long after ``since``, the last time at ``until``.
    """

    by: ScoreInTraining = "magnitude"
    """By which score weights are ranked, as it is then."""
    density: Share = 0.1
    """The share of all weights that is kept in the end."""
    scope: Scope = "global"
    """Whether weights are ranked all together, or in each layer."""
    since: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """The epoch from which the course is counted: after it nothing is dropped yet."""
    every: Count | None = None
    """Epochs from one time to the next; 1, if it is not said."""
    until: Count | None = None
    """The epoch after which the density is reached."""

    def due(self, time: int) -> bool:
        if self.until is None or not self.since < time <= self.until:
            return False
        return (time - self.since) % (self.every or 1) == 0

    def kept(self, epoch: int) -> float:
        """The share of all weights that is kept after an epoch of the course.

        Dropped is ``s · (1 − (1 − t)³)`` of them, with ``t`` from 0 to 1 in the course and ``s`` in its end (M. Zhu and
        S. Gupta, arXiv 1710.01878): most while there is much that is not needed.
        """
        assert self.until is not None
        ahead = (self.until - epoch) / (self.until - self.since)
        return 1 - (1 - self.density) * (1 - ahead**3)

    def require_fitting(self, training: Training, name: str) -> None:
        settings, every = training.experiment.training, self.every or 1
        if self.at:
            raise UserError(f"{name}.at is {self.at}; a course of pruning goes by since, every and until: leave it out")
        if self.until is None or not self.since < self.until <= settings.epochs:
            raise UserError(
                f"{name}.until is {self.until}; needed: the epoch after which the density is reached, from "
                f"{self.since + 1} ({name}.since is {self.since}) to {settings.epochs} (training.epochs)"
            )
        if (self.until - self.since) % every:
            raise UserError(
                f"{name}.every is {every}, of which no multiple leads from since ({self.since}) to until "
                f"({self.until}): set it to one that does, such as 1"
            )
        if settings.keep == "best" or settings.until_loss:
            key = "keep" if settings.keep == "best" else "until_loss"
            raise UserError(
                f"{name}.do is 'prune', and with training.{key} a seed may end as it was before the density was "
                "reached: leave that out"
            )
        if any(isinstance(event, Freeze) for event in training.events):
            raise UserError(
                f"{name}.do is 'prune' where particles are frozen, which would be dropped: leave out either"
            )
        if self.by in ("replication", "type") and not training.organism.particle.has_types:
            raise UserError(f"{name}.by is '{self.by}'; a plain number replicates nothing: take another")
        require_that_none_comes_back(training, name, "prune")

    def act(self, training: Training, place: int) -> None:
        import torch

        from srnn import importance

        organism, columns = training.organism.single(place), training.columns(place)
        dropped = torch.zeros_like(organism.weights[0], dtype=torch.bool)
        if training.dropped is not None:
            dropped = training.dropped[columns]
        score = importance.score(self.by, organism, training.task, generator=training.streams[place]["events"])
        parts = [slice(None)] if self.scope == "global" else [*organism.layers.values()]
        # Of what began with fewer as many as are left: none comes back.
        shares = [min(self.kept(training.epoch), float((~dropped[part]).double().mean())) for part in parts]
        worth = training.organism.worth()[columns]
        kept = importance.keep(score, shares, organism.layers, self.scope, worth=worth, dropped=dropped)
        training.drop(place, (~kept & ~dropped).nonzero().flatten())
