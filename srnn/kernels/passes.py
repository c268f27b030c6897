"""A batch of the MLP body, forward and backward, as compiled Python over the instructions of the modules beside.

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

from srnn.kernels.addresses import (
    ADDRESS,
    NUMBER,
    VECTOR,
    claim,
    integer_at,
    number_at,
    number_of_thread,
    pointer_to,
    prefetch,
    put_integer,
    put_label,
    put_number,
    work_of_team,
)
from srnn.kernels.cache import compiled
from srnn.kernels.llvm import LANES
from srnn.kernels.panels import activate, classify, pull, put_tail, regress, turn, turn_rows
from srnn.kernels.philox import put_factors
from srnn.kernels.products import TILE, add_up, correlate, multiply
from srnn.kernels.team import HEAD

#: Examples of a block.
BLOCK = 4 * LANES

#: What a call needs: numbers, and addresses of what the names say, 0 for what there is not. Offsets are in bytes.
CALL = np.dtype(
    [
        (name, np.int64)
        for name in (
            # As of every packet, of which threads claim tasks; then what is wrong with the data, if anything.
            *HEAD,
            "problem",
            # What is to be done: for how many networks, with how many examples each; of an evaluation, all the same.
            *("networks", "classes", "rows", "examples", "blocks_a_stretch", "stretches"),
            # A task is a whole network, or one of its stretches; of an evaluation, a block for some of the networks.
            *("tasks", "whole", "networks_a_task"),
            # The caller's memory; without an index examples come in the order of the rows. What is dropped, if
            # anything: see srnn.kernels.philox.
            *("w", "x", "y", "index", "losses", "scores", "gradient", "outputs", "drop"),
            # Our memory: the layers' records; of each thread; parts of gradients.
            *("layers", "scratch", "parts"),
            # The same for all calls of a body. In a thread's memory are tables of rows: of two blocks of examples, of
            # what is left of an example beyond whole vectors, of an inner layer's input (behind the latter two tables
            # the rows themselves); labels or targets; what comes back before an activation; dropout's factors.
            *("activation", "depth", "weights", "part_size", "scratch_size"),
            *("examples_table", "tails_table", "rows_table", "row_size", "labels", "pulled", "factors"),
        )
    ]
)
#: Of each layer: its shape; where its weights are within a network's and its gradient within a part; where a thread
#: has its input, its output, its slopes, and what comes back to its output; the bytes of a panel of its input and of
#: its output, and from one panel of its input to the next; the layer whose input is added to its output, the one to
#: whose output its input is added (-1 for none).
LAYER = np.dtype(
    [
        (name, np.int64)
        for name in (
            *("inputs", "units", "weights", "gradient", "signal", "output", "slope", "back"),
            *("input_panel", "output_panel", "signal_step", "source", "taker"),
        )
    ]
)
#: The numbers of a call; behind them, how many parts of each network's gradient are finished.
COUNTERS = len(CALL.names or ())
#: Where each is; what problems there can be: no such row, no such class.
PLACES = {name: place for place, name in enumerate(CALL.names or ())}
NO_ROW, NO_CLASS = 1, 2

_Function = TypeVar("_Function", bound=Callable[..., Any])


def inner(function: _Function) -> _Function:
    """Compile with what calls it."""
    return cast(_Function, njit(no_cpython_wrapper=True)(function))  # type: ignore[call-overload]


@inner
def _own_scratch(call: Any) -> tuple[int, int]:
    """Which of the team the thread is, and where its memory is: the same in every call, in the cache of its core."""
    worker = number_of_thread(call.number) if call.threads > 1 else 0
    return worker, call.scratch + worker * call.scratch_size


@inner
def _tables(call: Any, scratch: int) -> None:
    """Fill the tables of rows that lie where they lie."""
    for table, size in ((call.tails_table, VECTOR), (call.rows_table, call.row_size)):
        start = scratch + table + ADDRESS * BLOCK
        for e in range(BLOCK):
            put_integer(scratch + table + ADDRESS * e, start + e * size)


@inner
def _locate(call: Any, layers: Any, network: int, first: int, table: int) -> None:
    """Put the addresses of a block's examples into the table."""
    last, row_size = call.examples - 1, NUMBER * layers[0].inputs
    label_size = ADDRESS if call.classes else NUMBER * layers[call.depth - 1].units
    for e in range(BLOCK):
        row = min(first + e, last)
        if call.index:
            row = integer_at(call.index + 8 * (network * call.examples + row))
            if not 0 <= row < call.rows:
                call.problem, row = NO_ROW, 0
        address = call.x + row_size * row
        put_integer(table + ADDRESS * e, address)
        # What the gradient's sums do not have fetched for the next block.
        prefetch(address + row_size - 1)
        prefetch(call.y + label_size * row)


@inner
def _fetch(call: Any, layers: Any, table: int) -> None:
    """Have the examples in the table fetched from memory."""
    for e in range(BLOCK):
        row = integer_at(table + ADDRESS * e)
        for place in range(0, NUMBER * layers[0].inputs, VECTOR):
            prefetch(row + place)


@inner
def _gather(call: Any, layers: Any, panel: int, count: int, table: int, scratch: int) -> None:
    """Bring sixteen examples of the block in the table into its panel, with their labels or targets."""
    layer = layers[0]
    signal = scratch + layer.signal + panel * layer.signal_step
    whole = layer.inputs // LANES * LANES
    tails = scratch + call.tails_table + ADDRESS * BLOCK
    units = layers[call.depth - 1].units
    start = panel * LANES
    for e in range(start, min(start + LANES, count)):
        source = integer_at(table + ADDRESS * e)
        if whole < layer.inputs:
            put_tail(tails + e * VECTOR, source + NUMBER * whole, layer.inputs - whole)
        row = (source - call.x) // (NUMBER * layer.inputs)
        if call.classes:
            label = integer_at(call.y + 8 * row)
            if not 0 <= label < call.classes:
                call.problem = NO_CLASS
            put_label(scratch + call.labels + NUMBER * e, label)
        elif call.y:
            place = scratch + call.labels + panel * units * VECTOR + e % LANES * NUMBER
            for u in range(units):
                put_number(place + u * VECTOR, number_at(call.y + NUMBER * (row * units + u)))
    turn_rows(table + ADDRESS * start, whole, signal)
    if whole < layer.inputs:
        turn(tails + start * VECTOR, VECTOR, signal + whole * VECTOR, VECTOR)


@inner
def _forward(call: Any, layers: Any, network: int, first: int, panel: int, scratch: int) -> None:
    """Take a panel of the block through all layers."""
    w = call.w + NUMBER * network * call.weights
    for index in range(call.depth):
        layer = layers[index]
        signal = scratch + layer.signal + panel * layer.signal_step
        output = scratch + layer.output + panel * layer.output_panel
        source = 0
        if layer.source >= 0:
            source = scratch + layers[layer.source].signal + panel * layers[layer.source].signal_step
        # Where nothing comes between, what the residual brings is what the sum begins with.
        active = index < call.depth - 1 and (call.activation != 0 or call.drop != 0)
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
            factors = scratch + call.factors if call.drop else 0
            if call.drop:
                put_factors(layer.units, factors, call.drop, network, index, first + panel * LANES)
            slope = scratch + layer.slope + panel * layer.output_panel if call.gradient else 0
            activate(call.activation, layer.units, output, slope, factors, source)


@inner
def _ask_for_outputs(units: int, first: int, back: int) -> None:
    """As what comes back to a panel of examples: one for its first output from the first example, and so on."""
    for u in range(units):
        for e in range(LANES):
            put_number(back + u * VECTOR + e * NUMBER, np.float32(1.0 if first + e == u else 0.0))


@inner
def _judge(call: Any, layers: Any, network: int, first: int, panel: int, count: int, scratch: int) -> None:
    """Loss and score of a panel's examples, and what comes back from them."""
    layer = layers[call.depth - 1]
    share = np.float32(1.0) / np.float32(call.examples)
    output = scratch + layer.output + panel * layer.output_panel
    back = scratch + layer.back + panel * layer.output_panel
    if not call.y:
        _ask_for_outputs(layer.units, first + panel * LANES, back)
        return
    place = NUMBER * (network * call.examples + first + panel * LANES)
    losses, scores = call.losses + place, call.scores + place
    left = count - panel * LANES
    if call.classes:
        classify(layer.units, output, scratch + call.labels + panel * VECTOR, left, share, back, losses, scores)
    else:
        targets = scratch + call.labels + panel * layer.units * VECTOR
        regress(layer.units, output, targets, left, share, back, losses, scores)


@inner
def _back_to_input(
    call: Any, layers: Any, network: int, index: int, panel: int, back: int, scratch: int, out: int
) -> None:
    """Take what comes back to a panel of a layer's output on to its input."""
    layer = layers[index]
    start = scratch + layers[layer.taker].back + panel * layer.input_panel if layer.taker >= 0 else 0
    for unit in range(0, layer.inputs, TILE):
        multiply(
            min(TILE, layer.inputs - unit),
            out + unit * VECTOR,
            call.w + NUMBER * (network * call.weights + unit) + layer.weights,
            1,
            layer.inputs,
            back + panel * layer.output_panel,
            layer.units,
            start + unit * VECTOR if start else 0,
        )


@inner
def _backward(
    call: Any, layers: Any, network: int, count: int, table: int, ahead: int, scratch: int, part: int, add: int
) -> None:
    """Take what comes back through all layers, and put the block's gradient into the part or add it there."""
    panels = (count + LANES - 1) // LANES
    rows = scratch + call.rows_table + ADDRESS * BLOCK
    for index in range(call.depth - 1, -1, -1):
        layer = layers[index]
        back = scratch + layer.back
        if index < call.depth - 1 and (call.activation != 0 or call.drop != 0):
            for panel in range(panels):
                here = panel * layer.output_panel
                pull(layer.units, back + here, scratch + layer.slope + here, scratch + call.pulled + here)
            back = scratch + call.pulled
        if index > 0:
            for panel in range(panels):
                for unit in range(0, layer.inputs, LANES):
                    source = scratch + layer.signal + panel * layer.signal_step + unit * VECTOR
                    turn(source, VECTOR, rows + panel * LANES * call.row_size + unit * NUMBER, call.row_size)
                before = scratch + layers[index - 1].back + panel * layer.input_panel
                _back_to_input(call, layers, network, index, panel, back, scratch, before)
        padded = layer.input_panel // LANES
        for unit in range(0, layer.units, TILE):
            for column in range(0, layer.inputs, LANES):
                place, there = scratch + call.rows_table, NUMBER * column
                if index == 0:
                    place = table
                    if column + LANES > layer.inputs:
                        place, there = scratch + call.tails_table, 0
                correlate(
                    min(TILE, layer.units - unit),
                    part + layer.gradient + unit * padded + column * NUMBER,
                    padded,
                    back + unit * VECTOR,
                    layer.output_panel,
                    place,
                    there,
                    count,
                    add,
                    ahead if place == table and unit == 0 else 0,
                )


@inner
def _add_up(call: Any, layers: Any, network: int, fresh: bool, parts: int, count: int) -> None:
    """Add so many parts to the gradient of a network; a fresh one holds nothing so far."""
    gradient = call.gradient + NUMBER * network * call.weights
    for layer in layers:
        place = gradient + layer.weights
        add_up(place, fresh, parts + layer.gradient, count, call.part_size, layer.units, layer.inputs)


@inner
def _learn(address: int) -> None:
    """What each thread does to learn: block by block, the rows of the next one on their way."""
    call = carray(pointer_to(address), (1,), CALL)[0]
    layers = carray(pointer_to(call.layers), (call.depth,), LAYER)
    worker, scratch = _own_scratch(call)
    table, ahead = scratch + call.examples_table, scratch + call.examples_table + ADDRESS * BLOCK
    stretch_size = call.blocks_a_stretch * BLOCK
    _tables(call, scratch)
    task = claim(address, 1)
    network, first = (task, 0) if call.whole else (task // call.stretches, task % call.stretches * stretch_size)
    if task < call.tasks:
        _locate(call, layers, network, first, table)
        _fetch(call, layers, table)
    while task < call.tasks:
        stretch = first // stretch_size
        stop = min((stretch + 1) * stretch_size, call.examples)
        count = min(BLOCK, stop - first)
        for panel in range((count + LANES - 1) // LANES):
            _gather(call, layers, panel, count, table, scratch)
            _forward(call, layers, network, first, panel, scratch)
            _judge(call, layers, network, first, panel, count, scratch)

        next_task, next_network, next_first = task, network, first + BLOCK
        if next_first >= (call.examples if call.whole else stop):
            next_task = claim(address, 1)
            next_network, next_first = next_task, 0
            if not call.whole:
                next_network, next_first = next_task // call.stretches, next_task % call.stretches * stretch_size
        if next_task < call.tasks:
            _locate(call, layers, next_network, next_first, ahead)

        part = call.parts + (worker if call.whole else task) * call.part_size
        later = ahead if next_task < call.tasks else 0
        _backward(call, layers, network, count, table, later, scratch, part, first % stretch_size)
        # A thread with the whole network adds up as it goes, else who comes last does.
        done = address + ADDRESS * (COUNTERS + network)
        if first + count == stop and (call.whole or claim(done, 1) == call.stretches - 1):
            parts = part if call.whole else call.parts + network * call.stretches * call.part_size
            fresh = stretch == 0 or not call.whole
            _add_up(call, layers, network, fresh, parts, 1 if call.whole else call.stretches)
        table, ahead = ahead, table
        task, network, first = next_task, next_network, next_first


@inner
def _answer(address: int) -> None:
    """What each thread does to answer, or to have the answers judged where there is room for losses."""
    call = carray(pointer_to(address), (1,), CALL)[0]
    layers = carray(pointer_to(call.layers), (call.depth,), LAYER)
    _, scratch = _own_scratch(call)
    table, last = scratch + call.examples_table, layers[call.depth - 1]
    blocks = (call.examples + BLOCK - 1) // BLOCK
    _tables(call, scratch)
    task = claim(address, 1)
    while task < call.tasks:
        first, start = task % blocks * BLOCK, task // blocks * call.networks_a_task
        count = min(BLOCK, call.examples - first)
        _locate(call, layers, start, first, table)
        _fetch(call, layers, table)
        for panel in range((count + LANES - 1) // LANES):
            _gather(call, layers, panel, count, table, scratch)
            output = scratch + last.output + panel * last.output_panel
            for network in range(start, min(start + call.networks_a_task, call.networks)):
                _forward(call, layers, network, first, panel, scratch)
                if call.losses:
                    _judge(call, layers, network, first, panel, count, scratch)
                    continue
                place = call.outputs + NUMBER * (network * call.examples + first + panel * LANES) * last.units
                for e in range(min(LANES, count - panel * LANES)):
                    for u in range(last.units):
                        put_number(place + NUMBER * (e * last.units + u), number_at(output + u * VECTOR + NUMBER * e))
        task = claim(address, 1)


@inner
def _compound(address: int) -> None:
    """What each thread does for networks that are linear: each one's product of all layers, ``(outputs, inputs)``."""
    call = carray(pointer_to(address), (1,), CALL)[0]
    layers = carray(pointer_to(call.layers), (call.depth,), LAYER)
    _, scratch = _own_scratch(call)
    inputs, outputs = layers[0].inputs, layers[call.depth - 1].units
    product = scratch + layers[0].signal
    network = claim(address, 1)
    while network < call.tasks:
        for first in range(0, outputs, LANES):
            _ask_for_outputs(outputs, first, scratch + layers[call.depth - 1].back)
            for index in range(call.depth - 1, -1, -1):
                out = scratch + layers[index - 1].back if index > 0 else product
                _back_to_input(call, layers, network, index, 0, scratch + layers[index].back, scratch, out)
            place = call.outputs + NUMBER * (network * outputs + first) * inputs
            for o in range(min(LANES, outputs - first)):
                for i in range(inputs):
                    put_number(place + NUMBER * (o * inputs + i), number_at(product + i * VECTOR + NUMBER * o))
        network = claim(address, 1)


@compiled
def learn() -> Any:
    """The address of the kernel that learns; its packet is an array of :data:`CALL` and the counters behind it."""
    return work_of_team(_learn)


@compiled
def answer() -> Any:
    """The address of the kernel that answers, likewise."""
    return work_of_team(_answer)


@compiled
def compound() -> Any:
    """The address of the kernel that multiplies the layers of linear networks, likewise."""
    return work_of_team(_compound)
