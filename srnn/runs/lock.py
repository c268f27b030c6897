"""One writer per folder: a lock that dies with its process.

The file ``.lock`` in the folder names the process that writes there. It is the system's lock on that file that keeps
others out; the file that a killed process leaves behind locks nothing. Where the file system knows no locks, as some
network mounts do not, or where too few files may be open, the file itself is the lock: it is made by one alone, holds
as long as the process that it names runs, and for other machines, which cannot look, as long as it is touched every
few seconds.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from srnn.errors import UserError, one_line, option
from srnn.files import NOT_KNOWN
from srnn.untrusted import require_file

NAME = ".lock"

#: Seconds: long enough for a reader that looks whether somebody writes, and short enough to be told at once.
_PATIENCE = 0.3
#: Seconds between two touches of a file that is a lock, and after which it counts as left behind.
_TOUCH, _LEFT_BEHIND = 15.0, 120.0
#: Seconds after which one that names nobody counts as left behind: it is written at once.
_UNNAMED = 2.0
#: Bytes of a lock file that are read.
_LARGEST = 4096
#: What a system answers that knows no locks.
_NO_LOCKS = NOT_KNOWN | {errno.ENOLCK}
#: Open files that are left to everything else: beyond, a lock is a file that need not be open.
_SPARE_FILES = 48
#: In place of the number of an open file.
_NO_FILE = -1


class BeingWrittenError(UserError):
    """A folder to which another process writes."""


@dataclass(frozen=True)
class _Holder:
    """Who writes, as the lock file names it: ``start`` tells a process from a later one of the same number."""

    process: int
    host: str
    machine: str
    start: str
    #: Whether the file alone is the lock.
    file: bool

    @property
    def name(self) -> str:
        return f"process {self.process} on {one_line(self.host)}"


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Be the only one who writes to an existing folder, inside this context.

    Raises:
        BeingWrittenError: Another process is; the message names it.
        OSError: No file can be made there.
    """
    path = folder / NAME
    end = time.monotonic() + _PATIENCE
    while (held := _taken(path)) is None:
        if time.monotonic() > end:
            who = writer(folder) or "another process"
            elsewhere = f"wait for its end, or choose another {option('out')}"
            raise BeingWrittenError(f"{folder} is being written by {who}: {elsewhere}")
        time.sleep(0.02)
    try:
        yield
    finally:
        # While it is still held: then it is nobody else's.
        if held != _NO_FILE or _is_me(_read(path)):
            with suppress(OSError):
                path.unlink()
        _touching.discard(path)
        if held != _NO_FILE:
            with suppress(OSError):
                os.close(held)


@contextmanager
def open_files(count: int) -> Iterator[None]:
    """Have room for as many open files more, inside this context, as far as the system allows that.

    Some systems allow a process 256 files, unless it asks for more.
    """
    try:
        import resource

        before = soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    except ImportError:
        yield
        return
    wanted = count + 2 * _SPARE_FILES + 256
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard == -1 else min(wanted, hard), hard))
    try:
        yield
    finally:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, before)


def writer(folder: Path) -> str:
    """Who writes to the folder now, ``process 123 on host``; empty if nobody does. It is only looked at."""
    path = folder / NAME
    try:
        require_file(path)
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:
        return "another process"
    except OSError:
        return ""
    try:
        locked, holder = _lock(descriptor, shared=True), _holder(descriptor)
    finally:
        os.close(descriptor)
    held = not locked if locked is not None and not (holder and holder.file) else _runs(holder, path)
    return (holder.name if holder else "another process") if held else ""


def _taken(path: Path) -> int | None:
    try:
        return _take(path)
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def _take(path: Path) -> int | None:
    """Take the lock: its open file, or :data:`_NO_FILE` where that need not be open; None while another has it."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        made = True
    except FileExistsError:
        try:
            descriptor = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
        except FileNotFoundError:
            return None  # it is gone by now
        made = False
    kept = False
    try:
        locked = _lock(descriptor)
        if locked is None and not made:
            _put_away(path)
            return None
        if locked is False or (locked and not _is_that(path, descriptor)):
            return None
        other = _holder(descriptor)
        if other is not None and other.file and _runs(other, path):
            return None
        file = locked is None or descriptor > _most_files()
        with suppress(OSError):  # an unlocked one that names nobody holds for a moment only
            os.ftruncate(descriptor, 0)
            os.lseek(descriptor, 0, os.SEEK_SET)
            os.write(descriptor, _myself(file))
        if file:
            _touching.add(path)
            return _NO_FILE
        kept = True
        return descriptor
    finally:
        if not kept:
            os.close(descriptor)


def _put_away(path: Path) -> None:
    """Remove a file that alone is the lock, if whoever made it is gone."""
    found = _read(path)
    if _runs(found, path):
        return
    aside = path.with_name(f"{NAME}.{secrets.token_hex(4)}.tmp")
    with suppress(OSError):
        path.rename(aside)
        if _read(aside) == found:
            aside.unlink()
        else:
            aside.rename(path)  # another was faster, and it is its


def _lock(descriptor: int, shared: bool = False) -> bool | None:
    """Whether the system's lock on an open file is had; None where there are no such locks."""
    try:
        import fcntl
    except ImportError:
        return None
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return None
        raise
    return True


def _most_files() -> int:
    """The highest number of an open file that is taken for a lock."""
    try:
        import resource
    except ImportError:
        return sys.maxsize
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if limit == resource.RLIM_INFINITY else limit - _SPARE_FILES


def _is_that(path: Path, descriptor: int) -> bool:
    """Whether the path still is that of an open file."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except OSError:
        return False


def _myself(file: bool) -> bytes:
    return (json.dumps(asdict(_me(file))) + "\n").encode()


def _me(file: bool) -> _Holder:
    process = os.getpid()
    return _Holder(process, socket.gethostname(), _machine(), _start_of(process), file)


def _is_me(holder: _Holder | None) -> bool:
    return holder is not None and holder == _me(holder.file)


def _holder(descriptor: int) -> _Holder | None:
    """Whom a lock file names, if it names anybody."""
    try:
        os.lseek(descriptor, 0, os.SEEK_SET)
        values = json.loads(os.read(descriptor, _LARGEST).decode())
        host, machine, start = (str(values[name]) for name in ("host", "machine", "start"))
        return _Holder(int(values["process"]), host, machine, start, values["file"] is True)
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def _read(path: Path) -> _Holder | None:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        return _holder(descriptor)
    finally:
        os.close(descriptor)


def _runs(holder: _Holder | None, path: Path) -> bool:
    """Whether the process still runs that a lock file names; on another machine, whether it touched it of late."""
    if holder is None or holder.machine != _machine():
        return _age(path) < (_UNNAMED if holder is None else _LEFT_BEHIND)
    if start := _start_of(holder.process):
        return start == holder.start
    try:
        os.kill(holder.process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True  # it is another user's
    return not holder.start


def _age(path: Path) -> float:
    """Seconds since a file was touched, by the clock of where it is if that can be asked."""
    try:
        touched = path.stat().st_mtime
    except OSError:
        return float("inf")
    probe = path.with_name(f"{NAME}.{secrets.token_hex(4)}.tmp")
    try:
        os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        now = probe.stat().st_mtime
    except OSError:
        now = time.time()
    finally:
        with suppress(OSError):
            probe.unlink()
    return now - touched


@cache
def _machine() -> str:
    """What tells this machine, since it was started, from any other: only here can a process be looked for."""
    try:
        # In a container, processes have numbers of their own.
        boot, space = Path("/proc/sys/kernel/random/boot_id").read_text().strip(), Path("/proc/self/ns/pid").readlink()
        return f"{boot} {space}"
    except OSError:
        # Windows cannot be asked for a process without harm: there it is the touch that counts.
        return secrets.token_hex(8) if sys.platform == "win32" else socket.gethostname()


def _start_of(process: int) -> str:
    """When a process began; empty if there is none, or if the system does not tell."""
    try:
        # The name of the program, in brackets, may hold anything.
        words = Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return "" if words[0] in "ZX" else words[19]  # dead, and nobody has asked yet how it ended
    except (OSError, IndexError):
        return ""


class _Touching:
    """Touches files every few seconds, from a thread of its own."""

    def __init__(self) -> None:
        self._paths: set[Path] = set()
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()

    def add(self, path: Path) -> None:
        with self._changed:
            self._paths.add(path)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._touch, daemon=True)
                self._thread.start()

    def discard(self, path: Path) -> None:
        with self._changed:
            self._paths.discard(path)
            self._changed.notify_all()

    def _touch(self) -> None:
        with self._changed:
            while self._paths:
                self._changed.wait(_TOUCH)
                for path in self._paths:
                    with suppress(OSError):
                        os.utime(path)


_touching = _Touching()
