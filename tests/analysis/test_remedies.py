"""Remedies: what copies, healthy neighbours and a grid do to damaged particles, and to numbers beside them."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

from srnn import MLP, Organism, Particle, replication
from srnn.analysis.remedies import COPIES, SPACING, from_a_healthy_copy, nearest, remedies
from srnn.fixpoints import FixpointType, classify
from srnn.particle import noise
from srnn.tasks import Task

WEIGHTS = 6
PARTICLE = Particle(4)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def healthy() -> torch.Tensor:
    """Three equal self-replicators of each of six weights."""
    return replication.replicators(torch.linspace(-1, 1, WEIGHTS), PARTICLE, generator()).repeat(1, COPIES)


def damage(particles: torch.Tensor, *columns: int) -> torch.Tensor:
    particles = particles.clone()
    for column in columns:
        particles[:, column] = noise(particles[:, column], 0.1, generator(column))
    return particles


def test_a_self_replicator_that_attacks_leaves_its_victim_as_it_is(healthy: torch.Tensor) -> None:
    particles = damage(healthy, 2, 2 + WEIGHTS)
    attacked = from_a_healthy_copy(WEIGHTS)["attack"](particles, PARTICLE)
    torch.testing.assert_close(attacked, particles, rtol=0, atol=1e-5)


def test_melting_restores_to_the_bit_where_a_healthy_copy_is_left(healthy: torch.Tensor) -> None:
    """Of weight 2 one copy is left, of weight 4 none."""
    lost = [4, 4 + WEIGHTS, 4 + 2 * WEIGHTS]
    particles = damaged = damage(healthy, 2, 2 + WEIGHTS, *lost)
    melt = from_a_healthy_copy(WEIGHTS, generator())["melting"]
    once = melt(particles, PARTICLE)
    assert ((once == healthy) & (particles != healthy))[:, 2].sum() == PARTICLE.size // 2
    for _ in range(30):
        particles = melt(particles, PARTICLE)
    kept = [column for column in range(COPIES * WEIGHTS) if column not in lost]
    assert torch.equal(particles[:, kept], healthy[:, kept])
    assert torch.equal(particles[:, lost], damaged[:, lost])
    assert (classify(particles, PARTICLE)[kept] == FixpointType.IDENTITY).all()


@pytest.fixture(scope="module")
def found() -> pd.DataFrame:
    x = torch.randn(40, 6, generator=generator())
    y = x[:, :3].argmax(1)
    task = Task("arrays", "classification", x, y, x, y, outputs=3)
    organism = Organism(MLP(6, 5, 2, 3), Particle(4, "max", "fan_in"), generator())
    replication.place(organism.weights.detach(), organism.replicator, organism.worth())
    return remedies(organism, task, levels=(0.01,), cap=30, generator=generator(1))


def of(frame: pd.DataFrame, placement: str, rule: str, kind: str = "some") -> pd.Series:
    [row] = frame.query(f"Placement == {placement!r} and Rule == {rule!r} and Noise == {kind!r}").to_dict("records")
    return pd.Series(row)


def test_there_is_a_row_for_each_remedy_and_each_noise(found: pd.DataFrame) -> None:
    assert found.groupby("Placement")["Rule"].nunique().to_dict() == {
        **{"copies": 6, "grid": 1},
        **{"numbers, copies": 2, "numbers, grid": 1},
    }
    assert len(found) == 10 * 3
    assert not found.duplicated(["Placement", "Rule", "Noise"]).any()


def test_what_each_remedy_does(found: pd.DataFrame) -> None:
    """To a tenth of the particles, of which the copies stay; melting takes back their worths, the leak does not."""
    melting, attacked, leaking = (of(found, "copies", f"{rule}, mean") for rule in ("melting", "attack", "leak"))
    assert (melting["Identity"], melting["Worth repaired"], melting["Repaired"]) == (1, 0, melting["Before"])
    assert (attacked["Identity"], leaking["Identity"]) == (0, 1)
    assert attacked["Worth repaired"] == pytest.approx(attacked["Worth noisy"], rel=1e-3)
    assert leaking["Worth repaired"] > 0.1 * leaking["Worth noisy"] > 0
    # Where all are damaged there is nobody to take from.
    lost = of(found, "copies", "melting, mean", "once")
    assert lost["Worth repaired"] == lost["Worth noisy"]
    # A median is not moved by the one copy that is damaged.
    assert of(found, "copies", "leak, median")["Worth repaired"] < 1e-5


def test_numbers_have_the_same_redundancy(found: pd.DataFrame) -> None:
    assert of(found, "numbers, copies", "none, median")["Worth repaired"] == pytest.approx(0, abs=0.005)
    mean = of(found, "numbers, copies", "none, mean", "once")
    # The mean of three numbers that are uniform in ±0.01 has a deviation of 0.0033: two thirds of it are the median.
    assert mean["Worth noisy"] == pytest.approx(0.0022, rel=0.4)
    for kind in ("once", "some", "always"):
        assert of(found, "numbers, grid", "nearest", kind)["Worth repaired"] == 0


def test_the_grid_takes_worths_back_that_noise_moved_by_less_than_half_of_it(found: pd.DataFrame) -> None:
    row = of(found, "grid", "leak, nearest", "once")
    assert row["Identity"] == 1
    assert row["Worth repaired"] < 1e-5 < row["Worth noisy"] < SPACING / 2
    torch.testing.assert_close(nearest(torch.tensor([0.26, -0.02])), torch.tensor([0.25, 0.0]))
