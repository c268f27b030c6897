"""The tables about other minima and regularisation, of runs of six epochs."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

import srnn
from srnn import Experiment
from srnn.presets import load_preset
from srnn.runs.run import Run
from srnn.tables.desk import Desk
from srnn.tables.minima import PAIRS, _kind, minima
from srnn.tables.regularisation import PAIRS as REGULARISED
from srnn.tables.regularisation import regularisation

SEEDS = (0, 1)
#: A table is no better tested by many runs of a kind than by one.
TRAINED = ("control", "pushed", "restarts-control", "lifted")


def small(experiment: Experiment, every: int = 2) -> Experiment:
    changes = ["task.name=digits", "body.width=8", "particle.hidden=2", "training.epochs=6", "training.batch_size=400"]
    changes += ["task.size=4"]
    if experiment.schedule.kind != "constant":
        changes.append(f"schedule.every={every}")
    if "repulsion" in experiment.terms:
        changes.append(f"terms.repulsion.every={every}")
    if experiment.task.validation:
        changes.append("task.validation=200")
    return experiment.override(changes).model_copy(update={"name": experiment.name})


def run(experiment: Experiment, out: Path) -> list[Run]:
    return srnn.run(small(experiment), out, seeds=SEEDS, image_format=None, progress=False)


def test_every_remark_has_its_numbers_and_its_control(tmp_path: Path) -> None:
    asked, ways = load_preset("repulsion").expand(), load_preset("snapshots").expand()
    trained = {name: run(asked[name], tmp_path) for name in TRAINED}
    # Of sgd's particles, too, types are told.
    trained |= dict.fromkeys(("sgd", "sgd-control", "lifted-control"), trained["lifted"])
    trained |= {"repulsion": trained["pushed"], "snapshots": run(ways["cosine-repulsion"], tmp_path)}
    runs = {f"repulsion-{name}": trained.get(name, trained["pushed"]) for name in asked}
    runs |= {f"snapshots-{name}": trained["snapshots"] for name in ways}
    assert {*PAIRS, *PAIRS.values()} == {*asked}
    (folder := tmp_path / "minima").mkdir()
    text = minima(Desk(folder, runs, None, lambda what: None))
    assert sorted(path.name for path in folder.iterdir()) == ["distance.png", "plane.png", "ways.png"]
    table = [line for line in text.splitlines() if line.startswith("|")]
    for name in PAIRS:
        assert any(line.startswith(f"| {name} |") for line in table)
    [own] = [line for line in table if line.startswith("| pushed |") and line.count("|") == 11 and "[" in line]
    far, control, difference = own.split(" | ")[1:4]
    numbers = [float(one.split()[0].rstrip(",")) for one in (far, control, difference)]
    assert numbers[2] == pytest.approx(numbers[0] - numbers[1], abs=0.0021)
    [particles] = [line for line in table if line.startswith("| lifted |") and "%" in line.rsplit("|", 2)[1]]
    assert float(particles.rsplit("|", 2)[1].split("%")[0]) <= 100
    judged = text[text.index("Judged:") :]
    for remark in ("Strength", "Width", "Drops", "All minima", "Restarts", "Ensembles", "Valley or walk", "Particles"):
        assert remark in judged
    assert "nan" not in re.sub(r"[a-z]*nance", "", text)


@pytest.mark.parametrize(
    ("line", "way", "what"),
    [
        ((0.002, 0.004), (0.002, 0.004), "never left its basin"),
        ((0.30, 0.32), (0.001, 0.002), "went through a valley"),
        ((0.30, 0.32), (0.20, 0.21), "went over a hill"),
        ((0.01, 0.05), (0.001, 0.002), "is not shown"),
        ((0.30, 0.32), (0.01, 0.09), "is not shown"),
    ],
)
def test_what_was_gone_through_is_said_by_the_whole_interval(
    line: tuple[float, float], way: tuple[float, float], what: str
) -> None:
    columns = {"line_error": 3 * line, "path_error": 3 * way, "disagreement": 0.05, "Seed": range(6)}
    assert f"pushed {what}" in _kind(pd.DataFrame(columns).assign(Variant="pushed"), "pushed")


def test_each_way_to_regularise_beside_none(tmp_path: Path) -> None:
    asked = load_preset("regularisation").expand()
    trained = {name: run(asked[name], tmp_path) for name in ("plain", "stopped", "particles-decay")}
    runs = {f"regularisation-{name}": trained.get(name, trained["plain"]) for name in asked}
    assert {*REGULARISED, *REGULARISED.values()} == {*asked}
    text = regularisation(Desk(tmp_path, runs, None, lambda what: None))
    rows = {line.split(" | ")[0].strip("| "): line for line in text.splitlines() if line.startswith("|")}
    assert {*asked} < {*rows}
    plain, stopped = (float(rows[name].split(" | ")[1].split()[0]) for name in ("plain", "stopped"))
    assert float(rows["stopped"].split(" | ")[5].split()[0]) == pytest.approx(100 * (stopped - plain), abs=0.02)
    assert "the accuracy, in points, is better with (" in text
    assert (tmp_path / "differences.png").exists()
