"""The exception for what a user can mend, and how what a user gave is quoted in it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class UserError(Exception):
    """Bad input: the message is one line that names the value, what is allowed and what to do.

    The command line prints it to stderr and exits with code 2; from Python it is raised as it is. Whatever a message
    quotes, be it the name of a file, is made printable: it cannot command a terminal.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class StoppedError(Exception):
    """Work that was asked to stop and can be gone on with; the command line says how, in one line.

    Attributes:
        code: The exit code of the command line: 128 and the number of the signal.
    """

    def __init__(self, message: str, code: int = 130) -> None:
        super().__init__(message)
        self.code = code


class NotApplicableError(UserError):
    """A question that makes no sense for what it is asked of, such as a heat map of inputs that are no image."""


_ON_COMMAND_LINE = ContextVar("on_command_line", default=False)


@contextmanager
def command_line() -> Iterator[None]:
    """Messages made inside this context speak of options of the command line, not of arguments of Python."""
    before = _ON_COMMAND_LINE.set(True)
    try:
        yield
    finally:
        _ON_COMMAND_LINE.reset(before)


def on_command_line() -> bool:
    """Whether messages speak of options of the command line here: other processes are to be told."""
    return _ON_COMMAND_LINE.get()


def option(name: str, python: str = "") -> str:
    """What a message calls an option, by whoever reads it: ``--data-dir``, or ``data_dir`` in Python.

    Args:
        name: As on the command line, without dashes.
        python: What Python says instead, if that is not the same name: ``resume=True``.
    """
    return f"--{name}" if on_command_line() else python or name.replace("-", "_")


def nearest(name: str, known: Iterable[str]) -> str:
    """``"; did you mean X?"`` for the known name closest to ``name``, or nothing if none is close."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else ""


def one_line(text: str) -> str:
    """Without line breaks and without what would command a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in " ".join(text.split()))


def shorten(text: str, length: int = 60) -> str:
    """What the user gave, as it can stand in an error of one line."""
    # Cut first: a text of megabytes need not be looked through.
    text = one_line(text[: 2 * length])
    return text if len(text) <= length else text[: length - 1] + "…"
