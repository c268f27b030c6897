"""A report: everything that is known of some runs, in one page that any browser shows, without a network."""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from srnn.errors import UserError, option
from srnn.files import is_file, write_whole
from srnn.reports import answers, courses, overview, particles
from srnn.reports.render import render
from srnn.reports.swept import all_swept, detailed
from srnn.runs.groups import by_experiment, names_apart, only_planned, open_runs
from srnn.runs.run import Run
from srnn.sweeps.folder import Sweep, sweeps_of
from srnn.untrusted import expanded

if TYPE_CHECKING:
    from srnn.bodies.module import Body

#: What a report can be told of.
Given = Run | Sweep | str | os.PathLike[str]


def report(
    runs: Given | Iterable[Given],
    out: str | os.PathLike[str] = "report.html",
    *,
    title: str | None = None,
    force: bool = False,
    body: Body | None = None,
) -> Path:
    """Write a report of some runs: one page, which works from a file and asks nobody for anything.

    It shows what was run, curves, census, connectivity and the ways of the particles, and, of what :func:`analyze` has
    answered before, the tables in ``results/`` of each run. Several experiments are shown side by side.

    Args:
        runs: Folders of runs, of their seeds, of comparisons, or of sweeps: of these, all points in short and the best
            in detail. Or runs and sweeps themselves; one of them or several.
        out: The file.
        title: Its heading; without it, the names of the experiments and sweeps.
        force: Whether a file that is there already is replaced.
        body: The class of their body, or its import path, if that is not srnn's own.

    Returns:
        The file.

    Raises:
        UserError: A folder holds no run, no run has measured anything yet, or the file is there already.
        OSError: The file cannot be written.

    Example:
        >>> srnn.report(["runs/digits"], "digits.html")  # doctest: +SKIP
        PosixPath('digits.html')
    """
    path = expanded(out)
    _require_writable(path, force)
    given = _several(runs)
    folders = [one.folder if isinstance(one, Run | Sweep) else expanded(one) for one in given]
    own = (one.body for one in given if isinstance(one, Run) and one.body is not None)
    opened = open_runs(folders, next(own, None) if body is None else body)
    measured = [run for run in opened if is_file(run.folder / "metrics.csv")]
    if not measured:
        raise UserError(f"{opened[0].folder} has measured nothing yet: there is nothing to report")
    begun = [sweep for sweep in sweeps_of(folders) if not only_planned(sweep.folder)]
    sweeps = list({sweep.folder.resolve(): sweep for sweep in begun}.values())
    # A run that is named stands for the point that it is of.
    named = {place for folder in folders for place in (folder.resolve(), folder.resolve().parent)}
    left_out = _left_out(sweeps, named)
    apart = by_experiment(run for run in measured if run.folder.resolve().parent not in left_out)
    groups = dict(zip(names_apart(apart), apart, strict=True))
    known = {*measured}
    unmeasured = [run for run in opened if run not in known]
    facts = [*overview.what_was_run(groups, unmeasured), *overview.how_it_ended(groups)]
    sections = [
        *all_swept(sweeps, named),
        *([overview.differences(groups)] if len(groups) > 1 else []),
        courses.curves(groups),
        *filter(None, [courses.census(groups)]),
        particles.graph(groups),
        particles.cube(groups),
        *answers.answers(groups),
    ]
    places = {sweep.folder.resolve() for sweep in sweeps}
    alone = [name for name, own in groups.items() if own[0].folder.resolve().parent.parent not in places]
    page = render(title or ", ".join([*(sweep.experiment.name for sweep in sweeps), *alone]), facts, sections)
    # A folder may have a name that is no text.
    write_whole(path, page.encode(errors="backslashreplace"))
    return path


def _several(runs: Given | Iterable[Given]) -> list[Given]:
    """What is to be told of, be it one or several.

    Raises:
        UserError: It is nothing.
    """
    given = [runs] if isinstance(runs, str | os.PathLike | Run | Sweep) else list(runs)
    if not given:
        raise UserError("runs is empty: name the folder of a run, such as runs/digits, or give runs themselves")
    return given


def _require_writable(path: Path, force: bool) -> None:
    """Make sure that a report can be written there, before it is made.

    Raises:
        UserError: It cannot.
    """
    if path.is_dir():
        raise UserError(f"{option('out')} is {path}, a folder; name a file, such as {path / 'report.html'}")
    if path.exists() and not path.is_file():
        raise UserError(f"{option('out')} is {path}, a pipe, a socket or a device; name a file, such as report.html")
    if path.exists() and not force:
        raise UserError(f"{path} is there already: give {option('force', 'force=True')} to replace it, or another file")
    if not path.parent.is_dir():
        raise UserError(f"{option('out')} is {path}, and there is no folder {path.parent}: make it, or name another")


def _left_out(sweeps: Sequence[Sweep], named: Container[Path]) -> set[Path]:
    """Points of sweeps that are told of in short alone: a page of a hundred cubes is looked at by nobody."""
    found = set()
    for sweep in sweeps:
        shown = detailed(sweep, named)
        found |= {sweep.folder.resolve() / point.name for point in sweep.points if point.name not in shown}
    return found
