"""What an experiment may say: typed, validated, with an error of one line for everything else."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from srnn.body import Activation, Residual
from srnn.errors import UserError, nearest
from srnn.particle import Encoding, Init, Target

TaskName = Literal["multiply", "add", "digits", "mnist", "fashion_mnist", "arrays"]
Method = Literal["none", "sgd"]
Momentum = Literal["shared", "separate", "fresh"]
Divergent = Literal["keep", "reset", "stop"]
Optimizer = Literal["sgd", "adam"]

Count = Annotated[int, Field(ge=1, le=1_000_000)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Section(BaseModel):
    """A part of an experiment: no unknown keys, no silent conversions, no changes after it is made."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class TaskConfig(_Section):
    """What the organism learns."""

    name: TaskName = "digits"
    size: Annotated[int, Field(ge=2, le=28)] | None = None
    """Images are resized to size × size; without one, 8 for digits and 15 for mnist and fashion_mnist."""
    path: str | None = None
    """The .npz with X and y of the task ``arrays``."""
    factor: float = 0.03
    """n of the task ``multiply``, y = n·x."""
    samples: Count = 1_000
    """Training samples of the tasks ``multiply`` and ``add``."""

    @model_validator(mode="after")
    def _needs_path(self) -> Self:
        if self.name == "arrays" and not self.path:
            raise ValueError('task.name "arrays" needs the file: set task.path to an .npz with X and y')
        return self


class BodyConfig(_Section):
    """The macro network."""

    depth: Annotated[int, Field(ge=1, le=100)] = 4
    width: Annotated[int, Field(ge=1, le=10_000)] = 8
    residual: Residual = "layer"
    activation: Activation = "none"
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0


class ParticleConfig(_Section):
    """What every weight is made of."""

    hidden: Annotated[int, Field(ge=1, le=64)] = 4
    encoding: Encoding = "l2"
    init: Init = "fan_in"


class ReplicationConfig(_Section):
    """How the particles learn to replicate themselves."""

    method: Method = "sgd"
    target: Target = "live"
    objective: Literal["alternate", "joint"] = "alternate"
    alpha: Annotated[float, Field(ge=0, le=1e9)] = 100.0
    steps: Annotated[int, Field(ge=0, le=100_000)] = 1
    """Replication steps per batch."""
    momentum: Momentum = "shared"
    start_accuracy: Share = 0.0
    """Training accuracy of an epoch from which on replication is trained."""
    divergent: Divergent = "keep"


class TrainingConfig(_Section):
    """How the task is trained."""

    epochs: Count = 100
    batch_size: Count = 50
    optimizer: Optimizer = "sgd"
    lr: Annotated[float, Field(gt=0, le=1000)] = 0.008
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9


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


class Experiment(_Section):
    """Everything that defines an experiment; what is left out has the default of the quick ``digits`` run.

    Example:
        >>> Experiment.from_toml("experiments/connectivity.toml").override(["training.epochs=20"])  # doctest: +SKIP
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")] = "digits"
    about: str = ""
    duration: str = ""
    """About how long one seed takes on two cores, in words."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    task: TaskConfig = TaskConfig()
    body: BodyConfig = BodyConfig()
    particle: ParticleConfig = ParticleConfig()
    replication: ReplicationConfig = ReplicationConfig()
    training: TrainingConfig = TrainingConfig()
    interactions: InteractionsConfig = InteractionsConfig()
    log: LogConfig = LogConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    versions: dict[str, str] = {}
    """What a run was made with: recorded in its folder, of no effect."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        replication = self.replication
        if replication.objective == "joint" and replication.steps != 1:
            raise ValueError(
                f"replication.steps is {replication.steps}; with replication.objective 'joint' each batch takes one "
                "step on the sum of both losses: set it to 1"
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
        return self

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
    def from_toml(cls, path: str | Path) -> Experiment:
        """Read an experiment from a TOML file, such as a preset or the ``config.toml`` of a run.

        Raises:
            UserError: The file is missing, is not TOML or does not describe an experiment.
        """
        try:
            with Path(path).open("rb") as file:
                values = tomllib.load(file)
        except OSError as error:
            raise UserError(f"{path}: {error.strerror}; name a preset (srnn presets) or a TOML file") from None
        except (ValueError, RecursionError) as error:
            # Besides TOMLDecodeError: bytes that are not UTF-8, a number of thousands of digits, endless nesting.
            raise UserError(f"{path}: not a TOML file: {shorten(str(error), 200)}") from None
        try:
            return cls.from_dict(values)
        except UserError as error:
            raise UserError(f"{path}: {error}") from None

    def override(self, assignments: Iterable[str]) -> Experiment:
        """The same experiment with settings such as ``training.epochs=20`` changed.

        Values are TOML; a bare word is a string.

        Raises:
            UserError: An assignment is malformed, or the experiment is not valid with it.
        """
        values = self.model_dump()
        for assignment in assignments:
            key, equals, text = assignment.partition("=")
            if not equals or not key.strip():
                raise UserError(f"--set {shorten(assignment)}: expected KEY=VALUE, such as training.epochs=20")
            section = values
            *parents, last = key.strip().split(".")
            for parent in parents:
                section = section.setdefault(parent, {})
                if not isinstance(section, dict):
                    raise UserError(_unknown(key.strip()))
            section[last] = _toml_value(text.strip())
        return Experiment.from_dict(values)


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text


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


def _explain(error: ValidationError) -> str:
    """The first complaint of pydantic as one line: the value, what is allowed, what to do."""
    problems = error.errors(include_url=False)
    # An unknown key is most often the cause of whatever else is wrong.
    first = next((problem for problem in problems if problem["type"] == "extra_forbidden"), problems[0])
    key = ".".join(str(part) for part in first["loc"])
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    if first["type"] == "extra_forbidden":
        return _unknown(key) + more
    if first["type"] == "value_error":
        return _one_line(str(first["ctx"]["error"])) + more
    value, allowed = first["input"], _allowed(first["loc"])
    hint = nearest(value, allowed.split(", ")) if isinstance(value, str) and first["type"] == "literal_error" else ""
    return f"{shorten(key) or 'the experiment'} is {_printed(value)}; allowed: {allowed}{hint}{more}"


@cache
def _schema() -> dict[str, Any]:
    return Experiment.model_json_schema()


def _allowed(location: tuple[int | str, ...]) -> str:
    """What the setting at this place may be, in words, read off the JSON schema."""
    schema = _schema()
    node = schema
    for part in location:
        node = node.get("properties", {}).get(part) or node.get("additionalProperties") or {}
        node = next((choice for choice in node.get("anyOf", []) if choice.get("type") != "null"), node)
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    if "enum" in node:
        return ", ".join(map(str, node["enum"]))
    kind = {"integer": "a whole number", "number": "a number", "string": "text", "object": "a table"}.get(
        node.get("type", ""), "another type"
    )
    bounds = []
    for word, phrase in (
        ("minimum", "from {}"),
        ("exclusiveMinimum", "above {}"),
        ("maximum", "to {}"),
        ("exclusiveMaximum", "to below {}"),
    ):
        if word in node:
            bounds.append(phrase.format(f"{node[word]:g}" if isinstance(node[word], float) else f"{node[word]:,}"))
    if "pattern" in node:
        bounds.append("of up to 64 letters, digits, dots, dashes and underscores, the first a letter or digit")
    return " ".join([kind, *bounds])


def _printed(value: Any) -> str:
    try:
        return shorten(repr(value))
    except (ValueError, RecursionError):
        # An integer of thousands of digits, or tables nested as deeply.
        return "more than can be printed"


def shorten(text: str, length: int = 60) -> str:
    """What the user gave, as it can stand in an error of one line."""
    text = _one_line(text)
    return text if len(text) <= length else text[: length - 1] + "…"


def _one_line(text: str) -> str:
    """Without line breaks and without what would command a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in " ".join(text.split()))
