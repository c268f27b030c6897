"""``srnn report``: some runs as one page for a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from srnn.commands.options import Body, path_option


def command(
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN", help="Run folders; a folder of seeds or of experiments stands for all in it."),
    ],
    out: Annotated[Path, path_option("The file.", "--out", "-o")] = Path("report.html"),
    title: Annotated[str | None, typer.Option(help="Its heading instead of the experiments' names.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    body: Body = None,
) -> None:
    """Write a report: one page that any browser shows, from a file, without a network.

    What was run, curves, census, connectivity and the ways of the particles to
    be turned round, and what srnn analyze has answered of the runs before, each
    number in a table that can be copied. Several experiments are side by side; of a
    sweep, all points are told of, and the best shown.

    \b
    Examples:
      srnn report runs/digits -o digits.html
      srnn report runs/connectivity runs/residual-h8 -o both.html
      srnn report runs/alpha-hidden -o sweep.html
    """
    from srnn.commands.output import print_path
    from srnn.reports import report

    print_path(report(runs, out, title=title, force=force, body=body))
