"""Where runs and tables are before they are whole, and what a command that was killed has left there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from srnn import tasks
from srnn.errors import UserError
from srnn.experiment import Experiment
from srnn.runs import lock
from srnn.runs.groups import same_experiment
from srnn.runs.run import Run

_PREFIX: Final = ".unfinished-"


@contextmanager
def workplace(folder: Path) -> Iterator[Path]:
    """A folder inside this one that is gone in the end; those that commands have left that are no more are in it."""
    left = [one for one in folder.glob(f"{_PREFIX}*") if (one / lock.NAME).exists() and not lock.writer(one)]
    with TemporaryDirectory(prefix=_PREFIX, dir=folder) as name, lock.only_writer(place := Path(name)):
        for one in left:
            with suppress(OSError):  # another command was faster
                one.rename(place / one.name)
        yield place


def take_over(place: Path, preset: str, experiment: Experiment) -> None:
    """Move runs of a preset that others have left in a workplace to where they are gone on with in it."""
    for folder in place.glob(f"**/{_PREFIX}*/{preset}/seed-*"):
        own = place / preset / folder.name
        if not own.exists() and not lock.writer(folder) and _is_begun(folder, experiment):
            own.parent.mkdir(exist_ok=True)
            folder.rename(own)


def is_of(run: Run, experiment: Experiment) -> bool:
    """Whether a run is of this experiment, of whatever seed."""
    return same_experiment(run.experiment, experiment.model_copy(update={"task": tasks.complete(experiment.task)}))


def _is_begun(folder: Path, experiment: Experiment) -> bool:
    """Whether there is a run of that experiment, as far as it has come; one of another version of srnn may be none."""
    try:
        return is_of(Run.open(folder), experiment)
    except UserError:
        return False
