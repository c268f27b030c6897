"""``srnn prune``: drop the weights of a trained run that matter least, and train what is left."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from srnn.choices import Scope, Score
from srnn.commands.options import Body, DataDir, Settings, completing, number, one_of, path_option, whole
from srnn.commands.run import presets, train
from srnn.commands.tables import grid

if TYPE_CHECKING:
    from srnn.laboratory.prune import Pruned


def _words(literal: object) -> tuple[str, ...]:
    from typing import get_args

    return get_args(literal)


def command(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN|PRESET|FILE",
            help="A finished run, or a folder of seeds; a preset or TOML file is trained first.",
            autocompletion=completing(presets),
        ),
    ],
    density: Annotated[
        float,
        typer.Option(metavar="SHARE", help="Share of the weights that is kept.", parser=number("--density")),
    ],
    score: Annotated[
        str,
        typer.Option(
            metavar="SCORE",
            help=f"By what weights are ranked: {', '.join(_words(Score))}.",
            parser=one_of("--score", *_words(Score)),
            autocompletion=completing(lambda: _words(Score)),
        ),
    ] = "magnitude",
    scope: Annotated[
        str,
        typer.Option(
            metavar="|".join(_words(Scope)),
            help="Whether they are ranked all together or in each layer.",
            parser=one_of("--scope", *_words(Scope)),
        ),
    ] = "global",
    epochs: Annotated[
        int,
        typer.Option(
            metavar="EPOCHS", help="How long what is left is trained.", parser=whole("--epochs", 1, 1_000_000)
        ),
    ] = 10,
    settings: Settings = None,
    seeds: Annotated[
        str | None,
        typer.Option(metavar="SEEDS", help="Of a preset or file: a number of seeds, a range (0-4) or a list (0,7,9)."),
    ] = None,
    out: Annotated[
        Path | None,
        path_option("Where the pruned run goes, as OUT/NAME-SCORE-DENSITY.", "--out", show_default="beside"),
    ] = None,
    data_dir: DataDir = None,
    body: Body = None,
) -> None:
    """Prune a trained run: drop the weights that matter least, and train what is left.

    A preset or a file is run first, as by srnn run, unless its run is there already. Interrupted, the same command goes
    on where it was.

    What comes of it is a run like any other, to be shown, analysed, resumed and verified. In its folder are
    mask.safetensors, which weights are kept, and network.safetensors, the network that is left, as plain numbers.

    \b
    Examples:
      srnn prune runs/digits --density 0.2
      srnn prune runs/digits/seed-0 --density 0.1 --score lamp --epochs 50
      srnn prune digits --density 0.2 --seeds 3 --set training.epochs=50
    """
    from rich.markup import escape

    from srnn.commands.output import console
    from srnn.errors import UserError
    from srnn.untrusted import expanded, is_folder

    again = _again(
        run,
        {"--density": density, "--score": score, "--scope": scope, "--epochs": epochs, "--seeds": seeds, "--out": out}
        | {"--data-dir": data_dir, "--body": body},
        settings or [],
    )
    if not is_folder(expanded(run)):
        run = str(_trained(run, settings or [], seeds, out or Path("runs"), data_dir, body, again))
    elif settings or seeds is not None:
        option = "--set" if settings else "--seeds"
        raise UserError(f"{option}: the runs in {run} are trained as they were begun; leave {option} out")
    found = _pruned(
        again,
        folder=run,
        density=density,
        score=score,
        scope=scope,
        epochs=epochs,
        out=out,
        data_dir=data_dir,
        body=body,
    )
    printed = console()
    metric = f"test {found[0].metric}"
    table = grid()
    table.add_column("")
    for heading in ("kept", "on paths", f"{metric} before", "cut", f"{epochs} epochs later"):
        table.add_column(heading, justify="right")
    for one in found:
        whole_of = one.densities.set_index("Layer").loc["total"]
        cells = [f"{whole_of['Kept']:,} of {whole_of['Weights']:,}", f"{whole_of['Effective']:.1%}"]
        scores = [f"{value:.4g}" for value in (one.before, one.cut, one.after)]
        table.add_row(f"seed {one.run.experiment.seed}", *cells, *scores)
    printed.print(f"\n[bold]{escape(found[0].run.experiment.name)}[/bold]")
    printed.print(table)
    layers = found[0].densities.query("Layer != 'total'")
    kept = ", ".join(
        f"{layer} {density:.1%}" for layer, density in zip(layers["Layer"], layers["Density"], strict=True)
    )
    several = f" of seed {found[0].run.experiment.seed}" if len(found) > 1 else ""
    printed.print(f"layers{several}: {kept}", style="dim")
    if any(bool(one.densities["Collapsed"].iloc[-1]) for one in found):
        printed.print("nothing leads from input to output any more: choose a larger density", style="red")
    for one in found:
        printed.print(f"run     {one.run.folder}", soft_wrap=True, markup=False)


def _again(run: str, options: Mapping[str, object], settings: Sequence[str]) -> str:
    """The command that goes on with this one: the same."""
    usual = {"--score": "magnitude", "--scope": "global", "--epochs": 10}
    words = [
        word for name, value in options.items() if value not in (None, usual.get(name)) for word in (name, str(value))
    ]
    return shlex.join(["srnn", "prune", run, *words, *(word for one in settings for word in ("--set", one))])


def _pruned(again: str, **arguments: Any) -> list[Pruned]:
    """:func:`srnn.laboratory.prune.prune`; whatever stops it is told with the command that goes on."""
    from srnn.commands.signals import going_on
    from srnn.laboratory.prune import prune

    with going_on(lambda: f"go on with: {again}") as signals:
        # Until there is something to be saved, each ends it at once.
        signals.listen(at_once=True)
        return prune(**arguments, after_start=lambda training: signals.listen(), stop=signals.received)


def _trained(
    name: str,
    settings: list[str],
    seeds: str | None,
    out: Path,
    data_dir: Path | None,
    body: str | None,
    again: str,
) -> Path:
    """The folder of the runs of a preset or a file, which are trained if they are not there."""
    from srnn.bodies.module import with_body
    from srnn.errors import UserError
    from srnn.presets import load_changed
    from srnn.seeds import parse_seeds

    chosen = with_body(load_changed(name, settings), body, begins=True)
    if chosen.comparison.variants or chosen.pruning.asked:
        raise UserError(f"{name} consists of several experiments: run it, and prune one of them")
    if chosen.training.epochs % chosen.log.every:
        raise UserError(
            f"training.epochs is {chosen.training.epochs}, no multiple of log.every, {chosen.log.every}: a run is "
            "pruned where it was logged; set one of them"
        )
    numbers = [chosen.seed] if seeds is None else parse_seeds(seeds)
    train(chosen, out, numbers, True, False, [], again, {"data_dir": data_dir})
    return out / chosen.name
