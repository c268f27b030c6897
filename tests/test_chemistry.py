"""Interactions inside an organism: who meets whom, how often, and what becomes of it."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import seeds

from srnn import MLP, Organism, Particle, particle
from srnn.chemistry import interact


def organism(inputs: int = 6, width: int = 4, depth: int = 3, seed: int = 0) -> Organism:
    return Organism(MLP(inputs, width, depth, 3), Particle(2), torch.Generator().manual_seed(seed))


def met(one: Organism, attack: float, melt: float, seed: int) -> torch.Tensor:
    weights = one.weights.detach().clone()
    interact(weights, one.particle, one.shapes, attack, melt, torch.Generator().manual_seed(seed))
    return weights


@given(seeds, st.integers(2, 9), st.integers(1, 5))
def test_an_attacker_is_another_particle_of_the_same_cell(seed: int, inputs: int, width: int) -> None:
    one = organism(inputs, width, seed=seed)
    before, after = one.weights.detach(), met(one, 1.0, 0.0, seed)
    cells = [name.rpartition("_")[0] for name in one.names]
    for n, cell in enumerate(cells):
        mates = [m for m, other in enumerate(cells) if other == cell and m != n]
        if not mates:
            assert torch.equal(after[:, n], before[:, n])
            continue
        outcomes = particle.attack(before[:, mates], before[:, [n] * len(mates)], one.particle)
        assert torch.isclose(outcomes, after[:, n : n + 1], atol=1e-6).all(0).any()


@given(seeds)
def test_melting_takes_half_from_a_particle_of_the_same_cell(seed: int) -> None:
    one = organism(seed=seed)
    before, after = one.weights.detach(), met(one, 0.0, 1.0, seed)
    cells = [name.rpartition("_")[0] for name in one.names]
    for n, cell in enumerate(cells):
        changed = after[:, n] != before[:, n]
        assert changed.sum() == one.particle.size // 2
        mates = [m for m, other in enumerate(cells) if other == cell and m != n]
        assert any(torch.equal(after[changed, n], before[changed, m]) for m in mates)


def test_every_mate_is_met() -> None:
    one = organism(inputs=4, width=1, depth=1)
    one.weights.data = torch.eye(one.particle.size)[:, : one.size]  # told apart by the one weight they hold
    seen = {n: set() for n in range(4)}  # type: ignore[var-annotated]
    for seed in range(200):
        after = met(one, 0.0, 1.0, seed)
        for n in range(4):
            seen[n] |= {m for m in range(4) if m != n and after[m, n] == 1}
    assert seen == {n: {m for m in range(4) if m != n} for n in range(4)}


def test_the_rate_is_a_chance_per_particle() -> None:
    one = organism(inputs=100, width=50)
    changed = (met(one, 0.3, 0.0, 0) != one.weights).any(0).float().mean()
    assert 0.27 < changed < 0.33
    assert torch.equal(met(one, 0.0, 0.0, 0), one.weights)


def test_the_same_generator_gives_the_same_meetings() -> None:
    one = organism()
    assert torch.equal(met(one, 0.5, 0.5, 1), met(one, 0.5, 0.5, 1))
    assert not torch.equal(met(one, 0.5, 0.5, 1), met(one, 0.5, 0.5, 2))
