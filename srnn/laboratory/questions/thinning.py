"""Does the network really thin out?"""

from __future__ import annotations

from srnn.analysis import thinning
from srnn.laboratory.questions.question import Frames, Question, Summary
from srnn.laboratory.subject import Subject
from srnn.plots.thinning import live_edges, structure


def answer(subject: Subject) -> Frames:
    return {"thinning": thinning.thinning(subject.over_epochs(), subject.task.test_x)}


QUESTION = Question(
    "Does the network really thin out?",
    answer,
    {
        "thinning": Summary(
            ("Epoch", "Layer", "Metric"),
            within={"Score": None},
            rows="Metric",
            columns="Epoch",
            where="Layer == 'total' and Metric not in ['edges', 'threshold', 'full_rank', 'paths']",
        )
    },
    {"thinning": ("thinning", live_edges), "structure": ("thinning", structure)},
)
