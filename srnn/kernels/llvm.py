"""Emitting instructions: vectors, and where they are read and written.

The objects live while Numba compiles; each operation on them adds an instruction to the function that ``builder``
writes.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils

#: Particles in one vector register (512 bits; narrower machines split it).
LANES = 16

FLOAT, BYTE, INT32, INT64 = ir.FloatType(), ir.IntType(8), ir.IntType(32), ir.IntType(64)
VECTOR = ir.VectorType(FLOAT, LANES)
BYTES = ir.VectorType(BYTE, LANES)
MASK = ir.VectorType(ir.IntType(1), LANES)
#: A product and a sum may be fused. Nothing else is allowed: infinities and NaN keep their meaning.
_FLAGS = ("contract",)


def integer(value: int) -> Any:
    return ir.Constant(INT64, value)


def splat(builder: Any, scalar: Any) -> Any:
    """A scalar in all lanes."""
    undefined = ir.Constant(ir.VectorType(scalar.type, LANES), ir.Undefined)
    one = builder.insert_element(undefined, scalar, ir.Constant(INT32, 0))
    return builder.shuffle_vector(one, undefined, ir.Constant(ir.VectorType(INT32, LANES), [0] * LANES))


class Vector:
    """One number of each of sixteen particles while the kernel is compiled; operations emit instructions."""

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder, self.value = builder, value

    def _other(self, other: Vector | float) -> Any:
        return other.value if isinstance(other, Vector) else ir.Constant(VECTOR, [float(other)] * LANES)

    def __add__(self, other: Vector | float) -> Vector:
        return Vector(self.builder, self.builder.fadd(self.value, self._other(other), flags=_FLAGS))

    def __sub__(self, other: Vector | float) -> Vector:
        return Vector(self.builder, self.builder.fsub(self.value, self._other(other), flags=_FLAGS))

    def __mul__(self, other: Vector | float) -> Vector:
        return Vector(self.builder, self.builder.fmul(self.value, self._other(other), flags=_FLAGS))

    def reciprocal(self) -> Vector:
        one = ir.Constant(VECTOR, [1.0] * LANES)
        return Vector(self.builder, self.builder.fdiv(one, self.value))

    def sqrt(self) -> Vector:
        return self._unary("sqrt")

    def fused(self, factor: Vector, summand: Vector) -> Vector:
        """``self · factor + summand``, rounded once."""
        kind = ir.FunctionType(VECTOR, [VECTOR] * 3)
        function = cgutils.get_or_insert_function(self.builder.module, kind, f"llvm.fma.v{LANES}f32")
        return Vector(self.builder, self.builder.call(function, [self.value, factor.value, summand.value]))

    def magnitude(self) -> Vector:
        return self._unary("fabs")

    def _unary(self, name: str) -> Vector:
        kind = ir.FunctionType(VECTOR, [VECTOR])
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
        scalar = self.builder.load(self.builder.gep(self.pointer, [integer(i)]))
        return Vector(self.builder, splat(self.builder, scalar))


class Scratch:
    """Rows of one group on the stack, aligned to cache lines."""

    def __init__(self, builder: Any, pointer: Any) -> None:
        self.builder, self.pointer = builder, pointer

    @staticmethod
    def of(builder: Any, rows: int) -> Scratch:
        """Room for so many rows."""
        with builder.goto_entry_block():
            memory = builder.alloca(ir.ArrayType(FLOAT, rows * LANES))
        memory.align = 64
        return Scratch(builder, builder.bitcast(memory, FLOAT.as_pointer()))

    def part(self, row: Any) -> Scratch:
        """What begins at that row."""
        return Scratch(self.builder, self.builder.gep(self.pointer, [self.builder.mul(row, integer(LANES))]))

    def _at(self, k: Any) -> Any:
        offset = integer(LANES * k) if isinstance(k, int) else self.builder.mul(k, integer(LANES))
        return self.builder.bitcast(self.builder.gep(self.pointer, [offset]), VECTOR.as_pointer())

    def __getitem__(self, k: Any) -> Vector:
        return Vector(self.builder, self.builder.load(self._at(k), align=64))

    def __setitem__(self, k: Any, number: Vector) -> None:
        self.builder.store(number.value, self._at(k), align=64)


class Rows:
    """Rows of an array ``(rows, N)`` or ``(N,)``: ``[k]`` is row k from particle ``first`` on.

    Lanes past the last particle read as zero and are not written.
    """

    def __init__(self, builder: Any, array: Any, first: Any, vector: Any = VECTOR) -> None:
        self.builder, self.vector = builder, vector
        self._array, self._first = array, first
        self.count = array.count
        self.pointer = builder.gep(array.data, [first])
        self.mask = None
        if not array.whole:
            lane = ir.Constant(ir.VectorType(INT64, LANES), list(range(LANES)))
            self.mask = builder.icmp_signed("<", lane, splat(builder, builder.sub(self.count, first)))

    def _at(self, k: Any) -> Any:
        offset = self.builder.mul(self.count, integer(k) if isinstance(k, int) else k)
        return self.builder.bitcast(self.builder.gep(self.pointer, [offset]), self.vector.as_pointer())

    def __getitem__(self, k: Any) -> Vector:
        if self.mask is None:
            return Vector(self.builder, self.builder.load(self._at(k), align=4))
        types_ = [self.vector.as_pointer(), INT32, MASK, self.vector]
        load = cgutils.get_or_insert_function(
            self.builder.module, ir.FunctionType(self.vector, types_), f"llvm.masked.load.v{LANES}f32.p0"
        )
        zero = ir.Constant(self.vector, [0.0] * LANES)
        return Vector(self.builder, self.builder.call(load, [self._at(k), ir.Constant(INT32, 4), self.mask, zero]))

    def written(self, write: Callable[[Rows], None]) -> None:
        """Have rows written by ``write``, which gets them without a mask wherever all lanes are there.

        Processors without AVX-512 may take twenty cycles for a masked store.
        """
        if self.mask is None:
            write(self)
            return
        full = self.builder.icmp_signed("<=", self.builder.add(self._first, integer(LANES)), self.count)
        with self.builder.if_else(full) as (whole, rest):
            with whole:
                write(Rows(self.builder, self._array._replace(whole=True), self._first))
            with rest:
                write(self)

    def ahead(self, k: Any, distance: int = LANES) -> None:
        """Have row k of the group so many particles on fetched from memory meanwhile.

        Its end, which may be in another cache line: its beginning is in the last one's.
        """
        pointer = self.builder.bitcast(self._at(k), self.pointer.type)
        pointer = self.builder.gep(pointer, [integer(distance + LANES - 1)])
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, INT32, INT32, INT32])
        function = cgutils.get_or_insert_function(self.builder.module, kind, "llvm.prefetch.p0")
        self.builder.call(function, [pointer, *(ir.Constant(INT32, x) for x in (0, 2, 1))])

    def __setitem__(self, k: Any, number: Vector) -> None:
        element = "f32" if self.vector is VECTOR else "i8"
        if self.mask is None:
            self.builder.store(number.value, self._at(k), align=1 if element == "i8" else 4)
            return
        types_ = [self.vector, self.vector.as_pointer(), INT32, MASK]
        store = cgutils.get_or_insert_function(
            self.builder.module,
            ir.FunctionType(ir.VoidType(), types_),
            f"llvm.masked.store.v{LANES}{element}.p0",
        )
        self.builder.call(
            store, [number.value, self._at(k), ir.Constant(INT32, 1 if element == "i8" else 4), self.mask]
        )


def barrier(builder: Any) -> Callable[[], None]:
    """After a barrier values come from memory again: an empty instruction said to touch all of it."""
    nothing = ir.InlineAsm(ir.FunctionType(ir.VoidType(), []), "", "~{memory}", side_effect=True)
    return lambda: builder.call(nothing, []) and None


def function(builder: Any, name: str, arguments: list[Any]) -> Any:
    """A function of this module alone, which is still to be written."""
    kind = ir.FunctionType(ir.VoidType(), arguments)
    function = ir.Function(builder.module, kind, builder.module.get_unique_name(name))
    function.linkage = "internal"
    return function


def flush_denormal(builder: Any) -> Any:
    """Have an x86 processor take numbers below 1e-38 as zero; the float mode before.

    Particles on their way to zero live for thousands of steps down there, where an operation takes a hundred times as
    long. Other machines do not slow down; for them this does nothing.
    """
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return None
    slot = cgutils.alloca_once(builder, INT32)
    _control(builder, "stmxcsr", slot)
    before = builder.load(slot)
    set_float_mode(builder, builder.or_(before, ir.Constant(INT32, 0x8040)))  # flush to zero, denormals are zero
    return before


def set_float_mode(builder: Any, mode: Any) -> None:
    _control(builder, "ldmxcsr", cgutils.alloca_once_value(builder, mode))


def _control(builder: Any, instruction: str, slot: Any) -> None:
    kind = ir.FunctionType(ir.VoidType(), [BYTE.as_pointer()])
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.sse.{instruction}")
    builder.call(function, [builder.bitcast(slot, BYTE.as_pointer())])
