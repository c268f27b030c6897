"""When a seed's training ends before its epochs are over, and as what: early stopping, which restores the best."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from srnn.methods.settings import TrainingConfig
from srnn.training.learning import answers
from srnn.training.measuring import validation
from srnn.training.state import PREFIX, lasting, put

if TYPE_CHECKING:
    from srnn.training.loop import Training


class Stopping:
    """The least validation loss of each seed so far, and what the seed was then.

    Args:
        settings: How long is waited for a smaller one, and whether what there was then is restored.
        copies: How many seeds there are.

    Attributes:
        ended: Places of the seeds whose training has ended.
    """

    def __init__(self, settings: TrainingConfig, copies: int) -> None:
        self._settings = settings
        self._losses, self._epochs = [inf] * copies, [0] * copies
        self._kept: list[dict[str, Tensor]] = [{} for _ in range(copies)]
        self.ended: set[int] = set()

    @property
    def looks(self) -> bool:
        """Whether the validation loss is asked for after every epoch."""
        return self._settings.keep == "best" or self._settings.until_loss > 0

    def look(self, training: Training) -> dict[int, float]:
        """Look at the validation loss after an epoch, and end the training of seeds: the losses, by place."""
        settings, losses = self._settings, _losses(training)
        for place, loss in losses.items():
            if loss < self._losses[place]:
                self._losses[place], self._epochs[place] = loss, training.epoch
                if settings.keep == "best":
                    self._kept[place] = {name: one.detach().clone() for name, one in _moved(training, place).items()}
            waited = training.epoch - self._epochs[place]
            is_over = training.epoch == training.experiment.training.epochs or 0 < settings.patience <= waited
            if 0 < settings.until_loss >= loss or (settings.keep == "best" and is_over):
                self.ended.add(place)
                if self._kept[place]:
                    put(training, place, self._kept[place])
        return losses

    def forget(self, place: int) -> None:
        """Have only what a seed is from now on count: before, it had weights that are dropped now."""
        self._losses[place], self._epochs[place], self._kept[place] = inf, 0, {}

    def measure(self, place: int) -> dict[str, float]:
        """From which epoch a seed that has ended is, by metric."""
        return {"best_epoch": float(self._epochs[place])} if self._kept[place] else {}

    def state(self, place: int) -> tuple[dict[str, Tensor], dict[str, object]]:
        """What is kept of a seed: tensors, and small plain values."""
        if place in self.ended:
            return {}, {"ended": True}
        if self._losses[place] == inf:
            return {}, {}
        best = {"epoch": self._epochs[place], "loss": self._losses[place]}
        return {PREFIX + name: one for name, one in self._kept[place].items()}, {"best": best}

    def load(self, place: int, tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> None:
        """Take a seed that has not ended to what :meth:`state` gave."""
        if best := plain.get("best"):
            self._losses[place], self._epochs[place] = best["loss"], best["epoch"]
        own = {name.removeprefix(PREFIX): one for name, one in tensors.items() if name.startswith(PREFIX)}
        self._kept[place] = {name: one.clone() for name, one in own.items()}


@torch.no_grad()
def _losses(training: Training) -> dict[int, float]:
    organism, task = training.organism, training.task
    assert task.validation_x is not None
    assert task.validation_y is not None
    organism.eval()
    with organism.behind(training.terms.opened(training.epoch)):
        outputs = answers(organism, organism.worth(), task.validation_x)
    organism.train()
    return {place: validation(task, outputs[place], task.validation_y)["loss"] for place in training.running}


def _moved(training: Training, place: int) -> dict[str, Tensor]:
    """What training has made of a seed, but for what seeds have in common and where they have been."""
    own = lasting(training, place).items()
    return {name: one for name, one in own if one.ndim and not name.startswith("repulsion.")}
