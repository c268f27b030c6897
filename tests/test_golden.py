"""The semantics: the same numbers as the original research code (tolerances: 1e-5 up to 100 steps, 1e-4 at 1,000)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from golden_traces import HIDDEN, Trace, assert_as_close_as_determined, assert_close, every_hidden
from torch import Tensor
from torch.nn.functional import cross_entropy

from srnn import MLP, Organism, Particle, particle, replication
from srnn.fixpoints import TOLERANCE, FixpointType, classify

pytestmark = pytest.mark.usefixtures("each_path")

PARTICLE_KEYS = {
    *("weights", "positional_encoding_max", "positional_encoding_l2", "self_output", "replication_loss"),
    *("effective_weight", "self_applied_1", "self_applied_2", "self_applied_5", "attacked_by_previous"),
    *("trained_frozen_1", "trained_frozen_10", "trained_frozen_100", "trained_frozen_1000"),
    *("trained_frozen_1000_type", "trained_live_alpha100_1", "trained_live_alpha100_10", "trained_live_alpha100_100"),
    *("hand_weights", "hand_type"),
}
ORGANISM_KEYS = {
    *("names", "weights", "x", "y", "output", "effective_weight", "fresh_momentum_weights_after_10"),
    *("fresh_momentum_task_loss", "fresh_momentum_replication_loss_sum_of_3"),
}


def labels(types: Tensor) -> list[str]:
    return [FixpointType(value).label for value in types.tolist()]


def test_every_key_of_every_trace_is_compared_with_below() -> None:
    for hidden in HIDDEN:
        assert Trace(f"particle_h{hidden}").keys == PARTICLE_KEYS
    for name in ("organism_res", "organism_nores"):
        assert Trace(name).keys == ORGANISM_KEYS


@every_hidden
@pytest.mark.parametrize("encoding", ["max", "l2"])
def test_positions(hidden: int, encoding: particle.Encoding) -> None:
    golden = Trace(f"particle_h{hidden}").tensor(f"positional_encoding_{encoding}")
    torch.testing.assert_close(Particle(hidden, encoding).positions, golden[:, 1:4], atol=1e-7, rtol=1e-6)
    # Value and task, the first and the last column, are filled in by the algebra.
    assert golden[:, [0, 4]].abs().max() <= 1e-7


@every_hidden
def test_self_output_loss_and_effective_weight(hidden: int) -> None:
    golden, kind = Trace(f"particle_h{hidden}"), Particle(hidden)
    weights = golden.weights("weights")
    assert_close(particle.self_output(weights, kind), golden.weights("self_output"), 1e-5)
    assert_close(particle.replication_loss(weights, kind), golden.tensor("replication_loss"), 1e-5)
    assert_close(particle.effective_weight(weights, kind), golden.tensor("effective_weight"), 1e-5)


@every_hidden
@pytest.mark.parametrize("times", [1, 2, 5])
def test_self_application(hidden: int, times: int) -> None:
    golden, kind = Trace(f"particle_h{hidden}"), Particle(hidden)
    end = golden.weights(f"self_applied_{times}")
    assert_as_close_as_determined(
        lambda weights: particle.self_application(weights, kind, times), golden.weights("weights"), end
    )


@every_hidden
def test_attack(hidden: int) -> None:
    golden, kind = Trace(f"particle_h{hidden}"), Particle(hidden)
    weights = golden.weights("weights")
    attacked = particle.attack(weights[:, :-1], weights[:, 1:], kind)
    assert_close(attacked, golden.weights("attacked_by_previous"), 1e-5)


@every_hidden
@pytest.mark.parametrize(("steps", "tolerance"), [(1, 1e-5), (10, 1e-5), (100, 1e-5), (1000, 1e-4)])
def test_training_with_frozen_target(hidden: int, steps: int, tolerance: float) -> None:
    golden = Trace(f"particle_h{hidden}")
    weights = golden.weights("weights")
    replication.train(weights, Particle(hidden), steps, lr=0.004, momentum=0.9)
    assert_close(weights, golden.weights(f"trained_frozen_{steps}"), tolerance)


@every_hidden
@pytest.mark.parametrize("steps", [1, 10, 100])
def test_training_with_live_target(hidden: int, steps: int) -> None:
    golden, kind = Trace(f"particle_h{hidden}"), Particle(hidden, "l2")

    def trained(weights: Tensor) -> Tensor:
        replication.train(weights, kind, steps, lr=0.008, momentum=0.9, alpha=100.0, target="live")
        return weights

    assert_as_close_as_determined(trained, golden.weights("weights"), golden.weights(f"trained_live_alpha100_{steps}"))


@every_hidden
def test_types(hidden: int) -> None:
    golden, kind = Trace(f"particle_h{hidden}"), Particle(hidden)
    assert labels(classify(golden.weights("hand_weights"), kind)) == golden.array("hand_type").tolist()

    trained = golden.weights("trained_frozen_1000")
    deviation = (particle.self_output(trained.double(), kind) - trained).abs().amax(0)
    # A particle within a float32 rounding error (of weights about 1) of the tolerance may fall on either side of it.
    clear = ((deviation - TOLERANCE).abs() > 1.2e-7).numpy()
    assert clear.sum() >= len(clear) - 1
    ours = np.array(labels(classify(trained, kind)))
    assert ours[clear].tolist() == golden.array("trained_frozen_1000_type")[clear].tolist()


def golden_organism(name: str) -> tuple[Trace, Organism]:
    golden = Trace(name)
    body, hidden = {
        "organism_res": (MLP(12, 4, 5, 3, residual="pair"), 3),
        "organism_nores": (MLP(12, 5, 4, 3), 4),
    }[name]
    organism = Organism(body, Particle(hidden))
    organism.weights.data = golden.weights("weights")
    return golden, organism


@pytest.mark.parametrize("name", ["organism_res", "organism_nores"])
def test_organism(name: str) -> None:
    golden, organism = golden_organism(name)
    assert organism.names == golden.array("names").tolist()
    assert_close(
        particle.effective_weight(organism.weights.detach(), organism.particle), golden.tensor("effective_weight"), 1e-5
    )
    assert_close(organism(golden.tensor("x")).detach(), golden.tensor("output"), 1e-5)


@pytest.mark.parametrize("name", ["organism_res", "organism_nores"])
def test_ten_alternations_of_replication_and_task(name: str) -> None:
    golden, organism = golden_organism(name)
    x, y = golden.tensor("x"), golden.tensor("y")
    optimizer = torch.optim.SGD(organism.parameters(), lr=0.004, momentum=0.9)
    replication_losses, task_losses = [], []
    for _ in range(10):
        mean = replication.train(organism.weights, organism.particle, steps=3, lr=0.004, momentum=0.9)
        replication_losses.append(3 * mean.sum())
        optimizer.zero_grad()
        loss = cross_entropy(organism(x), y)
        loss.backward()
        optimizer.step()
        task_losses.append(loss.detach())
    assert_close(torch.stack(replication_losses), golden.tensor("fresh_momentum_replication_loss_sum_of_3"), 1e-5)
    assert_close(torch.stack(task_losses), golden.tensor("fresh_momentum_task_loss"), 1e-5)
    assert_close(organism.weights.detach(), golden.weights("fresh_momentum_weights_after_10"), 1e-5)
