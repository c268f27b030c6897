"""Weight transfer: is the organism really a plain dense network, and what are its particles worth as numbers?

A particle is worth one number as a weight (its effective weight, the published gnf(1)). So an organism must answer as
its dense copy does, and as its particles do when each of them computes its own product.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from srnn.bodies.mlp import MLP
from srnn.fixpoints import FixpointType, classify
from srnn.organism import Organism
from srnn.particle import INPUTS, Particle, matrices
from srnn.tasks import Task

#: Ends of the histogram's bins of |weight|: four to each power of ten, and what is smaller or larger.
BINS = np.concatenate([[0.0], 10.0 ** (np.arange(-16, 5) / 4), [np.inf]])
_QUANTILES = {"Smallest": 0.0, "5 %": 0.05, "25 %": 0.25, "Median": 0.5, "75 %": 0.75, "95 %": 0.95, "Largest": 1.0}
#: Numbers that the particles' hidden units may take up at a time.
_AT_ONCE = 4_000_000


@torch.no_grad()
def transfer(organism: Organism, task: Task, examples: int = 1_000) -> pd.DataFrame:
    """Compare the organism's answers to test data with those of its dense copy and of its particles one by one.

    Args:
        organism: A single one.
        task: Its task.
        examples: How many test examples every particle is fed; its dense copy answers all of them.

    Returns:
        A row for the copy ``dense`` (:meth:`srnn.Organism.to_dense`) and, if the body is an :class:`srnn.MLP` made of
        particles, one for ``particles`` (:func:`through_particles`, in double precision):

        - Copy (str), Examples (int), Metric (str).
        - Organism, Copied (float): the metric of either on these examples; Equal (bool): whether they agree.
        - Largest output, Largest difference (float): over all outputs and examples, absolute.
        - Relative difference (float): the largest difference over the largest output.

    Example:
        >>> transfer(run.organism(), task)[["Copy", "Relative difference", "Equal"]]  # doctest: +SKIP
    """
    organism = copy.deepcopy(organism).eval()
    answer = organism(task.test_x)
    copies = {"dense": organism.to_dense().eval()(task.test_x)}
    if isinstance(organism.body, MLP) and organism.particle.has_types:
        copies["particles"] = through_particles(organism, task.test_x[:examples])
    rows = []
    for name, output in copies.items():
        own, y = answer[: len(output)], task.test_y[: len(output)]
        scores = [float(task.score(one, y).mean()) for one in (own, output.to(own))]
        largest, difference = float(own.abs().max()), float((own.to(output) - output).abs().max())
        relative = difference / largest if difference else difference
        rows.append((name, len(output), task.metric, *scores, scores[0] == scores[1], largest, difference, relative))
    columns = ["Copy", "Examples", "Metric", "Organism", "Copied", "Equal"]
    return pd.DataFrame(rows, columns=[*columns, "Largest output", "Largest difference", "Relative difference"])


@torch.no_grad()
def through_particles(organism: Organism, x: Tensor) -> Tensor:
    """The organism's answer ``(n, outputs)`` to ``x (n, inputs)``, every particle computing for itself.

    Each particle is fed ``(0, 0, 0, 0, signal)`` through its own three matrices; a unit sums the answers of its
    particles. Effective weights do not occur, so that this checks what they claim. In double precision.

    Raises:
        TypeError: The body is not an :class:`srnn.MLP`.
    """
    body = organism.body
    if not isinstance(body, MLP):
        raise TypeError(f"the body is a {type(body).__name__}; only an MLP's layers are known here")
    chunk = max(1, _AT_ONCE // (organism.size * max(INPUTS, organism.replicator.hidden)))
    swarms = [organism.weights[:, particles].double() for particles in organism.layers.values()]
    gates = organism.in_shape(organism.gated(torch.ones_like(organism.weights[0])))
    answers = []
    for part in x.double().split(chunk):
        signals = [part]
        for index, (weights, shape) in enumerate(zip(swarms, organism.shapes, strict=True)):
            signal = _layer(weights, organism.replicator, shape, signals[-1], gates[index])
            signal = body.activation(signal) if index < len(swarms) - 1 else signal
            if (source := body.sources[index]) is not None:
                signal = signal + signals[source]
            signals.append(signal)
        answers.append(signals[-1])
    return torch.cat(answers)


def _layer(weights: Tensor, particle: Particle, shape: torch.Size, signal: Tensor, gates: Tensor) -> Tensor:
    """Answers ``(n, cells)`` of a layer of particles ``weights (P, cells · inputs)`` to ``signal (n, inputs)``."""
    W1, W2, W3 = (
        matrix.unflatten(-1, tuple(shape)).movedim((-2, -1), (0, 1)) for matrix in matrices(weights, particle)
    )
    fed = signal.new_zeros(shape[1], len(signal), INPUTS)
    fed[..., 4] = signal.T
    hidden = fed @ W1.mT @ W2.mT  # (cells, inputs, n, H)
    answer: Tensor = ((hidden @ W3[..., None]).squeeze(-1) * gates[..., None]).sum(1).T
    return answer


def weight_distribution(organism: Organism, dense: nn.Module | None = None) -> pd.DataFrame:
    """What the particles of each type are worth as weights, beside the weights of a dense network.

    Of an organism without types there are all weights together.

    Args:
        organism: A single one.
        dense: A network of the same body, such as one trained directly (:func:`srnn.analysis.baselines.dense_body`).

    Returns:
        A row for each scope (``total``, ``L0`` …) and type that occurs there: Scope (str), Network (str: ``organism``
        or ``dense``), Type (str: a fixpoint type; ``all`` for all of a network's weights), Count (int), Mean, Deviation
        (the standard deviation), Magnitude (the mean of the absolute weights), Below 0.001 (the share of absolute
        weights below that), and the quantiles Smallest, 5 %, 25 %, Median, 75 %, 95 %, Largest of the weights (float).

    Example:
        >>> weight_distribution(run.organism()).query("Scope == 'total'")  # doctest: +SKIP
    """
    rows = []
    for scope, network, kind, values in _groups(organism, dense):
        if len(values):
            quantiles = np.quantile(values, list(_QUANTILES.values()))
            size = np.abs(values)
            moments = (values.mean(), values.std(), size.mean(), (size < 1e-3).mean())
            rows.append((scope, network, kind, len(values), *moments, *quantiles))
    columns = ["Scope", "Network", "Type", "Count", "Mean", "Deviation", "Magnitude", "Below 0.001", *_QUANTILES]
    return pd.DataFrame(rows, columns=columns)


def weight_histogram(organism: Organism, dense: nn.Module | None = None) -> pd.DataFrame:
    """How many particles of each type are worth how much, beside the weights of a dense network.

    Args:
        organism: A single one.
        dense: As for :func:`weight_distribution`.

    Returns:
        Columns Scope, Network, Type (str) as in :func:`weight_distribution`, From, To (float: the absolute weight is
        from From to below To, four bins to each power of ten from 1e-4 to 10) and Count (int). All types and bins
        have their row, so that seeds can be averaged. A NaN is in no bin.

    Example:
        >>> save(plots.transfer.weights(weight_histogram(run.organism())), "weights.png")  # doctest: +SKIP
    """
    frames = []
    for scope, network, kind, values in _groups(organism, dense):
        counts, _ = np.histogram(np.abs(values), BINS)
        frame = pd.DataFrame({"From": BINS[:-1], "To": BINS[1:], "Count": counts})
        frame.insert(0, "Scope", scope)
        frame.insert(1, "Network", network)
        frame.insert(2, "Type", kind)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def _groups(organism: Organism, dense: nn.Module | None) -> Iterator[tuple[str, str, str, np.ndarray]]:
    """Scope, network, type and the weights that are so."""
    own, kinds = organism.worth().cpu().double().numpy(), dict[str, np.ndarray]()
    if organism.particle.has_types:
        types = classify(organism.weights, organism.replicator).cpu().numpy()
        kinds = {kind.label: types == kind for kind in FixpointType}
    others = None
    if dense is not None:
        tensors = [weight.detach() for weight in dense.parameters() if weight.ndim >= 2]
        if [tensor.shape for tensor in tensors] != organism.shapes:
            shapes = [tuple(tensor.shape) for tensor in tensors]
            raise ValueError(f"the dense network has weights {shapes}; needed: {[*map(tuple, organism.shapes)]}")
        others = torch.cat([tensor.flatten() for tensor in tensors]).cpu().double().numpy()
    for scope, particles in {"total": slice(None), **organism.layers}.items():
        for label, chosen in kinds.items():
            yield scope, "organism", label, own[particles][chosen[particles]]
        yield scope, "organism", "all", own[particles]
        if others is not None:
            yield scope, "dense", "all", others[particles]
