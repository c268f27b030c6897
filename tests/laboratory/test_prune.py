"""Pruning real runs: what is dropped is 0 for good, and what goes on is a run as any other."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import safetensors.torch
import torch

import srnn
from srnn import importance, tasks
from srnn.analysis.many import evaluate
from srnn.errors import StoppedError, UserError
from srnn.laboratory.prune import NETWORK, prune
from srnn.runs.masks import NAME as MASK
from srnn.runs.masks import read_mask
from srnn.runs.run import Run
from srnn.runs.verify import verify

SHORT = ("body.width=4", "body.depth=3", "body.residual=none", "particle.hidden=2", "training.epochs=2", "log.every=1")
NUMBERS = ("particle.kind=number", "replication.method=none", "training.optimizer=adamw")


def trained(out: Path, *changes: str) -> Run:
    [run] = srnn.run(srnn.load_preset("digits").override([*SHORT, *changes]), out, seeds=[3], image_format=None)
    return run


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return trained(tmp_path_factory.mktemp("trained"))


@pytest.mark.parametrize(
    "changes",
    [(), ("replication.method=newton",), ("replication.method=lifted", "replication.every=epoch"), NUMBERS],
    ids=["sgd", "newton", "lifted", "numbers"],
)
def test_what_is_dropped_stays_zero_whatever_moves_the_others(changes: tuple[str, ...], tmp_path: Path) -> None:
    run = trained(tmp_path, *changes)
    [found] = prune(run.folder, 0.25, epochs=3, image_format=None)
    assert found.run.folder == tmp_path / f"{run.experiment.name}-magnitude-0.25" / "seed-3"
    kept = read_mask(found.run.folder / MASK, found.run.organism())
    assert int(kept.sum()) == round(0.25 * 312) == found.densities.set_index("Layer").loc["total", "Kept"]
    before, organism = run.organism(), found.run.organism()
    assert organism.worth()[~kept].count_nonzero() == 0
    assert organism.weights[:, ~kept].count_nonzero() == 0
    # But for those on inputs that are always zero.
    assert (organism.worth() != before.worth())[kept].double().mean() > 0.9
    # The smallest ones went.
    assert before.worth().abs()[~kept].max() <= before.worth().abs()[kept].min()
    # It began with what was left.
    cut = found.run.organism(3).worth()
    assert cut[~kept].count_nonzero() == 0
    task = tasks.load(run.experiment.task)
    assert verify(found.run, task)["Holds"].all()
    network = list(safetensors.torch.load_file(found.run.folder / NETWORK).values())
    assert torch.equal(torch.cat([weight.flatten() for weight in network]), organism.worth())
    # Of the old one nothing has changed.
    assert verify(run, task)["Holds"].all()


def test_the_score_decides(first: Run, tmp_path: Path) -> None:
    """In each layer as many, by how far they have come since birth."""
    [found] = prune(first.folder, 0.5, "movement", scope="layer", epochs=1, out=tmp_path, image_format=None)
    kept = read_mask(found.run.folder / MASK, found.run.organism())
    assert found.densities["Density"].tolist() == [0.5] * 4
    moved = (first.organism().worth() - first.organism(0).worth()).abs()
    for part in first.organism().layers.values():
        assert moved[part][~kept[part]].max() <= moved[part][kept[part]].min()
    metrics = found.run.metrics.query("Metric == 'test_accuracy'")["Score"].tolist()
    assert (found.before, found.after) == (metrics[-2], metrics[-1])


def test_it_resumes_to_the_same_bytes(first: Run, tmp_path: Path) -> None:
    [whole] = prune(first.folder, 0.25, epochs=2, out=tmp_path / "whole", image_format=None)
    seen = []

    def stop() -> bool:
        seen.append(1)
        return len(seen) == 9

    with pytest.raises(StoppedError):
        prune(first.folder, 0.25, epochs=2, out=tmp_path / "cut", image_format=None, stop=stop)
    folder = tmp_path / "cut" / whole.run.experiment.name / "seed-3"
    [again] = srnn.run(Run(folder).experiment, tmp_path / "cut", resume=True, image_format=None)
    for path in ("metrics.csv", "checkpoints/epoch-000004.safetensors", MASK):
        assert (again.folder / path).read_bytes() == (whole.run.folder / path).read_bytes(), path


class TestErrors:
    @pytest.mark.parametrize("density", [0.0, 1.5, float("nan")])
    def test_no_density(self, first: Run, density: float) -> None:
        with pytest.raises(UserError, match="allowed: above 0, up to 1"):
            prune(first.folder, density)

    def test_a_run_that_is_there(self, first: Run, tmp_path: Path) -> None:
        place = tmp_path / f"{first.experiment.name}-magnitude-0.5" / "seed-3"
        place.mkdir(parents=True)
        with pytest.raises(UserError, match="seed-3 exists already: go on with it by srnn run"):
            prune(first.folder, 0.5, out=tmp_path)

    def test_a_run_that_has_not_ended(self, first: Run, tmp_path: Path) -> None:
        folder = shutil.copytree(first.folder, tmp_path / first.experiment.name / "seed-3")
        text = (folder / "status.json").read_text().replace("finished", "interrupted")
        (folder / "status.json").write_text(text)
        with pytest.raises(UserError, match="is interrupted: only a run that is finished can be pruned"):
            prune(folder, 0.5)

    def test_an_end_that_a_longer_run_would_not_log(self, tmp_path: Path) -> None:
        run = trained(tmp_path, "training.epochs=3", "log.every=2")
        with pytest.raises(UserError, match=r"no multiple of log.every, 2: train it on .* --extend 1"):
            prune(run.folder, 0.5)

    def test_nothing_is_left_behind(self, first: Run, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="score is 'size'"):
            prune(first.folder, 0.5, "size", out=tmp_path)  # type: ignore[arg-type]
        assert [*tmp_path.iterdir()] == []


def test_the_smallest_matter_less_than_any_on_digits(tmp_path: Path) -> None:
    """A tenth is kept of dense networks of five seeds."""
    dense = srnn.load_preset("digits").override(
        [*NUMBERS, "body.width=16", "body.depth=3", "body.activation=relu", "training.epochs=10", "log.every=10"]
    )
    scores: dict[str, list[float]] = {"magnitude": [], "random": []}
    task = tasks.load(dense.task)
    for run in srnn.run(dense, tmp_path, seeds=5, image_format=None):
        organism, generator = run.organism(), torch.Generator().manual_seed(run.experiment.seed)
        for name, found in scores.items():
            values = importance.score(name, organism, task, generator=generator)  # type: ignore[arg-type]
            kept = importance.keep(values, 0.1, organism.layers, worth=organism.worth())
            found.append(float(evaluate(organism, organism.worth().masked_fill(~kept, 0)[None], task)[1]))
    assert sum(scores["magnitude"]) > sum(scores["random"])
