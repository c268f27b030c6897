"""Every question that a run or an organism can be asked: which analysis answers it, and how the answer is drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pandas as pd
from matplotlib.figure import Figure

from srnn.analysis import (
    baselines,
    connectivity,
    dropout,
    heatmap,
    pruning,
    robustness,
    stability,
    thinning,
    trajectories,
    transfer,
)
from srnn.laboratory.subject import Subject
from srnn.plots import stability as draw_stability
from srnn.plots.baselines import baselines as draw_baselines
from srnn.plots.connectivity import connectivity as draw_connectivity
from srnn.plots.dropout import dropout as draw_dropout
from srnn.plots.heatmap import heatmap as draw_heatmap
from srnn.plots.pruning import pruning as draw_pruning
from srnn.plots.robustness import robustness as draw_robustness
from srnn.plots.thinning import live_edges, structure
from srnn.plots.trajectories import trajectories as draw_trajectories
from srnn.plots.transfer import weights

Frames = dict[str, pd.DataFrame]
#: What makes a figure of a data frame; further arguments, such as the title, may be left out.
Drawing = Callable[..., Figure]


def _as_it_is(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


def _medians(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.median(numeric_only=True).to_frame().T


@dataclass(frozen=True)
class Summary:
    """How a result of several seeds becomes one: the mean of each number, with its interval.

    Attributes:
        by: Columns that tell apart what is not to be averaged; of the others the numbers are.
        reduce: What is averaged, of one seed's result.
        rows: The column of the summary that heads the rows of the table that is printed; without it none is.
        columns: The one that heads its columns, if there are several; Quantity is the name of what was averaged.
        where: Which rows of the summary are in that table, as a query.
    """

    by: tuple[str, ...]
    reduce: Callable[[pd.DataFrame], pd.DataFrame] = _as_it_is
    rows: str = ""
    columns: str = "Quantity"
    where: str = ""


@dataclass(frozen=True)
class Question:
    """One question of the laboratory.

    Attributes:
        about: What is asked, in a line.
        answer: The data frames that answer it, by the name of their result file.
        summaries: Result → how it is averaged over the seeds.
        figures: Name of the figure → the result it shows, and what draws it.
        exports: Other files of an answer: name → the result it holds, and what writes it.
        per_run: Whether one run is drawn, not the mean of several.
        trains: Whether the answer takes training of its own: then it is asked only by name.
    """

    about: str
    answer: Callable[[Subject], Frames]
    summaries: Mapping[str, Summary]
    figures: Mapping[str, tuple[str, Drawing]]
    exports: Mapping[str, tuple[str, Callable[[pd.DataFrame, Path], None]]] = field(default_factory=dict)
    per_run: bool = False
    trains: bool = False


def _thinning(subject: Subject) -> Frames:
    return {"thinning": thinning.thinning(subject.over_epochs(), subject.task.test_x)}


def _dropout(subject: Subject) -> Frames:
    return {"dropout": dropout.dropout(subject.organism(), subject.task, generator=subject.generator)}


def _pruning(subject: Subject) -> Frames:
    return {"pruning": pruning.pruning(subject.organism(), subject.task, generator=subject.generator)}


def _transfer(subject: Subject) -> Frames:
    organism = subject.organism()
    return {
        "transfer": transfer.transfer(organism, subject.task),
        "effective_weights": transfer.weight_distribution(organism),
        "effective_weights_histogram": transfer.weight_histogram(organism),
    }


def _trajectories(subject: Subject) -> Frames:
    courses, particle = subject.trajectory(), subject.organism().particle
    forms: tuple[trajectories.Form, ...] = ("particle", "layer")
    return {f"trajectories_{form}": trajectories.trajectories(courses, particle, form) for form in forms}


def _robustness(subject: Subject) -> Frames:
    return {"robustness": robustness.robustness(subject.organism(), generator=subject.generator)}


def _stability(subject: Subject) -> Frames:
    organism = subject.organism()
    return {
        "self_application": stability.self_application(organism),
        "multipliers": stability.multipliers(organism),
        "noisy_return": stability.noisy_return(organism, generator=subject.generator),
        "census_by_tolerance": stability.census_by_tolerance(organism),
    }


def _baselines(subject: Subject) -> Frames:
    run, task = subject.run, subject.task
    own = run.metrics.assign(Seed=run.experiment.seed, Network=baselines.ORGANISM)
    others = baselines.train_baselines(run.experiment, task, [run.experiment.seed])
    curves = pd.concat([baselines.shown(own), others], ignore_index=True)
    shapes = baselines.sizes(run.experiment, task.inputs, task.outputs)
    return {"baselines": curves, "baselines_final": baselines.final_scores(curves), "baselines_sizes": shapes}


QUESTIONS: Final[Mapping[str, Question]] = {
    "connectivity": Question(
        "Which particles of which type connect which units?",
        lambda subject: {"connectivity": connectivity.edges(subject.organism())},
        {"connectivity": Summary(("Scope", "Type"), connectivity.by_type, "Type", where="Scope == 'total'")},
        {"connectivity": ("connectivity", draw_connectivity)},
        exports={
            "connectivity.graphml": (
                "connectivity",
                lambda edges, path: connectivity.write_graphml(connectivity.graph(edges), path),
            )
        },
        per_run=True,
    ),
    "thinning": Question(
        "Does the network really thin out?",
        _thinning,
        {
            "thinning": Summary(
                ("Epoch", "Layer", "Metric"),
                rows="Metric",
                columns="Epoch",
                where="Layer == 'total' and Metric not in ['edges', 'threshold', 'full_rank', 'paths']",
            )
        },
        {"thinning": ("thinning", live_edges), "structure": ("thinning", structure)},
    ),
    "dropout": Question(
        "What is lost when all particles of a type are dropped?",
        _dropout,
        {
            "dropout": Summary(
                ("Scope", "Type", "Metric"),
                dropout.with_differences,
                "Type",
                where="Scope == 'total' and Quantity in ['Dropped', 'Change', 'Against random nonzero']",
            )
        },
        {"dropout": ("dropout", draw_dropout)},
    ),
    "pruning": Question(
        "How many particles can be dropped, and in which order?",
        _pruning,
        {
            "pruning": Summary(
                ("Order", "Share", "Metric"),
                rows="Order",
                columns="Share",
                where="Quantity == 'Score' and Share in [0, 0.5, 0.7, 0.9]",
            )
        },
        {"pruning": ("pruning", draw_pruning)},
    ),
    "transfer": Question(
        "Is the organism a dense network? What are its particles worth?",
        _transfer,
        {
            "transfer": Summary(("Copy",), rows="Copy", where="Quantity in ['Relative difference', 'Equal']"),
            "effective_weights": Summary(
                ("Scope", "Network", "Type"),
                rows="Type",
                where="Scope == 'total' and Quantity in ['Count', 'Mean', 'Deviation', 'Magnitude']",
            ),
            "effective_weights_histogram": Summary(("Scope", "Network", "Type", "From", "To")),
        },
        {"effective_weights": ("effective_weights_histogram", weights)},
    ),
    "trajectories": Question(
        "How do particles travel through weight space?",
        _trajectories,
        {
            f"trajectories_{form}": Summary(("Layer",), trajectories.explained, "Layer")
            for form in ("particle", "layer")
        },
        {
            "trajectories_particle": ("trajectories_particle", draw_trajectories),
            "trajectories_layer": ("trajectories_layer", draw_trajectories),
        },
        per_run=True,
    ),
    "robustness": Question(
        "How much noise does a self-replicator survive?",
        _robustness,
        {
            "robustness": Summary(
                ("Level",),
                robustness.by_level,
                "Level",
                where="Quantity in ['Steps', 'Identity steps', 'Zero', 'Cap']",
            )
        },
        {"robustness": ("robustness", draw_robustness)},
    ),
    "stability": Question(
        "Are self-replicators stable, and do noisy ones return?",
        _stability,
        {
            "self_application": Summary(
                ("Applications",),
                rows="Applications",
                where="Applications in [1, 5, 10, 20, 1000] and Quantity in ['Distance', 'Identity', 'Zero']",
            ),
            "multipliers": Summary((), _medians, "Quantity", "", "Quantity in ['Radius', 'Applications']"),
            "noisy_return": Summary(
                ("Level",),
                stability.return_by_level,
                "Quantity",
                "Level",
                "Level > 1e-6 and Quantity in ['Identity', 'From original', 'From clone']",
            ),
            "census_by_tolerance": Summary(
                ("Tolerance", "Type"),
                rows="Type",
                columns="Tolerance",
                where="Tolerance != 1e-4 and Type in ['identity', 'zero']",
            ),
        },
        {
            "self_application": ("self_application", draw_stability.self_application),
            "multipliers": ("multipliers", draw_stability.multipliers),
            "noisy_return": ("noisy_return", draw_stability.noisy_return),
            "census_by_tolerance": ("census_by_tolerance", draw_stability.census_by_tolerance),
        },
    ),
    "heatmap": Question(
        "Where on the image do self-replicators and weights sit?",
        lambda subject: {"heatmap": heatmap.heatmap(subject.organism(), subject.task.train_x, subject.task.image)},
        {
            "heatmap": Summary(("Metric",), heatmap.against_mean_image, "Metric"),
        },
        {"heatmap": ("heatmap", draw_heatmap)},
    ),
    "baselines": Question(
        "What do ordinary networks reach on the same batches?",
        _baselines,
        {
            "baselines": Summary(("Network", "Metric", "Epoch"), lambda frame: frame.drop(columns="Batch")),
            "baselines_final": Summary(
                ("Network", "Metric"), lambda frame: frame[["Network", "Metric", "Mean"]], "Network", "Metric"
            ),
        },
        {"baselines": ("baselines", draw_baselines)},
        trains=True,
    ),
}
