"""Hardening: what is left of noise once a particle has repaired itself, and how it is made less."""

from __future__ import annotations

import torch
from torch import Tensor

from srnn import Particle, replication
from srnn.fixpoints import FixpointType, classify
from srnn.hardening import harden, sensitivity
from srnn.particle import leak, noise, row_vector
from srnn.response import derivatives, response

KIND, WORTH = Particle(4), torch.linspace(-0.5, 1, 24)


def placed() -> Tensor:
    weights = replication.replicators(WORTH, KIND, torch.Generator().manual_seed(0))
    replication.place(weights, KIND, WORTH)
    return weights


def repaired(weights: Tensor, applications: int = 10) -> Tensor:
    for _ in range(applications):
        weights = leak(weights, KIND)
    return weights


def test_the_derivatives_along_the_positions_are_those_of_v() -> None:
    weights = placed().double()
    for k, way in enumerate(KIND.positions.double().T):
        step = 1e-4 * way[:, None]
        slope = (row_vector(weights + step, KIND) - row_vector(weights - step, KIND)) / 2e-4
        torch.testing.assert_close(derivatives(weights, KIND)[:, k], slope, rtol=1e-6, atol=1e-6)


def test_sensitivity_is_what_the_rule_leaves_of_a_small_error() -> None:
    weights = placed().double()
    replication.place(weights, KIND, WORTH.double())
    error = 1e-6 * torch.randn(weights.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    changed = KIND.worth(repaired(weights + error)) - KIND.worth(weights)
    torch.testing.assert_close(changed, (sensitivity(weights, KIND) * error).sum(0), rtol=1e-3, atol=1e-9)


def test_hardened_particles_are_placed_as_before_and_come_back_worth_what_they_were() -> None:
    before, after = placed(), placed()
    left = harden(after, KIND)
    torch.testing.assert_close(left, sensitivity(after, KIND).norm(dim=0))
    assert left.median() < 0.3 * sensitivity(before, KIND).norm(dim=0).median()
    assert (left < 1).all()
    assert (classify(after, KIND) == FixpointType.IDENTITY).all()
    torch.testing.assert_close(KIND.worth(after), WORTH, rtol=0, atol=1e-5)
    assert (response(after, KIND) - 3 * torch.eye(3)[:, :, None]).abs().max() < 1e-2
    off = {}
    for name, weights in (("placed", before), ("hardened", after)):
        back = repaired(noise(weights, 0.01, torch.Generator().manual_seed(2)))
        assert (classify(back, KIND) == FixpointType.IDENTITY).double().mean() > 0.95
        off[name] = float((KIND.worth(back) - WORTH).square().mean().sqrt())
    # Of a plain number noise of 0.01 leaves 0.0058.
    assert off["hardened"] < 0.0045 < 0.0116 < off["placed"]


def test_one_that_is_not_to_be_moved_stays_to_the_bit() -> None:
    weights = placed()
    weights[:, 3], weights[:, 4] = 0, torch.nan
    before = weights.clone()
    harden(weights, KIND, steps=3)
    assert torch.equal(weights[:, 3:5].nan_to_num(7), before[:, 3:5].nan_to_num(7))
    assert not torch.equal(weights[:, 0], before[:, 0])
