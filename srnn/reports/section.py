"""What a report is made of: sections with charts and tables. A chart shows a table, and says how."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Menu:
    """What all charts of a section are chosen by.

    Attributes:
        column: Of their tables, the column whose value is chosen; or what a kind of chart reads by that name.
        label: What is chosen, in a word.
        choices: The values; the first is chosen to begin with.
    """

    column: str
    label: str
    choices: list[str]


@dataclass(frozen=True)
class Chart:
    """A chart.

    Attributes:
        title: Above it.
        kind: What draws it: the name of a script of the page.
        spec: What that is told; ``frame`` is the key of the table that it shows.
    """

    title: str
    kind: str
    spec: dict[str, Any]


@dataclass
class Section:
    """A part of a report.

    Attributes:
        key: Its anchor.
        title: Its heading.
        about: What is seen here, in a sentence or two.
        menus: What is chosen of all its charts.
        charts: Its charts.
        epochs: If it can be played, the epochs that it goes through.
        tables: Title → numbers, to be looked at and copied.
        notes: What is left out, and why.
    """

    key: str
    title: str
    about: str
    menus: list[Menu] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)
    epochs: list[int] = field(default_factory=list)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Facts:
    """A small table of words that stands in the page itself, readable without scripts."""

    title: str
    headings: list[str]
    rows: list[list[str]]
    folded: bool = False
