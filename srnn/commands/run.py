"""``srnn run``: train an experiment and leave a run folder for each seed, or go on with interrupted ones."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from errno import EIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from srnn.errors import StoppedError, UserError

if TYPE_CHECKING:
    from srnn.experiment import Experiment
    from srnn.runs.run import Run
    from srnn.training.loop import Training


def command(
    experiment: Annotated[
        str,
        typer.Argument(metavar="PRESET|FILE|RUN", help="A preset (srnn presets), a TOML file or an interrupted run."),
    ] = "digits",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting, such as training.epochs=20; repeatable."),
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(help="A number of seeds (3 is 0, 1, 2), a range (0-4) or a list (0,7,9).")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Runs are written to OUT/NAME/seed-S.", show_default="runs")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with interrupted runs; leave finished ones, begin the others.")
    ] = False,
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Folder of the MNIST or Fashion-MNIST files.", envvar="SRNN_DATA_DIR"),
    ] = None,
    device: Annotated[Literal["cpu", "cuda"], typer.Option(help="Where to compute.")] = "cpu",
    image_format: Annotated[
        Literal["png", "svg", "pdf"], typer.Option("--format", help="File format of the figures.")
    ] = "png",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but the run folders.")] = False,
) -> None:
    """Train an organism, classify its particles and draw its figures.

    \b
    Examples:
      srnn run
      srnn run connectivity --seeds 3 --data-dir data/mnist
      srnn run digits --set training.epochs=20 --set particle.hidden=3
      srnn run my-experiment.toml --out results --format pdf
      srnn run exact-comparison --seeds 3 --data-dir data/mnist
      srnn run runs/digits --resume
    """
    from srnn.presets import load_experiment, preset_names

    numbers = None if seeds is None else parse_seeds(seeds)
    if experiment not in preset_names() and _holds_runs(Path(experiment)):
        if settings or out is not None:
            option = "--set" if settings else "--out"
            raise UserError(f"{option}: the runs in {experiment} go on as they were begun; leave {option} out")
        chosen, out, known = _to_go_on(Path(experiment), resume)
        numbers, resume = numbers or known, True
    else:
        chosen = load_experiment(experiment).override(settings or [])
    numbers, out = numbers or [chosen.seed], out or Path("runs")

    from srnn.commands import show

    options = {"--data-dir": data_dir, "--device": device, "--format": image_format}
    given = [
        word for option, value in options.items() if value not in (None, "cpu", "png") for word in (option, str(value))
    ]
    given += ["--quiet"] if quiet else []
    common: dict[str, Any] = {"data_dir": data_dir, "device": device, "image_format": image_format}
    variants = chosen.expand()
    again = ""
    if variants:
        changes = [word for change in settings or [] for word in ("--set", change)]
        where = ["--seeds", _seeds_option(numbers), "--out", str(out)]
        again = shlex.join(["srnn", "run", experiment, *changes, *where, "--resume", *given])
    groups = {}
    for variant, one in variants.items() or [("", chosen)]:
        groups[variant] = _train(one, out, numbers, resume, quiet, given, again, common)
        if quiet:
            for run in groups[variant]:
                print(run.folder)
        else:
            show.print_runs(groups[variant])
    if variants:
        try:
            _compare(groups, out / chosen.name, image_format, quiet, again)
        except UserError as error:
            if not quiet:
                print(f"left out comparison: {error}")


def _train(
    chosen: Experiment,
    out: Path,
    seeds: list[int],
    resume: bool,
    quiet: bool,
    given: list[str],
    again: str,
    common: dict[str, Any],
) -> list[Run]:
    """Run one experiment; whatever stops it is told with the command that goes on."""
    from srnn.commands import live
    from srnn.commands.signals import Signals
    from srnn.laboratory.job import run

    def how_to_go_on() -> str:
        return f"go on with: {again}" if again else _how_to_go_on(out / chosen.name, seeds, given)

    signals = Signals()
    try:
        with signals, nullcontext() if quiet else live.Display(chosen, seeds) as display:

            def after_start(training: Training) -> None:
                signals.listen()
                if display is not None:
                    display.start(training)

            watchers: dict[str, Any] = (
                {} if display is None else {"after_batch": display.batch, "after_report": display.report}
            )
            runs = run(
                chosen,
                out,
                seeds=seeds,
                resume=resume,
                after_start=after_start,
                stop=signals.received,
                **common,
                **watchers,
            )
            if again and signals.received():
                raise KeyboardInterrupt  # after the last batch: these have ended, the other variants have not
            return runs
    except (StoppedError, KeyboardInterrupt):
        raise StoppedError(f"interrupted; {how_to_go_on()}", 128 + signals.last) from None
    except OSError as error:
        where, why = error.filename or out / chosen.name, error.strerror or str(error)
        raise OSError(error.errno or EIO, f"{why}; once that is mended, {how_to_go_on()}", str(where)) from None


def _compare(
    groups: Mapping[str, Sequence[Run]],
    folder: Path,
    image_format: str,
    quiet: bool,
    again: str,
) -> None:
    """Compare the variants of an experiment, and print how they ended; if it is stopped, say how to go on."""
    from srnn.commands.signals import Signals
    from srnn.laboratory.compare import compare

    signals = Signals()
    try:
        with signals:
            # Nothing is left half-written, and nothing is to be saved.
            signals.listen(at_once=True)
            figures = compare(groups, folder, image_format)
    except KeyboardInterrupt:
        raise StoppedError(f"interrupted; go on with: {again}", 128 + signals.last) from None
    if quiet:
        print(folder)
        return
    print()
    for table in sorted((folder / "results").glob("*.csv")):
        print(f"table   {table}")
    for figure in figures:
        print(f"figure  {figure}")


def _holds_runs(folder: Path) -> bool:
    try:
        return (folder / "config.toml").is_file() or any(folder.glob("seed-*/config.toml"))
    except OSError:
        return False


def _to_go_on(folder: Path, resume: bool) -> tuple[Experiment, Path, list[int]]:
    """The experiment, its --out and the seeds in a folder of interrupted runs; without ``resume``, asks.

    Raises:
        UserError: They have ended, they are not of one experiment, their folder was renamed, or nobody can be asked.
    """
    from srnn.runs.groups import first_difference, open_runs

    runs = open_runs([folder])
    experiment = runs[0].experiment
    for run in runs:
        if (difference := first_difference(run.experiment, experiment)) is not None:
            raise UserError(f"{run.folder} and {runs[0].folder} differ in {difference[0]}: name one of them")
        place = (experiment.name, f"seed-{run.experiment.seed}")
        if run.folder.resolve().parts[-2:] != place:
            raise UserError(f"{run.folder} was renamed: to go on with it, name it {'/'.join(place)} again")
    first = runs[0].folder
    if first.parts[-2:] != (experiment.name, f"seed-{runs[0].experiment.seed}") or ".." in first.parts:
        # Named by a link or from within: its --out is that of the folder itself.
        first = first.resolve()
    if not resume:
        left = [run for run in runs if not run.status.ended]
        if not left:
            raise UserError(f"{folder} has ended: see it with srnn show {folder}, or repeat it from its config.toml")
        which = ", ".join(str(run.experiment.seed) for run in left)
        if not sys.stdin.isatty():
            raise UserError(f"{folder} is not finished (seed {which}): go on with srnn run {folder} --resume")
        if not typer.confirm(f"{folder} is not finished (seed {which}). Go on with it?", default=True):
            raise typer.Exit
    return experiment, first.parents[1], [run.experiment.seed for run in runs]


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


def parse_seeds(text: str) -> list[int]:
    """The seeds that ``3`` (0, 1, 2), ``0-4`` or ``0,7,9`` stand for.

    Raises:
        UserError: The text is none of these.
    """
    from srnn.errors import shorten

    allowed = "allowed: a number of seeds (3), a range (0-4) or a list (0,7,9), from 0 to 2147483647, 1,000 at most"
    seeds: list[int] = []
    try:
        if "," not in text and "-" not in text:
            seeds = list(range(min(int(text), 1001)))
        else:
            for part in text.strip(",").split(","):
                first, _, last = part.partition("-")
                seeds += range(int(first), min(int(last or first), int(first) + 1001) + 1)
    except ValueError:
        raise UserError(f"--seeds is {shorten(repr(text))}; {allowed}") from None
    if not 1 <= len(seeds) <= 1000 or len(set(seeds)) < len(seeds) or min(seeds) < 0 or max(seeds) >= 2**31:
        raise UserError(f"--seeds is {shorten(repr(text))}; {allowed}")
    return seeds
