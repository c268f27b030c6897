"""About how long a training takes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from srnn import tasks
from srnn.errors import UserError
from srnn.experiment import Experiment

#: Seconds of training that are enough to tell of all the others.
_ENOUGH = 5.0


def seconds(experiment: Experiment, seeds: int, done: int = 0) -> float:
    """About how long a training takes, by what was measured once, from an epoch on: of use only to compare.

    Args:
        experiment: What is trained.
        seeds: How many seeds.
        done: Epochs that are trained already.
    """
    inputs, outputs, examples = tasks.shape(experiment.task) or (1, 1, 1)
    settings = experiment.training
    steps = experiment.replication.steps * (examples // settings.batch_size)
    try:
        weights = experiment.body.count(inputs, outputs, tasks.image(experiment.task))[0] * experiment.particle.size
    except UserError:  # which is told by what trains it
        weights = 1
    return seeds * (settings.epochs - done) * (3e-6 * examples + 3e-9 * steps * weights)


def measured(experiment: Experiment, seeds: Sequence[int], data_dir: Path | None) -> float:
    """Seconds that these seeds take together, by their first epochs, trained for that; without what begins it."""
    from srnn.training.loop import Training

    task = tasks.load(experiment.task, data_dir)
    training = Training(experiment, task, seeds)
    begun = time.monotonic()
    first = last = (begun, 0)
    for report in training.run(lambda: None):
        now = time.monotonic()
        if report.epoch <= 1:  # what is compiled and loaded by then is so only once
            first = (now, report.epoch)
        last = (now, report.epoch)
        # One round of the epochs that are logged, which take longer than others.
        if report.epoch > experiment.log.every or now - begun > _ENOUGH:
            break
    each = (last[0] - first[0]) / (last[1] - first[1]) if last[1] > first[1] else last[0] - begun
    return each * experiment.training.epochs
