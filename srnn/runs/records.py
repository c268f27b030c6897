"""The files of a run, read when nobody vouches for them: metrics, trajectory and checkpoint.

No file is believed before its shape agrees with the experiment and its size with its shape; whatever is wrong ends in
one line that names the file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import safetensors
from pyarrow import csv

from srnn.errors import UserError, shorten
from srnn.fixpoint_types import FixpointType, is_count
from srnn.untrusted import is_text, require_file

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = {"Epoch": pa.int64(), "Batch": pa.int64(), "Metric": pa.string(), "Score": pa.float64()}
HEADER = ",".join(COLUMNS) + "\n"

_LABELS = [kind.label for kind in FixpointType]
#: Epochs are at most a million, and batches a million in each.
_MOST = {"Epoch": 10**6, "Batch": 10**12}
#: Bytes at the end of metrics.csv in which the last scores of a run are looked for.
_LAST_PART = 64 * 1024
#: Bytes of a checkpoint's table of contents; srnn's own takes about 1,500.
_HEADER_LIMIT = 1024 * 1024
#: The codecs of Parquet whose pages cannot be bombs: Snappy packs at most 21 times.
_CODECS = {"SNAPPY", "UNCOMPRESSED"}


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn whatever a damaged file makes its library raise into one line that names it."""
    try:
        yield
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"{path} is missing") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or _short(error)}") from None
    except KeyError as error:
        raise UserError(f"{path} is damaged: it has no {_short(error)}") from None
    except (
        pa.ArrowException,
        safetensors.SafetensorError,
        ValueError,
        TypeError,
        OverflowError,
        RecursionError,
        MemoryError,  # Arrow's, of a page that claims to be as large
    ) as error:
        raise UserError(f"{path} is damaged: {_short(error)}") from None


def read_metrics(path: Path) -> pd.DataFrame:
    """The rows of ``metrics.csv``: Epoch, Batch (both int), Metric (str), Score (float).

    Raises:
        UserError: The file is missing or damaged.
    """
    with explained(path):
        require_file(path)
        with path.open("rb") as file:
            # Each line takes as much memory as the first has columns.
            if file.read(len(HEADER)) != HEADER.encode():
                raise ValueError(f"it does not begin with {HEADER.strip()}")
            file.seek(0)
            convert = csv.ConvertOptions(column_types=COLUMNS, null_values=[])
            table = csv.read_csv(file, csv.ReadOptions(use_threads=False), convert_options=convert)
        frame: pd.DataFrame = table.to_pandas()
        frame = frame.astype({"Metric": "str"})
        _require_metrics(frame)
    return frame


def last_scores(path: Path) -> dict[str, tuple[int, float]]:
    """The last epoch and score of each metric in the last part of ``metrics.csv``, however long that is.

    For what is shown only: lines that cannot be read are passed over, and a file that cannot be read holds nothing.
    """
    scores = {}
    with suppress(OSError):
        size = require_file(path)
        with path.open("rb") as file:
            file.seek(max(0, size - _LAST_PART))
            lines = file.read(_LAST_PART).decode("utf-8", "replace").splitlines()
        for line in lines[1:]:  # the header, or one that is cut
            with suppress(ValueError):
                epoch, _, metric, score = line.split(",")
                scores[metric] = int(epoch), float(score)
    return scores


def _require_metrics(frame: pd.DataFrame) -> None:
    """Raise ValueError unless the census of the whole and of each layer is complete, with numbers that can be."""
    names = frame["Metric"].unique().tolist()
    if odd := [name for name in names if not re.fullmatch(r"[A-Za-z0-9_]{1,64}|test_recall_[\w.<>=+-]{1,64}", name)]:
        raise ValueError(f"it has a row for {odd[0]!r}")
    for column, most in _MOST.items():
        if not frame[column].between(0, most).all():
            raise ValueError(f"its {column} is not always from 0 to {most:,}")
    counted = {name: tuple(name.rpartition("_")[::2]) for name in names if is_count(name)}
    if frame.empty:
        raise ValueError("it has no row for anything measured")
    if not counted:
        return  # plain numbers have no types
    wanted = {(layer, label) for layer in ["", *(layer for layer, _ in counted.values())] for label in _LABELS}
    if missing := wanted - {*counted.values()}:
        rows = sorted("_".join(filter(None, row)) for row in missing)
        raise ValueError(f"it has no row for {', '.join(rows)}")
    census = frame[frame["Metric"].isin(counted)]
    layers = census["Metric"].map({name: layer for name, (layer, _) in counted.items()})
    totals = census["Score"].groupby([census["Epoch"], census["Batch"], layers]).sum()
    if not census["Score"].between(0, 1e9).all() or not (totals > 0).all():
        raise ValueError("its particles are not counted in numbers from 0 up")


def read_trajectory(path: Path, size: int, most: int) -> pd.DataFrame:
    """The weights of particles after one epoch.

    Args:
        path: The Parquet file.
        size: Weights P of a particle.
        most: Particles N of the organism: the rows may be fewer.

    Returns:
        Columns Epoch (int), Weight (the particle's name), dim_1 … dim_P (float32).

    Raises:
        UserError: The file is missing, damaged or of other particles.
    """
    with explained(path):
        held = require_file(path)
        # The limits are of the file's own table of contents.
        options = {"thrift_string_size_limit": held, "thrift_container_size_limit": held}
        # Of pages without a checksum, as an older srnn wrote them, none is asked for.
        options |= {"page_checksum_verification": True, "arrow_extensions_enabled": False}
        with path.open("rb") as opened, pq.ParquetFile(opened, read_dictionary=["Weight"], **options) as file:
            names = ["Epoch", "Weight", *(f"dim_{k}" for k in range(1, size + 1))]
            if file.schema_arrow.names != names:
                raise ValueError(f"its columns are not Epoch, Weight, dim_1 … dim_{size}")
            types = {"Epoch": pa.int32(), "Weight": pa.dictionary(pa.int32(), pa.string())}
            for field in file.schema_arrow:
                wanted = types.get(field.name, pa.float32())
                if field.type != wanted:
                    raise ValueError(f"its column {field.name} holds {field.type}, not {wanted}")
            rows = file.metadata.num_rows
            # Each row has a name of its own, which takes a byte at least.
            if not 0 < rows <= min(most, held):
                raise ValueError(f"it has {rows:,} rows in {held:,} bytes; the organism has {most:,} particles")
            groups = [file.metadata.row_group(index) for index in range(file.metadata.num_row_groups)]
            if sum(group.num_rows for group in groups) != rows or any(group.num_rows < 0 for group in groups):
                raise ValueError("its row groups do not add up")
            for group in groups:
                for index in range(group.num_columns):
                    column = group.column(index)
                    if column.compression not in _CODECS or column.num_values != group.num_rows:
                        raise ValueError(f"its column {column.path_in_schema} is not as srnn writes it")
            table = file.read(use_threads=False, use_pandas_metadata=False)
        for chunk in table["Weight"].chunks:
            # A column of a long text a million times is small in the file, not in memory.
            for name in chunk.dictionary.to_pylist():
                if not re.fullmatch(r"L\d{1,3}_C\d{1,10}_W\d{1,10}", name):
                    raise ValueError(f"it has a row for {name[:99]!r}")
        if any(column.null_count for column in table.columns):
            raise ValueError("it has empty cells")
        frame: pd.DataFrame = table.to_pandas(ignore_metadata=True, use_threads=False).astype({"Weight": "str"})
        if frame["Weight"].duplicated().any():
            raise ValueError("it names a particle twice")
    return frame


@contextmanager
def open_checkpoint(path: Path) -> Iterator[tuple[Any, dict[str, Any]]]:
    """A checkpoint: its tensors, not read yet (``safetensors.safe_open``), and the plain values of its state.

    Raises:
        UserError: The file is missing or damaged. Inside the context, what a damaged file leads to becomes one, too.
    """
    with explained(path):
        require_file(path)
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > _HEADER_LIMIT:
                raise ValueError(f"its header claims {length:,} bytes; at most {_HEADER_LIMIT:,} are read")
            # It takes a name only, and one of text: of a file whose name is none, that by which it is open.
            named = path if is_text(path) else f"/dev/fd/{file.fileno()}"
            # It compares the header with the size of the file, and reads nothing else.
            with safetensors.safe_open(named, framework="pt") as tensors:
                state = json.loads((tensors.metadata() or {})["state"])
                if not isinstance(state, dict):
                    raise ValueError("its state is not a table")
                yield tensors, state


def count(state: Mapping[str, Any], key: str) -> int:
    """A positive whole number in the state of a checkpoint.

    Raises:
        ValueError: It is something else.
        KeyError: There is none.
    """
    value = state[key]
    if type(value) is not int or not 1 <= value <= 10**9:
        raise ValueError(f"its {key} is not a whole number from 1 to a thousand million")
    return value


def _short(error: BaseException) -> str:
    return shorten(str(error), 200) or type(error).__name__
