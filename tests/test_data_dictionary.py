"""``docs/data-dictionary.md`` says of every table what is really written."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

import srnn
from srnn.laboratory.ask import analyze
from srnn.laboratory.compare import compare
from srnn.laboratory.questions import QUESTIONS

PAGE = (Path(__file__).parents[1] / "docs/data-dictionary.md").read_text()
SHORT = ("body.width=3", "body.depth=3", "training.epochs=4", "log.every=2")
#: Where columns are P, there are as many as a particle has weights.
WEIGHTS = re.compile(r"dim_\d+")


def columns(part: str) -> list[str]:
    """What stands in backticks in the first cells of the first table of a part of the page."""
    rows = part.split("\n| column | what it is |\n")[1].split("\n\n")[0].splitlines()[1:]
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[1])]


def parts() -> dict[str, str]:
    """Each file's part of the page."""
    found = re.split(r"^### `([^`]+)`$", PAGE, flags=re.MULTILINE)[1:]
    return dict(zip(found[::2], found[1::2], strict=True))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of an experiment that were asked everything, and compared."""
    out = tmp_path_factory.mktemp("asked")
    runs = srnn.run(srnn.load_preset("digits").override(SHORT), out, seeds=[3, 4], image_format=None)
    assert analyze(runs, list(QUESTIONS), image_format=None).left_out == []
    compare({"one": runs, "two": runs}, out / "comparison")
    study = ["name=study", "particle.kind=number", "replication.method=none", "task.validation=100"]
    srnn.run(runs[0].experiment.override([*study, "pruning.densities=[0.5]"]), out, image_format=None)
    return out


def test_every_table_is_there_and_has_the_columns_that_are_told(folder: Path) -> None:
    written = {path.name: path for path in folder.glob("digits/seed-3/results/*.csv")}
    written |= {path.name: path for path in folder.glob("comparison/results/*.csv")}
    written |= {path.name: path for path in folder.glob("study/results/*.csv")}
    # Of all seeds together.
    written["prediction.csv"] = folder / "digits/results/prediction.csv"
    written["metrics.csv"] = folder / "digits/seed-3/metrics.csv"
    tables = {name: part for name, part in parts().items() if name.endswith(".csv")}
    assert written.keys() == tables.keys()
    for name, part in tables.items():
        assert list(pd.read_csv(written[name])) == columns(part), name


def test_the_trajectory(folder: Path) -> None:
    frame = pd.read_parquet(folder / "digits/seed-3/trajectory/epoch-000000.parquet")
    told = columns(parts()["trajectory/epoch-000000.parquet"])
    assert told == ["Epoch", "Weight", "dim_1", "dim_P"]
    assert [name for name in frame if not WEIGHTS.fullmatch(name)] == told[:2]


def test_beside_the_seeds_are_the_answers_of_all_and_their_means(folder: Path) -> None:
    found = {path.stem: list(pd.read_csv(path)) for path in folder.glob("digits/results/*.csv")}
    means = [name for name in found if name.endswith("_summary")]
    assert {name.removesuffix("_summary") for name in means} == {
        result for question in QUESTIONS.values() for result in question.summaries
    }
    told = columns(PAGE.split("## Means over the seeds")[1])
    for question in QUESTIONS.values():
        for result, summary in question.summaries.items():
            assert found[f"{result}_summary"] == [*summary.by, *told], result
    for name in found.keys() - means:
        own = columns(parts()[f"{name}.csv"])
        assert found[name] == [*(column for column in own if column != "Seed"), "Seed"] or found[name] == own, name


@pytest.mark.parametrize(
    ("preset", "changes"),
    [
        ("digits", SHORT),
        ("digits", (*SHORT, "replication.method=newton", "task.validation=100")),
        ("addition", ("training.epochs=1", "task.validation=100")),
        ("sanity-h2", ("training.epochs=1",)),
    ],
)
def test_every_metric_is_told(preset: str, changes: tuple[str, ...], tmp_path: Path) -> None:
    table = PAGE.split("\n| metric | what it is |\n")[1].split("\n\n")[0]
    told = set(re.findall(r"`([^`]+)`", "".join(row.split("|")[1] for row in table.splitlines())))
    [run] = srnn.run(srnn.load_preset(preset).override(changes), tmp_path, image_format=None)
    of_one = {r"^L\d+_\w+$": "L0_divergent", r"^test_recall_\d+$": "test_recall_0"}
    logged = {*run.metrics["Metric"]}
    for each, one in of_one.items():
        logged = {re.sub(each, one, name) for name in logged}
    assert logged <= told
