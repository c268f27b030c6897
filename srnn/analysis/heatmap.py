"""The input heat map: where on an image do self-replicators, zero fixpoints and effective weights sit?"""

from __future__ import annotations

import numpy as np
import pandas as pd
from torch import Tensor

from srnn.analysis.statistics import CORRELATION
from srnn.errors import NotApplicableError
from srnn.fixpoints import FixpointType, classify
from srnn.organism import Organism


def heatmap(organism: Organism, x: Tensor, image: tuple[int, int, int] | None) -> pd.DataFrame:
    """What the particles of the first layer ``L0`` are, pixel by pixel.

    Args:
        organism: One whose first weight is a matrix ``(units, inputs)``.
        x: Pictures ``(n, inputs)``.
        image: Their channels, height and width, as :attr:`srnn.tasks.Task.image` tells; None: they are none.

    Returns:
        A row for each pixel, all its channels together: columns Row and Column (int, from the upper left), Mean image
        (mean of ``x``), for each :class:`FixpointType` the share of the pixel's particles that are of this type
        (``divergent`` … ``other``; not of numbers, which have no types), and Effective weight (mean of their
        |effective weight|).

    Raises:
        NotApplicableError: The inputs are no pictures, or the first weight is no such matrix.

    Example:
        >>> frame = heatmap(organism, task.train_x, task.image)  # doctest: +SKIP
        >>> frame.pivot(index="Row", columns="Column", values="identity")  # doctest: +SKIP
    """
    if image is None:
        raise NotApplicableError("the inputs of this task are no pictures; a heat map needs those of digits or mnist")
    if len(organism.shapes[0]) != 2 or organism.copies > 1:
        raise NotApplicableError("a heat map needs a single organism whose first weight is a matrix (units, inputs)")
    channels, height, width = image

    def by_pixel(values: np.ndarray) -> np.ndarray:
        mean: np.ndarray = values.reshape(-1, channels, height * width).mean(axis=(0, 1))
        return mean

    weights = organism.effective_weights()[0].detach().abs().double().cpu().numpy()
    row, column = np.divmod(np.arange(height * width), width)
    shares = {}
    if organism.particle.has_types:
        types = organism.in_shape(classify(organism.weights, organism.replicator))[0].cpu().numpy()
        shares = {kind.label: by_pixel(types == kind) for kind in FixpointType}
    return pd.DataFrame(
        {
            "Row": row,
            "Column": column,
            "Mean image": by_pixel(x.double().cpu().numpy()),
            **shares,
            "Effective weight": by_pixel(weights),
        }
    )


def against_mean_image(heatmap: pd.DataFrame) -> pd.DataFrame:
    """The number to quote: the rank correlation (Spearman's), over pixels, of each quantity with the mean image.

    Args:
        heatmap: As :func:`heatmap` gives it; of several seeds with a column Seed.

    Returns:
        Columns Seed (0 if there was none), Metric (the quantity's column), Score, NaN where a quantity is the same
        everywhere, Least and Most (its range): as :func:`srnn.analysis.statistics.over_seeds` takes them.
    """
    frame = heatmap if "Seed" in heatmap else heatmap.assign(Seed=0)
    quantities = [name for name in (*(kind.label for kind in FixpointType), "Effective weight") if name in frame]
    rows = []
    for seed, pixels in frame.groupby("Seed"):
        ranks = pixels[["Mean image", *quantities]].rank()
        with np.errstate(invalid="ignore", divide="ignore"):
            scores = ranks[quantities].corrwith(ranks["Mean image"])
        rows.append(pd.DataFrame({"Seed": seed, "Metric": quantities, "Score": scores.to_numpy()}))
    return pd.concat(rows, ignore_index=True).assign(Least=CORRELATION[0], Most=CORRELATION[1])
