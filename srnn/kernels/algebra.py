"""The algebra of a group of particles, in plain Python over anything that adds and multiplies.

Sixteen particles side by side make one *group*: one vector register holds one weight of each. Numba runs these
functions while it compiles, over :class:`srnn.kernels.llvm.Vector` objects that emit one instruction per operation, so
the loops over the ``H`` hidden units are gone and what remains is straight-line code for exactly that ``H``. Every lane
goes through the same instructions, whatever stands in the others: a particle's result depends on nothing but that
particle.

``w[k]`` and ``b[k]`` read and write weight k and its momentum; numbers only add and multiply.

Two things make the replication step cheap:

* The residual is ``r = c0 w + E (v1, v2, v3)`` with ``c0 = v0 − 1``, so every sum over the weights that loss and
  gradient need follows from ``Σ w²``, the three moments ``Eᵀ w`` and the constant ``EᵀE``: no residual is computed.
* A position is (layer, cell, index): the same layer for a whole matrix, the same cell along a row, the same index along
  a column. So the moments are row sums and column sums.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

INPUTS = 5

#: Of :func:`srnn.replication.lift`: the longest step, in lengths of the particle; what is added to the diagonal of a
#: system, in parts of its trace; and what is added in any case.
LONGEST_STEP, DAMPING, SMALLEST = 0.5, 1e-6, 1e-30


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


def position_products(v: list[Any], c: Constants, once: bool = False) -> Iterator[tuple[int, Any]]:
    """Each weight's number k with ``e_k · (v1, v2, v3)``, row by row.

    Where the caller writes between, constants are read anew, and a product made for one weight may be fused with a sum;
    with ``once`` each is made for all weights at the beginning.
    """
    layer = _products(c.layer, 3, v[1], once)
    cell = _products(c.cell, c.hidden, v[2], once)
    index = _products(c.index, c.columns, v[3], once)
    W1, W2, W3 = rows(c.hidden)
    for place, matrix in enumerate((W1, W2, [W3])):
        for number, row in enumerate(matrix):
            along = layer(place) + cell(number)
            for column, k in enumerate(row):
                yield k, along + index(column)


def _products(constant: Callable[[int], Any], count: int, factor: Any, once: bool) -> Callable[[int], Any]:
    if once:
        return [constant(i) * factor for i in range(count)].__getitem__
    return lambda i: constant(i) * factor


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
    position_terms = position_products([pull * x for x in v], c, once=True) if live else iter(())
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
