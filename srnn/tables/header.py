"""What stands above all figure tables: how their numbers are to be read."""

from __future__ import annotations

from typing import Final

HEADER: Final = """# The figure tables

Every figure and number here is made by `srnn figures` from our own runs, but for those that are called published or
rerun. A number is the mean over the seeds ± half its 95 % confidence interval, or with the ends of that in parentheses
where it is not symmetric: intervals of shares are those of their logit, and stay between 0 and 1. Of five seeds or
fewer the single values of what experiments end with stand in brackets. Beside each p-value is the one corrected for all
tests of its table (Holm). Two things are called equivalent where two one-sided tests show that they differ by less than
a percentage point (masks: half of one); that no difference is shown means no more than that. *Published* is, where
nobody else is named, what Illium et al. (arXiv 2212.10078) and the notes of that project report; *rerun* an independent
reimplementation of its mathematics. A zero fixpoint replicates itself, too: the published figures count it as identity,
here it is counted as zero. A body without activation is linear, however deep, and no more than a softmax regression can
be. All are so here but those with ReLU: `exact-comparison`, `hard-examples`, `pruning`, `pruning-cubic`,
`pruning-fan-in`, `pruning-iterative`, `pruning-twice`, `regularisation`, `repulsion`, `rescue`, `rhythm`, `snapshots`,
`sparsity`, `sparsity-adam`, `tickets`, `tickets-at-once`, `usefulness`.
"""
