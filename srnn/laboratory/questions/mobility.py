"""Do units stay as useful as they are?"""

from __future__ import annotations

import pandas as pd

from srnn.analysis import mobility, usefulness
from srnn.analysis.statistics import CORRELATION, POSITIVE, SHARE
from srnn.laboratory.questions.question import Ends, Frames, Question, Summary
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


def _ends(frame: pd.DataFrame) -> Ends:
    """The ranges of the measures: indices and epochs from 0 up, and shares and a correlation."""
    ranges = dict.fromkeys(("Persistent", "Restless rise", "Of layer"), SHARE) | {"First half, last": CORRELATION}
    ends = frame["Metric"].map(lambda metric: ranges.get(metric, POSITIVE))
    return ends.str[0], ends.str[1]


QUESTION = Question(
    "Do units stay as useful as they are while a network learns?",
    answer,
    {"mobility_measures": Summary(("Layer", "Metric"), within={"Score": _ends}, rows="Metric", columns="Layer")},
    {
        "mobility": ("mobility", plots.correlation),
        "mobility_transitions": ("mobility_transitions", plots.transitions),
    },
)
