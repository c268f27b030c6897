"""``srnn export``: a run as a file for the tools of others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, get_args

import typer

from srnn.choices import Export
from srnn.commands.options import Body, DataDir, completing, one_of, path_option, whole

_TO = get_args(Export)


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder, or that of its seeds.")],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="FORMAT",
            help=f"What to write: {', '.join(_TO)}.",
            parser=one_of("--to", *_TO),
            autocompletion=completing(lambda: _TO),
        ),
    ],
    epoch: Annotated[
        int | None,
        typer.Option(
            metavar="EPOCH",
            help="As it was after that logged epoch; else at the end.",
            parser=whole("--epoch", 0, 10**9),
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(metavar="SEED", help="Which of several seeds.", parser=whole("--seed", 0, 2**64 - 1)),
    ] = None,
    out: Annotated[Path | None, path_option("The file; else one in RUN/export.", "--out")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    data_dir: DataDir = None,
    body: Body = None,
) -> None:
    """Write a run as a file that others read without srnn.

    torch (a program of torch.export, .pt2), onnx and safetensors (its
    state_dict) are the dense network that the organism is, with what is known
    of classes and scaling in their metadata. graphml and csv are its particles
    as edges between units; gexf is these over all logged epochs, for Gephi's
    timeline. mask has for each type what is left without it, as
    torch.nn.utils.prune.custom_from_mask takes it.

    \b
    Examples:
      srnn export runs/digits/seed-0 --to torch
      srnn export runs/digits --seed 0 --to onnx --out digits.onnx
      srnn export runs/digits/seed-0 --to graphml --epoch 20
    """
    from srnn.commands.output import print_path
    from srnn.laboratory.export import export

    print_path(export(run, to, out, epoch=epoch, seed=seed, force=force, data_dir=data_dir, body=body))  # type: ignore[arg-type]
