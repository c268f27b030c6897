"""Runs that answer together: seeds, and what each was at several epochs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import pandas as pd

from srnn import tasks
from srnn.analysis.ensembles import dropping_out, ensemble, probabilities, require_classes
from srnn.analysis.statistics import Floats
from srnn.bodies.module import require_consent
from srnn.errors import UserError
from srnn.experiment import Experiment
from srnn.kernels.arithmetic import plain_torch
from srnn.laboratory.subject import Subject
from srnn.runs.groups import open_runs
from srnn.runs.run import Run
from srnn.tasks import Task
from srnn.terms.repulsion import Repulsion
from srnn.untrusted import expanded

At = Sequence[int] | Literal["end", "bottoms"]


@plain_torch()
def ensemble_of(
    folders: Iterable[str | os.PathLike[str]],
    at: At = "end",
    *,
    masks: int = 0,
    data_dir: str | os.PathLike[str] | None = None,
) -> pd.DataFrame:
    """What runs are worth alone and together, on test data.

    Args:
        folders: Runs of the same data; the body, and what weights are made of, may differ.
        at: Of each run a member for its ``end``, or for each of these epochs; or for the ``bottoms`` of its schedule,
            the minima of its repulsion and its end, as far as its trajectory has them.
        masks: Passes with units dropped of which each member's answer is the mean, 0 for one pass without.
        data_dir: Where the IDX files of mnist and fashion_mnist are.

    Returns:
        As :func:`srnn.analysis.ensembles.ensemble` gives it, with a last column Epochs (int): how long all members
        were trained altogether.

    Raises:
        UserError: The data differ, or an epoch was not logged.
        NotApplicableError: It is a regression, or no unit is dropped.

    Example:
        >>> ensemble_of(["runs/digits"])  # doctest: +SKIP
    """
    runs = open_runs(folders)
    task = _task(runs, None if data_dir is None else expanded(data_dir))
    members: list[Floats] = []
    epochs = 0
    for run in runs:
        require_consent(run.experiment)
        own = [run.status.epoch] if at == "end" else bottoms(run) if at == "bottoms" else [*at]
        for epoch in own:
            organism = run.organism(None if at == "end" else epoch)
            if masks:
                members.append(dropping_out(organism, task.test_x, masks, Subject(run, task).generator))
            else:
                members.append(probabilities(organism, task.test_x))
        epochs += max(own)
    return ensemble(members, task.test_y).assign(Epochs=epochs)


def bottoms(run: Run) -> list[int]:
    """The epochs at which a run was at a bottom of its schedule or left a minimum, and its end, as far as logged."""
    experiment, last = run.experiment, run.status.epoch
    found = {last, *snapshots(experiment)}
    return sorted(found & {*run.logged_epochs})


def snapshots(experiment: Experiment) -> list[int]:
    """The epochs at which an experiment is at a bottom of its schedule, or in a minimum that repulsion leaves."""
    epochs, repulsion = experiment.training.epochs, experiment.terms.get("repulsion")
    found = {*experiment.schedule.bottoms(epochs)}
    if isinstance(repulsion, Repulsion):
        found |= {epoch for epoch in range(1, epochs + 1) if repulsion.due(epoch)}
    return sorted(found)


def _task(runs: Sequence[Run], data_dir: Path | None) -> Task:
    first = runs[0].experiment.task
    task = tasks.load(first, data_dir)
    for run in runs[1:]:
        own = run.experiment.task
        same = {"validation": first.validation, "hold_back": first.hold_back, "path": first.path}
        if own.model_copy(update=same) != first:
            raise UserError(
                f"{run.folder} and {runs[0].folder} are of other data, and only what answers the same examples can "
                "answer together: name runs of one task"
            )
    require_classes(task)
    return task
