"""The recipes of CONTRIBUTING.md, followed word by word in a copy of the package."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parent.parent
GUIDE = ROOT / "CONTRIBUTING.md"
#: A path on a line of its own, and the code that belongs to it.
_STEP = re.compile(r"^`([^`\n]+)`:\n\n```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FAMILIES = {"tasks", "bodies", "methods", "terms", "events", "questions"}


def follow(guide: str, folder: Path) -> None:
    """Write each new file, and put each new line behind the one that the guide shows."""
    for name, language, code in _STEP.findall(guide):
        path = folder / name
        if language != "diff":
            assert not path.exists(), name
            path.write_text(code, encoding="utf-8")
            continue
        before, after = code.splitlines()
        assert (before[0], after[0]) == (" ", "+"), name
        text = path.read_text(encoding="utf-8")
        assert text.count(f"{before[1:]}\n") == 1, name
        path.write_text(text.replace(f"{before[1:]}\n", f"{before[1:]}\n{after[1:]}\n"), encoding="utf-8")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package and its presets, with the recipes followed."""
    folder = tmp_path_factory.mktemp("copy")
    for part in ("srnn", "experiments"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    follow(GUIDE.read_text(encoding="utf-8"), folder)
    return folder


def srnn(copy: Path, *arguments: str) -> str:
    """What the command of the copy prints, in a real process."""
    environment = os.environ | {"PYTHONPATH": str(copy), "SRNN_KERNELS": "torch"}
    done = subprocess.run(
        [sys.executable, "-m", "srnn", *arguments], cwd=copy, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_each_member_of_a_family_is_one_new_file_and_one_line() -> None:
    *members, preset = (Path(name) for name, _, _ in _STEP.findall(GUIDE.read_text(encoding="utf-8")))
    files, tables = members[::2], members[1::2]
    assert {table.parent.name for table in tables} == FAMILIES
    for file, table in zip(files, tables, strict=True):
        assert (table.parent, table.name) == (file.parent, "__init__.py")
    assert preset.parent == Path("experiments")


def test_the_recipes_train_and_are_asked(copy: Path) -> None:
    srnn(copy, "run", "recipes", "--format", "none")
    srnn(copy, "analyze", "runs/recipes", "--only", "worth")
    run = copy / "runs" / "recipes" / "seed-0"
    found = pd.read_csv(run / "results" / "worth.csv")
    assert found["Particles"].tolist() == [8, 4]
    metrics = pd.read_csv(run / "metrics.csv")
    assert metrics["Epoch"].max() == 2
    assert "replication_loss" in set(metrics["Metric"])


def test_the_preset_is_listed_and_described(copy: Path) -> None:
    assert "recipes" in srnn(copy, "presets")
    schema = srnn(copy, "schema")
    assert all(f'"{name}"' in schema for name in ("subtract", "PerceptronConfig", "leaky", "Largest", "Shake"))
