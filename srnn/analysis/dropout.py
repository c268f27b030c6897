"""Particle dropout: what does the organism lose with all particles of one type, and what with as many others?

Dropping a particle is setting its effective weight to zero. That is done for every type in the whole organism and in
each layer, and beside it for as many other particles, chosen in several ways: at random, and matched with those that
are dropped in what else they may owe their use to. Self-replicators sit where little comes in; so a comparison with
particles anywhere else would show what a place is good for, and not what a type is.
"""

from __future__ import annotations

from itertools import chain
from typing import Final

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from srnn.analysis.dropping import input_activity, nearest, scores_without
from srnn.analysis.statistics import differences_over_seeds
from srnn.fixpoints import FixpointType, classify
from srnn.organism import Organism
from srnn.tasks import Task

#: The references, as columns of a frame, and what the particles are that are dropped there.
REFERENCES: Final = {
    "Random": "random, of all",
    "Random nonzero": "random, none zero",
    "Random others": "random others, same layers",
    "Nearest weight": "nearest |weight|",
    "Nearest signal": "nearest |weight| · E|input|",
    "Nearest input": "nearest E|input|",
    "Smallest signal": "least |weight| · E|input|",
}
#: The part of the repeats between a reference's low and high ends.
_RANGE: Final = (0.025, 0.975)


@torch.no_grad()
def dropout(
    organism: Organism, task: Task, repeats: int = 20, generator: torch.Generator | None = None
) -> pd.DataFrame:
    """The metric on test data after all particles of a type are set to zero, beside as many others.

    Args:
        organism: A single one; it is not changed.
        task: Its task.
        repeats: Choices for each reference, where there is more than one.
        generator: Where they are drawn from; without one, torch's global generator.

    Returns:
        A row for each scope and each type that occurs in the organism:

        - Scope (str): ``total`` (types dropped in the whole organism) or a layer, ``L0`` … (dropped only there).
        - Type (str): which particles are dropped.
        - Particles, Dropped (int): how many the scope has, and how many of them are of that type.
        - Metric (str): ``accuracy`` or ``mae``, on test data.
        - Before, After, Change (float): the metric of the whole organism, without those particles, and After − Before.
        - Random (float): the metric without as many random particles of the scope: the mean of the repeats.
        - Random nonzero (float): the same, drawn only among those that are no zero fixpoints.
        - Random others (float): drawn among *others*, in each layer as many as are dropped there. Others are neither
          zero fixpoints nor divergent nor of the type.
        - Nearest weight (float): for each particle the other of its layer that is nearest in \\|effective weight\\|,
          none taken twice.
        - Nearest signal (float): likewise, nearest in \\|effective weight\\| · E\\|input\\|: what a weight adds to its
          unit. E\\|input\\| is the mean over the *training* data.
        - Nearest input (float): likewise, nearest in E\\|input\\|.
        - Smallest signal (float): in each layer as many as are dropped there, those with the least
          \\|effective weight\\| · E\\|input\\| that are not zero fixpoints, whatever their type: the choice of
          one who knows nothing of types.

        Each reference also has the range of 95 % of the repeats, in ``Random low``, ``Random high`` … . It is NaN where
        there are too few others to choose from, and so are the last three of bodies other than an MLP.

    Example:
        >>> task = tasks.load(run.experiment.task)  # doctest: +SKIP
        >>> frame = dropout(run.organism(), task)  # doctest: +SKIP
        >>> frame.query("Scope == 'total'")[["Type", "Dropped", "Change", "Nearest signal"]]  # doctest: +SKIP
        >>> save(plots.dropout.dropout(frame, "digits"), "dropout.png")  # doctest: +SKIP
    """
    types = classify(organism.weights, organism.replicator).cpu()
    weight, activity = organism.worth().abs().cpu(), input_activity(organism, task.train_x)
    values = {"Nearest weight": weight}
    if activity is not None:
        values |= {"Nearest signal": weight * activity.cpu(), "Nearest input": activity.cpu()}
    every = torch.arange(len(types))
    rows = []
    for scope, particles in {"total": slice(None), **organism.layers}.items():
        places, own = every[particles], types[particles]
        for kind in FixpointType:
            if not (types == kind).any():
                continue
            dropped, nonzero = places[own == kind], places[own != FixpointType.ZERO]
            sides = (FixpointType.ZERO, FixpointType.DIVERGENT, kind)
            others = places[torch.stack([own != one for one in sides]).all(0)]
            layers = [(_within(dropped, layer), _within(others, layer)) for layer in organism.layers.values()]
            choices = [
                [dropped[:0]],
                [dropped],
                _random([(dropped, places)], repeats, generator),
                _random([(dropped, nonzero)], repeats, generator),
                _random(layers, repeats, generator),
                *(
                    _nearest(values.get(name), layers, repeats, generator)
                    for name in ("Nearest weight", "Nearest signal", "Nearest input")
                ),
                _smallest(values.get("Nearest signal"), dropped, nonzero, organism),
            ]
            masks = torch.stack([torch.isin(every, choice) for choice in chain(*choices)])
            found = scores_without(organism, task, masks.to(organism.weights.device)).double().cpu()
            before, after, *references = found.split([len(choice) for choice in choices])
            change = (task.metric, float(before), float(after), float(after - before))
            ends = [end for reference in references for end in _ends(reference.numpy())]
            rows.append((scope, kind.label, len(places), len(dropped), *change, *ends))
    names = [f"{reference}{end}" for reference in REFERENCES for end in ("", " low", " high")]
    columns = ["Scope", "Type", "Particles", "Dropped", "Metric", "Before", "After", "Change", *names]
    return pd.DataFrame(rows, columns=columns)


def with_differences(dropouts: pd.DataFrame) -> pd.DataFrame:
    """The same frame with what dropping a type is against dropping as many others, for each seed.

    Returns:
        The columns of :func:`dropout` and, for each reference, ``Against random`` … : After minus that.
    """
    return dropouts.assign(**{f"Against {name.lower()}": dropouts["After"] - dropouts[name] for name in REFERENCES})


def differences(dropouts: pd.DataFrame) -> pd.DataFrame:
    """By how much is dropping a type another thing than dropping as many others? Over seeds, with 95 % t-intervals.

    Args:
        dropouts: As :func:`dropout` gives them, of several seeds one after the other.

    Returns:
        A row for each reference, scope and type: Scope, Type, Metric, Dropped (the mean over the seeds), Against
        (``before``: the organism as it was, or a reference: ``random`` …), Difference (After minus that, the mean over
        the seeds), Low and High (the ends of its interval, NaN for a single seed) and Seeds (int). All are NaN where a
        seed lacks the reference.

    Example:
        >>> differences(frame).query("Scope == 'total' and Type == 'identity'")  # doctest: +SKIP
    """
    keys = ["Scope", "Type", "Metric"]
    parts = []
    for reference in ("Before", *REFERENCES):
        part = differences_over_seeds(dropouts.assign(Score=dropouts["After"] - dropouts[reference]), by=keys)
        part.insert(0, "Dropped", dropouts.groupby(keys, sort=False)["Dropped"].mean())
        part.insert(1, "Against", reference.lower())
        parts.append(part.reset_index())
    return pd.concat(parts, ignore_index=True)


_Layers = list[tuple[Tensor, Tensor]]


def _within(places: Tensor, layer: slice) -> Tensor:
    return places[(places >= layer.start) & (places < layer.stop)]


def _random(layers: _Layers, repeats: int, generator: torch.Generator | None) -> list[Tensor]:
    """Choices of as many particles as are dropped, from those beside them; none if there are too few."""
    if any(len(dropped) > len(pool) for dropped, pool in layers):
        return []
    # Where all or none of them are taken there is but one choice.
    several = any(0 < len(dropped) < len(pool) for dropped, pool in layers)
    return [
        torch.cat([pool[torch.randperm(len(pool), generator=generator)[: len(dropped)]] for dropped, pool in layers])
        for _ in range(repeats if several else 1)
    ]


def _nearest(values: Tensor | None, layers: _Layers, repeats: int, generator: torch.Generator | None) -> list[Tensor]:
    """Choices of particles like those that are dropped; none if there are too few."""
    if values is None:
        return []
    numbers, pairs = values.double().numpy(), [(dropped.numpy(), others.numpy()) for dropped, others in layers]
    tied = any(len(others) > len(np.unique(numbers[others])) for _, others in pairs)
    choices = []
    for _ in range(repeats if tied else 1):
        matched = [nearest(numbers, dropped, others, generator) for dropped, others in pairs]
        found = [torch.from_numpy(one) for one in matched if one is not None]
        if len(found) < len(pairs):
            return []
        choices.append(torch.cat(found))
    return choices


def _smallest(values: Tensor | None, dropped: Tensor, pool: Tensor, organism: Organism) -> list[Tensor]:
    """In each layer as many as are dropped there, those of the least value; none if there are too few."""
    layers = [(_within(dropped, layer), _within(pool, layer)) for layer in organism.layers.values()]
    if values is None or any(len(own) > len(others) for own, others in layers):
        return []
    return [torch.cat([others[values[others].argsort(stable=True)[: len(own)]] for own, others in layers])]


def _ends(scores: np.ndarray) -> list[float]:
    """Mean and range of the scores of all choices; NaN of none."""
    return [float(scores.mean()), *map(float, np.quantile(scores, _RANGE))] if len(scores) else [float("nan")] * 3
