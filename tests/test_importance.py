"""Importance: exact counts, and scores of networks that are small enough to work out by hand."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils import prune

from srnn import MLP, Organism, Particle
from srnn import importance as imp
from srnn.choices import Score
from srnn.errors import NotApplicableError, UserError
from srnn.fixpoints import FixpointType, classify
from srnn.number import Number
from srnn.tasks import Task

ONE_LAYER = {"L0": slice(0, 4)}


def network(*layers: list[list[float]], residual: str = "none", activation: str = "none") -> Organism:
    """Plain numbers, each layer ``(out, in)``."""
    weights = [torch.tensor(layer) for layer in layers]
    width = len(layers[0]) if len(layers) > 1 else 1
    body = MLP(weights[0].shape[1], width, len(layers), len(layers[-1]), residual=residual, activation=activation)  # type: ignore[arg-type]
    made = Organism(body, Number())
    made.weights.data = torch.cat([weight.flatten() for weight in weights])[None]
    return made


def task(x: list[list[float]], y: list[list[float]]) -> Task:
    tensors = torch.tensor(x), torch.tensor(y)
    return Task("by hand", "regression", *tensors, *tensors, outputs=len(y[0]))


def places(kept: Tensor) -> list[int]:
    return kept.nonzero().flatten().tolist()


class TestKeep:
    sizes = st.lists(st.integers(1, 30), min_size=1, max_size=4)

    @given(sizes, st.data(), st.sampled_from(["global", "layer"]))
    def test_exactly_as_many_however_many_are_equal(self, sizes: list[int], data: st.DataObject, scope: str) -> None:
        """And nested over rounds, of which the later rank the survivors alone, by whatever score."""
        ends = [sum(sizes[:place]) for place in range(len(sizes) + 1)]
        layers = {f"L{place}": slice(*ends[place : place + 2]) for place in range(len(sizes))}
        few = st.lists(st.sampled_from([0.0, 1.0, 2.0]), min_size=ends[-1], max_size=ends[-1]).map(torch.tensor)
        before: Tensor | None = None
        for density in sorted(data.draw(st.lists(st.floats(0, 1), min_size=1, max_size=3)), reverse=True):
            scores, worth = data.draw(few), data.draw(few)
            kept = imp.keep(scores, density, layers, scope, worth=worth, dropped=None if before is None else ~before)  # type: ignore[arg-type]
            for part in layers.values() if scope == "layer" else [slice(None)]:
                assert int(kept[part].sum()) == round(density * len(kept[part]))
                left = kept.new_ones(len(kept)) if before is None else before
                key = list(zip(scores.tolist(), worth.tolist(), strict=True))
                dropped = [key[place] for place in places(left & ~kept) if place in range(len(kept))[part]]
                assert not dropped or max(dropped) <= min(
                    (key[place] for place in places(kept) if place in range(len(kept))[part]), default=(3.0, 0.0)
                )
            assert before is None or bool((before | ~kept).all())
            before = kept

    def test_of_equal_scores_the_larger_weights_and_then_the_first_ones(self) -> None:
        worth = torch.tensor([1.0, -2.0, 1.0, 2.0])
        for count, wanted in enumerate([[], [1], [1, 3], [0, 1, 3], [0, 1, 2, 3]]):
            assert places(imp.keep(torch.zeros(4), count / 4, ONE_LAYER, worth=worth)) == wanted

    def test_a_density_for_each_layer(self) -> None:
        layers, scores = {"L0": slice(0, 4), "L1": slice(4, 6)}, torch.arange(6.0)
        assert places(imp.keep(scores, [0.25, 1.0], layers, "layer", worth=scores)) == [3, 4, 5]
        with pytest.raises(ValueError, match="shorter"):
            imp.keep(scores, [0.25], layers, "layer", worth=scores)

    def test_nothing_finite_is_dropped_last(self) -> None:
        scores = torch.tensor([1.0, torch.nan, 3.0, 2.0])
        assert places(imp.keep(scores, 0.5, ONE_LAYER, worth=scores)) == [1, 2]

    @pytest.mark.parametrize("density", [-0.1, 1.1, float("nan")])
    def test_what_is_no_share(self, density: float) -> None:
        with pytest.raises(UserError, match=r"density is .*; allowed: a number from 0 to 1"):
            imp.keep(torch.ones(4), density, ONE_LAYER, worth=torch.ones(4))

    def test_more_than_are_left(self) -> None:
        dropped = torch.tensor([True, True, True, False])
        with pytest.raises(UserError, match=r"density is 0\.5, which are 2 of 4 weights, and only 1 are left"):
            imp.keep(torch.ones(4), 0.5, ONE_LAYER, worth=torch.ones(4), dropped=dropped)

    @pytest.mark.parametrize("density", [0.5, 0.13, 0.01])
    def test_as_torchs_own_where_none_are_equal(self, density: float) -> None:
        """An oracle that prunes modules."""
        linears = [nn.Linear(7, 11), nn.Linear(11, 5)]
        worth = torch.cat([one.weight.detach().flatten() for one in linears])
        layers = {"L0": slice(0, 77), "L1": slice(77, 132)}
        kept = imp.keep(imp.magnitude(worth), density, layers, worth=worth)
        prune.global_unstructured(
            [(one, "weight") for one in linears], prune.L1Unstructured, amount=132 - round(132 * density)
        )
        assert torch.equal(kept, torch.cat([one.weight_mask.flatten().bool() for one in linears]))

    def test_a_shuffled_choice_keeps_the_sizes_of_its_layers(self) -> None:
        layers, kept = {"L0": slice(0, 50), "L1": slice(50, 100)}, torch.arange(100) < 60
        mixed = imp.shuffled(kept, layers, torch.Generator().manual_seed(0))
        assert [int(mixed[part].sum()) for part in layers.values()] == [50, 10]
        assert not torch.equal(mixed, kept)
        assert torch.equal(mixed, imp.shuffled(kept, layers, torch.Generator().manual_seed(0)))


class TestScores:
    def test_what_has_changed_since_birth(self) -> None:
        worth, birth = torch.tensor([-3.0, 1.0, -1.0]), torch.tensor([1.0, 2.0, -1.0])
        assert imp.magnitude(worth).tolist() == [3, 1, 1]
        assert imp.magnitude_increase(worth, birth).tolist() == [2, -1, 0]
        assert imp.movement(worth, birth).tolist() == [4, 1, 0]

    def test_lamp(self) -> None:
        """Of 1, 2, 3: 1/14, 4/13 and 1; equal ones have equal scores, and each layer is by itself."""
        layers = {"L0": slice(0, 3), "L1": slice(3, 6), "L2": slice(6, 8)}
        found = imp.lamp(torch.tensor([2.0, -1, 3, 5, -5, 0, 0, 0]), layers).tolist()
        assert found == pytest.approx([4 / 13, 1 / 14, 1, 0.5, 0.5, 0, 0, 0])

    def test_snip_is_the_gradient_of_a_mask_of_ones(self) -> None:
        """w = (2, 1), x = (0.1, 1), L = (wx)²/2: wx = 1.2 and c = (0.24, 1.2), where magnitude keeps the 2."""
        made, data = network([[2.0, 1.0]]), task([[0.1, 1.0]], [[0.0]])
        # The loss of a regression is the square itself: twice as much.
        assert (imp.score("snip", made, data) / 2).tolist() == pytest.approx([0.24, 1.2])
        mask = torch.ones(2, requires_grad=True)
        data.loss(made.call_with(mask * made.worth(), data.train_x), data.train_y).mean().backward()
        assert mask.grad is not None
        assert torch.allclose(mask.grad.abs(), imp.score("snip", made, data))
        layers = made.layers
        kept = [
            imp.keep(imp.score(name, made, data), 0.5, layers, worth=made.worth()) for name in ("snip", "magnitude")
        ]
        assert [places(one) for one in kept] == [[1], [0]]

    def test_snip_averages_over_all_examples_before_it_takes_the_modulus(self) -> None:
        """Two examples whose gradients cancel."""
        made, data = network([[1.0]]), task([[1.0], [1.0]], [[0.0], [2.0]])
        assert imp.score("snip", made, data).tolist() == [0]
        assert imp.score("fisher", made, data).tolist() == [0.5 * 4]

    def test_fisher_is_half_the_mean_squared_gradient_times_w_squared(self) -> None:
        """y = wx, loss (wx − y)²: the gradient is 2x(wx − y), of the examples (1, 0) and (2, 0) 2w and 8w."""
        made = network([[3.0]])
        assert imp.score("fisher", made, task([[1.0], [2.0]], [[0.0], [0.0]])).tolist() == [
            pytest.approx(0.5 * (6**2 + 24**2) / 2 * 9)
        ]

    def test_obd_by_hand(self) -> None:
        """With the diagonal of H = [[2, 1], [1, 1]] at w = (1, 1): 1 and 1/2."""
        assert imp.fisher(torch.ones(2), torch.tensor([2.0, 1.0])).tolist() == [1, 0.5]

    def test_random_is_of_its_own_generator(self) -> None:
        def drawn(seed: int) -> list[float]:
            return imp.random(torch.ones(5), torch.Generator().manual_seed(seed)).tolist()

        assert drawn(0) == drawn(0) != drawn(1)

    def test_replication_error_and_types(self) -> None:
        """With W2 = W3 = 1 the row vector is W1: of two identities and one that doubles, worth 3, −1 and 2."""
        made = Organism(MLP(4, 1, 1, 1), Particle(hidden=1))
        rows = [[1.0, 0, 0, 0, 3, 1, 1], [1.0, 0, 0, 0, -1, 1, 1], [2.0, 0, 0, 0, 2, 1, 1], [0.0] * 7]
        made.weights.data = torch.tensor(rows).T.contiguous()
        assert classify(made.weights, made.particle).tolist() == [2, 2, 4, FixpointType.ZERO]  # type: ignore[arg-type]
        data = task([[1.0] * 4], [[0.0]])
        # 2 · 2 − 2, the largest of its weights.
        assert imp.score("replication", made, data).tolist() == [0, 0, 2, 0]
        assert imp.score("type", made, data).tolist() == [1, 1, 2, 0]
        order = imp.ranking(imp.score("type", made, data), made.worth())
        assert order.tolist() == [2, 0, 1, 3]

    def test_numbers_do_not_replicate(self) -> None:
        for name in ("replication", "type"):
            with pytest.raises(NotApplicableError, match="plain numbers do not replicate"):
                imp.score(name, network([[1.0]]), task([[1.0]], [[0.0]]))  # type: ignore[arg-type]

    def test_birth_is_to_be_known(self) -> None:
        with pytest.raises(NotApplicableError, match="movement: what the weights were worth at birth is not known"):
            imp.score("movement", network([[1.0]]), task([[1.0]], [[0.0]]))

    def test_what_gates_say_is_to_be_known(self) -> None:
        with pytest.raises(NotApplicableError, match="gate: it has no gates, or of several kinds"):
            imp.score("gate", network([[1.0]]), task([[1.0]], [[0.0]]))

    def test_a_name_that_is_none(self) -> None:
        with pytest.raises(UserError, match=r"score is 'magnitud'; allowed: magnitude, .*; did you mean magnitude\?"):
            imp.score("magnitud", network([[1.0]]), task([[1.0]], [[0.0]]))  # type: ignore[arg-type]

    @pytest.mark.parametrize("name", sorted({*get_args(Score)} - {"gate"}))
    def test_each_is_of_particles_as_of_the_numbers_that_they_are_worth(self, name: Score) -> None:
        """And changes neither the organism nor what it draws."""
        particles = Organism(MLP(6, 3, 2, 2, activation="relu", dropout=0.5), Particle(2))
        numbers = Organism(MLP(6, 3, 2, 2, activation="relu", dropout=0.5), Number())
        numbers.weights.data = particles.worth()[None].clone()
        generator = torch.Generator().manual_seed(0)
        data = Task("drawn", "classification", *[torch.randn(20, 6), torch.arange(20) % 2] * 2, outputs=2)
        birth, before = torch.randn(24, generator=generator), particles.weights.detach().clone()
        found = imp.score(name, particles, data, birth, torch.Generator().manual_seed(1))
        assert found.shape == (24,)
        assert not found.requires_grad
        assert torch.equal(particles.weights, before)
        assert particles.training
        if name not in ("replication", "type"):
            other = imp.score(name, numbers, data, birth, torch.Generator().manual_seed(1))
            torch.testing.assert_close(found, other, check_dtype=False)


class TestToy:
    """y = x₁ with nine noise inputs, of which the last is always 0, all born as 0.1; learnt by descent."""

    x = torch.randn(200, 10, generator=torch.Generator().manual_seed(0))
    x[:, 9] = 0
    data = Task("toy", "regression", x, x[:, :1], x, x[:, :1], outputs=1)
    newborn, trained = network([[0.1] * 10]), network([[0.1] * 10])
    for _ in range(60):
        trained.weights.data -= 0.01 * (trained.weights.data @ x.T - x[:, 0]) @ x / 10

    def order(self, name: Score) -> list[int]:
        """From the most to the least important; of SNIP and the Fisher information at birth, as they are asked."""
        made = self.newborn if name in ("snip", "fisher") else self.trained
        generator = torch.Generator().manual_seed(1)
        found = imp.score(name, made, self.data, self.newborn.worth(), generator)
        return imp.ranking(found, made.worth()).tolist()

    def test_it_is_learnt(self) -> None:
        worth = self.trained.worth().tolist()
        assert worth == pytest.approx([1, *[0] * 8, 0.1], abs=0.05)

    @pytest.mark.parametrize("name", sorted({*get_args(Score)} - {"random", "replication", "type", "gate"}))
    def test_every_score_but_a_random_one_keeps_the_input_that_matters(self, name: Score) -> None:
        assert self.order(name)[0] == 0
        assert self.order("random")[0] != 0

    @pytest.mark.parametrize("name", ["movement", "snip", "fisher", "quiet_inputs"])
    def test_a_quiet_input_is_dropped_first(self, name: Score) -> None:
        assert self.order(name)[-1] == 9

    @pytest.mark.parametrize("name", ["magnitude", "lamp"])
    def test_who_looks_at_sizes_alone_keeps_it(self, name: Score) -> None:
        """Its weight has the size of its birth still."""
        assert self.order(name)[1] == 9


class TestUnits:
    def test_a_unit_is_its_row_and_its_column(self) -> None:
        """Of three hidden units the second has the least in and out together."""
        made = network([[1.0, 1], [0, 3], [2, 2]], [[9.0, 1, 1]])
        kept = imp.keep_units(made.worth().abs(), 2 / 3, made)
        assert [part.int().tolist() for part in made.in_shape(kept)] == [[[1, 1], [0, 0], [1, 1]], [[1, 0, 1]]]

    def test_units_of_two_layers(self) -> None:
        """One ranking of all, or one in each layer; what was dropped stays so."""
        made = network([[1.0, 1], [2, 2]], [[5.0, 5], [5, 6]], [[1.0, 1]])
        every, each = (imp.keep_units(made.worth(), 0.5, made, scope) for scope in ("global", "layer"))  # type: ignore[arg-type]
        # Of the first layer 12 and 15, of the second 11 and 12: equal ones by their place.
        assert [part.int().tolist() for part in made.in_shape(every)] == [[[1, 1], [1, 1]], [[0, 0], [0, 0]], [[0, 0]]]
        assert [part.int().tolist() for part in made.in_shape(each)] == [[[0, 0], [1, 1]], [[0, 0], [0, 1]], [[0, 1]]]
        again = imp.keep_units(-made.worth(), 0.5, made, "layer", dropped=~each)
        assert torch.equal(again, each)

    def test_a_residual_stream_is_one(self) -> None:
        """3 → 2 → 2 → 2 → 1 with links: the units of all three hidden layers are two of all."""
        made = network([[1.0] * 3] * 2, [[1.0] * 2] * 2, [[1.0] * 2] * 2, [[1.0, 2]], residual="layer")
        [stream] = imp.streams(made.body)  # type: ignore[arg-type]
        assert (stream.size, stream.entered, stream.left) == (2, (0, 1, 2), (1, 2, 3))
        kept = imp.keep_units(made.worth(), 0.5, made)
        dense = made.to_dense()
        for weight, part in zip(dense.weights, made.in_shape(kept), strict=True):  # type: ignore[arg-type]
            weight.data[~part] = 0
            assert part.any()
        # What is left is the network of the second unit alone: 3 · (1 + 1)(1 + 1) · 2.
        assert dense(torch.ones(1, 3)).item() == 24

    @given(st.integers(2, 5), st.integers(1, 5), st.sampled_from(["none", "layer", "pair"]), st.integers(2, 5))
    def test_without_its_units_nothing_passes(self, width: int, depth: int, residual: str, inputs: int) -> None:
        body = MLP(inputs, width, depth, 3, residual=residual)  # type: ignore[arg-type]
        made = Organism(body, Number())
        droppable = {signal for stream in imp.streams(body) for signal in stream.left} - {0}
        if depth == 1 or droppable != {*range(1, depth)} or body.sources[-1] is not None:
            return  # a stream is put out, be it the inputs' own
        kept = imp.keep_units(made.worth(), 0.0, made)
        x = torch.randn(4, inputs)
        assert not made.call_with(made.worth().masked_fill(~kept, 0), x).any()

    def test_what_has_no_units_to_drop(self) -> None:
        for made in (network([[1.0]]), Organism(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)), Number())):
            with pytest.raises(NotApplicableError, match="units are dropped of an MLP"):
                imp.keep_units(made.worth(), 0.5, made)
