"""Any torch module as a body, named by its import path.

A run folder may come from a stranger, so what is written in one never causes an import. To start an experiment is to
consent to the class that it names; whoever takes up a run folder has to name it once more (:func:`bind`).
"""

from __future__ import annotations

import importlib
import inspect
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import Field, PrivateAttr, field_validator

from srnn.bodies.body import BodyConfig
from srnn.errors import UserError, option, shorten
from srnn.section import Text

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from srnn.experiment import Experiment

    #: A class, or a function that makes a module, or the import path of a class; or settings that have theirs.
    Body: TypeAlias = "str | Callable[..., nn.Module] | ModuleConfig"

#: ``package.module:Class``; what Python makes in a function has a path, too, but cannot be imported by it.
_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[\w<>]+(\.[\w<>]+)*", re.ASCII)
_PATH_LIMIT = 200
#: How deep the tables and lists of arguments may be, and how much all of them may hold.
_DEPTH, _MOST = 8, 1_000
#: Examples on which a new body is tried.
_TRIED = 2


class ModuleConfig(BodyConfig):
    """The macro network: any torch module. What is not made of particles are ordinary parameters."""

    name: Literal["module"] = "module"
    """Any torch module, by its import path."""
    path: Annotated[Text, Field(validate_default=True)] = ""
    """Its class, ``package.module:Class``. If it takes ``inputs`` or ``outputs``, it is told the task's."""
    arguments: dict[str, Any] = {}
    """What else it is made with: numbers, texts, true or false, and lists and tables of these."""
    input: Literal["flat", "image", "rows"] = "flat"
    """As what it takes examples: ``(batch, inputs)``, images ``(batch, channels, height, width)``, or their rows
    ``(batch, height, channels · width)``."""
    only: list[Text] | None = None
    """Names of the weights that become particles, or of modules that hold them; without it, all that are trained but
    for embeddings."""
    exclude: list[Text] = []
    """Names of weights that stay ordinary parameters, such as a table of positions, or of modules that hold them."""

    #: What may be called to make it, once somebody has consented to that.
    _make: Callable[..., nn.Module] | None = PrivateAttr(default=None)

    @field_validator("path")
    @classmethod
    def _is_a_path(cls, path: str) -> str:
        if len(path) > _PATH_LIMIT or not _PATH.fullmatch(path):
            raise ValueError(
                f"path is {shorten(repr(path))}; allowed: the import path of a class, package.module:Class"
            )
        return path

    @field_validator("arguments")
    @classmethod
    def _are_plain(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        for name in arguments:
            if not name.isidentifier():
                raise ValueError(f"arguments has a key {shorten(repr(name))}; allowed: names of parameters")
        if not _is_plain(arguments, _DEPTH) or _held(arguments) > _MOST:
            raise ValueError(
                f"arguments holds {shorten(repr(arguments))}; allowed: up to {_MOST:,} numbers, texts, true or false, "
                "and lists and tables of these"
            )
        return arguments

    @property
    def bound(self) -> bool:
        """Whether its class is known and may be called."""
        return self._make is not None

    @property
    def needs_image(self) -> bool:
        return self.input != "flat"

    @property
    def choice(self) -> dict[str, Any]:
        return {"only": self.only, "exclude": self.exclude}

    def describe(self) -> str:
        arguments = ", ".join(f"{name} = {value}" for name, value in self.arguments.items())
        return self.path + (f" with {shorten(arguments)}" if arguments else "")

    def inherit(self, other: BodyConfig) -> None:
        if isinstance(other, ModuleConfig) and other.path == self.path:
            self._make = other._make

    def build(
        self, inputs: int, outputs: int, image: tuple[int, ...] | None, generator: torch.Generator | None
    ) -> nn.Module:
        import torch
        from torch import nn

        from srnn.drawing import drawing_from

        make, view = self._required(), self._view(image)
        sizes = {name: size for name, size in (("inputs", inputs), ("outputs", outputs)) if _takes(make, name)}
        try:
            with drawing_from(generator):
                body = make(**(sizes | self.arguments))
        except Exception as error:
            raise UserError(f"body.path {self.path} cannot be made: {type(error).__name__}: {error}") from error
        if not isinstance(body, nn.Module):
            raise UserError(f"body.path {self.path} makes {shorten(repr(body))}; allowed: a torch.nn.Module")
        if view is not None:
            # A hook and not a module around it, so that its parameters keep their names.
            body.register_forward_pre_hook(_Viewed(view))
        body.train()
        tried = torch.zeros(_TRIED, inputs)
        with torch.no_grad(), drawing_from(torch.Generator()):
            self._try(body, tried, outputs)
        for name, parameter in body.named_parameters():
            if parameter.dtype != torch.float32:
                raise UserError(
                    f"body.path {self.path} has weights of {parameter.dtype} ({shorten(name)}); allowed: float32, as "
                    "particles are: make it with float32 weights, and convert its examples or answers inside forward"
                )
        if tried._version > 0:
            body.register_forward_pre_hook(_copied)
        return body

    def outline(self, inputs: int, outputs: int, image: tuple[int, ...] | None = None) -> nn.Module:
        # Not on the device meta, where many a module cannot be made, such as one that asks a tensor for its content.
        import torch

        return self.build(inputs, outputs, image, torch.Generator())

    def _required(self) -> Callable[..., nn.Module]:
        if self._make is None:
            raise UserError(
                f"the body of this run is {self.path}, and nothing that a run folder names is imported unasked: if you "
                f"trust it, give {option(f'body {self.path}', 'body=, the class')}"
            )
        return self._make

    def _view(self, image: tuple[int, ...] | None) -> nn.Module | None:
        from torch import nn

        from srnn.bodies.parts import Rows

        if self.input == "flat":
            return None
        if image is None or len(image) != 3:
            raise UserError(f"body.input is {self.input!r}, and the task has no images: set it to 'flat'")
        return Rows(image) if self.input == "rows" else nn.Unflatten(1, tuple(image))

    def _try(self, body: nn.Module, x: Tensor, outputs: int) -> None:
        """Raise UserError unless the body answers as the task asks; lazy parameters get their shapes by it."""
        try:
            answer = body.eval()(x)
        except Exception as error:
            raise UserError(
                f"body.path {self.path} does not take examples of {x.shape[1]:,} numbers with body.input "
                f"{self.input!r}: {type(error).__name__}: {error}"
            ) from error
        finally:
            body.train()
        shape = tuple(getattr(answer, "shape", ()))
        if shape != (len(x), outputs):
            what = f"a tensor of shape {shape}" if shape else f"a {type(answer).__name__}"
            raise UserError(
                f"body.path {self.path} answers {len(x)} examples with {what}; the task asks for one of shape "
                f"{(len(x), outputs)}"
            )


class _Viewed:
    """A hook that gives a module its input in another shape.

    Args:
        view: From ``(batch, inputs)`` to that shape.
    """

    def __init__(self, view: nn.Module) -> None:
        self.view = view

    def __call__(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return self.view(inputs[0]), *inputs[1:]


def _copied(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """A hook for a module that changes its input in place, which would be the data of all."""
    return inputs[0].clone(), *inputs[1:]


# -- consent --------------------------------------------------------------------------------------------------------


def bind(settings: BodyConfig, body: Body) -> ModuleConfig:
    """Settings whose class may be called, for somebody has named it.

    Args:
        settings: Those of a module, whose path must be that of the class; others are replaced by those of the class.
        body: The class, or a function that makes a module; ``functools.partial`` of either gives it arguments. Or the
            import path of a class, which is imported, but not from the current folder. Or settings that are bound.

    Raises:
        UserError: It is another class, or none, or it cannot be imported.
    """
    arguments: Mapping[str, Any] = {}
    make: Callable[..., nn.Module] | None = None
    if isinstance(body, ModuleConfig):
        path, make = body.path, body._required()
    elif isinstance(body, str):
        path = body
    else:
        make = body
        if isinstance(body, partial) and not body.args:
            make, arguments = body.func, body.keywords
        path = _path_of(make)
    if not isinstance(settings, ModuleConfig):
        settings = ModuleConfig.read({"path": path, "arguments": dict(arguments)})
    elif settings.path != path and (make is None or _loaded(settings.path) is not make):
        what = f"{option('body')} is {shorten(path)}; the body of the run is {settings.path}"
        raise UserError(f"{what}: give that, if you trust it")
    elif arguments and settings.arguments != arguments:
        raise UserError(f"body has the arguments {dict(arguments)}; those of the run are {settings.arguments}")
    bound = settings.model_copy()
    bound._make = _imported(path) if make is None else make
    return bound


def with_body(experiment: Experiment, body: Body | None, begins: bool) -> Experiment:
    """An experiment whose body may be built.

    Args:
        experiment: What is to be run.
        body: As for :func:`bind`, if it was given.
        begins: Whether the experiment is begun, which is consent to the class that it names.

    Raises:
        UserError: As for :func:`bind`; or nobody has consented.
    """
    settings = experiment.body
    if body is None:
        if not isinstance(settings, ModuleConfig) or settings.bound:
            return experiment
        if not begins:
            settings._required()
        body = settings.path
    return experiment.model_copy(update={"body": bind(settings, body)})


def as_named(experiment: Experiment, body: Body | None) -> Experiment:
    """The experiment of a run folder; its body may be built if it is srnn's own, or if it is the one that is named.

    Raises:
        UserError: It is another one.
    """
    if body is None or not isinstance(experiment.body, ModuleConfig):
        return experiment
    return with_body(experiment, body, begins=False)


def require_consent(experiment: Experiment) -> None:
    """Raise UserError if nobody has consented to the class of the body; srnn's own need none."""
    with_body(experiment, None, begins=False)


def _loaded(path: str) -> object:
    """What has that path among what is imported already; None if there is none."""
    module, _, name = path.partition(":")
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def _path_of(body: object) -> str:
    from torch import nn

    if isinstance(body, nn.Module) or not callable(body) or not hasattr(body, "__qualname__"):
        raise UserError(
            f"body is {shorten(repr(body))}; allowed: a class, or a function that makes a module for each seed"
        )
    return f"{body.__module__}:{body.__qualname__}"


def _imported(path: str) -> type[nn.Module]:
    """The class of that path.

    Only classes of modules: then the arguments of a file are given to nothing else.
    """
    from torch import nn

    if not _PATH.fullmatch(path):
        what = f"{option('body')} is {shorten(repr(path))}"
        raise UserError(f"{what}; allowed: the import path of a class, package.module:Class")
    module, _, name = path.partition(":")
    try:
        with _outside_the_current_folder():
            found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except Exception as error:
        raise UserError(
            f"body.path {path} cannot be imported: {type(error).__name__}: {error}; install its package, or name the "
            "folder in PYTHONPATH in full (the current folder is not searched); from Python, give the class: body="
        ) from error
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise UserError(f"body.path {path} is {shorten(repr(found))}; allowed: a class of torch.nn.Module")
    return found


@contextmanager
def _outside_the_current_folder() -> Iterator[None]:
    """Import nothing from the current folder, which may be a stranger's, unless PYTHONPATH names it in full."""
    before, here = list(sys.path), os.path.realpath(".")
    named = {entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if Path(entry).is_absolute()}
    sys.path[:] = [entry for entry in before if entry in named or os.path.realpath(entry or ".") != here]
    try:
        yield
    finally:
        # What the import itself has added stays.
        added = [entry for entry in sys.path if entry not in before]
        sys.path[:] = before + added


def _takes(make: Callable[..., nn.Module], name: str) -> bool:
    try:
        parameter = inspect.signature(make).parameters.get(name)
    except (ValueError, TypeError):
        return False
    return parameter is not None and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)


def _is_plain(value: Any, depth: int) -> bool:
    """Whether a file of TOML can hold it and a terminal can show it."""
    if isinstance(value, dict):
        return depth > 0 and all(_is_plain(key, 0) and _is_plain(one, depth - 1) for key, one in value.items())
    if isinstance(value, list):
        return depth > 0 and all(_is_plain(one, depth - 1) for one in value)
    if isinstance(value, str):
        return len(value) <= _MOST and value.isprintable()
    if isinstance(value, float):
        return isfinite(value)
    return isinstance(value, bool | int) and abs(value) < 2**63


def _held(value: Any) -> int:
    if isinstance(value, dict):
        return sum(1 + _held(one) for one in value.values())
    return 1 + sum(map(_held, value)) if isinstance(value, list) else 1
