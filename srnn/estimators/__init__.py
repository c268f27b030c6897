"""Organisms as scikit-learn's estimators: :class:`OrganismClassifier` and :class:`OrganismRegressor`.

They train by the same loop as ``srnn.run`` and write no files. ``kind="number"`` is the dense network of the same body:
the control.
"""

from __future__ import annotations

from srnn.estimators.classifier import OrganismClassifier
from srnn.estimators.regressor import OrganismRegressor

__all__ = ["OrganismClassifier", "OrganismRegressor"]
