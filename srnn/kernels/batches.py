"""Batch after batch in one call, where nothing has to look in between: replication, task and move by their kernels.

What is not finite is looked for in every batch: there the call ends, and who called it goes on by himself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray  # type: ignore[attr-defined]

from srnn.kernels.addresses import ADDRESS, NUMBER, call_at, integer_at, pointer_to, put_integer, put_label
from srnn.kernels.cache import compiled
from srnn.kernels.passes import COUNTERS, PLACES, inner

#: What a call needs. Kernels and their packets by their addresses, 0 for what there is not.
RUN = np.dtype(
    [
        (name, np.int64)
        for name in (
            # Batches to do; the number, over all epochs, of the first; bytes of the index from one to the next.
            *("batches", "first", "index_step"),
            # Particles and examples of all networks; networks.
            *("particles", "examples", "networks"),
            # Before the task: replication, and what the particles are then worth. After it: a move, or all three in one
            # where a batch follows; every so many batches (0: never) another one follows the move, or stands in its
            # place. Each leaves known what the particles are worth.
            *("prepare", "prepare_packet", "weigh", "weigh_packet", "learn", "learn_packet"),
            # Of wide linear networks, what multiplies their layers before, and what takes the gradient to all after.
            *("compound", "compound_packet", "unfold", "unfold_packet"),
            # Before the move: what adds the gradient of penalties on what particles are worth, what pushes that away
            # from other such weights, and what counts the move.
            *("cost", "cost_packet", "push", "push_packet"),
            *("count", "count_packet", "move", "move_packet", "move_on", "move_on_packet"),
            *("settle", "settle_packet", "every", "in_place"),
            # Numbers of each particle, of each example, and their sums over the batches.
            *("worth", "gradient", "replicated", "losses", "scores", "replicated_sums", "loss_sums", "score_sums"),
            # Which of their gradients are cleared, a byte each; 0: none.
            "dropped",
            # Of each batch, what the gradient of the task is multiplied by, a float64; 0: nothing.
            "slower",
            # Words of 32 bits that each batch begins with: how many, their addresses, and what they are, a row a batch.
            *("words", "places", "rows"),
            # How it went: batches that are done, whether one more is prepared.
            *("done", "prepared"),
        )
    ]
    # What scores are multiplied by.
    + [("factor", np.float64)]
)
_INDEX, _DROP, _PROBLEM, _DONE = (
    ADDRESS * place for place in (*(PLACES[name] for name in ("index", "drop", "problem")), COUNTERS)
)
#: The bits of a float32 that are all set of an infinity and of a NaN.
_EXPONENT = 0x7F800000


@inner
def _finite(address: int, count: int) -> bool:
    bits = carray(pointer_to(address), (count,), np.int32)
    lost = 0
    for i in range(count):
        lost |= (bits[i] & _EXPONENT) == _EXPONENT
    return lost == 0


@inner
def _add(sums: int, address: int, count: int) -> None:
    total, numbers = carray(pointer_to(sums), (count,), np.float32), carray(pointer_to(address), (count,), np.float32)
    for i in range(count):
        total[i] += numbers[i]


@inner
def _scale(scores: int, losses: int, count: int, factor: float) -> None:
    """Scores in the units of the data; what answers NaN has none."""
    score, loss = carray(pointer_to(scores), (count,), np.float32), carray(pointer_to(losses), (count,), np.float32)
    for i in range(count):
        score[i] = np.float32(factor) * score[i] + np.float32(0) * loss[i]


@inner
def _slow(address: int, count: int, factor: float) -> None:
    gradient = carray(pointer_to(address), (count,), np.float32)
    for i in range(count):
        gradient[i] *= np.float32(factor)


@inner
def _begin(words: int, places: int, row: int) -> None:
    """Put the words of a batch to their places."""
    addresses, values = carray(pointer_to(places), (words,), np.int64), carray(pointer_to(row), (words,), np.int32)
    for i in range(words):
        put_label(addresses[i], values[i])


@inner
def _clear(address: int, dropped: int, count: int) -> None:
    gradient, gone = carray(pointer_to(address), (count,), np.float32), carray(pointer_to(dropped), (count,), np.uint8)
    for i in range(count):
        if gone[i]:
            gradient[i] = np.float32(0)


@compiled
def run(address: int) -> None:
    """Do what :data:`RUN` at the address says."""
    call: Any = carray(pointer_to(address), (1,), RUN)[0]
    call.done, call.prepared = 0, 0
    for batch in range(call.batches):
        if call.words:
            _begin(call.words, call.places, call.rows + NUMBER * call.words * batch)
        # Where a batch was moved on from, it is done.
        if call.prepare and (batch == 0 or not call.move_on):
            call_at(call.prepare, call.prepare_packet)
            call_at(call.weigh, call.weigh_packet)
        if not _finite(call.worth, call.particles) or (call.prepare and not _finite(call.replicated, call.particles)):
            call.prepared = 1
            return
        drop = integer_at(call.learn_packet + _DROP)
        if drop:
            put_integer(drop, call.first + batch)
        put_integer(call.learn_packet, 0)
        for network in range(call.networks):
            put_integer(call.learn_packet + _DONE + ADDRESS * network, 0)
        if call.compound:
            put_integer(call.compound_packet, 0)
            call_at(call.compound, call.compound_packet)
        call_at(call.learn, call.learn_packet)
        if integer_at(call.learn_packet + _PROBLEM):
            return
        if call.unfold:
            put_integer(call.unfold_packet, 0)
            call_at(call.unfold, call.unfold_packet)
        put_integer(call.learn_packet + _INDEX, integer_at(call.learn_packet + _INDEX) + call.index_step)
        _scale(call.scores, call.losses, call.examples, call.factor)
        _add(call.loss_sums, call.losses, call.examples)
        _add(call.score_sums, call.scores, call.examples)
        if call.prepare:
            _add(call.replicated_sums, call.replicated, call.particles)
        last = batch + 1 == call.batches or not _finite(call.losses, call.examples)
        if call.cost:
            call_at(call.cost, call.cost_packet)
        if call.push:
            call_at(call.push, call.push_packet)
        if call.slower:
            factor = carray(pointer_to(call.slower + ADDRESS * batch), (1,), np.float64)[0]
            if factor != 1:
                _slow(call.gradient, call.particles, factor)
        if call.dropped:
            _clear(call.gradient, call.dropped, call.particles)
        if call.count:
            call_at(call.count, call.count_packet)
        settles = call.every and (call.first + batch + 1) % call.every == 0
        if not settles or not call.in_place:
            if call.move_on and not last:
                call_at(call.move_on, call.move_on_packet)
            else:
                call_at(call.move, call.move_packet)
        if settles:
            call_at(call.settle, call.settle_packet)
        call.done = batch + 1
        if last:
            return
