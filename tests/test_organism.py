"""An organism is exactly the dense network of its effective weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from srnn import MLP, Organism, Particle
from srnn.organism import stack
from srnn.particle import effective_weight


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Tied(nn.Module):
    """Two layers that share one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Linear(4, 4, bias=False)
        self.decode = nn.Linear(4, 4, bias=False)
        self.decode.weight = self.encode.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.decode(self.encode(x).relu())
        return output


BODIES = {
    "MLP": (lambda: MLP(6, 4, 4, 3, residual="pair", activation="relu"), (5, 6), 6 * 4 + 2 * 16 + 12),
    "convolutions, norms and biases": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3), nn.LayerNorm(3)
        ),
        (5, 1, 8, 8),
        36 + 3 * 4 * 36,
    ),
    "tied weights": (Tied, (5, 4), 16),
}


@pytest.mark.parametrize("name", BODIES)
def test_an_organism_is_its_dense_network(name: str) -> None:
    make, shape, particles = BODIES[name]
    organism = Organism(make(), Particle(3), generator()).eval()
    assert organism.weights.shape == (27, particles)
    assert organism.size == particles == len(organism.names)
    x = torch.randn(shape, generator=generator())
    dense = organism.to_dense()
    torch.testing.assert_close(dense(x), organism(x), rtol=0, atol=0)

    # The dense network has the body's parameters, the replaced ones with the particles' effective weights.
    expected = effective_weight(organism.weights.detach(), organism.particle)
    weights = [parameter for parameter in dense.parameters() if parameter.ndim >= 2]
    torch.testing.assert_close(torch.cat([weight.flatten() for weight in weights]), expected)
    assert dense.state_dict().keys() == make().state_dict().keys()


def test_biases_and_norms_stay_ordinary_parameters() -> None:
    make, _, _ = BODIES["convolutions, norms and biases"]
    organism = Organism(make(), Particle(2))
    names = {name.removeprefix("body.") for name, _ in organism.named_parameters()}
    assert names == {"weights", "0.bias", "1.weight", "1.bias", "4.bias", "5.weight", "5.bias"}


def test_the_body_given_is_not_changed() -> None:
    body = MLP(3, 2, 2, 1)
    before = {name: value.clone() for name, value in body.state_dict().items()}
    organism = Organism(body, Particle(2))
    organism(torch.zeros(1, 3))
    assert {name: value.tolist() for name, value in body.state_dict().items()} == {
        name: value.tolist() for name, value in before.items()
    }


def test_gradients_reach_the_particles_as_the_chain_rule_says() -> None:
    organism = Organism(MLP(6, 4, 3, 3), Particle(3), generator())
    x = torch.randn(5, 6, generator=generator())
    organism(x).square().sum().backward()
    dense = organism.to_dense()
    dense(x).square().sum().backward()
    per_weight = torch.cat([weight.grad.flatten() for weight in dense.parameters()])  # type: ignore[union-attr]
    weights = organism.weights.detach().requires_grad_()
    (effective_weight(weights, organism.particle) * per_weight).sum().backward()
    torch.testing.assert_close(organism.weights.grad, weights.grad)


def test_names_say_layer_cell_and_weight() -> None:
    organism = Organism(MLP(3, 2, 2, 1), Particle(2))
    assert organism.names == [
        *("L0_C0_W0", "L0_C0_W1", "L0_C0_W2", "L0_C1_W0", "L0_C1_W1", "L0_C1_W2"),
        *("L1_C0_W0", "L1_C0_W1"),
    ]
    assert organism.layers == {"L0": slice(0, 6), "L1": slice(6, 8)}


def test_a_particle_is_where_its_name_says() -> None:
    organism = Organism(MLP(3, 2, 2, 1), Particle(2))
    output = organism(torch.eye(3))
    organism.weights.data[:, organism.names.index("L0_C1_W2")] = 0
    assert torch.equal(organism(torch.eye(3))[:2], output[:2])
    assert not torch.equal(organism(torch.eye(3))[2], output[2])


def test_a_body_without_weights_is_refused() -> None:
    with pytest.raises(ValueError, match="no weight tensor"):
        Organism(nn.BatchNorm1d(3), Particle(2))


def test_a_failing_body_leaves_the_organism_usable() -> None:
    organism = Organism(MLP(3, 2, 2, 1), Particle(2))
    with pytest.raises(RuntimeError):
        organism(torch.zeros(1, 4))
    assert organism(torch.zeros(1, 3)).shape == (1, 1)


def test_stacked_organisms_are_each_as_alone_to_the_bit() -> None:
    organisms = [Organism(MLP(6, 4, 4, 3, residual="layer"), Particle(3), generator(seed)) for seed in range(4)]
    stacked = stack(organisms)
    x = torch.randn(4, 50, 6, generator=generator())
    together = stacked(x)
    for seed, organism in enumerate(organisms):
        assert torch.equal(together[seed], organism(x[seed]))


def test_only_organisms_of_a_kind_can_be_stacked() -> None:
    body = MLP(3, 2, 2, 1)
    with pytest.raises(ValueError, match="same particle"):
        stack([Organism(body, Particle(2)), Organism(body, Particle(3))])
