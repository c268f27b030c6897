"""Where on the image do self-replicators and effective weights sit?"""

from __future__ import annotations

from srnn.analysis import heatmap
from srnn.laboratory.questions.question import Frames, Question
from srnn.laboratory.subject import Subject
from srnn.plots.heatmap import heatmap as draw


def answer(subject: Subject) -> Frames:
    return {"heatmap": heatmap.heatmap(subject.organism(), subject.task.train_x)}


QUESTION = Question(
    "Where on the image do self-replicators and effective weights sit?",
    answer,
    {"heatmap": ("heatmap", draw)},
)
