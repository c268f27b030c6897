"""What a run leaves behind: its folder, written, read, resumed and verified."""

from __future__ import annotations

from srnn.runs.groups import by_experiment, first_difference, open_runs, same_experiment
from srnn.runs.run import Run
from srnn.runs.writer import RunWriter

__all__ = ["Run", "RunWriter", "by_experiment", "first_difference", "open_runs", "same_experiment"]
