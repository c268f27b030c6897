"""Robustness: how long noisy clones of self-replicators last."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from srnn import Organism, Particle
from srnn.analysis.robustness import LEVELS, by_level, robustness, until_zero_or_divergent
from srnn.errors import UserError
from srnn.particle import noise, self_output
from srnn.plots import robustness as plots

PARTICLE = Particle(hidden=1)  # W1 is the first five weights, W2 the sixth, W3 the last: v = W3 · W2 · W1
COLUMNS = ["Weight", "Level", "Clone", "Steps", "Identity steps", "End"]


def made(v0: float) -> Tensor:
    """A particle ``(7,)`` with v = (v0, 0, 0, 0, 0), so that a self-application multiplies its weights by v0."""
    return torch.tensor([v0, 0, 0, 0, 0, 1, 1])


def organism(*particles: Tensor) -> Organism:
    one = Organism(nn.Linear(len(particles), 1, bias=False), PARTICLE)
    one.weights.data = torch.stack(particles, dim=1)
    return one


@pytest.mark.usefixtures("each_path")
class TestUntilZeroOrDivergent:
    def test_by_hand(self) -> None:
        """Every weight is multiplied by v0, and so v0, the product of three of them, becomes v0⁴.

        From v0 = 2 it is 2 ** 4ⁿ after n steps, and the largest weight 2 ** ((4ⁿ − 1) / 3 + 1): 2²² and 2⁸⁶ after 3
        and 4 steps; after 5 it would be 2³⁴², which float32 does not hold. From v0 = 1/2 the largest weight is
        2 ** −((4ⁿ − 1) / 3): 1, 2⁻¹, 2⁻⁵ and after 3 steps 2⁻²¹, which is below 1e-5.
        """
        weights = torch.stack([made(2.0), made(0.5), made(1.0), torch.zeros(7), torch.full((7,), torch.nan)], dim=1)
        steps, identity, ends = until_zero_or_divergent(weights, PARTICLE, cap=20)
        assert steps.tolist() == [5, 3, 20, 0, 0]
        assert identity.tolist() == [0, 0, 20, 0, 0]
        assert ends.tolist() == [0, 1, -1, 1, 0]

    def test_steps_as_fixpoint_are_those_before_it_drifts_away(self) -> None:
        """From v0 = 1 + d the change of a weight, about d, grows fourfold with each step.

        From 1e-6 it is 4e-6, 1.6e-5: at two steps it is within 1e-5.
        """
        weights = made(1 + 1e-6)[:, None]
        steps, identity, ends = until_zero_or_divergent(weights, PARTICLE)
        assert identity.tolist() == [2]
        assert steps.tolist()[0] > 10
        assert ends.tolist() == [0]

    def test_it_is_the_loop_over_one_particle(self) -> None:
        particle = Particle(hidden=2)
        weights = particle.draw(40, torch.Generator().manual_seed(0)) * 1.6
        steps, identity, ends = until_zero_or_divergent(weights, particle, cap=30)
        assert {*ends.tolist()} >= {0, 1}
        for k in range(40):
            assert (int(steps[k]), int(identity[k]), int(ends[k])) == plain_loop(weights[:, k : k + 1], particle, 30)

    def test_the_weights_given_stay_as_they_are(self) -> None:
        weights = made(2.0)[:, None]
        until_zero_or_divergent(weights, PARTICLE)
        assert torch.equal(weights, made(2.0)[:, None])

    def test_more_particles_than_are_computed_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("srnn.analysis.robustness._AT_ONCE", 7 * 1000 + 3)
        weights = torch.stack([made(2.0), made(0.5)], dim=1).repeat(1, 1234)
        steps, _, ends = until_zero_or_divergent(weights, PARTICLE)
        assert steps.tolist() == [5, 3] * 1234
        assert ends.tolist() == [0, 1] * 1234


def plain_loop(weights: Tensor, particle: Particle, cap: int) -> tuple[int, int, int]:
    """The published loop, on one particle."""
    steps = identity = 0
    while steps < cap:
        if not weights.isfinite().all():
            return steps, identity, 0
        if (weights.abs() <= 1e-5).all():
            return steps, identity, 1
        output = self_output(weights, particle)
        identity += int(((output - weights).abs() <= 1e-5).all())
        weights = output
        steps += 1
    if not weights.isfinite().all():
        return steps, identity, 0
    return steps, identity, 1 if (weights.abs() <= 1e-5).all() else -1


class TestOrganismRobustness:
    # The second is zero, the third other.
    ORGANISM = organism(made(1.0), torch.zeros(7), made(2.0), made(1.0))

    def test_only_self_replicators_are_cloned_at_every_level(self) -> None:
        clones = robustness(self.ORGANISM, clones=3, cap=5, generator=torch.Generator().manual_seed(0))
        assert list(clones.columns) == COLUMNS
        assert list(clones["Level"].unique()) == list(LEVELS) == [10.0**-k for k in range(10)]
        for _, own in clones.groupby("Level"):
            assert list(own["Weight"]) == ["L0_C0_W0"] * 3 + ["L0_C0_W3"] * 3
            assert list(own["Clone"]) == [0, 1, 2, 0, 1, 2]

    def test_without_noise_a_fixpoint_stays_until_the_cap(self) -> None:
        clones = robustness(self.ORGANISM, clones=1, levels=[0.0], cap=7)
        assert clones["Steps"].tolist() == clones["Identity steps"].tolist() == [7, 7]
        assert clones["End"].tolist() == ["cap", "cap"]

    def test_noise_makes_each_clone_another(self) -> None:
        clones = robustness(organism(made(1.0)), clones=50, levels=[1.0], generator=torch.Generator().manual_seed(0))
        expected = noise(made(1.0)[:, None].repeat(1, 50), 1.0, torch.Generator().manual_seed(0))
        steps, _, ends = zip(*(plain_loop(one[:, None], PARTICLE, 1000) for one in expected.T), strict=True)
        assert clones["Steps"].tolist() == list(steps)
        assert clones["End"].tolist() == [{0: "divergent", 1: "zero", -1: "cap"}[end] for end in ends]
        assert len({*steps}) > 1

    def test_of_many_self_replicators_some_are_taken_evenly(self) -> None:
        many = organism(*[made(1.0)] * 11)
        clones = robustness(many, clones=1, levels=[0.0], cap=1, at_most=3)
        assert clones["Weight"].tolist() == ["L0_C0_W0", "L0_C0_W5", "L0_C0_W10"]

    def test_without_self_replicators_there_is_nothing_to_clone(self) -> None:
        with pytest.raises(UserError, match="none of the 2 particles is a self-replicator") as error:
            robustness(organism(made(2.0), torch.zeros(7)))
        assert "\n" not in str(error.value)


CLONES = pd.DataFrame(
    [
        ("a", 1.0, 0, 1, 0, "zero"),
        ("a", 1.0, 1, 2, 0, "divergent"),
        ("b", 1.0, 0, 3, 0, "divergent"),
        ("b", 1.0, 1, 8, 0, "divergent"),
        ("a", 0.1, 0, 5, 1, "zero"),
        ("a", 0.1, 1, 6, 2, "divergent"),
        ("b", 0.1, 0, 7, 3, "zero"),
        ("b", 0.1, 1, 50, 50, "cap"),
    ],
    columns=COLUMNS,
)


def test_by_level() -> None:
    large, small = by_level(CLONES).to_dict("records")
    assert (large["Level"], large["Clones"], large["Steps"], large["Identity steps"]) == (1.0, 4, 2.5, 0)
    assert (large["Zero"], large["Divergent"], large["Cap"]) == (0.25, 0.75, 0)
    assert (small["Level"], small["Steps"], small["Identity steps"], small["Cap"]) == (0.1, 6.5, 2.5, 0.25)
    assert (small["Steps 25 %"], small["Identity 75 %"]) == (5.75, 14.75)


class TestFigure:
    def test_boxes_and_shares_are_the_data(self) -> None:
        steps, fixpoint, ends = plots.robustness(CLONES, "clones").axes
        assert [float(line.get_ydata()[0]) for line in medians(steps)] == [2.5, 6.5]
        assert [float(line.get_ydata()[0]) for line in medians(fixpoint)] == [0, 2.5]
        heights = {bars.get_label(): [bar.get_height() for bar in bars] for bars in ends.containers}
        assert heights == {"become zero": [0.25, 0.5], "diverge": [0.75, 0.25], "neither": [0, 0.25]}
        assert [text.get_text() for text in ends.get_xticklabels()] == ["$10^{0}$", "$10^{-1}$"]
        assert steps.get_yscale() == fixpoint.get_yscale() == "symlog"

    def test_the_cap_is_reported_when_hit(self) -> None:
        label = plots.robustness(CLONES).axes[-1].get_xlabel()
        assert "8 clones of 2 self-replicators" in label
        assert "1 (12 %) were neither at the cap of 50 steps" in label
        label = plots.robustness(CLONES[CLONES["End"] != "cap"]).axes[-1].get_xlabel()
        assert "all ended within 8 steps" in label

    def test_seeds_are_drawn_together(self) -> None:
        both = pd.concat([CLONES.assign(Seed=seed) for seed in (0, 1)])
        assert "16 clones of 4 self-replicators of 2 seeds" in plots.robustness(both).axes[-1].get_xlabel()

    def test_nothing_to_draw(self) -> None:
        with pytest.raises(UserError, match="no clones"):
            plots.robustness(CLONES.iloc[:0])


def medians(axes: object) -> list:
    """The median lines of a panel's boxes: its thick ones."""
    return [line for line in axes.lines if line.get_linewidth() == 1 and len(line.get_xdata()) == 2]  # type: ignore[attr-defined]


def test_levels_are_the_published_ones() -> None:
    np.testing.assert_allclose(np.log10(LEVELS), -np.arange(10))
