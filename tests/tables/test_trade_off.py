"""The trade-off figure: points by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from srnn.analysis.statistics import SHARE, mean_interval
from srnn.errors import UserError
from srnn.plots.trade_off import trade_off

pytestmark = pytest.mark.filterwarnings("error")

COLUMNS = ["Name", "Method", "Seed", "Identity share", "Identity or zero share", "Accuracy", "Diverged"]
NAN = float("nan")
ENDED = pd.DataFrame(
    [
        row
        for seed, shift in ((0, -0.01), (1, 0.01))
        for row in (
            ("α = 1", "sgd", seed, 0.1 + shift, 0.2 + shift, 0.9 + shift, False),
            ("α = 100", "sgd", seed, 0.3, 0.8, 0.7 + shift, False),
            ("α = 1000", "sgd", seed, 0.0, 0.0, NAN if seed else 0.1, bool(seed)),
            ("α = 100, H = 8", "sgd, H = 8", seed, 0.35, 0.4, 0.9 + shift, False),
            ("newton", "newton", seed, 1.0, 1.0, 0.9, False),
            ("lifted", "lifted", seed, 1.0, 1.0, 0.91 + shift, False),
            ("dense", "dense", seed, NAN, NAN, 0.91 + shift, False),
        )
    ],
    columns=COLUMNS,
)
#: The intervals of two seeds that are 0.01 from their mean.
LOW, HIGH = (
    {mean: mean_interval(pd.Series([mean - 0.01, mean + 0.01]), SHARE)[end] for mean in (0.1, 0.2, 0.7, 0.9, 0.91)}
    for end in (1, 2)
)


def test_points_and_intervals() -> None:
    upper, lower = trade_off(ENDED, "by hand").axes
    for axes, zero in ((upper, False), (lower, True)):
        points = {one.get_label(): one for one in axes.containers}
        [line] = [
            one
            for one in axes.lines
            if len(one.get_xdata()) == 2 and one.get_zorder() == 2 and one.get_linewidth() == 0.8
        ]
        assert [*line.get_xdata()] == pytest.approx([0.2, 0.8] if zero else [0.1, 0.3])
        assert [*line.get_ydata()] == pytest.approx([0.9, 0.7])
        across, along = (bars.get_segments()[0] for bars in points["α = 1"][2])
        share = 0.2 if zero else 0.1
        assert [*across[:, 0]] == pytest.approx([LOW[share], HIGH[share]])
        assert [*along[:, 1]] == pytest.approx([LOW[0.9], HIGH[0.9]])
        assert [*points["lifted"][0].get_xdata()] == [1]
        band = axes.patches[0]
        assert band.get_y() == pytest.approx(LOW[0.91])
        assert band.get_height() == pytest.approx(HIGH[0.91] - LOW[0.91])
        assert len([one for one in axes.lines if one.get_label() == "_seeds"]) == 5
        low, high = axes.get_ylim()
        assert low < LOW[0.7]
        assert high > HIGH[0.91]
    told = lower.get_xlabel().replace("\n", " ")
    assert "2 seeds" in told
    assert "dots: single seeds" in told
    assert "not drawn: α = 1000, of which 1 of 2 seeds diverged" in told


def test_a_single_seed_has_no_intervals() -> None:
    [legend] = trade_off(ENDED[ENDED["Seed"] == 0]).legends
    assert [text.get_text() for text in legend.get_texts()] == [
        *("α = 1", "α = 100", "α = 1000", "newton", "lifted", "α = 100, H = 8", "dense")
    ]


def test_marks_of_the_same_place_are_seen_apart_and_told_where_they_belong() -> None:
    together = ENDED.assign(Accuracy=ENDED["Accuracy"].where(~ENDED["Name"].isin(["newton", "lifted"]), 0.9))
    upper, _ = (figure := trade_off(together)).axes
    figure.draw_without_rendering()
    marks = {one.get_label(): one[0] for one in upper.containers}
    seen = {name: mark.get_transform().transform(mark.get_xydata()[0]) for name, mark in marks.items()}
    assert [*marks["lifted"].get_xydata()[0]] == [*marks["newton"].get_xydata()[0]] == [1, 0.9]
    assert seen["lifted"][0] - seen["newton"][0] > 5
    assert seen["lifted"][1] == pytest.approx(seen["newton"][1])
    assert seen["lifted"][0] < upper.bbox.x1
    assert "black line belong at its left end" in figure.axes[1].get_xlabel()


def test_nothing_to_draw() -> None:
    with pytest.raises(UserError, match="no trade-off"):
        trade_off(ENDED[:0])
