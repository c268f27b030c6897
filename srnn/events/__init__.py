"""What happens to organisms in training at given moments: one file an event."""

from __future__ import annotations

from srnn.events.event import Event
from srnn.events.freeze import Freeze
from srnn.events.meeting import Meeting

#: ``do`` of ``[events.NAME]`` → its settings and its act.
EVENTS: dict[str, type[Event]] = {
    "freeze": Freeze,
    "meeting": Meeting,
}
