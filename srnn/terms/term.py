"""What every term is."""

from __future__ import annotations

from torch import Tensor

from srnn.section import Section


class Term(Section):
    """A gate on the effective weights before the body, and/or a cost on them: ``[terms.NAME]`` of an experiment.

    It sees the weights ``(N,)`` of one organism, whatever they are made of.
    """

    def gate(self, worth: Tensor) -> Tensor:
        """With which weights the body is called instead, ``(N,)``, differentiable: by default with these."""
        return worth

    def cost(self, worth: Tensor) -> Tensor | None:
        """What is added to the mean task loss, a scalar, differentiable; None for nothing."""
        return None
