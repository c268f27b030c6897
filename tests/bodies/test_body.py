"""The macro network: shapes, residual links, dropout, many networks side by side."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch

from srnn import MLP
from srnn.bodies.mlp import Dropout


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def by_hand(body: MLP, x: torch.Tensor, added: dict[int, int]) -> torch.Tensor:
    """The linear body, with the input of layer ``added[i]`` added to the output of layer ``i``."""
    inputs = []
    for index, weight in enumerate(body.weights):
        inputs.append(x)
        x = torch.nn.functional.linear(x, weight)
        if index in added:
            x = x + inputs[added[index]]
    return x


@pytest.mark.parametrize(
    ("sizes", "residual", "added"),
    [
        # inputs, width, depth, outputs
        ((7, 4, 5, 3), "none", {}),
        ((7, 4, 5, 3), "layer", {1: 1, 2: 2, 3: 3}),
        ((4, 4, 3, 4), "layer", {0: 0, 1: 1, 2: 2}),
        ((7, 4, 5, 3), "pair", {2: 1}),
        ((7, 4, 6, 3), "pair", {2: 1, 4: 3}),
        ((7, 4, 1, 3), "pair", {}),
        ((5, 4, 1, 5), "layer", {}),
        ((5, 4, 1, 5), "none", {}),
        ((5, 4, 2, 5), "layer", {}),
        ((1, 1, 1, 1), "layer", {0: 0}),
        ((7, [4, 5], 3, 3), "layer", {}),
        ((7, [7, 5, 5, 3], 5, 3), "layer", {0: 0, 2: 2, 4: 4}),
        ((7, [4, 4, 4, 5, 5, 5, 5, 5], 9, 3), "pair", {2: 1, 5: 4, 7: 6}),
    ],
)
def test_residual_links(sizes: tuple[int, Any, int, int], residual: str, added: dict[int, int]) -> None:
    body = MLP(*sizes, residual=residual, generator=generator())  # type: ignore[arg-type]
    if sizes == (5, 4, 1, 5) and residual == "layer":
        added = {0: 0}
    x = torch.randn(6, sizes[0], generator=generator())
    torch.testing.assert_close(body(x), by_hand(body, x, added))


def test_a_width_for_each_layer_is_as_one_for_all() -> None:
    one, each = (MLP(3, width, 3, 2, "pair", generator=generator()) for width in (4, [4, 4]))
    assert all(torch.equal(*pair) for pair in zip(one.weights, each.weights, strict=True))
    assert (one.sizes, one.sources) == (each.sizes, each.sources)


def test_weights_are_uniform_within_one_over_root_fan_in() -> None:
    body = MLP(100, 50, 2, 10, generator=generator())
    for weight, fan_in in zip(body.weights, (100, 50), strict=True):
        assert 0.95 * fan_in**-0.5 < weight.abs().max() <= fan_in**-0.5
    again = MLP(100, 50, 2, 10, generator=generator())
    assert all(torch.equal(a, b) for a, b in zip(body.weights, again.weights, strict=True))


@pytest.mark.parametrize(("init", "variances"), [("xavier", (2 / 700, 2 / 310)), ("kaiming", (2 / 400, 2 / 300))])
def test_other_births_are_normal_of_the_published_variance(init: Any, variances: tuple[float, float]) -> None:
    body = MLP(400, 300, 2, 10, generator=generator(), init=init)
    for weight, variance in zip([one.detach() for one in body.weights], variances, strict=True):
        assert float(weight.var()) == pytest.approx(variance, rel=0.05)
        # Of a normal distribution 4.6 % are beyond two deviations, of a uniform one none.
        assert float((weight.abs() > 2 * variance**0.5).float().mean()) == pytest.approx(0.0455, abs=0.01)
    again = MLP(400, 300, 2, 10, generator=generator(), init=init)
    assert all(torch.equal(a, b) for a, b in zip(body.weights, again.weights, strict=True))


def test_an_unknown_birth_is_told_what_there_is() -> None:
    with pytest.raises(ValueError, match=re.escape("init is 'glorot'; allowed: fan_in, xavier, kaiming")):
        MLP(3, 2, 2, 1, init="glorot")  # type: ignore[arg-type]


def test_the_activation_is_applied_to_all_layers_but_the_last_and_before_the_residual() -> None:
    body = MLP(2, 2, 3, 2, residual="layer", activation="relu", generator=generator())
    x = torch.randn(5, 2, generator=generator())
    first = (x @ body.weights[0].T).relu() + x
    second = (first @ body.weights[1].T).relu() + first
    torch.testing.assert_close(body(x), second @ body.weights[2].T + second)


def test_many_networks_side_by_side_are_each_as_alone() -> None:
    bodies = [MLP(7, 4, 4, 3, residual="pair", activation="tanh", generator=generator(seed)) for seed in range(3)]
    x = torch.randn(3, 6, 7, generator=generator())
    together = MLP(7, 4, 4, 3, residual="pair", activation="tanh")
    for index in range(4):
        together.weights[index] = torch.nn.Parameter(torch.stack([body.weights[index].detach() for body in bodies]))
    assert together(x).shape == (3, 6, 3)
    for seed, body in enumerate(bodies):
        torch.testing.assert_close(together(x)[seed], body(x[seed]))


def test_dropout_zeroes_a_share_in_training_only_and_keeps_the_mean() -> None:
    dropout = Dropout(0.25)
    dropout.generators = [generator()]
    x = torch.ones(1, 100, 100)
    dropped = dropout(x)
    assert set(dropped.unique().tolist()) == {0.0, torch.tensor(1 / 0.75).item()}
    assert 0.22 < (dropped == 0).float().mean() < 0.28
    assert torch.equal(dropout.eval()(x), x)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputs": 0}, "inputs is 0"),
        ({"depth": 3, "width": [2, 0]}, "width is 0"),
        ({"width": [2, 2]}, "width is [2, 2]; allowed: one for each of 1 hidden layers"),
        ({"depth": 0}, "depth is 0"),
        ({"residual": "all"}, "residual is 'all'; allowed: none, layer, pair"),
        ({"activation": "reul"}, "activation is 'reul'; allowed: none, relu"),
        ({"dropout": 1.0}, "dropout is 1.0"),
    ],
)
def test_impossible_bodies_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        MLP(**{"inputs": 3, "width": 2, "depth": 2, "outputs": 1, **changes})  # type: ignore[arg-type]
