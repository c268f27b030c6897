"""What property tests draw from."""

from __future__ import annotations

import torch
from hypothesis import strategies as st
from torch import Tensor

from srnn import Particle

particles = st.builds(
    Particle,
    hidden=st.integers(1, 10),
    encoding=st.sampled_from(["max", "l2"]),
    init=st.sampled_from(["fan_in", "xavier", "copying"]),
)
counts = st.integers(1, 40)
seeds = st.integers(0, 2**31 - 1)
targets = st.sampled_from(["frozen", "live"])


def drawn(particle: Particle, count: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """A swarm ``(P, count)`` as the particle's own initialisation draws it."""
    return particle.draw(count, torch.Generator().manual_seed(seed)).to(dtype)
