"""Narrower: how much is lost without the least useful units together, and without as many at random?

How a network answers while more and more of its units are switched off at random tells how far it relies on single ones
(A. Morcos et al., arXiv 1803.06959); what may go is decided on training data and judged on test data.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd

from srnn.analysis.groups import Costs
from srnn.analysis.usefulness import EXAMPLES, usefulness
from srnn.organism import Organism
from srnn.tasks import Task

#: Shares of each layer that are switched off.
SHARES: Final = (0.1, 0.3, 0.5, 0.7, 0.9)
#: Random choices that the mean is over.
_DRAWS: Final = 20
ORDERS: Final = ("useless first", "random")


def narrower(organism: Organism, task: Task, generator: np.random.Generator) -> pd.DataFrame:
    """What is lost with fewer units, with nothing trained anew.

    Args:
        organism: A single one, whose body is an MLP made of particles alone; it is not changed.
        task: Units are ranked on its first :data:`srnn.analysis.usefulness.EXAMPLES` training examples, and what is
            lost is that of as many test examples.
        generator: Where the random choices are drawn from.

    Returns:
        Columns Order (str: ``useless first`` or ``random``), Share (float: of each hidden layer that is switched off),
        Units (int: how many that is), Loss change and Score change (float: what is lost; at random the mean).

    Raises:
        NotApplicableError: Units are not known of the body.
    """
    costs = Costs(organism, replace(task, test_x=task.test_x[:EXAMPLES], test_y=task.test_y[:EXAMPLES]))
    layers = pd.Series(costs.layers)
    lost = usefulness(organism, task, data="train")["Loss change"]
    keys = {"useless first": [lost], "random": [pd.Series(generator.random(len(layers))) for _ in range(_DRAWS)]}
    size = layers.map(layers.value_counts())
    rows = []
    for order, chosen in keys.items():
        ranks = [key.groupby(layers).rank(method="first") for key in chosen]
        for share in SHARES:
            sets = np.array([rank <= (share * size).round() for rank in ranks])
            rows.append((order, share, int(sets[0].sum()), *(float(change.mean()) for change in costs.of(sets))))
    return pd.DataFrame(rows, columns=["Order", "Share", "Units", "Loss change", "Score change"])
