"""``srnn show --verify``: every kind of damage is found by the check that is meant for it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import safetensors.torch
import torch
from processes import forked

import srnn
from srnn import Experiment, Run, tasks
from srnn.runs import checkpoints
from srnn.runs.verify import verify

SMALL = Experiment.from_dict(
    {
        "name": "small",
        "task": {"name": "digits", "size": 4},
        "body": {"depth": 2, "width": 3},
        "particle": {"hidden": 4},
        "replication": {"method": "none"},
        "training": {"epochs": 5, "batch_size": 50, "lr": 0.02},
        "log": {"every": 2},
        "checkpoint": {"every": 2},
    }
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run."""
    [run] = srnn.run(SMALL, tmp_path_factory.mktemp("runs"))
    return run.folder


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    return Path(shutil.copytree(finished, tmp_path / "small/seed-0"))


def wrong(folder: Path) -> dict[str, str]:
    """The checks that do not hold, and what was found."""
    checks = verify(Run.open(folder), tasks.load(SMALL.task)).set_index("Check")
    assert checks["Holds"].dtype == bool
    return checks[~checks["Holds"]]["Found"].to_dict()


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def drop_rows(folder: Path) -> None:
    path = folder / "metrics.csv"
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if not line.startswith("3,")))


def flip_a_bit(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def flip_a_weight(path: Path) -> None:
    """Of a value in the middle of a page: only its checksum can tell."""
    value = pq.read_table(path)["dim_3"].to_numpy()[40].tobytes()
    assert path.read_bytes().count(value) == 1
    flip_a_bit(path, path.read_bytes().index(value))


def change_rows(path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    change(pd.read_parquet(path)).to_parquet(path, index=False)


def train_on(folder: Path) -> None:
    """Other weights, in a checkpoint that is whole."""
    checkpoint = checkpoints.read(Run.open(folder).checkpoints[-1])
    tensors = {**checkpoint.tensors, "weights": torch.randn_like(checkpoint.tensors["weights"])}
    checkpoints.write(checkpoint.path, tensors, checkpoint.state)


def change_state(folder: Path, **changes: object) -> None:
    """Another state, in a checkpoint that is whole."""
    checkpoint = checkpoints.read(Run.open(folder).checkpoints[-1])
    checkpoints.write(checkpoint.path, checkpoint.tensors, {**checkpoint.state, **changes})


LAST = "trajectory/epoch-000005.parquet"
DAMAGE: dict[str, tuple[Callable[[Path], object], list[str], str]] = {
    "not ended": (
        lambda folder: replace(folder / "status.json", "finished", "interrupted"),
        ["it has ended"],
        "it is interrupted",
    ),
    "old checkpoint": (
        lambda folder: flip_a_bit(Run.open(folder).checkpoints[0], -9),
        ["checkpoints are whole"],
        "its content is not that of its checksum",
    ),
    "other config": (
        lambda folder: replace(folder / "config.toml", "epochs = 5", "epochs = 6"),
        ["config fits the checkpoint", "trajectory has every row once"],
        "config.toml asks for 6 epochs, epoch-000005.safetensors has 5",
    ),
    "other score": (
        lambda folder: replace(folder / "metrics.csv", "2,56,task_loss,", "2,56,task_loss,1"),
        ["config fits the checkpoint", "metrics have every row once", "trajectory has every row once"],
        "is damaged before epoch-000005.safetensors: its rows are not those of the checkpoint",
    ),
    "rows missing": (
        drop_rows,
        ["config fits the checkpoint", "metrics have every row once", "trajectory has every row once"],
        "is damaged before",
    ),
    "rows too many": (
        lambda folder: (folder / "metrics.csv").open("a").write("5,140,more,1\n"),
        ["metrics have every row once"],
        "there are rows after the last checkpoint",
    ),
    "epoch missing": (
        lambda folder: (folder / "trajectory/epoch-000002.parquet").unlink(),
        ["trajectory has every row once"],
        "epochs missing or too many: 2",
    ),
    "row twice": (
        lambda folder: change_rows(
            folder / "trajectory/epoch-000002.parquet", lambda frame: pd.concat([frame, frame.head(1)])
        ),
        ["trajectory has every row once"],
        "it has 79 rows in ",
    ),
    "row missing": (
        lambda folder: change_rows(folder / "trajectory/epoch-000002.parquet", lambda frame: frame.iloc[1:]),
        ["trajectory has every row once"],
        "epoch 2 has not one row for each of 78 particles",
    ),
    "bit of the trajectory": (
        lambda folder: flip_a_weight(folder / "trajectory/epoch-000002.parquet"),
        ["trajectory has every row once"],
        "epoch-000002.parquet cannot be read: could not verify page integrity, CRC checksum verification failed",
    ),
    "no trajectory": (
        lambda folder: shutil.rmtree(folder / "trajectory"),
        ["trajectory has every row once", "trajectory ends with the checkpoint"],
        "epochs missing or too many: 0, 2, 4, 5",
    ),
    "other columns": (
        lambda folder: change_rows(folder / LAST, lambda frame: frame.rename(columns={"Weight": "Particle"})),
        ["trajectory has every row once", "trajectory ends with the checkpoint"],
        "epoch-000005.parquet is damaged: it has no b'Weight'",
    ),
    "a stranger": (
        lambda folder: change_rows(folder / LAST, lambda frame: frame.replace("L0_C0_W0", "L9_C9_W9")),
        ["trajectory has every row once", "trajectory ends with the checkpoint"],
        "epoch 5 has not one row for each of 78 particles",
    ),
    "a pipe for metrics": (
        lambda folder: ((folder / "metrics.csv").unlink(), os.mkfifo(folder / "metrics.csv")),
        [
            "config fits the checkpoint",
            "metrics have every row once",
            "trajectory has every row once",
            "test accuracy is that of the weights",
        ],
        "metrics.csv is damaged before epoch-000005.safetensors: [Errno 22] Not a file but a pipe",
    ),
    "a state without epoch": (
        lambda folder: change_state(folder, epoch=None),
        ["config fits the checkpoint", "metrics have every row once", "trajectory has every row once"],
        "epoch-000005.safetensors is damaged: its epoch is None",
    ),
    "other last epoch": (
        lambda folder: change_rows(folder / LAST, lambda frame: frame.assign(dim_3=frame["dim_3"] + 1)),
        ["trajectory ends with the checkpoint"],
        "epoch 5 has other weights",
    ),
    "other weights": (
        train_on,
        ["trajectory ends with the checkpoint", "test accuracy is that of the weights"],
        "epoch 5 has other weights",
    ),
}


def test_a_finished_run_holds(finished: Path) -> None:
    assert wrong(finished) == {}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_found(copy: Path, damage: str) -> None:
    strike, names, found = DAMAGE[damage]
    strike(copy)
    complaints = wrong(copy)
    assert list(complaints) == names
    assert found in complaints[names[0]]
    assert all(len(text.splitlines()) == 1 for text in complaints.values())


def test_a_run_without_checkpoints(copy: Path) -> None:
    shutil.rmtree(copy / "checkpoints")
    assert "checkpoints are whole" in wrong(copy)


@pytest.mark.parametrize(
    "changes",
    [
        ["log.particles=7"],
        ["replication.divergent=stop", "replication.method=sgd", "training.lr=0.3"],
        ["task.name=add"],
    ],
    ids=str,
)
def test_other_runs_hold_too(tmp_path: Path, changes: list[str]) -> None:
    chosen = SMALL.override(changes)
    [run] = srnn.run(chosen, tmp_path, say=lambda message: None)
    checks = verify(run, tasks.load(chosen.task))
    assert checks["Holds"].all(), checks.to_string()


def test_a_trajectory_of_an_older_srnn_holds(copy: Path) -> None:
    """Its pages have no checksums."""
    for path in (copy / "trajectory").iterdir():
        pq.write_table(pq.read_table(path), path, write_page_checksum=False)
    assert wrong(copy) == {}


def test_on_the_command_line(finished: Path, copy: Path) -> None:
    well = forked(["show", str(finished), "--verify"], copy)
    assert (well.code, well.err) == (0, "")
    assert len(re.findall(r" yes ", well.out)) == 8
    (copy / "trajectory/epoch-000002.parquet").unlink()
    ill = forked(["show", str(finished), str(copy), "--verify"], copy)
    assert (ill.code, ill.err) == (1, "")
    assert len(re.findall(r" NO ", ill.out)) == 1


def test_a_checkpoint_without_a_checksum_is_not_whole(copy: Path) -> None:
    path = Run.open(copy).checkpoints[-1]
    safetensors.torch.save_file({"weights": torch.zeros(1)}, path, {"state": "{}"})
    assert "is damaged: it has no 'sha256'" in wrong(copy)["checkpoints are whole"]
