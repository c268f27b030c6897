"""The presets: experiments that come with the package, one TOML file each."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from srnn.errors import UserError, nearest, option, shorten
from srnn.experiment import Experiment, folder_name
from srnn.files import is_file
from srnn.untrusted import expanded

#: Endings of files that hold data.
_DATA = {".npz", ".npy", ".csv", ".tsv", ".parquet", ".safetensors", ".pt", ".pth", ".pkl", ".pickle"}


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


def load_changed(name_or_path: str, settings: Iterable[str]) -> Experiment:
    """An experiment with settings changed: a preset that is another experiment by them has a name that says so.

    ``digits`` with ``particle.hidden=3`` is ``digits-hidden-3``; with other data it is named after these. A name among
    the settings, and that of a file, stay.

    Raises:
        UserError: As for :func:`load_experiment` and :meth:`Experiment.override`.

    Example:
        >>> load_changed("digits", ["particle.hidden=3", "training.epochs=5"]).name
        'digits-hidden-3'
    """
    given = list(settings)
    before = load_experiment(name_or_path)
    changed = before.override(given)
    named = any(setting.partition("=")[0].strip() == "name" for setting in given)
    if name_or_path not in preset_names() or named or not (changes := changed.changes(before)):
        return changed
    words = [before.name]
    if changes.keys() & {"task.name", "task.path"}:
        path = changed.task.path
        words = [Path(path).stem if changed.task.name == "arrays" and path else changed.task.name]
    words += [
        f"{key.partition('.')[2]}-{value}"
        for key, value in changes.items()
        if key not in ("task.name", "task.path") and value is not None
    ]
    return changed.model_copy(update={"name": folder_name("-".join(words))})


def load_experiment(name_or_path: str | os.PathLike[str]) -> Experiment:
    """A preset by its name, or an experiment from a TOML file by its path.

    Raises:
        UserError: There is no such preset or file, or the file does not describe an experiment.
    """
    if not isinstance(name_or_path, str):
        return Experiment.from_toml(name_or_path)
    if name_or_path not in preset_names():
        path = expanded(name_or_path)
        if path.suffix.lower() in _DATA and is_file(path):
            how = option(f"set task.path={path}", f"override('task.path={path}')")
            raise UserError(f"{path} is data, not an experiment: train on it with {how}")
        if name_or_path.endswith(".toml") or "/" in name_or_path or is_file(path):
            return Experiment.from_toml(path)
    return load_preset(name_or_path)
