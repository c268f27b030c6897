"""Sweeps: the same experiment at many points of its settings, shared by any number of processes and machines."""
