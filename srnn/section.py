"""A section of an experiment: typed, validated, with an error of one line for everything else."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from srnn.errors import UserError, nearest, one_line, shorten

Count = Annotated[int, Field(ge=1, le=1_000_000)]
Share = Annotated[float, Field(ge=0, le=1)]
# Line breaks and tabs are text; what else commands a terminal, or turns the direction of what follows, is not.
Text = Annotated[
    str, Field(max_length=4_000, pattern="^[^\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\u202a-\u202e\u2066-\u2069]*$")
]
#: Tables whose keys are settings with dots: unless these are in quotes, TOML has them as tables in tables.
_OF_SETTINGS = ("over",)
#: How many parts such a key may have, such as the three of ``events.NAME.epoch``, and one to spare.
_MOST_PARTS = 4


if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic._internal._model_construction import ModelMetaclass
    from pydantic_core import CoreSchema
else:
    ModelMetaclass = type(BaseModel)


class _InOneLine(ModelMetaclass):
    """What is wrong with the values that a section is made of is told in one line, from Python, too."""

    def __call__(self, *values: Any, **named: Any) -> Any:
        try:
            return super().__call__(*values, **named)
        except ValidationError as error:
            raise UserError(explain(self, error)) from None  # type: ignore[arg-type]


class Section(BaseModel, metaclass=_InOneLine):
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

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Tables of settings may be tables in tables."""
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        for table in (properties[name] for name in _OF_SETTINGS if name in properties):
            # Of keys without dots: by what others may hold, users are told what is allowed.
            table["patternProperties"] = {"^[^.]*$": _in_tables(table["additionalProperties"])}
        return schema

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Self:
        """Validate nested plain values.

        Raises:
            UserError: The first thing that is wrong, in one line.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise UserError(explain(cls, error)) from None


def _in_tables(value: dict[str, Any]) -> dict[str, Any]:
    """The schema of a value, or of tables in tables of such values."""
    nested = value
    for _ in range(_MOST_PARTS - 1):
        nested = {"anyOf": [value, {"type": "object", "additionalProperties": nested}]}
    return nested


def known_keys(model: type[BaseModel]) -> list[str]:
    """Every setting that there is, dotted."""
    keys = []
    for name, field in model.model_fields.items():
        # Of a family, the member that is there by default.
        section = type(field.default) if isinstance(field.default, BaseModel) else field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            keys += [f"{name}.{key}" for key in section.model_fields]
        else:
            keys.append(name)
    return keys


def unknown(model: type[BaseModel], key: str) -> str:
    """That there is no such setting, and which may be meant."""
    section, _, own = key.partition(".")
    siblings = [known.partition(".")[2] for known in known_keys(model) if known.startswith(section + ".")]
    if own and siblings:
        hint = nearest(own, siblings).replace("did you mean ", f"did you mean {section}.")
        return f"{shorten(key)} is not a setting{hint or f'; allowed in [{section}]: ' + ', '.join(siblings)}"
    exactly = [known for known in known_keys(model) if known.endswith(f".{key}")]
    hint = nearest(key, exactly) or nearest(key, [*model.model_fields, *known_keys(model)])
    return f"{shorten(key)} is not a setting{hint or '; allowed: ' + ', '.join(model.model_fields)}"


def explain(model: type[BaseModel], error: ValidationError) -> str:
    """The first complaint of pydantic as one line: the value, what is allowed, what to do."""
    problems = error.errors(include_url=False)
    # An unknown key is most often the cause of whatever else is wrong.
    first = next((problem for problem in problems if problem["type"] == "extra_forbidden"), problems[0])
    location = _setting(model, first["loc"])
    key, others = ".".join(map(str, location)), {_setting(model, problem["loc"]) for problem in problems} - {location}
    more = f" (and {len(others)} more)" if others else ""
    if first["type"] == "extra_forbidden":
        return unknown(model, key) + more
    if first["type"] == "value_error":
        return one_line(str(first["ctx"]["error"])) + more
    value, allowed = first["input"], _allowed(model, location)
    hint = nearest(value, allowed.split(", ")) if isinstance(value, str) and first["type"] == "literal_error" else ""
    return f"{shorten(key) or 'the experiment'} is {_printed(value)}; allowed: {allowed}{hint}{more}"


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def schema_of(model: type[BaseModel], location: tuple[int | str, ...]) -> dict[str, Any]:
    """What the JSON schema says of the setting at this place; empty if there is none."""
    node = schema = _schema(model)
    for part in location:
        node = node.get("properties", {}).get(part) or node.get("additionalProperties") or node.get("items") or {}
        if len(choices := _choices(node)) == 1:
            [node] = choices
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    return node


def _choices(node: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The kinds of values that a setting of several may have, besides none."""
    return [choice for choice in node.get("anyOf", []) if choice.get("type") != "null"]


def _setting(model: type[BaseModel], location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """The place of a setting, of which pydantic complains once for each kind of value that it may have."""
    return location[:-1] if len(_choices(schema_of(model, location[:-1]))) > 1 else location


def _allowed(model: type[BaseModel], location: tuple[int | str, ...]) -> str:
    """What the setting at this place may be, in words, read off the JSON schema."""
    node = schema_of(model, location)
    return ", or ".join(map(_in_words, _choices(node) or [node]))


def _in_words(node: Mapping[str, Any]) -> str:
    if "const" in node:
        return str(node["const"])
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


def _number(value: Any) -> Any:
    """A number of NumPy or torch as one of Python; everything else as it is."""
    if type(value).__module__.partition(".")[0] in ("numpy", "torch") and getattr(value, "ndim", None) == 0:
        return value.item()
    return value
