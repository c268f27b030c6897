"""Do units stay as useful as they are?"""

from __future__ import annotations

from srnn.analysis import mobility, usefulness
from srnn.laboratory.questions.question import Frames, Question, Summary
from srnn.laboratory.subject import Subject
from srnn.plots import mobility as plots


def answer(subject: Subject) -> Frames:
    film = usefulness.film(subject.over_epochs(), subject.task)
    one, two = (usefulness.film(subject.over_epochs(), half) for half in usefulness.halves(subject.task))
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
