"""A run that begins where another was: on the same batches, with its state, under a mask, with a control."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import srnn
from srnn import Experiment, UserError, fixpoints, tasks
from srnn.errors import StoppedError
from srnn.fixpoints import FixpointType
from srnn.importance import keep, magnitude
from srnn.runs.masks import read_mask, write_mask
from srnn.runs.run import Run
from srnn.runs.verify import verify
from srnn.training import loop

VALUES: dict[str, Any] = {
    "name": "trunk",
    "body": {"depth": 2, "width": 5},
    "particle": {"hidden": 2},
    "training": {"epochs": 3, "batch_size": 200},
    "log": {"every": 1, "rest": 0},
    "checkpoint": {"pin": [0, 1], "every": 10, "keep": 1},
}
NUMBERS = {"particle": {"kind": "number"}, "replication": {"method": "none"}}


def experiment(**changes: dict[str, Any] | str) -> Experiment:
    values: dict[str, Any] = {name: one if isinstance(one, str) else dict(one) for name, one in VALUES.items()}
    for name, section in changes.items():
        values[name] = section if isinstance(section, str) else {**values.get(name, {}), **section}
    return Experiment.from_dict(values)


def run(out: Path, *seeds: int, **changes: Any) -> list[Run]:
    return list(srnn.run(experiment(**changes), out, seeds=seeds or [3], image_format=None, progress=False))


@pytest.fixture(scope="module")
def trunks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of particles under sgd with momentum, of plain numbers by Adam and of lifted particles."""
    out = tmp_path_factory.mktemp("trunks")
    run(out, 3, 4)
    run(out, 3, 4, name="dense", training={"optimizer": "adam"}, **NUMBERS)
    run(out, 3, name="exact", replication={"method": "lifted"})
    return out


#: How each of them is run.
KINDS: dict[str, dict[str, Any]] = {
    "trunk": {},
    "dense": {"training": {"optimizer": "adam"}, **NUMBERS},
    "exact": {"replication": {"method": "lifted"}},
}


def branch(trunks: Path, out: Path, of: str, *seeds: int, epoch: int | str = 0, **start: Any) -> list[Run]:
    changes = {**KINDS[of], **{key: start.pop(key) for key in ("training", "interactions") if key in start}}
    return run(
        out, *seeds, **{**changes, "name": "branch", "start": {"run": str(trunks / of), "epoch": epoch, **start}}
    )


def starting(training: dict[str, Tensor]) -> Callable[[Any], None]:
    def look(one: Any) -> None:
        training["worth"] = one.organism.worth().clone()
        training["order"] = one.streams[0]["order"].get_state()

    return look


@pytest.mark.parametrize("of", KINDS)
@pytest.mark.parametrize("epoch", [0, 1])
def test_with_all_weights_kept_it_is_the_trunk(trunks: Path, tmp_path: Path, of: str, epoch: int) -> None:
    seeds = [3] if of == "exact" else [3, 4]
    density = {"drop": "magnitude", "density": 1.0} if epoch else {}
    for ours, seed in zip(branch(trunks, tmp_path, of, *seeds, epoch=epoch, **density), seeds, strict=True):
        theirs = Run.open(trunks / of / f"seed-{seed}")
        assert torch.equal(ours.organism().weights, theirs.organism().weights)
        later = theirs.metrics.query(f"Epoch > {epoch}").reset_index(drop=True)
        own = ours.metrics.query(f"Epoch > {epoch} and not Metric.str.contains('density|collapsed')")
        assert own.reset_index(drop=True).equals(later)
        assert verify(ours, tasks.load(ours.experiment.task))["Holds"].all()


@pytest.mark.parametrize("of", KINDS)
def test_what_is_dropped_is_zero_to_the_end(trunks: Path, tmp_path: Path, of: str) -> None:
    [ours] = branch(trunks, tmp_path, of, 3, drop="magnitude", density=0.3, scope="layer")
    organism = ours.organism()
    kept, worth = read_mask(ours.folder / "mask.safetensors", organism), organism.worth()
    assert [int(kept[part].sum()) for part in organism.layers.values()] == [
        round(0.3 * (part.stop - part.start)) for part in organism.layers.values()
    ]
    assert (worth[~kept] == 0).all()
    assert (worth[kept] != 0).all()
    ends = Run.open(trunks / of / "seed-3").organism().worth()
    assert torch.equal(kept, keep(magnitude(ends), 0.3, organism.layers, "layer", worth=ends))
    if of == "exact":
        assert (fixpoints.classify(organism.weights, organism.replicator) == FixpointType.IDENTITY).all()
    if of == "trunk":
        assert (organism.weights[:, ~kept] == 0).all()
    last = ours.metrics.query("Epoch == 3").set_index("Metric")["Score"]
    assert last["density"] == kept.double().mean()
    assert last["collapsed_layers"] == 0
    assert ours.experiment.start.began["epoch"] == 0
    rows = verify(ours, tasks.load(ours.experiment.task))
    assert rows["Holds"].all()
    assert "dropped weights are worth 0" in set(rows["Check"])


def test_controls_have_another_start_on_the_same_batches(trunks: Path, tmp_path: Path) -> None:
    found: dict[str, dict[str, Tensor]] = {}
    for control in ("none", "reinit", "shuffle", "signs", "same_worth"):
        start = {"run": str(trunks / "trunk"), "drop": "magnitude", "density": 0.4, "control": control}
        chosen, seen = experiment(name=control, start=start, training={"epochs": 1}), {}
        srnn.run(chosen, tmp_path, seeds=[3], image_format=None, after_start=starting(seen))
        found[control] = seen
    worth = {control: seen["worth"] for control, seen in found.items()}
    assert all(torch.equal(seen["order"], found["none"]["order"]) for seen in found.values())
    kept = worth["none"] != 0
    newborn = Run.open(trunks / "trunk/seed-3").organism(0)
    assert torch.equal(worth["none"], torch.where(kept, newborn.worth(), 0))
    assert torch.equal(worth["reinit"] != 0, kept)
    assert not (worth["reinit"][kept] == worth["none"][kept]).any()
    moved = worth["shuffle"] != 0
    assert not torch.equal(moved, kept)
    assert torch.equal(worth["shuffle"], torch.where(moved, newborn.worth(), 0))
    for part in newborn.layers.values():
        assert moved[part].sum() == kept[part].sum()
        spread = newborn.worth()[part].std(correction=0) * newborn.worth()[part].sign()
        torch.testing.assert_close(worth["signs"][part], torch.where(kept[part], spread, 0))
    torch.testing.assert_close(worth["same_worth"], worth["none"], rtol=1e-5, atol=1e-6)
    others = Run.open(tmp_path / "same_worth/seed-3").organism(0).weights
    assert not (others[:, kept] == newborn.weights[:, kept]).any()


@pytest.mark.parametrize("method", ["newton", "lifted", "placed"])
def test_other_particles_of_the_same_worth_are_self_replicators_where_the_others_are(
    trunks: Path, tmp_path: Path, method: str
) -> None:
    """From plain numbers: what they are worth is the start of particles, too."""
    start = {"run": str(trunks / "dense"), "drop": "magnitude", "density": 0.5, "seed": 4}
    made = {"particle": {"hidden": 4}, "replication": {"method": method}, "training": {"epochs": 1}}
    [ours] = run(tmp_path, 3, name="exact", start=start, **made)
    theirs = Run.open(trunks / "dense/seed-4").organism(0).worth()
    kept, newborn = read_mask(ours.folder / "mask.safetensors", ours.organism()), ours.organism(0)
    torch.testing.assert_close(newborn.worth(), torch.where(kept, theirs, 0), rtol=1e-4, atol=1e-5)
    for organism in (newborn, ours.organism()):
        assert (organism.worth()[~kept] == 0).all()
        assert (fixpoints.classify(organism.weights, organism.replicator) == FixpointType.IDENTITY).all()


def test_numbers_begin_with_what_particles_are_worth(trunks: Path, tmp_path: Path) -> None:
    [first] = branch(trunks, tmp_path, "trunk", 3, drop="type", density=0.5)
    [ours] = run(
        tmp_path, 3, name="numbers", start={"run": str(trunks / "trunk"), "mask": str(tmp_path / "branch")}, **NUMBERS
    )
    kept = read_mask(first.folder / "mask.safetensors", first.organism())
    assert torch.equal(read_mask(ours.folder / "mask.safetensors", ours.organism()), kept)
    newborn = Run.open(trunks / "trunk/seed-3").organism(0).worth()
    assert torch.equal(ours.organism(0).worth(), torch.where(kept, newborn, 0))
    assert (ours.organism().worth()[~kept] == 0).all()


@pytest.mark.parametrize("of", ["dense", "trunk"])
def test_it_resumes_to_the_very_bytes_without_its_trunk(
    trunks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of: str
) -> None:
    monkeypatch.setattr(loop, "_PATIENCE", 0.0)
    how: dict[str, Any] = {"epoch": 1, "drop": "magnitude", "density": 0.2}
    [whole] = branch(trunks, tmp_path / "whole", of, 3, **how)
    stops = iter([False] * 9)
    start = {"run": str(trunks / of), **how}
    chosen = experiment(name="branch", start=start, **KINDS[of])
    with pytest.raises(StoppedError):
        srnn.run(chosen, tmp_path / "cut", seeds=[3], image_format=None, stop=lambda: next(stops, True))
    away = trunks.with_name("away")
    trunks.rename(away)
    try:
        [cut] = srnn.run(chosen, tmp_path / "cut", seeds=[3], image_format=None, resume=True)
    finally:
        away.rename(trunks)
    for path in sorted(whole.folder.rglob("*")):
        if path.is_file() and path.parent.name != "figures" and path.suffix != ".json":
            assert (cut.folder / path.relative_to(whole.folder)).read_bytes() == path.read_bytes(), path


def test_what_cannot_be_begun_is_told_in_one_line(trunks: Path, tmp_path: Path) -> None:
    for how, told in (
        ({"epoch": 2}, "checkpoint.pin=\\[2\\]"),
        ({"epoch": "end"}, "training.epochs is 3"),
        ({"drop": "magnitude", "density": 0.5, "interactions": {"attack": 0.1}}, "revive"),
        ({"density": 0.5}, "start.drop"),
        ({"control": "shuffle"}, "no mask"),
        ({"mask": str(trunks / "trunk")}, "mask.safetensors is missing"),
    ):
        with pytest.raises(UserError, match=told):
            branch(trunks, tmp_path, "trunk", 3, **how)
    with pytest.raises(UserError, match="of seed 5"):
        branch(trunks, tmp_path, "trunk", 5)
    with pytest.raises(UserError, match="body of"):
        run(tmp_path, 3, name="wide", body={"width": 6}, start={"run": str(trunks / "trunk")})


def test_nothing_that_is_dropped_comes_back(trunks: Path, tmp_path: Path) -> None:
    [first] = branch(trunks, tmp_path, "dense", 3, epoch=0, drop="magnitude", density=0.5)
    second = {"run": str(first.folder), "epoch": 0, "drop": "magnitude", "density": 0.25, "control": "shuffle"}
    [ours] = run(tmp_path, 3, name="second", start=second, **KINDS["dense"])
    before, after = (read_mask(one.folder / "mask.safetensors", one.organism()) for one in (first, ours))
    assert not (after & ~before).any()
    assert int(after.sum()) == round(0.25 * len(after))
    every = tmp_path / "mask.safetensors"
    write_mask(every, torch.ones_like(before), ours.organism())
    with pytest.raises(UserError, match="none comes back"):
        run(tmp_path, 3, name="third", start={"run": str(first.folder), "mask": str(every)}, **KINDS["dense"])
