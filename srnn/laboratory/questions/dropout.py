"""What is lost when all particles of a type are dropped?"""

from __future__ import annotations

from srnn.analysis import dropout
from srnn.laboratory.questions.question import Frames, Question, Summary, up_to
from srnn.laboratory.subject import Subject
from srnn.plots.dropout import dropout as draw


def answer(subject: Subject) -> Frames:
    return {"dropout": dropout.dropout(subject.organism(), subject.task, generator=subject.generator)}


_SCORES = ["Before", "After", *(f"{name}{end}" for name in dropout.REFERENCES for end in ("", " low", " high"))]
QUESTION = Question(
    "What is lost when all particles of a type are dropped?",
    answer,
    {
        "dropout": Summary(
            ("Scope", "Type", "Metric"),
            dropout.with_differences,
            {"Dropped": up_to("Particles"), **dict.fromkeys(_SCORES)},
            differences=["Change", *(f"Against {name.lower()}" for name in dropout.REFERENCES)],
            absent={"Dropped": 0},
            rows="Type",
            where="Scope == 'total' and Quantity in "
            "['Dropped', 'Change', 'Against random others', 'Against nearest signal']",
        )
    },
    {"dropout": ("dropout", draw)},
)
