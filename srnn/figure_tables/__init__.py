"""The figure tables: every published figure again, from our own runs, with numbers and intervals beside it.

A section is one table of ``figures/README.md``: it names the presets it needs and makes its images and its text from
their runs. Sections that are made already are left as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from srnn.errors import UserError, nearest
from srnn.figure_tables import questions, training
from srnn.figure_tables.desk import Desk
from srnn.files import write_whole
from srnn.job import run as run_experiment
from srnn.presets import load_preset
from srnn.runs import Run, same_experiment
from srnn.tasks import complete

HEADER = """# The figure tables

Every figure and number here is made by `srnn figures` from our own runs; none is drawn by hand. A number is the mean
over the seeds ± half its 95 % confidence interval (Student's t). *Published* is what the original project reports,
*rerun* an independent reimplementation of its mathematics. A zero fixpoint replicates itself, too: the published
figures count it as identity, here it is counted as zero.
"""


@dataclass(frozen=True)
class Section:
    """One table: its heading, the presets whose runs it needs, and what makes its text."""

    heading: str
    presets: Sequence[str]
    make: Callable[[Desk], str]
    at_least: int = 1  #: seeds, whatever is asked for


_H8 = ("residual-h8", "no-residual-h8")
SECTIONS = {
    "sanity": Section(
        "Sanity check: one particle multiplies", [f"sanity-h{hidden}" for hidden in training.SANITY], training.sanity
    ),
    "addition": Section("Addition", ["addition"], training.addition, at_least=10),
    "connectivity": Section("Connectivity", ["connectivity"], training.connections),
    "thinning": Section("Thinning", ["connectivity"], questions.thin),
    "residual": Section("Residual links against none", _H8, training.residual),
    "sizes": Section("Particle sizes", ["connectivity", "residual-h8"], training.sizes),
    "dropout": Section("Particle dropout", ["connectivity", *_H8], questions.drop),
    "transfer": Section(
        "Weight transfer",
        [
            "connectivity",
            *_H8,
            "smaller",
            "mnist-h5",
            "digits",
            "addition",
            *(f"sanity-h{hidden}" for hidden in training.SANITY),
        ],
        questions.worth,
    ),
    "baselines": Section("Dense baselines", ["connectivity"], questions.dense),
    "cubes": Section("Trajectories", ["connectivity"], questions.cubes),
    "robustness": Section("Robustness", ["connectivity", "residual-h8"], questions.robust),
    "heatmap": Section("Input heat map", ["connectivity"], questions.heat),
    "longer": Section(
        "Longer training",
        ["connectivity", "connectivity-500"],
        training.compared(
            {"200 epochs": "connectivity", "500 epochs": "connectivity-500"}, "What changes when training goes on?"
        ),
    ),
    "smaller": Section(
        "Smaller organisms",
        ["connectivity", "smaller"],
        training.compared({"width 6": "connectivity", "width 3": "smaller"}, "Half the units in each hidden layer."),
    ),
    "later": Section("The later configuration", ["mnist-h5"], training.later),
}


def make(
    names: Sequence[str],
    seeds: int = 5,
    out: Path = Path("figures"),
    runs: Path = Path("runs/figures"),
    data_dir: Path | None = None,
    watch: Callable[[str], None] = lambda what: None,
) -> list[str]:
    """Make the sections named (all without names) that are not made yet, and put ``README.md`` together.

    Args:
        names: Names of :data:`SECTIONS`.
        seeds: Seeds 0 … of every preset; those that are missing are run.
        out: Where the tables go.
        runs: Where the runs are kept.
        data_dir: Where the IDX files of MNIST are.
        watch: Told what is going on.

    Returns:
        The sections made.

    Raises:
        UserError: There is no such section.
    """
    for name in names:
        if name not in SECTIONS:
            raise UserError(
                f"there is no figure table {name!r}{nearest(name, SECTIONS)}; allowed: {', '.join(SECTIONS)}"
            )
    made = []
    for name in names or list(SECTIONS):
        section, text = SECTIONS[name], out / name / "section.md"
        count = max(seeds, section.at_least)
        if text.is_file() and text.read_text().startswith(_mark(count)):
            continue
        collected = {preset: _run_missing(preset, count, runs, data_dir, watch) for preset in section.presets}
        text.parent.mkdir(parents=True, exist_ok=True)
        body = section.make(Desk(text.parent, collected, data_dir, lambda what, name=name: watch(f"{name}: {what}")))  # type: ignore[misc]
        command = f"`srnn figures {name} --seeds {count}`"
        write_whole(text, f"{_mark(count)}\n## {section.heading}\n\n{command}\n\n{body}".encode())
        made.append(name)
    parts = [path.read_text() for name in SECTIONS if (path := out / name / "section.md").is_file()]
    write_whole(out / "README.md", "\n".join([HEADER, *parts]).encode())
    return made


def _mark(seeds: int) -> str:
    """The first line of a section that is made for that many seeds."""
    return f"<!-- {seeds} seeds -->"


def _run_missing(preset: str, seeds: int, out: Path, data_dir: Path | None, watch: Callable[[str], None]) -> list[Run]:
    experiment = load_preset(preset)
    folders = [out / preset / f"seed-{seed}" for seed in range(seeds)]
    missing = [seed for seed, folder in enumerate(folders) if not folder.exists()]
    if missing:
        run_experiment(
            experiment,
            out,
            seeds=missing,
            data_dir=data_dir,
            after_report=lambda report: watch(
                f"training {preset}, epoch {report.epoch} of {experiment.training.epochs}"
            ),
        )
    runs = [Run.open(folder) for folder in folders]
    for run in runs:
        if int(run.metrics["Epoch"].max()) < experiment.training.epochs:
            raise UserError(f"{run.folder} was interrupted; remove it, and it is run again")
        if not same_experiment(run.experiment, experiment.model_copy(update={"task": complete(experiment.task)})):
            raise UserError(f"{run.folder} is not what the preset {preset} says now; remove it, and it is run again")
    return runs
