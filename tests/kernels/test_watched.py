"""Where torch follows each operation, an organism is a module like any other."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.func import functional_call, grad, hessian, jvp
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils.flop_counter import FlopCounterMode

from srnn import MLP, Organism, Particle, fixpoints, kernels, replication
from srnn.kernels import choice
from srnn.particle import effective_weight

KIND = Particle(3)
WEIGHTS = KIND.draw(12, torch.Generator().manual_seed(0))
OTHERS = KIND.draw(12, torch.Generator().manual_seed(1))
EXACT = effective_weight(WEIGHTS.double(), KIND).float()


@pytest.fixture
def organism() -> Organism:
    return Organism(MLP(6, 5, 3, 4), KIND, torch.Generator().manual_seed(0))


@pytest.fixture
def x() -> Tensor:
    return torch.rand(3, 7, 6, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """What torch itself warns of as it traces."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def worth(weights: Tensor) -> Tensor:
    return effective_weight(weights, KIND)


def test_compiled(organism: Organism, x: Tensor) -> None:
    expected = organism(x[0])
    expected.square().sum().backward()
    gradient, organism.weights.grad = organism.weights.grad, None
    output = torch.compile(organism, backend="eager", fullgraph=True)(x[0])
    output.square().sum().backward()
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(organism.weights.grad, gradient)


@pytest.mark.parametrize(
    "act",
    [
        lambda weights: replication.train(weights, KIND, 2, 0.01, 0.9),
        lambda weights: replication.project(weights, KIND),
        lambda weights: fixpoints.classify(weights, KIND),
    ],
    ids=["train", "project", "classify"],
)
def test_compiled_acts(act: Callable[[Tensor], Tensor]) -> None:
    compiled, eager = WEIGHTS.clone(), WEIGHTS.clone()
    found = torch.compile(act, backend="eager")(compiled)
    torch.testing.assert_close(found, act(eager), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(compiled, eager, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("strict", [True, False])
def test_exported(organism: Organism, x: Tensor, strict: bool) -> None:
    exported = torch.export.export(organism, (x[0],), strict=strict).module()
    torch.testing.assert_close(exported(x[1]), organism(x[1]))


@pytest.mark.parametrize(
    "trace",
    [
        lambda: torch.jit.trace(worth, WEIGHTS),
        lambda: make_fx(worth, tracing_mode="real")(WEIGHTS),
        lambda: make_fx(worth, tracing_mode="symbolic")(WEIGHTS),
    ],
    ids=["jit", "make_fx", "symbolic"],
)
def test_traced(trace: Callable[[], Callable[[Tensor], Tensor]]) -> None:
    """What a trace has not seen, it takes for a constant."""
    torch.testing.assert_close(trace()(OTHERS), worth(OTHERS))


def test_side_by_side(organism: Organism, x: Tensor) -> None:
    torch.testing.assert_close(torch.vmap(organism)(x), torch.stack([organism(one) for one in x]))
    torch.testing.assert_close(torch.vmap(worth)(torch.stack([WEIGHTS, OTHERS]))[0], EXACT)


def test_a_gradient_for_each_example(organism: Organism, x: Tensor) -> None:
    weights = {"weights": organism.weights.detach()}

    def loss(weights: dict[str, Tensor], example: Tensor) -> Tensor:
        return functional_call(organism, weights, (example[None],)).square().sum()

    each = torch.vmap(grad(loss), (None, 0))(weights, x[0])["weights"]
    organism(x[0]).square().sum().backward()
    torch.testing.assert_close(each.sum(0), organism.weights.grad)


def test_forward_mode() -> None:
    # v4 is of degree three in the weights.
    _, tangent = jvp(worth, (WEIGHTS,), (WEIGHTS,))
    torch.testing.assert_close(tangent, 3 * EXACT)
    with forward_ad.dual_level():
        tangent = forward_ad.unpack_dual(worth(forward_ad.make_dual(WEIGHTS, WEIGHTS))).tangent
    torch.testing.assert_close(tangent, 3 * EXACT)


def test_derivatives_of_any_order() -> None:
    found = []
    for leaf in (WEIGHTS.clone().requires_grad_(), WEIGHTS.double().requires_grad_()):
        value = worth(leaf).pow(2).sum()
        for _ in range(3):
            [gradient] = torch.autograd.grad(value, leaf, create_graph=True)
            found.append(gradient.detach().double())
            value = gradient.pow(2).sum()
    for single, double in zip(found[:3], found[3:], strict=True):
        torch.testing.assert_close(single, double, rtol=1e-4, atol=1e-4 * float(double.abs().max()))
    one = WEIGHTS[:, :1].contiguous()
    expected = hessian(lambda weights: worth(weights).sum())(one.double()).float()
    torch.testing.assert_close(torch.autograd.functional.hessian(lambda weights: worth(weights).sum(), one), expected)


def test_a_penalty_on_gradients(organism: Organism, x: Tensor) -> None:
    inputs = x[0].requires_grad_()
    [slope] = torch.autograd.grad(organism(inputs).sum(), inputs, create_graph=True)
    slope.square().sum().backward()
    assert organism.weights.grad is not None
    assert organism.weights.grad.abs().sum() > 0


def test_several_gradients_at_once() -> None:
    leaf = WEIGHTS.clone().requires_grad_()
    [each] = torch.autograd.grad(worth(leaf), leaf, torch.eye(12), is_grads_batched=True)
    [together] = torch.autograd.grad(worth(leaf).sum(), leaf)
    torch.testing.assert_close(each.sum(0), together)


def test_operations_are_counted() -> None:
    assert kernels.fast_path(WEIGHTS, KIND) is not None
    with FlopCounterMode(display=False):
        assert kernels.fast_path(WEIGHTS, KIND) is None
    assert kernels.fast_path(WEIGHTS, KIND) is not None


def test_what_the_caller_has_set_does_not_reach_the_kernels() -> None:
    losses = replication.train(WEIGHTS.clone(), KIND, 2, 0.01, 0.9)
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    try:
        with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
            assert kernels.fast_path(WEIGHTS, KIND) is not None
            torch.testing.assert_close(replication.train(WEIGHTS.clone(), KIND, 2, 0.01, 0.9), losses, rtol=0, atol=0)
            torch.testing.assert_close(worth(WEIGHTS), EXACT)
            fixpoints.classify(WEIGHTS, KIND)
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)


def test_a_kernel_that_cannot_be_compiled_is_done_without_in_the_way_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "_given_up", False)
    expected, leaf = (WEIGHTS.clone().requires_grad_() for _ in range(2))
    worth(expected).square().sum().backward()
    value = worth(leaf).square().sum()
    monkeypatch.setattr("srnn.kernels.particles.effective_weight_gradient", None)
    value.backward()
    torch.testing.assert_close(leaf.grad, expected.grad)
    assert not kernels.fused()
