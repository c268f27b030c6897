"""Runs in progress, looked at from outside: all that is known of them is read from their folders.

So it does not matter who trains them or where, if only the folder is shared: another process, another machine.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from srnn.errors import UserError
from srnn.runs import records
from srnn.runs.groups import only_planned, open_runs
from srnn.runs.run import Run, last_epoch
from srnn.runs.status import Status
from srnn.untrusted import expanded


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        run: The run.
        status: What it says of itself, and whether anybody writes it.
        epoch: The last epoch that it has measured.
        epochs: As many as it shall have; 0 if its configuration cannot be read.
        scores: The last score of each metric.
        quiet: Seconds since it has measured anything; None if it has not yet.
        left: Seconds that it will still take at the pace seen since it is watched; None while there was none to see.
    """

    run: Run
    status: Status
    epoch: int
    epochs: int
    scores: Mapping[str, float]
    quiet: float | None
    left: float | None


class Watch:
    """Looks at runs again and again.

    Args:
        folders: Folders of runs, of seeds, of comparisons, or of experiments: those that are begun later are seen, too.

    Example:
        >>> [progress.epoch for progress in Watch(["runs/digits"]).look()]  # doctest: +SKIP
        [40, 40, 38]
    """

    def __init__(self, folders: Iterable[str | os.PathLike[str]]) -> None:
        self._folders = [expanded(folder) for folder in folders]
        self._known: dict[Path, Run] = {}
        #: When each run was first seen, and its epoch then.
        self._seen: dict[Path, tuple[float, int]] = {}

    def look(self) -> list[Progress]:
        """How far each run is now, in the order in which they are named.

        Raises:
            UserError: A folder holds no run.
        """
        found = []
        for run in open_runs(one for one in self._folders if not only_planned(one)):
            # A run that is known has read its configuration already.
            found.append(self._progress(self._known.setdefault(run.folder, run)))
        return found

    def _progress(self, run: Run) -> Progress:
        status, path, now = run.status, run.folder / "metrics.csv", time.time()
        last = records.last_scores(path)
        epoch = last_epoch(status, last)
        try:
            epochs = run.experiment.training.epochs
        except UserError:
            epochs = 0
        try:
            quiet = max(0.0, now - path.stat().st_mtime)
        except OSError:
            quiet = None
        began, first = self._seen.setdefault(run.folder, (now, epoch))
        left = (
            (now - began) / (epoch - first) * (epochs - epoch) if status.status == "running" and epoch > first else None
        )
        return Progress(run, status, epoch, epochs, {name: score for name, (_, score) in last.items()}, quiet, left)
