"""What a command that answers at once must not wait for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

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
