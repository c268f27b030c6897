"""The landscape between minima: lines, curves and planes, barriers, distances of functions, and what a run went over.

All of it is of effective weights, with which the one body answers. In a body without activation, or with ReLU, many
weights make the same function, so that a distance of weights means little by itself: distances of functions, and after
matching units, stand beside it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from srnn.analysis.ensembles import disagreement, divergence, probabilities
from srnn.analysis.many import evaluate
from srnn.bodies.mlp import MLP
from srnn.errors import NotApplicableError
from srnn.organism import Organism
from srnn.tasks import Task
from srnn.training.learning import learn

#: Points of a line or a curve, its ends among them.
POINTS = 31


def along(organism: Organism, points: Tensor, task: Task) -> pd.DataFrame:
    """Loss and metric at many weights, on training and test data.

    Args:
        organism: A single one, whose body answers.
        points: Effective weights, ``(A, N)``.
        task: Its data.

    Returns:
        Columns Data (``train`` or ``test``), Point (int), Loss, Score (float; the metric).
    """
    trained = replace(task, test_x=task.train_x, test_y=task.train_y)
    frames = []
    for data, own in (("train", trained), ("test", task)):
        losses, scores = evaluate(organism, points, own)
        columns = {"Point": range(len(points)), "Loss": losses.double().cpu(), "Score": scores.double().cpu()}
        frames.append(pd.DataFrame({"Data": data, **columns}))
    return pd.concat(frames, ignore_index=True)


def line(a: Tensor, b: Tensor, points: int = POINTS) -> Tensor:
    """Weights ``(points, N)`` on the straight line between two."""
    share = torch.linspace(0, 1, points, dtype=a.dtype, device=a.device)[:, None]
    return (1 - share) * a + share * b


def bend(a: Tensor, middle: Tensor, b: Tensor, points: int = POINTS) -> Tensor:
    """Weights ``(points, N)`` on the Bézier curve ``(1 − t)² a + 2 t (1 − t) middle + t² b``."""
    t = torch.linspace(0, 1, points, dtype=a.dtype, device=a.device)[:, None]
    return (1 - t) ** 2 * a + 2 * t * (1 - t) * middle + t**2 * b


def barrier(losses: Sequence[float] | np.ndarray) -> float:
    """How much higher a way goes than the mean of its ends.

    Example:
        >>> x = np.linspace(-1, 1, 31)
        >>> barrier((x**2 - 1) ** 2)
        1.0
    """
    own = np.asarray(losses, float)
    return float(own.max() - (own[0] + own[-1]) / 2)


def curve(
    organism: Organism,
    a: Tensor,
    b: Tensor,
    task: Task,
    generator: torch.Generator,
    *,
    epochs: int = 50,
    batch_size: int = 500,
    lr: float = 0.1,
    momentum: float = 0.9,
) -> Tensor:
    """The middle of a Bézier curve of little loss between two minima ``(N,)`` (Garipov et al. 2018).

    It begins half way between them, and is trained by sgd with the learning rate falling in a half wave, each batch at
    a point of the curve drawn anew.

    Args:
        organism: A single one, whose body answers.
        a, b: The ends, which stay.
        task: Its training data.
        generator: Where batches and points are drawn from.
        epochs, batch_size, lr, momentum: How it is trained.

    Returns:
        ``(N,)``.
    """
    organism = copy.deepcopy(organism).eval()
    middle, velocity = (a + b) / 2, torch.zeros_like(a)
    examples = len(task.train_x)
    size = min(batch_size, examples)
    steps, done = epochs * (examples // size), 0
    for _ in range(epochs):
        order = torch.randperm(examples, generator=generator)[: examples // size * size].view(-1, size)
        for index in order.to(a.device):
            t = float(torch.rand((), generator=generator))
            point = (1 - t) ** 2 * a + 2 * t * (1 - t) * middle + t**2 * b
            gradient = learn(organism, point, task, index[None], [{"dropout": generator}], done).gradient
            velocity = momentum * velocity + 2 * t * (1 - t) * gradient
            middle = middle - lr * (0.5 + 0.5 * np.cos(np.pi * done / steps)) * velocity
            done += 1
    return middle


def matched(organism: Organism, a: Tensor, b: Tensor, rounds: int = 20) -> Tensor:
    """The weights ``b (N,)`` with the hidden units of each layer in the order that brings them nearest to ``a``.

    That is the same function. Units are matched layer by layer, by what leads to them and from them (Ainsworth et al.
    2022), until no layer's order changes; narrow layers are not to be brought together so.

    Raises:
        NotApplicableError: The body is no MLP, or has residual links, which ask for one order of all layers.
    """
    body = organism.body
    if not isinstance(body, MLP) or any(source is not None for source in body.sources):
        raise NotApplicableError("units are matched in MLPs without residual links")
    of_a, of_b = ([one.double().cpu().numpy() for one in organism.in_shape(worth)] for worth in (a, b))
    for _ in range(rounds):
        changed = False
        for layer in range(len(of_b) - 1):
            alike = of_a[layer] @ of_b[layer].T + of_a[layer + 1].T @ of_b[layer + 1]
            _, order = linear_sum_assignment(alike, maximize=True)
            if (order != np.arange(len(order))).any():
                of_b[layer], of_b[layer + 1] = of_b[layer][order], of_b[layer + 1][:, order]
                changed = True
        if not changed:
            break
    return torch.cat([torch.from_numpy(one).flatten() for one in of_b]).to(b)


def slope(organism: Organism, worth: Tensor, task: Task) -> Tensor:
    """The gradient ``(N,)`` of the mean loss over all training data, in eval mode."""
    organism = copy.deepcopy(organism).eval()
    leaf = worth.detach().clone().requires_grad_()
    task.loss(organism.call_with(leaf, task.train_x), task.train_y).mean().backward()
    assert leaf.grad is not None
    return leaf.grad


def apart(organism: Organism, a: Tensor, b: Tensor, task: Task) -> dict[str, float]:
    """How far two minima ``(N,)`` are from each other, as weights and as functions.

    Returns:
        ``distance`` (‖a − b‖ / ‖a‖), ``cosine``, ``matched_distance`` (after :func:`matched`; NaN where units cannot
        be), ``map_distance`` (of the product of all layers, where the body has no activation; else NaN),
        ``gradient_norm`` (the length of :func:`slope` at b) and ``gradient_cosine`` (with that at a), and on test data
        ``disagreement`` and ``divergence`` (nats) of what they answer.
    """
    slopes = [slope(organism, own, task).double() for own in (a, b)]
    found = {"distance": _relative(a, b), "cosine": float(torch.cosine_similarity(a.double(), b.double(), dim=0))}
    try:
        found["matched_distance"] = _relative(a, matched(organism, a, b))
    except NotApplicableError:
        found["matched_distance"] = float("nan")
    found["gradient_norm"] = float(slopes[1].norm())
    found["gradient_cosine"] = float(torch.cosine_similarity(slopes[0], slopes[1], dim=0))
    body, found["map_distance"] = organism.body, float("nan")
    if isinstance(body, MLP) and isinstance(body.activation, torch.nn.Identity):
        # What a linear body answers to each input alone is its whole map.
        maps = [organism.call_with(own, torch.eye(task.inputs).to(own)).flatten() for own in (a, b)]
        found["map_distance"] = _relative(*(one.detach() for one in maps))
    if task.kind == "classification":
        both = np.stack([probabilities(organism, task.test_x, own) for own in (a, b)])
        found |= {"disagreement": disagreement(both), "divergence": divergence(both)}
    return found


def _relative(a: Tensor, b: Tensor) -> float:
    return float((a.double() - b.double()).norm() / a.double().norm().clamp(min=1e-300))


def valley(
    organism: Organism, path: Mapping[int, Tensor], task: Task, generator: torch.Generator, draws: int = 20
) -> dict[str, float]:
    """Whether a run went through a valley from one minimum to the next, over a hill, or never left its basin.

    Args:
        organism: A single one, whose body answers.
        path: What it was worth after the logged epochs from the one to the other, ``(N,)`` each, by epoch.
        task: Its training data, by whose loss it is judged.
        generator: Where directions are drawn from.
        draws: How many.

    Returns:
        ``path_barrier`` and ``line_barrier``, how much higher than the mean of the ends the loss is on the way and on
        the straight line, ``path_error`` and ``line_error``, the same of the error (the share of wrong answers, or the
        mean absolute error), and ``random``, how much higher in the mean a step of the same length in a random
        direction takes the loss.
    """
    trained = replace(task, test_x=task.train_x, test_y=task.train_y)
    way = torch.stack([path[epoch] for epoch in sorted(path)])

    def along_it(points: Tensor) -> tuple[np.ndarray, np.ndarray]:
        losses, scores = (one.double().cpu().numpy() for one in evaluate(organism, points, trained))
        return losses, 1 - scores if task.metric == "accuracy" else scores

    (losses, errors), (straight, wrong) = along_it(way), along_it(line(way[0], way[-1]))
    steps = torch.randn(draws, way.shape[1], generator=generator).to(way)
    steps *= (way[-1] - way[0]).norm() / steps.norm(dim=1, keepdim=True)
    random, _ = along_it(way[0] + steps)
    return {
        "path_barrier": barrier(losses),
        "line_barrier": barrier(straight),
        "path_error": barrier(errors),
        "line_error": barrier(wrong),
        "random": float(random.mean() - losses[0]),
    }


def plane(
    organism: Organism, minima: Sequence[Tensor], task: Task, side: int = 21, margin: float = 0.3
) -> pd.DataFrame:
    """Loss and error on the plane through three minima ``(N,)``.

    Args:
        organism: A single one, whose body answers.
        minima: Three, not on a line.
        task: Its test data.
        side: Points along each axis.
        margin: By how much of their extent the plane goes beyond them.

    Returns:
        Columns Kind (``grid`` or ``minimum``), X, Y (float; in the length of weights, the first minimum at 0, 0),
        Loss, Score.

    Raises:
        NotApplicableError: They are not three, or on a line.
    """
    if len(minima) != 3:
        raise NotApplicableError(f"a plane goes through three minima; here are {len(minima)}")
    a, b, c = (one.double() for one in minima)
    along_x = (b - a) / (b - a).norm().clamp(min=1e-300)
    rest = (c - a) - ((c - a) @ along_x) * along_x
    if not float(rest.norm()) > 1e-6 * float((c - a).norm()):
        raise NotApplicableError("the three minima are on a line: there is no plane of them alone")
    along_y = rest / rest.norm()
    places = [(float((one - a) @ along_x), float((one - a) @ along_y)) for one in (a, b, c)]
    axes = []
    for own in zip(*places, strict=True):
        width = max(own) - min(own)
        axes.append(np.linspace(min(own) - margin * width, max(own) + margin * width, side))
    grid = [(x, y) for y in axes[1] for x in axes[0]]
    every = [*grid, *places]
    points = torch.stack([a + x * along_x + y * along_y for x, y in every]).to(minima[0])
    losses, scores = evaluate(organism, points, task)
    kinds = ["grid"] * len(grid) + ["minimum"] * 3
    xs, ys = zip(*every, strict=True)
    return pd.DataFrame({"Kind": kinds, "X": xs, "Y": ys, "Loss": losses.cpu(), "Score": scores.cpu()})
