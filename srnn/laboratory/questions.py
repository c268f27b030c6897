"""Every question that a run can be asked: which analysis answers it, and how the answer is drawn."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from srnn import tasks
from srnn.analysis import (
    baselines,
    comparison,
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
from srnn.errors import NotApplicableError, UserError, nearest, option
from srnn.experiment import Experiment
from srnn.files import write_whole
from srnn.kernels.arithmetic import plain_torch
from srnn.plots.style import require_format, save
from srnn.runs.groups import by_experiment
from srnn.runs.run import Run
from srnn.tasks import Task
from srnn.untrusted import own_folder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Frames = dict[str, pd.DataFrame]


@dataclass(frozen=True)
class Question:
    """One question of the laboratory.

    Attributes:
        about: What is asked, in a line.
        answer: The data frames that answer it for one run, by the name of their result file.
        figures: Name of the figure → the result it shows and the function that draws it, as ``module.function`` of
            ``srnn.plots``.
        per_run: Whether one run is drawn, not the mean of several.
    """

    about: str
    answer: Callable[[Run, Task], Frames]
    figures: Mapping[str, tuple[str, str]]
    per_run: bool = False
    #: Whether the answer takes training of its own: then it is asked only by name.
    trains: bool = False


def _connectivity(run: Run, task: Task) -> Frames:
    edges = connectivity.connectivity(run)
    path = result_path(run, "connectivity.graphml")
    connectivity.write_graphml(connectivity.graph(edges), path)
    return {"connectivity": edges}


def _baselines(run: Run, task: Task) -> Frames:
    curves = baselines.run_baselines([run], task)
    shapes = baselines.sizes(run.experiment, task.inputs, task.outputs)
    return {"baselines": curves, "baselines_final": baselines.final_scores(curves), "baselines_sizes": shapes}


def _stability(run: Run, task: Task) -> Frames:
    return {
        "self_application": stability.self_application(run),
        "multipliers": stability.multipliers(run),
        "noisy_return": stability.noisy_return(run),
        "census_by_tolerance": stability.census_by_tolerance(run),
    }


QUESTIONS = {
    "connectivity": Question(
        "Which particles of which type connect which units?",
        _connectivity,
        {"connectivity": ("connectivity", "connectivity.connectivity")},
        per_run=True,
    ),
    "thinning": Question(
        "Does the network really thin out?",
        lambda run, task: {"thinning": thinning.thinning(run, task)},
        {"thinning": ("thinning", "thinning.live_edges"), "structure": ("thinning", "thinning.structure")},
    ),
    "dropout": Question(
        "What is lost when all particles of a type are dropped?",
        lambda run, task: {"dropout": dropout.run_dropout(run, task)},
        {"dropout": ("dropout", "dropout.dropout")},
    ),
    "pruning": Question(
        "How many particles can be dropped, and in which order?",
        lambda run, task: {"pruning": pruning.run_pruning(run, task)},
        {"pruning": ("pruning", "pruning.pruning")},
    ),
    "transfer": Question(
        "Is the organism a plain dense network, and what are its particles worth?",
        lambda run, task: {
            "transfer": transfer.run_transfer(run, task),
            "effective_weights": transfer.run_weight_distribution(run),
            "effective_weights_histogram": transfer.run_weight_histogram(run),
        },
        {"effective_weights": ("effective_weights_histogram", "transfer.weights")},
    ),
    "trajectories": Question(
        "How do particles travel through weight space?",
        lambda run, task: {
            "trajectories_particle": trajectories.trajectories(run, "particle"),
            "trajectories_layer": trajectories.trajectories(run, "layer"),
        },
        {
            "trajectories_particle": ("trajectories_particle", "trajectories.trajectories"),
            "trajectories_layer": ("trajectories_layer", "trajectories.trajectories"),
        },
        per_run=True,
    ),
    "robustness": Question(
        "How much noise does a self-replicator survive?",
        lambda run, task: {"robustness": robustness.robustness(run)},
        {"robustness": ("robustness", "robustness.robustness")},
    ),
    "stability": Question(
        "Are self-replicators stable, and do noisy ones return?",
        _stability,
        {
            name: (name, f"stability.{name}")
            for name in ("self_application", "multipliers", "noisy_return", "census_by_tolerance")
        },
    ),
    "heatmap": Question(
        "Where on the image do self-replicators and effective weights sit?",
        lambda run, task: {"heatmap": heatmap.heatmap(run, task)},
        {"heatmap": ("heatmap", "heatmap.heatmap")},
    ),
    "baselines": Question(
        "What do ordinary networks reach on the same batches?",
        _baselines,
        {"baselines": ("baselines", "baselines.baselines")},
        trains=True,
    ),
}


def choose(only: str | None) -> list[str]:
    """The questions named in ``only``, separated by commas; without it, all that need no training.

    Raises:
        UserError: There is no such question.
    """
    if only is None:
        return [name for name, question in QUESTIONS.items() if not question.trains]
    names = list(dict.fromkeys(name.strip() for name in only.split(",")))
    for name in names:
        if name not in QUESTIONS:
            what = f"{option('only', 'questions')} names {name!r}{nearest(name, QUESTIONS)}"
            raise UserError(f"{what}; allowed: {', '.join(QUESTIONS)}")
    return names


@plain_torch()
def analyze(
    runs: Sequence[Run],
    questions: Sequence[str],
    data_dir: Path | None = None,
    image_format: str = "png",
    watch: Callable[[str], None] = lambda what: None,
) -> tuple[list[Path], list[str]]:
    """Ask the seeds of one experiment.

    Each run's answers are written to its ``results/*.csv``. The figures, over all seeds, go beside the runs into
    ``figures/`` (of a single run: into its own).

    Args:
        runs: Runs of one experiment, which differ in their seed.
        questions: Names of :data:`QUESTIONS`.
        data_dir: Where the IDX files of mnist and fashion_mnist are.
        image_format: ``png``, ``svg`` or ``pdf``.
        watch: Told what is going on.

    Returns:
        The figures; and, for each question that does not apply to these runs, why.

    Example:
        >>> analyze(open_runs(["runs/connectivity"]), ["dropout"], Path("data/mnist"))  # doctest: +SKIP
    """
    require_format(image_format)
    [runs] = by_experiment(runs)
    experiment = runs[0].experiment
    watch("data")
    task = tasks.load(experiment.task, data_dir)
    folder = own_folder((runs[0].folder if len(runs) == 1 else runs[0].folder.parent) / "figures")
    figures, left_out = [], []
    for name in questions:
        try:
            figures += _ask(QUESTIONS[name], name, runs, task, folder, image_format, watch)
        except NotApplicableError as error:
            left_out.append(f"{name}: {error}")
    return figures, left_out


def _ask(
    question: Question,
    name: str,
    runs: Sequence[Run],
    task: Task,
    folder: Path,
    image_format: str,
    watch: Callable[[str], None],
) -> list[Path]:
    answers = []
    for run in runs:
        watch(f"{name}, seed {run.experiment.seed}")
        answers.append(question.answer(run, task))
        for result, frame in answers[-1].items():
            write_whole(result_path(run, f"{result}.csv"), frame.to_csv(index=False).encode())
    watch(f"{name}, figures")
    one = question.per_run or len(runs) == 1
    title = f"{runs[0].experiment.name}, "
    title += f"seed {runs[0].experiment.seed}" if one else f"{len(runs)} seeds"
    figures = []
    for figure, (result, drawing) in question.figures.items():
        frames = [answer[result].assign(Seed=run.experiment.seed) for run, answer in zip(runs, answers, strict=True)]
        shown = frames[0] if question.per_run else pd.concat(frames, ignore_index=True)
        figures.append(save(draw(drawing, shown, title), folder / f"{figure}.{image_format}"))
    return figures


def compare(groups: comparison.Groups, folder: Path, image_format: str = "png") -> list[Path]:
    """Compare experiments: curves, how they ended, paired tests and the order of learning.

    Args:
        groups: The seeds of each, under the name it shall have in tables and figures.
        folder: Where ``results/*.csv`` and ``figures/*`` go.
        image_format: ``png``, ``svg`` or ``pdf``; empty: without figures.

    Returns:
        The figures.
    """
    measured = {metric for runs in groups.values() for run in runs for metric in run.metrics["Metric"]}
    metrics = [metric for metric in ("test_accuracy", "test_mae", "replication_loss") if metric in measured]
    milestones = {metric: values for metric, values in comparison.MILESTONES.items() if metric in measured}
    frames = {
        "curves": pd.concat([comparison.compare(groups, metric) for metric in (*metrics, "identity_share")]),
        "final": comparison.final_table(groups),
        "tests": comparison.paired_tests(groups),
        "order_of_learning": comparison.order_of_learning(groups, milestones),
    }
    (folder / "results").mkdir(parents=True, exist_ok=True)
    for name, frame in frames.items():
        write_whole(folder / "results" / f"{name}.csv", frame.to_csv(index=False).encode())
    if not image_format:
        return []
    drawings = {
        "curves": "comparison.curves",
        "final": "comparison.finals",
        "order_of_learning": "comparison.order_of_learning",
    }
    return [
        save(draw(drawing, frames[name], ""), folder / "figures" / f"{name}.{image_format}")
        for name, drawing in drawings.items()
        if not frames[name].empty
    ]


@plain_torch()
def compare_variants(
    experiment: Experiment,
    groups: Mapping[str, Sequence[Run]],
    folder: Path,
    data_dir: Path | None = None,
    image_format: str = "png",
    after_epoch: Callable[[int], None] = lambda epoch: None,
) -> list[Path]:
    """Compare the variants of an experiment, and with them, if it asks for that, the dense body.

    Args:
        experiment: What has the variants.
        groups: The runs of each, by its name, with the same seeds.
        folder: Where ``results/*.csv`` and ``figures/*`` go.
        data_dir: Where the IDX files of mnist and fashion_mnist are.
        image_format: ``png``, ``svg`` or ``pdf``.
        after_epoch: Told the epochs that the dense body has trained.

    Returns:
        The figures.
    """
    compared: dict[str, Sequence[comparison.Measured]] = {**groups}
    if experiment.comparison.dense:
        seeds = [run.experiment.seed for run in next(iter(groups.values()))]
        task = tasks.load(experiment.task, data_dir)
        compared["dense"] = baselines.dense_runs(experiment, task, seeds, after_epoch)
    return compare(compared, folder, image_format)


def result_path(run: Run, file: str) -> Path:
    """Where an answer is written: in the run's ``results/``, which is made if need be."""
    return own_folder(run.folder / "results") / file


def draw(drawing: str, frame: pd.DataFrame, title: str, **options: bool) -> Figure:
    """Draw a frame with the function ``module.function`` of ``srnn.plots`` and its options."""
    module, _, function = drawing.partition(".")
    figure: Figure = getattr(importlib.import_module(f"srnn.plots.{module}"), function)(frame, title, **options)
    return figure
