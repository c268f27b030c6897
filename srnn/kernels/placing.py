"""The kernel that makes self-replicators which repair themselves: :func:`srnn.replication.place`.

What is solved, 14 equations for each particle, is derived there and in :mod:`srnn.response`; here it is as
straight-line code for a group, which uses the form that the columns of E have. Let ``1``, ``r`` and ``x`` be vectors of
H ones, cells and indices, ``l1`` and ``l2`` the layers of W2 and W3, and ``x_m`` the index of column m of W1. In the
shapes of W1, W2 and W3 the columns of E are

- layer: ``0``, ``l1 1 1ᵀ`` and ``l2 1ᵀ``,
- cell: ``r 1ᵀ``, ``r 1ᵀ`` and ``0``,
- index: ``1 (x_0 … x_4)``, ``1 xᵀ`` and ``xᵀ``,

where the zeros are the first layer and the first cell: encoded as 1e-8, they change nothing by more than rounding does.
With ``u_m`` column m of W1, ``p = W2 1``, ``q = W2 r``, ``ρ = W3 r``, ``S = W3 W2``, ``S_layer = l2 1ᵀW2 + l1 W3 1 1ᵀ``
and ``S_index = xᵀW2 + W3 1 xᵀ`` the rows of the Jacobian are, in column m of W1, in W2, and in W3,

- v_m: ``Sᵀ``, ``W3ᵀ u_mᵀ`` and ``W2 u_m``,
- layer, m: ``S_layerᵀ``, ``l2 1 u_mᵀ`` and ``l1 (1·u_m) 1``,
- cell, m: ``ρ 1``, ``W3ᵀ rᵀ`` and ``(r 1ᵀ) u_m + q``,
- index, m: ``S_indexᵀ``, ``x u_mᵀ + x_m W3ᵀ 1ᵀ`` and ``(x·u_m) 1 + x_m p``.

So each of their 105 inner products follows from those of the ``u_m``, from those of ``W2 u_m``, p and q, and from the
products of both with 1, r and x: for H = 4 about half of the operations that rows of J take.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from numba.core import cgutils

from srnn.kernels.algebra import (
    DAMPING,
    INPUTS,
    LONGEST_STEP,
    SMALLEST,
    Constants,
    accumulate,
    closing_step,
    row_vector,
    rows,
    total,
    weight_count,
)
from srnn.kernels.cache import compiled
from srnn.kernels.llvm import FLOAT, Rows, Scalars, Scratch, Vector, barrier, integer, splat
from srnn.kernels.moves import put_back
from srnn.kernels.team import Part, team

#: Of :func:`srnn.replication.place`: what a squared deviation of the response counts beside one of v.
RESPONSE_COUNTS = 1e-4
#: The columns of W1 that the response is about; equations.
_PLACES = range(1, 4)
_EQUATIONS = INPUTS + 3 * len(_PLACES)
#: The equations of v, and of its derivatives along each column of E.
_OF_V, _LAYER, _CELL, _INDEX = (
    range(INPUTS),
    *({m: INPUTS + 3 * k + m - 1 for m in _PLACES} for k in range(3)),
)
#: Among the images of the columns of W1 under W2: where p and q follow.
_P, _Q = INPUTS, INPUTS + 1


class Triangle:
    """A lower triangle of numbers in memory: ``[a, b]``, b not above a."""

    def __init__(self, memory: Any) -> None:
        self._memory = memory

    def __getitem__(self, place: tuple[int, int]) -> Any:
        return self._memory[self._at(*place)]

    def __setitem__(self, place: tuple[int, int], number: Any) -> None:
        self._memory[self._at(*place)] = number

    @staticmethod
    def _at(a: int, b: int) -> int:
        return a * (a + 1) // 2 + b


class Memory(NamedTuple):
    """Of a group all that a step reads and writes: ``[k]`` is a number of each particle.

    Attributes:
        w: The weights.
        S: ``W3 W2``.
        S_layer: In its equations what S is in those of v.
        S_index: The same.
        images: ``W2 u_m`` of each m, then p and q: H numbers each.
        A: The matrix of the equations, and below it, as a last row, the deviations.
        L: The same of its factor.
    """

    w: Any
    S: Any
    S_layer: Any
    S_index: Any
    images: Any
    A: Any
    L: Any

    @staticmethod
    def of(builder: Any, hidden: int) -> Memory:
        """On the stack."""
        numbers = (weight_count(hidden), hidden, hidden, hidden, (INPUTS + 2) * hidden)
        triangles = (Triangle(Scratch.of(builder, (_EQUATIONS + 1) * (_EQUATIONS + 2) // 2)) for _ in range(2))
        return Memory(*(Scratch.of(builder, count) for count in numbers), *triangles)


class Positions(NamedTuple):
    """Sums over the cells r and the indices x of H rows or columns."""

    r: Any
    rr: Any
    x: Any
    xx: Any

    @staticmethod
    def of(c: Constants) -> Positions:
        units = range(c.hidden)
        return Positions(
            total(c.cell(i) for i in units),
            total(c.cell(i) * c.cell(i) for i in units),
            total(c.index(i) for i in units),
            total(c.index(i) * c.index(i) for i in units),
        )


def look(memory: Memory, c: Constants, strength: Any, goal: Any) -> tuple[list[Any], Any]:
    """Put down S, S_layer, S_index and by how much v and the response deviate; the latter, and what v4 is."""
    w, units = memory.w, range(c.hidden)
    W1, W2, W3 = rows(c.hidden)
    S, v = row_vector(w, c.hidden)
    last = total(w[k] for k in W3)
    of_layer, of_cell, of_index = last * c.layer(1), total(x * c.cell(j) for j, x in enumerate(S)), total(S)
    S_layer = [total(w[W2[i][j]] for i in units) * c.layer(2) + of_layer for j in units]
    S_index = [total([last * c.index(j), *(w[W2[i][j]] * c.index(i) for i in units)]) for j in units]
    u, rho = {m: [w[W1[j][m]] for j in units] for m in _PLACES}, _rho(w, c)
    response = [
        [_dot(S_layer, u[m]) for m in _PLACES],
        [rho * total(u[m]) + of_cell for m in _PLACES],
        [_dot(S_index, u[m]) + of_index * c.index(m) for m in _PLACES],
    ]
    off = [x - strength if m == k else x for k, own in enumerate(response) for m, x in enumerate(own)]
    deviations = [v[0] - 1.0, *v[1:4], v[4] - goal, *off]
    for place, numbers in ((memory.S, S), (memory.S_layer, S_layer), (memory.S_index, S_index)):
        for j, x in enumerate(numbers):
            place[j] = x
    for a, x in enumerate(deviations):
        memory.A[_EQUATIONS, a] = x
    return deviations, v[4]


def _rho(w: Any, c: Constants) -> Any:
    return total(w[k] * c.cell(i) for i, k in enumerate(rows(c.hidden)[2]))


def _dot(one: Sequence[Any], other: Sequence[Any]) -> Any:
    return total(x * y for x, y in zip(one, other, strict=True))


def placing_step(memory: Memory, c: Constants, positions: Positions, barrier: Callable[[], None]) -> None:
    """One bounded Gauss-Newton step of a group, after a look at it."""
    A = memory.A
    squares = _gram(memory, c, positions, barrier)
    barrier()
    damping = total(A[a, a] for a in range(_EQUATIONS)) * DAMPING + SMALLEST
    for a in range(_EQUATIONS):
        A[a, a] = A[a, a] + damping
    barrier()
    g, length_square = _solved(A, memory.L, barrier)
    shorten = (squares * length_square.reciprocal() * (LONGEST_STEP * LONGEST_STEP)).at_most_one().sqrt()
    _move(memory, c, [x * shorten for x in g], barrier)


def _gram(memory: Memory, c: Constants, positions: Positions, barrier: Callable[[], None]) -> Any:
    """Put ``J Jᵀ`` into A; the squared length of the weights."""
    w, units = memory.w, range(c.hidden)
    W1, W2, W3 = rows(c.hidden)
    squares = []
    for i, row in enumerate(W2):
        values = [w[k] for k in row]
        squares.append(total(x * x for x in values))
        numbers = [total(x * w[W1[j][m]] for j, x in enumerate(values)) for m in _OF_V]
        numbers += [total(values), total(x * c.cell(j) for j, x in enumerate(values))]
        for b, x in enumerate(numbers):
            memory.images[b * c.hidden + i] = x
        barrier()
    u = _Sums.of(w, [[row[m] for row in W1] for m in _OF_V], c, barrier)
    image = _Sums.of(memory.images, [[b * c.hidden + i for i in units] for b in range(INPUTS + 2)], c, barrier)
    last = _Sums.of(w, [W3], c, barrier)
    _put_v(memory.A, u, image, last, c, barrier)
    _put_response(memory.A, u, image, last, c, positions, barrier)
    _put_first(memory, c, barrier)
    return total([*squares, last.product(0, 0), *(u.product(m, m) for m in _OF_V)])


class _Sums(NamedTuple):
    """Of some vectors of H numbers their sums, products with r and with x, and inner products (of a and b ≤ a)."""

    ones: list[Any]
    r: list[Any]
    x: list[Any]
    inner: dict[tuple[int, int], Any]

    @staticmethod
    def of(memory: Any, places: list[list[int]], c: Constants, barrier: Callable[[], None]) -> _Sums:
        ones = [total(memory[k] for k in own) for own in places]
        r = [total(memory[k] * c.cell(i) for i, k in enumerate(own)) for own in places]
        x = [total(memory[k] * c.index(i) for i, k in enumerate(own)) for own in places]
        barrier()
        inner = {}
        for a, one in enumerate(places):
            for b, other in enumerate(places[: a + 1]):
                inner[a, b] = total(memory[k] * memory[j] for k, j in zip(one, other, strict=True))
            barrier()
        return _Sums(ones, r, x, inner)

    def product(self, a: int, b: int) -> Any:
        return self.inner[max(a, b), min(a, b)]


def _put_v(A: Any, u: _Sums, image: _Sums, last: _Sums, c: Constants, barrier: Callable[[], None]) -> None:
    """What is due to W2 and W3 of the products with the rows of v."""
    square, t = last.product(0, 0), last.x[0]
    for a in _OF_V:
        for b in range(a + 1):
            A[a, b] = image.product(a, b) + u.product(a, b) * square
    barrier()
    whole = last.ones[0] * c.layer(2)
    cell_v = [u.r[b] * square + image.product(_Q, b) for b in _OF_V]
    index_v = [u.ones[b] * square + image.product(_P, b) for b in _OF_V]
    for m in _PLACES:
        layer_s, x = u.ones[m] * c.layer(1), c.index(m)
        for b in _OF_V:
            A[_LAYER[m], b] = u.product(m, b) * whole + image.ones[b] * layer_s
            A[_CELL[m], b] = cell_v[b] + image.r[b] * u.ones[m]
            A[_INDEX[m], b] = index_v[b] * x + image.ones[b] * u.x[m] + u.product(m, b) * t
        barrier()


def _put_response(
    A: Any, u: _Sums, image: _Sums, last: _Sums, c: Constants, positions: Positions, barrier: Callable[[], None]
) -> None:
    """What is due to W2 and W3 of the products of the rows of the response with each other."""
    n, (r, rr, x, xx) = float(c.hidden), positions
    l1, l2 = c.layer(1), c.layer(2)
    square, t, whole = last.product(0, 0), last.x[0], last.ones[0] * l2
    # Of each entry what depends on the column alone comes first.
    l1_square, l2_square, l1_r = l1 * l1 * n, l2 * l2 * n, l1 * r
    of_layer, of_cell = l1 * image.ones[_Q], square * rr + image.product(_Q, _Q)
    for b in _PLACES:
        s = u.ones[b]
        layer_s, cell_layer_s, cell_s = s * l1_square, s * l1_r, s * rr + image.r[_Q]
        cell_layer, cell_cell = u.r[b] * whole + s * of_layer, s * image.r[_Q] + of_cell
        for a in _PLACES:
            A[_CELL[a], _LAYER[b]] = u.ones[a] * cell_layer_s + cell_layer
            if b <= a:
                A[_LAYER[a], _LAYER[b]] = u.product(a, b) * l2_square + u.ones[a] * layer_s
                A[_CELL[a], _CELL[b]] = u.ones[a] * cell_s + cell_cell
        barrier()
    # Here what depends on the row alone.
    l1_n, l2_x = l1 * n, l2 * x
    of_layer, of_cell = whole + image.ones[_P] * l1, square * r + image.product(_Q, _P)
    of_index, ts = square * n + image.product(_P, _P), {m: u.ones[m] * t for m in _PLACES}
    for a in _PLACES:
        y, x_a = u.x[a], c.index(a)
        layer_s, cell_s = y * l1_n + of_layer * x_a, y * r + image.r[_P] * x_a
        index_cell = u.r[a] * t + y * image.ones[_Q] + of_cell * x_a
        index_y, index_x = y * n + image.ones[_P] * x_a, ts[a] + y * image.ones[_P] + of_index * x_a
        for b in _PLACES:
            A[_INDEX[a], _LAYER[b]] = u.product(a, b) * l2_x + u.ones[b] * layer_s
            A[_INDEX[a], _CELL[b]] = u.ones[b] * cell_s + index_cell
            if b <= a:
                A[_INDEX[a], _INDEX[b]] = u.product(a, b) * xx + u.x[b] * index_y + index_x * c.index(b) + ts[b] * x_a
        barrier()


def _put_first(memory: Memory, c: Constants, barrier: Callable[[], None]) -> None:
    """What is due to W1: rows that are about the same column of it, where it is the same for all columns."""
    A, units, rho = memory.A, range(c.hidden), _rho(memory.w, c)
    S, S_layer, S_index = ([own[j] for j in units] for own in (memory.S, memory.S_layer, memory.S_index))

    def add(rows: Any, columns: Any, number: Any, places: Any = _PLACES) -> None:
        for m in places:
            A[rows[m], columns[m]] = A[rows[m], columns[m]] + number

    add(_OF_V, _OF_V, _dot(S, S), _OF_V)
    add(_LAYER, _OF_V, _dot(S_layer, S))
    add(_CELL, _OF_V, rho * total(S))
    add(_INDEX, _OF_V, _dot(S_index, S))
    barrier()
    add(_LAYER, _LAYER, _dot(S_layer, S_layer))
    add(_CELL, _LAYER, rho * total(S_layer))
    add(_INDEX, _LAYER, _dot(S_index, S_layer))
    barrier()
    add(_CELL, _CELL, rho * rho * float(c.hidden))
    add(_INDEX, _CELL, rho * total(S_index))
    add(_INDEX, _INDEX, _dot(S_index, S_index))
    barrier()


def _solved(A: Any, L: Any, barrier: Callable[[], None]) -> tuple[list[Any], Any]:
    """λ with ``A λ = c``, and ``λ · c``; c is the row below A.

    By ``A = L D Lᵀ``, L with ones on its diagonal, made from left to right; A becomes ``L D``. The row below it becomes
    ``L⁻¹ c``, and in L ``D⁻¹ L⁻¹ c``, which is multiplied by the inverse of ``Lᵀ`` in the end.
    """
    for b in range(_EQUATIONS):
        inverse = None
        for a in range(b, _EQUATIONS + 1):
            number = A[a, b]
            for m in range(b):
                number = number - A[a, m] * L[b, m]
            if inverse is None:
                inverse = number.reciprocal()
            else:
                A[a, b], L[a, b] = number, number * inverse
        barrier()
    below = _EQUATIONS
    length_square = total(A[below, m] * L[below, m] for m in range(_EQUATIONS))
    g = [L[below, m] for m in range(_EQUATIONS)]
    for m in reversed(range(_EQUATIONS)):
        for a in range(m):
            g[a] = g[a] - L[m, a] * g[m]
    return g, length_square


def _move(memory: Memory, c: Constants, g: list[Any], barrier: Callable[[], None]) -> None:
    """Take ``Jᵀ g`` from the weights.

    Let b be the sum of ``g_m u_m`` over the layer's equations, d over the index's, and a over those of v, with
    ``r Σ g_m`` over the cell's and ``1 Σ x_m g_m`` over the index's. In W2 it is ``W3ᵀ aᵀ + l2 1 bᵀ + x dᵀ``, in W3
    ``W2 a + (l1 1·b + x·d) 1``, and ``r Σ (1·u_m) g_m`` over the cell's.
    """
    w = memory.w
    W1, W2, W3 = rows(c.hidden)
    of_layer, of_cell, of_index = ({m: g[a] for m, a in own.items()} for own in (_LAYER, _CELL, _INDEX))
    cells, indices = total(of_cell.values()), total(x * c.index(m) for m, x in of_index.items())
    rho = _rho(w, c)
    of_rho = {m: x * rho for m, x in of_cell.items()}
    s: list[Any] = [None] * len(_PLACES)
    a, b, d = [], [], []
    for i, row in enumerate(W1):
        values = [w[k] for k in row]
        accumulate(s, [values[m] for m in _PLACES])
        a.append(total([cells * c.cell(i) + indices, *(x * g[m] for m, x in enumerate(values))]))
        b.append(total(values[m] * x for m, x in of_layer.items()))
        d.append(total(values[m] * x for m, x in of_index.items()))
        for m, (k, value) in enumerate(zip(row, values, strict=True)):
            way = memory.S[i] * g[m]
            if m in _PLACES:
                way = way + of_rho[m] + memory.S_layer[i] * of_layer[m] + memory.S_index[i] * of_index[m]
            w[k] = value - way
    barrier()
    everywhere = total(b) * c.layer(1) + total(x * c.index(j) for j, x in enumerate(d))
    by_cell, same = _dot(s, list(of_cell.values())), [x * c.layer(2) for x in b]
    last = [w[k] for k in W3]
    for i, row in enumerate(W2):
        values = [w[k] for k in row]
        w[W3[i]] = last[i] - (_dot(values, a) + by_cell * c.cell(i) + everywhere)
        for j, (k, value) in enumerate(zip(row, values, strict=True)):
            w[k] = value - (last[i] * a[j] + same[j] + d[j] * c.index(i))
        barrier()


def _emit_place(
    builder: Any,
    hidden: int,
    weights: Any,
    effective: Any,
    left: Any,
    worth: Any,
    constants: Any,
    strength: Any,
    iterations: Any,
    first: Any,
) -> None:
    outside, memory = Rows(builder, weights, first), Memory.of(builder, hidden)
    w = memory.w
    with cgutils.for_range(builder, integer(weight_count(hidden))) as loop:
        w[loop.index] = outside[loop.index]
        outside.ahead(loop.index)
    forget = barrier(builder)
    c = Constants(Scalars(builder, constants.data), hidden)
    positions = Positions.of(c)
    goal = Rows(builder, effective, first)[0]
    wanted = Vector(builder, splat(builder, builder.fptrunc(strength, FLOAT)))

    def looked() -> tuple[list[Vector], Vector]:
        forget()
        seen = look(memory, c, wanted, goal)
        forget()
        return seen

    def norms(deviations: list[Vector]) -> tuple[Vector, Vector]:
        """Squared length, the response counting less, and largest entry."""
        largest = deviations[0].magnitude()
        for x in deviations[1:]:
            largest = largest.where(x.magnitude().less(largest), x.magnitude())
        # Comparisons pass over a NaN, sums do not.
        of_v, off = (total(x * x for x in part) for part in (deviations[:INPUTS], deviations[INPUTS:]))
        return of_v + off * RESPONSE_COUNTS, largest + total(x * 0.0 for x in deviations)

    deviations, worth_before = looked()
    before, largest_before = norms(deviations)
    with cgutils.for_range(builder, iterations):
        placing_step(memory, c, positions, forget)
        looked()
    closing_step(w, hidden, [memory.S[j] for j in range(hidden)], [memory.A[_EQUATIONS, m] for m in _OF_V])
    deviations, worth_after = looked()
    after, largest_after = norms(deviations)
    # False for NaN, before or after: such particles stay as they are.
    better = after.less(before)
    put_back(builder, hidden, outside, lambda k, there: w[k].where(better, there[k]))
    Rows(builder, left, first)[0] = largest_after.where(better, largest_before)
    Rows(builder, worth, first)[0] = worth_after.where(better, worth_before)


_place = team(Part(_emit_place, masked=True))


@compiled
def place(hidden: Any, arguments: Any) -> Any:
    return _place(hidden, arguments)
