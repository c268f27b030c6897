"""A batch of the MLP body, forward and backward, as compiled Python over :mod:`srnn.kernels.products`.

Depth, widths, residuals, activation, numbers of examples and of networks are read from memory: nothing is compiled for
them. A **block** is up to 64 examples, of which signals and what comes back stay in the cache. The gradient's sum over
a batch is a chain over the examples of a **stretch** of blocks, and then one over the stretches, whose borders depend
on the size of the batch alone; threads claim stretches (or whole networks), and who is last to finish one of a
network's stretches adds up all of them, in order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import carray, njit  # type: ignore[attr-defined]

from srnn.kernels.cache import compiled
from srnn.kernels.llvm import LANES
from srnn.kernels.products import (
    NUMBER,
    TILE,
    VECTOR,
    activate,
    add_up,
    claim,
    classify,
    correlate,
    fetch,
    integer_at,
    multiply,
    number_at,
    on_team,
    pointer_to,
    pull,
    put_label,
    put_number,
    regress,
    turn,
)

#: Examples of a block.
BLOCK = 4 * LANES

#: What a call needs: numbers, and addresses of what the names say. Offsets are in bytes.
CALL = np.dtype(
    [
        (name, np.int64)
        for name in (
            # Counters: tasks that are taken, threads that have come.
            *("claimed", "workers"),
            # Set to one of the numbers below if the data are not what they should be.
            "problem",
            # What is to be done: how many networks, of how many weights; of how many examples each.
            *(
                "networks",
                "weights",
                "depth",
                "activation",
                "classes",
                "rows",
                "examples",
                "blocks_a_stretch",
                "stretches",
            ),
            # A task is a whole network, or one of its stretches; of an evaluation, a block for some of the networks.
            *("tasks", "whole", "networks_a_task"),
            # The caller's memory; the index is 0 where examples come in the order of the rows.
            *("w", "x", "y", "index", "losses", "scores", "gradient", "outputs"),
            # Our memory: of each thread; parts of gradients and how many of them are finished, of each network.
            *("layers", "scratch", "scratch_size", "parts", "part_size", "finished"),
            # Places in a thread's memory: labels or targets, and what comes back before an activation.
            *("labels", "pulled"),
        )
    ]
)
#: Of each layer: its shape; where its weights are within a network's and its gradient within a part; where a thread
#: has its input (as panels, and as rows of how many bytes), its output, its slopes, and what comes back to its output;
#: the bytes of a panel of its input and of its output; the layer whose input is added to its output, the one to whose
#: output its input is added (-1 for none); the dropout factors of all networks, or 0.
LAYER = np.dtype(
    [
        (name, np.int64)
        for name in (
            *("inputs", "units", "weights", "gradient", "signal", "rows", "row", "output", "slope", "back"),
            *("input_panel", "output_panel", "source", "taker", "mask"),
        )
    ]
)


_Function = TypeVar("_Function", bound=Callable[..., Any])


def _inner(function: _Function) -> _Function:
    """Compile with what calls it."""
    return cast(_Function, njit(no_cpython_wrapper=True)(function))  # type: ignore[call-overload]


#: Where a call says what is wrong, and what can be: a row that is not there, and a class.
PROBLEM, NO_ROW, NO_CLASS = 2, 1, 2


@_inner
def _gather(call: Any, layers: Any, network: int, first: int, count: int, scratch: int) -> None:
    """Bring ``count`` examples of a network from the ``first`` on into the block, as rows and as panels."""
    layer = layers[0]
    units = layers[call.depth - 1].units
    for start in range(0, count, LANES):
        for e in range(start, min(start + LANES, count)):
            row = first + e
            if call.index:
                row = integer_at(call.index + 8 * (network * call.examples + first + e))
                if not 0 <= row < call.rows:
                    call.problem, row = NO_ROW, 0
            fetch(call.x + NUMBER * row * layer.inputs, scratch + layer.rows + e * layer.row, layer.inputs)
            if call.classes:
                label = integer_at(call.y + 8 * row)
                if not 0 <= label < call.classes:
                    call.problem = NO_CLASS
                put_label(scratch + call.labels + NUMBER * e, label)
            elif call.y:
                panel = scratch + call.labels + start // LANES * units * VECTOR + e % LANES * NUMBER
                for u in range(units):
                    put_number(panel + u * VECTOR, number_at(call.y + NUMBER * (row * units + u)))
        for unit in range(0, layer.inputs, LANES):
            source = scratch + layer.rows + start * layer.row + unit * NUMBER
            target = scratch + layer.signal + start // LANES * layer.input_panel + unit * VECTOR
            turn(source, layer.row, target, VECTOR)


@_inner
def _forward(call: Any, layers: Any, network: int, first: int, count: int, scratch: int, learning: bool) -> None:
    """Take the block's signals through all layers, a panel at a time."""
    w = call.w + NUMBER * network * call.weights
    for panel in range((count + LANES - 1) // LANES):
        for index in range(call.depth):
            layer = layers[index]
            signal = scratch + layer.signal + panel * layer.input_panel
            output = scratch + layer.output + panel * layer.output_panel
            source = 0
            if layer.source >= 0:
                source = scratch + layers[layer.source].signal + panel * layers[layer.source].input_panel
            # Where nothing comes between, what the residual brings is what the sum begins with.
            active = index < call.depth - 1 and (call.activation != 0 or layer.mask != 0)
            start = 0 if active else source
            for unit in range(0, layer.units, TILE):
                multiply(
                    min(TILE, layer.units - unit),
                    output + unit * VECTOR,
                    w + layer.weights + NUMBER * unit * layer.inputs,
                    layer.inputs,
                    1,
                    signal,
                    layer.inputs,
                    start + unit * VECTOR if start else 0,
                )
            if active:
                place = first + panel * LANES
                mask_step = NUMBER * call.examples
                mask = layer.mask + network * layer.units * mask_step + NUMBER * place if layer.mask else 0
                slope = scratch + layer.slope + panel * layer.output_panel if learning else 0
                activate(call.activation, layer.units, output, slope, mask, mask_step, count - panel * LANES, source)


@_inner
def _judge(call: Any, layers: Any, network: int, first: int, count: int, scratch: int) -> None:
    """Loss and score of the block's examples, and what comes back from them."""
    layer = layers[call.depth - 1]
    share = np.float32(1.0) / np.float32(call.examples)
    for panel in range((count + LANES - 1) // LANES):
        output = scratch + layer.output + panel * layer.output_panel
        back = scratch + layer.back + panel * layer.output_panel
        place = NUMBER * (network * call.examples + first + panel * LANES)
        left = count - panel * LANES
        losses, scores = call.losses + place, call.scores + place
        if call.classes:
            labels = scratch + call.labels + panel * VECTOR
            classify(layer.units, output, labels, left, share, back, losses, scores)
        else:
            targets = scratch + call.labels + panel * layer.units * VECTOR
            regress(layer.units, output, targets, left, share, back, losses, scores)


@_inner
def _backward(call: Any, layers: Any, network: int, count: int, scratch: int, part: int, add: int) -> None:
    """Take what comes back through all layers, and put the block's gradient into the part or add it there."""
    w = call.w + NUMBER * network * call.weights
    panels = (count + LANES - 1) // LANES
    for index in range(call.depth - 1, -1, -1):
        layer = layers[index]
        back = scratch + layer.back
        if index < call.depth - 1 and (call.activation != 0 or layer.mask != 0):
            for panel in range(panels):
                here = panel * layer.output_panel
                pull(layer.units, back + here, scratch + layer.slope + here, scratch + call.pulled + here)
            back = scratch + call.pulled
        if index > 0:
            taker = layers[max(layer.taker, 0)]
            for panel in range(panels):
                here = panel * layer.input_panel
                for unit in range(0, layer.inputs, LANES):
                    source = scratch + layer.signal + here + unit * VECTOR
                    target = scratch + layer.rows + panel * LANES * layer.row + unit * NUMBER
                    turn(source, VECTOR, target, layer.row)
                for unit in range(0, layer.inputs, TILE):
                    multiply(
                        min(TILE, layer.inputs - unit),
                        scratch + layers[index - 1].back + here + unit * VECTOR,
                        w + layer.weights + NUMBER * unit,
                        1,
                        layer.inputs,
                        back + panel * layer.output_panel,
                        layer.units,
                        scratch + taker.back + here + unit * VECTOR if layer.taker >= 0 else 0,
                    )
        padded = layer.input_panel // LANES
        for unit in range(0, layer.units, TILE):
            for column in range(0, layer.inputs, LANES):
                correlate(
                    min(TILE, layer.units - unit),
                    part + layer.gradient + unit * padded + column * NUMBER,
                    padded,
                    back + unit * VECTOR,
                    layer.output_panel,
                    scratch + layer.rows + column * NUMBER,
                    layer.row,
                    count,
                    add,
                )


@_inner
def _learn_stretch(call: Any, layers: Any, network: int, stretch: int, scratch: int, part: int) -> None:
    start = stretch * call.blocks_a_stretch * BLOCK
    stop = min(start + call.blocks_a_stretch * BLOCK, call.examples)
    for first in range(start, stop, BLOCK):
        count = min(BLOCK, stop - first)
        _gather(call, layers, network, first, count, scratch)
        _forward(call, layers, network, first, count, scratch, True)
        _judge(call, layers, network, first, count, scratch)
        _backward(call, layers, network, count, scratch, part, first > start)


@_inner
def _add_up(call: Any, layers: Any, network: int, fresh: bool, parts: int, count: int) -> None:
    gradient = call.gradient + NUMBER * network * call.weights
    for layer in layers:
        place = gradient + layer.weights
        add_up(place, fresh, parts + layer.gradient, count, call.part_size, layer.units, layer.inputs)


@_inner
def _learn(address: int) -> None:
    """What each thread does in :func:`learn`."""
    call = carray(pointer_to(address), (1,), CALL)[0]
    layers = carray(pointer_to(call.layers), (call.depth,), LAYER)
    worker = claim(address + 8, 1)
    scratch = call.scratch + worker * call.scratch_size
    task = claim(address, 1)
    while task < call.tasks:
        if call.whole:
            part = call.parts + worker * call.part_size
            for stretch in range(call.stretches):
                _learn_stretch(call, layers, task, stretch, scratch, part)
                _add_up(call, layers, task, stretch == 0, part, 1)
        else:
            network, stretch = task // call.stretches, task % call.stretches
            parts = call.parts + network * call.stretches * call.part_size
            _learn_stretch(call, layers, network, stretch, scratch, parts + stretch * call.part_size)
            if claim(call.finished + 8 * network, 1) == call.stretches - 1:
                _add_up(call, layers, network, True, parts, call.stretches)
        task = claim(address, 1)


@_inner
def _answer(address: int) -> None:
    """What each thread does in :func:`answer`."""
    call = carray(pointer_to(address), (1,), CALL)[0]
    layers = carray(pointer_to(call.layers), (call.depth,), LAYER)
    scratch = call.scratch + claim(address + 8, 1) * call.scratch_size
    last = layers[call.depth - 1]
    blocks = (call.examples + BLOCK - 1) // BLOCK
    task = claim(address, 1)
    while task < call.tasks:
        first = task % blocks * BLOCK
        count = min(BLOCK, call.examples - first)
        _gather(call, layers, 0, first, count, scratch)
        start = task // blocks * call.networks_a_task
        for network in range(start, min(start + call.networks_a_task, call.networks)):
            _forward(call, layers, network, first, count, scratch, False)
            for e in range(count):
                panel = scratch + last.output + e // LANES * last.output_panel + e % LANES * NUMBER
                place = call.outputs + NUMBER * (network * call.examples + first + e) * last.units
                for u in range(last.units):
                    put_number(place + NUMBER * u, number_at(panel + VECTOR * u))
        task = claim(address, 1)


@compiled
def learn(call: int, parallel: int, threads: int) -> None:
    on_team(_learn, call, parallel, threads)


@compiled
def answer(call: int, parallel: int, threads: int) -> None:
    on_team(_answer, call, parallel, threads)
