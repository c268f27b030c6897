from __future__ import annotations

import functools
import itertools
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from srnn.analysis.statistics import by_epoch
from srnn.choices import FORMATS
from srnn.errors import UserError
from srnn.fixpoints import FixpointType
from srnn.plots.particle_types import particle_types
from srnn.plots.style import TYPE_COLOURS, WIDTH, caption, house_style, save
from srnn.plots.training_curves import training_curves

# Nothing here may warn: a user would see it, and could do nothing about it.
pytestmark = pytest.mark.filterwarnings("error")

PLOTS = pytest.mark.parametrize("plot", [training_curves, particle_types])
Plot = Callable[..., Figure]


def metrics(**scores: dict[int, float]) -> pd.DataFrame:
    """Long form of ``metric={epoch: score}``."""
    rows = [(epoch, 0, name, score) for name, series in scores.items() for epoch, score in series.items()]
    return pd.DataFrame(rows, columns=["Epoch", "Batch", "Metric", "Score"])


def a_run(epochs: int = 20, every: int = 5, particles: int = 100, measure: str = "accuracy") -> pd.DataFrame:
    """The metrics of a training as a run logs them."""
    trained, logged = range(1, epochs + 1), range(0, epochs + 1, every)
    identity = {epoch: particles * 0.6 * epoch // epochs for epoch in logged}
    return metrics(
        replication_loss={epoch: 400.0 / 3**epoch for epoch in trained},
        task_loss={epoch: 2.3 / epoch for epoch in trained},
        **{
            f"train_{measure}": {epoch: 1 - 0.9 / epoch for epoch in trained},
            f"test_{measure}": {epoch: 1 - 0.9 / (epoch + 1) for epoch in logged},
        },
        divergent=dict.fromkeys(logged, 0),
        zero=dict.fromkeys(logged, 10),
        identity=identity,
        secondary=dict.fromkeys(logged, 0),
        other={epoch: particles - 10 - count for epoch, count in identity.items()},
        L0_identity=dict.fromkeys(logged, 7),
        L0_other=dict.fromkeys(logged, 9),
    )


@functools.cache
def drawn_once(plot: Plot) -> Figure:
    """The figure of ``a_run()``, to look at: drawing takes its time."""
    return plot(a_run())


def of_seeds(count: int, run: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([run.assign(Seed=seed, Score=run["Score"] * (1 + 0.01 * seed)) for seed in range(count)])


def curves(figure: Figure) -> dict[str, Line2D]:
    return {str(line.get_label()): line for axes in figure.axes for line in axes.lines}


def drawn(line: Line2D) -> dict[int, float]:
    return dict(zip(line.get_xdata(), line.get_ydata(), strict=True))


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes if axes.get_legend() for text in axes.get_legend().get_texts()]


class TestTrainingCurves:
    def test_losses_are_above_on_a_log_axis_and_accuracy_below_from_zero_to_one(self) -> None:
        upper, lower = drawn_once(training_curves).axes
        assert upper.get_yscale() == "log"
        assert [line.get_label() for line in upper.lines] == ["replication loss", "task loss"]
        assert lower.get_yscale() == "linear"
        assert [line.get_label() for line in lower.lines] == ["train accuracy", "test accuracy"]
        assert lower.get_ylim()[0] == 0
        assert 1 <= lower.get_ylim()[1] < 1.1
        assert (upper.get_ylabel(), lower.get_ylabel(), lower.get_xlabel()) == ("loss", "accuracy", "epoch")

    def test_the_lines_are_the_data(self) -> None:
        run = a_run()
        for label, line in curves(drawn_once(training_curves)).items():
            rows = run[run["Metric"] == label.replace(" ", "_")]
            assert drawn(line) == pytest.approx(dict(zip(rows["Epoch"], rows["Score"], strict=True)))

    def test_the_rows_may_come_in_any_order(self) -> None:
        shuffled = curves(training_curves(a_run().sample(frac=1, random_state=0)))
        for label, line in curves(drawn_once(training_curves)).items():
            np.testing.assert_array_equal(shuffled[label].get_xydata(), line.get_xydata())

    def test_the_last_batch_stands_for_its_epoch(self) -> None:
        run = pd.DataFrame(
            [(1, 9, "task_loss", 0.5), (1, 2, "task_loss", 9.0), (2, 9, "task_loss", 0.25)],
            columns=["Epoch", "Batch", "Metric", "Score"],
        )
        assert drawn(curves(training_curves(run))["task loss"]) == pytest.approx({1: 0.5, 2: 0.25})

    def test_without_replication_there_is_no_replication_loss(self) -> None:
        run = a_run()
        figure = training_curves(run[run["Metric"] != "replication_loss"])
        assert sorted(legend(figure)) == ["task loss", "test accuracy", "train accuracy"]

    def test_mean_absolute_error_takes_the_place_of_accuracy_on_a_log_axis(self) -> None:
        right = training_curves(a_run(measure="mae")).axes[1]
        assert [line.get_label() for line in right.lines] == ["train MAE", "test MAE"]
        assert (right.get_yscale(), right.get_ylabel()) == ("log", "mean absolute error")

    def test_the_log_axis_spans_fifteen_powers_of_ten(self) -> None:
        left = training_curves(metrics(replication_loss={epoch: 10.0 ** (4 - epoch) for epoch in range(1, 17)})).axes[0]
        low, high = left.get_ylim()
        assert 1e-14 < low < 1e-12
        assert 1e3 < high < 1e5

    @pytest.mark.parametrize("value", [0.5, 1.0, 0.00037])
    def test_a_loss_that_hardly_moves_still_has_a_number_on_its_axis(self, value: float) -> None:
        axes = training_curves(metrics(task_loss={1: value, 2: value * 1.01})).axes[0]
        low, high = axes.get_ylim()
        # Some versions of Matplotlib write a typographic minus.
        labels = [label.get_text().replace("−", "-") for label in axes.get_yticklabels()]
        inside = [label for at, label in zip(axes.get_yticks(), labels, strict=True) if low <= at <= high]
        assert inside
        assert all(math.isclose(float(label), at) for label, at in zip(labels, axes.get_yticks(), strict=True))

    def test_a_zero_is_a_gap_marked_below_and_nan_and_infinity_are_gaps_marked_above_where_they_begin(self) -> None:
        loss = {1: 1.0, 2: 0.0, 3: 0.0, 4: 0.1, 5: 0.2, 6: math.inf, 7: math.nan, 8: math.nan}
        lines = curves(training_curves(metrics(replication_loss=loss, task_loss=dict.fromkeys(range(1, 9), 0.3))))
        shown = drawn(lines["replication loss"])
        assert {epoch for epoch, value in shown.items() if not math.isnan(value)} == {1, 4, 5}
        assert drawn(lines["zero"]) == {2: 0}
        assert drawn(lines["not finite"]) == {6: 1}

    def test_an_accuracy_of_zero_is_a_value_like_any_other(self) -> None:
        lines = curves(training_curves(metrics(test_accuracy={0: 0.0, 5: 0.5})))
        assert drawn(lines["test accuracy"]) == {0: 0.0, 5: 0.5}
        assert "zero" not in lines

    @pytest.mark.parametrize("value", [0.0, math.nan, math.inf, 1.7e308, 5e-324])
    def test_no_loss_is_too_odd_to_draw(self, value: float) -> None:
        epochs = range(1, 4)
        odd = dict.fromkeys(epochs, value)
        lines = curves(training_curves(metrics(task_loss=odd, train_mae=odd)))
        assert {"task loss", "train MAE"} <= lines.keys()
        # What no axis can show is marked where it begins.
        assert ("zero" in lines) == (value == 0)
        assert ("not finite" in lines) == (not math.isfinite(value))

    def test_a_point_without_neighbours_has_a_marker(self) -> None:
        lines = curves(training_curves(metrics(task_loss={1: 0.5}, train_accuracy={1: 0.5}, test_accuracy={1: 0.4})))
        assert all(line.get_marker() == "o" and any(line.get_markevery()) for line in lines.values())
        gaps = {1: 0.5, 2: 0.4, 3: math.nan, 4: 0.3, 5: math.nan, 6: 0.2, 7: 0.1}
        line = curves(training_curves(metrics(task_loss=gaps)))["task loss"]
        assert np.flatnonzero(line.get_markevery()).tolist() == [3]

    def test_untrained_there_is_no_panel_of_losses(self) -> None:
        [axes] = training_curves(metrics(test_accuracy={0: 0.1})).axes
        assert axes.get_ylabel() == "accuracy"

    def test_what_is_drawn_over_epochs_that_were_not_logged_has_a_mark_at_both_ends(self) -> None:
        line = curves(training_curves(metrics(task_loss={0: 0.5, 1: 0.4, 5: 0.3, 6: 0.2})))["task loss"]
        assert np.flatnonzero(line.get_markevery()).tolist() == [1, 2]
        line = curves(training_curves(metrics(task_loss=dict.fromkeys(range(5), 0.5))))["task loss"]
        assert not any(line.get_markevery() or ())

    def test_the_curves_differ_without_colour(self) -> None:
        looks = [
            (line.get_linestyle(), line._dash_pattern, line.get_marker())
            for line in curves(drawn_once(training_curves)).values()
        ]
        assert len({str(look) for look in looks}) == 4

    def test_nothing_to_draw_is_an_error_that_says_so(self) -> None:
        with pytest.raises(UserError, match="no loss, accuracy or mae"):
            training_curves(metrics(identity={0: 5}))


class TestSeveralSeeds:
    def test_there_is_a_band_for_every_curve_if_and_only_if_there_are_several_seeds(self) -> None:
        def bands(run: pd.DataFrame) -> int:
            return sum(len(axes.collections) for axes in training_curves(run).axes)

        assert bands(a_run()) == bands(of_seeds(1, a_run())) == 0
        assert bands(of_seeds(3, a_run())) == 4

    def test_the_mean_is_that_of_the_axis(self) -> None:
        run = pd.concat(
            [
                metrics(task_loss={1: 1e-4, 2: 1.0}, test_accuracy={1: 0.2, 2: 0.4}).assign(Seed=0),
                metrics(task_loss={1: 1e-2, 2: 1.0}, test_accuracy={1: 0.4, 2: 0.8}).assign(Seed=1),
            ]
        )
        lines = curves(training_curves(run))
        assert drawn(lines["task loss"]) == pytest.approx({1: 1e-3, 2: 1.0})
        assert drawn(lines["test accuracy"]) == pytest.approx({1: 0.3, 2: 0.6})

    def test_no_band_is_cut_off(self) -> None:
        """Of 10⁰ and 10⁻¹ the interval is 10^(−0.5 ± 12.7062/2); that of accuracies ends at 0 and 1."""
        runs = [
            metrics(task_loss={1: 10.0**-seed, 2: 1.0}, test_accuracy={1: 0.5 + 0.5 * seed}).assign(Seed=seed)
            for seed in range(2)
        ]
        losses, accuracy = training_curves(pd.concat(runs)).axes
        low, high = losses.get_ylim()
        assert 1e-8 < low < 10 ** (-0.5 - 6.3531)
        assert 10 ** (-0.5 + 6.3531) < high < 1e7
        low, high = accuracy.get_ylim()
        assert -0.1 < low <= 0
        assert 1 <= high < 1.1

    def test_a_diverged_seed_is_marked_and_left_out_of_the_mean(self) -> None:
        run = pd.concat(
            [
                metrics(task_loss={1: 0.5, 2: 0.5, 3: 0.5}).assign(Seed=0),
                metrics(task_loss={1: 0.5, 2: math.nan, 3: math.inf}).assign(Seed=1),
            ]
        )
        lines = curves(training_curves(run))
        assert drawn(lines["task loss"]) == pytest.approx({1: 0.5, 2: 0.5, 3: 0.5})
        assert drawn(lines["not finite"]) == {2: 1}

    def test_a_seed_that_is_not_as_far_as_the_others_has_not_diverged(self) -> None:
        run = pd.concat(
            [metrics(task_loss={1: 0.5, 2: 0.4}).assign(Seed=0), metrics(task_loss={1: 0.5}).assign(Seed=1)]
        )
        assert by_epoch(run, "task_loss").isna().sum().sum() == 1
        assert "not finite" not in curves(training_curves(run))

    @PLOTS
    def test_the_figure_says_that_it_shows_a_mean(self, plot: Plot) -> None:
        words = " ".join(axes.get_xlabel() for axes in plot(of_seeds(3, a_run())).axes)
        assert "mean of 3 seeds" in words
        assert "95 % interval" in words


class TestParticleTypes:
    def test_the_areas_lie_on_each_other_in_the_order_of_the_types_and_add_up_to_all_particles(self) -> None:
        counts = {
            "divergent": {0: 0, 5: 5, 10: 10},
            "zero": {0: 1, 5: 10, 10: 10},
            "identity": {0: 2, 5: 40, 10: 50},
            "secondary": {0: 3, 5: 5, 10: 5},
            "other": {0: 94, 5: 40, 10: 25},
        }
        left, right = particle_types(metrics(**dict(reversed(counts.items())))).axes
        floor = np.zeros(3)
        for kind, area in zip(FixpointType, left.collections, strict=True):
            # An area's outline starts at its lower edge's left end, follows one edge and comes back along the other.
            outline = area.get_paths()[0].vertices
            heights = [np.sort(np.unique(outline[outline[:, 0] == epoch, 1])) for epoch in (0, 5, 10)]
            np.testing.assert_allclose([height[0] for height in heights], floor)
            floor = floor + list(counts[kind.label].values())
            np.testing.assert_allclose([height[-1] for height in heights], floor)
            assert area.get_label() == kind.label
            assert to_hex(area.get_facecolor()[0]) == TYPE_COLOURS[kind].lower()
        np.testing.assert_allclose(floor, 100)
        assert left.get_ylim() == (0, 100)
        assert right.get_ylim() == (0, 1)
        assert left.get_xlim() == (0, 10)

    def test_the_legend_has_the_types_that_occur_in_their_order(self) -> None:
        assert legend(drawn_once(particle_types)) == ["zero", "identity", "other"]
        every = {kind.label: {0: 3, 5: 3} for kind in FixpointType}
        assert legend(particle_types(metrics(**every))) == ["divergent", "zero", "identity", "secondary", "other"]

    def test_a_single_logged_epoch_is_drawn_as_bars_with_their_numbers(self) -> None:
        left, right = particle_types(metrics(zero={7: 0}, identity={7: 1200}, other={7: 318})).axes
        assert [bar.get_height() for bar in left.patches] == [1200, 318]
        assert [to_hex(bar.get_facecolor()) for bar in left.patches] == [
            TYPE_COLOURS[kind].lower() for kind in (FixpointType.IDENTITY, FixpointType.OTHER)
        ]
        assert [text.get_text() for text in left.texts] == ["1,200", "318"]
        assert left.get_xlabel() == "epoch 7"
        # Counts and shares are the same heights.
        assert left.get_ylim()[1] / 1518 == pytest.approx(right.get_ylim()[1])

    def test_of_several_seeds_the_means_are_stacked(self) -> None:
        run = pd.concat(
            [metrics(identity={0: 10 * k, 5: 30}, other={0: 100 - 10 * k, 5: 70}).assign(Seed=k) for k in (1, 3)]
        )
        identity = particle_types(run).axes[0].collections[0].get_paths()[0].vertices
        assert identity[identity[:, 0] == 0, 1].max() == 20

    def test_the_logged_epochs_are_marked_and_of_several_seeds_the_ends_have_intervals(self) -> None:
        run = metrics(identity={0: 10, 5: 30}, other={0: 90, 5: 70})
        [marks] = particle_types(run).axes[0].lines
        assert sorted(drawn(marks).items()) == [(0, 10), (5, 30)]
        both = pd.concat([run.assign(Seed=0), run.assign(Seed=1, Score=[20, 40, 80, 60])])
        [bars] = [one for one in particle_types(both).axes[0].containers if one.has_yerr]
        # Of 100 particles: logit 0.15 ± 12.7062 · 0.05 / (0.15 · 0.85).
        middle, half = math.log(15 / 85), 12.7062 * 0.05 / (0.15 * 0.85)
        ends = [100 / (1 + math.exp(-(middle + sign * half))) for sign in (-1, 1)]
        assert bars[2][0].get_segments()[-1][:, 1] == pytest.approx(ends, rel=1e-3)

    def test_no_particles_is_an_error_that_says_so(self) -> None:
        with pytest.raises(UserError, match="count no particles"):
            particle_types(metrics(task_loss={1: 1.0}, L0_identity={1: 5}))


class TestStyle:
    def test_every_type_has_one_colour_and_neighbours_in_a_stack_differ_in_lightness_too(self) -> None:
        assert list(TYPE_COLOURS) == list(FixpointType)
        grey = [float(np.dot(to_rgb(colour), (0.299, 0.587, 0.114))) for colour in TYPE_COLOURS.values()]
        assert all(abs(one - next_) > 0.15 for one, next_ in itertools.pairwise(grey))

    @PLOTS
    def test_a_figure_is_one_column_wide_and_everything_is_inside_it_and_apart(self, plot: Plot) -> None:
        run = a_run(particles=1_000_000)
        run.loc[run["Metric"].isin(["divergent", "secondary"]), "Score"] = 5
        figure = plot(run, "A long title about many particles, all of which replicate themselves rather well, with $")
        assert figure.get_size_inches()[0] == WIDTH
        tight = figure.get_tightbbox()
        assert tight.x0 >= 0
        assert tight.y0 >= 0
        assert tight.x1 <= WIDTH
        assert tight.y1 <= figure.get_size_inches()[1]
        boxes = [axes.get_legend().get_window_extent() for axes in figure.axes if axes.get_legend()]
        boxes += [figure.axes[0].get_window_extent(), figure._suptitle.get_window_extent()]
        assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
        for text in figure.findobj(lambda artist: hasattr(artist, "get_fontsize") and artist.get_text()):
            assert text.get_fontsize() >= 7

    def test_a_dollar_in_a_title_is_a_dollar(self) -> None:
        title = r"from $HOME\frac to $HOME\_"  # would be mathematics, and wrong
        figure = particle_types(a_run(), title)
        figure.draw_without_rendering()
        assert figure._suptitle.get_text() == title
        assert not figure._suptitle.get_parse_math()

    def test_nothing_moves_when_the_figure_is_saved(self, tmp_path: Path) -> None:
        figure = training_curves(a_run())
        before = [axes.get_position().bounds for axes in figure.axes]
        save(figure, tmp_path / "figure.png")
        assert [axes.get_position().bounds for axes in figure.axes] == before

    @PLOTS
    def test_the_users_settings_stay_and_do_not_matter(self, plot: Plot, tmp_path: Path) -> None:
        expected = save(drawn_once(plot), tmp_path / "plain.svg").read_bytes()
        with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.fonttype": "path", "lines.linewidth": 9}):
            before = dict(mpl.rcParams)
            figure = plot(a_run())
            written = save(figure, tmp_path / "mine.svg").read_bytes()
            assert dict(mpl.rcParams) == before
        assert written == expected

    def test_an_exception_inside_the_style_restores_the_settings(self) -> None:
        before = dict(mpl.rcParams)
        with pytest.raises(UserError):
            training_curves(metrics(identity={0: 5}))
        with pytest.raises(ZeroDivisionError), house_style():
            _ = 1 / 0
        assert dict(mpl.rcParams) == before

    @PLOTS
    def test_the_data_stay_as_they_are(self, plot: Plot) -> None:
        run = of_seeds(2, a_run())
        before = run.copy()
        plot(run)
        pd.testing.assert_frame_equal(run, before)

    @PLOTS
    def test_a_missing_column_is_named(self, plot: Plot) -> None:
        with pytest.raises(ValueError, match="lack the columns Batch; needed: Epoch, Batch, Metric, Score"):
            plot(a_run().drop(columns="Batch"))

    @PLOTS
    def test_what_was_read_from_a_csv_file_is_drawn_alike(self, plot: Plot, tmp_path: Path) -> None:
        run = pd.concat([a_run(), metrics(task_loss={21: math.nan, 22: math.inf})])
        run.to_csv(tmp_path / "metrics.csv", index=False)
        read = pd.read_csv(tmp_path / "metrics.csv")
        ours, theirs = (save(plot(frame), tmp_path / "figure.svg").read_bytes() for frame in (run, read))
        assert ours == theirs


class TestSave:
    def test_the_same_data_give_the_same_bytes_in_another_process_too_and_no_display_is_needed(
        self, tmp_path: Path
    ) -> None:
        run = of_seeds(2, a_run())
        run.to_pickle(tmp_path / "run.pickle")
        (tmp_path / "matplotlibrc").write_text("font.size: 20\nbackend: TkAgg\n")
        program = f"""
import sys, pandas
from srnn.plots.particle_types import particle_types
from srnn.plots.style import save
from srnn.plots.training_curves import training_curves
for plot in (training_curves, particle_types):
    figure = plot(pandas.read_pickle("run.pickle"), "title")
    for kind in {tuple(reversed(FORMATS))}:
        save(figure, f"there/{{plot.__name__}}.{{kind}}")
assert "matplotlib.pyplot" not in sys.modules
"""
        environment = os.environ | {"PYTHONHASHSEED": "7", "MATPLOTLIBRC": str(tmp_path), "DISPLAY": ""}
        subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True)
        for plot in (training_curves, particle_types):
            figure = plot(run, "title")
            for kind in FORMATS:
                name = f"{plot.__name__}.{kind}"
                assert save(figure, tmp_path / name).read_bytes() == (tmp_path / "there" / name).read_bytes(), name

    @PLOTS
    def test_png_is_300_dpi_and_small(self, plot: Plot, tmp_path: Path) -> None:
        content = save(plot(of_seeds(2, a_run(epochs=200))), tmp_path / "figure.png").read_bytes()
        assert int.from_bytes(content[16:20], "big") == int(WIDTH * 300)
        assert len(content) < 300_000

    def test_svg_keeps_text_as_text_and_pdf_embeds_truetype_fonts(self, tmp_path: Path) -> None:
        figure = drawn_once(training_curves)
        svg = save(figure, tmp_path / "figure.svg").read_text()
        assert re.search(r"<text[^>]*>replication loss</text>", svg)
        pdf = save(figure, tmp_path / "figure.pdf").read_bytes()
        assert b"/FontFile2" in pdf
        assert b"/Type3" not in pdf

    @pytest.mark.parametrize("kind", FORMATS)
    def test_no_time_and_no_program_is_written_into_the_file(self, kind: str, tmp_path: Path) -> None:
        content = save(drawn_once(particle_types), tmp_path / f"figure.{kind}").read_bytes()
        for word in (b"Matplotlib v", b"matplotlib.org", b"CreationDate", b"dc:date", b"Software"):
            assert word not in content

    def test_folders_are_made_and_only_the_figure_is_left_in_them(self, tmp_path: Path) -> None:
        path = save(drawn_once(particle_types), tmp_path / "figures" / "types.PNG")
        assert path == tmp_path / "figures" / "types.PNG"
        assert list(path.parent.iterdir()) == [path]

    def test_a_failed_save_leaves_the_old_file_and_nothing_else(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*args: object, **kwargs: object) -> None:
            raise OSError("disk full")

        path = tmp_path / "figure.png"
        path.write_bytes(b"old")
        figure = drawn_once(particle_types)
        monkeypatch.setattr(figure, "savefig", fail)
        with pytest.raises(OSError, match="disk full"):
            save(figure, path)
        assert path.read_bytes() == b"old"
        assert list(tmp_path.iterdir()) == [path]

    @pytest.mark.parametrize("name", ["figure.jpg", "figure", "png"])
    def test_another_ending_is_an_error_that_names_the_formats(self, name: str, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=r"figures are written as \.png, \.svg, \.pdf"):
            save(Figure(), tmp_path / name)
        assert not list(tmp_path.iterdir())


def test_no_word_of_a_caption_stands_alone_where_lines_can_be_even() -> None:
    axes = Figure().subplots()
    axes.set_xlabel("noise")
    caption(axes, "153,800 clones of 1,538 self-replicators of 10 seeds;", "", "boxes: middle half")
    lines = ["noise", "153,800 clones of 1,538", "self-replicators of 10 seeds;", "boxes: middle half"]
    assert axes.get_xlabel().split("\n") == lines
