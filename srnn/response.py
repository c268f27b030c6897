"""What the multipliers of a self-replicator are made of: the response ``J₁₋₃ E``, and how it depends on the weights.

``E (P, 3)`` holds the encoded positions of a particle's weights and ``J (5, P)`` the derivative of its row vector
``v = W3 W2 W1``. Each column ``e_k`` of E is itself shaped like a particle, ``(E1, E2, E3)``, and v is linear in each
of the three matrices, so that its derivative along ``e_k`` is, by the product rule,

    ``dv_k = E3 W2 W1 + W3 E2 W1 + W3 W2 E1 = S_k W1 + S E1`` with ``S = W3 W2`` and ``S_k = E3 W2 + W3 E2``.

The entries 1 … 3 of the three ``dv_k`` are the response. Its eigenvalues λ make the multipliers of a self-replicator:
``1 + λ`` under self-application, ``1 + ηλ`` under :func:`srnn.particle.leak`; the fourth, ``4`` and ``1 + 3η``, is
along the particle itself.
"""

from __future__ import annotations

import torch
from torch import Tensor

from srnn.particle import INPUTS, Particle, matrices

#: The inputs of a particle that say where a weight is.
PLACES = slice(1, 4)
#: Columns of E.
COLUMNS = 3


def response(weights: Tensor, particle: Particle) -> Tensor:
    """The matrix ``J₁₋₃ E`` of each particle, ``[j, k]`` the derivative of ``v_(j+1)`` along ``e_k``.

    Args:
        weights: ``(P, N)``.
        particle: What the particles are.

    Returns:
        ``(3, 3, N)``.

    Example:
        >>> particle = Particle(4)
        >>> weights = particle.draw(2, torch.Generator().manual_seed(0))
        >>> torch.linalg.eigvals(response(weights, particle).movedim(-1, 0)).shape
        torch.Size([2, 3])
    """
    return derivatives(weights, particle)[PLACES]


def derivatives(weights: Tensor, particle: Particle) -> Tensor:
    """``J E`` of each particle, ``[j, k]`` the derivative of ``v_j`` along ``e_k``: ``(P, N) -> (5, 3, N)``."""
    W1, W2, W3 = matrices(weights, particle)
    E1, _, _ = matrices(particle.positions.to(weights), particle)
    S = (W3[:, None] * W2).sum(0)
    moved = (_rows(weights, particle)[:, :, None] * W1).sum(1)  # S_k W1: (k, j, N)
    return moved.transpose(0, 1) + torch.einsum("hn,hjk->jkn", S, E1)


def jacobian(weights: Tensor, particle: Particle) -> Tensor:
    """The derivative in the weights of v, five rows, and of the response, nine rows: j after j for each k.

    With ``u_j`` and ``a_j`` the columns of ``W1`` and of ``E1``, in closed form: of ``v_j`` it is ``Sᵀ`` in the column
    j of W1, ``W3ᵀ u_jᵀ`` in W2 and ``(W2 u_j)ᵀ`` in W3. Of ``dv_kj`` it is ``S_kᵀ`` in that column, ``E3ᵀ u_jᵀ + W3ᵀ
    a_jᵀ`` in W2 and ``(E2 u_j + W2 a_j)ᵀ`` in W3.

    Args:
        weights: ``(P, N)``.
        particle: What the particles are.

    Returns:
        ``(14, P, N)``.
    """
    W1, W2, W3 = matrices(weights, particle)
    E1, E2, E3 = matrices(particle.positions.to(weights), particle)
    S, moved = (W3[:, None] * W2).sum(0), _rows(weights, particle)
    U = torch.einsum("ihn,hjn->jin", W2, W1)
    EU = torch.einsum("ihk,hjn->kjin", E2, W1[:, PLACES])
    WA = torch.einsum("ihn,hjk->kjin", W2, E1[:, PLACES])
    J = weights.new_zeros(INPUTS + COLUMNS**2, *weights.shape)
    for j in range(INPUTS):
        d1, d2, d3 = matrices(J[j], particle)
        d1[:, j], d3[:] = S, U[j]
        torch.mul(W3[:, None], W1[:, j], out=d2)
    for k in range(COLUMNS):
        for j in range(COLUMNS):
            d1, d2, d3 = matrices(J[INPUTS + COLUMNS * k + j], particle)
            column = PLACES.start + j
            d1[:, column], d3[:] = moved[k], EU[k, j] + WA[k, j]
            torch.mul(E3[:, None, k, None], W1[:, column], out=d2)
            d2 += W3[:, None] * E1[:, column, k, None]
    return J


def _rows(weights: Tensor, particle: Particle) -> Tensor:
    """``S_k = E3 W2 + W3 E2``: ``(3, H, N)``."""
    _, W2, W3 = matrices(weights, particle)
    _, E2, E3 = matrices(particle.positions.to(weights), particle)
    return torch.einsum("ik,ihn->khn", E3, W2) + torch.einsum("in,ihk->khn", W3, E2)
