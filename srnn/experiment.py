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
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from srnn.bodies.mlp import Activation, Residual
from srnn.errors import UserError, nearest, one_line, option, shorten
from srnn.files import write_whole
from srnn.particle import Encoding, Init, Particle, Target
from srnn.untrusted import as_text, expanded, require_file

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)

TaskName = Literal["multiply", "add", "digits", "mnist", "fashion_mnist", "arrays"]
Method = Literal["none", "sgd", "newton", "lifted"]
Momentum = Literal["shared", "separate", "fresh"]
Divergent = Literal["keep", "reset", "stop"]
Optimizer = Literal["sgd", "adagrad", "adam", "adamax", "adamw", "nadam", "radam", "rmsprop"]

Count = Annotated[int, Field(ge=1, le=1_000_000)]
Share = Annotated[float, Field(ge=0, le=1)]
# Line breaks and tabs are text; what else commands a terminal, or turns the direction of what follows, is not.
Text = Annotated[
    str, Field(max_length=4_000, pattern="^[^\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\u202a-\u202e\u2066-\u2069]*$")
]

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


class _InOneLine(ModelMetaclass):
    """What is wrong with the values that a section is made of is told in one line, from Python, too."""

    def __call__(self, *values: Any, **named: Any) -> Any:
        try:
            return super().__call__(*values, **named)
        except ValidationError as error:
            section = next((name for name, field in Experiment.model_fields.items() if field.annotation is self), None)
            raise UserError(_explain(error, () if section is None else (section,))) from None


class _Section(BaseModel, metaclass=_InOneLine):
    """A part of an experiment: no unknown keys, no silent conversions, no changes after it is made."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, values: Any) -> Any:
        """Numbers of NumPy or torch are numbers, too."""
        if not isinstance(values, Mapping):
            return values
        return {key: _number(value) for key, value in values.items()}


class TaskConfig(_Section):
    """What the organism learns."""

    name: TaskName = "digits"
    """One of the data sets, or ``arrays`` for your own."""
    size: Annotated[int, Field(ge=2, le=28)] | None = None
    """Images are resized to size × size; without one, 8 for digits and 15 for mnist and fashion_mnist."""
    path: Text | None = None
    """The .npz with X and y of the task ``arrays``."""
    factor: Annotated[float, Field(ge=-1e30, le=1e30)] = 0.03
    """n of the task ``multiply``, y = n·x."""
    samples: Count = 1_000
    """Training samples of the tasks ``multiply`` and ``add``."""

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
        return self


class BodyConfig(_Section):
    """The macro network."""

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


class ParticleConfig(_Section):
    """What every weight is made of."""

    hidden: Annotated[int, Field(ge=1, le=64)] = 4
    """Units H of both hidden layers; a particle has P = 5H + H² + H weights."""
    encoding: Encoding = "l2"
    """What the position of a weight is divided by: ``max`` its maximum, ``l2`` its Euclidean norm over the weights."""
    init: Init = "fan_in"
    """Where weights are drawn from: uniform in ±1/√fan_in, or as Xavier."""


class ReplicationConfig(_Section):
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


class TrainingConfig(_Section):
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


class InteractionsConfig(_Section):
    """The artificial chemistry: chance per batch that a particle meets another of its cell."""

    attack: Share = 0.0
    """Chance of being attacked."""
    melt: Share = 0.0
    """Chance of taking over half of the other's weights."""


class LogConfig(_Section):
    """What is recorded."""

    every: Count = 5
    """Epochs between rows of the census, the metric on test data and the trajectory."""
    particles: Literal["all"] | Count = "all"
    """Particles in the trajectory: all, or a number of them drawn once at random, so that a large organism's
    trajectory does not dwarf its training."""


class CheckpointConfig(_Section):
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


class ComparisonConfig(_Section):
    """Variants of the experiment that are run one after the other and compared."""

    variants: Annotated[dict[str, list[Text]], Field(max_length=MOST_VARIANTS)] = {}
    """Name of each variant → the settings it changes, such as ``["replication.alpha=10"]``."""
    dense: bool = False
    """Whether the body is also trained directly, from the effective weights that the organisms have at first."""


class Experiment(_Section):
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
    body: BodyConfig = BodyConfig()
    particle: ParticleConfig = ParticleConfig()
    replication: ReplicationConfig = ReplicationConfig()
    training: TrainingConfig = TrainingConfig()
    interactions: InteractionsConfig = InteractionsConfig()
    log: LogConfig = LogConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
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

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        replication = self.replication
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
        require_affordable(self.body, Particle(self.particle.hidden).size)
        self.expand()
        return self

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
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise UserError(_explain(error)) from None

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
        values = self.model_dump()
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
                    raise UserError(_unknown(key.strip()))
            section[last] = _toml_value(text.strip(), key.strip() in _AS_IT_IS)
        changed, changes = Experiment.from_dict(values), None
        if self.about and not any(one.partition("=")[0].strip() == "about" for one in given):
            changes = changed.changes(self)
        if not changes:
            return changed
        settings = ", ".join(f"{key} = {value}" for key, value in changes.items())
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
    body: BodyConfig, particle_size: int, inputs: int = 1, outputs: int = 1, rows: int = 1, copies: int = 1
) -> None:
    """Make sure that a network can be held in memory, before any of it is.

    Args:
        body: What it looks like.
        particle_size: Weights P of each of its particles; 1 for a dense network.
        inputs: Units of the input, as far as known.
        outputs: Units of the output, as far as known.
        rows: Examples that go through it at once.
        copies: Networks side by side, one for each seed.

    Raises:
        UserError: Its weights, or the units of all examples, are more than :data:`MOST_NUMBERS`.
    """
    sizes = [inputs, *[body.width] * (body.depth - 1), outputs]
    counts = {
        "weights": copies * particle_size * sum(a * b for a, b in pairwise(sizes)),
        "numbers in the units of all examples": copies * rows * sum(sizes[1:]),  # the inputs are there already
    }
    what = f"body.depth {body.depth} and body.width {body.width:,}"
    what += f" with {particle_size:,} weights a particle" if particle_size > 1 else ""
    what += f", for {copies:,} seeds side by side," if copies > 1 else ""
    for kind, number in counts.items():
        if number > MOST_NUMBERS:
            raise UserError(
                f"{what} make {number:,} {kind}; at most {MOST_NUMBERS:,} are trained at once: choose smaller ones"
            )


#: Settings that may look like a number and are none.
_AS_IT_IS = ("name", "task.path")


def _toml_value(text: str, is_text: bool = False) -> Any:
    """What stands for a value: TOML, or a bare word; where text is asked for, a number is one, too."""
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text
    return text if is_text and not isinstance(value, str) else value


def _number(value: Any) -> Any:
    """A number of NumPy or torch as one of Python; everything else as it is."""
    if type(value).__module__.partition(".")[0] in ("numpy", "torch") and getattr(value, "ndim", None) == 0:
        return value.item()
    return value


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


def known_keys() -> list[str]:
    """Every setting an experiment has, dotted."""
    keys = []
    for name, field in Experiment.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            keys += [f"{name}.{key}" for key in section.model_fields]
        else:
            keys.append(name)
    return keys


def _unknown(key: str) -> str:
    section, _, own = key.partition(".")
    siblings = [known.partition(".")[2] for known in known_keys() if known.startswith(section + ".")]
    if own and siblings:
        hint = nearest(own, siblings).replace("did you mean ", f"did you mean {section}.")
        return f"{shorten(key)} is not a setting{hint or f'; allowed in [{section}]: ' + ', '.join(siblings)}"
    hint = nearest(key, [*Experiment.model_fields, *known_keys()])
    return f"{shorten(key)} is not a setting{hint or '; allowed: ' + ', '.join(Experiment.model_fields)}"


def _explain(error: ValidationError, inside: tuple[str, ...] = ()) -> str:
    """The first complaint of pydantic as one line: the value, what is allowed, what to do."""
    problems = error.errors(include_url=False)
    # An unknown key is most often the cause of whatever else is wrong.
    first = next((problem for problem in problems if problem["type"] == "extra_forbidden"), problems[0])
    location = (*inside, *first["loc"])
    key = ".".join(str(part) for part in location)
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    if first["type"] == "extra_forbidden":
        return _unknown(key) + more
    if first["type"] == "value_error":
        return one_line(str(first["ctx"]["error"])) + more
    value, allowed = first["input"], _allowed(location)
    hint = nearest(value, allowed.split(", ")) if isinstance(value, str) and first["type"] == "literal_error" else ""
    return f"{shorten(key) or 'the experiment'} is {_printed(value)}; allowed: {allowed}{hint}{more}"


@cache
def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of an experiment: every setting with its description, bounds and default."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | Experiment.model_json_schema()


def _schema_of(location: tuple[int | str, ...]) -> dict[str, Any]:
    """What the JSON schema says of the setting at this place; empty if there is none."""
    schema = json_schema()
    node = schema
    for part in location:
        node = node.get("properties", {}).get(part) or node.get("additionalProperties") or {}
        node = next((choice for choice in node.get("anyOf", []) if choice.get("type") != "null"), node)
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    return node


def _allowed(location: tuple[int | str, ...]) -> str:
    """What the setting at this place may be, in words, read off the JSON schema."""
    node = _schema_of(location)
    if "enum" in node:
        return ", ".join(map(str, node["enum"]))
    kind = {
        "integer": "a whole number",
        "number": "a number",
        "string": "text",
        "object": "a table",
        "array": "a list",
        "boolean": "true or false",
    }.get(node.get("type", ""), "another type")
    bounds = []
    for word, phrase in (
        ("minimum", "from {}"),
        ("exclusiveMinimum", "above {}"),
        ("maximum", "to {}"),
        ("exclusiveMaximum", "to below {}"),
    ):
        if word in node:
            bounds.append(phrase.format(f"{node[word]:g}" if isinstance(node[word], float) else f"{node[word]:,}"))
    if "maxProperties" in node:
        bounds.append(f"of up to {node['maxProperties']} entries")
    if node.get("pattern", "").endswith("]*$"):
        bounds.append(f"of up to {node['maxLength']:,} characters, none of them to control a terminal")
    elif "pattern" in node:
        bounds.append("of up to 64 letters, digits, dots, dashes and underscores, the first a letter or digit")
    return " ".join([kind, *bounds])


def _printed(value: Any) -> str:
    try:
        return shorten(repr(value))
    except (ValueError, RecursionError):
        # An integer of thousands of digits, or tables nested as deeply.
        return "more than can be printed"
