"""Training goes on with the examples that are hard, or answered wrongly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from srnn.errors import UserError
from srnn.events.event import Event
from srnn.section import Share

if TYPE_CHECKING:
    from srnn.training.loop import Training


class Focus(Event):
    """From then on the examples of an epoch are drawn with replacement, as many as before, and not all of them.

    With ``keep = "all"`` they are, too: the control. Where fewer are kept than a batch has, all are.
    """

    keep: Literal["wrong", "hard", "loss", "all"] = "wrong"
    """Which: those that are answered wrongly then, the ``share`` of the largest loss, all in proportion to
    ``loss ** gamma``, or all alike."""
    share: Share = 0.2
    """Of ``keep = "hard"``."""
    gamma: Annotated[float, Field(ge=0, le=100)] = 1.0
    """Of ``keep = "loss"``."""
    rehearse: Share = 0.0
    """The share of the others that is kept, too, at random: against forgetting."""

    def require_fitting(self, training: Training, name: str) -> None:
        if self.keep == "wrong" and training.task.kind != "classification":
            raise UserError(f"{name}.keep is 'wrong'; the answers of a regression are neither right nor wrong: 'hard'")
        if any(time != int(time) for time in self.at):
            raise UserError(f"{name}.at has a part of an epoch; the order of an epoch is drawn as a whole: round it")

    def act(self, training: Training, place: int) -> None:
        losses, scores = training.judge(place)
        weights = self.weights(losses, scores, training.streams[place]["events"])
        if int((weights > 0).sum()) < training.experiment.training.batch_size:
            weights = torch.ones_like(weights)
        training.batches.weights[place] = weights

    def weights(self, losses: Tensor, scores: Tensor, generator: torch.Generator) -> Tensor:
        """How likely each example is drawn, beside the others, float64 ``(n,)`` on the CPU."""
        losses, scores, every = losses.double().cpu(), scores.cpu(), torch.ones(len(losses), dtype=torch.float64)
        match self.keep:
            case "wrong":
                kept = (scores != 1).double()
            case "hard":
                kept = torch.zeros_like(every)
                kept[losses.argsort(descending=True, stable=True)[: max(1, round(self.share * len(losses)))]] = 1
            case "loss":
                kept = losses.nan_to_num(0.0, 0.0, 0.0) ** self.gamma
            case "all":
                kept = every
        left = (kept == 0).nonzero().flatten()
        rehearsed = torch.randperm(len(left), generator=generator)[: round(self.rehearse * len(left))]
        kept[left[rehearsed]] = 1
        return kept
