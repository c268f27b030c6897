"""Figures: a function takes a DataFrame and returns a matplotlib Figure; it computes nothing and writes nothing.

One module per figure, all in the house style of :mod:`srnn.plots.style`, whose ``save`` writes a figure to a file.
"""
