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


@dataclass(frozen=True)
class Question:
    """One question of the laboratory.

    Attributes:
        about: What is asked, in a line.
        answer: The data frames that answer it, by the name of their result file.
        figures: Name of the figure → the result it shows, and what draws it.
        exports: Other files of an answer: name → the result it holds, and what writes it.
        per_run: Whether one run is drawn, not the mean of several.
        trains: Whether the answer takes training of its own: then it is asked only by name.
    """

    about: str
    answer: Callable[[Subject], Frames]
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
        {"thinning": ("thinning", live_edges), "structure": ("thinning", structure)},
    ),
    "dropout": Question(
        "What is lost when all particles of a type are dropped?",
        _dropout,
        {"dropout": ("dropout", draw_dropout)},
    ),
    "pruning": Question(
        "How many particles can be dropped, and in which order?",
        _pruning,
        {"pruning": ("pruning", draw_pruning)},
    ),
    "transfer": Question(
        "Is the organism a plain dense network, and what are its particles worth?",
        _transfer,
        {"effective_weights": ("effective_weights_histogram", weights)},
    ),
    "trajectories": Question(
        "How do particles travel through weight space?",
        _trajectories,
        {
            "trajectories_particle": ("trajectories_particle", draw_trajectories),
            "trajectories_layer": ("trajectories_layer", draw_trajectories),
        },
        per_run=True,
    ),
    "robustness": Question(
        "How much noise does a self-replicator survive?",
        _robustness,
        {"robustness": ("robustness", draw_robustness)},
    ),
    "stability": Question(
        "Are self-replicators stable, and do noisy ones return?",
        _stability,
        {
            "self_application": ("self_application", draw_stability.self_application),
            "multipliers": ("multipliers", draw_stability.multipliers),
            "noisy_return": ("noisy_return", draw_stability.noisy_return),
            "census_by_tolerance": ("census_by_tolerance", draw_stability.census_by_tolerance),
        },
    ),
    "heatmap": Question(
        "Where on the image do self-replicators and effective weights sit?",
        lambda subject: {"heatmap": heatmap.heatmap(subject.organism(), subject.task.train_x)},
        {"heatmap": ("heatmap", draw_heatmap)},
    ),
    "baselines": Question(
        "What do ordinary networks reach on the same batches?",
        _baselines,
        {"baselines": ("baselines", draw_baselines)},
        trains=True,
    ),
}
