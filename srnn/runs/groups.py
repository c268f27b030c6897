"""Runs together: the seeds of one experiment, and in what two experiments differ."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from srnn.bodies.module import ModuleConfig
from srnn.errors import UserError, option
from srnn.experiment import Experiment
from srnn.files import is_file
from srnn.untrusted import expanded

if TYPE_CHECKING:
    from srnn.bodies.module import Body
    from srnn.runs.run import Run

#: What a sweep is to do, in its folder.
PLAN = "plan.json"


def open_runs(folders: Iterable[str | os.PathLike[str]], body: Body | None = None) -> list[Run]:
    """The runs in these folders, each once.

    A folder of seeds (``runs/digits``) stands for all of them, that of a comparison (``runs/trade-off``) for all of its
    variants, that of a study of pruning for all of its branches, that of a sweep for all of its points, and a folder of
    such folders (``runs``) for all of these.

    Args:
        folders: The folders.
        body: The class of their body, or its import path, for those whose body is not srnn's own.

    Raises:
        UserError: A folder holds no run; or no run has a body that had to be named.
    """
    from srnn.runs.run import Run

    runs: list[Run] = []
    for folder in map(expanded, folders):
        if is_comparison(folder):
            names = [one.name for one in Experiment.from_toml(folder / "config.toml").expand().values()]
            found = [run for name in names for run in _seeds(folder.absolute().parent / name)]
            if not found:
                raise UserError(f"{folder} is a comparison of which nothing is trained yet")
            runs += found
            continue
        found = _found(folder)
        if not found and (planned := sweeps_in([folder])):
            one = planned[0]
            raise UserError(f"{one} is a sweep of which no run has begun: srnn sweep {one} begins them")
        runs += found or [Run.open(folder)]
    # A run named twice must not count as two seeds.
    opened = [Run(run.folder, body) for run in {run.folder.resolve(): run for run in runs}.values()]
    if body is not None and not any(isinstance(run.experiment.body, ModuleConfig) for run in opened):
        kinds = ", ".join(dict.fromkeys(run.experiment.body.name for run in opened))
        raise UserError(f"{option('body')}: the body of these runs is srnn's own ({kinds}): leave it out")
    return opened


def is_sweep(folder: Path) -> bool:
    """Whether a folder is that of a sweep: it says what is to be done, or was to before that was lost."""
    if is_file(folder / PLAN) and is_file(folder / "config.toml"):
        return True
    experiment = _of_several(folder)
    return experiment is not None and bool(experiment.sweep.over)


def sweeps_in(folders: Iterable[Path]) -> list[Path]:
    """The folders of sweeps among these, and among those that a folder of experiments holds."""
    found: list[Path] = []
    for folder in folders:
        if is_sweep(folder):
            found.append(folder)
        elif not is_file(folder / "config.toml"):
            with suppress(OSError):  # which whoever opens it tells
                found += filter(is_sweep, sorted(folder.iterdir()))
    return found


def only_planned(folder: Path) -> bool:
    """Whether all that a folder holds are sweeps of which no run has begun."""
    return bool(sweeps_in([folder])) and not _found(folder)


def is_comparison(folder: Path) -> bool:
    """Whether a folder is that of a comparison: what it says to be has variants."""
    experiment = _of_several(folder)
    return experiment is not None and bool(experiment.comparison.variants)


def is_study(folder: Path) -> bool:
    """Whether a folder is that of a study of pruning."""
    experiment = _of_several(folder)
    return experiment is not None and experiment.pruning.asked


def _of_several(folder: Path) -> Experiment | None:
    """What a folder says to be that is not of a single run; None if it is, or says nothing."""
    if not is_file(folder / "config.toml") or is_file(folder / "status.json"):
        return None
    with suppress(UserError):
        return Experiment.from_toml(folder / "config.toml")
    return None


def names_apart(groups: Sequence[Sequence[Run]]) -> list[str]:
    """A name for each experiment: its own or, where two have the same, with that of the folder that it is in."""
    names = [runs[0].experiment.name for runs in groups]
    # Without the root, which is no name.
    places = [runs[0].folder.resolve().parent.parent.parts[1:] for runs in groups]
    for parts in range(1, 5):
        twice = {name for name in names if names.count(name) > 1}
        if not twice:
            return names
        names = [
            "-".join([*place[-parts:], runs[0].experiment.name]) if name in twice else name
            for name, place, runs in zip(names, places, groups, strict=True)
        ]
    # Of the same folder, and of different settings: told apart by their order.
    return [
        name if names.count(name) == 1 else f"{name}-{names[:place].count(name) + 1}"
        for place, name in enumerate(names)
    ]


def _seeds(folder: Path) -> list[Run]:
    """The runs of a folder of seeds, in their order."""
    from srnn.runs.run import Run

    # A name that is too long to be one: Run.open tells.
    with suppress(OSError):
        seeds = [path.parent for path in folder.glob("seed-*/config.toml")]
        return [Run(seed) for seed in sorted(seeds, key=lambda seed: (len(seed.name), seed.name))]
    return []


def _found(folder: Path) -> list[Run]:
    """The runs in a folder that is none itself."""
    return _parts(folder) if is_sweep(folder) or is_study(folder) else _seeds(folder) or _below(folder)


def _below(folder: Path) -> list[Run]:
    """The runs of a folder of experiments, of sweeps or of studies among them, which is no run itself."""
    with suppress(OSError):
        if not is_file(folder / "config.toml"):
            several = {below: is_sweep(below) or is_study(below) for below in sorted(folder.iterdir())}
            return [run for below, parts in several.items() for run in (_parts(below) if parts else _seeds(below))]
    return []


def _parts(folder: Path) -> list[Run]:
    """The runs of all points of a sweep, or branches of a study."""
    return [run for below in sorted(folder.iterdir()) for run in _seeds(below)]


def same_experiment(one: Experiment, other: Experiment) -> bool:
    """Whether two experiments differ in nothing but their seed, versions and the texts about them.

    The same data may lie elsewhere. Of an experiment that is still to be run, it is not known yet what its data are,
    nor, unless it says so, how they are scaled or what their target is: then they are taken for the same.
    """
    return first_difference(one, other) is None


def first_difference(one: Experiment, other: Experiment) -> tuple[str, object, object] | None:
    """The first setting in which two experiments differ, dotted, with both values; as :func:`same_experiment`."""
    tasks = (one.task, other.task)
    said = ("scale", "target", "classes")
    unknown = {f"task.{key}" for key in said if None in (getattr(task, key) for task in tasks)}
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
    of_no_effect = {"seed": 0, "versions": {}, "about": "", "duration": ""}
    start = experiment.start.model_copy(update={"began": {}})
    return experiment.model_copy(update={**of_no_effect, "start": start}).model_dump_json()


def _essence(run: Run) -> str:
    """What runs of one experiment have in common, but for the fingerprint of their data."""
    task = run.experiment.task
    same = {
        "path": None if task.fingerprint else task.path,
        "scale": task.scale or "none",
        "classes": None,
        "fingerprint": None,
    }
    return _plain(run.experiment.model_copy(update={"task": task.model_copy(update=same)}))


def by_experiment(runs: Iterable[Run]) -> list[list[Run]]:
    """The runs, the seeds of one experiment on the same data together; those of one sweep are no other's.

    Raises:
        UserError: Two runs of one experiment have the same seed.
    """
    described = [(run, _essence(run), json.dumps(run.experiment.task.fingerprint or None)) for run in runs]
    known: dict[str, set[str]] = {}
    for _, essence, data in described:
        known.setdefault(essence, set()).add(data)
    groups: dict[tuple[str, str, str], list[Run]] = {}
    sweep_of = cache(lambda folder: str(folder) if is_sweep(folder) else "")
    for run, essence, data in described:
        # Runs that do not say what their data were are taken for those that do, if these agree.
        sweep = sweep_of(run.folder.resolve().parent.parent)
        group = groups.setdefault((essence, data if len(known[essence] - {"null"}) > 1 else "", sweep), [])
        for other in group:
            if other.experiment.seed == run.experiment.seed:
                raise UserError(
                    f"seed {run.experiment.seed} is named twice: {other.folder} and {run.folder}; name one of them"
                )
        group.append(run)
    return list(groups.values())
