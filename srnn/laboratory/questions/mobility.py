"""Do units stay as useful as they are?"""

from __future__ import annotations

from dataclasses import replace

from srnn.analysis import mobility, usefulness
from srnn.laboratory.questions.question import Frames, Question, Summary
from srnn.laboratory.subject import Subject
from srnn.plots import mobility as plots


def answer(subject: Subject) -> Frames:
    task, organism = subject.task, subject.organism()
    film = usefulness.film(subject.over_epochs(), task)
    halves = [replace(task, test_x=task.test_x[half::2], test_y=task.test_y[half::2]) for half in (0, 1)]
    size = usefulness.EXAMPLES // 2
    one, two = (usefulness.usefulness(organism, half, examples=size) for half in halves)
    return {
        "mobility": mobility.mobility(film),
        "mobility_transitions": mobility.between_epochs(film),
        "mobility_measures": mobility.summary(film, (one, two)),
    }


QUESTION = Question(
    "Do units stay as useful as they are while a network learns?",
    answer,
    {"mobility_measures": Summary(("Layer", "Metric"), rows="Metric", columns="Layer")},
    {
        "mobility": ("mobility", plots.correlation),
        "mobility_transitions": ("mobility_transitions", plots.transitions),
    },
)
