"""The figure tables: every published figure again, from our own runs, with numbers and intervals beside it.

A section is one table of ``figures/README.md``: it names the presets it needs and makes its images and its text from
their runs. Sections that are made already are left as they are.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from srnn.errors import UserError, nearest
from srnn.experiment import Experiment
from srnn.files import write_whole
from srnn.kernels.arithmetic import order_products
from srnn.laboratory.job import run as run_experiment
from srnn.laboratory.study import Study, run_study
from srnn.presets import load_preset
from srnn.runs.groups import same_experiment
from srnn.runs.resume import go_on_for_longer
from srnn.runs.run import Run
from srnn.runs.status import recorded
from srnn.sweeps.engine import Contact, Job, Watch, carry_out
from srnn.sweeps.estimate import seconds
from srnn.sweeps.workers import Processes
from srnn.tables import (
    arithmetic,
    exact,
    mending,
    minima,
    pruned,
    questions,
    rates,
    regularisation,
    rescuing,
    rest,
    sparse,
    tickets,
    training,
    useful,
)
from srnn.tables.desk import Desk
from srnn.tables.header import HEADER
from srnn.tables.unfinished import is_of, take_over, workplace
from srnn.untrusted import expanded


@dataclass(frozen=True)
class Section:
    """One table: its heading, the presets whose runs it needs, and what makes its text."""

    heading: str
    presets: Sequence[str]
    make: Callable[[Desk], str]
    seeds: int = 10  #: unless a number is asked for
    seconds: float = 5  #: about how long it takes, of three seeds
    published: bool = True  #: whether it is of a published figure; others are made when they are asked for by name
    studies: Sequence[str] = ()  #: presets of studies of pruning that it needs, each goes on wherever it was stopped
    change: Callable[[Experiment], Experiment] = lambda preset: preset  #: what each preset is made into for it


_H8 = ("residual-h8", "no-residual-h8")
_MASKS = ["pruning", *(f"pruning-{line}" for line in ("twice", "cubic", "iterative", "fan-in"))]
SECTIONS = {
    "sanity": Section(
        "Sanity check: one particle multiplies",
        [*(f"sanity-h{hidden}" for hidden in training.SANITY), "sanity-batches"],
        training.sanity,
    ),
    "addition": Section("Addition", ["addition"], training.addition),
    "connectivity": Section("Connectivity", ["connectivity"], training.connections),
    "thinning": Section("Thinning", ["connectivity"], questions.thin),
    "residual": Section("Residual links against none", _H8, training.residual),
    "sizes": Section("Particle sizes", ["connectivity", "residual-h8"], training.sizes),
    "dropout": Section("Particle dropout", ["connectivity", *_H8], questions.drop, seconds=20),
    "transfer": Section(
        "Weight transfer",
        [
            "connectivity",
            *_H8,
            "smaller",
            "no-replication",
            "mnist-h5",
            "digits",
            "addition",
            *(f"sanity-h{hidden}" for hidden in training.SANITY),
        ],
        questions.worth,
    ),
    "baselines": Section(
        "Dense baselines",
        ["connectivity", "no-replication", "dense-baselines", "exact-dense", "exact-dense-step", rates.PRESET],
        questions.dense,
    ),
    "cubes": Section("Trajectories", ["connectivity"], questions.cubes),
    "robustness": Section("Robustness", ["connectivity", "residual-h8"], questions.robust),
    "heatmap": Section("Input heat map", ["connectivity"], questions.heat),
    "longer": Section(
        "Longer training",
        ["connectivity", "connectivity-500"],
        partial(
            training.compared,
            {"200 epochs": "connectivity", "500 epochs": "connectivity-500"},
            "What changes when training goes on?",
        ),
    ),
    "smaller": Section(
        "Smaller organisms",
        ["connectivity", "smaller"],
        partial(
            training.compared,
            {"width 6": "connectivity", "width 3": "smaller"},
            "Half the units in each hidden layer.",
        ),
    ),
    "later": Section("The later configuration", ["mnist-h5"], training.later),
    "rest": Section("At rest, and from another birth", rest.PRESETS, rest.rest, seconds=120, published=False),
    "exact": Section(
        "Exact self-replication",
        [
            "connectivity",
            "residual-h8",
            "exact-newton",
            "exact-lifted",
            "exact-dense",
            "exact-dense-step",
            "trade-off",
            "birth",
            "exact-comparison",
        ],
        exact.exact,
        seconds=240,
        published=False,
    ),
    "arithmetic": Section(
        "What of stability is rounding",
        [*arithmetic.PRESETS.values()],
        arithmetic.arithmetic,
        seconds=20,
        published=False,
    ),
    "repair": Section(
        "Self-replicators that repair themselves", mending.PRESETS, mending.mending, seconds=120, published=False
    ),
    "pruning": Section(
        "Masks of every kind on the same network", [], pruned.masks, seconds=60, published=False, studies=_MASKS
    ),
    "pruning-linear": Section(
        "Masks of every kind on the same linear network",
        [],
        pruned.masks,
        seconds=60,
        published=False,
        studies=["pruning-linear"],
    ),
    "tickets": Section(
        "Lottery tickets",
        [],
        tickets.tickets,
        seeds=5,
        seconds=20,
        published=False,
        studies=["tickets", "tickets-at-once"],
    ),
    "sparsity": Section(
        "Sparse networks beside those that were published",
        [],
        sparse.sparse,
        seeds=3,
        seconds=20,
        published=False,
        studies=["sparsity", "sparsity-adam"],
    ),
    "usefulness": Section("Usefulness of units", useful.PRESETS, useful.useful, seeds=20, seconds=400, published=False),
    "rescue": Section(
        "Interventions and hard examples", rescuing.PRESETS, rescuing.rescuing, seconds=60, published=False
    ),
    **{
        "-".join(filter(None, ("minima", kind))): Section(
            heading,
            minima.PRESETS,
            partial(minima.minima, kind=kind),
            seconds=300,
            published=False,
            change=partial(minima.of_kind, kind),
        )
        for kind, heading in {
            "": "Other minima",
            "sgd": "Other minima of organisms that descend on replication",
            "lifted": "Other minima of exact self-replicators",
        }.items()
    },
    "regularisation": Section(
        "Regularisation", regularisation.PRESETS, regularisation.regularisation, seconds=30, published=False
    ),
}


def make(
    names: Sequence[str],
    seeds: int | None = None,
    out: Path = Path("figures"),
    runs: Path = Path("runs/figures"),
    data_dir: Path | None = None,
    jobs: int = 1,
    watch: Watch = lambda done, total, running: None,
) -> list[str]:
    """Make those of the sections named that are not made yet, and put all that are there together as ``README.md``.

    All runs that are missing and all sections are jobs, done in parallel: a section as soon as its runs are there. A
    run or a section appears in its place when it is complete, so that nothing half made is left behind; of a command
    that was killed, the next one goes on with its runs where they were.

    Args:
        names: Names of :data:`SECTIONS`; none: all that are published.
        seeds: How many seeds 0 … of every preset; those that are missing are run. Without a number, as many as each
            section has by itself.
        out: Where the tables go.
        runs: Where the runs are kept.
        data_dir: Where the IDX files of MNIST are.
        jobs: Processes to work in, of one thread each; 1: this one. What is made does not depend on it.
        watch: Told what is going on, as :data:`srnn.sweeps.engine.Watch` says.

    Returns:
        The sections made.

    Raises:
        UserError: There is no such section, a run that is kept is not what its preset says, or data are missing.
    """
    for name in names:
        if name not in SECTIONS:
            raise UserError(
                f"there is no figure table {name!r}{nearest(name, SECTIONS)}; allowed: {', '.join(SECTIONS)}"
            )
    chosen = names or [name for name, section in SECTIONS.items() if section.published]
    counts = {name: seeds or section.seeds for name, section in SECTIONS.items() if name in chosen}
    out, runs = expanded(out), expanded(runs)
    wanted = {name: count for name, count in counts.items() if not _is_made(out / name / "section.md", count)}
    needed = {name: _experiments(SECTIONS[name]) for name in wanted}
    order_products()  # in this process and in those that it starts
    out.mkdir(parents=True, exist_ok=True)
    runs.mkdir(parents=True, exist_ok=True)
    with (
        workplace(runs) as unfinished_runs,
        workplace(out) as unfinished,
    ):
        missing = _training(wanted, needed, runs, unfinished_runs, data_dir)
        tables: list[Job] = []
        for name, count in wanted.items():
            section = SECTIONS[name]
            work = partial(_make_section, name, section, needed[name], count, out, unfinished, runs, data_dir)
            needs = {missing[preset].name for preset in needed[name] if preset in missing}
            for study in section.studies:
                making = partial(_make_study, study, count, runs, data_dir)
                tables.append(Job(f"study {study}", making, 600 * count))
                needs.add(f"study {study}")
            tables.append(Job(f"table {name}", work, section.seconds, frozenset(needs)))
        every = [*missing.values(), *tables]
        workers = Processes(min(jobs, len(every))) if jobs > 1 and len(every) > 1 else None
        for _, error in carry_out(every, workers, watch):
            if error is not None:
                raise error
    parts = [path.read_text("utf-8") for name in SECTIONS if (path := out / name / "section.md").is_file()]
    write_whole(out / "README.md", "\n".join([HEADER, *parts]).encode())
    return [*wanted]


def _mark(seeds: int) -> str:
    """The first line of a section that is made for that many seeds."""
    return f"<!-- {seeds} seeds -->"


def _is_made(text: Path, seeds: int) -> bool:
    return text.is_file() and text.read_text("utf-8").startswith(_mark(seeds))


def _experiments(section: Section) -> dict[str, Experiment]:
    """The experiments of a section by their names; of a comparison, those that are compared."""
    chosen = [section.change(load_preset(preset)) for preset in section.presets]
    return {one.name: one for experiment in chosen for one in (experiment.expand() or {"": experiment}).values()}


def _training(
    wanted: Mapping[str, int],
    needed: Mapping[str, Mapping[str, Experiment]],
    runs: Path,
    unfinished: Path,
    data_dir: Path | None,
) -> dict[str, Job]:
    """A job for each preset of which the wanted sections, with their seeds, miss runs."""
    counts: dict[str, int] = {}
    for name, count in wanted.items():
        for preset in needed[name]:
            counts[preset] = max(count, counts.get(preset, 0))
    experiments = {preset: experiment for own in needed.values() for preset, experiment in own.items()}
    missing: dict[str, list[int]] = {}
    for preset, count in counts.items():
        seeds = [seed for seed in range(count) if not _exists(runs, preset, seed)]
        # Now, and not when the table is made: what is wrong with a run is said before the others have trained.
        _kept(preset, experiments[preset], [seed for seed in range(count) if seed not in seeds], runs)
        if seeds:
            missing[preset] = seeds
    jobs = {}
    for preset, seeds in missing.items():
        experiment, shorter = experiments[preset], _shorter(experiments[preset], experiments.values())
        work = partial(_train, preset, experiment, seeds, shorter, runs, unfinished, data_dir)
        done = shorter.training.epochs if shorter else 0
        needs = frozenset({f"training {shorter.name}"} if shorter and shorter.name in missing else ())
        jobs[preset] = Job(f"training {preset}", work, seconds(experiment, len(seeds), done), needs)
    return jobs


def _exists(runs: Path, preset: str, seed: int) -> bool:
    return (runs / preset / f"seed-{seed}").exists()


def _shorter(experiment: Experiment, others: Iterable[Experiment]) -> Experiment | None:
    """The longest of the others that is this experiment with fewer epochs, and whose end is nothing special to it."""
    ours = experiment.training
    found = []
    for other in others:
        training = other.training.model_copy(update={"epochs": ours.epochs})
        as_long = other.model_copy(update={"training": training, "name": experiment.name})
        epochs = other.training.epochs
        # Its last epoch is logged and has a checkpoint in any case.
        regular = epochs % experiment.log.every == 0 == epochs % experiment.checkpoint.every
        if epochs < ours.epochs and regular and same_experiment(as_long, experiment):
            found.append(other)
    return max(found, key=lambda other: other.training.epochs, default=None)


def _train(
    preset: str,
    experiment: Experiment,
    seeds: Sequence[int],
    shorter: Experiment | None,
    runs: Path,
    unfinished: Path,
    data_dir: Path | None,
    contact: Contact,
) -> None:
    epochs = experiment.training.epochs
    take_over(unfinished, preset, experiment)
    if shorter:
        for run in _kept(shorter.name, shorter, [seed for seed in seeds if _exists(runs, shorter.name, seed)], runs):
            longer = unfinished / preset / run.folder.name
            if recorded(longer).ended:  # not begun, unless its process was ended from outside
                shutil.rmtree(longer, ignore_errors=True)
                go_on_for_longer(run, experiment, longer)
    trained = run_experiment(
        experiment,
        unfinished,
        seeds=seeds,
        resume=True,
        data_dir=data_dir,
        image_format=None,  # the tables have figures of their own
        after_report=lambda report: contact.tell(f"epoch {report.epoch} of {epochs}"),
        progress=False,
    )
    (runs / preset).mkdir(exist_ok=True)
    for run in trained:
        if not _exists(runs, preset, run.experiment.seed):
            run.folder.rename(runs / preset / run.folder.name)


def _make_study(preset: str, seeds: int, runs: Path, data_dir: Path | None, contact: Contact) -> None:
    """Make a study in its place, for each of its runs is there whole or goes on."""
    run_study(
        run_experiment,
        load_preset(preset),
        runs,
        range(seeds),
        image_format=None,
        stop=contact.stop,
        resume=True,
        data_dir=data_dir,
        watch=lambda done, total, name: contact.tell(f"{done} of {total}, {name}"),
        progress=False,
    )


def _make_section(
    name: str,
    section: Section,
    experiments: Mapping[str, Experiment],
    seeds: int,
    out: Path,
    unfinished: Path,
    runs: Path,
    data_dir: Path | None,
    contact: Contact,
) -> None:
    kept = {preset: _kept(preset, experiment, range(seeds), runs) for preset, experiment in experiments.items()}
    folder = unfinished / name
    folder.mkdir(exist_ok=True)
    studies = [Study.open(runs / study) for study in section.studies]
    body = section.make(Desk(folder, kept, data_dir, contact.tell, studies))
    place = out / name
    place.mkdir(exist_ok=True)
    for image in folder.iterdir():
        image.replace(place / image.name)
    command = f"`srnn figures {name} --seeds {seeds}`"
    write_whole(place / "section.md", f"{_mark(seeds)}\n## {section.heading}\n\n{command}\n\n{body}".encode())


def _kept(preset: str, experiment: Experiment, seeds: Iterable[int], runs: Path) -> list[Run]:
    """The runs of these seeds.

    Raises:
        UserError: One is not complete, or not what the preset says.
    """
    kept = [Run.open(runs / preset / f"seed-{seed}") for seed in seeds]
    # Some have their end before the last epoch.
    settings = experiment.training
    ends = ("diverged", "finished") if settings.keep == "best" or settings.until_loss else ("diverged",)
    for run in kept:
        if run.status.status not in ends and int(run.metrics["Epoch"].max()) < experiment.training.epochs:
            raise UserError(f"{run.folder} was interrupted; remove it, and it is run again")
        if not is_of(run, experiment):
            raise UserError(f"{run.folder} is not what the preset {preset} says now; remove it, and it is run again")
    return kept
