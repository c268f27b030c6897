"""How many particles can be dropped, and in which order?"""

from __future__ import annotations

from srnn.analysis import pruning
from srnn.laboratory.questions.question import Frames, Question, Summary
from srnn.laboratory.subject import Subject
from srnn.plots.pruning import pruning as draw


def answer(subject: Subject) -> Frames:
    return {"pruning": pruning.pruning(subject.organism(), subject.task, generator=subject.generator)}


QUESTION = Question(
    "How many particles can be dropped, and in which order?",
    answer,
    {
        "pruning": Summary(
            ("Order", "Share", "Metric"),
            within=dict.fromkeys(["Score", "Low", "High"]),
            rows="Order",
            columns="Share",
            where="Quantity == 'Score' and Share in [0, 0.5, 0.7, 0.9]",
        )
    },
    {"pruning": ("pruning", draw)},
)
