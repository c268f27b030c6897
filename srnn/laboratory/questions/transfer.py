"""Is the organism a dense network? What are its particles worth?"""

from __future__ import annotations

from srnn.analysis import transfer
from srnn.analysis.statistics import SHARE
from srnn.laboratory.questions.question import Frames, Question, Summary
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
    "Is the organism a dense network? What are its particles worth?",
    answer,
    {
        "transfer": Summary(
            ("Copy", "Metric"),
            within={"Organism": None, "Copied": None, "Equal": SHARE},
            rows="Copy",
            where="Quantity in ['Relative difference', 'Equal']",
        ),
        "effective_weights": Summary(
            ("Scope", "Network", "Type"),
            within={"Below 0.001": SHARE},
            rows="Type",
            where="Scope == 'total' and Quantity in ['Count', 'Mean', 'Deviation', 'Magnitude']",
        ),
        "effective_weights_histogram": Summary(("Scope", "Network", "Type", "From", "To")),
    },
    {"effective_weights": ("effective_weights_histogram", weights)},
)
