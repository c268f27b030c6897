"""The means of the answers of several seeds: none reaches beyond what a number can be, or leaves out a seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import srnn
from srnn.laboratory.ask import analyze, summarize
from srnn.laboratory.questions import QUESTIONS
from srnn.laboratory.questions.question import Question, Summary
from srnn.runs.run import Run


def seeds(*frames: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([frame.assign(Seed=seed) for seed, frame in enumerate(frames)], ignore_index=True)


def edges(zero: int, other: int) -> pd.DataFrame:
    kinds = ["zero"] * zero + ["other"] * other
    return pd.DataFrame({"Layer": "L0", "Type": kinds, "Effective weight": np.linspace(0, other, len(kinds))})


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Two seeds, whose intervals are 6.4 times as wide as they are apart."""
    settings = {"name": "few", "body": {"width": 3, "depth": 3}, "particle": {"hidden": 2}}
    experiment = srnn.Experiment.from_dict({**settings, "training": {"epochs": 4}, "log": {"every": 1}})
    return srnn.run(experiment, tmp_path_factory.mktemp("summaries"), seeds=2, image_format=None)


def test_no_interval_reaches_beyond_what_a_number_can_be(runs: list[Run]) -> None:
    asked = ["connectivity", "dropout", "transfer", "mobility", "thinning", "pruning"]
    answers = analyze(runs, asked, image_format=None).summaries
    every = pd.concat([found for results in answers.values() for found in results.values()], ignore_index=True)
    every["Of"] = every["Metric"].where(every["Quantity"] == "Score", every["Quantity"])
    ends = every.groupby("Of").agg({"Low": "min", "High": "max"})
    numbers = {"Mean", "Smallest", "5 %", "25 %", "Median", "75 %", "95 %", "Largest"}
    differences = {name for name in ends.index if name == "Change" or name.startswith("Against")}
    within_one = {*differences, "First half, last"}
    assert not (ends.drop(index=[*numbers, *within_one])["Low"] < 0).any()
    assert not (ends.loc[[*within_one]].abs() > 1).any(axis=None)
    shares = ["Share", "Before", "After", "Random", "on_paths", "live_type", "Persistent", "Restless rise", "Of layer"]
    assert not (ends.loc[shares, "High"] > 1).any()
    assert not (ends.loc[["Edges", "Count"], "High"] > runs[0].organism().size).any()
    assert ends.loc[["Edges", "Count", "Change", "on_paths", "First half, last"]].notna().any(axis=1).sum() >= 4


def test_of_what_a_seed_has_none_it_has_0() -> None:
    [summary] = QUESTIONS["connectivity"].summaries.values()
    found = summarize(seeds(edges(0, 9), edges(1, 8), edges(9, 0)), summary).set_index(["Scope", "Type", "Quantity"])
    assert found.loc[("total", "zero", "Edges"), ["Mean", "Seeds"]].tolist() == [pytest.approx(10 / 3), 3]
    low, high = found.loc[("total", "zero", "Edges"), ["Low", "High"]]
    assert 0 < low < high < 9

    summary = QUESTIONS["dropout"].summaries["dropout"]
    scores = {"Metric": "accuracy", "Particles": 9, "Before": 0.9}
    names = ["After", *dict.fromkeys(name for name in summary.within if name not in ("Dropped", "Before", "After"))]
    parts = [
        pd.DataFrame(
            [
                {"Scope": "total", "Type": kind, "Dropped": count, **scores, **dict.fromkeys(names, 0.9 - lost)}
                for kind, count, lost in own
            ]
        )
        for own in ([("other", 9, 0.9)], [("zero", 4, 0.0), ("other", 5, 0.1)], [("zero", 9, 0.9)])
    ]
    frame = seeds(*(part.assign(Change=part["After"] - part["Before"]) for part in parts))
    found = summarize(frame, summary).set_index(["Type", "Quantity"])
    assert found.loc[("zero", "Dropped"), ["Mean", "Seeds"]].tolist() == [pytest.approx(13 / 3), 3]
    assert found.loc[("other", "Dropped"), ["Mean", "Seeds"]].tolist() == [pytest.approx(14 / 3), 3]
    assert found.loc[("zero", "Change"), ["Mean", "Low", "High", "Seeds"]].tolist() == pytest.approx([-0.45, -1, 1, 2])


def test_differences_of_what_is_no_share_have_no_end() -> None:
    summary = Summary(("Metric",), differences=["Change"])
    frame = seeds(*(pd.DataFrame({"Metric": ["mae", "accuracy"], "Change": own}) for own in (0.0, 1.0)))
    found = summarize(frame, summary).set_index("Metric")
    assert found.loc["mae", "High"] == pytest.approx(0.5 + 12.7062 / 2, rel=1e-4)
    assert found.loc["accuracy", ["Low", "High"]].tolist() == [-1, 1]


def test_a_seed_without_an_answer_leaves_the_numbers_of_the_others(
    runs: list[Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = {0: [], 1: [("a", 3.0)]}
    question = Question(
        "Is there anything?",
        lambda subject: {"asked": pd.DataFrame(rows[subject.seed], columns=["Of", "Score"])},
        {"asked": Summary(("Of",))},
    )
    monkeypatch.setattr("srnn.laboratory.ask.QUESTIONS", {"asked": question})
    found = analyze(runs, ["asked"], image_format=None).summaries["asked"]["asked"]
    assert found[["Of", "Mean", "Seeds"]].to_numpy().tolist() == [["a", 3.0, 1]]
    # And if none has one there is none, in columns of the same names.
    rows[1] = []
    empty = analyze(runs, ["asked"], image_format=None).summaries["asked"]["asked"]
    assert (len(empty), list(empty)) == (0, list(found))
    written = Path(runs[0].folder.parent / "results/asked_summary.csv")
    assert written.read_text() == "Of,Quantity,Mean,Low,High,Seeds\n"
