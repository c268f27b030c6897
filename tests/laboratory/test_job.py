"""The whole job from Python: its arguments are checked before the work, and nothing around it changes it."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from processes import environment, start

import srnn
from srnn import Experiment, Run, UserError, tasks
from srnn.errors import StoppedError
from srnn.laboratory import job
from srnn.laboratory.ask import analyze
from srnn.plots import style
from srnn.runs.groups import names_apart, open_runs
from srnn.runs.lock import only_writer
from srnn.runs.verify import verify
from srnn.tasks import digits

SMALL: dict[str, Any] = {
    "name": "small",
    "task": {"name": "digits", "size": 4},
    "body": {"depth": 3, "width": 3},
    "particle": {"hidden": 3},
    "training": {"epochs": 2, "batch_size": 500},
    "log": {"every": 1},
}
EXPERIMENT = Experiment.from_dict(SMALL)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@contextmanager
def setting(put: Callable[[Any], object], value: Any, back: Any) -> Iterator[None]:
    put(value)
    try:
        yield
    finally:
        put(back)


@contextmanager
def denormals_are_zero() -> Iterator[None]:
    torch.set_flush_denormal(True)
    try:
        yield
        # It is as it was.
        assert torch.full((1,), 1e-39).mul(1).item() == 0
    finally:
        torch.set_flush_denormal(False)


#: What a notebook may have set for its own work.
STATES: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "nothing": lambda: ExitStack(),
    "no_grad": torch.no_grad,
    "inference": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu"),
    "double": lambda: setting(torch.set_default_dtype, torch.float64, torch.float32),
    "half": lambda: setting(torch.set_default_dtype, torch.bfloat16, torch.float32),
    "device": lambda: torch.device("meta"),
    "default device": lambda: setting(torch.set_default_device, "meta", None),
    "deterministic": lambda: setting(torch.use_deterministic_algorithms, True, False),
    "precision": lambda: setting(torch.set_float32_matmul_precision, "medium", "highest"),
    "anomaly": lambda: torch.autograd.set_detect_anomaly(True),
    "denormal": denormals_are_zero,
    "numpy": lambda: np.errstate(all="raise"),
    "seed": lambda: setting(torch.manual_seed, 7, 0),
    "threads": lambda: setting(torch.set_num_threads, 2, torch.get_num_threads()),
}


#: In which of them figures are drawn, too, which takes longer than all else.
DRAWN = ("double", "device", "numpy")


def look(folder: Path, image_format: str | None) -> tuple[Any, ...]:
    """All that can be read of a run, which is made there: its files but for the figures, and what they hold."""
    [run] = srnn.run(EXPERIMENT, folder, image_format=image_format)
    organism, task = run.organism(), tasks.load(EXPERIMENT.task)
    answers = analyze([run], ["dropout", "transfer", "heatmap"], image_format=image_format)
    assert (len(answers.figures) > 2, answers.left_out) == (image_format is not None, [])
    return (
        {path: data for path, data in content(run.folder).items() if not path.startswith("figures")},
        organism.weights.detach().clone().numpy().tobytes(),
        run.organism(1).weights.detach().clone().numpy().tobytes(),
        run.trajectory().to_csv(),
        verify(run, task)["Holds"].tolist(),
    )


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    return look(tmp_path_factory.mktemp("plain"), None)


@pytest.mark.parametrize("name", STATES)
def test_what_is_set_in_torch_changes_nothing(name: str, plain: tuple[Any, ...], tmp_path: Path) -> None:
    # Data of its own: what was loaded in one state is used in another.
    digits._load.cache_clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, of anomaly detection
        with STATES[name]():
            grad, dtype, inference = (
                torch.is_grad_enabled(),
                torch.get_default_dtype(),
                torch.is_inference_mode_enabled(),
            )
            device, autocast = torch.get_default_device(), torch.is_autocast_enabled("cpu")
            assert look(tmp_path, "png" if name in DRAWN else None) == plain
            assert (grad, dtype, inference) == (
                torch.is_grad_enabled(),
                torch.get_default_dtype(),
                torch.is_inference_mode_enabled(),
            )
            assert (device, autocast) == (torch.get_default_device(), torch.is_autocast_enabled("cpu"))
    assert srnn.run(EXPERIMENT, tmp_path / "after", image_format=None)[0].metrics.equals(
        Run(tmp_path / "small/seed-0").metrics
    )


class TestArguments:
    """What is wrong is said before anything is trained, and nothing is left."""

    @pytest.mark.parametrize(
        ("arguments", "complaint"),
        [
            ({"image_format": "jpg"}, "image_format is 'jpg'; allowed: png, svg, pdf"),
            ({"image_format": ".png"}, "image_format is '.png'; allowed"),
            ({"image_format": ""}, "image_format is ''; allowed"),
            ({"device": "gpu"}, "device is 'gpu'; allowed: cpu, cuda"),
            ({"device": "cuda:99"}, "device is cuda:99, but torch finds no CUDA device here; use device='cpu'"),
            ({"device": torch.device("meta")}, "device is 'meta'; allowed"),
            ({"seeds": [-1]}, "seeds: one of them is -1; allowed"),
            ({"seeds": (0, 0)}, "seeds: 0 is named twice; allowed"),
            ({"out": "a\0b"}, "'a\\x00b' holds a zero byte"),
        ],
        ids=str,
    )
    def test_they_are_checked_before_the_work(
        self, tmp_path: Path, arguments: dict[str, Any], complaint: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        batches: list[int] = []
        with pytest.raises(UserError) as error:
            srnn.run(EXPERIMENT, **{"out": "out", "after_batch": lambda: batches.append(1), **arguments})
        assert str(error.value).startswith(complaint)
        assert batches == []
        assert not list(tmp_path.iterdir())

    def test_seeds_of_numpy_are_written_as_numbers(self, tmp_path: Path) -> None:
        runs = srnn.run(EXPERIMENT, tmp_path, seeds=np.arange(2), image_format=None)
        assert [Run.open(run.folder).experiment.seed for run in runs] == [0, 1]

    def test_an_experiment_may_be_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "mine.toml"
        EXPERIMENT.override("name=mine").to_toml(path)
        [run] = srnn.run(str(path), tmp_path / "text", image_format=None)
        [other] = srnn.run(path, tmp_path / "path", image_format=None)
        assert run.metrics.equals(other.metrics)
        with pytest.raises(UserError, match=r"there is no preset 'digts'; did you mean digits\?"):
            srnn.run("digts")
        np.savez(tmp_path / "iris.npz", X=np.zeros(3))
        with pytest.raises(UserError, match=r"iris\.npz is data, not an experiment: train on it with override"):
            srnn.run(str(tmp_path / "iris.npz"))

    def test_messages_speak_python(self, tmp_path: Path) -> None:
        srnn.run(EXPERIMENT, tmp_path, image_format=None)
        with pytest.raises(UserError, match="exists already: choose another out or other seeds, or remove it first"):
            srnn.run(EXPERIMENT, tmp_path)
        with pytest.raises(UserError, match=r"with particle.hidden 3 and not 2: .* \(override\('name=…'\)\)"):
            srnn.run(EXPERIMENT.override("particle.hidden=2"), tmp_path)


class TestPaths:
    """Whatever the system takes for a path is one: for what is written, for data, and for what is read again."""

    NAMES = ("a b", "ä", os.fsdecode(b"\xff\xfe"), "x" * 200, "[a]*?", "-x", "$HOME", "line\nbreak", "'\"")

    @pytest.mark.parametrize("name", NAMES, ids=ascii)
    def test_everywhere(self, tmp_path: Path, name: str) -> None:
        place = tmp_path / name
        place.mkdir()
        rng = np.random.default_rng(0)
        np.savez(place / "data.npz", X=rng.normal(size=(60, 16)).astype(np.float32), y=rng.integers(0, 3, 60))
        data = place / "data.npz"
        chosen = Experiment.from_dict(
            SMALL | {"task": {"name": "arrays", "path": data}, "training": {"epochs": 2, "batch_size": 20}}
        )
        with pytest.raises(StoppedError):
            srnn.run(chosen, place / "runs", stop=iter([False, False, True]).__next__)
        srnn.run(chosen, str(place / "runs"), resume=True, image_format=None)
        [run] = open_runs([str(place / "runs/small")])
        assert run.status.status == "finished"
        assert run.organism().size == run.organism(1).size
        assert run.trajectory()["Epoch"].max() == 2
        figures = analyze([run], ["dropout"]).figures
        assert [figure.is_file() for figure in figures] == [True]
        assert verify(run, tasks.load(run.experiment.task))["Holds"].all()

    def test_on_the_command_line(self, tmp_path: Path) -> None:
        place = tmp_path / os.fsdecode(b"a \xff")
        place.mkdir()
        EXPERIMENT.to_toml(place / "small.toml")
        command = [sys.executable, "-m", "srnn"]
        runs = place / "runs"
        made = subprocess.run(
            [*command, "run", place / "small.toml", "--out", runs, "--quiet", "--format", "none"],
            env=environment(),
            capture_output=True,
        )
        assert (made.returncode, made.stderr) == (0, b"")
        assert made.stdout.rstrip(b"\n") == os.fsencode(runs / "small/seed-0")
        shown = subprocess.run([*command, "show", made.stdout.rstrip(b"\n")], env=environment(), capture_output=True)
        assert (shown.returncode, shown.stderr) == (0, b"")

    def test_a_tilde_is_the_home_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        home = tmp_path / "home"
        (home / "runs").mkdir(parents=True)
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.chdir(tmp_path)
        EXPERIMENT.to_toml("~/small.toml")
        [run] = srnn.run("~/small.toml", "~/runs", image_format=None)
        assert run.folder == home / "runs/small/seed-0"
        for again in (Run("~/runs/small/seed-0"), Run.open("~/runs/small/seed-0"), open_runs(["~/runs/small"])[0]):
            assert again.folder == run.folder
        assert [path.name for path in tmp_path.iterdir()] == ["home"]

    def test_a_home_that_nobody_knows_is_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)

        def unknown(path: Path) -> Path:
            raise RuntimeError("Could not determine home directory.")

        monkeypatch.setattr(Path, "expanduser", unknown)
        with pytest.raises(UserError, match="nobody knows where that is: set HOME, or write the path out"):
            srnn.run(EXPERIMENT, "~/runs")
        assert not list(tmp_path.iterdir())

    def test_by_way_of_a_link(self, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to("real")
        [run] = srnn.run(EXPERIMENT, tmp_path / "link", image_format=None)
        assert Run.open(tmp_path / "real/small/seed-0").metrics.equals(run.metrics)

    def test_one_too_long_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="File name too long; choose another out"):
            srnn.run(EXPERIMENT, tmp_path / ("x/" * 3000))


def test_many_seeds_with_few_open_files(tmp_path: Path) -> None:
    """Less than one for each seed, and no more allowed."""
    tiny = Experiment.from_dict(
        {**SMALL, "task": {"name": "add", "samples": 20}, "training": {"epochs": 1, "batch_size": 20}}
    )
    tiny.to_toml(tmp_path / "tiny.toml")
    few = partial(resource.setrlimit, resource.RLIMIT_NOFILE, (60, 60))
    arguments = ["run", "tiny.toml", "--out", "out", "--seeds", "64", "--quiet", "--format", "none"]
    answer = start(arguments, tmp_path, before=few).end()
    assert (answer.code, answer.err) == (0, "")
    runs = open_runs([tmp_path / "out/small"])
    assert [run.status.status for run in runs] == ["finished"] * 64
    assert not list(tmp_path.rglob(".lock*"))


class TestExtend:
    LONG = EXPERIMENT.override(["training.epochs=10", "log.every=2", "checkpoint.every=3"])

    @pytest.fixture(scope="class")
    @classmethod
    def longer(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return srnn.run(cls.LONG, tmp_path_factory.mktemp("long"), seeds=2)[0].folder.parent

    @staticmethod
    def undrawn(folder: Path) -> dict[str, bytes]:
        """All but the figures."""
        return {path: data for path, data in content(folder).items() if "figures" not in path}

    def test_figures_and_answers_are_those_of_one_that_was_longer_from_the_start(
        self, longer: Path, tmp_path: Path
    ) -> None:
        srnn.run(self.LONG.override("training.epochs=6"), tmp_path, seeds=2)
        analyze(open_runs([tmp_path / "small"]), ["dropout"])
        srnn.extend(tmp_path / "small", 4)
        assert content(tmp_path / "small") == content(longer)

    @pytest.mark.parametrize("epochs", [7, 4, 1])
    def test_to_the_bytes_of_one_that_was_longer_from_the_start(
        self, longer: Path, tmp_path: Path, epochs: int
    ) -> None:
        srnn.run(self.LONG.override(f"training.epochs={epochs}"), tmp_path, seeds=2, image_format=None)
        runs = srnn.extend(tmp_path / "small", 10 - epochs, image_format=None)
        assert [run.experiment.seed for run in runs] == [0, 1]
        assert content(tmp_path / "small") == self.undrawn(longer)

    def test_of_seeds_that_diverged(self, tmp_path: Path) -> None:
        wild = self.LONG.override(["training.lr=0.3", "particle.init=xavier", "replication.divergent=stop"])
        for epochs in (4, 10):
            chosen = wild.override(f"training.epochs={epochs}")
            srnn.run(chosen, tmp_path / str(epochs), seeds=2, image_format=None, say=lambda line: None)
        srnn.extend(tmp_path / "4/small", 6, image_format=None, say=lambda line: None)
        assert content(tmp_path / "4") == content(tmp_path / "10")

    def test_one_that_was_stopped_on_its_way_goes_on(self, longer: Path, tmp_path: Path) -> None:
        srnn.run(self.LONG.override("training.epochs=7"), tmp_path, seeds=2, image_format=None)
        with pytest.raises(StoppedError):
            srnn.extend(tmp_path / "small", 3, stop=iter([False] * 5 + [True] * 9).__next__)
        assert Run(tmp_path / "small/seed-0").status.status == "interrupted"
        srnn.run(self.LONG, tmp_path, seeds=2, resume=True, image_format=None)
        assert content(tmp_path / "small") == self.undrawn(longer)

    def test_only_what_has_ended(self, tmp_path: Path) -> None:
        with pytest.raises(StoppedError):
            srnn.run(EXPERIMENT, tmp_path, stop=lambda: True)
        with pytest.raises(UserError, match="has not ended: go on with it by resume=True before it is made longer"):
            srnn.extend(tmp_path / "small", 3)

    def test_from_the_command_line(self, longer: Path, tmp_path: Path) -> None:
        srnn.run(self.LONG.override("training.epochs=6"), tmp_path, seeds=2, image_format=None)
        answer = start(["run", "small", "--extend", "4", "--quiet", "--format", "none"], tmp_path).end()
        assert (answer.code, answer.err) == (0, "")
        assert content(tmp_path / "small") == self.undrawn(longer)
        for epochs in ("0", "-3", "many", "10000000"):
            line = start(["run", "small", "--extend", epochs], tmp_path).end().line
            assert line == f"--extend is {epochs!r}; allowed: a whole number from 1 to 1,000,000"
        assert "--extend: digits is not the folder of a run" in start(["run", "--extend", "3"], tmp_path).end().line

    @pytest.fixture
    def of_a_table(self, tmp_path: Path) -> Path:
        """The folder of the seeds of a finished experiment on data that can be taken away."""
        digits = tasks.load(EXPERIMENT.task)
        np.savez(tmp_path / "own.npz", X=digits.train_x[:200].numpy(), y=digits.train_y[:200].numpy())
        arrays = {**SMALL, "task": {"name": "arrays", "path": str(tmp_path / "own.npz")}, "checkpoint": {"every": 3}}
        chosen = Experiment.from_dict(arrays).override("training.batch_size=50")
        return srnn.run(chosen, tmp_path, seeds=2)[0].folder.parent

    @pytest.mark.parametrize(
        ("arguments", "complaint"),
        [
            ({"foo": 1}, "there is no argument foo; allowed: after_start"),
            ({"sey": print}, "there is no argument sey; did you mean say?"),
            ({"stop": True}, "stop is True; allowed: what can be called"),
            ({"device": "cuda:99"}, "device is cuda:99, but torch finds no CUDA device here"),
            ({"image_format": "jpg"}, "image_format is 'jpg'; allowed"),
            ({"epochs": 0}, "epochs is 0; allowed: a whole number from 1"),
            ({"epochs": "2"}, "epochs is 2; allowed: a whole number from 1"),
            ({"data_dir": "a\0b"}, "'a\\x00b' holds a zero byte"),
        ],
        ids=str,
    )
    def test_what_is_wrong_is_told_before_anything_is_changed(
        self, of_a_table: Path, arguments: dict[str, Any], complaint: str
    ) -> None:
        before = content(of_a_table)
        with pytest.raises(UserError) as error:
            srnn.extend(of_a_table, **{"epochs": 2, **arguments})
        assert str(error.value).startswith(complaint)
        assert content(of_a_table) == before

    @pytest.mark.parametrize("what", ["gone", "others"])
    def test_data_that_are_missing_or_others(self, of_a_table: Path, what: str) -> None:
        """From Python and on the command line, which takes a way of its own."""
        path, before = of_a_table.parent / "own.npz", content(of_a_table)
        if what == "gone":
            path.unlink()
        else:
            np.savez(path, X=np.ones((200, 16)), y=np.arange(200) % 10)
        with pytest.raises(UserError, match=r"own\.npz"):
            srnn.extend(of_a_table, 2)
        assert "own.npz" in start(["run", "small", "--extend", "2"], of_a_table.parent).end().line
        assert content(of_a_table) == before

    @pytest.mark.parametrize("seed", ["", "seed-1"])
    def test_a_device_that_is_not_here_is_told_on_the_command_line(self, of_a_table: Path, seed: str) -> None:
        before = content(of_a_table)
        command = ["run", f"small/{seed}", "--extend", "2", "--device", "cuda"]
        line = start(command, of_a_table.parent, CUDA_VISIBLE_DEVICES="").end().line
        assert line.startswith("--device is cuda, but torch finds no CUDA device here")
        assert content(of_a_table) == before

    def test_more_seeds_than_fit_side_by_side(self, of_a_table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        before = content(of_a_table)
        monkeypatch.setattr("srnn.bodies.body.MOST_NUMBERS", 4_000)  # one has 87 particles of 27 weights
        with pytest.raises(UserError, match="for 2 seeds side by side, make 4,698 weights; at most 4,000 are trained"):
            srnn.extend(of_a_table, 2)
        assert content(of_a_table) == before

    def test_one_that_another_process_writes_to(self, of_a_table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        before = content(of_a_table)
        monkeypatch.setattr("srnn.runs.lock._PATIENCE", 0)
        with only_writer(of_a_table / "seed-1"), pytest.raises(UserError, match="seed-1 is being written by"):
            srnn.extend(of_a_table, 2)
        assert content(of_a_table) == before

    def test_a_run_may_be_given(self, of_a_table: Path) -> None:
        [run] = srnn.extend(Run(of_a_table / "seed-1"), 1, image_format=None)
        assert run.experiment.training.epochs == 3


class TestComparison:
    PAIR = EXPERIMENT.override(
        ["name=pair", 'comparison.variants.one=["training.lr=0.01"]', 'comparison.variants.two=["training.lr=0.02"]']
    )

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls, tmp_path_factory: pytest.TempPathFactory) -> srnn.Comparison:
        comparison = srnn.run(cls.PAIR, tmp_path_factory.mktemp("pair"), seeds=2)
        assert isinstance(comparison, srnn.Comparison)
        return comparison

    def test_it_is_run_from_python(self, made: srnn.Comparison) -> None:
        assert [run.folder.parent.name for run in made] == ["pair-one", "pair-one", "pair-two", "pair-two"]
        assert {name: len(runs) for name, runs in made.variants.items()} == {"one": 2, "two": 2}
        assert made.folder.name == "pair"
        assert {path.stem for path in made.figures} == {"curves", "final", "order_of_learning"}

    def test_it_is_opened_again(self, made: srnn.Comparison) -> None:
        again = srnn.Comparison.open(made.folder)
        assert list(again) == list(made)
        assert again.experiment.comparison == self.PAIR.comparison
        last = [run.metrics.query("Metric == 'test_accuracy'")["Score"].iloc[-1] for run in made.variants["two"]]
        final = again.final.set_index(["Metric", "Group"])["Mean"]
        assert final["test_accuracy", "two"] == pytest.approx(sum(last) / 2)
        assert again.tests.query("Metric == 'test_accuracy'")[["A", "B", "n"]].to_numpy().tolist() == [
            ["one", "two", 2]
        ]
        assert ": one, two" in repr(again)
        assert "test_accuracy" in str(again)

    def test_it_is_shown_and_asked(self, made: srnn.Comparison, tmp_path: Path) -> None:
        place = made.folder.parent
        shown = start(["show", "pair"], place).end()
        assert (shown.code, shown.err) == (0, "")
        for text in ("variant", "test accuracy", "paired tests", "one − two", "pair/results/tests.csv"):
            assert text in shown.out
        asked = start(["analyze", "pair", "--only", "dropout"], place).end()
        assert (asked.code, asked.err) == (0, "")
        assert "one − two" in asked.out
        for run in made:
            assert (run.folder / "results/dropout.csv").is_file()

    def test_one_that_was_stopped_goes_on_by_its_folder(self, made: srnn.Comparison, tmp_path: Path) -> None:
        calls = iter([False] * 7 + [True] * 9)
        with pytest.raises(StoppedError):
            srnn.run(self.PAIR, tmp_path, seeds=2, stop=calls.__next__)
        with pytest.raises(UserError, match="not compared yet"):
            srnn.Comparison.open(tmp_path / "pair").final  # noqa: B018
        line = start(["run", "pair"], tmp_path).end().line
        assert line.endswith("go on with srnn run pair --resume")
        again = start(["run", "pair", "--resume", "--quiet", "--format", "none"], tmp_path).end()
        assert (again.code, again.err) == (0, "")
        theirs = content(made.folder.parent / "pair-two")
        assert all(theirs[path] == data for path, data in content(tmp_path / "pair-two").items())
        pd.testing.assert_frame_equal(srnn.Comparison.open(tmp_path / "pair").final, made.final)

    def test_another_of_that_name_is_told(self, made: srnn.Comparison) -> None:
        other = self.PAIR.override('comparison.variants.two=["training.lr=0.5"]')
        with pytest.raises(
            UserError, match=r"pair exists already, with comparison\.variants\.two .* choose another out"
        ):
            srnn.run(other, made.folder.parent)

    def test_what_cannot_be_begun_leaves_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="batch_size"):
            srnn.run(self.PAIR.override("training.batch_size=100000"), tmp_path)
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize(
        ("changes", "complaint"),
        [
            ("training.batch_size=5000", "pair-two: training.batch_size is 5,000"),
            ("start.run=nope", "pair-two: nope is not a folder"),
            ("task.name=arrays task.path=nope.csv", "pair-two: "),
            ("body.name=module body.path=nope:Net", "pair-two: body.path nope:Net cannot be imported"),
        ],
    )
    def test_all_variants_are_checked_before_the_first_begins(
        self, tmp_path: Path, changes: str, complaint: str
    ) -> None:
        settings = ", ".join(f'"{change}"' for change in changes.split())
        pair = self.PAIR.override(f"comparison.variants.two=[{settings}]")
        with pytest.raises(UserError) as error:
            srnn.run(pair, tmp_path)
        assert str(error.value).startswith(complaint)
        assert not list(tmp_path.iterdir())
        pair.to_toml(tmp_path / "pair.toml")
        line = start(["run", "pair.toml", "--out", "out"], tmp_path).end().line
        assert complaint.removeprefix("pair-two: ") in line
        assert not (tmp_path / "out").exists()

    def test_data_are_loaded_once_to_check_variants(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        loaded: list[int] = []
        load = digits.load
        monkeypatch.setattr(digits, "load", lambda *given: loaded.append(1) or load(*given))
        with pytest.raises(StoppedError):
            srnn.run(self.PAIR, tmp_path, stop=lambda: True)
        assert len(loaded) == 2

    @pytest.mark.parametrize("name", ["absent", "pair-one", "pair-one/seed-0"])
    def test_a_folder_of_something_else_is_told(self, made: srnn.Comparison, name: str) -> None:
        with pytest.raises(UserError, match="is not the folder of a comparison"):
            srnn.Comparison.open(made.folder.parent / name)

    def test_more_variants_than_there_are_looks(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(job, "draw", lambda *arguments: None)
        variants = {f"v{number}": [f"training.lr={0.001 * (number + 1)}"] for number in range(9)}
        many = EXPERIMENT.model_copy(update={"name": "many"}).override(
            [f"comparison.variants.{name}={changes!r}" for name, changes in variants.items()]
        )
        comparison = srnn.run(many, tmp_path)
        assert isinstance(comparison, srnn.Comparison)
        assert comparison.final["Group"].nunique() == 9
        assert len(comparison.figures) == 3


class TestOverview:
    @pytest.fixture(scope="class")
    @classmethod
    def place(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        place = tmp_path_factory.mktemp("overview")
        srnn.run(EXPERIMENT, place / "runs", seeds=2, image_format=None)
        srnn.run(EXPERIMENT.override("particle.hidden=2"), place / "runs/deep", image_format=None)
        return place

    def test_all_runs_are_listed(self, place: Path) -> None:
        answer = start(["list"], place).end()
        assert (answer.code, answer.err) == (0, "")
        lines = [line.split() for line in answer.out.splitlines()[2:]]
        assert [line[:4] for line in lines] == [
            ["runs/deep/small/seed-0", "1", "2/2", "finished"],
            ["runs/small", "2", "2/2", "finished"],
        ]

    def test_two_of_one_name_are_told_apart(self, place: Path) -> None:
        shown = start(["show", "runs/small", "runs/deep/small"], place).end()
        assert (shown.code, shown.err) == (0, "")
        groups = [open_runs([place / "runs/small"]), open_runs([place / "runs/deep/small"])]
        assert names_apart(groups) == ["runs-small", "deep-small"]
        assert all(name in shown.out for name in names_apart(groups))
        compared = start(["analyze", "runs/small", "runs/deep/small", "--only", "dropout"], place).end()
        assert (compared.code, compared.err) == (0, "")
        assert "comparison-runs-small-deep-small/figures/final.png" in compared.out

    def test_as_json(self, place: Path) -> None:
        import json

        answer = start(["show", "runs", "--json"], place).end()
        assert (answer.code, answer.err) == (0, "")
        [entry] = json.loads(answer.out)
        assert entry["name"] == "small"
        assert [run["seed"] for run in entry["runs"]] == [0, 1]
        accuracy = entry["metrics"]["test_accuracy"]
        assert accuracy["mean"] == pytest.approx(sum(accuracy["seeds"].values()) / 2)
        assert entry["settings"]["particle"]["hidden"] == 3


class TestStopWhileDrawing:
    def test_it_is_heard_between_figures(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        drawn: list[str] = []
        real = style.save

        def save(figure: Any, path: Path) -> Path:
            drawn.append(path.name)
            return real(figure, path)

        monkeypatch.setattr(style, "save", save)
        with pytest.raises(StoppedError):
            srnn.run(EXPERIMENT, tmp_path, seeds=3, stop=lambda: len(drawn) >= 3)
        assert len(drawn) == 3
        assert Run(tmp_path / "small/seed-0").status.status == "interrupted"
        srnn.run(EXPERIMENT, tmp_path, seeds=3, resume=True)
        assert len(list(tmp_path.rglob("*.png"))) == 8


def test_figures_are_drawn_whatever_a_notebook_has_set(tmp_path: Path) -> None:
    EXPERIMENT.to_toml(tmp_path / "small.toml")
    code = """
import os, sys, srnn, srnn.training.loop
assert "matplotlib" not in sys.modules
for backend in sys.argv[1:]:
    child = os.fork()
    if child == 0:
        os.environ["MPLBACKEND"] = backend
        srnn.run("small.toml", backend[:6])
        assert os.environ["MPLBACKEND"] == backend
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""
    backends = "module://matplotlib_inline.backend_inline", "no such thing"
    done = subprocess.run(
        [sys.executable, "-c", code, *backends], cwd=tmp_path, env=environment(), capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    for backend in backends:
        assert len(list((tmp_path / backend[:6]).rglob("*.png"))) == 2
