"""How robust are self-replicators? Noisy clones of them, self-applied until they are zero or divergent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from srnn.errors import NotApplicableError
from srnn.fixpoints import TOLERANCE, FixpointType, classify, labels_of
from srnn.organism import Organism
from srnn.particle import Particle, noise, self_application

#: The published noise levels, 1e0 … 1e-9.
LEVELS: Final = tuple(10.0**-exponent for exponent in range(10))
#: Weights of clones that are computed at once, at most: most end after a few steps, and the few others take many.
_AT_ONCE: Final = 2**22
#: Clones that have ended are sorted out, which takes time, once fewer than this share of all goes on.
_KEPT: Final = 0.75


def robustness(
    organism: Organism,
    clones: int = 10,
    levels: Sequence[float] = LEVELS,
    cap: int = 1000,
    at_most: int = 1000,
    generator: torch.Generator | None = None,
) -> pd.DataFrame:
    """Clone each self-replicator with noise on every weight, and self-apply the clones until zero or divergence.

    Self-replicators are the particles of type ``identity``; zero fixpoints are not among them.

    Args:
        organism: Whose particles are cloned.
        clones: Clones of each self-replicator at each noise level.
        levels: Noise levels, see :func:`srnn.particle.noise`.
        cap: Steps after which a clone that is neither zero nor divergent is given up.
        at_most: Of more self-replicators than this, as many are taken, evenly over the organism.
        generator: Where the noise is drawn from; without one, torch's global generator.

    Returns:
        A row for each clone: Weight (the particle's name), Level (float), Clone (int, from 0), Steps (int, the
        self-applications until it was zero or divergent), Identity steps (int, at how many of these steps it passed
        the identity test before), End (``zero``, ``divergent``, or ``cap``: neither within ``cap`` steps).

    Raises:
        NotApplicableError: The organism has no self-replicator.
    """
    weights = organism.weights.detach()
    replicators = self_replicators(organism, at_most)
    source = replicators.repeat_interleave(clones)
    levels, each = [*levels], len(source)
    several = max(1, _AT_ONCE // max(1, each * len(weights)))
    parts = []
    for first in range(0, len(levels), several):
        own = levels[first : first + several]
        noisy = torch.cat([noise(weights[:, source].contiguous(), level, generator) for level in own], dim=1)
        parts.append(until_zero_or_divergent(noisy, organism.replicator, cap))
    steps, identity, ends = (torch.cat(part) for part in zip(*parts, strict=True))
    return pd.DataFrame(
        {
            "Weight": np.tile(np.repeat(organism.names_of(replicators), clones), len(levels)),
            "Level": np.repeat(levels, each),
            "Clone": np.tile(np.arange(clones), len(replicators) * len(levels)),
            "Steps": steps.numpy(),
            "Identity steps": identity.numpy(),
            "End": labels_of(ends, none="cap"),
        }
    )


def self_replicators(organism: Organism, at_most: int) -> Tensor:
    """Places of the particles of type ``identity``, int64 ``(n,)``; of more than ``at_most`` as many, evenly.

    Raises:
        NotApplicableError: There is none.
    """
    types = classify(organism.weights.detach(), organism.replicator)
    replicators = torch.nonzero(types == FixpointType.IDENTITY).flatten()
    if not len(replicators):
        raise NotApplicableError(
            f"none of the {organism.size:,} particles is a self-replicator; "
            "train replication longer or with a larger replication.alpha"
        )
    if len(replicators) > at_most:
        replicators = replicators[torch.linspace(0, len(replicators) - 1, at_most).round().long()]
    return replicators


def until_zero_or_divergent(
    weights: Tensor, particle: Particle, cap: int = 1000, tolerance: float = TOLERANCE
) -> tuple[Tensor, Tensor, Tensor]:
    """Self-apply particles until each is a zero fixpoint or divergent, or has made ``cap`` steps.

    Args:
        weights: ``(P, N)``.
        particle: What the particles are.
        cap: Largest number of steps.
        tolerance: See :func:`srnn.fixpoints.classify`.

    Returns:
        ``(N,)`` each: steps made; at how many of them the particle passed the identity test before the step; and the
        :class:`FixpointType` it ended as, or -1 if it made ``cap`` steps and was still neither.
    """
    several = max(1, _AT_ONCE // len(weights))
    blocks = [_until_the_end(block.contiguous(), particle, cap, tolerance) for block in weights.split(several, dim=1)]
    steps, identity, ends = (torch.cat(parts) for parts in zip(*blocks, strict=True))
    return steps, identity, ends


def _until_the_end(weights: Tensor, particle: Particle, cap: int, tolerance: float) -> tuple[Tensor, Tensor, Tensor]:
    count = weights.shape[1]
    steps, identity = torch.full((count,), cap), torch.zeros(count, dtype=torch.long)
    ends = torch.full((count,), -1)
    # Which particles the columns of weights are, which of them have not ended, and at how many steps each has passed.
    columns, goes_on = torch.arange(count), torch.ones(count, dtype=torch.bool)
    passed = torch.zeros(count, dtype=torch.long)
    for step in range(cap + 1):
        types = classify(weights, particle, tolerance)
        ended = goes_on & ((types == FixpointType.ZERO) | (types == FixpointType.DIVERGENT))
        if ended.any():
            gone = columns[ended]
            steps[gone], identity[gone], ends[gone] = step, passed[ended], types[ended].long()
            goes_on &= ~ended
        left = int(goes_on.sum())
        if not left or step == cap:
            break
        if left < _KEPT * len(columns):
            columns, passed, types, weights = (part[..., goes_on] for part in (columns, passed, types, weights))
            weights, goes_on = weights.contiguous(), goes_on[goes_on]
        passed += types == FixpointType.IDENTITY
        weights = self_application(weights, particle)
    identity[columns[goes_on]] = passed[goes_on]
    return steps, identity, ends


def by_level(clones: pd.DataFrame) -> pd.DataFrame:
    """Medians and ends of the clones of each noise level, over all particles (and seeds).

    Args:
        clones: As :func:`robustness` gives them.

    Returns:
        A row for each level, the largest first: Level, Clones (int), Steps, Steps 25 %, Steps 75 %, Identity steps,
        Identity 25 %, Identity 75 % (medians and quartiles; a clone that hit the cap counts with the cap), Zero,
        Divergent, Cap (shares of the clones).
    """
    rows = []
    for level, own in sorted(clones.groupby("Level"), reverse=True):
        row: dict[str, object] = {"Level": level, "Clones": len(own)}
        for column, short in (("Steps", "Steps"), ("Identity steps", "Identity")):
            row[column] = own[column].median()
            row[f"{short} 25 %"], row[f"{short} 75 %"] = own[column].quantile(0.25), own[column].quantile(0.75)
        rows.append(row | {end.capitalize(): (own["End"] == end).mean() for end in ("zero", "divergent", "cap")})
    return pd.DataFrame(rows)
