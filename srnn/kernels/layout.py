"""Where a body's layers have what a kernel of :mod:`srnn.kernels.mlp` needs, worked out once for each shape."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

#: Numbers in a vector and bytes of it, bytes of an address; examples whose signals stay in the cache.
LANES, VECTOR, ADDRESS, BLOCK = 16, 64, 8, 64


class Shaped(Protocol):
    """What is asked of a body.

    Attributes:
        sizes: Units of the input, of each hidden layer and of the output.
        sources: For each layer, the index of the layer whose input is added to its output, or None.
    """

    @property
    def sizes(self) -> Sequence[int]: ...

    @property
    def sources(self) -> Sequence[int | None]: ...


class Layout(NamedTuple):
    """Where a body's layers have what they need; sizes in bytes.

    Attributes:
        layers: A record of each layer, see :data:`srnn.kernels.passes.LAYER`.
        address: Where they are.
        weights: How many a network has.
        part_size: Of a gradient whose rows are filled up.
        scratch_size: Of what a thread needs.
        call: What is the same for all calls, see :data:`srnn.kernels.passes.CALL`; in front, room for the rest.
    """

    layers: NDArray[np.void]
    address: int
    weights: int
    part_size: int
    scratch_size: int
    call: NDArray[np.int64]


def layout_of(body: Shaped) -> Layout:
    """The layout of a body."""
    return _layout(tuple(body.sizes), tuple(body.sources))


@functools.lru_cache
def _layout(sizes: tuple[int, ...], sources: tuple[int | None, ...]) -> Layout:
    # Here and not above: Numba takes a while to import.
    from srnn.kernels import passes

    used = 0

    def room(size: int) -> int:
        nonlocal used
        # Not all a multiple of 4096 apart: such addresses share a place in the first cache.
        start, used = used, used + size + 5 * VECTOR
        return start

    panels = [-(-units // LANES) * LANES * VECTOR for units in sizes]
    steps = list(panels)
    if 0 not in sources:
        steps[0] = 0  # once through the first layer, a panel of the examples is of no more use
    signals = [room(BLOCK // LANES * panel) for panel in panels]
    layers = np.zeros(len(sources), dtype=passes.LAYER)
    weights = part_size = 0
    for index, (layer, source) in enumerate(zip(layers, sources, strict=True)):
        inputs, units = sizes[index : index + 2]
        layer["inputs"], layer["units"], layer["weights"], layer["gradient"] = inputs, units, 4 * weights, part_size
        layer["signal"], layer["output"] = signals[index : index + 2]
        layer["input_panel"], layer["output_panel"] = panels[index : index + 2]
        layer["signal_step"] = steps[index]
        layer["slope"], layer["back"] = (room(BLOCK // LANES * panels[index + 1]) for _ in range(2))
        layer["source"] = -1 if source is None else source
        layer["taker"] = sources.index(index) if index in sources else -1
        weights += inputs * units
        part_size += units * panels[index] // LANES
    # Rows an odd number of vectors apart, again so that they do not share places in the cache.
    row_size = max((-(-units // LANES) | 1 for units in sizes[1:-1]), default=0) * VECTOR
    tables = [room(size) for size in (2 * BLOCK * ADDRESS, BLOCK * (ADDRESS + VECTOR), BLOCK * (ADDRESS + row_size))]
    labels, pulled = room(BLOCK // LANES * panels[-1]), room(BLOCK // LANES * max(panels[1:]))
    factors = room(max(panels[1:]))
    same = len(sources), weights, part_size, used, *tables, row_size, labels, pulled, factors
    call = np.array([*[0] * (passes.COUNTERS - len(same)), *same])
    return Layout(layers, layers.ctypes.data, weights, part_size, used, call)
