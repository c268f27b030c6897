"""The kernel that makes self-replicators which repair themselves: :func:`srnn.replication.place`.

What is solved, 14 equations for each particle, is derived there and in :mod:`srnn.response`; here it is as
straight-line code for a group. All columns of E are of a simple form, the same along rows or columns of each matrix, so
that products with them are sums over rows and columns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba.core import cgutils

from srnn.kernels.algebra import (
    DAMPING,
    INPUTS,
    LONGEST_STEP,
    SMALLEST,
    Constants,
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
#: Columns of E, and the columns of W1 that they are about; equations.
_COLUMNS, _PLACES = range(3), range(1, 4)
_EQUATIONS = INPUTS + len(_COLUMNS) * len(_PLACES)


def _number(k: int, m: int) -> int:
    """Which equation is about the derivative of v_m along column k of E."""
    return INPUTS + len(_PLACES) * k + m - 1


def moved_rows(w: Any, c: Constants) -> list[list[Any]]:
    """``S_k = E3 W2 + W3 E2`` of each column of E: H numbers each."""
    hidden = c.hidden
    _, W2, W3 = rows(hidden)
    last = [w[k] for k in W3]
    column = [total(w[W2[i][h]] for i in range(hidden)) for h in range(hidden)]
    indexed = [total(w[W2[i][h]] * c.index(i) for i in range(hidden)) for h in range(hidden)]
    whole = total(last)
    cells = total(x * c.cell(i) for i, x in enumerate(last))
    of_layer, of_cell = whole * c.layer(1), cells
    return [
        [x * c.layer(2) + of_layer for x in column],
        [x * c.cell(0) + of_cell for x in column],
        [x + whole * c.index(h) for h, x in enumerate(indexed)],
    ]


def responses(w: Any, c: Constants, S: list[Any], moved: list[list[Any]]) -> list[list[Any]]:
    """The derivatives ``S_k W1 + S E1`` of v1, v2 and v3, in a list for each column of E."""
    W1, _, _ = rows(c.hidden)
    whole, cells = total(S), total(x * c.cell(i) for i, x in enumerate(S))
    own = [[whole * c.layer(0)] * 3, [cells] * 3, [whole * c.index(m) for m in _PLACES]]
    return [
        [total([own[k][m - 1], *(x * w[W1[h][m]] for h, x in enumerate(moved[k]))]) for m in _PLACES] for k in _COLUMNS
    ]


def placing_step(w: Any, c: Constants, S: list[Any], deviations: list[Any], barrier: Callable[[], None]) -> None:
    """One bounded Gauss-Newton step of a group; ``S = W3 W2`` and the deviations are those before it."""
    hidden = c.hidden
    W1, W2, W3 = rows(hidden)
    A = _gram(w, c, S, barrier)
    trace = total(A[a][a] for a in range(_EQUATIONS))
    for a in range(_EQUATIONS):
        A[a][a] = A[a][a] + (trace * DAMPING + SMALLEST)
    g = _solved(A, deviations)
    barrier()

    # The step's squared length is λ · c.
    length_square = total(x * y for x, y in zip(g, deviations, strict=True))
    squares = total(w[k] * w[k] for k in range(weight_count(hidden)))
    shorten = (squares * length_square.reciprocal() * (LONGEST_STEP * LONGEST_STEP)).at_most_one().sqrt()
    g = [x * shorten for x in g]
    barrier()

    h = [[g[_number(k, m)] for m in _PLACES] for k in _COLUMNS]
    alike, cells = total(h[0]) * c.layer(0), total(h[1])
    indexed = total(x * c.index(m) for m, x in zip(_PLACES, h[2], strict=True))
    moved = moved_rows(w, c)
    W1g, W1h = [], []
    for i, row in enumerate(W1):
        values = [w[k] for k in row]
        along = total(x * y for x, y in zip(values, g, strict=False))
        W1g.append(along + (alike + indexed) + cells * c.cell(i))
        W1h.append([total(values[m] * h[k][m - 1] for m in _PLACES) for k in _COLUMNS])
        for m, (k, value) in enumerate(zip(row, values, strict=True)):
            way = S[i] * g[m]
            if m in _PLACES:
                way = total([way, *(moved[column][i] * h[column][m - 1] for column in _COLUMNS)])
            w[k] = value - way
    barrier()
    last = [w[k] for k in W3]
    same = [W1h[j][0] * c.layer(2) + W1h[j][1] * c.cell(0) for j in range(hidden)]
    of_layer, of_cell = (total(W1h[j][k] for j in range(hidden)) for k in (0, 1))
    of_rows = of_layer * c.layer(1) + total(W1h[j][2] * c.index(j) for j in range(hidden))
    for i, row in enumerate(W2):
        values = [w[k] for k in row]
        along = total(x * y for x, y in zip(values, W1g, strict=True))
        w[W3[i]] = last[i] - (along + of_rows + of_cell * c.cell(i))
        for j, (k, value) in enumerate(zip(row, values, strict=True)):
            w[k] = value - (last[i] * W1g[j] + same[j] + W1h[j][2] * c.index(i))


def _gram(w: Any, c: Constants, S: list[Any], barrier: Callable[[], None]) -> list[list[Any]]:
    """Lower triangle of ``J Jᵀ``: what is due to W3, row by row of W2, then to W2, then to W1."""
    hidden = c.hidden
    W1, W2, W3 = rows(hidden)
    units = range(hidden)
    # Of W1's columns u: sums, and products with the cells and the indices of rows.
    sums, celled, indexed = ([None] * INPUTS for _ in range(3))
    inner: list[list[Any]] = [[None] * (a + 1) for a in range(INPUTS)]
    for i, row in enumerate(W1):
        values = [w[k] for k in row]
        for m, x in enumerate(values):
            sums[m] = _plus(sums[m], x)
            celled[m] = _plus(celled[m], x * c.cell(i))
            indexed[m] = _plus(indexed[m], x * c.index(i))
            for b in range(m + 1):
                inner[m][b] = _plus(inner[m][b], x * values[b])
    barrier()

    def dot(a: int, b: int) -> Any:
        return inner[max(a, b)][min(a, b)]

    A: list[list[Any]] = [[None] * (a + 1) for a in range(_EQUATIONS)]
    layered = [sums[m] * c.layer(1) for m in _PLACES]
    for i, row in enumerate(W2):
        values = [w[k] for k in row]
        whole = total(values)
        at_layer, at_cell = whole * c.layer(0), total(x * c.cell(j) for j, x in enumerate(values))
        Y = [total(x * w[W1[j][m]] for j, x in enumerate(values)) for m in range(INPUTS)]
        Y += [x + at_layer for x in layered]
        Y += [sums[m] * c.cell(i) + at_cell for m in _PLACES]
        Y += [indexed[m] + whole * c.index(m) for m in _PLACES]
        for a in range(_EQUATIONS):
            for b in range(a + 1):
                A[a][b] = _plus(A[a][b], Y[a] * Y[b])
        barrier()

    last = [w[k] for k in W3]
    square, whole = total(x * x for x in last), total(last)
    # Products of W3 with the columns of E3, and of these with each other.
    t = [whole * c.layer(2), whole * c.cell(0), total(x * c.index(i) for i, x in enumerate(last))]
    index_sum, index_square = total(c.index(i) for i in units), total(c.index(i) * c.index(i) for i in units)
    cell_sum, cell_square = total(c.cell(i) for i in units), total(c.cell(i) * c.cell(i) for i in units)
    count = float(hidden)
    T = [
        [c.layer(2) * c.layer(2) * count],
        [c.layer(2) * c.cell(0) * count, c.cell(0) * c.cell(0) * count],
        [c.layer(2) * index_sum, c.cell(0) * index_sum, index_square],
    ]

    def along(k: int, m: int, u: int) -> Any:
        """The product of column m of E1, of column k of E, with column u of W1."""
        return (sums[u] * c.layer(0), celled[u], sums[u] * c.index(m))[k]

    def between(k: int, m: int, l: int, n: int) -> Any:  # noqa: E741
        """The product of two columns of E1, k not below l."""
        if (k, l) == (0, 0):
            return c.layer(0) * c.layer(0) * count
        if (k, l) == (1, 0):
            return c.layer(0) * cell_sum
        if (k, l) == (1, 1):
            return cell_square
        if (k, l) == (2, 0):
            return c.layer(0) * c.index(m) * count
        return c.index(m) * cell_sum if l == 1 else c.index(m) * c.index(n) * count

    for a in range(INPUTS):
        for b in range(a + 1):
            A[a][b] = A[a][b] + square * inner[a][b]
    for k in _COLUMNS:
        for m in _PLACES:
            a = _number(k, m)
            for b in range(INPUTS):
                A[a][b] = A[a][b] + t[k] * dot(m, b) + square * along(k, m, b)
            for l in range(k + 1):  # noqa: E741
                for n in _PLACES:
                    if (b := _number(l, n)) > a:
                        continue
                    A[a][b] = A[a][b] + T[k][l] * dot(m, n) + t[k] * along(l, n, m) + t[l] * along(k, m, n)
                    A[a][b] = A[a][b] + square * between(k, m, l, n)
        barrier()

    moved = moved_rows(w, c)
    S_square = total(x * x for x in S)
    for a in range(INPUTS):
        A[a][a] = A[a][a] + S_square
    for k in _COLUMNS:
        with_S = total(x * y for x, y in zip(moved[k], S, strict=True))
        for m in _PLACES:
            A[_number(k, m)][m] = A[_number(k, m)][m] + with_S
        for l in range(k + 1):  # noqa: E741
            product = total(x * y for x, y in zip(moved[k], moved[l], strict=True))
            for m in _PLACES:
                A[_number(k, m)][_number(l, m)] = A[_number(k, m)][_number(l, m)] + product
    return A


def _solved(A: list[list[Any]], c: list[Any]) -> list[Any]:
    """λ with ``A λ = c``, by ``A = L D Lᵀ`` of its lower triangle, which is used up; L has ones on its diagonal."""
    size = len(c)
    inverse = []
    for m in range(size):
        inverse.append(A[m][m].reciprocal())
        for b in range(m + 1, size):
            factor = A[b][m] * inverse[m]
            for a in range(b, size):
                A[a][b] = A[a][b] - A[a][m] * factor
        for b in range(m + 1, size):
            A[b][m] = A[b][m] * inverse[m]
    g = list(c)
    for a in range(size):
        for m in range(a):
            g[a] = g[a] - A[a][m] * g[m]
    g = [x * y for x, y in zip(g, inverse, strict=True)]
    for a in reversed(range(size)):
        for m in range(a + 1, size):
            g[a] = g[a] - A[m][a] * g[m]
    return g


def _plus(number: Any, other: Any) -> Any:
    return other if number is None else number + other


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
    size = weight_count(hidden)
    outside, w = Rows(builder, weights, first), Scratch.of(builder, size + hidden + _EQUATIONS)
    with cgutils.for_range(builder, integer(size)) as loop:
        w[loop.index] = outside[loop.index]
        outside.ahead(loop.index)
    forget = barrier(builder)
    c = Constants(Scalars(builder, constants.data), hidden)
    goal = Rows(builder, effective, first)[0]
    wanted = Vector(builder, splat(builder, builder.fptrunc(strength, FLOAT)))

    def look() -> tuple[list[Vector], Vector]:
        """Put down ``S`` and by how much v and the response deviate; the latter, and the effective weight."""
        forget()
        S, v = row_vector(w, hidden)
        response = responses(w, c, S, moved_rows(w, c))
        off = [x - wanted if m == k else x for k, own in enumerate(response) for m, x in enumerate(own)]
        deviations = [v[0] - 1.0, *v[1:4], v[4] - goal, *off]
        for k, x in enumerate([*S, *deviations]):
            w[size + k] = x
        forget()
        return deviations, v[4]

    def seen() -> tuple[list[Vector], list[Vector]]:
        return [w[size + i] for i in range(hidden)], [w[size + hidden + m] for m in range(_EQUATIONS)]

    def norms(deviations: list[Vector]) -> tuple[Vector, Vector]:
        """Squared length, the response counting less, and largest entry."""
        largest = deviations[0].magnitude()
        for x in deviations[1:]:
            largest = largest.where(x.magnitude().less(largest), x.magnitude())
        # Comparisons pass over a NaN, sums do not.
        of_v, off = (total(x * x for x in part) for part in (deviations[:INPUTS], deviations[INPUTS:]))
        return of_v + off * RESPONSE_COUNTS, largest + total(x * 0.0 for x in deviations)

    deviations, worth_before = look()
    before, largest_before = norms(deviations)
    with cgutils.for_range(builder, iterations):
        S, deviations = seen()
        placing_step(w, c, S, deviations, forget)
        look()
    S, deviations = seen()
    closing_step(w, hidden, S, deviations[:INPUTS])
    deviations, worth_after = look()
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
