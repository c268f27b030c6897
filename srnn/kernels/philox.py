"""Dropout's random numbers in a kernel: :mod:`srnn.kernels.dropout` for sixteen examples side by side."""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils

from srnn.kernels.addresses import VECTOR, emitted, entry, plus
from srnn.kernels.dropout import GROWTH, MULTIPLIERS, ROUNDS
from srnn.kernels.functions import Lanes
from srnn.kernels.llvm import FLOAT, INT32, INT64, LANES, integer, splat

_WIDE = ir.VectorType(INT64, LANES)


@emitted()
def put_factors(builder: Any, units: Any, target: Any, drop: Any, network: Any, layer: Any, example: Any) -> None:
    """Put what the units of a panel are multiplied by into rows, of which there is room for a multiple of four.

    Args:
        builder: Emits.
        units: How many.
        target: The rows.
        drop: Where int64 are: the number of the batch, the bound, the bits of the factor, the key of each network; see
            :class:`srnn.kernels.dropout.Drop`.
        network: Which.
        layer: Which.
        example: The first of the panel.
    """
    batch, bound, kept = (entry(builder, drop, integer(place)) for place in range(3))
    key = entry(builder, drop, builder.add(network, integer(3)))
    keys = builder.trunc(key, INT32), builder.trunc(builder.lshr(key, integer(32)), INT32)
    lanes = ir.Constant(ir.VectorType(INT32, LANES), list(range(LANES)))
    examples = builder.add(_everywhere(builder, example), lanes)
    factor = Lanes(builder, splat(builder, builder.bitcast(builder.trunc(kept, INT32), FLOAT)))
    with cgutils.for_range_slice(builder, integer(0), units, integer(4), INT64) as (unit, _):
        four = builder.lshr(unit, integer(2))
        counter = [examples, *(_everywhere(builder, part) for part in (four, layer, batch))]
        for place, word in enumerate(_philox(builder, counter, keys)):
            stays = builder.icmp_unsigned(">=", word, _everywhere(builder, bound))
            factor.where(stays).store(plus(builder, target, (builder.add(unit, integer(place)), VECTOR)))


def _everywhere(builder: Any, number: Any) -> Any:
    """The lower half of an int64 in all lanes."""
    return splat(builder, builder.trunc(number, INT32))


def _philox(builder: Any, counter: list[Any], keys: tuple[Any, Any]) -> list[Any]:
    a, b, c, d = counter
    for number in range(ROUNDS):
        low, high = (
            splat(builder, builder.add(key, ir.Constant(INT32, number * growth % 2**32)))
            for key, growth in zip(keys, GROWTH, strict=True)
        )
        (first_high, first_low), (second_high, second_low) = (
            _halves(builder, word, multiplier) for word, multiplier in zip((a, c), MULTIPLIERS, strict=True)
        )
        a, b = builder.xor(builder.xor(second_high, b), low), second_low
        c, d = builder.xor(builder.xor(first_high, d), high), first_low
    return [a, b, c, d]


def _halves(builder: Any, word: Any, factor: int) -> tuple[Any, Any]:
    """The upper and the lower half of a product."""
    product = builder.mul(builder.zext(word, _WIDE), ir.Constant(_WIDE, [factor] * LANES))
    upper = builder.lshr(product, ir.Constant(_WIDE, [32] * LANES))
    return builder.trunc(upper, word.type), builder.trunc(product, word.type)
