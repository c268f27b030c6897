"""Units, or particles, are put out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from srnn.errors import UserError
from srnn.events.choosing import Choosing
from srnn.events.meeting import Meeting

if TYPE_CHECKING:
    from srnn.training.loop import Training


def require_that_none_comes_back(training: Training, name: str, do: str) -> None:
    """Make sure that no interaction gives what is dropped another worth.

    Raises:
        UserError: One does.
    """
    if any(isinstance(event, Meeting) for event in training.events):
        raise UserError(
            f"{name}.do is '{do}' where particles meet, which would revive them: set interactions.attack and "
            "interactions.melt to 0, and leave such events out"
        )


class Drop(Choosing):
    """They are worth exactly 0 from then on, whoever moves them: see :meth:`srnn.training.loop.Training.drop`."""

    def require_fitting(self, training: Training, name: str) -> None:
        super().require_fitting(training, name)
        require_that_none_comes_back(training, name, "drop")

    def act(self, training: Training, place: int) -> None:
        training.drop(place, self.particles(training, place))
        training.stopping.forget(place)
