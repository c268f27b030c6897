"""Pruning a trained run: the weights that matter least are dropped for good, and what is left goes on training.

What comes of it is an ordinary run in a folder of its own, which begins with all that the trained one has left: it is
resumed, verified, shown and analysed as any other. The particles that were dropped are zero fixpoints, and nothing
moves them: no event gives them back either.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from torch import Tensor

from srnn import importance, tasks
from srnn.analysis.densities import densities
from srnn.analysis.many import evaluate
from srnn.bodies.module import require_consent
from srnn.choices import Scope, Score, require_format
from srnn.errors import NotApplicableError, UserError, option, shorten
from srnn.experiment import Experiment, folder_name
from srnn.files import is_file
from srnn.kernels.arithmetic import plain_torch
from srnn.laboratory.job import place_of, require_device, require_watchers, run, runs_of
from srnn.laboratory.network_files import write_network
from srnn.organism import Organism
from srnn.runs import checkpoints
from srnn.runs.groups import first_difference
from srnn.runs.masks import NAME as MASK
from srnn.runs.masks import read_mask, write_mask
from srnn.runs.records import explained
from srnn.runs.resume import go_on_for_longer
from srnn.runs.run import Run
from srnn.runs.writer import read_checkpoint
from srnn.tasks import Task
from srnn.training.loop import Training
from srnn.training.state import MASKS, require_layout
from srnn.untrusted import expanded

if TYPE_CHECKING:
    from srnn.bodies.module import Body


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
    folder: Run | str | os.PathLike[str],
    density: float,
    score: Score = "magnitude",
    *,
    scope: Scope = "global",
    epochs: int = 10,
    out: str | os.PathLike[str] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    device: str | torch.device = "cpu",
    image_format: str | None = "png",
    body: Body | None = None,
    **watchers: Any,
) -> list[Pruned]:
    """Drop the weights of a trained run that matter least, and train what is left for some more epochs.

    The new run is ``OUT/NAME-SCORE-DENSITY/seed-S``. Which weights it keeps is in its ``mask.safetensors``, as of a
    branch, and the network that is left, as plain numbers, in its ``network.safetensors``: at first as it was cut, in
    the end as it has been trained. Stopped, and called in the same way again, it goes on where it was.

    Args:
        folder: A run that has ended, its folder, or that of the seeds of an experiment.
        density: Share of the weights that is kept.
        score: By what they are ranked: one of :data:`srnn.importance.SCORES`.
        scope: All together (``global``), or in each layer (``layer``).
        epochs: How many more, at least 1.
        out: Where to; without it, beside the run.
        data_dir, device, image_format, body: As of :func:`srnn.run`.
        watchers: Of the arguments of :func:`srnn.run` those that look on: :data:`srnn.laboratory.job.WATCHERS`.

    Raises:
        UserError: The run has not ended or cannot be asked for that score, there is no such score or density, another
            run of that name is there already; or as of :func:`srnn.run`. Then nothing is written.

    Example:
        >>> [pruned] = srnn.laboratory.prune.prune("runs/digits/seed-0", 0.1)  # doctest: +SKIP
        >>> pruned.before, pruned.cut, pruned.after  # doctest: +SKIP
    """
    require_watchers(watchers)
    device = require_device(device)
    if image_format is not None:
        require_format(image_format)
    runs = runs_of(folder, body)
    require_consent(runs[0].experiment)
    place = place_of(runs) if out is None else expanded(out)
    data = None if data_dir is None else expanded(data_dir)
    longer = _longer(runs[0].experiment, density, score, epochs)
    for one in runs:
        _require_regular(one)
    task = tasks.load(runs[0].experiment.task, data)
    cuts = {place / longer.name / one.folder.name: _cut(one, task, density, score, scope) for one in runs}
    _require_trainable(longer, task, cuts.values())
    to_begin = {target: cut for target, cut in cuts.items() if not _has_begun(target, longer, cut)}
    for target, cut in to_begin.items():
        _begin(cut, longer, target)
    seeds = [one.experiment.seed for one in runs]
    options: dict[str, Any] = {"data_dir": data, "device": device, "image_format": image_format, "body": runs[0].body}
    ended = run(longer, place, seeds=seeds, resume=True, **options, **watchers)
    return [
        Pruned(one, task.metric, _last(cut.run, task), cut.score, _last(one, task), densities(cut.organism, cut.kept))
        for one, cut in zip(ended, cuts.values(), strict=True)
    ]


@dataclass(frozen=True)
class _Cut:
    """A run without some of its weights.

    Attributes:
        run: The run.
        organism: As it ended.
        kept: Which of its weights are kept, bool ``(N,)``.
        score: How it answers to test data without the others.
        tensors: What training goes on with,
        state: and the plain values.
    """

    run: Run
    organism: Organism
    kept: Tensor
    score: float
    tensors: Mapping[str, Tensor]
    state: Mapping[str, Any]


def _cut(run: Run, task: Task, density: float, score: Score, scope: Scope) -> _Cut:
    found, organism = read_checkpoint(run.checkpoints[-1]), run.organism()
    with explained(found.path):
        require_layout(run.experiment, found.tensors, found.state)
    kept = _kept(run, organism, task, density, score, scope, found.tensors.get("dropped"))
    cut = evaluate(organism, organism.worth().masked_fill(~kept, 0)[None], task)[1]
    return _Cut(run, organism, kept, float(cut), _without(found.tensors, ~kept), found.state)


def _require_trainable(longer: Experiment, task: Task, cuts: Collection[_Cut]) -> None:
    """Make sure that training can go on with what is left, before any of it is written.

    Raises:
        UserError: It cannot, as where particles meet.
    """
    training = Training(longer, task, [cut.run.experiment.seed for cut in cuts])
    for place, cut in enumerate(cuts):
        training.load_state(place, cut.tensors, cut.state)


def _has_begun(target: Path, longer: Experiment, cut: _Cut) -> bool:
    """Whether the very same has been begun there already.

    Raises:
        UserError: Something else is there.
    """
    if not target.exists():
        return False
    instead = f"choose another {option('out')}, or remove it first"
    if not is_file(target / "config.toml"):
        raise UserError(f"{target} exists already: {instead}")
    if (difference := first_difference(Experiment.from_toml(target / "config.toml"), longer)) is not None:
        key, theirs, ours = difference
        what = f"with {key} {shorten(repr(theirs))} and not {shorten(repr(ours))}"
        raise UserError(f"{target} exists already, {what}: {instead}")
    if not torch.equal(read_mask(target / MASK, cut.organism), cut.kept):
        raise UserError(f"{target} exists already, and keeps other weights: {instead}")
    return True


def _longer(experiment: Experiment, density: Any, score: Score, epochs: Any) -> Experiment:
    if not isinstance(density, Real) or not 0 < float(density) <= 1:
        given = shorten(str(density))
        raise UserError(
            f"{option('density')} is {given}; allowed: above 0, up to 1: the share of the weights that is kept"
        )
    if not isinstance(epochs, int) or epochs < 1:
        raise UserError(f"{option('epochs')} is {shorten(str(epochs))}; allowed: a whole number from 1")
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


def _kept(
    run: Run, organism: Organism, task: Task, density: float, score: Score, scope: Scope, dropped: Tensor | None
) -> Tensor:
    birth = None
    with suppress(NotApplicableError):  # not all of its particles were logged
        birth = run.organism(0).worth() if 0 in run.logged_epochs else None
    generator = torch.Generator().manual_seed(run.experiment.seed)
    gate = run.gate_score() if score == "gate" else None
    values = importance.score(score, organism, task, birth, generator, gate)
    with organism.behind(None):  # those behind closed gates are not all alike
        worth = organism.worth()
    return importance.keep(values, density, organism.layers, scope, worth=worth, dropped=dropped)


def _begin(cut: _Cut, longer: Experiment, folder: Path) -> None:
    """Make a run's folder the beginning of one that goes on without what is not kept; whole or not at all."""
    unfinished = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(unfinished, ignore_errors=True)
    go_on_for_longer(cut.run, longer, unfinished)
    *older, newest = checkpoints.found(unfinished)
    for path in older:
        path.unlink()
    checkpoints.write(newest, cut.tensors, cut.state)
    write_mask(unfinished / MASK, cut.kept, cut.organism)
    write_network(Run(unfinished, cut.run.body))
    unfinished.rename(folder)


def _without(tensors: Mapping[str, Tensor], dropped: Tensor) -> dict[str, Tensor]:
    """A state whose dropped particles, and what moves them, are zero, and stay so."""
    own = {name: tensor.clone() for name, tensor in tensors.items()}
    # Those of particles have names without a prefix: of generators and of the body there is nothing to drop.
    for name, tensor in own.items():
        if "." not in name and name not in MASKS:
            tensor[..., dropped] = 0
    return own | {name: dropped | own.get(name, torch.zeros_like(dropped)) for name in MASKS}


def _last(run: Run, task: Task) -> float:
    return float(run.metrics.query(f"Metric == 'test_{task.metric}'")["Score"].iloc[-1])
