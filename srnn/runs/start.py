"""A run that begins where another was: with its state at an epoch, fewer weights, or another start as a control."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from srnn import importance
from srnn.errors import UserError
from srnn.experiment import Experiment
from srnn.files import is_file
from srnn.methods.plain import ordinary_tensors
from srnn.runs import checkpoints
from srnn.runs.checkpoints import Checkpoint
from srnn.runs.groups import open_runs
from srnn.runs.masks import NAME, read_mask, write_mask
from srnn.runs.run import Run
from srnn.runs.writer import read_checkpoint
from srnn.settings import StartConfig
from srnn.training.birth import build_organism, describe_organism, generators
from srnn.training.loop import Training
from srnn.training.minima import NAME as MINIMA
from srnn.training.state import MASKS, image_of, require_layout
from srnn.untrusted import expanded

if TYPE_CHECKING:
    from srnn.bodies.module import Body

#: Scores that compare a weight with what it was at birth.
_SINCE_BIRTH = ("magnitude_increase", "movement")


def begin_all(
    trainings: Sequence[Training],
    groups: Sequence[Mapping[int, Checkpoint | None]],
    experiments: Mapping[int, Experiment],
    body: Body | None = None,
) -> dict[int, Experiment]:
    """:func:`begin` for every seed without a checkpoint of its own; their experiments, with what they began from."""
    begun = {}
    for training, group in zip(trainings, groups, strict=True):
        for place, (seed, since) in enumerate(group.items()):
            if since is None and training.experiment.start.run:
                start = training.experiment.start.model_copy(update={"began": begin(training, place, body)})
                begun[seed] = experiments[seed].model_copy(update={"start": start})
    return begun


def can_begin(run: Run, settings: StartConfig) -> bool:
    """Whether a run has a state to begin from: one that diverged before that epoch has none."""
    if run.status.status != "diverged":
        return True
    try:
        _checkpoint(run, settings)
    except UserError:
        return False
    return True


def write_masks(trainings: Sequence[Training], folders: Mapping[int, Path]) -> None:
    """Write which weights are kept into the folders of those seeds that begin, if any are dropped.

    Raises:
        OSError: A folder cannot be written.
    """
    for training in trainings:
        for place, seed in enumerate(training.seeds):
            if training.dropped is not None and seed in folders:
                kept = ~training.dropped[training.columns(place)]
                write_mask(folders[seed] / NAME, kept, training.organism)


def begin(training: Training, place: int, body: Body | None = None) -> dict[str, int | str]:
    """Take a seed that has just been born to where its experiment's ``[start]`` says.

    Its weights, what moves them, the generators, the epoch and so the order of the data are those of the other run,
    as far as both are made of the same; of another kind of particle or under another method, it is what the weights are
    worth. What is dropped stays so.

    Args:
        training: Of an experiment with ``start.run``.
        place: Which of its seeds.
        body: What makes the body of the other run, if that is not srnn's own.

    Returns:
        What it began from, for the record.

    Raises:
        UserError: The other run, its checkpoint or the mask is not there, or does not fit.
    """
    experiment, seed = training.experiment, training.seeds[place]
    settings = experiment.start
    run = _pick(settings.run, seed if settings.seed is None else settings.seed, "start.run", body)
    checkpoint = _checkpoint(run, settings)
    _require_fitting(training, run, checkpoint)
    # Of the controls, from streams that no training draws from.
    streams = generators(int(np.random.SeedSequence(seed, spawn_key=(1,)).generate_state(1)[0]))
    kept = _kept(training, run, checkpoint, streams["sample"], seed)
    if settings.control == "shuffle" and kept is not None:
        kept = _shuffled(kept, _left(checkpoint), training.organism.layers, streams["events"])
    whole = _is_of_the_same(training, place, run, checkpoint)
    training.load_state(place, *(_whole if whole else _partly)(training, place, run, checkpoint, streams))
    training.begun = False
    if not whole and training.method.replicating[place]:
        training.method.begin([place])
    if settings.control in ("signs", "same_worth"):
        _take_to_worth(training, place, streams["particles"])
    gone = torch.zeros_like(training.weights[0, training.columns(place)], dtype=torch.bool)
    if training.dropped is not None:  # by now they may be worth something again
        gone |= training.dropped[training.columns(place)]
    if kept is not None:
        gone |= ~kept.to(gone.device)
    if gone.any() or kept is not None:
        training.drop(place, gone.nonzero().flatten())
    return {"run": str(run.folder.resolve()), "seed": run.experiment.seed, "epoch": int(checkpoint.state["epoch"])}


def _pick(path: str, seed: int, key: str, body: Body | None = None) -> Run:
    """The run of a folder or, of several, that of a seed."""
    runs = [Run(run.folder, body) for run in open_runs([path])]
    own = runs if len(runs) == 1 else [run for run in runs if run.experiment.seed == seed]
    if len(own) != 1:
        found = f"{len(own)} runs" if own else "no run"
        raise UserError(
            f"{key} is {path}, which holds {found} of seed {seed}: name one run, or those of one experiment"
        )
    return own[0]


def _checkpoint(run: Run, settings: StartConfig) -> Checkpoint:
    last = run.status.epoch if run.status.ended else run.experiment.training.epochs
    epoch = last if settings.epoch == "end" else settings.epoch
    path = checkpoints.path_of(run.folder, epoch)
    if not is_file(path):
        known = [str(int(one.stem.removeprefix("epoch-"))) for one in run.checkpoints if "_batch-" not in one.stem]
        raise UserError(
            f"start.epoch is {settings.epoch}, and {run.folder} has no checkpoint of epoch {epoch}; it has "
            f"{', '.join(known) or 'none'}: run it with checkpoint.pin=[{epoch}]"
        )
    checkpoint = read_checkpoint(path)
    if checkpoint.state["diverged"]:
        raise UserError(f"{run.folder} diverged ({checkpoint.state['diverged']}): nothing can begin there")
    require_layout(run.experiment, checkpoint.tensors, checkpoint.state)
    return checkpoint


def _require_fitting(training: Training, run: Run, checkpoint: Checkpoint) -> None:
    state, task, epochs = checkpoint.state, training.task, training.experiment.training.epochs
    theirs = describe_organism(run.experiment, state["inputs"], state["outputs"], image_of(state))
    if theirs.shapes != training.organism.shapes or (state["inputs"], state["outputs"]) != (task.inputs, task.outputs):
        raise UserError(
            f"{run.folder} has a body of {theirs.size:,} weights for {state['inputs']} inputs, this one has "
            f"{training.organism.size:,} for {task.inputs}: a run begins from one of the same body and data"
        )
    if not state["epoch"] < epochs:
        raise UserError(
            f"training.epochs is {epochs}, and the run begins at epoch {state['epoch']} of {run.folder}: set it to more"
        )


def _left(checkpoint: Checkpoint) -> Tensor | None:
    """The weights that are not dropped yet, bool ``(N,)``; None if all."""
    dropped = checkpoint.tensors.get("dropped")
    return None if dropped is None else ~dropped


def _kept(training: Training, run: Run, checkpoint: Checkpoint, generator: torch.Generator, seed: int) -> Tensor | None:
    """Which weights are kept, bool ``(N,)``, by a file or a score; None if that is not said."""
    settings, left = training.experiment.start, _left(checkpoint)
    if settings.mask:
        path = expanded(settings.mask)
        path = path if is_file(path) else _pick(settings.mask, seed, "start.mask").folder / NAME
        kept = read_mask(path, training.organism)
        if left is not None and (revived := int((kept & ~left).sum())):
            raise UserError(f"{path} keeps {revived:,} weights that are dropped in {run.folder}: none comes back")
        return kept
    if settings.drop is None:
        return None
    device = training.weights.device
    scored = _scored(training, run, seed)
    at = None if settings.at == "end" else settings.at
    measured = scored.organism(at).to(device)
    birth = scored.organism(scored.logged_epochs[0]).worth().to(device) if settings.drop in _SINCE_BIRTH else None
    gate = scored.gate_score(at) if settings.drop == "gate" else None
    score = importance.score(settings.drop, measured, training.task, birth, generator, gate).cpu()
    with measured.behind(None):  # those behind closed gates are not all alike
        worth = measured.worth().cpu()
    dropped = None if left is None else ~left
    return importance.keep(score, settings.density, measured.layers, settings.scope, worth=worth, dropped=dropped)


def _scored(training: Training, run: Run, seed: int) -> Run:
    """Whose weights are scored."""
    if not (path := training.experiment.start.of):
        return run
    scored = _pick(path, seed, "start.of")
    if (size := scored.organism().shapes) != training.organism.shapes:
        raise UserError(f"{scored.folder} has layers of {size}, and here they are {training.organism.shapes}")
    return scored


def _shuffled(kept: Tensor, left: Tensor | None, layers: Mapping[str, slice], generator: torch.Generator) -> Tensor:
    """As many as are kept in each layer, at random of those that are left."""
    left = torch.ones_like(kept) if left is None else left
    ends = {layer: (int(left[: part.start].sum()), int(left[: part.stop].sum())) for layer, part in layers.items()}
    mixed = torch.zeros_like(kept)
    mixed[left] = importance.shuffled(kept[left], {layer: slice(*own) for layer, own in ends.items()}, generator)
    return mixed


def _is_of_the_same(training: Training, place: int, run: Run, checkpoint: Checkpoint) -> bool:
    """Whether all that moves the weights can be taken over with them."""
    ours, theirs = training.experiment, run.experiment
    if ours.start.control == "reinit":
        return False
    if (ours.particle, ours.replication.method) != (theirs.particle, theirs.replication.method):
        return False
    try:
        require_layout(ours, *_whole(training, place, run, checkpoint, {}))
    except (ValueError, KeyError):
        return False
    return True


def _whole(
    training: Training, place: int, run: Run, checkpoint: Checkpoint, streams: Mapping[str, torch.Generator]
) -> tuple[dict[str, Tensor], dict[str, object]]:
    """The other run's state. Gates, and streams to draw from, that it does not have are as at birth.

    What its events have measured is of no use where there are none.
    """
    tensors, plain = training.state(place)
    state = {key: checkpoint.state[key] for key in ("epoch", "batch", "replicating")}
    of_terms = ("gate.", "repulsion.") if training.terms.minima is None else ("gate.",)
    of_others = of_terms if training.experiment.events else (*of_terms, "event.")
    newborn = {name: value for name, value in tensors.items() if name.startswith(("generator.", "gate."))}
    taken = {
        name: value for name, value in checkpoint.tensors.items() if name in tensors or not name.startswith(of_others)
    }
    if minima := len(taken.get(MINIMA, ())):
        plain["minima"] = minima
    return newborn | taken, plain | state


def _partly(
    training: Training, place: int, run: Run, checkpoint: Checkpoint, streams: Mapping[str, torch.Generator]
) -> tuple[dict[str, Tensor], dict[str, object]]:
    """A newborn state with the other run's weights, or other ones; the epoch, the generators and masks are its."""
    experiment, task, found = training.experiment, training.task, checkpoint.tensors
    tensors, plain = training.state(place)
    known = {name for name in tensors if name.startswith("generator.")} | {*MASKS}
    tensors |= {name: value for name, value in found.items() if name in known}
    plain |= {key: checkpoint.state[key] for key in ("epoch", "batch")}
    if experiment.start.control == "reinit":
        newborn = build_organism(experiment, task.inputs, task.outputs, streams, task.image)
        return tensors | {"weights": newborn.weights.detach()} | ordinary_tensors(newborn.body), plain
    tensors |= {name: value for name, value in found.items() if name.startswith("body.")}
    if experiment.particle == run.experiment.particle:
        return tensors | {"weights": found["weights"]}, plain
    worth = run.experiment.particle.build().worth(found["weights"])
    weights = tensors["weights"].detach().cpu().clone()
    return tensors | {"weights": training.method.reach(weights, worth, place)}, plain


def _take_to_worth(training: Training, place: int, generator: torch.Generator) -> None:
    """Other particles of the same worth, or of the size that is usual in their layer; nothing moves them on."""
    organism, method, columns = training.organism, training.method, training.columns(place)
    worth, weights = organism.worth()[columns].cpu(), organism.weights.detach()
    if training.experiment.start.control == "signs":
        own = weights[:, columns].cpu().clone()
        for part in organism.layers.values():
            worth[part] = worth[part].sign() * worth[part].std(correction=0)
    else:
        own = method.newborn(organism.particle.draw(organism.size, generator), place)
    with organism.only(columns):
        weights[:, columns] = method.reach(own, worth, place).to(weights.device)
    for buffer in method.buffers().values():
        buffer[..., columns] = 0
