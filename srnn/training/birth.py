"""What a run begins with: its streams of random numbers and a newborn organism."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from srnn import replication
from srnn.experiment import Experiment
from srnn.organism import Organism
from srnn.particle import Particle

#: The independent streams of random numbers of one run, in the order of their derivation from its seed. A new one goes
#: to the end: then the others stay what they are.
STREAMS = ("body", "particles", "order", "dropout", "chemistry", "reset", "sample", "events", "gates", "augment")


def generators(seed: int) -> dict[str, torch.Generator]:
    """A CPU generator for each of :data:`STREAMS`, all derived from the run's seed."""
    derived = np.random.SeedSequence(seed).generate_state(len(STREAMS), np.uint64)
    return {name: torch.Generator().manual_seed(int(state)) for name, state in zip(STREAMS, derived, strict=True)}


def build_organism(
    experiment: Experiment,
    inputs: int,
    outputs: int,
    streams: Mapping[str, torch.Generator] | None = None,
    image: tuple[int, ...] | None = None,
) -> Organism:
    """A newborn organism as the experiment describes it.

    Args:
        experiment: Its body and its particles.
        inputs: Numbers of an example of its task.
        outputs: Numbers of an answer.
        streams: Where it is drawn from; without, from the experiment's own seed.
        image: What an example is as an image, ``(channels, height, width)``.
    """
    streams, settings = streams or generators(experiment.seed), experiment.particle
    body = experiment.body.build(inputs, outputs, image, streams["body"])
    organism = Organism(body, settings.build(), streams["particles"], **experiment.body.choice)
    if experiment.replication.birth == "exact":
        _make_exact(organism.weights.detach(), organism.replicator)
    if settings.kind == "number" and settings.values == "particles":
        # The worth that organisms of such particles begin with under an exact method.
        weights, particle = _replicators(experiment, organism.size, streams["particles"])
        organism.weights.data = particle.worth(weights)[None].clone()
    return organism


def steps(experiment: Experiment, count: int, seed: int) -> Tensor | None:
    """By what the learning rate of each plain number is multiplied, ``(count,)``; None where it is the same for all.

    A step of gradient descent on a particle moves its worth v4 by lr · |∂v4/∂w|² times the gradient at the waist. It
    is that of the newborn self-replicators whose worth the numbers begin with, and stays so: theirs changes.
    """
    if experiment.particle.step == "alike":
        return None
    weights, particle = _replicators(experiment, count, generators(seed)["particles"])
    squares = particle.pull_back(weights, torch.ones(count)).square().sum(0)
    return squares if experiment.particle.step == "particles" else squares.mean().expand(count)


def _replicators(experiment: Experiment, count: int, generator: torch.Generator) -> tuple[Tensor, Particle]:
    """What organisms of such particles begin with under an exact method, ``(P, count)``."""
    settings = experiment.particle
    particle = Particle(settings.hidden, settings.encoding, settings.init)
    weights = particle.draw(count, generator)
    _make_exact(weights, particle)
    return weights, particle


def _make_exact(weights: Tensor, particle: Particle) -> None:
    """Make self-replicators of newborn particles, worth the same and balanced, in place."""
    replication.project(weights, particle, replication.NEWBORN)
    replication.balance(weights, particle)


def describe_organism(
    experiment: Experiment, inputs: int, outputs: int, image: tuple[int, ...] | None = None
) -> Organism:
    """The shapes of such an organism without their content, on torch's device ``meta``."""
    body = experiment.body.outline(inputs, outputs, image)
    with torch.device("meta"):
        return Organism(body, experiment.particle.build(), **experiment.body.choice)


def particle_count(experiment: Experiment, inputs: int, outputs: int, image: tuple[int, ...] | None = None) -> int:
    """Number N of particles of the experiment's organism, without building it."""
    return experiment.body.count(inputs, outputs, image)[0]
