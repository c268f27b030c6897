"""The examples of docstrings, as the reference shows them: run, but for those that need a run (``+SKIP``)."""

from __future__ import annotations

import doctest
import re
from importlib import import_module
from pathlib import Path

import pytest

import srnn

ROOT = Path(__file__).parents[1]
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "srnn").rglob("*.py")
    if re.search(r"^ *>>> (?!.*\+SKIP)", path.read_text(encoding="utf-8"), re.M)
)


@pytest.mark.parametrize("name", MODULES)
def test_its_examples_give_what_they_say(name: str) -> None:
    """With what a reader of the module has at hand: its names and those of the package."""
    names = {"srnn": srnn, **{public: getattr(srnn, public) for public in srnn.__all__}}
    failed, attempted = doctest.testmod(import_module(name), extraglobs=names)
    assert attempted
    assert not failed
