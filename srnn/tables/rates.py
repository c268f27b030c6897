"""The table of baselines with learning rates of their own: chosen on validation data, told on test data."""

from __future__ import annotations

from typing import Final

import pandas as pd

from srnn.analysis import baselines
from srnn.analysis.statistics import SHARE, last_scores
from srnn.tables.desk import Desk, markdown, points, with_values
from srnn.tables.studies import listed

PRESET: Final = "baselines-rates"
#: Network → what its presets are called, but for the rate.
_STEMS: Final = {
    baselines.ORGANISM: "organism",
    baselines.NO_REPLICATION: "no-replication",
    baselines.SAME_UNITS: "same-units",
    baselines.SAME_WEIGHTS: "same-weights",
    "softmax regression": "softmax",
}
#: What is told apart: by replication, by particles in place of numbers, by ranks, and by depth.
_PAIRS: Final = (
    (baselines.ORGANISM, baselines.NO_REPLICATION),
    (baselines.NO_REPLICATION, baselines.SAME_UNITS),
    (baselines.SAME_UNITS, "softmax regression"),
    (baselines.SAME_WEIGHTS, "softmax regression"),
)


def own_rates(desk: Desk) -> str:
    """What do the networks reach, each with its own learning rate?"""
    found = {network: _ended(desk, stem) for network, stem in _STEMS.items()}
    best = {network: chosen(own) for network, own in found.items()}
    rows, tests, ends = [], {}, []
    for network, own in found.items():
        with_own = own[own["Rate"] == best[network]]
        cells = [_share(with_own[column]) for column in ("Validation", "Test")]
        tests[network] = with_own.set_index("Seed")["Test"]
        rates = sorted(own["Rate"].unique())
        if best[network] in (rates[0], rates[-1]):
            ends.append(network)
        rows.append([network, ", ".join(f"{rate:g}" for rate in rates), f"{best[network]:g}", *cells])
    experiment = next(own[0].experiment for preset, own in desk.runs.items() if preset.startswith(PRESET))
    at_the_end = f" For {listed(ends)} that is at the end of those tried: more may be had." if ends else ""
    pairs = [f"{one} − {other}: {points(tests[one], tests[other])}" for one, other in _PAIRS]
    return f"""With one learning rate for all, the comparison may favour whom it suits. Trained for
{experiment.training.epochs} epochs without {experiment.task.validation:,} training images that are held back: of each
network that rate is taken with which it is most accurate on these, in the mean over the seeds.{at_the_end}

{markdown(rows, ["network", "rates tried", "its learning rate", "validation accuracy", "test accuracy"])}

Judged, each with its own rate, paired by seed: {"; ".join(pairs)}.
"""


def chosen(ended: pd.DataFrame) -> float:
    """The learning rate of the largest mean validation accuracy; one with which a seed diverged is not taken.

    Args:
        ended: Columns Rate, Seed and Validation (float; NaN: diverged).
    """
    means = ended.groupby("Rate")["Validation"].agg(lambda scores: scores.mean(skipna=False))
    return float(means.index[int(means.argmax())])


def _ended(desk: Desk, stem: str) -> pd.DataFrame:
    """How the runs of a network ended: Rate, Seed, Validation, Test, NaN of one that diverged."""
    rows = []
    for preset in _presets(desk, stem):
        for run in desk.runs[preset]:
            last = last_scores([run]).set_index("Metric")["Score"]
            scores = [last["validation_accuracy"], last["test_accuracy"]]
            if run.status.status == "diverged":
                scores = [float("nan")] * 2
            rows.append((run.experiment.training.lr, run.experiment.seed, *scores))
    return pd.DataFrame(rows, columns=["Rate", "Seed", "Validation", "Test"])


def _presets(desk: Desk, stem: str) -> list[str]:
    return [preset for preset in desk.runs if preset.startswith(f"{PRESET}-{stem}-")]


def _share(scores: pd.Series) -> str:
    return with_values(scores, "{:.3f}", SHARE)
