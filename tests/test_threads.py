"""torch's own threads, reached from outside torch."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
import torch

from srnn import threads


@pytest.fixture(autouse=True)
def four_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def called_on() -> list[int]:
    found: list[int] = []
    threads.on_every_thread(lambda: found.append(threading.get_ident()))
    return found


@pytest.mark.skipif(platform.system() != "Linux", reason="other systems may do without")
def test_each_thread_is_called_once() -> None:
    assert len({*called_on()}) == len(called_on()) == 4


def test_where_others_cannot_be_reached_only_this_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_address", 0)
    assert called_on() == [threading.get_ident()]


PROGRAM = """
import os, signal, sys, torch, srnn
from srnn import replication

torch.set_num_threads(2)
weights = srnn.Particle(4).draw(30_000)
torch.ones(4_000_000).add_(1)
if "before" in sys.argv:
    replication.train(weights, srnn.Particle(4), 20, 0.01, 0.9)
child = os.fork()
if child == 0:
    signal.alarm(60)
    replication.train(weights, srnn.Particle(4), 20, 0.01, 0.9)
    os._exit(7)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_forked_child_does_without(when: str) -> None:
    """Threads do not survive a fork, and whoever waits for them waits for ever."""
    assert subprocess.run([sys.executable, "-c", PROGRAM, when], check=False).returncode == 7
