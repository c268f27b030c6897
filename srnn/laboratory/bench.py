"""How fast is it? Everything is measured against something else in the same run, so that the machine cancels out.

Every function measures one thing and returns seconds; ``srnn bench`` puts them into a table.
"""

from __future__ import annotations

import multiprocessing
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from srnn import replication
from srnn.experiment import Experiment
from srnn.fixpoints import classify
from srnn.kernels.algebra import operations
from srnn.kernels.arithmetic import fast_arithmetic
from srnn.kernels.peak import measure_peak
from srnn.particle import Particle
from srnn.tasks import Task
from srnn.training.birth import particle_count
from srnn.training.loop import Training

#: Particles and hidden units of the swarms whose replication is timed.
SIZES, HIDDEN = (1_518, 100_000, 1_000_000), (2, 4, 8)
#: The body of the preset ``connectivity``, and its batch.
INPUTS, OUTPUTS, BATCH = 225, 10, 500
CONNECTIVITY = Experiment.from_dict(
    {
        "body": {"depth": 5, "width": 6, "residual": "layer"},
        "particle": {"hidden": 4, "encoding": "l2", "init": "fan_in"},
        "training": {"batch_size": BATCH},
    }
)
#: A body that learns the task well, with more particles.
WIDE = CONNECTIVITY.override(["body.depth=3", "body.width=64", "body.residual=none", "body.activation=relu"])
#: Steps of one kind of training before it is another's turn.
_TURN = 16


@dataclass(frozen=True)
class Row:
    """Replication of one swarm: nanoseconds per particle and step, and the kernel's share of the arithmetic peak."""

    hidden: int
    particles: int
    kernel: float
    torch: float
    naive: float
    peak_share: float


@dataclass(frozen=True)
class Result:
    """Everything measured in one run: the machine, the replication of swarms, and figures by what they are."""

    machine: str
    replication: list[Row]
    figures: dict[str, float]


class NaiveParticle(nn.Module):
    """A particle as a module of its own, the way the research code had it: what the swarm is compared with."""

    def __init__(self, particle: Particle, weights: Tensor) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(columns, rows, bias=False) for rows, columns in particle.shapes)
        self.positions = particle.positions
        blocks = weights.split([rows * columns for rows, columns in particle.shapes])
        for layer, block, shape in zip(self.layers, blocks, particle.shapes, strict=True):
            layer.weight.data = block.view(shape).clone()

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x

    def own_inputs(self) -> Tensor:
        """Its own weights and their positions as inputs, ``(P, 5)``, constants."""
        weights = torch.cat([parameter.detach().flatten() for parameter in self.parameters()])
        return torch.cat([weights[:, None], self.positions, torch.zeros(len(weights), 1)], dim=1)


def seconds(work: Callable[[], object], at_least: float = 0.3) -> float:
    """Time of one call: the fastest of several rounds, which other processes disturb least."""
    work()
    started = time.perf_counter()
    work()
    calls = max(1, int(at_least / 5 / (time.perf_counter() - started)))
    best, ends = float("inf"), time.perf_counter() + at_least
    while time.perf_counter() < ends or best == float("inf"):
        started = time.perf_counter()
        for _ in range(calls):
            work()
        best = min(best, (time.perf_counter() - started) / calls)
    return best


def replication_step(particle: Particle, count: int, steps: int = 10) -> float:
    """Seconds of one of ``steps`` replication steps in one call, for a swarm of ``count`` particles together."""
    weights = particle.draw(count, torch.Generator().manual_seed(0))
    buffer = torch.zeros_like(weights)
    # So small a learning rate that the particles stay as they are: neither converged nor divergent.
    return seconds(lambda: replication.train(weights, particle, steps, 1e-9, 0.9, 1.0, "live", buffer)) / steps


def classification(particle: Particle, count: int) -> float:
    """Seconds it takes to classify a swarm of ``count`` particles."""
    weights = particle.draw(count, torch.Generator().manual_seed(0))
    return seconds(lambda: classify(weights, particle))


@contextmanager
def by_torch() -> Iterator[None]:
    """Compute by the torch reference, without the fused kernels, inside this context."""
    before = os.environ.get("SRNN_KERNELS")
    os.environ["SRNN_KERNELS"] = "torch"
    try:
        yield
    finally:
        if before is None:
            del os.environ["SRNN_KERNELS"]
        else:
            os.environ["SRNN_KERNELS"] = before


def naive_step(particle: Particle, count: int = 100) -> float:
    """Seconds that one replication step of one particle takes in a loop over per-particle modules."""
    weights = particle.draw(count, torch.Generator().manual_seed(0))
    modules = [NaiveParticle(particle, column) for column in weights.T]
    optimizer = torch.optim.SGD((w for one in modules for w in one.parameters()), lr=0.004, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        for one in modules:
            data = one.own_inputs()
            mse_loss(one(data)[:, 0], data[:, 0]).backward()
        optimizer.step()

    return seconds(step) / count


def random_task(examples: int = 60_000, inputs: int = INPUTS, outputs: int = OUTPUTS) -> Task:
    """A classification task of random numbers: what is learnt does not change how long a step takes."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(examples, inputs, generator=generator)
    y = torch.randint(0, outputs, (examples,), generator=generator)
    return Task("random", "classification", x, y, x[:1], y[:1], outputs)


#: Trains the next so many batches.
Train = Callable[[int], None]


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


def _batches(experiment: Experiment, task: Task, seeds: int) -> Iterator[Tensor]:
    """Batches in random order, without end: as in a run, each comes from other places of the memory, ``(seeds, B)``."""
    generator, size = torch.Generator().manual_seed(0), experiment.training.batch_size
    while True:
        order = torch.stack([torch.randperm(len(task.train_x), generator=generator) for _ in range(seeds)])
        yield from order[:, : len(task.train_x) // size * size].split(size, dim=1)


def training_steps(experiment: Experiment = CONNECTIVITY, rounds: int = 100) -> dict[str, float]:
    """Seconds of a batch: of the dense body, of its organism without and with each way of replication, of ten seeds.

    They take turns, so that whatever else the machine does strikes them alike; the median of each counts. A turn is
    several batches, after one, which finds in the caches what others need, that does not count. The arithmetic is that
    of a run.
    """
    task, batch = random_task(), experiment.training.batch_size
    organisms = {
        "task": experiment.override(["replication.method=none"]),
        "batch": experiment,
        "newton": experiment.override(["replication.method=newton"]),
        "lifted": experiment.override(["replication.method=lifted"]),
        "numbers": experiment.override(["replication.method=none", "particle.kind=number"]),
    }
    trained = {"dense": training_by_torch(experiment, task)}
    trained |= {name: training_by_us(one, task) for name, one in organisms.items()}
    trained["ten seeds"] = training_by_us(experiment, task, 10)
    times: dict[str, list[float]] = {name: [] for name in trained}
    products = batch * particle_count(experiment, task.inputs, task.outputs)
    for _ in range(rounds):
        for name, train in trained.items():
            with fast_arithmetic(products):
                train(1)
                started = time.perf_counter()
                train(_TURN)
                times[name].append((time.perf_counter() - started) / _TURN)
    return {name: statistics.median(own) for name, own in times.items()}


def million_particles() -> tuple[float, float]:
    """Seconds of one batch of an organism of 1,011,960 particles, and the peak memory of this process in GB.

    To be called in a process of its own, whose memory is then that of the training alone.
    """
    experiment = CONNECTIVITY.override(["body.depth=4", "body.width=540", "body.residual=none"])
    task = random_task(2_000, 784)
    training = Training(experiment, task, [0])
    sums, batches = training.no_sums(), 5
    index = torch.arange(BATCH)[None]
    training.train_batch(index, sums)
    started = time.perf_counter()
    for _ in range(batches):
        training.train_batch(index, sums)
    return (time.perf_counter() - started) / batches, _peak_memory()


def _peak_memory() -> float:
    """The most memory this process ever held, in GB."""
    status = Path("/proc/self/status")
    if status.exists():
        # What getrusage tells on Linux includes the parent's memory at the time of the fork.
        [line] = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) / 1e6
    unit = 1e9 if platform.system() == "Darwin" else 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def measure(
    sizes: Sequence[int] = SIZES,
    hidden: Sequence[int] = HIDDEN,
    million: bool = True,
    watch: Callable[[str], None] = lambda what: None,
) -> Result:
    """Measure everything.

    Args:
        sizes: Particles of the swarms whose replication is timed.
        hidden: Their hidden units.
        million: Whether to train an organism of a million particles, and to classify as many.
        watch: Told what is being measured.
    """
    watch("arithmetic peak")
    peak = measure_peak()
    steps: list[Row] = []
    for units in hidden:
        particle = Particle(units, "l2", "fan_in")
        watch(f"naive loop, {units} hidden units")
        naive = naive_step(particle)
        for count in sizes:
            watch(f"replication, {units} hidden units, {count:,} particles")
            fused = replication_step(particle, count)
            with by_torch():
                reference = replication_step(particle, count, steps=10 if count < 10_000 else 1)
            share = operations(particle.hidden, live=True) * count / fused / 1e9 / peak
            steps.append(Row(units, count, fused / count * 1e9, reference / count * 1e9, naive * 1e9, share))

    watch("training steps")
    times, wide = training_steps(), training_steps(WIDE, rounds=40)
    dense = times["dense"]
    figures = {
        "organism's task step / dense step": times["task"] / dense,
        "organism's batch, replication and task / dense step": times["batch"] / dense,
        "batch of exact replication by newton / dense step": times["newton"] / dense,
        "batch of exact replication, lifted / dense step": times["lifted"] / dense,
        "the same, 225-64-64-10 with ReLU, by newton": wide["newton"] / wide["dense"],
        "the same, 225-64-64-10 with ReLU, lifted": wide["lifted"] / wide["dense"],
        "batch of plain numbers / dense step": times["numbers"] / dense,
        "batch of ten seeds side by side / dense step": times["ten seeds"] / dense,
        "dense step, ms": dense * 1e3,
        "arithmetic peak, Gflop/s": peak,
    }
    if million:
        watch("a million particles")
        figures["a million particles classified, s"] = classification(Particle(4, "l2", "fan_in"), 1_000_000)
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
            figures["batch of a million-particle organism, s"], figures["its peak memory, GB"] = process.submit(
                million_particles
            ).result()
    return Result(machine(), steps, figures)


def machine() -> str:
    """Processor, threads and versions, in a line."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists() and (names := [line for line in cpuinfo.read_text().splitlines() if "model name" in line]):
        processor = names[0].partition(":")[2].strip()
    return (
        f"{processor}, {torch.get_num_threads()} threads, torch {torch.__version__}, Python {platform.python_version()}"
    )
