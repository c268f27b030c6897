"""The graph of a small organism of hand-made particles, and its drawing."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from torch import nn

from srnn import MLP, Organism, Particle
from srnn.analysis.connectivity import by_type, edges, graph, write_graphml
from srnn.errors import NotApplicableError, UserError
from srnn.fixpoints import FixpointType
from srnn.organism import stack
from srnn.plots.connectivity import connectivity as draw
from srnn.plots.style import GREY, TYPE_COLOURS

#: With one hidden unit, v is the first row of weights: v0 decides on the type, v4 is the effective weight.
IDENTITY, OTHER, SECONDARY = 1.0, 0.5, -1.0
ZERO = [0.0] * 7


def particle(kind: float, worth: float) -> list[float]:
    return [kind, 0, 0, 0, worth, 1, 1]


def organism(body: nn.Module, *particles: list[float]) -> Organism:
    made = Organism(body, Particle(1))
    assert len(particles) == made.size
    made.weights.data = torch.tensor(particles).T.contiguous()
    return made


def small() -> Organism:
    """Two inputs, one hidden unit, one output."""
    return organism(MLP(2, 1, 2, 1), particle(IDENTITY, 0.5), ZERO, particle(OTHER, -2))


def test_every_particle_is_an_edge(each_path: str) -> None:
    expected = pd.DataFrame(
        {
            "Particle": ["L0_C0_W0", "L0_C0_W1", "L1_C0_W0"],
            "Layer": ["L0", "L0", "L1"],
            "Cell": [0, 0, 0],
            "Weight": [0, 1, 0],
            "Source": ["U0_0", "U0_1", "U1_0"],
            "Target": ["U1_0", "U1_0", "U2_0"],
            "Type": ["identity", "zero", "other"],
            "Effective weight": [0.5, 0.0, -2.0],
        }
    )
    pd.testing.assert_frame_equal(edges(small()), expected, check_dtype=False)


def test_the_numbers_to_quote() -> None:
    found = by_type(edges(small())).set_index(["Scope", "Type"])
    assert found.loc[("total", "identity"), "Edges"] == 1
    assert found.loc[("total", "identity"), "Share"] == pytest.approx(1 / 3)
    assert found.loc["total"]["Edges"].sum() == 3
    assert found.loc["L0"]["Share"].sum() == pytest.approx(1)


def test_cells_are_targets_and_weights_are_sources() -> None:
    made = organism(MLP(2, 3, 1, 3), *[particle(SECONDARY, worth) for worth in range(6)])
    frame = edges(made)
    assert list(frame["Source"]) == ["U0_0", "U0_1"] * 3
    assert list(frame["Target"]) == ["U1_0", "U1_0", "U1_1", "U1_1", "U1_2", "U1_2"]
    assert set(frame["Type"]) == {"secondary"}
    # The matrix that the body is called with.
    matrix = frame.pivot(index="Cell", columns="Weight", values="Effective weight").to_numpy()
    np.testing.assert_array_equal(matrix, [[0, 1], [2, 3], [4, 5]])


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Organism(nn.Conv2d(1, 2, 3), Particle(1)),
        lambda: stack([small(), small()]),
        lambda: Organism(nn.ModuleList([nn.Linear(2, 3), nn.Linear(2, 3)]), Particle(1)),
    ],
    ids=["convolution", "stack", "side by side"],
)
def test_only_layers_of_one_organism_have_edges(wrong: Callable[[], Organism]) -> None:
    with pytest.raises(NotApplicableError, match="needed is one organism of matrices"):
        edges(wrong())


def test_the_graph_has_units_as_nodes_and_particles_as_edges() -> None:
    made = graph(edges(small()))
    assert dict(made.nodes(data=True)) == {
        "U0_0": {"layer": 0, "index": 0},
        "U0_1": {"layer": 0, "index": 1},
        "U1_0": {"layer": 1, "index": 0},
        "U2_0": {"layer": 2, "index": 0},
    }
    assert made.number_of_edges() == 3
    assert made.edges["U0_1", "U1_0"]["type"] == "zero"
    assert made.edges["U1_0", "U2_0"] == {
        "particle": "L1_C0_W0",
        "layer": 1,
        "cell": 0,
        "weight": 0,
        "type": "other",
        "effective_weight": -2.0,
    }


def test_the_graph_of_some_edges_is_that_of_these() -> None:
    frame = edges(small())
    assert set(graph(frame[frame["Type"] == "identity"])) == {"U0_0", "U1_0"}
    with pytest.raises(ValueError, match="one organism"):
        graph(pd.concat([frame, frame]))


def test_the_graph_comes_back_from_graphml(tmp_path: Path) -> None:
    made = graph(edges(small()))
    write_graphml(made, tmp_path / "small.graphml")
    read = nx.read_graphml(tmp_path / "small.graphml")
    assert dict(read.nodes(data=True)) == dict(made.nodes(data=True))
    assert list(read.edges(data=True)) == list(made.edges(data=True))
    assert [path.name for path in tmp_path.iterdir()] == ["small.graphml"]


def collections(figure: Figure) -> dict[str, LineCollection]:
    return {
        str(one.get_gid()): one for axes in figure.axes for one in axes.collections if isinstance(one, LineCollection)
    }


def lines(frame: pd.DataFrame) -> dict[str, LineCollection]:
    return collections(draw(frame, "small"))


def test_each_type_has_a_panel_with_its_edges() -> None:
    frame = edges(small())
    figure = draw(frame)
    assert [axes.get_title() for axes in figure.axes] == ["zero: 1 of 3", "identity: 1 of 3", "other: 1 of 3"]
    drawn = collections(figure)
    assert set(drawn) == {"zero", "identity", "other"}
    # From the lower of two inputs, at position 0, to a unit that is alone in its layer, at 0.5.
    np.testing.assert_array_equal(drawn["identity"].get_segments(), [[[0, 0], [1, 0.5]]])
    np.testing.assert_array_equal(drawn["zero"].get_segments(), [[[0, 1], [1, 0.5]]])


def test_strong_edges_are_wide_and_in_their_types_colour() -> None:
    made = organism(MLP(3, 1, 1, 1), particle(IDENTITY, -4), particle(IDENTITY, 2), particle(IDENTITY, 0))
    drawn = lines(edges(made))["identity"]
    widths, colours = np.array(drawn.get_linewidths()), np.array(drawn.get_colors())[:, :3]
    # Drawn from weak to strong; the widths grow with |effective weight| in equal steps.
    assert widths[2] - widths[1] == pytest.approx(widths[1] - widths[0])
    assert widths[0] > 0
    np.testing.assert_allclose(colours[2], to_rgb(TYPE_COLOURS[FixpointType.IDENTITY]))
    assert colours[0].sum() > colours[1].sum() > colours[2].sum()
    assert drawn.get_segments()[2][0][1] == 0


def test_pale_edges_have_an_outline() -> None:
    drawn = lines(edges(small()))["other"]
    np.testing.assert_allclose(np.array(drawn.get_colors())[:, :3], [to_rgb(GREY), to_rgb(TYPE_COLOURS[4])])
    outline, inner = drawn.get_linewidths()
    assert outline > inner


def test_weights_that_are_not_finite_are_drawn() -> None:
    made = organism(MLP(2, 1, 1, 1), particle(IDENTITY, math.nan), particle(IDENTITY, math.inf))
    assert len(lines(edges(made))["divergent"].get_segments()) == 2


def test_of_several_seeds_the_first_is_drawn() -> None:
    first, second = edges(small()).assign(Seed=3), edges(small()).assign(Seed=4, Type="secondary")
    assert set(lines(pd.concat([first, second]))) == {"zero", "identity", "other"}
    with pytest.raises(UserError, match="no edges"):
        draw(first[:0])
