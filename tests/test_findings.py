"""The findings in README and docs/: each of their numbers with an interval is in the figure tables, which srnn made."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NUMBER = r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"


def intervals(text: str) -> set[str]:
    """As ``0.911±0.001`` and ``-3.24…+0.74``: without spaces or percent signs, and with the sign of a keyboard."""
    found = re.findall(rf"({NUMBER})\s?%?\s*([±…])\s*({NUMBER})", text.replace("−", "-"))
    return {"".join(parts) for parts in found}


def test_intervals_are_found() -> None:
    text = "507 ± 10, 936 ± 9; 0.9 % ±\n0.1 %, (−3.24 … +0.74) and 1,029 ± 8"
    assert intervals(text) == {"507±10", "936±9", "0.9±0.1", "-3.24…+0.74", "1,029±8"}


@pytest.mark.parametrize(
    ("page", "first", "last"),
    [
        ("README.md", "## How the published figures compare", "## How fast"),
        ("docs/findings.md", "# Findings", "## What was published"),
    ],
)
def test_every_interval_of_the_findings_is_one_of_the_figure_tables(page: str, first: str, last: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    told = intervals(text[text.index(first) : text.index(last)])
    assert len(told) > 20
    assert not told - intervals((ROOT / "figures/README.md").read_text("utf-8"))


def test_so_is_every_one_beside_the_independent_check() -> None:
    text = (ROOT / "docs/findings.md").read_text("utf-8")
    rows = [line.split("|") for line in text[text.index("## Beside an") :].splitlines() if line.startswith("| ")]
    told = intervals("\n".join(row[3] for row in rows))
    assert len(told) > 20
    assert not told - intervals((ROOT / "figures/README.md").read_text("utf-8"))
