"""Particle dropout: what does the organism lose with all particles of one type, and what with as many random ones?

Dropping a particle is setting its effective weight to zero. That is done for every type in the whole organism and in
each layer. What any other choice of as many particles would do is the reference, twice over: random among all
particles, and random among those that are not zero fixpoints. The second is the fairer one, because dropping a zero
fixpoint costs nothing, whoever chooses it.
"""

from __future__ import annotations

import pandas as pd
import torch
from torch import Tensor

from srnn.analysis.dropping import scorer
from srnn.analysis.statistics import over_seeds
from srnn.fixpoints import FixpointType, classify
from srnn.organism import Organism
from srnn.tasks import Task

#: The references, as columns of a frame: random among all particles, and among those that are not zero.
REFERENCES = ("Random", "Random nonzero")
#: The part of the random repeats between a reference's low and high ends.
_RANGE = (0.025, 0.975)


@torch.no_grad()
def dropout(
    organism: Organism, task: Task, repeats: int = 20, generator: torch.Generator | None = None
) -> pd.DataFrame:
    """The metric on test data after all particles of a type are set to zero, beside as many random ones.

    Args:
        organism: A single one; it is not changed.
        task: Its task.
        repeats: Random choices for each reference.
        generator: Where they are drawn from; without one, torch's global generator.

    Returns:
        A row for each scope and each type that occurs in the organism:

        - Scope (str): ``total`` (types dropped in the whole organism) or a layer, ``L0`` … (dropped only there).
        - Type (str): which particles are dropped.
        - Particles, Dropped (int): how many the scope has, and how many of them are of that type.
        - Metric (str): ``accuracy`` or ``mae``, on test data.
        - Before, After, Change (float): the metric of the whole organism, without those particles, and After − Before.
        - Random, Random low, Random high (float): the metric without as many random particles of the scope: the mean
          of the repeats and the range of 95 % of them.
        - Random nonzero, Random nonzero low, Random nonzero high (float): the same, drawn only among the particles
          that are no zero fixpoints; NaN where these are fewer than Dropped.

    Example:
        >>> task = tasks.load(run.experiment.task)  # doctest: +SKIP
        >>> frame = dropout(run.organism(), task)  # doctest: +SKIP
        >>> frame.query("Scope == 'total'")[["Type", "Dropped", "Change"]]  # doctest: +SKIP
        >>> save(plots.dropout.dropout(frame, "digits"), "dropout.png")  # doctest: +SKIP
    """
    types = classify(organism.weights, organism.replicator)
    score_without = scorer(organism, task)

    def random(count: int, pool: Tensor) -> list[float]:
        if count > len(pool):
            return [float("nan")] * 3
        if count in (0, len(pool)):  # then there is but one choice
            return [score_without(pool[:count])] * 3
        order = torch.rand(repeats, len(pool), generator=generator).argsort(1)[:, :count].to(pool.device)
        scores = pd.Series([score_without(pool[choice]) for choice in order])
        return [float(scores.mean()), *map(float, scores.quantile([*_RANGE]))]

    everything = torch.arange(len(types), device=types.device)
    before = score_without(everything[:0])
    rows = []
    for scope, particles in {"total": slice(None), **organism.layers}.items():
        places, own = everything[particles], types[particles]
        for kind in FixpointType:
            if not (types == kind).any():
                continue
            dropped = places[own == kind]
            after = score_without(dropped)
            reference = random(len(dropped), places) + random(len(dropped), places[own != FixpointType.ZERO])
            change = (task.metric, before, after, after - before)
            rows.append((scope, kind.label, len(places), len(dropped), *change, *reference))
    references = [f"{reference}{end}" for reference in REFERENCES for end in ("", " low", " high")]
    columns = ["Scope", "Type", "Particles", "Dropped", "Metric", "Before", "After", "Change", *references]
    return pd.DataFrame(rows, columns=columns)


def with_differences(dropouts: pd.DataFrame) -> pd.DataFrame:
    """The same frame with what dropping a type is against dropping as many random particles, for each seed.

    Returns:
        The columns of :func:`dropout`, Against random and Against random nonzero (After minus either).
    """
    return dropouts.assign(**{f"Against {name.lower()}": dropouts["After"] - dropouts[name] for name in REFERENCES})


def against_random(dropouts: pd.DataFrame) -> pd.DataFrame:
    """By how much is dropping a type another thing than dropping at random? Over seeds, with 95 % t-intervals.

    Args:
        dropouts: As :func:`dropout` gives them, of several seeds one after the other.

    Returns:
        A row for each reference, scope and type: Scope, Type, Metric, Dropped (the mean over the seeds), Against
        (``before``: the organism as it was, or a reference: ``random``, ``random nonzero``), Difference (After minus
        that, the mean over the seeds), Low and High (the ends of its interval, NaN for a single seed) and Seeds (int).

    Example:
        >>> against_random(frame).query("Scope == 'total' and Type == 'identity'")  # doctest: +SKIP
    """
    keys = ["Scope", "Type", "Metric"]
    parts = []
    for reference in ("Before", *REFERENCES):
        differences = dropouts.assign(Score=dropouts["After"] - dropouts[reference])
        part = over_seeds(differences, by=keys).rename(columns={"Mean": "Difference"})
        part.insert(0, "Dropped", dropouts.groupby(keys, sort=False)["Dropped"].mean())
        part.insert(1, "Against", reference.lower())
        parts.append(part.reset_index())
    return pd.concat(parts, ignore_index=True)
