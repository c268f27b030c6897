"""Usefulness: networks small enough to work out by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from srnn import MLP, Organism, Particle
from srnn.analysis import usefulness as asked
from srnn.analysis.narrower import narrower
from srnn.analysis.thinning import signals
from srnn.analysis.usefulness import STATES, by_class, by_image, film, properties, states, usefulness
from srnn.choices import Activation, Residual
from srnn.errors import NotApplicableError
from srnn.number import Number
from srnn.plots import usefulness as plots
from srnn.tasks import Task


def numbers(body: MLP, *matrices: list[list[float]]) -> Organism:
    """An organism of plain numbers, with those weights."""
    made = Organism(body, Number())
    made.weights.data = torch.cat([torch.tensor(one).flatten() for one in matrices])[None].contiguous()
    return made


def classes(x: list[list[float]], y: list[int], outputs: int = 2) -> Task:
    tensors = torch.tensor(x), torch.tensor(y)
    return Task("by hand", "classification", *tensors, *tensors, outputs=outputs)


EYE = [[1.0, 0.0], [0.0, 1.0]]
#: x = e1, e2; each unit passes one of them on.
TWO = numbers(MLP(2, 2, 2, 2, activation="relu"), EYE, EYE)
BOTH = classes(EYE, [0, 1])


class TestByHand:
    frame = usefulness(TWO, BOTH)

    def test_the_loss_without_a_unit(self) -> None:
        """L = ln(1 + 1/e) = 0.313262; without a unit it is ln 2 for one of the two examples: 0.503204."""
        assert self.frame["Name"].tolist() == ["L0_C0", "L0_C1"]
        assert self.frame["Loss change"].tolist() == pytest.approx([0.189943] * 2, abs=1e-6)

    def test_a_tie_goes_to_the_first_class(self) -> None:
        """Without unit 0 the answer to e1 is still class 0; without unit 1 that to e2 is wrong."""
        assert self.frame["Score change"].tolist() == [0, 0.5]

    def test_without_a_layer(self) -> None:
        """Every answer is undecided: ln 2, and half of them right."""
        frame = usefulness(TWO, BOTH, "layer")
        assert frame["Name"].tolist() == ["L0", "L1"]
        assert frame["Loss change"].tolist() == pytest.approx([math.log(2) - 0.313262] * 2, abs=1e-6)
        assert frame["Score change"].tolist() == [0.5, 0.5]

    def test_class_by_class(self) -> None:
        """Each unit matters for its own class alone: ln 2 − 0.313262; their mean over the classes is the whole."""
        frame = by_class(TWO, BOTH)
        assert frame["Loss change"].tolist() == pytest.approx([0.379885, 0, 0, 0.379885], abs=1e-6)
        assert frame["Score change"].tolist() == [0, 0, 0, 1]
        means = frame.groupby("Name")["Loss change"].mean()
        assert means.to_numpy() == pytest.approx(self.frame["Loss change"].to_numpy())

    def test_image_by_image(self) -> None:
        """The answer to e1 hangs on no unit, since it would win the tie; that to e2 on one."""
        assert by_image(TWO, BOTH).to_numpy().tolist() == [["L0", 0, 1], ["L0", 1, 1]]

    def test_thirty_lost_and_ten_gained_of_a_thousand(self) -> None:
        """u = 0.02 ± 0.00629."""
        changes = np.zeros((1, 1000))
        changes[0, :30], changes[0, 30:40] = 1, -1
        told = asked._told(changes, changes).iloc[0]
        assert told["Score change"] == pytest.approx(0.02)
        assert told["Score SE"] == pytest.approx(0.00629, abs=5e-6)
        assert told["State"] == "useful"

    @pytest.mark.parametrize(
        ("changes", "state"),
        [([0, 0, 0], "dead"), ([1, -1, 0.1], "unclear"), ([1, 1.1, 1], "useful"), ([-1, -1.1, -1], "harmful")],
    )
    def test_states(self, changes: list[float], state: str) -> None:
        assert asked._told(np.array([changes]), np.zeros((1, 3)))["State"].tolist() == [state]

    def test_what_a_regression_loses(self) -> None:
        """y = x passes through one unit of two: without it the error, and its square, are 1; the other is dead."""
        made = numbers(MLP(1, 2, 2, 1), [[1.0], [0.0]], [[1.0, 1.0]])
        x = torch.ones(1, 1)
        frame = usefulness(made, Task("by hand", "regression", x, x, x, x, outputs=1))
        assert frame["Loss change"].tolist() == frame["Score change"].tolist() == [1, 0]
        assert frame["Metric"].tolist() == ["mae", "mae"]
        assert frame["State"].tolist() == ["useful", "dead"]

    def test_what_nothing_enters_still_speaks_through_a_sigmoid(self) -> None:
        """A sigmoid answers ½ to nothing, so a unit is what leaves it: without both the logits are 0."""
        made = numbers(MLP(2, 2, 2, 2, activation="sigmoid"), EYE, EYE)
        masks = asked._cases(made, "unit")[1]
        kept = made.worth().masked_fill(masks.any(0), 0)
        assert torch.equal(made.call_with(kept, BOTH.test_x), torch.zeros(2, 2))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from(["none", "layer", "pair"]), st.sampled_from(["unit", "particle"]))
def test_ablation_has_a_closed_form_where_all_is_linear(seed: int, residual: Residual, of: asked.Of) -> None:
    """Logits without the weight w_ij of a layer: logits − w_ij · ∂logits/∂z_i · s_j, s the layer's input."""
    random = torch.Generator().manual_seed(seed)
    organism = Organism(MLP(3, 4, 3, 2, residual), Particle(2), random)
    x = torch.randn(9, 3, generator=random)
    y = torch.randn(9, 2, generator=random)
    task = Task("random", "regression", x, y, x, y, outputs=2)
    frame = usefulness(organism, task, of)

    whole = organism.call_with(organism.worth(), x).detach().double()
    entering = [one.detach().double() for one in signals(organism, x)]
    weights = [one.detach().double() for one in organism.effective_weights()]
    expected = []
    for index, weight in enumerate(weights[: None if of == "particle" else -1]):
        # What a unit's sum, before a residual link is added, is worth for the outputs.
        passed = torch.eye(weight.shape[0], dtype=torch.float64)
        kept: dict[int, torch.Tensor] = {index + 1: passed}
        for later in range(index + 1, len(weights)):
            signal = kept[later] @ weights[later].mT
            source = organism.body.sources[later]
            if source is not None and source in kept:
                signal = signal + kept[source]
            kept[later + 1] = signal
        jacobian = kept[len(weights)]
        for i in range(weight.shape[0]):
            parts = [weight[i, j] * entering[index][:, j] for j in range(weight.shape[1])]
            for part in parts if of == "particle" else [torch.stack(parts).sum(0)]:
                without = whole - part[:, None] * jacobian[i]
                expected.append(float(((without - y) ** 2).mean() - ((whole - y) ** 2).mean()))
    assert frame["Loss change"].to_numpy() == pytest.approx(np.array(expected), abs=1e-4, rel=1e-3)


def test_of_types_and_zeros_are_dead() -> None:
    organism = Organism(MLP(2, 3, 2, 2, activation="relu"), Particle(2), torch.Generator().manual_seed(0))
    organism.weights.data[:, 4] = 0
    frame = usefulness(organism, BOTH, "type").set_index("Name")
    assert frame.loc["zero", "State"] == "dead"
    particles = usefulness(organism, BOTH, "particle")
    assert particles["Name"].tolist() == organism.names
    assert particles["State"][4] == "dead"
    found = properties(organism, BOTH, "particle")
    assert found["Zero"].tolist() == [0.0] * 4 + [1.0] + [0.0] * 7
    assert found["Effective weight"].to_numpy() == pytest.approx(organism.worth().detach().numpy())
    # The third weight of unit 2, after two of each unit, is of the other layer.
    assert properties(organism, BOTH)["Zero"].tolist() == [0, 0, 0.5]


def test_properties_of_units_by_hand() -> None:
    """Unit 0 answers to class 0 alone, and unit 1 to class 1."""
    found = properties(TWO, BOTH)
    assert found["Activity"].tolist() == [0.5, 0.5]
    assert found["Selectivity"].tolist() == [1, 1]
    assert found["Weights in"].tolist() == found["Weights out"].tolist() == [1, 1]
    assert found["Input activity"].tolist() == [0.5, 0.5]
    assert "Zero" not in found


def test_data_and_examples() -> None:
    """Of the training data the first ones, where those are asked."""
    x = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    y = torch.tensor([0, 1, 1])
    task = Task("by hand", "classification", x, y, x[1:], y[1:], outputs=2)
    assert usefulness(TWO, task)["State"].tolist() == ["dead", "useful"]
    assert usefulness(TWO, task, data="train", examples=1)["State"].tolist() == ["useful", "dead"]


def test_a_film_and_its_states() -> None:
    frame = film([(0, TWO), (5, TWO)], BOTH)
    assert frame["Epoch"].tolist() == [0, 0, 5, 5]
    shares = states(frame)
    assert shares.groupby(["Epoch", "Layer"])["Share"].sum().tolist() == [1, 1]
    with pytest.raises(NotApplicableError, match="no epoch was logged"):
        film([], BOTH)


@pytest.mark.parametrize("activation", ["none", "tanh"])
def test_what_it_does_not_apply_to(activation: Activation) -> None:
    single = numbers(MLP(2, 2, 1, 2, activation=activation), EYE)
    with pytest.raises(NotApplicableError, match="no hidden units"):
        usefulness(single, BOTH)
    with pytest.raises(NotApplicableError, match="no types"):
        usefulness(single, BOTH, "type")
    dense = Organism(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)), Particle(2))
    with pytest.raises(NotApplicableError, match="units are known of an MLP"):
        usefulness(dense, BOTH)


def test_with_fewer_units() -> None:
    """y = x of two units, worth ¼ and ¾: 1/16 goes with the less useful, at random that or 9/16; 0.9 are both."""
    one = torch.ones(2, 1)
    made = numbers(MLP(1, 2, 2, 1), [[0.25], [0.75]], [[1.0, 1.0]])
    found = narrower(made, Task("by hand", "regression", one, one, one, one, outputs=1), np.random.default_rng(0))
    known = found.set_index(["Order", "Share"])
    assert known["Units"].tolist() == [0, 1, 1, 1, 2] * 2
    assert known.loc["useless first", "Loss change"].tolist() == [0, 1 / 16, 1 / 16, 1 / 16, 1]
    random = known.loc["random", "Loss change"]
    assert (random[0.1], random[0.9]) == (0, 1)
    assert 1 / 16 < random[0.5] < 9 / 16


def test_figures_and_film(tmp_path: Path) -> None:
    frame = pd.concat([film([(0, TWO), (5, TWO), (10, TWO)], BOTH).assign(Seed=seed) for seed in (3, 4)])
    figure = plots.distribution(frame)
    assert [axes.get_title() for axes in figure.axes] == ["epoch 0", "epoch 5", "epoch 10"]
    # Four units, two of each seed: one of each is too little to be told from nothing by two examples.
    heights = [sum(patch.get_height() for patch in bars) for bars in figure.axes[0].containers]
    assert heights == [sum(frame.query("Epoch == 0")["State"] == state) for state in STATES]
    assert sum(heights) == 4
    lines = plots.ranks(frame).axes[0].lines
    assert [line.get_ydata().tolist() for line in lines] == [[1.5] * 3] * 3
    assert [line.get_color() for line in lines] == [
        plots.STATE_COLOURS[one] for one in ("unclear", "useful", "harmful")
    ]
    plots.animate(frame[frame["Seed"] == 3], tmp_path / "film.gif")
    with Image.open(tmp_path / "film.gif") as film_:
        assert film_.format == "GIF"
