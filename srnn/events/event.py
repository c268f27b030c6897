"""What every event is, and when it happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from srnn.section import Count, Section

if TYPE_CHECKING:
    from srnn.training.loop import Training

Moment = Literal["start", "batch", "epoch"]


class Event(Section):
    """Something that happens to the organisms in training: ``[events.NAME]`` of an experiment."""

    #: Before training, before each batch, or after an epoch.
    moment: ClassVar[Moment] = "epoch"

    do: str = ""
    """What happens; without it, what the table is named after."""
    at: Annotated[list[Annotated[int, Field(ge=0, le=1_000_000)]], Field(max_length=1000)] = []
    """Epochs (or batches) after which it happens; without any, and without ``every``, always."""
    every: Count | None = None
    """Happens after every so many epochs (or batches)."""
    until: Count | None = None
    """The last epoch (or batch) after which it happens."""

    def due(self, time: int) -> bool:
        """Whether it happens after that many epochs (or batches)."""
        if self.until is not None and time > self.until:
            return False
        if not self.at and self.every is None:
            return True
        return time in self.at or (self.every is not None and time % self.every == 0)

    def act(self, training: Training, place: int) -> None:
        """Do it to the seed at that place, in place; random numbers come from the seed's own streams."""
        raise NotImplementedError
