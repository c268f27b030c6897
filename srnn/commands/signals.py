"""Ctrl-C, SIGTERM and their like as a wish: training finishes its step and saves its state."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import EIO
from types import FrameType, TracebackType
from typing import Any, Self

from srnn.errors import StoppedError

#: What asks a program to end: besides Ctrl-C and SIGTERM a terminal that is closed, and clusters some time before they
#: end a job.
ENDING = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU")
    if hasattr(signal, name)
)


class Signals:
    """What has been received, a context manager; :meth:`listen` begins, and a second signal ends all at once.

    Attributes:
        last: The last signal received, Ctrl-C's if there was none.
    """

    def __init__(self) -> None:
        self.last: int = signal.SIGINT
        self._received = False
        self._at_once = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def listen(self, at_once: bool = False) -> None:
        """From now on signals are noted; until now they did what they always do.

        Args:
            at_once: The first ends all at once already.
        """
        self._at_once = at_once
        if self._before or threading.current_thread() is not threading.main_thread():
            return
        for number in ENDING:
            # What is ignored, as in a shell's background or by nohup, stays so.
            if (before := signal.getsignal(number)) != signal.SIG_IGN:
                self._before[number] = before
                signal.signal(number, self._note)

    def received(self) -> bool:
        """Whether to stop."""
        return self._received

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.last = number
        if self._received or self._at_once:
            raise KeyboardInterrupt
        self._received = True


@contextmanager
def going_on(how: Callable[[], str]) -> Iterator[Signals]:
    """Signals that are listened to; whatever stops what is done meanwhile is told with how to go on."""
    signals = Signals()
    try:
        with signals:
            yield signals
    except (StoppedError, KeyboardInterrupt):
        raise StoppedError(f"interrupted; {how()}", 128 + signals.last) from None
    except OSError as error:
        why = f"{error.strerror or str(error) or type(error).__name__}; once that is mended, {how()}"
        # Whose it is, if anybody's: not every error is one of a file.
        raise OSError(error.errno or EIO, why, *([str(error.filename)] if error.filename else [])) from None
