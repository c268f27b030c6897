"""Interventions: who is chosen, what is done to them, and that all else stays as it would be."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any, get_args

import pytest
import torch
from torch import Tensor

from srnn import Experiment, UserError, fixpoints, tasks, units
from srnn.analysis.usefulness import usefulness
from srnn.events import EVENTS
from srnn.events.choosing import Choosing, _ranks
from srnn.events.focus import Focus
from srnn.experiment import Optimizer
from srnn.tasks import Task
from srnn.training.loop import Training
from srnn.training.measuring import kept_and_left

SMALL: dict[str, Any] = {
    "body": {"depth": 3, "width": 8, "activation": "relu"},
    "particle": {"hidden": 3},
    "training": {"epochs": 2, "batch_size": 20},
    "log": {"every": 1, "rest": 0},
}
NUMBERS: dict[str, Any] = {"particle": {"kind": "number"}, "replication": {"method": "none"}}


def experiment(*parts: dict[str, Any], **events: dict[str, Any]) -> Experiment:
    values = {name: dict(section) for name, section in SMALL.items()} | {"events": events}
    for sections in parts:
        for name, section in sections.items():
            values[name] = {**values.get(name, {}), **section}
    return Experiment.from_dict(values)


@pytest.fixture(scope="module")
def few() -> Task:
    whole = tasks.load(Experiment(task={"name": "digits", "size": 4}).task)
    return replace(
        whole,
        train_x=whole.train_x[:100],
        train_y=whole.train_y[:100],
        test_x=whole.test_x[:50],
        test_y=whole.test_y[:50],
    )


def bits(training: Training, place: int = 0) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in training.state(place)[0].items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(tensor.contiguous().view(-1).view(torch.uint8), other[name].contiguous().view(-1).view(torch.uint8))
        for name, tensor in one.items()
    )


def trained(chosen: Experiment, task: Task, seeds: list[int]) -> Training:
    training = Training(chosen, task, seeds)
    list(training.run())
    return training


# -- by hand ----------------------------------------------------------------------------------------------------------

#: x = 2, of which 6 is to be made.
DOUBLE = Task("by hand", "regression", *[torch.tensor([[2.0]]), torch.tensor([[6.0]])] * 2, outputs=1)


def two_units(**event: Any) -> Training:
    """ReLU units a, in 1 and out 3, and i, in 5 and out 7: 6 + 70 = 76 of x = 2."""
    body = {"body": {"depth": 2, "width": 2}, "training": {"batch_size": 1, "lr": 1e-9}}
    training = Training(experiment(NUMBERS, body, event=event), DOUBLE, [0])
    training.weights.data = torch.tensor([[1.0, 5, 3, 7]])
    training.past.measure()
    return training


class TestTwoUnits:
    def answer(self, training: Training) -> float:
        return training.organism(torch.tensor([[2.0]])).item()

    def test_a_copy_that_shares_what_leaves_answers_as_the_copied_alone(self) -> None:
        training = two_units(do="copy", who="useless", count=1, outgoing="split")
        assert self.answer(training) == 76
        training.events[0].act(training, 0)
        assert training.weights.tolist() == [[1, 1, 1.5, 1.5]]
        assert self.answer(training) == 6

    def test_without_what_leaves_it_answers_as_if_it_were_not_there(self) -> None:
        training = two_units(do="redraw", who="useless", count=1, outgoing="zero")
        training.events[0].act(training, 0)
        assert training.weights[0, 1] != 5
        assert training.weights[0].tolist()[::2] == [1, 3]
        assert self.answer(training) == 6

    def test_scale_takes_the_norm_of_the_useful_one(self) -> None:
        training = two_units(do="scale", who="useless", count=1)
        training.events[0].act(training, 0)
        assert training.weights.tolist() == [[1, 1, 3, 7]]

    def test_who_is_touched_rests(self) -> None:
        training = two_units(do="redraw", who="useless", count=1, rest=2)
        event = training.events[0]
        assert isinstance(event, Choosing)
        chosen = []
        for training.epoch in (1, 2, 3):
            chosen.append([unit.cell for unit in event.units(training, 0)])
            event.act(training, 0)
        assert chosen == [[1], [0], [1]]


def test_of_two_parents_each_weight_is_of_one_or_the_other() -> None:
    """Of pick ``smaller`` and ``larger`` the modulus says whose; a mixture by halves is the mean."""
    rows = torch.tensor([[1.0, -4, 3], [-2.0, 3, 3], [9.0, 9, 9]])
    body = {"body": {"depth": 2, "width": 3}, "training": {"batch_size": 1}}
    x, y = torch.ones(1, 3), torch.tensor([[-100.0]])
    task = Task("three", "regression", x, y, x, y, outputs=1)
    made = {}
    for name, settings in {
        "mix": {"do": "mix"},
        "smaller": {"do": "cross", "pick": "smaller", "mutation": 0.0},
        "larger": {"do": "cross", "pick": "larger", "mutation": 0.0},
        "coin": {"do": "cross", "mutation": 0.0},
    }.items():
        named = {"who": "named", "names": ["L0_C2"], "donors": 1.0}
        training = Training(experiment(NUMBERS, body, event=settings | named), task, [0])
        training.weights.data = torch.cat([rows.flatten(), torch.ones(3)])[None]
        training.past.measure()
        training.events[0].act(training, 0)
        made[name] = training.weights[0, 6:9].tolist()
    assert made["mix"] == [-0.5, -0.5, 3]
    assert made["smaller"] == [1, 3, 3]
    assert made["larger"] == [-2, -4, 3]
    assert all(one in pair for one, pair in zip(made["coin"], rows[:2].T.tolist(), strict=True))


class TestFocus:
    """Right (1, 1, 0, 1): the others are left, and 2 is kept; then (1, 0, 1, 1): F = ⅓, G = 1."""

    losses = torch.tensor([0.1, 0.2, 3.0, 0.3])
    right = torch.tensor([1.0, 1, 0, 1])

    def weights(self, **settings: Any) -> list[float]:
        focus = Focus.model_validate(settings)
        return focus.weights(self.losses, self.right, torch.Generator().manual_seed(0)).tolist()

    def test_which_are_kept(self) -> None:
        assert self.weights(keep="wrong") == [0, 0, 1, 0]
        assert self.weights(keep="hard", share=0.5) == [0, 0, 1, 1]
        assert self.weights(keep="loss") == pytest.approx([0.1, 0.2, 3.0, 0.3])
        assert self.weights(keep="all") == [1, 1, 1, 1]
        assert sum(self.weights(keep="wrong", rehearse=0.34)) == 2

    def test_what_is_forgotten_and_gained(self) -> None:
        kept = torch.tensor(self.weights(keep="wrong")) > 0
        after = kept_and_left(self.losses, torch.tensor([1.0, 0, 1, 1]), kept, "accuracy")
        assert 1 - after["left_accuracy"] == pytest.approx(1 / 3)
        assert after["kept_accuracy"] == 1
        assert (after["kept_examples"], after["left_examples"]) == (1, 3)

    def test_an_epoch_is_drawn_from_those_kept(self, few: Task) -> None:
        chosen = experiment(NUMBERS, focus={"at": [1], "keep": "hard", "share": 0.3})
        training = trained(chosen, few, [3])
        order = training.batches.epoch(0)
        weights = training.batches.weights[0]
        assert order.shape == (5, 1, 20)
        assert weights is not None
        assert weights.sum() == 30
        assert (weights[order.flatten()] > 0).all()
        training.batches.weights[0] = torch.ones(100, dtype=torch.float64)
        assert len(training.batches.epoch(0).unique()) > 30

    def test_fewer_than_a_batch_are_too_few(self, few: Task) -> None:
        training = trained(experiment(NUMBERS, focus={"at": [1], "keep": "hard", "share": 0.1}), few, [3])
        assert training.batches.weights[0].tolist() == [1] * 100  # type: ignore[union-attr]


def test_the_order_of_an_epoch(few: Task) -> None:
    orders = {}
    for kind in ("shuffled", "fixed", "replacement"):
        training = Training(experiment({"training": {"order": kind}}), few, [3])
        orders[kind] = [training.batches.epoch(0).flatten() for _ in range(2)]
    shuffled, fixed, drawn = orders.values()
    assert not torch.equal(*shuffled)
    assert torch.equal(*fixed)
    assert torch.equal(shuffled[0], fixed[0])
    assert len(fixed[1].unique()) == 100
    assert len(drawn[0].unique()) < 80


# -- who --------------------------------------------------------------------------------------------------------------


def test_usefulness_in_training_is_that_of_the_laboratory(few: Task) -> None:
    for residual in ("none", "layer"):
        training = trained(experiment(NUMBERS, {"body": {"residual": residual}}), few, [3])
        found = torch.cat(units.usefulness(training.past.body, training.past.weights(0), few))
        asked = usefulness(training.organism, few, data="train")["Loss change"].to_numpy()
        assert found.numpy() == pytest.approx(asked, abs=1e-6)


def test_ranks_are_from_nought_to_one_and_equals_are_in_the_middle() -> None:
    assert _ranks(torch.tensor([[3.0, 1, 2, 2]])).tolist() == [[0.875, 0.125, 0.5, 0.5]]


def test_who_is_chosen(few: Task) -> None:
    """Of a layer whose units are told apart by hand: three measurements, weights, and what they put out."""
    training = Training(experiment(NUMBERS), few, [3])
    weights = training.weights.data[0, : 16 * 8].view(8, 16)
    weights[:] = 1 / (1 + torch.arange(8.0))[:, None]
    weights[5] = 0.0
    measured = [[0.0, 1, 2, 3, 4, 5, 6, 7], [1.0, 0, 2, 3, 4, 5, 6, 7], [0.0, 1, 2, 3, 4, 5, 6, -9]]
    training.past._usefulness = torch.tensor([[row + [0.0] * 8 for row in measured]], dtype=torch.float64)

    def chosen(who: str, count: int = 1, **more: Any) -> list[int]:
        event = EVENTS["redraw"].model_validate({"who": who, "count": count, "layers": ["L0"], **more})
        assert isinstance(event, Choosing)
        return [unit.cell for unit in event.units(training, 0)]

    assert chosen("useless", 2) == [0, 1]
    assert chosen("useful") == [6]
    assert chosen("harmful") == []
    assert chosen("persistent", 8) == []
    assert chosen("predicted", predictor=[0.0, 0.0, 1.0]) == [7]
    assert chosen("predicted", predictor=[0.0, 1.0, 0.0]) == [1]
    assert chosen("dormant", 8) == [5]
    assert chosen("dormant", 8, dormancy=0.5) == [5, 7, 6]
    assert chosen("dormant", 8, dormancy=0.0) == [5]
    assert chosen("active", 2) == [0, 1]
    assert chosen("contribution") == [5]
    assert chosen("smallest", 2) == [5, 7]
    assert chosen("largest", 2) == [0, 1]
    assert chosen("named", names=["L0_C4", "L1_C0"]) == [4]
    assert chosen("all") == chosen("unchanged") == [*range(8)]
    assert len({tuple(chosen("random", 3)) for _ in range(5)}) > 1
    training.past._usefulness[:, :, 0] = -10
    assert chosen("persistent", 8) == [0]
    assert chosen("harmful", 8)[0] == 0
    training.freeze(0, training.past.places[0][0])
    assert chosen("useless") == [1]
    training.past.change(0, training.past.places[0][3], 0)
    assert chosen("unchanged") == [1, 2, 4, 5, 6, 7]


def test_who_is_chosen_by_type(few: Task) -> None:
    training = Training(experiment({"replication": {"method": "newton"}}), few, [3])
    training.weights.data[:, training.past.places[0][2]] = 0
    for who, cells in (("zero", [2]), ("identity", [0])):
        event = EVENTS["redraw"].model_validate({"who": who, "count": 1, "layers": ["L0"]})
        assert isinstance(event, Choosing)
        assert [unit.cell for unit in event.units(training, 0)] == cells


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"do": "redraw", "who": "named", "names": ["L2_C0"]}, "events.event.names names 'L2_C0'"),
        ({"do": "redraw", "who": "named"}, "events.event.names goes with who"),
        ({"do": "redraw", "layers": ["L2"]}, "allowed: L0, L1"),
        ({"do": "redraw", "who": "predicted"}, "events.event.predictor has 0 numbers; needed: three"),
        ({"do": "redraw", "of": "particle"}, "known of units"),
        ({"do": "redraw", "of": "particle", "who": "random", "outgoing": "zero"}, "set it to 'keep'"),
        ({"do": "mix", "of": "particle", "who": "random"}, "set it to 'unit'"),
        ({"do": "redraw", "who": "zero"}, "plain numbers have no types"),
        ({"do": "focus", "at": [0.5]}, "round it"),
        ({"do": "leap"}, "allowed: redraw, noise"),
        ({"do": "mix", "outgoing": "split"}, "allowed: keep, zero"),
    ],
    ids=str,
)
def test_what_cannot_happen_is_refused_in_one_line(few: Task, event: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Training(experiment(NUMBERS, event=event), few, [0])


def test_what_needs_units_needs_a_body_that_has_them(few: Task) -> None:
    with pytest.raises(UserError, match="set of to 'particle'"):
        Training(experiment(NUMBERS, {"body": {"depth": 1}}, event={"do": "redraw"}), few, [0])
    with pytest.raises(UserError, match="would revive"):
        Training(experiment({"interactions": {"melt": 0.1}}, event={"do": "drop"}), few, [0])


# -- what becomes of them ---------------------------------------------------------------------------------------------

ACTIONS: dict[str, dict[str, Any]] = {
    "redraw": {"outgoing": "zero"},
    "redraw normal": {"do": "redraw", "law": "normal", "who": "random"},
    "noise": {"of": "particle", "who": "largest"},
    "scale": {"who": "smallest"},
    "copy": {"noise": 0.1, "outgoing": "split"},
    "mix": {"weights": "drawn", "outgoing": "zero"},
    "cross": {"mutation": 0.5},
    "cross particles": {"do": "cross", "by": "particle", "pick": "larger"},
    "drop": {},
}
METHODS: dict[str, dict[str, Any]] = {
    "newton": {"replication": {"method": "newton"}},
    "lifted": {"replication": {"method": "lifted", "every": "epoch"}},
    "placed": {"replication": {"method": "placed"}, "particle": {"hidden": 4}},
}


@pytest.mark.parametrize("method", METHODS)
def test_every_particle_stays_a_self_replicator(few: Task, method: str) -> None:
    for name, settings in ACTIONS.items():
        action = {"do": name.split()[0], "at": [1], "share": 0.3, **settings}
        training = Training(experiment(METHODS[method], event=action), few, [3])
        before = None
        for report in training.run():
            types = fixpoints.classify(training.weights.detach(), training.organism.replicator)
            assert (types == fixpoints.FixpointType.IDENTITY).all(), (name, report.epoch)
            if report.epoch == 1 and before is not None and name != "drop":
                assert training.past.tensors(0)["event.changed"].max() == 1
            before = report


def test_what_is_new_is_trained_first(few: Task) -> None:
    """All that no event has changed are frozen for two of five batches: what enters the changed unit moves alone."""
    new = {"do": "noise", "who": "named", "names": ["L0_C4"], "at": [1]}
    hold = {"do": "freeze", "who": "unchanged", "at": [1]}
    training = Training(experiment(NUMBERS, new=new, hold=hold, go={"do": "thaw", "at": [1.4]}), few, [3])
    training.step, courses = 1, []
    list(training.run(lambda: courses.append(training.weights.detach()[0].clone())))
    moved = [set((one != other).nonzero()[:, 0].tolist()) for one, other in pairwise(courses)]
    touched = {*training.past.places[0][4].tolist()}
    assert len(courses) == 10
    assert moved[3] - touched
    assert moved[4] | moved[5] <= touched
    assert moved[5]
    assert moved[6] - touched


FROZEN: dict[str, dict[str, Any]] = {
    **{
        optimizer: {"training": {"optimizer": optimizer}, "replication": {"momentum": "separate"}}
        for optimizer in get_args(Optimizer)
    },
    "shared momentum": {},
    "joint": {"replication": {"objective": "joint"}},
    "none": {"replication": {"method": "none"}},
    "decay": {"terms": {"particle_decay": {"strength": 0.1}, "l2": {}}},
    "interactions": {"interactions": {"attack": 0.1, "melt": 0.1}},
    "numbers": NUMBERS | {"training": {"optimizer": "adamw"}},
    **METHODS,
}


@pytest.mark.parametrize("name", FROZEN)
def test_what_is_frozen_stays_to_the_bit(few: Task, name: str) -> None:
    """After an epoch that has filled every buffer; and another event leaves it alone."""
    freeze = {"do": "freeze", "of": "unit", "who": "largest", "share": 0.3, "at": [1]}
    shake = {"do": "noise", "of": "particle", "who": "all", "at": [1]}
    training = Training(experiment(FROZEN[name], freeze=freeze, shake=shake), few, [3])
    reports = training.run()
    next(reports), next(reports)
    frozen = training.frozen
    assert frozen is not None
    assert frozen.sum() == 2 * 16 + 2 * 8
    before = training.weights.detach().clone()
    list(reports)
    assert torch.equal(training.weights.detach()[:, frozen], before[:, frozen])
    assert (training.weights.detach() != before).any(0)[~frozen].double().mean() > 0.5
    for buffer in training.method.buffers().values():
        assert (buffer[..., frozen] == 0).all()


def test_momentum_does_not_leak_into_what_is_frozen() -> None:
    """lr 0.1, momentum 0.9, buffer 1: behind a mask of gradients it would go on by 0.9 in all; here by 0."""
    training = two_units(do="freeze", of="unit", who="all", at=[1])
    training = Training(
        experiment(NUMBERS, {"body": {"depth": 2, "width": 2}, "training": {"batch_size": 1, "lr": 0.1}}), DOUBLE, [0]
    )
    training.method.buffer("momentum_buffer")[:] = 1
    training.freeze(0, torch.tensor([0, 1]))
    before = training.weights[0, :2].clone()
    list(training.run())
    assert torch.equal(training.weights[0, :2], before)
    training.thaw(0, torch.tensor([0]))
    assert training.frozen.tolist() == [False, True, False, False]  # type: ignore[union-attr]


def test_the_best_there_was_has_none_that_are_dropped_later(few: Task) -> None:
    held_back = replace(few, validation_x=few.test_x, validation_y=few.test_y)
    settings = {"task": {"validation": 50}, "training": {"epochs": 4, "lr": 3.0, "keep": "best"}}
    training = Training(experiment(NUMBERS, settings, event={"do": "drop", "of": "unit", "at": [2]}), held_back, [3])
    *_, last = training.run()
    # Before it was better, and another network.
    assert last.scores[0]["best_epoch"] == 2
    assert training.dropped is not None
    assert training.dropped.any()
    assert not training.organism.worth()[training.dropped].any()


def test_dropped_ones_do_not_thaw(few: Task) -> None:
    events = {
        "gone": {"do": "drop", "at": [1]},
        "still": {"do": "freeze", "at": [1]},
        "again": {"do": "thaw", "at": [2]},
    }
    for of in ("unit", "particle"):
        events["again"]["of"] = of
        training = trained(experiment(NUMBERS, {"training": {"epochs": 3}}, **events), few, [3])
        assert training.dropped is not None
        assert training.frozen is not None
        assert training.dropped.any()
        if of == "particle":
            assert torch.equal(training.frozen, training.dropped)


# -- when -------------------------------------------------------------------------------------------------------------

#: Events that remember, draw, freeze and choose examples, at epochs and inside them.
EVERYTHING: dict[str, dict[str, Any]] = {
    "copy": {"at": [0.5, 2], "every": 2, "who": "persistent", "noise": 0.1, "rest": 1},
    "cross": {"every": 1, "who": "useless", "count": 1},
    "freeze": {"at": [1.25], "share": 0.1},
    "thaw": {"at": [2], "of": "particle", "share": 0.05, "who": "random"},
    "focus": {"at": [1], "keep": "loss", "rehearse": 0.5},
}


@pytest.mark.parametrize("sections", [{}, NUMBERS, METHODS["lifted"]], ids=["sgd", "numbers", "lifted"])
def test_it_goes_on_to_the_bit_from_any_batch(
    few: Task, sections: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = experiment(sections, {"training": {"epochs": 3}}, **EVERYTHING)
    whole = trained(chosen, few, [3, 4])
    monkeypatch.setattr("srnn.training.loop._PATIENCE", 0.0)
    for stop in (2, 6, 7, 11):
        first = Training(chosen, few, [3, 4])

        def look(training: Training = first, stop: int = stop) -> None:
            if training.batch >= stop:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            list(first.run(look))
        second = Training(chosen, few, [3, 4])
        for place in (0, 1):
            tensors, plain = first.state(place)
            second.load_state(place, {name: tensor.clone() for name, tensor in tensors.items()}, plain)
        list(second.run())
        for place in (0, 1):
            assert same(bits(second, place), bits(whole, place)), stop


def test_side_by_side_each_seed_is_as_alone(few: Task) -> None:
    chosen = experiment(NUMBERS, {"training": {"epochs": 3}}, **EVERYTHING)
    together = trained(chosen, few, [3, 4])
    for place, seed in enumerate([3, 4]):
        assert same(bits(together, place), bits(trained(chosen, few, [seed])))


def test_a_twin_differs_by_one_unit_at_the_start_and_sees_the_same_examples(few: Task) -> None:
    plain = Training(experiment(NUMBERS), few, [3])
    twin = Training(experiment(NUMBERS, twin={"do": "redraw", "who": "named", "names": ["L1_C3"], "at": [0]}), few, [3])
    for training in (plain, twin):
        next(training.run())
    changed = (plain.weights != twin.weights).any(0).nonzero().flatten()
    assert torch.equal(changed, plain.past.places[1][3])
    assert torch.equal(plain.batches.epoch(0), twin.batches.epoch(0))


def test_before_the_first_event_nothing_is_different(few: Task) -> None:
    plain = Training(experiment(), few, [3])
    later = Training(experiment(event={"do": "redraw", "at": [2], "who": "random"}), few, [3])
    for training in (plain, later):
        reports = training.run()
        next(reports), next(reports)
    assert torch.equal(plain.weights, later.weights)


def test_a_part_of_an_epoch_is_a_number_of_batches(few: Task) -> None:
    chosen = experiment(NUMBERS, event={"do": "drop", "at": [0.8]})
    training, seen = Training(chosen, few, [3]), []
    list(training.run(lambda: seen.append(training.dropped is not None)))
    # Five batches an epoch, one by one where something happens; it is done before the fifth.
    assert seen[:5] == [False, False, False, False, True]
