"""The laboratory for organism networks."""
