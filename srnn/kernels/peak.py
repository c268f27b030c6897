"""How many floating-point operations a second this machine can do at most, to measure the kernels against."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from srnn.kernels.cache import compiled
from srnn.kernels.llvm import LANES, Scalars, Scratch

#: Independent sums, enough to hide the four or so cycles a fused multiply-add takes.
_CHAINS = 12
_ROUNDS = 2_000_000


def measure_peak(repeats: int = 5) -> float:
    """Gflop/s of fused multiply-adds (two operations each) that never leave the registers.

    On as many threads as torch uses; the best of ``repeats`` runs of a few hundredths of a second.
    """
    threads = torch.get_num_threads()
    memory = np.zeros((threads, (_CHAINS + 1) * LANES + 16), dtype=np.float32)
    # Vector loads and stores are aligned to the 64 bytes of a cache line.
    aligned = [row[-(row.ctypes.data // 4) % 16 :][: _CHAINS * LANES] for row in memory]
    factor = np.array([0.5], dtype=np.float32)
    _multiply_add(aligned[0], factor, 1)
    best = 0.0
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(repeats):
            start = time.perf_counter()
            list(pool.map(lambda row: _multiply_add(row, factor, _ROUNDS), aligned))
            seconds = time.perf_counter() - start
            best = max(best, threads * _ROUNDS * _CHAINS * LANES * 2 / seconds / 1e9)
    return best


def _emit_rounds(context: Any, memory: Any, factor: Any, rounds: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kinds = (memory, factor)
        arrays = [
            context.make_array(kind)(context, builder, value) for kind, value in zip(kinds, values[:2], strict=True)
        ]
        sums, x = Scratch(builder, arrays[0].data), Scalars(builder, arrays[1].data)[0]
        # Local variables, which the optimiser keeps in registers during the loop.
        registers = [cgutils.alloca_once_value(builder, sums[chain].value) for chain in range(_CHAINS)]
        with cgutils.for_range(builder, values[2]):
            for register in registers:
                number = type(x)(builder, builder.load(register))
                builder.store((number * x + x).value, register)
        for chain, register in enumerate(registers):
            sums[chain] = type(x)(builder, builder.load(register))
        return context.get_dummy_value()

    return types.void(memory, factor, rounds), codegen


_rounds: Any = intrinsic(_emit_rounds)


@compiled
def _multiply_add(memory: Any, factor: Any, rounds: int) -> None:
    _rounds(memory, factor, rounds)
