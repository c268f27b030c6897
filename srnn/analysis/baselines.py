"""Dense baselines: how well does the same body do when its weights are plain numbers, trained directly?

| network | what is trained | units | trained numbers |
|---|---|---|---|
| ``organism`` | particles, on the task and on self-replication | those of the body | P · N |
| ``no replication`` | particles, on the task alone | those of the body | P · N |
| ``same units`` | the body's weights | those of the body | N |
| ``same weights`` | the weights of a wider body | more | about P · N |

All of them see the same batches in the same order, with the same optimizer and learning rate.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pandas as pd
import torch
from torch import Tensor, nn

from srnn.analysis.statistics import over_seeds
from srnn.bodies.mlp import MLP, Dropout
from srnn.errors import UserError
from srnn.experiment import Experiment, require_affordable
from srnn.kernels.arithmetic import fast_arithmetic
from srnn.methods.optimizers import build_optimizer
from srnn.particle import Particle
from srnn.runs.run import Run
from srnn.tasks import Task
from srnn.training.birth import generators
from srnn.training.loop import Training

ORGANISM, NO_REPLICATION, SAME_UNITS, SAME_WEIGHTS = "organism", "no replication", "same units", "same weights"
#: The networks that are compared, in the order of tables and figures.
NETWORKS = (ORGANISM, NO_REPLICATION, SAME_UNITS, SAME_WEIGHTS)

AfterEpoch = Callable[[int], None]


def weight_count(inputs: int, width: int, depth: int, outputs: int) -> int:
    """Weights of an :class:`srnn.MLP` of these sizes."""
    return sum(a * b for a, b in pairwise([inputs, *[width] * (depth - 1), outputs]))


def width_for(weights: int, inputs: int, depth: int, outputs: int) -> int:
    """The width at which a dense body of that depth has as nearly as possible that many weights; at least 1.

    Example:
        >>> width_for(60_720, inputs=225, depth=5, outputs=10)
        108
    """
    # (depth − 2) w² + (inputs + outputs) w = weights; the nearest whole width is next to the root.
    square, linear = max(depth - 2, 0), inputs + outputs
    root = (math.sqrt(linear**2 + 4 * square * weights) - linear) / (2 * square) if square else weights / linear
    around = (max(1, math.floor(root)), math.ceil(root), 1)
    return min(around, key=lambda width: abs(weight_count(inputs, width, depth, outputs) - weights))


def sizes(experiment: Experiment, inputs: int, outputs: int) -> pd.DataFrame:
    """How large each of the compared networks is.

    Returns:
        A row for each of :data:`NETWORKS`: Network (str), Width, Units (hidden and output units), Weights (of the dense
        network that it is when it answers) and Trained (the numbers that training moves), all int.

    Example:
        >>> sizes(srnn.load_preset("connectivity"), inputs=225, outputs=10)  # doctest: +SKIP
    """
    depth, P = experiment.body.depth, Particle(experiment.particle.hidden).size
    rows = []
    for network in NETWORKS:
        width = _width(experiment, network, inputs, outputs)
        weights = weight_count(inputs, width, depth, outputs)
        trained = weights * P if network in (ORGANISM, NO_REPLICATION) else weights
        rows.append((network, width, width * (depth - 1) + outputs, weights, trained))
    return pd.DataFrame(rows, columns=["Network", "Width", "Units", "Weights", "Trained"])


def dense_bodies(
    experiment: Experiment, inputs: int, outputs: int, seeds: Sequence[int], width: int | None = None
) -> MLP:
    """The experiment's body for every seed, side by side in one: weights ``(S, out, in)``, drawn anew.

    Args:
        experiment: Whose body; its own seed is not used.
        inputs: Numbers per example.
        outputs: Numbers per answer.
        seeds: Each seed draws from its stream ``body``, and its units are dropped by its stream ``dropout``.
        width: Another width than the experiment's.
    """
    body = experiment.body
    streams = [generators(seed) for seed in seeds]
    bodies = [
        MLP(
            inputs,
            width or body.width,
            body.depth,
            outputs,
            residual=body.residual,
            activation=body.activation,
            dropout=body.dropout,
            generator=own["body"],
        )
        for own in streams
    ]
    stacked = bodies[0]
    stacked.weights = nn.ParameterList(
        torch.stack(weights) for weights in zip(*(one.weights for one in bodies), strict=True)
    )
    for module in stacked.modules():
        if isinstance(module, Dropout):
            module.generators = [own["dropout"] for own in streams]
    return stacked


def newborn_bodies(experiment: Experiment, task: Task, seeds: Sequence[int]) -> MLP:
    """The experiment's body for every seed, filled with what the particles of its newborn organism are worth.

    Trained with :func:`train_dense` they are what a ``lifted`` organism is but for rounding: the same numbers from the
    same start, on the same batches, by the same optimizer.

    Args:
        experiment: Whose organisms; its own seed is not used.
        task: The data, on the device where training happens.
        seeds: One organism, and one body, for each.

    Example:
        >>> bodies = newborn_bodies(run.experiment, task, [run.experiment.seed])  # doctest: +SKIP
        >>> curves = train_dense(run.experiment, task, [run.experiment.seed], bodies=bodies)  # doctest: +SKIP
        >>> drift([run], bodies, task)  # doctest: +SKIP
    """
    bodies = dense_bodies(experiment, task.inputs, task.outputs, seeds)
    worth = Training(experiment, task, seeds).organism.effective_weights()
    for weights, own in zip(bodies.weights, worth, strict=True):
        # Of a single seed the organism has no leading dimension.
        weights.data = own.detach().clone().view(weights.shape)
    return bodies


@dataclass(frozen=True)
class DenseRun:
    """A dense body that was trained, measured as runs are: it can stand beside them in a comparison."""

    experiment: Experiment
    metrics: pd.DataFrame


def dense_runs(
    experiment: Experiment, task: Task, seeds: Sequence[int], after_epoch: AfterEpoch = lambda epoch: None
) -> list[DenseRun]:
    """Train the experiment's body directly, from what the newborn organisms are worth (:func:`newborn_bodies`).

    Example:
        >>> groups = {"organism": runs, "dense": dense_runs(experiment, task, [0, 1, 2])}  # doctest: +SKIP
        >>> comparison.final_table(groups)  # doctest: +SKIP
    """
    curves = train_dense(
        experiment, task, seeds, bodies=newborn_bodies(experiment, task, seeds), after_epoch=after_epoch
    )
    return [
        DenseRun(experiment.model_copy(update={"seed": seed}), own.drop(columns="Seed").reset_index(drop=True))
        for seed, own in curves.groupby("Seed")
    ]


def drift(runs: Sequence[Run], bodies: MLP, task: Task) -> pd.DataFrame:
    """How far organisms have come away from dense bodies that began where they did.

    Args:
        runs: The trained organisms.
        bodies: A trained body for each run, in their order, as :func:`newborn_bodies` gives them.
        task: Their task.

    Returns:
        A row for each run: Seed (int), Drift (float: the largest difference of an effective weight and the dense weight
        in its place), Organism, Dense, Difference (float: the metric on test data, and Organism − Dense).
    """
    scores = _test_scores(bodies, task).tolist()
    rows = []
    for place, run in enumerate(runs):
        organism = run.organism()
        pairs = zip(organism.effective_weights(), bodies.weights, strict=True)
        apart = max(float((own.detach() - weights.detach()[place]).abs().max()) for own, weights in pairs)
        with torch.no_grad():
            own = float(task.score(organism.eval()(task.test_x), task.test_y).mean())
        rows.append((run.experiment.seed, apart, own, scores[place], own - scores[place]))
    return pd.DataFrame(rows, columns=["Seed", "Drift", "Organism", "Dense", "Difference"])


def dense_body(bodies: MLP, seed: int) -> MLP:
    """The single body at that place of a stack, as a copy.

    Example:
        >>> bodies = dense_bodies(experiment, task.inputs, task.outputs, [0, 1])  # doctest: +SKIP
        >>> curves = train_dense(experiment, task, [0, 1], bodies=bodies)  # doctest: +SKIP
        >>> weight_distribution(run.organism(), dense_body(bodies, 0))  # doctest: +SKIP
    """
    one = copy.deepcopy(bodies)
    one.weights = nn.ParameterList(weight.detach()[seed].clone() for weight in bodies.weights)
    return one


def train_dense(
    experiment: Experiment,
    task: Task,
    seeds: Sequence[int],
    width: int | None = None,
    bodies: MLP | None = None,
    after_epoch: AfterEpoch = lambda epoch: None,
) -> pd.DataFrame:
    """Train the experiment's body directly, for several seeds side by side, on the batches its organism would see.

    Args:
        experiment: Its body, training and log; replication and interactions have no place here.
        task: The data, on the device where training happens.
        seeds: One network for each, with the batches of that seed.
        width: Another width than the experiment's.
        bodies: What to train, in place, as :func:`dense_bodies` gives it; without it, new ones.
        after_epoch: Called with the number of epochs trained.

    Returns:
        The metrics as a run has them, long: Epoch, Batch (int), Metric (str), Score (float), Seed (int). ``task_loss``
        and ``train_accuracy`` (or ``train_mae``) of every epoch are means over its batches; ``test_accuracy`` is
        measured after every logged epoch, and before the first.

    Raises:
        UserError: The batch is larger than the training data, or the networks would not fit into memory.

    Example:
        >>> experiment = srnn.load_preset("digits")  # doctest: +SKIP
        >>> curves = train_dense(experiment, tasks.load(experiment.task), seeds=[0, 1, 2])  # doctest: +SKIP
        >>> curves.query("Metric == 'test_accuracy'").groupby("Epoch")["Score"].mean()  # doctest: +SKIP
    """
    size = experiment.training.batch_size
    if size > len(task.train_x):
        raise UserError(
            f"training.batch_size is {size:,}; the task {task.name} has {len(task.train_x):,} training examples: "
            "set it to at most that"
        )
    if bodies is None:
        body = experiment.body.model_copy(update={"width": width or experiment.body.width})
        require_affordable(body, 1, task.inputs, task.outputs, max(size, len(task.test_x)), len(seeds))
        bodies = dense_bodies(experiment, task.inputs, task.outputs, seeds, width)
    bodies = bodies.to(task.train_x.device)
    with fast_arithmetic(sum(weight.numel() for weight in bodies.weights) * size):
        return _train_dense(experiment, task, seeds, bodies, after_epoch)


def _train_dense(
    experiment: Experiment, task: Task, seeds: Sequence[int], bodies: MLP, after_epoch: AfterEpoch
) -> pd.DataFrame:
    settings, size, device = experiment.training, experiment.training.batch_size, task.train_x.device
    optimizer = build_optimizer(bodies.parameters(), settings)

    orders = [generators(seed)["order"] for seed in seeds]
    batches = len(task.train_x) // size
    rows: list[tuple[int, int, str, float, int]] = []

    def record(epoch: int, **scores: Tensor) -> None:
        for name, values in scores.items():
            rows.extend(
                (epoch, epoch * batches, name, score, seed) for seed, score in zip(seeds, values.tolist(), strict=True)
            )

    record(0, **{f"test_{task.metric}": _test_scores(bodies, task)})
    for epoch in range(1, settings.epochs + 1):
        order = torch.stack([torch.randperm(len(task.train_x), generator=one) for one in orders]).to(device)
        sums = torch.zeros(2, len(seeds), device=device)
        for index in order[:, : batches * size].split(size, dim=1):
            x = task.train_x.index_select(0, index.flatten()).view(*index.shape, -1)
            y = task.train_y.index_select(0, index.flatten()).view(*index.shape, *task.train_y.shape[1:])
            output = bodies(x)
            losses = task.loss(output, y).mean(1)
            optimizer.zero_grad()
            losses.sum().backward()
            optimizer.step()
            with torch.no_grad():
                sums += torch.stack([losses, task.score(output, y).mean(1)])
        record(epoch, task_loss=sums[0] / batches, **{f"train_{task.metric}": sums[1] / batches})
        if epoch % experiment.log.every == 0 or epoch == settings.epochs:
            record(epoch, **{f"test_{task.metric}": _test_scores(bodies, task)})
        after_epoch(epoch)
    return pd.DataFrame(rows, columns=["Epoch", "Batch", "Metric", "Score", "Seed"])


@torch.no_grad()
def _test_scores(bodies: MLP, task: Task) -> Tensor:
    """The metric on test data of each network, ``(S,)``."""
    bodies.eval()
    answer = bodies(task.test_x[None])
    bodies.train()
    return task.score(answer, task.test_y.expand(len(answer), *task.test_y.shape)).mean(1)


def train_without_replication(
    experiment: Experiment, task: Task, seeds: Sequence[int], after_epoch: AfterEpoch = lambda epoch: None
) -> pd.DataFrame:
    """Train the experiment's organism on its task alone, without replication and interactions.

    Returns:
        Columns as :func:`train_dense`; among the metrics is the census.
    """
    values = experiment.model_dump()
    values["replication"]["method"] = "none"
    values["interactions"] = {"attack": 0.0, "melt": 0.0}
    training = Training(Experiment.from_dict(values), task, seeds)
    rows = []
    with fast_arithmetic(len(seeds) * training.organism.size * experiment.training.batch_size):
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
        networks: Which, of :data:`NETWORKS` but ``organism``.
        after_epoch: Called with the network and its number of epochs trained.

    Returns:
        Columns as :func:`train_dense`, and Network (str).
    """
    frames = []
    for network in networks:

        def after(epoch: int, network: str = network) -> None:
            after_epoch(network, epoch)

        if network == NO_REPLICATION:
            frame = train_without_replication(experiment, task, seeds, after)
        elif network in (SAME_UNITS, SAME_WEIGHTS):
            width = _width(experiment, network, task.inputs, task.outputs)
            frame = train_dense(experiment, task, seeds, width, after_epoch=after)
        else:
            raise ValueError(f"the network is {network!r}; allowed: {', '.join(NETWORKS[1:])}")
        frames.append(frame.assign(Network=network))
    return pd.concat(frames, ignore_index=True)


def run_baselines(
    runs: Sequence[Run],
    task: Task,
    networks: Sequence[str] = (NO_REPLICATION, SAME_UNITS, SAME_WEIGHTS),
    after_epoch: Callable[[str, int], None] = lambda network, epoch: None,
) -> pd.DataFrame:
    """The curves of some runs of one experiment, and of baselines with the same seeds.

    Returns:
        Columns as :func:`train_dense`, and Network (str, of :data:`NETWORKS`). Of all metrics only ``task_loss`` and
        those on training and test data are kept.

    Example:
        >>> runs = srnn.runs.open_runs(["runs/digits"])  # doctest: +SKIP
        >>> curves = run_baselines(runs, tasks.load(runs[0].experiment.task))  # doctest: +SKIP
        >>> final_scores(curves)  # doctest: +SKIP
    """
    own = [run.metrics.assign(Seed=run.experiment.seed, Network=ORGANISM) for run in runs]
    seeds = [run.experiment.seed for run in runs]
    trained = train_baselines(runs[0].experiment, task, seeds, networks, after_epoch)
    curves = pd.concat([*own, trained], ignore_index=True)
    kept = ("task_loss", f"train_{task.metric}", f"test_{task.metric}")
    return curves[curves["Metric"].isin(kept)].reset_index(drop=True)


def final_scores(curves: pd.DataFrame) -> pd.DataFrame:
    """The last value of every metric of every network, over seeds.

    Args:
        curves: As :func:`run_baselines` gives them.

    Returns:
        A row for each network and metric: Network, Metric (str), Mean, Low, High (float: the mean over the seeds and
        its 95 % t-interval, NaN for a single seed), Seeds (int).
    """
    last = curves.groupby(["Network", "Metric", "Seed"], sort=False).tail(1)
    return over_seeds(last, by=["Network", "Metric"]).reset_index()


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
    depth = experiment.body.depth

    def measure(width: int) -> dict[str, float]:
        curves = train_dense(experiment, task, seeds, width, after_epoch=lambda epoch: after_epoch(width, epoch))
        final = final_scores(curves.assign(Network="dense"))
        [mean, low, high] = final.loc[final["Metric"] == f"test_{task.metric}", ["Mean", "Low", "High"]].to_numpy()[0]
        # Scores are float32: 342 of 360 right answers must count as 0.95.
        reached = mean >= goal - 1e-6 if task.metric == "accuracy" else mean <= goal + 1e-6
        weights = weight_count(task.inputs, width, depth, task.outputs)
        found = {"Width": width, "Units": width * (depth - 1) + task.outputs, "Weights": weights}
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


def _width(experiment: Experiment, network: str, inputs: int, outputs: int) -> int:
    """The width of one of the compared networks."""
    body = experiment.body
    if network != SAME_WEIGHTS:
        return body.width
    particles = weight_count(inputs, body.width, body.depth, outputs)
    return width_for(particles * Particle(experiment.particle.hidden).size, inputs, body.depth, outputs)
