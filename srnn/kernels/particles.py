"""The kernels of particles: the algebra of a group, for swarms in memory.

Each function here gives the address of a kernel (:mod:`srnn.kernels.team`) for arguments of these types. The number of
hidden units comes as a tuple of that length, a choice as None or not: they are then part of the types, for each
combination of which Numba compiles one specialisation.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]

from srnn.kernels import moves
from srnn.kernels.algebra import Constants, gradient, position_products, product, row_vector
from srnn.kernels.cache import compiled
from srnn.kernels.llvm import BYTES, FLOAT, LANES, MASK, VECTOR, Rows, Scalars, Vector, barrier, splat
from srnn.kernels.team import Part, team


def _emit_effective_weight(builder: Any, hidden: int, weights: Any, out: Any, first: Any) -> None:
    Rows(builder, out, first)[0] = row_vector(Rows(builder, weights, first), hidden, inputs=[4])[1][0]


def _emit_effective_weight_gradient(
    builder: Any, hidden: int, weights: Any, effective_gradient: Any, out: Any, first: Any
) -> None:
    w, grad = Rows(builder, weights, first), Rows(builder, out, first)
    S, _ = row_vector(w, hidden, inputs=[])
    g = [None] * 4 + [Rows(builder, effective_gradient, first)[0]]
    zero = Vector(builder, ir.Constant(VECTOR, [0.0] * LANES))
    for k, _, derivative in gradient(w, hidden, S, g, barrier(builder)):
        if derivative is None:
            grad[k] = zero
        else:
            grad[k] = product(derivative)


def _emit_attack(builder: Any, hidden: int, attackers: Any, victims: Any, out: Any, constants: Any, first: Any) -> None:
    c = Constants(Scalars(builder, constants.data), hidden)
    _, v = row_vector(Rows(builder, attackers, first), hidden, inputs=range(4))
    w, result = Rows(builder, victims, first), Rows(builder, out, first)
    barrier(builder)()
    for k, position_term in position_products(v, c):
        result[k] = w[k] * v[0] + position_term


def _emit_classify(
    builder: Any, hidden: int, weights: Any, out: Any, constants: Any, tolerance: Any, first: Any
) -> None:
    c = Constants(Scalars(builder, constants.data), hidden)
    w = Rows(builder, weights, first)
    _, v = row_vector(w, hidden, inputs=range(4))
    bound = Vector(builder, splat(builder, builder.fptrunc(tolerance, FLOAT)))
    barrier(builder)()
    finite = zero = identity = secondary = ir.Constant(MASK, [1] * LANES)
    for k, position_term in position_products(v, c):
        value = w[k]
        once = value * v[0] + position_term
        twice = once * v[0] + position_term
        finite = builder.and_(finite, value.within(float("inf"), strictly=True))
        zero = builder.and_(zero, value.within(bound))
        identity = builder.and_(identity, (once - value).within(bound))
        secondary = builder.and_(secondary, (twice - value).within(bound))
    # The values of srnn.fixpoints.FixpointType, from the last test to the first: the first that holds decides.
    kind = ir.Constant(BYTES, [4] * LANES)
    for number, holds in ((3, secondary), (2, identity), (1, zero), (0, builder.not_(finite))):
        kind = builder.select(holds, ir.Constant(BYTES, [number] * LANES), kind)
    Rows(builder, out, first, BYTES)[0] = Vector(builder, kind)


_step, weigh, _replicate = (
    Part(moves.emit_sgd_step),
    Part(_emit_effective_weight),
    Part(moves.emit_train, moves.BLOCK),
)
_train = team(_replicate)
_effective_weight = team(weigh)
_effective_weight_gradient = team(Part(_emit_effective_weight_gradient))
_sgd_step = team(_step)
_sgd_step_and_weigh = team(_step, weigh)
_sgd_step_and_train = team(_step, _replicate, weigh)
_sgd_and_project = team(Part(moves.emit_sgd_and_project, masked=True))
_number_step = team(Part(moves.emit_number_step))
_lift = team(Part(moves.emit_lift, masked=True))
_attack = team(Part(_emit_attack))
_classify = team(Part(_emit_classify))


# Each under a name of its own, by which the cache tells them apart.
@compiled
def train(hidden: Any, arguments: Any) -> Any:
    return _train(hidden, arguments)


@compiled
def effective_weight(hidden: Any, arguments: Any) -> Any:
    return _effective_weight(hidden, arguments)


@compiled
def effective_weight_gradient(hidden: Any, arguments: Any) -> Any:
    return _effective_weight_gradient(hidden, arguments)


@compiled
def sgd_step(hidden: Any, arguments: Any) -> Any:
    return _sgd_step(hidden, arguments)


@compiled
def sgd_step_and_weigh(hidden: Any, arguments: Any) -> Any:
    return _sgd_step_and_weigh(hidden, arguments)


@compiled
def sgd_step_and_train(hidden: Any, arguments: Any) -> Any:
    return _sgd_step_and_train(hidden, arguments)


@compiled
def sgd_and_project(hidden: Any, arguments: Any) -> Any:
    return _sgd_and_project(hidden, arguments)


@compiled
def number_step(hidden: Any, arguments: Any) -> Any:
    return _number_step(hidden, arguments)


@compiled
def lift(hidden: Any, arguments: Any) -> Any:
    return _lift(hidden, arguments)


@compiled
def attack(hidden: Any, arguments: Any) -> Any:
    return _attack(hidden, arguments)


@compiled
def classify(hidden: Any, arguments: Any) -> Any:
    return _classify(hidden, arguments)
