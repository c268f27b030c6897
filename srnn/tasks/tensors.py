"""Own data as ``.safetensors``: the tensors ``X`` and ``y``, or ``X_train``, ``y_train``, ``X_test`` and ``y_test``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from srnn.errors import UserError
from srnn.tasks.examples import LIMIT, Examples, explained, joined, named_arrays
from srnn.untrusted import require_file


def read(path: Path) -> Examples:
    """The tensors in the file; floats that NumPy does not know, such as bfloat16, become float32.

    Raises:
        UserError: It is no such file, is damaged, or holds none that are X and y.
    """
    from safetensors import safe_open

    with explained(path, "it is not a .safetensors file, or a damaged one; it"):
        size = require_file(path)
        if size > 2 * LIMIT:
            raise UserError(f"{path}: takes {size:,} bytes; more than {2 * LIMIT:,} are not read")
        with safe_open(path, framework="pt") as tensors:
            keys = list(tensors.keys())

            def tensor(key: str) -> NDArray[Any]:
                found = tensors.get_tensor(key)
                if found.is_complex():
                    raise UserError(f"{path}: {key} holds complex numbers; allowed: integers, floats and truth values")
                array: NDArray[Any] = (
                    found.float() if found.is_floating_point() and found.itemsize < 4 else found
                ).numpy()
                return array

            return joined(path, named_arrays(path, keys), tensor)
