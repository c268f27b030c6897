"""A swarm: particles of one kind side by side, those of several organisms one after the other, and what they are worth.

It is the lower half of the hourglass: nothing here knows of bodies or tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from srnn import kernels
from srnn.particle import Particle

#: Bytes to whose multiples torch aligns its tensors.
_ALIGNMENT = 64


class Kind(Protocol):
    """What a weight is made of: :class:`srnn.Particle`, or :class:`srnn.number.Number`, a particle of one weight."""

    @property
    def size(self) -> int:
        """Weights P of one of them."""

    @property
    def has_types(self) -> bool:
        """Whether it can be a fixpoint of self-application."""

    def newborn(self, values: Tensor, generator: torch.Generator | None) -> Tensor:
        """New ones in place of a body's weights ``(N,)``: float32 ``(P, N)``."""

    def draw(self, count: int, generator: torch.Generator | None) -> Tensor:
        """New ones in place of those that were lost: float32 ``(P, count)``."""

    def worth(self, weights: Tensor) -> Tensor:
        """What each is worth as a weight of the body: ``(P, N) -> (N,)``, differentiable."""

    def pull_back(self, weights: Tensor, gradient: Tensor) -> Tensor:
        """Chain rule from a gradient ``(N,)`` of what they are worth to one of ``weights``: ``(P, N)``."""


class Swarm(nn.Module):
    """Particles of one kind, of as many organisms as there are copies.

    Args:
        particle: What they are.
        weights: Those of one organism, ``(P, N)``.

    Attributes:
        weights: A parameter of shape ``(P, N)``: P weights of N particles. Of ``copies`` organisms side by side it is
            ``(P, copies · N)``, one organism after the other.
        copies: How many organisms this is.
        opened: What each worth is multiplied by behind gates that are at rest, ``(copies · N,)``; None where there are
            no gates, and in training, where gates are drawn.
    """

    opened: Tensor | None

    def __init__(self, particle: Kind, weights: Tensor) -> None:
        super().__init__()
        self.particle = particle
        self.copies = 1
        self.weights = nn.Parameter(weights)
        self.register_buffer("opened", None, persistent=False)
        #: What the particles are worth, as of which weights, at which version of these; whether they are behind it.
        self._worth: tuple[Tensor, Tensor, int | None, bool] | None = None

    @property
    def size(self) -> int:
        """Number N of particles of one organism."""
        return self.weights.shape[1] // self.copies

    def columns(self, place: int) -> slice:
        """The particles of the organism at that place among those side by side."""
        return slice(place * self.size, (place + 1) * self.size)

    @property
    def together(self) -> bool:
        """Whether all organisms may be computed at once, with the bits that each has alone.

        Our kernels compute a particle from nothing but itself. How torch sums up or ends a row may depend on what
        stands beside it; plain numbers are not summed up.
        """
        return self.copies == 1 or self.particle.size == 1 or self.fused() is not None

    def fused(self, *others: Tensor | None) -> ModuleType | None:
        """The kernels, if they can compute with the particles and the other tensors, as of the same shape."""
        particle = self.particle
        return kernels.fast_path(self.weights.detach(), particle, *others) if isinstance(particle, Particle) else None

    def on(self, places: Collection[int], act: Callable[..., Tensor], *tensors: Tensor | None) -> Tensor:
        """Act on the particles of these organisms, each as it would be alone.

        Args:
            places: At least one; the others are left as they are.
            act: Given the columns ``(…, N)`` of each tensor, or all at once; may change them in place. What it returns,
                ``(…, N)``, is put together.
            tensors: ``(…, copies · N)``, or None, which is passed on.

        Returns:
            ``(…, copies · N)``, zeros for the other organisms.
        """
        if len(places) == self.copies and self.together:
            return act(*tensors)
        result = None
        for place in places:
            columns = self.columns(place)
            parts = [None if tensor is None else tensor[..., columns].clone() for tensor in tensors]
            own = act(*parts)
            for tensor, part in zip(tensors, parts, strict=True):
                if tensor is not None and part is not None:
                    tensor[..., columns] = part
            if result is None:
                result = own.new_zeros(*own.shape[:-1], self.copies * self.size)
            result[..., columns] = own
        assert result is not None
        return result

    def worth(self) -> Tensor:
        """What the particles are worth, or will be once they follow, ``(copies · N,)``, without gradient.

        Behind gates it is what is used of that.
        """
        known = self._known
        own = self.on(range(self.copies), self.particle.worth, self.weights.detach()) if known is None else known[0]
        return self.gated(own)

    def gated(self, worth: Tensor) -> Tensor:
        """What is used of that worth, ``(copies · N,)``, behind :attr:`opened`, differentiable."""
        # What diverged behind a closed gate is not there either.
        return worth if self.opened is None else (worth * self.opened).masked_fill(self.opened == 0, 0)

    @contextmanager
    def behind(self, opened: Tensor | None) -> Iterator[None]:
        """Be worth what is used behind these gates, inside this context."""
        before, self.opened = self.opened, opened
        try:
            yield
        finally:
            self.opened = before

    def remember(self, worth: Tensor, ahead: bool = False) -> None:
        """Take note of what the particles are worth, where who moved them knows: ``(copies · N,)``, until they change.

        A change in place through ``weights.data`` is one that torch does not count: make it under ``no_grad``.

        Args:
            worth: As which weights of the body they count from now on.
            ahead: Whether they are behind, and have to follow.
        """
        self._worth = worth, self.weights.detach(), self._age, ahead

    @property
    def ahead(self) -> Tensor | None:
        """What the particles will be worth, ``(copies · N,)``, where they are behind; None where they are not."""
        known = self._known
        return known[0] if known is not None and known[3] else None

    @contextmanager
    def only(self, particles: slice | Tensor) -> Iterator[None]:
        """Change no others than these inside this context: if those are behind, they stay so."""
        ahead = self.ahead
        yield
        if ahead is not None:
            ahead[particles] = self.worth()[particles]
            self.remember(ahead, ahead=True)

    @property
    def _known(self) -> tuple[Tensor, Tensor, int | None, bool] | None:
        """What is remembered, if that is of the weights as they are."""
        known = self._worth
        # Memory that is held is not another's: whoever replaces the weights' data changes its address.
        if known is None or known[2] is None or known[2] != self._age:
            return None
        return known if known[1].data_ptr() == self.weights.data_ptr() else None

    @property
    def _age(self) -> int | None:
        # An inference tensor has none.
        return None if self.weights.is_inference() else self.weights._version

    def pull_back(self, gradient: Tensor) -> Tensor:
        """Chain rule through the waist: a gradient ``(copies · N,)`` to one of ``weights``, ``(P, copies · N)``."""
        return self.on(range(self.copies), self.particle.pull_back, self.weights.detach(), gradient)

    @contextmanager
    def still(self, frozen: Tensor | None, *buffers: Tensor) -> Iterator[None]:
        """Keep particles as they are, whoever moves them inside this context, and their buffers at zero.

        To mask a gradient would not do: momentum, weight decay, replication and interactions move a particle all the
        same.

        Args:
            frozen: bool ``(copies · N,)``; None for none.
            buffers: What moves them besides, ``(…, copies · N)``.
        """
        if frozen is None:
            yield
            return
        before = self.weights.detach()[:, frozen].clone()
        try:
            yield
        finally:
            with self.only(frozen):
                self.weights.detach()[:, frozen] = before
            for buffer in buffers:
                buffer[..., frozen] = 0

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_worth": None}


def aligned(part: Tensor) -> Tensor:
    """A part of a tensor, as a copy unless it begins where a tensor of its own would.

    Libraries choose their way through a product by that, and with it the last bits.
    """
    return part if part.data_ptr() % _ALIGNMENT == 0 else part.clone()
