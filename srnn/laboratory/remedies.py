"""What is said where training diverges, and what to try."""

from __future__ import annotations

from srnn.training.loop import Training
from srnn.training.measuring import Report

#: Inputs are to be about 1 in size: those that are larger than this are named where training diverges.
_LARGE = 10.0


def of_divergence(training: Training, report: Report, place: int, what: str) -> str:
    """A line about a seed in whose training something is not finite any more."""
    how = training.divergence.policy
    then = {"keep": "training goes on", "reset": "they are drawn anew", "stop": "this seed stops"}[how]
    epoch = report.epoch + report.stopped
    if report.stopped and how != "stop":
        then = "nothing is left to train, and this seed stops"
    line = f"seed {training.seeds[place]}, epoch {epoch}: {what}; {then} (replication.divergent is {how!r})"
    return f"{line}: {_remedy(training)}"


def _remedy(training: Training) -> str:
    """What to try where training diverges."""
    settings, largest = training.experiment, float(training.task.train_x.abs().max())
    remedies = ["a smaller training.lr"]
    if settings.replication.method == "sgd" and settings.replication.alpha > 0:
        remedies.append("a smaller replication.alpha")
    if largest > _LARGE:
        scale = " (task.scale)" if "scale" in type(settings.task).model_fields else ""
        remedies.insert(0, f"inputs scaled to about 1{scale}: they reach {largest:,.4g}")
    return f"try {', or '.join(remedies)}"
