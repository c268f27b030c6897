"""Every question that a run or an organism can be asked: which analysis answers it, and how the answer is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from srnn.family import Family

if TYPE_CHECKING:
    from srnn.laboratory.questions.question import Question

#: ``srnn analyze --only NAME`` → the question, in the order in which all are asked.
QUESTIONS: Family[Question] = Family(
    "srnn.laboratory.questions",
    {
        "connectivity": "connectivity:QUESTION",
        "basin": "basin:QUESTION",
        "thinning": "thinning:QUESTION",
        "dropout": "dropout:QUESTION",
        "pruning": "pruning:QUESTION",
        "usefulness": "usefulness:QUESTION",
        "mobility": "mobility:QUESTION",
        "prediction": "prediction:QUESTION",
        "rhythm": "rhythm:QUESTION",
        "groups": "groups:QUESTION",
        "transfer": "transfer:QUESTION",
        "trajectories": "trajectories:QUESTION",
        "robustness": "robustness:QUESTION",
        "stability": "stability:QUESTION",
        "repair": "repair:QUESTION",
        "heatmap": "heatmap:QUESTION",
        "baselines": "baselines:QUESTION",
        "masks": "masks:QUESTION",
        "landscape": "landscape:QUESTION",
    },
)
