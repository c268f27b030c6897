"""Jobs of tests that other processes have to find, without torch."""

from __future__ import annotations

import gc
import os
import signal
import time
from pathlib import Path

from srnn.errors import option
from srnn.sweeps.engine import Contact


def write(path: Path, contact: Contact) -> None:
    """Leave a line behind: the number of threads that libraries are told of."""
    with path.open("a") as file:
        file.write(os.environ["OMP_NUM_THREADS"] + "\n")
    contact.tell("written")


def tell_of_garbage(path: Path, contact: Contact) -> None:
    """Leave behind after how many objects garbage is looked for, and whether what is imported is left out of it."""
    path.write_text(f"{gc.get_threshold()[0]} {gc.get_freeze_count() > 100_000}")


def say_who(path: Path, contact: Contact) -> None:
    """Leave a line behind: the process that this is."""
    with path.open("a") as file:
        file.write(f"{os.getpid()}\n")


def name_an_option(path: Path, contact: Contact) -> None:
    """Leave behind what a message calls an option."""
    path.write_text(option("data-dir"))


def be_killed(contact: Contact) -> None:
    """Die by SIGKILL, each time."""
    os.kill(os.getpid(), signal.SIGKILL)


def be_killed_once(path: Path, contact: Contact) -> None:
    """Die by SIGKILL, and do it the second time."""
    if not (mark := path.with_suffix(".killed")).exists():
        mark.touch()
        be_killed(contact)
    write(path, contact)


def be_killed_at_the_stop(path: Path, contact: Contact) -> None:
    """Go on until somebody asks to stop, and die by SIGKILL then; each time, a line more is written."""
    with path.open("a") as file:
        file.write("begun\n")
    while not contact.stop():
        time.sleep(0.02)
    be_killed(contact)


def wait_for_stop(path: Path, contact: Contact) -> None:
    """Go on until somebody asks to stop."""
    path.touch()
    while not contact.stop():
        time.sleep(0.02)
    path.write_text("stopped")


def wait_for(path: Path, others: list[Path], contact: Contact) -> None:
    """Go on until others are there."""
    while not all(other.exists() for other in others):
        time.sleep(0.02)
    write(path, contact)


def fail(message: str, contact: Contact) -> None:
    raise ValueError(message)
