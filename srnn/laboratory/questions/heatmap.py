"""Where on the image do self-replicators and weights sit?"""

from __future__ import annotations

from srnn.analysis import heatmap
from srnn.analysis.statistics import CORRELATION
from srnn.laboratory.questions.question import Frames, Question, Summary
from srnn.laboratory.subject import Subject
from srnn.plots.heatmap import heatmap as draw


def answer(subject: Subject) -> Frames:
    return {"heatmap": heatmap.heatmap(subject.organism(), subject.task.train_x, subject.task.image)}


QUESTION = Question(
    "Where on the image do self-replicators and weights sit?",
    answer,
    {"heatmap": Summary(("Metric",), heatmap.against_mean_image, {"Score": CORRELATION}, "Metric")},
    {"heatmap": ("heatmap", draw)},
)
