"""A run goes on, and is looked at, only with the data that it was begun with, wherever they lie."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from processes import forked
from task_files import write_files

import srnn
from srnn import Experiment, Run, UserError, tasks
from srnn.errors import StoppedError
from srnn.runs import by_experiment, same_experiment
from srnn.runs.verify import verify

X = np.random.default_rng(0).normal(size=(60, 4))
Y = (X[:, 0] > 0).astype(int)
SMALL = {
    "name": "small",
    "body": {"width": 3, "depth": 2},
    "particle": {"hidden": 2},
    "replication": {"alpha": 1.0},
    "training": {"epochs": 6, "batch_size": 10},
}


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("mine.npz", X=X, y=Y)


def experiment(**task: Any) -> Experiment:
    return Experiment.from_dict({**SMALL, "task": task or {"path": "mine.npz"}})


def interrupted(of: Experiment, out: str = "out", **options: Any) -> Path:
    """A run that was stopped in the middle; its folder."""
    batches = iter(range(10**6))
    with pytest.raises(StoppedError):
        srnn.run(of, out, image_format=None, stop=lambda: next(batches) == 3, say=lambda told: None, **options)
    return Path(out) / of.name / "seed-0"


def go_on(of: Experiment, out: str = "out", **options: Any) -> tuple[Run, list[str]]:
    told: list[str] = []
    [run] = srnn.run(of, out, image_format=None, resume=True, say=told.append, **options)
    return run, told


def refused(of: Experiment, **options: Any) -> str:
    with pytest.raises(UserError) as caught:
        go_on(of, **options)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def content(run: Run) -> list[bytes]:
    parts = ("metrics.csv", "trajectory/*", "checkpoints/*")
    return [path.read_bytes() for part in parts for path in sorted(run.folder.glob(part))]


def test_what_a_run_records(tmp_path: Path) -> None:
    [run] = srnn.run(experiment(), image_format=None, say=lambda told: None)
    task = run.experiment.task
    assert (task.name, task.scale) == ("arrays", "standard")
    assert task.fingerprint == tasks.load(experiment().task).fingerprint
    assert same_experiment(run.experiment, experiment())
    assert by_experiment([run]) == [[run]]


@pytest.mark.parametrize(
    ("X", "y", "what"),
    [
        (X[::-1], Y, "X has other values"),
        (X, 1 - Y, "y has other values"),
        (X.astype(np.float32), Y, "X is float32 (60, 4), not float64 (60, 4)"),
        (X[:50], Y[:50], "X is float64 (50, 4), not float64 (60, 4), y is int64 (50,), not int64 (60,)"),
        (X[:, :2], Y, "X is float64 (60, 2), not float64 (60, 4)"),
        (X, Y.astype(float), "y is float64 (60,), not int64 (60,)"),
    ],
)
def test_other_data_in_its_place_are_refused_and_nothing_is_touched(X: np.ndarray, y: np.ndarray, what: str) -> None:
    folder = interrupted(experiment())
    before = content(Run(folder))
    np.savez("mine.npz", X=X, y=y)
    told = f"mine.npz: other data ({what}) than {folder} was begun with, and a run goes on only as it was begun: bring"
    assert told in refused(experiment())
    assert "other data" in refused(Run(folder).experiment)
    assert content(Run(folder)) == before
    np.savez("mine.npz", X=globals()["X"], y=Y)
    go_on(experiment())


def test_equal_data_elsewhere_go_on_and_are_found_again() -> None:
    [whole] = srnn.run(experiment(), "whole", image_format=None, say=lambda told: None)
    folder = interrupted(experiment())
    Path("moved").mkdir()
    Path("mine.npz").rename("moved/ours.npz")
    run, _ = go_on(experiment(path="moved/ours.npz"))
    assert content(run) == content(whole)
    assert Run(folder).experiment.task.path == str(Path("moved/ours.npz").absolute())
    assert verify(run, tasks.load(Run(folder).experiment.task))["Holds"].all()


def test_mnist_of_another_folder(tmp_path: Path) -> None:
    ours, equal, other = (write_files(tmp_path / name) for name in ("ours", "equal", "other"))
    pictures = experiment(name="mnist", size=4)
    (other / "t10k-labels-idx1-ubyte.gz").write_bytes((ours / "train-labels-idx1-ubyte.gz").read_bytes())
    shutil.copy(ours / "train-images-idx3-ubyte.gz", other / "t10k-images-idx3-ubyte.gz")
    folder = interrupted(pictures, data_dir=ours)
    message = refused(pictures, data_dir=other)
    assert f"{other}: other data (t10k-images-idx3-ubyte is uint8 (12, 28, 28), not uint8 (5, 28, 28), t10k" in message
    go_on(pictures, data_dir=equal)
    assert Run(folder).status.ended


def test_a_run_that_has_ended_needs_no_data() -> None:
    srnn.run(experiment(), "out", image_format=None, say=lambda told: None)
    Path("mine.npz").unlink()
    _, told = go_on(experiment())
    assert told == []


@pytest.mark.parametrize("command", [["analyze", "--only", "dropout"], ["show", "--verify"]])
def test_other_data_are_refused_when_a_run_is_looked_at(command: list[str], tmp_path: Path) -> None:
    [run] = srnn.run(experiment(), "out", image_format=None, say=lambda told: None)
    np.savez("mine.npz", X=X, y=1 - Y)
    done = forked([command[0], str(run.folder), *command[1:]], tmp_path)
    assert done.code == 2
    assert "mine.npz: other data (y has other values) than task.fingerprint records: " in done.err
    assert len(done.err.splitlines()) == 1


def test_verify_compares_them_too() -> None:
    [run] = srnn.run(experiment(), "out", image_format=None, say=lambda told: None)
    np.savez("mine.npz", X=X[::-1], y=Y)
    checks = verify(run, tasks.load(experiment().task)).set_index("Check").loc["data are those it was trained on"]
    assert (bool(checks["Holds"]), checks["Found"]) == (False, "X has other values")


def test_data_scaled_in_another_way_are_refused() -> None:
    folder = interrupted(experiment(path="mine.npz", scale="unit"))
    told = f"task.scale is 'standard' now and 'unit' in {folder}"
    assert told in refused(experiment())
    assert told in refused(experiment(path="mine.npz", scale="standard"))
    run, _ = go_on(experiment(path="mine.npz", scale="unit"))
    assert run.experiment.task.scale == "unit"


def test_what_cannot_be_run_is_told_alone() -> None:
    told: list[str] = []
    with pytest.raises(UserError, match=r"training\.batch_size is 50; the task arrays has 48 training examples"):
        srnn.run(experiment().override(["training.batch_size=50"]), "out", say=told.append)
    assert told == []


def test_seeds_on_other_data_are_no_seeds_of_one_experiment() -> None:
    srnn.run(experiment(), "out", seeds=[0], image_format=None, say=lambda told: None)
    np.savez("mine.npz", X=X[::-1], y=Y)
    srnn.run(experiment(), "out", seeds=[1], image_format=None, say=lambda told: None)
    runs = [Run(Path(f"out/small/seed-{seed}")) for seed in (0, 1)]
    assert by_experiment(runs) == [runs[:1], runs[1:]]


def forget(folder: Path) -> None:
    """Make it a run of an srnn that described no data."""
    path = folder / "config.toml"
    lines = path.read_text().splitlines(keepends=True)
    start = lines.index("[task.fingerprint]\n")
    kept = [line for line in lines[:start] if not line.startswith("scale")]
    end = next(place for place in range(start + 1, len(lines)) if lines[place].startswith("["))
    path.write_text("".join(kept + lines[end:]))


@pytest.mark.parametrize("by", ["its settings", "its record"])
def test_a_run_of_an_older_srnn_goes_on_with_its_data_as_it_took_them(by: str) -> None:
    np.savez("mine.npz", X=X, y=np.eye(2)[Y])  # a regression, then
    older = experiment(path="mine.npz", scale="none", fingerprint={})
    [whole] = srnn.run(older, "whole", image_format=None, say=lambda told: None)
    folder = interrupted(older)
    text = (folder / "config.toml").read_text()
    assert "[task.fingerprint]\n" in text
    forget(folder)
    assert (Run(folder).experiment.task.fingerprint, Run(folder).experiment.task.scale) == ({}, "none")
    run, _ = go_on(Run(folder).experiment if by == "its record" else experiment(path="mine.npz", scale="none"))
    assert content(run) == content(whole)
    assert "test_mae" in set(run.metrics["Metric"])
    found = verify(run, tasks.load(run.experiment.task))
    assert found["Holds"].all()
    assert "not recorded by the srnn that trained it" in set(found["Found"])


def test_a_run_of_an_older_srnn_is_of_the_same_experiment() -> None:
    digits = experiment(name="digits", size=3)
    srnn.run(digits, "out", seeds=[0, 1], image_format=None, say=lambda told: None)
    forget(Path("out/small/seed-0"))
    runs = [Run(Path(f"out/small/seed-{seed}")) for seed in (0, 1)]
    assert runs[0].experiment.task.fingerprint is None
    assert by_experiment(runs) == [runs]
    _, told = go_on(digits)
    assert told == []


def test_the_path_that_an_older_srnn_ignored_is_ignored() -> None:
    """It took ``--set task.path`` without a name, and trained on digits."""
    older = Experiment.from_dict({"task": {"name": "digits", "path": "iris.npz"}, "versions": {"srnn": "0.1.0"}})
    assert (older.task.name, older.task.path) == ("digits", None)


def test_classes_keep_their_names_in_all_that_is_written_and_shown(tmp_path: Path) -> None:
    """Some are called like the types of particles."""
    names = np.array(["other", "zero", "Iris setosa"])[np.arange(60) % 3]
    table = pd.DataFrame(X, columns=list("abcd")).assign(kind=names)
    table.to_csv("mine.csv", index=False)
    of = experiment(path="mine.csv")
    [whole] = srnn.run(of, "whole", image_format=None, say=lambda told: None)
    assert whole.experiment.task.classes == ["Iris setosa", "other", "zero"]
    assert whole.experiment.task.target == "kind"
    recalls = {name for name in whole.metrics["Metric"] if "recall" in name}
    assert recalls == {"test_recall_Iris_setosa", "test_recall_other", "test_recall_zero"}
    folder = interrupted(of)
    assert "task.target is 'a' now and 'kind' in" in refused(experiment(path="mine.csv", target="a"))
    table.assign(kind=names[::-1]).to_csv("mine.csv", index=False)
    assert "other data (y has other values)" in refused(of)
    Path("moved").mkdir()
    table.to_csv("moved/mine.csv", index=False)
    run, _ = go_on(experiment(path="moved/mine.csv"))
    assert content(run) == content(whole)
    assert verify(run, tasks.load(Run(folder).experiment.task))["Holds"].all()
    shown = forked(["show", str(folder)], tmp_path).out
    part = shown.split("test recall")[1].split("layer")[0]
    assert [line.split("  ")[0] for line in part.splitlines() if line[:1].isalpha()] == ["Iris setosa", "other", "zero"]
    assert [line.split()[0] for line in shown.split("layer ")[1].splitlines() if line[:1] == "L"] == ["L0", "L1"]
