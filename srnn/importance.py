"""Importance: what each weight of a body is worth keeping for, and which are kept at a density.

A score is a number for each effective weight of one organism, ``(N,)``, larger = keep; it is asked of plain numbers and
of particles alike. :func:`keep` takes exactly as many as a density says, so that scores can be compared at equal
sparsity::

    kept = keep(score("lamp", organism, task), 0.1, organism.layers, worth=organism.worth())

Biases and norms have no score: they are never dropped, and do not count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final, get_args

import torch
from torch import Tensor

from srnn.bodies.mlp import MLP
from srnn.choices import Scope, Score
from srnn.errors import NotApplicableError, UserError, nearest, shorten
from srnn.fixpoints import FixpointType, classify
from srnn.organism import Organism
from srnn.particle import self_output
from srnn.tasks import Task

#: Examples of which the diagonal Fisher information is the mean.
FISHER_EXAMPLES: Final = 1_000
#: An input that is not zero in less than this share of the training examples is quiet.
QUIET: Final = 0.01
#: Examples whose gradient is computed at once.
_ROWS = 1_000


# -- which are kept ---------------------------------------------------------------------------------------------------


def ranking(score: Tensor, worth: Tensor) -> Tensor:
    """The places of the weights, from the one most worth keeping to the least, int64 ``(N,)``.

    Those of equal score are ordered by the modulus of what they are worth, then by their place. NaN, as of a particle
    that diverged, comes first: it is dropped last.

    Args:
        score: ``(N,)``, larger = keep.
        worth: The effective weights, ``(N,)``.
    """
    order = worth.detach().abs().argsort(descending=True, stable=True)
    return order[score.detach()[order].argsort(descending=True, stable=True)]


def keep(
    score: Tensor,
    density: float | Sequence[float],
    layers: Mapping[str, slice],
    scope: Scope = "global",
    *,
    worth: Tensor,
    dropped: Tensor | None = None,
) -> Tensor:
    """Which weights are kept at a density: exactly ``round(density · N)`` of them, those of the highest scores.

    Never by a threshold, which takes one too many or too few, and none or all of those that are equal.

    Args:
        score: ``(N,)``, larger = keep.
        density: Share of the weights that is kept, from 0 to 1; with scope ``layer`` also one for each layer.
        layers: Each layer's slice of the weights, as :attr:`srnn.Organism.layers` has them.
        scope: One ranking of all weights (``global``), or one in each layer, of which that share is kept (``layer``).
        worth: The effective weights ``(N,)``, which decide between equal scores (:func:`ranking`).
        dropped: Those that are dropped already, bool ``(N,)``: they stay so, and only the others are ranked. The
            density is still that of all N.

    Returns:
        bool ``(N,)``.

    Raises:
        UserError: The density is not from 0 to 1, there is no such scope, or more are to be kept than are left.
        ValueError: There is not one density for each layer, or several of a global ranking.

    Example:
        >>> keep(torch.tensor([0.1, 0.4, 0.3, 0.2]), 0.5, {"L0": slice(0, 4)}, worth=torch.ones(4))
        tensor([False,  True,  True, False])
    """
    if scope not in get_args(Scope):
        known = get_args(Scope)
        raise UserError(f"scope is {shorten(repr(scope))}; allowed: {', '.join(known)}{nearest(str(scope), known)}")
    parts = [slice(0, len(score))] if scope == "global" else [*layers.values()]
    densities = [density] * len(parts) if isinstance(density, int | float) else [*density]
    kept = torch.zeros_like(score, dtype=torch.bool)
    for part, share in zip(parts, densities, strict=True):
        order = ranking(score[part], worth[part])
        if dropped is not None:
            order = order[~dropped[part][order]]
        kept[part][order[: _count(share, part.stop - part.start, len(order))]] = True
    return kept


def _count(density: float, of: int, left: int) -> int:
    if not 0 <= density <= 1:
        raise UserError(f"density is {density}; allowed: a number from 0 to 1, the share of the weights that is kept")
    if (count := round(density * of)) > left:
        raise UserError(
            f"density is {density:g}, which are {count:,} of {of:,} weights, and only {left:,} are left: choose a "
            "smaller one"
        )
    return count


def shuffled(kept: Tensor, layers: Mapping[str, slice], generator: torch.Generator) -> Tensor:
    """As many as are kept in each layer, at random: what a choice is worth beyond the sizes of its layers.

    Args:
        kept: bool ``(N,)``.
        layers: As for :func:`keep`.
        generator: Where the permutations are drawn from, on the CPU.
    """
    mixed = kept.clone()
    for part in layers.values():
        mixed[part] = kept[part][torch.randperm(part.stop - part.start, generator=generator).to(kept.device)]
    return mixed


# -- units instead of weights -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stream:
    """Hidden units that go together: signals of an MLP that residual links add to one another.

    Attributes:
        size: How many units.
        entered: The layers whose rows lead into them.
        left: The layers whose columns lead out of them.
    """

    size: int
    entered: tuple[int, ...]
    left: tuple[int, ...]

    def sums(self, values: Sequence[Tensor]) -> Tensor:
        """The sum over the weights into and out of each unit, ``(size,)``, of values in the body's shapes."""
        into = sum(values[layer].sum(1) for layer in self.entered)
        return into + sum(values[layer].sum(0) for layer in self.left)  # type: ignore[return-value]


def streams(body: MLP) -> list[Stream]:
    """The units of an MLP that can be dropped: hidden ones, those of a residual stream as one.

    To clear a row alone would leave the signal passing that a residual link adds. Units of a stream that is put out
    cannot be dropped.
    """
    group = [*range(len(body.sizes))]
    for layer, source in enumerate(body.sources):
        if source is not None:
            group = [group[source] if one == group[layer + 1] else one for one in group]
    found = []
    for name in dict.fromkeys(group[1:-1]):
        signals = [signal for signal, own in enumerate(group) if own == name]
        if len(body.sources) not in signals:
            entered = tuple(signal - 1 for signal in signals if signal > 0)
            found.append(Stream(body.sizes[signals[0]], entered, tuple(signals)))
    return found


def keep_units(
    score: Tensor, density: float, organism: Organism, scope: Scope = "global", dropped: Tensor | None = None
) -> Tensor:
    """Which weights are kept if units are dropped: exactly ``round(density · units)`` hidden ones are kept.

    A unit is worth what the weights into it and out of it are worth keeping for, together.

    Args:
        score: Of the weights, ``(N,)``, larger = keep.
        density: Share of the hidden units that is kept; how many weights that is depends on which they are.
        organism: A single one, whose body is an MLP.
        scope: One ranking of all units, or one in each layer; layers of a residual stream count as one.
        dropped: As for :func:`keep`; units of which nothing is left are dropped already.

    Returns:
        bool ``(N,)``.

    Raises:
        NotApplicableError: The body is another, or has no unit that can be dropped.
        UserError: As for :func:`keep`.
    """
    found = streams(organism.body) if _all_of_an_mlp(organism) else []  # type: ignore[arg-type]
    if not found:
        raise NotApplicableError("units are dropped of an MLP with hidden units that are not put out, and of no other")
    left = torch.ones_like(score, dtype=torch.bool) if dropped is None else ~dropped

    def of_units(values: Tensor) -> Tensor:
        return torch.cat([stream.sums(organism.in_shape(values.double())) for stream in found])

    ends = [0, *accumulate(stream.size for stream in found)]
    layers = {str(place): slice(*ends) for place, ends in enumerate(pairwise(ends))}
    worth = organism.worth().detach().abs()
    gone = of_units(left) == 0
    units = keep(of_units(score), density, layers, scope, worth=of_units(worth), dropped=gone)
    kept = left.clone()
    shaped = organism.in_shape(kept)
    for stream, part in zip(found, layers.values(), strict=True):
        for layer in stream.entered:
            shaped[layer][~units[part]] = False
        for layer in stream.left:
            shaped[layer][:, ~units[part]] = False
    return kept


def _all_of_an_mlp(organism: Organism) -> bool:
    """Whether the body is an MLP, all of whose weights are asked."""
    return isinstance(organism.body, MLP) and len(organism.shapes) == len(organism.body.sources)


# -- scores, each of weights ``(N,)`` ---------------------------------------------------------------------------------


def magnitude(worth: Tensor) -> Tensor:
    """How large a weight is, ``|w|``."""
    return worth.abs()


def magnitude_increase(worth: Tensor, birth: Tensor) -> Tensor:
    """By how much it has grown since ``birth``, ``|w| − |w₀|`` (Zhou et al. 2019)."""
    return worth.abs() - birth.abs()


def movement(worth: Tensor, birth: Tensor) -> Tensor:
    """How far it has come from ``birth``, ``|w − w₀|`` (Zhou et al. 2019)."""
    return (worth - birth).abs()


def lamp(worth: Tensor, layers: Mapping[str, slice]) -> Tensor:
    """Its share of its layer without those that are smaller, ``w² / Σ v²`` over ``|v| ≥ |w|`` (Lee et al. 2021).

    So one ranking of all layers leaves each of them its largest weight.
    """
    scores = torch.zeros_like(worth, dtype=torch.float64)
    for part in layers.values():
        squares = worth[part].double().square()
        ordered = squares.sort().values
        sums = ordered.flip(0).cumsum(0).flip(0)
        # Those of equal size have the same sum, from the first of them on.
        scores[part] = squares / sums[torch.searchsorted(ordered, squares)]
    return torch.where(worth == 0, 0.0, scores)


def snip(worth: Tensor, gradient: Tensor) -> Tensor:
    """How much the loss answers to a factor on it, ``|w ⊙ ∂L/∂w|`` (SNIP, Lee et al. 2019, if at birth)."""
    return (worth * gradient).abs()


def fisher(worth: Tensor, squared: Tensor) -> Tensor:
    """By how much the loss should rise without it, ``½ F w²`` with the diagonal Fisher information F (as OBD)."""
    return 0.5 * squared.double() * worth.double().square()


def random(worth: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """A number from 0 to 1 that knows nothing of it."""
    return torch.rand(len(worth), generator=generator, dtype=torch.float64).to(worth.device)


def quiet_inputs_first(organism: Organism, x: Tensor) -> Tensor:
    """0 of a weight on an input that is hardly ever not zero (:data:`QUIET`), 1 of all others.

    Args:
        organism: A single one, whose body is an MLP.
        x: The training examples, ``(n, inputs)``.
    """
    if not _all_of_an_mlp(organism):
        raise NotApplicableError("which weights are on quiet inputs is known of an MLP only")
    quiet = (x != 0).double().mean(0) < QUIET
    scores = organism.weights.new_ones(organism.size)
    organism.in_shape(scores)[0][:, quiet] = 0
    return scores


def replication_error(organism: Organism) -> Tensor:
    """How far a particle is from replicating itself, the largest ``|out − w|``: self-replicators are dropped first."""
    weights = organism.weights.detach()
    return (self_output(weights, organism.replicator) - weights).abs().amax(0)


def by_type(organism: Organism) -> Tensor:
    """0 of a zero fixpoint, 1 of a self-replicator, 2 of all others; of each the smallest are dropped first."""
    types = classify(organism.weights.detach(), organism.replicator)
    return torch.where(types == FixpointType.ZERO, 0.0, torch.where(types == FixpointType.IDENTITY, 1.0, 2.0))


# -- what they need ---------------------------------------------------------------------------------------------------


def gradient(organism: Organism, task: Task) -> Tensor:
    """The gradient of the mean loss over the whole training data at the effective weights, ``(N,)``."""
    total = torch.zeros_like(organism.worth())
    for part in _gradients(organism, task, len(task.train_x), _ROWS):
        total += part
    return total / len(task.train_x)


def squared_gradients(organism: Organism, task: Task, examples: int = FISHER_EXAMPLES) -> Tensor:
    """The diagonal Fisher information: the mean squared gradient of single losses, ``(N,)``, of the first examples."""
    count = min(examples, len(task.train_x))
    total = torch.zeros_like(organism.worth())
    for one in _gradients(organism, task, count, 1):
        total += one.square()
    return total / count


def _gradients(organism: Organism, task: Task, examples: int, rows: int) -> Iterator[Tensor]:
    """The gradients of the summed losses of the first examples, so many at a time; in evaluation."""
    worth, training = organism.worth().detach(), organism.training
    organism.eval()
    try:
        for x, y in zip(task.train_x[:examples].split(rows), task.train_y[:examples].split(rows), strict=True):
            leaf = worth.clone().requires_grad_()
            task.loss(organism.call_with(leaf, x), y).sum().backward(inputs=[leaf])
            assert leaf.grad is not None
            yield leaf.grad
    finally:
        organism.train(training)


# -- by name ----------------------------------------------------------------------------------------------------------

#: The scores by which an organism can be pruned.
SCORES: Final[tuple[Score, ...]] = get_args(Score)


def score(
    name: Score,
    organism: Organism,
    task: Task,
    birth: Tensor | None = None,
    generator: torch.Generator | None = None,
    gate: Tensor | None = None,
) -> Tensor:
    """One of :data:`SCORES` of every effective weight, ``(N,)``, larger = keep.

    Args:
        name: Which.
        organism: A single one, as it is now; it is not changed. SNIP proper is asked of the newborn.
        task: Its task, of whose training data some scores are.
        birth: What its weights were worth at birth, ``(N,)``.
        generator: Where ``random`` is drawn from; without one, torch's global generator.
        gate: What its gates say each weight is worth keeping for, ``(N,)``: :meth:`srnn.Run.gate_score`.

    Raises:
        UserError: There is no such score.
        NotApplicableError: It cannot be asked of this organism: plain numbers have no type, and what was not kept
            cannot be compared with.
    """
    if name not in SCORES:
        raise UserError(f"score is {shorten(repr(name))}; allowed: {', '.join(SCORES)}{nearest(str(name), SCORES)}")
    worth = organism.worth().detach()

    def born() -> Tensor:
        if birth is None:
            raise NotApplicableError(f"{name}: what the weights were worth at birth is not known")
        return birth

    def of_gates() -> Tensor:
        if gate is None:
            raise NotApplicableError(
                "gate: it has no gates, or of several kinds, and so no score of theirs: take another"
            )
        return gate

    scores: dict[str, Callable[[], Tensor]] = {
        "magnitude": lambda: magnitude(worth),
        "magnitude_increase": lambda: magnitude_increase(worth, born()),
        "movement": lambda: movement(worth, born()),
        "lamp": lambda: lamp(worth, organism.layers),
        "snip": lambda: snip(worth, gradient(organism, task)),
        "fisher": lambda: fisher(worth, squared_gradients(organism, task)),
        "random": lambda: random(worth, generator),
        "quiet_inputs": lambda: quiet_inputs_first(organism, task.train_x),
        "replication": lambda: replication_error(organism),
        "type": lambda: by_type(organism),
        "gate": of_gates,
    }
    return scores[name]()
