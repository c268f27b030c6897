"""How far a run has come: ``status.json`` in its folder."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from srnn.errors import one_line
from srnn.files import write_whole
from srnn.runs.lock import writer
from srnn.untrusted import require_file

State = Literal["running", "finished", "interrupted", "diverged", "failed", "killed", "unknown"]

NAME = "status.json"
#: Bytes.
_LARGEST = 64 * 1024


@dataclass(frozen=True)
class Status:
    """How far a run has come.

    Attributes:
        status: ``running``, ``finished``, ``interrupted`` (by a signal), ``diverged`` (and so stopped), ``failed``,
            ``killed`` (said to be running, but nobody writes), or ``unknown``: of an older srnn, which did not say.
        epoch: Epochs trained at the newest checkpoint when this was written.
        why: Of what it diverged or failed; of a running one, the process that writes it.
    """

    status: State
    epoch: int = 0
    why: str = ""
    #: What could be told nobody, as without a terminal: of its course, in lines.
    unsaid: tuple[str, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether nothing is left to be done."""
        return self.status in ("finished", "diverged", "unknown")


def write_status(folder: Path, status: Status) -> None:
    """Record how far the run in that folder has come."""
    values = asdict(status)
    if not status.unsaid:
        del values["unsaid"]
    write_whole(folder / NAME, (json.dumps(values, indent=2) + "\n").encode())


def recorded(folder: Path) -> Status:
    """What ``status.json`` says; of a damaged one ``running``, and without one ``unknown``."""
    try:
        if require_file(folder / NAME) > _LARGEST:
            raise ValueError("it is too large")
        values = json.loads((folder / NAME).read_text("utf-8-sig"))
        unsaid = tuple(one_line(str(line)) for line in values.get("unsaid", ()))
        status = Status(values["status"], int(values["epoch"]), one_line(str(values["why"])), unsaid)
        if status.status not in get_args(State):
            raise ValueError(status.status)
        return status
    except FileNotFoundError:
        return Status("unknown")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return Status("running")


def read_status(folder: Path) -> Status:
    """How far the run in that folder has come: what is recorded, and whether anybody still writes."""
    status = recorded(folder)
    if status.ended:
        return status
    if who := writer(folder):
        return Status("running", status.epoch, who)
    # Nobody writes any more: it may have ended since what was recorded was read.
    status = recorded(folder)
    return Status("killed", status.epoch) if status.status == "running" else status
