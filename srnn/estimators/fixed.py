"""What an estimator cannot be told: settings of no effect, and parameters that are settled when training begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from srnn.errors import UserError, shorten

_NOWHERE = "leave it out"
_STOPPING = "set early_stopping=True, with validation_fraction, n_iter_no_change and tol"
#: Settings, or whole sections, that an experiment has and an estimator has not: what to do instead.
_ELSEWHERE = {
    "seed": "set random_state",
    "task": "set standardize for the scale of the data, early_stopping for validation",
    "start": "set warm_start=True to go on with what there is",
    "training.epochs": "set max_iter",
    "training.keep": _STOPPING,
    "training.patience": _STOPPING,
    "training.until_loss": _STOPPING,
    **dict.fromkeys(("name", "about", "duration", "versions", "checkpoint", "log.particles", "log.rest"), _NOWHERE),
    **dict.fromkeys(("pruning", "comparison", "sweep"), _NOWHERE),
}
#: Parameters of which a network is made, or what moves it: it goes on with those with which it began.
_FIXED = (
    "depth",
    "width",
    "activation",
    "residual",
    "intercept",
    "kind",
    "hidden",
    "method",
    "every",
    "optimizer",
    "momentum",
    "standardize",
    "settings",
)


def require_of_effect(settings: str | Sequence[str]) -> None:
    """Make sure that settings of an experiment have an effect on an estimator.

    Raises:
        UserError: The first that has none, and what to do instead.
    """
    for one in [settings] if isinstance(settings, str) else settings:
        key = one.partition("=")[0].strip()
        for name, instead in _ELSEWHERE.items():
            if f"{key}.".startswith(f"{name}."):
                raise UserError(f"settings has {shorten(key)}, which is of no effect on an estimator: {instead}")


def fixed_of(estimator: Any) -> dict[str, Any]:
    """The parameters that are settled when training begins, as they are."""
    values = {name: getattr(estimator, name) for name in _FIXED}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def require_unchanged(estimator: Any, begun_with: Mapping[str, Any]) -> None:
    """Make sure that an estimator may go on with what it has trained.

    Raises:
        ValueError: The first parameter that is another than when training began.
    """
    for name, now in fixed_of(estimator).items():
        if now != (before := begun_with[name]):
            raise ValueError(
                f"{name} is {shorten(repr(now))}, and training began with {shorten(repr(before))}: set it back, or "
                "begin anew with a clone of the estimator, or with warm_start=False"
            )
