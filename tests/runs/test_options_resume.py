"""A run with everything that people know of a loop at once is killed, and goes on to the same bytes."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from processes import forked, start
from slow_disk import slow_disk

import srnn
from srnn import Experiment
from srnn.runs.groups import open_runs

#: Hills at minima under a schedule, penalties, a stop on validation data that restores the best, and all augmentation.
EVERYTHING = Experiment.from_dict(
    {
        "name": "small",
        "task": {"size": 4, "validation": 200},
        "body": {"width": 4, "depth": 2, "activation": "relu", "dropout": 0.1},
        "particle": {"kind": "number"},
        "replication": {"method": "none"},
        "training": {
            **{"epochs": 9, "batch_size": 400, "lr": 0.1, "momentum": 0.9, "keep": "best", "patience": 5},
            **{"label_smoothing": 0.1, "mixup": 0.2, "noise": 0.1},
        },
        "schedule": {"kind": "cosine", "every": 3, "scales": "all", "per": "batch"},
        "terms": {
            "repulsion": {"every": 3, "strength": 1.0, "width": 0.5, "follow_lr": True},
            "l1": {"strength": 1e-4},
            "l2": {"strength": 1e-4},
        },
        "log": {"every": 1},
        "checkpoint": {"every": 1, "keep": 2},
    }
)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_kill_9_amid_minima_schedule_and_patience(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(EVERYTHING.to_toml())
    command = ["run", "small.toml", "--seeds", "2", "--quiet", "--format", "none"]
    # On a slow disk, so that it cannot have come to its end before it is killed: there is a minimum by then.
    process = start(command, tmp_path, before=slow_disk, SLOW="0.003")
    until = time.monotonic() + 100
    while not list((tmp_path / "runs").glob("small/seed-1/checkpoints/epoch-*[4-9]*")):
        assert time.monotonic() < until
        assert not process.ends_within(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.end().code == -signal.SIGKILL
    assert forked([*command, "--resume"], tmp_path).code == 0
    srnn.run(EVERYTHING, tmp_path / "whole", seeds=2, image_format=None, progress=False)
    ours, theirs = content(tmp_path / "runs"), content(tmp_path / "whole")
    assert sorted(ours) == sorted(theirs)
    assert [path for path in ours if ours[path] != theirs[path]] == []
    [run, _] = open_runs([tmp_path / "whole" / "small"])
    assert {"distance_last", "validation_loss"} < {*run.metrics["Metric"]}
