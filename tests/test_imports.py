"""What a command that answers at once must not wait for."""

from __future__ import annotations

import subprocess
import sys

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
