"""What an experiment may say: typed, validated, with an error of one line for everything else."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Self, Union

import tomli_w
from pydantic import Field, SerializeAsAny, ValidationError, create_model, field_validator, model_validator

from srnn.bodies import BODIES
from srnn.bodies.body import MOST_NUMBERS, BodyConfig, MLPConfig, require_affordable
from srnn.consistency import require_consistent, require_scorable
from srnn.errors import UserError, nearest, option, shorten
from srnn.events import EVENTS
from srnn.files import write_whole
from srnn.methods import EXACT
from srnn.methods.settings import (
    Divergent,
    Method,
    Momentum,
    Optimizer,
    ReplicationConfig,
    ScheduleConfig,
    TrainingConfig,
)
from srnn.section import Section, Text, explain, unknown
from srnn.settings import (
    CheckpointConfig,
    ComparisonConfig,
    InteractionsConfig,
    LogConfig,
    ParticleConfig,
    PruningConfig,
    StartConfig,
    SweepConfig,
)
from srnn.shown import Rows, Shown
from srnn.tasks.settings import TaskConfig
from srnn.terms import TERMS
from srnn.toml import read_toml, value_of
from srnn.untrusted import expanded

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
    "PruningConfig",
    "ReplicationConfig",
    "ScheduleConfig",
    "StartConfig",
    "SweepConfig",
    "TaskConfig",
    "TrainingConfig",
    "folder_name",
    "json_schema",
    "require_affordable",
]

#: What Windows takes for a device, whatever follows after a dot.
_DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{port}{number}" for port in ("COM", "LPT") for number in range(10))}


#: What variants of an experiment have in common, or are told apart by.
_FIXED = ("name", "seed", "comparison", "pruning", "sweep")


class Experiment(Shown, Section):
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
    schedule: ScheduleConfig = ScheduleConfig()
    interactions: InteractionsConfig = InteractionsConfig()
    log: LogConfig = LogConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    start: StartConfig = StartConfig()
    terms: Annotated[dict[str, SerializeAsAny[Section]], Field(max_length=100)] = {}
    """Gates and costs on the effective weights, by name: of :data:`srnn.terms.TERMS`."""
    events: Annotated[dict[str, SerializeAsAny[Section]], Field(max_length=100)] = {}
    """What happens in training, by a name of your own; ``do`` says what, of :data:`srnn.events.EVENTS`."""
    pruning: PruningConfig = PruningConfig()
    comparison: ComparisonConfig = ComparisonConfig()
    sweep: SweepConfig = SweepConfig()
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
        """What an older srnn left unsaid in the record of a run: data were not scaled, other tasks read no path.

        There was no census at rest, and what is no sweep told of seeds by themselves.
        """
        if not isinstance(values, dict) or not values.get("versions") or not isinstance(values.get("task", {}), dict):
            return values
        task = {"scale": "none", **values.get("task", {})}
        if task.get("name") == "arrays":
            task = {"fingerprint": {}, **task}
        elif "name" in task:
            task.pop("path", None)
        log, sweep = values.get("log", {}), values.get("sweep", {})
        if isinstance(sweep, dict) and not sweep.get("over"):
            values = {**values, "sweep": {}}
        return {**values, "task": task, "log": {"rest": 0, **log} if isinstance(log, dict) else log}

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
        require_consistent(self)
        for given, what in ((self.comparison.variants, "comparison.variants"), (self.pruning.asked, "pruning")):
            if self.sweep.over and given:
                raise ValueError(f"sweep.over and {what} exclude each other: leave one of them out")
        self.expand()
        return self

    def expand(self) -> dict[str, Experiment]:
        """The experiments that are compared, by variant: each by itself an experiment ``NAME-VARIANT``.

        Raises:
            UserError: A variant is not valid.
        """
        return {
            variant: self._changed(f"{self.name}-{variant}", changes, f"comparison.variants.{shorten(variant)}")
            for variant, changes in self.comparison.variants.items()
        }

    def scored(self) -> dict[str, Experiment]:
        """Of a study of pruning, the other runs whose scores it asks for, by name.

        Not looked at before: what they name may be slow to import.

        Raises:
            UserError: One is not valid, or cannot be scored so.
        """
        found = {}
        for name, other in self.pruning.others.items():
            key = f"pruning.others.{name}"
            found[name] = self._changed(name, other.changes, key)
            try:
                require_scorable(found[name], other.by, f"{key}.by")
            except ValueError as error:
                raise UserError(str(error)) from None
        return found

    def _changed(self, name: str, changes: Sequence[str], key: str) -> Experiment:
        """The experiment by itself under another name, with settings changed; UserError, which begins with the key."""
        alone = self.model_copy(update={"comparison": ComparisonConfig(), "pruning": PruningConfig()})
        try:
            fixed = [one for change in changes if (one := change.partition("=")[0].strip()).split(".")[0] in _FIXED]
            if fixed:
                raise UserError(f"{fixed[0]} is the same for all: leave it out")
            return alone.override([*changes, f"name={json.dumps(name)}"])
        except UserError as error:
            raise UserError(f"{key}: {error}") from None

    def _line(self) -> str:
        settings = [
            f", {key}={value}" for key, value in self._shown()[1] if key not in ("about", "duration", "settings")
        ]
        return f"Experiment({self.name!r}{''.join(settings)})"

    def _shown(self) -> tuple[str, Rows]:
        values = self.model_dump(exclude_defaults=True, exclude_none=True, exclude={"name", "versions", "comparison"})
        if type(self.body) is not MLPConfig:
            values["body"] = {"name": self.body.name, **values.get("body", {})}
        rows = [
            *_dotted(values),
            *((f"variant {name}", ", ".join(own)) for name, own in self.comparison.variants.items()),
        ]
        return self.name, rows or [("settings", "the defaults")]

    @property
    def exact(self) -> bool:
        """Whether every particle is kept a self-replicator."""
        return self.replication.method in EXACT

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
        ours, theirs, found = self.model_dump(), since.model_dump(), dict[str, Any]()
        for name in _SECTIONS:
            found |= {f"{name}.{key}": one for key, one in ours[name].items() if one != theirs[name].get(key)}
        for family in ("terms", "events"):
            known, before = getattr(self, family), getattr(since, family)
            for name in dict.fromkeys([*known, *before]):
                found |= _changes_of_member(f"{family}.{name}", known.get(name), before.get(name))
        found.pop("training.epochs", None)
        return found


#: What makes an experiment another one, beside terms and events.
_SECTIONS = (
    "task",
    "body",
    "particle",
    "replication",
    "training",
    "schedule",
    "interactions",
    "start",
    "pruning",
)


def _changes_of_member(key: str, now: Section | None, before: Section | None) -> dict[str, Any]:
    """Dotted settings of a term or event that are others than before; of a new one, those that it is known by."""
    if now is None:
        return {key: None}
    values, theirs = now.model_dump(), {} if before is None else before.model_dump()
    if before is None:
        values = now.model_dump(exclude_defaults=True) or values
    if values.get("do") == key.partition(".")[2] and len(values) > 1:
        del values["do"]
    return {f"{key}.{name}": value for name, value in values.items() if before is None or value != theirs.get(name)}


def _known(key: str, name: Any, family: Mapping[str, type[Section]]) -> type[Section]:
    """The member of a family by its name; ValueError if there is none."""
    if not isinstance(name, str) or name not in family:
        hint = nearest(name, family) if isinstance(name, str) else ""
        raise ValueError(f"{key} is {shorten(repr(name))}; allowed: {', '.join(family)}{hint}")
    return family[name]


def _dotted(values: Mapping[str, Any], before: str = "") -> list[tuple[str, str]]:
    """Settings of nested tables, each with its value as in TOML."""
    rows = []
    for name, value in values.items():
        if isinstance(value, dict) and value:
            rows += _dotted(value, f"{before}{name}.")
        else:
            rows.append((f"{before}{name}", json.dumps(value, ensure_ascii=False)))
    return rows


#: Settings that may look like a number and are none.
_AS_IT_IS = ("name", "task.path", "task.target", "start.run", "start.mask", "start.of")


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
