"""Asking the runs of an experiment: answers become tables in their folders, and figures over all seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from srnn import tasks
from srnn.analysis.statistics import ANYTHING, SHARE, Range, over_seeds, range_of, with_range
from srnn.bodies.module import require_consent
from srnn.choices import require_format
from srnn.errors import NotApplicableError, UserError, nearest, option
from srnn.files import write_whole
from srnn.kernels.arithmetic import plain_torch
from srnn.laboratory.questions import QUESTIONS
from srnn.laboratory.questions.question import Ends, Frames, Question, Summary
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
    _require_questions(names)
    return names


def _require_questions(names: Iterable[str]) -> None:
    for name in names:
        if name not in QUESTIONS:
            what = f"{option('only', 'questions')} names {name!r}{nearest(name, QUESTIONS)}"
            raise UserError(f"{what}; allowed: {', '.join(QUESTIONS)}")


@dataclass
class Answers:
    """What the seeds of an experiment answered.

    Attributes:
        summaries: Question → result → its means over the seeds, as :func:`summarize` gives them.
        figures: Where they were written.
        left_out: For each question that does not apply to these runs, why.
    """

    summaries: dict[str, Frames] = field(default_factory=dict)
    figures: list[Path] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


@plain_torch()
def analyze(
    runs: Sequence[Run],
    questions: Sequence[str],
    data_dir: Path | None = None,
    image_format: str | None = "png",
    title: str | None = None,
    watch: Callable[[str], None] = lambda what: None,
) -> Answers:
    """Ask the seeds of one experiment.

    Each run's answers are written to its ``results/*.csv``. Those of several seeds are written beside the seeds, too,
    into ``results/``: one below the other, with a column Seed (but for those of which one run is drawn), and as
    ``…_summary.csv`` their means with 95 % intervals. The figures go beside them into ``figures/`` (of a single run:
    into its own).

    Args:
        runs: Runs of one experiment, which differ in their seed.
        questions: Names of :data:`QUESTIONS`.
        data_dir: Where the IDX files of mnist and fashion_mnist are.
        image_format: ``png``, ``svg`` or ``pdf``; None: without figures.
        title: Above the figures; empty for none, None for the experiment and its seeds.
        watch: Told what is going on.

    Raises:
        UserError: There is no such question, the data are missing, or nobody has consented to the body.

    Example:
        >>> answers = analyze(open_runs(["runs/connectivity"]), ["dropout"], Path("data/mnist"))  # doctest: +SKIP
        >>> answers.summaries["dropout"]["dropout"].query("Scope == 'total'")  # doctest: +SKIP
    """
    if image_format is not None:
        require_format(image_format)
    _require_questions(questions)
    [runs] = by_experiment(runs)
    require_consent(runs[0].experiment)
    watch("data")
    task = tasks.load(runs[0].experiment.task, data_dir)
    answers = Answers()
    for name in questions:
        question = QUESTIONS[name]
        try:
            found = _ask(question, name, runs, task, watch)
            if question.together is not None:
                watch(f"{name}, all seeds together")
                found |= question.together(found)
            if image_format is not None:
                watch(f"{name}, figures")
                answers.figures += _draw(question, runs, found, image_format, title)
        except NotApplicableError as error:
            answers.left_out.append(f"{name}: {error}")
            continue
        answers.summaries[name] = {
            result: summarize(found[result], summary) for result, summary in question.summaries.items()
        }
        if len(runs) > 1:
            _write(question, runs[0].folder.parent, found, answers.summaries[name])
    return answers


def summarize(frame: pd.DataFrame, summary: Summary) -> pd.DataFrame:
    """The mean of each number in a result over the seeds, with its 95 % t-interval.

    Args:
        frame: The result of every seed, one below the other, with a column Seed.
        summary: How it is averaged.

    Returns:
        The columns that tell the cases apart, Quantity (str: which number it is of), Mean, Low, High (float; NaN of a
        single seed) and Seeds (int: those that have the case, or all of what is known of those that lack it).
    """
    by, parts = list(summary.by), []
    for seed, own in frame.groupby("Seed"):
        reduced = summary.reduce(own.drop(columns="Seed")).drop(columns="Seed", errors="ignore")
        for name in reduced.select_dtypes(["number", "bool"]).columns.drop(by, errors="ignore"):
            least, most = _ends(reduced, summary.within.get(name, ANYTHING))
            score = reduced[name].astype(float)
            parts.append(reduced[by].assign(Quantity=name, Score=score, Seed=seed, Least=least, Most=most))
    keys = [*by, "Quantity"]
    if not parts:
        return pd.DataFrame(columns=[*keys, "Mean", "Low", "High", "Seeds"])
    every = pd.concat(parts, ignore_index=True)
    if len(lacking := _absent(every, keys, summary.absent)):
        every = pd.concat([every, lacking], ignore_index=True)
    found = over_seeds(every, by=keys).reset_index()
    cut = found["Quantity"].isin(summary.differences)
    if cut.any():
        cut &= found["Metric"].map(lambda metric: range_of(metric) == SHARE)
        found.loc[cut, ["Low", "High"]] = found.loc[cut, ["Low", "High"]].clip(-1, 1)
    return found


def _ends(reduced: pd.DataFrame, within: Range | Callable[[pd.DataFrame], Ends] | None) -> Ends:
    """Between which numbers each row lies."""
    if within is None:
        ranges = with_range(reduced)
        return ranges["Least"], ranges["Most"]
    return within(reduced) if callable(within) else within


def _absent(every: pd.DataFrame, keys: list[str], absent: Mapping[str, float]) -> pd.DataFrame:
    """The rows that seeds lack for cases of others, of what is known nevertheless."""
    known = every[every["Quantity"].isin(absent)]
    cases = known.groupby(keys, sort=False).agg({"Least": "min", "Most": "max"}).reset_index()
    everywhere = cases.merge(every[["Seed"]].drop_duplicates(), how="cross")
    there = pd.MultiIndex.from_frame(known[[*keys, "Seed"]])
    lacking = everywhere[~pd.MultiIndex.from_frame(everywhere[[*keys, "Seed"]]).isin(there)]
    return lacking.assign(Score=lacking["Quantity"].map(absent))


def _ask(question: Question, name: str, runs: Sequence[Run], task: Task, watch: Callable[[str], None]) -> Frames:
    """The results of every seed, one below the other, told apart by a column Seed; each seed's own are written."""
    found: dict[str, list[pd.DataFrame]] = {}
    for run in runs:
        seed = run.experiment.seed
        watch(f"{name}, seed {seed}")
        answer = question.answer(Subject(run, task))
        folder = own_folder(run.folder / "results")
        for result, frame in answer.items():
            write_whole(folder / f"{result}.csv", frame.to_csv(index=False).encode())
            found.setdefault(result, []).append(frame.assign(Seed=seed))
        for file, (result, write) in question.exports.items():
            write(answer[result], folder / file)
    # A frame without rows would make objects of the numbers of the others.
    return {
        result: pd.concat([frame for frame in frames if len(frame)] or frames[:1], ignore_index=True)
        for result, frames in found.items()
    }


def _draw(
    question: Question, runs: Sequence[Run], found: Mapping[str, pd.DataFrame], image_format: str, title: str | None
) -> list[Path]:
    seed = runs[0].experiment.seed
    if title is None:
        of = f"seed {seed}" if question.per_run or len(runs) == 1 else f"{len(runs)} seeds"
        title = f"{runs[0].experiment.name}, {of}"
    folder = own_folder((runs[0].folder if len(runs) == 1 else runs[0].folder.parent) / "figures")
    figures = []
    for figure, (result, drawing) in question.figures.items():
        frame = found[result]
        shown = frame[frame["Seed"] == seed] if question.per_run else frame
        figures.append(save(drawing(shown, title), folder / f"{figure}.{image_format}"))
    return figures


def _write(question: Question, parent: Path, found: Frames, summaries: Frames) -> None:
    """Write the results of several seeds beside them; what is drawn of one run alone is in each one's folder."""
    folder = own_folder(parent / "results")
    files = {} if question.per_run else dict(found)
    files |= {f"{result}_summary": summary for result, summary in summaries.items()}
    for name, frame in files.items():
        write_whole(folder / f"{name}.csv", frame.to_csv(index=False).encode())
