"""The page: one file that holds its scripts, its looks and its data, and asks nobody for anything.

That it makes no request is not promised but enforced: its Content-Security-Policy allows nothing from anywhere, and of
scripts and styles only those whose hashes stand in it. Whatever a stranger has named is data: words in the page are
escaped, and what scripts show they put in as text.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Sequence
from importlib.resources import files
from math import isfinite
from typing import Any, Final

import pandas as pd

import srnn
from srnn.reports.section import Facts, Section

#: In the order in which they build on each other.
_SCRIPTS: Final = (
    "base",
    "axes",
    "lines",
    "areas",
    "intervals",
    "heatmap",
    "graph",
    "camera",
    "cube",
    "tables",
    "sections",
)
#: Digits of a number that is shown or copied.
_DIGITS: Final = 6


def render(title: str, facts: Sequence[Facts], sections: Sequence[Section]) -> str:
    """The page as HTML."""
    from jinja2 import Environment, StrictUndefined

    folder = files("srnn.reports") / "page"
    script = "\n".join((folder / f"{name}.js").read_text("utf-8") for name in _SCRIPTS)
    script = f'"use strict";\n(() => {{\n{script}\n}})();\n'
    style = (folder / "page.css").read_text("utf-8")
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((folder / "page.html").read_text("utf-8"))
    return template.render(
        title=title,
        facts=facts,
        sections=sections,
        policy=policy,
        script=script,
        style=style,
        data=as_json(sections),
        version=srnn.__version__,
    )


def _hash(text: str) -> str:
    return f"sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def as_json(sections: Sequence[Section]) -> str:
    """What the scripts show, as JSON that cannot end the element that it stands in.

    Raises:
        TypeError, ValueError: A chart is told something that JSON cannot hold.
    """
    told = [
        {
            "key": section.key,
            "menus": [vars(menu) for menu in section.menus],
            "charts": [{"title": chart.title, "kind": chart.kind, **chart.spec} for chart in section.charts],
            "epochs": section.epochs,
            "tables": {title: _columns(frame) for title, frame in section.tables.items()},
        }
        for section in sections
    ]
    return json.dumps(told, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _columns(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The columns of a table: numbers as they are, words once each with their places."""
    found = []
    for name, column in frame.items():
        if pd.api.types.is_bool_dtype(column):
            column = column.map({True: "yes", False: "no"})
        if pd.api.types.is_numeric_dtype(column):
            found.append({"name": str(name), "values": [_number(value) for value in column.tolist()]})
        else:
            places, words = pd.factorize(column.fillna("").astype(str))
            found.append({"name": str(name), "words": list(words), "places": places.tolist()})
    return found


def _number(value: float) -> float | int | None:
    if isinstance(value, int):
        return value
    if not isfinite(value):
        return None
    short = float(f"{value:.{_DIGITS}g}")
    return int(short) if short.is_integer() and abs(short) < 2**53 else short
