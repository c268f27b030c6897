"""Weights that are dropped in the course of training: how many when, that none comes back, and that it goes on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from srnn import Experiment, UserError, importance, tasks
from srnn.events.prune import Prune
from srnn.tasks import Task
from srnn.training.loop import Training

SMALL: dict[str, Any] = {
    "body": {"depth": 3, "width": 4, "activation": "relu"},
    "training": {"epochs": 4, "batch_size": 20},
    "log": {"every": 1, "rest": 0},
}
NUMBERS: dict[str, Any] = {"particle": {"kind": "number"}, "replication": {"method": "none"}}
KINDS: dict[str, dict[str, Any]] = {
    "numbers": NUMBERS | {"events": {"prune": {"by": "lamp"}}},
    "sgd": {"particle": {"hidden": 2}, "events": {"prune": {"by": "type", "scope": "layer"}}},
    "lifted": {
        "particle": {"hidden": 2},
        "replication": {"method": "lifted", "every": "epoch"},
        "events": {"prune": {"by": "magnitude"}},
    },
}


def experiment(sections: dict[str, Any], **event: Any) -> Experiment:
    values = {**SMALL, **sections}
    prune = {"density": 0.1, "until": 3, **values.get("events", {}).get("prune", {}), **event}
    return Experiment.from_dict({**values, "events": {**values.get("events", {}), "prune": prune}})


@pytest.fixture(scope="module")
def few() -> Task:
    whole = tasks.load(Experiment(task={"name": "digits", "size": 4}).task)
    parts = {name: getattr(whole, name)[:60] for name in ("train_x", "train_y", "test_x", "test_y")}
    return replace(whole, **parts)


def bits(training: Training, place: int) -> dict[str, bytes]:
    return {name: one.detach().contiguous().numpy().tobytes() for name, one in training.state(place)[0].items()}


def test_the_curve_by_hand() -> None:
    event = Prune(density=0.1, since=2, every=2, until=10)
    assert [time for time in range(13) if event.due(time)] == [4, 6, 8, 10]
    # Zhu & Gupta: of .9 that are dropped in the end .7875 are half way.
    kept = [event.kept(time) for time in (2, 4, 6, 8, 10)]
    assert kept == pytest.approx([1, 1 - 0.9 * (1 - 0.75**3), 1 - 0.7875, 1 - 0.9 * (1 - 0.25**3), 0.1])


@pytest.mark.parametrize("kind", KINDS)
def test_as_many_as_the_curve_says_are_kept_and_none_comes_back(few: Task, kind: str) -> None:
    training = Training(experiment(KINDS[kind]), few, [3, 4])
    event = training.events[0]
    assert isinstance(event, Prune)
    before, counts = torch.zeros_like(training.weights[0], dtype=torch.bool), []
    for report in training.run():
        if report.epoch == 0:
            assert training.dropped is None
            continue
        dropped = training.dropped
        assert dropped is not None
        assert not (before & ~dropped).any()
        assert (training.organism.worth()[dropped] == 0).all()
        assert (training.organism.particle.worth(training.weights.detach())[dropped] == 0).all()
        for buffer in training.method.buffers().values():
            assert (buffer[..., dropped] == 0).all()
        for place in (0, 1):
            own, share = ~dropped[training.columns(place)], event.kept(min(report.epoch, 3))
            parts = [*training.organism.layers.values()] if kind == "sgd" else [slice(None)]
            for part in parts:
                assert int(own[part].sum()) == round(share * len(own[part]))
        before = dropped.clone()
        counts.append(int(dropped.sum()))
    assert counts[0] < counts[1] < counts[2] == counts[3]


def test_the_least_by_the_score_are_dropped(few: Task) -> None:
    training = Training(experiment(NUMBERS, by="snip"), few, [3, 4])
    training.epoch, places = 1, []
    for place in (0, 1):
        organism = training.organism.single(place)
        worth = organism.worth()
        score = importance.snip(worth, importance.gradient(organism, few))
        places.append(~importance.keep(score, training.events[0].kept(1), organism.layers, worth=worth))  # type: ignore[attr-defined]
        training.events[0].act(training, place)
    assert training.dropped is not None
    assert torch.equal(training.dropped, torch.cat(places))


def test_of_what_began_with_fewer_as_many_stay_as_are_left(few: Task) -> None:
    training = Training(experiment(NUMBERS, by="random"), few, [3])
    gone = torch.arange(training.organism.size)[5:]
    training.drop(0, gone)
    list(training.run())
    assert training.dropped is not None
    assert torch.equal((~training.dropped).nonzero().flatten(), torch.arange(5))


@pytest.mark.parametrize("kind", KINDS)
def test_it_goes_on_to_the_bit_and_side_by_side_as_alone(few: Task, kind: str) -> None:
    chosen = experiment(KINDS[kind], **({"by": "random"} if kind == "numbers" else {}))
    whole = Training(chosen, few, [3, 4])
    list(whole.run())
    first, second = Training(chosen, few, [3, 4]), Training(chosen, few, [3, 4])
    for report in first.run():
        if report.epoch == 2:
            break
    for place in (0, 1):
        tensors, plain = first.state(place)
        second.load_state(place, {name: tensor.clone() for name, tensor in tensors.items()}, plain)
    list(second.run())
    alone = Training(chosen, few, [4])
    list(alone.run())
    for place in (0, 1):
        assert bits(second, place) == bits(whole, place)
    assert bits(alone, 0) == bits(whole, 1)


@pytest.mark.parametrize(
    ("sections", "event", "message"),
    [
        ({}, {"until": None}, r"events\.prune\.until is None; needed: .* from 1 \(.*\) to 4 \(training\.epochs\)"),
        ({}, {"until": 5}, r"events\.prune\.until is 5; needed: "),
        ({}, {"since": 3}, r"from 4 \(events\.prune\.since is 3\)"),
        ({}, {"every": 2}, r"events\.prune\.every is 2, of which no multiple leads from since \(0\) to until \(3\)"),
        ({}, {"at": [1]}, r"events\.prune\.at is \[1\.?0?\]; a course of pruning goes by since, every and until"),
        ({}, {"by": "type"}, r"events\.prune\.by is 'type'; a plain number replicates nothing"),
        ({}, {"by": "movement"}, r"events\.prune\.by is 'movement'; allowed: magnitude, lamp, snip"),
        ({"events": {"still": {"do": "freeze"}}}, {}, "where particles are frozen, which would be dropped"),
        (
            {"training": {"keep": "best"}, "task": {"validation": 9}},
            {},
            r"with training\.keep a seed may end as it was",
        ),
        ({"particle": {}, "replication": {}, "interactions": {"melt": 0.1}}, {}, "would revive them: set interactions"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_in_one_line(
    few: Task, sections: dict[str, Any], event: dict[str, Any], message: str
) -> None:
    sections = {**NUMBERS, **sections, "training": {**SMALL["training"], **sections.get("training", {})}}
    with pytest.raises(UserError, match=message) as error:
        Training(experiment(sections, **event), few, [3])
    assert "\n" not in str(error.value)
