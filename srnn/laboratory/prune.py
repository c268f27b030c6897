"""Pruning a trained run: the weights that matter least are dropped for good, and what is left goes on training.

What comes of it is an ordinary run in a folder of its own, which begins with all that the trained one has left: it is
resumed, verified, shown and analysed as any other. The particles that were dropped are zero fixpoints, and nothing
moves them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import safetensors.torch
import torch
from torch import Tensor

from srnn import importance, tasks
from srnn.analysis.densities import densities
from srnn.analysis.many import evaluate
from srnn.bodies.module import require_consent
from srnn.choices import Scope, Score
from srnn.errors import NotApplicableError, UserError, option
from srnn.experiment import Experiment, folder_name
from srnn.files import replacing
from srnn.kernels.arithmetic import plain_torch
from srnn.laboratory.job import place_of, run
from srnn.organism import Organism
from srnn.runs import checkpoints
from srnn.runs.groups import open_runs
from srnn.runs.masks import NAME as MASK
from srnn.runs.masks import write_mask
from srnn.runs.resume import go_on_for_longer
from srnn.runs.run import Run
from srnn.tasks import Task
from srnn.untrusted import expanded

if TYPE_CHECKING:
    from srnn.bodies.module import Body

#: The network that is left, by the body's names.
NETWORK = "network.safetensors"


@dataclass(frozen=True)
class Pruned:
    """What became of a run.

    Attributes:
        run: The run that goes on without the weights that were dropped.
        metric: ``accuracy`` or ``mae``, on test data.
        before: Of the run that was pruned.
        cut: Right after its weights were dropped.
        after: In the end.
        densities: What is kept of each layer, as :func:`srnn.analysis.densities.densities` gives it.
    """

    run: Run
    metric: str
    before: float
    cut: float
    after: float
    densities: pd.DataFrame


@plain_torch()
def prune(
    folder: str | os.PathLike[str],
    density: float,
    score: Score = "magnitude",
    *,
    scope: Scope = "global",
    epochs: int = 10,
    out: str | os.PathLike[str] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    body: Body | None = None,
    **watchers: Any,
) -> list[Pruned]:
    """Drop the weights of a trained run that matter least, and train what is left for some more epochs.

    The new run is ``OUT/NAME-SCORE-DENSITY/seed-S``. Which weights it keeps is in its ``mask.safetensors``, as of a
    branch, and the network that is left, as plain numbers, in the end in its ``network.safetensors``.

    Args:
        folder: A run that has ended, or the folder of the seeds of an experiment.
        density: Share of the weights that is kept.
        score: By what they are ranked: one of :data:`srnn.importance.SCORES`.
        scope: All together (``global``), or in each layer (``layer``).
        epochs: How many more, at least 1.
        out: Where to; without it, beside the run.
        data_dir, body, watchers: As of :func:`srnn.run`.

    Raises:
        UserError: The run has not ended or cannot be asked for that score, there is no such score or density, or a run
            of that name is there already.

    Example:
        >>> [pruned] = srnn.laboratory.prune.prune("runs/digits/seed-0", 0.1)  # doctest: +SKIP
        >>> pruned.before, pruned.cut, pruned.after  # doctest: +SKIP
    """
    runs = open_runs([folder], body)
    require_consent(runs[0].experiment)
    place = place_of(runs) if out is None else expanded(out)
    data = None if data_dir is None else expanded(data_dir)
    longer = _longer(runs[0].experiment, density, score, epochs)
    task = tasks.load(runs[0].experiment.task, data)
    for one in runs:
        _require_regular(one)
        if (target := place / longer.name / one.folder.name).exists():
            raise UserError(
                f"{target} exists already: go on with it by srnn run {target} --resume, choose another "
                f"{option('out')}, or remove it first"
            )
    found = []
    for one in runs:
        organism = one.organism()
        kept = _kept(one, organism, task, density, score, scope)
        cut = evaluate(organism, organism.worth().masked_fill(~kept, 0)[None], task)[1]
        _begin(one, longer, place / longer.name / one.folder.name, kept, organism)
        found.append((float(_last(one, task)), float(cut), densities(organism, kept)))
    seeds = [one.experiment.seed for one in runs]
    ended = run(longer, place, seeds=seeds, resume=True, data_dir=data, body=body, **watchers)
    for one in ended:
        network = one.organism().to_dense().state_dict()
        _write(one.folder / NETWORK, {name: value.contiguous() for name, value in network.items()})
    return [
        Pruned(one, task.metric, before, cut, float(_last(one, task)), table)
        for one, (before, cut, table) in zip(ended, found, strict=True)
    ]


def _longer(experiment: Experiment, density: float, score: Score, epochs: int) -> Experiment:
    if not 0 < density <= 1:
        raise UserError(
            f"{option('density')} is {density:g}; allowed: above 0, up to 1: the share of the weights that is kept"
        )
    if epochs < 1:
        raise UserError(f"{option('epochs')} is {epochs}; allowed: a whole number from 1")
    name = folder_name(f"{experiment.name[:40]}-{score}-{density:g}")
    longer = experiment.override([f"name={name}", f"training.epochs={experiment.training.epochs + epochs}"])
    return longer.model_copy(update={"about": f"{experiment.name}, pruned to {density:.3g} of its weights by {score}"})


def _require_regular(run: Run) -> None:
    """Make sure that a longer run would have logged the last epoch of this one, too, and that it is there whole."""
    if run.status.status != "finished":
        raise UserError(f"{run.folder} is {run.status.status}: only a run that is finished can be pruned")
    experiment = run.experiment
    if experiment.training.keep == "best":
        raise UserError(
            f"{run.folder} ended as it was when its validation loss was least (training.keep), and cannot be trained "
            "on: begin another run there, by start.run, start.epoch 'end' and start.drop"
        )
    if experiment.training.epochs % experiment.log.every:
        raise UserError(
            f"{run.folder} ended with epoch {experiment.training.epochs}, which is no multiple of log.every, "
            f"{experiment.log.every}: train it on to one by srnn run {run.folder} --extend "
            f"{experiment.log.every - experiment.training.epochs % experiment.log.every}"
        )


def _kept(run: Run, organism: Organism, task: Task, density: float, score: Score, scope: Scope) -> Tensor:
    birth = None
    with suppress(NotApplicableError):  # not all of its particles were logged
        birth = run.organism(0).worth() if 0 in run.logged_epochs else None
    generator = torch.Generator().manual_seed(run.experiment.seed)
    gate = run.gate_score() if score == "gate" else None
    values = importance.score(score, organism, task, birth, generator, gate)
    with organism.behind(None):  # those behind closed gates are not all alike
        worth = organism.worth()
    return importance.keep(values, density, organism.layers, scope, worth=worth)


def _begin(run: Run, longer: Experiment, folder: Path, kept: Tensor, organism: Organism) -> None:
    """Make a run's folder the beginning of one that goes on without what is not kept; whole or not at all."""
    unfinished = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(unfinished, ignore_errors=True)
    go_on_for_longer(run, longer, unfinished)
    *older, newest = checkpoints.found(unfinished)
    for path in older:
        path.unlink()
    found = checkpoints.read(newest)
    checkpoints.write(newest, _without(found.tensors, ~kept), found.state)
    write_mask(unfinished / MASK, kept, organism)
    unfinished.rename(folder)


def _without(tensors: Mapping[str, Tensor], dropped: Tensor) -> dict[str, Tensor]:
    """A state whose dropped particles, and what moves them, are zero, and stay so."""
    own = {name: tensor.clone() for name, tensor in tensors.items()}
    # Those of particles have names without a prefix: of generators and of the body there is nothing to drop.
    for name, tensor in own.items():
        if "." not in name and name != "frozen":
            tensor[..., dropped] = 0
    return own | {"frozen": dropped | own.get("frozen", torch.zeros_like(dropped))}


def _write(path: Path, tensors: Mapping[str, Tensor]) -> None:
    with replacing(path) as file:
        file.write(safetensors.torch.save(dict(tensors)))


def _last(run: Run, task: Task) -> float:
    return float(run.metrics.query(f"Metric == 'test_{task.metric}'")["Score"].iloc[-1])
