r"""Is a self-replicator stable, and does a noisy one come back?

Self-application takes a particle ``w`` to ``F(w) = w · v0 + E (v1, v2, v3)``, where ``E (P, 3)`` holds the encoded
positions and ``v`` is the particle's own row vector. With ``B = [w, E] (P, 4)`` and ``J (4, P)``, the derivative of
``v0 … v3``, the derivative of F is ``v0 I + B J``. At a self-replicator v is ``(1, 0, 0, 0, v4)``, so that all but four
of its eigenvalues are 1: those along the set of self-replicators. The other four, the *multipliers*, are 1 + the
eigenvalues of the 4 × 4 matrix ``J B``: what an error is multiplied by at each self-application.

One of them is the same for every self-replicator. Each v is of third degree in w, so that by Euler ``J w = 3 v``: the
first column of ``J B`` is ``(3, 0, 0, 0)``, and **4 is a multiplier of every self-replicator**. Its direction is w
itself, and there it holds beyond first order: ``F((1 + ε) w) = (1 + ε)⁴ w``. The other three are 1 + the eigenvalues of
the 3 × 3 block ``J₁₋₃ E``.

So no self-replicator is stable, however exactly it was made: an error along w quadruples with each application, and
one of 1e-7, a rounding error of float32, takes log 1e7 / log 4 ≈ 12 of them to be as large as the particle. Too large a
particle then diverges, too small a one becomes zero. Only rounding holds some of them for longer than that:
float32 has no number between 1 and 1 + 1.2e-7, and a particle whose v0 comes out as 1 exactly has no error along itself
to multiply, until the other errors, of 1e-8 or so, have added up.

What is unstable under self-application can still be mended: :func:`noisy_return` puts noisy clones back onto the set of
self-replicators. That set has P − 4 dimensions, so that they come back as self-replicators, but as others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from srnn.analysis.robustness import LEVELS, self_replicators
from srnn.fixpoints import FixpointType, classify, labels_of
from srnn.organism import Organism
from srnn.particle import (
    INPUTS,
    Particle,
    effective_weight,
    matrices,
    noise,
    pull_back,
    row_vector,
    self_output,
)
from srnn.particle import self_application as applied
from srnn.replication import NEWBORN, project

#: After how many self-applications it is looked how far a particle has come.
APPLICATIONS: Final = (*range(1, 21), 30, 50, 100, 200, 300, 500, 1000)
#: What every self-replicator multiplies an error along itself by.
ALONG_ITSELF: Final = 4.0
#: Tolerances of the census, the published 1e-5 among them.
TOLERANCES: Final = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7)
#: Between them a change of a weight is neither rounding nor beyond first order.
_ROUNDING, _SMALL = 1e-5, 1e-2
_QUARTILES: Final = {"Distance 25 %": 0.25, "Distance": 0.5, "Distance 75 %": 0.75, "Distance max": 1.0}


@torch.no_grad()
def self_application(
    organism: Organism, applications: Sequence[int] = APPLICATIONS, at_most: int = 1000
) -> pd.DataFrame:
    """Self-apply the self-replicators, in the precision they have, and watch them leave.

    Args:
        organism: Whose particles; it is not changed.
        applications: Numbers of self-applications to look at, in rising order.
        at_most: Of more self-replicators than this, as many are taken, evenly over the organism.

    Returns:
        A row for each number of applications:

        - Applications, Particles (int).
        - Distance 25 %, Distance, Distance 75 %, Distance max (float): quartiles, median and maximum, over the
          particles, of the largest change of any weight, ``max |w_t − w_0|``. Each is the value of a particle, not a
          mean of two, so that infinity (of one that is no longer finite) does not become NaN.
        - Identity, Zero, Divergent, Other (float): shares of the particles that are of that type by now; secondary
          fixpoints are counted as other.

    Raises:
        NotApplicableError: The organism has no self-replicator.
    """
    replicators = self_replicators(organism, at_most)
    start = organism.weights.detach()[:, replicators].contiguous()
    weights, done, rows = start, 0, []
    for count in applications:
        weights = applied(weights, organism.replicator, count - done)
        done = count
        distance = (weights - start).abs().amax(0).double().nan_to_num(nan=torch.inf, posinf=torch.inf).numpy()
        types = classify(weights, organism.replicator)
        shares = {
            kind.label.capitalize(): float((types == kind).double().mean())
            for kind in (FixpointType.IDENTITY, FixpointType.ZERO, FixpointType.DIVERGENT)
        }
        rows.append(
            {"Applications": count, "Particles": len(replicators)}
            | {name: float(np.quantile(distance, part, method="inverted_cdf")) for name, part in _QUARTILES.items()}
            | shares
            | {"Other": float((types >= FixpointType.SECONDARY).double().mean())}
        )
    return pd.DataFrame(rows)


@torch.no_grad()
def by_arithmetic(organism: Organism, applications: Sequence[int] = (20, 1000), at_most: int = 1000) -> pd.DataFrame:
    """How many self-replicators still are some after self-applications that are computed in different ways.

    What differs between the ways is rounding, and no property of the particles.

    Args:
        organism: Whose particles, of float32; it is not changed.
        applications: Numbers of self-applications to look at, in rising order.
        at_most: Of more self-replicators than this, as many are taken, evenly over the organism.

    Returns:
        A row for each way and number of applications: Arithmetic (``kernel``: as this process computes, by the fused
        kernels where they are; ``torch``: float32 by the reference; ``float64``: the reference, from the same numbers;
        ``float64, projected``: from where :func:`srnn.replication.project` brings them in double precision),
        Applications, Particles (int), Identity (float: the share that are self-replicators).

    Raises:
        NotApplicableError: The organism has no self-replicator.
    """
    replicators, particle = self_replicators(organism, at_most), organism.replicator
    start = organism.weights.detach()[:, replicators].contiguous()
    projected = start.double()
    project(projected, particle, NEWBORN)
    ways: dict[str, tuple[Tensor, Callable[[Tensor, Particle], Tensor]]] = {
        "kernel": (start, applied),
        "torch": (start, self_output),
        "float64": (start.double(), self_output),
        "float64, projected": (projected, self_output),
    }
    rows = []
    for name, (weights, once) in ways.items():
        done = 0
        for count in applications:
            for _ in range(count - done):
                weights = once(weights, particle)
            done = count
            share = float((classify(weights, particle) == FixpointType.IDENTITY).double().mean())
            rows.append((name, count, len(replicators), share))
    return pd.DataFrame(rows, columns=["Arithmetic", "Applications", "Particles", "Identity"])


def growth_rate(growth: pd.DataFrame) -> float:
    """What the largest change of any self-replicator is multiplied by at each self-application, while it is small.

    The largest, because rounding holds some where they are: the median tells how many it holds.

    Args:
        growth: As :func:`self_application` gives it; of several seeds the medians count.

    Returns:
        The geometric mean between the first and the last number of applications at which the change is above 1e-5
        (rounding) and below 1e-2 (beyond first order). NaN if there are no two.
    """
    distance = growth.groupby("Applications")["Distance max"].median()
    steady = distance[(distance > _ROUNDING) & (distance < _SMALL)]
    if len(steady) < 2:
        return float("nan")
    return float((steady.iloc[-1] / steady.iloc[0]) ** (1 / (steady.index[-1] - steady.index[0])))


def multipliers(organism: Organism, at_most: int = 1000) -> pd.DataFrame:
    """By how much each self-replicator multiplies an error of itself, and how long that lets it be one.

    Args:
        organism: Whose particles.
        at_most: Of more self-replicators than this, as many are taken, evenly over the organism.

    Returns:
        A row for each self-replicator:

        - Weight (str): the particle's name.
        - Along itself, Multiplier 1, Multiplier 2, Multiplier 3 (float): the moduli of :func:`multipliers_of`, first
          the one nearest to 4, then the others, the largest first.
        - Radius (float): the largest of the four.
        - Scale (float): ``v0``, which is 1 to the last bit in many, for rounding.
        - Error (float): the largest deviation of a weight from the particle's output for it, as the particle is.
        - Applications (float): after how many an error of that size has grown to 1 at that radius, ``−log Error /
          log Radius``; infinity for a particle without error.

    Raises:
        NotApplicableError: The organism has no self-replicator.
    """
    replicators = self_replicators(organism, at_most)
    weights = organism.weights.detach()[:, replicators].contiguous()
    found = multipliers_of(weights, organism.replicator)
    nearest = (found - ALONG_ITSELF).abs().argmin(1, keepdim=True)
    moduli = found.abs()
    others = moduli.scatter(1, nearest, -1).sort(1, descending=True).values[:, :3]
    radius = moduli.amax(1)
    error = (self_output(weights, organism.replicator) - weights).abs().amax(0).double()
    frame = pd.DataFrame({"Weight": organism.names_of(replicators)})
    frame["Along itself"] = moduli.gather(1, nearest)[:, 0].numpy()
    for place, column in enumerate(others.T, start=1):
        frame[f"Multiplier {place}"] = column.numpy()
    return frame.assign(
        Radius=radius.numpy(),
        Scale=row_vector(weights, organism.replicator)[0].numpy(),
        Error=error.numpy(),
        Applications=(-error.log() / radius.log()).numpy(),
    )


@torch.no_grad()
def multipliers_of(weights: Tensor, particle: Particle) -> Tensor:
    """The four eigenvalues of self-application's derivative that are not plainly ``v0``, in double precision.

    Args:
        weights: ``(P, N)``; of self-replicators the other P − 4 eigenvalues are 1.
        particle: What the particles are.

    Returns:
        ``(N, 4)``, complex, in no order: ``v0`` + the eigenvalues of ``J [w, e1, e2, e3]``.

    Example:
        >>> particle = Particle(4)
        >>> weights = particle.draw(100, torch.Generator().manual_seed(0)).double()
        >>> _ = project(weights, particle, iterations=NEWBORN)
        >>> bool(((multipliers_of(weights, particle) - 4).abs().amin(1) < 1e-6).all())
        True
    """
    weights = weights.double()
    _, W2, W3 = matrices(weights, particle)
    S = (W3[:, None] * W2).sum(0)
    # The derivative of each of v0 … v3 is the chain rule's answer to a gradient of 1 there.
    units = torch.eye(INPUTS, dtype=weights.dtype)[:4, :, None].expand(4, INPUTS, weights.shape[1])
    J = torch.stack([pull_back(weights, particle, S, unit) for unit in units])
    first = torch.einsum("apn,pn->na", J, weights)
    rest = torch.einsum("apn,pj->naj", J, particle.positions.to(weights))
    eigenvalues: Tensor = torch.linalg.eigvals(torch.cat([first[:, :, None], rest], dim=2))
    return eigenvalues + row_vector(weights, particle)[0, :, None]


@torch.no_grad()
def noisy_return(
    organism: Organism,
    clones: int = 10,
    levels: Sequence[float] = LEVELS,
    at_most: int = 1000,
    generator: torch.Generator | None = None,
) -> pd.DataFrame:
    """Clone each self-replicator with noise on every weight, and put the clones back onto the set.

    They are put back by :func:`srnn.replication.project`, which knows the clone but not the original.

    Args:
        organism: Whose particles are cloned.
        clones: Clones of each self-replicator at each noise level.
        levels: Noise levels, see :func:`srnn.particle.noise`.
        at_most: Of more self-replicators than this, as many are taken, evenly over the organism.
        generator: Where the noise is drawn from; without one, torch's global generator.

    Returns:
        A row for each clone:

        - Weight (the particle's name), Level (float), Clone (int, from 0).
        - Type (str): what it is when it was put back; ``identity`` if that succeeded.
        - From original, From clone (float): how far the particle that was put back is from the original and from the
          noisy clone, in lengths of the noise (Euclidean; NaN where the noise is lost in rounding altogether).
        - Worth (float): how much its effective weight differs from the original's, absolutely.

    Raises:
        NotApplicableError: The organism has no self-replicator.
    """
    particle = organism.replicator
    replicators = self_replicators(organism, at_most)
    names = np.repeat(organism.names_of(replicators), clones)
    original = organism.weights.detach()[:, replicators.repeat_interleave(clones)].contiguous()
    frames = []
    for level in levels:
        noisy = noise(original, level, generator)
        returned = noisy.clone()
        project(returned, particle, NEWBORN)
        length = (noisy - original).norm(dim=0)
        length[length == 0] = torch.nan
        types = classify(returned, particle)
        worth = (effective_weight(returned, particle) - effective_weight(original, particle)).abs()
        frames.append(
            pd.DataFrame(
                {
                    "Weight": names,
                    "Level": level,
                    "Clone": np.tile(np.arange(clones), len(replicators)),
                    "Type": labels_of(types),
                    "From original": ((returned - original).norm(dim=0) / length).numpy(),
                    "From clone": ((returned - noisy).norm(dim=0) / length).numpy(),
                    "Worth": worth.numpy(),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def return_by_level(clones: pd.DataFrame) -> pd.DataFrame:
    """How many clones of each noise level come back, and where to, over all particles (and seeds).

    Args:
        clones: As :func:`noisy_return` gives them.

    Returns:
        A row for each level, the largest first: Level, Clones (int), Identity (the share that are self-replicators
        again) and, over these alone, the medians From original, From clone and Worth and their quartiles, each with
        `` 25 %`` and `` 75 %`` behind its name (NaN where none came back).
    """
    rows = []
    for level, own in sorted(clones.groupby("Level"), reverse=True):
        back = own[own["Type"] == FixpointType.IDENTITY.label]
        row: dict[str, object] = {"Level": level, "Clones": len(own), "Identity": len(back) / len(own)}
        for column in ("From original", "From clone", "Worth"):
            row[column] = back[column].median()
            row[f"{column} 25 %"], row[f"{column} 75 %"] = back[column].quantile(0.25), back[column].quantile(0.75)
        rows.append(row)
    return pd.DataFrame(rows)


def census_by_tolerance(organism: Organism, tolerances: Sequence[float] = TOLERANCES) -> pd.DataFrame:
    """Count the particles of each type at several tolerances: how exact are the self-replicators?

    Returns:
        A row for each tolerance and type: Tolerance (float), Type (str), Particles (int).
    """
    rows = []
    for tolerance in tolerances:
        counts = torch.bincount(
            classify(organism.weights.detach(), organism.replicator, tolerance).long(), minlength=len(FixpointType)
        )
        rows += [(tolerance, kind.label, int(counts[kind])) for kind in FixpointType]
    return pd.DataFrame(rows, columns=["Tolerance", "Type", "Particles"])
