"""The figure tables: what is made, what is left as it is, and what stands in the cells."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from processes import SRNN, forked, start, start_fresh

import srnn
from srnn import Experiment
from srnn import tables as figure_tables
from srnn.errors import UserError
from srnn.presets import preset_names
from srnn.runs import disk
from srnn.tables import SECTIONS, desk, training
from srnn.tables.desk import Desk

Make = Callable[..., list[str]]

#: With it, as with ``make soak``: from processes that begin with the interpreter, and by other processes what the tests
#: of the engine show of any job.
SOAK = bool(os.environ.get("SRNN_SOAK"))
soak = pytest.mark.skipif(not SOAK, reason="for make soak")


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """``figure_tables.make`` below ``tmp_path``, with presets of two epochs."""
    load = srnn.load_preset
    fewer = ["training.epochs=2", "log.every=1"]
    monkeypatch.setattr(figure_tables, "load_preset", lambda name: load(name).override(fewer))

    def make(*names: str, seeds: int = 2, place: str = "", **options: Any) -> list[str]:
        return figure_tables.make(names, seeds, tmp_path / place / "figures", tmp_path / place / "runs", **options)

    return make


# Sections of the tests, by name: other processes have to find them.


def counted(desk: Desk) -> str:
    return f"{len(desk.runs['sanity-h3'])} runs"


def failing(desk: Desk) -> str:
    desk.training("sanity-h3")
    raise UserError("cannot be made")


def two_presets(patched: pytest.MonkeyPatch) -> None:
    """A section that needs two presets of four small epochs."""
    load = srnn.load_preset
    small = ["training.epochs=4", "log.every=1", "checkpoint.every=2"]
    patched.setattr(figure_tables, "load_preset", lambda name: load("addition").override([f"name={name}", *small]))
    section = replace(
        SECTIONS["transfer"], presets=["digits", "addition"], make=lambda desk: desk.metrics("digits").to_csv()
    )
    patched.setitem(SECTIONS, "transfer", section)


def die_in_the_second() -> None:
    """Of the presets, after its third epoch; for a process that has been forked."""
    two_presets(pytest.MonkeyPatch())
    disk._MOST = 0  # what was measured before the third is on the disk by then
    begun, train = [], figure_tables.run_experiment

    def training(experiment: Experiment, *places: Any, after_report: Callable[[Any], None], **options: Any) -> Any:
        def die(report: Any) -> None:
            after_report(report)
            if (len(begun), report.epoch) == (2, 3):
                os.kill(os.getpid(), signal.SIGKILL)

        begun.append(experiment.name)
        return train(experiment, *places, after_report=die, **options)

    figure_tables.run_experiment = training


def table(text: str) -> list[list[str]]:
    """The cells of the last table of a text, without its rule."""
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    start = max(place for place, row in enumerate(rows) if set("".join(row)) <= {"-"}) - 1
    return [rows[start], *rows[start + 2 :]]


def test_a_section_is_made_once(make: Make, tmp_path: Path) -> None:
    assert make("addition") == ["addition"]
    section, readme = tmp_path / "figures/addition/section.md", tmp_path / "figures/README.md"
    assert section.read_text() in readme.read_text()
    shown = re.findall(r"!\[[^]]*]\(([^)]+)\)", readme.read_text())
    assert len(shown) == 2
    assert all((tmp_path / "figures" / image).stat().st_size > 1000 for image in shown)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file() and path != readme}
    assert make("addition") == []
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_without_names_all_published_ones_are_made(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = replace(SECTIONS["exact"], presets=["addition"], make=lambda desk: "exactly")
    monkeypatch.setattr(figure_tables, "SECTIONS", {"addition": SECTIONS["addition"], "exact": exact})
    assert make(seeds=1) == ["addition"]
    assert make("exact", seeds=1) == ["exact"]
    readme = (tmp_path / "figures/README.md").read_text()
    assert readme.index("## Addition") < readme.index("## Exact self-replication")


def test_more_seeds_run_only_those_that_are_missing(make: Make, tmp_path: Path) -> None:
    make("addition", seeds=1)
    first = tmp_path / "runs/addition/seed-0/metrics.csv"
    before = first.stat().st_mtime_ns
    assert make("addition", seeds=2) == ["addition"]
    assert first.stat().st_mtime_ns == before
    assert (tmp_path / "runs/addition/seed-1").is_dir()
    assert "--seeds 2" in (tmp_path / "figures/README.md").read_text()


def test_a_run_that_was_interrupted_is_not_taken_for_a_whole_one(make: Make, tmp_path: Path) -> None:
    make("addition", seeds=1)
    metrics = tmp_path / "runs/addition/seed-0/metrics.csv"
    metrics.write_text("".join(line for line in metrics.open() if not line.startswith("2,")))
    (tmp_path / "figures/addition/section.md").unlink()
    with pytest.raises(UserError, match="seed-0"):
        make("addition", seeds=1)


def test_a_longer_run_goes_on_from_a_shorter_one(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the same bytes as one of its own."""
    load = srnn.load_preset
    epochs = {"addition": 2, "digits": 4}
    monkeypatch.setattr(
        figure_tables,
        "load_preset",
        lambda name: load("addition").override(
            [f"name={name}", f"training.epochs={epochs[name]}", "log.every=1", "checkpoint.every=2"]
        ),
    )
    monkeypatch.setitem(SECTIONS, "transfer", replace(SECTIONS["transfer"], presets=["digits"]))
    make("transfer", seeds=1, place="own")
    states: list[str] = []
    # The longer one is needed first.
    monkeypatch.setitem(SECTIONS, "transfer", replace(SECTIONS["transfer"], presets=["digits", "addition"]))
    make("transfer", seeds=1, place="both", watch=lambda done, total, running: states.extend(running.values()))
    assert [state for state in states if state.startswith("epoch")] == [
        *(f"epoch {epoch} of 2" for epoch in (0, 1, 2)),
        *(f"epoch {epoch} of 4" for epoch in (3, 4)),
    ]
    own, both = (TestParallel.contents(tmp_path / place / "runs/digits") for place in ("own", "both"))
    assert own == both


def test_the_cells_of_the_sanity_check_are_those_of_its_runs(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "SANITY", {3: "identity"})
    monkeypatch.setitem(SECTIONS, "sanity", replace(SECTIONS["sanity"], presets=["sanity-h3"]))
    make("sanity")
    text = (tmp_path / "figures/sanity/section.md").read_text()
    _, [units, _, found, worth, multiply] = table(text.split("Published")[0])
    last = [
        pd.read_csv(tmp_path / f"runs/sanity-h3/seed-{seed}/metrics.csv").groupby("Metric")["Score"].last()
        for seed in range(2)
    ]
    learned = [one["learned_factor"] for one in last]
    assert (units, found) == ("3", "2 other")
    assert worth.startswith(f"{sum(learned) / 2:.5f} ±")
    assert multiply == f"{sum(abs(value - 0.03) <= 0.003 for value in learned)} of 2"
    _, [batches, together, _] = table(text)
    assert batches == "5"
    assert together.startswith(f"{multiply}, ")


class TestParallel:
    """Two tables that share the runs of a preset, and one that waits for others."""

    NAMES = ("sanity", "addition", "transfer")

    @pytest.fixture(autouse=True)
    def small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(SECTIONS, "transfer", replace(SECTIONS["transfer"], presets=["addition", "digits"]))
        monkeypatch.setitem(SECTIONS, "sanity", replace(SECTIONS["sanity"], presets=["sanity-h3"], make=counted))

    @staticmethod
    def contents(folder: Path) -> dict[str, bytes]:
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def test_the_number_of_processes_changes_nothing_and_nothing_is_done_twice(
        self, make: Make, tmp_path: Path
    ) -> None:
        seen: list[tuple[int, str]] = []

        def watch(done: int, total: int, running: dict[str, str]) -> None:
            seen.extend((total, name) for name in running)

        assert make(*self.NAMES, seeds=1, place="alone") == list(self.NAMES)
        assert make(*self.NAMES, seeds=1, place="beside", jobs=2, watch=watch) == list(self.NAMES)
        alone, beside = (self.contents(tmp_path / place) for place in ("alone", "beside"))
        assert alone == beside
        assert {f"figures/{name}/section.md" for name in self.NAMES} < alone.keys()
        assert not [name for name in alone if "unfinished" in name]

        jobs = {f"training {preset}" for preset in ("addition", "digits", "sanity-h3")}
        jobs |= {f"table {name}" for name in self.NAMES}
        assert {*seen} == {(len(jobs), name) for name in jobs}
        seen.clear()
        assert make(*self.NAMES, seeds=1, place="beside", jobs=2, watch=watch) == []
        assert not seen

    def test_the_runs_of_one_table_serve_another(self, make: Make) -> None:
        make("addition", seeds=1)
        names: set[str] = set()
        make("transfer", seeds=1, watch=lambda done, total, running: names.update(running))
        assert names == {"training digits", "table transfer"}

    @pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=soak)])
    def test_an_error_is_one_line_and_leaves_nothing_half_made(
        self, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int
    ) -> None:
        monkeypatch.setitem(SECTIONS, "sanity", replace(SECTIONS["sanity"], make=failing))
        with pytest.raises(UserError, match=r"^cannot be made$"):
            make("sanity", "addition", jobs=jobs)
        assert not [*tmp_path.rglob("*unfinished*")]
        assert not (tmp_path / "figures/sanity").exists()
        for folder in tmp_path.glob("runs/*/seed-*"):
            assert 2 in srnn.Run.open(folder).metrics["Epoch"].tolist()


def test_a_command_that_was_killed_is_gone_on_with(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was whole stays as it is, what was begun goes on from its checkpoint; in the end the bytes are the same."""
    two_presets(monkeypatch)
    make("transfer", place="whole")
    figures, runs = (tmp_path / "killed" / place for place in ("figures", "runs"))
    places = ["--out", str(figures), "--runs", str(runs)]
    command = ["figures", "transfer", "--seeds", "2", "--jobs", "1", *places]
    assert start(command, tmp_path, before=die_in_the_second).end().code == -signal.SIGKILL
    [done] = {run.parent for run in runs.glob("*/seed-*")}
    before = {path: path.stat().st_mtime_ns for path in done.rglob("*")}
    states: list[str] = []
    make("transfer", place="killed", watch=lambda done, total, running: states.extend(running.values()))
    assert {state for state in states if state.startswith("epoch")} == {"epoch 3 of 4", "epoch 4 of 4"}
    assert before == {path: path.stat().st_mtime_ns for path in done.rglob("*")}
    whole, killed = (TestParallel.contents(tmp_path / place) for place in ("whole", "killed"))
    assert whole == killed


@pytest.mark.parametrize(
    ("number", "code"),
    [pytest.param(signal.SIGINT, 130, id="int"), pytest.param(signal.SIGTERM, 143, id="term", marks=soak)],
)
def test_a_signal_ends_everything(tmp_path: Path, number: int, code: int) -> None:
    """As a terminal does not send it: to the first process alone."""
    arguments = ["figures", "sanity", "--seeds", "1000", "--jobs", "2"]
    running = start_fresh((*SRNN, *arguments), tmp_path) if SOAK else start(arguments, tmp_path)
    while not [*tmp_path.glob("runs/figures/.unfinished-*/*/seed-*")]:
        assert not running.ends_within(0.05)
    running.send_signal(number)
    # The pipes are closed when the last process that holds them has ended.
    answer = running.end()
    assert (answer.code, answer.out) == (code, "")
    assert answer.err == "srnn: interrupted; the same command goes on\n"
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_an_error_ends_with_exit_code_2(tmp_path: Path) -> None:
    """In other processes it is raised here as well: see TestParallel."""
    places = ["--out", str(tmp_path / "figures"), "--runs", str(tmp_path / "runs"), "--data-dir", str(tmp_path)]
    answer = forked(["figures", "later", "smaller", "--seeds", "1", "--jobs", "1", *places], tmp_path)
    assert str(tmp_path) in answer.line


def test_an_unknown_table_is_named(make: Make) -> None:
    with pytest.raises(UserError, match="did you mean connectivity"):
        make("conectivity")


def test_sections_rest_on_presets_that_exist() -> None:
    assert {preset for section in SECTIONS.values() for preset in section.presets} <= set(preset_names())


@pytest.mark.parametrize(
    ("mean", "half", "form", "text"),
    [
        (1031.6, 13.7, "{:,.0f}", "1,032 ± 14"),
        (0.77228, float("nan"), "{:.3f}", "0.772"),
        (0.5, 0.0, "{:.1%}", "50.0% ± 0.0%"),
    ],
)
def test_an_interval(mean: float, half: float, form: str, text: str) -> None:
    assert desk.interval(mean, mean - half, mean + half, form=form) == text


def test_a_comparison_that_cannot_be_made_is_a_dash() -> None:
    assert desk.between(float("nan"), float("nan"), float("nan"), form="{:+.2f}") == "–"
    assert desk.between(1.5, float("nan"), float("nan"), form="{:+.2f}") == "+1.50"
    assert desk.between(1.5, -1, 4, form="{:+.2f}") == "+1.50 (-1.00 … +4.00)"


def test_a_markdown_table() -> None:
    assert table(desk.markdown([[1, "a"], [2, "b"]], ["n", "x"])) == [["n", "x"], ["1", "a"], ["2", "b"]]


def test_the_header_names_the_presets_whose_bodies_are_not_linear() -> None:
    every = SECTIONS.values()
    presets = {preset for section in every for preset in (*section.presets, *section.studies)}
    others = [preset for preset in sorted(presets) if srnn.load_preset(preset).body.activation != "none"]
    assert re.findall(r"`([a-z-]+)`", figure_tables.HEADER.partition("with ReLU:")[2]) == others
