"""Every question that a run can be asked: which analysis answers it, and how the answer is drawn."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from srnn import tasks
from srnn.analysis import connectivity, dropout, heatmap, robustness, thinning, trajectories, transfer
from srnn.errors import NotApplicableError, UserError, nearest
from srnn.files import write_whole
from srnn.plots.style import save
from srnn.runs import Run
from srnn.tasks import Task

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


QUESTIONS = {
    "connectivity": Question(
        "Which particles of which type connect which units?",
        lambda run, task: {"connectivity": connectivity.connectivity(run)},
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
    "heatmap": Question(
        "Where on the image do self-replicators and effective weights sit?",
        lambda run, task: {"heatmap": heatmap.heatmap(run, task)},
        {"heatmap": ("heatmap", "heatmap.heatmap")},
    ),
}


def choose(only: str | None) -> list[str]:
    """The questions named in ``only``, separated by commas; all without it.

    Raises:
        UserError: There is no such question.
    """
    names = list(QUESTIONS) if only is None else [name.strip() for name in only.split(",")]
    for name in names:
        if name not in QUESTIONS:
            raise UserError(f"--only names {name!r}{nearest(name, QUESTIONS)}; allowed: {', '.join(QUESTIONS)}")
    return names


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
    experiment = runs[0].experiment
    watch("data")
    task = tasks.load(experiment.task, data_dir)
    folder = (runs[0].folder if len(runs) == 1 else runs[0].folder.parent) / "figures"
    folder.mkdir(exist_ok=True)
    seeds = f"seed {experiment.seed}" if len(runs) == 1 else f"{len(runs)} seeds"
    figures, left_out = [], []
    for name in questions:
        question = QUESTIONS[name]
        answers: list[Frames] = []
        try:
            for run in runs:
                watch(f"{name}, seed {run.experiment.seed}")
                answers.append(question.answer(run, task))
                for result, frame in answers[-1].items():
                    write_result(run, result, frame)
        except NotApplicableError as error:
            left_out.append(f"{name}: {error}")
            continue
        watch(f"{name}, figures")
        for figure, (result, drawing) in question.figures.items():
            frames = [
                answer[result].assign(Seed=run.experiment.seed) for run, answer in zip(runs, answers, strict=True)
            ]
            shown = frames[0] if question.per_run else pd.concat(frames, ignore_index=True)
            title = f"{experiment.name}, {f'seed {experiment.seed}' if question.per_run else seeds}"
            figures.append(save(draw(drawing, shown, title), folder / f"{figure}.{image_format}"))
    return figures, left_out


def write_result(run: Run, name: str, frame: pd.DataFrame) -> Path:
    """Write an answer to the run's ``results/``."""
    path = run.folder / "results" / f"{name}.csv"
    path.parent.mkdir(exist_ok=True)
    write_whole(path, frame.to_csv(index=False).encode())
    return path


def draw(drawing: str, frame: pd.DataFrame, title: str, **options: bool) -> Figure:
    """Draw a frame with the function ``module.function`` of ``srnn.plots`` and its options."""
    module, _, function = drawing.partition(".")
    figure: Figure = getattr(importlib.import_module(f"srnn.plots.{module}"), function)(frame, title, **options)
    return figure
