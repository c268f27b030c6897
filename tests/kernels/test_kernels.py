"""The fused kernels: what they compute is what the torch reference computes, and nothing else matters to a particle."""

from __future__ import annotations

import itertools
import os
import platform
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from srnn import fixpoints, kernels, replication
from srnn import particle as algebra
from srnn.fixpoints import FixpointType
from srnn.kernels import adam, cpu, packets, threads
from srnn.kernels import algebra as formulas
from srnn.particle import Particle

GOLDEN = Path(__file__).parents[1] / "golden"
HIDDEN = (2, 3, 4, 6, 8)

few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
#: Few, since kernels are compiled for each: on either side of the five inputs, and beyond the registers.
widths = st.sampled_from([1, 4, 8])
particles = st.builds(
    Particle,
    hidden=widths,
    encoding=st.sampled_from(["max", "l2"]),
    init=st.sampled_from(["fan_in", "xavier"]),
)
two_sizes = st.builds(Particle, hidden=st.sampled_from([2, 8]))
counts = st.sampled_from([1, 2, 15, 16, 17, 63, 64, 65, 130])
seeds = st.integers(0, 2**32 - 1)
targets = st.sampled_from(["frozen", "live"])


def swarm(particle: Particle, count: int, seed: int) -> Tensor:
    return particle.draw(count, torch.Generator().manual_seed(seed))


def reference(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function of srnn with the fused kernels turned off."""
    with mock.patch.dict(os.environ, SRNN_KERNELS="torch"):
        return function(*args, **kwargs)


@pytest.fixture
def many_threads(four_threads: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any amount of work is shared among up to four threads."""
    monkeypatch.setattr(packets, "_WORTH_THREADS", 0)


# What is computed ----------------------------------------------------------------------------------------------------


@few
@given(particles, counts, st.integers(1, 200), targets, st.sampled_from([0.0, 0.5, 0.9]), st.booleans(), seeds)
def test_training_is_as_close_to_exact_arithmetic_as_the_reference(
    particle, count, steps, target, momentum, with_buffer, seed
):
    weights = swarm(particle, count, seed)
    buffer = torch.zeros_like(weights) if with_buffer else None
    arguments = {"steps": steps, "lr": 0.004, "momentum": momentum, "alpha": 3.0, "target": target}
    exact, exact_losses = _trained(weights.double(), particle, arguments)

    # Training can be chaotic: rounding errors grow by as much as any other small change of the start. So the measure
    # is what starts that differ by one rounding error end up as, and what float32 makes of it in the reference.
    copies = 4
    signs = torch.randint(-1, 2, (copies, *weights.shape), generator=torch.Generator().manual_seed(seed))
    nudged = weights.double() * (1 + signs * torch.finfo(torch.float32).eps)
    nudged, nudged_losses = _trained(torch.cat(list(nudged), 1), particle, arguments)
    single, single_losses = _trained(weights.clone(), particle, arguments)

    fused = weights.clone()
    losses = cpu.train(fused, particle, buffer=buffer, **arguments)

    spread = (nudged.view(-1, copies, count) - exact[:, None]).abs().amax((0, 1)) + (single - exact).abs().amax(0)
    calm = spread < 1e-3  # false for NaN; elsewhere there is nothing left to compare
    tolerance = 30 * spread + 1e-6
    assert ((fused - exact).abs().amax(0) <= tolerance)[calm].all()
    loss_spread = (nudged_losses.view(copies, count) - exact_losses).abs().amax(0) + (
        single_losses - exact_losses
    ).abs()
    assert ((losses - exact_losses).abs() <= 30 * loss_spread + 1e-6 * (1 + exact_losses))[calm].all()
    assert (losses[calm] >= 0).all()


def _trained(weights: Tensor, particle: Particle, arguments: dict[str, Any]) -> tuple[Tensor, Tensor]:
    losses = reference(replication.train, weights, particle, **arguments)
    return weights, losses


@few
@given(particles, counts, targets, st.sampled_from([0.0, 0.9]), seeds)
def test_training_continues_with_the_buffer_it_is_given(particle, count, target, momentum, seed):
    weights, buffer = swarm(particle, count, seed), 0.01 * swarm(particle, count, seed + 1)
    expected, expected_buffer = weights.clone(), buffer.clone()
    arguments = {"steps": 1, "lr": 0.01, "momentum": momentum, "alpha": 2.0, "target": target}
    expected_losses = reference(replication.train, expected, particle, buffer=expected_buffer, **arguments)
    losses = cpu.train(weights, particle, buffer=buffer, **arguments)
    assert torch.allclose(weights, expected, rtol=1e-6, atol=1e-6)
    assert torch.allclose(buffer, expected_buffer, rtol=1e-5, atol=1e-5)
    assert torch.allclose(losses, expected_losses, rtol=1e-5, atol=1e-6)


def test_no_steps_change_nothing():
    weights = swarm(Particle(3), 5, 0)
    before = weights.clone()
    losses = cpu.train(weights, Particle(3), 0, 0.1, 0.9)
    assert torch.equal(weights, before)
    assert torch.equal(losses, torch.zeros(5))


@few
@given(particles, counts, seeds)
def test_effective_weight_and_its_gradient(particle, count, seed):
    weights = swarm(particle, count, seed)
    incoming = torch.randn(count, generator=torch.Generator().manual_seed(seed))
    exact = weights.double().requires_grad_()
    expected = algebra.effective_weight(exact, particle)
    expected.backward(incoming.double())
    leaf = weights.clone().requires_grad_()
    value = cpu.effective_weight(leaf, particle)
    value.backward(incoming)
    assert torch.allclose(value.double(), expected, rtol=1e-5, atol=1e-6)
    assert torch.allclose(leaf.grad.double(), exact.grad, rtol=1e-5, atol=1e-6)


@few
@given(particles, counts, st.sampled_from([0.0, 0.9]), seeds)
def test_task_step_is_that_of_torch_sgd(particle, count, momentum, seed):
    generator = torch.Generator().manual_seed(seed)
    weights = swarm(particle, count, seed)
    exact = torch.nn.Parameter(weights.double())
    optimizer = torch.optim.SGD([exact], lr=0.05, momentum=momentum)
    buffer = torch.zeros_like(weights) if momentum else None
    for _ in range(3):
        incoming = torch.randn(count, generator=generator)
        optimizer.zero_grad()
        algebra.effective_weight(exact, particle).backward(incoming.double())
        optimizer.step()
        cpu.sgd_step(weights, particle, incoming, buffer, 0.05, momentum)
    assert torch.allclose(weights.double(), exact.detach(), rtol=1e-5, atol=1e-6)
    if buffer is not None:
        expected = optimizer.state[exact]["momentum_buffer"]
        assert torch.allclose(buffer.double(), expected, rtol=1e-5, atol=1e-5)


@few
@given(
    hidden=st.sampled_from([2, 5]),
    count=counts,
    how=st.sampled_from([("shared", "live"), ("separate", "frozen"), ("fresh", "live"), ("none", "frozen")]),
    steps=st.integers(1, 2),
    seed=seeds,
)
def test_a_task_step_and_the_next_training_are_one_after_the_other_to_the_bit(hidden, count, how, steps, seed):
    particle, (kind, target) = Particle(hidden), how
    momentum = 0.0 if kind == "none" else 0.9
    incoming = torch.randn(count, generator=torch.Generator().manual_seed(seed))
    results = []
    for together in (False, True):
        weights = spoilt(swarm(particle, count, seed))
        losses, worth = weights.new_empty(2, count)
        own, lasting = torch.zeros_like(weights), 0.01 * swarm(particle, count, seed + 1)
        task, buffer = {
            "shared": (lasting, lasting),
            "separate": (own, lasting),
            "fresh": (own, None),
            "none": (None, None),
        }[kind]
        how_trained = (steps, 0.05, momentum, 2.0, target, buffer, losses)
        for _ in range(2):
            if together:
                cpu.descending_and_training(weights, particle, incoming, task, *how_trained, worth)()
            else:
                cpu.sgd_step(weights, particle, incoming, task, 0.05, momentum, all_move=kind == "shared")
                cpu.training(weights, particle, *how_trained)()
                cpu.weighing(weights, particle, worth)()
        results.append((weights, losses, worth, own, lasting))
    for one, other in zip(*results, strict=True):
        assert same_bits(one, other)


@few
@given(particles, counts, st.sampled_from([0.0, 0.9]), seeds)
def test_where_only_the_task_moves_particles_nothing_else_need_be_looked_at(particle, count, momentum, seed):
    incoming = torch.randn(count, generator=torch.Generator().manual_seed(seed))
    results = []
    for all_move in (True, False):
        weights = swarm(particle, count, seed)
        buffer, worth = torch.zeros_like(weights) if momentum else None, torch.empty(count)
        for _ in range(3):
            cpu.descending(weights, particle, incoming, buffer, 0.05, momentum, worth, all_move)()
        assert same_bits(worth, cpu.effective_weight(weights, particle))
        results.append((weights, buffer))
    assert all(one is other is None or same_bits(one, other) for one, other in zip(*results, strict=True))


@few
@given(particles, counts, st.sampled_from([0.0, 0.9]), st.integers(1, 3), seeds)
def test_a_task_step_with_projection_is_one_after_the_other_to_the_bit(particle, count, momentum, iterations, seed):
    separate, together = (spoilt(swarm(particle, count, seed)) for _ in range(2))
    buffers = [torch.zeros_like(separate) if momentum else None for _ in range(2)]
    incoming = torch.randn(count, generator=torch.Generator().manual_seed(seed))
    for _ in range(2):
        cpu.sgd_step(separate, particle, incoming, buffers[0], 0.05, momentum, all_move=False)
        replication.project(separate, particle, iterations)
        worth = torch.empty(count)
        cpu.descending_and_projecting(together, particle, incoming, buffers[1], 0.05, momentum, iterations, worth)()
        assert same_bits(together, separate)
        assert same_bits(worth, cpu.effective_weight(separate, particle))
    if momentum:
        assert same_bits(*buffers)


def adam_calls(weights, particle, incoming, decay=0.0, worth=None, iterations=None):
    """What takes a step, and what it keeps."""
    state = {"step": torch.zeros(()), "exp_avg": torch.zeros_like(weights), "exp_avg_sq": torch.zeros_like(weights)}
    constants = torch.tensor(adam.settings(0.05, decay))
    return cpu.adam(weights, incoming, state, constants, 0.05, particle, worth, iterations), state


@few
@given(two_sizes, counts, st.sampled_from([0.0, 0.1]), seeds)
def test_a_task_step_of_adam_is_that_of_plain_numbers_by_the_gradient_of_each_weight(particle, count, decay, seed):
    generator = torch.Generator().manual_seed(seed)
    weights, incoming = swarm(particle, count, seed), torch.empty(count)
    numbers, gradient = weights.clone(), torch.empty_like(weights)
    calls, state = adam_calls(weights, particle, incoming, decay)
    same_calls, same_state = adam_calls(numbers, None, gradient, decay)
    for _ in range(3):
        incoming.copy_(torch.randn(count, generator=generator))
        gradient.copy_(cpu.pull_back(numbers, particle, incoming))
        for call in (*calls, *same_calls):
            call()
        assert same_bits(weights, numbers)
    assert state["step"] == 3
    assert all(same_bits(state[name], same_state[name]) for name in state)


@few
@given(two_sizes, counts, st.integers(1, 3), seeds)
def test_a_step_of_adam_with_projection_is_one_after_the_other_to_the_bit(particle, count, iterations, seed):
    separate, together = (spoilt(swarm(particle, count, seed)) for _ in range(2))
    incoming, worth = torch.randn(count, generator=torch.Generator().manual_seed(seed)), torch.empty(count)
    told = torch.empty(count)
    one, one_state = adam_calls(separate, particle, incoming, 0.0, told)
    both, both_state = adam_calls(together, particle, incoming, 0.0, worth, iterations)
    for _ in range(2):
        for call in (*one, *both):
            call()
        assert same_bits(told, cpu.effective_weight(separate, particle))
        replication.project(separate, particle, iterations)
        assert same_bits(together, separate)
        assert same_bits(worth, cpu.effective_weight(separate, particle))
    assert all(same_bits(one_state[name], both_state[name]) for name in one_state)


@few
@given(particles, counts, seeds)
def test_lifted_particles_are_told_what_they_are_worth_to_the_bit(particle, count, seed):
    """Training goes on from it, where a resumed one computes it anew."""
    weights = spoilt(swarm(particle, count, seed))
    asked = torch.randn(count, generator=torch.Generator().manual_seed(seed))
    both = asked.clone()
    other = weights.clone()
    left = cpu.lift(weights, particle, asked)
    assert same_bits(cpu.lift(other, particle, both, worth=both), left)
    assert same_bits(weights, other)
    assert same_bits(both, cpu.effective_weight(weights, particle))


def spoilt(weights: Tensor) -> Tensor:
    """Some of the particles are divergent, zero, tiny or huge."""
    for column, factor in zip(
        weights.T[1::3], itertools.cycle((torch.nan, 0, 1e-20, 1e-39, 1e6, torch.inf)), strict=False
    ):
        column *= factor
    return weights


def same_bits(one: Tensor, other: Tensor) -> bool:
    return one.numpy().tobytes() == other.numpy().tobytes()


def test_task_step_with_momentum_needs_a_buffer():
    with pytest.raises(ValueError, match="no buffer"):
        cpu.sgd_step(swarm(Particle(2), 3, 0), Particle(2), torch.ones(3), None, 0.1, 0.9)


@few
@given(particles, counts, seeds)
def test_attack(particle, count, seed):
    weights, others = swarm(particle, count, seed), swarm(particle, count, seed + 1)
    before = weights.clone()
    # The same sums over the magnitudes bound what rounding can do to them.
    rounding = 50 * torch.finfo(torch.float32).eps
    for attackers in (weights, others):
        expected = algebra.attack(attackers.double(), weights.double(), particle)
        tolerance = rounding * algebra.attack(attackers.double().abs(), weights.double().abs(), particle)
        assert ((cpu.attack(attackers, weights, particle) - expected).abs() <= tolerance).all()
    assert torch.equal(weights, before)


@few
@given(particles, counts, seeds)
def test_classification(particle, count, seed):
    # Particles of every kind: trained long and short, projected onto the self-replicators, shrunk, broken.
    weights = swarm(particle, 6 * count, seed)
    zero, trained, identity, divergent = (weights[:, i * count : (i + 1) * count] for i in range(4))
    zero *= 1e-6
    trained.copy_(_trained(trained.clone(), particle, {"steps": 30, "lr": 0.01, "momentum": 0.9})[0])
    identity.copy_(_identity(particle, count, seed))
    rows = torch.randint(0, particle.size, (count,), generator=torch.Generator().manual_seed(seed))
    divergent[rows, torch.arange(count)] = float("nan") if seed % 2 else -float("inf")

    types = cpu.classify(weights, particle)
    assert types.dtype == torch.int8
    expected = reference(fixpoints.classify, weights, particle)
    # A deviation that equals the tolerance up to rounding may fall on either side.
    lower = reference(fixpoints.classify, weights, particle, 0.9 * fixpoints.TOLERANCE)
    upper = reference(fixpoints.classify, weights, particle, 1.1 * fixpoints.TOLERANCE)
    clear = lower == upper
    assert torch.equal(types[clear], expected[clear])
    assert (types[:count] == FixpointType.ZERO).all()
    assert (types[2 * count : 3 * count] == FixpointType.IDENTITY).all()
    assert (types[3 * count : 4 * count] == FixpointType.DIVERGENT).all()


def _identity(particle: Particle, count: int, seed: int) -> Tensor:
    """Self-replicators: of the first layer only the value's column counts, and v0 = 1."""
    weights = swarm(particle, count, seed).abs() + 0.1
    W1, _, W3 = algebra.matrices(weights, particle)
    W1[:, 1:4] = 0
    W3 /= algebra.row_vector(weights, particle)[0]
    return weights


def self_applied(weights: Tensor, particle: Particle, times: int = 1) -> Tensor:
    for _ in range(times):
        weights = cpu.attack(weights, weights, particle)
    return weights


# Golden traces of the original research code -------------------------------------------------------------------------


@pytest.fixture(params=HIDDEN, ids=lambda hidden: f"H={hidden}")
def golden(request):
    with np.load(GOLDEN / f"particle_h{request.param}.npz") as file:
        return Particle(request.param), {key: file[key] for key in file.files}


def _columns(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array.astype(np.float32).T.copy())


def test_golden_training(golden):
    particle, trace = golden
    for steps, tolerance in ((1, 1e-5), (10, 1e-5), (100, 1e-5), (1000, 1e-4)):
        weights = _columns(trace["weights"])
        cpu.train(weights, particle, steps, 0.004, 0.9)
        assert (weights - _columns(trace[f"trained_frozen_{steps}"])).abs().max() <= tolerance, steps
    # The last weights are those after 1,000 steps. Two particles stand within a tenth of the tolerance.
    types = [cpu.classify(weights, particle, factor * fixpoints.TOLERANCE) for factor in (0.9, 1.0, 1.1)]
    clear = types[0] == types[2]
    assert clear.sum() >= len(clear) - 2
    names = np.array([FixpointType(kind).label for kind in types[1].tolist()])
    assert (names == trace["trained_frozen_1000_type"])[clear].all()


def test_golden_live_training(golden):
    hidden, trace = golden[0].hidden, golden[1]
    weights, particle = _columns(trace["weights"]), Particle(hidden, "l2")
    cpu.train(weights, particle, 1, 0.008, 0.9, alpha=100.0, target="live")
    expected = _columns(trace["trained_live_alpha100_1"])
    assert torch.allclose(weights, expected, rtol=1e-5, atol=1e-5)


def test_golden_interactions(golden):
    particle, trace = golden
    weights = _columns(trace["weights"])
    assert torch.allclose(
        cpu.effective_weight(weights, particle), torch.from_numpy(trace["effective_weight"]).float(), atol=1e-5
    )
    # A particle's v has three of its weights as factors, so every application triples its relative rounding error.
    for times, tolerance in ((1, 1e-5), (2, 3e-5), (5, 1e-3)):
        applied, expected = self_applied(weights, particle, times), _columns(trace[f"self_applied_{times}"])
        calm = expected.abs().amax(0) <= 10
        assert calm.sum() >= 8
        assert torch.allclose(applied[:, calm], expected[:, calm], rtol=tolerance, atol=tolerance)
    attacked = cpu.attack(weights[:, :-1].contiguous(), weights[:, 1:].contiguous(), particle)
    assert torch.allclose(attacked, _columns(trace["attacked_by_previous"]), rtol=1e-5, atol=1e-5)
    hand = cpu.classify(_columns(trace["hand_weights"]), particle)
    assert [FixpointType(kind).label for kind in hand.tolist()] == trace["hand_type"].tolist()


# A particle's result depends on that particle alone ------------------------------------------------------------------


@few
@given(widths, st.integers(1, 150), targets, seeds, st.data())
def test_alone_or_among_others_the_result_is_the_same_to_the_bit(hidden, count, target, seed, data):
    particle = Particle(hidden)
    weights = swarm(particle, count, seed)
    which = data.draw(st.integers(0, count - 1))
    broken = data.draw(st.lists(st.integers(0, count - 1), max_size=5).map(lambda them: sorted({*them} - {which})))
    weights[0, broken] = float("nan")
    weights[-1, broken[:1]] = float("inf")
    alone = weights[:, which : which + 1].clone()
    assert torch.equal(self_applied(weights, particle)[:, which], self_applied(alone, particle)[:, 0])
    assert cpu.classify(weights, particle)[which] == cpu.classify(alone, particle)[0]
    losses = cpu.train(weights, particle, 20, 0.01, 0.9, target=target)
    assert losses[which] == cpu.train(alone, particle, 20, 0.01, 0.9, target=target)[0]
    assert torch.equal(weights[:, which], alone[:, 0])
    moved = []
    for swarm_, gradient in ((weights.clone(), losses), (alone.clone(), losses[which : which + 1].clone())):
        buffer, other = torch.zeros_like(swarm_), torch.zeros_like(swarm_)
        cpu.sgd_step(swarm_, particle, gradient, buffer, 0.01, 0.9)
        left = cpu.lift(swarm_, particle, gradient.clone())
        worth, after = torch.empty_like(gradient), torch.empty_like(gradient)
        cpu.descending_and_projecting(swarm_, particle, gradient, other, 0.01, 0.9, 1, worth)()
        calls, state = adam_calls(swarm_, particle, gradient, 0.1, after)
        for call in calls:
            call()
        moved.append((swarm_, buffer, other, left, worth, after, state["exp_avg"], state["exp_avg_sq"]))
    assert all(
        same_bits(one[..., which].contiguous(), other[..., 0].contiguous()) for one, other in zip(*moved, strict=True)
    )
    assert (cpu.classify(weights, particle)[broken] == FixpointType.DIVERGENT).all()


@few
@given(widths, st.integers(1, 150), targets, st.sampled_from([0.0, 0.9]), seeds)
def test_steps_one_by_one_are_those_of_one_call_to_the_bit(hidden, count, target, momentum, seed):
    particle, weights = Particle(hidden), swarm(Particle(hidden), count, seed)
    ends = []
    for calls in (1, 3):
        end, buffer = weights.clone(), torch.zeros_like(weights) if momentum else None
        for _ in range(calls):
            cpu.train(end, particle, 3 // calls, 0.01, momentum, target=target, buffer=buffer)
        ends.append((end, weights if buffer is None else buffer))
    assert all(same_bits(one, other) for one, other in zip(*ends, strict=True))
    losses = cpu.train(weights.clone(), particle, 1, 0.01, momentum, target=target)
    alone = cpu.train(weights[:, :1].clone(), particle, 1, 0.01, momentum, target=target)
    assert same_bits(losses[:1], alone)


@pytest.mark.parametrize("count", [1, 64, 65, 3000])
def test_the_number_of_threads_does_not_matter(count, many_threads):
    particle = Particle(3)
    results = []
    for number in (1, 2, 3, 4):
        torch.set_num_threads(number)
        weights = swarm(particle, count, 1)
        buffer = torch.zeros_like(weights)
        losses = cpu.train(weights, particle, 10, 0.01, 0.9, target="live", buffer=buffer)
        cpu.sgd_step(weights, particle, losses, buffer, 0.01, 0.9)
        applied = self_applied(weights, particle)
        leaf = weights.clone().requires_grad_()
        worth = cpu.effective_weight(leaf, particle)
        worth.backward(losses)
        exact, momentum = weights.clone(), torch.zeros_like(weights)
        left = cpu.lift(exact, particle, losses)
        after = torch.empty_like(losses)
        cpu.descending_and_projecting(exact, particle, losses, momentum, 0.01, 0.9, 1, after)()
        kinds = cpu.classify(weights, particle)
        results.append((losses, weights, buffer, applied, worth, leaf.grad, exact, momentum, left, after, kinds))
    for result in results[1:]:
        assert all(torch.equal(one, other) for one, other in zip(results[0], result, strict=True))


def test_several_python_threads_may_train_at_once(many_threads):
    particle = Particle(2)

    def train(seed: int) -> Tensor:
        weights = swarm(particle, 3000, seed)
        cpu.train(weights, particle, 50, 0.01, 0.9)
        return weights

    with ThreadPoolExecutor(4) as pool:
        at_once = list(pool.map(train, range(8)))
    assert all(torch.equal(weights, train(seed)) for seed, weights in enumerate(at_once))


def test_where_torchs_threads_cannot_be_reached_it_is_the_same(many_threads, monkeypatch):
    particle = Particle(3)
    several, alone = swarm(particle, 3000, 1), swarm(particle, 3000, 1)
    cpu.train(several, particle, 10, 0.01, 0.9)
    monkeypatch.setattr("srnn.kernels.threads._address", 0)
    cpu.train(alone, particle, 10, 0.01, 0.9)
    assert torch.equal(several, alone)


@pytest.mark.skipif(platform.system() != "Linux", reason="other systems may do without")
def test_the_threads_are_those_of_torch(many_threads):
    def count() -> int:
        return len([*Path("/proc/self/task").iterdir()])

    def train() -> None:
        cpu.train(swarm(Particle(3), 3000, 1), Particle(3), 10, 0.01, 0.9)

    torch.set_num_threads(1)
    train()  # what the first call brings along
    torch.set_num_threads(4)
    torch.ones(4_000_000).add_(1)
    before = count()
    train()
    assert threads.parallel()
    assert count() <= before


def test_tiny_gradients_are_zero_on_every_thread(many_threads):
    """Whether an example's gradient is flushed to zero must not hang on who computes it."""
    particle = Particle(3)
    leaf = (1e-13 * swarm(particle, 3000, 1)).requires_grad_()
    cpu.effective_weight(leaf, particle).backward(torch.full((3000,), 1e-13))
    assert (leaf.grad == 0).all()


def test_denormal_weights_become_zero_and_the_callers_arithmetic_stays_as_it_was():
    particle = Particle(2)
    weights = torch.full((particle.size, 20), 1e-39)
    cpu.train(weights, particle, 3, 0.004, 0.9)
    assert (weights == 0).all()
    assert np.float32(1e-39) * np.float32(1.0) > 0


def test_autograd_notices_a_change_in_place():
    particle = Particle(2)
    weights = torch.nn.Parameter(swarm(particle, 4, 0))
    value = cpu.effective_weight(weights, particle).sum()
    cpu.train(weights, particle, 1, 0.1, 0.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        value.backward()


# Which path is chosen ------------------------------------------------------------------------------------------------


def test_the_fused_path_is_for_plain_float32_on_the_cpu():
    particle = Particle(2)
    weights = swarm(particle, 6, 0)
    assert kernels.fast_path(weights, particle) is cpu
    assert kernels.fast_path(torch.nn.Parameter(weights), particle, None, weights.clone()) is cpu
    assert kernels.fast_path(weights.double(), particle) is None
    assert kernels.fast_path(weights[:, ::2], particle) is None
    assert kernels.fast_path(weights, particle, weights[:, ::2]) is None
    assert kernels.fast_path(weights, particle, weights[:, :1].contiguous()) is None
    assert kernels.fast_path(weights, particle, weights[0]) is cpu
    assert kernels.fast_path(weights[:, :0], particle) is None
    assert kernels.fast_path(weights, Particle(3)) is None
    assert kernels.fast_path(torch.zeros(Particle(64).size, 2), Particle(64)) is None
    assert kernels.fast_path(weights.to("meta"), particle) is None


@pytest.mark.parametrize("hidden", [1, 4, 10])
def test_operations_are_counted_on_the_compiled_code(hidden):
    size = Particle(hidden).size
    frozen, live = (formulas.operations(hidden, live) for live in (False, True))
    # A weight has at least two operations each in Σw², the sums and the momentum, and two in its update.
    assert 8 * size < frozen < live < 30 * size
