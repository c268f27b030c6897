"""Are self-replicators stable, and do noisy ones return?"""

from __future__ import annotations

from srnn.analysis import stability
from srnn.laboratory.questions.question import Frames, Question
from srnn.laboratory.subject import Subject
from srnn.plots import stability as draw


def answer(subject: Subject) -> Frames:
    organism = subject.organism()
    return {
        "self_application": stability.self_application(organism),
        "multipliers": stability.multipliers(organism),
        "noisy_return": stability.noisy_return(organism, generator=subject.generator),
        "census_by_tolerance": stability.census_by_tolerance(organism),
    }


QUESTION = Question(
    "Are self-replicators stable, and do noisy ones return?",
    answer,
    {
        "self_application": ("self_application", draw.self_application),
        "multipliers": ("multipliers", draw.multipliers),
        "noisy_return": ("noisy_return", draw.noisy_return),
        "census_by_tolerance": ("census_by_tolerance", draw.census_by_tolerance),
    },
)
