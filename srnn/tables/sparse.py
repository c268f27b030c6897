"""The table about sparse networks: known ways of pruning on LeNet-300-100, beside what was published of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pandas as pd

from srnn import importance, tasks
from srnn.analysis.many import evaluate
from srnn.analysis.rounds import DENSE, TICKET
from srnn.analysis.statistics import SHARE, mean_interval
from srnn.analysis.thinning import TOTAL
from srnn.laboratory.study import Study
from srnn.tables.desk import Desk, between, interval, markdown, values
from srnn.tables.studies import extent, listed, study_of

#: What was published of LeNet-300-100 on MNIST: the test error in percent, and what of it was kept. The dense network
#: and SNIP by Lee et al. 2019, L0 by Louizos et al. 2018, variational dropout by Molchanov et al. 2017; at second hand.
PUBLISHED: Final[Mapping[str, tuple[float, str]]] = {
    DENSE: (1.7, "all"),
    "snip 5%": (1.6, "5 %"),
    "snip 2%": (2.4, "2 %"),
    "l0": (1.4, "units 219-214-100; 1.8 with 266-88-33"),
    "variational": (1.92, "1.1 %, 2.8 % and 38 % of the layers"),
}
#: How many points from what was published is within reach of it.
REACH: Final = 0.5


def sparse(desk: Desk) -> str:
    """How accurate, and how sparse, are networks that are pruned in ways that are known?"""
    study = study_of(desk)
    branches = study.branches
    rows = [_Row(DENSE, "", branches[branches["Control"] == DENSE]["End score"], 1.0, [])]
    own = branches[branches["Control"] == TICKET]
    for name in study.experiment.pruning.others:
        rows += _of_itself(study, name, desk)
    for (by, number), found in own.groupby(["By", "Round"], sort=False):
        layers = study.layers.query(f"By == '{by}' and Round == {number} and Control == '{TICKET}'")
        parts = layers.groupby("Layer", sort=False)["Density"].mean()
        of = str(by).rpartition("-")[0]
        how = f"mask of {of}, on the dense network" if of else "mask before training"
        key = f"{by} {found['Density'].mean():.0%}"
        rows.append(_Row(key, how, found["End score"], parts[TOTAL], [*parts.drop(TOTAL)]))
    columns = ["network", "how", "kept", "of each layer", "test error, %", "published, %"]
    return f"""{extent(study)}

784-300-100-10 with ReLU, as it was published. L0 and variational dropout say themselves what they drop: *as it is* are
the weights behind their gates at rest. A horseshoe makes weights small and none of them 0: the largest are kept,
without training again. Below that, every mask on the dense network, trained from its birth. Published numbers are
quoted at second hand, and are of batches of 100 and many more epochs; the gates of L0 were there on input units and not
on weights, and the noise of variational dropout on activations and not, once for a batch, on weights, so that its
gradient varied less. Of a horseshoe as a maximum a posteriori no published network of this size is known to us.

{markdown([row.shown() for row in rows], columns)}

Judged: {judged({row.name: row.error for row in rows})}
"""


def judged(errors: Mapping[str, tuple[float, float, float]]) -> str:
    """Which networks are within reach of what was published of them, with the whole interval.

    Args:
        errors: Name of each, as in :data:`PUBLISHED` where there is something, → its mean test error in percent, and
            the ends of its interval.
    """
    found: dict[str, list[str]] = {"near": [], "far": [], "open": []}
    for name, (published, _) in PUBLISHED.items():
        if name in errors:
            behind = [error - published for error in errors[name]]
            place = "near" if behind[2] <= REACH else "far" if behind[1] > REACH else "open"
            found[place].append(f"{name} ({between(*behind, form='{:+.2f}')} points)")
    near, far, rest = map(listed, found.values())
    return (
        f"within {REACH:g} points of what was published, or better, with the whole interval, are {near}; further from "
        f"it {far}; neither is shown of {rest}."
    )


@dataclass(frozen=True)
class _Row:
    """A network: its name, how it came to be, its test accuracies, and what it keeps, of all and of each layer."""

    name: str
    how: str
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
        published = "{:g} ({})".format(*PUBLISHED[self.name]) if self.name in PUBLISHED else "–"
        return [
            self.name,
            self.how,
            f"{self.kept:.1%}",
            ", ".join(f"{one:.1%}" for one in self.layers),
            error,
            published,
        ]


def _of_itself(study: Study, name: str, desk: Desk) -> list[_Row]:
    """Another run as it is without what it drops itself or, if it drops nothing, with the largest of its weights."""
    runs = [one for one in study if one.folder.parent.name == name]
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
        rows.append(_Row(name if behind else f"{name} {density:.0%}", how, pd.Series(scores), whole, layers))
    return rows
