"""Which particles are fixpoints of self-application, and of which type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from srnn import kernels
from srnn.fixpoint_types import FixpointType as FixpointType
from srnn.particle import Particle, attack, self_output

if TYPE_CHECKING:
    import pandas as pd

#: Largest absolute deviation of any weight at which a particle still counts as a fixpoint.
TOLERANCE = 1e-5


def labels_of(types: Tensor, none: str = "") -> list[str]:
    """The label of each of types ``(N,)``; ``none`` where it is -1."""
    labels = {-1: none, **{int(kind): kind.label for kind in FixpointType}}
    return [labels[kind] for kind in types.tolist()]


@kernels.or_by_torch
def classify(weights: Tensor, particle: Particle, tolerance: float = TOLERANCE) -> Tensor:
    """Type of each particle: ``(P, N) ->`` int8 ``(N,)`` of :class:`FixpointType` values.

    ``tolerance`` is absolute and holds for every single weight. ``secondary`` applies the *same* particle twice, to
    its weights and then to its output.
    """
    if (fast := kernels.fast_path(weights, particle)) is not None:
        types: Tensor = fast.classify(weights, particle, tolerance)
        return types
    with torch.no_grad():
        once = self_output(weights, particle)
        twice = attack(weights, once, particle)
        types = torch.full(weights.shape[1:], FixpointType.OTHER, dtype=torch.int8, device=weights.device)
        # Assigned from the last test to the first, so that the first that holds decides.
        types[_within(twice - weights, tolerance)] = FixpointType.SECONDARY
        types[_within(once - weights, tolerance)] = FixpointType.IDENTITY
        types[_within(weights, tolerance)] = FixpointType.ZERO
        types[~weights.isfinite().all(0)] = FixpointType.DIVERGENT
    return types


def in_words(types: Tensor) -> str:
    """How many of these ``(N,)`` are of each type that occurs: ``485 zero, 42 identity``."""
    found = zip(FixpointType, counts(types), strict=True)
    return ", ".join(f"{count:,} {kind.label}" for kind, count in found if count)


def census(types: Tensor, layers: Mapping[str, slice]) -> pd.DataFrame:
    """Count the particles of each type, per layer and in total.

    Args:
        types: ``(N,)`` as :func:`classify` gives them.
        layers: The particles of each layer, as :attr:`srnn.Organism.layers` gives them.

    Returns:
        A frame of integers, a row for each layer and a last row ``total``, a column for each type.

    Example:
        >>> census(classify(organism.weights, organism.particle), organism.layers)  # doctest: +SKIP
    """
    import pandas as pd

    rows = {name: counts(types[particles]) for name, particles in layers.items()}
    rows["total"] = counts(types)
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=[kind.label for kind in FixpointType])
    return frame.rename_axis("layer")


def counts(types: Tensor) -> list[int]:
    """How many of these ``(N,)`` are of each type, in the order of :class:`FixpointType`."""
    return torch.bincount(types.long(), minlength=len(FixpointType)).tolist()


def _within(deviation: Tensor, tolerance: float) -> Tensor:
    return (deviation.abs() <= tolerance).all(0)
