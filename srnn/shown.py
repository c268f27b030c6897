"""What an object shows of itself: a line as its repr, a block of lines as text, a table in a notebook.

It never fails, whatever the object is made of: a folder may be damaged, and names may be a stranger's.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import floor, isfinite, isnan, log10

from srnn.errors import shorten

#: A fact: its name and what it is; with more cells, a row of a table.
Rows = Sequence[Sequence[str]]

#: Characters of a cell, and of what stands in one line: a stranger's may be of any length.
_CELL, _LINE = 200, 300


class Shown:
    """Of a class that says in :meth:`_shown` what it is and what is known of it."""

    __slots__ = ()

    def _shown(self) -> tuple[str, Rows]:
        """A title, and rows of as many cells each."""
        raise NotImplementedError

    def _line(self) -> str:
        """All of it in a line."""
        title, rows = self._shown()
        facts = ", ".join(" ".join(row) for row in rows)
        return f"{type(self).__name__}({title}: {facts})" if facts else f"{type(self).__name__}({title})"

    def __repr__(self) -> str:
        try:
            return shorten(self._line(), _LINE)
        except Exception as error:  # whatever it is made of: a debugger shows what is broken, too
            return f"{type(self).__name__}(cannot be shown: {shorten(str(error))})"

    def __str__(self) -> str:
        title, rows = self._printable()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
        return "\n".join([title, *(f"  {line}".rstrip() for line in lines)])

    def _repr_html_(self) -> str:
        title, rows = self._printable()
        cells = [
            "<tr>"
            f'<th style="text-align: left">{escape(row[0])}</th>'
            + "".join(f'<td style="text-align: left">{escape(cell)}</td>' for cell in row[1:])
            + "</tr>"
            for row in rows
        ]
        return f"<div><strong>{escape(title)}</strong><table>{''.join(cells)}</table></div>"

    def _printable(self) -> tuple[str, Rows]:
        name = type(self).__name__
        try:
            title, rows = self._shown()
            rows = [[shorten(cell, _CELL) for cell in row] for row in rows]
            return f"{name} {shorten(title, _CELL)}".rstrip(), rows
        except Exception as error:  # as above
            return name, [["cannot be shown", shorten(str(error), _CELL)]]


def figure(value: float) -> str:
    """A number in a few digits; a count as it is."""
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e15 else f"{value:.4g}"


def with_interval(mean: float, low: float, high: float, *, counts: bool = False) -> str:
    """A mean with its interval, with as many digits as the interval leaves to the mean; – for none.

    ``mean ± half`` where both halves of the interval are the same, as it is printed, and else ``mean (low … high)``.

    Args:
        mean: The mean.
        low: The lower end of its interval; NaN of a single value.
        high: The upper end.
        counts: Whether it is of whole numbers, such as particles.
    """
    half = max(mean - low, high - mean)
    if counts:
        shown = f"{mean:,.0f}"
        arms = {f"{arm:,.0f}" for arm in (mean - low, high - mean)}
        if isnan(half) or arms == {"0"}:
            return shown
        return f"{shown} ± {arms.pop()}" if len(arms) == 1 else f"{shown} ({low:,.0f} … {high:,.0f})"
    if isnan(half) or half == 0 or not isfinite(mean) or not isfinite(half):
        return "–" if isnan(mean) else f"{mean:,.0f}" if 1e3 <= abs(mean) < 1e9 else f"{mean:.4g}"
    # Two digits of the interval, and those of the mean that stand above them.
    decimals = 1 - floor(log10(half))
    if abs(mean) < 1e-3 or decimals > 7:
        digits = max(1, min(4, floor(log10(abs(mean) or half)) - floor(log10(half)) + 2))
        form, width = f".{digits}g", ".2g"
    else:
        form = width = f",.{max(decimals, 0)}f"
    arms = {f"{arm:{width}}" for arm in (mean - low, high - mean)}
    return f"{mean:{form}} ± {arms.pop()}" if len(arms) == 1 else f"{mean:{form}} ({low:{width}} … {high:{width}})"
