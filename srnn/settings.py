"""What an experiment says of particles and their chemistry, and of what is recorded, saved and compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from srnn.choices import Encoding, Init
from srnn.section import Count, Section, Share, Text

if TYPE_CHECKING:
    from srnn.swarm import Kind


class ParticleConfig(Section):
    """What every weight is made of."""

    kind: Literal["weightwise", "number"] = "weightwise"
    """``weightwise``: a network that is asked for each of its weights. ``number``: a plain number, so that the network
    is an ordinary dense one."""
    hidden: Annotated[int, Field(ge=1, le=64)] = 4
    """Units H of both hidden layers; a particle has P = 5H + H² + H weights."""
    encoding: Encoding = "l2"
    """What the position of a weight is divided by: ``max`` its maximum, ``l2`` its Euclidean norm over the weights."""
    init: Init = "fan_in"
    """Where weights are drawn from: uniform in ±1/√fan_in, as Xavier, or ``copying``, outside of zero's basin: near
    to handing their own value on."""
    values: Literal["body", "particles"] = "body"
    """Of plain numbers, what they are at first: the body's own, or what newborn self-replicators are worth."""
    step: Literal["alike", "particles", "mean"] = "alike"
    """Of plain numbers that begin as self-replicators are worth, by what the learning rate of each is multiplied: 1,
    ``particles`` what a step moves the worth of that newborn by, |∂v4/∂w|², or ``mean`` the mean of that for all."""

    @property
    def size(self) -> int:
        """Weights P of one of them."""
        return 1 if self.kind == "number" else 5 * self.hidden + self.hidden**2 + self.hidden

    def build(self) -> Kind:
        """What every weight is made of."""
        from srnn.number import Number
        from srnn.particle import Particle

        return Number() if self.kind == "number" else Particle(self.hidden, self.encoding, self.init)


class InteractionsConfig(Section):
    """The artificial chemistry: chance per batch that a particle meets another of its cell."""

    attack: Share = 0.0
    """Chance of being attacked."""
    melt: Share = 0.0
    """Chance of taking over half of the other's weights."""


class LogConfig(Section):
    """What is recorded."""

    every: Count = 5
    """Epochs between rows of the census, the metric on test data and the trajectory."""
    particles: Literal["all"] | Count = "all"
    """Particles in the trajectory: all, or a number of them drawn once at random, so that a large organism's
    trajectory does not dwarf its training."""
    rest: Annotated[int, Field(ge=0, le=100_000)] = 300
    """Steps of replication alone, without the task, before the census at rest, which changes nothing in the run; 0: no
    such census. Of method ``sgd`` only: others are at rest."""


class CheckpointConfig(Section):
    """When the whole state is saved."""

    every: Count = 10
    """Epochs between checkpoints; the last epoch always has one."""
    minutes: Annotated[float, Field(gt=0, le=100_000)] | None = None
    """Minutes after which there is one anyway, even inside an epoch."""
    keep: Annotated[int, Field(ge=1, le=1000)] = 3
    """How many are kept, the newest."""


#: Variants of a comparison: each takes a figure's line of its own.
MOST_VARIANTS = 100


class ComparisonConfig(Section):
    """Variants of the experiment that are run one after the other and compared."""

    variants: Annotated[dict[str, list[Text]], Field(max_length=MOST_VARIANTS)] = {}
    """Name of each variant → the settings it changes, such as ``["replication.alpha=10"]``."""
