"""``srnn run``: train an experiment and leave a run folder for each seed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from srnn.errors import UserError


def command(
    experiment: Annotated[
        str, typer.Argument(metavar="PRESET|FILE", help="A preset (srnn presets) or a TOML file.")
    ] = "digits",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting, such as training.epochs=20; repeatable."),
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(help="A number of seeds (3 is 0, 1, 2), a range (0-4) or a list (0,7,9).")
    ] = None,
    out: Annotated[Path, typer.Option(help="Runs are written to OUT/NAME/seed-S.")] = Path("runs"),
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
    """
    from srnn.presets import load_experiment

    chosen = load_experiment(experiment).override(settings or [])
    numbers = [chosen.seed] if seeds is None else parse_seeds(seeds)

    from srnn.job import run

    if quiet:
        for one in run(chosen, out, seeds=numbers, data_dir=data_dir, device=device, image_format=image_format):
            print(one.folder)
        return

    from srnn.commands import live, show

    with live.Display(chosen, numbers) as display:
        runs = run(
            chosen,
            out,
            seeds=numbers,
            data_dir=data_dir,
            device=device,
            image_format=image_format,
            after_start=display.start,
            after_batch=display.batch,
            after_report=display.report,
        )
    show.print_runs(runs)


def parse_seeds(text: str) -> list[int]:
    """The seeds that ``3`` (0, 1, 2), ``0-4`` or ``0,7,9`` stand for.

    Raises:
        UserError: The text is none of these.
    """
    from srnn.config import shorten

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
