"""Training replication: plain SGD on the replication loss."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import counts, drawn, particles, seeds, targets

from srnn import Particle, particle, replication


@given(
    particles,
    counts,
    seeds,
    targets,
    st.integers(1, 5),
    st.sampled_from([0.0, 0.5, 0.9]),
    st.sampled_from([0.01, 1.0, 3.0]),
)
def test_training_is_torch_sgd_on_alpha_times_the_summed_loss(
    kind: Particle,
    count: int,
    seed: int,
    target: particle.Target,
    steps: int,
    momentum: float,
    alpha: float,
) -> None:
    weights = drawn(kind, count, seed)
    ours, buffer = weights.clone(), torch.zeros_like(weights) if momentum else None
    mean = replication.train(ours, kind, steps, 0.004, momentum, alpha, target, buffer)

    theirs = weights.clone().requires_grad_()
    optimizer = torch.optim.SGD([theirs], lr=0.004, momentum=momentum)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = particle.replication_loss(theirs, kind, target)
        (alpha * loss.sum()).backward()
        optimizer.step()
        losses.append(loss.detach())
    torch.testing.assert_close(ours, theirs.detach())
    torch.testing.assert_close(mean, torch.stack(losses).mean(0))
    if buffer is not None:
        torch.testing.assert_close(buffer, optimizer.state[theirs]["momentum_buffer"])


def test_a_buffer_that_is_kept_makes_two_calls_one() -> None:
    kind = Particle(4)
    start = drawn(kind, 5, 0)
    once, twice, fresh = start.clone(), start.clone(), start.clone()
    replication.train(once, kind, 6, 0.004, 0.9)
    buffer = torch.zeros_like(twice)
    for _ in range(2):
        replication.train(twice, kind, 3, 0.004, 0.9, buffer=buffer)
        replication.train(fresh, kind, 3, 0.004, 0.9)
    assert torch.equal(once, twice)
    assert not torch.allclose(once, fresh)


def test_no_steps_change_nothing() -> None:
    kind = Particle(2)
    weights = drawn(kind, 3, 0)
    loss = replication.train(weights, kind, 0, 0.004, 0.9)
    assert torch.equal(weights, drawn(kind, 3, 0))
    assert loss.tolist() == [0, 0, 0]


@pytest.mark.parametrize("target", ["frozen", "live"])
def test_self_replicators_stay_where_they_are(target: particle.Target) -> None:
    kind = Particle(2)
    weights = torch.zeros(kind.size, 2)
    weights[[0, 10, 14], 0] = 1.0  # v = (1, 0, 0, 0, 0); the other particle is zero
    trained = weights.clone()
    replication.train(trained, kind, 100, 0.004, 0.9, target=target)
    torch.testing.assert_close(trained, weights, atol=1e-6, rtol=0)


def test_training_makes_self_replicators() -> None:
    from srnn.fixpoints import FixpointType, classify

    kind = Particle(4)
    weights = drawn(kind, 200, 0, torch.float32)
    assert not (classify(weights, kind) == FixpointType.IDENTITY).any()
    replication.train(weights, kind, 2000, 0.004, 0.9)
    assert (classify(weights, kind) == FixpointType.IDENTITY).float().mean() > 0.5
