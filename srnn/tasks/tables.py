"""Own data as a table, ``.csv``, ``.tsv`` or ``.parquet``: a column is the target, all others are X.

The target is the column that ``task.target`` names; without it the one called ``y``, ``target``, ``label`` or
``class``, else the last. The first line of a CSV file has the names; its columns are divided by commas, semicolons or
tabs.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from srnn.errors import UserError, nearest, shorten
from srnn.tasks.examples import LIMIT, Examples, explained
from srnn.untrusted import require_file, require_plausible

if TYPE_CHECKING:
    import pyarrow as pa

#: Names by which a target is known.
_TARGETS = ("y", "target", "label", "class")
#: Bytes of CSV that are read: as numbers they may take several times as many.
_MOST_CSV = 1024**3
#: Each column takes some kilobytes, whatever it holds; the bytes are those of the line with their names.
_MOST_COLUMNS, _MOST_HEADING = 50_000, 4 * 1024**2
#: What pandas calls the numbers of its rows.
_INDICES = ("", "Unnamed: 0", "__index_level_0__")


def read(path: Path, target: str | None) -> Examples:
    """The table in the file.

    Args:
        path: The file; its ending says what it is.
        target: The column to be learnt, if it is named.

    Returns:
        X float64 ``(n, columns)``, or what type all columns have; y as its column is, ``(n,)``.

    Raises:
        UserError: It is no such table, there is no such column, one is not of numbers, or numbers are missing.
    """
    kind = path.suffix.lower()
    with explained(path, f"it is not a {kind} file, or a damaged one; it"):
        size = require_file(path)
        table = _parquet(path, size, target) if kind == ".parquet" else _csv(path, size, target)
        return _examples(path, table, _target(path, table.column_names, target))


def _csv(path: Path, size: int, target: str | None) -> pa.Table:
    from pyarrow import csv

    if size > _MOST_CSV:
        raise UserError(f"{path}: takes {size:,} bytes; of CSV {_MOST_CSV:,} at most are read: save it as .parquet")
    with path.open("rb") as file:
        heading = file.readline(_MOST_HEADING)
        delimiter = max(",;\t", key=lambda one: heading.count(one.encode()))
        columns = heading.count(delimiter.encode()) + 1
        if columns > _MOST_COLUMNS or len(heading) == _MOST_HEADING:
            raise UserError(
                f"{path}: its first line has {columns:,} columns or more; {_MOST_COLUMNS:,} at most are read"
            )
        file.seek(0)
        try:
            options = csv.ReadOptions(use_threads=False, block_size=2 * _MOST_HEADING)
            table = csv.read_csv(file, options, csv.ParseOptions(delimiter=delimiter))
        except ValueError as error:
            ragged = re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+): (.*)", str(error), re.DOTALL)
            if ragged is None:
                raise
            line, first, found, row = ragged.groups()
            raise UserError(
                f"{path}: line {line} has {found} column{'' if found == '1' else 's'} and the first line {first}: "
                f"{shorten(repr(row))}; every line must have as many as the first"
            ) from None
    return table.rename_columns([name.strip() for name in table.column_names])


def _parquet(path: Path, size: int, target: str | None) -> pa.Table:
    from pyarrow import parquet as pq

    limits = {"thrift_string_size_limit": size, "thrift_container_size_limit": size}
    checked = {"page_checksum_verification": True, "arrow_extensions_enabled": False}
    with path.open("rb") as opened, pq.ParquetFile(opened, **limits, **checked) as file:
        names = file.schema_arrow.names
        if len(names) > _MOST_COLUMNS:
            raise UserError(f"{path}: it has {len(names):,} columns; {_MOST_COLUMNS:,} at most are read")
        taken = _target(path, names, target)
        # Before anything is unpacked: text may be long, and lists have no end.
        _require_numbers(path, (field for field in file.schema_arrow if field.name != taken))
        rows, cells = file.metadata.num_rows, file.metadata.num_rows * len(names)
        # The columns of a group are not asked for theirs: of some damage that would end the process.
        groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
        if sum(group.num_rows for group in groups) != rows or any(group.num_rows < 0 for group in groups):
            raise ValueError("its row groups do not add up")
        if 8 * cells > LIMIT:
            raise UserError(f"{path}: would take {8 * cells:,} bytes; more than {LIMIT:,} are not read")
        require_plausible(path, "the table", size, max(8 * cells, *(group.total_byte_size for group in groups), 0))
    with path.open("rb") as opened, pq.ParquetFile(opened, read_dictionary=[taken], **limits, **checked) as file:
        return file.read(use_threads=False, use_pandas_metadata=False)


def _target(path: Path, names: list[str], wanted: str | None) -> str:
    """The column that is learnt.

    Raises:
        UserError: It is not there, or it is not certain which it is.
    """
    if len({*names}) < len(names):
        twice = Counter(names).most_common(1)[0][0]
        hint = "; is the first line an example? put one with names above it" if _number(twice) else ""
        raise UserError(f"{path}: two columns are called {shorten(repr(twice))}; their names must differ{hint}")
    if len(names) < 2:
        raise UserError(
            f"{path}: it has one column only, {shorten(repr(names[0] if names else ''))}; expected one to be "
            "learnt and others to learn it from, divided by commas, semicolons or tabs"
        )
    if wanted is not None:
        if wanted not in names:
            known = shorten(", ".join(map(repr, names)), 200)
            raise UserError(
                f"{path}: no column {shorten(repr(wanted))}, as task.target has it; it has {known}"
                f"{nearest(wanted, names)}"
            )
        return wanted
    known_as = [name for name in names if name.lower() in _TARGETS]
    if len(known_as) > 1:
        raise UserError(
            f"{path}: {' and '.join(map(repr, known_as))} may each be the target: name it by task.target, and "
            "leave out the other if it says the same"
        )
    return known_as[0] if known_as else names[-1]


def _examples(path: Path, table: pa.Table, target: str) -> Examples:
    if not table.num_rows:
        raise UserError(f"{path}: it has names of columns and no rows")
    notes = [f"{path}: the target is the column {shorten(repr(target))}; another is named by task.target"]
    counting = table.column_names[0]
    if counting in _INDICES and counting != target and _counts(table.column(0)):
        table = table.drop_columns([counting])
        notes.append(f"{path}: its first column counts the rows and has no name: it is left out")
    columns = [name for name in table.column_names if name != target]
    if not columns:
        raise UserError(f"{path}: besides the target {shorten(repr(target))} there is no column to learn it from")
    missing = [name for name in table.column_names if table.column(name).null_count]
    if missing:
        number = sum(table.column(name).null_count for name in missing)
        raise UserError(
            f"{path}: {number:,} {'cell is' if number == 1 else 'cells are'} empty, in "
            f"{_listed(map(repr, missing))}; fill in all cells, or leave such rows or columns out"
        )
    _require_numbers(path, (table.schema.field(name) for name in columns), table)
    if table.num_rows * len(columns) * 8 > LIMIT:
        raise UserError(f"{path}: more than {LIMIT:,} bytes of numbers are not read")
    odd = [name for name in table.column_names if _number(name)]
    if 2 * len(odd) > len(table.column_names) and path.suffix.lower() != ".parquet":
        notes.append(
            f"{path}: its first line is taken for names, though it has numbers ({_listed(odd)}): if it is an example, "
            "put a line with names above it"
        )
    yes_or_no = [name for name in columns if str(table.schema.field(name).type) == "bool"]
    if yes_or_no:
        notes.append(f"{path}: {_listed(map(repr, yes_or_no))}: true is taken for 1, false for 0")
    return Examples(
        _filled(table, columns), _labels(path, table.column(target), target), target=target, notes=tuple(notes)
    )


def _filled(table: pa.Table, columns: list[str]) -> NDArray[Any]:
    """The columns side by side: as what they are if all are of one type, else as float64."""
    types = {str(table.schema.field(name).type) for name in columns}
    common = types.pop() if len(types) == 1 else "double"
    dtype = {"float": "float32", "halffloat": "float16", "double": "float64"}.get(common, common)
    X = np.empty((table.num_rows, len(columns)), dtype if dtype.startswith(("int", "uint", "float")) else np.float64)
    for place, name in enumerate(columns):
        column = table.column(name)
        if str(column.type).startswith("decimal"):
            column = column.cast("double")
        X[:, place] = column.to_numpy()
    return X


def _labels(path: Path, column: pa.ChunkedArray, target: str) -> NDArray[Any]:
    import pyarrow as pa

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        coded = column.cast(kind).combine_chunks().dictionary_encode()
        names = [name.strip() for name in coded.dictionary.to_pylist()]
        longest = max(map(len, names), default=0)
        if longest > 1_000 or longest * len(column) > LIMIT // 4:
            raise UserError(
                f"{path}: the target {shorten(repr(target))} holds text of {longest:,} characters, no labels"
            )
        return np.array(names)[coded.indices.to_numpy()] if names else np.empty(0, "U1")
    if pa.types.is_decimal(kind):
        column, kind = column.cast(pa.float64()), pa.float64()
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        raise UserError(
            f"{path}: the target {shorten(repr(target))} holds {_kind(kind)}; allowed: text, integers and truth values "
            "for classes, floats for regression"
        )
    values: NDArray[Any] = column.cast(kind).to_numpy()
    return values


def _require_numbers(path: Path, fields: Iterable[pa.Field], table: pa.Table | None = None) -> None:
    import pyarrow as pa

    odd = []
    for field in fields:
        kind = field.type
        if pa.types.is_null(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind):
            continue
        if pa.types.is_boolean(kind) or pa.types.is_decimal(kind):
            continue
        example = "" if table is None or not len(table) else f", such as {str(table.column(field.name)[0])[:30]!r}"
        odd.append(f"{field.name!r} ({_kind(kind)}{example})")
    if odd:
        one = len(odd) == 1
        raise UserError(
            f"{path}: {'a column is' if one else f'{len(odd):,} columns are'} not of numbers: {_listed(odd)}; turn "
            f"{'it' if one else 'them'} into numbers, as pandas.get_dummies does, leave {'it' if one else 'them'} out, "
            "or name the target by task.target"
        )


def _kind(kind: pa.DataType) -> str:
    text = str(kind)
    if text in ("binary", "large_binary"):
        return "bytes that are not UTF-8"
    return "text" if "string" in text else shorten(text)


def _counts(column: pa.ChunkedArray) -> bool:
    """Whether a column is 0, 1, 2 … or 1, 2, 3 …"""
    if not str(column.type).startswith(("int", "uint")) or column.null_count or not len(column):
        return False
    values = column.to_numpy()
    return bool(values[0] in (0, 1) and (np.diff(values) == 1).all())


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - 5:,} more" if len(every) > 5 else ""
    return shorten(", ".join(every[:5]), 200) + more


def _number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
