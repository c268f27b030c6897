"""The table about sparse networks: known ways of pruning on LeNet-300-100, beside what was published of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import pandas as pd

from srnn import importance, tasks
from srnn.analysis.many import evaluate
from srnn.analysis.rounds import DENSE, TICKET
from srnn.analysis.statistics import SHARE, mean_interval, paired
from srnn.analysis.thinning import TOTAL
from srnn.experiment import Experiment
from srnn.laboratory.study import Study
from srnn.tables.desk import Desk, between, interval, markdown, values
from srnn.tables.studies import extent, listed, points, study_of


class Published(NamedTuple):
    """What was published of a network: its test error in percent, which share of the weights it kept, and how."""

    error: float
    kept: float
    how: str


#: Of LeNet-300-100 on MNIST; at second hand. The dense network and SNIP by Lee et al. 2019, L0 by Louizos et al. 2018,
#: whose gates are on units, variational dropout by Molchanov et al. 2017.
PUBLISHED: Final[Mapping[str, Published]] = {
    DENSE: Published(1.7, 1.0, "all"),
    "snip 5%": Published(1.6, 0.05, "5 %"),
    "snip 2%": Published(2.4, 0.02, "2 %"),
    "l0": Published(1.8, 0.100, "10.0 %, units 266-88-33; 1.4 with 26.0 %, 219-214-100"),
    "variational": Published(1.92, 0.0143, "1.4 %: 1.1 %, 2.8 % and 38 % of the layers"),
}
#: How many points from what was published is within reach of it.
REACH: Final = 0.5
#: As many kept in each layer, at random.
SHUFFLED: Final = "shuffle"
#: By which score a mask is made → when that is.
_MASKS: Final = {"snip": "mask before training", "magnitude": "mask of the trained network, from its birth"}


def sparse(desk: Desk) -> str:
    """How accurate, and how sparse, are networks that are pruned in ways that are known?"""
    study = study_of(desk)
    dense, *masks = _trained(study)
    themselves = [row for name in study.experiment.pruning.others for row in _of_itself(study, name, desk)]
    rows = [dense, *themselves, *masks]
    for other in desk.studies[1:]:
        rows += _trained(other, other.experiment.training.optimizer)
    columns = ["network", "how", "trained by", "kept", "of each layer", "test error, %", "published, %"]
    return f"""{extent(study)}

784-300-100-10 with ReLU, as it was published, but without biases. L0 and variational dropout say themselves what they
drop: *as it is* are the weights behind their gates at rest. A horseshoe makes weights small: the largest are kept,
without training again. Below that, masks on the dense network, trained from its birth; *shuffled* are as many in each
layer, at random. The strength of variational dropout is that of the paper. That of L0 is the least of eight with which
no more is kept than was published, and that of the horseshoe the one of eight whose largest 5 and 2 % have the least
mean validation error (preset `sparsity-tuning`, with a seed that is none of these). Published numbers are quoted at
second hand. The gates of L0 were there on input units and not on weights, and the noise of variational dropout on
activations and not, once for a batch, on weights, so that its gradient varied less; both were trained for 100 epochs
and more. Of a horseshoe as a maximum a posteriori no published network of this size is known to us.

{markdown([row.shown() for row in rows], columns)}

Judged: {judged({row.name: row.error for row in rows})} {judged_sparsity({row.name: row.kept for row in rows})}

What it hangs on, in points of accuracy, paired over the seeds, each interval by itself, not corrected:

{reasons({row.name: row.scores for row in rows})}
"""


def judged(errors: Mapping[str, tuple[float, float, float]]) -> str:
    """Which networks are within reach of what was published of them, with the whole interval.

    Args:
        errors: Name of each, as in :data:`PUBLISHED` where there is something, → its mean test error in percent, and
            the ends of its interval.
    """
    found: dict[str, list[str]] = {"near": [], "far": [], "open": []}
    for name, published in PUBLISHED.items():
        if name in errors:
            behind = [error - published.error for error in errors[name]]
            place = "near" if behind[2] <= REACH else "far" if behind[1] > REACH else "open"
            found[place].append(f"{name} ({between(*behind, form='{:+.2f}')} points)")
    near, far, rest = map(listed, found.values())
    return (
        f"within {REACH:g} points of what was published, or better, with the whole interval, are {near}; further from "
        f"it {far}; neither is shown of {rest}."
    )


def judged_sparsity(kept: Mapping[str, float]) -> str:
    """Whether those that say themselves what they drop keep no more than was published.

    Args:
        kept: Name of each, as in :data:`PUBLISHED` where there is something, → which share of the weights it keeps.
    """
    told = [
        f"by {name} {'no more' if kept[name] <= PUBLISHED[name].kept else 'more'} ({kept[name]:.1%} of "
        f"{PUBLISHED[name].kept:.1%})"
        for name in ("l0", "variational")
        if name in kept
    ]
    return f"Of what was published to be kept there is kept here: {listed(told)}."


def reasons(scores: Mapping[str, pd.Series]) -> str:
    """SNIP against other masks, and another training, of the same density: a line for each density.

    Args:
        scores: Name of a row → its test accuracies, by seed.
    """
    lines = []
    for name, own in scores.items():
        if not name.startswith("snip ") or name.count(" ") > 1:
            continue
        density = name.removeprefix("snip ")
        others = {
            f"{name} {SHUFFLED}": "the same mask, shuffled",
            f"magnitude {density}": "a mask by magnitude after training",
            f"{name} adam": "the same by Adam",
        }
        found = [
            f"minus {told} {points(_paired(own, scores[other]))}" for other, told in others.items() if other in scores
        ]
        lines.append(f"* SNIP with {density} kept: {'; '.join(found)}.")
    return "\n".join(lines)


def _paired(own: pd.Series, others: pd.Series) -> Mapping[str, float]:
    pairs = pd.concat([own, others], axis=1, join="inner", keys=["own", "others"])
    return paired(pairs["own"].to_numpy(dtype=float), pairs["others"].to_numpy(dtype=float))


@dataclass(frozen=True)
class _Row:
    """A network: its name, how it came to be and was trained, its test accuracies by seed, and what it keeps."""

    name: str
    how: str
    training: str
    scores: pd.Series
    kept: float
    layers: list[float]

    @property
    def error(self) -> tuple[float, float, float]:
        """Mean and interval of the test error in percent."""
        mean, low, high = (100 * one for one in mean_interval(1 - self.scores, SHARE))
        return mean, low, high

    def shown(self) -> list[str]:
        """The cells of the table."""
        error = interval(*self.error, form="{:.2f}") + values(100 * (1 - self.scores), "{:.2f}")
        published = PUBLISHED.get(self.name)
        return [
            self.name,
            self.how,
            self.training,
            f"{self.kept:.1%}",
            ", ".join(f"{one:.1%}" for one in self.layers),
            error,
            f"{published.error:g} ({published.how})" if published else "–",
        ]


def _trained(study: Study, mark: str = "") -> list[_Row]:
    """The dense network, and all masks on it; their names end with the mark."""
    branches, by_what = study.branches.set_index("Seed"), _recipe(study.experiment)
    behind = f" {mark}" if mark else ""
    rows = [_Row(DENSE + behind, "", by_what, branches[branches["Control"] == DENSE]["End score"], 1.0, [])]
    for (by, number, control), found in branches.groupby(["By", "Round", "Control"], sort=False):
        if control == DENSE:
            continue
        layers = study.layers.query(f"By == '{by}' and Round == {number} and Control == '{control}'")
        parts = layers.groupby("Layer", sort=False)["Density"].mean()
        name, how = f"{by} {found['Density'].mean():.0%}", _MASKS[str(by)]
        if control != TICKET:
            name, how = f"{name} {control}", "shuffled within its layers"
        rows.append(_Row(name + behind, how, by_what, found["End score"], parts[TOTAL], [*parts.drop(TOTAL)]))
    return rows


def _recipe(experiment: Experiment) -> str:
    """By what a network is trained, in a few words."""
    training = experiment.training
    words = [f"{training.optimizer} {training.lr:g}"]
    for name, term in experiment.terms.items():
        settings = term.model_dump()
        words.append(f"{name} {settings['strength']:g}" if "strength" in settings else name)
    return ", ".join(words)


def _of_itself(study: Study, name: str, desk: Desk) -> list[_Row]:
    """Another run as it is without what it drops itself or, if it drops nothing, with the largest of its weights."""
    runs = [one for one in study if one.folder.parent.name == name]
    by_what, seeds = _recipe(runs[0].experiment), [one.experiment.seed for one in runs]
    organisms, rows = [one.organism() for one in runs], []
    task = tasks.load(study.experiment.task, desk.data_dir)
    behind = organisms[0].opened is not None
    for density in [1.0] if behind else study.experiment.pruning.densities:
        desk.watch(name)
        scores, parts = [], []
        for own in organisms:
            worth = own.worth()
            kept = worth != 0
            if not behind:
                kept = importance.keep(worth.abs(), density, own.layers, worth=worth)
            scores.append(float(evaluate(own, worth.masked_fill(~kept, 0)[None], task)[1]))
            parts.append([float(kept[part].double().mean()) for part in (slice(None), *own.layers.values())])
        whole, *layers = pd.DataFrame(parts).mean()
        how = "as it is" if behind else "the largest, as they are"
        key = name if behind else f"{name} {density:.0%}"
        rows.append(_Row(key, how, by_what, pd.Series(scores, seeds), whole, layers))
    return rows
