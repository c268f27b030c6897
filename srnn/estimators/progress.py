"""How a fit comes on: when it ends, what of it is kept, and what is left of an organism between fits."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from typing import Any

from sklearn.exceptions import ConvergenceWarning

from srnn.methods.lifted import Lifted
from srnn.organism import Organism
from srnn.training import Report, Training


class Progress:
    """What was best so far, and what diverged.

    Args:
        training: Whose.
        tol: By how much it must become better to count.
        keeps: Whether what was best is kept, and not what comes last.

    Attributes:
        best: The least that was noted.
        waited: Epochs since it became better.
    """

    def __init__(self, training: Training, tol: float, keeps: bool) -> None:
        self._training, self._tol, self._keeps = training, tol, keeps
        self.best, self.waited = inf, 0
        self._kept: Any = None
        #: What of the state that is kept is not finite, in words; and what of any was not.
        self._lost, self._ever_lost = "", ""

    def note(self, report: Report, now: float) -> None:
        """Take note of an epoch: what was reported, and what is to become less, NaN where nothing is known."""
        if lost := report.diverged.get(0, ""):
            self._ever_lost = f"{lost} in epoch {report.epoch + report.stopped}"
        # NaN is no better than anything.
        self.waited = 0 if now <= self.best - self._tol else self.waited + 1
        if not self._keeps:
            self._lost = lost
        if now < self.best:
            self.best = now
            if self._keeps:
                tensors, plain = self._training.state(0)
                self._kept = {name: one.detach().clone() for name, one in tensors.items()}, plain
                self._lost = lost

    def keep(self) -> None:
        """Take the training to what is kept of it, at rest."""
        training = self._training
        if self._kept is not None:
            training.running, training.stopped = [0], {}
            training.load_state(0, *self._kept)
        # Where particles have waited to follow, they do, wherever training ended.
        training.method.rest([0])

    def require_finite(self, advice: str) -> None:
        """Warn of what diverged and is over.

        Raises:
            ValueError: What is kept is not finite, or was drawn anew only in its last epoch.
        """
        nothing_kept = self._keeps and self._kept is None
        if self._lost or nothing_kept or not self._training.organism.worth().isfinite().all():
            raise ValueError(f"training diverged: {self._ever_lost or 'a weight is not finite'}; {advice}")
        if self._ever_lost:
            warnings.warn(
                f"training diverged for a while: {self._ever_lost}; {advice}", ConvergenceWarning, stacklevel=2
            )


@contextmanager
def trained(training: Training) -> Iterator[None]:
    """Have the organism be in training inside this context, and at rest behind its gates ever after.

    Whoever asks it then changes nothing of it: any number of threads may.
    """
    organism = training.organism
    organism.opened = None
    organism.train()
    try:
        yield
    finally:
        organism.opened = training.terms.opened(training.epoch)
        organism.eval()


def at_rest(training: Training) -> Organism:
    """A copy of the organism as it would be left if training ended here."""
    organism, ahead = copy.deepcopy(training.organism), training.organism.ahead
    if ahead is not None and isinstance(training.method, Lifted):
        settings = training.experiment.replication
        training.method.take_far(organism.weights.detach(), organism.replicator, ahead.clone(), settings)
    organism.opened = training.terms.opened(training.epoch)
    organism.eval()
    return organism


def epochs_of(training: Training) -> Iterator[Report]:
    """Train, with a report of each epoch that was trained, be it in part."""
    return (report for report in training.run() if "task_loss" in report.scores.get(0, {}))
