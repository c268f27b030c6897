"""The slope of a cost that is a sum over weights, off a table: one way to compute for every such cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from srnn import kernels
from srnn.kernels.pieces import FIRST, LARGEST, LEFT_OUT, PIECES, SMALLEST, TO_A_POWER

if TYPE_CHECKING:
    from srnn.kernels.packets import Call

#: How near to the ends of its piece a function is looked at: it may have a kink or a step there.
_INSIDE = 1e-12


def lines(function: Callable[[Tensor], Tensor]) -> Tensor:
    """The table of a function's slope: float32 ``(PIECES, 2)``, of each piece a and b of the slope ``a + b x``.

    Args:
        function: Of positive numbers, float64 ``(n,) -> (n,)``, differentiable.
    """
    powers = torch.arange(SMALLEST, LARGEST, dtype=torch.float64).exp2()
    ends = (powers[:, None] * (1 + torch.arange(TO_A_POWER, dtype=torch.float64) / TO_A_POWER)).flatten()
    left, right = ends, torch.cat([ends[1:], ends.new_tensor([2.0**LARGEST])])
    at = torch.cat([left * (1 + _INSIDE), right * (1 - _INSIDE)]).requires_grad_()
    function(at).sum().backward()
    assert at.grad is not None
    low, high = at.grad.view(2, -1)
    b = (high - low) / (right - left)
    # Far out, where the last piece goes on, no slope turns round.
    b[-1].clamp_(min=0)
    table = torch.stack([low - b * left, b], dim=1)
    # Below the smallest power the slope goes to zero with the weight.
    return torch.cat([table.new_tensor([[0.0, float(low[0] / left[0])]]), table]).float()


class Slope(NamedTuple):
    """The slope of ``Σ factor · scale · φ(|w| / scale)``, ``(N,)``, of the sign of the weight.

    Attributes:
        lines: The table of φ's slope, :func:`lines`.
        inverse: 1 / scale of each weight, float32 ``(N,)``.
        factor: Of each weight, float32 ``(N,)``.
        cap: The largest modulus, in terms of the weight's.
    """

    lines: Tensor
    inverse: Tensor
    factor: Tensor
    cap: float

    @kernels.or_by_torch
    def add(self, worth: Tensor, gradient: Tensor) -> None:
        """Add it to a gradient, in place, both ``(N,)``."""
        if kernels.number_path(worth, gradient) is not None:
            self.call(worth, gradient)()
            return
        # Nothing but what is rounded once and in the same way everywhere, wherever in a row a number stands.
        size = worth.abs()
        x = size * self.inverse
        piece = (((x.view(torch.int32) - FIRST) >> LEFT_OUT) + 1).clamp_(0, PIECES - 1)
        a, b = self.lines.index_select(0, piece).unbind(1)
        slope = (b * x + a) * self.factor
        most = size * self.cap
        slope = torch.where(slope > most, most, slope)
        gradient += torch.where(worth > 0, slope, -slope)

    def call(self, worth: Tensor, gradient: Tensor, then: Call | None = None) -> Call:
        """The same as a call of a kernel, and another one's with it."""
        from srnn.kernels.penalties import adding

        return adding(worth, gradient, self.inverse, self.factor, self.lines, self.cap, then)
