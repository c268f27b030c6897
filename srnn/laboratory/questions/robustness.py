"""How much noise does a self-replicator survive?"""

from __future__ import annotations

from srnn.analysis import robustness
from srnn.analysis.statistics import POSITIVE, SHARE
from srnn.laboratory.questions.question import Frames, Question, Summary
from srnn.laboratory.subject import Subject
from srnn.plots.robustness import robustness as draw


def answer(subject: Subject) -> Frames:
    return {"robustness": robustness.robustness(subject.organism(), generator=subject.generator)}


#: Medians and quartiles.
_STEPS = ("Steps", "Steps 25 %", "Steps 75 %", "Identity steps", "Identity 25 %", "Identity 75 %")
QUESTION = Question(
    "How much noise does a self-replicator survive?",
    answer,
    {
        "robustness": Summary(
            ("Level",),
            robustness.by_level,
            {**dict.fromkeys(("Zero", "Divergent", "Cap"), SHARE), **dict.fromkeys(_STEPS, POSITIVE)},
            "Level",
            where="Quantity in ['Steps', 'Identity steps', 'Zero', 'Cap']",
        )
    },
    {"robustness": ("robustness", draw)},
)
