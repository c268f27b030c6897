"""What is done with particles that hold a NaN or an infinity: nothing, draw them anew, or end the seed's training."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

import torch
from torch import Tensor

from srnn.methods.descent import Descent
from srnn.methods.settings import Divergent
from srnn.organism import Organism
from srnn.training.learning import Streams


class Divergence:
    """Looks for what is not finite.

    Args:
        policy: ``keep``, ``reset`` or ``stop``.
        organism: Where to look.
        method: Makes new particles what the others are; its buffers of lost ones are cleared.
        streams: The generators of each seed; new particles come from ``reset``.

    Attributes:
        policy: What is done: plain numbers are not drawn anew.
        redrawn: Particles drawn anew in this epoch, by place.
        dropped: Particles ``(S · N,)`` of which nothing is left that could diverge; None for none.
    """

    def __init__(self, policy: Divergent, organism: Organism, method: Descent, streams: Streams) -> None:
        # Of plain numbers there is no newborn to be drawn.
        self.policy: Divergent = "keep" if policy == "reset" and not organism.particle.has_types else policy
        self._organism, self._method, self._streams = organism, method, streams
        self.redrawn = [0] * organism.copies
        self.dropped: Tensor | None = None

    def particles(self) -> Tensor | None:
        """Which particles, ``(S · N,)``, are not finite; None if all are."""
        weights = self._organism.weights.detach()
        # One pass in nearly every batch: a finite sum has finite terms.
        if weights.sum().isfinite():
            return None
        divergent = ~weights.isfinite().all(0)
        return divergent if divergent.any() else None

    def stopping(self, running: list[int], losses: Tensor | None = None) -> list[int]:
        """Seeds in training that have to stop because a particle, an ordinary number or a loss ``(S, B)`` diverged.

        Under ``stop`` one is enough, under ``keep`` nothing finite must be left of the seed.
        """
        strict = self.policy == "stop"
        if self.policy == "reset" or (not strict and (losses is None or losses.sum().isfinite())):
            return []
        lost = set() if losses is None else {*(~losses.isfinite().all(1)).nonzero().flatten().tolist()}
        divergent, any_or_all = self.particles(), torch.any if strict else torch.all
        if divergent is not None and self.dropped is not None and not strict:
            divergent |= self.dropped
        of = {
            place for place in running if divergent is not None and any_or_all(divergent[self._organism.columns(place)])
        }
        return [place for place in running if place in (lost | of if strict else lost & of)]

    def redraw(self, *signs: Tensor | None, frozen: Tensor | None = None) -> bool:
        """Draw divergent particles anew, if that is the policy; whether there were any.

        Args:
            signs: Numbers of the particles that are finite where all particles are: then none is looked at.
            frozen: Particles ``(S · N,)`` that stay what they are.
        """
        if self.policy != "reset":
            return False
        copies, weights = self._organism.copies, self._organism.weights.detach()
        # Each seed by its own signs, so that it is as it would be alone.
        fine = [sign.view(copies, -1).sum(1).isfinite() for sign in signs if sign is not None]
        if fine and all(own.all() for own in fine):
            return False
        looked_at = [place for place in range(copies) if not fine or not all(own[place] for own in fine)]
        divergent = self.particles()
        if divergent is not None and frozen is not None:
            divergent &= ~frozen
        if divergent is None or not divergent.any():
            return False
        for place in looked_at:
            streams = self._streams[place]
            columns = self._organism.columns(place)
            lost = columns.start + divergent[columns].nonzero().flatten()
            self.redrawn[place] += len(lost)
            drawn = self._organism.particle.draw(len(lost), streams["reset"])
            with self._organism.only(lost):
                weights[:, lost] = self._method.newborn(drawn, place).to(weights.device)
            for buffer in self._method.buffers().values():
                buffer[..., lost] = 0
        return True

    def found(self, scores: Mapping[int, Mapping[str, float]]) -> dict[int, str]:
        """What of each seed is not finite, in words, by its place."""
        divergent, words = self.particles(), {}
        of = f"of {self._organism.size:,} {'particles' if self._organism.particle.has_types else 'numbers'}"
        for place, own in scores.items():
            count = 0 if divergent is None else int(divergent[self._organism.columns(place)].sum())
            loss = own.get("task_loss", 0.0)
            if count:
                words[place] = f"{count:,} {of} hold a NaN or an infinity"
            elif self.redrawn[place]:
                words[place] = f"{self.redrawn[place]:,} particles held a NaN or an infinity"
            elif not isfinite(loss):
                words[place] = f"the task loss is {loss}"
        return words


def columns_of(organism: Organism, places: list[int]) -> Tensor | None:
    """The particles of these seeds as a mask ``(S · N,)``; None of none."""
    if not places:
        return None
    mask = torch.zeros(organism.copies * organism.size, dtype=torch.bool, device=organism.weights.device)
    for place in places:
        mask[organism.columns(place)] = True
    return mask
