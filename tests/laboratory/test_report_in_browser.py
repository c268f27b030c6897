"""A report in a real browser: Chromium without a window, from a file; skipped where there is none."""

from __future__ import annotations

import shutil
from base64 import b64encode
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

import srnn
from srnn.reports.render import render
from srnn.reports.section import Chart, Menu, Section

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


@pytest.fixture
def fresh(page: Page) -> Iterator[Page]:
    """A page in which scripts may change what the browser is."""
    made = page.context.new_page()
    yield made
    made.close()


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


def test_what_there_is_little_or_much_of_is_drawn_too(page: Page, tmp_path: Path) -> None:
    """Charts that have a single point, none, very many, or only one value; what has nothing to choose has no menu."""
    many = 130_000
    curves = pd.DataFrame(
        {
            "Chart": ["few"] * 4 + ["none"] * 2 + ["many"] * many,
            "Group": ["one", "two", "two", "two"] + ["one"] * 2 + ["one"] * many,
            "Epoch": [1, 0, 1, 2, 0, 1, *range(many)],
            "Mean": [0.5, 1.0, 2.0, 3.0, 0.0, float("nan"), *range(many)],
        }
    ).assign(Low=0.25, High=float("nan"))
    curves.loc[0, "High"] = 0.75
    lines = {"frame": "Curves", "x": "Epoch", "series": "Group", "order": ["one", "two"]}
    census = pd.DataFrame({"Type": ["identity", "other"], "Epoch": 3, "Mean": [1.0, 2.0]})
    huge = pd.DataFrame({"Point": ["a", "b"], "Mean": 1e16, "Low": float("nan"), "High": float("nan")})
    rows = {"frame": "Huge", "by": "Point", "rows": [["a", "a"], ["b", "b"]], "marked": [], "said": "huge"}
    charts = [
        Chart("Few", "lines", {**lines, "where": {"Chart": "few"}}),
        Chart("None", "lines", {**lines, "where": {"Chart": "none"}, "logarithmic": True}),
        Chart("Many", "lines", {**lines, "where": {"Chart": "many"}}),
        Chart("Counted", "areas", {"frame": "Census", "x": "Epoch", "series": "Type", "order": ["identity", "other"]}),
        Chart("Huge", "intervals", rows),
    ]
    choices = [Menu("Only", "only", ["this"]), Menu("Which", "which", ["this", "that"])]
    sections = [
        Section("drawn", "Drawn", "", choices, charts, tables={"Curves": curves, "Census": census, "Huge": huge}),
        Section("empty", "Empty", "", [*choices, Menu("None", "none", [])], epochs=[0, 1]),
    ]
    (tmp_path / "charts.html").write_text(render("Charts", [], sections), encoding="utf-8")
    page.set_viewport_size({"width": 1000, "height": 800})
    watched = Watched(page, tmp_path / "charts.html", "figure:has-text('huge') svg")
    few, none, much, counted, huge_ones = (page.locator("figure").nth(place) for place in range(5))
    assert few.locator("circle").count() == 1
    assert few.locator(".arm").count() == 1
    playwright.expect(none).to_contain_text("nothing to draw")
    assert str(much.locator(".curve").get_attribute("d")).count("L") == many - 1
    column = counted.locator("g path").first.bounding_box()
    assert column is not None
    assert column["width"] > 20
    assert column["height"] > 20
    assert huge_ones.locator(".grid").count() > 1
    assert "NaN" not in page.content()
    assert page.locator("svg").evaluate_all("(all) => all.map((one) => one.getAttribute('aria-label'))") == [
        *("Few", "Many", "Counted", "Huge"),
    ]
    assert page.locator("select").evaluate_all("(all) => all.map((one) => one.name)") == ["Which"]
    assert page.locator("#empty .menus > *").count() == 0

    # Of what is put out by the keyboard, the focus stays where it was.
    for figure in (few, counted):
        figure.locator(".legend button").nth(1).focus()
        page.keyboard.press("Space")
        assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "false"
        page.keyboard.press("Space")
        assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
    # With all put out there is still a legend to put them in again.
    for place in range(2):
        few.locator(".legend button").nth(place).click()
    assert few.locator(".legend button[aria-pressed=false]").count() == 2
    assert watched.errors == []


#: Whether something is drawn on each cube of a page.
DRAWN = (
    "() => [...document.querySelectorAll('canvas')].map((one) => one.getContext('2d').getImageData("
    "0, 0, one.width, one.height).data.some((value) => value > 0))"
)
KEPT = (
    "const real = HTMLCanvasElement.prototype.getContext; window.made = []; HTMLCanvasElement.prototype.getContext = "
    "function (kind, ...rest) { const one = real.call(this, kind, ...rest); "
    "if (kind.startsWith('webgl')) made.push(one); return one }"
)
NO_WEBGL = (
    "const real = HTMLCanvasElement.prototype.getContext; HTMLCanvasElement.prototype.getContext = "
    "function (kind, ...rest) { return kind.startsWith('webgl') ? null : real.call(this, kind, ...rest) }"
)
NO_PROGRAM = "WebGL2RenderingContext.prototype.getProgramParameter = () => false"


def test_more_cubes_than_a_browser_has_contexts(fresh: Page, tmp_path: Path) -> None:
    layer = {"names": ["L0_C0_W0", "L0_C0_W1"], "types": [2, 4], "low": [0, 0], "high": [1, 1], "of": 2}
    layer |= {
        "explained": [0.5, 0.25],
        "then": packed([2, 4] * 2, "<u1"),
        "points": packed(range(0, 64_000, 8_000), "<u2"),
    }
    spec = {
        "epochs": [0, 1],
        "layers": {"L0": layer},
        "labels": ["divergent", "zero", "identity", "secondary", "other"],
    }
    section = Section("trajectories", "Cubes", "", [Menu("Layer", "layer", ["L0"])], epochs=[0, 1])
    section.charts = [Chart(f"cube {place}", "cube", spec) for place in range(18)]
    (tmp_path / "cubes.html").write_text(render("Cubes", [], [section]), encoding="utf-8")
    fresh.add_init_script(KEPT)
    watched = Watched(fresh, tmp_path / "cubes.html", "figure:last-child .said:has-text('epoch 1')")
    assert fresh.evaluate(DRAWN) == [True] * 18
    assert fresh.evaluate("made.length") == 1
    # If the browser takes it away all the same, they are drawn by hand.
    fresh.evaluate("for (const one of document.querySelectorAll('canvas')) one.width = 1")
    fresh.evaluate("made[0].getExtension('WEBGL_lose_context').loseContext()")
    fresh.wait_for_function(f"() => ({DRAWN})().every(Boolean)")
    assert watched.errors == []


@pytest.mark.parametrize("lacking", [NO_WEBGL, NO_PROGRAM], ids=["no WebGL", "no program"])
def test_without_webgl_the_cube_is_drawn_by_hand(fresh: Page, report: Path, lacking: str) -> None:
    fresh.add_init_script(lacking)
    watched = Watched(fresh, report)
    fresh.wait_for_function(f"() => ({DRAWN})().every(Boolean)")
    assert watched.errors == []


def packed(numbers: Iterable[int], kind: str) -> str:
    return b64encode(np.array([*numbers], kind).tobytes()).decode()
