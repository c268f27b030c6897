"""The table about interventions: does anything that is done to useless units help, and what does it cost to focus?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd

from srnn.analysis.rescue import course, forgotten, outcome, rounds, rounds_until_no_gain
from srnn.analysis.statistics import ANYTHING, POSITIVE, SHARE, Floats, Range, holm, mean_interval, paired
from srnn.organism import Organism
from srnn.plots import rescue as plots
from srnn.plots.differences import differences
from srnn.runs.run import Run
from srnn.tables.desk import ALPHA, Desk, between, markdown, of_what, probability, side_by_side

PRESETS: Final = ("rescue", "hard-examples")
#: The epoch after which something happens in the preset ``rescue``.
_AT: Final = 10
_NUMBERS: Final = ("redraw", "redraw-zero", "noise", "scale", "copy", "mix", "cross", "drop")
_RANDOM: Final = ("redraw-random", "copy-random")
_LIFTED: Final = ("lifted-redraw", "lifted-random")
#: The same at random units, where there is that; of all other actions, redraw.
_CONTROLS: Final = {"redraw": "redraw-random", "copy": "copy-random", "lifted-redraw": "lifted-random"}
#: Action and against what → a paired test, with its corrected p-value.
Tests = dict[tuple[str, str], dict[str, float]]
#: Columns of the table of actions: what is told, between which numbers and how.
_TOLD: Final[dict[str, tuple[Range, str]]] = {
    "Units": (POSITIVE, "{:.0f}"),
    "Dip": (ANYTHING, "{:+.3f}"),
    "Recovery": (POSITIVE, "{:.1f}"),
    "Rank after 0": (SHARE, "{:.2f}"),
    "Rank after 5": (SHARE, "{:.2f}"),
    "Rank after 20": (SHARE, "{:.2f}"),
    "Rank after 20, left alone": (SHARE, "{:.2f}"),
    "Rescued": (SHARE, "{:.2f}"),
    "Rescued, left alone": (SHARE, "{:.2f}"),
    "Return": ((-1.0, 1.0), "{:.2f}"),
}
_ROUNDS: Final = (5, 10, 15, 20, 25)
_ARMS: Final = ("nothing", "focus", "freeze", "both", "both-random", "both-rehearsal", "both-thaw")


def rescuing(desk: Desk) -> str:
    """What interventions do, and what going on with what is wrong costs and gains."""
    found, curves = _outcomes(desk)
    tests = _against(found)
    rows = []
    for action in [*_NUMBERS, *_RANDOM, *_LIFTED]:
        own = found[found["Action"] == action]
        cells = [_cell(own, metric, *how) for metric, how in _TOLD.items()]
        points = [_points(tests.get((action, against))) for against in ("none", "random")]
        rows.append([action, *cells, *points])
    columns = ["action", "units", "dip", "recovery", "rank at once", "after 5", "after 20", "left alone", "rescued"]
    columns += ["left alone", "return", "accuracy, against none", "against random"]
    run = desk.runs["rescue-none"][0]
    pictures = {
        "test loss": desk.image(plots.recovery, curves, "rescue", "recovery"),
        "accuracy at the end": desk.image(differences, _drawn(tests), "rescue", "differences"),
    }
    return f"""A tenth of each hidden layer of {of_what(run)} is changed after {_AT} of
{run.experiment.training.epochs} epochs: those without which least is lost on training data, or random ones; beside the
same run without it. *Dip*: test loss right after it minus that before, in nats; *recovery*: epochs until it is that of
before again, of the seeds where it ever is; *rank*: of those units in their layer by usefulness on test data, from 0 to
1, and of the same units *left alone* in the other run; *rescued*: in the upper half at the end; *return*: the cosine of
what enters them at the end with what did before. The last columns are differences of the final test accuracy in points,
paired by seed, against no event and against the same (or, where there is none, redraw) at random units. Particles are
`lifted`, the others plain numbers.

{side_by_side(pictures)}

{markdown(rows, columns)}

Judged: {_judged(tests, found)}

{_focus(desk)}"""


def _outcomes(desk: Desk) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What came of every action and seed, and the difference of the test loss over the epochs."""
    parts, curves = [], []
    task = desk.task("rescue-none")
    for plain, actions in (("none", (*_NUMBERS, *_RANDOM)), ("lifted", _LIFTED)):
        for place, run in enumerate(desk.runs[f"rescue-{plain}"]):
            seed, before = run.experiment.seed, _organisms(run)
            reference = course(before, task).set_index("Epoch")["Loss"]
            final = {"Metric": "Score", "Score": float(course(before[-1:], task)["Score"].iloc[0])}
            parts.append(pd.DataFrame([final]).assign(Action=plain, Seed=seed))
            for action in actions:
                desk.watch(f"{action}, seed {seed}")
                after = _organisms(desk.runs[f"rescue-{action}"][place])
                parts.append(outcome(before, after, task, _AT).assign(Action=action, Seed=seed))
                if plain == "none":
                    loss = course(after, task).set_index("Epoch")["Loss"]
                    difference = (loss - reference).rename("Difference").reset_index()
                    shown = difference.assign(Epoch=difference["Epoch"] - _AT, Action=action, Seed=seed)
                    curves.append(shown[shown["Epoch"] >= 0])
    return pd.concat(parts, ignore_index=True), pd.concat(curves, ignore_index=True)


def _organisms(run: Run) -> list[tuple[int, Organism]]:
    return [(epoch, run.organism(epoch)) for epoch in run.logged_epochs if epoch >= _AT]


def _against(found: pd.DataFrame) -> Tests:
    """Paired tests of the gain in accuracy of each action, against none and against the same at random units."""
    gains = found[found["Metric"] == "Score gain"].pivot(index="Seed", columns="Action", values="Score")
    cases = {}
    for action, random in ((one, _CONTROLS.get(one, "redraw-random")) for one in (*_NUMBERS, *_RANDOM, *_LIFTED)):
        cases[action, "none"] = paired(gains[action].to_numpy(), np.zeros(len(gains)))
        if action not in _CONTROLS.values():
            cases[action, "random"] = paired(gains[action].to_numpy(), gains[random].to_numpy())
    corrected = holm([test["p"] for test in cases.values()])
    return {case: test | {"p, Holm": float(p)} for (case, test), p in zip(cases.items(), corrected, strict=True)}


def _drawn(tests: Tests) -> pd.DataFrame:
    """The tests as :func:`srnn.plots.differences.differences` draws them."""
    rows = [
        {
            "Variant": action,
            "Against": "none" if against == "none" else _CONTROLS.get(action, "redraw-random"),
            "Measure": "test accuracy, points",
            **{end: 100 * test[end] for end in ("Difference", "Low", "High")},
            "Shown": test["p, Holm"] < ALPHA,
            "Seeds": test["n"],
        }
        for (action, against), test in tests.items()
    ]
    return pd.DataFrame(rows)


def _cell(own: pd.DataFrame, metric: str, within: Range, form: str) -> str:
    scores = own[own["Metric"] == metric]["Score"].dropna()
    return between(*mean_interval(scores, within), form=form) if len(scores) else "–"


def _points(test: Mapping[str, float] | None) -> str:
    if test is None:
        return "–"
    return between(*(100 * test[one] for one in ("Difference", "Low", "High")), form="{:+.2f}")


def _judged(tests: Tests, found: pd.DataFrame) -> str:
    actions = (*_NUMBERS, "lifted-redraw")
    both = [action for action in actions if all(_better(tests[action, one]) for one in ("none", "random"))]
    best = max(actions, key=lambda action: tests[action, "none"]["Difference"])
    told = []
    for against in ("none", "random"):
        test = tests[best, against]
        p, corrected = (probability(test[one]) for one in ("p", "p, Holm"))
        told.append(f"against {against} {_points(test)} points (p = {p}, corrected {corrected})")
    rising = []
    for action in _NUMBERS:
        test = paired(*(_by_seed(found, action, f"Rescued{name}") for name in ("", ", left alone")))
        difference = between(*(test[one] for one in ("Difference", "Low", "High")), form="{:+.2f}")
        rising.append(f"{action} {difference}")
    verdict = "that any action is better than both none and random is not shown"
    if both:
        verdict = f"better than both none and random is {', '.join(both)}"
    return (
        f"{verdict}, with p-values corrected for all tests of the table. The largest gain is that of {best}: "
        f"{' and '.join(told)}. The share of changed units that end in the upper half of their layer, beyond that of "
        f"the same units left alone: {'; '.join(rising)}."
    )


def _better(test: Mapping[str, float]) -> bool:
    return test["Difference"] > 0 and test["p, Holm"] < ALPHA


def _by_seed(found: pd.DataFrame, action: str, metric: str) -> Floats:
    own = found[(found["Action"] == action) & (found["Metric"] == metric)]
    return own.sort_values("Seed")["Score"].to_numpy()


# -- hard examples ----------------------------------------------------------------------------------------------------


def _focus(desk: Desk) -> str:
    parts, stops, often = [], [], []
    task = desk.task("hard-examples-nothing")
    for arm in _ARMS:
        for run in desk.runs[f"hard-examples-{arm}"]:
            logged = ((epoch, run.organism(epoch)) for epoch in run.logged_epochs if epoch >= _ROUNDS[0])
            often.append((arm, run.experiment.seed, float(forgotten(logged, task).mean())))
            own = rounds(run.metrics, _ROUNDS).assign(Arm=arm, Seed=run.experiment.seed)
            parts.append(own)
            before = run.metrics.query("Metric == 'validation_accuracy' and Epoch == 5")["Score"].iloc[-1]
            stops.append((arm, run.experiment.seed, rounds_until_no_gain([before, *own["Validation"]])))
    found = pd.concat(parts, ignore_index=True)
    until = pd.DataFrame(stops, columns=["Arm", "Seed", "Rounds"])
    events = pd.DataFrame(often, columns=["Arm", "Seed", "Times"])
    rows, told = [], {}
    nothing = found[(found["Arm"] == "nothing") & (found["Round"] == 5)].set_index("Seed")["Test"]
    for arm in _ARMS:
        own = found[found["Arm"] == arm]
        first, last = own[own["Round"] == 1], own[own["Round"] == len(_ROUNDS)]
        test = paired(last.set_index("Seed")["Test"].loc[nothing.index].to_numpy(), nothing.to_numpy())
        told[arm] = between(*(100 * test[one] for one in ("Difference", "Low", "High")), form="{:+.2f}")
        shares = [_share(first[column]) for column in ("Forgotten", "Gained")]
        counts = [f"{first['Kept'].mean():,.0f}", f"{first['Left'].mean():,.0f}", f"{last['Frozen'].mean():.0%}"]
        stop = between(*mean_interval(until[until["Arm"] == arm]["Rounds"], (0, len(_ROUNDS))), form="{:.1f}")
        net = between(*mean_interval(first["Net"]), form="{:+.3f}")
        times = between(*mean_interval(events[events["Arm"] == arm]["Times"], POSITIVE), form="{:.2f}")
        rows.append(
            [arm, *counts, *shares, net, times, stop, _share(last["Test"]), "–" if arm == "nothing" else told[arm]]
        )
    columns = ["arm", "kept", "left", "frozen", "forgotten", "gained", "net", "times", "rounds", "test accuracy"]
    columns.append("against nothing")
    run = desk.runs["hard-examples-nothing"][0]
    return f"""Rounds of freezing and going on with what is wrong: {of_what(run)}, every
five epochs from the fifth on. The tenth of each hidden layer's units that is most active is frozen (or a random one),
and the examples of the next epochs are those that are answered wrongly. In all arms, *nothing* among them, they are
drawn with replacement, and steps are as many. *Forgotten* is the share of those left out that is answered wrongly four
epochs later, *gained* that of those kept that is answered rightly, *net* what that comes to of all examples, in the
first round; *times*: how often a training example was forgotten, right after one logged epoch and wrong after the next,
from the first round on; *rounds* until two in a row have brought nothing better on validation data (0: never better
than before). A dash: nothing is left out.

{desk.image(plots.rounds, found, "hard-examples", "rounds")}

{markdown(rows, columns)}

Judged: at the end the test accuracy, paired by seed and in points, is against doing nothing {told["focus"]} by going on
with what is wrong alone, {told["freeze"]} by freezing alone, {told["both"]} by both, {told["both-random"]} with random
units frozen, {told["both-rehearsal"]} with a tenth of the others rehearsed, and {told["both-thaw"]} if at last all are
thawed and all examples come back.
"""


def _share(shares: pd.Series) -> str:
    known = shares.dropna()
    return between(*mean_interval(known, SHARE), form="{:.3f}") if len(known) else "–"
