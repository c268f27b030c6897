"""What is lost when a unit is switched off?"""

from __future__ import annotations

import numpy as np

from srnn.analysis import humps, narrower, usefulness
from srnn.analysis.statistics import SHARE
from srnn.laboratory.questions.question import Frames, Question, Summary
from srnn.laboratory.subject import Subject
from srnn.plots import usefulness as plots

#: Up to how many particles each is switched off by itself: of a larger network that takes minutes.
_PARTICLES = 5000


def answer(subject: Subject) -> Frames:
    task, organism = subject.task, subject.organism()
    film = usefulness.film(subject.over_epochs(), task)
    found = {
        "usefulness": film,
        "usefulness_states": usefulness.states(film),
        "usefulness_humps": humps.distribution(film),
        "usefulness_layers": usefulness.usefulness(organism, task, "layer"),
        "usefulness_properties": usefulness.properties(organism, task),
        "usefulness_narrower": narrower.narrower(organism, task, np.random.default_rng(subject.seed)),
    }
    if organism.size <= _PARTICLES:
        found["usefulness_particles"] = usefulness.usefulness(organism, task, "particle").merge(
            usefulness.properties(organism, task, "particle"), on=["Layer", "Name"]
        )
    if organism.particle.has_types:
        found["usefulness_types"] = usefulness.usefulness(organism, task, "type")
    if task.kind == "classification":
        found["usefulness_classes"] = usefulness.by_class(organism, task)
        found["usefulness_degrees"] = usefulness.by_image(organism, task)
    return found


QUESTION = Question(
    "What is lost when a unit is switched off?",
    answer,
    {
        "usefulness_states": Summary(
            ("Epoch", "Layer", "State"),
            within={"Share": SHARE},
            rows="Layer",
            columns="State",
            where="Epoch == Epoch.max()",
        )
    },
    {"usefulness": ("usefulness", plots.distribution), "usefulness_ranks": ("usefulness", plots.ranks)},
    {"usefulness.gif": ("usefulness", plots.animate)},
)
