"""Seeds side by side are each as alone to the bit, however the libraries below compute.

How MKL, torch and LLVM compute hangs on the processor. They can be told to compute as on others, but only before they
are loaded: each setting is a process of its own.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from processes import process

ALONE = (sys.executable, str(Path(__file__).parents[1] / "alone.py"))
#: All kernels are compiled anew for another processor, whose digests are recorded, too; torch by other instructions.
SOAK = pytest.mark.skipif(not os.environ.get("SRNN_SOAK"), reason="for make soak")


@pytest.mark.parametrize(
    ("settings", "by"),
    [
        ({"OMP_NUM_THREADS": "2"}, ("",)),
        pytest.param(
            {"MKL_CBWR": "COMPATIBLE", "ATEN_CPU_CAPABILITY": "avx2", "NUMBA_CPU_NAME": "haswell"}, (), marks=SOAK
        ),
        # What MKL and torch are told does not reach the kernels.
        ({"MKL_CBWR": "AVX512", "OMP_NUM_THREADS": "2"}, ("torch",)),
        pytest.param(
            {"MKL_CBWR": "AVX512", "ATEN_CPU_CAPABILITY": "default", "OMP_NUM_THREADS": "2"}, ("torch",), marks=SOAK
        ),
        pytest.param({"OMP_NUM_THREADS": "2"}, ("torch",), marks=SOAK),
    ],
    ids=lambda told: " ".join(told.values() if isinstance(told, dict) else told),
)
def test_seeds_side_by_side_are_each_as_alone(settings: dict[str, str], by: tuple[str, ...], tmp_path: Path) -> None:
    """Every optimizer, method, objective, activation and loss, by the kernels and by torch."""
    answer = process((*ALONE, *by), tmp_path, **settings)
    assert (answer.code, answer.err) == (0, "")
