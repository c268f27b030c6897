"""An organism that tells classes apart."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import _check_partial_fit_first_call, check_classification_targets

from srnn.estimators.described import described
from srnn.estimators.estimator import OrganismEstimator
from srnn.estimators.examples import Examples, weighed
from srnn.kernels.arithmetic import plain_torch


@described
class OrganismClassifier(ClassifierMixin, OrganismEstimator):  # type: ignore[misc]
    """A classifier whose every weight is a self-replicating particle.

    PARAMETERS
    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, in ascending order.
    ATTRIBUTES
    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from srnn import OrganismClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = OrganismClassifier(width=8, lr=0.02, random_state=0).fit(X, y)
    >>> bool(model.score(X, y) > 0.9), int(model.census_.loc["total", "identity"])
    (True, 64)
    """

    _kind = "classification"

    def _data(
        self, X: Any, y: Any, sample_weight: ArrayLike | None, reset: bool, classes: ArrayLike | None = None
    ) -> Examples:
        X, y, weight = self._checked(X, y, sample_weight, reset)
        check_classification_targets(y)
        y = column_or_1d(y, warn=True)
        if reset:
            self.classes_ = np.unique(y) if classes is None else np.unique(np.asarray(classes))
            self.n_outputs_ = len(self.classes_)
        if len(unseen := np.setdiff1d(y, self.classes_)):
            raise ValueError(f"y has the classes {unseen.tolist()}; training began with {self.classes_.tolist()}")
        return weighed(Examples(X, np.searchsorted(self.classes_, y).astype(np.int64), weight))

    def partial_fit(
        self, X: Any, y: Any, classes: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Train for one epoch more.

        Parameters
        ----------
        X, y, sample_weight
            As of :meth:`fit`. X is scaled as the first examples asked for.
        classes : array-like of shape (n_classes,), default=None
            All labels there will be; needed in the first call.

        Returns
        -------
        self : the fitted estimator
        """
        self._require_epochs_alone(first=not hasattr(self, "_training"))
        first = _check_partial_fit_first_call(self, classes) or not hasattr(self, "_training")
        known = self.classes_ if first else None
        return self._partial_fit(self._data(X, y, sample_weight, first, known), first)

    def predict(self, X: Any) -> NDArray[Any]:
        """The label of each example, ``(n_samples,)``."""
        best = self._answers(X).argmax(1)
        labels: NDArray[Any] = self.classes_[best]
        return labels

    @plain_torch()
    def predict_proba(self, X: Any) -> NDArray[np.float32]:
        """How probable each label is, float32 ``(n_samples, n_classes)``, the labels in the order of ``classes_``."""
        return torch.from_numpy(self._answers(X)).softmax(1).numpy()

    @plain_torch()
    def predict_log_proba(self, X: Any) -> NDArray[np.float32]:
        """The logarithms of :meth:`predict_proba`."""
        return torch.from_numpy(self._answers(X)).log_softmax(1).numpy()

    def _score_of(self, answered: NDArray[np.float32], held: Examples) -> float:
        return float(np.average(answered.argmax(1) == held.y, weights=held.weight))
