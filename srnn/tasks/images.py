"""What tasks of pictures have in common: ten classes, and how pictures are resized."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

CLASSES = 10
#: Pictures resized at a time: as floats 13 MB of MNIST, not 190.
_CHUNK = 4_096


def resize(images: NDArray[Any], size: int, white: float) -> Tensor:
    """Pictures ``(n, height, width)`` with values 0 … white as rows in [0, 1]: float32 ``(n, size²)``.

    Bilinear with antialiasing; pictures that have the size already are only scaled.
    """
    import numpy as np
    import torch
    from torch.nn.functional import interpolate

    # By NumPy, which has the system use large pages: of small ones, each example of a batch is in another.
    rows = torch.from_numpy(np.empty((len(images), size * size), np.float32))
    for start in range(0, len(images), _CHUNK):
        chunk = torch.from_numpy(images[start : start + _CHUNK]).float()[:, None] / white
        if chunk.shape[2:] != (size, size):
            chunk = interpolate(chunk, (size, size), mode="bilinear", antialias=True)
        # The weights of a pixel add up to 1 only up to rounding.
        rows[start : start + _CHUNK] = chunk.flatten(1).clamp(0, 1)
    return rows
