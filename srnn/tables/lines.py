"""Lines of the table about masks that are studies of their own: other numbers of steps, or another birth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pandas as pd

from srnn.analysis.rounds import DENSE, TICKET
from srnn.analysis.statistics import SHARE, mean_interval, paired
from srnn.laboratory.branches import branches
from srnn.laboratory.study import Study
from srnn.tables.desk import Desk, interval, markdown
from srnn.tables.studies import points, study_of, tested

#: Trainings that the main study gives to each mask: one to find it, and one of what it keeps.
_EACH: Final = 2


def lines_of(desk: Desk) -> dict[str, Study]:
    """The other studies of a section, by what their names have in addition to that of its own."""
    own = study_of(desk).experiment.name
    return {study.experiment.name.removeprefix(f"{own}-"): study for study in desk.studies[1:]}


def rounds_in(main: Study, line: Study) -> dict[int, int]:
    """Round of a line → that of the main study with the same density; those on the way to one are left out."""
    ours = main.experiment.pruning.densities
    theirs = enumerate(line.experiment.pruning.densities, start=1)
    return {number: ours.index(density) + 1 for number, density in theirs if density in ours}


def masks_of(name: str, line: Study, main: Study) -> pd.DataFrame:
    """The branches of a line as if they were of the main study: By has its name, and Round is that of the density."""
    own, rounds = line.branches[line.branches["Control"] == TICKET], rounds_in(main, line)
    own = own[own["Round"].isin([*rounds])]
    return own.assign(By=f"{name}-" + own["By"], Round=own["Round"].map(rounds))


@dataclass(frozen=True)
class Effort:
    """What masks took.

    Attributes:
        trainings: How many trainings, as long as one of the main study, at each of its densities: those to find the
            mask, and that of what it keeps. What is scored at birth, or drawn, took none to be found.
        equal: Whether that is what the main study gives to each, and what they are put on was born alike.
    """

    trainings: list[float]
    equal: bool

    def __str__(self) -> str:
        return " … ".join(dict.fromkeys(f"{one:g}" for one in (min(self.trainings), max(self.trainings))))


def efforts(main: Study, lines: Mapping[str, Study]) -> dict[str, Effort]:
    """What the masks of the main study and of its lines took, by what ranked the weights."""
    found = {by: Effort(spent, max(spent) <= _EACH) for by, spent in _trainings(main, main).items()}
    for name, line in lines.items():
        alike = line.experiment.particle == main.experiment.particle
        for by, spent in _trainings(line, main).items():
            found[f"{name}-{by}"] = Effort(spent, alike and {*spent} == {_EACH})
    return found


def _trainings(study: Study, main: Study) -> dict[str, list[float]]:
    every = {branch.experiment.name: branch for branch in branches(study.experiment, study.folder)}

    def epochs(name: str) -> int:
        branch = every[name]
        start, own = branch.experiment.start, branch.experiment.training.epochs - branch.begins
        if not start.run or start.drop == "random" or start.at == 0:
            return own
        return own + epochs(Path(start.of or start.run).name)

    found, rounds = dict[str, list[float]](), rounds_in(main, study)
    for name, branch in every.items():
        if branch.control == TICKET and branch.round in rounds:
            found.setdefault(branch.by, []).append(epochs(name) / main.experiment.training.epochs)
    return found


def apart(
    main: Study, lines: Mapping[str, Study], ends: pd.DataFrame, spent: Mapping[str, Effort], marked: str, usual: str
) -> str:
    """What took something else than the main study gives to each: a table of its masks, and how it ends unpruned.

    Args:
        main: The study.
        lines: Others, by their names.
        ends: The endpoints of all masks.
        spent: What each took.
        marked: What the study is about.
        usual: What others are compared with.
    """
    rows = []
    for by in ends:
        if not spent[str(by)].equal:
            tests = [paired(*(ends[one].to_numpy(dtype=float) for one in pair)) for pair in ((marked, by), (by, usual))]
            shown = interval(*mean_interval(ends[by], SHARE), form="{:.4f}")
            rows.append([by, str(spent[str(by)]), shown, *map(points, tests)])
    if not rows:
        return "All masks took as much."
    columns = ["mask by", "trainings", "endpoint", f"{marked} minus it, points", f"it minus {usual}, points"]
    told = "What took other numbers of steps, or is put on a network of another birth; not corrected:"
    return "\n\n".join([told, markdown(rows, columns), *_births(main, lines)])


def _births(main: Study, lines: Mapping[str, Study]) -> list[str]:
    """How the dense network itself ends from another birth than that of the main study."""
    own = main.branches[main.branches["Control"] == DENSE]
    told = []
    for name, line in lines.items():
        if line.experiment.particle != main.experiment.particle:
            other = line.branches[line.branches["Control"] == DENSE]
            ends = interval(*mean_interval(other["End score"], SHARE), form="{:.4f}")
            told.append(
                f"The dense network itself ends, from the birth of *{name}*, at {ends}; that minus the one of the "
                f"others is {points(tested(other, own, 'End score'))} points."
            )
    return told
