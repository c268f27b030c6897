"""The tables about pruning: arms against each other by hand, and both tables made of tiny studies of digits."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import srnn
import srnn.tables as figure_tables
from srnn.analysis.arms import BETTER, EQUAL, OPEN, WORSE, against, beats_all, endpoints
from srnn.tables.pruned import MARKED, judged
from srnn.tables.sparse import judged as judged_sparse
from srnn.tables.sparse import judged_sparsity, reasons
from srnn.tables.tickets import claims

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
    nearly = np.array([0.005, -0.005, 0.0, 0.004, -0.004])

    def test_what_is_found_of_each_other(self) -> None:
        found = against(ends(far=self.far, near=self.near, above=-self.far, wide=self.wide), MARKED).set_index("By")
        assert found["Found"].to_dict() == {"far": BETTER, "near": EQUAL, "above": WORSE, "wide": OPEN}
        assert found["Difference"]["far"] == pytest.approx(0.05)
        for p in ("p", "p (equivalence)"):
            assert (found[f"{p}, Holm"] >= found[p]).all()

    def test_as_good_is_one_after_correction(self) -> None:
        alone = against(ends(near=self.nearly), MARKED).set_index("By")
        among = against(ends(near=self.nearly, wide=self.wide, far=self.far), MARKED).set_index("By")
        assert alone["p (equivalence)"]["near"] == among["p (equivalence)"]["near"] > 0.05 / 3
        assert alone["Found"]["near"] == EQUAL
        assert among["Found"]["near"] == OPEN

    def test_all_are_beaten_if_each_single_one_is(self) -> None:
        assert beats_all(against(ends(far=self.far, other=self.far / 2), MARKED))
        assert not beats_all(against(ends(far=self.far, near=self.near), MARKED))

    def test_the_sentence(self) -> None:
        assert "beats every other mask" in judged(ends(far=self.far))
        sentence = judged(ends(far=self.far, near=self.near, above=-self.far, wide=self.wide))
        assert (
            "does not beat all others: over the densities it is better than far; as good as near; worse than above; "
            "neither shown to differ from nor to be as good as wide (paired over 5 seeds, Holm; as good: less than 0.5 "
            "points apart, by two one-sided tests)."
        ) in sentence


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The presets of the tables on digits, with few branches."""
    load = srnn.load_preset
    digits = ["task.name=digits", "task.size=4", "task.validation=100", "training.epochs=2", "training.batch_size=600"]
    small = ["body.width=4", "training.lr=0.01", "pruning.densities=[0.5]"]
    alike = [*small, "particle.hidden=2"]
    ticket = ["body.width=[4, 3]"]
    own = {
        "pruning-twice": [*alike, "training.epochs=4", 'pruning.by=["random"]'],
        "pruning-cubic": [*alike, "pruning.cubic=[0, 1]"],
        "pruning-iterative": [*alike, "pruning.densities=[0.7, 0.5]"],
        "pruning-fan-in": small,
        "pruning": [
            *(*alike, 'pruning.by=["magnitude"]'),
            "pruning.controlled=[1]",
            'pruning.others={organism={changes=["particle.kind=weightwise","replication.method=sgd"],by=["type"]},'
            'longer={changes=["training.epochs=3"]}}',
        ],
        "tickets": [*ticket, "pruning.rounds=2", "pruning.controlled=[2]", 'pruning.controls=["reinit"]'],
        "tickets-at-once": [*ticket, "pruning.rounds=[2, 3]"],
        "sparsity": [
            *(
                "body.width=[4, 3]",
                "pruning.densities=[0.5]",
                "pruning.controlled=[1]",
                "pruning.others.l0.changes=['terms.hard_concrete.lr=1.0']",
            ),
            "pruning.others.variational.changes=['terms.targeted.share=0.75','terms.l2.strength=0.0001']",
        ],
        "sparsity-adam": ["body.width=[4, 3]", "pruning.densities=[0.5]"],
    }
    monkeypatch.setattr(figure_tables, "load_preset", lambda name: load(name).override([*digits, *own[name]]))


def test_the_tables_are_made_of_studies_and_go_on(small: None, tmp_path: Path) -> None:
    places = tmp_path / "figures", tmp_path / "runs"
    every = ["pruning", "tickets", "sparsity"]
    assert figure_tables.make(every, 2, *places) == every
    trained = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    section = places[0] / "pruning/section.md"
    text = section.read_text()
    assert "digits, 2 seeds, 2 epochs of batches of 600" in text
    assert "| **organism-type** |" in text
    assert "Judged, at equal steps: dropping what self-replication marks (organism-type) " in text
    assert "*longer* was trained 1.5 times as long for its mask; organism-type minus longer-magnitude: " in text
    # Each in trainings of two epochs: to find a mask and, but for those found on the way, one of what it keeps.
    spent = dict(re.findall(r"^\| \*{0,2}([a-z-]+)\*{0,2} \| ([\d. …]+) \| 0\.", text, re.M))
    equal = {"magnitude": "2", "organism-type": "2", "twice-random": "2"}
    others = {"longer-magnitude": "2.5", "cubic-magnitude": "1", "iterative-magnitude": "3", "fan-in-magnitude": "2"}
    assert spent == equal | others
    assert f"or another birth: {', '.join([*others][:-1])} and fan-in-magnitude.\n" in text
    assert "given once as if a training had been thrown away, and once, as twice-random, with both in one" in text
    assert "The dense network itself ends, from the birth of *fan-in*, at 0." in text
    [[*mechanism]] = [re.findall(r"^\| ([a-z-]+) \| [\d.]+% \|.*% \|$", text, re.M)]
    assert mechanism == [*equal][:2] + [*others][:1] + ["twice-random"] + [*others][1:]
    assert re.search(r"organism-type minus magnitude, points: .* at 50%\.", text)
    assert "At 50%, organism-type minus a random mask with the layer sizes of magnitude: " in text
    assert (places[0] / "pruning/masks.png").is_file()
    tickets = (places[0] / "tickets/section.md").read_text()
    assert "With 68.9% kept, and 2 % was not reached, minus dense: " in tickets
    # What three rounds would leave is no round's.
    assert [*map(float, re.findall(r"^\| ([\d.]+)% \| at once", tickets, re.M))] == [68.9]
    assert re.search(r"Those minus these, points: \S+ \(.*\) with 68.9% kept\. Better \(Holm, over 1 dens", tickets)
    assert (places[0] / "tickets/tickets.png").is_file()
    sparse = (places[0] / "sparsity/section.md").read_text()
    # Of 16, 4 and 3 inputs of a unit 12, 3 and 2 are dropped.
    assert "| variational | as it is | sgd 0.1, targeted, l2 0.0001 | 27.4% | 25.0%, 25.0%, 33.3% |" in sparse
    assert "| horseshoe 50% | the largest, as they are | sgd 0.1, horseshoe" in sparse
    assert "| snip 50% | mask before training | sgd 0.1 | 50.0% |" in sparse
    assert "| snip 50% shuffle | shuffled within its layers | sgd 0.1 | 50.0% |" in sparse
    assert "| dense adam |  | adam 0.0012 | 100.0% |" in sparse
    assert "variational more (27.4% of 1.4%)." in sparse
    assert (
        len(
            re.findall(
                r"^\* SNIP with 50% kept: minus .*; minus a mask by magnitude .*; minus the same by Adam ", sparse, re.M
            )
        )
        == 1
    )
    # Made anew, it trains nothing again.
    section.unlink()
    assert figure_tables.make(["pruning"], 2, *places) == ["pruning"]
    assert section.read_text() == text
    assert trained == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}


def test_what_is_within_reach_of_what_was_published() -> None:
    errors = {"dense": (1.5, 1.3, 1.7), "snip 5%": (2.0, 1.8, 2.2), "snip 2%": (3.0, 2.95, 3.05), "other": (9, 8, 10)}
    assert judged_sparse(errors) == (
        "within 0.5 points of what was published, or better, with the whole interval, are dense (-0.20 (-0.40 … +0.00) "
        "points); further from it snip 2% (+0.60 (+0.55 … +0.65) points); neither is shown of snip 5% (+0.40 (+0.20 … "
        "+0.60) points)."
    )


def test_each_claim_about_tickets_is_judged_where_it_is_made() -> None:
    scores = {
        (0, "dense", 1.0): 0.95,
        (1, "ticket", 0.5): 0.97,
        (2, "ticket", 0.2): 0.94,
        (2, "reinit", 0.2): 0.92,
        (3, "ticket", 0.019): 0.90,
    }
    rows = [
        (seed, "magnitude" if number else "", number, control, "accuracy", density, score + noise, 5.0)
        for (number, control, density), score in scores.items()
        for seed, noise in enumerate(NOISE / 100 * (1 + number))
    ]
    columns = ["Seed", "By", "Round", "Control", "Metric", "Density", "Test score", "Early stop"]
    start, small, moderate = claims(pd.DataFrame(rows, columns=columns)).split("\n")
    assert "with 20.0% kept the ticket minus reinit: +2.00 (+2.00 … +2.00) points." in start
    assert "With 1.9% kept, minus dense: -5.00 (-5.0" in small
    assert "no later to stop: 50.0%." in small
    assert "over 2 densities from 50% to 20%) are 50.0%; the best, with 50.0% kept, minus dense: +2.00" in moderate


def test_who_keeps_no_more_than_was_published() -> None:
    assert judged_sparsity({"dense": 1.0, "l0": 0.1, "variational": 0.02}) == (
        "Of what was published to be kept there is kept here: by l0 no more (10.0% of 10.0%) and by variational more "
        "(2.0% of 1.4%)."
    )


def test_what_snip_hangs_on_is_paired_over_the_seeds() -> None:
    own = pd.Series([0.9, 0.92, 0.94], [0, 1, 2])
    scores = {
        "snip 5%": own,
        "snip 5% shuffle": (own - 0.02)[::-1],
        "snip 5% adam": own + 0.01,
        "dense": own,
        "l0": own,
    }
    # Each seed's difference is the same, in whatever order the seeds are told.
    assert reasons(scores) == (
        "* SNIP with 5% kept: minus the same mask, shuffled +2.00 (+2.00 … +2.00); minus the same by Adam "
        "-1.00 (-1.00 … -1.00)."
    )
