"""Where there are no kernels torch computes, and it is said: processes in surroundings of all kinds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from processes import environment

from srnn import Particle, kernels
from srnn.kernels import calls, choice, cpu, packets

#: A process that has imported torch, but not Numba, forks one for each of the surroundings.
PARENT = """
import json, os, sys, traceback
import torch, srnn.kernels, srnn.replication
assert "numba" not in sys.modules
for name, (variables, code) in json.load(sys.stdin).items():
    child = os.fork()
    if child == 0:
        os.environ.update(variables)
        for number, what in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{name}.{what}", os.O_CREAT | os.O_WRONLY), number)
        try:
            exec(code + WORK)
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        os._exit(0)
    os.waitpid(child, 0)
"""
WORK = """
from srnn import Particle, fixpoints, kernels, replication
weights = Particle(1).draw(5, torch.Generator().manual_seed(0))
losses = replication.train(weights, Particle(1), 3, 0.01, 0.9)
replication.project(weights, Particle(1), 50)
kinds = fixpoints.classify(weights, Particle(1))
print(json.dumps([kernels.description(), kernels.fused(), losses.tolist(), kinds.tolist()]))
"""
#: LLVM takes no module any more.
BROKEN = """
import llvmlite.binding
def refuse(*args, **kwargs):
    raise RuntimeError("LLVM does not know the instruction")
llvmlite.binding.parse_assembly = refuse
"""
#: What it needs to see whether there are kernels is on the disk, and nothing else.
TRIED_OUT = """
from srnn import kernels
assert kernels.fused()
"""
SURROUNDINGS: dict[str, tuple[dict[str, str], str]] = {
    "as it is": ({}, ""),
    "again": ({}, ""),
    "another processor": ({"NUMBA_CPU_NAME": "haswell"}, ""),
    "another processor again": ({"NUMBA_CPU_NAME": "haswell"}, ""),
    "no jit": ({"NUMBA_DISABLE_JIT": "1"}, ""),
    "no Numba": ({}, "sys.path.insert(0, 'ImportError')"),
    "a strange Numba": ({}, "sys.path.insert(0, 'AttributeError')"),
    "no LLVM": ({"NUMBA_CACHE_DIR": "empty"}, BROKEN),
    "no more LLVM": ({"NUMBA_CACHE_DIR": "other"}, TRIED_OUT + BROKEN),
    "as wanted": ({"SRNN_KERNELS": "torch"}, ""),
}


class Answer(NamedTuple):
    description: str
    fused: bool
    losses: list[float]
    kinds: list[int]
    err: list[str]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Answer]:
    """What became of the work in each of the surroundings, in their order."""
    folder = tmp_path_factory.mktemp("surroundings")
    for error in ("ImportError", "AttributeError"):
        (folder / error / "numba").mkdir(parents=True)
        (folder / error / "numba/__init__.py").write_text(f"raise {error}('Numba needs NumPy 2.3 or less.\\nGot 2.4.')")
    variables = environment(NUMBA_CACHE_DIR="cache", SRNN_KERNELS="")
    command = [sys.executable, "-c", f"WORK = {WORK!r}\n{PARENT}"]
    subprocess.run(command, input=json.dumps(SURROUNDINGS), cwd=folder, env=variables, text=True, check=True)
    found = {}
    for name in SURROUNDINGS:
        out, err = ((folder / f"{name}.{what}").read_text() for what in ("out", "err"))
        assert out, err
        found[name] = Answer(*json.loads(out), err.splitlines())
    return found


COMPILING = "srnn: compiling the kernels (once; cached)…"


def test_each_kind_of_processor_has_its_own_machine_code_once(answers: dict[str, Answer]) -> None:
    assert answers["as it is"].err == answers["another processor"].err == [COMPILING]
    assert answers["again"].err == answers["another processor again"].err == []
    assert answers["as it is"].description == answers["again"].description
    assert answers["another processor"].description.startswith("fused (haswell ")
    assert answers["another processor again"].losses == answers["another processor"].losses


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("no jit", "Numba's compilation is switched off (NUMBA_DISABLE_JIT)"),
        ("no Numba", "Numba cannot be imported: Numba needs NumPy 2.3 or less. Got 2.4."),
        ("a strange Numba", "Numba cannot be imported: Numba needs NumPy 2.3 or less. Got 2.4."),
        ("no LLVM", "Numba cannot be used: RuntimeError: LLVM does not know the instruction"),
        ("no more LLVM", "they cannot be compiled: RuntimeError: LLVM does not know the instruction"),
    ],
)
def test_without_kernels_torch_computes_and_it_is_said_once(answers: dict[str, Answer], name: str, why: str) -> None:
    answer = answers[name]
    said = [line for line in answer.err if not line.startswith("srnn: compiling")]
    assert said == [f"srnn: computing by torch, without the fused kernels: {why} (slower, other last bits)"]
    assert not answer.fused
    assert answer.description == f"torch ({torch.backends.cpu.get_cpu_capability()})"
    assert answer.losses == answers["as wanted"].losses
    assert answer.kinds == answers["as it is"].kinds
    assert answer.losses == pytest.approx(answers["as it is"].losses, rel=1e-4)


def test_what_is_wanted_is_not_said(answers: dict[str, Answer]) -> None:
    assert answers["as wanted"].err == []
    assert answers["as wanted"].description.startswith("torch (")


def test_the_environment_turns_them_off(monkeypatch: pytest.MonkeyPatch) -> None:
    assert kernels.fused()
    monkeypatch.setenv("SRNN_KERNELS", "torch")
    assert kernels.fast_path(Particle(1).draw(3), Particle(1)) is None
    assert not kernels.fused()


def test_what_computes_wrongly_is_not_used(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(choice, "_given_up", False)
    monkeypatch.setattr(packets, "kernel_of", lambda *args: calls.Kernel(0, lambda packet: None))
    with pytest.raises(choice.UnusableError):
        cpu.try_out()
    assert "they do not compute what they should here" in capsys.readouterr().err
    assert not kernels.fused()


def test_who_has_no_stderr_is_told_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    choice.say("something")
    with Path(os.devnull).open() as unwritable:
        monkeypatch.setattr(sys, "stderr", unwritable)
        choice.say("something")
