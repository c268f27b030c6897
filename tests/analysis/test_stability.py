"""Stability: multipliers against autograd, growth and return against particles made by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from strategies import drawn, particles, seeds
from torch import Tensor, nn

from srnn import Organism, Particle, replication
from srnn.analysis.stability import (
    by_arithmetic,
    census_by_tolerance,
    growth_rate,
    multipliers,
    multipliers_of,
    noisy_return,
    return_by_level,
    self_application,
)
from srnn.errors import NotApplicableError, UserError
from srnn.fixpoints import FixpointType
from srnn.particle import effective_weight, noise, row_vector
from srnn.particle import self_application as applied_once
from srnn.plots import stability as plots
from srnn.plots.style import TYPE_COLOURS

PARTICLE = Particle(hidden=1)  # W1 is the first five weights, W2 the sixth, W3 the last: v = W3 · W2 · W1
#: A power of two, so that 1 ± D is exact: as v0 it is an error of D in each weight of 1.
D = 2.0**-20


def made(v0: float, size: float = 1.0) -> Tensor:
    """A particle ``(7,)`` with v = (v0, 0, 0, 0, 0), so that a self-application multiplies its weights by v0."""
    return size * torch.tensor([v0, 0, 0, 0, 0, 1, 1])


def organism(*own: Tensor) -> Organism:
    one = Organism(nn.Linear(len(own), 1, bias=False), PARTICLE)
    one.weights.data = torch.stack(own, dim=1)
    return one


def replicators(particle: Particle, count: int, seed: int) -> Tensor:
    """Exact self-replicators in double precision; a few that cannot be reached are left out."""
    weights = drawn(particle, count, seed)
    left = replication.project(weights, particle, replication.NEWBORN)
    return weights[:, left < 1e-9].contiguous()


class TestMultipliers:
    @settings(max_examples=20)
    @given(particles, seeds)
    def test_they_are_what_autograd_says(self, particle: Particle, seed: int) -> None:
        """Powers of the whole derivative, P × P, have the traces that v0 (P − 4 times) and the four add up to."""
        weights = drawn(particle, 2, seed)
        found = multipliers_of(weights, particle)
        for n in range(2):
            derivative = torch.autograd.functional.jacobian(
                lambda w: applied_once(w[:, None], particle)[:, 0], weights[:, n]
            )
            v0 = row_vector(weights, particle)[0, n]
            for power in (1, 2, 3, 4):
                trace = torch.linalg.matrix_power(derivative, power).trace()
                expected = (particle.size - 4) * v0**power + (found[n] ** power).sum().real
                torch.testing.assert_close(expected, trace, rtol=1e-9, atol=1e-9)

    @given(particles, seeds)
    def test_every_self_replicator_has_a_four_in_its_own_direction(self, particle: Particle, seed: int) -> None:
        weights = replicators(particle, 8, seed)
        assert ((multipliers_of(weights, particle) - 4).abs().amin(1) < 1e-5).all()

    @given(particles, seeds, st.floats(-0.3, 0.3))
    def test_beyond_first_order(self, particle: Particle, seed: int, epsilon: float) -> None:
        weights = replicators(particle, 8, seed)
        applied = applied_once((1 + epsilon) * weights, particle)
        torch.testing.assert_close(applied, (1 + epsilon) ** 4 * weights, rtol=1e-7, atol=1e-7)

    def test_by_hand(self) -> None:
        """v1, v2, v3 answer to W1's second to fourth weight alone, whose index is encoded as 1/4, 2/4, 3/4.

        The 3 × 3 block has these in its third column and next to nothing elsewhere: eigenvalues 3/4, 0 and 0. With
        v0 = 1 + D all are larger by D, and the 3 is 3 (1 + D).
        """
        frame = multipliers(organism(made(1.0), made(2.0), torch.zeros(7), made(1 + D)))
        assert frame["Weight"].tolist() == ["L0_C0_W0", "L0_C0_W3"]
        columns = ["Along itself", "Multiplier 1", "Multiplier 2", "Multiplier 3", "Radius"]
        assert frame[columns].iloc[0].tolist() == pytest.approx([4, 1.75, 1, 1, 4], abs=1e-7)
        assert frame["Radius"].iloc[1] == pytest.approx(4 * (1 + D), abs=1e-9)
        assert frame["Scale"].tolist() == [1, 1 + D]
        assert frame["Error"].tolist() == [0, pytest.approx(D, rel=1e-5)]
        # From 2⁻²⁰, by 4 = 2² each time: ten times.
        assert frame["Applications"].tolist() == [math.inf, pytest.approx(10, rel=1e-4)]


@pytest.mark.usefixtures("each_path")
class TestSelfApplication:
    ORGANISM = organism(made(1.0), made(2.0), made(1 + D), torch.zeros(7), made(1 - D))

    def test_by_hand(self) -> None:
        """v0 is multiplied fourfold in its exponent, a weight of 1 by all v0 so far: 1 + D, 1 + 5 D, 1 + 21 D …"""
        frame = self_application(self.ORGANISM, (1, 2, 3, 50)).set_index("Applications")
        assert (frame["Particles"] == 3).all()
        assert frame["Distance max"].tolist()[:3] == pytest.approx([D, 5 * D, 21 * D], rel=0.1)
        assert frame["Distance 25 %"].tolist() == [0, 0, 0, 0]
        assert frame.loc[50, ["Distance", "Distance 75 %", "Distance max"]].tolist() == [1, math.inf, math.inf]
        # 4 D is within 1e-5, 16 D is not.
        assert frame["Identity"].tolist() == pytest.approx([1, 1 / 3, 1 / 3, 1 / 3])
        assert frame["Other"].tolist() == pytest.approx([0, 2 / 3, 2 / 3, 0])
        assert frame.loc[50, ["Zero", "Divergent"]].tolist() == pytest.approx([1 / 3, 1 / 3])

    def test_it_leaves_the_organism_alone(self) -> None:
        before = self.ORGANISM.weights.detach().clone()
        self_application(self.ORGANISM, (5,))
        assert torch.equal(self.ORGANISM.weights, before)

    def test_of_many_some_are_taken_evenly(self) -> None:
        frame = self_application(organism(*[made(1.0)] * 9, made(1 - D)), (30,), at_most=2)
        assert frame[["Particles", "Identity", "Zero"]].iloc[0].tolist() == [2, 0.5, 0.5]


def test_the_rate_of_growth_is_that_between_rounding_and_one() -> None:
    growth = pd.DataFrame({"Applications": [1, 2, 3, 4, 5], "Distance max": [1e-7, 2e-5, 6e-5, 1.8e-4, 0.5]})
    assert growth_rate(growth) == pytest.approx(3)
    assert math.isnan(growth_rate(growth[:2]))


class TestNoisyReturn:
    def test_without_noise_there_are_no_lengths_of_it(self) -> None:
        frame = noisy_return(organism(made(1.0), made(2.0), made(1 + D)), clones=2, levels=[0.0])
        assert frame["Weight"].tolist() == ["L0_C0_W0"] * 2 + ["L0_C0_W2"] * 2
        assert frame["Clone"].tolist() == [0, 1, 0, 1]
        assert frame["Type"].tolist() == ["identity"] * 4
        assert frame["Worth"].tolist() == [0] * 4
        assert frame[["From original", "From clone"]].isna().all(axis=None)

    def test_each_clone_is_noise_and_a_projection(self) -> None:
        one = organism(made(1.0))
        [row] = noisy_return(one, 1, [0.1], generator=torch.Generator().manual_seed(0)).to_dict("records")
        start = one.weights.detach()
        clone = noise(start, 0.1, torch.Generator().manual_seed(0))
        back = clone.clone()
        replication.project(back, PARTICLE, replication.NEWBORN)
        length = (clone - start).norm()
        assert row["From original"] == pytest.approx(float((back - start).norm() / length))
        assert row["From clone"] == pytest.approx(float((back - clone).norm() / length))
        assert row["Worth"] == pytest.approx(abs(float(effective_weight(back, PARTICLE))))
        assert row["Type"] == "identity"

    def test_noise_along_the_set_stays(self) -> None:
        """Of P = 40 directions 36 lie in the set; noise has a length of √(36/40) of its own in them."""
        particle = Particle(4, "l2", "fan_in")
        many = Organism(nn.Linear(200, 1, bias=False), particle)
        many.weights.data = replicators(particle, 200, 0).float()
        frame = noisy_return(many, 2, [1e-2], generator=torch.Generator().manual_seed(1))
        [level] = return_by_level(frame).to_dict("records")
        assert level["Identity"] == 1
        assert level["From original"] == pytest.approx(math.sqrt(36 / 40), abs=0.02)
        assert 0.25 < level["From clone"] < 0.4

    def test_by_level(self) -> None:
        clones = pd.DataFrame(
            [
                (0.1, "identity", 1.0, 0.2, 0.01),
                (0.1, "identity", 3.0, 0.4, 0.03),
                (0.1, "other", 9.0, 9.0, 9.0),
                (1.0, "other", 9.0, 9.0, 9.0),
            ],
            columns=["Level", "Type", "From original", "From clone", "Worth"],
        )
        large, small = return_by_level(clones).to_dict("records")
        assert (large["Level"], large["Clones"], large["Identity"]) == (1.0, 1, 0)
        assert math.isnan(large["From original"])
        assert (small["Clones"], small["Identity"]) == (3, pytest.approx(2 / 3))
        assert (small["From original"], small["From clone"], small["Worth"]) == pytest.approx((2, 0.3, 0.02))
        assert (small["From original 25 %"], small["From original 75 %"]) == (1.5, 2.5)


def test_census_by_tolerance_by_hand() -> None:
    """An error of D = 9.5e-7 passes at 1e-6, one of 2⁻¹⁵ = 3.1e-5 at 1e-4; weights of 5e-5 are zero at 1e-4."""
    many = organism(made(1.0), made(1 + D), made(1 + 2.0**-15), made(1.0, 5e-5), made(2.0))
    wide = census_by_tolerance(many).pivot(index="Tolerance", columns="Type", values="Particles")
    assert list(wide.index) == [1e-7, 1e-6, 1e-5, 1e-4, 1e-3]
    assert wide["identity"].tolist() == [1, 2, 2, 3, 3]
    assert wide["zero"].tolist() == [0, 0, 0, 1, 1]
    assert (wide.sum(axis=1) == 5).all()


@pytest.mark.parametrize("ask", [self_application, multipliers, noisy_return])
def test_without_self_replicators_nothing_applies(ask: Callable[[Organism], pd.DataFrame]) -> None:
    with pytest.raises(NotApplicableError, match="none of the 2 particles is a self-replicator"):
        ask(organism(made(2.0), torch.zeros(7)))


GROWTH = pd.DataFrame(
    {
        "Applications": [1, 2, 3, 1000],
        "Distance 25 %": [0.0, 0.0, 0.0, 0.0],
        "Distance": [1e-7, 4e-7, 1.6e-6, 1.0],
        "Distance 75 %": [2e-7, 8e-7, 3.2e-6, math.inf],
        "Distance max": [1e-6, 4e-6, 1.6e-5, math.inf],
        "Identity": [1.0, 1.0, 0.5, 0.25],
    }
)
MULTIPLIERS = pd.DataFrame({"Multiplier 1": [2.0, 1.5], "Multiplier 2": [1.0, 0.9], "Multiplier 3": [0.5, 0.0]})
CLONES = pd.DataFrame(
    [
        (level, kind, 0.9, 0.3, level / 10)
        for level in (1.0, 0.1, 0.01)
        for kind in ("identity", "identity" if level < 1 else "other")
    ],
    columns=["Level", "Type", "From original", "From clone", "Worth"],
)
COUNTS = pd.DataFrame(
    [
        (level, kind.label, {"zero": 2, "identity": 8 - power, "other": power}.get(kind.label, 0))
        for power, level in enumerate((1e-3, 1e-4, 1e-5))
        for kind in FixpointType
    ],
    columns=["Tolerance", "Type", "Particles"],
)
FIGURES = {
    plots.self_application: GROWTH,
    plots.multipliers: MULTIPLIERS,
    plots.noisy_return: CLONES,
    plots.census_by_tolerance: COUNTS,
}


@pytest.mark.filterwarnings("error")
class TestFigures:
    @pytest.mark.parametrize("plot", FIGURES)
    def test_methods_and_seeds(self, plot: Callable[..., Figure]) -> None:
        frame = pd.concat(
            [FIGURES[plot].assign(Seed=seed, Method=name) for seed in (0, 1) for name in ("lifted", "sgd")]
        )
        figure = plot(frame, "two methods")
        texts = [text.get_text() for text in figure.findobj(match=lambda one: hasattr(one, "get_text"))]
        words = " ".join(texts)
        assert words.index("sgd") < words.index("lifted")
        assert "2 seeds" in words

    @pytest.mark.parametrize("plot", FIGURES)
    def test_nothing_to_draw(self, plot: Callable[..., Figure]) -> None:
        with pytest.raises(UserError, match="nothing to draw"):
            plot(FIGURES[plot][:0])

    def test_growth_and_what_is_left(self) -> None:
        upper, lower = plots.self_application(GROWTH).axes
        median, largest, guide = upper.lines
        assert median.get_ydata() == pytest.approx([1e-7, 4e-7, 1.6e-6])
        assert largest.get_ydata() == pytest.approx([1e-6, 4e-6, 1.6e-5])
        assert guide.get_ydata()[:3] == pytest.approx([1e-6, 4e-6, 1.6e-5])
        assert lower.lines[0].get_ydata() == pytest.approx([1, 1, 0.5, 0.25])
        assert upper.get_yscale() == lower.get_xscale() == "log"

    def test_of_several_seeds_what_is_left_has_an_interval_of_shares(self) -> None:
        other = GROWTH.assign(Identity=GROWTH["Identity"] / 2)
        upper, lower = plots.self_application(pd.concat([GROWTH.assign(Seed=0), other.assign(Seed=1)])).axes
        assert lower.lines[0].get_ydata() == pytest.approx([0.75, 0.75, 0.375, 0.1875])
        highest = max(path.vertices[:, 1].max() for path in lower.collections[0].get_paths())
        assert 0.75 < highest <= 1 < lower.get_ylim()[1]
        assert "band: 95 % interval" in lower.get_xlabel()
        assert "band: middle half of the particles" in upper.get_xlabel()

    def test_the_histogram_counts_every_multiplier_that_is_not_common(self) -> None:
        [axes] = plots.multipliers(MULTIPLIERS).axes
        [bars] = axes.patches
        assert bars.get_data().values.sum() == pytest.approx(1)
        assert [line.get_xdata()[0] for line in axes.lines] == [1, 4]
        assert "33 % above 1" in axes.texts[0].get_text()

    def test_returns_are_those_of_each_level(self) -> None:
        share, length, worth = plots.noisy_return(CLONES).axes
        assert share.lines[0].get_ydata() == pytest.approx([0.5, 1, 1])
        original, clone = length.containers
        assert original[0].get_ydata() == pytest.approx([0.9] * 3)
        assert clone[0].get_ydata() == pytest.approx([0.3] * 3)
        assert worth.lines[0].get_ydata() == pytest.approx([0.1, 0.01, 0.001])

    def test_of_several_seeds_the_ends_of_the_bars_have_intervals(self) -> None:
        both = pd.concat([COUNTS.assign(Seed=seed) for seed in (0, 1)])
        [axes] = plots.census_by_tolerance(both).axes
        assert sum(isinstance(one, ErrorbarContainer) for one in axes.containers) == 2
        assert "2 seeds, bars of the ends: 95 % interval" in axes.get_xlabel()

    def test_bars_are_shares(self) -> None:
        [axes] = plots.census_by_tolerance(COUNTS).axes
        heights = {bars.get_label(): [bar.get_height() for bar in bars] for bars in axes.containers}
        assert heights["zero"] == pytest.approx([0.2] * 3)
        assert heights["identity"] == pytest.approx([0.8, 0.7, 0.6])
        assert heights["other"] == pytest.approx([0, 0.1, 0.2])
        colours = {bars.get_label(): bars[0].get_facecolor() for bars in axes.containers}
        np.testing.assert_allclose(
            colours["identity"][:3], [int(TYPE_COLOURS[FixpointType.IDENTITY][n : n + 2], 16) / 255 for n in (1, 3, 5)]
        )


def test_the_ways_to_compute_differ_in_rounding_alone() -> None:
    """An error of D grows fourfold in any arithmetic, and none grows to none; double precision can take it away."""
    one = organism(made(1), made(1 + D))
    found = by_arithmetic(one, (0, 3, 20)).pivot(index="Applications", columns="Arithmetic", values="Identity")
    assert (found.loc[0] == 1).all()
    assert (found.loc[[3, 20], ["kernel", "torch", "float64"]] == 0.5).all(axis=None)
    assert found.loc[3, "float64, projected"] == 1
