"""What happens to organisms in training at given moments: one file an event."""

from __future__ import annotations

from typing import TYPE_CHECKING

from srnn.family import Family

if TYPE_CHECKING:
    from srnn.events.event import Event

#: ``do`` of ``[events.NAME]`` → its settings and its act.
EVENTS: Family[type[Event]] = Family(
    "srnn.events",
    {
        "redraw": "redraw:Redraw",
        "noise": "noise:Noise",
        "scale": "scale:Scale",
        "copy": "copy:Copy",
        "mix": "mix:Mix",
        "cross": "cross:Cross",
        "drop": "drop:Drop",
        "prune": "prune:Prune",
        "freeze": "freeze:Freeze",
        "thaw": "thaw:Thaw",
        "focus": "focus:Focus",
        "meeting": "meeting:Meeting",
    },
)
