"""Own data as a table, ``.csv``, ``.tsv`` or ``.parquet``: a column is the target, all others are X.

The target is the column that ``task.target`` names; without it the one called ``y``, ``target``, ``label`` or
``class``, else the last. The index of a data frame is no column: it is left out, with a word. The first line of a CSV
file has the names; its columns are divided by commas, semicolons or tabs.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections import Counter
from collections.abc import Collection, Iterable
from contextlib import suppress
from itertools import islice, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from srnn.errors import UserError, nearest, shorten
from srnn.tasks.examples import LIMIT, Examples, explained
from srnn.toml import decoded
from srnn.untrusted import require_file, require_plausible

if TYPE_CHECKING:
    import pyarrow as pa

#: Names by which a target is known.
_TARGETS = ("y", "target", "label", "class")
#: Bytes of CSV that are read: as numbers they may take several times as many.
_MOST_CSV = 1024**3
#: Each column takes some kilobytes, whatever it holds; the bytes are those of the line with their names.
_MOST_COLUMNS, _MOST_HEADING = 50_000, 4 * 1024**2
#: Rows of CSV by which it is told what divides its columns.
_LOOKED_AT = 20
#: What pandas calls an index without a name in Parquet, and the columns without one of a CSV file.
_INDEX, _UNNAMED = re.compile(r"__index_level_\d+__"), re.compile(r"(Unnamed: \d+(\.\d+)?)?")


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
        if kind == ".parquet":
            return _examples(path, *_parquet(path, size, target))
        table = _csv(path, size)
        index = _indices(table.column_names)
        return _examples(path, table, _target(path, table.column_names, index, target), index)


def _csv(path: Path, size: int) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv as reader

    if size > _MOST_CSV:
        raise UserError(f"{path}: takes {size:,} bytes; of CSV {_MOST_CSV:,} at most are read: save it as .parquet")
    with path.open("rb") as file:
        delimiter = _delimiter(path, file.read(_MOST_HEADING))
        file.seek(0)
        try:
            options = reader.ReadOptions(use_threads=False, block_size=2 * _MOST_HEADING)
            table = reader.read_csv(file, options, reader.ParseOptions(delimiter=delimiter))
            names = [name.strip() for name in table.column_names]
        except ValueError as error:
            _require_utf8(path)
            ragged = re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+): (.*)", str(error), re.DOTALL)
            if ragged is None:
                raise
            line, first, found, row = ragged.groups()
            raise UserError(
                f"{path}: line {line} has {found} column{'' if found == '1' else 's'} and the first line {first}: "
                f"{shorten(repr(row))}; every line must have as many as the first"
            ) from None
    if any(map(pa.types.is_binary, table.schema.types)):
        _require_utf8(path)
    return table.rename_columns(names)


def _delimiter(path: Path, start: bytes) -> str:
    """What divides the columns: that by which most of the first rows have as many as the very first.

    Raises:
        UserError: The first line is too long.
    """
    text = start.decode("utf-8-sig", "replace")
    counts = {one: _columns(text, one) for one in ",;\t"}
    divided = {one: found for one, found in counts.items() if found[0] > 1} or {",": [1]}
    delimiter = max(divided, key=lambda one: (divided[one].count(divided[one][0]), divided[one][0]))
    if path.suffix.lower() == ".tsv" and "\t" in divided:
        delimiter = "\t"
    columns = divided[delimiter][0]
    if columns > _MOST_COLUMNS or (len(start) == _MOST_HEADING and not re.search(rb"[\r\n]", start)):
        raise UserError(f"{path}: its first line has {columns:,} columns or more; {_MOST_COLUMNS:,} at most are read")
    return delimiter


def _columns(text: str, delimiter: str) -> list[int]:
    """How many columns each of the first rows has if they are divided so; those in quotes are not."""
    rows = csv.reader(io.StringIO(text, newline=None), delimiter=delimiter)
    counts = []
    with suppress(csv.Error):  # of a cell that is longer than any label
        for row in islice(filter(None, rows), _LOOKED_AT):
            counts.append(len(row))
    return counts or [1]


def _require_utf8(path: Path) -> None:
    """Say in which line a file is not UTF-8.

    Raises:
        UserError: It is not.
    """
    try:
        decoded(path.read_bytes(), "CSV")
    except ValueError as error:
        raise UserError(f"{path}: {error}") from None


def _parquet(path: Path, size: int, target: str | None) -> tuple[pa.Table, str, set[str]]:
    """The table, its target and its index."""
    import pyarrow as pa
    from pyarrow import parquet as pq

    limits = {"thrift_string_size_limit": size, "thrift_container_size_limit": size}
    checked = {"page_checksum_verification": True, "arrow_extensions_enabled": False}
    with path.open("rb") as opened, pq.ParquetFile(opened, **limits, **checked) as file:
        names = file.schema_arrow.names
        if len(names) > _MOST_COLUMNS:
            raise UserError(f"{path}: it has {len(names):,} columns; {_MOST_COLUMNS:,} at most are read")
        index = _indices(names, (file.schema_arrow.metadata or {}).get(b"pandas", b""))
        taken = _target(path, names, index, target)
        flat = {field.name for field in file.schema_arrow if field.name in index and not pa.types.is_nested(field.type)}
        # Before anything is unpacked: text may be long, and lists have no end.
        _require_numbers(path, (field for field in file.schema_arrow if field.name not in {taken, *flat}))
        rows, cells = file.metadata.num_rows, file.metadata.num_rows * len(names)
        # The columns of a group are not asked for theirs: of some damage that would end the process.
        groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
        if sum(group.num_rows for group in groups) != rows or any(group.num_rows < 0 for group in groups):
            raise ValueError("its row groups do not add up")
        if 8 * cells > LIMIT:
            raise UserError(f"{path}: would take {8 * cells:,} bytes; more than {LIMIT:,} are not read")
        require_plausible(path, "the table", size, max(8 * cells, *(group.total_byte_size for group in groups), 0))
    coded = {"read_dictionary": [taken, *flat]}
    with path.open("rb") as opened, pq.ParquetFile(opened, **coded, **limits, **checked) as file:
        return file.read(use_threads=False, use_pandas_metadata=False), taken, index


def _indices(names: list[str], pandas: bytes = b"") -> set[str]:
    """Columns that are the index of a data frame.

    Args:
        names: All columns.
        pandas: What pandas says of them in a Parquet file, as JSON.
    """
    told: Any = None
    with suppress(ValueError, RecursionError, AttributeError):
        told = json.loads(pandas).get("index_columns")
    known = {name for name in told if isinstance(name, str)} if isinstance(told, list) else set()
    return {name for name in names if name in known or _INDEX.fullmatch(name)}


def _target(path: Path, names: list[str], index: Collection[str], wanted: str | None) -> str:
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
    columns = [name for name in names if name not in index] or names
    known_as = [name for name in columns if name.lower() in _TARGETS]
    known_as = known_as or [name for name in names if name.lower() in _TARGETS]
    if len(known_as) > 1:
        raise UserError(
            f"{path}: {' and '.join(map(repr, known_as))} may each be the target: name it by task.target, and "
            "leave out the other if it says the same"
        )
    return known_as[0] if known_as else columns[-1]


def _examples(path: Path, table: pa.Table, target: str, index: Collection[str]) -> Examples:
    if not table.num_rows:
        raise UserError(f"{path}: it has names of columns and no rows")
    notes = [f"{path}: the target is the column {shorten(repr(target))}; another is named by task.target"]
    unnamed = [*takewhile(_UNNAMED.fullmatch, table.column_names)]
    rows = [name for name in unnamed if _numbers_rows(table.column(name))]
    if target in rows:
        raise UserError(
            f"{path}: the target {target!r} has no name and another whole number in each row, as an index has: name "
            "the column to be learnt by task.target"
        )
    if rows:
        notes.append(f"{path}: its first column has no name and another whole number in each row: it is left out")
    elif unnamed and target not in unnamed:
        notes.append(f"{path}: its first column has no name: it is learnt from; leave it out if it is an index")
    if index := [name for name in table.column_names if name in index and name != target]:
        notes.append(
            f"{path}: {_listed(map(repr, index))}, the index of a data frame, is left out; reset_index() of pandas "
            "makes a column of it"
        )
    table = table.drop_columns([*rows, *index])
    columns = [name for name in table.column_names if name != target]
    if not columns:
        left = ", as the index is left out" if rows or index else ""
        raise UserError(f"{path}: besides the target {shorten(repr(target))} there is no column to learn it from{left}")
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


def _numbers_rows(column: pa.ChunkedArray) -> bool:
    """Whether a column has another whole number in each row, in any order, as rows have that were drawn or shuffled."""
    if not str(column.type).startswith(("int", "uint")) or column.null_count:
        return False
    return len(np.unique(column.to_numpy())) == len(column)


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - 5:,} more" if len(every) > 5 else ""
    return shorten(", ".join(every[:5]), 200) + more


def _number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
