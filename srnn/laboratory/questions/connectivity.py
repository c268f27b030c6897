"""Which particles of which type connect which units?"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from srnn.analysis import connectivity
from srnn.analysis.statistics import POSITIVE, SHARE
from srnn.laboratory.questions.question import Frames, Question, Summary, up_to_sum
from srnn.laboratory.subject import Subject
from srnn.plots.connectivity import connectivity as draw


def answer(subject: Subject) -> Frames:
    return {"connectivity": connectivity.edges(subject.organism())}


def _write(edges: pd.DataFrame, path: Path) -> None:
    connectivity.write_graphml(connectivity.graph(edges), path)


QUESTION = Question(
    "Which particles of which type connect which units?",
    answer,
    {
        "connectivity": Summary(
            ("Scope", "Type"),
            connectivity.by_type,
            {"Edges": up_to_sum("Edges", "Scope"), "Share": SHARE, "Magnitude": POSITIVE},
            rows="Type",
            where="Scope == 'total'",
        )
    },
    {"connectivity": ("connectivity", draw)},
    exports={"connectivity.graphml": ("connectivity", _write)},
    per_run=True,
)
