"""Many networks of one body at once, which differ in their effective weights: thousands a second of a small one.

An ablation, a pruned network and its matched control are all the same body with other weights::

    kept = organism.worth().masked_fill(dropped, 0)  # dropped (A, N): A choices of which particles to leave out
    losses, scores = evaluate(organism, kept, task)  # (A,), (A,)

Networks are taken through a fused kernel in blocks that stay in the cache; where there is none for the body, torch
computes one network after the other.
"""

from __future__ import annotations

import copy
from typing import Literal

import torch
from torch import Tensor

from srnn import kernels
from srnn.kernels import mlp
from srnn.organism import Organism
from srnn.tasks import Task
from srnn.training.learning import answer_by_torch, answering_body, factor, fused_body

Per = Literal["network", "output", "example"]
#: Bytes of the weights or of the losses of a block of networks.
_BLOCK = 2**18


@torch.no_grad()
@kernels.or_by_torch
def evaluate(organism: Organism, weights: Tensor, task: Task, per: Per = "network") -> tuple[Tensor, Tensor]:
    """Losses and scores on test data of the organism's body with each of many vectors of effective weights.

    What a network gets depends on its own weights alone: one that answers NaN leaves the others as they are.

    Args:
        organism: A single one, whose body answers, as in evaluation; its particles are not asked.
        weights: ``(A, N)``, a row for each network.
        task: Its test data, loss and score.
        per: What a number is of. ``network``: the mean over all examples. ``example``: each by itself. ``output``: for
            classification the mean over the examples whose class it is (NaN of a class without examples), for
            regression the mean error of that target.

    Returns:
        Losses and scores as :class:`srnn.tasks.Task` has them: ``(A,)``, ``(A, rows)`` or ``(A, outputs)``.

    Raises:
        ValueError: ``weights`` has another shape.

    Example:
        >>> losses, scores = evaluate(organism, organism.worth().repeat(3, 1), task)  # doctest: +SKIP
    """
    if weights.ndim != 2 or weights.shape[1] != organism.size:
        raise ValueError(f"weights have shape {tuple(weights.shape)}; needed: (networks, {organism.size})")
    organism = copy.deepcopy(organism).eval()
    size = max(1, _BLOCK // (4 * max(organism.size, len(task.test_x))))
    parts = [_evaluate(organism, block.contiguous(), task, per) for block in weights.split(size)]
    losses, scores = (torch.cat(part) for part in zip(*parts, strict=True))
    return losses, scores


def _evaluate(organism: Organism, weights: Tensor, task: Task, per: Per) -> tuple[Tensor, Tensor]:
    if per == "output" and task.kind == "regression":
        errors = _answers(organism, weights, task.test_x) - task.test_y
        scale = 1.0 if task.y_scaling is None else torch.from_numpy(task.y_scaling.factor).to(errors)
        return errors.square().mean(1), (errors.abs() * scale).mean(1)
    losses, scores = (_over_examples(one, task, per) for one in _judged(organism, weights, task))
    # What answers NaN has no score.
    return losses, scores + 0 * losses


def _judged(organism: Organism, weights: Tensor, task: Task) -> tuple[Tensor, Tensor]:
    """Losses and scores of every example, ``(A, rows)``."""
    if fused_body(organism, task, weights) and (body := answering_body(organism, weights, task.test_x)):
        losses, scores = mlp.judge(weights.view(-1), body, task.test_x, task.test_y)
        return losses, scores if (scale := factor(task)) == 1 else scale * scores
    outputs = [answer_by_torch(organism, own, task.test_x) for own in weights]
    losses, scores = (torch.stack([of(one, task.test_y) for one in outputs]) for of in (task.loss, task.score))
    return losses, scores


def _over_examples(each: Tensor, task: Task, per: Per) -> Tensor:
    if per == "example":
        return each
    if per == "network":
        # By NumPy on the CPU: that torch's threads meet takes longer than so small a sum.
        return torch.from_numpy(each.numpy().mean(1)) if each.is_cpu else each.mean(1)
    sums = torch.zeros(len(each), task.outputs, device=each.device).index_add_(1, task.test_y, each)
    return sums / torch.bincount(task.test_y, minlength=task.outputs)


def _answers(organism: Organism, weights: Tensor, x: Tensor) -> Tensor:
    """What they put out, ``(A, rows, outputs)``."""
    if (body := answering_body(organism, weights, x)) is not None:
        return mlp.answer(weights.view(-1), body, x)
    return torch.stack([answer_by_torch(organism, own, x) for own in weights])
