"""Can the usefulness of a unit at the end be told early?"""

from __future__ import annotations

from srnn.analysis import prediction
from srnn.laboratory.questions.question import Frames, Question, Summary
from srnn.laboratory.subject import Subject
from srnn.plots.prediction import prediction as draw


def answer(subject: Subject) -> Frames:
    # The same weights' signs are looked at in every seed.
    found = prediction.features(subject.over_epochs(), subject.task, subject.generator.manual_seed(0))
    return {f"prediction_{name}": frame for name, frame in found.items()}


def together(found: Frames) -> Frames:
    predicted = prediction.predict(found["prediction_film"], found["prediction_features"])
    # What is averaged are the folds.
    return {"prediction": predicted.rename(columns={"Fold": "Seed"})}


QUESTION = Question(
    "Can it be told early how useful a unit will be?",
    answer,
    {
        "prediction": Summary(
            ("Model", "Features", "Evaluations", "Share", "Metric"),
            within={"Score": None},
            rows="Features",
            columns="Evaluations",
            where="Metric == 'accuracy' and Model != 'boosted trees'",
        )
    },
    {"prediction": ("prediction", draw)},
    together=together,
    trains=True,
)
