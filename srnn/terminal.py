"""Where anything is printed: nothing that cannot be printed ends what it is about."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO, cast

if TYPE_CHECKING:
    from rich.console import Console

#: A terminal narrower than this, or one that says so, is none.
NARROWEST = 20


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
        # Another program may have made it so; all of ours wait until they are read. To try again when something did not
        # fit would be too late: what a stream had in hand is lost then.
        with suppress(OSError, ValueError):
            os.set_blocking(self.fileno(), True)
        try:
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


def console(error: bool = False) -> Console:
    """Where tables and progress are printed: stdout, or stderr; names in them cannot command the terminal."""
    from rich.console import Console
    from rich.text import Text

    class Guarded(Console):
        def render_str(self, text: str, **how: Any) -> Text:
            return super().render_str(harmless(text), **how)

    found = Guarded(stderr=error, highlight=False)
    return found if found.width >= NARROWEST else Guarded(stderr=error, highlight=False, width=80)


def harmless(text: str) -> str:
    """Without what would command a terminal, such as the name of a stranger's folder may hold.

    Line breaks stay, and so do the bytes of a path that are no text: those the stream knows.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" or "\udc80" <= c <= "\udcff" else ascii(c)[1:-1] for c in text)


def tell(message: str) -> None:
    """Print a line to stderr, as of :func:`srnn.run`.

    Raises:
        OSError: It could not be printed.
    """
    try:
        print(f"srnn: {message}", file=sys.stderr, flush=True)
    except ValueError as error:  # it is closed
        raise OSError(str(error)) from None
    stream = sys.stderr
    while not isinstance(stream, Lasting):
        # Rich puts its own in front while it shows progress.
        stream = cast(Any, getattr(stream, "rich_proxied_file", None))
        if stream is None:
            return
    if stream.error is not None:
        raise stream.error
