"""How fast is it? Everything is measured against something else in the same run, so that the machine cancels out.

Every function measures one thing and returns seconds; ``srnn bench`` puts them into a table.
"""

from __future__ import annotations

import multiprocessing
import os
import platform
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from srnn import replication
from srnn.fixpoints import classify
from srnn.kernels.algebra import operations
from srnn.kernels.peak import measure_peak
from srnn.laboratory.race import BATCH, BATCHES, BODIES, CONNECTIVITY, Cell, cell, random_task
from srnn.particle import Particle
from srnn.training.loop import Training

#: Particles and hidden units of the swarms whose replication is timed.
SIZES, HIDDEN = (1_518, 100_000, 1_000_000), (2, 4, 8)


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
    """Everything measured in one run: the machine, swarms that replicate, bodies that train, figures by their names."""

    machine: str
    replication: list[Row]
    training: list[Cell]
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
        million: Whether to train other bodies than the first as well, and an organism of a million particles.
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

    races, first = [], next(iter(BODIES))
    for body in BODIES if million else [first]:
        for batch in BATCHES if million else [BATCH]:
            watch(f"training {body}, batch {batch}")
            seeds = (10,) if (body, batch) == (first, BATCH) else ()
            # Of the larger bodies a turn takes a second.
            races.append(cell(body, batch, seeds=seeds, turns=20 if body == first else 5))
    figures = {"arithmetic peak, Gflop/s": peak}
    if million:
        watch("a million particles")
        figures["a million particles classified, s"] = classification(Particle(4, "l2", "fan_in"), 1_000_000)
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
            figures["batch of a million-particle organism, s"], figures["its peak memory, GB"] = process.submit(
                million_particles
            ).result()
    return Result(machine(), steps, races, figures)


def machine() -> str:
    """Processor, threads and versions, in a line."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists() and (names := [line for line in cpuinfo.read_text().splitlines() if "model name" in line]):
        processor = names[0].partition(":")[2].strip()
    return (
        f"{processor}, {torch.get_num_threads()} threads, torch {torch.__version__}, Python {platform.python_version()}"
    )
