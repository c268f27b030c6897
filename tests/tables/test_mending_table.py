"""The figure table about particles that repair themselves, of a run of two epochs."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

import srnn
from srnn.analysis import remedies, repair
from srnn.analysis.statistics import SHARE, mean_interval
from srnn.tables import mending
from srnn.tables.desk import Desk, interval

SEEDS = (0, 1)
NUMBERS = ("particle.kind=number", "particle.values=particles", "replication.method=none")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    out = tmp_path_factory.mktemp("mending")
    few = ["task.size=4", "body.width=3", "body.depth=2", "training.epochs=2", "log.every=2"]
    asked = {"repair": ["replication.method=placed", "particle.encoding=max"], "exact-dense": NUMBERS}
    runs = {
        name: srnn.run(
            srnn.load_preset("digits").override([*few, f"name={name}", *changes]), out, seeds=SEEDS, image_format=None
        )
        for name, changes in asked.items()
    }
    return Desk(out / "repair", runs, None, lambda what: None)


@pytest.fixture(scope="module")
def text(desk: Desk) -> str:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(mending, "_LEVELS", (1e-2,))
        patched.setattr(mending, "_FEWER_LEVELS", (1e-2,))
        patched.setattr(mending, "_CAP", 10)
        return mending.mending(desk)


def tables(text: str) -> list[pd.DataFrame]:
    found = []
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()]
        found.append(pd.DataFrame(cells[2:], columns=cells[0]))
    return found


def test_there_is_a_row_for_each_case_beside_plain_numbers(text: str) -> None:
    rules, sizes, remedied, pairs = tables(text)
    assert rules.groupby("noise").size().tolist() == [sum(len(own) for _, own in repair.PLACEMENTS.values()) + 2] * 3
    assert sizes["placement"].tolist() == list(repair.PLACEMENTS)
    assert {"copies", "grid", "numbers, copies", "numbers, grid"} == {*remedied["placement"]}
    assert {*pairs["numbers"]} == {
        "numbers, copies none, mean",
        "numbers, copies none, median",
        "numbers, grid nearest",
    }


def test_the_cells_are_those_of_the_analysis(desk: Desk, text: str) -> None:
    found = desk.over_seeds(
        "repair", lambda one: repair.repair(one.organism(), one.task, (1e-2,), 10, generator=one.generator)
    ).query("Placement == 'own' and Rule == 'leak' and Noise == 'once'")
    assert len(found) == len(SEEDS)
    row = tables(text)[0].query("placement == 'own' and rule == 'leak' and noise == 'once, on all'").iloc[0]
    told = interval(*mean_interval(found["Repaired"], SHARE), form="{:.3f}")
    assert (row["accuracy, repaired"], row["applications"]) == (told, f"{found['Applications'].median():.0f}")
    assert f"After noise of 0.01 on every weight {row['self-replicators again']} are again" in text.replace("\n", " ")


def test_what_a_remedy_is_paired_with(desk: Desk, text: str) -> None:
    found = desk.over_seeds(
        "repair", lambda one: remedies.remedies(one.organism(), one.task, (1e-2,), 10, generator=one.generator)
    )
    cases = {
        placement: found.query(f"Placement == {placement!r} and Rule == {rule!r} and Noise == 'some'")[
            "Repaired"
        ].mean()
        for placement, rule in (("copies", "melting, median"), ("numbers, copies", "none, median"))
    }
    told = tables(text)[3].query("particles == 'copies melting, median' and noise == 'once, on a tenth'").iloc[0]
    gap = 100 * (cases["copies"] - cases["numbers, copies"])
    assert told["against the numbers"].startswith(f"{gap:+.2f} (")


def test_how_often_particles_are_ahead_is_counted(text: str) -> None:
    gaps = [re.findall(r"[+-][\d.]+", gap)[1:] for gap in tables(text)[3]["against the numbers"]]
    ends = [(float(low), float(high)) for low, high in gaps]
    told = re.search(
        r"Of the (\d+) comparisons .* behind, with the whole interval, in (\d+), and ahead in (\d+)",
        text.replace("\n", " "),
    )
    assert told is not None
    assert [int(count) for count in told.groups()] == [
        len(ends),
        sum(high < 0 for _, high in ends),
        sum(low > 0 for low, _ in ends),
    ]


def test_the_image_is_there_and_no_sentence_holds_what_is_no_number(desk: Desk, text: str) -> None:
    assert (desk.folder / "repair.png").stat().st_size > 1000
    assert Path(re.findall(r"!\[[^]]*]\(([^)]+)\)", text)[0]) == Path("repair/repair.png")
    sentences = text[text.index("Judged") :]
    assert not re.search(r"\bnan\b|\binf\b", sentences)
