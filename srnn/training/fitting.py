"""What an experiment asks of its data."""

from __future__ import annotations

from srnn.errors import UserError
from srnn.experiment import Experiment
from srnn.tasks import Task


def require_fitting(experiment: Experiment, task: Task) -> None:
    """Make sure that an experiment can be trained on data.

    Raises:
        UserError: The first thing that they lack.
    """
    if experiment.training.batch_size > len(task.train_x):
        raise UserError(
            f"training.batch_size is {experiment.training.batch_size:,}; the task {task.name} has "
            f"{len(task.train_x):,} training examples: set it to at most that"
        )
    if experiment.training.label_smoothing and task.kind != "classification":
        raise UserError(
            f"training.label_smoothing is {experiment.training.label_smoothing}; a regression has no labels: set it "
            "to 0, or take training.noise"
        )
    if experiment.replication.start_accuracy > 0 and task.metric != "accuracy":
        raise UserError(
            f"replication.start_accuracy is {experiment.replication.start_accuracy}; a regression has no accuracy: "
            "set it to 0"
        )
