"""What the command line prints: nothing that cannot be printed ends what it is doing."""

from __future__ import annotations

import codecs
import io
import os
import sys
from contextlib import suppress
from errno import EPIPE
from pathlib import Path

from srnn.terminal import NARROWEST, Lasting, console, harmless

__all__ = ["Lasting", "clean_environment", "console", "make_lasting", "print_path", "unread"]


def make_lasting() -> tuple[Lasting, Lasting]:
    """Make stdout and stderr of this process lasting streams, which print whatever their encoding lacks as well."""
    # Otherwise the next file to be opened would take its place, and what is printed would go there.
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            with suppress(OSError):
                os.open(os.devnull, os.O_RDWR)
    with suppress(ValueError):
        codecs.register_error("srnn", _printable)
    streams = []
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            # What a terminal's encoding lacks, such as ± or α, is no reason to end.
            stream.reconfigure(errors="replace" if stream.isatty() else "srnn")
        if not isinstance(stream, Lasting):
            stream = Lasting(stream)
            setattr(sys, name, stream)
        streams.append(stream)
    return streams[0], streams[1]


def _printable(error: UnicodeError) -> tuple[str | bytes, int]:
    """The bytes of a path that are no text as they are; a question mark for all else that an encoding lacks."""
    assert isinstance(error, UnicodeEncodeError)
    characters = error.object[error.start : error.end]
    return b"".join(
        bytes([ord(one) - 0xDC00]) if "\udc80" <= one <= "\udcff" else b"?" for one in characters
    ), error.end


def clean_environment() -> None:
    """Leave out of the environment what is no number where libraries take it for one."""
    for name, least in (
        ("COLUMNS", NARROWEST),
        ("LINES", 2),
        ("TERMINAL_WIDTH", NARROWEST),
        *((f"{library}_NUM_THREADS", 1) for library in ("OMP", "MKL", "OPENBLAS", "NUMBA", "NUMEXPR")),
    ):
        value = os.environ.get(name)
        # OpenMP takes a list of numbers, one for each level of nesting.
        if value is not None and not all(_number(part) >= least for part in value.split(",")):
            del os.environ[name]


def _number(text: str) -> int:
    try:
        return int(text) if len(text) < 10 else -1
    except ValueError:
        return -1


def print_path(path: Path) -> None:
    """Print a path alone, for who goes on with it: as it is, but on a terminal so that it cannot command that."""
    print(harmless(str(path)) if sys.stdout.isatty() else path)


def unread(stream: Lasting) -> bool:
    """Whether its reader has gone, as with ``srnn show … | head``: that is no fault."""
    return stream.error is not None and stream.error.errno == EPIPE
