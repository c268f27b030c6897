"""What was frozen goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from srnn.events.choosing import Choosing, Who

if TYPE_CHECKING:
    from torch import Tensor

    from srnn.training.loop import Training


class Thaw(Choosing):
    """Particles that are frozen are trained again; those that are dropped stay so."""

    who: Who = "all"
    """Which, of those that are frozen."""

    def act(self, training: Training, place: int) -> None:
        training.thaw(place, self.particles(training, place))

    def _free(self, training: Training, place: int) -> Tensor:
        columns = training.columns(place)
        if training.frozen is None:
            return torch.zeros_like(training.weights[0, columns], dtype=torch.bool)
        frozen = training.frozen[columns]
        return frozen.clone() if training.dropped is None else frozen & ~training.dropped[columns]
