"""Runs whose body is not an MLP: what it has beside its particles lasts, and nothing is imported unasked."""

from __future__ import annotations

import itertools
import shutil
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import networks
import pytest
import torch
from processes import forked, start
from slow_disk import slow_disk

import srnn
from srnn import Experiment, Run, UserError, tasks
from srnn.bodies.module import with_body
from srnn.errors import StoppedError
from srnn.kernels.arithmetic import fast_arithmetic
from srnn.methods.plain import ordinary_tensors
from srnn.runs import checkpoints
from srnn.runs.groups import open_runs
from srnn.runs.verify import verify
from srnn.training.loop import Training

FORMER = {
    "name": "module",
    "path": "networks:RowTransformer",
    "input": "rows",
    "arguments": {"width": 4},
    "exclude": ["position"],
}
BODIES: dict[str, dict[str, Any]] = {
    "conv": {"name": "conv", "channels": [3, 4]},
    "lstm": {"name": "recurrent", "width": 4},
    "transformer": FORMER,
    "tied": {"name": "module", "path": "networks:Tied"},
}
#: A setting of the particles and a method for each: numbers have none.
METHODS: dict[str, dict[str, Any]] = {
    "none": {"replication": {"method": "none"}},
    "sgd": {"replication": {"momentum": "separate"}},
    "newton": {"replication": {"method": "newton"}},
    "lifted": {"replication": {"method": "lifted"}},
    "number": {"replication": {"method": "none"}, "particle": {"kind": "number"}},
}


def experiment(body: str, method: str = "lifted", **training: Any) -> Experiment:
    settings = {"epochs": 2, "batch_size": 400, "lr": 0.01, **training}
    optimizer = "sgd" if method in ("sgd", "newton") else "adam"
    return Experiment.from_dict(
        {
            "name": "small",
            "body": BODIES[body],
            "particle": {"hidden": 3},
            "training": {"optimizer": optimizer, **settings},
            "log": {"every": 1},
            "checkpoint": {"every": 1, "keep": 2},
            **METHODS[method],
        }
    )


#: Of a run that goes on, the class has to be named.
CLASSES = {"transformer": networks.RowTransformer, "tied": networks.Tied}
train = partial(srnn.run, seeds=2, image_format=None, say=lambda message: None)


def content(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file() and "figures" not in path.parts]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def assert_same(folder: Path, other: Path) -> None:
    ours, theirs = content(folder), content(other)
    assert sorted(ours) == sorted(theirs)
    assert [path for path in ours if ours[path] != theirs[path]] == []


def after(batches: int) -> Callable[[], bool]:
    count = itertools.count(1)
    return lambda: next(count) >= batches


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("body", ["conv", "lstm", "transformer"])
def test_it_trains_by_every_method_and_goes_on_to_the_same_bytes(body: str, method: str, tmp_path: Path) -> None:
    train(experiment(body, method), tmp_path / "whole")
    with pytest.raises(StoppedError):
        train(experiment(body, method), tmp_path / "stopped", stop=after(4))  # inside the second epoch
    runs = train(experiment(body, method), tmp_path / "stopped", resume=True, body=CLASSES.get(body))
    assert_same(tmp_path / "stopped", tmp_path / "whole")
    # Something was learnt, in each seed something else, and what is shown is what the network does.
    first, second = (run.organism() for run in runs)
    before, after_ = (ordinary_tensors(runs[0].organism(epoch).body) for epoch in (0, 2))
    still = {name for name in before if torch.equal(before[name], after_[name])}
    assert still <= {"body.scale", "body.conv0.bias", "body.conv1.bias"}  # frozen; of no effect before a norm
    assert any(not torch.equal(after_[name], ordinary_tensors(second.body)[name]) for name in after_)
    x = tasks.load(runs[0].experiment.task).test_x
    answer = first.eval()(x).detach()
    torch.testing.assert_close(first.to_dense()(x), answer, rtol=1e-6, atol=1e-6 * float(answer.abs().max()))


@pytest.mark.parametrize("body", ["conv", "lstm", "transformer"])
def test_kill_9(body: str, tmp_path: Path) -> None:
    small = experiment(body, epochs=9)
    (tmp_path / "small.toml").write_text(small.to_toml())
    command = ["run", "small.toml", "--seeds", "2", "--quiet", "--format", "none"]
    # On a slow disk, so that it cannot have come to its end before it is killed.
    process = start(command, tmp_path, before=slow_disk, SLOW="0.05")
    until = time.monotonic() + 100
    while not list((tmp_path / "runs").glob("small/seed-1/checkpoints/epoch-00000[3-9]*")):
        assert time.monotonic() < until
        assert not process.ends_within(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.end().code == -signal.SIGKILL
    assert forked([*command, "--resume"], tmp_path).code == 0
    train(small, tmp_path / "whole")
    assert_same(tmp_path / "runs", tmp_path / "whole")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run of two seeds of the transformer."""
    folder = tmp_path_factory.mktemp("runs")
    train(experiment("transformer"), folder)
    return folder / "small"


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    return Path(shutil.copytree(finished, tmp_path / "small"))


class TestOrdinaryTensors:
    def test_a_run_gives_back_what_training_had_after_each_epoch(self, tmp_path: Path) -> None:
        small = experiment("transformer")
        training = Training(with_body(small, None, begins=True), tasks.load(small.task), [0, 1])
        with fast_arithmetic(1):  # as a run computes
            reports = training.run()
            kept = [[ordinary_tensors(training.organism.bodies[place]) for place in range(2)] for _ in reports]
        runs = train(small, tmp_path)
        for place, run in enumerate(runs):
            assert run.logged_epochs == [0, 1, 2]
            for epoch in (None, 0, 1, 2):
                ours = ordinary_tensors(run.organism(epoch).body)
                theirs = kept[2 if epoch is None else epoch][place]
                assert ours.keys() == theirs.keys()
                assert all(torch.equal(ours[name], theirs[name]) for name in ours)
        assert {"body.position", "body.marks.weight", "body.scale", "body.seen", "body.enter.bias"} <= ours.keys()

    def test_an_mlp_has_none_and_no_file_of_them(self, tmp_path: Path) -> None:
        plain = Experiment.from_dict({"name": "small", "training": {"epochs": 1, "batch_size": 700}})
        [run] = train(plain, tmp_path, seeds=1)
        assert {path.suffix for path in (run.folder / "trajectory").iterdir()} == {".parquet"}
        with checkpoints.open_checkpoint(run.checkpoints[-1]) as (_, state):
            assert "image" not in state

    @pytest.mark.parametrize(
        ("damage", "check", "what"),
        [
            ("other", "trajectory ends with the checkpoint", "epoch 2 has another body.position"),
            ("shape", "trajectory has every row once", "its body.position is torch.float32 of shape (1, 9, 4), not"),
            ("missing", "trajectory has every row once", "epoch-000002.safetensors is missing"),
            ("strange", "trajectory has every row once", "it has a tensor 'body.x'"),
            ("short", "trajectory has every row once", "it has no 'body.position'"),
            ("epoch", "trajectory has every row once", "it is not of epoch 2"),
            ("bits", "trajectory has every row once", "its content is not that of its checksum"),
        ],
    )
    def test_verify_finds_what_is_wrong_with_them(self, copy: Path, damage: str, check: str, what: str) -> None:
        path = copy / "seed-0/trajectory/epoch-000002.safetensors"
        held = checkpoints.read(path)
        tensors = dict(held.tensors)
        match damage:
            case "other":
                tensors["body.position"] = tensors["body.position"] + 1
            case "shape":
                tensors["body.position"] = torch.zeros(1, 9, 4)
            case "strange":
                tensors["body.x"] = torch.zeros(1)
            case "short":
                del tensors["body.position"]
        if damage == "missing":
            path.unlink()
        elif damage == "bits":
            path.write_bytes(path.read_bytes()[:-1] + b"\x7f")
        else:
            checkpoints.write(path, tensors, {"epoch": 1} if damage == "epoch" else held.state)
        checks = verify(Run(copy / "seed-0", networks.RowTransformer), tasks.load(Experiment().task))
        wrong = checks[~checks["Holds"]].set_index("Check")["Found"].to_dict()
        assert what in wrong[check]
        if damage != "other":
            with pytest.raises(UserError) as caught:
                Run(copy / "seed-0", networks.RowTransformer).organism(2)
            assert what in str(caught.value)

    @pytest.mark.parametrize("image", [[1, 8, 9], [1, 8], "8×8", [1, 8.0, 8], [-1, -8, 8], [True, 8, 8]])
    def test_an_image_that_is_none_is_damage(self, copy: Path, image: object) -> None:
        [*_, path] = (copy / "seed-0/checkpoints").iterdir()
        held = checkpoints.read(path)
        assert held.state["image"] == [1, 8, 8]
        checkpoints.write(path, held.tensors, {**held.state, "image": image})
        newest = max((copy / "seed-0/checkpoints").iterdir())
        checkpoints.write(newest, held.tensors, {**held.state, "image": image})
        with pytest.raises(UserError, match="its image is"):
            Run(copy / "seed-0", networks.RowTransformer).organism()


class TestConsent:
    def test_a_run_of_a_strangers_class_is_shown_and_nothing_else(self, copy: Path, tmp_path: Path) -> None:
        (tmp_path / "stranger").mkdir()
        (tmp_path / "stranger/strangers.py").write_text("open('ran', 'w')\n")
        for path in copy.glob("seed-*/config.toml"):
            path.write_text(path.read_text().replace("networks:RowTransformer", "strangers:Net"))
        (copy / "seed-1/status.json").unlink()
        found = {"PYTHONPATH": str(tmp_path / "stranger")}
        shown = forked(["show", "small"], tmp_path, **found)
        assert (shown.code, shown.err) == (0, "")
        for command in (["show", "small", "--verify"], ["analyze", "small"], ["run", "small", "--resume"]):
            line = forked(command, tmp_path, **found).line
            assert line == (
                "the body of this run is strangers:Net, and nothing that a run folder names is imported unasked: "
                "if you trust it, give --body strangers:Net"
            )
        for given in ("networks:RowTransformer", "strangers:Other"):
            line = forked(["show", "small", "--verify", "--body", given], tmp_path, **found).line
            assert line == f"--body is {given}; the body of the run is strangers:Net: give that, if you trust it"
        assert not list(tmp_path.rglob("ran"))
        assert not (copy / "seed-0/results").exists()

    def test_with_its_class_named_it_is_verified_and_analyzed(self, copy: Path, tmp_path: Path) -> None:
        named = ["--body", "networks:RowTransformer"]
        assert forked(["show", "small", "--verify", *named], tmp_path).code == 0
        answer = forked(["analyze", "small", "--only", "transfer", *named], tmp_path)
        assert (answer.code, answer.err) == (0, "")
        assert (copy / "seed-1/results/transfer.csv").exists()

    def test_it_is_refused_for_runs_that_need_none(self, tmp_path: Path) -> None:
        train(experiment("lstm"), tmp_path, seeds=1)
        line = forked(["show", "small", "--verify", "--body", "networks:Tied"], tmp_path).line
        assert line == "--body: the body of these runs is srnn's own (recurrent): leave it out"

    def test_from_python_the_class_is_given(self, finished: Path) -> None:
        run = Run.open(finished / "seed-0")
        assert run.metrics["Epoch"].max() == 2
        for ask in (run.organism, lambda: verify(run, tasks.load(run.experiment.task))):
            with pytest.raises(UserError, match="give body=, the class"):
                ask()
        with pytest.raises(UserError, match="body is networks:Tied; the body of the run is networks:RowTransformer"):
            run.organism(body=networks.Tied)
        with pytest.raises(UserError, match="give body=, the class"):
            srnn.run(experiment("transformer"), finished.parent, resume=True)
        assert run.organism(body=networks.RowTransformer).size == 200
        assert run.organism(1, body="networks:RowTransformer").size == 200
        [same, _] = open_runs([finished], networks.RowTransformer)
        assert same == run
        assert same.organism().size == 200

    @pytest.mark.parametrize("given", [networks.make, partial(networks.make, width=3)])
    def test_a_function_of_ones_own_goes_all_the_way(self, given: Any, tmp_path: Path) -> None:
        small = Experiment.from_dict({"name": "own", "training": {"epochs": 1, "batch_size": 700}})
        [run] = train(small, tmp_path, seeds=1, body=given)
        width = 3 if isinstance(given, partial) else 4
        assert run.organism().size == 64 * width + width * 10
        assert verify(run, tasks.load(small.task))["Holds"].all()
        [again] = train(small, tmp_path, seeds=1, body=given, resume=True)
        assert again == run
        assert "networks:make" in (run.folder / "config.toml").read_text()

    def test_more_epochs_need_it_too(self, copy: Path) -> None:
        with pytest.raises(UserError, match="give body=, the class"):
            srnn.extend(copy, 1, image_format=None)
        runs = srnn.extend(copy, 1, image_format=None, body=networks.RowTransformer)
        assert [run.logged_epochs for run in runs] == [[0, 1, 2, 3]] * 2
