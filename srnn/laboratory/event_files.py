"""What runs have measured, as event files of TensorBoard, which others' boards show beside theirs."""

from __future__ import annotations

import socket
import struct
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from srnn.errors import UserError
from srnn.fixpoint_types import is_count
from srnn.runs import records
from srnn.runs.run import Run


class EventFiles:
    """Event files of runs, a folder for each; what is measured later is added.

    Args:
        folder: Where they go: ``folder/experiment/seed-0/events.out.tfevents.…``, with more of the run's path where
            that is the same of two. Those of an earlier session may be there; what they hold is hidden by the same
            numbers, written again.

    Raises:
        UserError: tensorboardX is not installed.

    Example:
        >>> files = EventFiles("board")  # doctest: +SKIP
        >>> files.write(open_runs(["runs/digits"]))  # doctest: +SKIP
    """

    def __init__(self, folder: str | Path) -> None:
        try:
            from tensorboardX import summary
            from tensorboardX.proto import event_pb2
            from tensorboardX.record_writer import masked_crc32c
        except ImportError as error:
            raise UserError(
                f"event files need the package {error.name}: install the extra board, pip install 'srnn[board]'"
            ) from None
        self._event: Any = event_pb2
        self._scalar: Any = summary.scalar
        self._checksum: Any = masked_crc32c
        self._folder = Path(folder)
        #: Of each run, by its whole path, its file and the last batch that is written.
        self._files: dict[Path, Path] = {}
        self._batch: dict[Path, int] = {}

    def write(self, runs: Iterable[Run]) -> None:
        """Write what these runs have measured since they were written last; a step is an epoch.

        Raises:
            UserError: A run's ``metrics.csv`` is damaged.
            OSError: The files cannot be written.
        """
        folders = [run.folder.resolve() for run in runs]
        names = apart({*folders, *self._files})
        for folder in folders:
            path = folder / "metrics.csv"
            if not path.is_file():
                continue
            moment, metrics = path.stat().st_mtime, records.read_metrics(path)
            new = metrics[metrics["Batch"] > self._batch.get(folder, -1)]
            if new.empty:
                continue
            events = [
                self._event.Event(wall_time=moment, step=epoch, summary=self._scalar(tag(metric), score))
                for epoch, metric, score in zip(new["Epoch"], new["Metric"], new["Score"], strict=True)
            ]
            if folder not in self._files:
                self._files[folder] = self._begin(self._folder / names[folder])
            self._append(self._files[folder], events)
            self._batch[folder] = int(new["Batch"].max())

    def _begin(self, folder: Path) -> Path:
        """A file in this folder that hides what those before it hold."""
        folder.mkdir(parents=True, exist_ok=True)
        now = time.time()
        path = folder / f"events.out.tfevents.{now:.0f}.{socket.gethostname()}"
        start = self._event.SessionLog(status=self._event.SessionLog.START)
        head = self._event.Event(wall_time=now, file_version="brain.Event:2")
        self._append(path, [head, self._event.Event(wall_time=now, session_log=start)])
        return path

    def _append(self, path: Path, events: Iterable[Any]) -> None:
        """Add records to a file, which is open no longer than that: of hundreds of runs not all can be."""
        with path.open("ab") as file:
            for content in (event.SerializeToString() for event in events):
                length = struct.pack("<Q", len(content))
                file.write(length + self._sum(length) + content + self._sum(content))

    def _sum(self, content: bytes) -> bytes:
        return struct.pack("<I", self._checksum(content))


def apart(folders: Iterable[Path]) -> dict[Path, Path]:
    """Of each whole path as many of its last parts, two at least, as tell it from the others."""
    parts = {folder: folder.parts[1:] for folder in folders}
    counts = dict.fromkeys(parts, 2)
    while True:
        names = {folder: parts[folder][-count:] for folder, count in counts.items()}
        held = Counter(names.values())
        twice = [folder for folder, name in names.items() if held[name] > 1]
        if not twice:
            return {folder: Path(*name) for folder, name in names.items()}
        for folder in twice:
            counts[folder] += 1


def tag(metric: str) -> str:
    """What a board calls a metric: those of a kind stand together there."""
    if metric.startswith("test_recall_"):
        return f"recall/{metric.removeprefix('test_recall_')}"
    return f"types/{metric}" if is_count(metric) else metric
