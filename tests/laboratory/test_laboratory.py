"""The questions of the laboratory, asked of two short runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import networkx as nx
import pandas as pd
import pytest
import torch

import srnn
from srnn import tasks
from srnn.analysis.dropout import dropout
from srnn.analysis.statistics import SHARE, mean_interval
from srnn.errors import UserError
from srnn.laboratory.ask import analyze, choose
from srnn.laboratory.compare import compare
from srnn.laboratory.questions import QUESTIONS
from srnn.runs.run import Run

#: Result files of each question, as a user finds them.
PARTS = ("states", "humps", "layers", "particles", "properties", "types", "classes", "degrees", "narrower")
RESULTS = {
    "connectivity": {"connectivity"},
    "basin": {"basin"},
    "thinning": {"thinning"},
    "dropout": {"dropout"},
    "pruning": {"pruning"},
    "usefulness": {"usefulness", *(f"usefulness_{part}" for part in PARTS)},
    "mobility": {"mobility", "mobility_transitions", "mobility_measures"},
    "prediction": {"prediction_film", "prediction_features"},
    "rhythm": {"rhythm", *(f"rhythm_{part}" for part in ("measures", "spectra", "groups"))},
    "groups": {"groups", "groups_measures", "groups_agreement"},
    "transfer": {"transfer", "effective_weights", "effective_weights_histogram"},
    "trajectories": {"trajectories_particle", "trajectories_layer"},
    "robustness": {"robustness"},
    "repair": {"repair", "placements"},
    "stability": {"self_application", "multipliers", "noisy_return", "census_by_tolerance"},
    "heatmap": {"heatmap"},
    "baselines": {"baselines", "baselines_final", "baselines_sizes"},
    "masks": {"masks"},
    "landscape": {"landscape", "landscape_apart", "landscape_plane"},
}


def short(**changes: str) -> srnn.Experiment:
    settings = {"body.width": "3", "body.depth": "3", "training.epochs": "4", "log.every": "2"} | changes
    return srnn.load_preset("digits").override(f"{key}={value}" for key, value in settings.items())


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    return srnn.run(short(), tmp_path_factory.mktemp("trained"), seeds=[3, 4], image_format=None)


@pytest.fixture
def runs(trained: list[Run], tmp_path: Path) -> list[Run]:
    """A copy of the runs that a test may write to."""
    parent = shutil.copytree(trained[0].folder.parent, tmp_path / "digits")
    return [Run.open(parent / run.folder.name) for run in trained]


@pytest.mark.parametrize("name", RESULTS)
def test_every_question_leaves_its_results_and_figures(name: str, runs: list[Run]) -> None:
    answers = analyze(runs, [name])
    assert answers.left_out == []
    figures = answers.figures
    assert {path.stem for path in figures} == set(QUESTIONS[name].figures)
    assert all(path.parent == runs[0].folder.parent / "figures" and path.stat().st_size > 1000 for path in figures)
    for run in runs:
        assert {path.stem for path in (run.folder / "results").iterdir()} == RESULTS[name]


def test_all_are_asked_but_those_that_train() -> None:
    assert set(QUESTIONS) == set(RESULTS)
    assert set(choose(None)) == set(RESULTS) - {"baselines", "landscape", "masks", "prediction", "rhythm"}


def test_a_question_that_there_is_not_is_told_in_python_too(runs: list[Run]) -> None:
    with pytest.raises(UserError, match="did you mean dropout"):
        analyze(runs[:1], ["dropot"])


def test_three_seeds_are_looked_between_and_else_what_a_run_was(tmp_path: Path) -> None:
    runs = srnn.run(short(**{"training.epochs": "2"}), tmp_path, seeds=3, image_format=None)
    analyze(runs[1:2], ["landscape"], image_format=None)
    between = pd.read_csv(runs[1].folder / "results/landscape_apart.csv")
    assert between[["From", "To"]].to_numpy().tolist() == [["seed 1", "seed 0"], ["seed 0", "seed 2"]]
    assert (between["Distance"] > 0.5).all()
    shutil.rmtree(runs[0].folder)
    found = analyze(runs[1:2], ["landscape"], image_format=None)
    assert found.left_out == ["landscape: there are no three networks to look between: minima, seeds, or logged epochs"]


def test_experiments_are_compared(tmp_path: Path) -> None:
    groups = {
        name: srnn.run(short(**changes), tmp_path / name, seeds=[0, 1], image_format=None)
        for name, changes in (("small", {}), ("smaller", {"body.width": "2"}))
    }
    figures = compare(groups, tmp_path / "comparison")
    assert {path.stem for path in figures} == {"curves", "final", "order_of_learning"}
    final = pd.read_csv(tmp_path / "comparison/results/final.csv").set_index(["Metric", "Group"])
    ended = [run.metrics.query("Metric == 'test_accuracy'")["Score"].iloc[-1] for run in groups["smaller"]]
    assert final.at[("test_accuracy", "smaller"), "Mean"] == pytest.approx(sum(ended) / 2)


def test_the_graph_is_exported(runs: list[Run]) -> None:
    analyze(runs[:1], ["connectivity"])
    graph = nx.read_graphml(runs[0].folder / "results/connectivity.graphml")
    assert graph.number_of_edges() == runs[0].organism().size


def test_each_run_gets_its_own_answer(runs: list[Run]) -> None:
    analyze(runs, ["dropout"])
    task = tasks.load(runs[0].experiment.task)
    for run in runs:
        written = pd.read_csv(run.folder / "results" / "dropout.csv")
        expected = dropout(run.organism(), task, generator=torch.Generator().manual_seed(run.experiment.seed))
        pd.testing.assert_frame_equal(written, expected, check_exact=False, rtol=1e-6)
    first, second = (pd.read_csv(run.folder / "results" / "dropout.csv") for run in runs)
    assert not first.equals(second)


def test_figures_of_a_single_run_are_in_its_folder(runs: list[Run]) -> None:
    [figure] = analyze(runs[:1], ["heatmap"], image_format="svg").figures
    assert figure == runs[0].folder / "figures" / "heatmap.svg"
    assert "seed 3" in figure.read_text()


def test_a_title_can_be_another_or_none(runs: list[Run]) -> None:
    for title, words in (("My title", True), ("", False)):
        [figure] = analyze(runs[:1], ["heatmap"], image_format="svg", title=title).figures
        assert ("My title" in figure.read_text()) == words
        assert "seed 3" not in figure.read_text()


def test_the_answers_of_several_seeds_are_written_beside_them_with_their_means(runs: list[Run]) -> None:
    answers = analyze(runs, ["dropout", "connectivity"])
    folder = runs[0].folder.parent / "results"
    every = pd.read_csv(folder / "dropout.csv")
    own = pd.read_csv(runs[1].folder / "results/dropout.csv")
    pd.testing.assert_frame_equal(every[every["Seed"] == 4].drop(columns="Seed").reset_index(drop=True), own)
    means = pd.read_csv(folder / "dropout_summary.csv").set_index(["Scope", "Type", "Quantity"])
    after = every[(every["Scope"] == "total") & (every["Type"] == "other")]["After"]
    found = means.loc[("total", "other", "After")]
    assert found["Mean"] == pytest.approx(after.mean())
    assert found[["Low", "High"]].tolist() == pytest.approx(mean_interval(after, SHARE)[1:])
    assert found["Seeds"] == 2
    returned = answers.summaries["dropout"]["dropout"]
    pd.testing.assert_frame_equal(means.reset_index()[list(returned)], returned)
    # Of one run alone it is drawn: the edges of all seeds would say no more than those of each.
    written = {"dropout.csv", "dropout_summary.csv", "connectivity_summary.csv"}
    assert {path.name for path in folder.iterdir()} == written


def test_a_single_run_has_its_answers_in_its_own_folder_alone(runs: list[Run]) -> None:
    answers = analyze(runs[:1], ["dropout"])
    assert not (runs[0].folder.parent / "results").exists()
    assert answers.summaries["dropout"]["dropout"]["Low"].isna().all()


def test_what_does_not_apply_is_left_out_and_the_rest_is_answered(tmp_path: Path) -> None:
    """A regression has no image; a newborn organism has no self-replicators."""
    short_addition = srnn.load_preset("addition").override(["training.epochs=1", "replication.method=none"])
    asked = ["heatmap", "robustness", "stability", "dropout"]
    answers = analyze(srnn.run(short_addition, tmp_path, image_format=None), asked)
    assert [path.stem for path in answers.figures] == ["dropout"]
    assert [reason.partition(":")[0] for reason in answers.left_out] == ["heatmap", "robustness", "stability"]


def test_a_sampled_trajectory_leaves_out_thinning_alone(tmp_path: Path) -> None:
    runs = srnn.run(short(**{"log.particles": "20"}), tmp_path, image_format=None)
    answers = analyze(runs, ["thinning", "trajectories", "dropout"])
    assert {path.stem for path in answers.figures} >= {"dropout", "trajectories_layer"}
    assert [reason.partition(":")[0] for reason in answers.left_out] == ["thinning"]


def test_divergent_organisms_are_told_of_without_an_end(tmp_path: Path) -> None:
    runs = srnn.run(short(**{"training.lr": "5.0", "replication.divergent": "keep"}), tmp_path, image_format=None)
    assert runs[0].status.status == "diverged"
    answers = analyze(runs, ["transfer", "connectivity"])
    assert [path.stem for path in answers.figures] == ["connectivity"]
    assert [reason.partition(":")[0] for reason in answers.left_out] == ["transfer"]


def test_a_seed_twice_is_refused(runs: list[Run], tmp_path: Path) -> None:
    again = Run.open(shutil.copytree(runs[0].folder, tmp_path / "again"))
    with pytest.raises(UserError, match="seed 3 is named twice"):
        analyze([runs[0], again], ["dropout"])


@pytest.mark.parametrize("only", ["dropouts", "", "dropout,", "dropout;heatmap"])
def test_an_unknown_question_is_named(only: str) -> None:
    with pytest.raises(UserError, match="allowed: connectivity, basin"):
        choose(only)


def test_questions_are_chosen_in_the_order_named() -> None:
    assert choose("heatmap, dropout") == ["heatmap", "dropout"]
