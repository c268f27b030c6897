"""What runs have measured, as event files of TensorBoard, which others' boards show beside theirs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from srnn.errors import UserError
from srnn.fixpoint_types import FixpointType
from srnn.runs import records
from srnn.runs.run import Run

_LABELS = [kind.label for kind in FixpointType]


class EventFiles:
    """Event files of runs, a folder for each; what is measured later is added.

    Args:
        folder: Where they go: ``folder/experiment/seed-0/events.out.tfevents.…``. Those of an earlier session may be
            there; what they hold is hidden by the same numbers, written again.

    Raises:
        UserError: tensorboardX is not installed.

    Example:
        >>> with EventFiles("board") as files:  # doctest: +SKIP
        ...     files.write(open_runs(["runs/digits"]))
    """

    def __init__(self, folder: str | Path) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            raise UserError(
                f"event files need the package {error.name}: install the extra board, pip install 'srnn[board]'"
            ) from None
        self._open: Any = SummaryWriter
        self._folder = Path(folder)
        #: Of each run its writer, and the last batch that is written.
        self._writers: dict[Path, Any] = {}
        self._batch: dict[Path, int] = {}

    def __enter__(self) -> EventFiles:
        return self

    def __exit__(self, *_: object) -> None:
        for writer in self._writers.values():
            writer.close()

    def write(self, runs: Iterable[Run]) -> None:
        """Write what these runs have measured since they were written last; a step is an epoch.

        Raises:
            UserError: A run's ``metrics.csv`` is damaged.
            OSError: The files cannot be written.
        """
        for run in runs:
            path = run.folder / "metrics.csv"
            if not path.is_file():
                continue
            moment, metrics = path.stat().st_mtime, records.read_metrics(path)
            new = metrics[metrics["Batch"] > self._batch.get(run.folder, -1)]
            if new.empty:
                continue
            if (writer := self._writers.get(run.folder)) is None:
                into = self._folder.joinpath(*run.folder.absolute().parts[-2:])
                writer = self._writers[run.folder] = self._open(str(into), purge_step=0)
            for epoch, metric, score in zip(new["Epoch"], new["Metric"], new["Score"], strict=True):
                writer.add_scalar(tag(metric), score, epoch, walltime=moment)
            writer.flush()
            self._batch[run.folder] = int(new["Batch"].max())


def tag(metric: str) -> str:
    """What a board calls a metric: those of a kind stand together there."""
    if metric.startswith("test_recall_"):
        return f"recall/{metric.removeprefix('test_recall_')}"
    return f"types/{metric}" if metric.rpartition("_")[2] in _LABELS else metric
