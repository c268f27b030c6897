"""srnn as a package: typed for those who use it, and its checkout of use without an installation."""

from __future__ import annotations

import sys
import venv
from importlib import metadata
from pathlib import Path

import pytest
from processes import process

from srnn.runs.writer import versions

ROOT = Path(__file__).parents[1]
USER = """
from srnn import Particle, export, load_preset

reveal_type(Particle(hidden=4).size)
reveal_type(load_preset("digits"))
export("runs/digits", "onxx")
"""


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """The Python of an environment in which there is nothing, not even pip; where its packages lie."""
    venv.create(tmp_path / "empty", symlinks=True)
    [packages] = (tmp_path / "empty/lib").glob("python*/site-packages")
    return packages


@pytest.mark.skipif(sys.platform == "win32", reason="makes links")
def test_a_users_mypy_sees_the_types(environment: Path, tmp_path: Path) -> None:
    (environment / "srnn").symlink_to(ROOT / "srnn")
    (tmp_path / "user.py").write_text(USER)
    python = str(tmp_path / "empty/bin/python")
    # What srnn needs is not there: mypy would take half a minute for it.
    given = ("--python-executable", python, "--ignore-missing-imports", "--no-incremental")
    answer = process((sys.executable, "-m", "mypy", *given, "user.py"), tmp_path)
    told = [line.split(": ", 2)[2] for line in answer.out.splitlines()[:-1] if line.startswith("user.py")]
    assert told[:2] == ['Revealed type is "int"', 'Revealed type is "srnn.experiment.Experiment"'], answer
    assert told[2].startswith('Argument 2 to "export" has incompatible type "Literal[\'onxx\']"')


def test_a_checkout_without_what_it_imports_says_so(environment: Path, tmp_path: Path) -> None:
    answer = process((str(tmp_path / "empty/bin/python"), str(ROOT / "cli.py"), "presets"), tmp_path)
    assert answer.line == "the package typer is missing: run make setup and .venv/bin/srnn, or pip install ."


def test_a_run_of_what_is_not_installed_records_that_its_version_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(name: str) -> str:
        if name == "srnn":
            raise metadata.PackageNotFoundError(name)
        return known(name)

    known = metadata.version
    monkeypatch.setattr(metadata, "version", found)
    assert versions()["srnn"] == "unknown"
