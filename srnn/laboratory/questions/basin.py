"""Which newborns fall into zero, and is the task to blame?"""

from __future__ import annotations

from srnn.analysis import basin
from srnn.analysis.statistics import POSITIVE, SHARE
from srnn.laboratory.questions.question import Frames, Question, Summary
from srnn.laboratory.subject import Subject
from srnn.plots.basin import basin as draw


def answer(subject: Subject) -> Frames:
    run = subject.run
    return {"basin": basin.basin(run.organism(0), run.organism(), run.experiment)}


QUESTION = Question(
    "Which newborns fall into zero, and is the task to blame?",
    answer,
    {
        "basin": Summary(
            ("Fate",),
            basin.fates,
            {**dict.fromkeys(("Alone", "Trained", "Overlap"), SHARE), "Norm": POSITIVE},
            absent={"Alone": 0, "Trained": 0},
            rows="Fate",
        )
    },
    {"basin": ("basin", draw)},
)
