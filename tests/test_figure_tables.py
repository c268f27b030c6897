"""The figure tables: what is made, what is left as it is, and what stands in the cells."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import srnn
from srnn import figure_tables
from srnn.errors import UserError
from srnn.figure_tables import SECTIONS, desk, training
from srnn.presets import preset_names

Make = Callable[..., list[str]]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """``figure_tables.make`` below ``tmp_path``, with presets of two epochs."""
    load = srnn.load_preset
    fewer = ["training.epochs=2", "log.every=1"]
    monkeypatch.setattr(figure_tables, "load_preset", lambda name: load(name).override(fewer))
    monkeypatch.setitem(SECTIONS, "addition", replace(SECTIONS["addition"], at_least=1))
    return lambda *names, seeds=2: figure_tables.make(names, seeds, tmp_path / "figures", tmp_path / "runs")


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


def test_the_cells_of_the_sanity_check_are_those_of_its_runs(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "SANITY", {3: "identity"})
    monkeypatch.setitem(SECTIONS, "sanity", replace(SECTIONS["sanity"], presets=["sanity-h3"]))
    make("sanity")
    _, [units, _, found, worth, multiply] = table((tmp_path / "figures/sanity/section.md").read_text())
    last = [
        pd.read_csv(tmp_path / f"runs/sanity-h3/seed-{seed}/metrics.csv").groupby("Metric")["Score"].last()
        for seed in range(2)
    ]
    learned = [one["learned_factor"] for one in last]
    assert (units, found) == ("3", "2 other")
    assert worth.startswith(f"{sum(learned) / 2:.5f} ±")
    assert multiply == f"{sum(abs(value - 0.03) <= 0.003 for value in learned)} of 2"


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
    assert desk.interval(mean, half, form) == text


def test_a_comparison_that_cannot_be_made_is_a_dash() -> None:
    assert desk.between(float("nan"), float("nan"), float("nan"), "{:+.2f}") == "–"
    assert desk.between(1.5, float("nan"), float("nan"), "{:+.2f}") == "+1.50"
    assert desk.between(1.5, -1, 4, "{:+.2f}") == "+1.50 (-1.00 … +4.00)"


def test_a_markdown_table() -> None:
    assert table(desk.markdown([[1, "a"], [2, "b"]], ["n", "x"])) == [["n", "x"], ["1", "a"], ["2", "b"]]
