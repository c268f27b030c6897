"""What every term is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from srnn.section import Section

if TYPE_CHECKING:
    from torch import Tensor


class Term(Section):
    """A cost on the effective weights, or a gate before the body: ``[terms.NAME]`` of an experiment.

    It sees the weights of an organism, whatever they are made of.
    """

    def cost(self, worth: Tensor) -> Tensor | None:
        """What is added to the mean task loss by the weights ``(N,)`` of one organism: a scalar, differentiable.

        None for nothing that torch would have to differentiate in every batch.
        """
        return None
