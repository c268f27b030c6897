"""Writes a run's folder while the run goes on."""

from __future__ import annotations

import hashlib
import io
import platform
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from torch import Tensor

import srnn
from srnn import kernels
from srnn.errors import UserError
from srnn.experiment import Experiment
from srnn.files import sweep, write_whole
from srnn.runs import checkpoints, records
from srnn.runs.checkpoints import Checkpoint
from srnn.runs.disk import Disk
from srnn.runs.making import make_folder, write_config
from srnn.runs.status import State, Status, write_status
from srnn.untrusted import own_folder, require_file


class RunWriter:
    """Writes one run's folder while the run goes on; whoever has one must be the only writer of that folder.

    Args:
        folder: The run folder. It is made, or what an interrupted run has left there is removed or cut back.
        experiment: What is run, complete.
        since: The checkpoint of this folder from which the run goes on; without one it begins anew.
        disk: What writes the files in which it is recorded how the run goes on; without, each is written at once.

    Attributes:
        epoch: Epochs trained at the newest checkpoint that is on the disk.
        diverged: Of what the run diverged and stopped; empty as long as it has not.

    Raises:
        UserError: The folder cannot be made, or a part of it is a link that leads out of it.
        OSError: It cannot be written, as with a full disk; what was there can still be gone on with.
    """

    def __init__(
        self, folder: Path, experiment: Experiment, since: Checkpoint | None = None, disk: Disk | None = None
    ) -> None:
        self.folder, self._disk = folder, disk
        self.keep, self.pinned = experiment.checkpoint.keep, experiment.checkpoint.pin
        self.epoch = 0 if since is None else int(since.state["epoch"])
        self.diverged = "" if since is None else str(since.state["diverged"])
        make_folder(folder)
        parts = [folder / part for part in ("trajectory", "checkpoints", "figures")]
        for path in parts:
            if path.is_symlink():
                own_folder(path)  # refuses it, before anything is removed there
        sweep(folder)
        for path in (folder / "trajectory").glob("epoch-*"):
            epoch = path.stem.removeprefix("epoch-") if path.suffix in (".parquet", ".safetensors") else ""
            if epoch.isdecimal() and (since is None or int(epoch) > self.epoch):
                path.unlink()
        for path in checkpoints.found(folder):
            if since is None or path.name > since.path.name:
                path.unlink()
        if since is None:
            self._metrics, self._unsaved = records.HEADER, True
            (folder / "metrics.csv").unlink(missing_ok=True)
            # Before the rest: what has a config.toml has a status.
            self.status("running")
            write_config(folder, experiment)
        else:
            self._metrics, self._unsaved = _measured_until(since), True
            self.save_metrics()
            self.status("running")
        for path in parts:
            own_folder(path)

    def status(self, status: State, why: str = "", unsaid: Iterable[str] = ()) -> None:
        """Record how far the run has come."""
        write_status(self.folder, Status(status, self.epoch, why, tuple(unsaid)))

    def metrics(self, epoch: int, batch: int, scores: Mapping[str, float], save: bool) -> None:
        """Add a row for each metric; with ``save``, bring the file up to date."""
        self._metrics += "".join(f"{epoch},{batch},{metric},{score:.9g}\n" for metric, score in scores.items())
        self._unsaved = True
        if save:
            self.save_metrics()

    def save_metrics(self) -> None:
        """Bring ``metrics.csv`` up to date."""
        if self._unsaved:
            self._write(self.folder / "metrics.csv", self._metrics.encode())
            self._unsaved = False

    def trajectory(
        self, epoch: int, names: pa.Array, weights: Tensor, ordinary: Mapping[str, Tensor] | None = None
    ) -> None:
        """Write weights ``(P, N)`` of particles, named by :func:`texts`, after an epoch, and what is beside them."""
        # First, so that no epoch is there without it.
        if ordinary:
            path = self.folder / "trajectory" / checkpoints.name(epoch)
            self._write(path, checkpoints.packed(ordinary, {"epoch": epoch}))
        columns = {"Epoch": _numbers(np.full(len(names), epoch, np.int32)), "Weight": names}
        rows = weights.detach().cpu().numpy()
        columns |= {f"dim_{k}": _numbers(row) for k, row in enumerate(rows, start=1)}
        table, content = pa.Table.from_arrays([*columns.values()], [*columns]), io.BytesIO()
        # No two weights are alike: a dictionary of them would be larger than they are.
        pq.write_table(table, content, use_dictionary=["Epoch", "Weight"], write_page_checksum=True)
        self._write(self.folder / "trajectory" / f"epoch-{epoch:06}.parquet", content.getvalue())

    def checkpoint(self, epoch: int, tensors: Mapping[str, Tensor], state: Mapping[str, object]) -> None:
        """Write a checkpoint of tensors and small plain values, after all that was measured until then.

        One inside an epoch says so in ``state``: ``batch``, and ``batches_of_epoch`` above 0.
        """
        self.save_metrics()
        measured = self._metrics.encode()
        complete = {**state, "metrics": {"bytes": len(measured), "sha256": hashlib.sha256(measured).hexdigest()}}
        batch = state["batch"] if state.get("batches_of_epoch") else None
        path = self.folder / checkpoints.FOLDER / checkpoints.name(epoch, batch)  # type: ignore[arg-type]
        self._write(path, checkpoints.packed(tensors, complete))
        self._do(partial(setattr, self, "epoch", epoch))
        self.diverged = str(state.get("diverged", ""))

    def prune(self) -> None:
        """Remove all but the newest checkpoints, once those of all runs side by side are written."""
        inside = 1 if self.diverged else self.keep
        self._do(partial(checkpoints.prune, self.folder, self.keep, inside, self.pinned))

    def _write(self, path: Path, content: bytes) -> None:
        if self._disk is None:
            write_whole(path, content)
        else:
            self._disk.write(path, content)

    def _do(self, act: Callable[[], None]) -> None:
        if self._disk is None:
            act()
        else:
            self._disk.do(act)


# Made of their bytes: to make them of anything else, Arrow imports pandas first, which takes longer than a small run.


def _numbers(values: NDArray[np.generic]) -> pa.Array:
    whole = np.ascontiguousarray(values)
    return pa.Array.from_buffers(pa.from_numpy_dtype(whole.dtype), len(whole), [None, pa.py_buffer(whole)])


def texts(values: list[str]) -> pa.Array:
    """A column of texts, ``(N,)``, such as the names of a run's particles: to be made once, for it takes a while."""
    each = [value.encode() for value in values]
    ends = np.cumsum([0, *map(len, each)], dtype=np.int32)
    return pa.StringArray.from_buffers(len(each), pa.py_buffer(ends), pa.py_buffer(b"".join(each)))


def read_checkpoint(path: Path) -> Checkpoint:
    """A checkpoint from which its run can go on: it is whole, and so is what was measured until then.

    Raises:
        UserError: One of the two is not.
    """
    checkpoint = checkpoints.read(path)
    with records.explained(path):
        _require_state(checkpoint)
    _measured_until(checkpoint)
    return checkpoint


#: What a checkpoint's state holds, besides the sizes and what was measured.
_STATE = {"epoch": int, "batch": int, "batches_of_epoch": int, "replicating": bool, "diverged": str, "metrics": dict}


def _require_state(checkpoint: Checkpoint) -> None:
    """Raise ValueError or KeyError unless the plain values are such as a run writes, and the file's name fits."""
    state = checkpoint.state
    for key, kind in _STATE.items():
        value = state[key]
        if type(value) is not kind or (isinstance(value, int) and not 0 <= value <= 10**12):
            raise ValueError(f"its {key} is {value!r}")
    for key in ("inputs", "outputs"):
        records.count(state, key)
    name = checkpoints.name(state["epoch"], state["batch"] if state["batches_of_epoch"] else None)
    if checkpoint.path.name != name:
        raise ValueError(f"its state is that of {name}")


def _measured_until(checkpoint: Checkpoint) -> str:
    """What ``metrics.csv`` was when the checkpoint was written; it may have grown since."""
    path = checkpoint.path.parents[1] / "metrics.csv"
    try:
        known = checkpoint.state["metrics"]
        require_file(path)
        content = path.read_bytes()[: known["bytes"]]
        if hashlib.sha256(content).hexdigest() == known["sha256"]:
            return content.decode()
        raise ValueError("its rows are not those of the checkpoint")
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is damaged before {checkpoint.path.name}: {error}") from None


def versions() -> dict[str, str]:
    """Versions of what a result depends on, and by which kernels and on what processor it is computed."""
    names = ("torch", "numpy", *(("numba",) if kernels.fused() else ()))
    found = {"python": platform.python_version(), "srnn": srnn.__version__} | {name: version(name) for name in names}
    return found | {"kernels": kernels.description()}
