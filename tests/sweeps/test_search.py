"""Points that optuna chooses: shared by processes, whenever one of them is killed, and the front of both goals."""

from __future__ import annotations

import json
import shutil
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from processes import Answer, forked, start
from test_sweeps import SOAK, log_trainings, tiny, wait_until

import srnn
from srnn import Experiment, Sweep, UserError
from srnn.analysis.sweeps import of_points
from srnn.sweeps.folder import begin
from srnn.sweeps.search import JOURNAL, Search, study_of

optuna = pytest.importorskip("optuna")

TRIALS = 30 if SOAK else 5
OVER: dict[str, Any] = {
    "training.lr": {"low": 0.001, "high": 0.01, "log": True},
    "replication.alpha": {"low": 1, "high": 100},
    "body.activation": ["relu", "sigmoid"],
}


def searched(**sweep: Any) -> Experiment:
    goals = {"maximize": ["test_accuracy"], "minimize": ["replication_loss"]}
    return tiny(**{"method": "optuna", "points": TRIALS, "over": OVER, "seeds": 1, **goals, **sweep})


def test_two_processes_one_killed_and_the_front_is_that_of_the_table(tmp_path: Path) -> None:
    """Of the two, one is killed inside its second training, and begun again."""
    file = tmp_path / "tiny.toml"
    searched().to_toml(file)
    arguments = ["sweep", str(file), "--out", str(tmp_path), "-q"]
    first = start(arguments, tmp_path, partial(log_trainings, tmp_path / "log", 2))
    wait_until((tmp_path / "log").exists)  # or the other might leave it no second one
    second = start(arguments, tmp_path, partial(log_trainings, tmp_path / "log"))
    assert first.end().code == -signal.SIGKILL
    third = start(arguments, tmp_path)
    assert [second.end(), third.end()] == [Answer(0, f"{tmp_path / 'tiny'}\n", "")] * 2

    sweep = Sweep.open(tmp_path / "tiny")
    study = study_of(sweep)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * TRIALS
    # Two trials may be of one point.
    assert sweep.states == {"ended": len(sweep.points)}
    table = pd.read_parquet(sweep.folder / "sweep.parquet")
    points = of_points(table, sweep.goals)
    best = {tuple(row) for row in points[points["Front"]][list(sweep.goals)].to_numpy()}
    assert best == {tuple(trial.values) for trial in study.best_trials}
    assert list(sweep.goals) == ["test_accuracy", "replication_loss"]
    for key in ("training.lr", "replication.alpha"):
        assert table[key].between(OVER[key]["low"], OVER[key]["high"]).all()


def test_a_half_line_of_a_killed_process_is_no_harm_and_more_points_are_asked_for(tmp_path: Path) -> None:
    sweep = srnn.sweep(searched(points=2), tmp_path, image_format=None)
    with (sweep.folder / JOURNAL).open("a") as file:
        file.write('{"op_code": 4, "wor')
    more = srnn.sweep(searched(points=3), tmp_path, image_format=None)
    assert len(study_of(more).trials) == 3
    assert more.points[:2] == sweep.points


def test_a_trial_without_an_answer_is_given_up_and_another_asked_for(tmp_path: Path) -> None:
    """As of a process that was killed while it asked."""
    sweep = srnn.sweep(searched(points=1), tmp_path, image_format=None)
    study_of(sweep).ask()
    ended = srnn.sweep(searched(points=3), tmp_path, image_format=None)
    assert [trial.state.name for trial in study_of(ended).trials] == ["COMPLETE", "FAIL", "COMPLETE"]


def test_one_that_diverges_has_failed_and_is_not_asked_for_again(tmp_path: Path) -> None:
    sweep = srnn.sweep(searched(points=1, over={"replication.alpha": [1e9]}), tmp_path, image_format=None)
    assert [trial.state.name for trial in study_of(sweep).trials] == ["FAIL"]
    assert sweep.table["replication_loss"].isna().all()


def test_the_same_point_twice_is_trained_once(tmp_path: Path) -> None:
    one = searched(points=3, over={"body.activation": ["relu"]})
    sweep = srnn.sweep(one, tmp_path, image_format=None)
    assert [trial.state.name for trial in study_of(sweep).trials] == ["COMPLETE"] * 3
    assert [point.name for point in sweep.points] == ["activation-relu"]


@pytest.mark.parametrize(
    ("sweep", "complaint"),
    [
        ({"maximize": [], "minimize": []}, "needs a goal"),
        ({"maximize": ["test_acuracy"]}, r"measured test_acuracy, which sweep.maximize names; did you mean test_acc"),
        ({"over": {"particle.hiden": [3]}}, "did you mean particle.hidden"),
        ({"over": {"particle.hidden": [2, 3, -1]}}, "at particle.hidden = -1: particle.hidden is -1; allowed"),
        ({"over": {"training.lr": {"low": 0.1, "high": 1e9}}}, r"training.lr is 1e\+09|training.lr is 1000000000"),
        (
            {"over": {"training.optimizer": ["sgd", "adam"], "training.lr": {"low": 0.1, "high": 0.2}}},
            "at training.optimizer = adam, training.lr = 0.1: replication.momentum is 'shared'",
        ),
    ],
)
def test_what_cannot_be_searched_is_told_in_one_line(tmp_path: Path, sweep: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        srnn.sweep(searched(points=1, **sweep), tmp_path, image_format=None)


def test_what_cannot_be_searched_is_told_before_there_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"particle.hidden is -1"):
        srnn.sweep(searched(over={"particle.hidden": [2, -1]}), tmp_path)
    assert not [*tmp_path.iterdir()]


def test_a_combination_that_is_no_experiment_is_passed_over(tmp_path: Path) -> None:
    over = {"training.optimizer": ["sgd", "adam"], "replication.momentum": ["shared", "separate"]}
    sweep = srnn.sweep(searched(points=12, over=over), tmp_path, image_format=None)
    assert {trial.state.name for trial in study_of(sweep).trials} == {"COMPLETE", "FAIL"}
    assert "optimizer-adam-momentum-separate" in {point.name for point in sweep.points}
    assert "optimizer-adam-momentum-shared" not in {point.name for point in sweep.points}


HIDDEN = {"particle.hidden": [2, 3, 4]}


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    return srnn.sweep(searched(points=6, over=HIDDEN), tmp_path_factory.mktemp("searched"), image_format=None)


@pytest.fixture
def copied(ended: Sweep, tmp_path: Path) -> Sweep:
    shutil.copytree(ended.folder, tmp_path / "tiny")
    return Sweep.open(tmp_path / "tiny")


@pytest.mark.parametrize("damage", ["no plan", "half a plan", "no journal", "a line of the journal", "all"])
def test_a_damaged_plan_or_journal_is_made_again_and_nothing_is_trained_twice(copied: Sweep, damage: str) -> None:
    plan, journal = copied.folder / "plan.json", copied.folder / JOURNAL
    trained = {path: path.stat().st_mtime_ns for path in copied.folder.glob("*/seed-0/metrics.csv")}
    if damage in ("no plan", "all"):
        plan.unlink()
    if damage == "half a plan":
        plan.write_bytes(plan.read_bytes()[:200])
    if damage in ("no journal", "all"):
        journal.unlink()
    if damage == "a line of the journal":
        first, second, *rest = journal.read_text().splitlines(keepends=True)
        journal.write_text("".join([first, second[: len(second) // 2] + "\n", *rest]))
    again = srnn.sweep(searched(points=6, over=HIDDEN), copied.folder.parent, image_format=None)
    assert {point.key for point in again.points} == {point.key for point in copied.points}
    assert {path: path.stat().st_mtime_ns for path in trained} == trained
    values = again.table.set_index("particle.hidden")[list(again.goals)].T.to_dict("list")
    for trial in study_of(again).trials:
        assert trial.values == values[json.loads(trial.params["particle.hidden"])]


def test_with_more_seeds_another_goal_and_more_values_the_study_is_of_these(copied: Sweep) -> None:
    more = searched(points=9, over={"particle.hidden": [2, 3, 4, 5]}, seeds=2, maximize=["train_accuracy"], minimize=[])
    sweep = srnn.sweep(more, copied.folder.parent, image_format=None)
    assert sweep.states == {"ended": 2 * len(sweep.points)}
    means = sweep.table.groupby("particle.hidden")["train_accuracy"].mean()
    trials = study_of(sweep).trials
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * len(trials)
    for trial in trials:
        assert trial.values == [pytest.approx(means[json.loads(trial.params["particle.hidden"])], rel=1e-12)]
    with pytest.raises(UserError, match=r"has hidden-[0-9], which this one lacks"):
        srnn.sweep(searched(points=9, over={"particle.hidden": [9]}, seeds=2), copied.folder.parent)


@pytest.mark.parametrize(
    "change",
    [
        {"over": {"particle.hidden": [2, 3, 4, 5]}},
        {"maximize": ["train_accuracy"], "minimize": []},
        {"minimize": ["replication_loss"], "maximize": []},
        {"seeds": 2},
    ],
    ids=str,
)
def test_whoever_was_begun_before_it_was_changed_asks_for_what_it_is_now(copied: Sweep, change: dict[str, Any]) -> None:
    earlier = Search(Sweep.open(copied.folder))
    earlier.ask(0)
    begin(searched(**{"points": 9, "over": HIDDEN, **change}), copied.folder.parent)
    earlier.ask(1)
    now = srnn.sweep(Experiment.from_toml(copied.folder / "config.toml"), copied.folder.parent, image_format=None)
    assert now.experiment.sweep.points == 9
    trials = study_of(now).trials
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 9
    means = now.table.groupby("particle.hidden")[list(now.goals)].mean()
    for trial in trials:
        assert trial.values == pytest.approx(means.loc[json.loads(trial.params["particle.hidden"])].tolist(), rel=1e-12)


def test_points_of_one_name_have_folders_of_their_own(tmp_path: Path) -> None:
    over = {"task.target": ["a", "a-path-b"], "task.path": ["b-path-x", "x"]}
    values = searched(points=30, over=over).model_dump(exclude_unset=True)
    values |= {"task": {"name": "arrays", "path": "x"}}
    points = Search(begin(Experiment.from_dict(values), tmp_path)).ask(30)
    assert len({point.name for point in points}) == len(points) == 4


def test_the_plan_grows_before_work(tmp_path: Path) -> None:
    sweep = srnn.sweep(searched(points=1), tmp_path, image_format=None)
    plan = json.loads((sweep.folder / "plan.json").read_text())
    assert [point["name"] for point in plan["points"]] == [sweep.points[0].name]
    answer = forked(["sweep", str(sweep.folder), "--dry-run"], tmp_path)
    assert answer == Answer(0, "1 points × 1 seeds, each chosen by how those before it have ended\n", "")
