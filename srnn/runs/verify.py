"""Is a finished run what its files say? Every check is one row: what was checked, whether it holds, what was found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isclose, isnan
from typing import Any

import pandas as pd
import torch

from srnn.bodies.module import require_consent
from srnn.errors import UserError
from srnn.files import is_file
from srnn.fixpoint_types import FixpointType
from srnn.kernels.arithmetic import plain_torch
from srnn.methods.plain import ordinary_tensors
from srnn.organism import Organism
from srnn.runs import checkpoints, records
from srnn.runs.checkpoints import Checkpoint
from srnn.runs.masks import NAME, read_mask
from srnn.runs.run import Run
from srnn.runs.writer import read_checkpoint
from srnn.tasks import Task
from srnn.tasks.fingerprint import difference
from srnn.training.learning import answers


@plain_torch()
def verify(run: Run, task: Task) -> pd.DataFrame:
    """Check a run's files against each other, and its test metric against its final weights and the data.

    Args:
        run: The run.
        task: Its data.

    Returns:
        Columns Check (str), Holds (bool), Found (str), a row for each check.
    """
    require_consent(run.experiment)
    checks: dict[str, Callable[[Run], str]] = {
        "it has ended": _ended,
        "checkpoints are whole": _checkpoints,
        "config fits the checkpoint": _config,
        "metrics have every row once": _metrics,
        "trajectory has every row once": _trajectory,
        "trajectory ends with the checkpoint": _last_weights,
        "data are those it was trained on": lambda run: _data(run, task),
        f"test {task.metric} is that of the weights": lambda run: _test_metric(run, task),
    }
    if is_file(run.folder / NAME):
        checks["dropped weights are worth 0"] = _mask
    if not run.status.ended:
        # What is missing at its end, and what stands after its last checkpoint, is as it should be until then.
        checks = {name: check for name, check in checks.items() if check in (_ended, _checkpoints)}
    rows = []
    for name, check in checks.items():
        try:
            rows.append((name, True, check(run)))
        except (UserError, _Wrong) as error:
            rows.append((name, False, str(error)))
    return pd.DataFrame(rows, columns=["Check", "Holds", "Found"])


class _Wrong(Exception):  # noqa: N818 (a finding, no error of ours)
    """What was found instead."""


def _ended(run: Run) -> str:
    if run.status.status not in ("finished", "diverged"):
        rest = "" if run.status.ended else "; the rest is checked once it has"
        raise _Wrong(f"it is {run.status.status}{rest}")
    return run.status.status


def _checkpoints(run: Run) -> str:
    if not run.checkpoints:
        raise _Wrong("there is none")
    for path in run.checkpoints:
        checkpoints.read(path)
    return f"{len(run.checkpoints)} with their checksums"


def _newest(run: Run) -> Checkpoint:
    if not run.checkpoints:
        raise _Wrong("there is no checkpoint")
    return read_checkpoint(run.checkpoints[-1])


def _config(run: Run) -> str:
    checkpoint = _newest(run)
    epochs, epoch = run.experiment.training.epochs, checkpoint.state["epoch"]
    if epoch != epochs and run.status.status != "diverged" and not checkpoint.state.get("ended"):
        raise _Wrong(f"config.toml asks for {epochs} epochs, {checkpoint.path.name} has {epoch}")
    organism = run.organism()  # of that shape, or it says so
    return f"{organism.size:,} particles, {epoch} epochs"


def _metrics(run: Run) -> str:
    state = _newest(run).state
    frame = run.metrics
    if (run.folder / "metrics.csv").stat().st_size != state["metrics"]["bytes"]:
        raise _Wrong("there are rows after the last checkpoint")
    if frame.duplicated(["Batch", "Metric"]).any():
        raise _Wrong("there are rows twice")
    if frame.empty:
        raise _Wrong("there are none")
    counts = frame.groupby("Epoch")["Metric"].agg(set)
    always = {metric for metric in counts.iloc[-1] if metric == "task_loss" or metric.startswith("train_")}
    types = {kind.label for kind in FixpointType} if run.experiment.particle.kind != "number" else set()
    when_logged = types | set(counts.iloc[0])
    for epoch in range(_first(run) + 1, state["epoch"] + 1):
        expected = always | (when_logged if epoch in _logged(run, state) else set())
        if missing := expected - counts.get(epoch, set()):
            raise _Wrong(f"epoch {epoch} lacks {', '.join(sorted(missing))}")
    return f"{len(frame):,} rows"


def _logged(run: Run, state: Mapping[str, Any]) -> list[int]:
    """The epochs that it has logged, by the state of its end."""
    every, first, last = run.experiment.log.every, _first(run), state["epoch"]
    end = last if state.get("ended") else run.experiment.training.epochs
    return [epoch for epoch in range(first, last + 1) if epoch % every == 0 or epoch in (first, end)]


def _first(run: Run) -> int:
    """The epoch at which a run began."""
    return int(run.experiment.start.began.get("epoch", 0))


def _table(run: Run, epoch: int, organism: Organism) -> pd.DataFrame:
    path = run.folder / "trajectory" / f"epoch-{epoch:06}.parquet"
    return records.read_trajectory(path, *organism.weights.shape)


def _trajectory(run: Run) -> str:
    expected, organism = _logged(run, _newest(run).state), run.organism()
    if run.logged_epochs != expected:
        odd = sorted({*expected} ^ {*run.logged_epochs})
        raise _Wrong(f"epochs missing or too many: {', '.join(map(str, odd))}")
    particles = run.experiment.log.particles
    rows = organism.size if particles == "all" else min(particles, organism.size)
    known, followed = {*organism.names}, None
    for epoch in expected:
        frame = _table(run, epoch, organism)
        names = frame["Weight"].tolist()
        if len(names) != rows or len({*names} & known) != rows or (frame["Epoch"] != epoch).any():
            raise _Wrong(f"epoch {epoch} has not one row for each of {rows:,} particles")
        if names != (followed := followed or names):
            raise _Wrong(f"epoch {epoch} has other particles than the first")
        checkpoints.fill_ordinary(run.folder, epoch, organism.body, run.gates)
    return f"{len(expected)} epochs, {rows:,} particles"


def _last_weights(run: Run) -> str:
    if run.status.status == "diverged":
        return "it stopped inside an epoch"
    organism = run.organism()
    if not run.logged_epochs:
        raise _Wrong("there is no trajectory")
    epoch = run.logged_epochs[-1]
    frame = _table(run, epoch, organism)
    places = {name: place for place, name in enumerate(organism.names)}
    theirs = torch.tensor(frame.drop(columns=["Epoch", "Weight"]).to_numpy()).T
    if strangers := {*frame["Weight"]} - {*places}:
        raise _Wrong(f"epoch {epoch} has a particle {min(strangers)}, which the organism has not")
    ours = organism.weights.detach()[:, [places[name] for name in frame["Weight"]]]
    if not torch.equal(ours.view(torch.int32), theirs.contiguous().view(torch.int32)):
        raise _Wrong(f"epoch {epoch} has other weights")
    ordinary = ordinary_tensors(organism.body)
    checkpoints.fill_ordinary(run.folder, epoch, organism.body, run.gates)
    for name, theirs in ordinary_tensors(organism.body).items():
        if not torch.equal(*(one.flatten().view(torch.uint8) for one in (ordinary[name], theirs))):
            raise _Wrong(f"epoch {epoch} has another {name}")
    return f"epoch {epoch}, bit by bit"


def _data(run: Run, task: Task) -> str:
    known = run.experiment.task.fingerprint
    if not known:
        return "not recorded by the srnn that trained it" if task.fingerprint else "they are drawn"
    if changed := difference(known, task.fingerprint):
        raise _Wrong(changed)
    return ", ".join(known)


def _mask(run: Run) -> str:
    organism = run.organism()
    kept = read_mask(run.folder / NAME, organism)
    if revived := int((organism.worth()[~kept] != 0).sum()):
        raise _Wrong(f"{revived:,} are worth something")
    return f"{int(kept.sum()):,} of {organism.size:,} weights are kept"


@torch.no_grad()
def _test_metric(run: Run, task: Task) -> str:
    organism = run.organism().eval()
    [answer] = answers(organism, organism.worth(), task.test_x)
    computed = float(task.score(answer, task.test_y).mean())
    scores = run.metrics.query(f"Metric == 'test_{task.metric}'")["Score"]
    if scores.empty:
        raise _Wrong("there is none recorded")
    recorded = float(scores.iloc[-1])
    # Side by side with others, or on another device, the last bits may be rounded in another way.
    if not (isclose(computed, recorded, rel_tol=1e-5, abs_tol=1e-7) or (isnan(computed) and isnan(recorded))):
        raise _Wrong(f"recorded {recorded:.9g}, computed {computed:.9g}")
    return f"{computed:.6g}"
