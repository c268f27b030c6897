"""What an experiment says of particles and their chemistry, and of what is recorded, saved, pruned and compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from srnn.choices import Control, Encoding, Init, Scope, Score
from srnn.section import Count, Section, Share, Text

if TYPE_CHECKING:
    from srnn.swarm import Kind


_Rate = Annotated[float, Field(gt=0, lt=1)]
_Round = Annotated[int, Field(ge=1, le=100)]
_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,19}$")]


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
    pin: Annotated[list[Annotated[int, Field(ge=0, le=1_000_000)]], Field(max_length=1000)] = []
    """Epochs whose checkpoints are made and kept in any case, for other runs to begin there; 0: before training."""

    def due(self, epoch: int) -> bool:
        """Whether there is one after that many epochs, even if they are not the last."""
        return epoch in self.pin or (epoch > 0 and epoch % self.every == 0)


class StartConfig(Section):
    """Where a run begins, if not at birth: with the state of another run, some of its weights dropped."""

    run: Text = ""
    """The folder of the other run, or of one experiment's runs: each seed begins from the run of the same seed. The
    body and the data must be the same, all else may differ."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    """Of several runs, the seed of the one from which every seed begins."""
    epoch: Annotated[int, Field(ge=0, le=1_000_000)] | Literal["end"] = 0
    """At which epoch of it, of which a checkpoint must be kept (``checkpoint.pin``): the epochs go on from there, with
    the same order of the data."""
    mask: Text = ""
    """Which weights are kept: a file ``mask.safetensors``, or the folder of a run, or of runs of the same seeds,
    that has one."""
    drop: Score | None = None
    """In place of a mask: by which score of the other run's weights the least are dropped."""
    of: Text = ""
    """Whose weights are scored, if not the other run's: the folder of a run, or of runs of the same seeds, of the same
    body, whatever its weights are made of."""
    at: Annotated[int, Field(ge=0, le=1_000_000)] | Literal["end"] = "end"
    """At which epoch of its trajectory that is measured."""
    density: Share | Annotated[list[Share], Field(max_length=1000)] = 1.0
    """The share of all weights that is kept; with scope ``layer`` also one for each layer."""
    scope: Scope = "global"
    """Whether the weights are ranked all together, or in each layer."""
    control: Literal["none"] | Control = "none"
    """Another start in place of the other run's, on the same batches. ``reinit``: other newborn weights under the same
    mask; ``shuffle``: as many kept in each layer, at random; ``signs``: of each weight only the sign, its size the
    spread of its layer; ``same_worth``: other particles that are worth the same."""
    began: dict[str, int | Text] = {}
    """What a run began from: recorded in its folder, of no effect."""


class ScoredConfig(Section):
    """Another run whose scores say what is dropped of the trunk: the same experiment with some settings changed."""

    changes: Annotated[list[Text], Field(max_length=100)] = []
    """The settings, such as ``["terms.l2.strength=1e-4"]``."""
    by: Annotated[list[Score], Field(min_length=1, max_length=20)] = ["magnitude"]
    """By which scores its weights are ranked."""


class PruningConfig(Section):
    """A study of pruning: a trunk that is trained whole, and branches of it that keep some of the weights.

    Each is an ordinary run. It is made where ``rounds`` or ``densities`` say so.
    """

    by: Annotated[list[Score], Field(max_length=20)] = ["magnitude"]
    """By which scores weights are ranked. ``snip`` is measured before training, all others at its end."""
    rounds: _Round | Annotated[list[_Round], Field(max_length=100)] = []
    """How many rounds, each of which takes a share of what is left, by the scores at the end of the one before; or a
    list: only of these rounds the densities, each at once from the trunk."""
    rate: _Rate = 0.2
    """The share that a round takes: with scope ``layer``, of each layer but the last."""
    last_rate: _Rate = 0.1
    """With scope ``layer``, the share that a round takes of the last layer."""
    densities: Annotated[list[Annotated[float, Field(gt=0, le=1)]], Field(max_length=100)] = []
    """In place of rounds: shares of the weights that are kept, each at once from the trunk."""
    scope: Scope = "layer"
    """Whether weights are ranked all together, or in each layer."""
    rewind: Annotated[int, Field(ge=0, le=1_000_000)] | Literal["end"] = 0
    """From which epoch of the trunk branches are trained, to its last; ``end``: from where the one before ended, for as
    long again."""
    controls: Annotated[list[Control], Field(max_length=4)] = []
    """Other starts beside each branch, as ``start.control`` explains them."""
    others: Annotated[dict[_Name, ScoredConfig], Field(max_length=100)] = {}
    """Name of another run → what it is and by which scores of its weights the trunk is pruned as well."""

    @property
    def asked(self) -> bool:
        """Whether there is a study to be made."""
        return bool(self.rounds or self.densities)


#: Variants of a comparison: each takes a figure's line of its own.
MOST_VARIANTS = 100


class ComparisonConfig(Section):
    """Variants of the experiment that are run one after the other and compared."""

    variants: Annotated[dict[str, list[Text]], Field(max_length=MOST_VARIANTS)] = {}
    """Name of each variant → the settings it changes, such as ``["replication.alpha=10"]``."""
