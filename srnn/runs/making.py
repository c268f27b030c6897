"""What the folder of a run, or of several, begins with."""

from __future__ import annotations

from pathlib import Path

from srnn.errors import UserError, option
from srnn.experiment import Experiment
from srnn.files import LOST
from srnn.runs import lock
from srnn.runs.status import NAME as STATUS

#: How often a folder is tried to be made.
_ATTEMPTS = 20


def write_config(folder: Path, experiment: Experiment) -> None:
    """Write what is run in a folder."""
    experiment.to_toml(folder / "config.toml")


def make_folder(folder: Path) -> list[Path]:
    """Make a run folder, unless it exists; the folders that were made, the run's own first.

    Raises:
        UserError: It cannot be made.
        OSError: The disk is full, or damaged.
    """
    for _ in range(_ATTEMPTS):
        try:
            made = [path for path in (folder, *folder.parents) if not path.exists()]
            folder.mkdir(parents=True, exist_ok=True)
            return made
        except FileNotFoundError as missing:  # one above it was empty, and another process has removed it meanwhile
            error: OSError = missing
        except OSError as other:
            error = other
            break
    if error.errno in LOST:
        raise error
    raise UserError(f"{folder} cannot be made: {error.strerror}; choose another {option('out')}")


def is_free(folder: Path) -> bool:
    """Whether a run may begin there: nothing is, or only what one left that was killed or failed before it began."""
    if not folder.exists():
        return True
    return folder.is_dir() and all(
        path.name in (lock.NAME, STATUS) or path.name.endswith(".tmp") for path in folder.iterdir()
    )
