"""The notebooks in ``examples/``: they run, in order, in an empty folder, and show what they showed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from processes import process

NOTEBOOKS = sorted((Path(__file__).parents[1] / "examples").glob("*.ipynb"))


def read(path: Path) -> list[dict[str, Any]]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_its_cells_run_one_after_the_other(path: Path, tmp_path: Path) -> None:
    code = "\n".join("".join(cell["source"]) for cell in read(path))
    answer = process((sys.executable, "-c", code), tmp_path, MPLBACKEND="agg")
    assert (answer.code, answer.out, answer.err) == (0, "", "")
    assert ("srnn.run(" in code) == bool(list(tmp_path.glob("runs/*/seed-0/figures/*.png")))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_was_run_as_a_whole(path: Path) -> None:
    cells = read(path)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} == {"execute_result", "display_data"}
    assert any("image/png" in output["data"] for output in outputs)
    if any("srnn.run(" in "".join(cell["source"]) for cell in cells):
        # Of progress, what is seen without widgets, too.
        assert any("epoch 40/40" in "".join(output["data"]["text/plain"]) for output in outputs)


def test_there_are_examples() -> None:
    assert {path.stem for path in NOTEBOOKS} == {"first_organism", "network_of_your_own", "self_replicators"}
