"""Machine code on disk, so that a kernel is compiled once and not in every process.

Numba's own cache looks at the file of the compiled function, and at no other, to see whether the code has changed, and
a damaged file in it ends the process. Here a **folder** is named by a digest of all that machine code is made from
(every source of ``srnn.kernels``, Numba, LLVM, Python, the processor's name and features), so machines that share a
home folder neither mix nor compile endlessly. Each file begins with a checksum of the rest.

Processes that begin side by side wait for the one that compiles what they need, each kernel by itself.

Nothing that goes wrong here matters: then the kernel is compiled anew.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import os
import pickle
import re
import shutil
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar, cast

import filelock
import llvmlite  # type: ignore[import-untyped]
import numba
import platformdirs
from numba.core import config, event
from numba.core.caching import NullCache
from numba.core.compiler import CompileResult
from numba.core.registry import cpu_target
from numba.core.serialize import dumps

from srnn.errors import shorten
from srnn.kernels.choice import say

#: Days after which a folder that no process has used is removed.
_FORGOTTEN = 30
_DAY = 24 * 60 * 60
#: Bytes that are written to see whether machine code can be: some file systems have room for a name alone.
_PROBE = 65536
#: Bytes at the beginning of a file: the SHA-256 of all others.
_CHECKSUM_SIZE = 32
#: Seconds that a process waits for another to compile a kernel: most take one or two, on a busy machine many more. One
#: that is killed holds nothing.
_PATIENCE = 300.0

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """Have Numba compile a function of ``srnn.kernels`` on first use, or take its machine code from the disk."""
    dispatcher: Any = numba.njit(nogil=True)(function)
    dispatcher._cache = _Cache(function)
    return cast(_Function, dispatcher)


def processor() -> tuple[str, str]:
    """Name and features of the processor that is compiled for, in LLVM's words: the user's choice or the machine's."""
    _, name, features = cpu_target.target_context.codegen().magic_tuple()
    return name, features


@functools.cache
def folder() -> Path:
    """Where this process keeps machine code: a part of the user's ``NUMBA_CACHE_DIR`` or of the user's cache.

    Raises:
        OSError: There is no such place.
    """
    chosen: str = config.CACHE_DIR  # type: ignore[attr-defined]
    parent = Path(chosen or platformdirs.user_cache_dir(), "srnn", "kernels")
    if not chosen and not parent.is_absolute():
        raise OSError(errno.ENOENT, "there is no home folder", str(parent))
    made_of = [numba.__version__, llvmlite.__version__, sys.version, *cpu_target.target_context.codegen().magic_tuple()]
    digest = hashlib.sha256("\0".join(made_of).encode())
    sources = [file for file in resources.files("srnn.kernels").iterdir() if file.name.endswith(".py")]
    if not sources:
        raise OSError(errno.ENOENT, "no sources to know them by", "srnn.kernels")
    for file in sorted(sources, key=lambda file: file.name):
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    name = re.sub(r"[^A-Za-z0-9._-]", "-", processor()[0])
    return parent.absolute() / f"{digest.hexdigest()[:16]}-{name}"


class _Cache(NullCache):
    """What Numba asks before it compiles a function for some types, and tells afterwards."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._name = f"{function.__module__.rpartition('.')[2]}.{function.__qualname__}"
        self._claim: filelock.BaseFileLock | None = None

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The machine code for arguments of these types; ``None`` if there is none, or none that is whole."""
        if (found := self._load(sig, target_context)) is None and self._claimed(sig):
            # Another process may have compiled it in the meantime.
            found = self._load(sig, target_context)
            if found is not None:
                self.give_up_claim()
        return found

    def _claimed(self, sig: Any) -> bool:
        """Be the one that compiles it, after a wait for another that does; False if that cannot be known."""
        with suppress(Exception):
            path = self._path(sig)
            _make(path.parent)
            self._claim = filelock.FileLock(f"{path}.lock", timeout=_PATIENCE)
            self._claim.acquire()
            return True
        self._claim = None
        return False

    def give_up_claim(self) -> None:
        """Let others load what is compiled now, or compile it."""
        if self._claim is not None:
            with suppress(Exception):
                Path(self._claim.lock_file).unlink(missing_ok=True)
                self._claim.release()
            self._claim = None

    def _load(self, sig: Any, target_context: Any) -> Any:
        try:
            target_context.refresh()
            with self._path(sig).open("rb") as file:
                # A checksum vouches for the bytes, not for who wrote them: another user's are not unpickled.
                if hasattr(os, "getuid") and os.fstat(file.fileno()).st_uid != os.getuid():
                    return None
                stored = file.read()
            checksum, content = stored[:_CHECKSUM_SIZE], stored[_CHECKSUM_SIZE:]
            if hashlib.sha256(content).digest() != checksum:
                return None
            found = CompileResult._rebuild(target_context, *pickle.loads(content))
            _used(folder())
        except Exception:
            return None
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep the machine code, if it can be kept; if not, say so once, unless the announcement has."""
        try:
            if data.library.has_dynamic_globals:  # addresses of this process
                return
            content = dumps(data._reduce())
            _write(self._path(sig), hashlib.sha256(content).digest() + content)
        except Exception as error:
            if _announcement.cached:
                say(f"the compiled kernels cannot be kept, each process compiles anew: {_reason(error)}")
            _announcement.cached = False
        finally:
            self.give_up_claim()

    def _path(self, sig: Any) -> Path:
        return folder() / f"{self._name}-{hashlib.sha256(str(sig).encode()).hexdigest()[:16]}.nbc"


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; it need not survive a power cut."""
    _make(path.parent)
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def _make(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        _remove_forgotten(folder)


@functools.cache
def _used(path: Path) -> None:
    """Have it seen, once a day, that a folder is in use."""
    with suppress(OSError):
        if path.stat().st_mtime < time.time() - _DAY:
            os.utime(path)


def _remove_forgotten(own: Path) -> None:
    """Remove the folders, of other sources and processors, that no process has used for long."""
    for path in own.parent.iterdir():
        with suppress(OSError):
            ours = re.match(r"[0-9a-f]{16}-", path.name) and path != own and not path.is_symlink()
            if ours and path.stat().st_mtime < time.time() - _FORGOTTEN * _DAY:
                shutil.rmtree(path, ignore_errors=True)


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
    where = getattr(error, "filename", None)
    return shorten(f"{where}: {text}" if where else text, 200)


class _Announcement(event.Listener):
    """One line on stderr when kernels are compiled, not when they come from the disk.

    Attributes:
        cached: Whether what has been said lets one believe that machine code is kept.
    """

    announced, cached = False, True

    def on_start(self, event: Any) -> None:
        if self.announced or not event.data["dispatcher"].py_func.__module__.startswith("srnn.kernels."):
            return
        self.announced = True
        try:
            probe = folder() / f"{uuid.uuid4().hex}.tmp"
            _write(probe, bytes(_PROBE))
            probe.unlink()
        except Exception as error:
            self.cached = False
            say(f"compiling the kernels (in each process, for they cannot be kept: {_reason(error)})…")
        else:
            say("compiling the kernels (once; cached)…")

    def on_end(self, event: Any) -> None:
        # Numba's ``is_failed`` says the opposite of its name: it is true of what went well, which is yet to be saved.
        if event._exc_details is not None and isinstance(cache := event.data["dispatcher"]._cache, _Cache):
            cache.give_up_claim()


_announcement = _Announcement()
event.register("numba:compile", _announcement)
