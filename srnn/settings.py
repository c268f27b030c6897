"""What an experiment says of particles and their chemistry, and of what is recorded, saved, pruned, compared, swept."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from srnn.choices import Control, Encoding, Init, Scope, Score
from srnn.errors import UserError, shorten
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
    by: Annotated[list[Score], Field(max_length=20)] = ["magnitude"]
    """By which scores its weights are ranked; if empty, it is only run beside the trunk."""


class PruningConfig(Section):
    """A study of pruning: a trunk that is trained whole, and branches of it that keep some of the weights.

    Each is an ordinary run. It is made where ``rounds`` or ``densities`` say so.
    """

    by: Annotated[list[Score], Field(max_length=20)] = ["magnitude"]
    """By which scores weights are ranked. ``snip`` is measured before training, all others at its end; ``gate`` is what
    gates say themselves, where there are any."""
    rounds: _Round | Annotated[list[_Round], Field(max_length=100)] = []
    """How many rounds, each of which takes a share of what is left, by the scores at the end of the one before; or a
    list: only of these rounds the densities, each at once from the trunk."""
    rate: _Rate = 0.2
    """The share that a round takes: with scope ``layer``, of each layer but the last."""
    last_rate: _Rate = 0.1
    """With scope ``layer``, the share that a round takes of the last layer."""
    densities: Annotated[list[Annotated[float, Field(gt=0, le=1)]], Field(max_length=100)] = []
    """In place of rounds: shares of the weights that are kept, each at once from the trunk."""
    iterative: bool = False
    """Whether each of the densities is reached from the one before it, by the scores at the end of that one, and not at
    once from the trunk."""
    cubic: Annotated[list[Annotated[int, Field(ge=0, le=1_000_000)]], Field(max_length=2)] = []
    """Two epochs: each of the densities is reached inside one training from birth, in which weights are dropped after
    every epoch from the one to the other, as the event ``prune`` does it."""
    scope: Scope = "layer"
    """Whether weights are ranked all together, or in each layer."""
    rewind: Annotated[int, Field(ge=0, le=1_000_000)] | Literal["end"] = 0
    """From which epoch of the trunk branches are trained, to its last; ``end``: from where the one before ended, for as
    long again."""
    controls: Annotated[list[Control], Field(max_length=4)] = []
    """Other starts beside each branch, as ``start.control`` explains them."""
    controlled: Annotated[list[_Round], Field(max_length=100)] = []
    """Beside which rounds, or which of the densities, the other starts are trained, the first is 1; if empty, all."""
    others: Annotated[dict[_Name, ScoredConfig], Field(max_length=100)] = {}
    """Name of another run → what it is and by which scores of its weights the trunk is pruned as well."""

    @property
    def asked(self) -> bool:
        """Whether there is a study to be made."""
        return bool(self.rounds or self.densities)

    @property
    def steps(self) -> int:
        """How many rounds or densities there are for each score."""
        return self.rounds if isinstance(self.rounds, int) else len({*(self.rounds or self.densities)})


#: Variants of a comparison: each takes a figure's line of its own.
MOST_VARIANTS = 100


class ComparisonConfig(Section):
    """Variants of the experiment that are run one after the other and compared."""

    variants: Annotated[dict[str, list[Text]], Field(max_length=MOST_VARIANTS)] = {}
    """Name of each variant → the settings it changes, such as ``["replication.alpha=10"]``."""


#: What a setting of a point may be.
_Value = bool | int | float | Text
_Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]


#: Tasks that a sweep has at least, to be shared by workers, before several seeds are one of them.
_SHARED = 16
#: How many seeds are one task at most: more are hardly faster, but are lost together.
_TOGETHER = 5


class RangeConfig(Section):
    """The numbers that a setting of a random or optuna sweep is drawn from, to four digits."""

    low: int | float = 0.0
    """The least."""
    high: int | float = 1.0
    """The most; if both are whole, so is what is drawn."""
    log: bool = False
    """Whether each power of ten is as likely as any other."""

    @model_validator(mode="after")
    def _has_room(self) -> Self:
        if not (0 if self.log else float("-inf")) < self.low < self.high:
            above = " above 0" if self.log else ""
            raise ValueError(f"low is {self.low:g} and high is {self.high:g}; allowed: low{above}, and below high")
        return self


class SweepConfig(Section):
    """The same experiment at many points of its settings, with several seeds each: of srnn sweep."""

    over: Annotated[
        dict[str, Annotated[list[_Value | list[_Value]], Field(min_length=1, max_length=1000)] | RangeConfig],
        Field(max_length=20),
    ] = {}
    """Setting → the values that it takes, such as ``replication.alpha = [0.1, 1.0]``, or the range that they are drawn
    from, ``{low = 1e-4, high = 0.1, log = true}``."""
    method: Literal["grid", "random", "optuna"] = "grid"
    """``grid``: all combinations of the values. ``random``: points drawn at random. ``optuna``: each point is chosen by
    how those before it have ended."""
    points: Annotated[int, Field(ge=1, le=10_000)] = 20
    """Points of a random or optuna sweep."""
    seed: _Seed = 0
    """What points are drawn by."""
    seeds: Annotated[int, Field(ge=1, le=1000)] | Annotated[list[_Seed], Field(min_length=1, max_length=1000)] = 1
    """How many seeds of each point, or which."""
    seeds_per_task: Annotated[int, Field(ge=1, le=1000)] | Literal["auto"] = "auto"
    """How many seeds of a point are trained side by side, in down to a third of the time that they take one by one.
    ``auto``: up to five, as long as there are at least sixteen tasks to be shared by workers."""
    maximize: Annotated[list[Text], Field(max_length=2)] = []
    """Metrics of which more is better: what is drawn, and searched for by optuna. Without any goal,
    ``test_accuracy`` or, of a regression, less ``test_mae`` is drawn."""
    minimize: Annotated[list[Text], Field(max_length=2)] = []
    """Metrics of which less is better; of both together two at most."""

    @field_validator("over", mode="before")
    @classmethod
    def _read_over(cls, over: Any) -> Any:
        """Keys with dots in quotes, or tables in tables."""
        if not isinstance(over, Mapping):
            return over
        return {key: _read_axis(f"sweep.over.{key}", values) for key, values in _flat(over).items()}

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        changed = [name for name, field in type(self).model_fields.items() if getattr(self, name) != field.default]
        if self.seeds_per_task == 1:  # as it is without a sweep, too
            changed = [name for name in changed if name != "seeds_per_task"]
        if changed and not self.over:
            raise ValueError(
                f"sweep.{changed[0]} is of no effect without sweep.over: name there what takes which values"
            )
        for key, values in self.over.items():
            if isinstance(values, RangeConfig) and self.method == "grid":
                raise ValueError(f"sweep.over.{key} is a range; allowed in a grid: a list of values")
        if self.method == "optuna" and not (self.maximize or self.minimize):
            raise ValueError("sweep.method is 'optuna', which needs a goal: name one in sweep.maximize or minimize")
        if isinstance(self.seeds, list) and len({*self.seeds}) < len(self.seeds):
            raise ValueError("sweep.seeds names a seed twice; allowed: each once")
        if len({*self.maximize, *self.minimize}) < len(self.maximize) + len(self.minimize):
            raise ValueError("sweep.maximize and sweep.minimize name a metric twice; allowed: each once")
        if len(self.maximize) + len(self.minimize) > 2:
            raise ValueError("sweep.maximize and sweep.minimize name more than two metrics; allowed: two together")
        return self

    @property
    def all_seeds(self) -> list[int]:
        """The seeds of each point."""
        return list(range(self.seeds)) if isinstance(self.seeds, int) else self.seeds

    def seeds_together(self, points: int) -> list[tuple[int, ...]]:
        """The seeds of each point that are trained side by side.

        Args:
            points: How many points there are, if they are not chosen one after the other.
        """
        seeds = self.all_seeds
        if self.seeds_per_task == "auto":
            # By what is planned alone, and not by the machine: any number of processes share the tasks.
            runs = len(seeds) * (self.points if self.method == "optuna" else points)
            size = min(max(runs // _SHARED, 1), _TOGETHER, len(seeds))
            count = -(-len(seeds) // size)
            borders = [part * len(seeds) // count for part in range(count + 1)]
        else:
            borders = [*range(0, len(seeds), self.seeds_per_task), len(seeds)]
        return [tuple(seeds[first:last]) for first, last in pairwise(borders)]


def _read_axis(key: str, values: Any) -> Any:
    """The values of a setting, or their range; ValueError for what is neither."""
    if isinstance(values, Mapping) and values:
        try:
            return RangeConfig.read(values)
        except UserError as error:
            raise ValueError(f"{key}: {error}") from None
    if isinstance(values, RangeConfig):
        return values
    if not isinstance(values, list) or not values:
        raise ValueError(f"{key} is {shorten(repr(values))}; allowed: a list of values, or a range: low and high")
    for place, value in enumerate(values):
        if not all(map(_is_plain, value if isinstance(value, list) else [value])):
            raise ValueError(f"{key} has the value {shorten(repr(value))}; allowed: numbers, texts and lists of them")
        if value in values[:place]:
            raise ValueError(f"{key} has the value {shorten(repr(value))} twice; allowed: each once")
    return values


def _is_plain(value: Any) -> bool:
    return isinstance(value, bool | int | str) or (isinstance(value, float) and isfinite(value))


def _flat(tables: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tables.items():
        nested = isinstance(value, Mapping) and not value.keys() & RangeConfig.model_fields.keys()
        flat |= _flat(value, f"{before}{key}.") if nested and value else {f"{before}{key}": value}
    return flat
