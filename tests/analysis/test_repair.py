"""Repair: what rules do to damaged particles, against rules written out by hand, and beside a dense network."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

from srnn import MLP, Organism, Particle, replication
from srnn.analysis.repair import LEVELS, PLACEMENTS, RULES, _returned, placements, repair, scaled
from srnn.errors import NotApplicableError, UserError
from srnn.number import Number
from srnn.particle import noise, row_vector, self_output
from srnn.plots import repair as plots
from srnn.tasks import Task


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def task() -> Task:
    x = torch.randn(60, 6, generator=generator())
    y = x[:, :3].argmax(1)
    return Task("arrays", "classification", x, y, x, y, outputs=3)


@pytest.fixture(scope="module")
def organism() -> Organism:
    one = Organism(MLP(6, 5, 2, 3), Particle(4, "max", "fan_in"), generator())
    replication.place(one.weights.detach(), one.replicator, one.worth())
    return one


@pytest.fixture(scope="module")
def found(organism: Organism, task: Task) -> pd.DataFrame:
    return repair(organism, task, levels=(0.3, 0.01), cap=20, generator=generator(1))


def of(frame: pd.DataFrame, placement: str, rule: str, kind: str = "once", level: float = 0.01) -> pd.Series:
    rows = frame[
        (frame["Placement"] == placement)
        & (frame["Rule"] == rule)
        & (frame["Noise"] == kind)
        & (frame["Level"] == level)
    ]
    assert len(rows) == 1
    return rows.iloc[0]


def test_every_rule_leaves_self_replicators_and_the_scaled_one_takes_away_an_error_along_them() -> None:
    particle = Particle(4)
    weights = particle.draw(20, generator()).double()
    replication.project(weights, particle, replication.NEWBORN)
    for rule in RULES.values():
        torch.testing.assert_close(rule(weights, particle), weights, rtol=0, atol=1e-7)
    torch.testing.assert_close(scaled(1.02 * weights, particle), weights, rtol=0, atol=1e-7)
    v = row_vector(noisy := noise(weights, 0.01, generator()), particle)
    by_hand = noisy / v[0] ** (1 / 3) + self_output(noisy, particle) - v[0] * noisy
    torch.testing.assert_close(scaled(noisy, particle), by_hand)


def test_there_is_a_row_for_each_case_and_each_noise(found: pd.DataFrame) -> None:
    cases = sum(len(rules) for _, rules in PLACEMENTS.values()) + 2
    assert len(found) == cases * 2 * 3
    assert not found.duplicated(["Placement", "Rule", "Noise", "Level"]).any()


def test_who_returns_and_who_does_not(found: pd.DataFrame) -> None:
    for placement in ("own", "placed 3"):
        leaking = of(found, placement, "leak")
        assert leaking["Identity"] >= 0.95
        assert leaking["Applications"] <= 5
        assert of(found, placement, "self-application")["Identity"] == 0
    assert of(found, "placed -1", "scaled")["Identity"] > 0.9
    assert of(found, "ordinary", "leak")["Identity"] < 0.2
    projected = of(found, "ordinary", "projection")
    assert (projected["Identity"], projected["Applications"]) == (1, 1)
    assert (
        of(found, "ordinary", "projection", level=0.3)["Identity"]
        > of(found, "placed 1", "leak", level=0.3)["Identity"]
    )


def test_each_particle_is_told_when_it_first_was_one_again(organism: Organism) -> None:
    particle, weights = organism.replicator, organism.weights.detach()[:, :3].clone()
    weights[:, 2] = noise(weights[:, 2], 0.01, generator())
    for hit, taken in ((torch.tensor([True] * 3), 0), (torch.tensor([False, False, True]), 3)):
        _, (share, applications) = _returned(weights, particle, RULES["leak"], hit, 20)
        assert (share, applications) == (1, taken)
    _, (share, applications) = _returned(weights, particle, RULES["self-application"], hit, 20)
    assert share == 0
    assert applications != applications


def test_repair_does_not_restore_what_they_are_worth(found: pd.DataFrame) -> None:
    for _, row in found[(found["Rule"] == "projection") & (found["Noise"] == "once")].iterrows():
        assert row["Worth repaired"] == pytest.approx(row["Worth noisy"], rel=1e-3)
    leaking = of(found, "placed 3", "leak")
    assert 0.5 * leaking["Worth noisy"] < leaking["Worth repaired"] < 3 * leaking["Worth noisy"]
    # In the place where errors die out noise changes a worth by more.
    assert of(found, "placed 3", "leak")["Worth noisy"] > of(found, "ordinary", "leak")["Worth noisy"]


def test_noise_on_some_damages_a_tenth_of_them(found: pd.DataFrame, organism: Organism) -> None:
    assert set(found.loc[found["Noise"] != "some", "Particles"]) == {organism.size}
    assert 1 <= found.loc[found["Noise"] == "some", "Particles"].unique().item() < organism.size / 2
    assert (found["Before"].nunique(), found["Metric"].unique().item()) == (1, "accuracy")


def test_the_dense_network_has_the_same_noise_on_each_number(found: pd.DataFrame) -> None:
    for kind in ("once", "some", "always"):
        row = of(found, "dense", "none", kind)
        assert (row["Noisy"], row["Worth noisy"]) == (row["Repaired"], row["Worth repaired"])
        assert pd.isna(row["Identity"])
    # Of uniform noise of 0.01 the median is half of that.
    assert of(found, "dense", "none")["Worth noisy"] == pytest.approx(0.005, rel=0.5)
    assert of(found, "dense", "none", "always")["Worth noisy"] > 0.01


def test_the_organism_is_not_changed_and_the_answer_repeats(organism: Organism, task: Task) -> None:
    before = organism.weights.detach().clone()
    first, second = (repair(organism, task, (0.01,), 3, generator(5)) for _ in range(2))
    pd.testing.assert_frame_equal(first, second)
    assert torch.equal(organism.weights, before)


def test_in_its_place_a_particle_is_larger_and_more_sensitive(organism: Organism) -> None:
    rows = placements(organism, generator()).set_index("Placement")
    assert list(rows.index) == list(PLACEMENTS)
    assert (rows["Identity"] == 1).all()
    for column in ("Norm", "Sensitivity"):
        assert rows.loc["placed 3", column] > rows.loc["placed 1", column] > rows.loc["ordinary", column]


@pytest.mark.parametrize(
    ("kind", "complaint"),
    [(Particle(3), "particle.hidden is 3; only particles of 4 hidden units"), (Number(), "plain numbers do not")],
)
def test_what_cannot_be_placed_is_said(kind: Particle, complaint: str, task: Task) -> None:
    with pytest.raises(NotApplicableError, match=complaint):
        repair(Organism(MLP(6, 5, 2, 3), kind), task)


def test_a_particle_that_diverged_is_said(organism: Organism, task: Task) -> None:
    lost = Organism(MLP(6, 5, 2, 3), Particle(4))
    lost.weights.data[0, 3] = torch.nan
    with pytest.raises(NotApplicableError, match="a particle is not finite"):
        repair(lost, task)


class TestFigure:
    def test_lines_are_the_shares_and_the_metric(self, found: pd.DataFrame) -> None:
        figure = plots.repair(found, "digits")
        identity, once, always = figure.axes
        labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
        assert labels[0] == "the organism, leak"
        assert labels[-1] == "dense network"
        drawn = identity.lines[0].get_ydata()
        assert sorted(drawn) == sorted(of(found, "own", "leak", level=level)["Identity"] for level in (0.3, 0.01))
        assert len(identity.containers) == len(labels) - 1  # numbers do not replicate
        assert len(once.containers) == len(always.containers) == len(labels)

    def test_nothing_to_draw_is_said(self, found: pd.DataFrame) -> None:
        with pytest.raises(UserError, match="no particle was damaged"):
            plots.repair(found.iloc[:0])


def test_the_levels_hold_the_one_that_is_told() -> None:
    assert 1e-2 in LEVELS
