"""Usefulness: what does a network lose when a unit, a particle, a layer or all particles of a type are switched off?

Usefulness is the loss without it minus the loss with it, over fixed examples, as in evaluation: positive where it
helps. It is the mean of a difference for each example, so its error is that of paired differences, much smaller than
that of either loss. Of units only hidden ones are asked: an output is what is judged.

What is switched off is worth zero. Other layers make up for some of it, so that usefulness is a lower bound of how much
of the network goes through a unit; and where a residual link passes a signal on, only what the unit adds to it is lost.
(A. Morcos et al., arXiv 1803.06959: setting to zero hurts less than clamping to the mean.)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from srnn.analysis.dropping import input_activity
from srnn.analysis.many import Per, evaluate
from srnn.analysis.thinning import signals
from srnn.bodies.mlp import MLP
from srnn.errors import NotApplicableError
from srnn.fixpoints import FixpointType, classify
from srnn.organism import Organism
from srnn.particle import replication_loss
from srnn.tasks import Task

Of = Literal["unit", "particle", "layer", "type"]
Data = Literal["test", "train"]
#: Over how many examples, the first ones.
EXAMPLES: Final = 1000
#: What a unit can be: no loss changes, to the bit; it changes within what the examples leave open; it helps; it harms.
STATES: Final = ("dead", "unclear", "useful", "harmful")
#: Beyond so many errors a change is one: those of 95 %.
_CLEAR: Final = 1.96
#: Numbers that masks of a block hold together.
_BLOCK: Final = 2**22


@torch.no_grad()
def usefulness(
    organism: Organism, task: Task, of: Of = "unit", data: Data = "test", examples: int = EXAMPLES
) -> pd.DataFrame:
    """What is lost without each unit, particle, layer or type.

    Args:
        organism: A single one; it is not changed. For units its body is an MLP made of particles alone.
        task: Its task.
        of: What is switched off, one at a time.
        data: On which examples: ``test`` for what is reported, ``train`` for whatever is decided by it.
        examples: How many of them, the first ones; all if there are fewer.

    Returns:
        A row for each, in the order of the layers:

        - Layer (str), Name (str): where it is and what it is called: ``L0_C3`` a unit (layer and cell), ``L0_C3_W1`` a
          particle, ``L0`` a layer, ``identity`` a type. Of (str): as asked.
        - Loss change, Loss SE (float): the mean loss without it minus that with it, in nats (of a regression squared
          error), and its standard error over the examples.
        - Metric (str), Score change, Score SE (float): likewise of ``accuracy``, with it minus without it, or of
          ``mae``, without it minus with it: positive is useful.
        - State (str): one of :data:`STATES`, by the loss.

    Raises:
        NotApplicableError: Units of another body than an MLP, or types of plain numbers.

    Example:
        >>> frame = usefulness(run.organism(), task)  # doctest: +SKIP
        >>> frame.nlargest(5, "Loss change")[["Name", "Loss change", "State"]]  # doctest: +SKIP
    """
    named, chosen = _cases(organism, of)
    seen = _first(task, data, examples)
    worth = organism.worth()
    losses, scores = (found.cpu().numpy() for found in evaluate(organism, worth[None], seen, "example"))
    sign = 1 if task.metric == "accuracy" else -1
    parts = []
    for dropped in chosen.split(max(1, _BLOCK // organism.size)):
        without = [one.cpu().numpy() for one in evaluate(organism, worth.masked_fill(dropped, 0), seen, "example")]
        changed = np.subtract(without[0], losses, dtype=np.float64)
        gained = np.subtract(scores, without[1], dtype=np.float64)
        parts.append(_told(changed, sign * gained))
    frame = pd.concat([named, pd.concat(parts, ignore_index=True)], axis=1)
    frame.insert(5, "Metric", task.metric)
    return frame


def film(organisms: Iterable[tuple[int, Organism]], task: Task, of: Of = "unit", data: Data = "test") -> pd.DataFrame:
    """Usefulness while a network learns.

    Args:
        organisms: Epochs, and the organism as it was after each.
        task: As for :func:`usefulness`; so are the others.

    Returns:
        As :func:`usefulness`, with a column Epoch (int) before.

    Raises:
        NotApplicableError: No epoch was logged, or as there.
    """
    frames = [usefulness(organism, task, of, data).assign(Epoch=epoch) for epoch, organism in organisms]
    if not frames:
        raise NotApplicableError("no epoch was logged: this run was stopped before it logged anything")
    every = pd.concat(frames, ignore_index=True)
    return every[["Epoch", *every.columns.drop("Epoch")]]


@torch.no_grad()
def by_class(organism: Organism, task: Task, data: Data = "test", examples: int = EXAMPLES) -> pd.DataFrame:
    """Usefulness of each hidden unit for each class alone: one that hardly matters in all may matter for one.

    Args:
        organism: As for :func:`usefulness`; so are the others.
        task: A classification.

    Returns:
        Columns Layer, Name, Class (int), Examples (int: how many are of it), Loss change and Score change (float, means
        over those; their mean over the classes, weighted by Examples, is that of :func:`usefulness`).

    Raises:
        NotApplicableError: It is a regression, or as for :func:`usefulness`.
    """
    if task.kind != "classification":
        raise NotApplicableError("a regression has no classes")
    seen = _first(task, data, examples)
    named, losses, scores = _without_each_unit(organism, seen, "output")
    count = np.bincount(seen.test_y.cpu().numpy(), minlength=task.outputs)
    units = named[["Layer", "Name"]].loc[named.index.repeat(task.outputs)].reset_index(drop=True)
    frame: pd.DataFrame = units.assign(
        **{
            "Class": np.tile(np.arange(task.outputs), len(named)),
            "Examples": np.tile(count, len(named)),
            "Loss change": (losses[1:] - losses[:1]).ravel(),
            "Score change": (scores[:1] - scores[1:]).ravel(),
        }
    )
    return frame


@torch.no_grad()
def by_image(organism: Organism, task: Task, data: Data = "test", examples: int = EXAMPLES) -> pd.DataFrame:
    """On how many units of each layer the right answer to an example hangs: its degree in a graph of two sides.

    A unit and an example are joined where the answer is right with the unit and wrong without it.

    Returns:
        Columns Layer, Degree (int: so many units of the layer, one at a time), Examples (int: that many are joined with
        so many; all degrees that occur), of the examples that are answered rightly.

    Raises:
        NotApplicableError: It is a regression, or as for :func:`usefulness`.
    """
    if task.kind != "classification":
        raise NotApplicableError("a regression has no right answers")
    named, _, scores = _without_each_unit(organism, _first(task, data, examples), "example")
    right, without = scores[:1] == 1, scores[1:] == 1
    joined = pd.DataFrame(right & ~without).groupby(named["Layer"], sort=False).sum().loc[:, right[0]]
    parts = [
        row.value_counts().sort_index().rename_axis("Degree").rename("Examples").reset_index().assign(Layer=layer)
        for layer, row in joined.iterrows()
    ]
    found: pd.DataFrame = pd.concat(parts, ignore_index=True)
    return found[["Layer", "Degree", "Examples"]]


def _without_each_unit(
    organism: Organism, task: Task, per: Per
) -> tuple[pd.DataFrame, NDArray[np.float64], NDArray[np.float64]]:
    """The hidden units, and losses and scores with all of them, first, and without each, ``(1 + units, …)``."""
    named, chosen = _cases(organism, "unit")
    worth = organism.worth()
    every = torch.cat([worth[None], worth.masked_fill(chosen, 0)])
    losses, scores = (found.double().cpu().numpy() for found in evaluate(organism, every, task, per))
    return named, losses, scores


@torch.no_grad()
def properties(organism: Organism, task: Task, of: Literal["unit", "particle"] = "unit") -> pd.DataFrame:
    """What usefulness may hang together with, of each unit or particle, over the training data.

    Args:
        organism: A single one whose body is an MLP made of particles alone.
        task: Its task.
        of: Of what.

    Returns:
        Columns Layer, Name and,

        - of units: Activity (mean \\|what it puts out\\|), Selectivity ((μ_max − μ_rest) / (μ_max + μ_rest) of its mean
          \\|activity\\| for the class where it is largest and for all others; NaN of a regression), Weights in and
          Weights out (Euclidean norms of its effective weights), Input activity (mean \\|input\\|, over its weights);
        - of particles: Input activity, Effective weight;
        - of particles, or their mean over those that enter a unit (not of plain numbers): Zero, Identity (share) and
          Replication loss.
    """
    named, _ = _cases(organism, of)
    activity = input_activity(organism, task.train_x)
    assert activity is not None, "an MLP of particles alone"
    worth = organism.worth()
    numbers = {"Input activity": activity, "Effective weight": worth}
    if organism.particle.has_types:
        types = classify(organism.weights, organism.replicator)
        numbers["Zero"] = (types == FixpointType.ZERO).float()
        numbers["Identity"] = (types == FixpointType.IDENTITY).float()
        numbers["Replication loss"] = replication_loss(organism.weights, organism.replicator)
    if of == "particle":
        return named[["Layer", "Name"]].assign(**{name: one.double().cpu().numpy() for name, one in numbers.items()})

    weights = organism.in_shape(numbers.pop("Effective weight"))
    means = {
        name: np.concatenate([one.mean(1).double().cpu().numpy() for one in organism.in_shape(values)[:-1]])
        for name, values in numbers.items()
    }
    outputs = [signal.abs() for signal in signals(organism, task.train_x)[1:-1]]
    return named[["Layer", "Name"]].assign(
        **{
            "Activity": _joined([signal.mean(0) for signal in outputs]),
            "Selectivity": _joined([_selectivity(signal, task) for signal in outputs]),
            "Weights in": _joined([weight.norm(dim=1) for weight in weights[:-1]]),
            "Weights out": _joined([weight.norm(dim=0) for weight in weights[1:]]),
        },
        **means,
    )


def _cases(organism: Organism, of: Of) -> tuple[pd.DataFrame, Tensor]:
    """What is switched off, one row each (Layer, Name, Of), and which particles that are, bool ``(A, N)``."""
    if organism.copies > 1:
        raise NotApplicableError("usefulness is of a single organism")
    places = torch.arange(organism.size, device=organism.weights.device)
    if of == "particle":
        layers = [layer for layer, columns in organism.layers.items() for _ in range(columns.stop - columns.start)]
        rows = [*zip(layers, organism.names, strict=True)]
        chosen = places[:, None] == places
    elif of == "layer":
        rows = [(layer, layer) for layer in organism.layers]
        ends = torch.tensor([(own.start, own.stop) for own in organism.layers.values()], device=places.device)
        chosen = (places >= ends[:, :1]) & (places < ends[:, 1:])
    elif of == "type":
        if not organism.particle.has_types:
            raise NotApplicableError("plain numbers have no types")
        types = classify(organism.weights, organism.replicator)
        found = [kind for kind in FixpointType if (types == kind).any()]
        rows = [("total", kind.label) for kind in found]
        chosen = torch.stack([types == kind for kind in found])
    else:
        rows, chosen = unit_masks(organism)
    return pd.DataFrame(rows, columns=["Layer", "Name"]).assign(Of=of), chosen


def unit_masks(organism: Organism) -> tuple[list[tuple[str, str]], Tensor]:
    """The hidden units, layer and name of each, and the particles that are them, bool ``(units, N)``.

    Those that enter it or, where a unit that nothing enters is not silent, leave it.

    Raises:
        NotApplicableError: Units are not known of the body, or it has no hidden ones.
    """
    body = organism.body
    if not isinstance(body, MLP) or len(organism.shapes) != len(body.sources):
        raise NotApplicableError("units are known of an MLP made of particles alone")
    silent = bool(body.activation(torch.zeros(())) == 0)
    numbers = organism.in_shape(torch.arange(organism.size, device=organism.weights.device))
    rows, chosen = [], []
    for index, (layer, entering) in enumerate([*zip(organism.layers, numbers, strict=True)][:-1]):
        lines = entering if silent else numbers[index + 1].mT
        rows += [(layer, f"{layer}_C{cell}") for cell in range(len(lines))]
        chosen.append(lines)
    masks = torch.zeros(len(rows), organism.size, dtype=torch.bool, device=organism.weights.device)
    start = 0
    for lines in chosen:
        masks[start : start + len(lines)].scatter_(1, lines, True)
        start += len(lines)
    if not rows:
        raise NotApplicableError("a network of a single layer has no hidden units")
    return rows, masks


def halves(task: Task) -> tuple[Task, Task]:
    """The task with every second of its first :data:`EXAMPLES` test examples as its test data, and with the others."""
    x, y = task.test_x[:EXAMPLES], task.test_y[:EXAMPLES]
    one, two = (replace(task, test_x=x[half::2], test_y=y[half::2]) for half in (0, 1))
    return one, two


def _first(task: Task, data: Data, examples: int) -> Task:
    """The task with the examples that are asked as its test data."""
    x, y = (task.test_x, task.test_y) if data == "test" else (task.train_x, task.train_y)
    return replace(task, test_x=x[:examples], test_y=y[:examples])


def _told(changed: NDArray[np.float64], gained: NDArray[np.float64]) -> pd.DataFrame:
    """Changes of each example ``(A, rows)``, in a row for each case."""
    loss, score = _mean_and_error(changed), _mean_and_error(gained)
    sides = np.where(loss[0] > 0, "useful", "harmful")
    state = np.where(np.abs(loss[0]) > _CLEAR * loss[1], sides, "unclear")
    state[~changed.any(1)] = "dead"
    names = ("Loss change", "Loss SE", "Score change", "Score SE")
    return pd.DataFrame({**dict(zip(names, (*loss, *score), strict=True)), "State": state})


def _mean_and_error(changes: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The mean of each row and its standard error: of r losses and w gains among B, √(r + w − (r − w)² / B) / B."""
    rows, mean = changes.shape[1], changes.mean(1)
    squares = np.einsum("ab,ab->a", changes, changes) / rows
    return mean, np.sqrt(np.maximum(squares - mean**2, 0) / rows)


def _selectivity(outputs: Tensor, task: Task) -> Tensor:
    if task.kind != "classification":
        return torch.full((outputs.shape[1],), torch.nan)
    sums = torch.zeros(task.outputs, outputs.shape[1], device=outputs.device).index_add_(0, task.train_y, outputs)
    counts = torch.bincount(task.train_y, minlength=task.outputs)[:, None]
    largest, best = (sums / counts).nan_to_num(-torch.inf).max(0)
    rest = (sums.sum(0) - sums.gather(0, best[None])[0]) / (len(outputs) - counts[best, 0])
    return (largest - rest) / (largest + rest)


def _joined(parts: Iterable[Tensor]) -> NDArray[np.float64]:
    return torch.cat([*parts]).double().cpu().numpy()


def states(frame: pd.DataFrame) -> pd.DataFrame:
    """The share of units in each state, per layer (and epoch and seed where there are several).

    Returns:
        Columns Seed and Epoch (those that ``frame`` has), Layer, State, Share (float).
    """
    keys = [name for name in ("Seed", "Epoch", "Layer") if name in frame]
    shares = frame.groupby(keys, sort=False)["State"].value_counts(normalize=True).unstack(fill_value=0)
    every = shares.reindex(columns=list(STATES), fill_value=0.0).reset_index()
    return every.melt(keys, list(STATES), "State", "Share")
