"""Thinning: does the network really thin out, layer by layer, while it learns?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from srnn.analysis.statistics import over_seeds, with_range
from srnn.bodies.mlp import MLP
from srnn.errors import NotApplicableError, UserError
from srnn.fixpoints import FixpointType, classify
from srnn.organism import Organism
from srnn.units import walk

#: Below this |effective weight| an edge counts as dead: about 1 % of the standard deviation at birth (0.09 for
#: ``fan_in`` and 4 hidden units).
THRESHOLD: Final = 1e-3
#: The share of a layer's Σ |effective weight| · E|input| that its ``live_signal`` edges carry.
CARRIED: Final = 0.99
#: The row of the whole organism, beside those of its layers.
TOTAL: Final = "total"
#: The three definitions of a live edge.
LIVE: Final = ("live_type", "live_weight", "live_signal")


def measure(organism: Organism, x: Tensor, threshold: float = THRESHOLD) -> pd.DataFrame:
    """How thin an organism is, per layer and in total.

    Args:
        organism: Its body is an :class:`srnn.MLP`.
        x: Inputs ``(n, inputs)``, to measure the signals that enter the edges.
        threshold: An edge whose |effective weight| is at most this is dead, where no other definition is named.

    Returns:
        Columns Layer (``L0`` … and ``total``), Metric, Score. The metrics are

        - ``edges``: particles; ``threshold``: as given;
        - ``live_type``: share of them whose type is not zero (not of numbers, which have no types);
        - ``live_weight``: share with |effective weight| > ``threshold``;
        - ``live_signal``: the smallest share that carries 99 % of the layer's Σ |effective weight| · E|input|, where
          E|input| is the mean absolute signal entering the edge. For the total: the sum over the layers, each with
          99 % of its own;
        - ``on_paths``: share that is live by ``live_weight`` and lies on a path of such edges and residual links from
          an input to an output;
        - ``units_without_output``: share of the units below the layer from which no live edge leaves. For the total: of
          all units but those of the output;
        - ``units_without_input``: share of the units above the layer that no live edge enters. For the total: of all
          units but those of the input. Residual links are no particles and do not count in either;
        - ``paths`` (only total): paths from input to output along live edges and residual links, which are always live;
        - ``paths_share`` (only total): divided by the number with all edges live;
        - ``gini``: Gini coefficient of |effective weight|: 0 when all are equal, near 1 when one is all;
        - ``effective_rank``: exp of the entropy of the singular values of the effective weights, normalised to sum 1;
          0 for a layer of zeros. For the total: the sum over the layers;
        - ``full_rank``: the most it can be, the smaller side of the matrix. For the total: the sum.

        What an infinite or undefined weight makes meaningless is NaN; as an edge such a weight is live.

    Raises:
        NotApplicableError: The body is not an MLP, or the organism is a stack.

    Example:
        >>> measure(organism, task.test_x).pivot(index="Layer", columns="Metric", values="Score")  # doctest: +SKIP
    """
    if not isinstance(organism.body, MLP) or organism.copies > 1:
        raise NotApplicableError("thinning is measured of a single organism whose body is an MLP")
    with torch.no_grad():
        types = None
        if organism.particle.has_types:
            types = organism.in_shape(classify(organism.weights, organism.replicator))
        weights = [weight.detach() for weight in organism.effective_weights()]
        inputs = [signal.abs().mean(0).double().cpu().numpy() for signal in signals(organism, x)[:-1]]
    sizes = [weight.abs().double().cpu().numpy() for weight in weights]
    alive, added = [~(size <= threshold) for size in sizes], organism.body.sources

    counts = pd.DataFrame(
        {
            "edges": [size.size for size in sizes],
            "live_type": [int((kind != FixpointType.ZERO).sum()) for kind in types or ()] or np.nan,
            "live_weight": [int(live.sum()) for live in alive],
            "live_signal": [_carriers(size, entering) for size, entering in zip(sizes, inputs, strict=True)],
            "on_paths": [int(live.sum()) for live in on_paths(alive, added)],
            "units_without_output": [int((~live.any(axis=0)).sum()) for live in alive],
            "units_without_input": [int((~live.any(axis=1)).sum()) for live in alive],
            "below": [live.shape[1] for live in alive],
            "above": [live.shape[0] for live in alive],
            "effective_rank": [effective_rank(weight.double().cpu().numpy()) for weight in weights],
            "full_rank": [min(size.shape) for size in sizes],
        },
        index=list(organism.layers),
        dtype=float,
    )
    # Not pandas' default, which would pass over the NaN of a layer.
    counts.loc[TOTAL] = counts.sum(skipna=False)
    paths, all_paths = _paths(alive, added), _paths([np.ones_like(live) for live in alive], added)
    nothing = [np.nan] * len(sizes)
    frame = counts[["edges"]].assign(
        threshold=threshold,
        **{name: counts[name] / counts["edges"] for name in (*LIVE, "on_paths")},
        units_without_output=counts["units_without_output"] / counts["below"],
        units_without_input=counts["units_without_input"] / counts["above"],
        paths=[*nothing, paths],
        paths_share=[*nothing, paths / all_paths],
        gini=[gini(size) for size in [*sizes, np.concatenate([size.ravel() for size in sizes])]],
        effective_rank=counts["effective_rank"],
        full_rank=counts["full_rank"],
    )
    long = frame.rename_axis("Layer").reset_index().melt("Layer", var_name="Metric", value_name="Score")
    # Paths are the total's alone.
    kept = (long["Layer"] == TOTAL) | ~long["Metric"].str.startswith("paths")
    if types is None:
        kept &= long["Metric"] != "live_type"
    return long[kept].reset_index(drop=True)


def thinning(organisms: Iterable[tuple[int, Organism]], x: Tensor, threshold: float = THRESHOLD) -> pd.DataFrame:
    """How thin an organism was after several epochs.

    Args:
        organisms: Epochs, and the organism as it was after each.
        x: As for :func:`measure`, such as the test data's.
        threshold: As for :func:`measure`.

    Returns:
        Columns Epoch (int), Layer, Metric, Score, as :func:`measure` explains them.

    Raises:
        NotApplicableError: There is no epoch.

    Example:
        >>> frame = thinning(Subject(run, task).over_epochs(), task.test_x)  # doctest: +SKIP
        >>> live_shares(frame)  # doctest: +SKIP
    """
    frames = [measure(organism, x, threshold).assign(Epoch=epoch) for epoch, organism in organisms]
    if not frames:
        raise NotApplicableError("no epoch was logged: this run was stopped before it logged anything")
    return pd.concat(frames, ignore_index=True)[["Epoch", "Layer", "Metric", "Score"]]


def live_shares(thinning: pd.DataFrame, epochs: Sequence[int] | None = None) -> pd.DataFrame:
    """The numbers to quote: the share of live edges per layer, by each definition, at a few epochs.

    Args:
        thinning: As :func:`thinning` gives it; of several seeds with a column Seed.
        epochs: Which logged epochs; without, the first, the one nearest to a quarter of the last, and the last (0, 50
            and 200 of 200).

    Returns:
        Columns Metric (``live_type``, ``live_weight``, ``live_signal``), Layer, Epoch, Mean, Low, High (the 95 %
        confidence interval over the seeds, NaN for one) and Seeds.

    Raises:
        UserError: An epoch is not logged.
    """
    logged = sorted(thinning["Epoch"].unique())
    if epochs is None:
        epochs = sorted({logged[0], min(logged, key=lambda epoch: abs(epoch - logged[-1] / 4)), logged[-1]})
    if missing := sorted({*epochs} - {*logged}):
        raise UserError(f"epoch is {missing[0]}; the runs logged {', '.join(map(str, logged))}")
    rows = thinning[thinning["Metric"].isin(LIVE) & thinning["Epoch"].isin(epochs)]
    keys = ["Metric", "Layer", "Epoch"]
    # In the order of the definitions, within each in that of the layers.
    order = {name: place for place, name in enumerate([*LIVE, *rows["Layer"].unique()])}
    rows = rows.sort_values(keys, key=lambda column: column if column.name == "Epoch" else column.map(order))
    return over_seeds(with_range(rows), by=keys).reset_index()


def signals(organism: Organism, x: Tensor) -> list[Tensor]:
    """What enters each layer of an organism with an MLP as its body, and last what it puts out.

    Args:
        organism: A single one.
        x: ``(n, inputs)``.

    Returns:
        ``depth + 1`` tensors ``(n, units)``, the first ``x`` itself.
    """
    assert isinstance(organism.body, MLP)
    return list(walk(organism.body, organism.effective_weights(), x))


def gini(sizes: NDArray[np.float64]) -> float:
    """Gini coefficient of amounts: 0 when all are equal (also all zero), ``1 − 1/n`` when one of n has all."""
    ordered = np.sort(sizes, axis=None)
    total, n = ordered.sum(), ordered.size
    if total == 0:
        return 0.0
    if not np.isfinite(total):
        return float("nan")
    return float(((2 * np.arange(1, n + 1) - n - 1) * ordered).sum() / (n * total))


def effective_rank(matrix: NDArray[np.float64]) -> float:
    """How many dimensions a matrix really uses: exp of the entropy of its normalised singular values."""
    if not np.isfinite(matrix).all():
        return float("nan")
    values = np.linalg.svd(matrix, compute_uv=False)
    shares = values[values > 0] / max(values.sum(), np.finfo(float).tiny)
    return float(np.exp(-(shares * np.log(shares)).sum())) if shares.size else 0.0


def _carriers(sizes: NDArray[np.float64], entering: NDArray[np.float64]) -> float:
    """The smallest number of edges ``(out, in)`` that carry 99 % of what all carry of the signals ``(in,)``."""
    with np.errstate(invalid="ignore"):
        carried = sizes * entering
    ordered = np.sort(carried, axis=None)[::-1]
    sums = ordered.cumsum()
    if not np.isfinite(sums[-1]):
        return float("nan")
    return float(np.searchsorted(sums, CARRIED * sums[-1]) + 1) if sums[-1] > 0 else 0.0


def on_paths(alive: Sequence[NDArray[np.bool_]], added: Sequence[int | None]) -> list[NDArray[np.bool_]]:
    """Which live edges lie on a path from any input to any output, along live edges and residual links.

    Args:
        alive: Of each layer, ``(out, in)``.
        added: For each layer, the one whose input is added to its output, or None: :attr:`srnn.MLP.sources`.
    """
    reached = [np.ones(alive[0].shape[1], dtype=bool)]
    for live, source in zip(alive, added, strict=True):
        here = live @ reached[-1]
        reached.append(here if source is None else here | reached[source])
    leading = [np.zeros_like(one) for one in reached[:-1]] + [np.ones_like(reached[-1])]
    for layer in reversed(range(len(alive))):
        leading[layer] |= alive[layer].T @ leading[layer + 1]
        if (source := added[layer]) is not None:
            leading[source] |= leading[layer + 1]
    ends = zip(alive, leading[1:], reached[:-1], strict=True)
    return [live & above[:, None] & below[None] for live, above, below in ends]


def _paths(alive: Sequence[NDArray[np.bool_]], added: Sequence[int | None]) -> float:
    """Paths from any input to any output along live edges and residual links."""
    reaching = [np.ones(alive[0].shape[1])]
    for live, source in zip(alive, added, strict=True):
        here = live @ reaching[-1]
        reaching.append(here if source is None else here + reaching[source])
    return float(reaching[-1].sum())
