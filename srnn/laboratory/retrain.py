"""Training again on all data what was stopped early: for as long, or until it is as good.

Both are ordinary experiments (Goodfellow, Bengio & Courville 2016, algorithms 7.2 and 7.3), to be run as any other.
"""

from __future__ import annotations

from typing import Literal

import torch

from srnn import tasks
from srnn.errors import UserError
from srnn.experiment import Experiment, folder_name
from srnn.kernels.arithmetic import plain_torch
from srnn.runs.run import Run
from srnn.tasks import Task
from srnn.training.learning import answers


@plain_torch()
def retraining(run: Run, way: Literal["anew", "onwards"] = "anew", task: Task | None = None) -> Experiment:
    """The experiment that trains again on all data what a run was that kept its best.

    Args:
        run: A finished run with ``training.keep`` best.
        way: ``anew``: from birth, for as many epochs as the best one has, which is not as many batches. ``onwards``:
            from the best on, until the validation loss is not above what the loss on training data was there, which
            may never be: then for as many epochs as the run had.
        task: Its data, if they are loaded already; only onwards.

    Returns:
        It, of the run's own seed and under a name of its own.

    Raises:
        UserError: The run is not finished, or did not keep its best.

    Example:
        >>> [stopped] = srnn.run("digits-stopped")  # doctest: +SKIP
        >>> srnn.run(retraining(stopped))  # doctest: +SKIP
    """
    experiment = run.experiment
    if run.status.status != "finished" or experiment.training.keep != "best":
        raise UserError(
            f"{run.folder} is {run.status.status} and keeps its {experiment.training.keep}: what is trained again has "
            "finished with training.keep 'best'"
        )
    best = run.metrics.query("Metric == 'best_epoch'")["Score"]
    if best.empty:
        raise UserError(f"{run.folder} never had a finite validation loss: there is no best epoch")
    settings = [f"name={folder_name(f'{experiment.name[:50]}-{way}')}", "training.keep=last", "training.patience=0"]
    if way == "anew":
        return experiment.override([*settings, "task.validation=0", f"training.epochs={int(best.iloc[-1])}"])
    loss = _training_loss(run, tasks.load(experiment.task) if task is None else task)
    settings += ["task.hold_back=false", f"training.until_loss={loss!r}", f"start.run={run.folder.resolve()}"]
    settings += ["start.epoch=end", f"training.epochs={run.status.epoch + experiment.training.epochs}"]
    return experiment.override(settings)


@torch.no_grad()
def _training_loss(run: Run, task: Task) -> float:
    organism = run.organism().eval()
    [output] = answers(organism, organism.gated(organism.worth()), task.train_x)
    return float(task.loss(output, task.train_y).double().mean())
