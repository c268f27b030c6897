"""The run folder: what is written is found again, whole, with or without srnn."""

from __future__ import annotations

import csv
import json
import math
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import safetensors
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import srnn
from srnn import Experiment, Run, UserError, tasks
from srnn.files import is_file, write_whole
from srnn.fixpoints import FixpointType, census, classify
from srnn.runs.groups import open_runs
from srnn.runs.writer import RunWriter, versions
from srnn.training.loop import Training

SMALL = Experiment.from_dict(
    {
        "name": "small",
        "about": 'Näher an »TOML«\n\t\\ "quotes" 💥',
        "task": {"name": "digits", "size": 4},
        "body": {"depth": 3, "width": 3, "residual": "layer"},
        "particle": {"hidden": 3},
        "training": {"epochs": 7, "batch_size": 200},
        "log": {"every": 2},
        "checkpoint": {"every": 2, "keep": 2},
    }
)
SEEDS = [3, 11]
PARTICLES = 16 * 3 + 3 * 3 + 3 * 10


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """A small experiment, run for two seeds side by side."""
    return srnn.run(SMALL, tmp_path_factory.mktemp("runs"), seeds=SEEDS)


@pytest.fixture(params=range(len(SEEDS)), ids=[f"seed-{seed}" for seed in SEEDS])
def run(request: pytest.FixtureRequest, finished: list[Run]) -> Run:
    """Each of the two, opened anew."""
    return Run.open(finished[request.param].folder)


@pytest.fixture
def damaged(finished: list[Run], tmp_path: Path) -> Run:
    """A copy of a run, to be damaged."""
    shutil.copytree(finished[0].folder, tmp_path / "copy")
    return Run.open(tmp_path / "copy")


def census_of_one() -> dict[str, float]:
    return {kind.label: float(kind is FixpointType.OTHER) for kind in FixpointType}


def one_line(error: pytest.ExceptionInfo[UserError]) -> str:
    message = str(error.value)
    assert len(message.splitlines()) == 1
    return message


class TestFolder:
    def test_it_is_named_after_experiment_and_seed(self, finished: list[Run]) -> None:
        assert [run.folder.name for run in finished] == ["seed-3", "seed-11"]
        assert {run.folder.parent.name for run in finished} == {"small"}

    def test_it_holds_what_it_should_and_nothing_besides(self, run: Run) -> None:
        found = {path.relative_to(run.folder).as_posix() for path in run.folder.rglob("*") if path.is_file()}
        assert found == {
            "config.toml",
            "metrics.csv",
            "status.json",
            "figures/training_curves.png",
            "figures/particle_types.png",
            # Logged: before training, every second epoch and after the last.
            *(f"trajectory/epoch-{epoch:06}.parquet" for epoch in (0, 2, 4, 6, 7)),
            # Of 2, 4, 6 and 7 the last two.
            *(f"checkpoints/epoch-{epoch:06}.safetensors" for epoch in (6, 7)),
        }

    def test_the_figures_of_several_seeds_lie_beside_them(self, finished: list[Run]) -> None:
        folder = finished[0].folder.parent
        found = sorted(path.relative_to(folder).as_posix() for path in folder.iterdir())
        assert found == ["figures", "seed-11", "seed-3"]
        assert {path.name for path in (folder / "figures").iterdir()} == {"training_curves.png", "particle_types.png"}

    def test_an_existing_folder_is_not_touched(self, finished: list[Run]) -> None:
        folder = finished[0].folder
        before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
        with pytest.raises(UserError, match="exists already: choose another out or other seeds") as error:
            srnn.run(SMALL, folder.parents[1], seeds=[0, SEEDS[0]])
        one_line(error)
        assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
        assert not (folder.parent / "seed-0").exists()

    def test_a_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        for folder in (tmp_path / "file" / "seed-0", tmp_path / ("x" * 300)):
            with pytest.raises(UserError, match=r"cannot be made: .*; choose another out") as error:
                RunWriter(folder, SMALL)
            one_line(error)
        assert [path.name for path in tmp_path.iterdir()] == ["file"]


class TestConfig:
    def test_it_says_everything_with_versions_and_seed(self, run: Run) -> None:
        with (run.folder / "config.toml").open("rb") as file:
            values = tomllib.load(file)
        described = SMALL.model_copy(update={"task": tasks.complete(SMALL.task, tasks.load(SMALL.task))})
        assert values["task"]["fingerprint"].keys() == {"images", "labels"}
        for section, fields in described.model_dump(exclude_none=True).items():
            if section not in ("seed", "versions"):
                assert values[section] == fields
        assert values["seed"] == int(run.folder.name.removeprefix("seed-"))
        assert values["versions"] == versions()
        assert values["versions"]["torch"] == torch.__version__
        assert {"python", "srnn", "numpy", "kernels"} < values["versions"].keys()

    def test_it_says_by_which_kernels_and_names_numba_only_where_it_is_used(self, each_path: str) -> None:
        assert versions()["kernels"].startswith("fused (" if each_path == "kernels" else "torch (")
        assert ("numba" in versions()) == (each_path == "kernels")

    def test_it_says_what_the_task_would_fill_in(self, tmp_path: Path) -> None:
        sizeless = SMALL.override(["training.epochs=1"]).model_dump(exclude_none=True)
        del sizeless["task"]["size"]
        [run] = srnn.run(Experiment.from_dict(sizeless), tmp_path, image_format=None)
        assert run.experiment.task.size == 8

    def test_it_runs_again_with_the_same_result(self, run: Run, tmp_path: Path) -> None:
        """Alone, too: what a seed gives does not depend on the seeds beside it."""
        [again] = srnn.run(Experiment.from_toml(run.folder / "config.toml"), tmp_path)
        for path in sorted(run.folder.rglob("*")):
            if path.is_file():
                assert (again.folder / path.relative_to(run.folder)).read_bytes() == path.read_bytes(), path.name


class TestMetrics:
    def test_long_form(self, run: Run) -> None:
        metrics = run.metrics
        assert list(metrics.columns) == ["Epoch", "Batch", "Metric", "Score"]
        assert [str(dtype) for dtype in metrics.dtypes.drop("Metric")] == ["int64", "int64", "float64"]
        assert all(isinstance(metric, str) for metric in metrics["Metric"])
        # 1,437 examples: seven whole batches of 200 an epoch.
        assert (metrics["Batch"] == 7 * metrics["Epoch"]).all()
        assert not metrics.duplicated(["Epoch", "Metric"]).any()

    def test_losses_every_epoch_and_the_rest_when_logged(self, run: Run) -> None:
        epochs = run.metrics.groupby("Metric")["Epoch"].apply(list)
        for metric in ("replication_loss", "replication_objective", "task_loss", "train_accuracy"):
            assert epochs[metric] == [1, 2, 3, 4, 5, 6, 7]
        labels = [kind.label for kind in FixpointType]
        for metric in ("test_accuracy", *labels, *(f"L{layer}_{label}" for layer in range(3) for label in labels)):
            assert epochs[metric] == [0, 2, 4, 6, 7]
        for metric in ("rest_test_accuracy", *(f"rest_{label}" for label in labels)):
            assert epochs[metric] == [0, 2, 4, 6, 7]
        # Accuracy, balanced accuracy, and the recall of each of ten classes; the accuracy at rest.
        assert len(epochs) == 4 + 12 + 1 + 5 * len(labels)

    def test_the_census_adds_up(self, run: Run) -> None:
        table = run.metrics.pivot(index="Epoch", columns="Metric", values="Score").loc[[0, 2, 4, 6, 7]]
        labels = [kind.label for kind in FixpointType]
        assert (table[labels].sum(axis=1) == PARTICLES).all()
        for label in labels:
            assert (table[label] == sum(table[f"L{layer}_{label}"] for layer in range(3))).all()

    def test_it_is_readable_without_srnn(self, run: Run) -> None:
        with (run.folder / "metrics.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == len(run.metrics)
        assert [float(row["Score"]) for row in rows] == run.metrics["Score"].tolist()

    @settings(max_examples=50, deadline=None)
    @given(st.lists(st.floats(width=32), min_size=1, max_size=5))
    def test_what_is_written_is_read_to_nine_digits(
        self, tmp_path_factory: pytest.TempPathFactory, values: list[float]
    ) -> None:
        """As many as tell any two single-precision numbers apart; infinities and NaN too."""
        writer = RunWriter(tmp_path_factory.mktemp("run") / "seed-0", Experiment())
        writer.metrics(0, 0, census_of_one(), save=False)
        for epoch, value in enumerate(values):
            writer.metrics(epoch, 2 * epoch, {"loss": value}, save=epoch == len(values) - 1)
        found = Run.open(writer.folder).metrics.query("Metric == 'loss'")
        np.testing.assert_array_equal(found["Score"].to_numpy(np.float32), np.array(values, np.float32))
        assert found["Epoch"].tolist() == list(range(len(values)))

    def test_rows_are_in_the_file_from_the_next_save_on(self, tmp_path: Path) -> None:
        writer = RunWriter(tmp_path / "seed-0", Experiment())
        writer.metrics(0, 0, census_of_one(), save=True)
        writer.metrics(1, 5, {"loss": 1.0}, save=False)
        assert "loss" not in (writer.folder / "metrics.csv").read_text()
        writer.metrics(2, 10, {"loss": 0.5}, save=True)
        assert (writer.folder / "metrics.csv").read_text().endswith("1,5,loss,1\n2,10,loss,0.5\n")


class TestTrajectory:
    def test_a_file_has_a_row_for_each_particle_and_a_column_for_each_weight(self, run: Run) -> None:
        table = pq.read_table(run.folder / "trajectory" / "epoch-000007.parquet")
        size = run.organism().weights.shape[0]
        assert table.column_names == ["Epoch", "Weight", *(f"dim_{k}" for k in range(1, size + 1))]
        assert [str(column.type) for column in table.columns] == ["int32", "string", *["float"] * size]
        assert table.num_rows == PARTICLES

    def test_it_is_the_weights_of_the_organism_by_name(self, run: Run) -> None:
        organism = run.organism()
        last = pd.read_parquet(run.folder / "trajectory" / "epoch-000007.parquet").set_index("Weight")
        assert list(last.index) == organism.names
        assert last.index[0] == "L0_C0_W0"
        weights = last.loc[organism.names].drop(columns="Epoch").to_numpy().T
        np.testing.assert_array_equal(weights, organism.weights.detach().numpy())

    def test_all_logged_epochs_are_read_as_one_table(self, run: Run) -> None:
        trajectory = run.trajectory()
        assert trajectory["Epoch"].value_counts().to_dict() == dict.fromkeys([0, 2, 4, 6, 7], PARTICLES)
        assert trajectory["Epoch"].is_monotonic_increasing
        assert trajectory.index.is_unique
        assert not trajectory.isna().any(axis=None)

    def test_it_begins_with_the_newborn(self, run: Run) -> None:
        seed = run.experiment.seed
        newborn = Training(SMALL, tasks.load(SMALL.task), [seed]).organism
        first = run.trajectory().query("Epoch == 0").drop(columns=["Epoch", "Weight"]).to_numpy().T
        np.testing.assert_array_equal(first, newborn.weights.detach().numpy())


class TestCheckpoints:
    def test_the_organism_is_the_one_that_was_measured_last(self, run: Run) -> None:
        task, organism = tasks.load(SMALL.task), run.organism().eval()
        metrics = run.metrics.query("Epoch == 7").set_index("Metric")["Score"]
        with torch.no_grad():
            accuracy = float((organism(task.test_x).argmax(1) == task.test_y).float().mean())
        assert accuracy == pytest.approx(metrics["test_accuracy"], abs=1e-8)
        counts = census(classify(organism.weights.detach(), organism.particle), organism.layers)
        for layer, row in counts.iterrows():
            for kind in FixpointType:
                assert row[kind.label] == metrics[kind.label if layer == "total" else f"{layer}_{kind.label}"]

    def test_they_hold_the_state_of_the_training_and_no_code(self, run: Run) -> None:
        with safetensors.safe_open(run.checkpoints[-1], framework="pt") as file:
            names = {*file.keys()}
            state = json.loads(file.metadata()["state"])
        assert {"weights", "momentum_buffer"} < names
        assert {name for name in names if name.startswith("generator.")} >= {"generator.order", "generator.particles"}
        assert (state["epoch"], state["batch"]) == (7, 49)
        assert (state["inputs"], state["outputs"]) == (16, 10)

    def test_the_last_few_are_kept(self, tmp_path: Path) -> None:
        writer = RunWriter(tmp_path / "seed-0", SMALL.override(["checkpoint.keep=3"]))
        for epoch in (5, 10, 999_999, 15):
            writer.checkpoint(epoch, {"weights": torch.zeros(1)}, {})
            writer.prune()
        assert [path.stem for path in Run(writer.folder).checkpoints] == [
            "epoch-000010",
            "epoch-000015",
            "epoch-999999",
        ]

    def test_the_final_one_is_always_written(self, finished: list[Run]) -> None:
        """Epoch 7 is not one of every second."""
        assert [path.stem for path in finished[0].checkpoints] == ["epoch-000006", "epoch-000007"]

    def test_a_tensor_comes_back_bit_by_bit(self, tmp_path: Path) -> None:
        writer = RunWriter(tmp_path / "seed-0", SMALL)
        tensor = torch.tensor([[0.0, -0.0, math.inf], [math.nan, 1e-42, 1 / 3]]).T  # not contiguous
        writer.checkpoint(1, {"weights": tensor}, {"list": [1, True, None], "text": "ä\n"})
        [path] = Run(writer.folder).checkpoints
        found = safetensors.torch.load_file(path)["weights"]
        assert torch.equal(found.view(torch.int32), tensor.contiguous().view(torch.int32))


class TestReading:
    @pytest.mark.parametrize("name", ["absent", "x" * 300, "a/b/c", ""])
    def test_a_folder_that_holds_no_run(self, tmp_path: Path, name: str) -> None:
        for attempt in (lambda: Run.open(tmp_path / name), lambda: open_runs([tmp_path / name])):
            with pytest.raises(UserError, match="; name a run such as runs/digits/seed-0") as error:
                attempt()
            what = "is not a folder" if name else "is not the folder of a run (it has no config.toml)"
            assert one_line(error).startswith(f"{tmp_path / name} {what}")

    def test_a_folder_of_seeds_stands_for_them_in_their_order(self, finished: list[Run]) -> None:
        folder = finished[0].folder.parent
        assert [run.experiment.seed for run in open_runs([folder])] == [3, 11]
        assert [run.experiment.seed for run in open_runs([str(run.folder) for run in reversed(finished)])] == [11, 3]

    def test_a_run_named_twice_is_one(self, finished: list[Run]) -> None:
        folder = finished[0].folder
        assert len(open_runs([folder.parent, folder, folder.parent / ".." / "small" / "seed-11"])) == 2

    def test_figures(self, run: Run) -> None:
        assert [path.name for path in run.figures] == ["particle_types.png", "training_curves.png"]

    @pytest.mark.parametrize(
        ("file", "content", "read", "complaint"),
        [
            ("config.toml", b"\xff\x00", "experiment", "config.toml: not a TOML file"),
            ("config.toml", b"epochs = 3", "experiment", "config.toml: epochs is not a setting"),
            ("config.toml", None, "experiment", "config.toml: No such file"),
            ("metrics.csv", None, "metrics", "is missing: this run was stopped before it measured anything"),
            ("metrics.csv", b"", "metrics", "metrics.csv is damaged: "),
            ("metrics.csv", b"\x00\xff\xfe" * 50, "metrics", "metrics.csv is damaged: "),
            ("metrics.csv", b"Epoch,Batch\n1,2\n", "metrics", "metrics.csv is damaged: "),
            ("metrics.csv", b"Epoch,Batch,Metric,Score\n", "metrics", "metrics.csv is damaged: it has no row for "),
            (
                "metrics.csv",
                b"Epoch,Batch,Metric,Score\n0,0,other,3\n",
                "metrics",
                "has no row for divergent, identity",
            ),
            ("metrics.csv", b"Epoch,Batch,Metric,Score\n0,0,other,x\n", "metrics", "metrics.csv is damaged: "),
            ("metrics.csv", b"Epoch,Batch,Metric,Score\n0,0,other\n0,0,a,b,c,d,e\n", "metrics", "is damaged: "),
            ("metrics.csv", b"Epoch,Batch,Metric,Score\n,,other,3\n", "metrics", "metrics.csv is damaged: "),
            ("checkpoints/epoch-000007.safetensors", b"", "organism", "epoch-000007.safetensors is damaged: "),
            ("checkpoints/epoch-000007.safetensors", b"\xff" * 99, "organism", "epoch-000007.safetensors is damaged: "),
            ("trajectory/epoch-000004.parquet", b"", "trajectory", "epoch-000004.parquet is damaged: "),
            ("trajectory/epoch-000004.parquet", b"PAR1" * 20, "trajectory", "epoch-000004.parquet is damaged: "),
        ],
    )
    def test_a_damaged_file_is_named_in_one_line(
        self, damaged: Run, file: str, content: bytes | None, read: str, complaint: str
    ) -> None:
        path = damaged.folder / file
        path.unlink() if content is None else path.write_bytes(content)
        with pytest.raises(UserError) as error:
            self.read(damaged, read)
        assert complaint in one_line(error)
        assert str(path) in one_line(error)

    @staticmethod
    def read(run: Run, what: str) -> Any:
        value = getattr(run, what)
        return value() if callable(value) else value

    @pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
    @pytest.mark.parametrize("part", ["checkpoints/epoch-000007.safetensors", "trajectory/epoch-000007.parquet"])
    def test_a_truncated_file_is_named_in_one_line(self, damaged: Run, part: str, share: float) -> None:
        path = damaged.folder / part
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(UserError, match="is damaged: ") as error:
            self.read(damaged, "organism" if "checkpoints" in part else "trajectory")
        assert one_line(error).startswith(str(path))

    @pytest.mark.parametrize(
        ("tensors", "metadata"),
        [
            ({"other": torch.zeros(1)}, {"state": '{"inputs": 16, "outputs": 10}'}),
            ({"weights": torch.zeros(1)}, {}),
            ({"weights": torch.zeros(1)}, {"state": "{"}),
            ({"weights": torch.zeros(1)}, {"state": "[]"}),
            ({"weights": torch.zeros(1)}, {"state": '{"inputs": 16}'}),
            ({"weights": torch.zeros(1)}, {"state": '{"inputs": null, "outputs": 10}'}),
        ],
    )
    def test_a_checkpoint_of_something_else_is_named_in_one_line(
        self, damaged: Run, tensors: dict[str, torch.Tensor], metadata: dict[str, str]
    ) -> None:
        safetensors.torch.save_file(tensors, damaged.checkpoints[-1], metadata)
        with pytest.raises(UserError, match=r"epoch-000007\.safetensors is damaged: ") as error:
            damaged.organism()
        one_line(error)

    def test_a_checkpoint_of_another_experiment_is_told_apart(self, damaged: Run) -> None:
        config = damaged.folder / "config.toml"
        config.write_text(config.read_text().replace("hidden = 3", "hidden = 4"))
        with pytest.raises(UserError, match=r"\(27, 87\); config\.toml asks for \(40, 87\)") as error:
            Run.open(damaged.folder).organism()
        one_line(error)

    def test_a_run_that_was_stopped_early_says_so(self, tmp_path: Path) -> None:
        run = Run.open(RunWriter(tmp_path / "seed-0", SMALL).folder)
        for read, what in (("metrics", "measured"), ("organism", "its first checkpoint"), ("trajectory", "logged")):
            with pytest.raises(UserError, match=f"this run was stopped before .*{what}") as error:
                self.read(run, read)
            one_line(error)


class TestWriteWhole:
    def test_the_new_replaces_the_old(self, tmp_path: Path) -> None:
        for content in (b"first", b"", b"second\0\n"):
            write_whole(tmp_path / "file", content)
            assert (tmp_path / "file").read_bytes() == content
        assert [path.name for path in tmp_path.iterdir()] == ["file"]

    def test_a_failed_write_leaves_the_old_and_nothing_besides(self, tmp_path: Path) -> None:
        write_whole(tmp_path / "file", b"old")
        with pytest.raises(TypeError):
            write_whole(tmp_path / "file", "not bytes")  # type: ignore[arg-type]
        assert (tmp_path / "file").read_bytes() == b"old"
        assert [path.name for path in tmp_path.iterdir()] == ["file"]

    def test_what_cannot_be_replaced_stays(self, tmp_path: Path) -> None:
        (tmp_path / "folder").mkdir()
        with pytest.raises(OSError, match="folder"):
            write_whole(tmp_path / "folder", b"new")
        assert [path.name for path in tmp_path.rglob("*")] == ["folder"]

    def test_no_folder_is_made(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            write_whole(tmp_path / "absent" / "file", b"new")
        assert not any(tmp_path.iterdir())

    def test_is_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        assert is_file(tmp_path / "file")
        for other in (tmp_path, tmp_path / "absent", tmp_path / ("x" * 300), tmp_path / "file" / "below"):
            assert not is_file(other)


def test_the_trajectory_of_a_large_organism_follows_a_fixed_sample(tmp_path: Path) -> None:
    chosen = SMALL.override(["log.particles=7"])
    [run] = srnn.run(chosen, tmp_path, image_format=None)
    trajectory = run.trajectory()
    names = trajectory.groupby("Epoch")["Weight"].agg(tuple)
    assert len(set(names)) == 1
    assert len(names.iloc[0]) == 7
    with pytest.raises(UserError, match=r"holds 7 of .* particles"):
        run.organism(run.logged_epochs[0])  # which has no checkpoint either
    # The sample is no beginning of the swarm, and its weights are those of the particles it names.
    organism = run.organism()
    places = [organism.names.index(name) for name in names.iloc[0]]
    assert places != list(range(7))
    last = trajectory[trajectory["Epoch"] == trajectory["Epoch"].max()].drop(columns=["Epoch", "Weight"])
    torch.testing.assert_close(torch.tensor(last.to_numpy()).T, organism.weights.detach()[:, places], rtol=0, atol=0)


def test_results_do_not_depend_on_the_number_of_threads(tmp_path: Path) -> None:
    """Of an organism so large that its products take several threads, in a process that does nothing else."""
    code = """
import srnn, torch
large = srnn.load_preset("digits").override(["body.width=150", "training.epochs=1", "training.batch_size=1400"])
for threads in (1, 2):
    torch.set_num_threads(threads)
    srnn.run(large, str(threads), image_format=None)
"""
    variables = {name: value for name, value in os.environ.items() if name != "MKL_CBWR"} | {"OMP_NUM_THREADS": "2"}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=variables, check=True)
    files = []
    for threads in ("1", "2"):
        run = Run.open(tmp_path / threads / "digits/seed-0")
        files.append([path.read_bytes() for path in (run.folder / "metrics.csv", *run.checkpoints)])
    assert files[0] == files[1]


def test_a_run_leaves_the_arithmetic_of_the_process_as_it_was(tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    srnn.run(SMALL, tmp_path, image_format=None)
    assert torch.get_num_threads() == threads
    assert torch.tensor(1e-40) * 0.5 != 0  # flushed to zero during training


def test_a_stop_does_not_touch_the_trajectory_of_the_epoch_before(tmp_path: Path) -> None:
    wild = SMALL.override(["replication.divergent=stop", "training.lr=0.3", "particle.init=xavier"])
    [run] = srnn.run(wild, tmp_path, image_format=None)
    assert run.metrics["Epoch"].max() < wild.training.epochs
    assert run.organism(0).weights.isfinite().all()
    assert not run.organism().weights.isfinite().all()
