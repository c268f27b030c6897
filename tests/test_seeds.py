"""Seeds of any integer type are seeds; anything else is told before the work."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from srnn.errors import UserError
from srnn.seeds import numbers


@pytest.mark.parametrize(
    ("given", "seeds"),
    [
        (3, [0, 1, 2]),
        (np.int64(2), [0, 1]),
        (torch.tensor(2), [0, 1]),
        (np.array(1), [0]),
        ([3], [3]),
        ((9, 0), [9, 0]),
        (range(2, 4), [2, 3]),
        (np.arange(2), [0, 1]),
        (np.array([7], np.uint8), [7]),
        (torch.tensor([4, 5]), [4, 5]),
        ([np.int32(1), torch.tensor(2)], [1, 2]),
        pytest.param(iter([5, 6]), [5, 6], id="iterator"),
        ("0-2", [0, 1, 2]),
        ("7,", [7]),
        ([2**31 - 1], [2**31 - 1]),
    ],
    ids=str,
)
def test_they_become_plain_numbers(given: Any, seeds: list[int]) -> None:
    found = numbers(given)
    assert found == seeds
    assert all(type(seed) is int for seed in found)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ([2**40], "one of them is 1099511627776"),
        ([-1], "one of them is -1"),
        ([10**5000], "one of them is "),
        ([1, 1], "1 is named twice"),
        (np.array([2, 2]), "2 is named twice"),
        ([1.0], "one of them is 1.0"),
        (np.array([0.5]), "one of them is "),
        ([True], "one of them is True"),
        (torch.tensor([True]), "one of them is "),
        (["1"], "one of them is '1'"),
        ([[1, 2]], r"one of them is \[1, 2\]"),
        ([None], "one of them is None"),
        (2.0, "it is 2.0"),
        (None, "it is None"),
        ([], "there is none"),
        (0, "there is none"),
        (1001, "more than 1,000"),
        (range(10**9), "more than 1,000"),
        ("many", "seeds is 'many'"),
    ],
    ids=lambda value: ascii(value)[:30] if not isinstance(value, list) or value != [10**5000] else "huge",
)
def test_what_is_none_is_told_in_a_line(given: Any, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint) as error:
        numbers(given)
    assert "allowed: a number of seeds (3)" in str(error.value)
    assert len(str(error.value)) < 300
