"""The presets: experiments that come with the package, one TOML file each."""

from __future__ import annotations

import os
from pathlib import Path

from srnn.errors import UserError, nearest, shorten
from srnn.experiment import Experiment
from srnn.files import is_file
from srnn.untrusted import expanded


def preset_folder() -> Path:
    """Where the presets are: inside an installed package, beside it in a checkout."""
    package = Path(__file__).parent
    installed = package / "experiments"
    return installed if installed.is_dir() else package.parent / "experiments"


def preset_names() -> list[str]:
    """Names of all presets, in alphabetical order."""
    return sorted(path.stem for path in preset_folder().glob("*.toml"))


def load_preset(name: str) -> Experiment:
    """The preset of that name.

    Raises:
        UserError: There is none; the message names the nearest.

    Example:
        >>> load_preset("connectivity").training.epochs
        200
    """
    if name not in preset_names():
        raise UserError(
            f"there is no preset {shorten(repr(name))}{nearest(name, preset_names())} (srnn presets lists them all)"
        )
    return Experiment.from_toml(preset_folder() / f"{name}.toml")


def load_experiment(name_or_path: str | os.PathLike[str]) -> Experiment:
    """A preset by its name, or an experiment from a TOML file by its path.

    Raises:
        UserError: There is no such preset or file, or the file does not describe an experiment.
    """
    if not isinstance(name_or_path, str):
        return Experiment.from_toml(name_or_path)
    if name_or_path not in preset_names():
        path = expanded(name_or_path)
        if name_or_path.endswith(".toml") or "/" in name_or_path or is_file(path):
            return Experiment.from_toml(path)
    return load_preset(name_or_path)
