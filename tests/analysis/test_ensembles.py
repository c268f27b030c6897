"""Networks that answer together, by hand."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

from srnn import MLP, Organism
from srnn.analysis.ensembles import (
    calibration_error,
    disagreement,
    divergence,
    dropping_out,
    ensemble,
    probabilities,
    scores,
)
from srnn.errors import NotApplicableError
from srnn.number import Number

TWO = np.array([[[0.6, 0.4]], [[0.1, 0.9]]])


def test_two_minima_by_hand() -> None:
    assert TWO.mean(0).tolist() == [[0.35, 0.65]]
    assert disagreement(TWO) == 1
    assert divergence(TWO) == pytest.approx(0.148399, abs=1e-6)
    found = ensemble([*TWO], torch.tensor([1])).set_index("Case")
    assert found.loc["ensemble", "Accuracy"] == 1
    assert found.loc["ensemble", "NLL"] == pytest.approx(-np.log(0.65))
    assert found.loc["member", ["Accuracy", "NLL"]].tolist() == pytest.approx([0.5, -np.log([0.4, 0.9]).mean()])
    assert found.loc["best member", "NLL"] == pytest.approx(-np.log(0.9))
    assert found.loc["ensemble", "Relative disagreement"] == pytest.approx(2)
    assert found["Members"].tolist() == [1, 1, 2]
    alone = ensemble([TWO[0]], torch.tensor([1])).set_index("Case")
    assert alone.loc["ensemble", "Members"] == 1
    assert np.isnan(alone.loc["ensemble", "Disagreement"])


def test_the_mean_never_answers_worse_than_its_members_in_the_mean() -> None:
    """By NLL, as Jensen has it."""
    drawn = np.random.default_rng(0).dirichlet(np.ones(5), (7, 40))
    found = ensemble([*drawn], torch.arange(40) % 5).set_index("Case")["NLL"].astype(float).to_dict()
    assert found["ensemble"] < found["member"]
    assert found["best member"] <= found["member"]


def test_calibration() -> None:
    assert calibration_error(np.array([0.8] * 10), np.arange(10) < 8) == pytest.approx(0, abs=1e-12)
    # One bin is 0.2 too sure of six, the other 0.4 not sure enough of four.
    sure, hit = np.array([0.9] * 6 + [0.6] * 4), np.array([1, 1, 1, 1, 0.2, 0] + [1] * 4)
    assert calibration_error(sure, hit) == pytest.approx((6 * 0.9 - 4.2 + 4 * 0.4) / 10)
    assert scores(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([1, 0])) == {"Accuracy": 1, "NLL": 0, "ECE": 0}


def test_weight_scaling_is_the_geometric_mean_over_all_masks_of_one_layer() -> None:
    generator = torch.Generator().manual_seed(0)
    weight, x = torch.randn(4, 3, generator=generator).double(), torch.randn(3, generator=generator).double()
    logs = [
        torch.log_softmax(weight @ (x * torch.tensor(mask, dtype=torch.double) * 2), 0)
        for mask in product((0, 1), repeat=3)
    ]
    geometric = torch.softmax(torch.stack(logs).mean(0), 0)
    torch.testing.assert_close(geometric, torch.softmax(weight @ x, 0))


def test_dropout_in_evaluation_draws_masks() -> None:
    generator = torch.Generator().manual_seed(1)
    body = MLP(6, 8, 2, 3, "none", "none", generator=generator, dropout=0.5)
    organism, x = Organism(body, Number()), torch.randn(20, 6, generator=generator)
    plain = probabilities(organism, x)
    assert plain.sum(1) == pytest.approx(1)
    one, other = (dropping_out(organism, x, masks, torch.Generator().manual_seed(2)) for masks in (1, 100))
    assert np.abs(one - plain).max() > 0.01
    assert np.abs(other - plain).max() < 0.3 * np.abs(one - plain).max() + 0.05
    again = dropping_out(organism, x, 1, torch.Generator().manual_seed(2))
    assert (one == again).all()
    with pytest.raises(NotApplicableError, match="the body drops no units"):
        dropping_out(Organism(MLP(6, 4, 2, 3), Number()), x, 3, generator)
