"""An organism that answers numbers."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.preprocessing import StandardScaler
from sklearn.utils import column_or_1d

from srnn.estimators.described import described
from srnn.estimators.estimator import OrganismEstimator
from srnn.estimators.examples import Examples, in_single, weighed


@described
class OrganismRegressor(RegressorMixin, OrganismEstimator):  # type: ignore[misc]
    """A regressor whose every weight is a self-replicating particle.

    With ``standardize``, targets are scaled for training as X is; answers are in the units of y.

    PARAMETERS
    Attributes
    ----------
    ATTRIBUTES
    Examples
    --------
    >>> import numpy as np
    >>> from srnn import OrganismRegressor
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> model = OrganismRegressor(width=8, lr=0.02, random_state=0).fit(X, X[:, 0] - 2 * X[:, 1])
    >>> bool(model.score(X, X[:, 0] - 2 * X[:, 1]) > 0.9)
    True
    """

    _kind = "regression"

    def _data(self, X: Any, y: Any, sample_weight: ArrayLike | None, reset: bool) -> Examples:
        X, y, weight = self._checked(X, y, sample_weight, reset)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if reset:
            self._flat, self.n_outputs_ = y.ndim == 1, 1 if y.ndim == 1 else y.shape[1]
        targets = y.reshape(len(y), -1)
        if targets.shape[1] != self.n_outputs_:
            raise ValueError(f"y has {targets.shape[1]} outputs; training began with {self.n_outputs_}")
        return weighed(Examples(X, targets.astype(np.float64), weight))

    def _fit_scaling(self, data: Examples) -> None:
        super()._fit_scaling(data)
        self._y_scaling = StandardScaler().fit(data.y, sample_weight=data.weight) if self.standardize else None

    def _targets(self, y: NDArray[Any]) -> NDArray[Any]:
        scaled = y if self._y_scaling is None else self._y_scaling.transform(y)
        return in_single(scaled, "y")

    def partial_fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """Train for one epoch more; arguments as of :meth:`fit`. Data are scaled as the first examples asked for."""
        first = not hasattr(self, "_training")
        self._require_epochs_alone(first)
        return self._partial_fit(self._data(X, y, sample_weight, first), first)

    def predict(self, X: Any) -> NDArray[Any]:
        """The answers, ``(n_samples,)``, or ``(n_samples, n_outputs)`` if y was of two dimensions."""
        return self._in_units(self._answers(X))

    def _in_units(self, answered: NDArray[np.float32]) -> NDArray[Any]:
        values = answered if self._y_scaling is None else self._y_scaling.inverse_transform(answered)
        return values.ravel() if self._flat else values

    def _score_of(self, answered: NDArray[np.float32], held: Examples) -> float:
        return float(r2_score(held.y, self._in_units(answered).reshape(held.y.shape), sample_weight=held.weight))
