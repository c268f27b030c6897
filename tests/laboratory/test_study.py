"""Studies of pruning on tiny bodies: what their branches begin with and keep, and that they go on where they were."""

from __future__ import annotations

import re
import shutil
import signal
from pathlib import Path
from typing import Any, ClassVar

import pytest
import tomli_w
import torch
from processes import forked, start

import srnn
from srnn import Experiment, UserError
from srnn.analysis.rounds import DENSE, schedule
from srnn.commands.study import print_study
from srnn.importance import by_type, keep
from srnn.laboratory.branches import branches
from srnn.laboratory.study import Study
from srnn.runs.masks import NAME as MASK
from srnn.runs.masks import kept_of, read_mask
from srnn.runs.run import Run

NUMBERS = {"particle": {"kind": "number", "values": "particles", "hidden": 2}, "replication": {"method": "none"}}
ROUNDS: dict[str, Any] = {
    "name": "rounds",
    "task": {"size": 4, "validation": 100},
    "body": {"depth": 3, "width": [4, 3], "activation": "relu", "residual": "none"},
    "training": {"epochs": 3, "batch_size": 600, "lr": 0.1},
    "log": {"every": 1, "rest": 0},
    "pruning": {"rounds": 2, "rate": 0.5, "last_rate": 0.2, "rewind": 1, "controls": ["reinit", "shuffle"]},
    **NUMBERS,
}
ORGANISM = ["particle.kind=weightwise", "replication.method=sgd", "replication.alpha=1.0"]
SHOTS: dict[str, Any] = {
    **ROUNDS,
    "name": "shots",
    "task": {"size": 4},
    "pruning": {
        "by": ["snip"],
        "densities": [1.0, 0.3],
        "scope": "global",
        "others": {
            "organism": {"changes": ORGANISM, "by": ["type"]},
            "l0": {"changes": ["terms.hard_concrete.lr=0.5"], "by": ["gate"]},
            "targeted": {"changes": ["terms.targeted.share=0.5"], "by": ["gate"]},
        },
    },
}


COURSES: dict[str, dict[str, Any]] = {
    "cubic": {"by": ["magnitude"], "densities": [0.5, 0.2], "scope": "global", "cubic": [0, 2]},
    "iterative": {"by": ["magnitude"], "densities": [0.5, 0.2], "scope": "global", "iterative": True},
}


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study in rounds, and one whose densities are each reached at once."""
    out = tmp_path_factory.mktemp("studies")
    srnn.run(Experiment.from_dict(ROUNDS), out, seeds=[4], progress=False)
    srnn.run(Experiment.from_dict(SHOTS), out, seeds=[4], image_format=None, progress=False)
    return out


def of(out: Path, study: str, branch: str, seed: int = 4) -> Run:
    return Run.open(out / study / branch / f"seed-{seed}")


def kept(run: Run) -> torch.Tensor:
    return read_mask(run.folder / MASK, run.organism())


class TestRounds:
    def test_each_keeps_its_density_of_what_the_one_before_has_left(self, out: Path) -> None:
        before, trained = torch.ones(16 * 4 + 4 * 3 + 3 * 10, dtype=torch.bool), of(out, "rounds", "trunk")
        for number, densities in enumerate(schedule(3, 2, 0.5, 0.2), start=1):
            branch = of(out, "rounds", f"magnitude-round-{number}")
            organism, mask = branch.organism(), kept(branch)
            worth = trained.organism().worth()
            assert torch.equal(
                mask, keep(worth.abs(), densities, organism.layers, "layer", worth=worth, dropped=~before)
            )
            # It begins where the trunk was after an epoch, and ends with it.
            assert torch.equal(branch.organism(1).worth(), of(out, "rounds", "trunk").organism(1).worth() * mask)
            assert branch.metrics["Epoch"].agg(["min", "max"]).tolist() == [1, 3]
            before, trained = mask, branch

    def test_controls_are_other_starts_beside_it(self, out: Path) -> None:
        for number in (1, 2):
            ticket, reinit, shuffle = (
                of(out, "rounds", f"magnitude-round-{number}{control}") for control in ("", "-reinit", "-shuffle")
            )
            born = {run: run.organism(1).worth() for run in (ticket, reinit, shuffle)}
            assert torch.equal(kept(reinit), kept(ticket))
            assert not (born[reinit] == born[ticket])[kept(ticket)].any()
            assert not torch.equal(kept(shuffle), kept(ticket))
            for part in ticket.organism().layers.values():
                assert kept(shuffle)[part].sum() == kept(ticket)[part].sum()
            assert torch.equal(born[shuffle], of(out, "rounds", "trunk").organism(1).worth() * kept(shuffle))

    def test_it_ends_with_tables_and_a_figure(self, out: Path) -> None:
        study = Study.open(out / "rounds")
        assert len(study) == len(study.branches) == 7
        [own] = study.branches.query("Seed == 4 and Round == 2 and Control == 'ticket'").to_dict("records")
        branch = of(out, "rounds", "magnitude-round-2", 4)
        metrics = branch.metrics.pivot(index="Epoch", columns="Metric", values="Score")
        stop = int(metrics["validation_loss"].to_numpy().argmin())
        assert (own["Early stop"], own["Test score"]) == (metrics.index[stop], metrics["test_accuracy"].iloc[stop])
        assert own["Density"] == pytest.approx(float(kept(branch).double().mean()))
        layers = study.layers.query("Seed == 4 and Round == 2 and Control == 'ticket'")["Kept"].tolist()
        assert layers == [16, 3, 19, 38]
        ends = study.summary.query("Quantity == 'End score'").set_index(["By", "Round", "Control"])
        scores = study.branches.pivot(index="Seed", columns=["By", "Round", "Control"], values="End score")
        ahead = scores["magnitude", 1, "reinit"] - scores["", 0, DENSE]
        assert ends["Difference"]["magnitude", 1, "reinit"] == pytest.approx(ahead.mean())
        assert [path.name for path in study.figures] == ["rounds-magnitude.png"]
        assert "magnitude 2 shuffle" in str(study)

    def test_a_table_that_is_damaged_is_named(self, out: Path, tmp_path: Path) -> None:
        folder = tmp_path / "rounds"
        (folder / "results").mkdir(parents=True)
        shutil.copy(out / "rounds/config.toml", folder)
        path = folder / "results/summary.csv"
        path.write_text((out / "rounds/results/summary.csv").read_text().replace("Mean", "Median"))
        with pytest.raises(UserError, match=r"summary\.csv is damaged: it has no .*Mean"):
            assert Study.open(folder).summary is None
        path.unlink()
        with pytest.raises(UserError, match=r"summary\.csv is missing: rounds has not ended yet; go on with it"):
            assert Study.open(folder).summary is None


class TestShots:
    def test_with_all_weights_kept_it_is_the_trunk(self, out: Path) -> None:
        ours, trunk = (of(out, "shots", name).organism() for name in ("snip-1", "trunk"))
        assert torch.equal(ours.weights, trunk.weights)

    def test_what_another_run_marks_is_dropped_of_the_trunk(self, out: Path) -> None:
        organism = of(out, "shots", "organism").organism()
        worth = organism.worth()
        mask = keep(by_type(organism), 0.3, organism.layers, worth=worth)
        branch = of(out, "shots", "organism-type-0.3")
        assert torch.equal(kept(branch), mask)
        trunk = of(out, "shots", "trunk").organism(0)
        assert torch.equal(branch.organism(0).worth(), trunk.worth() * mask)
        # They were born with the same worth, but for rounding.
        torch.testing.assert_close(of(out, "shots", "organism").organism(0).worth(), trunk.worth())

    def test_gates_say_themselves_what_is_dropped(self, out: Path) -> None:
        scored = of(out, "shots", "l0")
        score, organism = scored.gate_score(), scored.organism()
        assert score is not None
        mask = kept(of(out, "shots", "l0-gate-0.3"))
        assert score[mask].min() > score[~mask].max()
        first, last = scored.gate_score(0), scored.gate_score(3)
        assert first is not None
        assert last is not None
        assert torch.equal(last, score)
        assert not torch.equal(first, score)
        # They were born the same but for a little, and are not what magnitude says.
        assert not torch.equal(mask, keep(organism.worth().abs(), 0.3, organism.layers, worth=organism.worth()))

    def test_targets_are_told_from_each_other_though_all_are_dropped_at_rest(self, out: Path) -> None:
        organism, mask = of(out, "shots", "targeted").organism(), kept(of(out, "shots", "targeted-gate-0.3"))
        with organism.behind(None):
            worth = organism.worth()
        assert torch.equal(mask, keep(worth.abs(), 0.3, organism.layers, worth=worth))
        assert (organism.worth()[mask] == 0).any()

    def test_it_is_told_of_without_validation_data(self, out: Path) -> None:
        summary = Study.open(out / "shots").summary
        assert {*summary["By"]} == {"", "snip", "organism-type", "l0-gate", "targeted-gate"}
        assert not {"Early stop", "Test score"} & {*summary["Quantity"]}


def test_a_density_is_reached_inside_one_training_or_from_the_one_before(tmp_path: Path) -> None:
    for name, pruning in COURSES.items():
        study = Experiment.from_dict({**ROUNDS, "name": name, "pruning": pruning})
        srnn.run(study, tmp_path, seeds=[4], image_format=None, progress=False)
        found = Study.open(tmp_path / name)
        assert found.branches["Density"].tolist() == [1, 53 / 106, 21 / 106]
        assert found.layers.query("Layer == 'total'")["Kept"].tolist() == [106, 53, 21]
    trunk, half, fifth = (of(tmp_path, "cubic", one) for one in ("trunk", "magnitude-0.5", "magnitude-0.2"))
    # Each is born as the trunk is, and ends with as many epochs.
    assert torch.equal(half.organism(0).worth(), trunk.organism(0).worth())
    assert torch.equal(kept_of(fifth), fifth.organism().worth() != 0)
    assert half.metrics.query("Metric == 'density'")["Score"].round(3).tolist() == [0.566, 0.5, 0.5]
    # Of what was left by the largest that it was trained to, from where the trunk began.
    half, fifth = (of(tmp_path, "iterative", one) for one in ("magnitude-0.5", "magnitude-0.2"))
    organism = half.organism()
    worth, gone = organism.worth(), ~kept(half)
    assert torch.equal(kept(fifth), keep(worth.abs(), 0.2, organism.layers, worth=worth, dropped=gone))
    assert torch.equal(fifth.organism(0).worth(), trunk.organism(0).worth() * kept(fifth))


@pytest.mark.parametrize(("settings", "label"), [({"rounds": 2}, "round-{}"), ({"densities": [0.1, 0.2]}, "0.{}")])
def test_controls_of_some_rounds_only(tmp_path: Path, settings: dict[str, Any], label: str) -> None:
    pruning = {"controls": ["reinit"], "controlled": [2], **settings}
    every = branches(Experiment.from_dict({**ROUNDS, "pruning": pruning}), tmp_path)
    one, two = (f"magnitude-{label.format(number)}" for number in (1, 2))
    assert [branch.experiment.name for branch in every] == ["trunk", one, two, f"{two}-reinit"]


def test_another_run_that_is_not_scored_is_only_run_beside() -> None:
    others = {"beside": {"changes": ["terms.l2.strength=1.0"], "by": []}}
    study = Experiment.from_dict({**SHOTS, "pruning": {"densities": [0.3], "others": others}})
    assert [branch.experiment.name for branch in branches(study, Path("study"))] == ["trunk", "beside", "magnitude-0.3"]


class TestDiverged:
    """Particles that diverge in the first batch: no seed is left out for it."""

    wild: ClassVar[list[str]] = [
        *ORGANISM[:-1],
        "replication.alpha=1e6",
        "training.lr=10.0",
        "replication.divergent=keep",
    ]
    shot: ClassVar[dict[str, Any]] = {"densities": [0.3], "scope": "global", "controls": ["shuffle"]}

    @pytest.mark.filterwarnings("ignore:seed:UserWarning")
    def test_what_another_run_marks_is_put_on_the_trunk_all_the_same(self, tmp_path: Path) -> None:
        others = {"wild": {"changes": self.wild}}
        values = {**SHOTS, "pruning": {**self.shot, "by": [], "controls": [], "others": others}}
        srnn.run(Experiment.from_dict(values), tmp_path, seeds=[4], image_format=None, progress=False)
        study = Study.open(tmp_path / "shots")
        assert of(tmp_path, "shots", "wild").status.status == "diverged"
        [row] = study.branches.query("By == 'wild-magnitude'").to_dict("records")
        assert row["Density"] == pytest.approx(0.3, abs=0.005)
        assert (
            row["End score"]
            == of(tmp_path, "shots", "wild-magnitude-0.3").metrics.query("Metric == 'test_accuracy'")["Score"].iloc[-1]
        )

    @pytest.mark.filterwarnings("ignore:seed:UserWarning")
    def test_what_cannot_begin_is_as_good_as_what_it_would_have_begun_from(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        study = Experiment.from_dict({**SHOTS, "pruning": {**self.shot, "rewind": 2}}).override(self.wild)
        srnn.run(study, tmp_path, seeds=[4], progress=False)
        branches = Study.open(tmp_path / "shots").branches
        assert branches["Control"].tolist() == [DENSE, "ticket", "shuffle"]
        # A network that answers nothing guesses among ten classes.
        assert branches["End score"].tolist() == [0.1] * 3
        print_study(tmp_path / "shots")
        assert re.search(r"magnitude shuffle +– +0\.1 +0\n", capsys.readouterr().out)


def test_after_kill_9_it_goes_on_to_the_same_bytes(out: Path, tmp_path: Path) -> None:
    values = {**ROUNDS, "pruning": {**ROUNDS["pruning"], "rounds": 1, "controls": ["reinit"]}}
    (tmp_path / "rounds.toml").write_text(tomli_w.dumps(values))
    command = ["run", "rounds.toml", "--seeds", "4-4"]
    running = start(command, tmp_path)
    branch = tmp_path / "runs/rounds/magnitude-round-1/seed-4/config.toml"
    while not branch.exists():
        assert not running.ends_within(0.005)
    running.send_signal(signal.SIGKILL)
    assert running.end().code == -signal.SIGKILL
    trunk = tmp_path / "runs/rounds/trunk/seed-4/metrics.csv"
    before = trunk.stat().st_mtime_ns
    answer = forked(["run", "runs/rounds", "--resume"], tmp_path)
    assert answer.code == 0, answer.err
    assert re.search(r"magnitude reinit +58\.5%", answer.out)
    assert trunk.stat().st_mtime_ns == before
    for name in ("trunk", "magnitude-round-1", "magnitude-round-1-reinit"):
        for path in ("metrics.csv", "checkpoints/epoch-000003.safetensors"):
            ours, theirs = (one / "rounds" / name / "seed-4" / path for one in (tmp_path / "runs", out))
            assert ours.read_bytes() == theirs.read_bytes(), (name, path)


class TestErrors:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"rounds": []}, "[pruning] says how, and not how much: set pruning.rounds or pruning.densities"),
            ({"densities": [0.5]}, "pruning.rounds and pruning.densities both say"),
            ({"rewind": 3}, "pruning.rewind is 3, and training.epochs 3: branches are"),
            ({"rewind": "end"}, "pruning.controls has 'reinit', another start"),
            ({"controls": ["same_worth"]}, "pruning.controls has 'same_worth'; a plain number"),
            ({"controlled": [2, 3]}, "pruning.controlled has 3, and there are 2 rounds or densities: name some"),
            ({"controlled": [3], "rounds": [7, 15]}, "pruning.controlled has 3, and there are 2 rounds or densities"),
            ({"by": ["gate"]}, "pruning.by has 'gate', which is known where there are gates of one kind: set one of"),
            ({"by": ["type"]}, "pruning.by has 'type'; a plain number replicates nothing"),
            ({"by": []}, "pruning.by is empty: name a score"),
            ({"rounds": [1], "by": [], "others": {"a": {"by": []}}}, "pruning.by is empty: name a score, or one of"),
            ({"others": {"a": {}}}, "pruning.others are scored once"),
            ({"rounds": [1], "others": {"a": {"by": ["type"]}}}, "pruning.others.a.by has 'type'; a plain number"),
            ({"rounds": [1], "others": {"a": {"changes": ["seed=1"]}}}, "pruning.others.a: seed is the same for all"),
        ],
    )
    def test_what_does_not_go_together(self, changes: dict[str, Any], message: str, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=re.escape(message)):
            branches(Experiment.from_dict({**ROUNDS, "pruning": {**ROUNDS["pruning"], **changes}}), tmp_path)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"cubic": [0]}, "pruning.cubic is [0]; needed: two epochs, the first of them smaller, up to"),
            ({"cubic": [0, 4]}, "pruning.cubic is [0, 4]; needed: two epochs"),
            ({"iterative": True}, "pruning.cubic and pruning.iterative both say how a density is reached"),
            ({"controls": ["reinit"]}, "pruning.controls is of trainings after the trunk's, and with pruning.cubic"),
            ({"by": ["movement"]}, "pruning.by has 'movement', which is not known in the middle of training"),
            ({"others": {"a": {}}}, "pruning.others are scored once, and pruning.cubic scores again"),
            ({"densities": [], "rounds": [1]}, "pruning.cubic is [0, 2], which is of pruning.densities, and there are"),
            ({"cubic": [], "iterative": True, "densities": [0.2, 0.5]}, "pruning.densities do not become smaller"),
        ],
    )
    def test_how_a_density_is_reached(self, changes: dict[str, Any], message: str) -> None:
        with pytest.raises(UserError, match=re.escape(message)):
            Experiment.from_dict({**ROUNDS, "pruning": {**COURSES["cubic"], **changes}})

    def test_names_that_are_taken(self, tmp_path: Path) -> None:
        study = Experiment.from_dict({**ROUNDS, "pruning": {"densities": [0.5], "others": {"results": {}}}})
        with pytest.raises(UserError, match=r"pruning\.others\.results has the name of another run"):
            branches(study, tmp_path)

    def test_other_runs_are_checked_before_the_trunk_is_trained(self, tmp_path: Path) -> None:
        others = {"big": {"changes": ["training.batch_size=5000"]}}
        study = Experiment.from_dict({**ROUNDS, "pruning": {"rounds": [1], "others": others}})
        with pytest.raises(UserError, match=r"^big: training\.batch_size is 5,000"):
            srnn.run(study, tmp_path, seeds=2, progress=False)
        study.to_toml(tmp_path / "study.toml")
        assert "training.batch_size is 5,000" in forked(["run", "study.toml", "--out", "out"], tmp_path).line
        assert [path.name for path in tmp_path.iterdir()] == ["study.toml"]

    def test_another_study_is_there(self, out: Path) -> None:
        other = Experiment.from_dict({**ROUNDS, "pruning": {"rounds": 1}})
        with pytest.raises(UserError, match=r"rounds exists already, with pruning\.rounds 2 and not 1"):
            srnn.run(other, out, resume=True)


def test_without_rewinding_each_goes_on_for_as_long_again(tmp_path: Path) -> None:
    study = Experiment.from_dict({**ROUNDS, "pruning": {"rounds": 3, "rewind": "end", "by": ["snip"]}})
    later = [one.experiment for one in branches(study, tmp_path)[1:]]
    assert [(one.start.epoch, one.training.epochs) for one in later] == [(3, 6), (6, 9), (9, 12)]
    assert [Path(one.start.run).name for one in later] == ["trunk", "snip-round-1", "snip-round-2"]
    # Each is scored where it began to be trained.
    assert [one.start.at for one in later] == [0, 3, 6]
