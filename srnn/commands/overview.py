"""``srnn list``: the runs that there are, a line for each experiment."""

from __future__ import annotations

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
    return [open_runs([place]) for place in sorted(places)]


def print_overview(groups: Sequence[Sequence[Run]]) -> None:
    """Print a line for each group of runs."""
    from rich.markup import escape

    from srnn.analysis.statistics import last_scores, over_seeds
    from srnn.commands.output import console
    from srnn.commands.tables import grid
    from srnn.errors import UserError
    from srnn.shown import with_interval

    table = grid()
    table.add_column("runs", overflow="fold")
    for heading in ("seeds", "epochs", "ended", "test", "identity", "zero"):
        table.add_column(heading, justify="left" if heading == "ended" else "right")
    for runs in groups:
        place = runs[0].folder.parent if len(runs) > 1 else runs[0].folder
        cells = ["?"] * 6
        try:
            states = list(dict.fromkeys(run.status.status for run in runs))
            epochs = f"{max(run.status.epoch for run in runs):,}/{runs[0].experiment.training.epochs:,}"
            cells = [str(len(runs)), epochs, ", ".join(states), "", "", ""]
            summary = over_seeds(last_scores(runs))
            metric = "test_mae" if "test_mae" in summary.index else "test_accuracy"
            for place_in_row, (name, form) in enumerate(((metric, None), ("identity", "count"), ("zero", "count")), 3):
                if name in summary.index:
                    # Without its interval, for which there is no room beside the folder.
                    mean = float(summary["Mean"][name])
                    cells[place_in_row] = with_interval(mean, nan, nan, counts=form == "count")
            cells[3] += " MAE" if metric == "test_mae" else ""
        except UserError as error:
            cells[2] = f"{cells[2]}: {error}" if cells[2] == "?" else cells[2]
        table.add_row(escape(str(place)), *map(escape, cells))
    console().print(table)
