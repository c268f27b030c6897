"""How replication is trained: gradient descent on its loss, or steps straight onto the set of self-replicators.

A particle replicates itself exactly where ``v = W3 W2 W1`` is ``(1, 0, 0, 0, v4)``. That leaves its effective weight v4
free: :func:`project` brings a particle there as the weight that it is, :func:`lift` as any weight one asks for, and
:func:`place` to where, besides, it repairs itself.
"""

from __future__ import annotations

import torch
from torch import Tensor

from srnn import kernels
from srnn.choices import Target
from srnn.particle import (
    INPUTS,
    Particle,
    effective_weight,
    matrices,
    pull_back,
    replication_gradient,
    row_vector,
    self_output,
)
from srnn.response import COLUMNS, jacobian, response

#: Iterations of :func:`project` that bring newborn particles of any size onto the set: most need fewer than ten.
NEWBORN = 100
#: The longest step of :func:`lift`, in lengths of the particle: Newton steps lead astray from far away.
_LONGEST_STEP = 0.5
#: How far a particle made to order may be from replicating itself, and its worth, in parts, from what was asked.
_EXACT = 1e-6
#: How often particles are drawn for it.
_DRAWS = 20
#: What is added to the diagonal of its system, in parts of the trace, and in any case: a singular one is solved, too.
_DAMPING, _SMALLEST = 1e-6, 1e-30
#: Of :func:`place`: what a squared deviation of the response counts beside one of v (a particle must follow what it is
#: to be worth; the next step mends the response).
_RESPONSE_COUNTS = 1e-4


@kernels.or_by_torch
def train(
    weights: Tensor,
    particle: Particle,
    steps: int,
    lr: float,
    momentum: float,
    alpha: float = 1.0,
    target: Target = "frozen",
    buffer: Tensor | None = None,
) -> Tensor:
    """Take ``steps`` steps of SGD on ``alpha · Σ replication loss`` over the particles, in place.

    The update is that of :class:`torch.optim.SGD`: ``buffer ← momentum · buffer + gradient``, then
    ``weights ← weights − lr · buffer``.

    Args:
        weights: ``(P, N)``, changed in place.
        particle: What the particles are.
        steps: Number of steps, 0 or more.
        lr: Learning rate.
        momentum: Momentum, 0 for none.
        alpha: Factor of the replication loss.
        target: Whether the weights as data are constants (``frozen``) or differentiated through (``live``).
        buffer: Momentum buffer ``(P, N)``, changed in place; without one it starts at zero and is not kept.

    Returns:
        The replication loss of each particle before each step, its mean over the steps, ``(N,)``.
    """
    weights = weights.detach()
    if (fast := kernels.fast_path(weights, particle, buffer)) is not None:
        loss: Tensor = fast.train(weights, particle, steps, lr, momentum, alpha, target, buffer)
        return loss
    if buffer is None and momentum:
        buffer = torch.zeros_like(weights)
    total = weights.new_zeros(weights.shape[1])
    for _ in range(steps):
        loss, gradient = replication_gradient(weights, particle, target)
        total += loss
        if buffer is None:
            weights.sub_(gradient, alpha=lr * alpha)
        else:
            buffer.mul_(momentum).add_(gradient, alpha=alpha)
            weights.sub_(buffer, alpha=lr)
    return total / max(steps, 1)


def project(weights: Tensor, particle: Particle, iterations: int = 1) -> Tensor:
    """Make the particles self-replicators by the smallest change that keeps what they are worth, in place.

    This is :func:`lift` to their own effective weights: ``v4`` stays as it is, not only to first order.

    Args:
        weights: ``(P, N)``, changed in place.
        particle: What the particles are.
        iterations: Newton steps. After a step of training one is enough; newborn particles take up to 100.

    Returns:
        How far each particle still is, ``(N,)``: see :func:`lift`.

    Example:
        >>> particle = Particle(4)
        >>> weights = particle.draw(1000, torch.Generator().manual_seed(0))
        >>> bool((project(weights, particle, iterations=100) < 1e-6).all())
        True
    """
    return lift(weights, particle, effective_weight(weights.detach(), particle), iterations)


@torch.no_grad()
def reach(weights: Tensor, particle: Particle, effective: Tensor, iterations: int = NEWBORN) -> None:
    """Have particles be worth these effective weights by about the smallest change, replicators or not, in place.

    Newton steps of least norm, none longer than half the particle; what is left is made up by the column of ``W1`` that
    nothing but ``v4`` depends on.

    Args:
        weights: ``(P, N)``, changed in place.
        particle: What the particles are.
        effective: ``(N,)``.
        iterations: At most so many steps.
    """
    ones = torch.ones_like(effective)
    for _ in range(iterations):
        left = effective - effective_weight(weights, particle)
        if float(left.abs().max()) < _EXACT:
            break
        slope = particle.pull_back(weights, ones)
        step = slope * (left / slope.square().sum(0).clamp(min=_SMALLEST))
        longest = _LONGEST_STEP * weights.norm(dim=0)
        weights += step * (longest / step.norm(dim=0).clamp(min=_SMALLEST)).clamp(max=1)
    reached = effective_weight(weights, particle)
    weights[INPUTS - 1 : INPUTS * particle.hidden : INPUTS] *= torch.where(reached == 0, 1.0, effective / reached)


@torch.no_grad()
@kernels.or_by_torch
def lift(
    weights: Tensor, particle: Particle, effective: Tensor, iterations: int = 1, worth: Tensor | None = None
) -> Tensor:
    """Make the particles self-replicators with these effective weights by the smallest change, in place.

    With ``c = v − (1, 0, 0, 0, effective)``, ``S = W3 W2`` and ``U = W2 W1`` the linearised change that leads there and
    has the least norm is ``ΔW3 = −(U λ)ᵀ``, ``ΔW2 = −W3ᵀ (W1 λ)ᵀ``, ``ΔW1 = −Sᵀ λᵀ`` where ``A λ = c`` and
    ``A = UᵀU + |W3|² W1ᵀW1 + |S|² I``, 5 × 5. A step longer than half the particle is shortened to that. What the last
    step leaves over, being of second order, ``W1`` makes up alone: ``ΔW1 = −Sᵀ cᵀ / |S|²`` is exact, for v is linear in
    W1. (It is left out while it would be longer than half of W1.)

    A particle that this does not bring nearer stays as it was, to the bit: one of zeros, one of NaN or infinity, one
    so small that ``v`` is nothing beside 1 in its precision. One that is worth so much that the rounding errors of its
    v4 are not small beside 1 is brought nearer but cannot arrive.

    Args:
        weights: ``(P, N)``, changed in place.
        particle: What the particles are.
        effective: What each is to be worth, ``(N,)``.
        iterations: Newton steps.
        worth: ``(N,)``, overwritten with what each is worth in the end; it may be ``effective``.

    Returns:
        The largest ``|c|`` that is left, ``(N,)``: rounding errors where it has converged, NaN where it was NaN.
    """
    weights = weights.detach()
    if (fast := kernels.fast_path(weights, particle, effective, worth)) is not None:
        left: Tensor = fast.lift(weights, particle, effective.detach(), iterations, worth)
        return left
    goal = torch.zeros(INPUTS, weights.shape[1], dtype=weights.dtype, device=weights.device)
    goal[0], goal[4] = 1, effective
    moved = weights.clone()
    for _ in range(iterations):
        _newton_step(moved, particle, goal)
    _closing_step(moved, particle, goal)
    before, after = row_vector(weights, particle) - goal, row_vector(moved, particle) - goal
    # False for NaN, before or after.
    better = after.square().sum(0) < before.square().sum(0)
    weights.copy_(torch.where(better, moved, weights))
    if worth is not None:
        worth.copy_(effective_weight(weights, particle))
    return torch.where(better, after, before).abs().amax(0)


def _newton_step(weights: Tensor, particle: Particle, goal: Tensor) -> None:
    W1, W2, W3 = matrices(weights, particle)
    S = (W3[:, None] * W2).sum(0)
    c = (S[:, None] * W1).sum(0) - goal
    U = torch.einsum("ijn,jan->ian", W2, W1)
    A = torch.einsum("ian,ibn->nab", U, U)
    A += W3.square().sum(0)[:, None, None] * torch.einsum("jan,jbn->nab", W1, W1)
    diagonal = A.diagonal(dim1=1, dim2=2)
    diagonal += S.square().sum(0)[:, None]
    diagonal += (_DAMPING * diagonal.sum(1) + _SMALLEST)[:, None]
    factor, _ = torch.linalg.cholesky_ex(A)
    solution = torch.cholesky_solve(c.T[:, :, None], factor)[:, :, 0].T
    # The step's squared length is λ · c.
    length = (solution * c).sum(0)
    shorten = (_LONGEST_STEP**2 * weights.square().sum(0) / length).clamp(max=1).sqrt()
    weights -= pull_back(weights, particle, S, solution * shorten)


def _closing_step(weights: Tensor, particle: Particle, goal: Tensor) -> None:
    W1, W2, W3 = matrices(weights, particle)
    S = (W3[:, None] * W2).sum(0)
    c = (S[:, None] * W1).sum(0) - goal
    square = S.square().sum(0)
    small = c.square().sum(0) < _LONGEST_STEP**2 * square * W1.square().sum((0, 1))
    W1 -= torch.where(small, S[:, None] * (c / square), 0)


@torch.no_grad()
@kernels.or_by_torch
def place(
    weights: Tensor,
    particle: Particle,
    effective: Tensor,
    strength: float = 3.0,
    iterations: int = 100,
    worth: Tensor | None = None,
) -> Tensor:
    r"""Make the particles self-replicators that repair themselves, with these effective weights, in place.

    Self-application F takes a particle w to ``w v0 + E v₁₋₃``, where ``E (P, 3)`` holds the encoded positions. At a
    self-replicator, ``v = (1, 0, 0, 0, v4)``, its derivative is ``I + B J`` with ``B = [w, E]`` and J the derivative of
    ``v0 … v3`` in w: all but four eigenvalues are 1, the others 1 + those of the 4 × 4 matrix ``J B``. v is of third
    degree in w, so ``J w = 3 v`` (Euler), which makes the first column ``(3, 0, 0, 0)`` and the eigenvalues 3 and those
    of ``J₁₋₃ E``. Under the leaky rule ``w ← w + η (F(w) − w)`` (:func:`srnn.particle.leak`) an error is multiplied
    by 1 along the set of self-replicators, and off it by ``1 + 3η`` and ``1 + ηλ``, λ an eigenvalue of ``J₁₋₃ E``.

    That matrix can be chosen. Here it is made ``strength · I``: with ``strength = 3`` and ``η = −1/3`` all four
    multipliers are 0, and what noise does to a particle, but for second order, is gone after one application: the
    particle is a self-replicator again, though worth a little something else. With 1 they are 0 and 2/3. The rule
    ``w ← w v0^(−1/3) + E v₁₋₃`` wants −1.

    These are 14 equations, five for v and nine for the matrix, each of third or second degree in the P weights. They
    are solved by Gauss–Newton: each step is the smallest that solves the linearised equations, ``Δw = −Jᵀ λ`` where
    ``J Jᵀ λ = c``, J being :func:`srnn.response.jacobian` and c the deviations; a step longer than half the particle
    is shortened to that. What the last step leaves over of v, being of second order, ``W1`` makes up, as in
    :func:`lift`, so that the particles are self-replicators to the last bits.

    With four hidden units or more newborns of any encoding arrive, in some ten steps; with three about two thirds of
    them; with two there is no such particle (two columns of W1 and W2 span too little for three eigenvalues). Those of
    larger norm are worth more of a change under the same noise: the norm grows two- to fourfold with strength 3, less
    with the encoding ``max``. :func:`balance` would undo the placement, and is not needed.

    Args:
        weights: ``(P, N)``, changed in place.
        particle: What the particles are.
        effective: What each is to be worth, ``(N,)``.
        strength: What ``J₁₋₃ E`` is to be, times the identity.
        iterations: Gauss–Newton steps. After a step of training one is enough; newborns take some ten, a few more.
        worth: ``(N,)``, overwritten with what each is worth in the end; it may be ``effective``.

    Returns:
        The largest deviation of v and of ``J₁₋₃ E`` that is left, ``(N,)``: rounding errors where it has converged. A
        particle that was not brought nearer stays as it was, to the bit: one of zeros, of NaN or infinity.

    Example:
        >>> particle = Particle(4)
        >>> weights = particle.draw(100, torch.Generator().manual_seed(0))
        >>> bool((place(weights, particle, torch.linspace(-2, 2, 100)) < 1e-4).all())
        True
    """
    weights = weights.detach()
    if (fast := kernels.fast_path(weights, particle, effective, worth)) is not None:
        left: Tensor = fast.place(weights, particle, effective.detach(), strength, iterations, worth)
        return left
    goal = torch.zeros(INPUTS, weights.shape[1], dtype=weights.dtype, device=weights.device)
    goal[0], goal[4] = 1, effective
    moved = weights.clone()
    for _ in range(iterations):
        _placing_step(moved, particle, goal, strength)
    _closing_step(moved, particle, goal)
    before, after = (_misplaced(own, particle, goal, strength) for own in (weights, moved))
    # False for NaN, before or after.
    better = _distance(after) < _distance(before)
    weights.copy_(torch.where(better, moved, weights))
    if worth is not None:
        worth.copy_(effective_weight(weights, particle))
    return torch.where(better, after, before).abs().amax(0)


def _misplaced(weights: Tensor, particle: Particle, goal: Tensor, strength: float) -> Tensor:
    """By how much v and the response deviate, ``(14, N)``, in the order of :func:`srnn.response.jacobian`."""
    wanted = strength * torch.eye(COLUMNS, dtype=weights.dtype, device=weights.device)
    off = response(weights, particle) - wanted[:, :, None]
    return torch.cat([row_vector(weights, particle) - goal, off.transpose(0, 1).flatten(end_dim=1)])


def _distance(c: Tensor) -> Tensor:
    return c[:INPUTS].square().sum(0) + _RESPONSE_COUNTS * c[INPUTS:].square().sum(0)


def _placing_step(weights: Tensor, particle: Particle, goal: Tensor, strength: float) -> None:
    c = _misplaced(weights, particle, goal, strength)
    J = jacobian(weights, particle).movedim(-1, 0)
    A = J @ J.mT
    diagonal = A.diagonal(dim1=1, dim2=2)
    diagonal += (_DAMPING * diagonal.sum(1) + _SMALLEST)[:, None]
    factor, _ = torch.linalg.cholesky_ex(A)
    solution = torch.cholesky_solve(c.T[:, :, None], factor)
    length = (solution[:, :, 0].T * c).sum(0)
    shorten = (_LONGEST_STEP**2 * weights.square().sum(0) / length).clamp(max=1).sqrt()
    weights -= (J.mT @ solution)[:, :, 0].T * shorten


@torch.no_grad()
def replicators(effective: Tensor, particle: Particle, generator: torch.Generator | None = None) -> Tensor:
    """New self-replicators that are worth what one asks for: ``(N,) -> (P, N)``.

    Drawn as newborn particles are, lifted, and balanced. Where that leads nowhere, as for a weight far larger than a
    newborn's, a particle is first made a self-replicator and then worth that much by the one column of W1 that nothing
    else depends on; where it still is none, another is drawn.

    Raises:
        ValueError: A value is not finite.
        RuntimeError: Particles of that size do not become self-replicators, as with a single hidden unit they may not.

    Example:
        >>> weights = replicators(torch.tensor([0.5, -3.0]), Particle(4), torch.Generator().manual_seed(0))
        >>> effective_weight(weights, Particle(4))
        tensor([ 0.5000, -3.0000])
    """
    if not effective.isfinite().all():
        raise ValueError("a weight is NaN or infinite; only finite ones can be made of particles")
    weights = particle.draw(len(effective), generator).to(effective)
    lift(weights, particle, effective, NEWBORN)
    balance(weights, particle)
    for _ in range(_DRAWS):
        # Both as exact as a self-replicator has to be, and worth what was asked for to a few units in the last place.
        v = row_vector(weights, particle)
        out = (self_output(weights, particle) - weights).abs().amax(0)
        exact = (out < _EXACT) & ((v[4] - effective).abs() <= _EXACT * effective.abs().clamp(min=0.1))
        again = (~exact).nonzero().flatten()
        if not len(again):
            return weights
        fresh, goal = particle.draw(len(again), generator).to(effective), effective[again]
        project(fresh, particle, NEWBORN)
        balance(fresh, particle)
        W1, W2, W3 = matrices(fresh, particle)
        S = (W3[:, None] * W2).sum(0)
        W1[:, 4] = S * (goal / S.square().sum(0))
        lift(fresh, particle, goal, 3)
        weights[:, again] = fresh
    raise RuntimeError(f"{len(again):,} of {len(effective):,} particles with hidden={particle.hidden} are none yet")


@torch.no_grad()
def balance(weights: Tensor, particle: Particle) -> Tensor:
    """Rescale the three matrices of each particle to norms as equal as powers of two allow, in place.

    ``v`` stays the same to the bit (but where numbers leave the range of their type), and with it all that a particle
    does for a task; balanced factors keep the steps of :func:`lift` short and its system well conditioned.

    Args:
        weights: ``(P, N)``, changed in place.
        particle: What the particles are.

    Returns:
        What each weight was multiplied by, ``(P, N)``. Particles of zeros or of NaN are multiplied by one.
    """
    blocks = matrices(weights.detach(), particle)
    norms = torch.stack([block.flatten(end_dim=-2).norm(dim=0) for block in blocks])
    logs = norms.log2()
    usable = logs.isfinite().all(0)
    exponents = torch.where(usable, (logs.mean(0) - logs).round(), 0)
    # They add up to zero; the second matrix takes what rounding leaves.
    exponents[1] = -exponents[0] - exponents[2]
    scale = torch.cat(
        [
            exponent.exp2().expand(block.flatten(end_dim=-2).shape)
            for exponent, block in zip(exponents, blocks, strict=True)
        ]
    )
    weights.detach().mul_(scale)
    return scale
