"""The input heat map: where on an image do self-replicators, zero fixpoints and effective weights sit?"""

from __future__ import annotations

from math import isqrt

import numpy as np
import pandas as pd
from torch import Tensor

from srnn.errors import NotApplicableError
from srnn.fixpoints import FixpointType, classify
from srnn.organism import Organism


def heatmap(organism: Organism, x: Tensor) -> pd.DataFrame:
    """What the particles of the first layer ``L0`` are, pixel by pixel.

    Args:
        organism: One whose first weight is a matrix ``(units, pixels)``.
        x: Images ``(n, size²)``, row by row.

    Returns:
        A row for each pixel: columns Row and Column (int, from the upper left), Mean image (mean of ``x``), for each
        :class:`FixpointType` the share of the pixel's particles that are of this type (``divergent`` … ``other``; not
        of numbers, which have no types), and Effective weight (mean of their |effective weight|).

    Raises:
        NotApplicableError: The inputs are not a square image.

    Example:
        >>> frame = heatmap(organism, task.train_x)  # doctest: +SKIP
        >>> frame.pivot(index="Row", columns="Column", values="identity")  # doctest: +SKIP
    """
    size = isqrt(x.shape[1])
    if size < 2 or size * size != x.shape[1]:
        raise NotApplicableError(
            f"the task has {x.shape[1]} input(s), which is not a square image; a heat map needs an image task "
            "such as digits or mnist"
        )
    if len(organism.shapes[0]) != 2 or organism.copies > 1:
        raise ValueError("a heat map needs a single organism whose first weight is a matrix (units, pixels)")
    weights = organism.effective_weights()[0].detach().abs().double().cpu().numpy()
    row, column = np.divmod(np.arange(size * size), size)
    shares = {}
    if organism.particle.has_types:
        types = organism.in_shape(classify(organism.weights, organism.replicator))[0].cpu().numpy()
        shares = {kind.label: (types == kind).mean(axis=0) for kind in FixpointType}
    return pd.DataFrame(
        {
            "Row": row,
            "Column": column,
            "Mean image": x.double().mean(0).cpu().numpy(),
            **shares,
            "Effective weight": weights.mean(axis=0),
        }
    )


def against_mean_image(heatmap: pd.DataFrame) -> pd.DataFrame:
    """The number to quote: the rank correlation (Spearman's), over pixels, of each quantity with the mean image.

    Args:
        heatmap: As :func:`heatmap` gives it; of several seeds with a column Seed.

    Returns:
        Columns Seed (0 if there was none), Metric (the quantity's column) and Score, NaN where a quantity is the same
        everywhere: as :func:`srnn.analysis.statistics.over_seeds` takes them.
    """
    frame = heatmap if "Seed" in heatmap else heatmap.assign(Seed=0)
    quantities = [name for name in (*(kind.label for kind in FixpointType), "Effective weight") if name in frame]
    rows = []
    for seed, pixels in frame.groupby("Seed"):
        ranks = pixels[["Mean image", *quantities]].rank()
        with np.errstate(invalid="ignore", divide="ignore"):
            scores = ranks[quantities].corrwith(ranks["Mean image"])
        rows.append(pd.DataFrame({"Seed": seed, "Metric": quantities, "Score": scores.to_numpy()}))
    return pd.concat(rows, ignore_index=True)
