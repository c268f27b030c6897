"""Is the organism a dense network? What are its particles worth?"""

from __future__ import annotations

import pandas as pd

from srnn.analysis import transfer
from srnn.analysis.statistics import POSITIVE, SHARE
from srnn.laboratory.questions.question import Ends, Frames, Question, Summary
from srnn.laboratory.subject import Subject
from srnn.plots.transfer import weights


def answer(subject: Subject) -> Frames:
    organism = subject.organism()
    return {
        "transfer": transfer.transfer(organism, subject.task),
        "effective_weights": transfer.weight_distribution(organism),
        "effective_weights_histogram": transfer.weight_histogram(organism),
    }


def _of_all(frame: pd.DataFrame) -> Ends:
    """The range of a count: up to all the weights of its network there are in its scope."""
    whole = frame["Count"].where(frame["Type"] == "all", 0)
    return 0.0, whole.groupby([frame["Scope"], frame["Network"]]).transform("sum")


_SIZES = ("Largest output", "Largest difference", "Relative difference")
QUESTION = Question(
    "Is the organism a dense network? What are its particles worth?",
    answer,
    {
        "transfer": Summary(
            ("Copy", "Metric"),
            within={"Organism": None, "Copied": None, "Equal": SHARE, **dict.fromkeys(_SIZES, POSITIVE)},
            rows="Copy",
            where="Quantity in ['Relative difference', 'Equal']",
        ),
        "effective_weights": Summary(
            ("Scope", "Network", "Type"),
            within={"Count": _of_all, "Below 0.001": SHARE, "Deviation": POSITIVE, "Magnitude": POSITIVE},
            absent={"Count": 0},
            rows="Type",
            where="Scope == 'total' and Quantity in ['Count', 'Mean', 'Deviation', 'Magnitude']",
        ),
        "effective_weights_histogram": Summary(("Scope", "Network", "Type", "From", "To"), within={"Count": _of_all}),
    },
    {"effective_weights": ("effective_weights_histogram", weights)},
)
