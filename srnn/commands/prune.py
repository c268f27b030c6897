"""``srnn prune``: drop the weights of a trained run that matter least, and train what is left."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from srnn.choices import Scope, Score
from srnn.commands.options import Body, DataDir, completing, number, one_of, path_option, whole
from srnn.commands.tables import grid


def _words(literal: object) -> tuple[str, ...]:
    from typing import get_args

    return get_args(literal)


def command(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="A finished run; a folder of seeds stands for all of them.")
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
    out: Annotated[
        Path | None,
        path_option("Where the pruned run goes, as OUT/NAME-SCORE-DENSITY.", "--out", show_default="beside"),
    ] = None,
    data_dir: DataDir = None,
    body: Body = None,
) -> None:
    """Prune a trained run: drop the weights that matter least, and train what is left.

    What comes of it is a run like any other, to be shown, analysed, resumed and verified. In its folder are
    mask.safetensors, which weights are kept, and network.safetensors, the network that is left, as plain numbers.

    \b
    Examples:
      srnn prune runs/digits --density 0.2
      srnn prune runs/digits/seed-0 --density 0.1 --score lamp --epochs 50
    """
    from rich.markup import escape

    from srnn.commands.output import console
    from srnn.laboratory.prune import prune

    found = prune(run, density, score, scope=scope, epochs=epochs, out=out, data_dir=data_dir, body=body)  # type: ignore[arg-type]
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
