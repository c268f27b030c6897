"""What the tables of studies of pruning have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from srnn.analysis.statistics import paired
from srnn.laboratory.study import Study
from srnn.tables.desk import Desk, between


def study_of(desk: Desk) -> Study:
    """The study of a section that has one, or its first."""
    assert desk.studies, "this section has a study"
    return desk.studies[0]


def extent(study: Study) -> str:
    """How large the experiment was."""
    settings, task = study.experiment.training, study.experiment.task
    return (
        f"{task.name}, {study.branches['Seed'].nunique()} seeds, {settings.epochs} epochs of batches of "
        f"{settings.batch_size} for each training, {task.validation:,} training pictures held back."
    )


def tested(own: pd.DataFrame, others: pd.DataFrame, column: str) -> dict[str, float]:
    """A test of a column between two branches, over their common seeds: :func:`srnn.analysis.statistics.paired`."""
    pairs = pd.concat([one.set_index("Seed")[column] for one in (own, others)], axis=1, join="inner", keys=["a", "b"])
    return paired(pairs["a"].to_numpy(dtype=float), pairs["b"].to_numpy(dtype=float))


def points(test: Mapping[Any, Any]) -> str:
    """A difference in percentage points, with its interval."""
    ends = [min(max(100 * test[one], -100.0), 100.0) for one in ("Difference", "Low", "High")]
    return between(*ends, form="{:+.2f}")


def listed(names: Sequence[str], none: str = "none") -> str:
    """Names, one after the other."""
    if not names:
        return none
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
