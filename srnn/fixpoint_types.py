"""The types that :mod:`srnn.fixpoints` tells apart, for whoever only reads or draws them: without torch."""

from __future__ import annotations

from enum import IntEnum


class FixpointType(IntEnum):
    """What a particle is under self-application, in the order in which the types are tested.

    It is ``srnn.fixpoints.FixpointType``, too.
    """

    DIVERGENT = 0  #: a NaN or an infinity among the weights
    ZERO = 1  #: every weight is zero
    IDENTITY = 2  #: its output is itself: a self-replicator
    SECONDARY = 3  #: its output for its first output is itself
    OTHER = 4  #: none of these

    @property
    def label(self) -> str:
        """The name in tables, files and figures, in lower case."""
        return self.name.lower()


def is_count(metric: str) -> bool:
    """Whether a metric counts the particles of a type: ``zero``, or ``L0_zero`` of a layer.

    The recall of a class, ``test_recall_zero``, may be called like one, and does not.
    """
    return metric.rpartition("_")[2] in _LABELS and not metric.startswith("test_recall_")


_LABELS = frozenset(kind.label for kind in FixpointType)
