"""What do ordinary networks reach on the same batches?"""

from __future__ import annotations

import pandas as pd

from srnn.analysis import baselines
from srnn.laboratory.questions.question import Frames, Question, Summary
from srnn.laboratory.subject import Subject
from srnn.plots.baselines import baselines as draw


def answer(subject: Subject) -> Frames:
    run, task = subject.run, subject.task
    own = run.metrics.assign(Seed=run.experiment.seed, Network=baselines.ORGANISM)
    others = baselines.train_baselines(run.experiment, task, [run.experiment.seed])
    curves = pd.concat([baselines.shown(own), others], ignore_index=True)
    shapes = baselines.sizes(run.experiment, task.inputs, task.outputs)
    return {"baselines": curves, "baselines_final": baselines.final_scores(curves), "baselines_sizes": shapes}


QUESTION = Question(
    "What do ordinary networks reach on the same batches?",
    answer,
    {
        "baselines": Summary(
            ("Network", "Metric", "Epoch"), lambda frame: frame.drop(columns="Batch"), {"Score": None}
        ),
        "baselines_final": Summary(
            ("Network", "Metric"),
            lambda frame: frame[["Network", "Metric", "Mean"]],
            {"Mean": None},
            "Network",
            "Metric",
        ),
    },
    {"baselines": ("baselines", draw)},
    trains=True,
)
