"""The mask of a run: which weights of its body are kept, readable without srnn.

``mask.safetensors`` holds a bool tensor for each layer ``L0``, ``L1`` …, in the shape of the body's weights; true where
a weight is kept.
"""

from __future__ import annotations

from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from srnn.files import replacing
from srnn.organism import Organism
from srnn.runs.records import explained
from srnn.untrusted import require_file

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
