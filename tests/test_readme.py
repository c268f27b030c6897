"""The README as a reader follows it: every command, Python block and TOML file, in order, in a fresh clone.

Blocks fenced as ``sh``, ``python`` and ``toml`` are run in one shell, the last as files named by their first line. One
that needs what is not at hand stands below ``<!-- not run: reason -->``.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from processes import environment

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
_BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^\n]+) -->\n)?```(?P<kind>sh|python|toml)\n(?P<text>.*?)^```$", re.M | re.S
)
#: Why a block may be left out.
_REASONS = ("MNIST", "network", "minutes")


class Block(NamedTuple):
    """What stands between two fences, from which line on, and why it is not run, if it is not."""

    kind: str
    text: str
    line: int
    reason: str | None


BLOCKS = [
    Block(found["kind"], found["text"], README.count("\n", 0, found.start("text")) + 1, found["reason"])
    for found in _BLOCK.finditer(README)
]


def script(blocks: list[Block]) -> str:
    """All blocks as one program of the shell, which ends at the first that fails and says before each where it is."""
    parts = ["set -e"]
    for block in blocks:
        parts.append(f"echo 'README.md, line {block.line}' >&2")
        if block.kind == "sh":
            parts.append(block.text)
        else:
            name = block.text.splitlines()[0].removeprefix("# ") if block.kind == "toml" else "block.py"
            parts.append(f"cat > {name} <<'END OF BLOCK'\n{block.text}END OF BLOCK")
            parts += ["python block.py"] if block.kind == "python" else []
    return "\n".join(parts)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The tracked files, and an environment beside them that is set up already: the one in use."""
    if not (Path(sys.prefix) / "bin/activate").is_file():
        pytest.skip("not in a virtual environment")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not in a clone")
    folder = tmp_path / "srnn"
    for name in listed.stdout.decode().split("\0"):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    (folder / ".venv").mkdir()
    for path in Path(sys.prefix).iterdir():
        if path.name != "ready":
            (folder / ".venv" / path.name).symlink_to(path)
    (folder / ".venv/ready").touch()  # newer than what make compares it with
    return folder


@pytest.mark.readme
@pytest.mark.skipif(shutil.which("make") is None or shutil.which("bash") is None, reason="needs make and bash")
def test_every_block_runs_in_order_in_a_fresh_clone(clone: Path) -> None:
    program = script([block for block in BLOCKS if block.reason is None])
    # As if the environment in use had been made in this clone, and by a shell that knows nothing of it.
    variables = environment(PYTHONPATH=str(clone))
    here = str(Path(sys.prefix) / "bin")
    variables["PATH"] = ":".join(folder for folder in variables["PATH"].split(":") if folder != here)
    variables.pop("VIRTUAL_ENV", None)
    done = subprocess.run(
        ["bash", "-c", program],
        cwd=clone,
        env=variables,
        capture_output=True,
        encoding="utf-8",
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"{done.stderr}\n{done.stdout[-2000:]}"
    assert "Traceback" not in done.stderr


def test_it_is_a_front_page() -> None:
    assert len(README.splitlines()) <= 420


def test_few_blocks_are_not_run_and_each_for_a_reason() -> None:
    left_out = [block for block in BLOCKS if block.reason is not None]
    assert len(left_out) < len(BLOCKS) / 4
    assert all(any(reason in str(block.reason) for reason in _REASONS) for block in left_out)
    assert README.count("<!-- not run") == len(left_out)


def test_files_that_are_linked_are_there() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_preset_is_in_the_table() -> None:
    from srnn.presets import preset_names

    table = README.split("## The presets")[1].split("\n## ")[0]
    assert sorted(re.findall(r"^\| `([\w-]+)` \|", table, re.M)) == preset_names()
