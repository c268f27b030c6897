"""What counts as a fixpoint, of which type, and how they are counted."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from strategies import particles, seeds

from srnn import MLP, Organism, Particle
from srnn.fixpoints import FixpointType, census, classify
from srnn.particle import matrices, self_application


def identity(kind: Particle, count: int = 1, value: float = 1.0) -> torch.Tensor:
    """Particles that hand their weight straight through, ``v = (value, 0, 0, 0, 0)``, by three single weights."""
    weights = torch.zeros(kind.size, count)
    W1, W2, W3 = matrices(weights, kind)
    W1[0, 0], W2[0, 0], W3[0] = 1.0, 1.0, value
    return weights


def test_the_order_of_the_types_is_that_of_their_tests() -> None:
    assert [kind.label for kind in FixpointType] == ["divergent", "zero", "identity", "secondary", "other"]


@given(particles)
def test_hand_made_particles(kind: Particle) -> None:
    swarm = {
        FixpointType.ZERO: torch.zeros(kind.size, 1),
        FixpointType.IDENTITY: identity(kind),
        # Its output is −w, and its output for that is w again.
        FixpointType.SECONDARY: identity(kind, value=-1.0),
        FixpointType.OTHER: identity(kind, value=1.5),
        FixpointType.DIVERGENT: identity(kind) / 0,
    }
    for expected, weights in swarm.items():
        assert classify(weights, kind).tolist() == [expected]
    together = classify(torch.cat(list(swarm.values()), dim=1), kind)
    assert together.dtype == torch.int8
    assert together.tolist() == list(swarm)


@given(particles, seeds)
def test_a_zero_particle_is_zero_before_it_is_identity(kind: Particle, seed: int) -> None:
    weights = 1e-6 * kind.draw(20, torch.Generator().manual_seed(seed))
    assert (self_application(weights, kind) - weights).abs().max() <= 1e-5
    assert (classify(weights, kind) == FixpointType.ZERO).all()


def test_the_tolerance_is_absolute_and_holds_for_every_weight() -> None:
    kind = Particle(4)
    almost = identity(kind).repeat(1, 2)
    # An idle weight, which changes nothing but that its own output, itself times v0 = 1, hits or misses it.
    almost[1, 0] = 1e-6 / kind.positions[1].abs().max()
    assert classify(almost, kind).tolist() == [FixpointType.IDENTITY] * 2
    assert classify(almost, kind, tolerance=1e-9).tolist() == [FixpointType.OTHER, FixpointType.IDENTITY]
    shifted = torch.full((kind.size, 1), 0.9e-5)
    assert classify(shifted, kind).tolist() == [FixpointType.ZERO]
    shifted[7] = 1.1e-5
    assert classify(shifted, kind).tolist() != [FixpointType.ZERO]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_one_bad_weight_makes_its_particle_divergent_and_no_other(value: float) -> None:
    kind = Particle(3)
    weights = identity(kind, count=3)
    weights[20, 1] = value
    expected = [FixpointType.IDENTITY, FixpointType.DIVERGENT, FixpointType.IDENTITY]
    assert classify(weights, kind).tolist() == expected


def test_finite_weights_whose_output_overflows_are_other() -> None:
    assert classify(torch.full((27, 1), 1e30), Particle(3)).tolist() == [FixpointType.OTHER]


def test_the_census_counts_per_layer_and_in_total() -> None:
    organism = Organism(MLP(3, 2, 2, 1), Particle(2))
    types = torch.tensor([1, 1, 2, 4, 4, 4, 2, 0], dtype=torch.int8)
    counted = census(types, organism.layers)
    assert counted.columns.tolist() == [kind.label for kind in FixpointType]
    assert counted.index.tolist() == ["L0", "L1", "total"]
    assert counted.loc["L0"].tolist() == [0, 2, 1, 0, 3]
    assert counted.loc["L1"].tolist() == [1, 0, 1, 0, 0]
    assert counted.loc["total"].tolist() == [1, 2, 2, 0, 3]
