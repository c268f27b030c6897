"""Zero's basin: which newborns fall into zero by replication alone, and are they those that are zero after training?"""

from __future__ import annotations

import pandas as pd
import torch

from srnn import replication
from srnn.errors import NotApplicableError
from srnn.experiment import Experiment
from srnn.fixpoints import FixpointType, classify, labels_of
from srnn.organism import Organism
from srnn.particle import matrices, row_vector

#: Replication steps until newborns have come to rest: most have after some hundred.
STEPS = 3000


@torch.no_grad()
def basin(newborn: Organism, trained: Organism, experiment: Experiment, steps: int = STEPS) -> pd.DataFrame:
    """What becomes of each newborn by replication alone, without a task, and what it became in training.

    Args:
        newborn: A single organism as it was before training; it is not changed.
        trained: The same after it.
        experiment: By whose rule replication is trained: method ``sgd``.
        steps: Replication steps, without a task between.

    Returns:
        A row for each particle: Particle (int, its place in the swarm), Layer (str), v0 (what it hands on of its own
        value), Norm, Norm 1, Norm 2 and Norm 3 (of all its weights, and of each of its matrices), all as a newborn;
        Alone and Trained (str: its type after replication alone, and in the trained organism).

    Raises:
        NotApplicableError: There is no descent on replication.
    """
    settings, training = experiment.replication, experiment.training
    if settings.method != "sgd" or not newborn.particle.has_types:
        raise NotApplicableError(
            "the basin of zero is that of replication.method 'sgd', by which these were not trained"
        )
    particle, weights = newborn.replicator, newborn.weights.detach().clone()
    norms = [block.flatten(end_dim=-2).norm(dim=0) for block in matrices(weights, particle)]
    frame = pd.DataFrame({"Particle": range(newborn.size)})
    for layer, columns in newborn.layers.items():
        frame.loc[columns.start : columns.stop - 1, "Layer"] = layer
    frame["v0"] = row_vector(weights, particle)[0].double().cpu().numpy()
    frame["Norm"] = weights.norm(dim=0).double().cpu().numpy()
    for number, norm in enumerate(norms, 1):
        frame[f"Norm {number}"] = norm.double().cpu().numpy()
    replication.train(weights, particle, steps, training.lr, training.momentum, settings.alpha, settings.target)
    for name, own in {"Alone": weights, "Trained": trained.weights.detach()}.items():
        frame[name] = labels_of(classify(own, particle))
    return frame


def fates(frame: pd.DataFrame) -> pd.DataFrame:
    """The numbers to quote: how many newborns come to each type, what they were, and whether training changed that.

    Args:
        frame: As :func:`basin` gives it, of one seed.

    Returns:
        A row for each type that occurs: Fate (str), Alone and Trained (shares of all particles that are of it after
        replication alone and after training), Overlap (of those that are of it by either, the share that are by both:
        Jaccard's index), v0 and Norm (medians of the newborns that come to it alone, NaN if none does).
    """
    rows = []
    for kind in FixpointType:
        alone, trained = (frame[name] == kind.label for name in ("Alone", "Trained"))
        if not (alone | trained).any():
            continue
        medians = frame.loc[alone, ["v0", "Norm"]].median()
        overlap = float((alone & trained).sum() / (alone | trained).sum())
        rows.append((kind.label, alone.mean(), trained.mean(), overlap, *medians))
    return pd.DataFrame(rows, columns=["Fate", "Alone", "Trained", "Overlap", "v0", "Norm"])
