"""The algebra of particles, checked against particles made of torch's own linear layers, one at a time."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from strategies import counts, drawn, particles, seeds, targets
from torch import Tensor, nn

from srnn import Particle, particle
from srnn.particle import INPUTS


def as_modules(weights: Tensor, kind: Particle) -> list[nn.Sequential]:
    """The particles as they are in the original code: three linear layers without biases each."""
    networks = []
    for column in weights.detach().T:
        blocks = column.split([rows * columns for rows, columns in kind.shapes])
        network = nn.Sequential(*(nn.Linear(columns, rows, bias=False) for rows, columns in kind.shapes)).double()
        for layer, block, shape in zip(network, blocks, kind.shapes, strict=True):
            layer.weight.data = block.view(shape).clone()
        networks.append(network)
    return networks


def own_inputs(weights: Tensor, kind: Particle) -> Tensor:
    """What one particle's network is fed to replicate itself: ``(P,) -> (P, 5)``."""
    return torch.cat([weights[:, None], kind.positions.double(), torch.zeros(kind.size, 1)], dim=1)


def test_size_and_layout() -> None:
    kind = Particle(hidden=3)
    assert kind.size == 5 * 3 + 3 * 3 + 3 == 27
    W1, W2, W3 = particle.matrices(torch.arange(27.0)[:, None].expand(27, 2), kind)
    assert W1[..., 0].tolist() == torch.arange(15.0).view(3, 5).tolist()
    assert W2[..., 1].tolist() == torch.arange(15.0, 24).view(3, 3).tolist()
    assert W3[..., 0].tolist() == [24, 25, 26]


@pytest.mark.parametrize("encoding", ["max", "l2"])
def test_positions_are_layer_cell_and_index_over_their_maximum_or_norm(encoding: particle.Encoding) -> None:
    kind = Particle(hidden=2, encoding=encoding)
    raw = torch.tensor(
        [(0, c, i) for c in range(2) for i in range(5)]
        + [(1, c, i) for c in range(2) for i in range(2)]
        + [(2, 0, 0), (2, 0, 1)],
        dtype=torch.float64,
    )
    scale = torch.tensor([2.0, 1.0, 4.0]) if encoding == "max" else raw.square().sum(0).sqrt()
    torch.testing.assert_close(kind.positions.double(), raw / scale, atol=1e-7, rtol=1e-6)


def test_a_particle_of_one_unit_has_finite_positions() -> None:
    for encoding in ("max", "l2"):
        assert Particle(1, encoding).positions.isfinite().all()


@pytest.mark.parametrize("changes", [{"hidden": 0}, {"encoding": "min"}, {"init": "zeros"}])
def test_a_particle_of_impossible_kind_is_refused(changes: dict[str, object]) -> None:
    [(name, value)] = changes.items()
    with pytest.raises(ValueError, match=rf"{name} is {value!r}"):
        Particle(**changes)  # type: ignore[arg-type]


def test_weights_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(40, N\)"):
        particle.self_output(torch.zeros(27, 3), Particle(4))


@given(particles.filter(lambda kind: kind.init != "copying"), seeds)
def test_drawn_weights_fill_the_bounds_of_their_matrix(kind: Particle, seed: int) -> None:
    weights = drawn(kind, 500, seed)
    for block, (rows, columns) in zip(particle.matrices(weights, kind), kind.shapes, strict=True):
        bound = columns**-0.5 if kind.init == "fan_in" else (6 / (rows + columns)) ** 0.5
        assert 0.9 * bound < block.abs().max() <= bound * (1 + 1e-6)
        assert block.min() < -0.9 * bound


@given(particles, counts, seeds)
def test_output_effective_weight_and_row_vector_are_those_of_the_network(kind: Particle, count: int, seed: int) -> None:
    weights = drawn(kind, count, seed)
    output = particle.self_output(weights, kind)
    for n, network in enumerate(as_modules(weights, kind)):
        torch.testing.assert_close(output[:, n], network(own_inputs(weights[:, n], kind))[:, 0].detach())
        unit_inputs = network(torch.eye(INPUTS, dtype=torch.float64))[:, 0].detach()
        torch.testing.assert_close(particle.row_vector(weights, kind)[:, n], unit_inputs)
        torch.testing.assert_close(particle.effective_weight(weights, kind)[n], unit_inputs[4])


@given(particles, counts, seeds)
def test_replication_loss_is_the_mean_squared_error_of_the_output(kind: Particle, count: int, seed: int) -> None:
    weights = drawn(kind, count, seed)
    expected = (particle.self_output(weights, kind) - weights).square().mean(0)
    for target in ("frozen", "live"):
        torch.testing.assert_close(particle.replication_loss(weights, kind, target), expected)


@given(particles, counts, seeds, targets)
def test_the_closed_gradient_is_that_of_autograd(
    kind: Particle, count: int, seed: int, target: particle.Target
) -> None:
    weights = drawn(kind, count, seed).requires_grad_()
    loss, gradient = particle.replication_gradient(weights.detach(), kind, target)
    expected = particle.replication_loss(weights, kind, target)
    expected.sum().backward()
    torch.testing.assert_close(loss, expected.detach())
    torch.testing.assert_close(gradient, weights.grad)


@given(particles, counts, seeds)
def test_the_frozen_gradient_is_that_of_the_network_fed_with_constants(kind: Particle, count: int, seed: int) -> None:
    weights = drawn(kind, count, seed)
    _, gradient = particle.replication_gradient(weights, kind, "frozen")
    for n, network in enumerate(as_modules(weights, kind)):
        data = own_inputs(weights[:, n], kind)
        nn.functional.mse_loss(network(data)[:, 0], weights[:, n]).backward()
        expected = torch.cat([layer.weight.grad.flatten() for layer in network])  # type: ignore[union-attr, operator]
        torch.testing.assert_close(gradient[:, n], expected)


@pytest.mark.parametrize("hidden", [1, 2, 4])
def test_the_effective_weight_is_differentiable(hidden: int) -> None:
    kind = Particle(hidden)
    weights = drawn(kind, 3, 0).requires_grad_()
    assert torch.autograd.gradcheck(lambda w: particle.effective_weight(w, kind), weights)


@given(particles, counts, seeds)
def test_self_application_is_the_output_again_and_again(kind: Particle, count: int, seed: int) -> None:
    weights = drawn(kind, count, seed)
    assert torch.equal(particle.self_application(weights, kind, 0), weights)
    expected = particle.self_output(particle.self_output(weights, kind), kind)
    torch.testing.assert_close(particle.self_application(weights, kind, 2), expected)


@given(particles, counts, seeds)
def test_an_attacked_particle_becomes_the_attackers_output_for_it(kind: Particle, count: int, seed: int) -> None:
    attackers, victims = drawn(kind, count, seed), drawn(kind, count, seed + 1)
    attacked = particle.attack(attackers, victims, kind)
    for n, network in enumerate(as_modules(attackers, kind)):
        torch.testing.assert_close(attacked[:, n], network(own_inputs(victims[:, n], kind))[:, 0].detach())
    torch.testing.assert_close(particle.attack(victims, victims, kind), particle.self_output(victims, kind))


@given(particles, counts, seeds)
def test_melting_takes_over_half_of_the_other_particles_weights(kind: Particle, count: int, seed: int) -> None:
    weights, others = torch.zeros(kind.size, count), torch.ones(kind.size, count)
    melted = particle.melt(weights, others, torch.Generator().manual_seed(seed))
    assert (melted.sum(0) == kind.size // 2).all()
    assert torch.equal(melted, particle.melt(weights, others, torch.Generator().manual_seed(seed)))


def test_which_half_melts_differs_between_particles() -> None:
    melted = particle.melt(torch.zeros(40, 50), torch.ones(40, 50), torch.Generator().manual_seed(0))
    assert len(set(map(tuple, melted.T.tolist()))) == 50


@given(particles, counts, seeds)
def test_noise_is_uniform_up_to_its_level_in_both_directions(kind: Particle, count: int, seed: int) -> None:
    weights = drawn(kind, count, seed)
    shift = particle.noise(weights, 0.5, torch.Generator().manual_seed(seed)) - weights
    assert shift.abs().max() <= 0.5
    if shift.numel() > 200:
        assert shift.min() < -0.4
        assert shift.max() > 0.4


@given(particles, counts, seeds, targets)
def test_a_nan_stays_with_its_particle(kind: Particle, count: int, seed: int, target: particle.Target) -> None:
    weights = drawn(kind, count + 1, seed)
    spoiled = weights.clone()
    spoiled[seed % kind.size, 0] = float("nan")
    for result, expected in (
        (particle.self_output(spoiled, kind), particle.self_output(weights, kind)),
        (
            particle.replication_gradient(spoiled, kind, target)[1],
            particle.replication_gradient(weights, kind, target)[1],
        ),
    ):
        torch.testing.assert_close(result[:, 1:], expected[:, 1:])
