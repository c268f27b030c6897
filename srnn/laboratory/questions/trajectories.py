"""How do particles travel through weight space?"""

from __future__ import annotations

from srnn.analysis import trajectories
from srnn.analysis.statistics import POSITIVE, SHARE
from srnn.laboratory.questions.question import Frames, Question, Summary
from srnn.laboratory.subject import Subject
from srnn.plots.trajectories import trajectories as draw


def answer(subject: Subject) -> Frames:
    courses, particle = subject.trajectory(), subject.organism().particle
    forms: tuple[trajectories.Form, ...] = ("particle", "layer")
    return {f"trajectories_{form}": trajectories.trajectories(courses, particle, form) for form in forms}


_RANGES = {**dict.fromkeys(("Explained 1", "Explained 2"), SHARE), "Left out": POSITIVE}
QUESTION = Question(
    "How do particles travel through weight space?",
    answer,
    {
        f"trajectories_{form}": Summary(("Layer",), trajectories.explained, _RANGES, "Layer")
        for form in ("particle", "layer")
    },
    {name: (name, draw) for name in ("trajectories_particle", "trajectories_layer")},
    per_run=True,
)
