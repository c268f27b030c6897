"""``srnn ensemble``: what runs are worth together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from srnn.commands.options import DataDir, whole
from srnn.commands.tables import grid

if TYPE_CHECKING:
    from srnn.laboratory.ensemble import At


def command(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN", help="Run folders; a folder of seeds stands for all of them.")
    ],
    at: Annotated[
        str,
        typer.Option(
            metavar="end|bottoms|EPOCHS",
            help="Of each run a member for its end, for the bottoms of its schedule and its minima, or for each epoch.",
        ),
    ] = "end",
    masks: Annotated[
        int,
        typer.Option(
            metavar="NUMBER",
            help="Passes with units dropped of which an answer is the mean.",
            parser=whole("--masks", 0, 10_000),
            show_default="none are dropped",
        ),
    ] = 0,
    data_dir: DataDir = None,
) -> None:
    """Let runs answer together: the mean of what each takes for probable, and how much they differ.

    NLL is the negative log likelihood in nats, ECE the expected calibration error. Give each way of making members as
    many epochs altogether: they are told below the table.

    \b
    Examples:
      srnn ensemble runs/digits
      srnn ensemble runs/snapshots-cosine/seed-0 --at bottoms
      srnn ensemble runs/digits/seed-0 runs/digits/seed-1 --at 60,80,100
    """
    from srnn.commands.output import console
    from srnn.laboratory.ensemble import ensemble_of

    found = ensemble_of(runs, _epochs(at), masks=masks, data_dir=data_dir)
    table = grid()
    table.add_column("test data")
    for heading in ("members", "accuracy", "NLL", "ECE"):
        table.add_column(heading, justify="right")
    for _, row in found.iterrows():
        numbers = (f"{row['Accuracy']:.4f}", f"{row['NLL']:.4f}", f"{row['ECE']:.4f}")
        table.add_row(row["Case"], f"{row['Members']:,}", *numbers)
    printed = console()
    printed.print(table)
    last = found.iloc[-1]
    if last["Members"] > 1:
        differ = f"two members differ on {last['Disagreement']:.2%} of the examples"
        if last["Relative disagreement"] == last["Relative disagreement"]:
            differ += f", {last['Relative disagreement']:.2f} of a member's error"
        printed.print(differ, style="dim")
        printed.print(f"divergence {last['Divergence']:.4g} nats; {last['Epochs']:,} epochs altogether", style="dim")


def _epochs(at: str) -> At:
    from srnn.errors import UserError, shorten

    words: dict[str, At] = {"end": "end", "bottoms": "bottoms"}
    if at in words:
        return words[at]
    parts = [one.strip() for one in at.split(",")]
    if not all(one.isdecimal() and len(one) < 8 for one in parts):
        raise UserError(f"--at is {shorten(at)}; allowed: end, bottoms, or epochs such as 60,80,100")
    return [int(one) for one in parts]
