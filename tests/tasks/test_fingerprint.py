"""By what data are known again: their content, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from task_files import LABELS, X, error_of, npz, write_files

from srnn.experiment import TaskConfig
from srnn.tasks import complete, load
from srnn.tasks.fingerprint import difference, fingerprint


@given(
    hnp.arrays(
        st.sampled_from([np.float64, np.float16, np.uint8, np.bool_, np.dtype(">i4")]),
        hnp.array_shapes(min_dims=1, max_dims=3, max_side=4),
    )
)
def test_how_an_array_lies_in_memory_makes_no_difference(array: np.ndarray) -> None:
    known = fingerprint({"X": array})
    assert fingerprint({"X": np.asfortranarray(array)}) == known
    assert fingerprint({"X": np.repeat(array, 2, axis=-1)[..., ::2]}) == known
    assert known["X"].startswith(f"{array.dtype} {array.shape} ")


@pytest.mark.parametrize(
    ("found", "what"),
    [
        ({"X": X, "y": LABELS}, ""),
        ({"X": X + 1e-12, "y": LABELS}, "X has other values"),
        ({"X": X, "y": LABELS[::-1]}, "y has other values"),
        ({"X": X.astype(np.float32), "y": LABELS}, "X is float32 (40, 3), not float64 (40, 3)"),
        (
            {"X": X[:30], "y": LABELS[:30]},
            "X is float64 (30, 3), not float64 (40, 3), y is int64 (30,), not int64 (40,)",
        ),
        ({"X": X}, "y is missing"),
        ({"X": X, "y": LABELS, "z": X}, "z is new"),
    ],
)
def test_it_is_said_what_has_changed(found: dict[str, Any], what: str) -> None:
    assert difference(fingerprint({"X": X, "y": LABELS}), fingerprint(found)) == what


class TestRecorded:
    def test_other_arrays_are_refused_in_one_line(self, tmp_path: Path) -> None:
        config = npz(tmp_path / "a.npz", X=X, y=LABELS)
        recorded = complete(config, load(config))
        assert recorded.fingerprint == fingerprint({"X": X, "y": LABELS})
        np.savez_compressed(tmp_path / "a.npz", X=np.asfortranarray(X), y=LABELS)
        assert load(recorded).fingerprint == recorded.fingerprint
        npz(tmp_path / "a.npz", X=X, y=LABELS[::-1])
        message = error_of(recorded)
        assert message.startswith(
            f"{tmp_path / 'a.npz'}: other data (y has other values) than task.fingerprint records"
        )
        assert "leave it out to begin with these" in message

    @pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
    def test_so_are_other_pictures(self, tmp_path: Path, name: Any) -> None:
        config = TaskConfig(name=name, size=5)
        folder, other = write_files(tmp_path / "files"), write_files(tmp_path / "others", zipped=False)
        recorded = complete(config, load(config, folder))
        assert load(recorded, other).fingerprint == recorded.fingerprint  # plain or gzipped
        path = other / "t10k-images-idx3-ubyte"
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
        message = error_of(recorded, other)
        assert message.startswith(f"{other}: other data (t10k-images-idx3-ubyte has other values) than ")

    def test_digits_have_one_and_what_is_drawn_has_none(self) -> None:
        assert list(load(TaskConfig(name="digits", size=3)).fingerprint) == ["images", "labels"]
        assert load(TaskConfig(name="digits")).fingerprint == load(TaskConfig(name="digits", size=3)).fingerprint
        for name in ("multiply", "add"):
            config = TaskConfig(name=name)  # type: ignore[arg-type]
            assert load(config).fingerprint == {}
            assert complete(config, load(config)).fingerprint is None

    def test_a_run_of_an_older_srnn_takes_any(self, tmp_path: Path) -> None:
        config = npz(tmp_path / "a.npz", X=X, y=LABELS).model_copy(update={"fingerprint": {}})
        assert complete(config, load(config)).fingerprint == {}
