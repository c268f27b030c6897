"""The documentation as a reader follows it: its blocks run, its links lead somewhere, all is near the front page.

Blocks fenced as ``sh`` and ``python`` are run, those of a page one after the other in a folder of its own; ``toml`` is
the file that its first line names. A page that trains for more than a second or two says in its first line that it is
for ``make readme``.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from processes import forked, process

from srnn.events import EVENTS
from srnn.family import Family
from srnn.laboratory.questions import QUESTIONS
from srnn.terms import TERMS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
#: Beside the Python in use, whether or not its environment is active.
ZENSICAL = shutil.which("zensical", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
PAGES = sorted(DOCS.rglob("*.md"))
_FENCED = re.compile(r"^(?:<!-- not run: (?P<reason>[^\n]+) -->\n)?```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.M | re.S)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_LATER = "<!-- run by make readme -->\n"


def name(page: Path) -> str:
    return page.relative_to(DOCS).as_posix()


#: Pages that have something to run.
TO_RUN = [
    pytest.param(page, id=name(page), marks=[pytest.mark.readme] if page.read_text().startswith(_LATER) else [])
    for page in PAGES
    if any(found["kind"] in ("python", "sh") for found in _FENCED.finditer(page.read_text()))
]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as the site makes them."""
    headings = re.findall(r"^#+ (.+)$", _FENCED.sub("", page.read_text()), flags=re.M)
    return {re.sub(r"[^\w\s-]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", TO_RUN)
def test_its_blocks_run_one_after_the_other(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "block"}
    for found in _FENCED.finditer(page.read_text()):
        if found["reason"] is not None:
            continue
        if found["kind"] == "toml":
            (tmp_path / found["text"].splitlines()[0].removeprefix("# ")).write_text(found["text"])
        elif found["kind"] == "python":
            line = page.read_text().count("\n", 0, found.start("text"))
            exec(compile("\n" * line + found["text"], str(page), "exec"), names)
        elif found["kind"] == "sh":
            for command in found["text"].replace("\\\n", "").splitlines():
                program, *arguments = shlex.split(command, comments=True)
                assert program == "srnn", command
                answer = forked(arguments, tmp_path)
                assert answer.code == 0, (command, answer)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_its_links_and_images_lead_somewhere(page: Path) -> None:
    for link in _LINK.findall(_FENCED.sub("", page.read_text())):
        assert not re.match(r"[a-z]+:", link), f"{link} is elsewhere"
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), link
        assert target.is_relative_to(DOCS), link
        assert not anchor or anchor in anchors(target), link


def test_what_readers_look_for_is_two_clicks_from_the_front_page() -> None:
    near = set(_LINK.findall((DOCS / "index.md").read_text()))
    wanted = ("installation", "first-organism", "how-to/own-data", "how-to/own-body", "how-to/cluster", "mathematics")
    assert {f"{page}.md" for page in wanted} <= near


@pytest.mark.parametrize(
    ("page", "family"),
    [("laboratory.md", QUESTIONS), ("how-to/terms-and-events.md", TERMS), ("how-to/terms-and-events.md", EVENTS)],
    ids=["questions", "terms", "events"],
)
def test_every_member_is_in_a_table(page: str, family: Family[object]) -> None:
    first_cells = " ".join(re.findall(r"^\| (`[^|]+) \|", (DOCS / page).read_text(), re.M))
    assert set(family) <= set(re.findall(r"`(\w+)`", first_cells))


def test_every_page_is_in_the_menu() -> None:
    def pages(entries: Any) -> list[str]:
        values = [value for entry in entries for value in entry.values()]
        return [page for value in values for page in ([value] if isinstance(value, str) else pages(value))]

    configured = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]
    assert sorted(pages(configured["nav"])) == sorted(map(name, PAGES))


@pytest.mark.skipif(ZENSICAL is None, reason="zensical is not installed: make docs")
def test_the_site_is_built_without_a_warning_and_asks_nobody(tmp_path: Path) -> None:
    # It writes beside what it reads.
    shutil.copytree(DOCS, tmp_path / "docs")
    shutil.copy(ROOT / "zensical.toml", tmp_path)
    for part in ("srnn", "tools"):
        (tmp_path / part).symlink_to(ROOT / part)
    answer = process((str(ZENSICAL), "build", "--strict"), tmp_path)
    assert answer.code == 0, answer
    loaded = r'<(?:script|img|link|iframe|source)\b[^>]*?\b(?:src|href)="(?:https?:)?//[^"]*"'
    for page in (tmp_path / "site").rglob("*.html"):
        assert [one for one in re.findall(loaded, page.read_text()) if 'rel="canonical"' not in one] == []
