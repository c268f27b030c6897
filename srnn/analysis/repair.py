"""Do self-replicators repair themselves after noise, how fast, and what becomes of what they are worth?

A network is damaged: noise on every weight of every particle, on those of a share of the particles, or on all again and
again. Then each particle is left to a rule that knows nothing but its own weights. Whether it becomes a self-replicator
again depends on the rule and on where in the set of self-replicators it was: see :func:`srnn.replication.place`. That
is not to say that it is worth what it was, which depends on where once more: see :func:`srnn.hardening.harden`. So the
effective weights, and the metric with them, are told before the noise, right after it and after the repair, beside a
dense network of the same weights under the same noise on each number.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from srnn import hardening, replication
from srnn.errors import NotApplicableError
from srnn.fixpoints import FixpointType, classify
from srnn.organism import Organism
from srnn.particle import Particle, leak, noise, row_vector, self_application
from srnn.tasks import Task

#: Largest noise on each weight.
LEVELS: Final = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3)
#: The part of the particles that is damaged where not all are.
SHARE: Final = 0.1
#: Particles of fewer hidden units cannot all be placed.
_FEWEST_HIDDEN: Final = 4

#: What is told of each case, by :func:`repair`.
COLUMNS: Final = (
    *("Placement", "Rule", "Noise", "Level", "Particles", "Identity", "Applications", "Metric", "Before", "Noisy"),
    *("Repaired", "Worth noisy", "Worth repaired"),
)

Rule = Callable[[Tensor, Particle], Tensor]


def scaled(weights: Tensor, particle: Particle) -> Tensor:
    """The rule ``w ← w v0^(−1/3) + E v₁₋₃``, which takes away an error along the particle: ``(P, N) -> (P, N)``."""
    v = row_vector(weights, particle)
    return weights * (v[0].sign() * v[0].abs() ** (-1 / 3)) + particle.positions.to(weights) @ v[1:4]


def _projected(weights: Tensor, particle: Particle) -> Tensor:
    weights = weights.clone()
    replication.project(weights, particle)
    return weights


#: What a particle is left to, by name; ``projection`` is :func:`srnn.replication.project`, no rule of its own making.
RULES: Final[Mapping[str, Rule]] = {
    "self-application": self_application,
    "leak": leak,
    "scaled": scaled,
    "projection": _projected,
}
#: Placement → its strength (None: not placed), and the rules that are tried: ``own`` are the organism's particles as
#: they are, ``ordinary`` self-replicators made to the same worths.
PLACEMENTS: Final[Mapping[str, tuple[float | None, tuple[str, ...]]]] = {
    "own": (None, ("self-application", "leak", "projection")),
    "ordinary": (None, ("self-application", "leak", "projection")),
    "placed 3": (3.0, ("self-application", "leak")),
    "placed 1": (1.0, ("leak",)),
    "placed -1": (-1.0, ("scaled",)),
    "hardened 3": (3.0, ("leak",)),
}
#: Which of them is hardened besides, see :func:`srnn.hardening.harden`, from which other.
_HARDENED: Final[Mapping[str, str]] = {"hardened 3": "placed 3"}


@torch.no_grad()
def repair(
    organism: Organism,
    task: Task,
    levels: Sequence[float] = LEVELS,
    cap: int = 100,
    generator: torch.Generator | None = None,
) -> pd.DataFrame:
    """Damage an organism, and let its particles repair themselves.

    Args:
        organism: A single one of finite particles; it is not changed.
        task: Its task.
        levels: Noise levels, see :func:`srnn.particle.noise`.
        cap: Applications of a rule that a particle has; of lasting noise as many times noise and an application.
        generator: Where particles and noise are drawn from; without one, torch's global generator.

    Returns:
        A row for each placement, rule, kind of noise and level:

        - Placement, Rule (str): see :data:`PLACEMENTS` and :data:`RULES`; last the placements ``dense``, plain numbers
          under the same noise, with the rule ``none``, and ``dense, copies``, as many numbers for each weight as a
          particle has weights, of which it is the ``mean``.
        - Noise (str): ``once`` on every particle, ``some``: once on a tenth of them, ``always``: before each
          application. Level (float).
        - Particles (int): how many were damaged.
        - Identity (float): the share of these that are self-replicators after the last application; NaN of numbers.
        - Applications (float): the median, over those, of the applications after which they first were; NaN of none
          and of lasting noise.
        - Metric (str), Before, Noisy, Repaired (float): the metric on test data, without noise, with it, and after the
          repair, without the particles that diverged. Of lasting noise Noisy is what as much of it does where nothing
          repairs.
        - Worth noisy, Worth repaired (float): the median change of the effective weights of damaged particles, of
          those that are finite; NaN of none.

    Raises:
        NotApplicableError: The particles cannot be placed, or one is not finite.

    Example:
        >>> frame = repair(run.organism(), task)  # doctest: +SKIP
        >>> frame.query("Noise == 'once' and Rule == 'leak'")[["Placement", "Level", "Identity"]]  # doctest: +SKIP
        >>> save(plots.repair.repair(frame, "digits"), "repair.png")  # doctest: +SKIP
    """
    particle, score = organism.replicator, scorer(organism, task)
    before = score(organism.worth())
    rows: list[tuple[object, ...]] = []

    def tell(case: tuple[str, str, str, float], hit: Tensor, found: tuple[float, float], *worths: Tensor) -> None:
        start, noisy, repaired = worths
        changes = [median((one - start)[hit].abs()) for one in (noisy, repaired)]
        metrics = (task.metric, before, score(noisy), score(repaired))
        rows.append((*case, int(hit.sum()), *found, *metrics, *changes))

    hits = damaged(organism.size, organism.weights.device, generator)
    for placement, weights in placed(organism, generator).items():
        for level in levels:
            for kind, hit in hits.items():
                noisy = shaken(weights, level, kind, hit, cap, generator)
                for rule in PLACEMENTS[placement][1]:
                    repaired, found = mended(weights, noisy, particle, RULES[rule], level, kind, hit, cap, generator)
                    worths = (particle.worth(one) for one in (weights, noisy, repaired))
                    tell((placement, rule, kind, level), hit, found, *worths)
    numbers, nothing = organism.worth(), (float("nan"),) * 2
    for name, copies in (("dense", 1), ("dense, copies", particle.size)):
        for level in levels:
            for kind, hit in hits.items():
                every = shaken(numbers.repeat(copies), level, kind, hit.repeat(copies), cap, generator)
                noisy = every.view(copies, -1).mean(0)
                tell((name, "none" if copies == 1 else "mean", kind, level), hit, nothing, numbers, noisy, noisy)
    return pd.DataFrame(rows, columns=COLUMNS)


@torch.no_grad()
def placed(
    organism: Organism, generator: torch.Generator | None = None, names: Collection[str] = tuple(PLACEMENTS)
) -> dict[str, Tensor]:
    """The particles of an organism, and others of the same worths in other places: ``(P, N)`` each.

    Args:
        organism: A single one; it is not changed.
        generator: Where they are drawn from.
        names: Which of :data:`PLACEMENTS` are asked for.

    Raises:
        NotApplicableError: They cannot be placed, or one is not finite.
    """
    if organism.opened is not None:
        raise NotApplicableError("what these particles are worth is behind gates, of which they know nothing")
    particle, worth = organism.replicator, organism.worth()
    if particle.hidden < _FEWEST_HIDDEN:
        raise NotApplicableError(
            f"particle.hidden is {particle.hidden}; only particles of {_FEWEST_HIDDEN} hidden units or more can all be "
            "placed where they repair themselves"
        )
    if not organism.weights.isfinite().all():
        raise NotApplicableError("a particle is not finite, so that there is none to make of the same worth")
    ordinary = replication.replicators(worth, particle, generator)
    found = {"own": organism.weights.detach(), "ordinary": ordinary}
    for name, (strength, _) in PLACEMENTS.items():
        if strength is None or name not in names:
            continue
        if (source := _HARDENED.get(name)) is not None and source in found:
            found[name] = found[source].clone()
        else:
            found[name] = ordinary.clone()
            replication.place(found[name], particle, worth, strength)
        if source is not None:
            hardening.harden(found[name], particle, strength)
    return {name: found[name] for name in names}


@torch.no_grad()
def placements(organism: Organism, generator: torch.Generator | None = None) -> pd.DataFrame:
    """How large the particles are in each place, and how much noise there changes what they are worth.

    Args:
        organism: A single one; it is not changed.
        generator: Where particles are drawn from.

    Returns:
        A row for each placement: Placement (str), Particles (int), Identity (float: the share of self-replicators),
        Norm, Sensitivity, Sensitivity repaired (float: medians of the length of the weights, of the derivative of the
        effective weight, and of :func:`srnn.hardening.sensitivity`, that is of what is left of it where a rule brings
        them back).

    Raises:
        NotApplicableError: As for :func:`repair`.
    """
    particle, rows = organism.replicator, []
    for name, weights in placed(organism, generator).items():
        slope = particle.pull_back(weights, torch.ones_like(weights[0]))
        left = hardening.sensitivity(weights, particle)
        medians = (median(one.norm(dim=0)) for one in (weights, slope, left))
        rows.append((name, weights.shape[1], _identity(weights, particle), *medians))
    columns = ["Placement", "Particles", "Identity", "Norm", "Sensitivity", "Sensitivity repaired"]
    return pd.DataFrame(rows, columns=columns)


def damaged(particles: int, device: torch.device, generator: torch.Generator | None = None) -> dict[str, Tensor]:
    """Which particles each kind of noise damages, bool ``(N,)``: all of them once or lastingly, or a tenth once."""
    every = torch.ones(particles, dtype=torch.bool, device=device)
    some = torch.rand(particles, generator=generator).to(device) < SHARE
    some[0] |= not some.any()
    return {"once": every, "some": some, "always": every}


def shaken(
    weights: Tensor, level: float, kind: str, hit: Tensor, cap: int, generator: torch.Generator | None = None
) -> Tensor:
    """Particles or numbers after all the noise that there is of a kind, with nothing to repair them."""
    for _ in range(cap if kind == "always" else 1):
        weights = torch.where(hit, noise(weights, level, generator), weights)
    return weights


def mended(
    weights: Tensor,
    noisy: Tensor,
    particle: Particle,
    rule: Rule,
    level: float,
    kind: str,
    hit: Tensor,
    cap: int,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, tuple[float, float]]:
    """Leave particles to a rule: what was damaged once, or, of lasting noise, before each of its applications.

    Args:
        weights: Without noise, ``(P, N)``.
        noisy: Of them what :func:`shaken` made.
        particle: What the particles are.
        rule: What they are left to.
        level: Of lasting noise.
        kind: ``always`` for that.
        hit: Which were damaged, bool ``(N,)``.
        cap: Applications at the most.
        generator: Of lasting noise.

    Returns:
        The particles in the end; the share of the damaged that are self-replicators then, and the median of the
        applications after which these first were, NaN of lasting noise.
    """
    if kind != "always":
        return _returned(noisy, particle, rule, hit, cap)
    for _ in range(cap):
        weights = rule(noise(weights, level, generator), particle)
    return weights, (_identity(weights, particle), float("nan"))


def scorer(organism: Organism, task: Task) -> Callable[[Tensor], float]:
    """The metric on test data as a function of what the particles are worth, ``(N,)``."""
    organism = copy.deepcopy(organism).eval()

    def score(worth: Tensor) -> float:
        # One that diverged is dropped: it would be all that is seen of the others.
        worth = worth.where(worth.isfinite(), 0)
        return float(task.score(organism.call_with(worth, task.test_x), task.test_y).mean())

    return score


def median(values: Tensor) -> float:
    """The median of those that are finite; NaN of none."""
    finite = values[values.isfinite()].double()
    return float(finite.median()) if len(finite) else float("nan")


def _identity(weights: Tensor, particle: Particle) -> float:
    return float((classify(weights, particle) == FixpointType.IDENTITY).double().mean())


def _returned(
    weights: Tensor, particle: Particle, rule: Rule, hit: Tensor, cap: int
) -> tuple[Tensor, tuple[float, float]]:
    """The particles after the rule; the share of the damaged that are identity, and the median of how long it took."""
    weights = weights.contiguous()
    first = torch.full((weights.shape[1],), np.inf, dtype=torch.float64, device=weights.device)
    for step in range(cap + 1):
        types = classify(weights, particle)
        identity = types == FixpointType.IDENTITY
        first[identity & first.isinf()] = step
        # It has left again: only a return that lasts counts.
        first[~identity] = np.inf
        # Zero fixpoints, divergent ones and self-replicators stay what they are.
        if (types <= FixpointType.IDENTITY)[hit].all() or step == cap:
            break
        weights = rule(weights, particle)
    return weights, (float(first[hit].isfinite().double().mean()), median(first[hit]))
