"""What every event is, and when it happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from srnn.choices import RECENT
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
    at: Annotated[list[Annotated[int | float, Field(ge=0, le=1_000_000)]], Field(max_length=1000)] = []
    """Epochs (or batches) after which it happens; without any, and without ``every``, always. Of what happens after
    epochs 0 is before training, and 0.5 in the middle of the first."""
    every: Count | None = None
    """Happens after every so many epochs (or batches)."""
    until: Count | None = None
    """The last epoch (or batch) after which it happens."""

    def due(self, time: int) -> bool:
        """Whether it happens after that many epochs (or batches)."""
        if self.moment == "epoch" and time == 0:
            return 0 in self.at
        if self.until is not None and time > self.until:
            return False
        if not self.at and self.every is None:
            return True
        return time in self.at or (self.every is not None and time % self.every == 0)

    def due_inside(self, epoch: int, per_epoch: int) -> set[int]:
        """After how many batches it happens inside the epoch that follows so many, of so many batches."""
        if self.moment != "epoch":
            return set()
        # 1.4 after one epoch is 0.39999… of the next, and still after two of five batches.
        return {int((time - epoch) * per_epoch + 1e-6) for time in self.at if epoch < time < epoch + 1}

    @property
    def recalls(self) -> bool:
        """Whether it asks how useful units are, and were."""
        return False

    def asks_later(self, time: int) -> bool:
        """Whether it goes by what is measured after that many epochs, then or up to two later."""
        return self.recalls and any(self.due(time + later) for later in range(RECENT))

    def require_fitting(self, training: Training, name: str) -> None:
        """Make sure that it can happen to these organisms.

        Args:
            training: As it is at birth.
            name: What a message calls the event: ``events.NAME``.

        Raises:
            UserError: It cannot.
        """

    def act(self, training: Training, place: int) -> None:
        """Do it to the seed at that place, in place; random numbers come from the seed's own streams."""
        raise NotImplementedError
