"""Exponentials, logarithms and activations in sixteen lanes, the same to the last bit on every processor.

A processor's or a library's own exponential differs from the next one's. Here all is written in additions,
multiplications and divisions, which IEEE 754 rounds in one way only; a product and a sum are fused where
:meth:`Lanes.fused` says so and nowhere else, so that a compiler has no choice to make.

Errors are relative, against float64, in units of ``2**-24`` (half a unit in the last place of 1); the tests measure
them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils

from srnn.kernels.llvm import FLOAT as _FLOAT
from srnn.kernels.llvm import INT32 as _INT32
from srnn.kernels.llvm import LANES
from srnn.kernels.llvm import VECTOR as _VECTOR
from srnn.kernels.llvm import splat as _splat

_INTEGERS = ir.VectorType(_INT32, LANES)

# Minimax polynomials, fitted for the least relative error of the whole function; from the constant term upwards.
#: ``(exp(r) - 1 - r) / r²`` for ``|r| <= log(2) / 2``: 3e-9.
_EXP = (0.4999999403953552, 0.1666652113199234, 0.04166838899254799, 0.008368724025785923, 0.0013814583653584123)
#: ``(log(1 + f) - f + f² / 2) / f³`` for ``1 + f`` between ``√½`` and ``√2``: 6e-9.
_LOG = (
    0.3333333134651184,
    -0.2500081956386566,
    0.20001226663589478,
    -0.16623356938362122,
    0.14201757311820984,
    -0.13160182535648346,
    0.1276157647371292,
    -0.07634496688842773,
)
#: ``(tanh(x) - x) / x³`` in ``x²`` for ``|x| < 0.625``: 4e-9.
_TANH = (-0.3333328068256378, 0.13331441581249237, -0.05373971536755562, 0.02063908614218235, -0.005704986862838268)
#: ``erfc(x / √2) exp(x² / 2) / t`` in ``t = 1 / (1 + x / 4)`` for ``0 <= x <= 15``: 8e-9.
_ERFC = (
    0.1994958072900772,
    0.19898509979248047,
    0.1910315454006195,
    0.1439983993768692,
    0.17331483960151672,
    0.025422057136893272,
    0.05687325447797775,
    0.10330373048782349,
    -0.1255839765071869,
    0.03315924480557442,
)
#: ``log(2)`` in two parts: the product of the first with an exponent is exact.
_LOG2_HIGH, _LOG2_LOW = 0.693359375, -2.12194440054690583e-4
#: Added to a number below ``2**22``, it rounds it to an integer, which the last bits then hold.
_ROUND = 12582912.0


class Lanes:
    """Sixteen float32 while the kernel is compiled; operations emit instructions, each rounded once and never fused."""

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder, self.value = builder, value

    @classmethod
    def constant(cls, builder: Any, value: float) -> Lanes:
        return cls(builder, ir.Constant(_VECTOR, [float(value)] * LANES))

    @classmethod
    def load(cls, builder: Any, address: Any) -> Lanes:
        """What lies at the address (an integer), which need not be aligned."""
        return cls(builder, builder.load(builder.inttoptr(address, _VECTOR.as_pointer()), align=4))

    @classmethod
    def everywhere(cls, builder: Any, address: Any) -> Lanes:
        """The one float32 at the address in all lanes."""
        return cls(builder, _splat(builder, builder.load(builder.inttoptr(address, _FLOAT.as_pointer()))))

    def store(self, address: Any) -> None:
        self.builder.store(self.value, self.builder.inttoptr(address, self.value.type.as_pointer()), align=4)

    def _other(self, other: Lanes | float) -> Any:
        return other.value if isinstance(other, Lanes) else ir.Constant(_VECTOR, [float(other)] * LANES)

    def _of(self, value: Any) -> Lanes:
        return Lanes(self.builder, value)

    def __add__(self, other: Lanes | float) -> Lanes:
        return self._of(self.builder.fadd(self.value, self._other(other)))

    def __sub__(self, other: Lanes | float) -> Lanes:
        return self._of(self.builder.fsub(self.value, self._other(other)))

    def __mul__(self, other: Lanes | float) -> Lanes:
        return self._of(self.builder.fmul(self.value, self._other(other)))

    def __truediv__(self, other: Lanes | float) -> Lanes:
        return self._of(self.builder.fdiv(self.value, self._other(other)))

    def __neg__(self) -> Lanes:
        return self._of(self.builder.fneg(self.value))

    def reciprocal(self) -> Lanes:
        return self._of(self.builder.fdiv(self._other(1.0), self.value))

    def fused(self, factor: Lanes | float, addend: Lanes | float) -> Lanes:
        """``self * factor + addend``, rounded once."""
        arguments = [self.value, self._other(factor), self._other(addend)]
        return self._of(self._call("fma", arguments))

    def sqrt(self) -> Lanes:
        return self._of(self._call("sqrt", [self.value]))

    def magnitude(self) -> Lanes:
        return self._of(self._call("fabs", [self.value]))

    def signed_as(self, other: Lanes) -> Lanes:
        return self._of(self._call("copysign", [self.value, other.value]))

    def _call(self, name: str, arguments: list[Any]) -> Any:
        kind = ir.FunctionType(_VECTOR, [_VECTOR] * len(arguments))
        function = cgutils.get_or_insert_function(self.builder.module, kind, f"llvm.{name}.v{LANES}f32")
        return self.builder.call(function, arguments)

    def less(self, other: Lanes | float) -> Any:
        """Lanes that are below the other: a mask, false for NaN."""
        return self.builder.fcmp_ordered("<", self.value, self._other(other))

    def is_number(self) -> Any:
        return self.builder.fcmp_ordered("ord", self.value, self.value)

    def where(self, mask: Any, other: Lanes | float = 0.0) -> Lanes:
        """This number where the mask holds, elsewhere the other."""
        return self._of(self.builder.select(mask, self.value, self._other(other)))

    def at_least(self, bound: float) -> Lanes:
        """The larger of the two; NaN stays."""
        return self.where(self.builder.fcmp_unordered(">", self.value, self._other(bound)), bound)

    def at_most(self, bound: float) -> Lanes:
        """The smaller of the two; NaN stays."""
        return self.where(self.builder.fcmp_unordered("<", self.value, self._other(bound)), bound)

    def bits(self) -> Any:
        return self.builder.bitcast(self.value, _INTEGERS)

    def from_bits(self, bits: Any) -> Lanes:
        return self._of(self.builder.bitcast(bits, _VECTOR))


def integers(value: int) -> Any:
    """The integer in all lanes."""
    return ir.Constant(_INTEGERS, [value] * LANES)


def polynomial(x: Lanes, coefficients: Sequence[float]) -> Lanes:
    """By Horner's rule, coefficients from the constant term upwards."""
    result = Lanes.constant(x.builder, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        result = result.fused(x, coefficient)
    return result


def exp(x: Lanes) -> Lanes:
    """``exp(x)``, off by at most 2 units; 0 below -104, infinity above 88.73, NaN stays."""
    builder = x.builder
    x = x.at_least(-105.0).at_most(89.0)
    shifted = x.fused(1 / math.log(2), _ROUND)
    exponent = shifted - _ROUND
    r = exponent.fused(-_LOG2_LOW, exponent.fused(-_LOG2_HIGH, x))
    mantissa = polynomial(r, _EXP).fused(r * r, r) + 1.0
    # The power of two as two factors: one alone would leave the range where the result need not.
    whole = builder.sub(shifted.bits(), Lanes.constant(builder, _ROUND).bits())
    half = builder.ashr(whole, integers(1))
    for part in (half, builder.sub(whole, half)):
        power = builder.shl(builder.add(part, integers(127)), integers(23))
        mantissa = mantissa * x.from_bits(power)
    return mantissa


def log(x: Lanes) -> Lanes:
    """``log(x)`` of a positive normal number, off by at most 2 units; NaN stays."""
    builder = x.builder
    # The power of two that brings x between √½ and √2.
    root = Lanes.constant(builder, math.sqrt(0.5)).bits()
    whole = builder.ashr(builder.sub(x.bits(), root), integers(23))
    f = x.from_bits(builder.sub(x.bits(), builder.shl(whole, integers(23)))) - 1.0
    exponent = Lanes(builder, builder.sitofp(whole, _VECTOR))
    square = f * f
    small = (polynomial(f, _LOG) * f).fused(square, exponent * _LOG2_LOW)
    result = exponent.fused(_LOG2_HIGH, square.fused(-0.5, small) + f)
    return result.where(x.is_number(), x)


def tanh(x: Lanes) -> Lanes:
    """``tanh(x)``, off by at most 3 units; NaN stays."""
    size = x.magnitude()
    square = x * x
    near = (polynomial(square, _TANH) * square).fused(x, x)
    far = (exp(size + size) + 1.0).reciprocal().fused(-2.0, 1.0).signed_as(x)
    return near.where(size.less(0.625), far)


def sigmoid(x: Lanes) -> Lanes:
    """``1 / (1 + exp(-x))``, off by at most 3 units; 0 below -89, NaN stays."""
    return (exp(-x) + 1.0).reciprocal()


# Each activation gives its value and its slope. A slope is a factor of what comes back, but for exactly 0, where
# nothing does.


def _relu(x: Lanes) -> tuple[Lanes, Lanes]:
    """NaN stays, with a slope of 1, as in torch."""
    off = x.builder.fcmp_ordered("<=", x.value, ir.Constant(_VECTOR, [0.0] * LANES))
    zero, one = Lanes.constant(x.builder, 0.0), Lanes.constant(x.builder, 1.0)
    return zero.where(off, x), zero.where(off, one)


def _tanh(x: Lanes) -> tuple[Lanes, Lanes]:
    value = tanh(x)
    return value, (-value).fused(value, 1.0)


def _sigmoid(x: Lanes) -> tuple[Lanes, Lanes]:
    value = sigmoid(x)
    return value, (-value).fused(value, value)


def _gelu(x: Lanes) -> tuple[Lanes, Lanes]:
    """``x Φ(x)``, Φ the normal distribution, and ``Φ(x) + x φ(x)``."""
    size = x.magnitude().at_most(15.0)
    square = size * size
    rest = size.fused(size, -square)
    density = exp(square * -0.5)
    density = density - density * (rest * 0.5)
    t = size.fused(0.25, 1.0).reciprocal()
    tail = density * t * polynomial(t, _ERFC) * 0.5
    share = tail.where(x.less(0.0), Lanes.constant(x.builder, 1.0) - tail)
    return x * share, (density * (1 / math.sqrt(2 * math.pi))).fused(x, share)


#: By the number that stands for each; the first, which is none, has no code.
ACTIVATIONS = ("none", "relu", "tanh", "sigmoid", "gelu")
EMITTED: dict[int, Callable[[Lanes], tuple[Lanes, Lanes]]] = {1: _relu, 2: _tanh, 3: _sigmoid, 4: _gelu}
