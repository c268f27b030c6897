"""torch's own threads, reached from outside torch."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
import sys
import threading

import pytest
import torch

import srnn
from srnn.kernels import cpu, threads
from srnn.kernels.team import HEAD

pytestmark = pytest.mark.usefixtures("four_threads")


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


@pytest.mark.skipif(not threads.parallel(), reason="no threads of torch's to be reached")
@pytest.mark.parametrize("comes", [0, 3])
def test_who_comes_does_the_shares_of_those_who_do_not(comes: int) -> None:
    """A runtime may give fewer threads than are asked for."""
    particle = srnn.Particle(4)
    weights, worth = particle.draw(3_000), torch.zeros(3_000)
    call = cpu.weighing(weights, particle, worth)
    assert call.packet[HEAD.index("threads")] == 4
    member = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
    parallel = ctypes.CFUNCTYPE(None, member, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)(
        lambda work, packet, *_: work(packet)
    )
    number = ctypes.CFUNCTYPE(ctypes.c_int)(lambda: comes)
    for name, function in (("parallel", parallel), ("number", number)):
        call.packet[HEAD.index(name)] = ctypes.cast(function, ctypes.c_void_p).value or 0
    call()
    assert torch.equal(worth, cpu.effective_weight(weights, particle))


PROGRAM = """
import os, signal, sys, torch, srnn
from srnn import replication

torch.set_num_threads(2)
weights = srnn.Particle(4).draw(30_000)
torch.ones(4_000_000).add_(1)
child = os.fork()
if child == 0:
    signal.alarm(60)
    replication.train(weights, srnn.Particle(4), 20, 0.01, 0.9)
    os._exit(7)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_does_without() -> None:
    """Threads do not survive a fork, and whoever waits for them waits for ever: even in the first kernel of all."""
    assert subprocess.run([sys.executable, "-c", PROGRAM], check=False).returncode == 7
