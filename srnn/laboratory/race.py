"""Training against torch: the same body, as an organism and as an ordinary network, batch after batch by turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from srnn.experiment import Experiment
from srnn.kernels.arithmetic import fast_arithmetic
from srnn.tasks import Task
from srnn.training.birth import particle_count
from srnn.training.loop import Training

#: The body of the preset ``connectivity``, and its batch.
INPUTS, OUTPUTS, BATCH = 225, 10, 500
CONNECTIVITY = Experiment.from_dict(
    {
        "body": {"depth": 5, "width": 6, "residual": "layer"},
        "particle": {"hidden": 4, "encoding": "l2", "init": "fan_in"},
        "training": {"batch_size": BATCH},
    }
)
_RELU = ("body.depth=3", "body.residual=none", "body.activation=relu")
#: The bodies of the grid, with the numbers of an example.
BODIES = {
    "225-6-6-6-6-10": (CONNECTIVITY, INPUTS),
    "225-64-64-10": (CONNECTIVITY.override([*_RELU, "body.width=64"]), INPUTS),
    "784-128-128-10": (CONNECTIVITY.override([*_RELU, "body.width=128"]), 784),
}
BATCHES = (10, 50, 500)
#: What is trained, by what changes the experiment: its task alone, replication in several ways, plain numbers.
METHODS = {
    "none": ["replication.method=none"],
    "sgd": [],
    "newton": ["replication.method=newton"],
    "lifted": ["replication.method=lifted"],
    # What follows at an epoch's end is not part of a batch.
    "lifted, epoch": ["replication.method=lifted", "replication.every=epoch"],
    "numbers": ["replication.method=none", "particle.kind=number"],
}
#: What JAX trains, where it is installed: the dense network, and the organism with replication by ``sgd``.
PEERS = ("dense", "sgd") if find_spec("jax") else ()
#: Batches of one contender before it is another's turn; turns of each; examples to choose from.
_TURN, _TURNS, _EXAMPLES = 16, 20, 60_000

#: Trains the next so many batches.
Train = Callable[[int], None]


@dataclass(frozen=True)
class Cell:
    """A batch of one body at one size: seconds of torch's dense step, and of ours and JAX's in terms of it."""

    body: str
    batch: int
    dense: float
    ratios: dict[str, float]
    jax: dict[str, float]


def random_task(examples: int = _EXAMPLES, inputs: int = INPUTS, outputs: int = OUTPUTS) -> Task:
    """A classification task of random numbers: what is learnt does not change how long a step takes."""
    generator = torch.Generator().manual_seed(0)
    # In large pages, as real examples are: see srnn.tasks.images.
    x = torch.randn(
        examples, inputs, generator=generator, out=torch.from_numpy(np.empty((examples, inputs), np.float32))
    )
    y = torch.randint(0, outputs, (examples,), generator=generator)
    return Task("random", "classification", x, y, x[:1], y[:1], outputs)


def training_by_us(experiment: Experiment, task: Task, seeds: int = 1) -> Train:
    """Batch after batch as in a run, for that many seeds side by side."""
    training = Training(experiment, task, range(seeds))
    batches = _batches(experiment, task, seeds)

    def train(count: int) -> None:
        for _ in training.train_batches(torch.stack([next(batches) for _ in range(count)])):
            pass

    return train


def training_by_torch(experiment: Experiment, task: Task) -> Train:
    """The same body directly, by torch's own optimizer."""
    body = Training(experiment, task, [0]).organism.to_dense()
    settings = experiment.training
    optimizer = torch.optim.SGD(body.parameters(), lr=settings.lr, momentum=settings.momentum)
    batches = _batches(experiment, task, 1)

    def train(count: int) -> None:
        for _ in range(count):
            [index] = next(batches)
            x, y = task.train_x.index_select(0, index), task.train_y.index_select(0, index)
            optimizer.zero_grad()
            cross_entropy(body(x), y).backward()
            optimizer.step()

    return train


def training_by_jax(experiment: Experiment, task: Task, dense: bool) -> Train:
    """The same body, or the organism, by JAX; what it compiles, it has compiled by then."""
    from srnn.laboratory.jax_peer import Peer

    peer, batches = Peer(experiment, task, dense), _batches(experiment, task, 1)

    def train(count: int) -> None:
        peer.train(torch.cat([next(batches) for _ in range(count)]))

    train(1)
    train(_TURN)
    return train


def _batches(experiment: Experiment, task: Task, seeds: int) -> Iterator[Tensor]:
    """Batches in random order, without end: as in a run, each comes from other places of the memory, ``(seeds, B)``."""
    generator, size = torch.Generator().manual_seed(0), experiment.training.batch_size
    while True:
        order = torch.stack([torch.randperm(len(task.train_x), generator=generator) for _ in range(seeds)])
        yield from order[:, : len(task.train_x) // size * size].split(size, dim=1)


def by_turns(contenders: Mapping[str, Train], products: int, turns: int = _TURNS) -> dict[str, float]:
    """Seconds of a batch of each: the median over its turns.

    They take turns, so that whatever else the machine does strikes them alike. A turn is several batches, after one,
    which finds in the caches what others need, that does not count. The arithmetic is that of a run.

    Args:
        contenders: What trains, by name.
        products: Multiply-adds of a batch, by which the number of threads is chosen as in a run.
        turns: Of each.
    """
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(turns):
        for name, train in contenders.items():
            with fast_arithmetic(products):
                train(1)
                started = time.perf_counter()
                train(_TURN)
                times[name].append((time.perf_counter() - started) / _TURN)
    return {name: statistics.median(own) for name, own in times.items()}


def cell(
    name: str, batch: int, methods: Sequence[str] = tuple(METHODS), seeds: Sequence[int] = (), turns: int = _TURNS
) -> Cell:
    """Race one of :data:`BODIES` at a size of batch, by those methods, ``sgd`` with so many seeds, and JAX."""
    experiment, inputs = BODIES[name]
    experiment = experiment.override([f"training.batch_size={batch}"])
    task = random_task(inputs=inputs)
    contenders = {"dense": training_by_torch(experiment, task)}
    contenders |= {method: training_by_us(experiment.override(METHODS[method]), task) for method in methods}
    contenders |= {f"{count} seeds": training_by_us(experiment, task, count) for count in seeds}
    peers = {f"jax {peer}": training_by_jax(experiment, task, peer == "dense") for peer in PEERS}
    times = by_turns(contenders | peers, batch * particle_count(experiment, inputs, OUTPUTS), turns)
    dense = times.pop("dense")
    ratios = {contender: own / dense for contender, own in times.items()}
    jax = {peer: ratios.pop(f"jax {peer}") for peer in PEERS}
    return Cell(name, batch, dense, ratios, jax)
