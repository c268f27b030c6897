"""What do the zeros of an organism cost?"""

from __future__ import annotations

from srnn.analysis import masks
from srnn.analysis.statistics import SHARE
from srnn.laboratory.questions.question import Frames, Question, Summary
from srnn.laboratory.subject import Subject


def answer(subject: Subject) -> Frames:
    run = subject.run
    return {"masks": masks.masks(run.organism(0), run.organism(), run.experiment, subject.task, subject.generator)}


QUESTION = Question(
    "What do an organism's zeros cost plain numbers without them?",
    answer,
    {"masks": Summary(("Mask", "Metric"), within={"Masked": SHARE, "Score": None}, rows="Mask")},
    trains=True,
)
