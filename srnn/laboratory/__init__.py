"""Whole jobs: run an experiment, ask its runs, compare them, measure how fast it all is."""
