"""What stands above all figure tables: how their numbers are to be read."""

from __future__ import annotations

from typing import Final

HEADER: Final = """# The figure tables

Every figure and number here is made by `srnn figures` from our own runs; none is drawn by hand. A number is the mean
over the seeds ± half its 95 % confidence interval, or with the ends of that in parentheses where it is not symmetric:
intervals of shares are those of their logit, and stay between 0 and 1. Of five seeds or fewer the single values stand
in brackets. Beside each p-value of a table is the one corrected for all tests of that table (Holm). Two things are
called equivalent where two one-sided tests show that they differ by less than a percentage point; that no difference
is shown means no more than that. *Published* is what the original project reports, *rerun* an independent
reimplementation of its mathematics. A zero fixpoint replicates itself, too: the published figures count it as identity,
here it is counted as zero. A body without activation is linear, however deep, and no more than a softmax regression can
be. All are so here but those with ReLU: `exact-comparison`, `hard-examples`, `regularisation`, `repulsion`, `rescue`,
`rhythm`, `snapshots`, `usefulness`.
"""
