"""``srnn run``: train an experiment and leave a run folder for each seed, or go on with interrupted ones."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from srnn.commands.options import Body, DataDir, Device, ImageFormat, Settings, completing, path_option, whole
from srnn.errors import UserError
from srnn.seeds import parse_seeds

if TYPE_CHECKING:
    from srnn.experiment import Experiment
    from srnn.runs.run import Run
    from srnn.training import Report, Training


def presets() -> list[str]:
    from srnn.presets import preset_names

    return preset_names()


def command(
    experiment: Annotated[
        str,
        typer.Argument(
            metavar="PRESET|FILE|RUN",
            help="A preset (srnn presets), a TOML file or a run that is there.",
            autocompletion=completing(presets),
        ),
    ] = "digits",
    settings: Settings = None,
    seeds: Annotated[
        str | None,
        typer.Option(metavar="SEEDS", help="A number of seeds (3 is 0, 1, 2), a range (0-4) or a list (0,7,9)."),
    ] = None,
    out: Annotated[
        Path | None, path_option("Runs are written to OUT/NAME/seed-S.", "--out", show_default="runs")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with interrupted runs; leave finished ones, begin the others.")
    ] = False,
    extend: Annotated[
        int | None,
        typer.Option(
            "--extend",
            metavar="EPOCHS",
            help="Train a finished run on for as many more epochs.",
            parser=whole("--extend", 1, 1_000_000),
        ),
    ] = None,
    data_dir: DataDir = None,
    device: Device = "cpu",
    image_format: ImageFormat = "png",
    body: Body = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but the run folders.")] = False,
) -> None:
    """Train an organism, classify its particles and draw its figures.

    A preset with settings changed is another experiment, and named so: runs/digits-hidden-3.

    \b
    Examples:
      srnn run
      srnn run connectivity --seeds 3 --data-dir data/mnist
      srnn run digits --set training.epochs=20 --set particle.hidden=3
      srnn run my-experiment.toml --out results --format pdf
      srnn run --set task.path=my.csv --set task.target=species
      srnn run exact-comparison --seeds 3 --data-dir data/mnist
      srnn run runs/digits --resume
      srnn run runs/digits --extend 100
    """
    from srnn.bodies.module import ModuleConfig, with_body
    from srnn.presets import load_changed, preset_names
    from srnn.untrusted import expanded

    numbers = None if seeds is None else parse_seeds(seeds)
    where = expanded(experiment)
    goes_on = experiment not in preset_names() and _holds_runs(where)
    if goes_on:
        if settings or out is not None:
            option = "--set" if settings else "--out"
            raise UserError(f"{option}: the runs in {experiment} go on as they were begun; leave {option} out")
        chosen, out, known = _to_go_on(where, resume, extend, numbers, body, data_dir, device)
        numbers, resume = numbers or known, True
    elif extend is not None:
        raise UserError(f"--extend: {experiment} is not the folder of a run; name one such as runs/digits")
    else:
        chosen = load_changed(experiment, settings or [])
    chosen = with_body(chosen, body, begins=not goes_on)
    numbers, out = numbers or [chosen.seed], out or Path("runs")

    from srnn.commands.output import print_path
    from srnn.commands.side_by_side import print_comparison
    from srnn.laboratory.compare import begun
    from srnn.laboratory.job import require_device

    options = {"--data-dir": data_dir, "--device": device, "--format": image_format}
    given = [
        word for option, value in options.items() if value not in (None, "cpu", "png") for word in (option, str(value))
    ]
    given += ["--body", chosen.body.path] if isinstance(chosen.body, ModuleConfig) else []
    given += ["--quiet"] if quiet else []
    drawn_as = None if image_format == "none" else image_format
    common: dict[str, Any] = {"data_dir": data_dir, "device": require_device(device), "image_format": drawn_as}
    again = shlex.join(["srnn", "run", str(out / chosen.name), "--seeds", _seeds_option(numbers), "--resume", *given])
    if chosen.pruning.asked:
        from srnn.commands.study import make_study

        make_study(chosen, out, numbers, resume, quiet, again, common)
        return
    variants = {variant: with_body(one, None, begins=not goes_on) for variant, one in chosen.expand().items()}
    if not variants:
        runs = train(chosen, out, numbers, resume, quiet, given, "", common)
        _print(runs, quiet)
        return
    groups = {}
    with begun(chosen, out, [out / one.name for one in variants.values()]) as folder:
        _require_all_can_begin(variants.values(), out, numbers, resume, again, common)
        for variant, one in variants.items():
            groups[variant] = train(one, out, numbers, resume, quiet, given, again, common)
            _print(groups[variant], quiet)
    try:
        _compare(groups, folder, drawn_as, again)
    except UserError as error:
        if not quiet:
            print(f"left out comparison: {error}")
        return
    if quiet:
        print_path(folder)
    else:
        print_comparison(folder)


def _require_all_can_begin(
    variants: Iterable[Experiment], out: Path, seeds: list[int], resume: bool, again: str, common: Mapping[str, Any]
) -> None:
    """Make sure that each variant can be run; if it is stopped meanwhile, say how to go on."""
    from srnn.commands.signals import going_on
    from srnn.laboratory.beginning import require_all_can_begin

    with going_on(lambda: f"go on with: {again}") as signals:
        signals.listen(at_once=True)
        where: dict[str, Any] = {name: common[name] for name in ("data_dir", "device")}
        require_all_can_begin(variants, out, seeds, resume=resume, **where)


def _print(runs: Sequence[Run], quiet: bool) -> None:
    from srnn.commands.output import print_path
    from srnn.commands.seeds import print_runs

    if not quiet:
        print_runs(runs)
        return
    for run in runs:
        print_path(run.folder)


def train(
    chosen: Experiment,
    out: Path,
    seeds: list[int],
    resume: bool,
    quiet: bool,
    given: list[str],
    again: str,
    common: dict[str, Any],
) -> list[Run]:
    """Run one experiment and show how far it is; whatever stops it is told with the command that goes on."""
    from srnn.commands.output import console
    from srnn.commands.signals import going_on
    from srnn.laboratory.job import run
    from srnn.laboratory.live import Display

    def how_to_go_on() -> str:
        return f"go on with: {again}" if again else _how_to_go_on(out / chosen.name, seeds, given)

    with going_on(how_to_go_on) as signals, nullcontext() if quiet else Display(chosen, seeds, console()) as display:
        # Until there is something to be saved, each ends it at once.
        signals.listen(at_once=True)

        def after_start(training: Training) -> None:
            signals.listen()
            if display is not None:
                display.start(training)

        def after_report(report: Report) -> None:
            if report.epoch == chosen.training.epochs:
                # All is saved: while figures are drawn there is nothing to be waited for.
                signals.listen(at_once=True)
            if display is not None:
                display.report(report)

        watchers: dict[str, Any] = {} if display is None else {"after_batch": display.batch}
        runs = run(
            chosen,
            out,
            seeds=seeds,
            resume=resume,
            after_start=after_start,
            after_report=after_report,
            stop=signals.received,
            progress=False,  # it has a display already, on stdout
            **common,
            **watchers,
        )
        if again and signals.received():
            raise KeyboardInterrupt  # after the last batch: these have ended, the other variants have not
        return runs


def _compare(
    groups: Mapping[str, Sequence[Run]],
    folder: Path,
    image_format: str | None,
    again: str,
) -> None:
    """Compare the variants of an experiment; if it is stopped, say how to go on."""
    from srnn.commands.signals import going_on
    from srnn.laboratory.compare import compare

    with going_on(lambda: f"go on with: {again}") as signals:
        # Nothing is left half-written, and nothing is to be saved.
        signals.listen(at_once=True)
        compare(groups, folder, image_format)


def _holds_runs(folder: Path) -> bool:
    try:
        return (folder / "config.toml").is_file() or any(folder.glob("seed-*/config.toml"))
    except OSError:
        return False


def _to_go_on(
    folder: Path,
    resume: bool,
    extend: int | None,
    seeds: list[int] | None,
    body: str | None,
    data_dir: Path | None,
    device: str,
) -> tuple[Experiment, Path, list[int]]:
    """The experiment, its --out and the seeds in a folder of runs that are to go on; without ``resume``, asks.

    Raises:
        UserError: They have ended, they are not of one experiment, their folder was renamed, nobody can be asked, or
            their body is one to be named by ``--body``.
    """
    from srnn.bodies.module import require_consent
    from srnn.laboratory.beginning import make_longer
    from srnn.laboratory.job import place_of, require_device
    from srnn.runs.groups import is_comparison, is_study, is_sweep, open_runs
    from srnn.runs.run import Run

    if is_sweep(folder):
        raise UserError(f"{folder} is a sweep: go on with it by srnn sweep {folder}")
    if is_comparison(folder) or is_study(folder):
        return _several_to_go_on(folder, resume, extend)
    runs = open_runs([folder], body)
    require_consent(runs[0].experiment)
    place = place_of(runs)
    known = [run.experiment.seed for run in runs]
    if extend is not None:
        if unknown := [seed for seed in seeds or [] if seed not in known]:
            raise UserError(f"--seeds: {folder} has no seed {unknown[0]} to be made longer; it has {_listed(known)}")
        chosen = [run for run in runs if seeds is None or run.experiment.seed in seeds]
        make_longer(chosen, extend, data_dir, require_device(device))
        return Run(chosen[0].folder, body).experiment, place, [run.experiment.seed for run in chosen]
    if not resume:
        left = [run for run in runs if not run.status.ended]
        if not left:
            raise UserError(
                f"{folder} has ended: see it with srnn show {folder}, train it on with srnn run {folder} --extend "
                "EPOCHS, or repeat it from its config.toml"
            )
        which = _listed([run.experiment.seed for run in left])
        _confirm(f"{folder} is not finished (seed {which})", folder)
    return runs[0].experiment, place, known


def _several_to_go_on(folder: Path, resume: bool, extend: int | None) -> tuple[Experiment, Path, list[int]]:
    """The same of a comparison or a study."""
    from srnn.laboratory.compare import Comparison
    from srnn.laboratory.study import Study
    from srnn.runs.groups import is_study

    several = Study.open(folder) if is_study(folder) else Comparison.open(folder)
    experiment, what = several.experiment, "a study" if isinstance(several, Study) else "a comparison"
    if extend is not None:
        one = several[0].folder.parent if several else folder
        raise UserError(f"--extend: {folder} is {what}; make a part of it longer, such as {one}")
    if folder.absolute().name != experiment.name:
        raise UserError(f"{folder} was renamed: to go on with it, name it {experiment.name} again")
    if not resume:
        _confirm(f"{folder} is {what}, of which some may be left to do", folder)
    seeds = list(dict.fromkeys(run.experiment.seed for run in several)) or [experiment.seed]
    return experiment, folder.absolute().parent if folder.name in ("", "..") else folder.parent, seeds


def _confirm(what: str, folder: Path) -> None:
    """Ask whether to go on.

    Raises:
        UserError: Nobody can be asked.
    """
    if sys.stdin is None or not sys.stdin.isatty():
        raise UserError(f"{what}: go on with srnn run {folder} --resume")
    if not typer.confirm(f"{what}. Go on with it?", default=True):
        raise typer.Exit


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))


def _how_to_go_on(folder: Path, seeds: list[int], options: list[str]) -> str:
    if not any((folder / f"seed-{seed}" / "config.toml").is_file() for seed in seeds):
        return "nothing was begun: start it again"
    which = [str(folder / f"seed-{seeds[0]}")]
    if len(seeds) > 1:
        which = [str(folder), "--seeds", _seeds_option(seeds)]
    return f"go on with: {shlex.join(['srnn', 'run', *which, '--resume', *options])}"


def _seeds_option(seeds: list[int]) -> str:
    """What :func:`parse_seeds` makes these seeds of; one alone is a range, as ``3`` would be three."""
    span = seeds == list(range(seeds[0], seeds[-1] + 1))
    return f"{seeds[0]}-{seeds[-1]}" if span else ",".join(map(str, seeds))
