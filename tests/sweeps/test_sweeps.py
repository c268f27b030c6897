"""A sweep, by whatever shares it and however that ends: all points, each once, to the bytes of ``srnn run``."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import threading
import time
import tomllib
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pytest
import tomli_w
from processes import SRNN, Answer, forked, start, start_fresh

import srnn
from srnn import Experiment, Sweep, UserError
from srnn.errors import StoppedError
from srnn.fixpoints import FixpointType
from srnn.runs.status import Status, write_status
from srnn.settings import SweepConfig
from srnn.sweeps.engine import Job
from srnn.sweeps.plan import point_of
from srnn.sweeps.sweep import Doing

#: With it, as with ``make soak``: twelve points, by processes of their own, and whatever is installed.
SOAK = bool(os.environ.get("SRNN_SOAK"))
ALPHAS = [0.1, 1.0, 10.0, 100.0] if SOAK else [0.1, 1.0]
VALUES: dict[str, Any] = {
    "name": "tiny",
    "task": {"name": "digits", "size": 4},
    "body": {"depth": 3, "width": 3},
    "training": {"epochs": 3, "batch_size": 500},
    "log": {"every": 2, "rest": 5},
    "sweep": {
        "over": {"replication.alpha": ALPHAS, "particle.hidden": [3, 4, 8] if SOAK else [3]},
        "seeds": 2,
        "maximize": ["test_accuracy", "identity_share"],
    },
}
soak = pytest.mark.skipif(not SOAK, reason="make soak")

Reference = dict[str, bytes]
LABELS = [kind.label for kind in FixpointType]


def tiny(**sweep: Any) -> Experiment:
    return Experiment.from_dict({**VALUES, "sweep": {**VALUES["sweep"], **sweep}})


def measured(folder: Path) -> Reference:
    """All that was measured and trained in a folder of points: metrics, weights, trajectories."""
    kinds = ("metrics.csv", "*.safetensors", "*.parquet")
    paths = [path for kind in kinds for path in folder.glob(f"*/seed-*/**/{kind}")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """What ``srnn run`` leaves of each point and each seed."""
    out = tmp_path_factory.mktemp("reference")
    experiment = tiny()
    for point in srnn.sweeps.plan.planned(experiment):
        for seed in (0, 1):
            srnn.run(point_of(experiment, point.settings)[1], out, seeds=[seed], image_format=None)
    return measured(out)


MANY = {"particle.hidden": [2, 3, 4, 5], "replication.alpha": [1, 2, 3, 4]}


class Threads:
    """Workers in this process."""

    folder = None

    def __init__(self) -> None:
        self.submitted: list[str] = []

    def room(self) -> int:
        return 2

    def submit(self, function: Callable[..., None], job: Job, *arguments: Any) -> Future[None]:
        self.submitted.append(job.name)
        return self._pool.submit(function, job, *arguments)

    def release(self, future: Future[None]) -> None: ...

    def __enter__(self) -> Self:
        self._pool = ThreadPoolExecutor(2)
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown()


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """Sixteen points of two seeds, by workers; no thread is left behind."""
    workers, before = Threads(), threading.active_count()
    sweep = srnn.sweep(tiny(over=MANY), tmp_path_factory.mktemp("many"), workers=workers, image_format=None)
    assert threading.active_count() == before
    assert sorted(name.rpartition(" ")[2] for name in workers.submitted) == ["0"] * 4 + ["0,1"] * 12 + ["1"] * 4
    assert all(name.startswith("hidden-2-") for name in workers.submitted if "," not in name)
    return sweep


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    tiny().to_toml(path)
    return path


def assert_whole(folder: Path, reference: Reference) -> None:
    """Make sure that all runs have ended, once, to the same bytes, and stand in the table."""
    assert measured(folder) == reference
    sweep = Sweep.open(folder)
    assert sweep.states == {"ended": 2 * len(sweep.points)}
    table = pd.read_parquet(folder / "sweep.parquet")
    assert len(table) == 2 * len(sweep.points) == len(reference and {Path(name).parts[:2] for name in reference})
    assert {*table["Status"]} == {"finished"}


def log_trainings(log: Path, end_after: int | None = None) -> None:
    """Have this process write a line for each training that it begins; and be killed inside the last of so many."""
    from srnn.laboratory import job as doing

    begun = Counter[str]()
    run = doing.run

    def logged(experiment: Experiment, out: Path, **options: Any) -> Any:
        def after_start(training: Any) -> None:
            begun["trainings"] += 1
            with log.open("a") as file:
                file.write(f"{experiment.name} {training.seeds}\n")

        def after_report(report: Any) -> None:
            if begun["trainings"] == end_after and report.epoch == 1:
                os.kill(os.getpid(), signal.SIGKILL)

        return run(experiment, out, **{**options, "after_start": after_start, "after_report": after_report})

    doing.run = logged


class TestToTheBytesOfARun:
    def test_in_this_process(self, tmp_path: Path, reference: Reference) -> None:
        sweep = srnn.sweep(tiny(), tmp_path, image_format=None)
        assert_whole(tmp_path / "tiny", reference)
        # By what a reader of the table knows: the runs themselves.
        first = sweep.table.iloc[0]
        [run] = [run for run in sweep.runs(sweep.points[0]) if run.experiment.seed == first["Seed"]]
        last = run.metrics[run.metrics["Metric"] == "test_accuracy"]["Score"].iloc[-1]
        assert (first["replication.alpha"], first["particle.hidden"], first["test_accuracy"]) == (0.1, 3, last)
        assert run.experiment.replication.alpha == 0.1
        assert sweep.goals == {"test_accuracy": True, "identity_share": True}
        # A line for all its points among other runs, but for what is left of the folder's name.
        cells = [line.split()[1:] for line in start(["list", str(tmp_path)], tmp_path).end().out.splitlines()[2:]]
        points, runs = str(len(sweep.points)), str(len(sweep.table))
        assert list(filter(None, cells)) == [[points, "points", runs, "finished"]]

    def test_two_processes_share_the_points_and_none_is_done_twice(
        self, tmp_path: Path, file: Path, reference: Reference
    ) -> None:
        arguments = ["sweep", str(file), "--out", str(tmp_path), "--quiet"]
        log = tmp_path / "log"
        both = [start(arguments, tmp_path, partial(log_trainings, log)) for _ in range(2)]
        assert [one.end() for one in both] == [Answer(0, f"{tmp_path / 'tiny'}\n", "")] * 2
        assert_whole(tmp_path / "tiny", reference)
        begun = log.read_text().splitlines()
        assert sorted(begun) == sorted({*begun})
        assert len(begun) == 2 * len(Sweep.open(tmp_path / "tiny").points)

    def test_a_killed_one_goes_on_and_what_has_ended_is_left_as_it_is(
        self, tmp_path: Path, file: Path, reference: Reference
    ) -> None:
        arguments = ["sweep", str(file), "--out", str(tmp_path), "--format", "svg"]
        log = tmp_path / "log"
        assert start(arguments, tmp_path, partial(log_trainings, log, 3)).end().code == -signal.SIGKILL
        states = Sweep.open(tmp_path / "tiny").states
        assert (states["ended"], states["running"]) == (2, 0)
        answer = start(arguments, tmp_path, partial(log_trainings, log)).end()
        assert (answer.code, answer.err) == (0, "")
        assert_whole(tmp_path / "tiny", reference)
        # The third, in which it was killed, is the only one that was begun twice.
        twice = [name for name, count in Counter(log.read_text().splitlines()).items() if count > 1]
        assert twice == [log.read_text().splitlines()[2]]
        assert "figures/front.svg" in answer.out
        assert forked(arguments, tmp_path).code == 0
        assert_whole(tmp_path / "tiny", reference)

    def test_seeds_side_by_side(self, tmp_path: Path) -> None:
        """As one run of all of them."""
        together = tiny(seeds_per_task=2, over={"particle.hidden": [3]})
        sweep = srnn.sweep(together, tmp_path / "sweep", image_format=None)
        [task] = sweep.tasks
        assert task.seeds == (0, 1)
        srnn.run(point_of(together, task.point.settings)[1], tmp_path / "run", seeds=2, image_format=None)
        assert measured(tmp_path / "sweep/tiny") == measured(tmp_path / "run")

    @pytest.mark.parametrize(
        ("points", "seeds", "together"),
        [
            (20, 3, [3]),
            (12, 2, [1, 1]),  # there would be 12 tasks
            (16, 2, [2]),
            (6, 8, [2, 3, 3]),
            (100, 12, [4, 4, 4]),
            (1, 7, [1] * 7),
        ],
    )
    def test_seeds_are_side_by_side_where_there_is_enough_to_share(
        self, points: int, seeds: int, together: list[int]
    ) -> None:
        grid = SweepConfig(over={"particle.hidden": [2]}, seeds=seeds)
        assert [len(own) for own in grid.seeds_together(points)] == together
        assert [seed for own in grid.seeds_together(points) for seed in own] == list(range(seeds))
        search = SweepConfig(over={"particle.hidden": [2]}, seeds=seeds, points=points, method="optuna", minimize=["x"])
        assert search.seeds_together(0) == grid.seeds_together(points), "by all that are to be chosen"
        alone = SweepConfig(over={"particle.hidden": [2]}, seeds=seeds, seeds_per_task=1)
        assert alone.seeds_together(points) == [(seed,) for seed in range(seeds)]

    def test_seeds_side_by_side_without_being_asked(self, tmp_path: Path, many: Sweep) -> None:
        """A plan says so, the shortest tasks are done seed by seed, and with each seed alone nothing is left to do."""
        assert {task.seeds for task in many.tasks} == {(0, 1)}
        assert json.loads((many.folder / "plan.json").read_text())["seeds_per_task"] == 2
        before = {path: path.stat().st_mtime_ns for path in many.folder.glob("*/seed-*/*")}
        alone = srnn.sweep(tiny(over=MANY, seeds_per_task=1), many.folder.parent, image_format=None)
        assert alone.states == {"ended": 32}
        assert {path: path.stat().st_mtime_ns for path in many.folder.glob("*/seed-*/*")} == before
        for task in (many.tasks[0], many.tasks[-1]):
            srnn.run(point_of(many.experiment, task.point.settings)[1], tmp_path, seeds=2, image_format=None)
        expected = measured(tmp_path)
        assert len(expected) > 10
        assert {name: content for name, content in measured(many.folder).items() if name in expected} == expected

    def test_what_is_read_ahead_is_what_is_there_at_the_end(self, many: Sweep) -> None:
        """Of what has ended, as long as nobody says to stop."""
        pd.testing.assert_frame_equal(pd.read_parquet(many.folder / "sweep.parquet"), many.table)
        ahead, asked = Sweep.open(many.folder), list[int]()
        write_status(many.folder / many.points[0].name / "seed-1", Status("running", 1))
        ahead.read_ahead(lambda: asked.append(1) or len(asked) > 5)
        assert [*ahead._rows] == [point.name for point in many.points[1:5]]
        write_status(many.folder / many.points[0].name / "seed-1", Status("finished", 3))
        ahead.read_ahead(lambda: False)
        assert len(ahead._rows) == 16
        pd.testing.assert_frame_equal(ahead.table, many.table)

    @soak
    def test_in_processes_of_which_one_is_killed(self, tmp_path: Path, file: Path, reference: Reference) -> None:
        running = start_fresh((*SRNN, "sweep", str(file), "--out", str(tmp_path), "--jobs", "2", "-q"), tmp_path)
        kill_one(partial(children, running.pid), tmp_path / "tiny")
        assert running.end() == Answer(0, f"{tmp_path / 'tiny'}\n", "")
        assert_whole(tmp_path / "tiny", reference)

    @soak
    def test_in_processes_whose_parent_is_killed(self, tmp_path: Path, file: Path, reference: Reference) -> None:
        """They end with it, and the same command goes on."""
        command = (*SRNN, "sweep", str(file), "--out", str(tmp_path), "--jobs", "2", "-q")
        running = start_fresh(command, tmp_path)
        wait_until(lambda: [*tmp_path.glob("tiny/*/seed-*/metrics.csv")])
        running.send_signal(signal.SIGKILL)
        assert running.end().code == -signal.SIGKILL
        assert Sweep.open(tmp_path / "tiny").states["ended"] < 24
        assert start_fresh(command, tmp_path).end() == Answer(0, f"{tmp_path / 'tiny'}\n", "")
        assert_whole(tmp_path / "tiny", reference)


def wait_until(there: Callable[[], object]) -> None:
    while not there():
        time.sleep(0.01)


def children(parent: int) -> list[int]:
    """The processes that do the work of another one."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        words = path.read_text(errors="replace").rpartition(")")[2].split()
        if int(words[1]) == parent and "loky.backend.popen" in (path.parent / "cmdline").read_text():
            found.append(int(path.parent.name))
    return found


def kill_one(workers: Callable[[], list[int]], folder: Path) -> None:
    """Kill a worker that is training."""
    wait_until(lambda: len([*folder.glob("*/seed-*/metrics.csv")]) > 1 and workers())
    os.kill(workers()[0], signal.SIGKILL)


class TestStopping:
    def test_a_wish_is_heard_and_all_is_saved(self, tmp_path: Path) -> None:
        seen: list[int] = []

        def watch(doing: Doing) -> None:
            seen.append(doing.states["ended"])

        def stop() -> bool:
            return len(seen) > 3

        with pytest.raises(StoppedError):
            srnn.sweep(tiny(), tmp_path, image_format=None, watch=watch, stop=stop)
        states = Sweep.open(tmp_path / "tiny").states
        assert states["ended"] < states.total()
        assert states["waiting"] == states.total() - states["ended"]

    def test_a_signal_ends_it_and_the_same_command_goes_on(self, tmp_path: Path, file: Path) -> None:
        running = start(
            ["sweep", str(file), "--out", str(tmp_path)], tmp_path, partial(log_trainings, tmp_path / "log")
        )
        wait_until((tmp_path / "log").exists)
        running.send_signal(signal.SIGTERM)
        answer = running.end()
        assert (answer.code, answer.err) in ((143, "srnn: interrupted; the same command goes on\n"), (0, ""))


class TestFailing:
    def break_point(self, tmp_path: Path) -> Path:
        """A sweep of which a run is said to have failed."""
        sweep = srnn.sweep(tiny(seeds=1), tmp_path, image_format=None)
        folder = sweep.folder / sweep.points[0].name / "seed-0"
        write_status(folder, Status("failed", 1, "it was Monday"))
        return folder

    def test_what_has_failed_is_told_and_done_again_when_asked_for(self, tmp_path: Path) -> None:
        folder = self.break_point(tmp_path)
        answer = forked(["sweep", str(tmp_path / "tiny"), "-q"], tmp_path)
        assert answer.line == "alpha-0.1-hidden-3 seed 0 failed: it was Monday; do it again by --retry-failed"
        assert srnn.Run.open(folder).status.status == "failed"
        assert forked(["sweep", str(tmp_path / "tiny"), "-q", "--retry-failed"], tmp_path).code == 0
        assert srnn.Run.open(folder).status.status == "finished"

    @pytest.mark.parametrize("fail_fast", [True, False])
    def test_the_others_are_done_unless_it_is_to_end_at_once(self, tmp_path: Path, fail_fast: bool) -> None:
        """The first to be begun is the longest: a batch of more examples than there are makes it impossible."""
        values = {"training.batch_size": [2000, 500], "particle.hidden": [3]}
        with pytest.raises(UserError, match=r"batch_size-2000-hidden-3 seed 0.*batch_size"):
            srnn.sweep(tiny(over=values, seeds=1), tmp_path, image_format=None, fail_fast=fail_fast)
        there = len([*tmp_path.glob("tiny/batch_size-500*/seed-0/metrics.csv")])
        assert there == 1 if not fail_fast else there <= 1

    def test_what_fails_of_a_task_holds_nothing_else_up(self, tmp_path: Path) -> None:
        """Its other seeds are trained, whoever left it so."""
        sweep = srnn.sweep(tiny(over=MANY), tmp_path, image_format=None)
        failed, lost = (sweep.folder / sweep.points[0].name / f"seed-{seed}" for seed in (0, 1))
        write_status(failed, Status("failed", 1, "it was Monday"))
        shutil.rmtree(lost)
        with pytest.raises(UserError, match=r"hidden-2-alpha-1 seed 0 failed: it was Monday; do it again"):
            srnn.sweep(tiny(over=MANY), tmp_path, workers=Threads(), image_format=None)
        assert srnn.Run.open(lost).status.ended
        assert Sweep.open(sweep.folder).states == {"ended": 31, "failed": 1}

    @pytest.mark.parametrize("fail_fast", [True, False])
    def test_what_fails_of_workers_is_told_by_its_seed(self, tmp_path: Path, fail_fast: bool) -> None:
        values = {"training.batch_size": [2000, *range(486, 501)]}
        before = threading.active_count()
        # Both seeds are done at once, and either may be the first.
        with pytest.raises(UserError, match=rf"batch_size-2000 seed {'[01]' if fail_fast else '0'}.*batch_size"):
            srnn.sweep(tiny(over=values), tmp_path, workers=Threads(), image_format=None, fail_fast=fail_fast)
        wait_until(lambda: threading.active_count() == before)
        if not fail_fast:
            assert Sweep.open(tmp_path / "tiny").states == {"ended": 30, "failed": 2}


class TestThePlan:
    def test_one_that_was_begun_seed_by_seed_goes_on(self, tmp_path: Path) -> None:
        """As an older one, and each run's record without a sweep of its own."""
        alone = tiny(over=MANY, seeds=1, seeds_per_task=1)
        sweep = srnn.sweep(alone, tmp_path, image_format=None)
        for record in sweep.folder.glob("*/seed-0/config.toml"):
            older = tomllib.loads(record.read_text())
            older["sweep"]["seeds_per_task"] = 1
            record.write_text(tomli_w.dumps(older))
        before = {path: path.read_bytes() for path in sweep.folder.glob("*/seed-0/metrics.csv")}
        assert srnn.sweep(tiny(over=MANY), tmp_path, image_format=None).states == {"ended": 32}
        assert {path: path.read_bytes() for path in before} == before
        assert srnn.Run.open(next(iter(before)).parent).experiment.sweep == SweepConfig()

    def test_it_is_written_before_any_work(self, tmp_path: Path) -> None:
        with pytest.raises(StoppedError):
            srnn.sweep(tiny(), tmp_path, stop=lambda: True)
        plan = json.loads((tmp_path / "tiny/plan.json").read_text())
        assert [point["settings"] for point in plan["points"]] == [
            {"replication.alpha": alpha, "particle.hidden": hidden}
            for alpha in ALPHAS
            for hidden in VALUES["sweep"]["over"]["particle.hidden"]
        ]
        assert all(len(point["hash"]) == 64 for point in plan["points"])
        assert plan["seeds"] == [0, 1]
        assert not [*tmp_path.glob("tiny/*/seed-*")]

    def begin(self, tmp_path: Path, **sweep: Any) -> None:
        with pytest.raises(StoppedError):
            srnn.sweep(tiny(**sweep), tmp_path, stop=lambda: True)

    def test_it_may_become_larger(self, tmp_path: Path) -> None:
        self.begin(tmp_path)
        before = Sweep.open(tmp_path / "tiny").points
        larger = {"replication.alpha": [*ALPHAS, 7.0], "particle.hidden": VALUES["sweep"]["over"]["particle.hidden"]}
        self.begin(tmp_path, over=larger, seeds=3)
        after = Sweep.open(tmp_path / "tiny")
        assert after.points[: len(before)] == before
        assert len(after.points) > len(before)
        assert after.experiment.sweep.seeds == 3

    def test_neither_smaller_nor_another(self, tmp_path: Path) -> None:
        self.begin(tmp_path)
        with pytest.raises(UserError, match=r"has alpha-[0-9.]+-hidden-[0-9], which this one lacks"):
            srnn.sweep(tiny(over={"replication.alpha": [0.1], "particle.hidden": [3]}), tmp_path)
        with pytest.raises(UserError, match=r"has seed 1, which this one lacks"):
            srnn.sweep(tiny(seeds=1), tmp_path)
        with pytest.raises(UserError, match=r"training.epochs 3 and not 4"):
            srnn.sweep(tiny().override("training.epochs=4"), tmp_path)

    def test_a_folder_of_something_else_is_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "tiny/seed-0").mkdir(parents=True)
        with pytest.raises(UserError, match="is no sweep"):
            srnn.sweep(tiny(), tmp_path)
        assert [path.name for path in (tmp_path / "tiny").iterdir()] == ["seed-0"]

    @pytest.mark.parametrize("content", ["", "[]", "{}", '{"points": [{"name": "../up", "settings": {}, "hash": ""}]}'])
    def test_a_damaged_one_is_told_in_one_line(self, tmp_path: Path, content: str) -> None:
        self.begin(tmp_path)
        (tmp_path / "tiny/plan.json").write_text(content)
        with pytest.raises(UserError, match=r"plan.json is damaged"):
            Sweep.open(tmp_path / "tiny")


class TestPoints:
    def names(self, **sweep: Any) -> list[str]:
        return [point.name for point in srnn.sweeps.plan.planned(tiny(**sweep))]

    def test_random_ones_are_drawn_from_lists_and_ranges(self) -> None:
        over = {
            "training.lr": {"low": 1e-4, "high": 0.1, "log": True},
            "particle.hidden": {"low": 2, "high": 4},
            "body.activation": ["relu", "sigmoid"],
        }
        points = srnn.sweeps.plan.planned(tiny(method="random", points=40, over=over))
        assert len({point.name for point in points}) == 40
        drawn = pd.DataFrame([point.settings for point in points])
        assert drawn["training.lr"].between(1e-4, 0.1).all()
        # As many in each power of ten.
        assert 8 <= (drawn["training.lr"] < 1e-3).sum() <= 19
        assert {*drawn["particle.hidden"]} == {2, 3, 4}
        assert {*drawn["body.activation"]} == {"relu", "sigmoid"}

    def test_more_of_them_are_those_and_others(self) -> None:
        over = {"training.lr": {"low": 0.01, "high": 0.1}}
        few, many = (self.names(method="random", points=points, over=over) for points in (5, 9))
        assert many[:5] == few
        assert self.names(method="random", points=5, over=over, seed=1) != few

    def test_where_there_are_no_more_they_are_fewer(self) -> None:
        assert sorted(self.names(method="random", points=50, over={"particle.hidden": [3, 4]})) == [
            "hidden-3",
            "hidden-4",
        ]

    @pytest.mark.parametrize(
        ("over", "complaint"),
        [
            ({}, r"sweep.seeds is of no effect without sweep.over"),
            ({"particle.hiden": [3]}, r"did you mean particle.hidden"),
            ({"particl.hidden": [3]}, r"did you mean particle.hidden"),
            ({"particle.hidden": [3, 400]}, r"at particle.hidden = 400: particle.hidden is 400; allowed"),
            ({"seed": [1, 2]}, "seed is the same at all points"),
            ({"replication.alpha": [1, 1.0]}, "twice"),
            ({"training.lr": [*range(1, 201)], "replication.alpha": [*range(100)]}, "20,000 points; allowed"),
        ],
    )
    def test_what_is_no_point_is_told_in_one_line(self, over: dict[str, Any], complaint: str) -> None:
        with pytest.raises(UserError, match=complaint):
            self.names(over=over)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That of a sweep that has ended."""
    return srnn.sweep(tiny(seeds=1), tmp_path_factory.mktemp("sweep"), image_format=None).folder


class TestReading:
    def test_show_and_analyze_take_it(self, folder: Path) -> None:
        shown = forked(["show", str(folder)], folder)
        assert (shown.code, shown.err) == (0, "")
        assert f"{len(Sweep.open(folder).points)} points × 1 seeds" in shown.out
        assert max(map(len, shown.out.splitlines()[:12])) <= 80
        asked = forked(["analyze", str(folder), "--only", "connectivity", "--format", "svg"], folder)
        assert (asked.code, asked.err) == (0, "")
        assert (folder / "figures/front.svg").exists()
        assert len([*folder.glob("*/seed-0/results/connectivity.csv")]) == len(Sweep.open(folder).points)

    def test_a_run_it_is_not(self, folder: Path, tmp_path: Path) -> None:
        assert "is a sweep: go on with it by srnn sweep" in forked(["run", str(folder)], tmp_path).line
        with pytest.raises(UserError, match="is a sweep of many points"):
            srnn.run(tiny(), tmp_path)
        with pytest.raises(UserError, match="is not the folder of a sweep"):
            Sweep.open(tmp_path)

    def test_dry_run_does_nothing(self, file: Path, tmp_path: Path) -> None:
        answer = forked(["sweep", str(file), "--dry-run", "--seeds", "3"], tmp_path)
        assert (answer.code, answer.err) == (0, "")
        points = len(ALPHAS) * len(VALUES["sweep"]["over"]["particle.hidden"])
        tasks = points * len(tiny(seeds=3).sweep.seeds_together(points))
        assert f"{tasks} of {tasks} tasks are left: about" in answer.out
        assert [path.name for path in tmp_path.iterdir()] == ["tiny.toml"]

    def test_its_table_has_what_the_data_dictionary_tells(self, folder: Path) -> None:
        part = (
            (Path(__file__).parents[2] / "docs/data-dictionary.md")
            .read_text()
            .split("## Sweeps: ")[1]
            .split("\n## ")[0]
        )
        told = set(re.findall(r"`([^`]+)`", "".join(row.split("|")[1] for row in part.splitlines() if "|" in row)))
        table = Sweep.open(folder).table
        assert {"Point", "Seed", "Status", "Epoch"} <= told
        assert told <= {*table}
        metrics = {
            name for run in Sweep.open(folder).runs(Sweep.open(folder).points[0]) for name in run.metrics["Metric"]
        }
        assert metrics <= {*table}
        assert table["identity_share"].tolist() == (table["identity"] / table[LABELS].sum(axis=1)).tolist()

    def test_it_shows_itself(self, folder: Path) -> None:
        sweep = Sweep.open(folder)
        assert "points" in repr(sweep)
        assert "alpha-0.1-hidden-3" in str(sweep)


def test_the_front_is_of_those_that_none_beats() -> None:
    """By the definition, one by one."""
    rng = np.random.default_rng(0)
    values = pd.DataFrame(rng.integers(0, 6, (60, 2)).astype(float), columns=["up", "down"])
    values.loc[0] = [9, np.nan]
    found = srnn.analysis.sweeps.front(values, {"up": True, "down": False})
    for place, (up, down) in enumerate(values.to_numpy()):
        beaten = any(
            (other[0] >= up and other[1] <= down) and (other[0] > up or other[1] < down) for other in values.to_numpy()
        )
        assert found[place] == (not beaten and not np.isnan(down))
