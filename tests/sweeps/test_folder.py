"""The folder of a sweep: its own runs alone, grown, damaged, gone on with from anywhere, told of truly meanwhile."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from processes import Running, forked, start
from test_sweeps import Threads, tiny, wait_until

import srnn
from srnn import Experiment, Sweep, UserError
from srnn.errors import StoppedError
from srnn.sweeps.engine import LOST, LostError
from srnn.sweeps.folder import begin
from srnn.sweeps.plan import planned

OVER: dict[str, Any] = {"particle.hidden": [2, 3]}


def small(**sweep: Any) -> Experiment:
    return tiny(**{"over": OVER, "seeds": 1, "maximize": [], **sweep}).override("training.epochs=1")


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return srnn.sweep(small(), tmp_path_factory.mktemp("ended"), image_format=None).folder


@pytest.fixture
def folder(ended: Path, tmp_path: Path) -> Path:
    """A copy of that of a sweep that has ended."""
    return Path(shutil.copytree(ended, tmp_path / "tiny"))


def again(folder: Path, **sweep: Any) -> Sweep:
    return srnn.sweep(small(**sweep), folder.parent, image_format=None)


@pytest.mark.parametrize("body", [{"name": "conv", "channels": [2]}, {"name": "recurrent", "width": 3}])
def test_any_body_is_swept_over(body: dict[str, Any], tmp_path: Path) -> None:
    values = {**small().model_dump(exclude_unset=True), "body": body}
    sweep = srnn.sweep(Experiment.from_dict(values), tmp_path, image_format=None)
    assert sweep.states == {"ended": 2}
    answer = forked(["sweep", str(sweep.folder), "--dry-run"], tmp_path)
    assert (answer.code, answer.err) == (0, "")


def test_what_is_of_no_single_run_is_not_swept_over(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="pruning is the same at all points"):
        srnn.sweep(small(over={"pruning.densities": [[0.5], [0.25]]}), tmp_path)


def lost(*arguments: Any, **options: Any) -> None:
    raise LostError(f"its job: {LOST} 3 times")


class TestItsOwn:
    """A run with other settings is never taken for a point's."""

    def put(self, folder: Path, *changes: str, seed: int = 0) -> None:
        shutil.rmtree(folder / "hidden-2")
        experiment = small().model_copy(update={"sweep": srnn.settings.SweepConfig(), "name": "hidden-2"})
        [run] = srnn.run(experiment.override(changes), folder.parent / "x", seeds=[seed], image_format=None)
        run.folder.parent.rename(folder / "hidden-2")

    def test_one_with_others_is_named(self, folder: Path) -> None:
        self.put(folder, "particle.hidden=5")
        complaint = r"hidden-2.seed-0 holds a run with particle.hidden 5 and not 2, as the sweep has it there"
        with pytest.raises(UserError, match=complaint):
            again(folder)
        assert pd.read_parquet(folder / "sweep.parquet")["Point"].tolist() == ["hidden-3"]
        assert re.search(complaint, forked(["show", str(folder)], folder).out)

    def test_one_that_has_not_ended_is_left_as_it_is(self, folder: Path) -> None:
        self.put(folder, "particle.hidden=5")
        status = folder / "hidden-2/seed-0/status.json"
        srnn.runs.status.write_status(status.parent, srnn.runs.status.Status("interrupted", 1))
        before = status.read_bytes()
        with pytest.raises(UserError, match="hidden-2 seed 0 failed"):
            again(folder)
        assert status.read_bytes() == before

    @pytest.mark.parametrize("place", ["hidden-2", "hidden-2/seed-0", "hidden-2/seed-0/notes.txt"])
    def test_what_is_in_the_way_of_a_point_is_of_no_other(self, folder: Path, place: str) -> None:
        shutil.rmtree(folder / "hidden-2")
        shutil.rmtree(folder / "hidden-3")
        (folder / place).parent.mkdir(exist_ok=True, parents=True)
        (folder / place).write_text("mine")
        with pytest.raises(UserError, match="hidden-2 seed 0 failed"):
            again(folder)
        assert (folder / place).read_text() == "mine"
        assert pd.read_parquet(folder / "sweep.parquet")["Point"].tolist() == ["hidden-3"]
        assert not [*folder.glob("hidden-2/seed-0/status.json")]

    def test_one_that_is_its_own_is_taken(self, folder: Path) -> None:
        self.put(folder, "particle.hidden=2")
        assert again(folder).states == {"ended": 2}

    def test_one_that_was_made_longer_is_named(self, folder: Path) -> None:
        srnn.extend(folder / "hidden-2", 1, image_format=None)
        with pytest.raises(UserError, match=r"training.epochs 2 and not 1"):
            again(folder)

    def test_one_of_another_seed_is_named(self, folder: Path) -> None:
        shutil.copytree(folder / "hidden-3/seed-0", folder / "hidden-3/seed-1")
        with pytest.raises(UserError, match=r"hidden-3.seed-1 holds (a run with seed 0 and not 1|seed 0, not 1)"):
            again(folder, seeds=2)

    def test_a_damaged_one_is_named_and_how_to_have_it_again(self, folder: Path) -> None:
        (folder / "hidden-3/seed-0/metrics.csv").write_text("")
        with pytest.raises(UserError, match=r"hidden-3.seed-0.metrics.csv is damaged.*the sweep trains it anew"):
            again(folder)
        shutil.rmtree(folder / "hidden-3")
        assert again(folder).states == {"ended": 2}

    def test_a_run_of_something_else_is_not_put_there(self, folder: Path) -> None:
        alone = small().model_copy(update={"sweep": srnn.settings.SweepConfig()})
        with pytest.raises(UserError, match="tiny is the folder of a sweep: give this run a name of its own"):
            srnn.run(alone, folder.parent)
        assert not (folder / "seed-0").exists()


class TestThePlan:
    @pytest.mark.parametrize("content", [None, b"", b'{"points": [{"na'])
    def test_one_that_was_lost_is_made_again(self, folder: Path, content: bytes | None) -> None:
        plan = folder / "plan.json"
        before = plan.read_bytes()
        plan.unlink() if content is None else plan.write_bytes(content)
        assert "run the sweep again from its file" in forked(["show", str(folder)], folder).line
        assert forked(["sweep", str(folder), "--format", "none", "-q"], folder).code == 0
        assert plan.read_bytes() == before

    def test_what_a_killed_process_left_of_it_is_no_harm(self, tmp_path: Path) -> None:
        (tmp_path / "tiny").mkdir()
        (tmp_path / "tiny/.plan.json.99-abcd.tmp").touch()
        begin(small(), tmp_path)
        assert len(Sweep.open(tmp_path / "tiny").points) == 2

    def test_points_are_known_by_their_settings_whatever_was_hashed(self, folder: Path) -> None:
        """Another version of srnn has other settings, which are hashed, too, and stand in long names."""
        plan = json.loads((folder / "plan.json").read_text())
        plan["points"][0] |= {"name": "older-0123abcd", "hash": "0" * 64}
        (folder / "plan.json").write_text(json.dumps(plan))
        (folder / "hidden-2").rename(folder / "older-0123abcd")
        for record in folder.glob("older*/seed-0/config.toml"):
            record.write_text(record.read_text().replace('"hidden-2"', '"older-0123abcd"'))
        more = again(folder, seeds=2)
        assert [point.name for point in more.points] == ["older-0123abcd", "hidden-3"]
        assert sorted(path.name for path in folder.glob("*-*")) == ["hidden-3", "older-0123abcd"]
        assert more.states == {"ended": 4}

    def test_the_order_of_settings_is_no_difference(self, tmp_path: Path) -> None:
        over = {"particle.hidden": [2], "training.lr": [0.1, 0.2]}
        begin(small(over=over), tmp_path)
        turned = begin(small(over=dict(reversed(over.items()))), tmp_path)
        assert {point.name for point in turned.points} == {"hidden-2-lr-0.1", "hidden-2-lr-0.2"}

    def test_points_of_one_name_have_folders_of_their_own(self) -> None:
        over = {"task.target": ["a", "a-path-b"], "task.path": ["b-path-x", "x"]}
        values = small().model_dump(exclude_unset=True)
        arrays = {**values, "task": {"name": "arrays", "path": "x"}, "sweep": {"over": over}}
        assert len({point.name for point in planned(Experiment.from_dict(arrays))}) == 4

    def test_values_may_be_of_any_characters(self) -> None:
        values = small().model_dump(exclude_unset=True)
        arrays = {**values, "task": {"name": "arrays", "path": "x"}, "sweep": {"over": {"task.path": ["dät😀.csv"]}}}
        [point] = planned(Experiment.from_dict(arrays))
        there = srnn.sweeps.plan.point_of(Experiment.from_dict(arrays), point.settings)[1]
        assert there.task.path == "dät😀.csv"

    def test_the_data_lie_where_they_lay_when_it_began(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        rows = "\n".join(f"{place / 7},{place % 5},{'ab'[place % 2]}" for place in range(60))
        (tmp_path / "a.csv").write_text(f"x,y,label\n{rows}\n")
        values = small(over={"replication.alpha": [1, 2]}).model_dump(exclude_unset=True)
        task = {"name": "arrays", "path": "a.csv", "target": "label"}
        values |= {"task": task, "training": {"epochs": 1, "batch_size": 10}}
        monkeypatch.chdir(tmp_path)
        srnn.sweep(Experiment.from_dict(values), tmp_path, image_format=None)
        monkeypatch.chdir("/")
        more = Experiment.from_toml(tmp_path / "tiny/config.toml").override("sweep.seeds=2")
        assert srnn.sweep(more, tmp_path, image_format=None).states == {"ended": 4}

    def test_dry_run_says_no_where_the_sweep_would(self, folder: Path) -> None:
        other = folder.parent / "other.toml"
        small().override(["training.epochs=2", "name=tiny"]).to_toml(other)
        answer = forked(["sweep", str(other), "--dry-run", "--out", str(folder.parent)], folder)
        assert "is a sweep with training.epochs 1 and not 2" in answer.line


class TestFailing:
    BATCH: dict[str, Any] = {"training.batch_size": [500, 5000]}

    def begun(self, tmp_path: Path, **options: Any) -> set[str]:
        found: list[str] = []
        with pytest.raises(UserError, match=r"batch_size-50+ seed 0 failed"):
            srnn.sweep(
                small(over=self.BATCH),
                tmp_path,
                image_format=None,
                watch=lambda doing: found.extend(doing.running),
                **options,
            )
        return {*found}

    def test_what_fails_before_it_begins_is_said_and_tried_by_each(self, tmp_path: Path) -> None:
        """Another machine may lack what this one has."""
        with pytest.raises(UserError, match=r"batch_size-5000 seed 0 failed: training.batch_size is 5,000"):
            srnn.sweep(small(over=self.BATCH), tmp_path, image_format=None)
        assert Sweep.open(tmp_path / "tiny").states == {"ended": 1, "failed": 1}
        assert self.begun(tmp_path) == {"batch_size-5000 seed 0"}
        shown = forked(["show", str(tmp_path / "tiny")], tmp_path)
        assert f"go on with: srnn sweep {tmp_path / 'tiny'} --retry-failed" in shown.out

    def test_what_lost_its_process_again_and_again_waits_to_be_asked_for(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As where memory is lacking, before anything is written."""
        monkeypatch.setattr(srnn.sweeps.sweep, "train_point", lost)
        with pytest.raises(UserError, match=r"batch_size-500 seed 0 failed \(and 1 more\)"):
            srnn.sweep(small(over=self.BATCH), tmp_path, image_format=None)
        assert Sweep.open(tmp_path / "tiny").states == {"failed": 2}
        monkeypatch.undo()
        assert self.begun(tmp_path) == set()
        assert self.begun(tmp_path, retry_failed=True) == {"batch_size-500 seed 0", "batch_size-5000 seed 0"}

    def test_of_seeds_of_which_one_is_in_the_way_none_is_said_to_have_failed(self, tmp_path: Path) -> None:
        together = small(seeds=2, seeds_per_task=2)
        begin(together, tmp_path)
        (tmp_path / "tiny/hidden-2/seed-1").mkdir(parents=True)
        (tmp_path / "tiny/hidden-2/seed-1/notes.txt").touch()
        with pytest.raises(UserError, match="hidden-2 seed 0 failed"):
            srnn.sweep(together, tmp_path, image_format=None)
        assert Sweep.open(tmp_path / "tiny").states == {"ended": 2, "waiting": 2}

    def test_ending_at_once_leaves_a_table_of_what_there_is(self, tmp_path: Path) -> None:
        with pytest.raises(UserError):
            srnn.sweep(small(over=self.BATCH), tmp_path, image_format=None, fail_fast=True)
        assert (tmp_path / "tiny/sweep.parquet").exists()

    def test_a_goal_that_no_run_measures_is_told_at_the_end(self, folder: Path) -> None:
        with pytest.raises(UserError, match=r"measured test_acuracy, which sweep.maximize names; did you mean"):
            again(folder, maximize=["test_acuracy"])
        assert "no run measured test_acuracy" in forked(["show", str(folder)], folder).out
        assert again(folder, maximize=["train_accuracy"]).states == {"ended": 2}


class TestInProgress:
    def test_whoever_ends_last_writes_all_there_is(self, tmp_path: Path) -> None:
        """It was begun when there were fewer points."""
        working = threading.Event()

        class Slow(Threads):
            def submit(self, function: Callable[..., None], job: Any, *arguments: Any) -> Any:
                working.wait()
                return super().submit(function, job, *arguments)

        earlier = threading.Thread(
            target=lambda: srnn.sweep(small(), tmp_path, workers=Slow(), image_format=None), daemon=True
        )
        earlier.start()
        wait_until((tmp_path / "tiny/plan.json").exists)
        srnn.sweep(small(over={"particle.hidden": [2, 3, 4]}, seeds=2), tmp_path, image_format=None)
        working.set()
        earlier.join()
        table = pd.read_parquet(tmp_path / "tiny/sweep.parquet")
        assert sorted(zip(table["particle.hidden"], table["Seed"], strict=True)) == [
            (hidden, seed) for hidden in (2, 3, 4) for seed in (0, 1)
        ]

    def test_drawing_can_be_stopped(self, folder: Path) -> None:
        figures = folder / "figures"
        with pytest.raises(StoppedError):
            srnn.sweep(
                small(maximize=["test_accuracy", "train_accuracy"]), folder.parent, stop=lambda: any(figures.glob("*"))
            )
        assert len([*figures.iterdir()]) == 1

    def test_one_of_which_no_run_has_begun_is_no_run(self, tmp_path: Path) -> None:
        begin(small(), tmp_path)
        for arguments in (["show", "tiny", "--json"], ["show", "tiny", "--verify"], ["analyze", "tiny"]):
            assert "tiny is a sweep of which no run has begun" in forked(arguments, tmp_path).line
        answer = forked(["watch", "tiny"], tmp_path)
        assert (answer.code, answer.out.splitlines()[-1]) == (0, "0 runs: 2 waiting")

    def test_a_folder_of_experiments_is_looked_at_whatever_a_sweep_in_it_is_like(self, folder: Path) -> None:
        parent = folder.parent
        begin(small().override("name=planned"), parent)
        assert forked(["watch", str(parent)], folder).out.endswith("2 runs: 2 finished\n")
        assert "2 points × 1 seeds: 2 waiting" in forked(["show", str(parent)], folder).out
        (folder / "plan.json").unlink()
        shown = forked(["show", str(parent)], folder)
        assert (shown.code, shown.err) == (0, "")
        assert "hidden-3" in shown.out
        (parent / "alone").mkdir()
        (parent / "planned").rename(parent / "alone/planned")
        assert forked(["show", str(parent / "alone")], folder).code == 0
        assert forked(["watch", str(parent / "alone")], folder).out.endswith("0 runs: \n")

    def test_a_point_that_is_named_beside_its_sweep_is_shown(self, folder: Path) -> None:
        shown = forked(["show", str(folder), str(folder / "hidden-2")], folder).out
        assert "2 points × 1 seeds: 2 ended" in shown
        assert "87 particles of 2 hidden units" in shown

    def test_a_folder_of_sweeps_stands_for_all_of_them(self, folder: Path) -> None:
        srnn.sweep(small().override("name=other"), folder.parent, image_format=None)
        assert forked(["watch", str(folder.parent)], folder).out.endswith("4 runs: 4 finished\n")
        shown = forked(["show", str(folder.parent)], folder)
        assert shown.out.count("2 points × 1 seeds: 2 ended") == 2
        assert len(srnn.runs.groups.open_runs([folder.parent])) == 4
        page = srnn.report([folder.parent], folder / "page.html").read_text()
        assert page.count("<h2>Sweep ") == 2


class TestTheCommand:
    def test_without_figures(self, folder: Path) -> None:
        for command in ("sweep", "analyze"):
            answer = forked([command, str(folder), "--format", "none"], folder)
            assert (answer.code, answer.err) == (0, "")
        assert not [*folder.rglob("*.png")]

    def test_a_link_to_it_is_it(self, folder: Path) -> None:
        (folder.parent / "link").symlink_to(folder)
        (folder.parent / "linked").mkdir()
        (folder.parent / "linked/tiny").symlink_to(folder.rename(folder.parent / "job123"))
        assert forked(["sweep", str(folder.parent / "linked/tiny"), "-q"], folder.parent).code == 0
        folder = (folder.parent / "job123").rename(folder)
        assert forked(["sweep", str(folder.parent / "link"), "-q"], folder).code == 0
        assert forked(["sweep", str(folder / "hidden-2/.."), "-q"], folder).code == 0

    def test_a_script_for_slurm_has_all_that_was_said(self, folder: Path) -> None:
        arguments = ["sweep", str(folder), "--sbatch"]
        assert "--format svg" in forked([*arguments, "--format", "svg"], folder).out
        assert "--backend is dask" in forked([*arguments, "--backend", "dask", "--scheduler", "tcp://h:1"], folder).line

    def test_what_it_says_to_call_can_be_called(self, folder: Path) -> None:
        moved = folder.rename(folder.parent / "tiny 1")
        shutil.rmtree(moved / "hidden-2")
        said = forked(["show", str(moved)], folder.parent).out
        assert f"go on with: srnn sweep {shlex.quote(str(moved))}\n" in said


@pytest.fixture
def watched(folder: Path) -> Running:
    """``srnn watch`` on a terminal, of a sweep whose last run is still to be begun."""
    shutil.rmtree(folder / "hidden-3")
    return start(["watch", str(folder), "--every", "0.1"], folder, TTY_COMPATIBLE="1")


def test_a_sweep_is_watched_until_no_run_waits(watched: Running, folder: Path) -> None:
    assert not watched.ends_within(1)
    again(folder)
    assert watched.end().code == 0
