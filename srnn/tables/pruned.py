"""The tables about pruning: masks of every kind on the same dense network, and lottery tickets beside other starts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pandas as pd

from srnn import tasks
from srnn.analysis import arms, rounds
from srnn.analysis.rounds import DENSE, KEYS, TICKET
from srnn.analysis.statistics import SHARE, last_scores, mean_interval, paired
from srnn.analysis.thinning import TOTAL
from srnn.laboratory.branches import TRUNK
from srnn.laboratory.study import Study
from srnn.plots.arms import arms as draw_arms
from srnn.plots.rounds import rounds as draw_rounds
from srnn.runs.groups import open_runs
from srnn.runs.masks import NAME as MASK
from srnn.runs.masks import read_mask
from srnn.tables.desk import Desk, between, interval, markdown, probability, with_values

#: What is dropped by self-replication: zero fixpoints first, then self-replicators, of each the smallest.
MARKED: Final = "organism-type"
#: How the findings about a comparison read.
_WORDS: Final = {
    arms.BETTER: "better than",
    arms.EQUAL: "as good as",
    arms.WORSE: "worse than",
    arms.OPEN: "neither shown to differ from nor to be as good as",
}


def masks(desk: Desk) -> str:
    """Does a mask of what self-replication marks beat the masks of all others, at the same density?"""
    study = _study(desk)
    branches = study.branches
    ends = arms.endpoints(branches)
    found: dict[str, Any] = {row["By"]: row for row in arms.against(ends, MARKED).to_dict("records")}
    rows = []
    for by in ends.columns:
        cells = [interval(*mean_interval(ends[by], SHARE), form="{:.4f}")]
        if by == MARKED:
            rows.append([f"**{by}**", *cells, "", "", ""])
            continue
        test = found[by]
        ahead = between(*(100 * test[one] for one in ("Difference", "Low", "High")), form="{:+.2f}")
        rows.append([by, *cells, ahead, f"{probability(test['p'])}, {probability(test['p, Holm'])}", test["Found"]])
    columns = ["mask by", "endpoint", f"{MARKED} minus it, points", "p, corrected", f"{MARKED} is"]
    dense = branches[branches["Control"] == DENSE]["End score"]
    own = branches[branches["Control"] == TICKET]
    accuracy = own.pivot_table("End score", "By", "Round", sort=False)
    shares = [f"{share:.0%}" for share in own.groupby("Round")["Density"].mean()]
    return f"""{_extent(study)}

Every mask is put on the same dense network, born with the same weights and trained on the same batches: the mask alone
is exchanged. An arm is the run that was scored, where it is not the dense network itself, and the score: *organism*
trains replication by SGD, *alone* is made of particles that do not replicate, *l2* is a dense network with that
penalty. No strength was tuned, and no gate is among them. All are ranked over the whole network, so each also chooses
how much it keeps of each layer; no mask was shuffled within its layers. All took one training to be found and one to be
trained, but snip, random and quiet_inputs, which need no first one. It is a small version of the experiment; a larger
one is `srnn run pruning --seeds 10 --set name=pruning-whole --set training.epochs=20 --set 'pruning.densities=[0.5,
0.3, 0.2, 0.1, 0.05, 0.03, 0.02, 0.01]' --set 'pruning.controls=["shuffle"]'`.

The endpoint is the mean test accuracy over the densities; the dense network ends at
{interval(*mean_interval(dense, SHARE), form="{:.4f}")}. What was scored in its place had itself come to
{_scored(study)}: a run that has not learnt its task yet says little of what the task needs.

{desk.image(draw_arms, branches, "masks on the same network", "masks", marked=MARKED)}

{markdown(rows, columns)}

Mean test accuracy at each density:

{
        markdown(
            [
                [by, *(f"{score:.4f}" for score in row)]
                for by, row in zip(accuracy.index, accuracy.to_numpy(), strict=True)
            ],
            ["mask by", *shares],
        )
    }

What the masks of {shares[-2 if len(shares) > 1 else -1]} keep of each layer, how much lies on paths from an input to
an output, and which share of it is on inputs that are not zero in less than a hundredth of the training pictures:

{_mechanism(study, desk, sorted({*own["Round"]})[-2:][0])}

Judged: {judged(ends)}
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
            parts += [f"{words} {_listed(names)}"] if names else []
        verdict = f"does not beat all others: over the densities it is {'; '.join(parts)}"
    return f"dropping what self-replication marks ({MARKED}) {verdict} (paired over {len(ends)} seeds, Holm)."


def _mechanism(study: Study, desk: Desk, number: int) -> str:
    """A table of the layers of each arm at one density."""
    task = tasks.load(study.experiment.task, desk.data_dir)
    layers = study.layers.query(f"Round == {number} and Control == '{TICKET}'")
    means = layers.pivot_table(["Density", "Effective"], "By", "Layer", sort=False)
    names = [name for name in layers["Layer"].unique() if name != TOTAL]
    organism = open_runs([study.folder / TRUNK])[0].organism()
    rows = []
    for by in means.index:
        desk.watch(f"masks by {by}")
        kept = {
            str(run.experiment.seed): read_mask(run.folder / MASK, organism)
            for run in study
            if (run.folder.parent.name, run.experiment.start.control) == (_named(study, str(by), number), "none")
        }
        quiet = pd.Series(arms.on_quiet_inputs(kept, organism, task.train_x))
        shown = [f"{means.loc[by, ('Density', name)]:.1%}" for name in names]
        paths = means.loc[by, ("Effective", TOTAL)] / means.loc[by, ("Density", TOTAL)]
        rows.append([by, *shown, f"{paths:.1%}", f"{quiet.mean():.1%}"])
    return markdown(rows, ["mask by", *names, "of it on paths", "of it on quiet inputs"])


def _scored(study: Study) -> str:
    """How accurate the other runs were that were scored."""
    found = []
    for name in study.experiment.pruning.others:
        last = last_scores(one for one in study if one.folder.parent.name == name)
        ends = last.loc[last["Metric"] == "test_accuracy", "Score"]
        found.append(f"{interval(*mean_interval(ends, SHARE), form='{:.3f}')} ({name})")
    return _listed(found)


def _named(study: Study, by: str, number: int) -> str:
    return f"{by}-{study.experiment.pruning.densities[number - 1]:g}"


def tickets(desk: Desk) -> str:
    """Do the weights that are kept need the values they were born with?"""
    study = _study(desk)
    branches = study.branches
    rows = []
    for key, own in branches.groupby([*KEYS], sort=False):
        dense = branches[branches["Control"] == DENSE]
        ahead = "" if key[2] == DENSE else _points(_paired(own, dense, "Test score"))
        stops = with_values(own["Early stop"], "{:.0f}", (0, float("inf")))
        score = interval(*mean_interval(own["Test score"], SHARE), form="{:.4f}")
        rows.append([f"{own['Density'].mean():.1%}", key[2], stops, score, ahead])
    columns = ["kept", "start", "early stop, epoch", "test accuracy then", "minus dense, points"]
    return f"""{_extent(study)}

LeNet-300-100 is trained whole; of each layer the largest weights are kept, as many
as so many rounds of 20 % (of the last layer 10 %) leave, and trained again from where they began (*ticket*), from other
newborn values (*reinit*), or as many at random in each layer (*shuffle*). Published, over iterative rounds and 50,000
iterations (Frankle & Carbin): 38 % earlier at 21 % kept than dense and up to 0.3 points better at 13.5 %; back to the
dense network's level at 3.6 %; the ticket of 21 % stops 2.5 times sooner than its reinit and is half a point better.
There births are Glorot normal; here they are uniform in ±1/√fan_in, each mask is cut at once, and training is much
shorter. All rounds as published: `srnn run tickets --seeds 5 --set name=tickets-whole --set training.epochs=55 --set
pruning.rounds=18`.

{desk.image(draw_rounds, branches, "lottery tickets", "tickets")}

{markdown(rows, columns)}

Judged, claim by claim:

{_claims(branches)}
"""


def _claims(branches: pd.DataFrame) -> str:
    """The three claims about tickets, each with what was measured, the most that is kept first."""
    own = branches.groupby("Round")
    dense, lines = branches[branches["Control"] == DENSE], []
    for number, part in own:
        if number == 0:
            continue
        ticket = part[part["Control"] == TICKET]
        share = f"with {part['Density'].mean():.1%} kept"
        for control in part["Control"].unique():
            if control != TICKET:
                test = _paired(ticket, part[part["Control"] == control], "Test score")
                lines.append(
                    f"* *The start matters.* {share} the ticket minus {control}: {_points(test)}{_shown(test)}."
                )
        test = _paired(ticket, dense, "Test score")
        lines.append(f"* *Tickets are as good as dense networks.* {share} minus dense: {_points(test)}{_shown(test)}.")
    winners = rounds.winning(branches)
    names = [
        f"{branches.loc[branches['Round'] == number, 'Density'].mean():.1%}"
        for number in winners.loc[winners["Winning"] & (winners["Control"] == TICKET), "Round"]
    ]
    ends = f"at {_listed(names)}" if names else "at none of these densities"
    lines.append(
        f"* *Winning tickets*, by their intervals no more than {100 * rounds.MARGIN:g} points below the dense network "
        f"and no later to stop: {ends}."
    )
    return "\n".join(lines)


def _paired(own: pd.DataFrame, others: pd.DataFrame, column: str) -> dict[str, float]:
    """A test of a column between two branches, over their common seeds."""
    pairs = pd.concat([one.set_index("Seed")[column] for one in (own, others)], axis=1, join="inner", keys=["a", "b"])
    return paired(pairs["a"].to_numpy(dtype=float), pairs["b"].to_numpy(dtype=float))


def _points(test: dict[str, float]) -> str:
    return between(*(100 * test[one] for one in ("Difference", "Low", "High")), form="{:+.2f}") + " points"


def _shown(test: dict[str, float]) -> str:
    """Whether the interval leaves a side open."""
    return "" if test["Low"] > 0 or test["High"] < 0 else ", which shows no difference"


def _extent(study: Study) -> str:
    """How large the experiment was."""
    settings, seeds = study.experiment.training, study.branches["Seed"].nunique()
    task = study.experiment.task
    return (
        f"{task.name}, {seeds} seeds, {settings.epochs} epochs of batches of {settings.batch_size} for each training, "
        f"{task.validation:,} training pictures held back."
    )


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _study(desk: Desk) -> Study:
    assert desk.study is not None, "this section has a study"
    return desk.study
