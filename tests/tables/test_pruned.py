"""The tables about pruning: arms against each other by hand, and both tables made of tiny studies of digits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import srnn
import srnn.tables as figure_tables
from srnn.analysis.arms import BETTER, EQUAL, OPEN, WORSE, against, beats_all, endpoints
from srnn.tables.pruned import MARKED, judged

NOISE = np.array([0.0, 0.01, -0.01, 0.02, -0.02])


def ends(**behind: np.ndarray) -> pd.DataFrame:
    """Endpoints of five seeds: those of the marked arm, and of others that are so far behind."""
    return pd.DataFrame({MARKED: 0.9 + NOISE, **{name: 0.9 + NOISE - one for name, one in behind.items()}})


def test_an_endpoint_is_the_mean_over_the_densities() -> None:
    rows = [(3, by, number, "ticket", number / 10 + len(by)) for by in ("b", "aa") for number in (1, 2)]
    rows += [(3, "b", 1, "shuffle", 9.0), (3, "", 0, "dense", 9.0)]
    branches = pd.DataFrame(rows, columns=["Seed", "By", "Round", "Control", "End score"])
    assert endpoints(branches).loc[3].to_dict() == pytest.approx({"b": 1.15, "aa": 2.15})


class TestJudged:
    near, far = np.array([0.001, -0.001, 0.0, 0.0005, -0.0005]), np.array([0.05, 0.06, 0.04, 0.05, 0.05])
    wide = np.array([0.02, -0.03, 0.01, 0.03, -0.02])

    def test_what_is_found_of_each_other(self) -> None:
        found = against(ends(far=self.far, near=self.near, above=-self.far, wide=self.wide), MARKED).set_index("By")
        assert found["Found"].to_dict() == {"far": BETTER, "near": EQUAL, "above": WORSE, "wide": OPEN}
        assert found["Difference"]["far"] == pytest.approx(0.05)
        assert (found["p, Holm"] >= found["p"]).all()

    def test_all_are_beaten_if_each_single_one_is(self) -> None:
        assert beats_all(against(ends(far=self.far, other=self.far / 2), MARKED))
        assert not beats_all(against(ends(far=self.far, near=self.near), MARKED))

    def test_the_sentence(self) -> None:
        assert "beats every other mask" in judged(ends(far=self.far))
        sentence = judged(ends(far=self.far, near=self.near, above=-self.far, wide=self.wide))
        assert (
            "does not beat all others: over the densities it is better than far; as good as near; worse than above; "
            "neither shown to differ from nor to be as good as wide (paired over 5 seeds, Holm)."
        ) in sentence


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The presets of the tables on digits, with few branches."""
    load = srnn.load_preset
    digits = ["task.name=digits", "task.size=4", "task.validation=100", "training.epochs=2", "training.batch_size=600"]
    own = {
        "pruning": [
            *("body.width=4", "particle.hidden=2", "pruning.densities=[0.5]", 'pruning.by=["random"]'),
            'pruning.others={organism={changes=["particle.kind=weightwise","replication.method=sgd"],by=["type"]}}',
        ],
        "tickets": ["body.width=[4, 3]", "pruning.rounds=[2]", 'pruning.controls=["reinit"]'],
    }
    monkeypatch.setattr(figure_tables, "load_preset", lambda name: load(name).override([*digits, *own[name]]))


def test_the_tables_are_made_of_studies_and_go_on(small: None, tmp_path: Path) -> None:
    places = tmp_path / "figures", tmp_path / "runs"
    assert figure_tables.make(["pruning", "tickets"], 2, *places) == ["pruning", "tickets"]
    trained = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    section = places[0] / "pruning/section.md"
    text = section.read_text()
    assert "digits, 2 seeds, 2 epochs of batches of 600" in text
    assert "| **organism-type** |" in text
    assert "Judged: dropping what self-replication marks (organism-type) " in text
    assert (places[0] / "pruning/masks.png").is_file()
    tickets = (places[0] / "tickets/section.md").read_text()
    assert "* *The start matters.* with 68.9% kept the ticket minus reinit: " in tickets
    assert (places[0] / "tickets/tickets.png").is_file()
    # Made anew, it trains nothing again.
    section.unlink()
    assert figure_tables.make(["pruning"], 2, *places) == ["pruning"]
    assert section.read_text() == text
    assert trained == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
