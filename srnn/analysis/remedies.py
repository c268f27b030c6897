"""What might give damaged particles back what they were worth: copies, a healthy neighbour, a grid.

A particle that repairs itself (:mod:`srnn.analysis.repair`) is a self-replicator again, but worth something else,
unless it is hardened (:func:`srnn.hardening.harden`). What else might give it back its worth is redundancy:

- ``copies``: each weight has :data:`COPIES` equal particles and is worth their mean, or their median. They are left to
  the leak, or the damaged ones, which are those that are no self-replicators, are rewritten by a copy that still is
  one. An *attack* by it does nothing: a self-replicator's function is the identity map, which leaves every victim as it
  is. *Melting* hands over half of the weights at a time.
- ``grid``: worths are multiples of :data:`SPACING`, and after each leak a particle is placed anew, worth the nearest
  of these.

Plain numbers can have the same redundancy, and do so beside them: as many copies, of which the mean or the median is
taken, and the same grid.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import pandas as pd
import torch
from torch import Tensor

from srnn import replication
from srnn.analysis.repair import COLUMNS, LEVELS, Rule, damaged, median, mended, placed, scorer, shaken
from srnn.fixpoints import FixpointType, classify
from srnn.organism import Organism
from srnn.particle import Particle, attack, leak, melt, noise
from srnn.tasks import Task

#: Particles, or numbers, of each weight that has copies.
COPIES: Final = 3
#: Of the grid.
SPACING: Final = 0.05

#: What is made of the worths of the copies of each weight: ``(C, N) -> (N,)``.
_Reading = Callable[[Tensor], Tensor]


@torch.no_grad()
def remedies(
    organism: Organism,
    task: Task,
    levels: Sequence[float] = LEVELS,
    cap: int = 100,
    generator: torch.Generator | None = None,
) -> pd.DataFrame:
    """Damage particles and numbers that are redundant, as :func:`srnn.analysis.repair.repair` does, and mend them.

    Args:
        organism: A single one of finite particles; it is not changed.
        task: Its task.
        levels: Noise levels, see :func:`srnn.particle.noise`.
        cap: As of :func:`srnn.analysis.repair.repair`.
        generator: Where particles and noise are drawn from; without one, torch's global generator.

    Returns:
        Columns and kinds of noise as of :func:`srnn.analysis.repair.repair`. Particles and Identity are of each copy by
        itself, Before and the changes of the worths of what is made of all copies. Of the grid Before is the metric
        with worths that lie on it. The placements are

        - ``copies``, with the rules ``leak``, ``attack`` and ``melting``, and ``numbers, copies`` with ``none``, each
          followed by what is made of the copies, as ``leak, mean``;
        - ``grid``, with ``leak, nearest``, and ``numbers, grid``, with ``nearest``.

    Raises:
        NotApplicableError: As of :func:`srnn.analysis.repair.repair`.

    Example:
        >>> remedies(run.organism(), task).query("Noise == 'some'")  # doctest: +SKIP
    """
    particle, score = organism.replicator, scorer(organism, task)
    rows: list[tuple[object, ...]] = []

    def tell(
        case: tuple[str, str, str, float], hit: Tensor, found: tuple[float, float], read: _Reading, *worths: Tensor
    ) -> None:
        start, noisy, repaired = (read(one.view(-1, organism.size)) for one in worths)
        touched = hit.view(-1, organism.size).any(0)
        changes = [median((one - start)[touched].abs()) for one in (noisy, repaired)]
        rows.append((*case, int(hit.sum()), *found, task.metric, *map(score, (start, noisy, repaired)), *changes))

    one = placed(organism, generator, ["placed 3"])["placed 3"]
    on_grid = one.clone()
    replication.place(on_grid, particle, nearest(organism.worth()))
    rules: dict[str, tuple[Tensor, dict[str, Rule], dict[str, _Reading]]] = {
        "copies": (one.repeat(1, COPIES), {"leak": leak, **from_a_healthy_copy(organism.size, generator)}, _READINGS),
        "grid": (on_grid, {"leak, nearest": _to_grid}, {"": _mean}),
    }
    for placement, (weights, own, readings) in rules.items():
        hits = damaged(weights.shape[1], weights.device, generator)
        for level in levels:
            for kind, hit in hits.items():
                noisy = shaken(weights, level, kind, hit, cap, generator)
                for name, rule in own.items():
                    repaired, found = mended(weights, noisy, particle, rule, level, kind, hit, cap, generator)
                    worths = [particle.worth(some) for some in (weights, noisy, repaired)]
                    for how, read in readings.items():
                        tell((placement, name + how, kind, level), hit, found, read, *worths)
    nothing = (float("nan"),) * 2
    copies, numbers = organism.worth().repeat(COPIES), nearest(organism.worth())
    for level in levels:
        for kind, hit in damaged(len(copies), copies.device, generator).items():
            noisy = shaken(copies, level, kind, hit, cap, generator)
            for how, read in _READINGS.items():
                tell(("numbers, copies", f"none{how}", kind, level), hit, nothing, read, copies, noisy, noisy)
        for kind, hit in damaged(len(numbers), numbers.device, generator).items():
            noisy = shaken(numbers, level, kind, hit, cap, generator)
            put_back = nearest(noisy)
            if kind == "always":
                put_back = numbers
                for _ in range(cap):
                    put_back = nearest(noise(put_back, level, generator))
            tell(("numbers, grid", "nearest", kind, level), hit, nothing, _mean, numbers, noisy, put_back)
    return pd.DataFrame(rows, columns=COLUMNS)


def nearest(worth: Tensor) -> Tensor:
    """The multiples of :data:`SPACING` that are nearest."""
    return (worth / SPACING).round() * SPACING


def from_a_healthy_copy(weights: int, generator: torch.Generator | None = None) -> dict[str, Rule]:
    """Rules by which a copy that is a self-replicator meets those of the same weight that are none.

    Args:
        weights: How many there are of which each particle is a copy, N: particles are ``(P, C · N)``, copy by copy.
        generator: Of what is melted.
    """

    def rule(meet: Callable[[Tensor, Tensor, Particle], Tensor]) -> Rule:
        def act(particles: Tensor, particle: Particle) -> Tensor:
            sound = (classify(particles, particle) == FixpointType.IDENTITY).view(-1, weights)
            healthy = sound.int().argmax(0) * weights + torch.arange(weights, device=particles.device)
            met = ~sound & sound.any(0)
            others = particles[:, healthy.repeat(len(sound))]
            return torch.where(met.flatten(), meet(particles, others, particle), particles)

        return act

    return {
        "attack": rule(lambda victims, healthy, particle: attack(healthy, victims, particle)),
        "melting": rule(lambda damaged, healthy, _: melt(damaged, healthy, generator)),
    }


def _to_grid(weights: Tensor, particle: Particle) -> Tensor:
    weights = leak(weights, particle)
    replication.place(weights, particle, nearest(particle.worth(weights)), iterations=1)
    return weights


def _mean(worths: Tensor) -> Tensor:
    """Of those copies that did not diverge."""
    return worths.where(worths.isfinite(), torch.nan).nanmean(0)


def _median(worths: Tensor) -> Tensor:
    """Of those, too."""
    return worths.where(worths.isfinite(), torch.nan).nanmedian(0).values


#: What a weight with copies is worth, by how a rule's name goes on.
_READINGS: Final[dict[str, _Reading]] = {", mean": _mean, ", median": _median}
