"""Self-replicators in a place where they repair themselves: the response, the multipliers, what noise does there."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import drawn, particles, seeds
from torch import Tensor

from srnn import Particle, replication
from srnn.fixpoints import FixpointType, classify
from srnn.kernels import placing
from srnn.kernels.algebra import Constants
from srnn.kernels.cpu import _constants
from srnn.particle import effective_weight, leak, noise, row_vector, self_application
from srnn.response import jacobian, response

#: Those that always arrive.
large = st.builds(
    Particle,
    hidden=st.integers(4, 8),
    encoding=st.sampled_from(["max", "l2"]),
    init=st.sampled_from(["fan_in", "xavier"]),
)
strengths = st.sampled_from([3.0, 1.0, -1.0])
KIND = Particle(4, "l2", "fan_in")


def placed(kind: Particle, count: int, seed: int, strength: float = 3.0, dtype: torch.dtype = torch.float64) -> Tensor:
    weights = drawn(kind, count, seed, dtype)
    replication.place(weights, kind, torch.linspace(-2, 2, count, dtype=dtype), strength, 40)
    return weights


def identity(weights: Tensor, kind: Particle) -> float:
    return float((classify(weights, kind) == FixpointType.IDENTITY).double().mean())


@settings(max_examples=10)
@given(particles, seeds)
def test_the_jacobian_is_that_of_v_and_of_its_derivatives_along_the_positions(kind: Particle, seed: int) -> None:
    weights, positions = drawn(kind, 1, seed), kind.positions.double()

    def along(w: Tensor) -> Tensor:
        """v, and for each column of E the derivative of v₁₋₃ along it, by torch."""
        J = torch.autograd.functional.jacobian(lambda x: row_vector(x, kind)[:, 0], w, create_graph=True)[:, :, 0]
        return torch.cat([row_vector(w, kind)[:, 0], (J[1:4] @ positions).T.flatten()])

    theirs = torch.autograd.functional.jacobian(along, weights)[:, :, 0]
    torch.testing.assert_close(jacobian(weights, kind)[:, :, 0], theirs)
    torch.testing.assert_close(response(weights, kind)[:, :, 0].T.flatten(), along(weights)[5:])


@settings(max_examples=8)
@given(large, seeds, strengths)
def test_newborns_become_self_replicators_of_that_worth_and_response(
    kind: Particle, seed: int, strength: float
) -> None:
    weights, worth = drawn(kind, 10, seed), torch.linspace(-2, 2, 10, dtype=torch.float64)
    left = replication.place(weights, kind, worth, strength, 40)
    v, wanted = row_vector(weights, kind), torch.zeros(5, 10, dtype=torch.float64)
    wanted[0], wanted[4] = 1, worth
    torch.testing.assert_close(v, wanted, rtol=0, atol=1e-9)
    eye = strength * torch.eye(3, dtype=torch.float64)[:, :, None].expand(3, 3, 10)
    torch.testing.assert_close(response(weights, kind), eye, rtol=0, atol=1e-8)
    assert (left < 1e-8).all()


@settings(max_examples=6)
@given(seeds, strengths, st.sampled_from([-1 / 3, -0.1, 0.2, 1.0]))
def test_multipliers_under_the_leak_are_those_of_the_theorem(seed: int, strength: float, eta: float) -> None:
    ordinary = drawn(KIND, 1, seed)
    replication.project(ordinary, KIND, replication.NEWBORN)
    for one in (ordinary, placed(KIND, 1, seed, strength)):
        numerical = torch.autograd.functional.jacobian(lambda w: leak(w, KIND, eta), one)[:, 0, :, 0]
        own = torch.linalg.eigvals(response(one, KIND)[:, :, 0])
        expected = torch.cat([torch.ones(KIND.size - 4), torch.tensor([1 + 3 * eta]), 1 + eta * own])
        # The coefficients of the characteristic polynomial, at a few points: eigenvalues have no order.
        for z in (0.3 + 0.4j, -0.7 + 0.2j, 2.0 + 1.0j):
            eye = torch.eye(KIND.size, dtype=torch.complex128)
            torch.testing.assert_close(
                torch.linalg.slogdet(z * eye - numerical).logabsdet, (z - expected).abs().log().sum().double()
            )
    expected = torch.full((3,), strength, dtype=torch.complex128)
    torch.testing.assert_close(own, expected, rtol=0, atol=1e-3)  # of a multiple eigenvalue: the cube root of rounding


def test_the_leak_goes_a_part_of_the_way_as_often_as_one_says() -> None:
    weights = drawn(KIND, 5, 0)
    torch.testing.assert_close(leak(weights, KIND, 1.0), self_application(weights, KIND))
    assert torch.equal(leak(weights, KIND, 0.0), weights)
    assert torch.equal(leak(weights, KIND, times=3), leak(leak(leak(weights, KIND), KIND), KIND))
    assert torch.equal(leak(weights, KIND, times=0), weights)


class TestRepair:
    """Of float32 particles, as in an organism; a thousand of them."""

    @pytest.fixture
    def repairing(self) -> Tensor:
        return placed(KIND, 1000, 0, dtype=torch.float32)

    def test_they_are_self_replicators_and_stay_so_for_a_thousand_applications(self, repairing: Tensor) -> None:
        assert identity(repairing, KIND) == 1
        assert identity(leak(repairing, KIND, times=1000), KIND) == 1

    @pytest.mark.parametrize(("level", "applications", "share"), [(0.01, 10, 0.99), (0.001, 3, 0.99)])
    def test_after_noise_they_are_again(self, repairing: Tensor, level: float, applications: int, share: float) -> None:
        noisy = noise(repairing, level, torch.Generator().manual_seed(0))
        assert identity(noisy, KIND) == 0
        assert identity(leak(noisy, KIND, times=applications), KIND) >= share
        assert identity(self_application(noisy, KIND, applications), KIND) == 0

    def test_what_they_are_worth_is_not_restored(self, repairing: Tensor) -> None:
        noisy = noise(repairing, 0.01, torch.Generator().manual_seed(0))
        shift = effective_weight(leak(noisy, KIND, times=10), KIND) - effective_weight(repairing, KIND)
        assert shift.abs().median() > 0.01

    def test_ordinary_self_replicators_are_none_again(self) -> None:
        weights = drawn(KIND, 1000, 0, torch.float32)
        replication.project(weights, KIND, replication.NEWBORN)
        noisy = noise(weights, 0.01, torch.Generator().manual_seed(0))
        assert identity(leak(noisy, KIND, times=10), KIND) < 0.01


def test_with_two_hidden_units_there_is_no_such_place() -> None:
    kind = Particle(2)
    weights = drawn(kind, 50, 0)
    assert not (replication.place(weights, kind, effective_weight(weights, kind)) < 1e-2).any()


@pytest.mark.usefixtures("each_path")
class TestFollowing:
    def test_after_a_small_step_one_iteration_is_enough(self) -> None:
        weights = placed(KIND, 100, 0, dtype=torch.float32)
        asked = effective_weight(weights, KIND) + 1e-3
        told = torch.empty_like(asked)
        left = replication.place(weights, KIND, asked, iterations=1, worth=told)
        assert identity(weights, KIND) == 1
        assert (left < 1e-3).all()
        torch.testing.assert_close(told, asked, rtol=0, atol=1e-5)
        assert torch.equal(told, effective_weight(weights, KIND))

    def test_a_step_smaller_than_the_rounding_of_the_response_is_taken(self) -> None:
        weights = placed(KIND, 100, 0, dtype=torch.float32)
        before = effective_weight(weights, KIND)
        for _ in range(10):
            replication.place(weights, KIND, before + 3e-6, iterations=1)
        torch.testing.assert_close(
            effective_weight(weights, KIND) - before, torch.full((100,), 3e-6), rtol=0, atol=2e-6
        )

    @pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
    def test_what_cannot_be_placed_stays_as_it_was_and_does_not_touch_the_others(self, value: float) -> None:
        weights, asked = drawn(KIND, 40, 0, torch.float32), torch.linspace(-1, 1, 40)
        alone = weights.clone()
        replication.place(alone, KIND, asked, iterations=20)
        weights[:, 7] = value
        left = replication.place(weights, KIND, asked, iterations=20)
        torch.testing.assert_close(weights[:, 7], torch.full((KIND.size,), value), rtol=0, atol=0, equal_nan=True)
        assert not left[7] < 1
        others = torch.arange(40) != 7
        assert torch.equal(weights[:, others], alone[:, others])


class TestTheAlgebraOfTheKernel:
    """In the float64 numbers of torch, for the functions of the kernel work on whatever adds and multiplies."""

    @staticmethod
    def looked_at(weights: Tensor, kind: Particle) -> tuple[placing.Memory, Constants]:
        c = Constants(_constants(kind).tolist(), kind.hidden)
        memory = placing.Memory(dict(enumerate(weights)), {}, {}, {}, {}, placing.Triangle({}), placing.Triangle({}))
        placing.look(memory, c, strength=3.0, goal=torch.full_like(weights[0], 0.5))
        return memory, c

    @settings(max_examples=30)
    @given(st.builds(Particle, hidden=st.integers(1, 16), encoding=st.sampled_from(["max", "l2"])), seeds)
    def test_deviations_and_matrix_are_those_of_the_jacobian_but_for_the_first_layer_and_cell(
        self, kind: Particle, seed: int
    ) -> None:
        weights, goal = drawn(kind, 3, seed), torch.tensor([1, 0, 0, 0, 0.5], dtype=torch.float64)[:, None]
        memory, c = self.looked_at(weights, kind)
        squares = placing._gram(memory, c, placing.Positions.of(c), lambda: None)
        J = jacobian(weights, kind)
        matrix, deviations = torch.einsum("akn,bkn->abn", J, J), replication._misplaced(weights, kind, goal, 3.0)
        for a in range(14):
            torch.testing.assert_close(memory.A[14, a], deviations[a], rtol=1e-6, atol=1e-6)
            for b in range(a + 1):
                torch.testing.assert_close(memory.A[a, b], matrix[a, b], rtol=1e-6, atol=1e-6 * float(matrix.max()))
        torch.testing.assert_close(squares, weights.square().sum(0))

    def test_it_solves_the_equations(self) -> None:
        root = torch.randn(14, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        matrix, c = root @ root.T, root[:, 0]
        A, L = placing.Triangle({}), placing.Triangle({})
        for a in range(14):
            A[14, a] = c[a]
            for b in range(a + 1):
                A[a, b] = matrix[a, b]
        solution, product = placing._solved(A, L, lambda: None)
        torch.testing.assert_close(matrix @ torch.stack(solution), c)
        torch.testing.assert_close(product, torch.stack(solution) @ c)


@settings(max_examples=20)
@given(seeds, strengths, st.sampled_from(["max", "l2"]), st.integers(1, 40), st.sampled_from([4, 5]))
def test_the_fused_path_is_the_reference(seed: int, strength: float, encoding: str, count: int, hidden: int) -> None:
    kind = Particle(hidden, encoding)  # type: ignore[arg-type]
    weights = placed(kind, count, seed, strength, torch.float32)
    weights += 1e-3 * drawn(kind, count, seed + 1, torch.float32)
    asked = effective_weight(weights, kind) + 1e-2
    exact = weights.double()  # computed by torch, for the kernels are float32
    left = replication.place(weights, kind, asked, strength, 1)
    reference = replication.place(exact, kind, asked.double(), strength, 1)
    torch.testing.assert_close(weights.double(), exact, rtol=0, atol=2e-4)
    torch.testing.assert_close(left.double(), reference, rtol=0, atol=1e-3)


def test_the_constants_of_both_paths_are_the_same() -> None:
    assert replication._RESPONSE_COUNTS == placing.RESPONSE_COUNTS
