"""Runs that survive: however they are stopped, they go on to the same bytes as if they had not been."""

from __future__ import annotations

import errno
import itertools
import json
import os
import pty
import re
import resource
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from processes import SRNN, Answer, Running, forked, start, start_fresh
from slow_disk import slow_disk

import srnn
from srnn import Experiment, Run, UserError
from srnn.errors import StoppedError
from srnn.kernels import description
from srnn.runs import checkpoints, lock
from srnn.runs.groups import first_difference
from srnn.runs.resume import go_on_for_longer, starts
from srnn.runs.status import Status, read_status, write_status
from srnn.training import loop
from srnn.training.measuring import Report

#: With it, as with ``make soak``: many more kills and sizes of a full disk, in processes that begin from nothing.
SOAK = bool(os.environ.get("SRNN_SOAK"))
SLOW_SRNN = (sys.executable, str(Path(__file__).parents[1] / "slow_disk.py"))

SMALL: dict[str, Any] = {
    "name": "small",
    "task": {"name": "digits", "size": 4},
    "body": {"depth": 3, "width": 3},
    "particle": {"hidden": 3},
    "training": {"epochs": 8, "batch_size": 200},
    # Few steps before the census at rest, which by torch would take longer than all else.
    "log": {"every": 2, "rest": 20},
    "checkpoint": {"every": 3, "keep": 2},
}
#: Everything that a next batch can depend on is in use in at least one of them.
EXPERIMENTS: dict[str, dict[str, Any]] = {
    "shared": {},
    "separate": {
        "replication": {"momentum": "separate", "steps": 2},
        "body": {"dropout": 0.2, "activation": "relu"},
        "interactions": {"attack": 0.01, "melt": 0.01},
    },
    "adam": {"training": {"optimizer": "adam"}, "replication": {"momentum": "fresh", "start_accuracy": 0.16}},
    "joint": {"replication": {"objective": "joint", "alpha": 0.5}},
    "reset": {"replication": {"divergent": "reset"}, "training": {"lr": 0.1}, "particle": {"init": "xavier"}},
    # The first seed stops at the end of an epoch and the third inside one; the second goes on.
    "stop": {"replication": {"divergent": "stop"}, "particle": {"hidden": 2}, "log": {"particles": 7}},
    # Likewise, with what an optimizer keeps for all seeds: the last to be loaded is one that has stopped.
    "adam stop": {
        "replication": {"divergent": "stop", "momentum": "fresh"},
        "training": {"optimizer": "adam", "lr": 0.02},
    },
    "newton": {"replication": {"method": "newton", "every": 3, "start_accuracy": 0.16}},
    "lifted": {"replication": {"method": "lifted"}, "training": {"optimizer": "nadam"}},
    "behind": {
        "replication": {"method": "lifted", "every": "epoch"},
        "events": {
            "freeze": {"at": [2], "share": 0.2},
            "copy": {"at": [3.5, 5], "who": "persistent", "noise": 0.1, "rest": 1},
            "focus": {"at": [4], "keep": "loss"},
        },
    },
    "gates": {
        "terms": {"hard_concrete": {"lr": 0.1}, "gaussian": {"warmup": 3}, "targeted": {"ramp": 4}, "lp": {}},
        "training": {"optimizer": "adam"},
        "replication": {"momentum": "fresh"},
    },
    "regression": {"task": {"name": "add"}, "log": {"every": 5}, "checkpoint": {"every": 1, "keep": 1}},
}


def experiment(name: str) -> Experiment:
    values = {key: dict(value) if isinstance(value, dict) else value for key, value in SMALL.items()}
    for key, section in EXPERIMENTS[name].items():
        if key == "task":
            values["task"] = {}
        values[key] = {**values.get(key, {}), **section}
    return Experiment.from_dict(values)


def content(folder: Path) -> dict[str, bytes]:
    """All that is in the folder, by path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


#: In this process runs go on without figures, which take longer than what they do here.
train = partial(srnn.run, image_format=None)


def assert_same(folder: Path, other: Path) -> None:
    """Make sure that the folders hold the same files with the same bytes; without figures, but for these."""
    ours, theirs = content(folder), content(other)
    if not any("figures" in path for path in ours):
        theirs = {path: data for path, data in theirs.items() if "figures" not in path}
    assert sorted(ours) == sorted(theirs)
    assert [path for path in ours if ours[path] != theirs[path]] == []


def after(batches: int) -> Callable[[], bool]:
    """Says to stop after that many batches."""
    count = itertools.count(1)
    return lambda: next(count) >= batches


def fails_after(batches: int) -> Callable[[], bool]:
    """Ends in an error after that many batches, as if the process were gone."""
    count = itertools.count(1)
    return lambda: bool(1 / (batches - next(count))) and False


def say_nothing(message: str) -> None:
    pass


Reference = Callable[[str], Path]


@pytest.fixture(autouse=True)
def looks_after_every_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a run can be stopped after any batch; what it is compared with was trained as runs are."""
    monkeypatch.setattr(loop, "_PATIENCE", 0.0)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """The uninterrupted run of an experiment with its seeds, made once."""
    made: dict[tuple[str, str | None], Path] = {}

    def make(name: str) -> Path:
        key = (name, os.environ.get("SRNN_KERNELS"))
        if key not in made:
            made[key] = tmp_path_factory.mktemp("reference")
            # Figures take longer than all else: one experiment has them.
            drawn_as = "png" if name == "shared" else None
            srnn.run(experiment(name), made[key], seeds=seeds(name), say=say_nothing, image_format=drawn_as)
        return made[key]

    return make


def seeds(name: str) -> list[int]:
    return [0, 1, 2] if name.endswith("stop") else [0, 1]


class TestToTheSameBytes:
    """In this process, where a run can be stopped after any batch."""

    @pytest.mark.parametrize(
        ("name", "path"), [*((name, "") for name in EXPERIMENTS), ("joint", "torch"), ("stop", "torch")]
    )
    def test_however_often_it_is_stopped(
        self, reference: Reference, tmp_path: Path, name: str, path: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of batches of which seven are an epoch (five in the regression): at its end, and inside."""
        monkeypatch.setenv("SRNN_KERNELS", path)
        go = partial(train, experiment(name), tmp_path, seeds=seeds(name), resume=True, say=say_nothing)
        stops = 0
        for batches in itertools.cycle((9, 5)):
            try:
                go(stop=after(batches))
                break
            except StoppedError:
                stops += 1
        assert stops >= 5
        assert_same(tmp_path, reference(name))

    @pytest.mark.parametrize("name", ["stop", "adam stop"])
    def test_some_seeds_stop_by_themselves(self, reference: Reference, name: str) -> None:
        """Or the test above would not show what it should."""
        states = [run.status.status for run in srnn.runs.open_runs([reference(name) / "small"])]
        assert states == ["diverged", "finished", "diverged"]

    @pytest.mark.parametrize("name", ["separate", "stop"])
    def test_an_experiment_goes_on_for_longer(self, reference: Reference, tmp_path: Path, name: str) -> None:
        """As if it had been begun for as many epochs."""
        long = experiment(name)
        short = long.override(["name=short", "training.epochs=4"])
        for run in train(short, tmp_path, seeds=seeds(name), say=say_nothing):
            go_on_for_longer(run, long, tmp_path / "small" / run.folder.name)
        reports: list[Report] = []
        train(long, tmp_path, seeds=seeds(name), resume=True, say=say_nothing, after_report=reports.append)
        assert [report.epoch for report in reports] == [5, 6, 7, 8]
        assert_same(tmp_path / "small", reference(name) / "small")

    def test_from_the_newest_checkpoint_without_a_farewell(self, reference: Reference, tmp_path: Path) -> None:
        """As after kill -9: what was done since is done again."""
        for batches in (30, 25):
            with pytest.raises(ZeroDivisionError):
                train(experiment("shared"), tmp_path, seeds=[0, 1], resume=True, stop=fails_after(batches))
        train(experiment("shared"), tmp_path, seeds=[0, 1], resume=True)
        assert_same(tmp_path, reference("shared"))

    def test_seeds_whose_newest_checkpoints_differ(
        self, reference: Reference, tmp_path: Path, interrupted: Path
    ) -> None:
        """They go back to the newest that all have, so that they are again side by side."""
        checkpoints.found(interrupted / "small/seed-1")[-1].unlink()
        reports: list[Report] = []
        train(experiment("shared"), interrupted, seeds=[0, 1], resume=True, after_report=reports.append)
        assert [report.epoch for report in reports] == [4, 5, 6, 7, 8]
        assert all(len(report.scores) == 2 for report in reports)
        assert_same(interrupted, reference("shared"))

    def test_seeds_without_a_checkpoint_in_common(self, reference: Reference, interrupted: Path) -> None:
        folder = interrupted / "small"
        first, second = (checkpoints.found(folder / f"seed-{seed}") for seed in (0, 1))
        first[-1].unlink()
        second[0].unlink()
        reports: list[Report] = []
        train(experiment("shared"), interrupted, seeds=[0, 1], resume=True, after_report=reports.append)
        assert [(report.epoch, len(report.scores)) for report in reports] == [
            *((epoch, 1) for epoch in (4, 5, 6, 7, 8)),
            *((epoch, 1) for epoch in (6, 7, 8)),
        ]
        assert_same(interrupted, reference("shared"))

    def test_stopped_while_the_first_checkpoints_were_written(self, reference: Reference, interrupted: Path) -> None:
        """They begin again, together."""
        for path in (
            *checkpoints.found(interrupted / "small/seed-0"),
            *checkpoints.found(interrupted / "small/seed-1")[1:],
        ):
            path.unlink()
        reports: list[Report] = []
        train(experiment("shared"), interrupted, seeds=[0, 1], resume=True, after_report=reports.append)
        assert [(report.epoch, len(report.scores)) for report in reports] == [(epoch, 2) for epoch in range(9)]
        assert_same(interrupted, reference("shared"))

    def test_a_checkpoint_every_minute_or_so(self, reference: Reference, tmp_path: Path) -> None:
        """Inside the epochs, too; those are gone in the end."""
        often = experiment("shared").override(["checkpoint.minutes=1e-9"])
        with pytest.raises(ZeroDivisionError):
            train(often, tmp_path, seeds=[0], stop=fails_after(31))
        names = [path.name for path in Run(tmp_path / "small/seed-0").checkpoints]
        assert names == [
            "epoch-000003.safetensors",
            *(f"epoch-000004_batch-{batch:09}.safetensors" for batch in (29, 30)),
        ]
        [run] = train(often, tmp_path, resume=True)
        assert [path.name for path in run.checkpoints] == ["epoch-000006.safetensors", "epoch-000008.safetensors"]
        assert (run.folder / "metrics.csv").read_bytes() == content(reference("shared"))["small/seed-0/metrics.csv"]


@pytest.fixture
def interrupted(tmp_path: Path) -> Path:
    """A run of two seeds, stopped inside the sixth epoch: with a checkpoint after the third and one there."""
    with pytest.raises(StoppedError):
        train(experiment("shared"), tmp_path / "runs", seeds=[0, 1], stop=after(40))
    names = {path.name for path in checkpoints.found(tmp_path / "runs/small/seed-0")}
    assert names == {"epoch-000003.safetensors", "epoch-000005_batch-000000040.safetensors"}
    return tmp_path / "runs"


def go_on(runs: Path, **changes: Any) -> tuple[list[Run], list[str]]:
    """Resume the interrupted run; what it said."""
    said: list[str] = []
    return train(experiment("shared"), runs, seeds=[0, 1], resume=True, say=said.append, **changes), said


class TestDamage:
    """What a killed process, a full disk or a bad one can leave behind."""

    @pytest.mark.parametrize("damage", ["cut", "a bit", "empty", "other state"])
    def test_of_the_newest_checkpoint(self, reference: Reference, interrupted: Path, damage: str) -> None:
        path = checkpoints.found(interrupted / "small/seed-1")[-1]
        whole = path.read_bytes()
        middle = len(whole) - len(whole) // 4
        path.write_bytes(
            {
                "cut": whole[:middle],
                "a bit": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
                "empty": b"",
                "other state": whole.replace(rb"\"batch\": 40", rb"\"batch\": 41"),
            }[damage]
        )
        assert path.read_bytes() != whole
        _, said = go_on(interrupted)
        assert len(said) == 1
        assert said[0].startswith(f"{path} is damaged: ")
        assert said[0].endswith("; the checkpoint before it is used")
        assert len(said[0].splitlines()) == 1
        assert_same(interrupted, reference("shared"))

    def test_of_all_checkpoints(self, reference: Reference, interrupted: Path) -> None:
        """Then it begins again."""
        for path in interrupted.rglob("*.safetensors"):
            path.write_bytes(b"?")
        _, said = go_on(interrupted)
        assert len(said) >= 2
        assert_same(interrupted, reference("shared"))

    @pytest.mark.parametrize("share", [0.0, 0.3, 0.77, 0.99])
    def test_metrics_that_end_in_the_middle_of_a_row(
        self, reference: Reference, interrupted: Path, share: float
    ) -> None:
        path = interrupted / "small/seed-0/metrics.csv"
        whole = path.read_bytes()
        path.write_bytes(whole[: int(len(whole) * share)])
        go_on(interrupted)
        assert_same(interrupted, reference("shared"))

    def test_rows_and_epochs_after_the_checkpoint(self, reference: Reference, interrupted: Path) -> None:
        folder = interrupted / "small/seed-0"
        with (folder / "metrics.csv").open("a") as file:
            file.write("6,42,task_loss,1\n6,42,train_acc")
        shutil.copy(folder / "trajectory/epoch-000004.parquet", folder / "trajectory/epoch-000777.parquet")
        go_on(interrupted)
        assert_same(interrupted, reference("shared"))

    def test_temporary_files_are_swept(self, reference: Reference, interrupted: Path) -> None:
        folder = interrupted / "small/seed-1"
        for path in (".metrics.csv.1.tmp", "checkpoints/.x.safetensors.2.tmp", "figures/.training_curves.png.3.part"):
            (folder / path).write_bytes(b"half")
        go_on(interrupted)
        assert_same(interrupted, reference("shared"))

    @pytest.mark.parametrize("left", [[], [".lock"], [".config.toml.1.tmp", "status.json"]], ids=str)
    @pytest.mark.parametrize("resume", [False, True])
    def test_a_folder_whose_run_had_not_begun_is_taken_over(
        self, reference: Reference, tmp_path: Path, left: list[str], resume: bool
    ) -> None:
        folder = tmp_path / "small/seed-0"
        folder.mkdir(parents=True)
        for name in left:
            (folder / name).write_text("{}")
        train(experiment("shared"), tmp_path, resume=resume)
        expected = {k: v for k, v in content(reference("shared")).items() if k.startswith("small/seed-0/metrics")}
        assert content(tmp_path).items() >= expected.items()

    def test_a_folder_of_something_else_is_not(self, tmp_path: Path) -> None:
        folder = tmp_path / "small/seed-0"
        folder.mkdir(parents=True)
        (folder / "thesis.txt").write_text("mine")
        for resume in (False, True):
            with pytest.raises(UserError, match="exists already"):
                train(experiment("shared"), tmp_path, resume=resume)
        assert content(tmp_path) == {"small/seed-0/thesis.txt": b"mine"}


Forgery = Callable[[dict[str, Any], dict[str, Any]], object]
FORGERIES: dict[str, tuple[str, Forgery, str]] = {
    "no key": ("shared", lambda tensors, state: state.pop("diverged"), "it has no 'diverged'"),
    "another type": ("shared", lambda tensors, state: state.update(epoch="5"), "its epoch is '5'"),
    "a truth": ("shared", lambda tensors, state: state.update(replicating=1), "its replicating is 1"),
    "below zero": ("shared", lambda tensors, state: state.update(batches_of_epoch=-1), "its batches_of_epoch is -1"),
    "another epoch": (
        "shared",
        lambda tensors, state: state.update(epoch=4),
        "its state is that of epoch-000004_batch-000000040.safetensors",
    ),
    "another task": ("shared", lambda tensors, state: state.update(inputs=9), "it is of 9 inputs and 10 outputs; "),
    "weights": (
        "shared",
        lambda tensors, state: tensors.update(weights=tensors["weights"][:, :5]),
        "its weights is torch.float32 of shape (27, 5), not float32 of (27, 87)",
    ),
    "doubles": (
        "shared",
        lambda tensors, state: tensors.update(momentum_buffer=tensors["momentum_buffer"].double()),
        "its momentum_buffer is torch.float64",
    ),
    "no buffer": ("shared", lambda tensors, state: tensors.pop("momentum_buffer"), "it has no 'momentum_buffer'"),
    "no scalar": ("adam", lambda tensors, state: tensors.pop("optimizer.step"), "it has no 'optimizer.step'"),
    "a scalar": (
        "adam",
        lambda tensors, state: tensors.update({"optimizer.step": tensors["sums.task"].clone()}),
        "its optimizer.step is torch.float32 of shape (200,)",
    ),
    "one more": (
        "shared",
        lambda tensors, state: tensors.update(exp_avg=torch.zeros(3)),
        "it has a tensor 'exp_avg'",
    ),
    "a generator": (
        "shared",
        lambda tensors, state: tensors.update({"generator.order": tensors["generator.order"][1:]}),
        "its generator.order is none: ",
    ),
}


class TestForgery:
    """A folder from a stranger, whose files have all their checksums."""

    @pytest.mark.parametrize("forgery", FORGERIES)
    def test_of_the_newest_checkpoint(self, tmp_path: Path, forgery: str) -> None:
        """It counts as damaged: the one before is used."""
        name, forge, complaint = FORGERIES[forgery]
        chosen = experiment(name)
        with pytest.raises(StoppedError):
            train(chosen, tmp_path, stop=after(40))
        path = checkpoints.found(tmp_path / "small/seed-0")[-1]
        whole = checkpoints.read(path)
        tensors, state = dict(whole.tensors), dict(whole.state)
        forge(tensors, state)
        checkpoints.write(path, tensors, state)
        said: list[str] = []
        [group] = starts({0: tmp_path / "small/seed-0"}, said.append)
        assert group[0] is not None
        assert group[0].path.name == "epoch-000003.safetensors"
        assert len(said) == 1
        assert said[0].startswith(f"{path} is damaged: {complaint}")
        assert said[0].endswith("; the checkpoint before it is used")

    @pytest.mark.parametrize("part", ["trajectory", "checkpoints", "figures"])
    def test_by_links_it_leads_nowhere(self, interrupted: Path, tmp_path: Path, part: str) -> None:
        elsewhere = tmp_path / "elsewhere"
        (interrupted / "small/seed-0" / part).rename(elsewhere)
        (elsewhere / "epoch-000999.parquet").write_text("mine")
        (elsewhere / "epoch-000999.safetensors").write_text("mine")
        (interrupted / "small/seed-0" / part).symlink_to(elsewhere)
        before = content(elsewhere)
        with pytest.raises(UserError, match=f"{part} is a link; "):
            go_on(interrupted)
        assert content(elsewhere) == before

    def test_a_pipe_for_metrics_is_not_waited_for(self, interrupted: Path) -> None:
        path = interrupted / "small/seed-0/metrics.csv"
        path.unlink()
        os.mkfifo(path)
        said: list[str] = []
        starts({0: path.parent}, said.append)
        assert len(said) == 2
        assert all("Not a file but a pipe" in line for line in said)

    def test_a_strangers_file_in_the_trajectory_is_left(self, interrupted: Path) -> None:
        path = interrupted / "small/seed-0/trajectory/epoch-last.parquet"
        path.write_text("mine")
        go_on(interrupted)
        assert path.read_text() == "mine"


class TestWhatGoesOn:
    def test_without_resume_an_interrupted_run_is_not_touched(self, interrupted: Path) -> None:
        before = content(interrupted)
        with pytest.raises(UserError, match="holds an interrupted run: go on with it by resume=True"):
            train(experiment("shared"), interrupted, seeds=[0, 1])
        assert content(interrupted) == before

    def test_finished_ones_are_left_and_others_begun(self, reference: Reference, tmp_path: Path) -> None:
        train(experiment("shared"), tmp_path, seeds=[1])
        before = {path: path.stat().st_mtime_ns for path in (tmp_path / "small/seed-1").rglob("*")}
        runs = train(experiment("shared"), tmp_path, seeds=[0, 1], resume=True)
        assert [run.experiment.seed for run in runs] == [0, 1]
        assert {path: path.stat().st_mtime_ns for path in (tmp_path / "small/seed-1").rglob("*")} == before
        assert_same(tmp_path, reference("shared"))

    @pytest.mark.parametrize(
        ("change", "complaint"),
        [
            ("training.epochs=9", "training.epochs is 9 now and 8 in "),
            ("replication.alpha=2.5", "replication.alpha is 2.5 now and 100.0 in "),
            ("checkpoint.keep=3", "checkpoint.keep is 3 now and 2 in "),
        ],
    )
    def test_only_as_it_was_begun(self, interrupted: Path, change: str, complaint: str) -> None:
        before = content(interrupted)
        with pytest.raises(UserError) as error:
            train(experiment("shared").override([change]), interrupted, seeds=[0, 1], resume=True)
        assert str(error.value).startswith(complaint)
        assert content(interrupted) == before

    def test_a_difference_may_be_a_setting_that_only_one_has(self) -> None:
        one, other = experiment("shared"), experiment("shared").override(["comparison.variants.x=[]"])
        assert first_difference(one, other) == ("comparison.variants.x", None, [])
        assert first_difference(other, one) == ("comparison.variants.x", [], None)

    def test_other_versions_are_said(self, interrupted: Path) -> None:
        config = interrupted / "small/seed-0/config.toml"
        config.write_text(re.sub('numba = ".*"', 'numba = "0.1"', config.read_text()))
        _, said = go_on(interrupted)
        assert len(said) == 1
        assert "seed-0 was begun with numba 0.1 and goes on with " in said[0]

    @pytest.mark.parametrize("then", ["torch (AVX2)", "fused (haswell +avx2 +fma, torch AVX2)"])
    def test_other_kernels_or_another_processor_are_said(self, interrupted: Path, then: str) -> None:
        config = interrupted / "small/seed-0/config.toml"
        config.write_text(re.sub('kernels = ".*"', f'kernels = "{then}"', config.read_text()))
        _, [said] = go_on(interrupted)
        assert (
            f"seed-0 was begun with kernels {then} and goes on with {description()}: the last bits may differ" in said
        )


def write_config(folder: Path, name: str) -> None:
    """The experiment as a file to be run."""
    import tomli_w

    (folder / "my.toml").write_text(tomli_w.dumps(experiment(name).model_dump(exclude_none=True)))


def options(name: str, image_format: str = "none") -> list[str]:
    seeds_option = f"0-{seeds(name)[-1]}"
    return ["run", "my.toml", "--out", "runs", "--quiet", "--seeds", seeds_option, "--format", image_format]


class Slow:
    """``srnn`` on a slow disk, as a process of its own."""

    def __init__(self, folder: Path, arguments: list[str], **changes: str) -> None:
        if SOAK:
            self.process = start_fresh((*SLOW_SRNN, *arguments), folder, **changes)
        else:
            self.process = start(arguments, folder, before=slow_disk, **changes)

    def syncs(self, count: int) -> bool:
        """Wait for that many syncs; whether there were so many."""
        return all(self.process.stdout.readline() == "sync\n" for _ in range(count))

    def end(self) -> Answer:
        answer = self.process.end()
        return answer._replace(out=answer.out.replace("sync\n", ""))


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Callable[..., Slow]]:
    """Starts ``srnn`` on a slow disk."""
    started: list[Running] = []

    def begin(arguments: list[str], **changes: str) -> Slow:
        one = Slow(tmp_path, arguments, **changes)
        started.append(one.process)
        return one

    yield begin
    for process in started:
        if not process.ends_within(0):
            process.send_signal(signal.SIGKILL)


@pytest.mark.parametrize("chain", range(10 if SOAK else 2))
def test_kill_9_at_any_moment(
    reference: Reference,
    slow: Callable[..., Slow],
    tmp_path: Path,
    chain: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Five times, from the start on, inside writes and between them; then it goes on to the same bytes."""
    name = ["separate", "joint", "stop", "adam", "shared"][chain % 5]
    # By torch's own arithmetic, where the company of a seed counts, too.
    monkeypatch.setenv("SRNN_KERNELS", "torch" if name == "joint" else "")
    write_config(tmp_path, name)
    random = np.random.default_rng(chain)
    kills = 0
    for _ in range(5):
        running = slow([*options(name), "--resume"])
        if random.random() < 0.15:
            # While it starts.
            assert not running.process.ends_within(random.uniform(0, 2 if SOAK else 0.2))
        else:
            running.syncs(int(random.integers(1, 60)))
            assert not running.process.ends_within(random.uniform(0, 0.02))
        running.process.send_signal(signal.SIGKILL)
        kills += running.end().code == -signal.SIGKILL
    assert kills == 5
    answer = forked([*options(name), "--resume"], tmp_path)
    assert answer.code == 0
    assert_same(tmp_path / "runs", reference(name))


@pytest.mark.parametrize("size", np.geomspace(100, 60_000, 20 if SOAK else 2).astype(int))
def test_a_full_disk(reference: Reference, tmp_path: Path, size: int) -> None:
    """At whatever file it strikes: one line, exit code 3, and with room again the run goes on to the same bytes."""
    write_config(tmp_path, "shared")
    # A process in which no file can grow beyond that size.
    limited = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (int(size), int(size)))
    if SOAK:
        full = start_fresh((*SRNN, *options("shared", "png")), tmp_path, limited).end()
    else:
        full = start(options("shared", "png"), tmp_path, limited).end()
    assert (full.code, full.out, len(full.err.splitlines())) == (3, "", 1), full.err
    assert re.match(r"srnn: runs/small\S*: File too large; once that is mended, ", full.err)
    assert not list(tmp_path.rglob("*.tmp"))
    for path in tmp_path.rglob("*.safetensors"):
        checkpoints.read(path)
    if (tmp_path / "runs/small/seed-0/config.toml").exists():
        assert full.err.endswith("go on with: srnn run runs/small --seeds 0-1 --resume --quiet\n")
        assert read_status(tmp_path / "runs/small/seed-0").status in ("failed", "killed")
    answer = forked([*options("shared", "png"), "--resume"], tmp_path)
    assert (answer.code, answer.err) == (0, "")
    assert_same(tmp_path / "runs", reference("shared"))


def test_a_folder_that_cannot_be_written(interrupted: Path, tmp_path: Path) -> None:
    """Whatever stands where a file should be written."""
    (interrupted / "small/seed-1/figures/training_curves.png").mkdir(parents=True)
    with pytest.raises(OSError, match="training_curves"):
        go_on(interrupted, image_format="png")
    assert read_status(interrupted / "small/seed-1").status == "failed"


def _raised_by_presets(number: int) -> None:
    """Have the signal come while the presets are listed."""
    from srnn import presets

    def raised() -> list[str]:
        signal.raise_signal(number)
        return []

    presets.preset_names = raised


class TestSignals:
    @pytest.mark.parametrize(
        ("number", "code"),
        [
            (signal.SIGINT, 130),
            (signal.SIGTERM, 143),
            (signal.SIGHUP, 129),
            (signal.SIGUSR1, 138),
            (signal.SIGXCPU, 152),
        ],
        ids=["int", "term", "hup", "usr1", "xcpu"],
    )
    def test_it_stops_says_how_to_go_on_and_does(
        self, reference: Reference, slow: Callable[..., Slow], tmp_path: Path, number: int, code: int
    ) -> None:
        write_config(tmp_path, "shared")
        running = slow(options("shared"))
        running.syncs(60)
        running.process.send_signal(number)
        answer = running.end()
        assert (answer.code, answer.out) == (code, "")
        command = "srnn run runs/small --seeds 0-1 --resume --format none --quiet"
        assert answer.err == f"srnn: interrupted; go on with: {command}\n"
        assert not list(tmp_path.rglob(".*"))
        # It has not simply gone back to the last regular checkpoint.
        for run in srnn.runs.open_runs([tmp_path / "runs/small"]):
            assert run.status.status == "interrupted"
            assert "_batch-" in run.checkpoints[-1].name or len(run.checkpoints) > 1
        again = forked(shlex.split(command)[1:], tmp_path)
        assert again == Answer(0, "".join(f"runs/small/seed-{seed}\n" for seed in range(2)), "")
        assert_same(tmp_path / "runs", reference("shared"))

    def test_the_second_ends_it_at_once(self, reference: Reference, slow: Callable[..., Slow], tmp_path: Path) -> None:
        write_config(tmp_path, "shared")
        running = slow(options("shared"), SLOW="0.3")
        running.syncs(20)
        running.process.send_signal(signal.SIGINT)
        running.syncs(2)
        running.process.send_signal(signal.SIGINT)
        answer = running.end()
        assert answer.code == 130
        assert answer.err.startswith("srnn: interrupted; go on with: srnn run ")
        # It did not wait until both had a checkpoint.
        assert len(list(tmp_path.rglob("*.safetensors"))) < 2
        assert forked([*options("shared"), "--resume"], tmp_path).code == 0
        assert_same(tmp_path / "runs", reference("shared"))

    @pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1])
    def test_what_is_ignored_stays_so(self, reference: Reference, tmp_path: Path, number: int) -> None:
        """As of a run that was begun by nohup."""
        write_config(tmp_path, "shared")
        running = start(options("shared"), tmp_path, before=partial(signal.signal, number, signal.SIG_IGN))
        while not list(tmp_path.rglob("epoch-000000.parquet")):
            assert not running.ends_within(0.01)
        running.send_signal(number)
        assert running.end().code == 0
        assert_same(tmp_path / "runs", reference("shared"))

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
    def test_of_other_commands_they_are_an_end_in_one_line(self, tmp_path: Path, number: int) -> None:
        answer = start(["presets"], tmp_path, before=partial(_raised_by_presets, number)).end()
        assert answer == Answer(128 + number, "", "srnn: interrupted\n")

    def test_of_the_process_they_are_as_before(self) -> None:
        from srnn.commands.signals import Signals

        before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        with Signals() as signals:
            signals.listen()
            assert signal.getsignal(signal.SIGTERM) == signals._note
            assert not signals.received()
            signal.raise_signal(signal.SIGTERM)
            assert signals.received()
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGTERM)
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


class TestOneWriter:
    def test_the_second_start_names_the_first(
        self, reference: Reference, slow: Callable[..., Slow], tmp_path: Path
    ) -> None:
        write_config(tmp_path, "shared")
        running = slow(options("shared"))
        running.syncs(30)
        running.process.send_signal(signal.SIGSTOP)  # it must not end before the others have begun
        for arguments in (options("shared"), [*options("shared"), "--resume"], ["run", "runs/small", "--resume"]):
            line = forked(arguments, tmp_path).line
            assert f"runs/small/seed-0 is being written by process {running.process.pid} on " in line
        shown = forked(["show", "runs/small"], tmp_path)
        assert shown.code == 0
        assert f"seed 1 is running (process {running.process.pid} on " in shown.out
        assert not running.process.ends_within(0)
        running.process.send_signal(signal.SIGKILL)
        running.end()
        assert (tmp_path / "runs/small/seed-0/.lock").exists()
        assert "seed 1 was killed in epoch " in forked(["show", "runs/small"], tmp_path).out
        assert forked([*options("shared"), "--resume"], tmp_path).code == 0
        assert_same(tmp_path / "runs", reference("shared"))

    def test_two_at_the_same_time(self, slow: Callable[..., Slow], reference: Reference, tmp_path: Path) -> None:
        write_config(tmp_path, "shared")
        both = [slow(options("shared", "png")), slow(options("shared", "png"))]
        answers = sorted(one.end() for one in both)
        assert [answer.code for answer in answers] == [0, 2]
        # It depends on how far the one had come when the other looked.
        assert re.search(" is being written by process | holds an interrupted run| exists already", answers[1].line)
        assert_same(tmp_path / "runs", reference("shared"))


class TestStatus:
    def test_of_a_finished_run(self, reference: Reference) -> None:
        text = (reference("shared") / "small/seed-0/status.json").read_text()
        assert json.loads(text) == {"status": "finished", "epoch": 8, "why": ""}

    def test_of_an_interrupted_run(self, interrupted: Path) -> None:
        folder = interrupted / "small/seed-0"
        assert json.loads((folder / "status.json").read_text()) == {"status": "interrupted", "epoch": 5, "why": ""}
        line = f"seed 0 was interrupted in epoch 6 of 8; go on with: srnn run {folder} --resume"
        assert line in forked(["show", str(folder)], interrupted).out

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"status": "fine", "epoch": 1, "why": ""}'])
    def test_of_one_whose_status_is_damaged(self, interrupted: Path, text: str) -> None:
        (interrupted / "small/seed-0/status.json").write_text(text)
        assert read_status(interrupted / "small/seed-0").status == "killed"

    def test_of_one_that_fails(self, tmp_path: Path) -> None:
        with pytest.raises(ZeroDivisionError):
            train(experiment("shared"), tmp_path, after_batch=lambda: 1 / 0)  # type: ignore[arg-type,return-value]
        status = read_status(tmp_path / "small/seed-0")
        assert (status.status, status.epoch, status.why) == ("failed", 0, "ZeroDivisionError: division by zero")

    def test_divergence_is_said_once_and_recorded(self, tmp_path: Path) -> None:
        wild = experiment("shared").override(["training.lr=0.3", "particle.init=xavier"])
        for how, status, then in (
            ("keep", "diverged", "nothing is left to train, and this seed stops"),
            ("reset", "finished", "they are drawn anew"),
            ("stop", "diverged", "this seed stops"),
        ):
            said: list[str] = []
            chosen = wild.override([f"replication.divergent={how}"])
            [run] = train(chosen, tmp_path / how, seeds=[4], say=said.append)
            assert len(said) == 1
            assert re.fullmatch(
                rf"seed 4, epoch 1: \d+ (of 87 )?particles h[oe]ld a NaN or an infinity; {then} "
                rf"\(replication.divergent is '{how}'\): try a smaller training.lr, or .*",
                said[0],
            )
            assert run.status.status == status
            assert (run.status.why != "") == (status == "diverged")

    def test_of_one_that_ends_while_it_is_read(self, interrupted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nobody writes it, then, but it was not killed."""
        folder = interrupted / "small/seed-0"
        write_status(folder, Status("running", 5))

        def ends(folder: Path) -> str:
            write_status(folder, Status("finished", 8))
            return ""

        monkeypatch.setattr("srnn.runs.status.writer", ends)
        assert read_status(folder) == Status("finished", 8)

    @pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
    def test_of_one_that_may_only_be_read(
        self, interrupted: Path, monkeypatch: pytest.MonkeyPatch, number: int
    ) -> None:
        folder = interrupted / "small/seed-0"
        write_status(folder, Status("running", 5))
        (folder / lock.NAME).write_text("process 1 on old\n")  # left behind by one that was killed

        real = os.open

        def refuse(path: Path, flags: int, *more: int) -> int:
            if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                raise OSError(number, os.strerror(number), str(path))
            return real(path, flags, *more)

        with monkeypatch.context() as patched:
            patched.setattr(os, "open", refuse)
            assert read_status(folder) == Status("killed", 5)
        with lock.only_writer(folder), monkeypatch.context() as patched:
            patched.setattr(os, "open", refuse)
            status = read_status(folder)
            assert (status.status, status.why.split(" on ")[0]) == ("running", f"process {os.getpid()}")
            patched.setitem(sys.modules, "fcntl", None)  # as on Windows
            assert read_status(folder) == status


class TestRunFolder:
    """``srnn run`` of the folder of an interrupted run."""

    def test_it_says_how_when_it_cannot_ask(self, interrupted: Path) -> None:
        for name, which in (("runs/small", "0, 1"), ("runs/small/seed-1", "1")):
            line = forked(["run", name], interrupted.parent).line
            assert line == f"{name} is not finished (seed {which}): go on with srnn run {name} --resume"

    def test_on_a_terminal_it_asks(self, reference: Reference, interrupted: Path) -> None:
        ours, theirs = pty.openpty()
        os.write(ours, b"y\n")
        arguments = ["run", "runs/small", "--quiet", "--format", "none"]
        running = start(arguments, interrupted.parent, stdin=os.ttyname(theirs))
        code, out, _ = running.end()
        os.close(ours)
        os.close(theirs)
        assert code == 0
        assert "Go on with it? [Y/n]" in out
        assert_same(interrupted, reference("shared"))

    def test_one_seed_alone(self, reference: Reference, interrupted: Path) -> None:
        before = content(interrupted / "small/seed-1")
        answer = forked(["run", "seed-0", "--resume", "--quiet", "--format", "none"], interrupted / "small")
        assert answer.code == 0
        assert_same(interrupted / "small/seed-0", reference("shared") / "small/seed-0")
        assert content(interrupted / "small/seed-1") == before

    @pytest.mark.parametrize("name", ["../seed-0", "../../link", *([".", "../../all/seed-0"] if SOAK else [])])
    def test_by_another_name(self, reference: Reference, interrupted: Path, name: str) -> None:
        """By way of another folder or of a link: it goes on where it is, and nothing is written elsewhere."""
        where = interrupted / "small/seed-0"
        (interrupted / "link").symlink_to(where)
        (interrupted / "all").symlink_to(interrupted / "small")
        before = content(interrupted / "small/seed-1")
        answer = forked(["run", name, "--resume", "--quiet", "--format", "none"], where)
        assert answer == Answer(0, f"{where}\n", "")
        assert_same(where, reference("shared") / "small/seed-0")
        assert content(interrupted / "small/seed-1") == before
        assert sorted(path.name for path in interrupted.parent.rglob("*")) == sorted(
            [
                "runs",
                "link",
                "all",
                *(path.name for path in [interrupted / "small", *(interrupted / "small").rglob("*")]),
            ]
        )

    @pytest.mark.parametrize(
        ("arguments", "complaint"),
        [
            (["--set", "training.epochs=9"], "--set: the runs in runs/small go on as they were begun"),
            (["--out", "elsewhere"], "--out: the runs in runs/small go on as they were begun"),
        ],
    )
    def test_nothing_else_can_be_asked_of_it(self, interrupted: Path, arguments: list[str], complaint: str) -> None:
        line = forked(["run", "runs/small", "--resume", *arguments], interrupted.parent).line
        assert line.startswith(complaint)

    def test_one_that_was_renamed(self, interrupted: Path) -> None:
        (interrupted / "small").rename(interrupted / "old")
        line = forked(["run", "runs/old", "--resume"], interrupted.parent).line
        assert line == "runs/old/seed-0 was renamed: to go on with it, name it small/seed-0 again"

    def test_one_that_has_ended(self, reference: Reference) -> None:
        assert forked(["run", "small"], reference("shared")).line.startswith("small has ended: see it with ")
