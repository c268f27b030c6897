"""The particles themselves, of one run of each experiment: as edges between units, and on their way."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from srnn.analysis import connectivity, trajectories
from srnn.errors import NotApplicableError, UserError
from srnn.fixpoint_types import FixpointType
from srnn.particle import Particle
from srnn.reports.overview import Groups
from srnn.reports.section import Chart, Menu, Section
from srnn.runs.run import Run

_LABELS: Final = [kind.label for kind in FixpointType]
#: As many edges, and points of courses, as a page still draws at once.
_EDGES, _POINTS = 6_000, 130_000
#: Of the files of a trajectory that is taken into memory.
_BYTES: Final = 10**9
#: The largest whole number of two bytes: courses are told in so many steps.
_STEPS: Final = 2**16 - 1
EVERY: Final = "all"


def graph(groups: Groups) -> Section:
    """Every particle as an edge between two units, as the run ended."""
    section = Section(
        "connectivity",
        "Connectivity",
        "Every particle is an edge between two units, the input on the left: its colour is its type, its width what it "
        "is worth as a weight. Point at an edge to see which it is.",
        [Menu("Type", "type", ["all but zero", EVERY, *_LABELS])],
    )
    for name, run in _one_of_each(groups, section):
        try:
            edges = connectivity.edges(run.organism())
        except UserError as error:
            section.notes.append(f"{name}: {error}")
            continue
        units = [int(own["Weight"].max()) + 1 for _, own in edges.groupby("Layer", sort=False)]
        units.append(int(edges.loc[edges["Layer"] == edges["Layer"].iloc[-1], "Cell"].max()) + 1)
        shown, title = f"{name}, seed {run.experiment.seed}", f"Edges of {name}"
        types = connectivity.by_type(edges)
        counts = types[types["Scope"] == "total"].set_index("Type")["Edges"].to_dict()
        if len(edges) > _EDGES:
            strongest = edges["Effective weight"].abs().nlargest(_EDGES).index
            trimmed = f"the {_EDGES:,} largest of {len(edges):,}"
            shown, title = f"{shown}: {trimmed}", f"{title} ({trimmed})"
            edges = edges.loc[strongest.sort_values()]
        section.tables[title] = edges.drop(columns=["Cell", "Weight"])
        section.tables[f"Types of {name}"] = types
        ends = edges[["Weight", "Cell"]].to_numpy().tolist()
        layers = edges["Layer"].str.removeprefix("L").astype(int).tolist()
        spec = {"frame": title, "units": units, "ends": ends, "layers": layers, "counts": counts}
        section.charts.append(Chart(shown, "graph", spec))
    return section


def cube(groups: Groups) -> Section:
    """The courses of the particles: two principal components, and the epoch as the third dimension."""
    section = Section(
        "trajectories",
        "Trajectories through weight space",
        "The weights of the particles of a layer over the epochs: their two principal components on the floor, the "
        "epoch as height. Drag to turn it, or use the arrow keys; point at a particle to see which it is.",
    )
    layers: dict[str, None] = {}
    epochs: dict[int, None] = {}
    typed = False
    for name, run in _one_of_each(groups, section):
        try:
            spec, explained = _courses(run)
        except UserError as error:
            section.notes.append(f"{name}: {error}")
            continue
        layers |= dict.fromkeys(spec["layers"])
        epochs |= dict.fromkeys(spec["epochs"])
        typed |= isinstance(run.experiment.particle.build(), Particle)
        section.tables[f"What the components explain of {name}"] = explained
        section.charts.append(Chart(f"{name}, seed {run.experiment.seed}", "cube", spec))
    section.epochs = sorted(epochs)
    section.menus = [Menu("Layer", "layer", list(layers))]
    if typed:
        section.menus += [
            Menu("Type", "type at the end", [EVERY, "all but zero", *_LABELS]),
            Menu("Colour", "colour", ["type at the end", "type at that epoch"]),
        ]
    return section


def _one_of_each(groups: Groups, section: Section) -> list[tuple[str, Run]]:
    """Of each experiment the first run that has a checkpoint."""
    found = []
    for name, runs in groups.items():
        if run := next((run for run in runs if run.checkpoints), None):
            found.append((name, run))
        else:
            section.notes.append(f"{name} was stopped before its first checkpoint.")
    return found


def _courses(run: Run) -> tuple[dict[str, Any], pd.DataFrame]:
    """What the cube of a run shows, and how much of the variance the components explain in each layer."""
    particle = run.experiment.particle.build()
    size = sum(path.stat().st_size for path in (run.folder / "trajectory").glob("epoch-*.parquet"))
    if size > _BYTES:
        raise NotApplicableError(f"a trajectory of {size:,} bytes is too large for a page")
    logged = run.trajectory()
    courses = trajectories.trajectories(logged, particle, "layer")
    then = trajectories.types_over_epochs(logged, particle) if isinstance(particle, Particle) else None
    epochs = [int(epoch) for epoch in courses["Epoch"].unique()]
    share = min(1.0, _POINTS / len(courses))
    layers = {}
    for layer, own in courses.groupby("Layer", sort=False):
        ends = own.drop_duplicates("Weight")
        chosen = _evenly(ends["Type"].tolist(), share)
        names = ends["Weight"].to_numpy()[chosen]
        points = own[["PC1", "PC2"]].to_numpy().reshape(len(ends), len(epochs), 2)[chosen].swapaxes(0, 1)
        low, high = points.min(axis=(0, 1)), points.max(axis=(0, 1))
        steps = np.round((points - low) / np.where(high > low, high - low, 1) * _STEPS)
        types = [_LABELS.index(kind) if kind in _LABELS else len(_LABELS) for kind in ends["Type"].to_numpy()[chosen]]
        kinds = np.array([types] * len(epochs))
        if then is not None:
            kinds = then[names].to_numpy()
        layers[str(layer)] = {
            "names": names.tolist(),
            "types": types,
            "then": _packed(kinds.astype("<u1")),
            "points": _packed(steps.astype("<u2")),
            "low": low.tolist(),
            "high": high.tolist(),
            "explained": [
                round(value, 4) if np.isfinite(value) else None
                for value in ends[["Explained 1", "Explained 2"]].iloc[0].astype(float)
            ],
            "of": len(ends),
        }
    return {"epochs": epochs, "layers": layers, "labels": [*_LABELS, EVERY]}, trajectories.explained(courses)


def _evenly(types: Sequence[str], share: float) -> NDArray[np.int64]:
    """Places of a share of the particles of each type, evenly."""
    places = np.array(types, dtype=object)
    chosen = []
    for kind in dict.fromkeys(types):
        own = np.flatnonzero(places == kind)
        count = int(np.ceil(share * len(own)))
        chosen.append(own[np.linspace(0, len(own) - 1, count).round().astype(int)])
    return np.sort(np.concatenate(chosen))


def _packed(numbers: NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(numbers).tobytes()).decode()
