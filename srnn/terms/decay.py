"""Decay of what particles are made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from srnn.terms.term import Term


class ParticleDecay(Term):
    """In every batch each of a particle's own weights shrinks by ``lr · strength`` of itself, after the step.

    Other than ``l2``, which moves a particle only as far as what it is worth, this pulls at v0 = 1 as well, without
    which there is no replication.
    """

    strength: Annotated[float, Field(ge=0, le=1e6)] = 1e-4
    """Factor of the decay; of ``w²/2`` of every weight the gradient is as large."""
