"""A report is one page that asks nobody for anything and tells what the runs' own files tell."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from base64 import b64decode, b64encode
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

import srnn
from srnn.analysis.trajectories import trajectories
from srnn.laboratory.ask import analyze
from srnn.reports.answers import answers
from srnn.reports.overview import how_it_ended
from srnn.reports.particles import cube, graph
from srnn.reports.swept import all_swept
from srnn.runs.run import Run
from srnn.runs.status import Status, write_status

SHORT = ("body.width=3", "body.depth=3", "training.epochs=3", "log.every=1")
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> \"'& {{ 7 * 7 }}"


class Page(HTMLParser):
    """What a browser would find in a page: its elements, and what its scripts and styles hold."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inside: list[str] = []
        self.held: dict[str, str] = {}
        self.words = ""
        self.text = path.read_text("utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.inside.append(f"{tag} {dict(attrs).get('type', '')}".strip())

    def handle_endtag(self, tag: str) -> None:
        if self.inside and self.inside[-1].startswith(tag):
            self.inside.pop()

    def handle_data(self, data: str) -> None:
        if self.inside and self.inside[-1].startswith(("script", "style")):
            self.held[self.inside[-1]] = self.held.get(self.inside[-1], "") + data
        else:
            self.words += data

    @property
    def policy(self) -> dict[str, str]:
        [content] = [own["content"] for _, own in self.elements if own.get("http-equiv") == "Content-Security-Policy"]
        parts = [part.strip().partition(" ") for part in str(content).split(";")]
        return {name: value for name, _, value in parts}

    @property
    def sections(self) -> dict[str, Any]:
        return {section["key"]: section for section in json.loads(self.held["script application/json"])}

    def table(self, section: str, title: str) -> pd.DataFrame:
        columns = self.sections[section]["tables"][title]
        return pd.DataFrame(
            {one["name"]: one.get("values") or [one["words"][place] for place in one["places"]] for one in columns}
        )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of a small organism, of which two questions were asked, and another experiment of numbers."""
    out = tmp_path_factory.mktemp("reported")
    runs = srnn.run(srnn.load_preset("digits").override(SHORT), out, seeds=2, image_format=None)
    analyze(runs, ["dropout", "thinning"], image_format=None)
    numbers = ("name=numbers", 'particle.kind="number"', 'replication.method="none"', f"about={json.dumps(HOSTILE)}")
    srnn.run(srnn.load_preset("digits").override([*SHORT, *numbers]), out, image_format=None)
    return out


@pytest.fixture(scope="module")
def one(folder: Path) -> Path:
    return srnn.report([folder / "digits"], folder / "one.html")


@pytest.fixture(scope="module")
def both(folder: Path) -> Path:
    return srnn.report([folder / "digits", folder / "numbers"], folder / "both.html")


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("swept")
    over = {"replication.alpha": [0.1, 1.0, 10.0, 100.0], "training.lr": [0.01, 0.1]}
    short = {"name": "map", "sweep": {"over": over, "maximize": ["test_accuracy", "identity_share"]}}
    experiment = srnn.load_preset("digits").override(
        [*SHORT, "training.epochs=1", "training.batch_size=500", "log.rest=0"]
    )
    asked = srnn.Experiment.from_dict({**experiment.model_dump(mode="json", exclude_none=True), **short})
    srnn.sweep(asked, out, image_format=None)
    return out / "map"


@pytest.fixture(scope="module")
def swept(sweep: Path) -> Page:
    return Page(srnn.report([sweep], sweep.parent / "map.html"))


class TestASweep:
    """Eight points of one seed: all are told of in short, six in detail."""

    def test_every_point_has_a_row_of_each_goal(self, swept: Page) -> None:
        section, table = swept.sections["sweep-map"], swept.table("sweep-map", "Points")
        assert table.groupby("Goal").size().to_dict() == {"test_accuracy": 8, "identity_share": 8}
        assert (table[table["Goal"] == "test_accuracy"]["Mean"].diff().dropna() <= 0).all()
        for chart in [chart for chart in section["charts"] if chart["kind"] == "intervals"]:
            own = table[table["Goal"] == chart["where"]["Goal"]]
            assert [name for name, _ in chart["rows"]] == own["Point"].tolist()
            assert sorted(chart["marked"]) == sorted(own.loc[own["Front"] == "yes", "Point"])

    def test_a_map_of_each_goal_has_a_cell_for_each_pair_of_values(self, swept: Page) -> None:
        section = swept.sections["sweep-map"]
        pair = ["replication.alpha", "training.lr"]
        maps = [chart for chart in section["charts"] if chart["kind"] == "heatmap"]
        assert [(chart["where"]["Goal"], chart["x"], chart["y"]) for chart in maps] == [
            ("test_accuracy", *pair),
            ("identity_share", *pair),
        ]
        # Of two settings a cell is a point; one that has diverged has none.
        columns = ["Goal", *pair, "Mean"]
        points, cells = (
            swept.table("sweep-map", "Points").dropna(subset="Mean"),
            swept.table("sweep-map", maps[0]["frame"]),
        )
        pd.testing.assert_frame_equal(
            cells[columns].sort_values(columns, ignore_index=True),
            points[columns].sort_values(columns, ignore_index=True),
        )

    def test_the_best_are_looked_at_in_detail(self, swept: Page) -> None:
        table = swept.table("sweep-map", "Points").query("Goal == 'test_accuracy'")
        chosen = table.sort_values("Front", ascending=False, kind="stable", key=lambda front: front == "yes")["Point"][
            :6
        ]
        cubes = {chart["title"].partition(",")[0] for chart in swept.sections["trajectories"]["charts"]}
        assert cubes == {*chosen}
        assert "6 of the 8 points" in swept.words

    def test_a_point_that_is_named_is_shown_too(self, sweep: Path, swept: Page, tmp_path: Path) -> None:
        shown = {chart["title"].partition(",")[0] for chart in swept.sections["trajectories"]["charts"]}
        points = {point.name for point in srnn.Sweep.open(sweep).points}
        one, other = sorted(points - shown)
        page = Page(srnn.report([sweep, sweep / one, sweep / other / "seed-0"], tmp_path / "all.html"))
        assert {chart["title"].partition(",")[0] for chart in page.sections["trajectories"]["charts"]} == points
        page = Page(srnn.report([sweep, sweep, sweep / one], tmp_path / "one.html"))
        assert len(page.sections["trajectories"]["charts"]) == 7
        assert "7 of the 8 points" in page.words
        assert [*page.sections].count("sweep-map") == 1

    def test_two_of_one_name_are_told_apart(self, sweep: Path, tmp_path: Path) -> None:
        copy = shutil.copytree(sweep, tmp_path / "map")
        sections = all_swept([srnn.Sweep.open(sweep), srnn.Sweep.open(copy)])
        assert len({section.key for section in sections}) == 2
        assert sections[1].title == f"Sweep map in {tmp_path.parent.name}/{tmp_path.name}"

    def test_its_name_is_the_heading(self, swept: Page) -> None:
        assert "<h1>map</h1>" in swept.text


class TestNoRequest:
    def test_the_policy_allows_nothing_from_anywhere(self, one: Path) -> None:
        policy = Page(one).policy
        assert policy.pop("script-src").startswith("'sha256-")
        assert policy.pop("style-src").startswith("'sha256-")
        assert policy == {
            "default-src": "'none'",
            "img-src": "data:",
            "base-uri": "'none'",
            "form-action": "'none'",
            "require-trusted-types-for": "'script'",
            "trusted-types": "'none'",
        }

    def test_of_scripts_and_styles_only_its_own(self, one: Path) -> None:
        page = Page(one)
        for element, allowed in (("script", "script-src"), ("style", "style-src")):
            digest = b64encode(hashlib.sha256(page.held[element].encode()).digest()).decode()
            assert page.policy[allowed] == f"'sha256-{digest}'"

    def test_nothing_in_it_leads_out(self, both: Path) -> None:
        page = Page(both)
        leading = [own[key] for _, own in page.elements for key in ("src", "href", "action", "srcset") if key in own]
        assert {str(one)[0] for one in leading} == {"#", "d"}
        assert {one for one in leading if not str(one).startswith("#")} == {"data:,"}
        # The name of a namespace is no address that is asked.
        assert set(re.findall(r"https?://[^\"'\s]+", page.text)) == {"http://www.w3.org/2000/svg"}
        assert not [name for _, own in page.elements for name in own if name.startswith("on") or name == "style"]


class TestStrangers:
    def test_what_they_have_named_is_text(self, both: Path) -> None:
        page = Page(both)
        assert HOSTILE in page.words
        assert [tag for tag, _ in page.elements].count("script") == 2
        assert "img" not in {tag for tag, _ in page.elements}

    def test_and_so_it_is_in_their_tables(self, folder: Path, tmp_path: Path) -> None:
        copy = shutil.copytree(folder / "digits/seed-0", tmp_path / "<b>" / "seed-0")
        path = copy / "results/dropout.csv"
        path.write_text(path.read_text().replace("identity", HOSTILE.replace('"', "")))
        page = Page(srnn.report([copy], tmp_path / "out.html"))
        assert HOSTILE.replace('"', "") in set(page.table("dropout", "Dropout")["Type"])
        assert page.text.count("<script") == 2
        assert "<b>" not in page.text

    def test_a_name_that_is_no_text_is_shown_all_the_same(self, folder: Path, tmp_path: Path) -> None:
        name = os.fsdecode(b"n\xff")
        copy = shutil.copytree(folder / "digits/seed-0", tmp_path / name / "seed-0")
        page = Page(srnn.report([copy], tmp_path / "out.html", title=name))
        assert page.words.count("n\\udcff") == 3  # the title twice, and the folder

    @pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"Scope,Type\n1,2\n", b"Scope\n" + b'"' * 9])
    def test_a_damaged_table_is_left_out_and_said(self, folder: Path, tmp_path: Path, content: bytes) -> None:
        copy = shutil.copytree(folder / "digits/seed-0", tmp_path / "seed-0")
        (copy / "results/dropout.csv").write_bytes(content)
        sections = {section.key: section for section in answers({"digits": [Run.open(copy)]})}
        assert sections["dropout"].tables == {}
        assert "dropout.csv" in sections["dropout"].notes[0]
        assert sections["thinning"].tables

    @pytest.mark.parametrize(
        ("result", "column", "value"),
        [
            ("dropout", "Type", np.nan),
            ("dropout", "Scope", np.nan),
            ("pruning", "Share", np.nan),
            ("pruning", "Order", np.nan),
            ("pruning", "Order", 7),
            ("pruning", "Order", np.inf),
            ("pruning", "Score", "none"),
        ],
    )
    def test_so_is_one_of_which_no_chart_can_be_made(
        self, folder: Path, tmp_path: Path, result: str, column: str, value: object
    ) -> None:
        copy = shutil.copytree(folder / "digits/seed-0", tmp_path / "seed-0")
        rows = [("weakest", 0.0, "accuracy", 0.5), ("weakest", 0.5, "accuracy", 0.25)]
        pruning = pd.DataFrame(rows, columns=["Order", "Share", "Metric", "Score"])
        pruning.to_csv(copy / "results/pruning.csv", index=False)
        whole = Page(srnn.report([copy], tmp_path / "whole.html"))
        assert len(whole.sections[result]["charts"]) == 1
        path = copy / f"results/{result}.csv"
        pd.read_csv(path).assign(**{column: value}).to_csv(path, index=False)
        page = Page(srnn.report([copy], tmp_path / "out.html"))
        assert (page.sections[result]["tables"], page.sections[result]["charts"]) == ({}, [])
        assert f"{result}.csv is not as srnn writes it" in page.words
        assert page.sections["thinning"]["charts"]

    def test_a_table_without_rows_does_not_cost_those_of_other_seeds(self, folder: Path, tmp_path: Path) -> None:
        copy = shutil.copytree(folder / "digits", tmp_path / "digits")
        path = copy / "seed-0/results/dropout.csv"
        path.write_text(path.read_text().partition("\n")[0] + "\n")
        runs = [Run.open(copy / f"seed-{seed}") for seed in range(2)]
        sections = {section.key: section for section in answers({"digits": runs})}
        assert (sections["dropout"].tables["Dropout"]["Seeds"] == 1).all()
        sections = {section.key: section for section in answers({"digits": runs[:1]})}
        assert sections["dropout"].notes == ["digits: results/dropout.csv has no rows"]


class TestNumbers:
    def test_curves_and_census_are_those_of_the_runs(self, folder: Path, one: Path) -> None:
        page, runs = Page(one), [Run.open(folder / f"digits/seed-{seed}") for seed in range(2)]
        curves = page.table("curves", "Curves").query("Metric == 'test_accuracy'").set_index("Epoch")
        for epoch in (0, 3):
            scores = [
                run.metrics.query(f"Metric == 'test_accuracy' and Epoch == {epoch}")["Score"].item() for run in runs
            ]
            assert curves["Mean"][epoch] == pytest.approx(np.mean(scores), rel=1e-5)
        census = page.table("census", "Census of digits").query("Moment == 'in motion' and Scope == 'total'")
        assert (census.groupby("Epoch")["Mean"].sum().round() == runs[0].organism().size).all()

    def test_what_kind_of_mean_a_curve_is_of_is_said(self, folder: Path, one: Path) -> None:
        page = Page(one)
        titles = [chart["title"] for chart in page.sections["curves"]["charts"]]
        geometric = [title for title in titles if title.endswith(", geometric mean")]
        assert {*geometric} == {title for title in titles if "loss" in title}
        assert "of losses and absolute errors the geometric one" in page.words
        scores = [
            run.metrics.query("Metric == 'task_loss' and Epoch == 3")["Score"].item()
            for run in (Run.open(folder / f"digits/seed-{seed}") for seed in range(2))
        ]
        curve = page.table("curves", "Curves").query("Metric == 'task_loss' and Epoch == 3")
        assert curve["Mean"].item() == pytest.approx(np.sqrt(np.prod(scores)), rel=1e-5)

    def test_the_recall_of_a_class_that_is_named_like_a_type_is_no_count(self, folder: Path, tmp_path: Path) -> None:
        copy = shutil.copytree(folder / "digits/seed-0", tmp_path / "seed-0")
        last = (copy / "metrics.csv").read_text().splitlines()[-1].split(",")
        with (copy / "metrics.csv").open("a") as file:
            file.write(f"{last[0]},{last[1]},test_recall_zero,0.25\n")
        rows = [row for facts in how_it_ended({"digits": [Run.open(copy)]}) for row in facts.rows]
        assert ["test recall zero", "0.25"] in rows

    def test_of_a_graph_that_is_trimmed_all_types_are_counted(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("srnn.reports.particles._EDGES", 20)
        section = graph({"digits": [Run.open(folder / "digits/seed-0")]})
        edges, types = section.tables.values()
        assert [*section.tables] == ["Edges of digits (the 20 largest of 231)", "Types of digits"]
        assert len(edges) == 20
        assert types.query("Scope == 'total'")["Edges"].sum() == 231
        assert sum(section.charts[0].spec["counts"].values()) == 231

    def test_what_has_no_types_is_not_chosen_by_them(self, folder: Path) -> None:
        assert [menu.column for menu in cube({"numbers": [Run.open(folder / "numbers/seed-0")]}).menus] == ["Layer"]

    def test_how_every_run_ended_is_said(self, folder: Path, tmp_path: Path) -> None:
        """Of one that measured nothing, too, and how far one was that was killed."""
        copy = shutil.copytree(folder / "digits", tmp_path / "digits")
        write_status(copy / "seed-0", Status("running", 0))
        config = (copy / "seed-1/config.toml").read_text()
        for seed, text in ((7, config.replace("seed = 1", "seed = 7")), (8, "seed =")):
            (copy / f"seed-{seed}").mkdir()
            (copy / f"seed-{seed}/config.toml").write_text(text)
        write_status(copy / "seed-7", Status("failed", 0, "no memory"))
        page = Page(srnn.report([copy], tmp_path / "out.html"))
        assert "killed, epoch 3 of 3" in page.words
        assert "failed, epoch 0 of 3: no memory; nothing was measured" in page.words
        assert "seed-8/config.toml" in page.words
        assert page.table("curves", "Curves")["Seeds"].max() == 2

    def test_answers_are_those_that_were_given(self, folder: Path, one: Path) -> None:
        told = Page(one).table("dropout", "Dropout").query("Quantity == 'After' and Scope == 'total'")
        files = [pd.read_csv(folder / f"digits/seed-{seed}/results/dropout.csv") for seed in range(2)]
        given = pd.concat(files).query("Scope == 'total'").groupby("Type")["After"].mean()
        for _, row in told[told["Seeds"] == 2].iterrows():
            assert row["Mean"] == pytest.approx(given[row["Type"]], rel=1e-5)

    def test_the_cube_holds_the_trajectories(self, folder: Path, one: Path) -> None:
        [chart] = Page(one).sections["trajectories"]["charts"]
        run = Run.open(folder / "digits/seed-0")
        courses = trajectories(run.trajectory(), run.organism().particle, "layer")
        layer = chart["layers"]["L1"]
        wanted = courses[courses["Layer"] == "L1"]
        steps = unpacked(layer["points"], "<u2").reshape(len(chart["epochs"]), -1, 2)
        low, high = np.array(layer["low"]), np.array(layer["high"])
        for place, name in enumerate(layer["names"]):
            own = wanted[wanted["Weight"] == name]
            found = low + steps[:, place] / 65535 * (high - low)
            assert np.abs(found - own[["PC1", "PC2"]].to_numpy()).max() <= (high - low).max() / 65535
            assert chart["labels"][layer["types"][place]] == own["Type"].iloc[0]
        then = unpacked(layer["then"], "<u1").reshape(len(chart["epochs"]), -1)
        assert then[-1].tolist() == layer["types"]

    def test_of_many_particles_some_of_each_type_are_drawn(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("srnn.reports.particles._POINTS", 400)
        run = Run.open(folder / "digits/seed-0")
        [chart] = cube({"digits": [run]}).charts
        layer = chart.spec["layers"]["L0"]
        assert len(layer["names"]) < layer["of"]
        assert len(unpacked(layer["points"], "<u2")) == 2 * 4 * len(layer["names"])
        ends = trajectories(run.trajectory(), run.organism().particle, "layer").query("Layer == 'L0'")["Type"]
        assert {chart.spec["labels"][kind] for kind in layer["types"]} == {*ends}

    def test_experiments_are_side_by_side(self, both: Path) -> None:
        page = Page(both)
        assert {*page.table("curves", "Curves")["Group"]} == {"digits", "numbers"}
        assert "particle.kind" in page.words
        # What has no types has no census; a single common seed tests nothing.
        assert [chart["title"] for chart in page.sections["census"]["charts"]] == [
            "digits, in motion",
            "digits, at rest",
        ]
        assert "nothing can be tested" in page.words
        assert len(page.sections["trajectories"]["charts"]) == 2

    def test_the_same_runs_make_the_same_bytes(self, folder: Path, one: Path) -> None:
        assert srnn.report([folder / "digits"], folder / "again.html").read_bytes() == one.read_bytes()


@pytest.mark.parametrize("what", ["text", "path", "run", "runs", "both"])
def test_one_may_be_named_alone_and_runs_be_given(folder: Path, tmp_path: Path, what: str) -> None:
    digits = folder / "digits"
    seeds = srnn.runs.open_runs([digits])
    given = {"text": str(digits), "path": digits, "run": seeds[0], "runs": seeds, "both": [digits, seeds[0]]}[what]
    named = [digits / "seed-0"] if what == "run" else [digits]
    whole = srnn.report(named, tmp_path / "named.html")
    assert srnn.report(given, tmp_path / "given.html").read_bytes() == whole.read_bytes()


def test_a_sweep_may_be_given(sweep: Path, tmp_path: Path) -> None:
    named = srnn.report([sweep], tmp_path / "named.html")
    assert srnn.report(srnn.Sweep.open(sweep), tmp_path / "given.html").read_bytes() == named.read_bytes()


class TestErrors:
    def test_of_nothing_there_is_no_report(self, tmp_path: Path) -> None:
        with pytest.raises(srnn.UserError, match="runs is empty: name the folder of a run"):
            srnn.report([], tmp_path / "out.html")

    def test_a_file_that_is_there_is_replaced_only_if_that_is_said(self, folder: Path, tmp_path: Path) -> None:
        out = tmp_path / "mine.html"
        out.write_text("mine")
        with pytest.raises(srnn.UserError, match=r"mine.html is there already: give force=True to replace it"):
            srnn.report([folder / "digits"], out)
        assert out.read_text() == "mine"
        srnn.report([folder / "numbers"], out, force=True)
        assert out.read_text().startswith("<!doctype html>")

    def test_a_folder_is_no_file(self, folder: Path, tmp_path: Path) -> None:
        with pytest.raises(srnn.UserError, match="a folder; name a file, such as"):
            srnn.report([folder / "digits"], tmp_path)

    def test_where_it_cannot_be_is_said_before_anything_is_read(self, tmp_path: Path) -> None:
        with pytest.raises(srnn.UserError, match=r"there is no folder .*/missing: make it, or name another"):
            srnn.report([tmp_path / "no run"], tmp_path / "missing/out.html")

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes in folders")
    def test_a_pipe_is_not_replaced(self, folder: Path, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(srnn.UserError, match="a pipe, a socket or a device; name a file"):
            srnn.report([folder / "digits"], tmp_path / "pipe", force=True)
        assert (tmp_path / "pipe").is_fifo()

    def test_what_has_measured_nothing_has_no_report(self, folder: Path, tmp_path: Path) -> None:
        (tmp_path / "run").mkdir()
        shutil.copy(folder / "digits/seed-0/config.toml", tmp_path / "run")
        with pytest.raises(srnn.UserError, match="has measured nothing yet: there is nothing to report"):
            srnn.report([tmp_path / "run"], tmp_path / "out.html")


def unpacked(text: str, kind: str) -> NDArray[Any]:
    return np.frombuffer(b64decode(text), kind)
