"""Does the usefulness of units swing?"""

from __future__ import annotations

import numpy as np

from srnn.analysis import groups, rhythm
from srnn.laboratory.questions.question import Frames, Question, Summary
from srnn.laboratory.subject import Subject
from srnn.plots.rhythm import rhythm as draw


def answer(subject: Subject) -> Frames:
    experiment = subject.run.experiment
    courses = rhythm.courses(experiment, subject.task)
    per_epoch = len(subject.task.train_x) // experiment.training.batch_size
    generator = np.random.default_rng(subject.seed)
    found = rhythm.rhythm(courses, per_epoch, generator)
    periods = {"period": rhythm.features(found)}
    return {
        "rhythm": found,
        "rhythm_measures": rhythm.measures(found),
        "rhythm_spectra": rhythm.spectra(courses, per_epoch),
        "rhythm_groups": groups.groups(subject.organism(), subject.task, generator, periods).query("By == 'period'"),
    }


QUESTION = Question(
    "Does the usefulness of units swing, beyond red noise?",
    answer,
    {"rhythm_measures": Summary(("Course", "Metric"), within={"Score": None}, rows="Metric", columns="Course")},
    {"rhythm": ("rhythm_spectra", draw)},
    trains=True,
)
