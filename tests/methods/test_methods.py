"""What is said of the methods without importing them is what they are."""

from __future__ import annotations

from srnn.methods import EXACT, METHODS


def test_the_exact_methods_are_those_that_keep_particles_self_replicators() -> None:
    assert {name for name in METHODS if METHODS[name].exact} == set(EXACT)
