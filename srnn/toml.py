"""Reading TOML that a stranger may have written."""

from __future__ import annotations

import codecs
import re
import tomllib
from pathlib import Path
from typing import Any

from srnn.errors import UserError, option, shorten
from srnn.untrusted import require_file

#: Bytes of a file that describes an experiment; those of a run have below 2,000, but for long texts.
_FILE_LIMIT = 64 * 1024
#: Keys of more than 16 parts, for which tomllib takes memory that grows with the square of their number.
_LONG_KEY = re.compile(
    r"""(?<![A-Za-z0-9_-])(?:(?:[A-Za-z0-9_-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){16}"""
)


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a file.

    Raises:
        UserError: It is missing, is not TOML, or is larger than any that describes an experiment.
    """
    try:
        require_file(path)
        with path.open("rb") as file:
            content = file.read(_FILE_LIMIT + 1)
        if len(content) > _FILE_LIMIT:
            raise ValueError(f"it has more than {_FILE_LIMIT:,} bytes, which no experiment needs")
        text = decoded(content, "TOML")
        if _LONG_KEY.search(text):
            raise ValueError("it has a key of more than 16 parts, which no experiment needs")
        return tomllib.loads(text)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; name a preset (srnn presets) or a TOML file") from None
    except (ValueError, RecursionError) as error:
        # Besides TOMLDecodeError: bytes that are not UTF-8, a number of thousands of digits, endless nesting.
        raise UserError(f"{path}: not a TOML file: {shorten(str(error), 200)}") from None


def value_of(text: str, is_text: bool = False) -> Any:
    """What stands for a value: TOML, or a bare word; where text is asked for, a number is one, too.

    Raises:
        UserError: It goes on after a line break: that would be another setting.
    """
    try:
        tables = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        tables = {"value": text}
    value = text if is_text and not isinstance(tables["value"], str) else tables["value"]
    # No text in quotes is what it is written as.
    if len(tables) > 1 or (value == text and ("\n" in text or "\r" in text)):
        raise UserError(
            f"{option('set', 'override')}: the value {shorten(repr(text))} has a line break outside of quotes; "
            "allowed: one setting each, and a text of several lines in quotes, with \\n"
        )
    return value


def decoded(content: bytes, kind: str) -> str:
    """The text of a file, with or without a byte order mark.

    Args:
        content: All of it.
        kind: What it is to be, for the message.

    Raises:
        ValueError: It is not UTF-8; the message says what it is, if that can be told, and what to do.
    """
    for mark, name in (
        (codecs.BOM_UTF32_LE, "UTF-32"),
        (codecs.BOM_UTF32_BE, "UTF-32"),
        (codecs.BOM_UTF16_LE, "UTF-16"),
        (codecs.BOM_UTF16_BE, "UTF-16"),
    ):
        if content.startswith(mark):
            raise ValueError(f"it is {name}, and {kind} is UTF-8: save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"its line {line} holds bytes that are not UTF-8: save it as UTF-8") from None
