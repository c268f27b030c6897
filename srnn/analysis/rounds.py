"""Rounds of pruning, as of lottery tickets: to which densities they lead, and what became of each branch.

A branch is an ordinary run that keeps some weights, from a round or as its control. What is asked of it is told beside
the dense run that it was cut from: how early it should have stopped, how good it was then, how soon it was as good as
the dense one in the end, and which weights it kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
from torch import Tensor

from srnn.analysis.statistics import POSITIVE, SHARE, differences_over_seeds, early_stop, over_seeds, range_of
from srnn.analysis.thinning import TOTAL
from srnn.organism import Organism

#: The control of the dense run, that of the mask itself, and that of one as small that was cut without rounds.
DENSE, TICKET, AT_ONCE = "dense", "ticket", "at once"
#: What tells branches apart.
KEYS: Final = ("By", "Round", "Control")
#: What :func:`summary` tells of: :func:`outcome` and :func:`choice` explain them.
QUANTITIES: Final = (
    *("Test score", "End score", "Early stop", "Steps to dense"),
    *("Density", "Effective", "Collapsed", "Sign changes", "Moved"),
)
_SHARES: Final = ("Density", "Effective", "Collapsed", "Sign changes")
_COMPARED: Final = ("Test score", "End score", "Early stop")
#: How much less accurate than the dense run a ticket that wins may be.
MARGIN: Final = 0.005


def schedule(layers: int, rounds: int, rate: float = 0.2, last_rate: float = 0.1) -> list[list[float]]:
    """The density of each layer after each round, if each takes a share of what is left of it.

    Args:
        layers: How many layers.
        rounds: How many rounds.
        rate: The share that a round takes of each layer but the last.
        last_rate: That of the last: it is the smallest, and soonest cut (Frankle & Carbin 2019).

    Example:
        >>> schedule(2, 2, rate=0.5, last_rate=0.25)
        [[0.5, 0.75], [0.25, 0.5625]]
    """
    rates = [rate] * (layers - 1) + [last_rate]
    return [[(1 - own) ** done for own in rates] for done in range(1, rounds + 1)]


def outcome(metrics: pd.DataFrame, dense: pd.DataFrame, metric: str, guess: float = np.nan) -> dict[str, float]:
    """How a branch went, beside the dense run.

    Args:
        metrics: Of the branch, as of a run.
        dense: Of the dense run; its own for that one.
        metric: ``accuracy`` or ``mae``.
        guess: What a network that diverged, and answers nothing, counts as in the end: the accuracy of a guess.

    Returns:
        - ``Early stop``: the first logged epoch of the least validation loss; ``Validation score`` and ``Test score``:
          the metric as it was then.
        - ``End score``: the metric on test data at the end.
        - ``Steps to dense``: batches until the metric on validation data was as good as that of the dense run at its
          end. This one to use where the loss has no least value inside the training.

        NaN where it was not measured, as without validation data, or did not come to be.
    """
    stop, tests = early_stop(metrics), _course(metrics, f"test_{metric}")
    course, goal = _course(metrics, f"validation_{metric}"), _course(dense, f"validation_{metric}")
    there = course.iloc[:0]
    if len(goal):
        wanted = goal["Score"].iloc[-1]
        there = course[course["Score"] >= wanted] if metric == "accuracy" else course[course["Score"] <= wanted]
    return {
        "Early stop": np.nan if stop is None else float(stop),
        "Validation score": np.nan if stop is None else float(course["Score"][stop]),
        "Test score": np.nan if stop is None else float(tests["Score"][stop]),
        "End score": guess if np.isnan(last := float(tests["Score"].iloc[-1])) else last,
        "Steps to dense": float(there["Batch"].iloc[0]) if len(there) else np.nan,
    }


def choice(trained: Organism, birth: Tensor, kept: Tensor, layers: pd.DataFrame) -> dict[str, float]:
    """What a branch keeps, and how that has moved.

    Args:
        trained: The organism of the branch after training.
        birth: What its weights were worth before it, ``(N,)``.
        kept: Which of them it keeps, bool ``(N,)``.
        layers: How many these are of each layer: :func:`srnn.analysis.densities.densities`.

    Returns:
        ``Density``, ``Effective``, ``Collapsed`` (0 or 1) of the whole; ``Sign changes``, the share of the kept weights
        whose sign is another than at birth; ``Moved``, the mean of their ``|w − w₀|``.
    """
    [whole], worth = layers[layers["Layer"] == TOTAL].to_dict("records"), trained.worth().detach()
    signs = (worth.sign() != birth.sign())[kept].double()
    return {
        **{name: float(whole[name]) for name in ("Density", "Effective", "Collapsed")},
        "Sign changes": float(signs.mean()),
        "Moved": float((worth - birth).abs()[kept].double().mean()),
    }


def against_dense(branches: pd.DataFrame, columns: Sequence[str] = ("Test score", "Early stop")) -> pd.DataFrame:
    """What branches have ahead of the dense run of the same seed: means over seeds with 95 % intervals.

    Args:
        branches: A row for each seed and branch, that of the dense run among them: columns Seed (int), By (str: what
            ranked the weights; empty of the dense run), Round (int; 0 of the dense run), Control (str), Metric (str)
            and those that are compared.
        columns: Which these are.

    Returns:
        Columns By, Round, Control, Quantity (str), Difference, Low, High (float) and Seeds (int).
    """
    of_dense = branches[branches["Control"] == DENSE].set_index("Seed")
    others, parts = branches[branches["Control"] != DENSE], []
    for column in columns:
        ahead = others[column].to_numpy() - of_dense[column].reindex(others["Seed"]).to_numpy()
        # The range of a difference of epochs is not that of a metric.
        metric = others["Metric"] if column.endswith("score") else ""
        parts.append(others[["Seed", *KEYS]].assign(Quantity=column, Score=ahead, Metric=metric))
    frame = pd.concat(parts, ignore_index=True)
    return differences_over_seeds(frame, by=[*KEYS, "Quantity"]).reset_index()


def summary(branches: pd.DataFrame) -> pd.DataFrame:
    """What became of each branch, over the seeds, and of scores and early stop what it has ahead of the dense run.

    Args:
        branches: As for :func:`against_dense`, with all of :data:`QUANTITIES`.

    Returns:
        A row for each branch and quantity: By, Round, Control, Quantity, Mean, Low, High, Seeds, Difference, Difference
        low, Difference high. A quantity that was not measured of any branch is left out.
    """
    measured = [one for one in QUANTITIES if branches[one].notna().any()]
    metric = str(branches["Metric"].iloc[0])
    ranges = {"Test score": range_of(metric), "End score": range_of(metric), **dict.fromkeys(_SHARES, SHARE)}
    long = branches.melt(["Seed", *KEYS], measured, "Quantity", "Score")
    ends = [ranges.get(str(one), POSITIVE) for one in long["Quantity"]]
    long = long.assign(Least=[low for low, _ in ends], Most=[high for _, high in ends])
    found = over_seeds(long, [*KEYS, "Quantity"])
    ahead = against_dense(branches, [one for one in _COMPARED if one in measured]).set_index(found.index.names)
    ahead = ahead.rename(columns={"Low": "Difference low", "High": "Difference high"}).drop(columns="Seeds")
    # Branch by branch, in their order.
    return branches[[*KEYS]].drop_duplicates().merge(found.join(ahead).reset_index(), on=[*KEYS])


def winning(branches: pd.DataFrame, margin: float = MARGIN) -> pd.DataFrame:
    """Which rounds hold a winning ticket: as accurate as the dense run but for a margin, and no later to stop.

    Args:
        branches: As for :func:`against_dense`, of a classification.
        margin: How much less accurate it may be.

    Returns:
        By, Round and Control; Accurate and Early (bool: whether the 95 % interval of the difference is on the right
        side; without one, of a single seed, the difference itself), and Winning, both.
    """
    found = against_dense(branches).set_index([*KEYS, "Quantity"])
    worst = found["Low"].fillna(found["Difference"]).unstack()["Test score"]
    latest = found["High"].fillna(found["Difference"]).unstack()["Early stop"]
    table = pd.DataFrame({"Accurate": worst >= -margin, "Early": latest <= 0})
    return table.assign(Winning=table.all(axis=1)).reset_index()


def _course(metrics: pd.DataFrame, metric: str) -> pd.DataFrame:
    return metrics[metrics["Metric"] == metric].set_index("Epoch")[["Batch", "Score"]]
