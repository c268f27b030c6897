"""What objects show of themselves: a line, a block of lines, a table; whatever they are made of."""

from __future__ import annotations

import os
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from srnn import MLP, Comparison, Experiment, Organism, Particle, Run, fixpoints, load_preset
from srnn.bodies import BODIES
from srnn.number import Number
from srnn.organism import stack
from srnn.presets import preset_names
from srnn.shown import Rows, Shown
from srnn.training import Report

HOSTILE = "<script>alert(1)</script>\x1b[2J&\u202e\ud800"


class _Tags(HTMLParser):
    """Reads a table: its tags, and the text of its cells."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags, self.cells = set[str](), list[str]()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.cells.append(data)


def require_safe(shown: Any) -> None:
    """Nothing in what it shows commands the terminal or the notebook, or cannot be encoded."""
    line, text, html = repr(shown), str(shown), shown._repr_html_()
    assert line.isprintable()
    assert all(part.isprintable() for part in text.split("\n"))
    assert html.isprintable()
    assert _Tags(html).tags <= {"div", "strong", "table", "tr", "th", "td"}
    f"{line}{text}{html}".encode()


def cells(shown: Any) -> list[str]:
    return _Tags(shown._repr_html_()).cells


class Named(Shown):
    def __init__(self, name: str) -> None:
        self.name = name

    def _shown(self) -> tuple[str, Rows]:
        return self.name, [(self.name, self.name)]


class Broken(Shown):
    def _shown(self) -> tuple[str, Rows]:
        raise RecursionError(HOSTILE)


@pytest.mark.parametrize("shown", [Named(HOSTILE), Named("x" * 10**6), Named(""), Broken()], ids=range(4))
def test_whatever_it_is_made_of_it_is_shown_and_harmless(shown: Shown) -> None:
    require_safe(shown)
    assert len(repr(shown)) + len(str(shown)) + len(shown._repr_html_()) < 3_000


def test_a_block_is_aligned_and_a_table_has_the_same_cells() -> None:
    shown = Report(3, 60, {0: {"task_loss": 0.123456, "zero": 1234.0}, 2: {"task_loss": float("nan")}}, logged=True)
    assert str(shown).splitlines() == [
        "Report epoch 3, batch 60",
        "  place of the seed  0       2",
        "  task_loss          0.1235  nan",
        "  zero               1,234   nan",
    ]
    assert cells(shown) == re.split(r"\n  |  +", str(shown))
    assert repr(Report(3, 60, {0: {"zero": 1e300}}, True, True)) == "Report(epoch 3, batch 60, stopped: zero 1e+300)"


def test_a_report_of_many_seeds_and_classes_is_short() -> None:
    scores = {"test_recall_3": 0.5, "L0_zero": 3.0, "zero": 3.0}
    shown = Report(1, 2, dict.fromkeys(range(100), scores), True, diverged={7: HOSTILE})
    require_safe(shown)
    assert "8 of 100 seeds" in str(shown)
    assert [line.split()[0] for line in str(shown).splitlines()[1:]] == ["place", "zero"]


class TestExperiment:
    @pytest.mark.parametrize("name", preset_names())
    def test_what_a_preset_shows_makes_it(self, name: str) -> None:
        preset = load_preset(name)
        alone = preset.model_copy(update={"comparison": Experiment().comparison})
        _, rows = preset._shown()
        shown = [f"{key}={value}" for key, value in rows if not key.startswith(("variant ", "settings"))]
        assert Experiment(name=name).override(shown) == alone
        assert [key for key, _ in rows if key.startswith("variant ")] == [
            f"variant {variant}" for variant in preset.comparison.variants
        ]

    @pytest.mark.parametrize("name", [name for name in BODIES if name != "module"])
    def test_a_body_is_shown_by_its_name(self, name: str) -> None:
        experiment = Experiment.from_dict({"body": {"name": name}, "replication": {"method": "lifted"}})
        assert ('body.name="' in repr(experiment)) == (name != "mlp")

    def test_it_is_a_line_of_what_is_not_the_default(self) -> None:
        assert repr(Experiment()) == "Experiment('digits')"
        changed = Experiment().override(["particle.hidden=3", "terms.l1.strength=0.1", "name=small"])
        assert repr(changed) == "Experiment('small', particle.hidden=3, terms.l1.strength=0.1)"
        require_safe(Experiment(about="<script>\n&"))


class TestOrganism:
    def test_its_types_are_those_of_the_census(self) -> None:
        organism = Organism(MLP(4, 3, 3, 2), Particle(2), torch.Generator().manual_seed(0))
        organism.weights.data[:, :5] = 0
        organism.weights.data[0, 5] = torch.nan
        table = fixpoints.census(fixpoints.classify(organism.weights, organism.replicator), organism.layers)
        for layer, row in table.iterrows():
            words = ", ".join(f"{count} {kind}" for kind, count in row.items() if count)
            assert any(
                line.split()[0] == layer and line.endswith(f": {words}") for line in str(organism).splitlines()[1:]
            )
        require_safe(organism)

    @pytest.mark.parametrize(
        "organism",
        [
            Organism(nn.Linear(2, 2), Number()),
            Organism(nn.Linear(200, 101), Particle(1)),  # more than are classified in passing
            Organism(nn.Linear(2, 2), Particle(1)).to("meta"),
        ],
        ids=["numbers", "large", "meta"],
    )
    def test_without_types_it_shows_its_shapes(self, organism: Organism) -> None:
        assert "cannot" not in str(organism)
        assert all(word not in str(organism) for word in ("zero", "other"))
        assert "×" in str(organism)
        require_safe(organism)

    def test_it_says_what_stands_beside_it(self) -> None:
        organism = stack([Organism(nn.Linear(2, 3), Particle(1)) for _ in range(2)])
        assert "2 organisms" in str(organism)
        assert "3 ordinary numbers" in str(organism)
        assert repr(organism).startswith(
            "Organism(Linear, Particle(hidden=1, encoding='max', init='xavier'), 6 of them"
        )

    def test_showing_changes_nothing(self) -> None:
        organism = Organism(MLP(4, 3, 3, 2), Particle(2))
        before, generator = organism.weights.detach().clone(), torch.get_rng_state()
        require_safe(organism)
        assert organism.weights.grad is None
        assert torch.equal(organism.weights, before)
        assert torch.equal(torch.get_rng_state(), generator)


def test_a_particle_is_shown_as_it_is_made() -> None:
    particle = Particle(3, "l2", "fan_in")
    assert eval(repr(particle)) == particle
    assert str(particle) == repr(particle)
    assert "27" in cells(particle)


#: Files of a run that has been going on for longer than status.json says.
FILES = {
    "config.toml": b'name = "small"\nseed = 3\n[training]\nepochs = 9\n',
    "status.json": b'{"status": "finished", "epoch": 2, "why": ""}',
    "metrics.csv": b"Epoch,Batch,Metric,Score\n0,0,test_accuracy,0.1\n3,9,test_accuracy,0.5\n3,9,zero,7\n3,9,other,0\n",
}


def write(folder: Path, **changed: bytes) -> Run:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in FILES.items():
        (folder / name).write_bytes(changed.get(name.partition(".")[0], content))
    return Run(folder)


class TestRun:
    def test_it_says_what_was_run_and_how_it_ended(self, tmp_path: Path) -> None:
        run = write(tmp_path / "run")
        assert repr(run) == f"Run('{run.folder}': finished, epoch 3 of 9, test accuracy 0.5, 7 zero)"
        facts = dict(zip(*[iter(cells(run)[1:])] * 2, strict=True))
        assert facts | {"body": "", "folder": ""} == {
            "folder": "",
            "task": "digits",
            "body": "",
            "replication": "sgd",
            "seed": "3",
            "status": "finished, epoch 3 of 9",
            "test accuracy": "0.5",
            "particles": "7 zero",
        }

    @settings(max_examples=40)
    @given(
        name=st.sampled_from(["config", "status", "metrics"]),
        content=st.binary(max_size=60)
        | st.sampled_from([b"[" * 1000, b"0" * 5000, b"\n1,1,zero,inf", b"\n,,,\n1,1,zero,1e999"]),
    )
    def test_of_damaged_files_it_shows_what_is_there(
        self, tmp_path_factory: pytest.TempPathFactory, name: str, content: bytes
    ) -> None:
        folder = tmp_path_factory.mktemp("run")
        for damaged in (
            content,
            FILES[f"{name}.{'toml' if name == 'config' else 'json' if name == 'status' else 'csv'}"] + content,
        ):
            run = write(folder, **{name: damaged})
            require_safe(run)
            assert "cannot be shown" not in str(run)

    def test_names_of_strangers_are_shown_and_do_nothing(self, tmp_path: Path) -> None:
        why = b'{"status": "failed", "epoch": 1, "why": "<img src=x onerror=alert(1)>\\u001b[2J"}'
        metrics = FILES["metrics.csv"] + b"4,1,<script>,1\n4,1,identity,<b>\n"
        run = write(tmp_path / HOSTILE.replace("/", "").replace("\ud800", "\udc80"), status=why, metrics=metrics)
        require_safe(run)
        assert "failed, epoch 4 of 9: <img" in str(run)

    @pytest.mark.parametrize("name", FILES)
    def test_it_waits_for_nothing_and_reads_no_large_file(self, tmp_path: Path, name: str) -> None:
        run = write(tmp_path)
        (tmp_path / name).unlink()
        os.mkfifo(tmp_path / name)
        require_safe(run)
        (tmp_path / name).unlink()
        with (tmp_path / name).open("wb") as file:
            file.truncate(2**40)  # a tebibyte, none of it on the disk
            file.seek(0, os.SEEK_END)
            file.write(b"\n5,1,test_accuracy,0.75\n")
        require_safe(Run(tmp_path))
        assert ("0.75" in repr(Run(tmp_path))) == (name == "metrics.csv")

    def test_without_a_folder_it_says_so(self, tmp_path: Path) -> None:
        run = Run(tmp_path / "none")
        assert "cannot be read" in str(run)
        require_safe(run)
        assert run == Run(tmp_path / "none")


class TestComparison:
    @pytest.fixture
    def comparison(self, tmp_path: Path) -> Comparison:
        (tmp_path / "results").mkdir()
        run = write(tmp_path / "run")
        return Comparison(tmp_path, Experiment(), {"a": [run, run], "b": [run]})

    def test_it_is_a_table_of_its_variants(self, comparison: Comparison) -> None:
        rows = ["Metric,Group,Mean,Low,High,Seeds", "identity,a,3,1,5,2", "identity,b,0.25,,,1"]
        (comparison.folder / "results/final.csv").write_text("\n".join(rows))
        assert repr(comparison) == f"Comparison('{comparison.folder}': a, b)"
        assert cells(comparison)[1:] == ["variant", "identity", "seeds", "a", "3", "2", "b", "0.25", "1"]

    @pytest.mark.parametrize(
        "final",
        [
            None,
            "",
            "Metric\n<b>",
            "Metric,Group,Mean\nidentity,a,1\nidentity,a,2\n",
            f"Metric,Group,Mean\n<script>,a,{'9' * 400}\n\x1b,b,x\n",
            "Metric,Group,Mean\n" + "identity,a,1\n" * 10**5,
        ],
        ids=range(6),
    )
    def test_without_a_table_it_shows_its_variants(self, comparison: Comparison, final: str | None) -> None:
        if final is not None:
            (comparison.folder / "results/final.csv").write_text(final)
        require_safe(comparison)
        assert "a, b" in repr(comparison)
