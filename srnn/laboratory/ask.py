"""Asking the runs of an experiment: answers become tables in their folders, and figures over all seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from srnn import tasks
from srnn.errors import NotApplicableError, UserError, nearest
from srnn.files import write_whole
from srnn.laboratory.questions import QUESTIONS
from srnn.laboratory.questions.question import Question
from srnn.laboratory.subject import Subject
from srnn.plots.style import save
from srnn.runs.groups import by_experiment
from srnn.runs.run import Run
from srnn.tasks import Task
from srnn.untrusted import own_folder


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
        answers.append(question.answer(Subject(run, task)))
        results = own_folder(run.folder / "results")
        for result, frame in answers[-1].items():
            write_whole(results / f"{result}.csv", frame.to_csv(index=False).encode())
        for file, (result, write) in question.exports.items():
            write(answers[-1][result], results / file)
    watch(f"{name}, figures")
    one = question.per_run or len(runs) == 1
    title = f"{runs[0].experiment.name}, "
    title += f"seed {runs[0].experiment.seed}" if one else f"{len(runs)} seeds"
    figures = []
    for figure, (result, drawing) in question.figures.items():
        frames = [answer[result].assign(Seed=run.experiment.seed) for run, answer in zip(runs, answers, strict=True)]
        shown = frames[0] if question.per_run else pd.concat(frames, ignore_index=True)
        figures.append(save(drawing(shown, title), folder / f"{figure}.{image_format}"))
    return figures
