"""Connectivity: particles of which type connect which units?"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd

from srnn.errors import NotApplicableError
from srnn.files import write_whole
from srnn.fixpoints import FixpointType, classify
from srnn.organism import Organism
from srnn.particle import effective_weight


def edges(organism: Organism) -> pd.DataFrame:
    """Every particle as an edge between two units, in the order of the swarm.

    Residual links are no particles and no edges.

    Args:
        organism: One whose weights are matrices, each with as many inputs as the one before has outputs.

    Returns:
        Columns Particle (``L0_C1_W2``), Layer (``L0``), Cell and Weight (int: output and input unit), Source and Target
        (units ``U0_2`` and ``U1_1``: layer of units, 0 being the input, and place in it), Type (label of the
        :class:`FixpointType`) and Effective weight (float).

    Raises:
        NotApplicableError: The organism is a stack, or has other weights than such matrices.

    Example:
        >>> frame = edges(Run.open("runs/digits/seed-0").organism())  # doctest: +SKIP
        >>> frame[frame["Type"] == "identity"].groupby("Layer").size()  # doctest: +SKIP
    """
    shapes = organism.shapes
    if (
        organism.copies > 1
        or any(len(shape) != 2 for shape in shapes)
        or any(before[0] != after[1] for before, after in pairwise(shapes))
    ):
        raise NotApplicableError(
            f"the weights of {organism.copies} organism(s) have the shapes {[tuple(shape) for shape in shapes]}; "
            "needed is one organism of matrices (out, in) that follow on one another"
        )
    weights = organism.weights.detach()
    layer = np.repeat(np.arange(len(shapes)), [shape.numel() for shape in shapes])
    cell, weight = np.concatenate([np.indices(tuple(shape)).reshape(2, -1) for shape in shapes], axis=1)
    labels = np.array([kind.label for kind in FixpointType], dtype=object)
    return pd.DataFrame(
        {
            "Particle": organism.names,
            "Layer": np.array(list(organism.layers), dtype=object)[layer],
            "Cell": cell,
            "Weight": weight,
            "Source": [f"U{index}_{unit}" for index, unit in zip(layer, weight, strict=True)],
            "Target": [f"U{index + 1}_{unit}" for index, unit in zip(layer, cell, strict=True)],
            "Type": labels[classify(weights, organism.replicator).cpu().numpy()],
            "Effective weight": effective_weight(weights, organism.replicator).cpu().numpy().astype(float),
        }
    )


def by_type(edges: pd.DataFrame) -> pd.DataFrame:
    """How many edges of each type there are, and what they are worth.

    Args:
        edges: Of one organism, as :func:`edges` gives them.

    Returns:
        A row for each scope (``total``, ``L0`` …) and type: Scope, Type (str), Edges (int), Share (of the scope's
        edges), Magnitude (the mean |effective weight|; NaN where there is no edge).
    """
    rows = []
    for scope, own in {"total": edges, **dict([*edges.groupby("Layer", sort=False)])}.items():
        for kind in FixpointType:
            sizes = own.loc[own["Type"] == kind.label, "Effective weight"].abs()
            rows.append((scope, kind.label, len(sizes), len(sizes) / len(own), sizes.mean()))
    return pd.DataFrame(rows, columns=["Scope", "Type", "Edges", "Share", "Magnitude"])


def graph(edges: pd.DataFrame) -> nx.DiGraph[str]:
    """The graph of an organism, or of those of its edges that are left in the frame.

    Args:
        edges: Of one organism, as :func:`edges` gives them.

    Returns:
        Nodes are units, with ``layer`` and ``index`` (int). Edges are particles, with ``particle`` (name), ``layer``,
        ``cell``, ``weight`` (int), ``type`` (label) and ``effective_weight``. As in the particles' names ``weight`` is
        the number of the input, so algorithms on weighted graphs are to be called with ``weight="effective_weight"``.

    Raises:
        ValueError: Two edges connect the same units: they are of several organisms.

    Example:
        >>> frame = edges(organism)  # doctest: +SKIP
        >>> nx.number_weakly_connected_components(graph(frame[frame["Type"] != "zero"]))  # doctest: +SKIP
    """
    if edges.duplicated(["Source", "Target"]).any():
        raise ValueError("two edges connect the same units; choose the edges of one organism")
    layers = edges["Layer"].str.removeprefix("L").astype(int).tolist()
    columns = {
        name: edges[name].tolist()
        for name in ("Particle", "Cell", "Weight", "Source", "Target", "Type", "Effective weight")
    }
    result: nx.DiGraph[str] = nx.DiGraph()
    for end, index, step in (("Source", "Weight", 0), ("Target", "Cell", 1)):
        result.add_nodes_from(
            (unit, {"layer": layer + step, "index": place})
            for unit, layer, place in zip(columns[end], layers, columns[index], strict=True)
        )
    attributes = ("particle", "layer", "cell", "weight", "type", "effective_weight")
    values = zip(
        columns["Particle"],
        layers,
        columns["Cell"],
        columns["Weight"],
        columns["Type"],
        columns["Effective weight"],
        strict=True,
    )
    result.add_edges_from(
        (source, target, dict(zip(attributes, row, strict=True)))
        for source, target, row in zip(columns["Source"], columns["Target"], values, strict=True)
    )
    return result


def timeline(epochs: Mapping[int, pd.DataFrame]) -> nx.DiGraph[str]:
    """The graph of an organism over the epochs, as a dynamic graph of GEXF.

    Args:
        epochs: Its edges, as :func:`edges` gives them, after each epoch, in order.

    Returns:
        As :func:`graph`, but that ``fixpoint`` (the type's label: ``type`` has a meaning of its own in GEXF) and
        ``effective_weight`` of an edge are lists of (value, start, end): what it was from one epoch to the next that
        is told, equal ones together. Units lie layer by layer (``viz``).

    Example:
        >>> frames = {epoch: edges(run.organism(epoch)) for epoch in run.logged_epochs}  # doctest: +SKIP
        >>> write_gexf(timeline(frames), "digits.gexf")  # doctest: +SKIP
    """
    times = [*epochs]
    ends = [*times[1:], times[-1] + 1]
    result = graph(epochs[times[-1]])
    result.graph["mode"] = "dynamic"
    for unit in result.nodes.values():
        unit["viz"] = {"position": {"x": 200.0 * unit["layer"], "y": -20.0 * unit["index"], "z": 0.0}}
    frames = list(epochs.values())
    types = zip(*(frame["Type"] for frame in frames), strict=True)
    values = zip(*(frame["Effective weight"] for frame in frames), strict=True)
    last = frames[-1]
    for source, target, kinds, worth in zip(last["Source"], last["Target"], types, values, strict=True):
        edge = result.edges[source, target]
        del edge["type"]
        # The number of the input would be taken for the thickness of the edge.
        edge["input"] = edge.pop("weight")
        edge |= {"fixpoint": _spells(kinds, times, ends), "effective_weight": _spells(worth, times, ends)}
    return result


def _spells(values: Sequence[Any], starts: Sequence[int], ends: Sequence[int]) -> list[tuple[Any, float, float]]:
    """What holds from when to when, in order, neighbours that are equal together."""
    spells: list[tuple[Any, float, float]] = []
    for value, start, end in zip(values, starts, ends, strict=True):
        if spells and spells[-1][0] == value:
            spells[-1] = (value, spells[-1][1], float(end))
        else:
            spells.append((value, float(start), float(end)))
    return spells


def write_gexf(graph: nx.DiGraph[str], path: str | Path) -> None:
    """Write the graph as GEXF, the format of Gephi, with its timeline if it has one; whole or not at all."""
    buffer = io.BytesIO()
    nx.write_gexf(graph, buffer, version="1.2draft")
    write_whole(Path(path), buffer.getvalue())


def write_graphml(graph: nx.DiGraph[str], path: str | Path) -> None:
    """Write the graph as GraphML, which Gephi, Cytoscape, igraph and networkx read; whole or not at all."""
    buffer = io.BytesIO()
    nx.write_graphml(graph, buffer)
    write_whole(Path(path), buffer.getvalue())
