"""Networks that answer together: what the mean of their answers is worth, and how much they differ.

Members are anything that answers the same examples: seeds, what a run was at the bottoms of its schedule or in its
minima, networks of other bodies. To compare ways of making them fairly, give each as many epochs altogether.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from srnn.analysis.statistics import Floats
from srnn.drawing import drawing_from
from srnn.errors import NotApplicableError
from srnn.organism import Organism
from srnn.tasks import Task
from srnn.training.learning import answer_by_torch, answers

#: Bins of the calibration error, of equal width in confidence.
BINS = 15
#: No answer is taken to be less probable.
_LEAST = 1e-12


@torch.no_grad()
def probabilities(organism: Organism, x: Tensor, worth: Tensor | None = None) -> Floats:
    """How probable a network takes each class to be, in evaluation.

    Args:
        organism: A single one; it is not changed.
        x: Examples, ``(rows, inputs)``.
        worth: With which effective weights, ``(N,)``; without them, its own, behind its gates.

    Returns:
        float64 ``(rows, classes)``.
    """
    organism = copy.deepcopy(organism).eval()
    own = organism.gated(organism.worth()) if worth is None else worth
    [output] = answers(organism, own, x)
    return _softmax(output)


@torch.no_grad()
def dropping_out(organism: Organism, x: Tensor, masks: int, generator: torch.Generator) -> Floats:
    """As :func:`probabilities`, the mean over passes in each of which other units are dropped (MC dropout).

    A single pass without dropout, as in evaluation, is weight scaling: of a single softmax layer the same as the
    renormalised geometric mean over all masks.

    Args:
        organism: A single one whose body drops units in training; it is not changed.
        x: Examples, ``(rows, inputs)``.
        masks: How many passes.
        generator: Where the masks are drawn from.

    Raises:
        NotApplicableError: The body drops none.
    """
    organism = copy.deepcopy(organism).eval()
    droppers = [module for module in organism.body.modules() if "Dropout" in type(module).__name__]
    if not any(float(getattr(module, "share", getattr(module, "p", 0))) for module in droppers):
        raise NotApplicableError("the body drops no units: set body.dropout, or leave the masks out")
    for module in droppers:
        module.train()
    own = organism.gated(organism.worth())
    total: Floats = np.zeros(())
    with drawing_from(generator):
        for _ in range(masks):
            total = total + _softmax(answer_by_torch(organism, own, x))
    return total / masks


def ensemble(members: Sequence[Floats], y: Tensor) -> pd.DataFrame:
    """What members are worth alone and together.

    Args:
        members: How probable each takes each class to be, ``(rows, classes)``.
        y: The right classes, ``(rows,)``.

    Returns:
        Rows of the Case (str) ``member`` (the mean over them), ``best member`` (by its NLL) and ``ensemble`` (the mean
        of the probabilities), with columns Members (int), Accuracy, NLL (nats), ECE (the expected calibration error)
        and, of the ensemble of several, Disagreement (the share of examples of which two members say different
        classes, mean over pairs), Relative disagreement (that over a member's error) and Divergence (Jensen and
        Shannon's, nats).

    Example:
        >>> ensemble([probabilities(run.organism(), task.test_x) for run in runs], task.test_y)  # doctest: +SKIP
    """
    right, several = y.cpu().numpy(), np.stack([*members])
    each = pd.DataFrame([scores(one, right) for one in several])
    together = scores(several.mean(0), right)
    if len(several) > 1:
        differ = disagreement(several)
        error = 1 - float(each["Accuracy"].mean())
        relative = differ / error if error else float("nan")
        together |= {"Disagreement": differ, "Relative disagreement": relative, "Divergence": divergence(several)}
    rows = {"member": each.mean(), "best member": each.sort_values("NLL").iloc[0], "ensemble": pd.Series(together)}
    columns = ["Accuracy", "NLL", "ECE", "Disagreement", "Relative disagreement", "Divergence"]
    frame = pd.DataFrame(rows).T.reindex(columns=columns).rename_axis("Case").reset_index()
    frame.insert(1, "Members", [1, 1, len(several)])
    return frame


def scores(probable: Floats, right: np.ndarray) -> dict[str, float]:
    """Accuracy, NLL and ECE of probabilities ``(rows, classes)`` where these classes ``(rows,)`` are right."""
    sure, said = probable.max(1), probable.argmax(1)
    hit = said == right
    nll = -np.log(np.maximum(probable[np.arange(len(right)), right], _LEAST)).mean()
    return {"Accuracy": float(hit.mean()), "NLL": float(nll), "ECE": calibration_error(sure, hit)}


def calibration_error(sure: Floats, hit: np.ndarray, bins: int = BINS) -> float:
    """By how much confidence and accuracy differ, in the mean over bins of confidence (Guo et al. 2017).

    Args:
        sure: How probable the answer that was given was taken to be, ``(rows,)``.
        hit: Whether it was right, bool ``(rows,)``.
        bins: Of equal width, open below.
    """
    place = np.clip(np.ceil(sure * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(place, sure - hit, minlength=bins)
    return float(np.abs(gaps).sum() / len(sure))


def disagreement(members: Floats) -> float:
    """The share of examples of which two of ``(M, rows, classes)`` say different classes, mean over the pairs."""
    said = members.argmax(2)
    pairs = [(said[a] != said[b]).mean() for a in range(len(said)) for b in range(a)]
    return float(np.mean(pairs))


def divergence(members: Floats) -> float:
    """Jensen and Shannon's divergence of ``(M, rows, classes)``: entropy of the mean less mean entropy, in nats."""
    return float((_entropy(members.mean(0)) - _entropy(members).mean(0)).mean())


def _entropy(probable: Floats) -> Floats:
    return -np.asarray((probable * np.log(np.maximum(probable, _LEAST))).sum(-1))


def require_classes(task: Task) -> None:
    """Make sure that there are classes to be more or less sure of.

    Raises:
        NotApplicableError: It is a regression.
    """
    if task.kind != "classification":
        raise NotApplicableError(f"the task {task.name} has no classes of which to be more or less sure")


def _softmax(output: Tensor) -> Floats:
    found: Floats = torch.softmax(output.double(), -1).cpu().numpy()
    return found
