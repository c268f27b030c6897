"""Runs together: the seeds of one experiment, and in what two experiments differ."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from srnn.errors import UserError
from srnn.experiment import Experiment
from srnn.runs.run import Run


def open_runs(folders: Iterable[str | Path]) -> list[Run]:
    """The runs in these folders, each once; a folder of seeds (``runs/digits``) stands for all of them.

    Raises:
        UserError: A folder holds no run.
    """
    runs = []
    for folder in map(Path, folders):
        seeds: list[Path] = []
        # A name that is too long to be one: Run.open tells.
        with suppress(OSError):
            seeds = [path.parent for path in folder.glob("seed-*/config.toml")]
        runs += [Run(seed) for seed in sorted(seeds, key=lambda seed: (len(seed.name), seed.name))] or [
            Run.open(folder)
        ]
    # A run named twice must not count as two seeds.
    return list({run.folder.resolve(): run for run in runs}.values())


def same_experiment(one: Experiment, other: Experiment) -> bool:
    """Whether two experiments differ in nothing but their seed, versions and the texts about them.

    The same data may lie elsewhere. Of an experiment that is still to be run, it is not known yet what its data are,
    nor how they are scaled unless it says so: then they are taken for the same.
    """
    return first_difference(one, other) is None


def first_difference(one: Experiment, other: Experiment) -> tuple[str, object, object] | None:
    """The first setting in which two experiments differ, dotted, with both values; as :func:`same_experiment`."""
    tasks = (one.task, other.task)
    unknown = {"task.scale"} if None in (tasks[0].scale, tasks[1].scale) else set[str]()
    if any(task.fingerprint for task in tasks):
        unknown.add("task.path")
    known = all(task.fingerprint for task in tasks)
    ours, theirs = (_settings(json.loads(_plain(experiment))) for experiment in (one, other))
    # Not all have the same settings: the variants of a comparison are named by each.
    for key in dict.fromkeys([*ours, *theirs]):
        if key in unknown or (key.startswith("task.fingerprint") and not known):
            continue
        if ours.get(key) != theirs.get(key):
            return key, ours.get(key), theirs.get(key)
    return None


def _settings(values: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    settings: dict[str, object] = {}
    for key, value in values.items():
        settings |= _settings(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return settings


def _plain(experiment: Experiment) -> str:
    return experiment.model_copy(update={"seed": 0, "versions": {}, "about": "", "duration": ""}).model_dump_json()


def _essence(run: Run) -> str:
    """What runs of one experiment have in common, but for the fingerprint of their data."""
    task = run.experiment.task
    same = {"path": None if task.fingerprint else task.path, "scale": task.scale or "none", "fingerprint": None}
    return _plain(run.experiment.model_copy(update={"task": task.model_copy(update=same)}))


def by_experiment(runs: Iterable[Run]) -> list[list[Run]]:
    """The runs, the seeds of one experiment on the same data together.

    Raises:
        UserError: Two runs of one experiment have the same seed.
    """
    described = [(run, _essence(run), json.dumps(run.experiment.task.fingerprint or None)) for run in runs]
    known: dict[str, set[str]] = {}
    for _, essence, data in described:
        known.setdefault(essence, set()).add(data)
    groups: dict[tuple[str, str], list[Run]] = {}
    for run, essence, data in described:
        # Runs that do not say what their data were are taken for those that do, if these agree.
        group = groups.setdefault((essence, data if len(known[essence] - {"null"}) > 1 else ""), [])
        for other in group:
            if other.experiment.seed == run.experiment.seed:
                raise UserError(
                    f"seed {run.experiment.seed} is named twice: {other.folder} and {run.folder}; name one of them"
                )
        group.append(run)
    return list(groups.values())
