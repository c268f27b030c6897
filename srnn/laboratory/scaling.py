"""How the cost of a batch grows with its examples, with particles and with seeds, ours beside torch's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from srnn.experiment import Experiment
from srnn.files import write_whole
from srnn.laboratory.race import (
    CONNECTIVITY,
    INPUTS,
    METHODS,
    OUTPUTS,
    Train,
    by_turns,
    random_task,
    training_by_torch,
    training_by_us,
)
from srnn.plots.scaling import scaling
from srnn.plots.style import save
from srnn.tasks import Task
from srnn.training.birth import particle_count

#: What grows from the batch of the preset ``connectivity``, and to what: examples of a batch, the width of the body
#: and with it its particles, seeds. All else stays.
SIZES: Mapping[str, Sequence[int]] = {
    "examples": (10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000),
    "particles": (6, 12, 25, 50, 100, 200),
    "seeds": (1, 2, 4, 8, 16, 32),
}
QUICK: Mapping[str, Sequence[int]] = {"examples": (50, 500, 5_000), "particles": (6, 50, 200), "seeds": (1, 4, 16)}
#: What is measured: our organism, with a step of replication; our plain numbers; torch's dense step.
ORGANISM, NUMBERS, DENSE = "organism", "numbers", "torch"
_TURNS = 5


def measure(
    sizes: Mapping[str, Sequence[int]] = SIZES, watch: Callable[[str], None] = lambda what: None
) -> pd.DataFrame:
    """Time batches of every size.

    Args:
        sizes: As :data:`SIZES`.
        watch: Told what is being measured.

    Returns:
        Columns Grows (what does: a key of ``sizes``), Network, Examples, Particles, Seeds, Microseconds (of a batch)
        and Nanoseconds (of it, by example, particle and seed).
    """
    task, rows = random_task(), []
    for grows, steps in sizes.items():
        for size in steps:
            watch(f"scaling, {grows}: {size:,}")
            experiment, seeds = CONNECTIVITY, 1
            if grows == "seeds":
                seeds = size
            else:
                setting = "training.batch_size" if grows == "examples" else "body.width"
                experiment = experiment.override(f"{setting}={size}")
            examples, particles = experiment.training.batch_size, particle_count(experiment, INPUTS, OUTPUTS)
            times = by_turns(_contenders(experiment, task, seeds), examples * particles, _TURNS)
            for network, seconds in times.items():
                single = seconds * 1e9 / (examples * particles * seeds)
                rows.append((grows, network, examples, particles, seeds, seconds * 1e6, single))
    columns = ["Grows", "Network", "Examples", "Particles", "Seeds", "Microseconds", "Nanoseconds"]
    return pd.DataFrame(rows, columns=columns)


def _contenders(experiment: Experiment, task: Task, seeds: int) -> dict[str, Train]:
    # Torch has a network for each seed, one after the other.
    dense = [training_by_torch(experiment, task) for _ in range(seeds)]

    def train(count: int) -> None:
        for one in dense:
            one(count)

    return {
        ORGANISM: training_by_us(experiment, task, seeds),
        NUMBERS: training_by_us(experiment.override(METHODS["numbers"]), task, seeds),
        DENSE: train,
    }


def summarize(measured: pd.DataFrame) -> pd.DataFrame:
    """By what grows and network: the first and the last size and what they cost, and the exponent of the growth.

    The exponent is the slope of the logarithms, by least squares; 1 is linear. Towards small sizes it is below that,
    for a batch costs something however small it is, so that of the upper half of the sizes is given as well.

    Returns:
        Columns Grows, Network, From, To, First and Last (microseconds of a batch), Nanoseconds (at the last size),
        Exponent and Upper.
    """
    rows = []
    for (grows, network), own in measured.groupby(["Grows", "Network"], sort=False):
        sizes, times = own[str(grows).capitalize()].to_numpy(), own["Microseconds"].to_numpy()
        half = len(sizes) // 2
        slopes = [float(np.polyfit(np.log(sizes[first:]), np.log(times[first:]), 1)[0]) for first in (0, half)]
        ends = sizes[0], sizes[-1], times[0], times[-1], own["Nanoseconds"].iloc[-1]
        rows.append((grows, network, *ends, *slopes))
    columns = ["Grows", "Network", "From", "To", "First", "Last", "Nanoseconds", "Exponent", "Upper"]
    return pd.DataFrame(rows, columns=columns)


def write(measured: pd.DataFrame, folder: Path) -> list[Path]:
    """Write ``scaling.csv`` and ``scaling.png`` into a folder, made if need be; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / "scaling.csv"
    write_whole(table, measured.to_csv(index=False).encode())
    return [table, save(scaling(measured), folder / "scaling.png")]
