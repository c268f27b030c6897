"""``srnn sweep``: run an experiment at many points of its settings, in any number of processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from srnn.commands.options import Body, DataDir, Device, ImageFormat, Settings, completing, one_of, path_option, whole
from srnn.commands.run import presets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from srnn.experiment import Experiment
    from srnn.sweeps.sweep import Doing
    from srnn.sweeps.workers import Workers

BACKENDS = ("loky", "dask")


def command(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE|PRESET|SWEEP",
            help="A TOML file or a preset that has a sweep, or the folder of a sweep.",
            autocompletion=completing(presets),
        ),
    ],
    settings: Settings = None,
    seeds: Annotated[
        str | None,
        typer.Option(metavar="SEEDS", help="Seeds of each point: a number (3 is 0, 1, 2), a range or a list."),
    ] = None,
    out: Annotated[
        Path | None, path_option("Runs are written to OUT/NAME/POINT/seed-S.", "--out", show_default="runs")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            metavar="NUMBER",
            help="Processes to work in, which share the cores.",
            parser=whole("--jobs", 1, 1000),
            show_default="this one alone",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the points and about how long they take, and do nothing.")
    ] = False,
    fail_fast: Annotated[
        bool,
        typer.Option("--fail-fast/--keep-going", help="End with the first point that fails, or do all others first."),
    ] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Do again what has failed before.")] = False,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait for what other processes do, or end when all is taken.")
    ] = True,
    backend: Annotated[
        str,
        typer.Option(
            help="What --jobs are: processes here, or the workers of a Dask scheduler.",
            metavar="|".join(BACKENDS),
            parser=one_of("--backend", *BACKENDS),
            autocompletion=completing(lambda: BACKENDS),
        ),
    ] = "loky",
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", metavar="ADDRESS", help="The Dask scheduler: tcp://host:8786.")
    ] = None,
    scheduler_file: Annotated[
        Path | None, path_option("The file in which the Dask scheduler has written where it is.", "--scheduler-file")
    ] = None,
    sbatch: Annotated[
        bool, typer.Option("--sbatch", help="Print a script for SLURM: an array of --jobs tasks.")
    ] = False,
    data_dir: DataDir = None,
    device: Device = "cpu",
    image_format: ImageFormat = "png",
    body: Body = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but the folder.")] = False,
) -> None:
    """Run an experiment at many points of its settings, with several seeds each.

    Any number of the same command, on one machine or on many that share the
    folder, share the points: none is done twice, and what one leaves behind the
    others go on with. The same command goes on with what was interrupted.

    \b
    Examples:
      srnn sweep my-sweep.toml --dry-run
      srnn sweep my-sweep.toml --jobs 4
      srnn sweep digits --set "sweep.over.particle.hidden=[3, 4]" --seeds 3
      srnn sweep runs/my-sweep --retry-failed
      srnn sweep my-sweep.toml --backend dask --scheduler tcp://head:8786
      srnn sweep my-sweep.toml --jobs 20 --sbatch > sweep.sh && sbatch sweep.sh
    """
    with ExitStack() as stack:
        started = None
        if jobs is not None and backend == "loky" and not (dry_run or sbatch):
            from srnn.sweeps.workers import Processes

            # Before all else: they import what they need while this process does.
            started = stack.enter_context(Processes(jobs))
            started.start()
        from srnn.commands.output import print_path
        from srnn.commands.signals import Signals
        from srnn.commands.sweeps import print_plan, print_sweep
        from srnn.errors import StoppedError, UserError
        from srnn.seeds import parse_seeds
        from srnn.sweeps.sweep import sweep

        drawn_as = None if image_format == "none" else image_format
        experiment, place = _chosen(file, settings, out, body)
        if seeds is not None:
            numbers = parse_seeds(seeds)
            experiment = experiment.override(f"sweep.seeds={numbers}")
        if dry_run:
            print_plan(experiment, place, data_dir, jobs or 1)
            return
        if sbatch:
            if backend != "loky":
                raise UserError(f"--backend is {backend}; with --sbatch there are none but SLURM's own: leave it out")
            given = [
                ("--seeds", seeds, None),
                ("--out", out, None),
                ("--data-dir", data_dir, None),
                ("--device", device, "cpu"),
                ("--body", body, None),
                ("--format", image_format, "png"),
            ]
            words = [word for name, value, plain in given if value != plain for word in (name, str(value))]
            words += [word for setting in settings or [] for word in ("--set", setting)]
            words += [
                name for name, value in {"--fail-fast": fail_fast, "--retry-failed": retry_failed}.items() if value
            ]
            _print_script(experiment, [file, *words], jobs)
            return
        workers = _cluster(backend, jobs, scheduler, scheduler_file, place / experiment.name) or started
        signals = Signals()
        try:
            with signals, _progress(quiet) as watch:
                signals.listen()
                found = sweep(
                    experiment,
                    place,
                    workers=workers,
                    fail_fast=fail_fast,
                    retry_failed=retry_failed,
                    wait=wait,
                    data_dir=data_dir,
                    device=device,
                    image_format=drawn_as,
                    watch=watch,
                    stop=signals.received,
                )
        except (StoppedError, KeyboardInterrupt):
            raise StoppedError("interrupted; the same command goes on", 128 + signals.last) from None
        if quiet:
            print_path(found.folder)
        else:
            print_sweep(found)


def _chosen(file: str, settings: list[str] | None, out: Path | None, body: str | None) -> tuple[Experiment, Path]:
    """The experiment with its sweep, and where it goes."""
    from srnn.bodies.module import with_body
    from srnn.errors import UserError
    from srnn.experiment import Experiment
    from srnn.presets import load_changed, load_experiment, preset_names
    from srnn.runs.groups import is_sweep
    from srnn.untrusted import expanded

    folder = expanded(file)
    if file not in preset_names() and is_sweep(folder):
        if settings or out is not None:
            option = "--set" if settings else "--out"
            raise UserError(f"{option}: the sweep in {file} goes on as it was begun; leave {option} out")
        # Its plan may be lost: that is made anew.
        experiment = with_body(Experiment.from_toml(folder / "config.toml"), body, begins=False)
        # A link to it may have its name, or lead to what has it.
        for place in (folder.absolute(), folder.resolve()):
            if place.name == experiment.name:
                return experiment, place.parent
        raise UserError(f"{folder} was renamed: to go on with it, name it {experiment.name} again")
    experiment = load_changed(file, settings or [])
    if file in preset_names() and not load_experiment(file).sweep.over and experiment.name == file:
        # Its own runs are in the folder of its name.
        experiment = experiment.override(f"name={file}-sweep")
    return with_body(experiment, body, begins=True), out or Path("runs")


def _cluster(
    backend: str, jobs: int | None, scheduler: str | None, scheduler_file: Path | None, folder: Path
) -> Workers | None:
    """The Dask scheduler that is named; None if none is."""
    from srnn.errors import UserError
    from srnn.sweeps.cluster import Cluster

    if backend == "dask":
        if jobs is not None:
            raise UserError("--jobs: a Dask scheduler has as many workers as are started for it; leave --jobs out")
        return Cluster(folder, scheduler, scheduler_file)
    if scheduler is not None or scheduler_file is not None:
        raise UserError(f"{'--scheduler-file' if scheduler is None else '--scheduler'} is for --backend dask: say that")
    return None


def _print_script(experiment: Experiment, words: Sequence[str], jobs: int | None) -> None:
    import sys

    from srnn.sweeps.plan import planned
    from srnn.sweeps.slurm import script

    sweep = experiment.sweep
    points = sweep.points if sweep.method == "optuna" else len(planned(experiment))
    tasks = points * len(sweep.seeds_together(points))
    command = [sys.executable, "-m", "srnn", "sweep", *words, "--no-wait", "--quiet"]
    print(script(experiment.name, command, Path.cwd(), jobs or tasks), end="")


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[Doing], None]]:
    """Shows how far all points are, on a terminal."""
    from rich.console import Group
    from rich.live import Live
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.text import Text

    from srnn.commands.output import console as printer

    console = printer(error=True)
    if quiet or not console.is_terminal:
        yield lambda doing: None
        return
    bar = Progress(BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    task = bar.add_task("", total=None)
    with Live(bar, console=console, transient=True) as live:

        def watch(doing: Doing) -> None:
            counts = doing.states
            told = [f"{counts[state]} {state}" for state in ("running", "failed") if counts[state]]
            bar.update(task, completed=counts["ended"], total=counts.total(), description=", ".join(told))
            lines = [f"{name}: {state}" if state else name for name, state in doing.running.items()]
            live.update(Group(bar, Text("\n".join(lines))))

        yield watch
