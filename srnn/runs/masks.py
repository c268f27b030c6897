"""The mask of a run: which weights of its body are kept, readable without srnn.

``mask.safetensors`` holds a bool tensor for each layer ``L0``, ``L1`` …, in the shape of the body's weights; true where
a weight is kept.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from srnn.files import replacing
from srnn.methods.plain import require_same_kind
from srnn.organism import Organism
from srnn.runs.records import explained, open_checkpoint
from srnn.untrusted import require_file

if TYPE_CHECKING:
    from srnn.runs.run import Run

NAME = "mask.safetensors"


def write_mask(path: Path, kept: Tensor, organism: Organism) -> None:
    """Write which weights of an organism are kept, bool ``(N,)``.

    Raises:
        OSError: The folder is missing, full or not writable.
    """
    parts = {
        layer: kept[part].view(shape).cpu().clone()
        for (layer, part), shape in zip(organism.layers.items(), organism.shapes, strict=True)
    }
    with replacing(path) as file:
        file.write(safetensors.torch.save(parts))


def kept_of(run: Run) -> Tensor:
    """Which weights a run keeps in the end, bool ``(N,)``: all but those that it began without, or events have dropped.

    Raises:
        UserError: It has no checkpoint, or a file is damaged.
    """
    organism = run.organism()
    with open_checkpoint(run.checkpoints[-1]) as (tensors, _):
        if "dropped" not in tensors.keys():  # noqa: SIM118 (it is no mapping)
            return torch.ones(organism.size, dtype=torch.bool)
        dropped: Tensor = tensors.get_tensor("dropped")
        require_same_kind("dropped", dropped, torch.empty(organism.size, dtype=torch.bool, device="meta"))
        return ~dropped


def read_mask(path: Path, organism: Organism) -> Tensor:
    """Which weights of such an organism a file says are kept, bool ``(N,)``.

    Raises:
        UserError: The file is missing, damaged or of another body.
    """
    with explained(path):
        require_file(path)
        parts = []
        with safetensors.safe_open(path, framework="pt") as file:
            if {*file.keys()} != {*organism.layers}:
                raise ValueError(f"its tensors are not {', '.join(organism.layers)}")
            for layer, shape in zip(organism.layers, organism.shapes, strict=True):
                held = file.get_slice(layer)
                if held.get_dtype() != "BOOL" or tuple(held.get_shape()) != tuple(shape):
                    raise ValueError(f"its {layer} is not BOOL of shape {tuple(shape)}")
                parts.append(file.get_tensor(layer).flatten())
    return torch.cat(parts)
