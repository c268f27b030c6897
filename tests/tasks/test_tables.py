"""Tables of one's own, CSV and Parquet: which column is learnt, what others are taken for, what is refused."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from task_files import LABELS, X, assert_one_line, assert_sound, error_of

from srnn.errors import UserError
from srnn.experiment import TaskConfig
from srnn.tasks import complete, load, shape, tables

KINDS = np.array(["setosa", "versicolor", "other", "very rare"])
FRAME = pd.DataFrame({"width": X[:, 0], "petals": LABELS + 3, "kind": KINDS[LABELS]})


UNNAMED = "its first column has no name and another whole number in each row: it is left out"


def save(frame: pd.DataFrame, path: Path, **options: Any) -> TaskConfig:
    """The frame in a file, by its ending."""
    if path.suffix == ".parquet":
        frame.to_parquet(path, **options)
    else:
        frame.to_csv(path, index=options.pop("index", False), sep="\t" if path.suffix == ".tsv" else ",", **options)
    return TaskConfig(path=str(path), scale="none")


def text(path: Path, content: str | bytes, **more: Any) -> TaskConfig:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return TaskConfig(path=str(path), scale="none", **more)


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".parquet", ".CSV"])
class TestForms:
    def test_text_is_classes_that_keep_their_names(self, tmp_path: Path, ending: str) -> None:
        config = save(FRAME, tmp_path / f"a{ending}")
        task = load(config)
        assert_sound(task)
        assert (task.kind, task.inputs, task.outputs, task.target) == ("classification", 2, 4, "kind")
        assert task.classes == tuple(sorted(KINDS)) == ("other", "setosa", "versicolor", "very rare")
        names = np.array(task.classes)
        assert (names[task.train_y] == KINDS[task.train_x[:, 1].int() - 3]).all()
        assert shape(config) == (2, 4, 32)
        assert shape(config.model_copy(update={"target": "width"})) is None  # then kind is not a number

    def test_floats_are_targets(self, tmp_path: Path, ending: str) -> None:
        config = save(FRAME[["petals", "width"]], tmp_path / f"a{ending}")
        task = load(config)
        assert_sound(task)
        assert (task.kind, task.outputs, task.classes, task.target) == ("regression", 1, None, "width")
        assert shape(config) == (1, 1, 32)

    def test_a_column_is_named(self, tmp_path: Path, ending: str) -> None:
        config = save(FRAME[["width", "petals"]], tmp_path / f"a{ending}").model_copy(update={"target": "width"})
        assert (load(config).target, load(config).kind) == ("width", "regression")
        missing = config.model_copy(update={"target": "widht"})
        assert "no column 'widht', as task.target has it; it has 'width', 'petals'; did you mean width?" in error_of(
            missing
        )

    def test_truth_values_become_numbers_with_a_word(self, tmp_path: Path, ending: str) -> None:
        frame = FRAME.assign(wild=LABELS > 1, y=LABELS < 2).drop(columns="kind")
        task = load(save(frame, tmp_path / f"a{ending}"))
        assert (task.classes, task.target) == (("False", "True"), "y")
        assert torch.equal(task.train_x[:, 2], (task.train_y == 0).float())
        assert [note for note in task.notes if note.endswith("'wild': true is taken for 1, false for 0")]

    def test_what_is_not_a_number_is_named(self, tmp_path: Path, ending: str) -> None:
        message = error_of(save(FRAME.assign(y=LABELS), tmp_path / f"a{ending}"))
        assert "a column is not of numbers: 'kind' (text" in message
        assert "as pandas.get_dummies does, leave it out, or name the target by task.target" in message
        dates = FRAME.assign(born=pd.date_range("2020", periods=40), y=LABELS)
        assert "2 columns are not of numbers: 'kind' (text" in error_of(save(dates, tmp_path / f"b{ending}"))
        dates = dates.drop(columns=["kind", "y"])
        assert "the target 'born' holds " in error_of(save(dates, tmp_path / f"c{ending}"))

    def test_empty_cells_are_refused(self, tmp_path: Path, ending: str) -> None:
        frame = FRAME.assign(width=FRAME["width"].where(LABELS > 0), petals=FRAME["petals"].where(LABELS != 1))
        message = error_of(save(frame, tmp_path / f"a{ending}"))
        assert (
            "20 cells are empty, in 'width', 'petals'; fill in all cells, or leave such rows or columns out" in message
        )

    def test_the_numbers_of_rows_are_left_out(self, tmp_path: Path, ending: str) -> None:
        path = tmp_path / f"a{ending}"
        task = load(save(FRAME.iloc[:, 1:].rename_axis("Unnamed: 0").reset_index(), path))
        assert task.inputs == 1
        assert [note for note in task.notes if note.endswith(UNNAMED)]
        alone = FRAME[["kind"]].rename_axis("Unnamed: 0").reset_index()
        assert "besides the target 'kind' there is no column to learn it from" in error_of(save(alone, path))
        for drawn in (FRAME.iloc[::-1], FRAME[FRAME["width"] > 0]):
            task = load(save(drawn[["petals", "kind"]].rename_axis("Unnamed: 0").reset_index(), path))
            assert task.inputs == 1
            assert [note for note in task.notes if note.endswith(UNNAMED)]
        named = FRAME.iloc[::-1, 1:].rename_axis("id").reset_index()
        assert load(save(named, path)).inputs == 2

    def test_the_same_content_elsewhere_has_the_same_fingerprint(self, tmp_path: Path, ending: str) -> None:
        config = save(FRAME, tmp_path / f"a{ending}")
        recorded = complete(config, load(config))
        assert recorded.target == "kind"
        assert recorded.classes == sorted(KINDS)
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / f"a{ending}").rename(tmp_path / f"elsewhere/a{ending}")
        again = load(recorded, tmp_path / "elsewhere")
        assert (again.fingerprint, again.classes) == (recorded.fingerprint, tuple(recorded.classes))
        save(FRAME.assign(kind=KINDS[LABELS[::-1]]), tmp_path / f"a{ending}")
        assert "other data (y has other values) than task.fingerprint records" in error_of(recorded)


class TestTarget:
    @pytest.mark.parametrize("name", ["y", "target", "Label", "CLASS"])
    def test_is_known_by_its_name_wherever_it_stands(self, tmp_path: Path, name: str) -> None:
        frame = pd.DataFrame({"a": X[:, 0], name: LABELS, "b": X[:, 1]})
        task = load(save(frame, tmp_path / "a.csv"))
        assert task.target == name
        assert f"the target is the column '{name}'; another is named by task.target" in task.notes[0]

    def test_of_two_names_none_is_guessed(self, tmp_path: Path) -> None:
        config = save(pd.DataFrame({"class": LABELS, "a": X[:, 0], "target": LABELS}), tmp_path / "a.csv")
        assert "'class' and 'target' may each be the target: name it by task.target" in error_of(config)
        assert load(config.model_copy(update={"target": "target"})).target == "target"

    def test_integers_with_gaps_keep_their_names(self, tmp_path: Path) -> None:
        assert load(save(FRAME[["width", "petals"]], tmp_path / "a.csv")).classes == ("3", "4", "5", "6")
        frame = FRAME[["width", "petals"]].assign(petals=LABELS)
        assert load(save(frame, tmp_path / "b.csv")).classes is None  # 0, 1, 2, 3


class TestIndex:
    """What pandas writes beside the columns unless it is told not to."""

    SHUFFLED = FRAME.sample(frac=1, random_state=0)

    def test_of_a_csv_file_it_has_no_name_and_comes_first(self, tmp_path: Path) -> None:
        path = tmp_path / "a.csv"
        for _ in range(3):  # each time it is read and written without a word there is one more
            (pd.read_csv(path) if path.exists() else self.SHUFFLED).to_csv(path)
            task = load(TaskConfig(path=str(path)))
            assert (task.inputs, task.target) == (2, "kind")
            assert [note for note in task.notes if note.endswith(UNNAMED)]
        message = error_of(TaskConfig(path=str(path), target=""))
        assert "the target '' has no name and another whole number in each row, as an index has: name the" in message

    def test_one_that_may_be_a_column_is_told(self, tmp_path: Path) -> None:
        config = save(pd.concat([FRAME, FRAME]), tmp_path / "a.csv", index=True)
        task = load(config)
        assert task.inputs == 3
        assert [note for note in task.notes if "its first column has no name: it is learnt from; leave it" in note]

    @pytest.mark.parametrize(
        "index",
        [
            None,
            pd.Index(np.arange(40) * 7 % 41, name="id"),
            pd.Index([f"row {k}" for k in range(40)]),
            pd.MultiIndex.from_arrays([np.arange(40), LABELS], names=["id", None]),
        ],
        ids=["numbers", "named", "text", "two"],
    )
    def test_of_a_parquet_file_it_is_no_column(self, tmp_path: Path, index: pd.Index | None) -> None:
        frame = self.SHUFFLED if index is None else self.SHUFFLED.set_index(index)
        task = load(save(frame, tmp_path / "a.parquet"))
        assert (task.inputs, task.target) == (2, "kind")
        assert [note for note in task.notes if ", the index of a data frame, is left out; reset_index() of" in note]

    def test_of_a_parquet_file_without_a_word_of_pandas(self, tmp_path: Path) -> None:
        self.SHUFFLED.to_parquet(tmp_path / "a.parquet")
        pq.write_table(pq.read_table(tmp_path / "a.parquet").replace_schema_metadata(None), tmp_path / "a.parquet")
        task = load(TaskConfig(path=str(tmp_path / "a.parquet")))
        assert (task.inputs, task.target) == (2, "kind")

    @pytest.mark.parametrize(("name", "named"), [("label", None), ("sort", "sort")])
    def test_of_a_parquet_file_it_can_be_the_target(self, tmp_path: Path, name: str, named: str | None) -> None:
        config = save(FRAME.rename(columns={"kind": name}).set_index(name), tmp_path / "a.parquet")
        task = load(config.model_copy(update={"target": named}))
        assert (task.inputs, task.target) == (2, name)

    @pytest.mark.parametrize("said", [b"[[[", b"[" * 100_000, b'{"index_columns": {"width": 1}}', b"[]", b"\xff"])
    def test_whatever_is_said_of_it_is_no_error(self, tmp_path: Path, said: bytes) -> None:
        pq.write_table(pa.table(FRAME).replace_schema_metadata({b"pandas": said}), tmp_path / "a.parquet")
        assert load(TaskConfig(path=str(tmp_path / "a.parquet"))).inputs == 2


class TestCsv:
    @pytest.mark.parametrize("ending", [".csv", ".tsv"])
    @pytest.mark.parametrize("delimiter", [",", ";", "\t"])
    @pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC, csv.QUOTE_ALL])
    def test_what_is_in_a_name_divides_nothing(
        self, tmp_path: Path, delimiter: str, ending: str, quoting: Literal[0, 1, 2]
    ) -> None:
        frame = FRAME.rename(columns={"width": "width, of; leaves, cm", "petals": "petals, all; how\tmany, ever"})
        if ending == ".tsv" and delimiter != "\t":
            frame.columns = [name.replace("\t", " ") for name in frame]
        path = tmp_path / f"a{ending}"
        frame.to_csv(path, index=False, sep=delimiter, quoting=quoting)
        task = load(TaskConfig(path=str(path)))
        assert (task.inputs, task.target, task.classes) == (2, "kind", tuple(sorted(KINDS)))

    @pytest.mark.parametrize(("ending", "delimiter"), [(".csv", ";"), (".tsv", "\t")])
    def test_nor_does_it_without_quotes(self, tmp_path: Path, ending: str, delimiter: str) -> None:
        lines = ["length, sepal|width, sepal|kind, of two", *(f"{k / 2}|{k}|{KINDS[k % 2]}" for k in range(40))]
        task = load(text(tmp_path / f"a{ending}", "\n".join(lines).replace("|", delimiter)))
        assert (task.inputs, task.target) == (2, "kind, of two")

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
    def test_another_encoding_is_named(self, tmp_path: Path, encoding: str) -> None:
        message = error_of(text(tmp_path / "a.csv", FRAME.to_csv(index=False).encode(encoding)))
        assert message == f"{tmp_path / 'a.csv'}: it is {encoding.upper()}, and CSV is UTF-8: save it as UTF-8"

    @pytest.mark.parametrize(("line", "column"), [(1, "größe"), (42, "size")])
    def test_bytes_that_are_no_text_are_named_by_their_line(self, tmp_path: Path, line: int, column: str) -> None:
        content = FRAME.rename(columns={"width": column}).to_csv(index=False) + ("1,2,größer\n" if line > 1 else "")
        message = error_of(text(tmp_path / "a.csv", content.encode("latin-1")))
        assert message == f"{tmp_path / 'a.csv'}: its line {line} holds bytes that are not UTF-8: save it as UTF-8"

    @pytest.mark.parametrize("end", ["\r", "\r\n"])
    def test_lines_may_end_as_anywhere(self, tmp_path: Path, end: str) -> None:
        task = load(text(tmp_path / "a.csv", FRAME.to_csv(index=False, lineterminator=end)))
        assert (task.inputs, task.target) == (2, "kind")

    @pytest.mark.parametrize("delimiter", [",", ";", "\t"])
    def test_what_divides_columns_is_told_from_the_first_line(self, tmp_path: Path, delimiter: str) -> None:
        lines = ["\ufeffa, size ,y", *(f"{k}, {k / 2} , {KINDS[k % 4]}" for k in range(40))]
        task = load(text(tmp_path / "a.csv", "\r\n".join(lines).replace(",", delimiter)))
        assert (task.inputs, task.classes) == (2, tuple(sorted(KINDS)))

    @pytest.mark.parametrize(
        ("content", "complaint"),
        [
            (b"", "the file is empty"),
            (b"a,y\n", "it has names of columns and no rows"),
            (b"a,y\n1,2\n3\n", "line 3 has 1 column and the first line 2: '3'; every line must have as many"),
            (b"a,y\n1,2\n3,4,5\n", "line 3 has 3 columns and the first line 2: '3,4,5'; every"),
            (b"a,a,y\n1,2,3\n", "two columns are called 'a'; their names must differ"),
            (b"1.5,1.5,y\n1,2,3\n", "two columns are called '1.5'; their names must differ; is the first line an exam"),
            (b"a\n1\n2\n", "it has one column only, 'a'; expected one to be learnt and others to learn it from"),
            (b"a,y\n\xff,1\n2,2\n", "its line 2 holds bytes that are not UTF-8: save it as UTF-8"),
            (b"a,y\n1,2\n2,\xff\n", "its line 3 holds bytes that are not UTF-8: save it as UTF-8"),
            (b"a,y\n1,x\n2,\n", "X has 2 rows; at least 10"),
            (b"a,y\n" + b"1,x\n2,\n" * 10, "some rows of y have no label"),
            (b"a,y\n" + b"inf,x\n2,z\n" * 10, "10 of the 20 values of X are NaN or infinite as float32"),
            (b"a,y\n" + b"1,x\n2,x\n" * 10, "y has only the class x; at least 2 classes"),
            (b"a,y\n" + b"1,2.5\n2,2.5\n" * 10, "y is 2.5 in every row: there is nothing to learn"),
            (b"a,y\n" + b"?,2\n2,1\n" * 10, "a column is not of numbers: 'a' (text, such as '?')"),
            (b"a,y\n1," + b"x" * 1_001 + b"\n", "the target 'y' holds text of 1,001 characters, no labels"),
            (b"," * 50_000, "its first line has 50,001 columns or more; 50,000 at most are read"),
            (b"a" * 4 * 1024**2, "its first line has 1 columns or more"),
            (b"\x00\x01\x02", "it is not a .csv file, or a damaged one; it cannot be read: CSV parse error: Empty CSV"),
        ],
    )
    def test_what_cannot_be_meant_is_one_line(self, tmp_path: Path, content: bytes, complaint: str) -> None:
        config = text(tmp_path / "a.csv", content)
        message = error_of(config)
        assert message.startswith(f"{tmp_path / 'a.csv'}: ")
        assert complaint in message

    def test_a_file_too_large_is_not_read(self, tmp_path: Path) -> None:
        config = text(tmp_path / "a.csv", b"")
        with (tmp_path / "a.csv").open("r+b") as file:
            file.truncate(1024**3 + 1)  # takes no room on the disk
        assert "takes 1,073,741,825 bytes; of CSV 1,073,741,824 at most are read: save it as .par" in error_of(config)

    def test_a_first_line_of_numbers_is_told(self, tmp_path: Path) -> None:
        task = load(text(tmp_path / "a.csv", "5.1,3.5,setosa\n" + "4.9,3.0,setosa\n6.3,2.5,virginica\n" * 10))
        assert task.target == "setosa"
        assert [
            note for note in task.notes if "its first line is taken for names, though it has numbers (5.1, 3" in note
        ]

    def test_integers_that_become_floats_late_are_floats(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tables, "_MOST_HEADING", 512)  # the file is read in parts of a thousand bytes
        rows = "".join(f"{k},{KINDS[k % 2 + k // 1_500]}\n" for k in range(2_000))
        task = load(text(tmp_path / "a.csv", f"a,y\n{rows}0.5,setosa\n"))
        assert (len(task.train_x) + len(task.test_x), task.classes) == (2_001, ("other", "setosa", "versicolor"))
        assert 0.5 in torch.cat([task.train_x, task.test_x])

    @settings(max_examples=100, deadline=None)
    @given(st.text("01.,;\n\"' abNA-\x00é\t", max_size=80).map(str.encode) | st.binary(max_size=40))
    def test_no_content_ends_in_another_error(self, tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
        config = text(tmp_path_factory.mktemp("fuzz") / "a.csv", b"a,y\n1,2\n" * (len(content) % 2) + content)
        try:
            assert_sound(load(config))
        except UserError as error:
            assert_one_line(error)


class TestParquet:
    def test_types_of_other_libraries(self, tmp_path: Path) -> None:
        table = pa.table(
            {
                "small": pa.array(X[:, 0], pa.float32()),
                "whole": pa.array(LABELS, pa.uint8()),
                "price": pa.array([f"{k}.50" for k in range(40)]).cast(pa.decimal128(8, 2)),
                "kind": pa.array(KINDS[LABELS]).dictionary_encode(),
            }
        )
        pq.write_table(table, tmp_path / "a.parquet", compression="zstd")
        task = load(TaskConfig(path=str(tmp_path / "a.parquet"), scale="none"))
        assert_sound(task)
        assert task.classes == tuple(sorted(KINDS))
        assert sorted(torch.cat([task.train_x, task.test_x])[:, 2].tolist()) == [k + 0.5 for k in range(40)]

    def test_integers_that_are_coded_are_integers(self, tmp_path: Path) -> None:
        pq.write_table(pa.table({"a": X[:, 0], "y": pa.array(LABELS * 2).dictionary_encode()}), tmp_path / "a.parquet")
        assert load(TaskConfig(path=str(tmp_path / "a.parquet"))).classes == ("0", "2", "4", "6")

    def test_lists_are_refused_before_they_are_read(self, tmp_path: Path) -> None:
        pq.write_table(pa.table({"a": [[1, 2]] * 40, "b": X[:, 0], "y": LABELS}), tmp_path / "a.parquet")
        assert "a column is not of numbers: 'a' (list<" in error_of(TaskConfig(path=str(tmp_path / "a.parquet")))

    def test_a_bomb_is_not_unpacked(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        ones = np.ones(5_000_000)
        pq.write_table(pa.table({f"a{k}": ones for k in range(8)} | {"y": ones}), tmp_path / "a.parquet")
        config = TaskConfig(path=str(tmp_path / "a.parquet"))
        assert (tmp_path / "a.parquet").stat().st_size < 300_000
        assert "the table would unpack from " in error_of(config)
        monkeypatch.setattr(tables, "LIMIT", 10**6)
        assert "would take 360,000,000 bytes; more than 1,000,000 are not read" in error_of(config)

    @pytest.mark.parametrize("content", [b"", b"a,y\n1,2\n", b"PAR1 and no more", b"PAR1\xff\xff\xff\x7fPAR1"])
    def test_what_is_none_is_one_line(self, tmp_path: Path, content: bytes) -> None:
        message = error_of(text(tmp_path / "a.parquet", content))
        assert message.startswith(
            f"{tmp_path / 'a.parquet'}: {'it is not a .parquet' if content else 'the file is emp'}"
        )

    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(st.data())
    def test_no_damage_ends_in_another_error(
        self, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
    ) -> None:
        path = tmp_path_factory.mktemp("fuzz") / "a.parquet"
        config = save(FRAME.iloc[:12], path)
        content = bytearray(path.read_bytes())
        for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=4)):
            content[place] = data.draw(st.integers(0, 255))
        path.write_bytes(content)
        try:
            assert_sound(load(config))
        except UserError as error:
            assert_one_line(error)
