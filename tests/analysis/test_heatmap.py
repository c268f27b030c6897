"""The heat map of four pixels, worked out by hand, and its drawing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.colors import to_rgb
from torch import nn

from srnn import MLP, Experiment, Organism, Particle, tasks
from srnn.analysis.heatmap import against_mean_image, heatmap
from srnn.errors import NotApplicableError, UserError
from srnn.fixpoints import FixpointType
from srnn.plots.heatmap import heatmap as draw
from srnn.plots.style import TYPE_COLOURS

pytestmark = pytest.mark.filterwarnings("error")

#: With one hidden unit, v is the first row of weights: v0 decides on the type, v4 is the effective weight.
IDENTITY, OTHER, SECONDARY = 1.0, 0.5, -1.0
ZERO = [0.0] * 7
#: Two images of 2 × 2.
X = torch.tensor([[0.0, 1.0, 0.0, 0.5], [0.0, 0.0, 0.5, 0.5]])


def particle(kind: float, worth: float) -> list[float]:
    return [kind, 0, 0, 0, worth, 1, 1]


def small() -> Organism:
    """Four pixels, two hidden units."""
    made = Organism(MLP(4, 2, 2, 1), Particle(1))
    first = [particle(IDENTITY, 0.5), ZERO, particle(OTHER, -1), particle(SECONDARY, 2)]
    second = [particle(IDENTITY, -1.5), particle(IDENTITY, 1), ZERO, ZERO]
    made.weights.data = torch.tensor([*first, *second, ZERO, ZERO]).T.contiguous()
    return made


def test_each_pixel_has_the_particles_of_its_own(each_path: str) -> None:
    expected = pd.DataFrame(
        {
            "Row": [0, 0, 1, 1],
            "Column": [0, 1, 0, 1],
            "Mean image": [0, 0.5, 0.25, 0.5],
            "divergent": [0.0] * 4,
            "zero": [0, 0.5, 0.5, 0.5],
            "identity": [1, 0.5, 0, 0],
            "secondary": [0, 0, 0, 0.5],
            "other": [0, 0, 0.5, 0],
            "Effective weight": [1, 0.5, 0.5, 1],
        }
    )
    pd.testing.assert_frame_equal(heatmap(small(), X, (1, 2, 2)), expected, check_dtype=False)


def test_what_is_no_picture_has_no_heat_map_whatever_its_number_of_inputs() -> None:
    """Iris has four features; they are no 2 × 2 pixels."""
    with pytest.raises(NotApplicableError, match="the inputs of this task are no pictures"):
        heatmap(small(), X, None)


def test_pictures_need_not_be_square_and_their_channels_are_taken_together() -> None:
    """Two channels of 1 × 2: inputs 0 and 2 are the left pixel, 1 and 3 the right one."""
    found = heatmap(small(), X, (2, 1, 2))
    assert found[["Row", "Column"]].to_numpy().tolist() == [[0, 0], [0, 1]]
    assert found["Mean image"].tolist() == [0.125, 0.5]
    assert found["Effective weight"].tolist() == [0.75, 0.75]
    assert found["identity"].tolist() == [0.5, 0.25]


@pytest.mark.parametrize(("task", "image"), [("digits", (1, 8, 8)), ("add", None)])
def test_the_task_tells_whether_its_inputs_are_pictures(task: str, image: tuple[int, int, int] | None) -> None:
    assert tasks.load(Experiment.from_dict({"task": {"name": task}}).task).image == image


def test_a_body_of_convolutions_has_no_heat_map() -> None:
    with pytest.raises(NotApplicableError, match="matrix"):
        heatmap(Organism(nn.Conv2d(1, 1, 2), Particle(1)), X, (1, 2, 2))


def test_rank_correlation_with_the_mean_image() -> None:
    frame = pd.DataFrame({kind.label: [0.0] * 4 for kind in FixpointType})
    frame = frame.assign(
        **{"Mean image": [0.0, 0.1, 0.2, 0.9], "Effective weight": [1.0, 2.0, 3.0, 3.1], "identity": [8.0, 4.0, 2.0, 1]}
    )
    found = against_mean_image(frame).set_index("Metric")["Score"]
    assert found["Effective weight"] == pytest.approx(1)
    assert found["identity"] == pytest.approx(-1)
    assert np.isnan(found["zero"])
    both = against_mean_image(pd.concat([frame.assign(Seed=1), frame[:3].assign(Seed=2)]))
    assert list(both["Seed"].unique()) == [1, 2]


def test_the_panels_show_the_pixels_in_the_types_colours() -> None:
    figure = draw(heatmap(small(), X, (1, 2, 2)), "small")
    shown = {axes.get_title(): axes.images[0] for axes in figure.axes if axes.images}
    np.testing.assert_array_equal(shown["mean image"].get_array(), [[0, 0.5], [0.25, 0.5]])
    np.testing.assert_array_equal(shown["effective weights"].get_array(), [[1, 0.5], [0.5, 1]])
    np.testing.assert_array_equal(shown["self-replicators"].get_array(), [[1, 0.5], [0, 0]])
    np.testing.assert_array_equal(shown["zero fixpoints"].get_array(), [[0, 0.5], [0.5, 0.5]])
    for title, kind in (("self-replicators", FixpointType.IDENTITY), ("zero fixpoints", FixpointType.ZERO)):
        assert shown[title].cmap(0.0)[:3] == (1, 1, 1)
        assert shown[title].cmap(1.0)[:3] == pytest.approx(to_rgb(TYPE_COLOURS[kind]))
        assert shown[title].get_clim()[0] == 0


def test_of_several_seeds_the_mean_is_drawn() -> None:
    one = heatmap(small(), X, (1, 2, 2))
    figure = draw(pd.concat([one.assign(Seed=0), one.assign(Seed=1, identity=0.0)]), "small")
    shown = next(axes.images[0] for axes in figure.axes if axes.get_title() == "self-replicators")
    np.testing.assert_array_equal(shown.get_array(), [[0.5, 0.25], [0, 0]])
    assert (figure.get_suptitle(), figure.get_supxlabel()) == ("small", "means of 2 seeds")


def test_what_diverged_or_is_empty() -> None:
    assert draw(heatmap(small(), X, (1, 2, 2)).assign(**{"Effective weight": np.nan, "zero": 0.0}))
    with pytest.raises(UserError, match="no pixels"):
        draw(heatmap(small(), X, (1, 2, 2))[:0])
