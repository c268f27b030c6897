"""Runs for the tools of others: networks, graphs, tables and masks, each a file that is read without srnn."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from srnn import tasks
from srnn.analysis import connectivity
from srnn.choices import Export
from srnn.errors import UserError, nearest, option, shorten
from srnn.files import write_whole
from srnn.kernels.arithmetic import plain_torch
from srnn.laboratory import network_files
from srnn.runs import rebuilt
from srnn.runs.groups import open_runs
from srnn.runs.run import Run
from srnn.untrusted import expanded, own_folder

if TYPE_CHECKING:
    from srnn.bodies.module import Body

#: What a run can be exported as, and the name of the file.
FILES = dict(
    zip(
        get_args(Export),
        (
            "network.pt2",
            "network.onnx",
            "network.safetensors",
            "graph.graphml",
            "timeline.gexf",
            "edges.csv",
            "masks.safetensors",
        ),
        strict=True,
    )
)
#: Those of the network, which tell how its data were scaled.
_NETWORKS = ("torch", "onnx", "safetensors")


@plain_torch()
def export(
    run: Run | str | os.PathLike[str],
    to: Export,
    out: str | os.PathLike[str] | None = None,
    *,
    epoch: int | None = None,
    seed: int | None = None,
    force: bool = False,
    data_dir: Path | None = None,
    body: Body | None = None,
) -> Path:
    """Export a run.

    Args:
        run: The run, or its folder; or the folder of seeds of which ``seed`` is one.
        to: ``torch`` (a program of ``torch.export``), ``onnx`` and ``safetensors`` (the ``state_dict``) are the dense
            network that the organism is; ``graphml`` and ``csv`` its particles as edges between units; ``gexf`` these
            over all logged epochs, for Gephi's timeline; ``mask`` what is left without the particles of each type,
            for ``torch.nn.utils.prune.custom_from_mask``.
        out: The file; without it, one in ``export/`` of the run.
        epoch: As it was after that logged epoch; without it, as the newest checkpoint has it.
        seed: Of several seeds, which.
        force: Whether a file that is there already is replaced.
        data_dir: Where the data of the task are, if these were scaled and have moved.
        body: The class of its body, if that is not srnn's own.

    Returns:
        The file.

    Raises:
        UserError: There is no such format, run or epoch, or the file is there already; what is asked for needs a
            package that is not installed; or the run has no such thing, as no graph of a convolutional network.
        OSError: The file cannot be written; what was there is as it was.

    Example:
        >>> srnn.export("runs/digits/seed-0", "onnx")  # doctest: +SKIP
        PosixPath('runs/digits/seed-0/export/network.onnx')
    """
    if to not in FILES:
        known = f"allowed: {', '.join(FILES)}{nearest(str(to), FILES)}"
        raise UserError(f"{option('to')} is {shorten(repr(to))}; {known}")
    if to == "gexf" and epoch is not None:
        raise UserError(f"{option('epoch')} is {epoch}; gexf holds all logged epochs: leave it out, or take graphml")
    run = run if isinstance(run, Run) else _one(run, seed, body)
    path = _target(run, to, out, epoch)
    if path.exists() and not force:
        raise UserError(f"{path} is there already: give {option('force', 'force=True')} to replace it, or another file")
    if to == "gexf":
        epochs = {epoch: connectivity.edges(run.organism(epoch)) for epoch in run.logged_epochs}
        if not epochs:
            raise UserError(f"{run.folder / 'trajectory'} is empty: this run was stopped before it logged anything")
        connectivity.write_gexf(connectivity.timeline(epochs), _made(path))
        return path
    organism, of = rebuilt.newest(run) if epoch is None else (run.organism(epoch), epoch)
    if to in ("graphml", "csv"):
        edges = connectivity.edges(organism)
        if to == "csv":
            write_whole(_made(path), edges.to_csv(index=False).encode())
        else:
            connectivity.write_graphml(connectivity.graph(edges), _made(path))
        return path
    about = _about(run, of, to in _NETWORKS, data_dir)
    if to == "mask":
        network_files.write_masks(organism, _made(path), about)
        return path
    network, inputs = organism.to_dense(), run.inputs
    if to == "safetensors":
        network_files.write_safetensors(network, _made(path), about)
    elif to == "torch":
        network_files.write_program(network, inputs, _made(path), about)
    else:
        network_files.write_onnx(network, inputs, _made(path), about)
    return path


def _one(folder: str | os.PathLike[str], seed: int | None, body: Body | None) -> Run:
    """The run in a folder, or that one of the seeds in it."""
    runs = open_runs([folder], body)
    if seed is None and len(runs) == 1:
        return runs[0]
    chosen = [run for run in runs if run.experiment.seed == seed]
    if len(chosen) == 1:
        return chosen[0]
    known = shorten(", ".join(str(run.folder) for run in runs), 200)
    what = f"{option('seed')} is {seed}; " if seed is not None else ""
    raise UserError(f"{what}{folder} holds {known}: name one of them, or one seed with {option('seed')}")


def _target(run: Run, to: str, out: str | os.PathLike[str] | None, epoch: int | None) -> Path:
    if out is not None:
        path = expanded(out)
        if path.is_dir():
            raise UserError(f"{option('out')} is {path}, a folder; name a file, such as {path / FILES[to]}")
        return path
    name = Path(FILES[to])
    return run.folder / "export" / (name.name if epoch is None else f"{name.stem}-epoch-{epoch:06}{name.suffix}")


def _made(path: Path) -> Path:
    """The path, in a folder that is there."""
    if path.parent.name == "export" and not path.parent.exists():
        own_folder(path.parent)
    return path


def _about(run: Run, epoch: int, network: bool, data_dir: Path | None) -> dict[str, str]:
    """What a file says of itself: whence it is and, of a network, what goes in and comes out."""
    experiment = run.experiment
    said: dict[str, object] = {
        "experiment": experiment.name,
        "seed": experiment.seed,
        "epoch": epoch,
        "task": experiment.task.name,
    }
    if network and experiment.task.classes:
        said["classes"] = experiment.task.classes
    if network and experiment.task.scale not in (None, "none"):
        # What goes in is not the data as they are but (x - shift) / factor.
        task = tasks.load(experiment.task, data_dir)
        for name, scaling in (("x", task.x_scaling), ("y", task.y_scaling)):
            if scaling is not None:
                said |= {f"{name}_shift": scaling.shift.tolist(), f"{name}_factor": scaling.factor.tolist()}
    return {name: one if isinstance(one, str) else json.dumps(one) for name, one in said.items()}
