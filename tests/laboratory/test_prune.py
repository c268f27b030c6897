"""Pruning real runs: what is dropped is 0 for good, and what goes on is a run as any other."""

from __future__ import annotations

import shlex
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from processes import start

import srnn
from srnn import importance, tasks
from srnn.analysis.many import evaluate
from srnn.errors import StoppedError, UserError
from srnn.laboratory.network_files import NETWORK
from srnn.laboratory.prune import prune
from srnn.runs.masks import NAME as MASK
from srnn.runs.masks import kept_of, read_mask
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


def test_no_event_gives_back_what_is_dropped(tmp_path: Path) -> None:
    """What was frozen is trained again, but for that; and it is told how much is left."""
    thawing = ("events.freeze.at=[1]", "events.freeze.share=0.3", "events.thaw.at=[3]", "events.thaw.who=all")
    run = trained(tmp_path, *NUMBERS, *thawing)
    [found] = prune(run, 0.25, epochs=2, image_format=None)
    kept = read_mask(found.run.folder / MASK, found.run.organism())
    assert found.run.organism().worth()[~kept].count_nonzero() == 0
    assert verify(found.run, tasks.load(run.experiment.task))["Holds"].all()
    metrics = found.run.metrics.query("Epoch == 4").set_index("Metric")["Score"]
    assert metrics["density"] == 0.25
    assert metrics["L0_density"] == found.densities["Density"].iloc[0]
    assert metrics["collapsed_layers"] == 0
    assert torch.equal(kept_of(found.run), kept)


def test_pruned_again_it_keeps_none_of_what_was_dropped(first: Run, tmp_path: Path) -> None:
    options: dict[str, Any] = {"epochs": 1, "out": tmp_path, "image_format": None}
    [once] = prune(first, 0.5, "random", **options)
    [twice] = prune(once.run, 0.25, "random", **options)
    before, after = (read_mask(one.run.folder / MASK, first.organism()) for one in (once, twice))
    assert int(after.sum()) == round(0.25 * 312)
    assert not (after & ~before).any()
    with pytest.raises(UserError, match="only 156 are left: choose a smaller one"):
        prune(once.run, 0.75, "random", **options)


def network(run: Run) -> torch.Tensor:
    return torch.cat([weight.flatten() for weight in safetensors.torch.load_file(run.folder / NETWORK).values()])


def test_stopped_it_goes_on_in_either_way(first: Run, tmp_path: Path) -> None:
    """By the same call, and as any run; what is beside it is of its end, also of a longer one."""
    options: dict[str, Any] = {"epochs": 2, "image_format": None}
    [whole] = prune(first, 0.25, out=tmp_path / "whole", **options)
    assert torch.equal(network(whole.run), whole.run.organism().worth())
    for name in ("call", "run"):
        with pytest.raises(StoppedError):
            prune(first, 0.25, out=tmp_path / name, stop=iter([False] * 8 + [True]).__next__, **options)
        stopped = Run(tmp_path / name / whole.run.experiment.name / "seed-3")
        assert stopped.status.status == "interrupted"
        if name == "call":
            [again] = prune(first, 0.25, out=tmp_path / name, **options)
            assert (again.before, again.cut, again.after) == (whole.before, whole.cut, whole.after)
        else:
            srnn.run(stopped.experiment, tmp_path / name, resume=True, image_format=None)
        for path in ("metrics.csv", "checkpoints/epoch-000004.safetensors", MASK, NETWORK):
            assert (stopped.folder / path).read_bytes() == (whole.run.folder / path).read_bytes(), path
    [longer] = srnn.extend(stopped, 1, image_format=None)
    assert torch.equal(network(longer), longer.organism().worth())
    assert not torch.equal(network(longer), network(whole.run))


def test_interrupted_on_the_command_line_it_says_how_to_go_on(first: Run, tmp_path: Path) -> None:
    command = ["prune", str(first.folder), "--density", "0.25", "--epochs", "400", "--out", "a b"]
    begun = start(command, tmp_path)
    folder = tmp_path / "a b" / f"{first.experiment.name}-magnitude-0.25" / "seed-3"
    metrics = folder / "metrics.csv"
    while not (metrics.is_file() and "\n3," in metrics.read_text()):
        assert not begun.ends_within(0.05)
    begun.send_signal(signal.SIGTERM)
    answer = begun.end()
    assert (answer.code, Run(folder).status.status) == (143, "interrupted")
    assert answer.err.splitlines()[-1] == f"srnn: interrupted; go on with: {shlex.join(['srnn', *command])}"
    again = prune(first, 0.25, epochs=400, out=tmp_path / "a b", image_format=None, progress=False)
    assert again[0].run.status.status == "finished"


class TestErrors:
    @pytest.mark.parametrize("density", [0.0, 1.5, float("nan")])
    def test_no_density(self, first: Run, density: float) -> None:
        with pytest.raises(UserError, match="allowed: above 0, up to 1"):
            prune(first.folder, density)

    def test_a_run_that_is_there(self, first: Run, tmp_path: Path) -> None:
        place = tmp_path / f"{first.experiment.name}-magnitude-0.5" / "seed-3"
        place.mkdir(parents=True)
        with pytest.raises(UserError, match="seed-3 exists already: choose another out, or remove it first"):
            prune(first.folder, 0.5, out=tmp_path)

    def test_one_of_other_weights_or_of_another_length(self, first: Run, tmp_path: Path) -> None:
        prune(first.folder, 0.5, epochs=1, out=tmp_path, image_format=None)
        with pytest.raises(UserError, match="exists already, and keeps other weights: choose another out"):
            prune(first.folder, 0.5, scope="layer", epochs=1, out=tmp_path)
        with pytest.raises(UserError, match=r"exists already, with training\.epochs 3 and not 4: choose another out"):
            prune(first.folder, 0.5, epochs=2, out=tmp_path)

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

    @pytest.mark.parametrize(
        ("arguments", "complaint"),
        [
            ({"score": "size"}, "score is 'size'; allowed"),
            ({"scope": "all"}, "scope is 'all'; allowed: global, layer"),
            ({"density": "0.5"}, "density is 0.5; allowed: above 0, up to 1"),
            ({"epochs": "5"}, "epochs is 5; allowed: a whole number from 1"),
            ({"image_format": "jpg"}, "image_format is 'jpg'; allowed"),
            ({"device": "tpu"}, "device is 'tpu'; allowed"),
            ({"seeds": [0]}, "there is no argument seeds; allowed"),
            ({"after_start": 3}, "after_start is 3; allowed: what can be called"),
        ],
        ids=str,
    )
    def test_nothing_is_left_behind(
        self, first: Run, tmp_path: Path, arguments: dict[str, Any], complaint: str
    ) -> None:
        with pytest.raises(UserError) as error:
            prune(first.folder, **{"density": 0.5, "out": tmp_path, **arguments})
        assert str(error.value).startswith(complaint)
        assert [*tmp_path.iterdir()] == []

    def test_where_particles_meet_none_can_be_dropped(self, tmp_path: Path) -> None:
        run = trained(tmp_path, "interactions.attack=0.01")
        with pytest.raises(UserError, match="weights are dropped where particles meet, which would revive them"):
            prune(run.folder, 0.5)
        assert [path.name for path in tmp_path.iterdir()] == [run.experiment.name]


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
