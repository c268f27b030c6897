"""A report in a real browser: Chromium without a window, from a file; skipped where there is none."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

import srnn
from srnn.reports.render import render
from srnn.reports.section import Chart, Section

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SWITCHES = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
    "--disable-dev-shm-usage",  # which is small in containers
)
LOGGED = (0, 2, 4)
#: Milliseconds for what a busy machine takes its time for.
PATIENCE = 180_000

playwright = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")


class Watched:
    """A page that is open, and what it said and asked for."""

    def __init__(self, page: Page, path: Path, there: str = "#trajectories .said:has-text('epoch')") -> None:
        self.page, self.errors, self.requests = page, list[str](), list[str]()
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(path.as_uri())
        page.wait_for_selector(there)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two experiments side by side."""
    folder = tmp_path_factory.mktemp("shown")
    short = ("training.epochs=4", "log.every=2", "body.depth=3")
    for width in (3, 4):
        srnn.run(
            srnn.load_preset("digits").override([*short, f"body.width={width}", f"name=wide-{width}"]),
            folder,
            image_format=None,
        )
    return srnn.report([folder], folder / "report.html")


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    playwright.expect.set_options(timeout=PATIENCE)
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=SWITCHES, timeout=PATIENCE)
        context = browser.new_context(
            viewport={"width": 1000, "height": 800}, permissions=["clipboard-read", "clipboard-write"]
        )
        context.set_default_timeout(PATIENCE)
        yield context.new_page()
        browser.close()


def another(drawn: Locator, before: bytes) -> bytes:
    """The picture that is drawn in place of another, in as much time as that takes."""
    for _ in range(PATIENCE // 100):
        if (now := drawn.screenshot()) != before:
            return now
        drawn.page.wait_for_timeout(100)
    raise AssertionError("it looks as before")


def test_everything_that_a_reader_does(page: Page, report: Path) -> None:
    """In one test, for one page: what is done before does not matter."""
    watched = Watched(page, report)
    cube = page.locator("#trajectories canvas").first
    cube.scroll_into_view_if_needed()

    # Dragging turns it.
    before, box = cube.screenshot(), cube.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 150, box["y"] + 150)
    page.mouse.down()
    page.mouse.move(box["x"] + 230, box["y"] + 170, steps=3)
    page.mouse.up()
    page.mouse.move(2, 2)
    turned = another(cube, before)

    # Another layer is other particles; of a type there are fewer.
    said = page.locator("#trajectories .said").first
    first = said.inner_text()
    page.select_option("#trajectories select[name=Layer]", "L1")
    playwright.expect(said).not_to_have_text(first)
    another(cube, turned)
    page.select_option("#trajectories select[name=Type]", "divergent")
    page.wait_for_selector("#trajectories .said:has-text(' 0 of ')")
    page.select_option("#trajectories select[name=Type]", "all")

    # The slider goes to an epoch, playing through all of them to the last.
    page.locator("#trajectories input[type=range]").fill("0")
    page.wait_for_selector("#trajectories .said:has-text('epoch 0')")
    page.click("#trajectories button:has-text('Play')")
    page.wait_for_selector(f"#trajectories .said:has-text('epoch {LOGGED[-1]}')")
    page.wait_for_selector("#trajectories button:has-text('Play')")

    # Pointing at an edge names its particle; all are there only if zero fixpoints are, too.
    page.select_option("#connectivity select[name=Type]", "all")
    graph = page.locator("#connectivity svg").first
    graph.scroll_into_view_if_needed()
    box = graph.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 20, box["y"] + 60)
    assert page.locator("#tip b").inner_text().startswith("L0_C")

    # A table is copied whole.
    page.click("#connectivity summary >> nth=0")
    page.click("#connectivity .copy >> nth=0")
    page.wait_for_selector("#connectivity .copy:has-text('Copied')")
    lines = page.evaluate("navigator.clipboard.readText()").splitlines()
    assert lines[0].split("\t")[:2] == ["Particle", "Layer"]
    assert len(lines) == 1 + 64 * 3 + 3 * 3 + 3 * 10

    assert watched.errors == []
    assert watched.requests == [report.as_uri()]


def test_it_fits_a_phone_and_wears_what_the_reader_wears(page: Page, report: Path) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    looks = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        watched = Watched(page, report)
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        looks[scheme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert watched.errors == []
    assert looks["light"] != looks["dark"]


def test_a_map_has_a_cell_for_each_pair_of_values(page: Page, tmp_path: Path) -> None:
    cells = pd.DataFrame(
        {"alpha": [10.0, 0.1, 0.1], "kind": ["a", "a", "b"], "Mean": [0.5, 0.75, 1.0], "Seeds": [2, 2, 1]}
    )
    spec = {"frame": "Cells", "where": {}, "x": "alpha", "y": "kind"}
    section = Section("swept", "Swept", "", charts=[Chart("Ends", "heatmap", spec)])
    section.tables["Cells"] = cells.assign(Low=cells["Mean"] - 0.25, High=cells["Mean"] + 0.25)
    (tmp_path / "map.html").write_text(render("A map", [], [section]), encoding="utf-8")
    watched = Watched(page, tmp_path / "map.html", "#swept g")
    drawn = page.locator("#swept svg g")
    assert drawn.all_text_contents() == ["0.5", "0.75", "1"]
    # Small alphas are left of large ones, and the second kind is above the first.
    right, left, above = (drawn.nth(place).bounding_box() for place in range(3))
    assert right is not None
    assert left is not None
    assert above is not None
    assert (left["x"] < right["x"], above["y"] < left["y"]) == (True, True)
    tints = drawn.evaluate_all("(all) => all.map((cell) => getComputedStyle(cell.firstChild).fill)")
    assert len({*tints}) == 3
    drawn.nth(2).hover()
    assert page.locator("#tip").inner_text().split("\n") == ["alpha 0.1, kind b", "1 (0.75 … 1.25)", "1 run"]
    assert watched.errors == []


def test_without_webgl_the_cube_is_drawn_by_hand(page: Page, report: Path) -> None:
    page.add_init_script(
        "const real = HTMLCanvasElement.prototype.getContext; HTMLCanvasElement.prototype.getContext = "
        "function (kind, ...rest) { return kind.startsWith('webgl') ? null : real.call(this, kind, ...rest) }"
    )
    watched = Watched(page, report)
    drawn = (
        "() => { const one = document.querySelector('canvas'); const all = one.getContext('2d').getImageData("
        "0, 0, one.width, one.height).data; return all.some((value) => value > 0) }"
    )
    page.wait_for_function(drawn)
    assert watched.errors == []
