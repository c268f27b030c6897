"""What the options of several commands have in common: how they are read, and what is wrong with them in our words."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import typer

from srnn.errors import UserError, shorten


def one_of(option: str, *allowed: str) -> Callable[[str], str]:
    """Reads one of some words."""

    def read(text: str) -> str:
        if text not in allowed:
            raise UserError(f"{option} is {shorten(repr(text))}; allowed: {', '.join(allowed)}")
        return text

    return read


def whole(option: str, least: int, most: int) -> Callable[[str], int]:
    """Reads a whole number."""

    def read(text: str | int) -> int:
        try:
            # A default comes as it is; int() would take thousands of digits its time.
            number = int(text) if len(str(text)) < 20 else most + 1
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            given = shorten(repr(str(text)))
            raise UserError(f"{option} is {given}; allowed: a whole number from {least:,} to {most:,}")
        return number

    return read


def number(option: str) -> Callable[[str], float]:
    """Reads a number."""

    def read(text: str | float) -> float:
        try:
            return float(text)
        except ValueError:
            raise UserError(f"{option} is {shorten(repr(str(text)))}; allowed: a number") from None

    return read


def _path(text: str | Path) -> Path:
    from srnn.untrusted import expanded

    return expanded(text)


def completing(known: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """What a shell completes a word to, of words that are known; it must not fail."""

    def complete(incomplete: str) -> list[str]:
        try:
            return [word for word in known() if word.startswith(incomplete)]
        except Exception:
            return []

    return complete


def path_option(help: str, *names: str, **options: object) -> typer.models.OptionInfo:
    """An option that is a path, ``~`` and all."""
    return typer.Option(*names, help=help, metavar="PATH", parser=_path, **options)  # type: ignore[arg-type,no-any-return]


Body = Annotated[
    str | None,
    typer.Option(
        "--body",
        metavar="PACKAGE.MODULE:CLASS",
        help="The torch module that is its body: of a run, the one that it names, if you trust it.",
    ),
]
FORMATS = ("png", "svg", "pdf", "none")
DEVICES = ("cpu", "cuda")

DataDir = Annotated[
    Path | None,
    path_option(
        "Folder of the MNIST or Fashion-MNIST files, or of own data that were moved.",
        "--data-dir",
        envvar="SRNN_DATA_DIR",
    ),
]
Device = Annotated[
    str,
    typer.Option(
        help="Where to compute.",
        metavar="|".join(DEVICES),
        parser=one_of("--device", *DEVICES),
        autocompletion=completing(lambda: DEVICES),
    ),
]
ImageFormat = Annotated[
    str,
    typer.Option(
        "--format",
        help="File format of the figures; none: without.",
        metavar="|".join(FORMATS),
        parser=one_of("--format", *FORMATS),
        autocompletion=completing(lambda: FORMATS),
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a setting, such as training.epochs=20; repeatable.",
        autocompletion=completing(lambda: (f"{key}=" for key in _keys())),
    ),
]


def _keys() -> list[str]:
    from srnn.experiment import Experiment
    from srnn.section import known_keys

    return known_keys(Experiment)
