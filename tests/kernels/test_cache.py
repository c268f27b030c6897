"""Machine code on disk: whatever is wrong with it, a kernel computes the same."""

from __future__ import annotations

import ctypes
import hashlib
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from numba.core import config

from srnn.kernels import cache, packets, particles


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The user's NUMBA_CACHE_DIR, empty; nothing has been said yet."""
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(cache._announcement, "announced", False)
    monkeypatch.setattr(cache._announcement, "cached", True)
    cache.folder.cache_clear()
    yield tmp_path / "cache"
    cache.folder.cache_clear()


def process() -> tuple[Any, float]:
    """A kernel as a new process has it, and what it computes."""
    kernel: Any = cache.compiled(particles.effective_weight.py_func)  # type: ignore[attr-defined]
    out = np.zeros(1, dtype=np.float32)
    weights = np.full((7, 1), 2.0, dtype=np.float32)
    packet = packets.alone(1, weights.ctypes.data, out.ctypes.data)
    ctypes.CFUNCTYPE(None, ctypes.c_int64)(kernel((0,), (weights, out)))(packet.buffer_info()[0])
    return kernel, float(out[0])


def from_disk() -> bool:
    """Whether a new process finds the machine code on the disk; what it computes is right in any case."""
    kernel, worth = process()
    assert worth == 8
    return bool(kernel.stats.cache_hits)


def kept() -> list[Path]:
    return sorted(cache.folder().iterdir())


def sealed(content: bytes) -> bytes:
    return hashlib.sha256(content).digest() + content


def test_it_is_compiled_once() -> None:
    assert not from_disk()
    assert from_disk()
    assert len(kept()) == 1


def end() -> None:
    raise EOFError("Ran out of input")


class Ending:
    """Its pickle calls what raises an EOFError."""

    def __reduce__(self) -> tuple[Callable[[], None], tuple[()]]:
        return end, ()


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: whole[:20],
        lambda whole: whole[:100],
        lambda whole: whole[:-1],
        lambda whole: whole[:-100] + bytes([whole[-100] ^ 1]) + whole[-99:],
        lambda whole: os.urandom(len(whole)),
        lambda whole: sealed(b""),
        lambda whole: sealed(pickle.dumps({"a": "nonsense"})),
        lambda whole: sealed(pickle.dumps(Ending())),
    ],
    ids=["empty", "no whole checksum", "cut", "cut by one", "a bit", "noise", "nothing", "nonsense", "EOFError"],
)
def test_what_is_damaged_is_compiled_anew(damage: Callable[[bytes], bytes], capsys: pytest.CaptureFixture[str]) -> None:
    from_disk()
    [path] = kept()
    path.write_bytes(damage(path.read_bytes()))
    capsys.readouterr()
    assert not from_disk()
    assert from_disk()
    assert kept() == [path]
    assert capsys.readouterr() == ("", "")


def test_what_cannot_be_read_is_done_without(capsys: pytest.CaptureFixture[str]) -> None:
    from_disk()
    [path] = kept()
    path.unlink()
    path.mkdir()
    capsys.readouterr()
    assert not from_disk()
    assert not from_disk()
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("where", ["/dev/null/cache", "/proc/cache", "/dev/full", "file/cache", "a" * 5_000])
def test_where_nothing_can_be_kept_it_is_said_once(
    where: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / where))
    assert not from_disk()
    assert not from_disk()
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("srnn: compiling the kernels (in each process, for they cannot be kept: ")


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can become someone else")
@pytest.mark.parametrize("home", [None, "/root"], ids=["none", "another's"])
def test_without_a_home_folder_it_is_said_and_nothing_is_written_elsewhere(
    home: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """As in a container that is run by a number that no user has."""
    monkeypatch.setattr(config, "CACHE_DIR", "")
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    if home is not None:
        monkeypatch.setenv("HOME", home)
    monkeypatch.chdir(tmp_path)
    child = os.fork()
    if child == 0:
        os.setuid(54321)
        sys.stderr = os.fdopen(2, "w")
        code = int(from_disk() or from_disk())
        sys.stderr.flush()
        os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    [line] = capfd.readouterr().err.splitlines()
    assert line.startswith("srnn: compiling the kernels (in each process, for they cannot be kept: ")
    assert not [*tmp_path.iterdir()]


def test_the_users_own_cache_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "CACHE_DIR", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "own"))
    from_disk()
    assert cache.folder().parent == tmp_path / "own/srnn/kernels"
    assert len(kept()) == 1


def test_other_users_of_numba_are_not_concerned(place: Path) -> None:
    from_disk()

    @numba.njit(cache=True)
    def other(x: int) -> int:
        return x + 1

    assert other(1) == 2
    assert str(place) == config.CACHE_DIR  # type: ignore[attr-defined]
    [theirs] = place.rglob("*.nbi")
    assert theirs.parent != cache.folder()
    assert len(kept()) == 1


def test_folders_that_no_process_has_used_for_long_are_removed(place: Path) -> None:
    folders = {name: place / "srnn/kernels" / name for name in ("0" * 16 + "-old", "1" * 16 + "-new", "another")}
    for name, path in folders.items():
        path.mkdir(parents=True)
        (path / "file").touch()
        if not name.endswith("new"):
            os.utime(path, (0, 0))
    from_disk()
    assert [name for name, path in folders.items() if path.exists()] == ["1" * 16 + "-new", "another"]


def test_a_folder_in_use_is_known_by_its_time() -> None:
    from_disk()
    os.utime(cache.folder(), (0, 0))
    cache._used.cache_clear()
    assert from_disk()
    assert cache.folder().stat().st_mtime > time.time() - 1000


def test_two_processes_side_by_side_compile_it_once(tmp_path: Path) -> None:
    """Each begins with an empty cache, at the same moment, and both have all of it in the end.

    Who compiles keeps the claim until the machine code is on the disk: between the two another would compile it again.
    """
    code = """
import sys, numba, torch
from numba.core import event
compiled, claims = [], []
class Listener(event.Listener):
    def on_start(self, one): compiled.append(one.data["dispatcher"].py_func.__name__)
    def on_end(self, one): claims.append(one.data["dispatcher"]._cache._claim)
event.register("numba:compile", Listener())
from srnn import Particle
from srnn.fixpoints import classify
particle = Particle(2)
sys.stdin.readline()
classify(particle.draw(3), particle)
print(*(name for name in compiled if name == "classify"), end=" ")
print(None not in claims)
"""
    command = [sys.executable, "-c", code]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(command, env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}, **pipes) for _ in range(2)]
    for one in both:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    told = sorted(one.communicate()[0].strip() for one in both)
    assert [one.returncode for one in both] == [0, 0]
    assert told == ["True", "classify True"]
    assert not list(tmp_path.rglob("*.lock"))


def test_what_cannot_be_compiled_is_claimed_no_more(place: Path) -> None:
    """Others need not wait for it until they lose patience."""

    def wrong(x: float) -> float:
        return x.no_such_attribute  # type: ignore[attr-defined,no-any-return]

    kernel: Any = cache.compiled(wrong)
    with pytest.raises(numba.TypingError):
        kernel(1.0)
    assert kernel._cache._claim is None
    assert place.is_dir()
    assert not list(place.rglob("*.lock"))
