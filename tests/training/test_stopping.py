"""Early stopping ends with the best there was, and what was stopped is trained again on all data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import srnn
from srnn import Experiment, Run, UserError, tasks
from srnn.errors import StoppedError
from srnn.laboratory.retrain import retraining
from srnn.runs.verify import verify
from srnn.training.loop import Training

SMALL: dict[str, Any] = {
    "name": "early",
    "task": {"validation": 300},
    "body": {"depth": 3, "width": 4, "activation": "tanh"},
    "particle": {"kind": "number"},
    "replication": {"method": "none"},
    "training": {"epochs": 12, "batch_size": 280, "lr": 1.2, "keep": "best", "patience": 2},
    "log": {"every": 2, "rest": 0},
    "checkpoint": {"every": 2},
}
PARTICLES: dict[str, Any] = {"particle": {"hidden": 2}, "replication": {"method": "lifted", "every": 3}}
SEEDS = [3, 4]


def of(changes: dict[str, Any], **training: Any) -> Experiment:
    values = {**SMALL, **changes}
    return Experiment.from_dict({**values, "training": {**values["training"], **training}})


def ended(chosen: Experiment, cut: bool = False) -> tuple[list[dict[str, Tensor]], list[dict[str, float]]]:
    """The last state and report of each seed, of training that is or is not ended after every batch."""
    task = tasks.load(chosen.task)
    training, last = Training(chosen, task, SEEDS), [dict[str, float](), dict[str, float]()]
    states: list[dict[str, Tensor]] = [{}, {}]

    def end() -> None:
        raise KeyboardInterrupt

    while training.running:
        try:
            for report in training.run(end if cut else lambda: None):
                for place, own in report.scores.items():
                    last[place] = {"epoch": report.epoch, **own}
                    # From then on it only keeps the other company.
                    states[place] = {name: one.detach().clone() for name, one in training.state(place)[0].items()}
            break
        except KeyboardInterrupt:
            kept = [training.state(place) for place in (0, 1)]
            training = Training(chosen, task, SEEDS)
            for place, (tensors, plain) in enumerate(kept):
                training.load_state(place, tensors, plain)
    return states, last


@pytest.mark.parametrize("changes", [{}, PARTICLES], ids=str)
def test_it_ends_with_the_best_there_was(changes: dict[str, Any]) -> None:
    chosen = of(changes)
    # One that looks as often and never ends.
    every = Training(of(changes, keep="last", patience=0, until_loss=1e-30), tasks.load(chosen.task), SEEDS)
    losses: list[dict[int, float]] = [{}, {}]
    weights: list[dict[int, Tensor]] = [{}, {}]
    for report in every.run():
        for place in (0, 1):
            losses[place][report.epoch] = report.scores[place]["validation_loss"]
            weights[place][report.epoch] = every.organism.worth()[every.columns(place)].clone()
    states, last = ended(chosen)
    epochs = [int(one["epoch"]) for one in last]
    assert min(epochs) < 12
    for place, (tensors, own) in enumerate(zip(states, last, strict=True)):
        best = min(range(1, epochs[place] + 1), key=losses[place].__getitem__)
        assert own["best_epoch"] == best
        assert epochs[place] == min(best + 2, 12)
        assert own["validation_loss"] == losses[place][best]
        assert best < epochs[place]
        worth = chosen.particle.build().worth(tensors["weights"])
        torch.testing.assert_close(tensors.get("effective", worth), weights[place][best], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("changes", [{}, PARTICLES], ids=str)
def test_cut_off_anywhere_it_ends_as_the_same(changes: dict[str, Any]) -> None:
    whole, resumed = ended(of(changes)), ended(of(changes), cut=True)
    assert whole[1] == resumed[1]
    for one, other in zip(whole[0], resumed[0], strict=True):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_runs_end_early_are_whole_and_trained_again(tmp_path: Path) -> None:
    options: dict[str, Any] = {"image_format": None, "progress": False, "say": lambda line: None}
    runs = srnn.run(of({}), tmp_path / "whole", seeds=SEEDS, **options)
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked == 5

    with pytest.raises(StoppedError):
        srnn.run(of({}), tmp_path / "cut", seeds=SEEDS, stop=stop, **options)
    resumed = srnn.run(of({}), tmp_path / "cut", seeds=SEEDS, resume=True, **options)
    for one, other in zip(runs, resumed, strict=True):
        assert (one.folder / "metrics.csv").read_bytes() == (other.folder / "metrics.csv").read_bytes()
        assert torch.equal(one.organism().weights, other.organism().weights)
        assert verify(one, tasks.load(one.experiment.task))["Holds"].all()

    run = runs[0]
    best = int(run.metrics.query("Metric == 'best_epoch'")["Score"].iloc[-1])
    assert best < run.status.epoch < 12
    [anew] = srnn.run(retraining(run), tmp_path, **options)
    values = {**SMALL, "name": "plain", "seed": 3, "task": {}}
    values["training"] = {"epochs": best, "batch_size": 280, "lr": 1.2}
    [plain] = srnn.run(Experiment.from_dict(values), tmp_path, **options)
    assert torch.equal(anew.organism().weights, plain.organism().weights)
    assert len(tasks.load(anew.experiment.task).train_x) == len(tasks.load(run.experiment.task).train_x) + 300

    [onwards] = srnn.run(retraining(run, "onwards"), tmp_path, **options)
    losses = onwards.metrics.query("Metric == 'validation_loss' and Epoch > @run.status.epoch").set_index("Epoch")[
        "Score"
    ]
    goal = onwards.experiment.training.until_loss
    assert onwards.status.epoch == losses.index[-1]
    assert (losses.iloc[:-1] > goal).all()
    assert losses.iloc[-1] <= goal or onwards.status.epoch == onwards.experiment.training.epochs
    assert torch.equal(Run(onwards.folder).organism(run.status.epoch).weights, run.organism().weights)
    for wrong in (anew, Run(tmp_path / "plain" / "seed-3")):
        with pytest.raises(UserError, match="keeps its last"):
            retraining(wrong)
    with pytest.raises(UserError, match="cannot be made longer"):
        srnn.extend(run.folder, 5, **options)


def test_what_cannot_be_is_refused() -> None:
    for training, said in (
        ({"keep": "best"}, "there are no validation data to see by: set task.validation"),
        ({"until_loss": 0.5}, "there are no validation data to see by: set task.validation"),
        ({"patience": 3}, "training.patience is 3, and the last is kept"),
    ):
        with pytest.raises(UserError, match=said):
            Experiment.from_dict({"training": training})
