"""Exact self-replication: particles are moved onto the set of self-replicators, and keep or get a given worth."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import counts, drawn, particles, seeds
from torch import Tensor

from srnn import Particle, replication
from srnn.fixpoints import FixpointType, classify
from srnn.kernels import algebra
from srnn.particle import effective_weight, matrices, row_vector

offsets = st.sampled_from([-1.0, -0.1, 0.0, 0.1, 1.0])


def deviation(weights: Tensor, kind: Particle, effective: Tensor) -> Tensor:
    """|v − (1, 0, 0, 0, effective)| in double precision, ``(5, N)``."""
    c = row_vector(weights.double(), kind)
    c[0] -= 1
    c[4] -= effective
    return c.abs()


def replicators(kind: Particle, count: int, seed: int, dtype: torch.dtype = torch.float32) -> Tensor:
    weights = drawn(kind, count, seed, torch.float32)
    replication.project(weights, kind, replication.NEWBORN)
    weights = weights.to(dtype)
    if dtype is torch.float64:
        replication.project(weights, kind, 3)
    return weights


@given(particles, counts, seeds)
def test_projected_newborns_are_self_replicators_of_the_same_worth(kind: Particle, count: int, seed: int) -> None:
    weights = drawn(kind, count, seed, torch.float32)
    worth = effective_weight(weights, kind)
    left = replication.project(weights, kind, replication.NEWBORN)
    allowed = 1e-6 * weights.abs().amax(0)
    assert (deviation(weights, kind, worth) <= allowed).all()
    assert (left <= allowed).all()
    assert (classify(weights, kind) == FixpointType.IDENTITY).all()


@given(particles, counts, seeds, offsets)
def test_lifted_particles_are_self_replicators_of_the_worth_that_was_asked(
    kind: Particle, count: int, seed: int, offset: float
) -> None:
    weights = replicators(kind, count, seed)
    asked = effective_weight(weights, kind) + offset
    replication.lift(weights, kind, asked, replication.NEWBORN)
    assert (deviation(weights, kind, asked) <= 1e-6 * weights.abs().amax(0)).all()


@given(particles, counts, seeds)
def test_after_a_small_step_one_iteration_is_enough(kind: Particle, count: int, seed: int) -> None:
    weights = replicators(kind, count, seed)
    weights += 1e-3 * drawn(kind, count, seed + 1, torch.float32)
    asked = effective_weight(weights, kind) + 1e-3
    replication.lift(weights, kind, asked)
    assert (deviation(weights, kind, asked) <= 1e-6 * weights.abs().amax(0)).all()


@given(particles, seeds, st.sampled_from([1e-4, 1e-5]))
def test_a_small_change_is_the_one_of_least_norm(kind: Particle, seed: int, size: float) -> None:
    before = replicators(kind, 3, seed, torch.float64)
    before += size * drawn(kind, 3, seed + 1)
    asked = effective_weight(before, kind) + size
    after = before.clone()
    replication.lift(after, kind, asked)
    for column in range(3):
        one = before[:, [column]]
        jacobian = torch.autograd.functional.jacobian(lambda w: row_vector(w, kind), one)[:, 0, :, 0]
        c = row_vector(one, kind)[:, 0] - torch.tensor([1, 0, 0, 0, asked[column]], dtype=torch.float64)
        least = -torch.linalg.pinv(jacobian) @ c
        # Of second order is what the closing step makes up; 1e-6 is the damping.
        torch.testing.assert_close(
            (after - before)[:, column], least, rtol=0, atol=float(1e3 * least.norm() * (least.norm() + 1e-5))
        )


@given(particles, counts, seeds)
def test_the_fused_path_is_the_reference(kind: Particle, count: int, seed: int) -> None:
    weights = replicators(kind, count, seed)
    weights += 1e-2 * drawn(kind, count, seed + 1, torch.float32)
    asked = effective_weight(weights, kind) + 1e-2
    exact = weights.double()  # computed by torch, for the kernels are float32
    left = replication.lift(weights, kind, asked)
    replication.lift(exact, kind, asked.double())
    torch.testing.assert_close(weights.double(), exact, rtol=0, atol=1e-4)
    torch.testing.assert_close(left.double(), deviation(weights, kind, asked).amax(0), rtol=0, atol=1e-5)


@given(particles, counts, seeds, st.sampled_from([0.0, 1e-8, 1.0, 1e3, 1e7]))
def test_both_paths_say_alike_how_much_is_left(kind: Particle, count: int, seed: int, size: float) -> None:
    weights = size * drawn(kind, count, seed, torch.float32)
    # So few steps from so far: what they do differs in rounding, which grows; what is said of it must be true.
    left = replication.project(weights, kind)
    assert left.isfinite().all()
    v = row_vector(weights, kind)
    v[0] -= 1
    scale = v.abs().amax(0).clamp(min=1)
    assert (left >= (v[:4].abs().amax(0) - 1e-3 * scale)).all()


def test_the_constants_of_both_paths_are_the_same() -> None:
    """The kernels have their own, for they stand below the algebra that asks them."""
    ours = replication._LONGEST_STEP, replication._DAMPING, replication._SMALLEST
    assert ours == (algebra.LONGEST_STEP, algebra.DAMPING, algebra.SMALLEST)


@pytest.mark.usefixtures("each_path")
class TestParticlesOutOfTheOrdinary:
    kind = Particle(4)

    def after(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        moved = weights.clone()
        return moved, replication.project(moved, self.kind, replication.NEWBORN)

    def test_one_of_zeros_stays_one_of_zeros(self) -> None:
        moved, left = self.after(torch.zeros(self.kind.size, 3))
        assert (moved == 0).all()
        assert (left == 1).all()

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_a_divergent_one_stays_as_it_was_and_does_not_touch_the_others(self, value: float) -> None:
        weights = drawn(self.kind, 40, 0, torch.float32)
        alone, _ = self.after(weights)
        weights[3, 7] = value
        moved, left = self.after(weights)
        torch.testing.assert_close(moved[:, 7], weights[:, 7], equal_nan=True, rtol=0, atol=0)
        assert not left[7] <= 1
        others = torch.arange(40) != 7
        assert torch.equal(moved[:, others], alone[:, others])

    def test_a_tiny_one_stays_as_it_was(self) -> None:
        weights = 1e-8 * drawn(self.kind, 40, 0, torch.float32)
        moved, left = self.after(weights)
        assert torch.equal(moved, weights)
        assert (left == 1).all()

    def test_a_small_one_becomes_a_self_replicator(self) -> None:
        moved, left = self.after(1e-4 * drawn(self.kind, 40, 0, torch.float32))
        assert (classify(moved, self.kind) == FixpointType.IDENTITY).all()
        assert (left < 1e-6).all()

    def test_a_huge_one_is_brought_as_near_as_its_rounding_errors_allow(self) -> None:
        weights = 1e4 * drawn(self.kind, 40, 0, torch.float32)
        worth = effective_weight(weights, self.kind)
        before = deviation(weights, self.kind, worth).amax(0)
        moved, left = self.after(weights)
        after = deviation(moved, self.kind, worth).amax(0)
        assert moved.isfinite().all()
        # v is of the order 1e11 and is a sum of float32.
        assert (after < 1e-6 * before).all()
        torch.testing.assert_close(left.double(), after, rtol=0, atol=float(1e-6 * before.max()))

    @pytest.mark.parametrize("matrix", [0, 1, 2])
    def test_with_a_matrix_of_zeros_it_ends_where_it_was_or_as_a_self_replicator(self, matrix: int) -> None:
        weights = drawn(self.kind, 40, 0, torch.float32)
        matrices(weights, self.kind)[matrix].zero_()
        moved, left = self.after(weights)
        arrived = left < 1e-6
        assert ((moved == weights).all(0) | arrived).all()
        assert (classify(moved[:, arrived], self.kind) == FixpointType.IDENTITY).all()

    def test_with_matrices_of_rank_one_it_becomes_a_self_replicator(self) -> None:
        weights = drawn(self.kind, 40, 0, torch.float32)
        W1, W2, _ = matrices(weights, self.kind)
        W1[1:] = W1[:1]
        W2[1:] = W2[:1]
        _, left = self.after(weights)
        assert (left < 1e-6).all()

    def test_what_is_there_already_stays_nearly_as_it_is(self) -> None:
        weights, _ = self.after(drawn(self.kind, 40, 0, torch.float32))
        again, left = self.after(weights)
        torch.testing.assert_close(again, weights, rtol=0, atol=1e-6)
        assert (left < 1e-6).all()


@given(particles, counts, seeds, st.tuples(*[st.integers(-10, 10)] * 2))
def test_balancing_equals_the_norms_and_keeps_v_to_the_bit(
    kind: Particle, count: int, seed: int, exponents: tuple[int, int]
) -> None:
    weights = drawn(kind, count, seed, torch.float32)
    for block, exponent in zip(matrices(weights, kind), exponents, strict=False):
        block *= 2.0**exponent
    before, v = weights.clone(), row_vector(weights, kind)
    scale = replication.balance(weights, kind)
    assert torch.equal(weights, before * scale)
    assert torch.equal(row_vector(weights, kind), v)
    norms = torch.stack([block.flatten(end_dim=-2).norm(dim=0) for block in matrices(weights, kind)])
    # Each is a power of two away from their mean, and the second takes up both others' rounding.
    assert (norms.amax(0) / norms.amin(0)).max() <= 2**1.5 + 1e-3


def test_what_cannot_be_balanced_stays_as_it_is() -> None:
    kind = Particle(2)
    weights = torch.zeros(kind.size, 2)
    weights[0, 1] = float("nan")
    assert (replication.balance(weights, kind) == 1).all()
    assert (weights[:, 0] == 0).all()
