"""Trajectories: the ways of particles through weight space in two principal components, and the cubes."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.colors import to_hex
from mpl_toolkits.mplot3d.art3d import Line3DCollection
from sklearn.decomposition import PCA

from srnn import Particle
from srnn.analysis.trajectories import (
    against_random_walk,
    project_each,
    project_together,
    trajectories,
    types_over_epochs,
)
from srnn.errors import UserError
from srnn.fixpoints import FixpointType
from srnn.plots import trajectories as plots
from srnn.plots.style import TYPE_COLOURS, WIDTH

PARTICLE = Particle(hidden=1)  # P = 7
COLUMNS = ["Weight", "Layer", "Type", "Epoch", "PC1", "PC2", "Explained 1", "Explained 2", "Left out"]


def trajectory(**courses: list[list[float]]) -> pd.DataFrame:
    """A trajectory of ``name=[weights at epoch 0, weights at epoch 5, …]``, as a run has it."""
    rows = [
        (5 * step, name, *course[step])
        for step in range(len(next(iter(courses.values()))))
        for name, course in courses.items()
    ]
    return pd.DataFrame(rows, columns=["Epoch", "Weight", *(f"dim_{k}" for k in range(1, 8))])


def on_a_line(*places: float, along: int = 0) -> list[list[float]]:
    """The course of a particle that moves along one weight."""
    return [[place if k == along else 0.5 for k in range(7)] for place in places]


class TestOnePerParticle:
    def test_points_on_a_line_are_told_by_one_component(self) -> None:
        """At 1, 2, 6: the mean is 3, so it is at −2, −1, 3; the second particle goes the other way."""
        weights = np.array([on_a_line(1, 2, 6), on_a_line(6, 2, 1, along=4)]).swapaxes(0, 1)
        scores, explained = project_each(weights)
        np.testing.assert_allclose(scores[:, 0], [[-2, 0], [-1, 0], [3, 0]], atol=1e-12)
        np.testing.assert_allclose(scores[:, 1], [[3, 0], [-1, 0], [-2, 0]], atol=1e-12)
        np.testing.assert_allclose(explained, [[1, 0], [1, 0]], atol=1e-12)

    def test_a_cross(self) -> None:
        """At ±3 along one weight and ±1 along another: variances 18 and 2, so 90 % and 10 %."""
        course = np.zeros((4, 1, 7))
        course[:, 0, 2], course[:, 0, 5] = [3, -3, 0, 0], [0, 0, 1, -1]
        scores, explained = project_each(course)
        np.testing.assert_allclose(scores[:, 0], [[3, 0], [-3, 0], [0, 1], [0, -1]], atol=1e-12)
        np.testing.assert_allclose(explained, [[0.9, 0.1]])

    def test_it_is_scikit_learns(self) -> None:
        weights = np.random.default_rng(0).normal(size=(9, 30, 7)).cumsum(0)
        scores, explained = project_each(weights)
        for particle in range(30):
            pca = PCA(n_components=2, svd_solver="full")
            np.testing.assert_allclose(scores[:, particle], pca.fit_transform(weights[:, particle]), atol=1e-10)
            np.testing.assert_allclose(explained[particle], pca.explained_variance_ratio_)

    def test_what_does_not_move_has_no_variance_to_explain(self) -> None:
        scores, explained = project_each(np.ones((4, 3, 7)))
        assert not scores.any()
        assert np.isnan(explained).all()


class TestOneForAll:
    def test_particles_on_one_line_share_its_component(self) -> None:
        """At 1, 2 and 6, 7: the mean is 4."""
        scores, explained = project_together(np.array([on_a_line(1, 2), on_a_line(6, 7)]).swapaxes(0, 1))
        np.testing.assert_allclose(scores[..., 0], [[-3, 2], [-2, 3]], atol=1e-12)
        np.testing.assert_allclose(scores[..., 1], 0, atol=1e-12)
        np.testing.assert_allclose(explained, [[1, 0], [1, 0]], atol=1e-12)

    def test_many_particles_give_what_few_of_the_same_would(self) -> None:
        """From 1,000 points on another solver computes; twice the same points have the same components."""
        few = np.random.default_rng(0).normal(size=(5, 120, 7)) * np.arange(1, 8)
        scores, explained = project_together(few)
        again, explained_again = project_together(np.concatenate([few, few], axis=1))
        np.testing.assert_allclose(np.abs(again[:, :120]), np.abs(scores), atol=1e-8)
        np.testing.assert_allclose(explained_again[0], explained[0])

    def test_what_does_not_move_has_no_variance_to_explain(self) -> None:
        scores, explained = project_together(np.ones((4, 3, 7)))
        assert not scores.any()
        assert np.isnan(explained).all()


class TestPrincipalComponents:
    FRAME = trajectory(
        L0_C0_W0=on_a_line(1, 2, 6),
        L0_C0_W1=[[1.0] * 7, [0.5] * 7, [0.0] * 7],
        L0_C1_W0=[[1.0] * 7, [np.inf] * 7, [1.0] * 7],
        L1_C0_W0=on_a_line(6, 2, 1, along=4),
    )

    def test_of_numbers_there_is_one_component(self) -> None:
        scores, explained = project_together(np.array([[[0.0], [1.0]], [[2.0], [5.0]]]))
        assert scores[..., 0].ravel() == pytest.approx([-2.0, -1.0, 0.0, 3.0])
        assert (scores[..., 1] == 0).all()
        assert explained.tolist() == [[1, 0], [1, 0]]

    def test_rows(self) -> None:
        found = trajectories(self.FRAME, PARTICLE)
        assert list(found.columns) == COLUMNS
        assert list(found["Weight"].unique()) == ["L0_C0_W0", "L0_C0_W1", "L1_C0_W0"]
        assert list(found["Epoch"]) == [0, 5, 10] * 3
        assert list(found["Layer"]) == ["L0"] * 6 + ["L1"] * 3
        np.testing.assert_allclose(found["PC1"][:3], [-2, -1, 3], atol=1e-6)
        np.testing.assert_allclose(found["PC1"][3:6], np.sqrt(7) * np.array([0.5, 0, -0.5]), atol=1e-6)

    def test_the_type_is_that_at_the_end(self) -> None:
        found = trajectories(self.FRAME, PARTICLE).set_index("Weight")["Type"]
        assert set(found["L0_C0_W1"]) == {"zero"}
        assert set(found["L0_C0_W0"]) == {"other"}

    def test_a_particle_that_diverges_on_the_way_is_left_out_and_counted(self) -> None:
        found = trajectories(self.FRAME, PARTICLE).groupby("Layer")["Left out"].unique()
        assert found["L0"].tolist() == [1]
        assert found["L1"].tolist() == [0]

    def test_a_layer_has_components_of_its_own(self) -> None:
        found = trajectories(self.FRAME, PARTICLE, "layer")
        assert found.groupby("Layer")["Explained 1"].nunique().eq(1).all()
        np.testing.assert_allclose(found.loc[found["Layer"] == "L1", "PC1"], [3, -1, -2], atol=1e-6)
        l0 = self.FRAME[self.FRAME["Weight"].isin(["L0_C0_W0", "L0_C0_W1"])].sort_values("Weight", kind="stable")
        expected = PCA(2).fit_transform(l0.iloc[:, 2:])
        np.testing.assert_allclose(found.loc[found["Layer"] == "L0", ["PC1", "PC2"]], expected, atol=1e-6)

    def test_what_cannot_be_drawn_is_said_in_one_line(self) -> None:
        with pytest.raises(UserError, match="two logged epochs"):
            trajectories(self.FRAME[self.FRAME["Epoch"] == 0], PARTICLE)
        with pytest.raises(UserError, match="same particles"):
            trajectories(self.FRAME.iloc[:-1], PARTICLE)
        with pytest.raises(UserError, match="diverged"):
            trajectories(self.FRAME[self.FRAME["Weight"] == "L0_C1_W0"], PARTICLE)


def courses(types: dict[str, str], left_out: int = 0) -> pd.DataFrame:
    """Particles of these types; particle k is at (k, −k), then at (k + 1, −k)."""
    rows = [
        (name, name[:2], kind, epoch, k + epoch / 5, -k, 0.75, 0.125, left_out)
        for k, (name, kind) in enumerate(types.items())
        for epoch in (0, 5)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


class TestCubes:
    TYPES: ClassVar = {"L0_C0_W0": "zero", "L0_C0_W1": "identity", "L0_C0_W2": "zero", "L1_C0_W0": "other"}

    def test_a_cube_for_each_layer_with_its_courses_in_the_colour_of_their_type(self) -> None:
        figure = plots.trajectories(courses(self.TYPES, left_out=2), "cubes")
        l0, l1 = figure.axes
        lines = {c.get_label(): c for c in l0.collections if isinstance(c, Line3DCollection)}
        assert list(lines) == ["zero", "identity"]
        np.testing.assert_allclose(lines["zero"]._segments3d, [[(0, 0, 0), (1, 0, 5)], [(2, -2, 0), (3, -2, 5)]])
        np.testing.assert_allclose(lines["identity"]._segments3d, [[(1, -1, 0), (2, -1, 5)]])
        for label, collection in lines.items():
            assert to_hex(collection.get_color()[0]).upper() == TYPE_COLOURS[FixpointType[label.upper()]]
        assert [c.get_label() for c in l1.collections] == ["other"]
        assert (l0.get_xlabel(), l0.get_ylabel(), l0.get_zlabel()) == ("PC1", "PC2", "epoch")
        assert [t.get_text().split()[0] for t in figure.legends[0].get_texts()] == ["zero", "identity", "other"]

    def test_explained_variance_and_those_left_out_stand_above_a_cube(self) -> None:
        title = plots.trajectories(courses(self.TYPES, left_out=2)).axes[0].get_title()
        assert "75.0 % + 12.5 %" in title
        assert "L0: 3 of 5 particles" in title
        assert "2 divergent" in title

    def test_of_many_a_fixed_choice_is_drawn(self) -> None:
        many = courses({f"L0_C0_W{k}": "other" for k in range(101)})
        (cube,) = plots.trajectories(many, at_most=3).axes
        (lines,) = cube.collections
        assert [line[0][0] for line in lines._segments3d] == [0, 50, 100]

    def test_of_several_seeds_the_first_is_drawn(self) -> None:
        first, second = courses({"L0_C0_W0": "zero"}), courses({"L0_C0_W0": "other"})
        (cube,) = plots.trajectories(pd.concat([first.assign(Seed=3), second.assign(Seed=4)])).axes
        assert [c.get_label() for c in cube.collections] == ["zero"]

    def test_a_single_layer_is_one_column_wide(self) -> None:
        assert plots.trajectories(courses({"L0_C0_W0": "zero"})).get_figwidth() == WIDTH

    def test_nothing_to_draw(self) -> None:
        with pytest.raises(UserError, match="no courses"):
            plots.trajectories(courses({}))


class TestAgainstRandomWalk:
    def test_a_line_is_one_component_whatever_its_steps_and_a_walk_is_not(self) -> None:
        generator = torch.Generator().manual_seed(0)
        found = against_random_walk(trajectory(L0_0_0=on_a_line(*range(0, 40))), generator)
        assert [*zip(found["Form"], found["Part"], strict=True)] == [
            (form, part) for form in ("particle", "layer") for part in ("whole", "later")
        ]
        np.testing.assert_allclose(found["Explained"], 1)
        np.testing.assert_allclose(found["First"], 1 / 39)
        # Of seven dimensions two hold most of a walk, and not all.
        assert ((found["Random walk"] > 0.5) & (found["Random walk"] < 0.99)).all()
        assert (found["Random walk by 3"] > found["Random walk"]).all()

    def test_a_course_of_one_step_looks_like_a_line_as_its_random_walk_does(self) -> None:
        course = on_a_line(0, 100, 100.001, 100.002, 100.003)
        whole, later = against_random_walk(trajectory(L0_0_0=course), torch.Generator().manual_seed(0)).iloc[:2].iloc
        assert whole["First"] > 0.999
        assert whole["Random walk"] > 0.999
        assert later["Random walk"] < 0.999

    def test_two_epochs_have_no_later_part(self) -> None:
        with pytest.raises(UserError, match="needs three logged epochs; there are 2"):
            against_random_walk(trajectory(L0_0_0=on_a_line(1, 2)))


def test_types_are_those_of_every_epoch() -> None:
    zero, other = [0.0] * 7, [0.5] * 7
    found = types_over_epochs(trajectory(L0_C0_W0=[other, zero], L0_C0_W1=[zero, [float("nan")] * 7]), PARTICLE)
    assert found.index.tolist() == [0, 5]
    assert found["L0_C0_W0"].tolist() == [FixpointType.OTHER, FixpointType.ZERO]
    assert found["L0_C0_W1"].tolist() == [FixpointType.ZERO, FixpointType.DIVERGENT]
