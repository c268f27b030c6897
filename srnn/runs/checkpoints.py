"""Checkpoints: the whole state of a run in one file, with a checksum of its content.

``epoch-000012.safetensors`` is the state after 12 epochs, ``epoch-000012_batch-000512.safetensors`` that after 512
batches in all, inside the 13th. Besides the tensors a file holds one JSON object, ``state``. What a body has beside its
particles is in a file of the same kind for each logged epoch, ``trajectory/epoch-000012.safetensors``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from srnn.errors import UserError
from srnn.files import write_whole
from srnn.methods.plain import fill, ordinary_tensors
from srnn.runs.records import explained, open_checkpoint

FOLDER = "checkpoints"


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds: tensors, and small plain values."""

    path: Path
    tensors: Mapping[str, Tensor]
    state: Mapping[str, Any]


def name(epoch: int, batch: int | None = None) -> str:
    """The file's name; ``batch``, over all epochs, of one inside an epoch. Names sort as the states follow."""
    return f"epoch-{epoch:06}" + ("" if batch is None else f"_batch-{batch:09}") + ".safetensors"


def found(folder: Path) -> list[Path]:
    """The checkpoints of a run folder, oldest first."""
    return sorted((folder / FOLDER).glob("epoch-*.safetensors"))


def path_of(folder: Path, epoch: int | None = None) -> Path:
    """The checkpoint after an epoch, which need not be there; without it, the newest one.

    Raises:
        UserError: There is none at all.
    """
    if epoch is not None:
        return folder / FOLDER / name(epoch)
    if not (paths := found(folder)):
        raise UserError(f"{folder / FOLDER} is empty: this run was stopped before its first checkpoint")
    return paths[-1]


def write(path: Path, tensors: Mapping[str, Tensor], state: Mapping[str, object]) -> None:
    """Write a checkpoint.

    Raises:
        OSError: The folder is missing, full or not writable; what was there is as it was.
    """
    write_whole(path, packed(tensors, state))


def packed(tensors: Mapping[str, Tensor], state: Mapping[str, object]) -> bytes:
    """The content of a checkpoint's file."""
    content = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # All in one value: the order of several is left to chance, and with it the bytes of the file.
    complete = json.dumps({**state, "sha256": _digest(content, state)})
    return safetensors.torch.save(content, {"state": complete})


def read(path: Path) -> Checkpoint:
    """Read a checkpoint and make sure that it is whole.

    Raises:
        UserError: It is damaged; the message names it.
    """
    with open_checkpoint(path) as (file, state):
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
        checksum = state.pop("sha256")
        if checksum != _digest(tensors, state):
            raise ValueError("its content is not that of its checksum")
    return Checkpoint(path, tensors, state)


def fill_ordinary(folder: Path, epoch: int, body: nn.Module, beside: Collection[str] = ()) -> dict[str, Tensor]:
    """Take a body's ordinary tensors to what they were after a logged epoch.

    Args:
        folder: The run folder.
        epoch: The epoch.
        body: The body.
        beside: The names of what else there is.

    Returns:
        What else there is, by name.

    Raises:
        UserError: The file is missing, damaged or of another body.
    """
    wanted = {*ordinary_tensors(body), *beside}
    if not wanted:
        return {}
    path = folder / "trajectory" / name(epoch)
    found = read(path)
    with explained(path):
        if found.state != {"epoch": epoch}:
            raise ValueError(f"it is not of epoch {epoch}")
        if odd := found.tensors.keys() - wanted:
            raise ValueError(f"it has a tensor {min(odd)!r}")
        fill(body, found.tensors)
        return {name: found.tensors[name] for name in beside}


def prune(folder: Path, keep: int, inside: int, pinned: Collection[int] = ()) -> None:
    """Remove all but the newest ``keep`` at the end of an epoch, the pinned and, after, the newest ``inside``."""
    paths = found(folder)
    ends = [path for path in paths if "_batch-" not in path.name]
    later = [path for path in paths if not ends or path > ends[-1]]
    held = {path for path in ends if path.name in map(name, pinned)}
    for path in {*paths} - held - {*ends[-keep:], *later[-inside:]}:
        path.unlink()


def _digest(tensors: Mapping[str, Tensor], state: Mapping[str, object]) -> str:
    digest = hashlib.sha256(json.dumps(dict(state), sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
