"""Baselines: how well does the same body do when its weights are plain numbers, or particles that do not replicate?

| network | what is trained | units | trained numbers |
|---|---|---|---|
| ``organism`` | particles, on the task and on self-replication | those of the body | P · N |
| ``no replication`` | particles, on the task alone | those of the body | P · N |
| ``same units`` | the body's weights | those of the body | N |
| ``same weights`` | the weights of a wider body | more | about P · N |

All of them are variants of the experiment: they see the same batches in the same order, with the same optimizer and
learning rate, by the same loop.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import pandas as pd

from srnn.analysis.statistics import over_seeds, with_range
from srnn.errors import NotApplicableError
from srnn.experiment import Experiment, MLPConfig
from srnn.kernels.arithmetic import fast_arithmetic
from srnn.tasks import Task
from srnn.training.loop import Training

ORGANISM, NO_REPLICATION, SAME_UNITS, SAME_WEIGHTS = "organism", "no replication", "same units", "same weights"
#: The networks that are compared, in the order of tables and figures.
NETWORKS = (ORGANISM, NO_REPLICATION, SAME_UNITS, SAME_WEIGHTS)

AfterEpoch = Callable[[int], None]

_ALONE = ("replication.method=none", "replication.start_accuracy=0.0", "interactions={}", "events={}")
_NUMBERS = ("particle.kind=number", "particle.values=body", "particle.step=alike")


def width_for(weights: int, inputs: int, depth: int, outputs: int) -> int:
    """The width at which a dense body of that depth has as nearly as possible that many weights; at least 1.

    Example:
        >>> width_for(60_720, inputs=225, depth=5, outputs=10)
        108
    """
    # (depth − 2) w² + (inputs + outputs) w = weights; the nearest whole width is next to the root.
    square, linear = max(depth - 2, 0), inputs + outputs
    root = (math.sqrt(linear**2 + 4 * square * weights) - linear) / (2 * square) if square else weights / linear

    def off(width: int) -> int:
        return abs(MLPConfig(depth=depth, width=width).count(inputs, outputs)[0] - weights)

    return min((max(1, math.floor(root)), math.ceil(root), 1), key=off)


def variants(experiment: Experiment, inputs: int, outputs: int) -> dict[str, Experiment]:
    """The experiments that are compared, each of :data:`NETWORKS` a variant of the first.

    Raises:
        NotApplicableError: The body is no MLP, or is made of plain numbers already.
    """
    body = layers(experiment)
    if experiment.particle.kind == "number":
        raise NotApplicableError("the network is made of plain numbers: it is its own baseline")
    trained = body.count(inputs, outputs)[0] * experiment.particle.size
    width = width_for(trained, inputs, body.depth, outputs)
    changes: Mapping[str, Sequence[str]] = {
        ORGANISM: (),
        NO_REPLICATION: _ALONE,
        SAME_UNITS: (*_ALONE, *_NUMBERS),
        SAME_WEIGHTS: (*_ALONE, *_NUMBERS, f"body.width={width}"),
    }
    return {network: experiment.override(settings) for network, settings in changes.items()}


def layers(experiment: Experiment) -> MLPConfig:
    """The experiment's body, an MLP.

    Raises:
        NotApplicableError: It is another.
    """
    if not isinstance(experiment.body, MLPConfig):
        raise NotApplicableError(f"the body is {experiment.body.name!r}; this is asked of an mlp alone")
    return experiment.body


def sizes(experiment: Experiment, inputs: int, outputs: int) -> pd.DataFrame:
    """How large each of the compared networks is.

    Returns:
        A row for each of :data:`NETWORKS`: Network (str), Width (of the widest hidden layer), Units (hidden and
        output units), Weights (of the dense network that it is when it answers) and Trained (the numbers that training
        moves), all int.

    Example:
        >>> sizes(srnn.load_preset("connectivity"), inputs=225, outputs=10)  # doctest: +SKIP
    """
    rows = []
    for network, variant in variants(experiment, inputs, outputs).items():
        weights, units = layers(variant).count(inputs, outputs)
        width = layers(variant).width
        widest = width if isinstance(width, int) else max(width)
        rows.append((network, widest, units, weights, weights * variant.particle.size))
    return pd.DataFrame(rows, columns=["Network", "Width", "Units", "Weights", "Trained"])


def train(
    experiment: Experiment, task: Task, seeds: Sequence[int], after_epoch: AfterEpoch = lambda epoch: None
) -> pd.DataFrame:
    """Train an experiment in memory, for several seeds side by side.

    Args:
        experiment: What to train; its own seed is not used.
        task: The data, on the device where training happens.
        seeds: One organism for each.
        after_epoch: Called with the number of epochs trained.

    Returns:
        The metrics as a run has them, long: Epoch, Batch (int), Metric (str), Score (float), Seed (int).

    Raises:
        UserError: The batch is larger than the training data, or the networks would not fit into memory.
    """
    training = Training(experiment, task, seeds)
    rows = []
    with fast_arithmetic(training.organism.size * experiment.training.batch_size):
        for report in training.run():
            for place, scores in report.scores.items():
                rows += [(report.epoch, report.batch, name, score, seeds[place]) for name, score in scores.items()]
            if report.epoch:
                after_epoch(report.epoch)
    return pd.DataFrame(rows, columns=["Epoch", "Batch", "Metric", "Score", "Seed"])


def train_baselines(
    experiment: Experiment,
    task: Task,
    seeds: Sequence[int],
    networks: Sequence[str] = (NO_REPLICATION, SAME_UNITS, SAME_WEIGHTS),
    after_epoch: Callable[[str, int], None] = lambda network, epoch: None,
) -> pd.DataFrame:
    """Train the baselines of an experiment, for several seeds side by side.

    Args:
        experiment: What its organism is compared with.
        task: The data, on the device where training happens.
        seeds: One of each network for each seed.
        networks: Which, of :data:`NETWORKS`.
        after_epoch: Called with the network and its number of epochs trained.

    Returns:
        Columns as :func:`train`, and Network (str). Of all metrics only ``task_loss`` and those on training and test
        data are kept.

    Example:
        >>> curves = train_baselines(srnn.load_preset("digits"), task, seeds=[0, 1, 2])  # doctest: +SKIP
        >>> final_scores(curves)  # doctest: +SKIP
    """
    frames = []
    known = variants(experiment, task.inputs, task.outputs)
    for network in networks:

        def after(epoch: int, network: str = network) -> None:
            after_epoch(network, epoch)

        frames.append(train(known[network], task, seeds, after).assign(Network=network))
    return shown(pd.concat(frames, ignore_index=True))


def shown(curves: pd.DataFrame) -> pd.DataFrame:
    """Of some curves the task loss and the metrics on training and test data."""
    kept = curves["Metric"].isin(("task_loss", "train_accuracy", "test_accuracy", "train_mae", "test_mae"))
    return curves[kept].reset_index(drop=True)


def final_scores(curves: pd.DataFrame) -> pd.DataFrame:
    """The last value of every metric of every network, over seeds.

    Args:
        curves: As :func:`train_baselines` gives them.

    Returns:
        A row for each network and metric: Network, Metric (str), Mean, Low, High (float: the mean over the seeds and
        its 95 % t-interval, NaN for a single seed), Seeds (int).
    """
    last = curves.groupby(["Network", "Metric", "Seed"], sort=False).tail(1)
    return over_seeds(with_range(last), by=["Network", "Metric"]).reset_index()


def smallest_body(
    experiment: Experiment,
    task: Task,
    goal: float,
    widths: tuple[int, int] = (1, 16),
    seeds: Sequence[int] = (0,),
    after_epoch: Callable[[int, int], None] = lambda width, epoch: None,
) -> Iterator[dict[str, float]]:
    """Look for the dense body with the fewest units per hidden layer that reaches a metric on test data.

    The width is doubled until a body reaches the goal, then halved in between. What ends the search is a width that
    reaches it next to one that does not. This takes for granted that wider is better; where seeds scatter, that may
    fail by a unit or two.

    Args:
        experiment: Its body (but for the width), training and log.
        task: The data.
        goal: The metric to reach after the last epoch, in the mean over the seeds: at least that accuracy, or at most
            that mean absolute error.
        widths: The smallest and the largest width to try.
        seeds: Networks of each width.
        after_epoch: Called with the width in training and its number of epochs trained.

    Yields:
        What was found for each width as soon as it is trained: Width, Units, Weights, Mean, Low, High (the metric over
        the seeds with its 95 % t-interval) and Reached.

    Example:
        >>> pd.DataFrame(smallest_body(load_preset("digits"), task, 0.9)).sort_values("Width")  # doctest: +SKIP
    """
    numbers = experiment.override((*_ALONE, *_NUMBERS))

    def measure(width: int) -> dict[str, float]:
        variant = numbers.override([f"body.width={width}"])
        curves = train(variant, task, seeds, lambda epoch: after_epoch(width, epoch))
        final = final_scores(curves.assign(Network="dense"))
        [mean, low, high] = final.loc[final["Metric"] == f"test_{task.metric}", ["Mean", "Low", "High"]].to_numpy()[0]
        # Scores are float32: 342 of 360 right answers must count as 0.95.
        reached = mean >= goal - 1e-6 if task.metric == "accuracy" else mean <= goal + 1e-6
        weights, units = layers(variant).count(task.inputs, task.outputs)
        found = {"Width": width, "Units": units, "Weights": weights}
        return found | {"Mean": float(mean), "Low": float(low), "High": float(high), "Reached": bool(reached)}

    below, width = widths[0] - 1, widths[0]
    while True:
        yield (found := measure(width))
        if found["Reached"]:
            break
        if width == widths[1]:
            return
        below, width = width, min(2 * width, widths[1])
    while width - below > 1:
        middle = (below + width) // 2
        yield (found := measure(middle))
        below, width = (below, middle) if found["Reached"] else (middle, width)
