"""What is measured: means over an epoch's batches, the metric on test data, the census."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from srnn.fixpoints import FixpointType, classify, counts
from srnn.methods.descent import Descent
from srnn.organism import Organism
from srnn.particle import Particle
from srnn.shown import Rows, Shown, figure
from srnn.tasks import Task
from srnn.training.learning import answers

#: Seeds of a report that are shown, and what is not: the numbers of single layers and classes.
_SEEDS, _IN_DETAIL = 8, re.compile(r"L\d+_|test_recall_\d")


@dataclass(frozen=True, repr=False)
class Report(Shown):
    """What was measured of some seeds after a number of epochs (0: before training).

    Attributes:
        epoch: Epochs trained.
        batch: Batches trained, over all epochs.
        scores: For each seed reported, by its place among the seeds of the training: metric → value. The losses and
            the training metric are means over the epoch's batches; ``replication_loss`` is the mean
            over the particles, ``replication_objective`` what is descended on, ``alpha · Σ`` over them; the others
            are measured after the epoch. With an exact method there is no such loss, but
            ``replication_error``: the largest deviation of any weight from its particle's output for it. With
            ``sgd`` there is a census at rest, too, after steps of replication alone: ``rest_identity`` and so on, and
            the metric on test data with the particles as they are then, ``rest_test_accuracy``.
        logged: Whether this is one of the epochs whose census, test metric and trajectory are recorded.
        stopped: Whether training of these seeds ended here because they diverged.
        ended: Whether it ended here because that is how long they were to be trained, if that is not said in epochs.
        diverged: What of a seed is not finite, in words, by its place; seeds that are well are left out.
    """

    epoch: int
    batch: int
    scores: dict[int, dict[str, float]]
    logged: bool
    stopped: bool = False
    diverged: Mapping[int, str] = field(default_factory=dict)
    ended: bool = False

    def _shown(self) -> tuple[str, Rows]:
        shown = list(self.scores)[:_SEEDS]
        names = dict.fromkeys(name for place in shown for name in self.scores[place] if not _IN_DETAIL.match(name))
        rows = [("place of the seed", *map(str, shown))] if len(self.scores) > 1 else []
        for name in names:
            rows.append((name, *(figure(self.scores[place].get(name, math.nan)) for place in shown)))
        title = f"epoch {self.epoch:,}, batch {self.batch:,}"
        if len(shown) < len(self.scores):
            title += f", {len(shown)} of {len(self.scores)} seeds"
        title += ", stopped" if self.stopped else ""
        title += "".join(f", {place} diverged: {what}" for place, what in self.diverged.items())
        return title, rows


@dataclass
class Sums:
    """Sums over the batches of an epoch, on the device, so that no batch waits for them.

    They are taken over a seed only in the end, one seed at a time: the order of the additions, and so the last bit,
    would depend on how many seeds there are.
    """

    #: Replication loss of each particle, ``(S · N,)``.
    replication: Tensor
    #: Task loss and score of each place in the batch, ``(S, B)``.
    task: Tensor
    score: Tensor
    batches: int = 0

    @classmethod
    def none(cls, organism: Organism, batch_size: int) -> Sums:
        """Those of no batch."""
        weights, examples = organism.weights.detach(), (organism.copies, batch_size)
        return cls(weights.new_zeros(weights.shape[1]), weights.new_zeros(examples), weights.new_zeros(examples))

    def means(self, organism: Organism, method: Descent, task: Task, place: int) -> dict[str, float]:
        """What they come to in one seed, by metric."""
        own = {}
        if method.replicating[place] and not method.exact:
            # numpy's sum of many numbers does not depend on the number of threads.
            total = self.replication[organism.columns(place)].cpu().numpy().sum(dtype=np.float64)
            own["replication_loss"] = float(total) / organism.size / self.batches
            own["replication_objective"] = method.replication.alpha * float(total) / self.batches
        own["task_loss"] = float(self.task[place].mean()) / self.batches
        own[f"train_{task.metric}"] = float(self.score[place].mean()) / self.batches
        return own


@torch.no_grad()
def measure(
    organism: Organism, method: Descent, task: Task, places: Collection[int], rest: int = 0
) -> dict[int, dict[str, float]]:
    """The metric on test and validation data, the task's probes, what the method says, and the census, by place.

    Args:
        organism: What is measured; it stays as it is.
        method: What moves its particles.
        task: Its task.
        places: The seeds.
        rest: Steps of replication alone before the census at rest, 0 for none.
    """
    organism.eval()
    scores = {}
    types = _types(organism, organism.weights.detach())
    rested = method.at_rest(rest) if rest else None
    if rested is not None:
        types_at_rest = _types(organism, rested)
        outputs_at_rest = answers(organism, organism.gated(_worth(organism, rested)), task.test_x)
    outputs = answers(organism, organism.worth(), task.test_x)
    validated = None if task.validation_x is None else answers(organism, organism.worth(), task.validation_x)
    probes = {name: answers(organism, organism.worth(), x[None]) for name, x in task.probes.items()}
    for place in places:
        own = {f"test_{name}": score for name, score in task.metrics(outputs[place], task.test_y).items()}
        if validated is not None and task.validation_y is not None:
            found = validation(task, validated[place], task.validation_y)
            own |= {f"validation_{name}": value for name, value in found.items()}
        own |= {name: float(output[place].flatten()[0]) for name, output in probes.items()}
        own |= method.measure(place)
        if organism.opened is not None:
            own["open_gates"] = float((organism.opened[organism.columns(place)] != 0).double().mean())
        if types is not None:
            own |= _counts(types[organism.columns(place)], organism.layers)
        if rested is not None and types_at_rest is not None and method.replicating[place]:
            resting = _counts(types_at_rest[organism.columns(place)], {})
            own |= {f"rest_{kind}": count for kind, count in resting.items()}
            own[f"rest_test_{task.metric}"] = task.metrics(outputs_at_rest[place], task.test_y)[task.metric]
        scores[place] = own
    organism.train()
    return scores


def kept_and_left(
    losses: Tensor, scores: Tensor, kept: Tensor, metric: str, frozen: Tensor | None = None
) -> dict[str, float]:
    """How many training examples are kept by a focus and how many left out, how each are answered, what is frozen.

    Args:
        losses: Of each example, ``(n,)``.
        scores: Likewise.
        kept: bool ``(n,)``.
        metric: What the scores are.
        frozen: The particles that stay as they are, bool ``(N,)``; None for none.
    """
    found = {"frozen": 0.0 if frozen is None else float(frozen.double().mean())}
    for name, own in (("kept", kept), ("left", ~kept)):
        found[f"{name}_examples"] = float(own.sum())
        if own.any():
            found[f"{name}_loss"] = float(losses.cpu()[own].double().mean())
            found[f"{name}_{metric}"] = float(scores.cpu()[own].double().mean())
    return found


def validation(task: Task, output: Tensor, y: Tensor) -> dict[str, float]:
    """The mean ``loss`` and the metric on validation data, of one seed."""
    means = {"loss": task.loss(output, y), task.metric: task.score(output, y)}
    # numpy's sum of many numbers does not depend on the number of threads.
    return {str(name): float(each.cpu().numpy().mean(dtype=np.float64)) for name, each in means.items()}


def densities(organism: Organism, dropped: Tensor | None, place: int) -> dict[str, float]:
    """The share of one seed's weights that is not dropped, of all and in each layer, and layers that have none left.

    Args:
        organism: Whose.
        dropped: Which are, bool ``(S · N,)``; None for none.
        place: The seed.
    """
    if dropped is None:
        return {}
    kept = (~dropped[organism.columns(place)]).double()
    layers = {layer: float(kept[part].mean()) for layer, part in organism.layers.items()}
    empty = float(sum(density == 0 for density in layers.values()))
    own = {f"{layer}_density": density for layer, density in layers.items()}
    return {"density": float(kept.mean()), **own, "collapsed_layers": empty}


def _types(organism: Organism, weights: Tensor) -> Tensor | None:
    """The type of each particle, ``(S · N,)``; None of what has none."""
    particle = organism.particle
    if not isinstance(particle, Particle):
        return None
    return organism.on(range(organism.copies), lambda weights: classify(weights, particle), weights)


def _worth(organism: Organism, weights: Tensor) -> Tensor:
    """What particles are worth, ``(P, S · N) -> (S · N,)``."""
    return organism.on(range(organism.copies), organism.particle.worth, weights)


def _counts(types: Tensor, layers: Mapping[str, slice]) -> dict[str, float]:
    """The census of one seed: of the whole and of each layer, by metric."""
    parts = {f"{layer}_": types[particles] for layer, particles in layers.items()} | {"": types}
    return {
        f"{prefix}{kind.label}": float(count)
        for prefix, own in parts.items()
        for kind, count in zip(FixpointType, counts(own), strict=True)
    }
