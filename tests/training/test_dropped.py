"""Weights that are dropped are worth exactly 0, and all else is trained as if they did not exist."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from srnn import Experiment, Organism, UserError, fixpoints, tasks
from srnn.fixpoints import FixpointType
from srnn.tasks import Task
from srnn.training import loop
from srnn.training.loop import Training
from srnn.training.stretch import stretch

SMALL: dict[str, Any] = {
    "body": {"depth": 2, "width": 6},
    "particle": {"hidden": 2},
    "training": {"epochs": 2, "batch_size": 200},
    "log": {"every": 1, "rest": 0},
}
NUMBERS = {"particle": {"kind": "number"}, "replication": {"method": "none"}}
#: Every optimizer, every method and every event, with momentum and decay.
EXPERIMENTS: dict[str, dict[str, Any]] = {
    "sgd": {},
    "sgd, separate": {"replication": {"momentum": "separate", "target": "frozen"}},
    "joint": {"replication": {"objective": "joint"}},
    "none": {"replication": {"method": "none"}},
    "newton": {"replication": {"method": "newton", "every": 3}},
    "newton, adam": {"replication": {"method": "newton"}, "training": {"optimizer": "adam"}},
    "newton, later": {"replication": {"method": "newton", "start_accuracy": 0.02}},
    "lifted": {"replication": {"method": "lifted"}},
    "lifted, adamw": {"replication": {"method": "lifted", "every": 4}, "training": {"optimizer": "adamw"}},
    "placed": {"replication": {"method": "placed"}, "particle": {"hidden": 4}},
    "numbers": NUMBERS,
    "numbers, adam": NUMBERS | {"training": {"optimizer": "adam"}},
    "numbers, adamw": NUMBERS | {"training": {"optimizer": "adamw"}, "body": {"dropout": 0.2}},
    "numbers, rmsprop": NUMBERS | {"training": {"optimizer": "rmsprop"}},
    "numbers, nadam": NUMBERS | {"training": {"optimizer": "nadam"}},
    "numbers, cosine": NUMBERS | {"schedule": {"kind": "cosine", "every": 2}},
    "sgd, adam": {"training": {"optimizer": "adam"}, "replication": {"momentum": "separate"}},
    "sgd, terms": {"terms": {"l1": {"strength": 0.01}, "l2": {}}},
    "numbers, gates": NUMBERS | {"terms": {"gaussian": {}, "horseshoe": {"strength": 0.01, "scale": 0.1}}},
    "numbers, penalty": NUMBERS | {"terms": {"horseshoe": {"strength": 0.01, "scale": 0.1}}},
    "sgd, decay": {"terms": {"particle_decay": {"strength": 0.1}}},
    "sgd, frozen": {"events": {"half": {"do": "freeze", "at": [1]}}},
}
#: Where nothing is counted or drawn for all weights, dropped or not.
THIN = [
    name for name in EXPERIMENTS if name not in ("newton, later", "sgd, frozen", "numbers, adamw", "numbers, gates")
]
#: What is trained in a stretch, mask or no mask.
TOGETHER = [
    "sgd",
    "sgd, separate",
    "none",
    "numbers",
    "numbers, adam",
    "numbers, adamw",
    "numbers, cosine",
    "sgd, adam",
    "numbers, penalty",
]


def experiment(name: str) -> Experiment:
    values = {section: dict(one) for section, one in SMALL.items()}
    for section, changes in EXPERIMENTS[name].items():
        values[section] = values.get(section, {}) | changes
    return Experiment.from_dict(values)


@pytest.fixture(scope="module")
def digits() -> Task:
    return tasks.load(Experiment().task)


def gone(organism: Organism, seed: int, share: float = 0.7) -> Tensor:
    """The places of weights that are dropped, another choice for each seed."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(organism.size, generator=generator)[: round(share * organism.size)].sort().values


def masked(name: str, task: Task, seeds: list[int]) -> Training:
    training = Training(experiment(name), task, seeds)
    for place, seed in enumerate(seeds):
        training.drop(place, gone(training.organism, seed))
    return training


def bits(training: Training, place: int) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in training.state(place)[0].items()}


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert torch.equal(
            tensor.contiguous().view(-1).view(torch.uint8), other[name].contiguous().view(-1).view(torch.uint8)
        ), name


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_what_is_dropped_is_worth_nothing_and_moved_by_nothing(digits: Task, name: str) -> None:
    training = masked(name, digits, [3])
    before = training.weights.detach().clone()
    for _ in training.run():
        dropped = training.dropped
        assert dropped is not None
        assert (training.organism.worth()[dropped] == 0).all()
        for buffer in training.method.buffers().values():
            assert (buffer[..., dropped] == 0).all()
    kind, weights = training.organism.particle, training.weights.detach()
    assert (kind.worth(weights)[dropped] == 0).all()
    if name != "newton, later":
        assert torch.equal(weights[:, dropped], before[:, dropped])
    # Of the inputs some are always 0.
    assert (weights != before)[:, ~dropped].any(0).double().mean() > 0.8
    if kind.has_types:
        types = fixpoints.classify(weights, training.organism.replicator)
        nothing = FixpointType.IDENTITY if training.method.exact else FixpointType.ZERO
        assert (types[dropped] == nothing).all()
        assert not training.method.exact or (types == FixpointType.IDENTITY).all()


class Sparse(nn.Module):
    """A linear layer and a hidden one whose weights are those in some places, and 0 in all others."""

    def __init__(self, places: list[Tensor], sizes: list[int]) -> None:
        super().__init__()
        self.shapes = [(out, into) for into, out in pairwise(sizes)]
        self.places = places
        self.kept = nn.ParameterList(nn.Parameter(torch.zeros(1, len(own))) for own in places)

    def forward(self, x: Tensor) -> Tensor:
        for shape, places, kept in zip(self.shapes, self.places, self.kept, strict=True):
            dense = x.new_zeros(shape[0] * shape[1]).index_copy(0, places, kept[0])
            x = torch.tanh(x @ dense.view(shape).T)
        return x


@pytest.mark.parametrize("name", THIN)
def test_all_else_is_trained_as_in_a_thin_network_without_those_columns(
    digits: Task, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A network in which the dropped weights do not exist, be they numbers or particles: to the very bits.

    Only of ``joint`` to rounding: its closed form is torch's, where the last bits of a column depend on its place.
    """
    sizes = [64, 6, 10]
    count = [64 * 6, 6 * 10]
    thick_places = [torch.arange(own) for own in count]
    chosen = experiment(name)
    particle = chosen.particle.build()
    weights = particle.draw(sum(count), torch.Generator().manual_seed(1))
    if chosen.particle.kind == "number":
        weights = 0.1 * torch.randn(1, sum(count), generator=torch.Generator().manual_seed(1))
    dropped = torch.rand(sum(count), generator=torch.Generator().manual_seed(2)) < 0.7
    thin_places = [own[~part] for own, part in zip(thick_places, dropped.split(count), strict=True)]

    def built(places: list[Tensor], columns: Tensor) -> Training:
        def build(experiment: Experiment, *_: Any, **__: Any) -> Organism:
            organism = Organism(Sparse(places, sizes), particle)
            organism.weights.data = columns.contiguous()
            return organism

        monkeypatch.setattr(loop, "build_organism", build)
        return Training(chosen, digits, [3])

    thick, thin = built(thick_places, weights), built(thin_places, weights[:, ~dropped])
    thick.drop(0, dropped.nonzero().flatten())
    for _ in thick.run():
        pass
    for _ in thin.run():
        pass
    ours, theirs = bits(thick, 0), bits(thin, 0)
    for key, tensor in theirs.items():
        own = ours[key]
        own = own[..., ~dropped] if own.shape[-1:] == dropped.shape else own
        if name == "joint" and own.is_floating_point():
            torch.testing.assert_close(own, tensor, rtol=1e-3, atol=1e-5)
        else:
            assert torch.equal(own, tensor), key


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_seeds_side_by_side_are_each_as_alone(digits: Task, name: str) -> None:
    together = masked(name, digits, [3, 4])
    list(together.run())
    for place, seed in enumerate([3, 4]):
        alone = masked(name, digits, [seed])
        list(alone.run())
        assert_same(bits(together, place), bits(alone, 0))


@pytest.mark.parametrize("name", TOGETHER)
def test_a_stretch_gives_the_bits_of_batch_by_batch(digits: Task, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    together = masked(name, digits, [3, 4])
    assert stretch(together, Training(experiment(name), digits, [3, 4]).batches.epoch(0)) is not None
    list(together.run())
    apart = masked(name, digits, [3, 4])
    monkeypatch.setattr(loop, "stretch", lambda *_: None)
    list(apart.run())
    for place in (0, 1):
        assert_same(bits(together, place), bits(apart, place))


def test_a_loss_that_is_not_finite_does_not_reach_what_is_dropped(
    digits: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by a product with a mask, of which a NaN would be left, and neither in a stretch nor outside."""
    EXPERIMENTS["wild"] = NUMBERS | {"training": {"lr": 1e3, "epochs": 2}}
    ended = []
    for one in (loop.stretch, lambda *_: None):
        monkeypatch.setattr(loop, "stretch", one)
        training = masked("wild", digits, [3])
        list(training.run())
        assert training.stopped
        assert (training.weights[0, training.dropped] == 0).all()
        ended.append(training.weights.detach().clone())
    assert torch.equal(*(one.nan_to_num() for one in ended))


def test_where_particles_meet_nothing_is_dropped(digits: Task) -> None:
    EXPERIMENTS["meeting"] = {"interactions": {"melt": 0.1}}
    with pytest.raises(UserError, match="meet"):
        masked("meeting", digits, [3])
