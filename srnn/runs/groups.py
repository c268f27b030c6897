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
    """Whether two experiments differ in nothing but their seed, versions and the texts about them."""
    return _essence(one) == _essence(other)


def first_difference(one: Experiment, other: Experiment) -> tuple[str, object, object] | None:
    """The first setting in which two experiments differ, dotted, with both values; as :func:`same_experiment`."""
    ours, theirs = (_settings(json.loads(_essence(experiment))) for experiment in (one, other))
    # Not all have the same settings: the variants of a comparison are named by each.
    keys = dict.fromkeys([*ours, *theirs])
    return next(((key, ours.get(key), theirs.get(key)) for key in keys if ours.get(key) != theirs.get(key)), None)


def _settings(values: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    settings: dict[str, object] = {}
    for key, value in values.items():
        settings |= _settings(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return settings


def _essence(experiment: Experiment) -> str:
    return experiment.model_copy(update={"seed": 0, "versions": {}, "about": "", "duration": ""}).model_dump_json()


def by_experiment(runs: Iterable[Run]) -> list[list[Run]]:
    """The runs, the seeds of one experiment together.

    Raises:
        UserError: Two runs of one experiment have the same seed.
    """
    groups: dict[str, list[Run]] = {}
    for run in runs:
        group = groups.setdefault(_essence(run.experiment), [])
        for other in group:
            if other.experiment.seed == run.experiment.seed:
                raise UserError(
                    f"seed {run.experiment.seed} is named twice: {other.folder} and {run.folder}; name one of them"
                )
        group.append(run)
    return list(groups.values())
