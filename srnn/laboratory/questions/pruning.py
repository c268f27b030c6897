"""How many particles can be dropped, and in which order?"""

from __future__ import annotations

from contextlib import suppress

from srnn.analysis import pruning
from srnn.analysis.statistics import POSITIVE
from srnn.errors import NotApplicableError
from srnn.laboratory.questions.question import Frames, Question, Summary
from srnn.laboratory.subject import Subject
from srnn.plots.pruning import pruning as draw
from srnn.plots.pruning import scores as draw_scores


def answer(subject: Subject) -> Frames:
    birth = None
    with suppress(NotApplicableError):  # not all of its particles were logged
        birth = subject.organism(0).worth() if 0 in subject.epochs else None
    found = pruning.pruning(
        subject.organism(), subject.task, generator=subject.generator, orders=pruning.ALL_ORDERS, birth=birth
    )
    return {"pruning": found}


QUESTION = Question(
    "How many particles can be dropped, and in which order?",
    answer,
    {
        "pruning": Summary(
            ("Order", "Share", "Metric"),
            within={**dict.fromkeys(["Score", "Low", "High"]), "Dropped": POSITIVE},
            rows="Order",
            columns="Share",
            where="Quantity == 'Score' and Share in [0, 0.5, 0.7, 0.9]",
        )
    },
    {"pruning": ("pruning", draw), "pruning_scores": ("pruning", draw_scores)},
)
