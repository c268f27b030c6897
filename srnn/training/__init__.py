"""One experiment in training."""

from __future__ import annotations

from srnn.training.birth import STREAMS, build_organism, generators, particle_count
from srnn.training.loop import Training
from srnn.training.measuring import Report

__all__ = ["STREAMS", "Report", "Training", "build_organism", "generators", "particle_count"]
