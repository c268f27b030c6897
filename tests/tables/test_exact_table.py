"""The figure table about exact self-replicators, of runs of four epochs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import pytest

import srnn
from srnn.runs.run import Run
from srnn.tables.desk import Desk
from srnn.tables.exact import exact
from srnn.tables.rest import rest

SEEDS = (0, 1)


def short(name: str, *changes: str) -> srnn.Experiment:
    few = ["task.size=4", "body.width=3", "body.depth=3", "training.epochs=4", "log.every=2"]
    return srnn.load_preset("digits").override([*few, f"name={name}", *changes])


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    out = tmp_path_factory.mktemp("exact")
    asked = {f"exact-{method}": [f"replication.method={method}"] for method in ("newton", "lifted")}
    for method in ("sgd", "newton", "lifted"):
        asked[f"exact-comparison-{method}"] = [f"replication.method={method}", "body.width=4", "body.activation=relu"]
    numbers = ["replication.method=none", "particle.kind=number", "particle.values=particles"]
    asked |= {"exact-dense": numbers, "exact-comparison-dense": [*numbers, "body.width=4", "body.activation=relu"]}
    for step in ("particles", "mean"):
        stepped = [*numbers, f"particle.step={step}"]
        asked[f"exact-dense-step-{step}"] = stepped
    asked["exact-comparison-step-mean"] = [*stepped, "body.width=4", "body.activation=relu"]
    asked |= {"connectivity": [], "residual-h8": ["particle.hidden=3"], "little": ["replication.alpha=1"]}
    fading = ["schedule.kind=cosine", "schedule.every=4"]
    births = {"exact": ["replication.birth=exact"], "copying": ["particle.init=copying"]}
    asked |= {f"birth-{name}": changes for name, changes in births.items()}
    fades = births | {"drawn": [], "dense": numbers}
    asked |= {f"birth-{name}-fading": [*changes, *fading] for name, changes in fades.items()}
    asked["trade-off-alpha-1000"] = ["replication.alpha=1000", "replication.divergent=stop", "training.lr=10"]
    runs = {
        name: srnn.run(short(name, *changes), out, seeds=SEEDS, image_format=None) for name, changes in asked.items()
    }
    # Training five is no better a test than training one.
    runs |= {f"trade-off-alpha-{alpha}": runs["little"] for alpha in ("0.01", "0.1", "1", "10")}
    runs["exact-comparison-step-particles"] = runs["exact-comparison-step-mean"]
    return Desk(out / "exact", runs, None, lambda what: None)


@pytest.fixture(scope="module")
def drawn() -> dict[str, pd.DataFrame]:
    """What each image of the text shows, by its name."""
    return {}


@pytest.fixture(scope="module")
def text(desk: Desk, drawn: dict[str, pd.DataFrame]) -> str:
    image = Desk.image

    def remembered(self: Desk, drawing: str, frame: pd.DataFrame, title: str, name: str) -> str:
        drawn[name] = frame
        return image(self, drawing, frame, title, name)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Desk, "image", remembered)
        return exact(desk)


def test_what_the_trade_off_needs_as_a_control(desk: Desk) -> None:
    text = rest(desk)
    census, fates, costs = (found.set_index(found.columns[0]) for found in tables(text) if "connectivity" not in found)
    assert list(census.index[:2]) == ["H = 4 as published", "H = 8 as published"]
    counts = last(desk.runs, "birth-exact", "rest_identity")
    assert census.at["born exact", "identity at rest"].startswith(f"{sum(counts) / 2:,.0f}")
    assert census.at["dense, from the worths of those", "identity at rest"] == ""
    assert {*fates["type"]} == {"zero", "identity"}
    # All that can be dropped is what the organism has at zero.
    zeros, everything = costs.loc["plain numbers without its zeros"], costs.loc["plain numbers"]
    assert zeros.iloc[0] != everything.iloc[0] == "0.0%"
    assert "less than a point apart: p = " in text
    assert "nan" not in text


def tables(text: str) -> list[pd.DataFrame]:
    found: list[list[list[str]]] = []
    for line, before in zip(text.splitlines(), ["", *text.splitlines()], strict=False):
        if line.startswith("|"):
            if not before.startswith("|"):
                found.append([])
            found[-1].append([cell.strip() for cell in line.strip("|").split("|")])
    return [pd.DataFrame(rows[2:], columns=rows[0]) for rows in found]


def last(runs: Mapping[str, Sequence[Run]], preset: str, metric: str) -> list[float]:
    return [float(run.metrics.query(f"Metric == '{metric}'")["Score"].iloc[-1]) for run in runs[preset]]


def test_every_image_is_there(desk: Desk, text: str) -> None:
    shown = re.findall(r"!\[[^]]*]\(([^)]+)\)", text)
    assert [Path(image).stem for image in shown] == [
        "trade-off",
        "self-application",
        "multipliers",
        "noisy-return",
        "tolerance",
        "pruning",
    ]
    assert all((desk.folder.parent / image).stat().st_size > 1000 for image in shown)


def test_the_first_table_is_that_of_the_runs(desk: Desk, text: str) -> None:
    table = tables(text)[0]
    assert table["body"].tolist() == ["16-3-3-10 linear"] * 6 + ["16-4-4-10 relu"] * 6
    assert table["method"].tolist() == ["sgd", "newton", "lifted", "dense", "dense, own step", "dense, mean step"] * 2
    for row, preset in enumerate(["connectivity", "exact-newton", "exact-lifted"]):
        accuracy = last(desk.runs, preset, "test_accuracy")
        assert table["test accuracy"][row].startswith(f"{sum(accuracy) / 2:.4f} ")
    # 16 · 3 + 3 · 3 + 3 · 10 particles, all of them self-replicators, and to rounding.
    assert table["identity"][1] == table["identity"][2] == "87 ± 0 [87, 87]"
    assert table["largest replication error"][0] == "–"
    assert float(table["largest replication error"][1]) < 1e-5


def test_what_diverges_is_told_and_not_compared(text: str, drawn: dict[str, pd.DataFrame]) -> None:
    assert "With α = 1000 2 of 2 seeds diverge." in text
    told = drawn["trade-off"].groupby("Name")["Diverged"].all()
    assert [*told[told].index] == ["α = 1000"]
    of_sgd = {"α = 1", "α = 100", "α = 1000", "α = 100, H = 3", "α = 100, at rest"}
    assert {*told.index} == of_sgd | {"born exact, at rest", "born exact, task fades", "newton", "lifted", "dense"}


def test_lifted_is_the_dense_body_from_the_same_start(text: str) -> None:
    table = tables(text)[1]
    lifted = table[table["difference"] == "lifted − dense"]
    assert lifted["seeds"].tolist() == ["2", "2"]
    assert (lifted["drift"].astype(float) < 1e-3).all()
    newton = table[table["difference"] == "newton − dense"]
    assert (newton["drift"].astype(float) > 1e-3).all()


def test_newton_is_compared_with_numbers_that_take_its_step(desk: Desk, text: str) -> None:
    table = tables(text)[1].set_index("difference")
    gaps = [
        100 * (own - other)
        for own, other in zip(
            *(last(desk.runs, name, "test_accuracy") for name in ("exact-newton", "exact-dense-step-particles")),
            strict=True,
        )
    ]
    told = table.loc["newton − dense, own step", "test accuracy (95 % interval)"].iloc[0]
    assert told.startswith(f"{sum(gaps) / 2:+.2f} ")
    [judged] = re.findall(r"there is left ([^;]*) points on 16-3-3-10 linear", text.replace("\n", " "))
    assert judged == told


def test_no_sentence_holds_what_is_no_number(text: str) -> None:
    sentences = [line for line in text.splitlines() if line.startswith("Judged") or line.startswith("Of sgd")]
    assert len([line for line in sentences if line.startswith("Judged")]) == 7
    assert not [line for line in sentences if "nan" in line or "inf" in line.replace("inference", "")]
