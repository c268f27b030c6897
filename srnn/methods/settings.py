"""What an experiment says of how an organism is trained."""

from __future__ import annotations

from math import cos, pi
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from srnn.choices import Target
from srnn.methods import METHODS
from srnn.section import Count, Section, Share

if TYPE_CHECKING:
    Method = str
else:  # for pydantic, which checks the name when it reads an experiment
    Method = Literal[tuple(METHODS)]
Momentum = Literal["shared", "separate", "fresh"]
Divergent = Literal["keep", "reset", "stop"]
Optimizer = Literal["sgd", "adagrad", "adam", "adamax", "adamw", "nadam", "radam", "rmsprop"]


class ReplicationConfig(Section):
    """How the particles learn to replicate themselves."""

    method: Method = "sgd"
    """``none`` trains the task alone. ``sgd``: descent on the replication loss. ``newton``: after task steps every
    particle is put back onto the set of self-replicators. ``lifted``: the optimizer moves the effective weights, and
    the particles follow within that set. ``placed``: they follow where, besides, they repair themselves."""
    target: Target = "live"
    """Whether the weights as data are constants to the gradient (``frozen``) or not (``live``)."""
    objective: Literal["alternate", "joint"] = "alternate"
    """Steps on replication and on the task by turns, or one step on the sum of both losses."""
    alpha: Annotated[float, Field(ge=0, le=1e9)] = 100.0
    """Factor of the replication loss."""
    steps: Annotated[int, Field(ge=0, le=100_000)] = 1
    """Replication steps of ``sgd`` per batch."""
    every: Count | Literal["epoch", "log"] = 1
    """Batches from one projection of ``newton`` to the next, or until the particles of ``lifted`` and ``placed``
    follow; ``epoch``: only at its end, ``log``: only at the end of epochs that are recorded (``log.every``). Events
    have the latter follow first."""
    iterations: Annotated[int, Field(ge=1, le=1000)] = 1
    """Newton steps of a projection, or with which lifted and placed particles follow."""
    birth: Literal["drawn", "exact"] = "drawn"
    """Particles begin as they are drawn, or as self-replicators that are worth the same, with balanced matrices. With
    ``newton``, ``lifted`` and ``placed`` they do in any case."""
    strength: Annotated[float, Field(ge=-10, le=10)] = 3.0
    """Of ``placed``: what the response of a particle to an error is to be, see :func:`srnn.replication.place`."""
    momentum: Momentum = "shared"
    """One buffer driven by both losses, one for each, or a replication buffer that starts at zero at every batch."""
    start_accuracy: Share = 0.0
    """Training accuracy of an epoch from which on replication is trained."""
    divergent: Divergent = "reset"
    """What is done with a particle that holds a NaN or an infinity: nothing until none is finite, draw it anew (plain
    numbers are kept), or end the run."""


class ScheduleConfig(Section):
    """How the steps become smaller in the course of training, and larger again."""

    kind: Literal["constant", "step", "cosine", "cyclic"] = "constant"
    """``step``: smaller by ``factor`` after every so many epochs. ``cosine``: from 1 to the floor along a half wave,
    and from 1 again. ``cyclic``: straight from 1 to the floor and back."""
    every: Count = 100
    """Epochs from one drop to the next, of the first half wave, or of a way down and back."""
    factor: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Of ``step``: what each drop leaves."""
    growth: Annotated[float, Field(ge=1, le=100)] = 1.0
    """Of ``cosine``: how many times as long as the one before it a half wave is."""
    floor: Share = 0.0
    """Of ``cosine`` and ``cyclic``: the share that is left at the bottom."""
    scales: Literal["task", "all"] = "task"
    """``task``: the gradient of the task is multiplied, so that what a shared momentum hands on becomes smaller, too,
    and replication keeps its own; by sgd. ``all``: the learning rate of the task, of replication and of ordinary
    parameters, whatever the optimizer."""
    per: Literal["epoch", "batch"] = "epoch"
    """Whether it is looked up once in an epoch, or for each batch."""

    def share(self, time: float) -> float:
        """What is left of the steps after so many epochs, of which the last may be a part."""
        every: float = self.every
        match self.kind:
            case "step":
                return float(self.factor ** (time // every))
            case "cyclic":
                return 1 - (1 - self.floor) * (1 - abs(1 - 2 * (time % every) / every))
            case "cosine":
                time, every = _wave(time, every, self.growth)
                return self.floor + (1 - self.floor) * (0.5 + 0.5 * cos(pi * time / every))
        return 1.0

    def bottoms(self, epochs: int) -> list[int]:
        """The epochs, up to that one, after which the steps are smallest: where a snapshot is worth taking."""
        if self.kind == "cyclic":
            # Of an odd number of epochs the bottom is inside one.
            return [*range(self.every // 2, epochs + 1, self.every)] if self.every > 1 else []
        found, end, length = [], float(self.every), float(self.every)
        while self.kind == "cosine" and end <= epochs:
            found.append(int(end))
            length *= self.growth
            end += length
        return found


def _wave(time: float, every: float, growth: float) -> tuple[float, float]:
    """The time since the last restart, and how long it is from there to the next."""
    if growth == 1:
        return time % every, every
    while time >= every:
        time, every = time - every, every * growth
    return time, every


class TrainingConfig(Section):
    """How the task is trained."""

    epochs: Count = 100
    """Passes over the training data."""
    batch_size: Count = 50
    """Examples per step; an incomplete last batch is left out."""
    order: Literal["shuffled", "fixed", "replacement"] = "shuffled"
    """Of the examples of an epoch: another one in each, the same one in each, or as many drawn with replacement."""
    optimizer: Optimizer = "sgd"
    """What takes the steps of the task."""
    lr: Annotated[float, Field(gt=0, le=1000)] = 0.008
    """Learning rate of the task and of replication."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Momentum of both."""
    keep: Literal["last", "best"] = "last"
    """What a run ends as: what it is in the end, or what it was when the loss on validation data was least, which is
    then looked at after every epoch."""
    patience: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """With ``keep`` best: epochs without a smaller validation loss after which a seed ends; 0: when all are done."""
    until_loss: Annotated[float, Field(ge=0, le=1e30)] = 0.0
    """A seed ends after an epoch whose validation loss is not above that, or else with its epochs."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """ε: the right class of an example is 1 − ε of the target, and ε is divided among all."""
    mixup: Annotated[float, Field(ge=0, le=100)] = 0.0
    """a: the examples of a batch are mixed with others of it, in a proportion drawn from Beta(a, a) for each batch, and
    so are their losses, or of a regression their targets; 0: they are not. The training accuracy is against the first
    of the two."""
    noise: Annotated[float, Field(ge=0, le=1000)] = 0.0
    """Standard deviation of the noise that is added to the numbers of each example, another one in every batch."""

    @property
    def alters(self) -> bool:
        """Whether examples or their targets are altered in training."""
        return bool(self.label_smoothing or self.mixup or self.noise)
