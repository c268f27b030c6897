"""The golden traces of the original research code, as this project lays weights out: ``(P, N)``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

FOLDER = Path(__file__).parent / "golden"
HIDDEN = (2, 3, 4, 6, 8)


class Trace:
    """One golden file. What a test compared with is remembered, so that no key goes unused."""

    def __init__(self, name: str) -> None:
        with np.load(FOLDER / f"{name}.npz") as file:
            self._arrays = {key: file[key] for key in file.files}

    def array(self, key: str) -> np.ndarray:
        return self._arrays[key]

    def tensor(self, key: str) -> Tensor:
        """The values as they are."""
        return torch.from_numpy(self._arrays[key])

    def weights(self, key: str) -> Tensor:
        """Weights of particles, ``(P, N)``."""
        return self.tensor(key).T.contiguous()

    @property
    def keys(self) -> set[str]:
        return set(self._arrays)


def assert_close(ours: Tensor, golden: Tensor, tolerance: float) -> None:
    """Equal within ``tolerance``, absolute and relative: values far above 1 cannot be told apart any closer."""
    torch.testing.assert_close(ours, golden.to(ours.dtype), atol=tolerance, rtol=tolerance, equal_nan=True)


def assert_as_close_as_determined(process: Callable[[Tensor], Tensor], start: Tensor, golden: Tensor) -> None:
    """``process(start)`` equals ``golden``, both ``(P, N)``, as far as the mathematics determines it.

    Where particles diverge or come close to it, one rounding error grows without bounds. So each is held to 1e-5 or,
    where that is more, to 30 times what a change of its first weights by one rounding error (6e-8) does to it in
    float64; a quarter at least must keep the 1e-5, and those that end as NaN or infinity must do so here too.
    """
    ours = process(start.clone())
    diverged = ~golden.isfinite().all(0)
    assert torch.equal(diverged, ~ours.isfinite().all(0))

    exact = process(start.double())
    generator = torch.Generator().manual_seed(0)
    amplified = torch.zeros(start.shape[1], dtype=torch.float64)
    for _ in range(8):
        rounded = start.double() * (1 + 6e-8 * (2 * torch.rand(start.shape, generator=generator) - 1))
        amplified = torch.maximum(amplified, (process(rounded) - exact).abs().amax(0))
    deviation = (ours - golden).abs().amax(0)[~diverged]
    assert (deviation <= (30 * amplified[~diverged]).clamp_min(1e-5)).all()
    assert (deviation <= 1e-5).float().mean() >= 0.25


every_hidden = pytest.mark.parametrize("hidden", HIDDEN)
