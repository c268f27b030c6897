"""What a run begins with: its streams of random numbers and a newborn organism."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch

from srnn.bodies.mlp import MLP
from srnn.experiment import Experiment
from srnn.organism import Organism
from srnn.particle import (
    Particle,
)

#: The independent streams of random numbers of one run, in the order of their derivation from its seed.
STREAMS = ("body", "particles", "order", "dropout", "chemistry", "reset", "sample")


def generators(seed: int) -> dict[str, torch.Generator]:
    """A CPU generator for each of :data:`STREAMS`, all derived from the run's seed."""
    derived = np.random.SeedSequence(seed).generate_state(len(STREAMS), np.uint64)
    return {name: torch.Generator().manual_seed(int(state)) for name, state in zip(STREAMS, derived, strict=True)}


def build_organism(
    experiment: Experiment, inputs: int, outputs: int, streams: dict[str, torch.Generator] | None = None
) -> Organism:
    """A newborn organism as the experiment describes it, for a task of that many inputs and outputs."""
    streams = streams or generators(experiment.seed)
    body, particle = experiment.body, experiment.particle
    return Organism(
        MLP(
            inputs,
            body.width,
            body.depth,
            outputs,
            residual=body.residual,
            activation=body.activation,
            dropout=body.dropout,
            generator=streams["body"],
        ),
        Particle(particle.hidden, particle.encoding, particle.init),
        streams["particles"],
    )


def particle_count(experiment: Experiment, inputs: int, outputs: int) -> int:
    """Number N of particles of the experiment's organism, without building it."""
    sizes = [inputs, *[experiment.body.width] * (experiment.body.depth - 1), outputs]
    return sum(a * b for a, b in pairwise(sizes))
