"""Gates: their numbers by hand, their gradients, and the network at rest that everything else sees."""

from __future__ import annotations

from collections.abc import Callable
from math import log
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import srnn
from srnn import Experiment, Run, tasks
from srnn.analysis.transfer import transfer
from srnn.runs.verify import verify
from srnn.tasks import Task
from srnn.terms.gate import Circumstances, Gate, gates_of
from srnn.terms.gaussian import Gaussian
from srnn.terms.hard_concrete import HardConcrete
from srnn.terms.targeted import Targeted
from srnn.training import Training

N = 12
AT = Circumstances(epoch=3, examples=50, shapes=[torch.Size((3, 4))])
GATES: list[Gate] = [
    HardConcrete(strength=0.3),
    Gaussian(warmup=4),
    Gaussian(prior="normal", scale=0.7, warmup=0),
    Targeted(share=0.6, chance=0.7),
]


def numbers(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


class TestHardConcrete:
    def test_by_hand(self) -> None:
        gate, zero = HardConcrete(strength=1.0), numbers(0, 0, 0)
        drawn = gate.draw(numbers(2, 2, 2), zero, numbers(0.1, 0.5, 0.9), AT)
        torch.testing.assert_close(drawn.used, numbers(0, 1, 2))
        assert float(gate.cost(zero[:1], zero[:1], AT)) == pytest.approx(0.83182, abs=1e-5)
        assert float(gate.at_rest(zero, zero, AT)[0]) == pytest.approx(0.5)

    def test_at_rest_it_is_closed_and_open_beyond_log_11(self) -> None:
        at = numbers(-log(11) - 1e-6, -log(11) + 1e-3, log(11) - 1e-3, log(11) + 1e-6)
        open_ = HardConcrete().at_rest(at, at, AT)
        assert open_[0] == 0
        assert open_[3] == 1
        assert ((open_[1:3] > 0) & (open_[1:3] < 1)).all()

    def test_numbers_are_kept_where_they_can_come_back(self) -> None:
        far = numbers(-9, 9)
        HardConcrete().bound(far)
        torch.testing.assert_close(far, numbers(-log(100), log(100)))

    def test_birth(self) -> None:
        born = HardConcrete(closed=0.2).born(torch.ones(10_000), torch.Generator().manual_seed(0))
        assert float(born.mean()) == pytest.approx(log(4), abs=1e-3)
        assert float(born.std()) == pytest.approx(0.01, rel=0.05)


class TestGaussian:
    @pytest.mark.parametrize(
        ("log_alpha", "divergence"), [(0, 0.431239), (1, 0.177970), (3, 0.025420), (-8, 4.63590), (-9, 4.63590)]
    )
    def test_the_divergence_from_the_log_uniform_prior(self, log_alpha: float, divergence: float) -> None:
        found = Gaussian().divergence(numbers(1), numbers(log_alpha + log(1 + 1e-8)))
        assert float(found) == pytest.approx(divergence, rel=2e-5)

    def test_the_divergence_from_the_normal_prior(self) -> None:
        gate, w, variance = Gaussian(prior="normal", scale=0.3), numbers(0.2), numbers(log(0.04))
        normal = torch.distributions.Normal
        known = torch.distributions.kl_divergence(normal(w, 0.2), normal(numbers(0), 0.3))
        torch.testing.assert_close(gate.divergence(w, variance), known)

    def test_it_is_added_once_for_all_data_and_grows_in(self) -> None:
        gate, w, variance = Gaussian(warmup=4), numbers(1, 2), numbers(0, 0)
        whole = gate.divergence(w, variance).sum()
        torch.testing.assert_close(gate.cost(w, variance, AT), whole * 3 / 4 / 50)
        torch.testing.assert_close(gate.cost(w, variance, AT._replace(epoch=9)), whole / 50)

    def test_at_rest_noise_is_dropped_which_is_a_ratio_of_signal_to_noise(self) -> None:
        w, variance = numbers(0.2230, 0.2233), numbers(0, 0)  # exp(-1.5) = 0.22313
        assert Gaussian().at_rest(w, variance, AT).tolist() == [0, 1]
        assert Gaussian(prior="normal").at_rest(w, variance, AT).tolist() == [1, 1]
        assert Gaussian().score(w, variance).diff() > 0


class TestTargeted:
    def test_the_smallest_of_each_unit_are_targets(self) -> None:
        at = AT._replace(shapes=[torch.Size((2, 4)), torch.Size((1, 2))])
        w = numbers(1, -2, 3, -4, 40, 30, -20, 10, 0.1, -0.2)
        assert Targeted(share=0.5).at_rest(w, w, at).tolist() == [0, 0, 1, 1, 1, 1, 0, 0, 0, 1]
        grown = Targeted(share=0.5, chance=0.5, ramp=6)  # half of both by now
        assert grown.at_rest(w, w, at).tolist() == [0, 1, 1, 1, 1, 1, 1, 0, 1, 1]
        drawn = grown.draw(w, w, torch.tensor([0.24, 0, 0, 0, 0, 0, 0, 0.26, 0, 0]), at)
        assert drawn.used.tolist() == [0, *w[1:].tolist()]


@pytest.mark.parametrize("gate", GATES, ids=repr)
def test_gradients_are_those_of_finite_differences(gate: Gate) -> None:
    """With what is drawn held fast, of a loss that is no sum and the gate's own cost."""
    generator = torch.Generator().manual_seed(1)
    w, a = (torch.randn(2, N, generator=generator, dtype=torch.float64)).unbind()
    a = a / 2 - (2 if isinstance(gate, Gaussian) else 0)
    noise = gate.noise(N, generator).double()
    mix = torch.randn(N, N, generator=generator, dtype=torch.float64)

    def loss(w: Tensor, a: Tensor) -> Tensor:
        return (mix @ gate.draw(w, a, noise, AT).used).square().sum() + gate.cost(w, a, AT)

    drawn = gate.draw(w, a, noise, AT)
    found = gate.pull_back(2 * mix.T @ (mix @ drawn.used), w, a, drawn, AT)
    torch.testing.assert_close(found[0], differences(lambda x: loss(x, a), w), rtol=1e-5, atol=1e-6)
    if gate.has_numbers:
        torch.testing.assert_close(found[1], differences(lambda x: loss(w, x), a), rtol=1e-5, atol=1e-6)


def differences(function: Callable[[Tensor], Tensor], at: Tensor, step: float = 1e-6) -> Tensor:
    slopes = []
    for direction in step * torch.eye(len(at), dtype=at.dtype):
        slopes.append((function(at + direction) - function(at - direction)) / (2 * step))
    return torch.stack(slopes)


def toy() -> Task:
    """y = x₁: nine other inputs are noise."""
    x = torch.randn(500, 10, generator=torch.Generator().manual_seed(0))
    return Task("toy", "regression", x[:400], x[:400, :1], x[400:], x[400:, :1], outputs=1)


NUMBERS: dict[str, Any] = {
    "body": {"depth": 1, "width": 1, "activation": "none"},
    "particle": {"kind": "number"},
    "replication": {"method": "none"},
    "training": {"epochs": 40, "batch_size": 50, "lr": 0.02, "momentum": 0.0},
}


@pytest.mark.parametrize(
    ("name", "settings"),
    [("hard_concrete", {"strength": 0.02, "lr": 0.1}), ("gaussian", {"lr": 0.1}), ("targeted", {"share": 0.9})],
)
def test_what_is_kept_at_rest_is_what_is_needed(name: str, settings: dict[str, float]) -> None:
    training = Training(Experiment.from_dict(NUMBERS | {"terms": {name: settings}}), toy(), [0])
    *_, last = training.run()
    opened = training.terms.opened(training.epoch)
    assert opened is not None
    assert opened.nonzero().flatten().tolist() == [0]
    assert last.scores[0]["open_gates"] == pytest.approx(0.1)
    gate, worth = gates_of(training.experiment.terms)[name], training.organism.worth()
    score = gate.score(worth, training.terms.numbers(0).get(f"gate.{name}", worth))
    assert int(score.argmax()) == 0
    assert last.scores[0]["test_mae"] < 0.2


SMALL: dict[str, Any] = {
    "name": "gated",
    "task": {"name": "digits", "size": 4},
    "body": {"depth": 3, "width": 3},
    "particle": {"hidden": 3},
    "training": {"epochs": 4, "batch_size": 200},
    "log": {"every": 2},
    "terms": {
        "hard_concrete": {"lr": 0.1, "strength": 0.01},
        "gaussian": {"warmup": 1},
        "targeted": {"share": 0.5, "ramp": 4},
    },
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    [run] = srnn.run(Experiment.from_dict(SMALL), tmp_path_factory.mktemp("gated"), image_format=None)
    return run


def test_a_run_is_the_network_at_rest_after_every_logged_epoch(run: Run) -> None:
    task = tasks.load(run.experiment.task)
    measured = run.metrics.pivot(index="Epoch", columns="Metric", values="Score")
    for epoch in run.logged_epochs:
        organism = run.organism(epoch).eval()
        with torch.no_grad():
            for network in (organism, organism.to_dense()):
                accuracy = float(task.score(network(task.test_x), task.test_y).mean())
                assert accuracy == pytest.approx(measured["test_accuracy"][epoch], abs=1e-6)
        assert float((organism.worth() != 0).double().mean()) == pytest.approx(measured["open_gates"][epoch])
        torch.testing.assert_close(torch.cat([one.flatten() for one in organism.effective_weights()]), organism.worth())
    assert torch.equal(run.organism(4).worth(), run.organism().worth())
    # Gates of three kinds may not agree.
    assert run.gate_score() is None
    assert measured["open_gates"][4] < measured["open_gates"][0]


def test_it_verifies_and_its_particles_compute_behind_the_gates(run: Run) -> None:
    task = tasks.load(run.experiment.task)
    checks = verify(run, task)
    assert checks["Holds"].all(), checks
    assert transfer(run.organism(), task)["Relative difference"].max() < 1e-4


def test_numbers_of_gates_that_are_damaged_are_told(run: Run, tmp_path: Path) -> None:
    import shutil

    from srnn.runs import checkpoints

    copy = Run.open(shutil.copytree(run.folder, tmp_path / "copy"))
    checkpoints.write(
        copy.folder / "trajectory/epoch-000002.safetensors", {"gate.gaussian": torch.ones(3)}, {"epoch": 2}
    )
    with pytest.raises(srnn.UserError, match=r"is damaged: it has no 'gate\.hard_concrete"):
        copy.organism(2)
