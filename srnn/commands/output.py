"""What the command line prints: nothing that cannot be printed ends what it is doing."""

from __future__ import annotations

import codecs
import io
import os
import sys
from contextlib import suppress
from errno import EAGAIN, EPIPE
from typing import TYPE_CHECKING, Any, TextIO, cast

if TYPE_CHECKING:
    from rich.console import Console

#: A terminal narrower than this, or one that says so, is none.
_NARROWEST = 20


class Lasting(io.TextIOBase):
    """A stream that goes on when nobody reads any more, when its disk is full or when its terminal is gone.

    Attributes:
        error: The first error that it met: from then on, what is written is lost.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self.error: OSError | None = None

    def write(self, text: str) -> int:
        self._try(lambda stream: stream.write(text))
        return len(text)

    def flush(self) -> None:
        self._try(lambda stream: stream.flush())

    def isatty(self) -> bool:
        with suppress(OSError, ValueError):
            return self._stream is not None and self.error is None and self._stream.isatty()
        return False

    def fileno(self) -> int:
        if self._stream is None:
            raise io.UnsupportedOperation("there is no such stream")
        return self._stream.fileno()

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return getattr(self._stream, "encoding", None) or "utf-8"

    @property
    def buffer(self) -> Any:
        return getattr(self._stream, "buffer", None)

    def _try(self, act: Any) -> None:
        if self._stream is None or self.error is not None:
            return
        try:
            try:
                act(self._stream)
            except BlockingIOError as error:
                # Another program has made it so; all of ours wait until they are read.
                if error.errno != EAGAIN:
                    raise
                os.set_blocking(self.fileno(), True)
                act(self._stream)
        except OSError as error:
            self.error = error
            self._give_up()
        except ValueError as error:  # it is closed
            self.error = OSError(str(error))

    def _give_up(self) -> None:
        """Let what still waits to be written go nowhere: Python would try it again at its end."""
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)


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
        ("COLUMNS", _NARROWEST),
        ("LINES", 2),
        ("TERMINAL_WIDTH", _NARROWEST),
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


def console(error: bool = False) -> Console:
    """Where tables and progress are printed: stdout, or stderr."""
    from rich.console import Console

    found = Console(stderr=error, highlight=False)
    return found if found.width >= _NARROWEST else Console(stderr=error, highlight=False, width=80)


def tell(message: str) -> None:
    """Print a line to stderr, as of :func:`srnn.run`.

    Raises:
        OSError: It could not be printed.
    """
    print(f"srnn: {message}", file=sys.stderr, flush=True)
    stream = sys.stderr
    while not isinstance(stream, Lasting):
        # Rich puts its own in front while it shows progress.
        stream = cast(Any, getattr(stream, "rich_proxied_file", None))
        if stream is None:
            return
    if stream.error is not None:
        raise stream.error


def unread(stream: Lasting) -> bool:
    """Whether its reader has gone, as with ``srnn show … | head``: that is no fault."""
    return stream.error is not None and stream.error.errno == EPIPE
