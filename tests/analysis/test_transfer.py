"""Weight transfer: what the organism answers as a dense network and particle by particle, and what its weights are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from srnn import MLP, Organism, Particle, tasks
from srnn.analysis.transfer import BINS, through_particles, transfer, weight_distribution, weight_histogram
from srnn.errors import UserError
from srnn.plots import transfer as plots
from srnn.presets import load_preset, preset_names
from srnn.tasks import Task
from srnn.training.birth import build_organism


def three_units() -> Organism:
    """2 → 2 → 1 of particles with one hidden unit, ``(W1 (5), W2, W3)``; worth W1[4] · W2 · W3.

    The first layer is [[identity 2, zero], [other −3, other 0.5]], the second [identity 4, identity −1].
    """
    organism = Organism(MLP(2, 2, 2, 1), Particle(hidden=1))
    columns = [
        [1, 0, 0, 0, 2, 1, 1],
        [0, 0, 0, 0, 0, 0, 0],
        [2, 0, 0, 0, 3, 1, -1],
        [2, 0, 0, 0, 0.25, 2, 1],
        [1, 0, 0, 0, 4, 1, 1],
        [1, 0, 0, 0, -1, 1, 1],
    ]
    organism.weights.data = torch.tensor(columns, dtype=torch.float32).T.contiguous()
    return organism


X = torch.tensor([[1.0, 2.0], [-1.0, 4.0]])
#: Units (2a, −3a + 0.5b) are (2, −2) and (−2, 5), answers 4u − v.
ANSWERS = [[10.0], [-13.0]]


class TestTransfer:
    def test_by_hand(self) -> None:
        organism = three_units()
        assert organism(X).tolist() == ANSWERS
        assert through_particles(organism, X).tolist() == ANSWERS
        y = torch.tensor([[10.0], [-12.0]])
        found = transfer(organism, Task("by hand", "regression", X, y, X, y, outputs=1), examples=1)
        assert found["Copy"].tolist() == ["dense", "particles"]
        assert found["Examples"].tolist() == [2, 1]
        assert found["Organism"].tolist() == found["Copied"].tolist() == [0.5, 0]
        assert found["Equal"].all()
        assert found["Largest output"].tolist() == [13, 10]
        assert (found[["Largest difference", "Relative difference"]] == 0).all(axis=None)

    def test_a_copy_that_differs_is_found(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def wrong(self: Organism) -> nn.Module:
            body = MLP(2, 2, 2, 1)
            with torch.no_grad():
                for own, weight in zip(body.weights, self.effective_weights(), strict=True):
                    own.copy_(weight)
                body.weights[1][0, 0] = 5  # u counts 5 times, not 4: answers 12 and −15
            return body

        monkeypatch.setattr(Organism, "to_dense", wrong)
        y = torch.tensor(ANSWERS)
        dense = transfer(three_units(), Task("by hand", "regression", X, y, X, y, outputs=1)).iloc[0]
        assert dense["Largest difference"] == 2
        assert dense["Relative difference"] == 2 / 13
        assert (dense["Organism"], dense["Copied"], dense["Equal"]) == (0, 2, False)

    @pytest.mark.parametrize(
        "body",
        [{}, {"residual": "layer"}, {"residual": "pair"}, {"activation": "tanh", "residual": "layer"}],
        ids=str,
    )
    @pytest.mark.parametrize("hidden", [2, 5])
    def test_particles_and_organism_agree_on_every_body(self, body: dict[str, Any], hidden: int) -> None:
        generator = torch.Generator().manual_seed(hidden)
        organism = Organism(MLP(7, 4, 5, 3, **body), Particle(hidden), generator)
        x = torch.randn(50, 7, generator=generator)
        answer, output = organism(x).detach().double(), through_particles(organism, x)
        assert float((answer - output).abs().max() / output.abs().max()) < 1e-5

    def test_only_the_dense_copy_of_another_body(self) -> None:
        body = nn.Sequential(nn.Unflatten(1, (1, 2, 2)), nn.Conv2d(1, 2, 2), nn.Flatten())
        organism, x = Organism(body, Particle(2)), torch.randn(5, 4)
        y = torch.zeros(5, 2)
        assert transfer(organism, Task("t", "regression", x, y, x, y, outputs=2))["Copy"].tolist() == ["dense"]
        with pytest.raises(TypeError, match="Sequential"):
            through_particles(organism, x)

    @pytest.mark.parametrize("name", [name for name in preset_names() if name != "million"])  # too large to be quick
    def test_below_1e_5_on_every_preset(self, name: str) -> None:
        """On newborn organisms and, in place of pictures that may not be here, random inputs of their size."""
        experiment = load_preset(name)
        shape = tasks.shape(experiment.task)
        assert shape is not None
        x = torch.rand(20, shape[0], generator=torch.Generator().manual_seed(0))
        y = torch.zeros(20, shape[1])
        image = tasks.image(experiment.task)
        task = Task(name, "regression", x, y, x, y, outputs=shape[1], image=image)
        found = transfer(build_organism(experiment, shape[0], shape[1], image=image), task)
        assert (found["Relative difference"] < 1e-5).all()


class TestWeights:
    def test_distribution_by_hand(self) -> None:
        """Worth 2, 0, −3, 0.5 and 4, −1."""
        rows = weight_distribution(three_units()).set_index(["Scope", "Type"])
        assert set(rows["Network"]) == {"organism"}
        assert [scope_and_type for scope_and_type in rows.index if scope_and_type[0] == "L1"] == [
            ("L1", "identity"),
            ("L1", "all"),
        ]
        total = rows.loc["total"]
        assert total["Count"].to_dict() == {"zero": 1, "identity": 3, "other": 2, "all": 6}
        identity = total.loc["identity"]
        assert identity[["Smallest", "Median", "Largest"]].tolist() == [-1, 2, 4]
        assert identity["Mean"] == pytest.approx(5 / 3)
        assert identity["Magnitude"] == pytest.approx(7 / 3)
        assert total.at["other", "Deviation"] == 1.75
        assert total.at["all", "Below 0.001"] == pytest.approx(1 / 6)

    def test_histogram_by_hand(self) -> None:
        rows = weight_histogram(three_units())
        total = rows[rows["Scope"] == "total"]
        assert len(total) == 6 * (len(BINS) - 1)
        filled = total[total["Count"] > 0].set_index("Type")
        # The bins begin at 0, then at 10^(k/4): 0.316, 0.562, 1, 1.78, 3.16 are those in question.
        lows = {kind: filled.loc[[kind], "From"].round(3).tolist() for kind in ("zero", "identity", "other")}
        assert lows == {"zero": [0], "identity": [1, 1.778, 3.162], "other": [0.316, 1.778]}
        assert filled.loc["all", "Count"].sum() == 6

    def test_beside_a_dense_network(self) -> None:
        dense = MLP(2, 2, 2, 1)
        with torch.no_grad():
            for weight, values in zip(dense.weights, ([[1, 2], [3, 4]], [[5, 6]]), strict=True):
                weight.copy_(torch.tensor(values))
        rows = weight_distribution(three_units(), dense)
        rows = rows[rows["Network"] == "dense"].set_index("Scope")
        assert rows["Mean"].to_dict() == {"total": 3.5, "L0": 2.5, "L1": 5.5}
        assert (rows["Type"] == "all").all()
        counts = weight_histogram(three_units(), dense).query("Network == 'dense' and Scope == 'total'")["Count"]
        assert counts.sum() == 6

    def test_a_dense_network_of_another_shape(self) -> None:
        with pytest.raises(ValueError, match=r"needed: \[\(2, 2\), \(1, 2\)\]"):
            weight_distribution(three_units(), MLP(2, 3, 2, 1))


@pytest.mark.filterwarnings("error")
class TestPlot:
    def test_areas_and_line(self) -> None:
        histogram = weight_histogram(three_units(), MLP(2, 2, 2, 1))
        both = pd.concat([histogram.assign(Seed=0), histogram.assign(Seed=1, Count=3 * histogram["Count"])])
        [axes] = plots.weights(both, "by hand").axes
        areas = {str(patch.get_label()): patch.get_data() for patch in axes.patches if patch.get_label()}
        assert [*areas] == ["zero", "identity", "other", "dense"]
        assert areas["zero"].values.tolist() == [2] + [0] * (len(BINS) - 2)
        assert areas["identity"].values.sum() == 6
        assert areas["dense"].values.sum() == 12
        assert np.allclose(np.diff(areas["zero"].edges), 0.25)

    def test_unknown_scope(self) -> None:
        with pytest.raises(UserError, match="'L7'; it has total, L0, L1"):
            plots.weights(weight_histogram(three_units()), scope="L7")
