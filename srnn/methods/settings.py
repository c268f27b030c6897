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
    """How the steps of the task become smaller: replication keeps its own."""

    kind: Literal["constant", "cosine"] = "constant"
    """``cosine``: from 1 to 0 along a half wave, and from 1 again. The gradient of the task is multiplied by it, so
    that what a shared momentum hands on becomes smaller, too."""
    every: Count = 100
    """Epochs of a half wave."""

    def factor(self, epoch: int) -> float:
        """What the gradient of the task is multiplied by, after so many epochs."""
        return 1.0 if self.kind == "constant" else 0.5 + 0.5 * cos(pi * (epoch % self.every) / self.every)


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
