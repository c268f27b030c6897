"""Densities of choices that are worked out by hand."""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from srnn import MLP, Organism
from srnn.analysis.densities import densities
from srnn.choices import Residual
from srnn.number import Number


def kept(*layers: list[list[int]]) -> torch.Tensor:
    return torch.cat([torch.tensor(layer).flatten().bool() for layer in layers])


def test_what_is_kept_and_what_of_it_leads_anywhere() -> None:
    """3 → 2 → 2 → 1: the second unit of the first layer is not entered, that of the second not left."""
    choice = kept([[1, 1, 0], [0, 0, 0]], [[1, 1], [1, 0]], [[1, 0]])
    frame = densities(Organism(MLP(3, 2, 3, 1), Number()), choice).set_index("Layer")
    assert frame["Kept"].tolist() == [2, 3, 1, 6]
    assert frame["Weights"].tolist() == [6, 4, 2, 12]
    assert frame["Density"].tolist() == pytest.approx([2 / 6, 3 / 4, 1 / 2, 1 / 2])
    assert frame["Effective"].tolist() == pytest.approx([2 / 6, 1 / 4, 1 / 2, 4 / 12])
    assert not frame["Collapsed"].any()


def test_a_layer_of_nothing_is_a_collapse_unless_a_link_leads_around_it() -> None:
    choice = kept([[1, 0, 0], [0, 1, 0]], [[0, 0], [0, 0]], [[1, 0]])
    for residual, collapsed, effective in (("none", True, 0), ("layer", False, 2 / 12)):
        made = Organism(MLP(3, 2, 3, 1, residual=residual), Number())  # type: ignore[arg-type]
        frame = densities(made, choice).set_index("Layer")
        assert (frame.loc["L1", "Collapsed"], frame.loc["total", "Collapsed"]) == (collapsed, collapsed)
        assert frame.loc["total", "Effective"] == pytest.approx(effective)


def test_layers_that_do_not_meet_are_a_collapse_of_the_whole() -> None:
    frame = densities(Organism(MLP(2, 2, 2, 1), Number()), kept([[1, 1], [0, 0]], [[0, 1]])).set_index("Layer")
    assert frame["Collapsed"].to_dict() == {"L0": False, "L1": False, "total": True}


def test_of_another_body_only_what_is_kept() -> None:
    made = Organism(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1)), Number())
    frame = densities(made, kept([[1, 1], [0, 0]], [[1, 1]]))
    assert frame["Density"].tolist() == pytest.approx([1 / 2, 1, 4 / 6])
    assert frame["Effective"].map(math.isnan).all()
    assert not frame["Collapsed"].any()


@given(st.integers(0, 2**31), st.sampled_from(get_args(Residual)), st.floats(0.1, 0.7))
def test_what_leads_nowhere_has_no_gradient_and_all_else_has_one(seed: int, residual: Residual, share: float) -> None:
    """The oracle is the network itself, of positive weights and inputs, so that nothing cancels."""
    generator = torch.Generator().manual_seed(seed)
    made = Organism(MLP(4, 4, 4, 3, residual=residual), Number())
    choice = torch.rand(made.size, generator=generator) < share
    leaf = choice.float().requires_grad_()
    made.call_with(leaf, torch.ones(1, 4)).sum().backward()
    assert leaf.grad is not None
    found = densities(made, choice).set_index("Layer")["Effective"]["total"]
    assert found == pytest.approx(float(np.mean((leaf.grad > 0).numpy() & choice.numpy())))
