"""What a command that answers at once must not wait for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import srnn

#: What takes longest to import.
SLOW = ("torch", "numpy", "pandas", "sklearn", "scipy", "numba", "matplotlib")


def slow_after(code: str) -> list[str]:
    """Which of the slow packages a real process has imported once it has run the code."""
    last = f"\nimport sys\nsys.stderr.write(' '.join(m for m in {SLOW} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code + last], capture_output=True, text=True, check=True)
    return done.stderr.split()


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["presets"], ["--version"]], ids=" ".join)
def test_commands_that_answer_at_once_import_nothing_slow(arguments: list[str]) -> None:
    command = f"import sys\nsys.argv = {['srnn', *arguments]}\nfrom srnn.commands import main\n"
    assert slow_after(command + "try: main()\nexcept SystemExit as end: assert not end.code, end.code") == []


@pytest.mark.parametrize("module", ["srnn", "srnn.experiment", "srnn.presets", "srnn.tasks", "srnn.methods"])
def test_what_an_experiment_may_say_is_known_without_torch(module: str) -> None:
    assert slow_after(f"import {module}") == []


def test_what_the_page_of_python_names_is_there_after_import_srnn() -> None:
    """By that path or, shorter, as ``srnn.NAME``; in a process in which nothing else has imported it."""
    page = Path(__file__).parents[1] / "docs/api.md"
    paths = [line.removeprefix("::: ") for line in page.read_text().splitlines() if line.startswith("::: ")]
    assert "srnn.laboratory.prune.prune" in paths
    code = f"""
import operator, srnn
for path in {paths}:
    _, _, inside = path.partition(".")
    name = path.rpartition(".")[2]
    getattr(srnn, name) if name in srnn.__all__ else operator.attrgetter(inside)(srnn)
assert callable(srnn.hardening.harden) and callable(srnn.laboratory.study.Study.open)
"""
    slow_after(code)
    assert slow_after("import srnn.laboratory") == []


def test_an_experiment_of_every_body_is_read_and_its_particles_counted_without_torch() -> None:
    code = """
from srnn.experiment import Experiment
for body in ({}, {"name": "conv"}, {"name": "recurrent"}):
    experiment = Experiment.from_dict({"body": body, "replication": {"method": "lifted"}})
    assert experiment.body.count(64, 10, (1, 8, 8))[0] > 0
"""
    assert slow_after(code) == []


def test_a_run_without_figures_imports_nothing_that_draws_or_makes_tables(tmp_path: Path) -> None:
    """Many a small run takes less time than these."""
    code = f"""
import srnn
settings = ["training.epochs=1", "task.size=4", "training.batch_size=500"]
srnn.run(srnn.load_preset("digits").override(settings), {str(tmp_path)!r}, image_format=None, progress=False)
"""
    assert {*slow_after(code)} & {"pandas", "matplotlib", "sklearn"} == set()


def test_a_sweep_hands_out_its_points_before_torch_is_there() -> None:
    assert slow_after("import srnn.sweeps.sweep, srnn.sweeps.point, srnn.sweeps.workers") == []


def test_how_runs_and_sweeps_ended_is_read_told_and_drawn_without_torch(tmp_path: Path) -> None:
    values = {
        "name": "small",
        "task": {"name": "digits", "size": 4},
        "training": {"epochs": 1, "batch_size": 500},
        "sweep": {"over": {"replication.alpha": [0.1, 1.0]}},
    }
    found = srnn.sweep(srnn.Experiment.from_dict(values), tmp_path)
    folder, run = str(found.folder), str(found.runs(found.points[0])[0].folder)
    code = f"""
import srnn
from srnn.commands import app
from srnn.sweeps.figures import draw
for command in (["list", {folder!r}], ["show", {run!r}], ["show", {folder!r}]):
    app(command, standalone_mode=False)
assert draw(srnn.Sweep.open({folder!r}))
"""
    slow = slow_after(code)
    assert {"pandas", "matplotlib"} <= {*slow}
    assert {*slow} & {"torch", "numba", "sklearn"} == set()


def test_the_command_line_seldom_looks_for_garbage_and_never_again_at_its_end() -> None:
    code = """
import atexit, gc, sys
@atexit.register
def tell():
    print(gc.get_threshold()[0], gc.get_freeze_count() > 1_000, file=sys.stderr)
sys.argv = ["srnn", "presets"]
from srnn.commands import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "5000 True\n"
