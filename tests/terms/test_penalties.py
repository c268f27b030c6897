"""Penalties: their densities and slopes, the table, and what they do to weights in training."""

from __future__ import annotations

from math import pi, sqrt

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import exp1
from torch import Tensor

from srnn import Experiment, UserError, tasks
from srnn.tasks import Task
from srnn.terms import TERMS
from srnn.terms.penalties import (
    L1,
    L2,
    CappedL1,
    Horseshoe,
    HorseshoePlus,
    InverseGammaGamma,
    LogUniform,
    Lp,
    Mixture,
    Penalty,
    StudentT,
)
from srnn.terms.slope import Slope, lines
from srnn.training import Training

PENALTIES = [L1(), L2(), Lp(), StudentT(), LogUniform(), CappedL1(), Horseshoe(), HorseshoePlus(), InverseGammaGamma()]
#: ω(w), the decay that depends on the weight.
CLOSED = {
    "L1": lambda x: 1 / x,
    "L2": lambda x: torch.ones_like(x),
    "Lp": lambda x: 0.5 * (x**2 + 1e-4) ** -0.75,
    "StudentT": lambda x: 4 / (3 + x**2),
    "LogUniform": lambda x: 1 / (x**2 + 1e-4),
    "CappedL1": lambda x: (x < 1) / x,
    "Horseshoe": lambda x: _horseshoe(x),
    "InverseGammaGamma": lambda x: _horseshoe(x),
}


def _horseshoe(w: Tensor) -> Tensor:
    x = w**2 / 2
    return (torch.exp(-x) / (x * torch.from_numpy(exp1(x.numpy()))) - 1).to(w)


def slope_of(density: object, x: Tensor) -> Tensor:
    at = x.clone().requires_grad_()
    density(at).sum().backward()  # type: ignore[operator]
    assert at.grad is not None
    return at.grad


def numbers(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize("penalty", [one for one in PENALTIES if type(one).__name__ in CLOSED], ids=repr)
def test_the_slope_is_the_weight_times_what_is_known_in_closed_form(penalty: Penalty) -> None:
    x = torch.logspace(-4, 0.7, 199, dtype=torch.float64)
    torch.testing.assert_close(slope_of(penalty.density, x), x * CLOSED[type(penalty).__name__](x), rtol=1e-9, atol=0)


@pytest.mark.parametrize(
    ("penalty", "x", "density", "slope"),
    [
        (Lp(smoothing=0.0), (0.25,), (0.5,), (1.0,)),
        (StudentT(), (1.0, 10.0), (0.57536, 7.0722), (1.0, 0.38835)),
    ],
)
def test_by_hand(penalty: Penalty, x: tuple[float], density: tuple[float], slope: tuple[float]) -> None:
    """A Student's t of scale 0.1, at 0.1 and 1, has the slopes 10 and 3.8835: these, divided by the scale."""
    torch.testing.assert_close(penalty.density(numbers(*x)), numbers(*density), rtol=1e-4, atol=0)
    torch.testing.assert_close(slope_of(penalty.density, numbers(*x)), numbers(*slope), rtol=1e-4, atol=0)


@pytest.mark.parametrize(
    ("penalty", "decay"),
    [
        (Horseshoe(), (41.107, 1.16706, 0.190636)),
        # Integrated twice, over both half-Cauchy numbers, with the horseshoe's closed form inside.
        (HorseshoePlus(), (63.3159, 1.108626, 0.1521720)),
    ],
)
def test_the_decay_at_a_tenth_one_and_three(penalty: Penalty, decay: tuple[float]) -> None:
    x = numbers(0.1, 1, 3)
    torch.testing.assert_close(slope_of(penalty.density, x) / x, numbers(*decay), rtol=2e-5, atol=0)


class Laplace(Mixture):
    """ψ is exponential of rate ½: φ = |w|."""

    def mixing(self, log_psi: Tensor) -> Tensor:
        return log_psi - log_psi.exp() / 2


class Cauchy(Mixture):
    """ψ is inverse gamma (½, ½): Student's t of one degree of freedom."""

    def mixing(self, log_psi: Tensor) -> Tensor:
        return -log_psi / 2 - torch.exp(-log_psi) / 2


@pytest.mark.parametrize(("mixture", "closed"), [(Laplace(), L1()), (Cauchy(), StudentT(shape=1.0))], ids=repr)
def test_a_mixture_of_normals_is_what_it_is_known_to_be(mixture: Mixture, closed: Penalty) -> None:
    x = torch.logspace(-3, 1.3, 99, dtype=torch.float64)
    torch.testing.assert_close(slope_of(mixture.density, x), slope_of(closed.density, x), rtol=1e-9, atol=0)


@pytest.mark.parametrize("mixture", [Horseshoe(), HorseshoePlus(), InverseGammaGamma(a=0.7, b=0.2)], ids=repr)
def test_the_slope_of_a_mixture_is_the_mean_of_one_over_psi(mixture: Mixture) -> None:
    """ω(w) = E[1/ψ | w], over another grid."""
    t, x = torch.linspace(-50, 50, 7_000, dtype=torch.float64), numbers(1e-3, 0.2, 1, 8)
    posterior = torch.softmax(mixture.mixing(t) - t / 2 - x[:, None] ** 2 / 2 * torch.exp(-t), 1)
    torch.testing.assert_close(slope_of(mixture.density, x) / x, posterior @ torch.exp(-t), rtol=1e-9, atol=0)


def test_the_horseshoe_is_within_its_bounds() -> None:
    """Carvalho, Polson & Scott's, of the density itself."""
    x, scale = numbers(0.1, 0.5, 1, 5), 1 / sqrt(2 * pi**3)
    # Relative to x = 20, where the closed form is known.
    far = 20.0
    known = scale * exp1(far**2 / 2) * torch.exp(numbers(far**2 / 2))
    density = known * torch.exp(Horseshoe().density(numbers(far)) - Horseshoe().density(x))
    assert (scale / 2 * torch.log1p(4 / x**2) < density).all()
    assert (density < scale * torch.log1p(2 / x**2)).all()
    torch.testing.assert_close(density[:1], numbers(0.60316), rtol=1e-5, atol=0)


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
def test_the_table_is_the_slope_and_the_same_by_kernel_and_torch(
    penalty: Penalty, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = torch.Generator().manual_seed(0)
    worth = torch.randn(5_003, generator=generator) * torch.exp(2 * torch.randn(5_003, generator=generator))
    full = torch.full_like(worth, 2.0)
    slope = Slope(lines(penalty.density), full, 3 * full, cap=1e30)
    found, by_torch = torch.zeros_like(worth), torch.zeros_like(worth)
    slope.add(worth, found)
    monkeypatch.setenv("SRNN_KERNELS", "torch")
    slope.add(worth, by_torch)
    assert torch.equal(found, by_torch)
    inside = worth.abs() < 400
    wanted = 6 * slope_of(penalty.density, 2 * worth[inside].abs().double()) * worth[inside].sign()
    torch.testing.assert_close(found[inside].double(), wanted, rtol=7e-5, atol=1e-30)


@given(st.floats(-(2**12), 2**12, width=32), st.floats(1e-3, 1e3))
def test_no_step_goes_beyond_zero(worth: float, cap: float) -> None:
    w, one, gradient = torch.tensor([worth]), torch.ones(1), torch.zeros(1)
    Slope(_LOG, one, 50 * one, cap).add(w, gradient)
    assert abs(float(gradient)) <= abs(worth) * cap * (1 + 1e-6)
    assert float(gradient) * worth >= 0


_LOG = lines(LogUniform(smoothing=0.0).density)


@pytest.mark.parametrize("fused", [True, False])
def test_what_is_not_finite_stays_so_and_alone(fused: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not fused:
        monkeypatch.setenv("SRNN_KERNELS", "torch")
    worth, gradient = torch.tensor([torch.nan, torch.inf, 0.0, 1.0]), torch.zeros(4)
    Slope(lines(L2().density), torch.ones(4), torch.ones(4), 1e9).add(worth, gradient)
    assert gradient.isnan().tolist() == [True, False, False, False]
    assert gradient[2:].tolist() == [0.0, 1.0]


def task() -> Task:
    """y = x₁: nine other inputs are noise."""
    x = torch.randn(400, 10, generator=torch.Generator().manual_seed(0))
    return Task("toy", "regression", x[:300], x[:300, :1], x[300:], x[300:, :1], outputs=1)


def trained(terms: dict[str, dict[str, float]], **settings: object) -> Training:
    values = {
        "body": {"depth": 1, "width": 1, "activation": "none"},
        "particle": {"kind": "number"},
        "replication": {"method": "none"},
        "training": {"epochs": 20, "batch_size": 50, "momentum": 0.0, "lr": 0.05},
        "terms": terms,
        **settings,
    }
    training = Training(Experiment.from_dict(values), task(), [0])
    for _ in training.run():
        pass
    return training


@pytest.mark.parametrize("name", [name for name in TERMS if issubclass(TERMS[name], Penalty)])
def test_noise_inputs_lose_their_weights(name: str) -> None:
    training = trained({name: {"strength": 0.02, "scale": 0.3} if name != "log" else {"strength": 0.002}})
    weights = training.weights.detach()[0].abs()
    free = trained({}).weights.detach()[0].abs()
    assert weights.argmax() == 0
    assert weights[0] > 0.5
    assert weights[1:].max() < weights[0] / 5
    assert (weights != free).all()


def test_the_scale_at_birth_is_the_layers_deviation_of_each_seed() -> None:
    values = {"particle": {"hidden": 2}, "terms": {"horseshoe": {"strength": 2.0}}}
    experiment = Experiment.from_dict(values)
    training = Training(experiment, tasks.load(experiment.task), [3, 4])
    organism = training.organism
    slope = experiment.terms["horseshoe"].slope(organism, 0.5)  # type: ignore[attr-defined]
    for place in range(2):
        columns = organism.columns(place)
        for layer in organism.layers.values():
            own = organism.worth()[columns][layer].std(correction=0)
            torch.testing.assert_close(slope.inverse[columns][layer], (1 / own).expand(layer.stop - layer.start))
    assert slope.cap == 2.0
    torch.testing.assert_close(slope.factor, 2 * slope.inverse)


def test_what_particles_are_made_of_decays_as_told() -> None:
    ends = []
    for terms in ({}, {"particle_decay": {"strength": 1e4}}):
        changes = {"particle": {"hidden": 2}, "training": {"epochs": 1, "batch_size": 50, "lr": 1e-6, "momentum": 0.0}}
        training = trained(terms, **changes)
        ends.append((training.weights.detach(), training.batch))
    (free, _), (decayed, batches) = ends
    torch.testing.assert_close(decayed, free * (1 - 1e-2) ** batches, rtol=1e-3, atol=1e-6)


def test_decay_of_particles_that_are_put_back_is_refused() -> None:
    with pytest.raises(UserError, match=r"terms\.particle_decay is there; with replication\.method 'newton'"):
        Experiment.from_dict({"replication": {"method": "newton"}, "terms": {"particle_decay": {}}})
