"""Rescue: what becomes of units that an event changes, and of the network, beside the same run without it.

Both runs are of one seed, see the same batches and are the same to the bit until the event: what differs right after it
was changed by it, and the difference is paired. What becomes of the same units where nothing is done to them is the
reference: the lowest rise by themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import Tensor
from torch.nn.functional import cosine_similarity

from srnn.analysis.many import evaluate
from srnn.analysis.usefulness import EXAMPLES, usefulness
from srnn.errors import NotApplicableError
from srnn.organism import Organism
from srnn.tasks import Task

Floats = NDArray[np.float64]
#: After how many epochs the ranks of those that were changed are told.
AFTER: Final = (0, 1, 5, 20)


def course(organisms: Iterable[tuple[int, Organism]], task: Task) -> pd.DataFrame:
    """Loss and score on test data over the epochs: columns Epoch (int), Loss, Score (float)."""
    epochs, every = zip(*organisms, strict=True)
    losses, scores = evaluate(every[0], torch.stack([one.worth() for one in every]), task)
    return pd.DataFrame({"Epoch": epochs, "Loss": losses.double().numpy(), "Score": scores.double().numpy()})


@torch.no_grad()
def changed(plain: Organism, treated: Organism) -> NDArray[np.bool_]:
    """Which hidden units an event has changed, of two networks that were the same before: most weights that enter."""
    differs = (plain.worth() != treated.worth()).float()
    return np.concatenate([part.mean(1).cpu().numpy() > 0.5 for part in _entering(plain, differs)])


@torch.no_grad()
def outcome(
    plain: Sequence[tuple[int, Organism]], treated: Sequence[tuple[int, Organism]], task: Task, at: int
) -> pd.DataFrame:
    """What an event did in one seed.

    Args:
        plain: Logged epochs, and the organism after each, of the run without it.
        treated: Of the run with it.
        task: Its test data are asked.
        at: The epoch after which it happened.

    Returns:
        Columns Metric (str) and Score (float; NaN where it is not known):

        - ``Units``: how many were changed;
        - ``Dip``, ``Score dip``: by how much loss and score were worse right after it;
        - ``Recovery``: epochs until the loss was that of before again;
        - ``Rank after N``: the mean rank in their layer, from 0 to 1, of those units, N epochs after it, and ``…, left
          alone`` in the other run; ``Rescued``: the share of them in the upper half of their layer at the end, too;
        - ``Return``: the mean cosine of the weights that enter them at the end with those before it, likewise;
        - ``Loss gain``, ``Score gain``: by how much loss and score are better at the end.

    Raises:
        NotApplicableError: The epoch was not logged.
    """
    before, after = dict(plain), dict(treated)
    common = [epoch for epoch in before if epoch in after and epoch >= at]
    if not common or common[0] != at:
        raise NotApplicableError(f"epoch {at} was not logged by both runs: see log.every")
    curves = [course([(epoch, one[epoch]) for epoch in common], task).set_index("Epoch") for one in (before, after)]
    sign = 1 if task.metric == "accuracy" else -1
    loss, score = (curves[1][name] - curves[0][name] for name in ("Loss", "Score"))
    level = float(curves[0]["Loss"].loc[at])
    again = [epoch for epoch in common if curves[1]["Loss"].loc[epoch] <= level]
    units = changed(before[at], after[at])
    end = common[-1]
    found = {
        "Units": float(units.sum()),
        "Dip": float(loss.loc[at]),
        "Score dip": -sign * float(score.loc[at]),
        "Recovery": float(again[0] - at) if again else np.nan,
        "Loss gain": -float(loss.loc[end]),
        "Score gain": sign * float(score.loc[end]),
    }
    if units.any():
        for name, runs in (("", after), (", left alone", before)):
            for epochs in AFTER:
                known = runs.get(at + epochs)
                rank = np.nan if known is None else float(ranks(known, task)[units].mean())
                found[f"Rank after {epochs}{name}"] = rank
            found[f"Rescued{name}"] = float((ranks(runs[end], task)[units] > 0.5).mean())
            found[f"Return{name}"] = float(_alike(before[at], runs[end])[units].mean())
    return pd.DataFrame({"Metric": [*found], "Score": [*found.values()]})


def ranks(organism: Organism, task: Task) -> Floats:
    """The rank of each hidden unit's usefulness on test data in its layer, from 0 to 1: (r − ½) / n."""
    found = usefulness(organism, task)
    groups = found.groupby("Layer", sort=False)["Loss change"]
    ranked: Floats = np.concatenate([(rankdata(own) - 0.5) / len(own) for _, own in groups])
    return ranked


def forgotten(organisms: Iterable[tuple[int, Organism]], task: Task) -> NDArray[np.int64]:
    """How often each of the first training examples is forgotten: right at one logged epoch and wrong at the next.

    (M. Toneva et al., arXiv 1812.05159, who look after every batch: theirs are more.)

    Args:
        organisms: Logged epochs, and the organism after each.
        task: A classification.

    Returns:
        ``(n,)``, of at most :data:`srnn.analysis.usefulness.EXAMPLES` examples.
    """
    every = [one for _, one in organisms]
    seen = replace(task, test_x=task.train_x[:EXAMPLES], test_y=task.train_y[:EXAMPLES])
    scores = evaluate(every[0], torch.stack([one.worth() for one in every]), seen, "example")[1]
    return times_forgotten(scores.cpu().numpy() == 1)


def times_forgotten(right: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How often each example is right at one time and wrong at the next: ``(times, n) -> (n,)``."""
    found: NDArray[np.int64] = (right[:-1] & ~right[1:]).sum(0)
    return found


def _entering(organism: Organism, values: Tensor) -> list[Tensor]:
    """One value per weight, as the rows that enter the units of each hidden layer."""
    return [part.flatten(1) for part in organism.in_shape(values)[:-1]]


def _alike(one: Organism, other: Organism) -> Floats:
    """The cosine of the weights that enter each unit in two networks."""
    pairs = zip(_entering(one, one.worth()), _entering(other, other.worth()), strict=True)
    found: Floats = torch.cat([cosine_similarity(*pair) for pair in pairs]).double().cpu().numpy()
    return found


def rounds(metrics: pd.DataFrame, at: Sequence[int]) -> pd.DataFrame:
    """What rounds of going on with some of the examples cost and gained, of one run.

    Args:
        metrics: Columns Epoch, Metric and Score of a run with an event ``focus``, logged after every epoch.
        at: The epochs after which a round begins.

    Returns:
        A row for each round, as it was at the last logged epoch before the next began: Round (int, from 1), Epoch,
        Forgotten (F = 1 − accuracy on those left out), Gained (G: accuracy on those kept), Net (``(n_K G − n_D F)
        / n``), Kept, Left (examples), Frozen (share of the particles), Test and Validation (accuracies; float, NaN
        where there is none).
    """
    last = int(metrics["Epoch"].max())
    rows = []
    for place, (start, end) in enumerate(zip(at, [*at[1:], last + 1], strict=True)):
        own = metrics[metrics["Epoch"].between(start + 1, max(start + 1, end - 1))]
        found = own.groupby("Metric")["Score"].last()
        kept, left = (float(found.get(f"{name}_examples", np.nan)) for name in ("kept", "left"))
        gained, remembered = (float(found.get(f"{name}_accuracy", np.nan)) for name in ("kept", "left"))
        lost = left * (1 - remembered) if left else 0.0
        rows.append(
            {
                "Round": place + 1,
                "Epoch": int(own["Epoch"].max()),
                "Forgotten": 1 - remembered,
                "Gained": gained,
                "Net": (kept * gained - lost) / (kept + left),
                "Kept": kept,
                "Left": left,
                "Frozen": float(found.get("frozen", np.nan)),
                "Test": float(found.get("test_accuracy", np.nan)),
                "Validation": float(found.get("validation_accuracy", np.nan)),
            }
        )
    return pd.DataFrame(rows)


def rounds_until_no_gain(validation: Sequence[float], patience: int = 2) -> int:
    """After how many rounds to stop: the best so far, once as many have brought nothing better.

    Args:
        validation: The score before the first round and after each.
        patience: That many.
    """
    best = 0
    for place, score in enumerate(validation):
        if score > validation[best]:
            best = place
        elif place - best >= patience:
            break
    return best
