"""What an experiment may say: typed, validated, with an error of one line for everything else."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, Union

import tomli_w
from pydantic import Field, SerializeAsAny, ValidationError, create_model, field_validator, model_validator

from srnn.bodies import BODIES
from srnn.bodies.body import MOST_NUMBERS, BodyConfig, MLPConfig, require_affordable
from srnn.choices import Encoding, Init
from srnn.errors import UserError, nearest, option, shorten
from srnn.events import EVENTS
from srnn.files import write_whole
from srnn.methods.settings import Divergent, Method, Momentum, Optimizer, ReplicationConfig, TrainingConfig
from srnn.section import Count, Section, Share, Text, explain, unknown
from srnn.tasks.settings import TaskConfig
from srnn.terms import TERMS
from srnn.toml import read_toml, value_of
from srnn.untrusted import expanded

if TYPE_CHECKING:
    from srnn.swarm import Kind

__all__ = [
    "MOST_NUMBERS",
    "BodyConfig",
    "CheckpointConfig",
    "ComparisonConfig",
    "Divergent",
    "Experiment",
    "InteractionsConfig",
    "LogConfig",
    "MLPConfig",
    "Method",
    "Momentum",
    "Optimizer",
    "ParticleConfig",
    "ReplicationConfig",
    "TaskConfig",
    "TrainingConfig",
    "folder_name",
    "json_schema",
    "require_affordable",
]

#: What Windows takes for a device, whatever follows after a dot.
_DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{port}{number}" for port in ("COM", "LPT") for number in range(10))}


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
        return _member("body", _known("body.name", body.get("name", "mlp"), BODIES), body)

    @field_validator("terms", mode="before")
    @classmethod
    def _read_terms(cls, terms: Any) -> Any:
        if not isinstance(terms, Mapping) or not terms:
            return terms
        return {name: _member(f"terms.{name}", _known("terms", name, TERMS), term) for name, term in terms.items()}

    @field_validator("events", mode="before")
    @classmethod
    def _read_events(cls, events: Any) -> Any:
        if not isinstance(events, Mapping) or not events:
            return events
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
        values = read_toml(path)
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
            if key.strip() == "body.name" and value_of(text.strip(), is_text=True) != self.body.name:
                # The settings of one kind of network are not those of another.
                values["body"] = {name: one for name, one in values["body"].items() if f"body.{name}" in replaced}
            *parents, last = key.strip().split(".")
            for parent in parents:
                section = section.setdefault(parent, {})
                if not isinstance(section, dict):
                    raise UserError(unknown(Experiment, key.strip()))
            section[last] = value_of(text.strip(), key.strip() in _AS_IT_IS)
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
        pairs = [
            (f"{name}.{key}", value, theirs[name].get(key)) for name in sections for key, value in ours[name].items()
        ]
        return {key: value for key, value, before in pairs if value != before and key != "training.epochs"}


def _known(key: str, name: Any, family: Mapping[str, type[Section]]) -> type[Section]:
    """The member of a family by its name; ValueError if there is none."""
    if not isinstance(name, str) or name not in family:
        hint = nearest(name, family) if isinstance(name, str) else ""
        raise ValueError(f"{key} is {shorten(repr(name))}; allowed: {', '.join(family)}{hint}")
    return family[name]


#: Settings that may look like a number and are none.
_AS_IT_IS = ("name", "task.path")


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


def folder_name(text: str) -> str:
    """The name of an experiment that is nearest to a text."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("._-")[:64].rstrip("._-") or "experiment"
    return f"experiment-{name}"[:64] if name.partition(".")[0].upper() in _DEVICES else name


@cache
def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of an experiment: every setting with its description, bounds and default."""
    fields = Experiment.model_fields
    members: dict[str, Any] = {
        "body": _any_of([MLPConfig, *BODIES.values()]),
        "terms": dict[str, _any_of(TERMS.values())],  # type: ignore[misc]
        "events": dict[str, _any_of(EVENTS.values())],  # type: ignore[misc]
    }
    described_as = {name: fields[name].description or BodyConfig.__doc__ for name in members}
    families: dict[str, Any] = {
        name: (kind, Field(default=fields[name].default, description=described_as[name]))
        for name, kind in members.items()
    }
    described = create_model("Experiment", __base__=Experiment, **families)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | described.model_json_schema()


def _any_of(members: Iterable[type[Section]]) -> Any:
    return Union[tuple(dict.fromkeys(members))]  # noqa: UP007 (of types known at run time)
