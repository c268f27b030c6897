"""Rescue and relation: what an event did, beside the same run without it; and what usefulness goes with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import srnn
from srnn import MLP, Experiment, Organism, tasks
from srnn.analysis.relation import partial, relations
from srnn.analysis.rescue import (
    changed,
    course,
    forgotten,
    outcome,
    ranks,
    rounds,
    rounds_until_no_gain,
    times_forgotten,
)
from srnn.errors import NotApplicableError
from srnn.number import Number
from srnn.plots import rescue as plots
from srnn.tasks import Task

#: x = 2, of which 6 is to be made: by unit a, in 1 and out 3; unit i, in 5 and out 7, adds 70 to that.
DOUBLE = Task("by hand", "regression", *[torch.tensor([[2.0]]), torch.tensor([[6.0]])] * 2, outputs=1)


def two_units(*weights: float) -> Organism:
    organism = Organism(MLP(1, 2, 2, 1, activation="relu"), Number())
    organism.weights.data = torch.tensor([weights], dtype=torch.float32)
    return organism


def test_an_outcome_by_hand() -> None:
    """Before 76, a loss of 4900; i becomes a copy that shares what leaves a: 6, right; then each run goes its way."""
    before, after = two_units(1, 5, 3, 7), two_units(1, 1, 1.5, 1.5)
    plain = [(10, before), (11, two_units(1, 5, 3, 6)), (15, two_units(1, 5, 3, 5))]
    treated = [(10, after), (11, two_units(1, 1, 1.5, 2)), (15, two_units(1, -1, 1.5, 2))]
    assert changed(before, after).tolist() == [False, True]
    found = outcome(plain, treated, DOUBLE, 10).set_index("Metric")["Score"]
    assert found["Units"] == 1
    assert found["Dip"] == -4900
    assert found["Score dip"] == -70
    assert found["Recovery"] == 0
    assert found["Loss gain"] == 50**2 - 3**2
    assert found["Score gain"] == 50 - 3
    # Without a 70 are left, without i 6: it is i that harms.
    assert found["Rank after 0, left alone"] == 0.25
    assert found["Rank after 0"] == 0.5
    assert np.isnan(found["Rank after 20"])
    assert (found["Return"], found["Return, left alone"]) == (-1, 1)
    assert course(plain, DOUBLE)["Loss"].tolist() == [4900, 3600, 2500]
    with pytest.raises(NotApplicableError, match="epoch 12 was not logged"):
        outcome(plain, treated, DOUBLE, 12)


def test_an_example_is_forgotten_when_it_was_right_and_is_wrong() -> None:
    right = np.array([[1, 1, 0, 1], [1, 0, 1, 1], [0, 1, 1, 1], [1, 0, 1, 1]], bool)
    assert times_forgotten(right).tolist() == [1, 2, 0, 0]


def test_which_training_examples_are_forgotten() -> None:
    """Of two classes, by the sign of the input: a network that turns round forgets each twice in five epochs."""
    x, other = torch.tensor([[1.0], [-1.0]]), torch.zeros(1, 1)
    task = Task("sign", "classification", x, torch.tensor([0, 1]), other, torch.tensor([0]), outputs=2)
    organisms = []
    for sign in (1.0, -1, 1, -1, -1):
        organism = Organism(MLP(1, 2, 2, 2), Number())
        organism.weights.data = torch.tensor([[sign, -sign, 1.0, 0, 0, 1]])
        organisms.append(organism)
    assert forgotten(enumerate(organisms), task).tolist() == [2, 2]


def test_equals_share_a_rank() -> None:
    assert ranks(two_units(1, 1, 1.5, 1.5), DOUBLE).tolist() == [0.5, 0.5]


def metrics(rows: dict[int, dict[str, float]]) -> pd.DataFrame:
    every = [(epoch, metric, score) for epoch, own in rows.items() for metric, score in own.items()]
    return pd.DataFrame(every, columns=["Epoch", "Metric", "Score"])


def test_a_round_by_hand() -> None:
    """Left {0, 1, 3} and kept {2}; after (1, 0, 1, 1) are right: F = ⅓, G = 1, net 0. What comes at 4 is the next."""
    after = {"kept_examples": 1.0, "left_examples": 3, "kept_accuracy": 1, "left_accuracy": 2 / 3, "test_accuracy": 0.5}
    chosen_anew = {"kept_examples": 2.0, "left_examples": 2, "kept_accuracy": 0, "left_accuracy": 1}
    found = rounds(metrics({1: chosen_anew, 2: after, 3: after, 4: chosen_anew, 5: chosen_anew}), [1, 4])
    first = found.iloc[0]
    assert first["Forgotten"] == pytest.approx(1 / 3)
    assert first["Gained"] == 1
    assert first["Net"] == pytest.approx(0)
    assert (first["Epoch"], first["Kept"], first["Left"], first["Test"]) == (3, 1, 3, 0.5)
    assert found["Epoch"].tolist() == [3, 5]


def test_rounds_end_after_two_without_a_gain() -> None:
    assert rounds_until_no_gain([0.5, 0.6, 0.7, 0.65, 0.7, 0.9]) == 2
    assert rounds_until_no_gain([0.5, 0.4, 0.3]) == 0
    assert rounds_until_no_gain([0.5, 0.4, 0.6]) == 2


def test_runs_are_paired_to_the_bit_until_the_event(tmp_path: Path) -> None:
    """Logged runs of the same seed: only the unit that is redrawn differs right after it; drawn as pictures."""
    small = {"task": {"name": "digits", "size": 4}, "body": {"depth": 3, "width": 8, "activation": "relu"}}
    small |= {"particle": {"kind": "number"}, "replication": {"method": "none"}, "log": {"every": 1, "rest": 0}}
    values = small | {"name": "plain", "training": {"epochs": 3, "batch_size": 200}}
    plain = Experiment.from_dict(values)
    event = {"do": "redraw", "who": "random", "count": 1, "layers": ["L1"], "at": [1]}
    treated = Experiment.from_dict(values | {"name": "treated", "events": {"rescue": event}})
    organisms = []
    for chosen in (plain, treated):
        [run] = srnn.run(chosen, tmp_path, image_format=None)
        organisms.append([(epoch, run.organism(epoch)) for epoch in run.logged_epochs])
    task = tasks.load(plain.task)
    assert torch.equal(organisms[0][0][1].weights, organisms[1][0][1].weights)
    assert changed(organisms[0][1][1], organisms[1][1][1]).sum() == 1
    found = outcome(*organisms, task, 1).set_index("Metric")["Score"]
    assert found["Units"] == 1
    assert found["Return, left alone"] > 0.9 > found["Return"]
    curve = pd.DataFrame({"Action": "redraw", "Seed": 0, "Epoch": [0, 1], "Difference": [0.1, -0.01]})
    assert next(line.get_label() for line in plots.recovery(curve).axes[0].lines) == "redraw"


def test_what_input_activity_explains_is_no_relation() -> None:
    """Both go with a third: alone they correlate, given it they do not; and what is left beyond it is found."""
    generator = np.random.default_rng(0)
    third, noise = generator.normal(size=(2, 400))
    one, other = third + 0.5 * noise, third + 0.5 * generator.normal(size=400)
    assert partial(one, other, np.empty((0, 400))) > 0.6
    assert abs(partial(one, other, third[None])) < 0.15
    assert partial(third + noise, noise, third[None]) > 0.8
    assert np.isnan(partial(one, np.ones(400), third[None]))
    names = [f"L0_C{unit}" for unit in range(400)]
    lost = pd.DataFrame({"Layer": "L0", "Name": names, "Loss change": one})
    known = pd.DataFrame({"Layer": "L0", "Name": names, "Zero": other, "Nothing": 0.0, "Input activity": third})
    found = relations(lost, known, ["Input activity"]).set_index("Property")
    assert found.loc["Zero", "Alone"] > 0.6
    assert abs(found.loc["Zero", "Given"]) < 0.15
    assert found.loc["Nothing"].isna().all()


def test_rounds_are_drawn() -> None:
    found = pd.DataFrame({"Arm": ["focus"] * 2, "Seed": [0, 0], "Round": [1, 2], "Forgotten": [0.1, 0.2]})
    found = found.assign(Gained=0.5, Test=0.9, Frozen=[0.1, 0.2])
    assert [axes.get_title() for axes in plots.rounds(found).axes] == [*plots._CURVES.values()]
