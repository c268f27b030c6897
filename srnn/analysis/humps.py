"""Two humps: has a layer two kinds of units, useful ones and others?"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
#: Above this Ashman's D two humps lie apart.
SEPARATE: Final = 2.0
#: Gaussians in a mixture at most, and units for each at least.
_MOST, _EACH = 5, 5
#: Variance that a Gaussian has at least, in squared powers of ten: below that two values are the same.
_LEAST = 0.01


def distribution(film: pd.DataFrame) -> pd.DataFrame:
    """How many humps the usefulness of each layer's units has, after every epoch.

    Usefulness spans many powers of ten, so it is looked at as ``sign(u) · log10(1 + |u| / e)``, where e is the median
    of its standard errors. Dead units, all at the same place, are counted and left out.

    Args:
        film: Of units or particles, as :func:`srnn.analysis.usefulness.film` gives it, of one seed.

    Returns:
        Columns Epoch, Layer, Units, Dead (int), Humps (int: Gaussians of the mixture with the least BIC, one to five),
        Separation (float: Ashman's D between the two of a mixture of two, ``√2 |μ₁ − μ₂| / √(σ₁² + σ₂²)``), Bimodality
        (float: Sarle's coefficient; the uniform's is 0.555) and Two-humped (bool: BIC wants at least two and D is above
        2). NaN and False where fewer than ten are alive.
    """
    rows = []
    for (epoch, layer), own in film.groupby(["Epoch", "Layer"], sort=False):
        alive = own[own["State"] != "dead"]
        errors = alive["Loss SE"].to_numpy()
        values = on_scale(alive["Loss change"].to_numpy(), float(np.median(errors)) if len(errors) else 1.0)
        rows.append((epoch, layer, len(own), len(own) - len(alive), *_humps(values[np.isfinite(values)])))
    columns = ["Epoch", "Layer", "Units", "Dead", "Humps", "Separation", "Bimodality", "Two-humped"]
    return pd.DataFrame(rows, columns=columns)


def on_scale(usefulness: Floats, error: float) -> Floats:
    """``sign(u) · log10(1 + |u| / error)``: linear about zero, logarithmic far from it."""
    error = error if error > 0 else 1.0
    found: Floats = np.sign(usefulness) * np.log10(1 + np.abs(usefulness) / error)
    return found


def bimodality(values: Floats) -> float:
    """Sarle's coefficient ``(g² + 1) / (k + 3 (n − 1)² / ((n − 2)(n − 3)))``, of skewness g and excess kurtosis k."""
    from scipy import stats

    n = len(values)
    if n < 4 or np.ptp(values) == 0:
        return float("nan")
    skewness, kurtosis = stats.skew(values, bias=False), stats.kurtosis(values, bias=False)
    return float((skewness**2 + 1) / (kurtosis + 3 * (n - 1) ** 2 / ((n - 2) * (n - 3))))


def _humps(values: Floats) -> tuple[float, float, float, bool]:
    """Humps, separation, bimodality, and whether there are two."""
    if len(values) < 2 * _EACH or np.ptp(values) == 0:
        return np.nan, np.nan, bimodality(values), False
    from sklearn.mixture import GaussianMixture

    column = values[:, None]
    fits = [
        GaussianMixture(count, reg_covar=_LEAST, random_state=0).fit(column)
        for count in range(1, min(_MOST, len(values) // _EACH) + 1)
    ]
    humps = 1 + int(np.argmin([fit.bic(column) for fit in fits]))
    means, variances = fits[1].means_.ravel(), fits[1].covariances_.ravel()
    separation = float(np.sqrt(2) * abs(means[0] - means[1]) / np.sqrt(variances.sum()))
    return humps, separation, bimodality(values), bool(humps > 1 and separation > SEPARATE)
