"""What the kernels ask of a kind of particle."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Kind(Protocol):
    """A kind of particle as :class:`srnn.Particle` is one; what is computed from it is remembered by its hash.

    Attributes:
        hidden: Units ``H`` of both hidden layers.
        size: Weights ``P`` of one particle.
        positions: Encoded (layer, cell, index) of each weight, ``(P, 3)``.
    """

    @property
    def hidden(self) -> int: ...

    @property
    def size(self) -> int: ...

    @property
    def positions(self) -> Tensor: ...

    def __hash__(self) -> int: ...
