"""What the laboratory's questions are asked of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
import torch

from srnn.errors import NotApplicableError
from srnn.organism import Organism
from srnn.tasks import Task

if TYPE_CHECKING:
    from srnn.runs.run import Run


@dataclass(frozen=True)
class Subject:
    """A run, or an organism by itself, together with its task and a generator.

    Args:
        source: The run, or the organism.
        task: What it was trained on.
        seed: What is drawn at random for an organism; a run has its own.

    Example:
        >>> subject = Subject(organism, tasks.load(srnn.load_preset("digits").task))  # doctest: +SKIP
        >>> QUESTIONS["dropout"].answer(subject)["dropout"]  # doctest: +SKIP
    """

    source: Run | Organism
    task: Task
    seed: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.source, Organism):
            object.__setattr__(self, "seed", self.source.experiment.seed)

    @property
    def run(self) -> Run:
        """The run.

        Raises:
            NotApplicableError: It is an organism by itself.
        """
        if isinstance(self.source, Organism):
            raise NotApplicableError("this is asked of a run, with its folder; here is an organism by itself")
        return self.source

    @property
    def generator(self) -> torch.Generator:
        """A new one, from the seed: no answer depends on what was asked before."""
        return torch.Generator().manual_seed(self.seed)

    @property
    def epochs(self) -> list[int]:
        """The epochs after which :meth:`organism` knows it: those that the run logged; none of an organism."""
        return [] if isinstance(self.source, Organism) else self.source.logged_epochs

    def organism(self, epoch: int | None = None) -> Organism:
        """The organism, not to be changed: as it is now, or of a run as it was after one of :attr:`epochs`."""
        return self.source if isinstance(self.source, Organism) and epoch is None else self.run.organism(epoch)

    def over_epochs(self) -> Iterator[tuple[int, Organism]]:
        """Every logged epoch, and the organism as it was after it."""
        return ((epoch, self.run.organism(epoch)) for epoch in self.run.logged_epochs)

    def trajectory(self) -> pd.DataFrame:
        """All logged weights, as :meth:`srnn.runs.Run.trajectory` gives them."""
        return self.run.trajectory()
