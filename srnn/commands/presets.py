"""``srnn presets``: the experiments that come with the package."""

from __future__ import annotations


def command() -> None:
    """List the presets: what each shows, how many particles it has, about how long a seed takes on two cores.

    \b
    Examples:
      srnn presets
      srnn run connectivity --data-dir data/mnist
    """
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from srnn import tasks
    from srnn.commands.output import console
    from srnn.presets import load_preset, preset_names

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("preset", no_wrap=True)
    table.add_column("what it shows")
    table.add_column("particles", justify="right")
    table.add_column("a seed takes", justify="right", no_wrap=True)
    for name in preset_names():
        preset = load_preset(name)
        shape = tasks.shape(preset.task)
        # A formula of the body, so that torch need not be waited for.
        particles = "?" if shape is None else f"{preset.body.count(*shape[:2], tasks.image(preset.task))[0]:,}"
        table.add_row(escape(name), escape(preset.about), particles, escape(preset.duration))
    console().print(table)
