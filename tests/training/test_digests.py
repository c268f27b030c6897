"""What is trained by the kernels is, to the bit, what was recorded, whatever processor with fused multiply-add this is.

The recorded digests, ``digests.json``, are written anew by ``python tests/digests.py > tests/training/digests.json``,
where what is computed is changed on purpose.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import llvmlite.binding
import pytest
from processes import process

DIGESTS = (sys.executable, str(Path(__file__).parents[1] / "digests.py"))
RECORDED = json.loads(Path(__file__).with_name("digests.json").read_text())
HERE = llvmlite.binding.get_host_cpu_features()
OTHERS = {"MKL_CBWR": "COMPATIBLE", "ATEN_CPU_CAPABILITY": "default"}


@pytest.mark.skipif(not (HERE.get("fma") or HERE.get("neon")), reason="no fused multiply-add")
@pytest.mark.parametrize(
    "settings",
    [
        {"OMP_NUM_THREADS": "2"},
        {"OMP_NUM_THREADS": "4", "NUMBA_CPU_NAME": "haswell", **OTHERS},
        {"OMP_NUM_THREADS": "1", "NUMBA_CPU_NAME": "skylake-avx512", **OTHERS},
        {"OMP_NUM_THREADS": "2", "NUMBA_CPU_NAME": "znver4", **OTHERS},
    ],
    ids=lambda settings: " ".join(settings.values()),
)
def test_they_are_what_was_recorded(settings: dict[str, str], tmp_path: Path) -> None:
    """Every method, both losses, activations and residuals."""
    needed = {"haswell": "avx2", "skylake-avx512": "avx512f", "znver4": "avx512bf16"}.get(
        settings.get("NUMBA_CPU_NAME", "")
    )
    if needed is not None and not HERE.get(needed):
        pytest.skip(f"no {needed}")
    answer = process(DIGESTS, tmp_path, **settings)
    assert answer.code == 0, answer.err
    assert json.loads(answer.out) == RECORDED
