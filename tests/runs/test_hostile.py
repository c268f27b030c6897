"""Bad configurations and damaged files by the hundred: each ends in one line and exit code 2, and runs no code.

They go through the real entry point, in one process that may not take 200 MB more than it has
(``hostile_worker.py``); some of them in processes of their own.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import numpy as np
import processes
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import safetensors.torch
import tomli_w
import torch
from hostile_worker import LIMIT

import srnn
from srnn import Experiment, Run, UserError, tasks
from srnn.experiment import json_schema
from srnn.laboratory.ask import analyze
from srnn.presets import preset_folder, preset_names
from srnn.section import known_keys
from srnn.tasks import idx
from srnn.training.loop import Training

WORKER = Path(__file__).parents[1] / "hostile_worker.py"
SMALL = Experiment.from_dict(
    {
        "name": "small",
        "task": {"name": "digits", "size": 4},
        "body": {"depth": 3, "width": 3},
        "particle": {"hidden": 2},
        "training": {"epochs": 2, "batch_size": 500},
        "log": {"every": 1},
    }
)
P, N = 16, 16 * 3 + 3 * 3 + 3 * 10


class Case(NamedTuple):
    """What is given to ``srnn``, and what it is."""

    name: str
    arguments: list[str]


class Answer(NamedTuple):
    """How one case ended."""

    name: str
    code: int | None
    out: str
    err: str
    fault: str

    @property
    def wrong(self) -> str:
        """What is wrong with this end, if anything: 0 with no word but how data were taken, or 2 with one line."""
        said = self.err.splitlines()
        if self.fault or self.code not in (0, 2):
            return f"{self.name}: code {self.code}, {self.fault or self.err}"
        if self.code == 2 and not (len(said) == 1 and said[0].startswith("srnn: ") and said[0].isprintable()):
            return f"{self.name}: {self.err[:500]!r} is not one line"
        notes = "(another checksum)", "(task.scale is 'standard')"
        if self.code == 0 and any(not line.isprintable() or all(note not in line for note in notes) for line in said):
            return f"{self.name}: exit code 0, but {self.err!r}"
        return ""


def answers_of(folder: Path, warm: list[list[str]], cases: list[Case]) -> tuple[list[Answer], int]:
    """How each case ends in the worker, and the bytes of memory that all of them took at most."""
    jobs, answers = folder / "jobs", folder / "answers"
    jobs.write_text("".join(json.dumps(arguments) + "\n" for arguments in [*warm, *(case.arguments for case in cases)]))
    command = [sys.executable, str(WORKER), str(len(warm)), str(jobs), str(answers)]
    done = subprocess.run(
        command, cwd=folder, env=processes.environment(), capture_output=True, text=True, timeout=600, check=False
    )
    lines = [json.loads(line) for line in answers.read_text().splitlines()] if answers.exists() else []
    assert done.returncode == 0, f"ended after {len(lines)} of {len(cases)}: {done.stderr}"
    *ended, last = lines
    found = [
        Answer(case.name, line["code"], line["out"], line["err"], line["fault"])
        for case, line in zip(cases, ended, strict=True)
    ]
    return found, last["extra"]


def assert_none_wrong(answers: list[Answer]) -> None:
    wrong = [answer.wrong for answer in answers if answer.wrong]
    assert not wrong, f"{len(wrong)} of {len(answers)}:\n" + "\n".join(wrong[:10])


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small run."""
    [run] = srnn.run(SMALL, tmp_path_factory.mktemp("runs"), image_format=None)
    return run.folder


# --- Configurations -----------------------------------------------------------------------------------------------

HUGE = "9" * 400
WRONG = {
    "integer": [
        "2.5",
        '"3"',
        "true",
        "[1]",
        "{a = 1}",
        "1979-05-27",
        "nan",
        "1e400",
        HUGE,
        f"-{HUGE}",
        "0",
        "-1",
        "9e9",
    ],
    "number": ['"0.5"', "true", "[0.5]", "{}", "07:32:00", "nan", "inf", "-inf", "1e400", "-1e31", "[[]]"],
    "string": ["3", "2.5", "false", "[]", "{}", "1979-05-27", '"a\\u0000b"', '"\\u001b[31mred"', '"\\u202etxt.exe"'],
    "array": ["1"],
    "boolean": ["1", '"true"', "[]", "{}", "0.0", "nan"],
    "object": ["3", '"text"', "[1]", "[{}]", "2000-01-01", "false"],
}
#: Of these values, those that are right after all.
RIGHT = {
    (key, "0") for key in ("seed", "replication.steps", "log.rest", "start.epoch", "task.validation", "sweep.seed")
} | {
    ("versions", "{}"),
    ("pruning.rounds", "[1]"),
    ("pruning.rewind", "0"),
    ("schedule.floor", "0"),
    ("training.patience", "0"),
    ("training.until_loss", "0"),
}
ODD = [
    "\x00",
    "\x1b]0;x\x07",
    "a\u202eb",
    "\u2028",
    "ä",
    "𝔘",
    "e\u0301",
    "\ufeff",
    "[red]",
    "[/]",
    "$x^{",
    "../up",
    "a/b",
    "CON",
    "x.",
]


def kind_of(key: str) -> str:
    """The JSON type of a setting or section."""
    node: Any = json_schema()
    for part in key.split("."):
        node = node["properties"][part]
        if "$ref" in node.get("anyOf", [{}])[0]:  # of a family, the member that is there by default
            node = node["anyOf"][0]
        if "$ref" in node:
            node = json_schema()["$defs"][node["$ref"].rpartition("/")[2]]
    return str(node.get("type") or node["anyOf"][-1 if key == "log.particles" else 0]["type"])


def written(key: str, value: str) -> str:
    section, _, own = key.rpartition(".")
    return f"[{section}]\n{own} = {value}\n" if section else f"{own} = {value}\n"


def bad_configurations() -> Iterator[tuple[str, bytes]]:
    """What each is, and the bytes of the TOML file. Always the same 500."""
    rng = random.Random(0)
    for odd in ODD:
        quoted = json.dumps(odd).replace("\\ud835\\udd18", "\\U0001D518")
        yield f"name {odd!r}", f"name = {quoted}".encode()
        yield f"key {odd!r}", f"{quoted} = 1".encode()
        yield f"section {odd!r}", f"[training.{quoted}]\na = 1".encode()
        yield f"encoding {odd!r}", f"[particle]\nencoding = {quoted}".encode()
    for depth in (10, 500, 3_000, 15_000):
        yield f"lists {depth}", b"about = " + b"[" * depth + b"]" * depth
        yield f"open lists {depth}", b"seed = " + b"[" * depth
        yield f"tables {depth}", b"task = " + b"{a = " * min(depth, 4_000) + b"1" + b"}" * min(depth, 4_000)
        yield f"dotted {depth}", b"training." + b"a." * min(depth, 10_000) + b"a = 1"
        yield f"header {depth}", b"[versions." + b"a." * min(depth, 10_000) + b"a]\nb = 1"
    for place in (
        "name = '{}'",
        "about = '{}'",
        "{} = 1",
        "training.{} = 1",
        "[{}]",
        "versions.{} = 'x'",
        "#{}",
        "seed = {}",
    ):
        yield f"a megabyte in {place}", place.format("7" * 1_000_000).encode()
    for depth, width, hidden in ((100, 10_000, 64), (100, 10_000, 1), (3, 10_000, 10), (90, 3_000, 2), (50, 999, 30)):
        yield (
            f"absurd {depth} {width} {hidden}",
            f"[body]\ndepth = {depth}\nwidth = {width}\n[particle]\nhidden = {hidden}".encode(),
        )
    for text in (
        '[task]\nname = "arrays"',
        '[task]\nname = "arrays"\npath = ""',
        '[task]\nname = "arrays"\npath = "\\u0000"',
        '[task]\nname = "arrays"\npath = "/dev/zero"',
        '[task]\nname = "arrays"\npath = "/"',
        '[task]\nname = "arrays"\npath = "~nobody-at-all/x.npz"',
        f'[task]\nname = "arrays"\npath = "{"x" * 5_000}"',
        '[replication]\nobjective = "joint"\nsteps = 3',
        '[training]\noptimizer = "adam"',
        '[task]\nname = "add"\n[replication]\nstart_accuracy = 0.5',
        "[training]\nbatch_size = 1000000",
        '[task]\nname = "add"\nsamples = 1000000\n[training]\nbatch_size = 1000000\n[body]\nwidth = 2000',
    ):
        yield text, text.encode()
    sections = {key.partition(".")[0] for key in known_keys(Experiment) if "." in key}
    typed = [(key, value) for key in sorted([*known_keys(Experiment), *sections]) for value in WRONG[kind_of(key)]]
    for key, value in rng.sample(typed, 290):
        if (key, value) not in RIGHT:
            yield f"{key} = {value[:30]}", written(key, value).encode()
    presets = [(preset_folder() / f"{name}.toml").read_bytes() for name in preset_names()]
    kinds: list[Callable[[bytes], bytes]] = [
        lambda text: text + b"\n= 1",
        lambda text: text + b"\n[training",
        lambda text: text + b"\n[training]\nepochs = 1\n[training]\nepochs = 1",
        lambda text: text + b'\n"' + rng.randbytes(6).hex().encode() + b'" = 1',
        lambda text: b"\xff" + text,
        lambda text: text.decode().encode("utf-16"),
        lambda text: bytes(rng.randbytes(200)) + b"\x80",
        lambda text: text.replace(b"=", b":"),
        lambda text: b"\x1f\x8b" + gzip.compress(text),
        lambda text: b"PK\x03\x04" + text,
        lambda text: pickle.dumps(text.decode()),
        lambda text: b'{"name": ' + json.dumps(text.decode()).encode() + b"}",
    ]
    while True:
        what = rng.randrange(len(kinds))
        yield f"kind {what}", kinds[what](rng.choice(presets))


class TestConfigurations:
    def test_500_bad_ones_end_in_one_line(self, tmp_path: Path) -> None:
        cases = []
        for number, (name, content) in zip(range(500), bad_configurations(), strict=False):
            path = tmp_path / f"{number}.toml"
            path.write_bytes(content)
            cases.append(Case(name, ["run", str(path), "--quiet", "--out", str(tmp_path / "out")]))
        small = tmp_path / "small.toml"
        small.write_text(tomli_w.dumps(SMALL.model_dump(exclude_none=True)))
        warm = [["run", str(small), "--quiet", "--out", str(tmp_path / "warm")]]
        answers, extra = answers_of(tmp_path, warm, cases)
        assert_none_wrong(answers)
        assert [answer.name for answer in answers if answer.code != 2] == []
        assert all(len(answer.err) < 1_000 for answer in answers)
        assert not (tmp_path / "out").exists()
        assert extra < LIMIT


def test_small_ones_that_are_valid_run() -> None:
    """All values drawn at random from what the schema allows, as far as they are quick."""
    rng = random.Random(2)
    for _ in range(40):
        values: dict[str, Any] = {
            "name": f"a{''.join(rng.choices('aZ0-_.', k=9))}9",
            "about": rng.choice(["[/]", "Näher\n»TOML«\t💥", "$x^{", ""]),
            "seed": rng.choice([0, 2**31 - 1]),
            "task": rng.choice(
                [{"name": "multiply", "factor": rng.choice([0.0, -1e30])}, {"name": "add", "samples": 60}, {"size": 2}]
            ),
            "body": {
                "depth": rng.randint(1, 4),
                "width": rng.randint(1, 4),
                "residual": rng.choice(["none", "layer", "pair"]),
                "activation": rng.choice(["none", "relu", "tanh", "sigmoid", "gelu"]),
                "dropout": rng.choice([0.0, 0.99]),
            },
            "particle": {
                "hidden": rng.randint(1, 5),
                "encoding": rng.choice(["max", "l2"]),
                "init": rng.choice(["fan_in", "xavier"]),
            },
            "replication": {
                "method": rng.choice(["none", "sgd", "newton", "lifted"]),
                "target": rng.choice(["frozen", "live"]),
                "alpha": rng.choice([0.0, 1.0, 1e9]),
                "steps": rng.randint(0, 3),
                "momentum": rng.choice(["shared", "separate", "fresh"]),
                "divergent": rng.choice(["keep", "reset", "stop"]),
            },
            "training": {"epochs": 2, "batch_size": rng.randint(10, 60), "lr": rng.choice([1e-9, 1000.0])},
            "interactions": {"attack": rng.choice([0.0, 1.0]), "melt": rng.choice([0.0, 0.5])},
            "log": {"particles": rng.choice(["all", 1, 10**6]), "rest": rng.choice([0, 20])},
        }
        experiment = Experiment.from_dict(values)
        reports = [*Training(experiment, tasks.load(experiment.task), [experiment.seed]).run()]
        assert reports[-1].epoch == 2 or reports[-1].stopped


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> jsonschema.Draft202012Validator:
    """What ``srnn schema`` prints."""
    folder = tmp_path_factory.mktemp("schema")
    [answer], _ = answers_of(folder, [], [Case("", ["schema"])])
    assert (answer.code, answer.err) == (0, "")
    printed = json.loads(answer.out)
    jsonschema.Draft202012Validator.check_schema(printed)
    return jsonschema.Draft202012Validator(printed)


class TestSchema:
    @pytest.mark.parametrize("name", preset_names())
    def test_a_preset_is_valid(self, schema: jsonschema.Draft202012Validator, name: str) -> None:
        assert not [*schema.iter_errors(tomllib.loads((preset_folder() / f"{name}.toml").read_text()))]

    def test_the_configuration_of_a_run_is_valid(self, schema: jsonschema.Draft202012Validator, finished: Path) -> None:
        assert not [*schema.iter_errors(tomllib.loads((finished / "config.toml").read_text()))]

    @pytest.mark.parametrize(
        "values",
        [
            {"epochs": 3},
            {"training": {"epoch": 3}},
            {"training": {"epochs": 0}},
            {"training": {"epochs": "3"}},
            {"task": {"name": "minst"}},
            {"name": "a/b"},
            {"about": "\x1b[31m"},
        ],
    )
    def test_a_bad_one_is_not(self, schema: jsonschema.Draft202012Validator, values: dict[str, Any]) -> None:
        assert not schema.is_valid(values)

    def test_every_setting_is_described(self) -> None:
        schema = json_schema()
        for node in (schema, *schema["$defs"].values()):
            for key, setting in node["properties"].items():
                described = schema["$defs"][setting["$ref"].rpartition("/")[2]] if "$ref" in setting else setting
                assert len(described["description"]) > 8, key
                assert "default" in setting, key


# --- Files --------------------------------------------------------------------------------------------------------


#: Is there only if code was run.
SPOOR = Path(tempfile.gettempdir()) / f"srnn-was-here-{os.getpid()}"


class Evil:
    """What runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(SPOOR), "w")


def damages(good: bytes, rng: random.Random) -> Iterator[tuple[str, bytes]]:
    """A file cut short, with flipped bits, or replaced by something else."""
    yield "empty", b""
    yield "one byte", good[:1]
    for share in (0.2, 0.5, 0.999):
        yield f"cut at {share}", good[: int(len(good) * share)]
    for place in (
        *(rng.randrange(min(64, len(good))) for _ in range(4)),
        *(rng.randrange(len(good)) for _ in range(2)),
        *(len(good) - 1 - rng.randrange(min(64, len(good))) for _ in range(2)),
    ):
        bit = rng.randrange(8)
        yield f"bit {bit} of byte {place}", good[:place] + bytes([good[place] ^ 1 << bit]) + good[place + 1 :]
    yield "twice", good + good
    yield "zeros", bytes(len(good))
    yield "noise", rng.randbytes(len(good))
    yield "pickle", pickle.dumps(Evil())
    yield "picture", b"\x89PNG\r\n\x1a\n" + good


def checkpoints(good: bytes) -> Iterator[tuple[str, bytes]]:
    """Forged ones."""
    state = {"epoch": 2, "batch": 4, "replicating": True, "inputs": 16, "outputs": 10}

    def forged(state: object = state, raw: str | None = None, **tensors: torch.Tensor) -> bytes:
        written: bytes = safetensors.torch.save(tensors, {"state": json.dumps(state) if raw is None else raw})
        return written

    fine = torch.zeros(P, N)
    yield from {
        "no tensors": forged(),
        "another shape": forged(weights=torch.zeros(N, P)),
        "a row": forged(weights=torch.zeros(P * N)),
        "a number": forged(weights=torch.tensor(1.0)),
        "none": forged(weights=torch.zeros(0, 5)),
        "doubles": forged(weights=fine.double()),
        "integers": forged(weights=fine.int()),
        "NaN": forged(weights=fine * torch.nan),
        "largest": forged(weights=fine + 3e38),
        "state of lists": forged([], weights=fine),
        "state of nothing": forged({}, weights=fine),
        "no JSON": forged(raw="{", weights=fine),
        "nested": forged(raw="[" * 20_000, weights=fine),
        "long number": forged(raw='{"inputs": ' + "9" * 9_000 + "}", weights=fine),
    }.items()
    for value in (0, -1, 1e400, 10**9, 2**63, 10**30, True, "16", None, [16], 15):
        yield f"inputs {value}", forged(state | {"inputs": value}, weights=fine)
    for length in (2**63, 2**64 - 1, 2**31, 10**8, 10**6, 0, 1):
        yield f"header of {length}", struct.pack("<Q", length) + good[8:]
    for shape, end in (([2**40, 2**20], 2**62), ([P, 2**55], 2**61), ([P, N], 2**62), ([-1, N], 5), ([P, N], P * N)):
        header = json.dumps({"weights": {"dtype": "F32", "shape": shape, "data_offsets": [0, end]}}).encode()
        yield f"shape {shape} of {end} bytes", struct.pack("<Q", len(header)) + header + bytes(4 * P * N)


def parquets(good: Path) -> Iterator[tuple[str, bytes]]:
    """Forged ones."""
    table = pq.read_table(good)

    def forged(table: pa.Table, **options: Any) -> bytes:
        buffer = pa.BufferOutputStream()
        pq.write_table(table, buffer, **options)
        return bytes(buffer.getvalue())

    def with_column(name: str, values: Any) -> pa.Table:
        return table.set_column(table.column_names.index(name), name, values)

    yield "another codec", forged(table, compression="zstd")
    yield "a column less", forged(table.drop_columns(["dim_3"]))
    yield "a column more", forged(table.append_column("dim_17", table["dim_1"]))
    yield "no rows", forged(table.slice(0, 0))
    yield "a row twice", forged(pa.concat_tables([table, table.slice(0, 1)]))
    yield "a name twice", forged(with_column("Weight", pa.array(["L0_C0_W0"] * N)))
    yield "odd names", forged(with_column("Weight", pa.array([f"[/]\x1b[31m{k}" for k in range(N)])))
    yield "long names", forged(with_column("Weight", pa.array(["x" * 1_000_000] * N)))
    yield "empty cells", forged(with_column("dim_1", pa.nulls(N, pa.float32())))
    yield "texts for numbers", forged(with_column("dim_1", pa.array(["1"] * N)))
    yield "lists for numbers", forged(with_column("dim_1", pa.array([[1.0]] * N)))
    yield "doubles", forged(with_column("dim_1", table["dim_1"].cast(pa.float64())))
    yield "NaN", forged(with_column("dim_1", pa.array([float("nan")] * N, pa.float32())))
    yield "false metadata", forged(table.replace_schema_metadata({b"pandas": pickle.dumps(Evil())}))
    buffer = pa.BufferOutputStream()
    rows = 250_000
    constant = {"Epoch": pa.repeat(pa.scalar(0, pa.int32()), rows), "Weight": pa.repeat("L0_C0_W0", rows)}
    constant |= {f"dim_{k}": pa.repeat(pa.scalar(0.5, pa.float32()), rows) for k in range(1, P + 1)}
    with pq.ParquetWriter(buffer, pa.table(constant).schema) as writer:
        for _ in range(40):
            writer.write_table(pa.table(constant))
    yield "ten million rows", bytes(buffer.getvalue())


def metrics(good: str) -> Iterator[tuple[str, bytes]]:
    """Forged ones."""
    head, _, rows = good.partition("\n")
    for name, text in {
        "a million columns": "," * 1_000_000 + "\n" + "1\n" * 100_000,
        "the header and more columns": head + "," * 1_000_000 + "\n" + "1\n" * 100_000,
        "a long line": good + "x" * 3_000_000,
        "an open quote": good + '1,1,"' + "a\n" * 100_000,
        "markup": good + "1,1,[/red],1\n",
        "a command to the terminal": good + "1,1,\x1b[2J,1\n",
        "control in a number": good + "1,1,other,\x1b[2J\n",
        "mathematics": good + "1,1,$x^{,1\n",
        "a negative epoch": good + "-1,1,loss,1\n",
        "a late epoch": good + "1000001,1,loss,1\n",
        "an epoch beyond numbers": good + f"{HUGE},1,loss,1\n",
        "an epoch between": good + "1.5,1,loss,1\n",
        "no epoch": good + ",1,loss,1\n",
        "no particles": head + "\n" + "".join(f"{row.rpartition(',')[0]},0\n" for row in rows.splitlines()),
        "NaN particles": good.replace("identity,", "identity,nan"),
        "fewer than none": good + "2,4,L0_other,-3\n",
        "a layer of one type": good + "2,4,L7_other,3\n",
        "large numbers": good + "2,4,loss,1e308\n2,4,loss,-1e308\n2,4,loss,1e999\n",
        "another order": "Score,Metric,Batch,Epoch\n" + rows,
        "Windows": good.replace("\n", "\r\n"),
        "in UTF-16": good.encode("utf-16").decode("latin1"),
        "a zero byte": good.replace("task", "ta\0sk"),
    }.items():
        yield name, text.encode("latin1")


def idx_files(rng: random.Random) -> Iterator[tuple[str, bytes]]:
    """Forged ones, of pictures."""
    zeros = gzip.compress(bytes(10_000_000))
    for shape in ((2**32 - 1,) * 3, (2**31, 1, 1), (2**29, 2, 2), (60_000, 28, 28), (0, 28, 28), (2**32 - 1, 0, 1)):
        head = struct.pack(">BBBBIII", 0, 0, 8, 3, *shape)
        yield f"shape {shape}", head + bytes(100)
        yield f"gzipped, shape {shape}", gzip.compress(head + bytes(100))
        yield f"a bomb of shape {shape}", gzip.compress(head) + zeros * 40
    head = struct.pack(">BBBBIII", 0, 0, 8, 3, 20_000_000, 1, 1)
    yield "many pictures of a pixel", gzip.compress(head) + zeros + zeros
    for code in (0x09, 0x0B, 0x0D, 0x0E, 0xFF):
        yield f"type {code}", struct.pack(">BBBBIII", 0, 0, code, 3, 12, 28, 28) + rng.randbytes(12 * 28 * 28)


def npz_files(X: bytes, y: bytes) -> Iterator[tuple[str, bytes]]:
    """Forged ones; X and y are whole ``.npy`` files."""

    def zipped(method: int = zipfile.ZIP_DEFLATED, **members: bytes) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", method, compresslevel=1) as archive:
            for name, content in members.items():
                archive.writestr(f"{name}.npy", content)
        return buffer.getvalue()

    def npy(header: str, data: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
        length = struct.pack("<H" if version == b"\x01\x00" else "<I", len(header))
        return b"\x93NUMPY" + version + length + header.encode() + data

    objects = io.BytesIO()
    np.save(objects, np.array([Evil()] * 40, dtype=object), allow_pickle=True)
    yield "objects", zipped(X=X, y=objects.getvalue())
    yield "a pickle", zipped(X=pickle.dumps(Evil()), y=y)
    yield "LZMA", zipped(zipfile.ZIP_LZMA, X=X, y=y)
    yield "bzip2", zipped(zipfile.ZIP_BZIP2, X=X, y=y)
    yield "nothing", zipped()
    yield "20,000 members", zipped(X=X, y=y, **{f"{k:0100}": b"" for k in range(20_000)})
    shape = "{'descr': '<f8', 'fortran_order': False, 'shape': (40, 3)}"
    for name, header in {
        "code": "__import__('pathlib').Path('" + str(SPOOR) + "').touch()",
        "nested": "(" * 9_000,
        "many": "{'descr': '<f8', 'fortran_order': False, 'shape': (" + "1," * 3_000 + ")}",
        "long": shape + " " * 20_000,
        "large": shape.replace("40", "10**9"),
        "larger": shape.replace("40", "9" * 4_000),
        "records": shape.replace("'<f8'", "[('a', '<f8'), ('b', '|O')]"),
        "of nothing": shape.replace("<f8", "|V0"),
        "texts": shape.replace("<f8", "<U3"),
    }.items():
        yield f"header: {name}", zipped(X=npy(header), y=y)
    yield "a header of 4 GB", zipped(X=npy(shape, version=b"\x02\x00").replace(struct.pack("<I", 58), b"\xff" * 4), y=y)
    # Half a gigabyte that takes half a megabyte, or says so.
    bomb = zipped(X=npy(shape.replace("40", str(12_500_000)), bytes(300_000_000)), y=y)
    yield "a bomb", bomb
    place = bomb.rindex(b"PK\x01\x02", 0, bomb.rindex(b"PK\x01\x02"))
    yield "a bomb that says it is small", bomb[: place + 24] + struct.pack("<I", 1_100) + bomb[place + 28 :]


def odd_files() -> dict[str, Callable[[Path], None]]:
    """What is no file, or is not where it seems to be."""
    return {
        "a pipe": lambda path: os.mkfifo(path),
        "a folder": lambda path: path.mkdir(),
        "a link to itself": lambda path: path.symlink_to(path),
        "a link to a device": lambda path: path.symlink_to("/dev/zero"),
        "nothing": lambda path: None,
    }


class Files:
    """Makes cases: a copy of what is whole, with one file replaced."""

    def __init__(self, folder: Path, run: Path) -> None:
        self.folder, self.run = folder, run
        self.cases: list[Case] = []
        folder.mkdir()
        rng = np.random.default_rng(0)
        self.data = folder / "data"
        self.data.mkdir()
        for name, size in (("train", 60), ("t10k", 20)):
            pictures = rng.integers(0, 256, (size, 28, 28)).astype(np.uint8)
            idx.write(self.data / f"{name}-images-idx3-ubyte.gz", pictures)
            idx.write(self.data / f"{name}-labels-idx1-ubyte.gz", (np.arange(size) % 10).astype(np.uint8))
        np.savez_compressed(folder / "good.npz", X=rng.normal(size=(40, 3)), y=np.arange(40) % 3)

    def _new(self, kind: str) -> Path:
        folder = self.folder / f"{kind}-{len(self.cases)}"
        folder.mkdir()
        return folder

    def of_run(self, part: str, name: str, make: Callable[[Path], None], *command: str) -> None:
        folder = self._new("run") / "seed-0"
        shutil.copytree(self.run, folder, ignore=shutil.ignore_patterns("figures"))
        path = folder / part
        path.unlink()
        make(path)
        self.cases.append(Case(f"{part}: {name}", [command[0], str(folder), *command[1:]]))

    def of_data(self, part: str, name: str, make: Callable[[Path], None]) -> None:
        folder = self._new("data")
        for path in self.data.iterdir():
            if path.name != part and path.name != f"{part}.gz":
                (folder / path.name).hardlink_to(path)
        make(folder / part)
        settings = ["task.name=mnist", "task.size=4", "training.batch_size=20", "training.epochs=1"]
        self._run(f"{part}: {name}", [*settings, "body.depth=2"], "--data-dir", str(folder))

    def of_arrays(self, name: str, make: Callable[[Path], None]) -> None:
        path = self._new("arrays") / "my.npz"
        make(path)
        settings = ["task.name=arrays", f"task.path={path}", "training.batch_size=8", "training.epochs=1"]
        self._run(f"npz: {name}", settings)

    def _run(self, name: str, settings: list[str], *options: str) -> None:
        out = self.folder / f"out-{len(self.cases)}"
        chosen = [f"--set={setting}" for setting in settings]
        self.cases.append(Case(name, ["run", *chosen, *options, *NONE, "--quiet", "--out", str(out)]))


def holding(content: bytes) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.write_bytes(content)

    return make


def configurations(good: str) -> Iterator[tuple[str, bytes]]:
    """Those of other runs, and of none."""
    for old, new in (
        ("width = 3", "width = 10000"),
        ("hidden = 2", "hidden = 64"),
        ("depth = 3", "depth = 100"),
        ("epochs = 2", "epochs = 1000000"),
        ("size = 4", "size = 28"),
        ('name = "digits"', 'name = "mnist"'),
        ('about = ""', 'about = "[/] [red]red[/red] $x^{ \\\\ [bold"'),
        ('about = ""', f'about = "{"[" * 4_000}"'),
        ('about = ""', f'about = "{"x" * 4_001}"'),
        ('about = ""', 'about = "\\u001b[2J"'),
        ('about = ""', f"about = {'[' * 30_000}"),
        ('name = "small"', 'name = "../../up"'),
        ("[body]", "[body]\n" + "a." * 30_000 + "a = 1"),
    ):
        assert old in good
        yield new[:40], good.replace(old, new, 1).encode()


#: The figures are not looked at: let there be none, or let them be quick where they show what a stranger wrote.
NONE, SVG = ("--format", "none"), ("--format", "svg")
CHECKPOINT = "checkpoints/epoch-000002.safetensors"
TRAJECTORY = "trajectory/epoch-000001.parquet"
PICTURES, LABELS = "train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


def damaged_files(files: Files) -> None:
    """Make all cases."""
    rng = random.Random(1)
    run, odd = files.run, odd_files()
    config = (run / "config.toml").read_text()
    for part, command, forged in (
        (CHECKPOINT, ["analyze", *NONE, "--only", "heatmap"], checkpoints((run / CHECKPOINT).read_bytes())),
        (TRAJECTORY, ["analyze", *NONE, "--only", "trajectories"], parquets(run / TRAJECTORY)),
        ("metrics.csv", ["show"], metrics((run / "metrics.csv").read_text())),
        ("config.toml", ["show"], configurations(config)),
    ):
        for name, content in [*damages((run / part).read_bytes(), rng), *forged]:
            files.of_run(part, name, holding(content), *command)
        for name, make in odd.items():
            files.of_run(part, name, make, *command)
    for name, content in configurations(config):
        files.of_run("config.toml", f"{name}, analyzed", holding(content), "analyze", *SVG, "--only", "heatmap")
    pictures, labels = ((files.data / f"{part}.gz").read_bytes() for part in (PICTURES, LABELS))
    for part, content in ((PICTURES, pictures), (PICTURES, gzip.decompress(pictures)), (LABELS, labels)):
        for name, damaged in damages(content, rng):
            files.of_data(part, name, holding(damaged))
    for name, make in odd.items():
        files.of_data(PICTURES, name, make)
    for name, content in idx_files(rng):
        files.of_data(PICTURES, name, holding(content))
    good = files.folder / "good.npz"
    with zipfile.ZipFile(good) as archive:
        forged = npz_files(archive.read("X.npy"), archive.read("y.npy"))
    for name, content in [*damages(good.read_bytes(), rng), *forged]:
        files.of_arrays(name, holding(content))
    for name, make in odd.items():
        files.of_arrays(name, make)


@pytest.fixture(scope="module")
def files(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Files:
    files = Files(tmp_path_factory.mktemp("files") / "damaged", finished)
    damaged_files(files)
    assert len(files.cases) >= 200
    return files


@pytest.fixture(scope="module")
def answers(files: Files, finished: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Answer]:
    SPOOR.unlink(missing_ok=True)
    folder = tmp_path_factory.mktemp("whole")
    whole = Files(folder / "files", finished)
    whole.of_run("config.toml", "", holding((finished / "config.toml").read_bytes()), "show")
    whole.of_run(
        CHECKPOINT, "", holding((finished / CHECKPOINT).read_bytes()), "analyze", "--only", "heatmap,trajectories"
    )
    whole.of_data(PICTURES, "", holding((whole.data / f"{PICTURES}.gz").read_bytes()))
    whole.of_arrays("", holding((whole.folder / "good.npz").read_bytes()))
    answers, extra = answers_of(folder, [case.arguments for case in whole.cases], files.cases)
    print(f"{len(answers)} files, {sum(answer.code == 0 for answer in answers)} read, {extra >> 20} MB more")
    assert extra < LIMIT
    return answers


class TestFiles:
    def test_damaged_ones_end_in_one_line_or_are_read(self, answers: list[Answer]) -> None:
        assert_none_wrong(answers)

    def test_most_are_refused(self, answers: list[Answer]) -> None:
        assert sum(answer.code == 2 for answer in answers) >= 200

    def test_no_pickle_was_loaded_and_no_header_run(self, answers: list[Answer]) -> None:
        assert not SPOOR.exists()
        refused = [answer for answer in answers if "pickle" in answer.name or answer.name.endswith("objects")]
        assert len(refused) > 8
        assert {answer.code for answer in refused} == {2}

    def test_nothing_commands_the_terminal(self, answers: list[Answer]) -> None:
        for answer in answers:
            assert "\x1b" not in answer.out + answer.err, answer.name

    def test_a_few_end_alike_in_processes_of_their_own(self, files: Files, answers: list[Answer]) -> None:
        refused = [case for case, answer in zip(files.cases, answers, strict=True) if answer.code == 2]
        quick = [case for case in refused if case.arguments[0] != "analyze"]
        first, *others = quick[:: len(quick) // 3 + 1]
        # One in a process that begins with the interpreter.
        ended = [alone(first)]
        ended += [Answer(case.name, *processes.forked(case.arguments, Path.cwd()), "") for case in others]
        assert len(ended) == 3
        assert_none_wrong(ended)
        assert {answer.code for answer in ended} == {2}


@pytest.mark.parametrize("part", ["results", "figures"])
def test_a_run_does_not_lead_out_of_its_folder(finished: Path, tmp_path: Path, part: str) -> None:
    run = Run(shutil.copytree(finished, tmp_path / "seed-0", ignore=shutil.ignore_patterns("figures")))
    (tmp_path / "elsewhere").mkdir()
    (run.folder / part).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=f"{part} is a link"):
        analyze([run], ["heatmap"], image_format="svg")
    assert not any((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize("key", ["a", '"a"', "'a'", '"\\""', '"a.b"', "a ", '"=" '])
def test_a_key_of_many_parts_is_not_read(tmp_path: Path, key: str) -> None:
    """tomllib would take hundreds of megabytes for it."""
    path = tmp_path / "x.toml"
    for text in (
        f"{'.'.join([key] * 9_000)} = 1",
        f"x = {{{'.'.join([key] * 9_000)} = 1}}",
        f"[{'.'.join([key] * 9_000)}]",
    ):
        path.write_text(text[:60_000])
        with pytest.raises(UserError, match="it has a key of more than 16 parts"):
            Experiment.from_toml(path)


def test_organisms_beyond_any_memory_are_refused_with_their_number() -> None:
    for settings, number in (
        (["body.depth=100", "body.width=10000"], "392,000,800,000 weights"),
        (["body.width=5000", "particle.hidden=10"], "8,001,600,000 weights"),
    ):
        with pytest.raises(UserError, match=f" make {number}; at most 1,000,000,000 are trained at once"):
            Experiment().override(settings)
    # What is known only with the data, and of several seeds.
    wide = Experiment().override(["body.width=3000", "body.depth=2", "training.batch_size=1"])
    assert Training(wide, tasks.load(wide.task), [0]).organism.size == 222_000
    with pytest.raises(UserError, match=r"for 999 seeds side by side, make 8,871,120,000 weights"):
        Training(wide, tasks.load(wide.task), range(999))


def alone(case: Case) -> Answer:
    """How a case ends in a process of its own."""
    return Answer(case.name, *processes.process((*processes.SRNN, *case.arguments), Path.cwd()), "")
