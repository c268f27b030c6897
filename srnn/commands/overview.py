"""``srnn list``: the runs that there are, a line for each experiment."""

from __future__ import annotations

from collections import Counter
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srnn.runs.run import Run


def command(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to look, and in the folders in it.")] = Path(
        "runs"
    ),
) -> None:
    """List the runs in a folder: a line for each experiment, with how it ended.

    A sweep and a study of pruning have one line for all their runs.

    \b
    Examples:
      srnn list
      srnn list results
    """
    from srnn.errors import UserError
    from srnn.untrusted import expanded, is_folder

    folder = expanded(folder)
    if not is_folder(folder):
        raise UserError(f"{folder} is not a folder; name one with runs in it, such as runs")
    groups = find(folder)
    if not groups:
        raise UserError(f"{folder} holds no runs; name a folder with runs in it, such as runs")
    print_overview(groups)


def find(folder: Path) -> list[list[Run]]:
    """The runs in a folder and two levels below, those of the same folder of seeds together."""
    from srnn.runs.groups import open_runs

    # No deeper: a home folder would take minutes.
    places = {path.parent.parent for below in ("", "*/", "*/*/") for path in folder.glob(f"{below}seed-*/config.toml")}
    # In what a folder is, ``.`` and ``..`` do not tell.
    named = (place.resolve() if place.name in ("", "..") else place for place in places)
    return [open_runs([place]) for place in sorted(named)]


def print_overview(groups: Sequence[Sequence[Run]]) -> None:
    """Print a line for each group of runs; those of a sweep or of a study have one together."""
    from itertools import groupby

    from rich.markup import escape

    from srnn.analysis.statistics import last_scores
    from srnn.commands.output import console
    from srnn.commands.tables import grid
    from srnn.errors import UserError
    from srnn.runs.groups import is_study, is_sweep
    from srnn.shown import with_interval

    def many(runs: Sequence[Run]) -> Path:
        """Where a group stands: the folder of its sweep or study, or its own."""
        folder = runs[0].folder.parent.parent
        return folder if is_sweep(folder) or is_study(folder) else runs[0].folder.parent

    table = grid()
    table.add_column("runs", overflow="fold")
    for heading in ("seeds", "epochs", "ended", "test", "identity", "zero"):
        table.add_column(heading, justify="left" if heading == "ended" else "right")
    for place, together in groupby(groups, many):
        own = list(together)
        runs = [run for group in own for run in group]
        several = place != runs[0].folder.parent
        shown = place if several or len(runs) > 1 else runs[0].folder
        cells = ["?"] * 6
        try:
            states = Counter(run.status.status for run in runs)
            epochs = runs[0].experiment.training.epochs
            cells = [str(len(runs)), "", ", ".join(states), "", "", ""]
            if several:
                told = ", ".join(f"{count} {state}" for state, count in states.items())
                kind = "points" if is_sweep(place) else "branches"
                cells[:3] = [f"{len(own)} {kind}", "", told]
            else:
                cells[1] = f"{max(run.epoch for run in runs):,}/{epochs:,}"
                # Without an interval, for which there is no room beside the folder.
                means = last_scores(runs).groupby("Metric")["Score"].mean()
                metric = "test_mae" if "test_mae" in means.index else "test_accuracy"
                for column, (name, counts) in enumerate(((metric, False), ("identity", True), ("zero", True)), 3):
                    if name in means.index:
                        cells[column] = with_interval(float(means[name]), nan, nan, counts=counts)
                cells[3] += " MAE" if metric == "test_mae" else ""
        except UserError as error:
            cells[2] = f"{cells[2]}: {error}" if cells[2] == "?" else cells[2]
        table.add_row(escape(str(shown)), *map(escape, cells))
    console().print(table)
