"""The tables about other minima and regularisation, of runs of six epochs."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch

import srnn
from srnn import Experiment
from srnn.organism import Organism
from srnn.particle import Particle
from srnn.presets import load_preset
from srnn.runs.run import Run
from srnn.tables import SECTIONS
from srnn.tables.desk import Desk
from srnn.tables.minima import BETWEEN, CONTROLS, DIRECT, _broken, _of_broken, _went, of_kind, of_particles
from srnn.tables.regularisation import PAIRS as REGULARISED
from srnn.tables.regularisation import regularisation

SEEDS = (0, 1)
#: A table is no better tested by many runs of a kind than by one.
TRAINED = ("control", "pushed", "restarts-control")
REMARKS = ("Width", "Strength", "Both", "Learning rate", "Drops of the learning rate", "Epochs", "The other kernel")
REMARKS += ("All minima, the last, or one large one", "Restarts", "Fresh starts", "Ensembles", "Valley or walk")


def small(experiment: Experiment, every: int = 2) -> Experiment:
    changes = ["task.name=digits", "body.width=8", "particle.hidden=2", "training.epochs=6", "training.batch_size=400"]
    changes += ["task.size=4", "log.every=1"]
    if experiment.schedule.kind != "constant":
        changes.append(f"schedule.every={every}")
    if "repulsion" in experiment.terms:
        changes.append(f"terms.repulsion.every={every}")
    if experiment.task.validation:
        changes.append("task.validation=200")
    return experiment.override(changes).model_copy(update={"name": experiment.name})


def run(experiment: Experiment, out: Path) -> list[Run]:
    return srnn.run(small(experiment), out, seeds=SEEDS, image_format=None, progress=False)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Run]]:
    """Runs of numbers by variant."""
    out, asked = tmp_path_factory.mktemp("numbers"), load_preset("repulsion").expand()
    found = {name: run(asked[name], out) for name in TRAINED}
    return found | {"snapshots": run(load_preset("snapshots").expand()["cyclic"], out)}


def table(trained: dict[str, list[Run]], folder: Path, kind: str) -> str:
    """The table of numbers, or of particles of a kind: no better by many runs of a sort than by one."""
    section = SECTIONS[f"minima-{kind}" if kind else "minima"]
    asked = [section.change(load_preset(preset)) for preset in section.presets]
    runs = {
        one.name: trained.get(variant, trained["pushed"] if place == 0 else trained["snapshots"])
        for place, preset in enumerate(asked)
        for variant, one in preset.expand().items()
    }
    folder.mkdir()
    return section.make(Desk(folder, runs, None, lambda what: None))


def test_every_variant_is_told_beside_another() -> None:
    asked = {*load_preset("repulsion").comparison.variants}
    assert {*CONTROLS, *CONTROLS.values()} == asked
    assert {name for pair in DIRECT for name in pair} < asked


def test_every_remark_has_its_numbers_and_its_control(trained: dict[str, list[Run]], tmp_path: Path) -> None:
    text = table(trained, folder := tmp_path / "minima", "")
    assert sorted(path.name for path in folder.iterdir()) == ["distance.png", "plane.png", "ways.png"]
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    compared = [(row[0], row[1]) for row in rows if len(row) == 11 and row[0] != "variant"]
    assert compared[1:] == [*CONTROLS.items(), *DIRECT]
    [own] = [row for row in rows if row[:2] == ["pushed", "control"]]
    numbers = [float(one.split()[0].rstrip(",")) for one in own[2:5]]
    assert numbers[2] == pytest.approx(numbers[0] - numbers[1], abs=0.0021)
    judged = text[text.index("Judged:") :]
    for remark in REMARKS:
        assert f"- {remark}: " in judged
    assert "last minus pushed" in judged
    assert "merged minus pushed" in judged
    assert "types that differ" not in text
    assert "nan" not in re.sub(r"[a-z]*nance", "", text)


@pytest.mark.parametrize("kind", ["sgd", "lifted"])
def test_particles_have_the_same_table_and_their_types(kind: str, tmp_path: Path) -> None:
    section = SECTIONS[f"minima-{kind}"]
    variants = section.change(load_preset("repulsion")).expand()
    trained = {name: run(variants[name], tmp_path) for name in TRAINED}
    trained["snapshots"] = run(section.change(load_preset("snapshots")).expand()["cyclic"], tmp_path)
    text = table(trained, tmp_path / "table", kind)
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    [head] = [row for row in rows if "types that differ" in row]
    assert [row[0] for row in rows if len(row) == len(head)] == ["variant", "---", *BETWEEN]
    judged = text[text.index("Judged:") :]
    for remark in (*REMARKS, "Types"):
        assert f"- {remark}: " in judged
    if kind == "lifted":  # they are self-replicators in every minimum
        [own] = [row for row in rows if row[0] == "pushed" and len(row) == len(head)]
        assert own[-2:] == ["0.00% ± 0.00%", "0.00% ± 0.00%"]


def test_seeds_whose_training_broke_down_are_counted(trained: dict[str, list[Run]], tmp_path: Path) -> None:
    assert _broken(trained) == {}
    folder = shutil.copytree(trained["pushed"][0].folder, tmp_path / "seed-0")
    metrics = (folder / "metrics.csv").read_text()
    (folder / "metrics.csv").write_text(re.sub(r"^(3,.*task_loss),.*", r"\1,nan", metrics, flags=re.M))
    broken = _broken(trained | {"pushed": [Run.open(folder), trained["pushed"][1]]})
    assert broken == {"pushed": "1 of 2"}
    assert "drawn anew: pushed in 1 of 2 seeds." in _of_broken(broken)
    columns = {"line_error": (0.30, 0.32), "path_error": (0.20, 0.21), "disagreement": 0.05, "Seed": (0, 1)}
    assert _went(pd.DataFrame(columns).assign(Variant="pushed"), "pushed", broken).startswith(
        "pushed broke down in 1 of"
    )


def test_types_that_differ_by_hand() -> None:
    """Of four particles one is zero in the first organism, and that and another in the second."""
    a, b = (Organism(torch.nn.Linear(2, 2, bias=False), Particle(2)) for _ in range(2))
    with torch.no_grad():
        a.weights.fill_(0.5)
        a.weights[:, 0] = 0
        b.weights.copy_(a.weights)
        b.weights[:, 1] = 0
    found = of_particles(a, b)
    assert found["types"] == 0.25
    assert found["types_by_chance"] == pytest.approx(1 - (0.25 * 0.5 + 0.75 * 0.5))
    assert found["particles"] == pytest.approx(3**-0.5)


def test_particles_of_a_kind_have_rates_and_trajectories_of_their_own() -> None:
    numbers = load_preset("repulsion").expand()
    for kind in ("sgd", "lifted"):
        own = of_kind(kind, load_preset("repulsion")).expand()
        assert [*own] == [*numbers]
        for variant, one in own.items():
            assert one.name == f"repulsion-{kind}-{variant}"
            assert (one.particle.kind, one.replication.method) == ("weightwise", kind)
            assert (one.terms, one.schedule) == (numbers[variant].terms, numbers[variant].schedule)
            slower = one.training.lr / own["control"].training.lr
            assert slower == pytest.approx(numbers[variant].training.lr / numbers["control"].training.lr)
        assert (own["pushed"].log.particles, own["last"].log.particles) == ("all", 1)


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
    assert f"pushed {what}" in _went(pd.DataFrame(columns).assign(Variant="pushed"), "pushed", {})


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
