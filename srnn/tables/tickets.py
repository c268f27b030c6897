"""The table about lottery tickets, beside other starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pandas as pd

from srnn.analysis import rounds
from srnn.analysis.rounds import AT_ONCE, DENSE, KEYS, TICKET
from srnn.analysis.statistics import SHARE, holm
from srnn.laboratory.study import Study
from srnn.plots.rounds import rounds as draw_rounds
from srnn.tables.desk import ALPHA, Desk, markdown, with_values
from srnn.tables.studies import extent, listed, points, study_of, tested

#: The most that is kept where the start is said to matter, and the most and the least that is kept of what is said to
#: generalise better.
_MATTERS: Final = 0.22
_MODERATE: Final = (0.1, 0.9)
#: The most that is kept of a ticket at about 98 % sparsity.
_SMALL: Final = 0.025


def tickets(desk: Desk) -> str:
    """Do the weights that are kept need the values they were born with?"""
    study = study_of(desk)
    branches, epochs = study.branches, study.experiment.training.epochs
    every = pd.concat([branches, *(at_once(branches, other) for other in desk.studies[1:])], ignore_index=True)
    dense = branches[branches["Control"] == DENSE]
    rows = []
    for key, own in every.sort_values("Round", kind="stable").groupby([*KEYS], sort=False):
        ahead = "" if key[2] == DENSE else points(tested(own, dense, "Test score"))
        stops = with_values(own["Early stop"], "{:.1f}", (0, epochs))
        score = with_values(own["Test score"], "{:.4f}", SHARE)
        rows.append([f"{own['Density'].mean():.1%}", key[2], stops, score, ahead])
    columns = ["kept", "start", "early stop, epoch", "test accuracy then", "minus dense, points"]
    return f"""{extent(study)}

LeNet-300-100 is trained whole; in each round the smallest 20 % of the weights that are left of each layer (10 % of the
last one's) are dropped. What is left is trained again from where it began (*ticket*), from other newborn values
(*reinit*), or as much at random in each layer (*shuffle*); *at once* are tickets as small that a single cut of the
dense network leaves. Published, over rounds and 50,000 iterations (Frankle & Carbin): 38 % earlier at 21 % kept than
dense and up to 0.3 points better at 13.5 %; back to the dense network's level at 3.6 %; the ticket of 21 % stops 2.5
times sooner than its reinit and is half a point better. There births are Glorot normal; here they are uniform in
±1/√fan_in, and training is shorter.

{desk.image(draw_rounds, every, "lottery tickets", "tickets", epochs=epochs)}

{markdown(rows, columns)}

Judged, claim by claim:

{claims(branches)}
{of_rounds(every)}
"""


def at_once(branches: pd.DataFrame, other: Study) -> pd.DataFrame:
    """Of tickets that one cut leaves those that are as dense as what a round left, under that round's number.

    Args:
        branches: Of rounds; a row for each seed and branch, with a column Round.
        other: A study of single cuts, to what so many rounds leave.

    Returns:
        Rows as those of the branches, with :data:`srnn.analysis.rounds.AT_ONCE` for Control.
    """
    cuts, rounds_ = other.branches, other.experiment.pruning.rounds
    assert not isinstance(rounds_, int), "its rounds are single cuts"
    tickets = cuts[cuts["Control"] == TICKET]
    found = tickets.assign(Round=tickets["Round"].map(dict(enumerate(rounds_, 1))), Control=AT_ONCE)
    return found[found["Round"].isin(branches["Round"])]


def of_rounds(branches: pd.DataFrame) -> str:
    """Whether a ticket of several rounds is better than one that was cut at once.

    Args:
        branches: Of both, a row for each seed and branch: columns Seed, Round, Control, Density and Test score.
    """
    tests = {}
    for _, part in branches.groupby("Round"):
        once = part[part["Control"] == AT_ONCE]
        if not once.empty:
            tests[f"{once['Density'].mean():.1%}"] = tested(part[part["Control"] == TICKET], once, "Test score")
    told = "No ticket was cut at once."
    if tests:
        ahead = ", ".join(f"{points(test)} with {share} kept" for share, test in tests.items())
        told = (
            f"Those minus these, points: {ahead}. Better (Holm, over {len(tests)} densities): {listed(_better(tests))}."
        )
    return f"* *Rounds find better tickets than one cut.* {told}"


def _better(tests: Mapping[str, dict[str, float]]) -> list[str]:
    """Where a difference is above zero after Holm's correction for all of them."""
    corrected = holm([test["p"] for test in tests.values()])
    return [
        share for (share, test), p in zip(tests.items(), corrected, strict=True) if p < ALPHA and test["Difference"] > 0
    ]


def claims(branches: pd.DataFrame) -> str:
    """The three claims about tickets, each with what was measured.

    Args:
        branches: As of a study, with validation data.
    """
    dense, own = branches[branches["Control"] == DENSE], branches[branches["Control"] == TICKET]
    shares = {int(number): float(own.loc[own["Round"] == number, "Density"].mean()) for number in own["Round"].unique()}
    lines = []
    for number in [number for number, share in shares.items() if share <= _MATTERS]:
        part = branches[branches["Round"] == number]
        for control in [one for one in part["Control"].unique() if one != TICKET]:
            test = tested(part[part["Control"] == TICKET], part[part["Control"] == control], "Test score")
            lines.append(
                f"with {shares[number]:.1%} kept the ticket minus {control}: {points(test)} points{_shown(test)}"
            )
    found = ["* *The start matters above 80 % sparsity.* " + ("; ".join(lines) or "No control was trained there") + "."]

    least = min(shares, key=shares.__getitem__)
    test = tested(own[own["Round"] == least], dense, "Test score")
    winners = rounds.winning(branches)
    names = [f"{shares[one]:.1%}" for one in winners.loc[winners["Winning"] & (winners["Control"] == TICKET), "Round"]]
    reached = "" if shares[least] <= _SMALL else ", and 2 % was not reached"
    found.append(
        f"* *There are tickets at 98 %.* With {shares[least]:.1%} kept{reached}, minus dense: {points(test)} "
        f"points{_shown(test)}. Winning, by their intervals no more than {100 * rounds.MARGIN:g} points below the "
        f"dense network and no later to stop: {listed(names, 'none of these densities')}."
    )

    moderate = [number for number, share in shares.items() if _MODERATE[0] <= share <= _MODERATE[1]]
    tests = {f"{shares[number]:.1%}": tested(own[own["Round"] == number], dense, "Test score") for number in moderate}
    told = "None was trained."
    if tests:
        best, test = max(tests.items(), key=lambda pair: pair[1]["Difference"])
        told = (
            f"Better than dense (Holm, over {len(tests)} densities from {shares[moderate[0]]:.0%} to "
            f"{shares[moderate[-1]]:.0%}) are {listed(_better(tests), 'none of them')}; the best, with {best} "
            f"kept, minus dense: {points(test)} points."
        )
    return "\n".join([*found, f"* *Moderate sparsity generalises better.* {told}"])


def _shown(test: dict[str, float]) -> str:
    """Whether the interval leaves a side open."""
    return "" if test["Low"] > 0 or test["High"] < 0 else ", where no difference is shown"
