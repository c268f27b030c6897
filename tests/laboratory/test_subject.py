"""What questions are asked of: runs, organisms by themselves, and organisms without fixpoint types."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

import srnn
from srnn import tasks
from srnn.analysis.thinning import measure
from srnn.analysis.trajectories import trajectories
from srnn.errors import NotApplicableError
from srnn.laboratory.questions import QUESTIONS
from srnn.laboratory.subject import Subject
from srnn.number import Number

ORGANISM = srnn.Organism(srnn.MLP(64, 3, 3, 10), srnn.Particle(3), torch.Generator().manual_seed(0))
DIGITS = tasks.load(srnn.load_preset("digits").task)


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    short = srnn.load_preset("digits").override(["body.width=3", "training.epochs=2", "log.every=1"])
    [run] = srnn.run(short, tmp_path_factory.mktemp("run"), seeds=[3], image_format=None)
    return Subject(run, DIGITS)


class TestARun:
    def test_it_is_known_after_every_logged_epoch(self, subject: Subject) -> None:
        assert subject.epochs == [0, 1, 2]
        assert torch.equal(subject.organism().weights, subject.organism(2).weights)
        assert not torch.equal(subject.organism().weights, subject.organism(0).weights)
        assert [epoch for epoch, _ in subject.over_epochs()] == subject.epochs
        assert list(subject.trajectory()["Epoch"].unique()) == subject.epochs

    def test_what_is_drawn_comes_from_its_seed_whatever_was_asked_before(self, subject: Subject) -> None:
        assert subject.seed == 3
        expected = torch.rand(5, generator=torch.Generator().manual_seed(3))
        assert torch.equal(torch.rand(5, generator=subject.generator), expected)
        assert torch.equal(torch.rand(5, generator=subject.generator), expected)


class TestAnOrganismByItself:
    subject = Subject(ORGANISM, DIGITS, seed=5)

    def test_it_is_asked_without_a_run(self) -> None:
        found = QUESTIONS["dropout"].answer(self.subject)["dropout"]
        assert set(found["Scope"]) == {"total", "L0", "L1", "L2"}
        assert torch.equal(torch.rand(2, generator=self.subject.generator), torch.rand(2, generator=seeded(5)))

    @pytest.mark.parametrize("question", ["thinning", "trajectories", "baselines"])
    def test_what_needs_a_run_says_so(self, question: str) -> None:
        assert self.subject.epochs == []
        with pytest.raises(NotApplicableError, match="asked of a run"):
            QUESTIONS[question].answer(self.subject)


class TestWithoutTypes:
    """A network of plain numbers has no fixpoint types; what asks for none is answered."""

    subject = Subject(srnn.Organism(srnn.MLP(64, 3, 3, 10), Number()), DIGITS)

    @pytest.mark.parametrize("question", ["connectivity", "dropout", "robustness", "stability"])
    def test_questions_about_types_do_not_apply(self, question: str) -> None:
        with pytest.raises(NotApplicableError, match="plain numbers do not replicate"):
            QUESTIONS[question].answer(self.subject)

    def test_pruning_knows_no_self_replicators(self) -> None:
        """Nor, of an organism by itself, what its weights were at birth."""
        known = {"smallest first", "random", "LAMP", "SNIP", "Fisher", "quiet inputs first"}
        assert set(self.answer("pruning")["pruning"]["Order"]) == known

    def test_transfer_tells_what_all_weights_are_worth_and_compares_with_the_dense_copy(self) -> None:
        found = self.answer("transfer")
        assert set(found["effective_weights"]["Type"]) == {"all"}
        assert list(found["transfer"]["Copy"]) == ["dense"]

    def test_the_heat_map_is_of_effective_weights(self) -> None:
        assert list(self.answer("heatmap")["heatmap"]) == ["Row", "Column", "Mean image", "Effective weight"]

    def test_thinning_goes_by_weights_and_signals(self) -> None:

        assert {"live_weight", "live_signal"} < (
            metrics := {*measure(self.subject.organism(), DIGITS.test_x)["Metric"]}
        )
        assert "live_type" not in metrics

    def test_trajectories_are_of_one_kind(self) -> None:
        row = {f"dim_{place}": float(place) for place in range(1, Number().size + 1)}
        frame = pd.DataFrame([{"Epoch": epoch, "Weight": "L0_C0_W0", **row} for epoch in (0, 1)])
        assert set(trajectories(frame, Number())["Type"]) == {"all"}

    def answer(self, question: str) -> dict[str, pd.DataFrame]:
        """The answer, whose figures can be drawn."""
        frames = QUESTIONS[question].answer(self.subject)
        for result, drawing in QUESTIONS[question].figures.values():
            assert drawing(frames[result])
        return frames


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
