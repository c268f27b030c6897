"""The table about masks of every kind on the same dense network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

from srnn import tasks
from srnn.analysis import arms
from srnn.analysis.rounds import DENSE, TICKET
from srnn.analysis.statistics import SHARE, last_scores, mean_interval
from srnn.analysis.thinning import TOTAL
from srnn.experiment import Experiment
from srnn.laboratory.branches import TRUNK
from srnn.laboratory.study import Study
from srnn.plots.arms import arms as draw_arms
from srnn.runs.groups import open_runs
from srnn.runs.masks import kept_of
from srnn.tables.desk import Desk, between, interval, markdown, probability
from srnn.tables.lines import Effort, apart, efforts, lines_of, masks_of, rounds_in
from srnn.tables.studies import extent, listed, points, study_of, tested

#: What is dropped by self-replication: zero fixpoints first, then self-replicators, of each the smallest.
MARKED: Final = "organism-type"
#: The mask whose layer sizes a random one is given, and what that is called.
_SIZES: Final = "magnitude"
_SHUFFLE: Final = "shuffle"
#: How the findings about a comparison read.
_WORDS: Final = {
    arms.BETTER: "better than",
    arms.EQUAL: "as good as",
    arms.WORSE: "worse than",
    arms.OPEN: "neither shown to differ from nor to be as good as",
}


def masks(desk: Desk) -> str:
    """Does a mask of what self-replication marks beat the masks of all others, at the same density?"""
    study, lines = study_of(desk), lines_of(desk)
    scored, spent = study.experiment.scored(), efforts(study, lines)
    branches = pd.concat([study.branches, *(masks_of(name, line, study) for name, line in lines.items())])
    ends = arms.endpoints(branches)
    equal, panels = ends[[by for by in ends if spent[str(by)].equal]], _panels(ends, scored, spent)
    dense, twice = branches[branches["Control"] == DENSE]["End score"], _twice(spent)
    own = branches[branches["Control"] == TICKET]
    shares = own.groupby("Round")["Density"].mean()
    accuracy = own.pivot_table("End score", "By", "Round", sort=False)
    shown = max((number for number in shares.index if shares[number] >= 0.05), default=shares.index[0])
    return f"""{extent(study)}

Every mask is put on the same dense network, born with the same weights and trained on the same batches: the mask alone
is exchanged. An arm is a score of the dense network or, by its name first, of another run in its place: these differ in
one strength each, chosen by the mean validation accuracy of such masks on two seeds that are not among these. All are
ranked over the whole network, so each also chooses how much it keeps of each layer. All took one training to be found
and one to be trained, but snip and random, which need none to be found{twice}.
A seed of which a run diverged is not left out.

{_scored(study, scored)}

The endpoint is the mean test accuracy over the densities {listed([f"{share:.0%}" for share in shares])}; the dense
network ends at {interval(*mean_interval(dense, SHARE), form="{:.4f}")}.

{desk.image(draw_arms, branches, "masks on the same network", "masks", marked=MARKED, panels=panels)}

{_against(equal, spent)}

{apart(study, lines, ends, spent, MARKED, _SIZES)}

Mean test accuracy at each density:

{
        markdown(
            [
                [by, *(f"{score:.4f}" for score in row)]
                for by, row in zip(accuracy.index, accuracy.to_numpy(), strict=True)
            ],
            ["mask by", *(f"{share:.0%}" for share in shares)],
        )
    }

{_each(own, shares)}

{_shuffled(branches)}

What the masks of {shares[shown]:.0%} keep of each layer, how much lies on paths from an input to
an output, and which share of it is on inputs that are not zero in less than a hundredth of the training pictures:

{_mechanism(study, lines, desk, shown)}

{_judged(study, equal, ends, scored)}
"""


def judged(ends: pd.DataFrame) -> str:
    """What the endpoints say of the masks that self-replication marks, in a sentence.

    Args:
        ends: As :func:`srnn.analysis.arms.endpoints` gives them.
    """
    found = arms.against(ends, MARKED)
    if arms.beats_all(found):
        verdict = "beats every other mask: each single 95 % interval of the difference is above 0"
    else:
        parts = []
        for finding, words in _WORDS.items():
            names = found.loc[found["Found"] == finding, "By"].tolist()
            parts += [f"{words} {listed(names)}"] if names else []
        verdict = f"does not beat all others: over the densities it is {'; '.join(parts)}"
    return (
        f"dropping what self-replication marks ({MARKED}) {verdict} (paired over {len(ends)} seeds, Holm; as good: "
        f"less than {100 * arms.MARGIN:g} points apart, by two one-sided tests)."
    )


def _judged(study: Study, equal: pd.DataFrame, ends: pd.DataFrame, scored: dict[str, Experiment]) -> str:
    """The sentence at equal steps and, where a dense network was trained for longer, at equal time."""
    epochs, others = study.experiment.training.epochs, [str(by) for by in ends if by not in equal]
    text = f"Judged, at equal steps: {judged(equal)}"
    if others:
        text += f" No part of that, for another number of steps or another birth: {listed(others)}."
    for name, one in scored.items():
        if one.training.epochs <= epochs:
            continue
        found = arms.against(ends[[MARKED, *(by for by in others if by.rpartition("-")[0] == name)]], MARKED)
        told = [f"{MARKED} minus {row['By']}: {points(row)} points" for row in found.to_dict("records")]
        text += (
            "\n\nJudged, at equal time: a step of replication takes longer than one of the dense network, so "
            f"*{name}* was trained {one.training.epochs / epochs:g} times as long for its mask; {listed(told)}."
        )
    return text


def _twice(spent: Mapping[str, Effort]) -> str:
    """How those that need no training to be found are given as many steps as the others."""
    if not (longer := [by for by in spent if by.startswith("twice-")]):
        return ""
    return (
        f": they are given once as if a training had been thrown away, and once, as {listed(longer)}, with both in one"
    )


def _scored(study: Study, scored: dict[str, Experiment]) -> str:
    """What was scored: its settings, and what had become of it."""
    rows = []
    for name in (TRUNK, *scored):
        last = last_scores(one for one in study if one.folder.parent.name == name)
        means = last.groupby("Metric")["Score"]
        ends = last.loc[last["Metric"] == "test_accuracy", "Score"].fillna(0.0)
        organism = open_runs([study.folder / name])[0].organism()
        types = [
            f"{means.get_group(kind).mean() / organism.size:.0%}" if organism.particle.has_types else "–"
            for kind in ("zero", "identity")
        ]
        changes = study.experiment.pruning.others[name].changes if name in scored else []
        told = listed([f"`{change}`" for change in changes], "the dense network itself")
        rows.append([name, told, interval(*mean_interval(ends, SHARE), form="{:.3f}"), *types])
    return markdown(rows, ["scored", "settings", "its own test accuracy", "zero fixpoints", "self-replicators"])


def _panels(ends: pd.DataFrame, scored: dict[str, Experiment], spent: Mapping[str, Effort]) -> dict[str, list[str]]:
    """The arms by what was scored."""
    panels: dict[str, list[str]] = {
        "the dense network, by": [],
        "a dense network trained otherwise": [],
        "particles": [],
        "other numbers of steps, or another birth": [],
    }
    for by in ends:
        one = scored.get(str(by).rpartition("-")[0])
        place = 0 if one is None else 1 if one.particle.kind == "number" else 2
        place = place if spent[str(by)].equal else 3
        [*panels.values()][place].append(str(by))
    return {title: own for title, own in panels.items() if own}


def _against(ends: pd.DataFrame, spent: Mapping[str, Effort]) -> str:
    """A table of the endpoints, and of what the marked one has ahead of the others."""
    found: dict[str, Any] = {row["By"]: row for row in arms.against(ends, MARKED).to_dict("records")}
    rows = []
    for by in ends.columns:
        cells = [str(spent[str(by)]), interval(*mean_interval(ends[by], SHARE), form="{:.4f}")]
        if by == MARKED:
            rows.append([f"**{by}**", *cells, *[""] * 4])
            continue
        test = found[by]
        ahead = between(*(100 * test[one] for one in ("Difference", "Low", "High")), form="{:+.2f}")
        ps = [f"{probability(test[p])}, {probability(test[f'{p}, Holm'])}" for p in ("p", "p (equivalence)")]
        rows.append([by, *cells, ahead, *ps, test["Found"]])
    columns = ["mask by", "trainings", "endpoint", f"{MARKED} minus it, points", "p, corrected"]
    return markdown(rows, [*columns, "p of equivalence, corrected", f"{MARKED} is"])


def _each(own: pd.DataFrame, shares: pd.Series) -> str:
    """What the marked mask has ahead of that by magnitude at each density: a mean over them may hide it."""
    told = []
    for number, share in shares.items():
        one, other = (own[(own["By"] == by) & (own["Round"] == number)] for by in (MARKED, _SIZES))
        if len(one) and len(other):
            told.append(f"{points(tested(one, other, 'End score'))} at {share:.0%}")
    return f"{MARKED} minus {_SIZES}, points: {listed(told)}."


def _shuffled(branches: pd.DataFrame) -> str:
    """What each mask has ahead of as many weights at random in each layer, where these were trained."""
    shuffles = branches[branches["Control"] == _SHUFFLE]
    if shuffles.empty:
        return "No mask was shuffled within its layers."
    own = branches[branches["Control"] == TICKET]
    shares = own.groupby("Round")["Density"].mean()
    numbers = sorted({*shuffles["Round"]})
    rows, alike = [], []
    for by in shuffles["By"].unique():
        tests = []
        for number in numbers:
            mask, other = (one[(one["By"] == by) & (one["Round"] == number)] for one in (own, shuffles))
            tests.append(tested(mask, other, "End score"))
        rows.append([by, *map(points, tests)])
        if not all(test["Low"] > 0 for test in tests):
            alike.append(str(by))
    number = numbers[-1]
    sizes = shuffles[(shuffles["By"] == _SIZES) & (shuffles["Round"] == number)]
    marked = own[(own["By"] == MARKED) & (own["Round"] == number)]
    beside = ""
    if len(sizes) and len(marked):
        beside = (
            f" At {shares[number]:.0%}, {MARKED} minus a random mask with the layer sizes of {_SIZES}: "
            f"{points(tested(marked, sizes, 'End score'))} points."
        )
    return f"""Each mask minus as many weights at random in each layer, points: its worth beyond its layers' sizes.

{markdown(rows, ["mask by", *(f"{shares[one]:.0%}" for one in numbers)])}

Not shown to be better than that at all of these densities: {listed(alike)}.{beside}"""


def _mechanism(main: Study, lines: Mapping[str, Study], desk: Desk, shown: int) -> str:
    """A table of the layers of each mask at one density."""
    task = tasks.load(main.experiment.task, desk.data_dir)
    names = [name for name in main.layers["Layer"].unique() if name != TOTAL]
    organism, rows = open_runs([main.folder / TRUNK])[0].organism(), []
    for line, study in {"": main, **lines}.items():
        [number] = [ours for ours, theirs in rounds_in(main, study).items() if theirs == shown]
        layers = study.layers.query(f"Round == {number} and Control == '{TICKET}'")
        means = layers.pivot_table(["Density", "Effective"], "By", "Layer", sort=False)
        density = study.experiment.pruning.densities[number - 1]
        for by in means.index:
            desk.watch(f"masks by {by}")
            kept = {
                str(run.experiment.seed): kept_of(run)
                for run in study
                if (run.folder.parent.name, run.experiment.start.control) == (f"{by}-{density:g}", "none")
            }
            quiet = pd.Series(arms.on_quiet_inputs(kept, organism, task.train_x))
            shares = [f"{means.loc[by, ('Density', name)]:.1%}" for name in names]
            paths = means.loc[by, ("Effective", TOTAL)] / means.loc[by, ("Density", TOTAL)]
            name = f"{line}-{by}" if line else by
            rows.append([name, *shares, f"{paths:.1%}", f"{quiet.mean():.1%}"])
    return markdown(rows, ["mask by", *names, "of it on paths", "of it on quiet inputs"])
