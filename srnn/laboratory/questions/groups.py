"""Are there groups of units that need each other?"""

from __future__ import annotations

import numpy as np

from srnn.analysis import groups
from srnn.laboratory.questions.question import Frames, Question, Summary
from srnn.laboratory.subject import Subject
from srnn.plots.groups import groups as draw


def answer(subject: Subject) -> Frames:
    found = groups.groups(subject.organism(), subject.task, np.random.default_rng(subject.seed))
    return {"groups": found, "groups_measures": groups.measures(found), "groups_agreement": groups.agreement(found)}


QUESTION = Question(
    "Are there groups of units that need each other?",
    answer,
    {"groups_measures": Summary(("By", "Metric"), within={"Score": None}, rows="Metric", columns="By")},
    {"groups": ("groups", draw)},
)
