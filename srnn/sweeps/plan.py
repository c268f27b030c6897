"""What a sweep is to do, point by point: ``plan.json``, written before any work."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, log
from pathlib import Path
from typing import Any

from srnn.errors import UserError, shorten
from srnn.experiment import Experiment, folder_name
from srnn.files import write_whole
from srnn.runs.groups import PLAN
from srnn.section import unknown
from srnn.settings import RangeConfig, SweepConfig
from srnn.untrusted import require_file

#: Points of a grid.
_MOST = 10_000
#: Bytes of a plan that is read.
_LARGEST = 64 * 1024**2
#: What is the same at all points.
_FIXED = ("name", "seed", "about", "duration", "comparison", "pruning", "sweep", "versions")
#: Digits of a number that is drawn, so that it can be told and written down.
_DIGITS = 4
#: Characters of a point's name, and of its hash in one that tells too little of it.
_LONGEST, _HASH = 60, 8
#: Combinations among which one is looked for that is an experiment.
_TRIED = 200

#: What stands for the sweep in the hash of a point: how seeds are shared out is none of its settings.
_ALONE = SweepConfig().model_copy(update={"seeds_per_task": 1})

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Point:
    """One point of a sweep.

    Attributes:
        name: Of its folder, ``alpha-0.1-hidden-3``.
        settings: Dotted, in which it differs from the others.
        digest: Of all of its settings but for seeds: SHA-256.
    """

    name: str
    settings: dict[str, Any]
    digest: str

    @property
    def key(self) -> str:
        """Its settings, as the same point has them whenever it is planned: its name and its hash may be others then."""
        return key_of(self.settings)


def key_of(settings: Settings) -> str:
    """What tells settings apart from all others, in whatever order they are named."""
    return _written(dict(sorted(settings.items())))


def point_of(experiment: Experiment, settings: Settings) -> tuple[Point, Experiment]:
    """A point of a sweep, and what is run there.

    Raises:
        UserError: It is no experiment.
    """
    for key in settings:
        if key.partition(".")[0] in _FIXED:
            raise UserError(
                f"sweep.over.{shorten(key)}: {key.partition('.')[0]} is the same at all points: leave it out"
            )
    alone = experiment.model_copy(update={"sweep": SweepConfig()})
    told = ", ".join(f"{key} = {_written(value)}" for key, value in settings.items())
    try:
        there = alone.override([f"{key}={_toml(value)}" for key, value in settings.items()])
    except UserError as error:
        raise UserError(f"sweep.over, at {shorten(told)}: {error}") from None
    same = {"name": "point", "seed": 0, "about": "", "duration": "", "versions": {}, "sweep": _ALONE}
    digest = hashlib.sha256(there.model_copy(update=same).model_dump_json().encode()).hexdigest()
    name = _name(settings, digest)
    return Point(name, dict(settings), digest), there.model_copy(update={"name": name})


def _name(settings: Settings, digest: str) -> str:
    last = [key.rpartition(".")[2] for key in settings]
    words = [key if last.count(own) > 1 else own for key, own in zip(settings, last, strict=True)]
    plain = "-".join(f"{word}-{_written(value)}" for word, value in zip(words, settings.values(), strict=True))
    name = folder_name(plain)
    if name == plain and len(plain) <= _LONGEST:
        return name
    return f"{name[: _LONGEST - _HASH - 1].rstrip('._-')}-{digest[:_HASH]}"


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _toml(value: Any) -> str:
    # TOML has no pairs of surrogates, by which JSON writes what is not of the first 65,536 characters.
    return json.dumps(value, ensure_ascii=False)


def named_apart(point: Point, others: Iterable[Point]) -> Point:
    """The point, with its hash in its name where another has that: dashes in texts may make one name of two."""
    if any(other.name == point.name and other.key != point.key for other in others):
        return replace(point, name=f"{point.name}-{point.digest[:_HASH]}")
    return point


def planned(experiment: Experiment) -> list[Point]:
    """The points of a grid or random sweep.

    Raises:
        UserError: There is none, there are too many, or one is no experiment.
    """
    over = experiment.sweep.over
    if not over:
        raise UserError(f"{experiment.name} has no [sweep.over]: name there which settings take which values")
    require_settings(experiment)
    choices = _grid(over) if experiment.sweep.method == "grid" else _drawn(experiment.sweep)
    points = [point_of(experiment, settings)[0] for settings in choices]
    names: dict[str, str] = {}
    for point in points:
        if names.setdefault(point.digest, point.name) != point.name:
            raise UserError(
                f"sweep.over: {names[point.digest]} and {point.name} are the same experiment: leave one out"
            )
    by_name: dict[str, list[Point]] = {}
    for point in points:
        by_name.setdefault(point.name, []).append(point)
    return [named_apart(point, by_name[point.name]) for point in points]


def require_settings(experiment: Experiment) -> None:
    """Raise UserError unless all that is swept over is a setting."""
    for key in experiment.sweep.over:
        section = key.partition(".")[0]
        if section not in type(experiment).model_fields:
            raise UserError(f"sweep.over: {unknown(type(experiment), key)}")


def require_possible(experiment: Experiment) -> None:
    """Make sure that each value that is named, and each end of a range, is an experiment beside some of the others.

    Raises:
        UserError: It is not; or what is swept over is no setting.
    """
    require_settings(experiment)
    over = experiment.sweep.over
    named = {key: [one.low, one.high] if isinstance(one, RangeConfig) else one for key, one in over.items()}
    for key, values in named.items():
        for value in values:
            _require_some(experiment, {**named, key: [value]})


def _require_some(experiment: Experiment, named: Mapping[str, Sequence[Any]]) -> None:
    first: UserError | None = None
    for values in itertools.islice(itertools.product(*named.values()), _TRIED):
        try:
            point_of(experiment, dict(zip(named, values, strict=True)))
        except UserError as error:
            first = first or error
        else:
            return
    assert first is not None
    raise first


def _grid(over: Mapping[str, Any]) -> Iterable[Settings]:
    count = 1
    for values in over.values():
        count *= len(values)
    if count > _MOST:
        raise UserError(f"sweep.over has {count:,} points; allowed: up to {_MOST:,}")
    return (dict(zip(over, values, strict=True)) for values in itertools.product(*over.values()))


def _drawn(sweep: SweepConfig) -> Iterable[Settings]:
    """Points drawn at random, each once: as many as are asked for, or fewer if there are no more."""
    import torch

    generator = torch.Generator().manual_seed(sweep.seed)
    found: dict[str, Settings] = {}
    for _ in range(100 * sweep.points):
        settings = {
            key: between(values, float(torch.rand((), generator=generator, dtype=torch.float64)))
            if isinstance(values, RangeConfig)
            else values[int(torch.randint(len(values), (), generator=generator))]
            for key, values in sweep.over.items()
        }
        found.setdefault(json.dumps(settings), settings)
        if len(found) == sweep.points:
            break
    return found.values()


def between(values: RangeConfig, share: float) -> int | float:
    """The number of a range that is above a share (from 0 to below 1) of it."""
    low, high = values.low, values.high
    if whole := isinstance(low, int) and isinstance(high, int):
        high += 1
    drawn = exp(log(low) + share * (log(high) - log(low))) if values.log else low + share * (high - low)
    return min(int(drawn), values.high) if whole else rounded(drawn, values)


def rounded(number: float, values: RangeConfig) -> float:
    """With so many digits as can be told, inside a range."""
    return float(min(max(float(f"{number:.{_DIGITS}g}"), values.low), values.high))


def write_plan(folder: Path, sweep: SweepConfig, points: Collection[Point]) -> None:
    """Write down what a sweep is to do."""
    values = {
        "seeds": sweep.all_seeds,
        "seeds_per_task": max(map(len, sweep.seeds_together(len(points)))),
        "points": [{"name": one.name, "settings": one.settings, "hash": one.digest} for one in points],
    }
    write_whole(folder / PLAN, (json.dumps(values, indent=2) + "\n").encode())


def read_plan(folder: Path) -> list[Point]:
    """The points of a sweep.

    Raises:
        UserError: The file is missing or damaged.
    """
    path = folder / PLAN
    try:
        if require_file(path) > _LARGEST:
            raise ValueError("it is too large")
        points = [
            Point(str(one["name"]), dict(one["settings"]), str(one["hash"]))
            for one in json.loads(path.read_text("utf-8"))["points"]
        ]
        for point in points:
            if point.name != folder_name(point.name):
                raise ValueError(f"{shorten(repr(point.name))} is not the name of a point")
        return points
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run the sweep again from its file") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{path} is damaged: {error}; run the sweep again from its file") from None
