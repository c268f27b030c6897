"""Thinning, worked out by hand for a small organism, and its curves."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from torch import nn

from srnn import MLP, Organism, Particle
from srnn.analysis.thinning import effective_rank, gini, live_shares, measure, signals, thinning
from srnn.errors import NotApplicableError, UserError
from srnn.plots.style import GREEN, ORANGE, PURPLE
from srnn.plots.thinning import live_edges, structure

#: With one hidden unit, v is the first row of weights: v0 decides on the type, v4 is the effective weight.
IDENTITY, OTHER = 1.0, 0.5
ZERO = [0.0] * 7
#: Mean absolute values 2, 1 and 0.
X = torch.tensor([[1.0, -2.0, 0.0], [3.0, 0.0, 0.0]])


def particle(kind: float, worth: float) -> list[float]:
    return [kind, 0, 0, 0, worth, 1, 1]


def organism(body: nn.Module, *particles: list[float]) -> Organism:
    made = Organism(body, Particle(1))
    assert len(particles) == made.size
    made.weights.data = torch.tensor(particles).T.contiguous()
    return made


def small(worth: float = 3) -> Organism:
    """3 → 2 → 2 → 1, the layer in the middle with a residual link."""
    return organism(
        MLP(3, 2, 3, 1, residual="layer"),
        *[particle(IDENTITY, worth), particle(OTHER, 1), particle(OTHER, 5)],
        *[ZERO, particle(IDENTITY, 0.0005), ZERO],
        *[particle(OTHER, 2), ZERO, ZERO, ZERO],
        *[particle(IDENTITY, 1), particle(OTHER, -4)],
    )


def scores(frame: pd.DataFrame, metric: str) -> dict[str, float]:
    rows = frame[frame["Metric"] == metric]
    return dict(zip(rows["Layer"], rows["Score"], strict=True))


def test_a_small_organism_is_as_thin_as_worked_out_by_hand(each_path: str) -> None:
    frame = measure(small(), X)
    expected = {
        "edges": [6, 4, 2, 12],
        # Nothing reaches the second unit, from which the last edge leads.
        "on_paths": [3 / 6, 1 / 4, 1 / 2, 5 / 12],
        "live_type": [4 / 6, 1 / 4, 1, 7 / 12],
        "live_weight": [3 / 6, 1 / 4, 1, 6 / 12],
        # 3·2, 1·1, 5·0 and 0.0005·1: two for 99 %. Then 2·5 alone. Then 1·15 against 4·0.0005.
        "live_signal": [2 / 6, 1 / 4, 1 / 2, 4 / 12],
        "units_without_output": [0, 1 / 2, 0, 1 / 7],
        "units_without_input": [1 / 2, 1 / 2, 0, 2 / 5],
        "full_rank": [2, 2, 1, 5],
    }
    for metric, values in expected.items():
        assert scores(frame, metric) == pytest.approx(dict(zip(["L0", "L1", "L2", "total"], values, strict=True)))
    # Three into the first hidden unit, on by particle or residual link, out. Were all alive: 3, 2 · 3 + 3, 2 · 9.
    assert scores(frame, "paths") == {"total": 6}
    assert scores(frame, "paths_share") == {"total": pytest.approx(6 / 18)}
    assert scores(frame, "gini")["L1"] == pytest.approx(3 / 4)
    assert scores(frame, "gini")["L2"] == pytest.approx(0.3)
    assert scores(frame, "effective_rank")["L1"] == pytest.approx(1)
    assert scores(frame, "effective_rank")["total"] == pytest.approx(
        sum(scores(frame, "effective_rank")[layer] for layer in ("L0", "L1", "L2"))
    )


def test_the_threshold_decides_what_is_alive() -> None:
    assert scores(measure(small(), X, threshold=0.0001), "live_weight")["L0"] == 4 / 6
    # At most the threshold is dead.
    assert scores(measure(small(), X, threshold=2), "live_weight") == {"L0": 1 / 3, "L1": 0, "L2": 0.5, "total": 1 / 4}
    assert set(scores(measure(small(), X, threshold=2), "threshold").values()) == {2}


def test_a_pixel_that_is_never_lit_carries_nothing() -> None:
    dark = X * torch.tensor([1.0, 0.0, 1.0])
    assert scores(measure(small(), dark), "live_signal")["L0"] == 1 / 6
    assert scores(measure(small(), 0 * X), "live_signal") == {"L0": 0, "L1": 0, "L2": 0, "total": 0}


def test_a_network_without_life_has_no_paths() -> None:
    frame = measure(organism(MLP(3, 2, 1, 1), ZERO, ZERO, ZERO), X)
    assert scores(frame, "paths") == {"total": 0}
    assert scores(frame, "effective_rank")["L0"] == scores(frame, "gini")["L0"] == 0
    assert scores(frame, "units_without_input")["L0"] == scores(frame, "units_without_output")["L0"] == 1


@pytest.mark.parametrize("worth", [math.inf, math.nan])
def test_what_diverged_is_alive_but_not_measured(worth: float) -> None:
    frame = measure(small(worth), X)
    assert scores(frame, "live_type")["L0"] == 4 / 6
    assert scores(frame, "live_weight")["L0"] == 3 / 6
    for metric in ("live_signal", "gini", "effective_rank"):
        assert math.isnan(scores(frame, metric)["L0"])
        assert math.isnan(scores(frame, metric)["total"])
    assert scores(frame, "gini")["L1"] == pytest.approx(3 / 4)


@pytest.mark.parametrize("residual", ["none", "layer", "pair"])
@pytest.mark.parametrize("activation", ["none", "relu"])
def test_the_last_signal_is_the_output(residual: str, activation: str) -> None:
    made = Organism(
        MLP(4, 4, 4, 3, residual, activation, dropout=0.5),  # type: ignore[arg-type]
        Particle(1),
        torch.Generator().manual_seed(0),
    ).eval()
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(1))
    entering = signals(made, x)
    assert [signal.shape[1] for signal in entering] == [4, 4, 4, 4, 3]
    torch.testing.assert_close(entering[-1], made(x))


def test_only_an_mlp_is_measured() -> None:
    with pytest.raises(NotApplicableError, match="MLP"):
        measure(Organism(nn.Linear(2, 2), Particle(1)), X)


def test_inequality_and_rank() -> None:
    assert gini(np.ones((3, 3))) == gini(np.zeros(3)) == 0
    assert gini(np.array([0.0, 0.0, 5.0])) == pytest.approx(2 / 3)
    assert effective_rank(np.eye(3)) == pytest.approx(3)
    # Shares 3/4 and 1/4.
    assert effective_rank(np.diag([3.0, 1.0])) == pytest.approx((4 / 3) ** 0.75 * 4**0.25)
    assert effective_rank(np.zeros((2, 3))) == 0


def two_epochs() -> pd.DataFrame:
    """Thinning of a small organism, and of one that lost an edge."""
    grown = small()
    grown.weights.data[:, 0] = 0
    return thinning([(0, small()), (5, grown)], X)


def test_an_organism_is_measured_at_every_epoch() -> None:
    frame = two_epochs()
    assert list(frame) == ["Epoch", "Layer", "Metric", "Score"]
    born, grown = (frame[frame["Epoch"] == epoch] for epoch in (0, 5))
    assert scores(born, "live_type")["L0"] == 4 / 6
    assert scores(grown, "live_type")["L0"] == 3 / 6
    assert scores(born, "live_signal")["L0"] == 2 / 6
    with pytest.raises(NotApplicableError, match="no epoch was logged"):
        thinning([], X)


def made_up() -> pd.DataFrame:
    """Two seeds, two layers, five epochs; live shares fall from 1 to 0.2 and 0.4."""
    rows = [
        (seed, epoch, layer, metric, 1 - (0.8 - 0.2 * seed) * epoch / 20)
        for seed in (0, 1)
        for epoch in (0, 5, 10, 15, 20)
        for layer in ("L0", "total")
        for metric in ("live_weight", "live_type", "live_signal", "gini")
    ]
    return pd.DataFrame(rows, columns=["Seed", "Epoch", "Layer", "Metric", "Score"])


def test_the_numbers_to_quote() -> None:
    frame = live_shares(made_up())
    assert list(frame) == ["Metric", "Layer", "Epoch", "Mean", "Low", "High", "Seeds"]
    assert list(frame["Metric"].unique()) == ["live_type", "live_weight", "live_signal"]
    first = frame[(frame["Metric"] == "live_type") & (frame["Layer"] == "L0")]
    assert list(first["Epoch"]) == [0, 5, 20]
    np.testing.assert_allclose(first["Mean"], [1, 0.825, 0.3])
    # Half the difference of two seeds times t of one degree of freedom, of the logits: it stays among shares.
    logits = np.log([0.825 / 0.175, 0.3 / 0.7]) + 12.7062 * np.array([0.025 / (0.825 * 0.175), 0.1 / (0.3 * 0.7)])
    np.testing.assert_allclose(first["High"], [1, *(1 / (1 + np.exp(-logits)))], rtol=1e-4)
    assert list(live_shares(made_up(), [10, 15])["Epoch"].unique()) == [10, 15]
    with pytest.raises(UserError, match=r"^epoch is 7; the runs logged 0, 5, 10, 15, 20$"):
        live_shares(made_up(), [7])


def test_curves_of_live_edges() -> None:
    frame = two_epochs()
    figure = live_edges(frame, "small")
    assert [axes.get_title() for axes in figure.axes][:4] == [
        "layer L0: 6 edges",
        "layer L1: 4 edges",
        "layer L2: 2 edges",
        "all layers: 12 edges",
    ]
    drawn = {str(line.get_label()): line for line in figure.axes[0].lines}
    assert {name: to_hex(line.get_color()).upper() for name, line in drawn.items()} == {
        "type is not zero": PURPLE,
        "|effective weight| > 0.001": ORANGE,
        "carries 99 % of the signal": GREEN,
    }
    np.testing.assert_array_equal(drawn["type is not zero"].get_xdata(), [0, 5])
    np.testing.assert_array_equal(drawn["type is not zero"].get_ydata(), [4 / 6, 3 / 6])
    assert not figure.axes[0].collections


def test_curves_of_several_seeds_are_means_with_bands() -> None:
    one = two_epochs()
    other = one.assign(Score=one["Score"].where(one["Metric"] != "live_type", 0.25))
    frame = pd.concat([one.assign(Seed=0), other.assign(Seed=1)])
    axes = live_edges(frame).axes[0]
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [(4 / 6 + 1 / 4) / 2, (3 / 6 + 1 / 4) / 2])
    assert len(axes.collections) == 3


def test_curves_of_the_structure() -> None:
    frame = two_epochs()
    figure = structure(frame, "small")
    panels = {axes.get_title(): axes for axes in figure.axes}
    without = {line.get_label(): list(line.get_ydata()) for line in panels["units without a live input"].lines}
    assert without["layer L0"] == [1 / 2, 1 / 2]
    assert without["all layers"] == pytest.approx([2 / 5, 2 / 5])
    rank = {line.get_label(): list(line.get_ydata()) for line in panels["effective rank"].lines}
    assert rank["layer L1"] == pytest.approx([1 / 2, 1 / 2])
    assert rank["layer L2"] == pytest.approx([1, 1])
    # Not so few that a logarithmic axis were of use.
    paths = panels["paths from input to output"]
    assert list(paths.lines[0].get_ydata()) == pytest.approx([6 / 18, 4 / 18])
    assert paths.get_yscale() == "linear"
    assert len(paths.lines) == 1


def test_where_no_path_is_left_there_is_a_mark() -> None:
    frame = pd.DataFrame(
        [(0, "total", "paths_share", 1.0), (5, "total", "paths_share", 0.02), (10, "total", "paths_share", 0.0)],
        columns=["Epoch", "Layer", "Metric", "Score"],
    )
    axes = next(axes for axes in structure(frame).axes if axes.get_title() == "paths from input to output")
    assert axes.get_yscale() == "log"
    assert axes.get_ylim()[0] == pytest.approx(0.01)
    assert axes.lines[-1].get_marker() == "v"
    assert list(axes.lines[-1].get_xdata()) == [10]


@pytest.mark.parametrize("plot", [live_edges, structure])
@pytest.mark.filterwarnings("error")
def test_a_network_that_diverged_and_a_single_epoch_are_drawn(plot: Callable[[pd.DataFrame], Figure]) -> None:
    frame = measure(small(math.nan), X).assign(Epoch=0)
    assert plot(frame)
    with pytest.raises(UserError, match="no epoch"):
        plot(frame[:0])
