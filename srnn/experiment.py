"""What an experiment may say: typed, validated, with an error of one line for everything else."""

from __future__ import annotations

import codecs
import json
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, Union

import tomli_w
from pydantic import Field, SerializeAsAny, ValidationError, create_model, field_validator, model_validator

from srnn.choices import Activation, Encoding, Init, Residual, Target
from srnn.errors import UserError, nearest, option, shorten
from srnn.files import write_whole
from srnn.section import Count, Section, Share, Text, explain, schema_of, unknown
from srnn.tasks import Scale, TaskName
from srnn.untrusted import as_text, expanded, require_file

if TYPE_CHECKING:
    import torch
    from torch import nn

    from srnn.organism import Kind

Method = Literal["none", "sgd", "newton", "lifted"]
Momentum = Literal["shared", "separate", "fresh"]
Divergent = Literal["keep", "reset", "stop"]
Optimizer = Literal["sgd", "adagrad", "adam", "adamax", "adamw", "nadam", "radam", "rmsprop"]

#: Weights, or numbers in the units of all examples, that are trained at once: each 4 GB, of which training needs a few.
MOST_NUMBERS = 1_000_000_000
#: Bytes of a file that describes an experiment; those of a run have below 2,000, but for long texts.
_FILE_LIMIT = 64 * 1024
#: Keys of more than 16 parts, for which tomllib takes memory that grows with the square of their number.
_LONG_KEY = re.compile(
    r"""(?<![A-Za-z0-9_-])(?:(?:[A-Za-z0-9_-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){16}"""
)
#: What Windows takes for a device, whatever follows after a dot.
_DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{port}{number}" for port in ("COM", "LPT") for number in range(10))}


class TaskConfig(Section):
    """What the organism learns."""

    name: TaskName = "digits"
    """One of the data sets, or ``arrays`` for your own."""
    size: Annotated[int, Field(ge=2, le=28)] | None = None
    """Images are resized to size × size; without one, 8 for digits and 15 for mnist and fashion_mnist."""
    path: Text | None = None
    """The .npz with X and y of the task ``arrays``; where it is set, no name need be."""
    scale: Scale | None = None
    """What X is brought to, as fitted on the training data, and with it what a regression learns: ``standard``, mean 0
    and standard deviation 1 in each column; ``unit``, 0 to 1; ``none``, as it is. Without one, of ``arrays`` tables are
    ``standard`` and pictures ``unit``; the other tasks are ``none``."""
    factor: Annotated[float, Field(ge=-1e30, le=1e30)] = 0.03
    """n of the task ``multiply``, y = n·x."""
    samples: Count = 1_000
    """Training samples of the tasks ``multiply`` and ``add``."""
    fingerprint: dict[str, Text] | None = None
    """Type, shape and SHA-256 of the data: recorded by a run, which goes on with no others. Empty if the run is of an
    srnn that did not record it."""

    @model_validator(mode="before")
    @classmethod
    def _of_path(cls, values: Any) -> Any:
        return {"name": "arrays", **values} if isinstance(values, dict) and values.get("path") else values

    @field_validator("path", mode="before")
    @classmethod
    def _any_path(cls, path: Any) -> Any:
        """A path may be of any kind, and of bytes that are not text."""
        paths = isinstance(path, bytes | os.PathLike)
        return as_text(path) if paths or (isinstance(path, str) and not _is_unicode(path)) else path

    @model_validator(mode="after")
    def _needs_path(self) -> Self:
        if self.name == "arrays" and not self.path:
            raise ValueError('task.name "arrays" needs the file: set task.path to an .npz with X and y')
        if self.name != "arrays" and self.path:
            raise ValueError(
                f"task.path is {shorten(repr(self.path))}, which only the task arrays reads, and task.name is "
                f"'{self.name}': set task.name to arrays, or leave task.path out"
            )
        return self

    def replaced(self, values: Any, changed: set[str]) -> None:
        """Let nothing remain of these data among the values of this section where ``--set`` has named others.

        Args:
            values: The section as plain values, with what was set; it is changed in place.
            changed: The keys that were set, dotted.
        """
        if not isinstance(values, dict):
            return
        if values["path"] and "task.path" in changed and "task.name" not in changed:
            values["name"] = "arrays"
        if values["name"] != "arrays" and "task.name" in changed and "task.path" not in changed:
            values["path"] = None
        if values["name"] == "arrays" != self.name and "task.size" not in changed:
            values["size"] = None
        if (values["name"], values["path"]) != (self.name, self.path) and "task.fingerprint" not in changed:
            values["fingerprint"] = None


class BodyConfig(Section):
    """The macro network. What else it says depends on its name."""

    name: str
    """Which kind of network: one of :data:`srnn.bodies.BODIES`."""

    def build(
        self, inputs: int, outputs: int, image: tuple[int, ...] | None, generator: torch.Generator | None
    ) -> nn.Module:
        """The network for examples of so many numbers, ``(batch, inputs) -> (batch, outputs)``.

        Args:
            inputs: Numbers of an example.
            outputs: Numbers of an answer.
            image: What they are as an image, ``(channels, height, width)``; None if they are none.
            generator: Where its weights are drawn from; without one, torch's global generator.

        Raises:
            UserError: It cannot be built for such examples.
        """
        raise NotImplementedError

    def in_words(self) -> str:
        """What it looks like, in a few words."""
        return self.name

    def describe(self, inputs: int, outputs: int, image: tuple[int, ...] | None = None) -> nn.Module:
        """The same network for its shapes: without content, on torch's device ``meta``, where that is possible."""
        import torch

        with torch.device("meta"):
            return self.build(inputs, outputs, image, None)

    def count(self, inputs: int, outputs: int, image: tuple[int, ...] | None = None) -> tuple[int, int]:
        """How many weights become particles, and about how many numbers an example takes on its way through."""
        from srnn.organism import replaced

        weights = replaced(self.describe(inputs, outputs, image), **self.choice).values()
        return sum(one.numel() for one in weights), sum(one.shape[0] for one in weights)

    @property
    def needs_image(self) -> bool:
        """Whether it must be told what an example is as an image."""
        return False

    @property
    def choice(self) -> dict[str, Any]:
        """Which weights become particles: the arguments ``only`` and ``exclude`` of :class:`srnn.Organism`."""
        return {}

    def inherit(self, other: BodyConfig) -> None:
        """Take over what no file can hold from the settings that these were made of: a class that may be called."""


class MLPConfig(BodyConfig):
    """The macro network: a stack of layers without biases."""

    name: Literal["mlp"] = "mlp"
    """A stack of layers without biases; see the docs for other networks."""
    depth: Annotated[int, Field(ge=1, le=100)] = 4
    """Weight layers."""
    width: Annotated[int, Field(ge=1, le=10_000)] = 8
    """Units of each hidden layer."""
    residual: Residual = "layer"
    """``layer``: every layer whose input and output shapes agree adds its input. ``pair``: so does every second one,
    with the input of the one before."""
    activation: Activation = "none"
    """Applied to the output of every layer but the last."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of hidden units set to zero in training."""

    def build(
        self, inputs: int, outputs: int, image: tuple[int, ...] | None, generator: torch.Generator | None
    ) -> nn.Module:
        from srnn.bodies.mlp import MLP

        return MLP(
            inputs,
            self.width,
            self.depth,
            outputs,
            residual=self.residual,
            activation=self.activation,
            dropout=self.dropout,
            generator=generator,
        )

    def in_words(self) -> str:
        layers = "1 layer" if self.depth == 1 else f"{self.depth} layers"
        activation = "" if self.activation == "none" else f", {self.activation}"
        return f"{layers} of width {self.width}, residual {self.residual}{activation}"

    def sizes(self, inputs: int, outputs: int) -> list[int]:
        """Units of the input and of every layer."""
        return [inputs, *[self.width] * (self.depth - 1), outputs]

    def count(self, inputs: int, outputs: int, image: tuple[int, ...] | None = None) -> tuple[int, int]:
        sizes = self.sizes(inputs, outputs)
        return sum(a * b for a, b in pairwise(sizes)), sum(sizes[1:])


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
    """Where weights are drawn from: uniform in ±1/√fan_in, or as Xavier."""
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


class ReplicationConfig(Section):
    """How the particles learn to replicate themselves."""

    method: Method = "sgd"
    """``none`` trains the task alone. ``sgd``: descent on the replication loss. ``newton``: after task steps every
    particle is put back onto the set of self-replicators. ``lifted``: the optimizer moves the effective weights, and
    the particles follow within that set."""
    target: Target = "live"
    """Whether the weights as data are constants to the gradient (``frozen``) or not (``live``)."""
    objective: Literal["alternate", "joint"] = "alternate"
    """Steps on replication and on the task by turns, or one step on the sum of both losses."""
    alpha: Annotated[float, Field(ge=0, le=1e9)] = 100.0
    """Factor of the replication loss."""
    steps: Annotated[int, Field(ge=0, le=100_000)] = 1
    """Replication steps of ``sgd`` per batch."""
    every: Count = 1
    """Batches between the projections of ``newton``."""
    iterations: Annotated[int, Field(ge=1, le=1000)] = 1
    """Newton steps of a projection."""
    momentum: Momentum = "shared"
    """One buffer driven by both losses, one for each, or a replication buffer that starts at zero at every batch."""
    start_accuracy: Share = 0.0
    """Training accuracy of an epoch from which on replication is trained."""
    divergent: Divergent = "keep"
    """What is done with a particle that holds a NaN or an infinity: nothing, draw it anew, or end the run."""


class TrainingConfig(Section):
    """How the task is trained."""

    epochs: Count = 100
    """Passes over the training data."""
    batch_size: Count = 50
    """Examples per step; an incomplete last batch is left out."""
    optimizer: Optimizer = "sgd"
    """What takes the steps of the task."""
    lr: Annotated[float, Field(gt=0, le=1000)] = 0.008
    """Learning rate of the task and of replication."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Momentum of both."""


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
#: What variants of an experiment have in common, or are told apart by.
_FIXED = ("name", "seed", "comparison")


class ComparisonConfig(Section):
    """Variants of the experiment that are run one after the other and compared."""

    variants: Annotated[dict[str, list[Text]], Field(max_length=MOST_VARIANTS)] = {}
    """Name of each variant → the settings it changes, such as ``["replication.alpha=10"]``."""


class Experiment(Section):
    """Everything that defines an experiment; what is left out has the default of the quick ``digits`` run.

    Example:
        >>> Experiment.from_toml("experiments/connectivity.toml").override(["training.epochs=20"])  # doctest: +SKIP
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")] = "digits"
    """Name of the run's folder."""
    about: Text = ""
    """What the experiment shows."""
    duration: Text = ""
    """About how long one seed takes on two cores, in words."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """What all random numbers of a run are derived from."""
    task: TaskConfig = TaskConfig()
    body: SerializeAsAny[BodyConfig] = MLPConfig()
    particle: ParticleConfig = ParticleConfig()
    replication: ReplicationConfig = ReplicationConfig()
    training: TrainingConfig = TrainingConfig()
    interactions: InteractionsConfig = InteractionsConfig()
    log: LogConfig = LogConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    terms: Annotated[dict[str, SerializeAsAny[Section]], Field(max_length=100)] = {}
    """Gates and costs on the effective weights, by name: of :data:`srnn.terms.TERMS`."""
    events: Annotated[dict[str, SerializeAsAny[Section]], Field(max_length=100)] = {}
    """What happens in training, by a name of your own; ``do`` says what, of :data:`srnn.events.EVENTS`."""
    comparison: ComparisonConfig = ComparisonConfig()
    versions: dict[str, Text] = {}
    """What a run was made with: recorded in its folder, of no effect."""

    @field_validator("name")
    @classmethod
    def _names_a_folder(cls, name: str) -> str:
        if name.endswith(".") or name.partition(".")[0].upper() in _DEVICES:
            raise ValueError(
                f"name is '{name}', which Windows does not take for the name of a folder; end it in a letter or digit, "
                "and do not name it like a device (CON, NUL, COM1)"
            )
        return name

    @model_validator(mode="before")
    @classmethod
    def _of_older_runs(cls, values: Any) -> Any:
        """What an older srnn left unsaid in the record of a run: data were not scaled, other tasks read no path."""
        if not isinstance(values, dict) or not values.get("versions") or not isinstance(values.get("task", {}), dict):
            return values
        task = {"scale": "none", **values.get("task", {})}
        if task.get("name") == "arrays":
            task = {"fingerprint": {}, **task}
        elif "name" in task:
            task.pop("path", None)
        return {**values, "task": task}

    @field_validator("body", mode="before")
    @classmethod
    def _read_body(cls, body: Any) -> Any:
        if not isinstance(body, Mapping):
            return body
        name = body.get("name", "mlp")
        if name == "mlp":
            return _member("body", MLPConfig, body)
        from srnn.bodies import BODIES  # each of the others brings torch with it

        return _member("body", _known("body.name", name, BODIES), body)

    @field_validator("terms", mode="before")
    @classmethod
    def _read_terms(cls, terms: Any) -> Any:
        if not isinstance(terms, Mapping) or not terms:
            return terms
        from srnn.terms import TERMS

        return {name: _member(f"terms.{name}", _known("terms", name, TERMS), term) for name, term in terms.items()}

    @field_validator("events", mode="before")
    @classmethod
    def _read_events(cls, events: Any) -> Any:
        if not isinstance(events, Mapping) or not events:
            return events
        from srnn.events import EVENTS

        read = {}
        for name, event in events.items():
            do = (event.get("do") or name) if isinstance(event, Mapping) else name
            kind = type(event) if isinstance(event, Section) else _known(f"events.{name}.do", do, EVENTS)
            read[name] = _member(f"events.{name}", kind, event, {"do": do})
        return read

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        replication = self.replication
        if self.particle.kind == "number":
            self._suits_numbers()
        if replication.objective == "joint" and replication.steps != 1:
            raise ValueError(
                f"replication.steps is {replication.steps}; with replication.objective 'joint' each batch takes one "
                "step on the sum of both losses: set it to 1"
            )
        if replication.objective == "joint" and self.exact:
            raise ValueError(
                f"replication.objective is 'joint', which needs replication.method 'sgd', not '{replication.method}': "
                "set it to 'alternate'"
            )
        if replication.start_accuracy > 0 and replication.method == "lifted":
            raise ValueError(
                f"replication.start_accuracy is {replication.start_accuracy}; lifted particles are self-replicators "
                "from birth: set it to 0"
            )
        if self.training.optimizer != "sgd" and replication.momentum == "shared" and self._alternates:
            raise ValueError(
                f"replication.momentum is 'shared', which needs training.optimizer 'sgd', not "
                f"'{self.training.optimizer}'; allowed here: separate, fresh"
            )
        if replication.start_accuracy > 0 and self.task.name in ("multiply", "add"):
            raise ValueError(
                f"replication.start_accuracy is {replication.start_accuracy}; the task {self.task.name} has no "
                "accuracy: set it to 0"
            )
        if isinstance(self.body, MLPConfig):
            require_affordable(self.body, self.particle.size)
        self.expand()
        return self

    def _suits_numbers(self) -> None:
        """Raise ValueError for what plain numbers cannot do."""
        if self.replication.divergent == "reset":
            raise ValueError(
                "replication.divergent is 'reset', which draws particles anew; with particle.kind 'number' there are "
                "none: set it to 'keep' or 'stop'"
            )
        found = {"replication.method": self.replication.method}
        found |= {f"interactions.{name}": rate for name, rate in self.interactions.model_dump().items()}
        for key, value in found.items():
            if value not in ("none", 0.0):
                nothing = "none" if isinstance(value, str) else 0.0
                raise ValueError(
                    f"{key} is {value!r}; with particle.kind 'number' nothing replicates: set it to {nothing!r}"
                )

    def expand(self) -> dict[str, Experiment]:
        """The experiments that are compared, by variant: each by itself an experiment ``NAME-VARIANT``.

        Raises:
            UserError: A variant is not valid.
        """
        alone = self.model_copy(update={"comparison": ComparisonConfig()})
        experiments = {}
        for variant, changes in self.comparison.variants.items():
            try:
                if fixed := [
                    key for change in changes if (key := change.partition("=")[0].strip()).split(".")[0] in _FIXED
                ]:
                    raise UserError(f"{fixed[0]} is the same for all variants: leave it out")
                experiments[variant] = alone.override([*changes, f"name={json.dumps(f'{self.name}-{variant}')}"])
            except UserError as error:
                raise UserError(f"comparison.variants.{shorten(variant)}: {error}") from None
        return experiments

    @property
    def exact(self) -> bool:
        """Whether every particle is kept a self-replicator."""
        return self.replication.method in ("newton", "lifted")

    @property
    def _alternates(self) -> bool:
        return self.replication.method == "sgd" and self.replication.objective == "alternate"

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Experiment:
        """Validate nested plain values.

        Raises:
            UserError: The first thing that is wrong, in one line.
        """
        return cls.read(values)

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> Experiment:
        """Read an experiment from a TOML file, such as a preset or the ``config.toml`` of a run.

        Raises:
            UserError: The file is missing, is not TOML or does not describe an experiment.
        """
        path = expanded(path)
        try:
            require_file(path)
            with path.open("rb") as file:
                content = file.read(_FILE_LIMIT + 1)
            if len(content) > _FILE_LIMIT:
                raise ValueError(f"it has more than {_FILE_LIMIT:,} bytes, which no experiment needs")
            text = _decoded(content)
            if _LONG_KEY.search(text):
                raise ValueError("it has a key of more than 16 parts, which no experiment needs")
            values = tomllib.loads(text)
        except OSError as error:
            raise UserError(f"{path}: {error.strerror}; name a preset (srnn presets) or a TOML file") from None
        except (ValueError, RecursionError) as error:
            # Besides TOMLDecodeError: bytes that are not UTF-8, a number of thousands of digits, endless nesting.
            raise UserError(f"{path}: not a TOML file: {shorten(str(error), 200)}") from None
        try:
            return cls.from_dict({"name": folder_name(path.stem)} | values)
        except UserError as error:
            raise UserError(f"{path}: {error}") from None

    def to_toml(self, path: str | os.PathLike[str] | None = None) -> str:
        """The experiment as TOML, every setting said; with a path, written there, too.

        Raises:
            OSError: It cannot be written.
        """
        text = tomli_w.dumps(self.model_dump(exclude_none=True))
        if path is not None:
            write_whole(expanded(path), text.encode())
        return text

    def override(self, assignments: str | Iterable[str]) -> Experiment:
        """The same experiment with settings such as ``training.epochs=20`` changed: one, or several.

        Values are TOML; a bare word is a string. What it is ``about`` is told anew if the experiment is another.

        Raises:
            UserError: An assignment is malformed, or the experiment is not valid with it.
        """
        values, replaced = self.model_dump(), set[str]()
        given = [assignments] if isinstance(assignments, str) else list(assignments)
        for assignment in given:
            key, equals, text = assignment.partition("=")
            if not equals or not key.strip():
                what = f"{option('set', 'override')} {shorten(assignment)}"
                raise UserError(f"{what}: expected KEY=VALUE, such as training.epochs=20")
            section = values
            *parents, last = key.strip().split(".")
            for parent in parents:
                section = section.setdefault(parent, {})
                if not isinstance(section, dict):
                    raise UserError(unknown(Experiment, key.strip()))
            section[last] = _toml_value(text.strip(), _is_text(key.strip()))
            replaced.add(key.strip())
        self.task.replaced(values["task"], replaced)
        changed, changes = Experiment.from_dict(values), None
        changed.body.inherit(self.body)
        if self.about and not any(one.partition("=")[0].strip() == "about" for one in given):
            changes = changed.changes(self)
        if not changes:
            return changed
        settings = ", ".join(f"{key} = {value}" for key, value in changes.items() if value is not None)
        texts = {"about": shorten(f"{self.name} with {settings}", 400), "duration": ""}
        return changed.model_copy(update=texts)

    def changes(self, since: Experiment) -> dict[str, Any]:
        """Dotted settings by which this is another experiment, as they are here.

        It is the same one with another name or seed, for longer, and however it is recorded and saved.
        """
        ours, theirs = self.model_dump(), since.model_dump()
        sections = ("task", "body", "particle", "replication", "training", "interactions")
        pairs = [(f"{name}.{key}", value, theirs[name][key]) for name in sections for key, value in ours[name].items()]
        return {key: value for key, value, before in pairs if value != before and key != "training.epochs"}


def require_affordable(
    body: BodyConfig,
    particle_size: int,
    inputs: int = 1,
    outputs: int = 1,
    rows: int = 1,
    copies: int = 1,
    image: tuple[int, ...] | None = None,
) -> None:
    """Make sure that a network can be held in memory, before any of it is.

    Args:
        body: What it looks like.
        particle_size: Weights P of each of its particles; 1 for a dense network.
        inputs: Units of the input, as far as known.
        outputs: Units of the output, as far as known.
        rows: Examples that go through it at once.
        copies: Networks side by side, one for each seed.
        image: What the inputs are as an image, see :meth:`BodyConfig.build`.

    Raises:
        UserError: Its weights, or the units of all examples, are more than :data:`MOST_NUMBERS`.
    """
    weights, units = body.count(inputs, outputs, image)
    counts = {
        "weights": copies * particle_size * weights,
        "numbers in the units of all examples": copies * rows * units,  # the inputs are there already
    }
    what = f"the body {body.name}"
    if isinstance(body, MLPConfig):
        what = f"body.depth {body.depth} and body.width {body.width:,}"
    what += f" with {particle_size:,} weights a particle" if particle_size > 1 else ""
    what += f", for {copies:,} seeds side by side," if copies > 1 else ""
    for kind, number in counts.items():
        if number > MOST_NUMBERS:
            raise UserError(
                f"{what} make {number:,} {kind}; at most {MOST_NUMBERS:,} are trained at once: choose smaller ones"
            )


def _known(key: str, name: Any, family: Mapping[str, type[Section]]) -> type[Section]:
    """The member of a family by its name; ValueError if there is none."""
    if not isinstance(name, str) or name not in family:
        hint = nearest(name, family) if isinstance(name, str) else ""
        raise ValueError(f"{key} is {shorten(repr(name))}; allowed: {', '.join(family)}{hint}")
    return family[name]


def _member(key: str, kind: type[Section], values: Any, more: Mapping[str, Any] | None = None) -> Section:
    """A member of a family from plain values; ValueError for the first thing that is wrong, in one line."""
    if isinstance(values, Section):
        return values
    if not isinstance(values, Mapping):
        raise ValueError(f"{key} is {shorten(repr(values))}; allowed: a table")
    try:
        return kind.model_validate({**values, **(more or {})})
    except ValidationError as error:
        raise ValueError(f"{key}.{explain(kind, error)}") from None


def _toml_value(text: str, is_text: bool = False) -> Any:
    """What stands for a value: TOML, or a bare word; where text is asked for, a number is one, too."""
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text
    return text if is_text and not isinstance(value, str) else value


def _is_text(key: str) -> bool:
    """Whether a setting is text of any kind."""
    node = schema_of(Experiment, tuple(key.split(".")))
    return node.get("type") == "string" and "enum" not in node


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _decoded(content: bytes) -> str:
    """The text of a file, with or without a byte order mark.

    Raises:
        ValueError: It is not UTF-8; the message says what it is, if that can be told.
    """
    for mark, name in (
        (codecs.BOM_UTF32_LE, "UTF-32"),
        (codecs.BOM_UTF32_BE, "UTF-32"),
        (codecs.BOM_UTF16_LE, "UTF-16"),
        (codecs.BOM_UTF16_BE, "UTF-16"),
    ):
        if content.startswith(mark):
            raise ValueError(f"it is {name}, and TOML is UTF-8: save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"its line {line} holds bytes that are not UTF-8: save it as UTF-8") from None


def folder_name(text: str) -> str:
    """The name of an experiment that is nearest to a text."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("._-")[:64].rstrip("._-") or "experiment"
    return f"experiment-{name}"[:64] if name.partition(".")[0].upper() in _DEVICES else name


@cache
def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of an experiment: every setting with its description, bounds and default."""
    from srnn.bodies import BODIES
    from srnn.events import EVENTS
    from srnn.terms import TERMS

    families: dict[str, Any] = {
        "body": (_any_of([MLPConfig, *BODIES.values()]), MLPConfig()),
        "terms": (dict[str, _any_of(TERMS.values())], {}),  # type: ignore[misc]
        "events": (dict[str, _any_of(EVENTS.values())], {}),  # type: ignore[misc]
    }
    described = create_model("Experiment", __base__=Experiment, **families)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | described.model_json_schema()


def _any_of(members: Iterable[type[Section]]) -> Any:
    return Union[tuple(dict.fromkeys(members))]  # noqa: UP007 (of types known at run time)
