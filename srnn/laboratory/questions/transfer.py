"""Is the organism a plain dense network, and what are its particles worth?"""

from __future__ import annotations

from srnn.analysis import transfer
from srnn.laboratory.questions.question import Frames, Question
from srnn.laboratory.subject import Subject
from srnn.plots.transfer import weights


def answer(subject: Subject) -> Frames:
    organism = subject.organism()
    return {
        "transfer": transfer.transfer(organism, subject.task),
        "effective_weights": transfer.weight_distribution(organism),
        "effective_weights_histogram": transfer.weight_histogram(organism),
    }


QUESTION = Question(
    "Is the organism a plain dense network, and what are its particles worth?",
    answer,
    {"effective_weights": ("effective_weights_histogram", weights)},
)
