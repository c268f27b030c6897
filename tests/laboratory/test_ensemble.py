"""Runs that answer together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import srnn
from srnn import Experiment, Run, UserError, tasks
from srnn.analysis.ensembles import probabilities
from srnn.errors import NotApplicableError
from srnn.laboratory.ensemble import bottoms, ensemble_of, snapshots

SMALL: dict[str, Any] = {
    "name": "small",
    "task": {"name": "digits", "size": 4},
    "body": {"depth": 3, "width": 8, "dropout": 0.2},
    "particle": {"kind": "number"},
    "replication": {"method": "none"},
    "training": {"epochs": 7, "batch_size": 200, "lr": 0.1},
    "schedule": {"kind": "cosine", "every": 2, "scales": "all"},
    "terms": {"repulsion": {"every": 3}},
    "log": {"every": 1, "rest": 0},
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    return trained(tmp_path_factory.mktemp("ensemble"), [0, 1])


def trained(out: Path, seeds: list[int], **changes: Any) -> list[Run]:
    return srnn.run(Experiment.from_dict(SMALL | changes), out, seeds=seeds, image_format=None, progress=False)


def test_members_are_ends_epochs_or_bottoms(runs: list[Run]) -> None:
    assert snapshots(runs[0].experiment) == [2, 3, 4, 6]
    assert bottoms(runs[0]) == [2, 3, 4, 6, 7]
    found = {at: ensemble_of([run.folder for run in runs], at).iloc[-1] for at in ("end", "bottoms")}  # type: ignore[arg-type]
    assert (found["end"]["Members"], found["bottoms"]["Members"]) == (2, 10)
    assert (found["end"]["Epochs"], found["bottoms"]["Epochs"]) == (14, 14)
    at_epochs = ensemble_of([runs[0].folder], [3, 5])
    assert at_epochs["Epochs"].tolist() == [5] * 3
    task = tasks.load(runs[0].experiment.task)
    mean = np.mean([probabilities(runs[0].organism(epoch), task.test_x) for epoch in (3, 5)], axis=0)
    right = task.test_y.numpy()
    assert at_epochs["NLL"].iloc[-1] == pytest.approx(-np.log(mean[range(len(right)), right]).mean())
    dropped = ensemble_of([runs[0].folder], masks=20)
    assert dropped["NLL"].iloc[0] != ensemble_of([runs[0].folder])["NLL"].iloc[0]
    assert dropped.equals(ensemble_of([runs[0].folder], masks=20))


def test_what_cannot_be_is_refused(runs: list[Run], tmp_path: Path) -> None:
    [other] = trained(tmp_path, [0], task={"name": "digits", "size": 5})
    with pytest.raises(UserError, match="of other data"):
        ensemble_of([runs[0].folder, other.folder])
    with pytest.raises(UserError, match="epoch is 99"):
        ensemble_of([runs[0].folder], [99])
    [regression] = trained(tmp_path / "other", [0], task={"name": "add"}, training={"epochs": 1}, terms={})
    with pytest.raises(NotApplicableError, match="has no classes"):
        ensemble_of([regression.folder])


def test_from_the_command_line(
    runs: list[Run], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from srnn.commands import main

    def told(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["srnn", "ensemble", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return (int(ended.value.code or 0), *capsys.readouterr())

    code, out, err = told(str(runs[0].folder.parent), "--at", "bottoms")
    assert (code, err) == (0, "")
    assert "ensemble          10" in out
    assert "14 epochs altogether" in out
    assert max(map(len, out.splitlines())) <= 80
    code, out, err = told(str(runs[0].folder), "--at", "5,x")
    assert (code, out, err) == (2, "", "srnn: --at is 5,x; allowed: end, bottoms, or epochs such as 60,80,100\n")
