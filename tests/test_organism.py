"""An organism is exactly the dense network of its effective weights."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from networks import KINDS, RowTransformer
from torch import nn

from srnn import MLP, Organism, Particle, fixpoints, replication, tasks
from srnn.experiment import Experiment
from srnn.organism import stack
from srnn.particle import effective_weight


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", KINDS)
def test_an_organism_is_its_dense_network(name: str) -> None:
    make, shape = KINDS[name]
    particles = sum(weight.numel() for weight in make().parameters() if weight.ndim >= 2)
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
    make, _ = KINDS["convolutions, norms and biases"]
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
    assert organism.names_of(torch.tensor([6, 3])) == ["L1_C0_W0", "L0_C1_W0"]
    for place in (-1, 8):
        with pytest.raises(IndexError, match=f"no particle {place}: this organism has 8"):
            organism.names_of(torch.tensor([0, place]))


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


class TestLikeAnyOtherModule:
    """Whatever one does with a module, before and after a backward pass."""

    @staticmethod
    def organism(name: str, learnt: bool) -> tuple[Organism, torch.Tensor, torch.Tensor]:
        """An organism in evaluation, what it is asked and what it answers."""
        make, shape = KINDS[name]
        x = torch.randn(shape, generator=generator())
        organism = Organism(make(), Particle(3), generator())
        if learnt:
            organism(x).square().sum().backward()
        organism.eval()
        return organism, x, organism(x).detach()

    @pytest.mark.parametrize("learnt", [False, True])
    @pytest.mark.parametrize("name", KINDS)
    def test_its_dense_copy_lives_on_by_itself(self, name: str, learnt: bool) -> None:
        organism, x, answer = self.organism(name, learnt)
        dense = organism.to_dense()
        torch.testing.assert_close(dense(x), answer, rtol=1e-6, atol=1e-6 * float(answer.abs().max()))
        again = KINDS[name][0]().eval()
        again.load_state_dict(dense.state_dict())
        assert torch.equal(again(x), dense(x))
        dense.train()(x).sum().backward()
        assert all(parameter.grad is not None for parameter in dense.parameters())
        copy.deepcopy(dense)
        assert torch.equal(organism(x), answer)

    @pytest.mark.parametrize("learnt", [False, True])
    @pytest.mark.parametrize("name", KINDS)
    def test_it_is_copied_pickled_and_loaded(self, name: str, learnt: bool) -> None:
        organism, x, answer = self.organism(name, learnt)
        loaded = Organism(KINDS[name][0](), Particle(3)).eval()
        loaded.load_state_dict(organism.state_dict())
        for other in (copy.deepcopy(organism), pickle.loads(pickle.dumps(organism)), loaded):
            assert torch.equal(other(x), answer)
            assert torch.equal(other.worth(), organism.worth())
            with torch.no_grad():
                other.weights.zero_()
            assert not other.worth().any()
            other(x).sum().backward()
        assert torch.equal(organism(x), answer)

    @pytest.mark.parametrize("learnt", [False, True])
    @pytest.mark.parametrize("name", KINDS)
    def test_it_is_put_into_another_type(self, name: str, learnt: bool) -> None:
        organism, x, answer = self.organism(name, learnt)
        organism.worth()
        double = copy.deepcopy(organism).double()
        assert organism.worth().dtype == torch.float32
        assert double.worth().dtype == torch.float64
        torch.testing.assert_close(double(x.double()), answer.double(), rtol=1e-4, atol=1e-5)
        assert torch.equal(double.to_dense()(x.double()), double(x.double()))
        double(x.double()).sum().backward()
        torch.testing.assert_close(double.float()(x), answer)
        # A body of doubles makes an organism of doubles.
        assert Organism(KINDS[name][0]().double(), Particle(3))(x.double()).dtype == torch.float64

    @pytest.mark.parametrize("name", KINDS)
    def test_its_dense_copy_is_exported_to_the_bit(self, name: str) -> None:
        organism, x, _ = self.organism(name, learnt=True)
        dense = organism.to_dense()
        exported = torch.export.export(dense, (x,)).module()
        assert torch.equal(exported(x), dense(x))

    @pytest.mark.parametrize("name", ["convolutions, norms and biases", "GRU", "transformer layer"])
    def test_it_is_exported_itself(self, name: str) -> None:
        organism, x, answer = self.organism(name, learnt=True)
        torch.testing.assert_close(torch.export.export(organism, (x,)).module()(x), answer, rtol=1e-4, atol=1e-5)

    @pytest.mark.filterwarnings("ignore")
    @pytest.mark.parametrize("name", ["MLP", "convolutions, norms and biases", "LSTM"])
    def test_it_is_compiled(self, name: str) -> None:
        organism, x, answer = self.organism(name, learnt=True)
        torch._dynamo.reset()
        torch.testing.assert_close(torch.compile(organism, backend="eager")(x), answer, rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("name", [name for name in KINDS if name not in ("LSTM", "GRU")])  # torch cannot
    def test_it_is_mapped_over_inputs(self, name: str) -> None:
        organism, x, answer = self.organism(name, learnt=True)
        mapped = torch.vmap(organism)(torch.stack([x, 2 * x]))
        torch.testing.assert_close(mapped[0], answer, rtol=1e-4, atol=1e-5)

    def test_it_takes_keywords(self) -> None:
        organism = Organism(nn.MultiheadAttention(8, 2, batch_first=True), Particle(3), generator())
        x = torch.randn(2, 5, 8, generator=generator())
        hidden = torch.zeros(2, 5, dtype=torch.bool)
        hidden[:, 3:] = True
        answer, weights = organism(x, x, x, key_padding_mask=hidden, need_weights=True)
        assert answer.shape == x.shape
        assert not weights[..., 3:].any()
        assert organism(x, key=x, value=x, need_weights=False)[1] is None

    @pytest.mark.parametrize("name", ["MLP", "LSTM"])
    def test_several_threads_may_ask_it_at_once(self, name: str) -> None:
        organism, x, _ = self.organism(name, learnt=True)
        inputs = [x * factor for factor in range(1, 65)]
        alone = [organism(one) for one in inputs]
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(organism, inputs))
        assert all(torch.equal(one, other) for one, other in zip(alone, together, strict=True))

    def test_what_it_is_worth_follows_its_weights_however_they_are_changed(self) -> None:
        organism = Organism(MLP(3, 2, 2, 1), Particle(2), generator())
        changes: list[Callable[[], Any]] = [
            lambda: organism.weights.detach().mul_(2),
            lambda: setattr(organism.weights, "data", organism.weights.detach() * 2),
            lambda: organism.load_state_dict({"weights": organism.weights.detach() * 2}),
        ]
        for change in changes:
            before = organism.worth().clone()
            change()
            torch.testing.assert_close(organism.worth(), 8 * before)
        # Of that, torch keeps no count.
        organism.weights.data.mul_(2)
        x = torch.ones(1, 3)
        torch.testing.assert_close(organism.to_dense()(x), organism(x))


class TestFromDense:
    @pytest.mark.parametrize("name", KINDS)
    def test_a_network_becomes_self_replicators_and_answers_the_same(self, name: str) -> None:
        make, shape = KINDS[name]
        network = make()
        x = torch.randn(shape, generator=generator())
        network(x)  # its norms have seen something
        network.eval()
        organism = Organism.from_dense(network, Particle(4), generator()).eval()
        types = fixpoints.classify(organism.weights.detach(), organism.particle)
        assert (types == fixpoints.FixpointType.IDENTITY).all()
        answer = network(x).detach()
        torch.testing.assert_close(organism(x), answer, rtol=1e-5, atol=1e-5 * float(answer.abs().max()))
        assert {*organism.to_dense().state_dict()} == {*network.state_dict()}

    @pytest.mark.parametrize("hidden", range(2, 9))
    def test_of_weights_of_any_size(self, hidden: int) -> None:
        network = nn.Linear(40, 20)
        values = torch.rand(20, 40, generator=generator()) * 60 - 30
        values[0], values[1] = values[0] / 1_000, torch.linspace(0, 1, 40)
        values[2, :4] = torch.tensor([0.0, -0.0, 30.0, -30.0])
        network.weight.data = values
        organism = Organism.from_dense(network, Particle(hidden), generator())
        types = fixpoints.classify(organism.weights.detach(), organism.particle)
        assert (types == fixpoints.FixpointType.IDENTITY).all()
        torch.testing.assert_close(organism.worth().view(20, 40), values, rtol=1e-5, atol=1e-6)

    def test_of_parts_of_a_network(self) -> None:
        network = RowTransformer(10).eval()
        x = torch.randn(3, 8, 8, generator=generator())
        for choice in ({}, {"exclude": ["layer", "position"]}, {"only": ["marks", "scale"]}):
            organism = Organism.from_dense(network, Particle(3), generator(), **choice).eval()
            torch.testing.assert_close(organism(x), network(x), rtol=1e-5, atol=1e-5)
        assert organism.size == 2 * 8 + 8
        assert torch.equal(organism.body.enter.weight, network.enter.weight)

    def test_what_is_not_finite_is_refused(self) -> None:
        network = nn.Linear(2, 1)
        network.weight.data[0, 0] = torch.nan
        with pytest.raises(ValueError, match="a weight is NaN or infinite"):
            Organism.from_dense(network, Particle(3))


def digits_network(trained: Callable[[nn.Module], nn.Module] = lambda network: network) -> nn.Module:
    """A ConvNet of biases and norms for the digits, or what a function makes of it before it is trained."""
    torch.manual_seed(0)
    network: nn.Module = nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10)
    )
    return trained(network)


def learn_digits(network: nn.Module, after_step: Callable[[], Any] = lambda: None) -> float:
    """Train any network for three epochs of digits; its accuracy on the test data."""
    task = tasks.load(Experiment().task)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(3):
        for index in torch.randperm(len(task.train_x), generator=generator()).split(50):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(task.train_x[index]), task.train_y[index]).backward()
            optimizer.step()
            after_step()
    return accuracy(network)


@torch.no_grad()
def accuracy(network: nn.Module) -> float:
    task = tasks.load(Experiment().task)
    return float(task.score(network.eval()(task.test_x), task.test_y).mean())


def test_a_trained_convnet_keeps_its_accuracy_to_the_last_digit() -> None:
    network = digits_network()
    reached = learn_digits(network)
    assert reached > 0.9
    for hidden in (2, 4, 8):
        organism = Organism.from_dense(network, Particle(hidden), generator())
        assert accuracy(organism) == reached


@pytest.mark.parametrize("given", [False, True])
def test_a_loop_of_ones_own_keeps_every_particle_a_self_replicator(given: bool) -> None:
    """The recipe of the README: any optimizer, then ``replication.project``."""
    particle = Particle(4)
    network = digits_network()
    organism = Organism.from_dense(network, particle) if given else Organism(network, particle)
    replication.project(organism.weights, particle, iterations=100)
    reached = learn_digits(organism, lambda: replication.project(organism.weights, particle))
    types = fixpoints.classify(organism.weights, particle)
    assert (types == fixpoints.FixpointType.IDENTITY).all()
    assert reached > 0.85
