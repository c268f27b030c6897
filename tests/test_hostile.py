"""Bad configurations and damaged files by the hundred: each ends in one line and exit code 2, and runs no code.

They go through the real entry point, in one process that may not take 200 MB more than it has
(``hostile_worker.py``); a dozen of them in processes of their own.
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
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import safetensors.torch
import tomli_w
import torch

import srnn
from hostile_worker import LIMIT
from srnn import Experiment, Run, UserError, tasks
from srnn.config import json_schema, known_keys
from srnn.errors import one_line
from srnn.presets import load_preset, preset_folder, preset_names
from srnn.runs import RunWriter
from srnn.tasks import arrays, idx
from srnn.training import Training

WORKER = Path(__file__).with_name("hostile_worker.py")
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
        """What is wrong with this end, if anything: 0 without a word, or 2 with one line."""
        said = self.err.splitlines()
        if self.fault or self.code not in (0, 2):
            return f"{self.name}: code {self.code}, {self.fault or self.err}"
        if self.code == 2 and not (len(said) == 1 and said[0].startswith("srnn: ") and said[0].isprintable()):
            return f"{self.name}: {self.err[:500]!r} is not one line"
        if self.code == 0 and said:
            return f"{self.name}: exit code 0, but {self.err!r}"
        return ""


def environment() -> dict[str, str]:
    hidden = ("SRNN_DATA_DIR",)
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    return {**kept, "OMP_NUM_THREADS": "1", "COLUMNS": "80", "PYTHONIOENCODING": "utf-8"}


def answers_of(folder: Path, warm: list[list[str]], cases: list[Case]) -> tuple[list[Answer], int]:
    """How each case ends in the worker, and the bytes of memory that all of them took at most."""
    jobs, answers = folder / "jobs", folder / "answers"
    jobs.write_text("".join(json.dumps(arguments) + "\n" for arguments in [*warm, *(case.arguments for case in cases)]))
    command = [sys.executable, str(WORKER), str(len(warm)), str(jobs), str(answers)]
    done = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=600, check=False
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
    [run] = srnn.run(SMALL, tmp_path_factory.mktemp("runs"))
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
    "object": ["3", '"text"', "[1]", "[{}]", "2000-01-01", "false"],
}
#: Of these values, those that are right after all.
RIGHT = {("seed", "0"), ("replication.steps", "0"), ("versions", "{}")}
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
    sections = {key.partition(".")[0] for key in known_keys() if "." in key}
    typed = [(key, value) for key in sorted([*known_keys(), *sections]) for value in WRONG[kind_of(key)]]
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
