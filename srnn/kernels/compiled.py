"""The arithmetic of the fused CPU kernels, and how it becomes machine code.

Sixteen particles side by side make one *group*: one vector register holds one weight of each. The algebra of a group
is written once, in plain Python over anything that adds and multiplies (:func:`replication_step` and its parts). Numba
runs it while it compiles, over :class:`Vector` objects that emit one instruction per operation, so the loops over the
``H`` hidden units are gone and what remains is straight-line code for exactly that ``H``. Every lane goes through the
same instructions, whatever stands in the others: a particle's result depends on nothing but that particle.

All of it is one file because Numba's cache on disk looks at the file of the compiled function, and at no other, to see
whether the code has changed.

Two things make the replication step cheap:

* The residual is ``r = c0 w + E (v1, v2, v3)`` with ``c0 = v0 − 1``, so every sum over the weights that loss and
  gradient need follows from ``Σ w²``, the three moments ``Eᵀ w`` and the constant ``EᵀE``: no residual is computed.
* A position is (layer, cell, index): the same layer for a whole matrix, the same cell along a row, the same index along
  a column. So the moments are row sums and column sums.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeVar, cast

from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.core import cgutils, event
from numba.extending import intrinsic

#: Particles in one vector register (512 bits; narrower machines split it).
LANES = 16
#: Particles copied to the scratch memory at a time: four cache lines of each row, which spares page look-ups.
BLOCK = 4 * LANES
INPUTS = 5

#: Of :func:`srnn.replication.lift`: the longest step, in lengths of the particle; what is added to the diagonal of a
#: system, in parts of its trace; and what is added in any case.
LONGEST_STEP, DAMPING, SMALLEST = 0.5, 1e-6, 1e-30

# ---------------------------------------------------------------------------------------------------------------------
# The algebra of one group. `w[k]` and `b[k]` read and write weight k and its momentum; numbers only add and multiply.


class Constants:
    """What the step needs besides the particles, in one float32 array: settings of the call, then the encoding.

    ``values[i]`` is read anew at each use, so that no register is held for it.
    """

    SETTINGS = ("scale", "momentum", "lr", "loss_scale")

    def __init__(self, values: Any, hidden: int) -> None:
        self.values, self.hidden = values, hidden
        self.columns = max(INPUTS, hidden)

    def __getattr__(self, name: str) -> Any:
        return self.values[self.SETTINGS.index(name)]

    def layer(self, i: int) -> Any:
        return self.values[4 + i]

    def gram(self, i: int) -> Any:
        """Upper triangle of ``EᵀE``, row by row."""
        return self.values[7 + i]

    def cell(self, i: int) -> Any:
        return self.values[13 + i]

    def index(self, i: int) -> Any:
        return self.values[13 + self.hidden + i]


def rows(hidden: int) -> tuple[list[list[int]], list[list[int]], list[int]]:
    """The numbers of the weights in ``W1`` (H rows of 5), ``W2`` (H rows of H) and ``W3`` (one row of H)."""
    first, second = INPUTS * hidden, INPUTS * hidden + hidden * hidden
    W1 = [[INPUTS * j + m for m in range(INPUTS)] for j in range(hidden)]
    W2 = [[first + hidden * i + j for j in range(hidden)] for i in range(hidden)]
    return W1, W2, [second + i for i in range(hidden)]


def weight_count(hidden: int) -> int:
    """P, how many weights a particle has."""
    return INPUTS * hidden + hidden * hidden + hidden


def total(terms: Iterable[Any]) -> Any:
    """Sum from left to right, without a zero to start with (which would cost an addition)."""
    result = None
    for term in terms:
        result = term if result is None else result + term
    return result


def accumulate(sums: list[Any], terms: Iterable[Any]) -> None:
    """Add each term to its sum, in place; an empty sum is ``None``."""
    for i, term in enumerate(terms):
        sums[i] = term if sums[i] is None else sums[i] + term


def row_vector(w: Any, hidden: int, inputs: Iterable[int] = range(INPUTS)) -> tuple[list[Any], list[Any]]:
    """``S = W3 W2`` (H numbers) and the wanted entries of ``v = S W1``."""
    W1, W2, W3 = rows(hidden)
    S: list[Any] = [None] * hidden
    for i in range(hidden):
        accumulate(S, [w[W3[i]] * w[k] for k in W2[i]])
    return S, [total(S[j] * w[W1[j][m]] for j in range(hidden)) for m in inputs]


def position_products(v: list[Any], c: Constants) -> Iterator[tuple[int, Any]]:
    """Each weight's number k with ``e_k · (v1, v2, v3)``, row by row."""
    for layer, matrix in enumerate((*rows(c.hidden)[:2], [rows(c.hidden)[2]])):
        for cell, row in enumerate(matrix):
            along = c.layer(layer) * v[1] + c.cell(cell) * v[2]
            for index, k in enumerate(row):
                yield k, along + c.index(index) * v[3]


def gradient(w: Any, hidden: int, S: list[Any], g: list[Any], barrier: Callable[[], None]) -> Iterator[Any]:
    """Chain rule from ``g = ∂L/∂v`` (``None`` where it is zero) to the weights, ``W1``, then ``W2``, then ``W3``.

    Yields ``(k, w_k, derivative)``; the derivative is a pair of factors, so that the caller can fuse the product with
    an addition, or ``None`` for zero. The caller may overwrite ``w_k`` at once.
    """
    W1, W2, W3 = rows(hidden)
    W1g = [total(w[k] * x for k, x in zip(row, g, strict=True) if x is not None) for row in W1]
    barrier()
    for row, s in zip(W1, S, strict=True):
        for k, x in zip(row, g, strict=True):
            yield k, w[k], None if x is None else (s, x)
    last = [w[k] for k in W3]
    last_derivatives = []
    for row, w3 in zip(W2, last, strict=True):
        values = [w[k] for k in row]
        last_derivatives.append(total(x * y for x, y in zip(values, W1g, strict=True)))
        for k, value, y in zip(row, values, W1g, strict=True):
            yield k, value, (w3, y)
    for k, value, derivative in zip(W3, last, last_derivatives, strict=True):
        yield k, value, (derivative,)


def product(derivative: tuple[Any, ...]) -> Any:
    return derivative[0] * derivative[1] if len(derivative) == 2 else derivative[0]


def plus(number: Any, derivative: tuple[Any, ...] | None) -> Any:
    return number if derivative is None else number + product(derivative)


def replication_step(w: Any, b: Any, c: Constants, live: bool, barrier: Callable[[], None]) -> Any:
    """One step of SGD with momentum on a group, in place; returns P times the replication loss before it.

    ``barrier()`` marks where values should be read from memory again instead of being kept in registers, of which there
    are far fewer than weights.
    """
    hidden = c.hidden
    W1, W2, W3 = rows(hidden)
    barrier()
    columns: list[Any] = [None] * c.columns
    squares: list[Any] = [None] * c.columns

    def row_sum(values: list[Any]) -> Any:
        accumulate(columns, values)
        accumulate(squares, [x * x for x in values])
        return total(values)

    last = [w[k] for k in W3]
    last_sum = row_sum(last)
    S: list[Any] = [None] * hidden
    v: list[Any] = [None] * 4
    layers: list[Any] = [None, None, last_sum]
    cell_moment = c.cell(0) * last_sum
    for i, row in enumerate(W2):
        values = [w[k] for k in row]
        accumulate(S, [last[i] * x for x in values])
        row_total = row_sum(values)
        layers[1] = total(x for x in (layers[1], row_total) if x is not None)
        cell_moment = cell_moment + c.cell(i) * row_total
        barrier()
    for j, row in enumerate(W1):
        values = [w[k] for k in row]
        accumulate(v, [S[j] * x for x in values[:4]])
        row_total = row_sum(values)
        layers[0] = total(x for x in (layers[0], row_total) if x is not None)
        cell_moment = cell_moment + c.cell(j) * row_total
        barrier()

    c0, (v1, v2, v3) = v[0] - 1.0, v[1:]
    moments = [
        total(c.layer(layer) * layers[layer] for layer in range(3)),
        cell_moment,
        total(c.index(m) * columns[m] for m in range(c.columns)),
    ]
    gram_v = [
        c.gram(0) * v1 + c.gram(1) * v2 + c.gram(2) * v3,
        c.gram(1) * v1 + c.gram(3) * v2 + c.gram(4) * v3,
        c.gram(2) * v1 + c.gram(4) * v2 + c.gram(5) * v3,
    ]
    v_moments = v1 * moments[0] + v2 * moments[1] + v3 * moments[2]
    r_w = c0 * total(squares) + v_moments  # Σ r w
    r_e = [c0 * moment + gv for moment, gv in zip(moments, gram_v, strict=True)]  # Σ r e
    loss = c0 * (r_w + v_moments) + (v1 * gram_v[0] + v2 * gram_v[1] + v3 * gram_v[2])
    scale = c.scale
    g = [scale * x for x in (r_w, *r_e)]

    # A live target adds scale · c0 · r_k to the gradient of weight k.
    pull = scale * c0
    position_terms = position_products([pull * x for x in v], c) if live else iter(())
    pull_w = pull * c0
    barrier()
    for k, value, derivative in gradient(w, hidden, S, [*g, None], barrier):
        velocity = plus(b[k] * c.momentum, derivative)
        if live:
            _, position_term = next(position_terms)
            velocity = velocity + (pull_w * value + position_term)
        b[k] = velocity
        w[k] = value - c.lr * velocity
    return loss


def newton_step(w: Any, hidden: int, S: list[Any], c: list[Any], barrier: Callable[[], None]) -> None:
    """One bounded Newton step of a group towards self-replicators: :func:`srnn.replication.lift`.

    ``S = W3 W2`` and ``c``, by which ``v`` deviates from that of such a self-replicator, are those before the step.
    """
    W1, W2, W3 = rows(hidden)
    A: list[list[Any]] = [[None] * INPUTS for _ in range(INPUTS)]
    squares = None
    lower = [(a, b) for a in range(INPUTS) for b in range(a + 1)]
    for row in W1:
        values = [w[k] for k in row]
        for a, b in lower:
            A[a][b] = total(x for x in (A[a][b], values[a] * values[b]) if x is not None)
    squares = total(A[a][a] for a in range(INPUTS))
    last_square = total(w[k] * w[k] for k in W3)
    squares = squares + last_square
    for a, b in lower:
        A[a][b] = A[a][b] * last_square
    for row in W2:
        values = [w[k] for k in row]
        squares = squares + total(x * x for x in values)
        U = [total(x * w[W1[j][m]] for j, x in enumerate(values)) for m in range(INPUTS)]
        for a, b in lower:
            A[a][b] = A[a][b] + U[a] * U[b]
        barrier()
    S_square = total(x * x for x in S)
    trace = total(A[a][a] for a in range(INPUTS)) + S_square * float(INPUTS)
    for a in range(INPUTS):
        A[a][a] = A[a][a] + (S_square + trace * DAMPING + SMALLEST)

    # A = L D Lᵀ, from which λ with A λ = c; L has ones on its diagonal.
    inverse: list[Any] = []
    for a in range(INPUTS):
        for b in range(a):
            A[a][b] = total([A[a][b], *(A[a][m] * A[b][m] * inverse[m] * -1.0 for m in range(b))])
        pivot = total([A[a][a], *(A[a][m] * A[a][m] * inverse[m] * -1.0 for m in range(a))])
        inverse.append(pivot.reciprocal())
    g = list(c)
    for a in range(INPUTS):
        g[a] = total([g[a], *(A[a][m] * inverse[m] * g[m] * -1.0 for m in range(a))])
    for a in reversed(range(INPUTS)):
        g[a] = total([g[a] * inverse[a], *(A[m][a] * inverse[a] * g[m] * -1.0 for m in range(a + 1, INPUTS))])

    # The step's squared length is λ · c.
    length_square = total(x * y for x, y in zip(g, c, strict=True))
    shorten = (squares * length_square.reciprocal() * (LONGEST_STEP * LONGEST_STEP)).at_most_one().sqrt()
    g = [x * shorten for x in g]
    for k, value, derivative in gradient(w, hidden, S, g, barrier):
        w[k] = value - product(derivative)


def closing_step(w: Any, hidden: int, S: list[Any], c: list[Any]) -> None:
    """What is left after Newton steps is made up by ``W1`` alone, in which ``v`` is linear; unless much is left."""
    W1, _, _ = rows(hidden)
    S_square = total(x * x for x in S)
    first_square = total(w[k] * w[k] for row in W1 for k in row)
    bound = S_square * first_square * (LONGEST_STEP * LONGEST_STEP)
    factor = S_square.reciprocal().where(total(x * x for x in c).less(bound))
    for row, s in zip(W1, S, strict=True):
        for k, x in zip(row, c, strict=True):
            w[k] = w[k] - s * (x * factor)


class _Tally:
    """A number that counts the operations done on it: for :func:`operations`."""

    count = 0

    def __add__(self, other: object) -> _Tally:
        _Tally.count += 1
        return self

    __sub__ = __mul__ = __add__


def operations(hidden: int, live: bool) -> int:
    """Additions, subtractions and multiplications of one replication step of one particle (a fused pair counts two).

    Counted on the very code that is compiled, so it is what the kernel does, not what a naive formula would.
    """
    size = weight_count(hidden)
    one = _Tally()
    _Tally.count = 0
    memory = [one] * size
    replication_step(memory, list(memory), Constants([one] * (20 + 2 * hidden), hidden), live, lambda: None)
    return _Tally.count


# ---------------------------------------------------------------------------------------------------------------------
# Emitting instructions.

_FLOAT, _BYTE, _INT32, _INT64 = ir.FloatType(), ir.IntType(8), ir.IntType(32), ir.IntType(64)
_VECTOR = ir.VectorType(_FLOAT, LANES)
_BYTES = ir.VectorType(_BYTE, LANES)
_MASK = ir.VectorType(ir.IntType(1), LANES)
#: OpenMP's function that has a number of threads call another with a pointer.
_PARALLEL = ir.FunctionType(
    ir.VoidType(),
    [ir.FunctionType(ir.VoidType(), [_BYTE.as_pointer()]).as_pointer(), _BYTE.as_pointer(), _INT32, _INT32],
)
#: A product and a sum may be fused. Nothing else is allowed: infinities and NaN keep their meaning.
_FLAGS = ("contract",)


def _integer(value: int) -> Any:
    return ir.Constant(_INT64, value)


def _splat(builder: Any, scalar: Any) -> Any:
    """A scalar in all lanes."""
    undefined = ir.Constant(ir.VectorType(scalar.type, LANES), ir.Undefined)
    one = builder.insert_element(undefined, scalar, ir.Constant(_INT32, 0))
    return builder.shuffle_vector(one, undefined, ir.Constant(ir.VectorType(_INT32, LANES), [0] * LANES))


class Vector:
    """One number of each of sixteen particles while the kernel is compiled; operations emit instructions."""

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder, self.value = builder, value

    def _other(self, other: Vector | float) -> Any:
        return other.value if isinstance(other, Vector) else ir.Constant(_VECTOR, [float(other)] * LANES)

    def __add__(self, other: Vector | float) -> Vector:
        return Vector(self.builder, self.builder.fadd(self.value, self._other(other), flags=_FLAGS))

    def __sub__(self, other: Vector | float) -> Vector:
        return Vector(self.builder, self.builder.fsub(self.value, self._other(other), flags=_FLAGS))

    def __mul__(self, other: Vector | float) -> Vector:
        return Vector(self.builder, self.builder.fmul(self.value, self._other(other), flags=_FLAGS))

    def reciprocal(self) -> Vector:
        one = ir.Constant(_VECTOR, [1.0] * LANES)
        return Vector(self.builder, self.builder.fdiv(one, self.value))

    def sqrt(self) -> Vector:
        return self._unary("sqrt")

    def magnitude(self) -> Vector:
        return self._unary("fabs")

    def _unary(self, name: str) -> Vector:
        kind = ir.FunctionType(_VECTOR, [_VECTOR])
        function = cgutils.get_or_insert_function(self.builder.module, kind, f"llvm.{name}.v{LANES}f32")
        return Vector(self.builder, self.builder.call(function, [self.value]))

    def less(self, other: Vector | float) -> Any:
        """Lanes that are below the other: a mask, false for NaN."""
        return self.builder.fcmp_ordered("<", self.value, self._other(other))

    def where(self, mask: Any, other: Vector | float = 0.0) -> Vector:
        """This number where the mask holds, elsewhere the other."""
        return Vector(self.builder, self.builder.select(mask, self.value, self._other(other)))

    def at_most_one(self) -> Vector:
        """The number, or one where it is larger or NaN."""
        return self.where(self.less(1.0), 1.0)

    def within(self, bound: Vector | float, strictly: bool = False) -> Any:
        """Lanes whose magnitude is at most (below) the bound: a mask, false for NaN."""
        return self.builder.fcmp_ordered("<" if strictly else "<=", self.magnitude().value, self._other(bound))


class Scalars:
    """A float32 array of which ``[i]`` gives entry i in all lanes."""

    def __init__(self, builder: Any, pointer: Any) -> None:
        self.builder, self.pointer = builder, pointer

    def __getitem__(self, i: int) -> Vector:
        scalar = self.builder.load(self.builder.gep(self.pointer, [_integer(i)]))
        return Vector(self.builder, _splat(self.builder, scalar))


class Scratch:
    """Rows of one group on the stack, aligned to cache lines."""

    def __init__(self, builder: Any, pointer: Any) -> None:
        self.builder, self.pointer = builder, pointer

    def _at(self, k: Any) -> Any:
        offset = _integer(LANES * k) if isinstance(k, int) else self.builder.mul(k, _integer(LANES))
        return self.builder.bitcast(self.builder.gep(self.pointer, [offset]), _VECTOR.as_pointer())

    def __getitem__(self, k: Any) -> Vector:
        return Vector(self.builder, self.builder.load(self._at(k), align=64))

    def __setitem__(self, k: Any, number: Vector) -> None:
        self.builder.store(number.value, self._at(k), align=64)


class Rows:
    """Rows of an array ``(rows, N)`` or ``(N,)``: ``[k]`` is row k from particle ``first`` on.

    Lanes past the last particle read as zero and are not written.
    """

    def __init__(self, builder: Any, array: Any, first: Any, vector: Any = _VECTOR) -> None:
        self.builder, self.vector = builder, vector
        self.count = array.count
        self.pointer = builder.gep(array.data, [first])
        lane = ir.Constant(ir.VectorType(_INT64, LANES), list(range(LANES)))
        self.mask = builder.icmp_signed("<", lane, _splat(builder, builder.sub(self.count, first)))

    def _at(self, k: Any) -> Any:
        offset = self.builder.mul(self.count, _integer(k) if isinstance(k, int) else k)
        return self.builder.bitcast(self.builder.gep(self.pointer, [offset]), self.vector.as_pointer())

    def __getitem__(self, k: Any) -> Vector:
        types_ = [self.vector.as_pointer(), _INT32, _MASK, self.vector]
        load = cgutils.get_or_insert_function(
            self.builder.module, ir.FunctionType(self.vector, types_), f"llvm.masked.load.v{LANES}f32.p0"
        )
        zero = ir.Constant(self.vector, [0.0] * LANES)
        return Vector(self.builder, self.builder.call(load, [self._at(k), ir.Constant(_INT32, 4), self.mask, zero]))

    def ahead(self, k: Any) -> None:
        """Have row k of the next group fetched from memory meanwhile: its end, which may be in another cache line."""
        pointer = self.builder.bitcast(self._at(k), self.pointer.type)
        pointer = self.builder.gep(pointer, [_integer(2 * LANES - 1)])
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, _INT32, _INT32, _INT32])
        function = cgutils.get_or_insert_function(self.builder.module, kind, "llvm.prefetch.p0")
        self.builder.call(function, [pointer, *(ir.Constant(_INT32, x) for x in (0, 3, 1))])

    def __setitem__(self, k: Any, number: Vector) -> None:
        element = "f32" if self.vector is _VECTOR else "i8"
        types_ = [self.vector, self.vector.as_pointer(), _INT32, _MASK]
        store = cgutils.get_or_insert_function(
            self.builder.module,
            ir.FunctionType(ir.VoidType(), types_),
            f"llvm.masked.store.v{LANES}{element}.p0",
        )
        self.builder.call(
            store, [number.value, self._at(k), ir.Constant(_INT32, 1 if element == "i8" else 4), self.mask]
        )


def _barrier(builder: Any) -> Callable[[], None]:
    """After a barrier values come from memory again: an empty instruction said to touch all of it."""
    nothing = ir.InlineAsm(ir.FunctionType(ir.VoidType(), []), "", "~{memory}", side_effect=True)
    return lambda: builder.call(nothing, []) and None


# ---------------------------------------------------------------------------------------------------------------------
# The kernels. The number of hidden units comes as a tuple of that length, a choice as None or not: they are then part
# of the types, for each combination of which Numba compiles (and caches) one specialisation.


class Array(NamedTuple):
    """An array ``(rows, N)`` or ``(N,)`` of the caller, as LLVM values."""

    data: Any
    count: Any


def _team(emit: Callable[..., None], step: int = LANES) -> Any:
    """Turn ``emit(builder, hidden, *arguments, first)``, for the particles from ``first`` on, into a kernel for all.

    The threads of a team claim some particles at a time until none is left.

    Args:
        emit: Emits the instructions for ``step`` particles. Arrays arrive as :class:`Array`, ``None`` as ``None``,
            numbers as LLVM values.
        step: Particles that one emission is for.

    Returns:
        An intrinsic ``(hidden, arguments, count, claim, parallel, threads)`` for compiled code, where ``claim`` is a
        multiple of ``step`` and ``parallel`` is :func:`srnn.kernels.threads.parallel`, of no meaning for a single one.
    """

    def typed(context: Any, hidden: Any, arguments: Any, count: Any, claim: Any, parallel: Any, threads: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            _, given, count, claim, parallel, threads = values
            # The particles from 0 to count; of a team's packet, those from 0 on are the ones unclaimed.
            leaves = [*_leaves(context, builder, arguments, given), _integer(0), count]
            some = _function(builder, emit.__name__, [leaf.type for leaf in leaves])
            # On its own: LLVM knows of arguments alone, and of no other pointers, that they are not scratch memory.
            some.attributes.add("noinline")
            _write_some(some, emit, hidden.count, arguments, step)
            packet = cgutils.alloca_once_value(builder, cgutils.pack_struct(builder, [*leaves, claim]))
            member = _function(builder, f"{emit.__name__}_member", [_BYTE.as_pointer()])
            _write_member(member, packet.type, some)
            with builder.if_else(builder.icmp_signed(">", threads, _integer(1))) as (several, alone):
                with several:
                    together = builder.inttoptr(parallel, _PARALLEL.as_pointer())
                    packet = builder.bitcast(packet, _BYTE.as_pointer())
                    builder.call(together, [member, packet, builder.trunc(threads, _INT32), ir.Constant(_INT32, 0)])
                with alone:
                    builder.call(some, leaves)
            return context.get_dummy_value()

        return types.void(hidden, arguments, count, claim, parallel, threads), codegen

    return intrinsic(typed)


def _write_some(some: Any, emit: Callable[..., None], hidden: int, kinds: Any, step: int) -> None:
    """The body of ``some(*leaves, start, stop)``, which computes with the particles from ``start`` to ``stop``."""
    builder = ir.IRBuilder(some.append_basic_block())
    *leaves, start, stop = some.args
    before = _flush_denormal(builder)
    arguments = [*_from_leaves(kinds, iter(leaves))]
    with cgutils.for_range_slice(builder, start, stop, _integer(step), _INT64) as (first, _):
        emit(builder, hidden, *arguments, first)
    if before is not None:
        _set_float_mode(builder, before)
    builder.ret_void()


def _write_member(member: Any, packet: Any, some: Any) -> None:
    """The body of ``member(packet)``, what each thread does: it calls ``some`` as long as there are particles left."""
    builder = ir.IRBuilder(member.append_basic_block())
    shared = builder.bitcast(member.args[0], packet)
    *leaves, unclaimed, count, claim = (cgutils.gep_inbounds(builder, shared, 0, i) for i in range(len(some.args) + 1))
    leaves, count, claim = [builder.load(leaf) for leaf in leaves], builder.load(count), builder.load(claim)
    again, work, done = (builder.append_basic_block(name) for name in ("again", "work", "done"))
    builder.branch(again)
    builder.position_at_end(again)
    start = builder.atomic_rmw("add", unclaimed, claim, "monotonic")
    builder.cbranch(builder.icmp_signed("<", start, count), work, done)
    builder.position_at_end(work)
    stop = builder.add(start, claim)
    stop = builder.select(builder.icmp_signed("<", stop, count), stop, count)
    builder.call(some, [*leaves, start, stop])
    builder.branch(again)
    builder.position_at_end(done)
    builder.ret_void()


def _function(builder: Any, name: str, arguments: list[Any]) -> Any:
    """A function of this module alone, which is still to be written."""
    kind = ir.FunctionType(ir.VoidType(), arguments)
    function = ir.Function(builder.module, kind, builder.module.get_unique_name(name))
    function.linkage = "internal"
    return function


def _leaves(context: Any, builder: Any, kinds: Any, given: Any) -> Iterator[Any]:
    """The arguments as plain numbers and pointers; none for ``None``."""
    for position, kind in enumerate(kinds):
        value = builder.extract_value(given, position)
        if isinstance(kind, types.Array):
            array = context.make_array(kind)(context, builder, value)
            yield array.data
            yield builder.extract_value(array.shape, kind.ndim - 1)
        elif not isinstance(kind, types.NoneType):
            yield value


def _from_leaves(kinds: Any, leaves: Iterator[Any]) -> Iterator[Any]:
    for kind in kinds:
        if isinstance(kind, types.Array):
            yield Array(next(leaves), next(leaves))
        else:
            yield None if isinstance(kind, types.NoneType) else next(leaves)


def _flush_denormal(builder: Any) -> Any:
    """Have an x86 processor take numbers below 1e-38 as zero; the float mode before.

    Particles on their way to zero live for thousands of steps down there, where an operation takes a hundred times as
    long. Other machines do not slow down; for them this does nothing.
    """
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return None
    slot = cgutils.alloca_once(builder, _INT32)
    _control(builder, "stmxcsr", slot)
    before = builder.load(slot)
    _set_float_mode(builder, builder.or_(before, ir.Constant(_INT32, 0x8040)))  # flush to zero, denormals are zero
    return before


def _set_float_mode(builder: Any, mode: Any) -> None:
    _control(builder, "ldmxcsr", cgutils.alloca_once_value(builder, mode))


def _control(builder: Any, instruction: str, slot: Any) -> None:
    kind = ir.FunctionType(ir.VoidType(), [_BYTE.as_pointer()])
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.sse.{instruction}")
    builder.call(function, [builder.bitcast(slot, _BYTE.as_pointer())])


def _emit_train(
    builder: Any, hidden: int, weights: Any, buffer: Any, losses: Any, constants: Any, live: Any, steps: Any, first: Any
) -> None:
    size = weight_count(hidden)
    groups = BLOCK // LANES
    arrays = [weights] if buffer is None else [weights, buffer]
    starts = [builder.add(first, _integer(LANES * group)) for group in range(groups)]
    with builder.goto_entry_block():
        memory = builder.alloca(ir.ArrayType(_FLOAT, 2 * groups * (size + 1) * LANES))
    memory.align = 64
    memory = builder.bitcast(memory, _FLOAT.as_pointer())

    def scratch(array: int, group: Any) -> Scratch:
        part = _integer(array * groups * (size + 1) * LANES)
        offset = builder.add(part, builder.mul(group, _integer((size + 1) * LANES)))
        return Scratch(builder, builder.gep(memory, [offset]))

    def copy(inwards: bool) -> None:
        for number, array in enumerate(arrays):
            outside = [Rows(builder, array, start) for start in starts]
            inside = [scratch(number, _integer(group)) for group in range(groups)]
            with cgutils.for_range(builder, _integer(size)) as loop:
                for there, here in zip(outside, inside, strict=True):
                    if inwards:
                        here[loop.index] = there[loop.index]
                    else:
                        there[loop.index] = here[loop.index]

    copy(inwards=True)
    c = Constants(Scalars(builder, constants.data), hidden)
    left = builder.sdiv(builder.add(builder.sub(losses.count, first), _integer(LANES - 1)), _integer(LANES))
    count = builder.select(builder.icmp_signed("<", left, _integer(groups)), left, _integer(groups))
    with cgutils.for_range(builder, count) as group:
        w, b = scratch(0, group.index), scratch(1, group.index)
        zero = Vector(builder, ir.Constant(_VECTOR, [0.0] * LANES))
        if buffer is None:
            with cgutils.for_range(builder, _integer(size)) as loop:
                b[loop.index] = zero
        b[size] = zero  # the row after the last sums up the losses
        with cgutils.for_range(builder, steps):
            loss = replication_step(w, b, c, live is not None, _barrier(builder))
            # Rounding can leave a loss of zero a little below zero; a NaN stays.
            below = builder.fcmp_ordered("<", loss.value, zero.value)
            loss = Vector(builder, builder.select(below, zero.value, loss.value))
            b[size] = b[size] + loss
        mean = b[size] * c.loss_scale
        Rows(builder, losses, builder.add(first, builder.mul(group.index, _integer(LANES))))[0] = mean
    copy(inwards=False)


def _emit_effective_weight(builder: Any, hidden: int, weights: Any, out: Any, first: Any) -> None:
    Rows(builder, out, first)[0] = row_vector(Rows(builder, weights, first), hidden, inputs=[4])[1][0]


def _emit_effective_weight_gradient(
    builder: Any, hidden: int, weights: Any, effective_gradient: Any, out: Any, first: Any
) -> None:
    w, grad = Rows(builder, weights, first), Rows(builder, out, first)
    S, _ = row_vector(w, hidden, inputs=[])
    g = [None] * 4 + [Rows(builder, effective_gradient, first)[0]]
    zero = Vector(builder, ir.Constant(_VECTOR, [0.0] * LANES))
    for k, _, derivative in gradient(w, hidden, S, g, _barrier(builder)):
        if derivative is None:
            grad[k] = zero
        else:
            grad[k] = product(derivative)


def _emit_sgd_step(
    builder: Any, hidden: int, weights: Any, effective_gradient: Any, buffer: Any, constants: Any, first: Any
) -> None:
    w = Rows(builder, weights, first)
    for k in range(weight_count(hidden)):
        w.ahead(k)
    _sgd_move(builder, hidden, w, effective_gradient, buffer, constants, first, True)


def _sgd_move(
    builder: Any, hidden: int, w: Any, effective_gradient: Any, buffer: Any, constants: Any, first: Any, all_move: bool
) -> None:
    """Move the group ``w`` by a step of SGD; unless all move, weights without a gradient are without momentum."""
    c = Constants(Scalars(builder, constants.data), hidden)
    S, _ = row_vector(w, hidden, inputs=[])
    g = [None] * 4 + [Rows(builder, effective_gradient, first)[0]]
    if buffer is None:
        lr = c.lr
        for k, value, derivative in gradient(w, hidden, S, g, _barrier(builder)):
            if derivative is not None:
                w[k] = value - lr * product(derivative)
        return
    b = Rows(builder, buffer, first)
    momentum, lr = c.momentum, c.lr
    for k, value, derivative in gradient(w, hidden, S, g, _barrier(builder)):
        if derivative is None and not all_move:
            # As if its momentum had been read: what is below 1e-38 becomes zero.
            w[k] = value - lr * 0.0
            continue
        velocity = plus(b[k] * momentum, derivative)
        b.ahead(k)
        b[k] = velocity
        w[k] = value - lr * velocity


def _scratch(builder: Any, hidden: int, weights: Any, first: Any) -> tuple[Rows, Scratch]:
    """A group in its array, and on the stack as a copy of it, with room for ``S`` and ``c``."""
    size = weight_count(hidden)
    with builder.goto_entry_block():
        memory = builder.alloca(ir.ArrayType(_FLOAT, (size + hidden + INPUTS) * LANES))
    memory.align = 64
    outside, w = Rows(builder, weights, first), Scratch(builder, builder.bitcast(memory, _FLOAT.as_pointer()))
    with cgutils.for_range(builder, _integer(size)) as loop:
        w[loop.index] = outside[loop.index]
        outside.ahead(loop.index)
    return outside, w


def _emit_lift(
    builder: Any, hidden: int, weights: Any, effective: Any, left: Any, worth: Any, iterations: Any, first: Any
) -> None:
    outside, w = _scratch(builder, hidden, weights, first)
    goal = Rows(builder, effective, first)[0]
    after = _lifted(builder, hidden, outside, w, goal, iterations)
    for array, value in zip((left, worth), after, strict=True):
        Rows(builder, array, first)[0] = value


def _emit_sgd_and_project(
    builder: Any,
    hidden: int,
    weights: Any,
    effective_gradient: Any,
    buffer: Any,
    constants: Any,
    worth: Any,
    iterations: Any,
    first: Any,
) -> None:
    outside, w = _scratch(builder, hidden, weights, first)
    _sgd_move(builder, hidden, w, effective_gradient, buffer, constants, first, False)
    with cgutils.for_range(builder, _integer(weight_count(hidden))) as loop:
        outside[loop.index] = w[loop.index]
    _, value = _lifted(builder, hidden, outside, w, None, iterations)
    Rows(builder, worth, first)[0] = value


def _lifted(
    builder: Any, hidden: int, outside: Rows, w: Scratch, goal: Vector | None, iterations: Any
) -> tuple[Vector, Vector]:
    """Lift the group ``w``, a copy of ``outside``, and put it back; the deviation left, and what it is then worth.

    Without a goal it stays worth what it is.
    """
    barrier = _barrier(builder)
    size = weight_count(hidden)

    def look(goal: Vector | None) -> tuple[list[Vector], Vector]:
        """Put down ``S`` and ``c``, the deviation; ``c`` and the effective weight."""
        barrier()
        S, v = row_vector(w, hidden)
        c = [v[0] - 1.0, *v[1:4], v[4] - (v[4] if goal is None else goal)]
        for k, x in enumerate([*S, *c]):
            w[size + k] = x
        barrier()
        return c, v[4]

    def seen() -> tuple[list[Vector], list[Vector]]:
        return [w[size + i] for i in range(hidden)], [w[size + hidden + m] for m in range(INPUTS)]

    def norms(c: list[Vector]) -> tuple[Vector, Vector]:
        """Squared length and largest entry."""
        largest = c[0].magnitude()
        for x in c[1:]:
            largest = largest.where(x.magnitude().less(largest), x.magnitude())
        # Comparisons pass over a NaN, sums do not.
        return total(x * x for x in c), largest + total(x * 0.0 for x in c)

    c, worth_before = look(goal)
    before, largest_before = norms(c)
    goal = worth_before if goal is None else goal
    with cgutils.for_range(builder, iterations):
        newton_step(w, hidden, *seen(), barrier)
        look(goal)
    closing_step(w, hidden, *seen())
    c, worth_after = look(goal)
    after, largest_after = norms(c)
    # False for NaN, before or after: such particles stay as they are.
    better = after.less(before)
    with cgutils.for_range(builder, _integer(weight_count(hidden))) as loop:
        outside[loop.index] = w[loop.index].where(better, outside[loop.index])
    return largest_after.where(better, largest_before), worth_after.where(better, worth_before)


def _emit_attack(builder: Any, hidden: int, attackers: Any, victims: Any, out: Any, constants: Any, first: Any) -> None:
    c = Constants(Scalars(builder, constants.data), hidden)
    _, v = row_vector(Rows(builder, attackers, first), hidden, inputs=range(4))
    w, result = Rows(builder, victims, first), Rows(builder, out, first)
    _barrier(builder)()
    for k, position_term in position_products(v, c):
        result[k] = w[k] * v[0] + position_term


def _emit_classify(
    builder: Any, hidden: int, weights: Any, out: Any, constants: Any, tolerance: Any, first: Any
) -> None:
    c = Constants(Scalars(builder, constants.data), hidden)
    w = Rows(builder, weights, first)
    _, v = row_vector(w, hidden, inputs=range(4))
    bound = Vector(builder, _splat(builder, builder.fptrunc(tolerance, _FLOAT)))
    _barrier(builder)()
    finite = zero = identity = secondary = ir.Constant(_MASK, [1] * LANES)
    for k, position_term in position_products(v, c):
        value = w[k]
        once = value * v[0] + position_term
        twice = once * v[0] + position_term
        finite = builder.and_(finite, value.within(float("inf"), strictly=True))
        zero = builder.and_(zero, value.within(bound))
        identity = builder.and_(identity, (once - value).within(bound))
        secondary = builder.and_(secondary, (twice - value).within(bound))
    # The values of srnn.fixpoints.FixpointType, from the last test to the first: the first that holds decides.
    kind = ir.Constant(_BYTES, [4] * LANES)
    for number, holds in ((3, secondary), (2, identity), (1, zero), (0, builder.not_(finite))):
        kind = builder.select(holds, ir.Constant(_BYTES, [number] * LANES), kind)
    Rows(builder, out, first, _BYTES)[0] = Vector(builder, kind)


_train = _team(_emit_train, step=BLOCK)
_effective_weight = _team(_emit_effective_weight)
_effective_weight_gradient = _team(_emit_effective_weight_gradient)
_sgd_step = _team(_emit_sgd_step)
_sgd_and_project = _team(_emit_sgd_and_project)
_lift = _team(_emit_lift)
_attack = _team(_emit_attack)
_classify = _team(_emit_classify)


_Function = TypeVar("_Function", bound=Callable[..., Any])


def _compiled(function: _Function) -> _Function:
    """Compile on first use. Numba's cache is beside this file or, if that is not writable, in the user's cache."""
    try:
        return cast(_Function, njit(nogil=True, cache=True)(function))
    except RuntimeError:  # no place for a cache can be written
        return cast(_Function, njit(nogil=True)(function))


# Each under a name and on a line of its own, by which the cache tells them apart.
@_compiled
def train(hidden: Any, arguments: Any, count: int, claim: int, parallel: int, threads: int) -> None:
    _train(hidden, arguments, count, claim, parallel, threads)


@_compiled
def effective_weight(hidden: Any, arguments: Any, count: int, claim: int, parallel: int, threads: int) -> None:
    _effective_weight(hidden, arguments, count, claim, parallel, threads)


@_compiled
def effective_weight_gradient(hidden: Any, arguments: Any, count: int, claim: int, parallel: int, threads: int) -> None:
    _effective_weight_gradient(hidden, arguments, count, claim, parallel, threads)


@_compiled
def sgd_step(hidden: Any, arguments: Any, count: int, claim: int, parallel: int, threads: int) -> None:
    _sgd_step(hidden, arguments, count, claim, parallel, threads)


@_compiled
def sgd_and_project(hidden: Any, arguments: Any, count: int, claim: int, parallel: int, threads: int) -> None:
    _sgd_and_project(hidden, arguments, count, claim, parallel, threads)


@_compiled
def lift(hidden: Any, arguments: Any, count: int, claim: int, parallel: int, threads: int) -> None:
    _lift(hidden, arguments, count, claim, parallel, threads)


@_compiled
def attack(hidden: Any, arguments: Any, count: int, claim: int, parallel: int, threads: int) -> None:
    _attack(hidden, arguments, count, claim, parallel, threads)


@_compiled
def classify(hidden: Any, arguments: Any, count: int, claim: int, parallel: int, threads: int) -> None:
    _classify(hidden, arguments, count, claim, parallel, threads)


class _Announcement(event.Listener):
    """One line on stderr when kernels are compiled, not when they come from the cache."""

    def __init__(self) -> None:
        self.announced: set[int] = set()

    def on_start(self, event: Any) -> None:
        dispatcher, arguments = event.data["dispatcher"], event.data["args"]
        if dispatcher.py_func.__module__ != __name__:
            return
        hidden = arguments[0].count
        if hidden not in self.announced:
            self.announced.add(hidden)
            print(
                f"srnn: compiling the kernels for particles of {hidden} hidden units (once; cached)…", file=sys.stderr
            )

    def on_end(self, event: Any) -> None:
        pass


event.register("numba:compile", _Announcement())
