"""Densities: how many weights a choice keeps in each layer, how many of these lead anywhere, and whether one is cut."""

from __future__ import annotations

import numpy as np
import pandas as pd
from torch import Tensor

from srnn.analysis.thinning import TOTAL, on_paths
from srnn.bodies.mlp import MLP
from srnn.organism import Organism


def densities(organism: Organism, kept: Tensor) -> pd.DataFrame:
    """What is kept of each layer, and of the whole.

    Args:
        organism: A single one.
        kept: Which of its weights, bool ``(N,)``.

    Returns:
        A row for each layer and, as ``total``, for the whole:

        - Layer (str), Weights (int), Kept (int): how many there are and are kept; biases and norms do not count.
        - Density (float): the share that is kept.
        - Effective (float): the share that is kept and lies on a path of kept weights and residual links from an input
          to an output: the others are as good as dropped. NaN of bodies that are no MLP.
        - Collapsed (bool): nothing of the layer is kept, and no residual link leads around it; of the whole, one such
          layer is there, or no kept weight lies on a path.
    """
    body, parts = organism.body, [part.cpu().numpy() for part in organism.in_shape(kept)]
    counts = [int(part.sum()) for part in parts]
    effective, linked = [np.nan] * len(parts), [False] * len(parts)
    if isinstance(body, MLP) and len(parts) == len(body.sources):
        effective = [float(part.sum()) for part in on_paths(parts, body.sources)]
        linked = _linked(body)
    frame = pd.DataFrame(
        {"Weights": [part.size for part in parts], "Kept": counts, "Effective": effective}, index=list(organism.layers)
    )
    frame["Collapsed"] = [count == 0 and not around for count, around in zip(counts, linked, strict=True)]
    whole = frame[["Weights", "Kept", "Effective"]].sum(skipna=False)
    frame.loc[TOTAL] = [*whole, bool(frame["Collapsed"].any() or whole["Effective"] == 0)]
    frame["Density"], frame["Effective"] = frame["Kept"] / frame["Weights"], frame["Effective"] / frame["Weights"]
    frame = frame.rename_axis("Layer").reset_index()[["Layer", "Weights", "Kept", "Density", "Effective", "Collapsed"]]
    return frame.astype({"Weights": int, "Kept": int, "Collapsed": bool})


def _linked(body: MLP) -> list[bool]:
    """Whether a residual link leads around each layer."""
    ends = [(source, layer) for layer, source in enumerate(body.sources) if source is not None]
    return [any(first <= layer <= last for first, last in ends) for layer in range(len(body.sources))]
