"""What an organism can be trained on. One file per task, all of them in ``TASKS``.

| task | inputs | outputs | examples |
|---|---|---|---|
| ``multiply`` | x | n·x | drawn |
| ``add`` | x1, x2 | x1 + x2 | drawn |
| ``digits`` | pictures, 8 × 8 unless resized | 10 classes | 1,797, inside scikit-learn |
| ``mnist``, ``fashion_mnist`` | pictures, resized to 15 × 15 | 10 classes | 70,000, four IDX files |
| ``arrays`` | ``X`` | ``y`` | the user's: .npz, .csv, .parquet, .safetensors, IDX files |

Training and test data are the same in every run, whatever its seed. A new task is a file with a ``load``, a ``shape``
and a ``complete`` of its own, and a line in ``TASKS``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import tomli_w

from srnn.choices import Scale
from srnn.errors import UserError, nearest
from srnn.family import Family

if TYPE_CHECKING:
    from srnn.tasks.settings import TaskConfig
    from srnn.tasks.task import Kind, Metric, Task

__all__ = [
    "TASKS",
    "Kind",
    "Metric",
    "Scale",
    "Task",
    "complete",
    "image",
    "load",
    "require_same_data",
    "shape",
]


#: Classes, and bytes of a configuration, up to which their names are recorded: far fewer than may be read of one.
_MOST_RECORDED, _MOST_BYTES = 1_000, 32 * 1024


class _Member(Protocol):
    """What the file of a task says of it; what each takes and gives is told at the functions of this module.

    It may also have an ``image``. Torch is imported in ``load`` alone: the others answer without data, at once.
    """

    def load(self, config: TaskConfig, data_dir: Path | None = None) -> Task: ...

    def shape(self, config: TaskConfig) -> tuple[int, int, int] | None: ...

    def complete(self, config: TaskConfig) -> TaskConfig: ...


#: The task's name in a preset, and its file.
TASKS: Family[_Member] = Family(
    "srnn.tasks",
    {
        "multiply": "multiply",
        "add": "add",
        "digits": "digits",
        "mnist": "mnist",
        "fashion_mnist": "mnist",
        "arrays": "arrays",
    },
)


def __getattr__(name: str) -> Any:
    if name in ("Kind", "Metric", "Task"):  # they bring torch with them
        from srnn.tasks import task

        return getattr(task, name)
    raise AttributeError(f"module 'srnn.tasks' has no attribute {name!r}")


def load(config: TaskConfig, data_dir: Path | None = None) -> Task:
    """Load a task.

    Args:
        config: The section ``[task]`` of a preset.
        data_dir: Where the IDX files of ``mnist`` and ``fashion_mnist`` are, or data of ``arrays`` that were moved;
            the other tasks do not use it.

    Raises:
        UserError: There is no such task, its data are missing or damaged, or others than the configuration recorded.
    """
    member = _member(config.name)
    from srnn.kernels.arithmetic import plain_torch  # torch itself, which nothing else here needs

    with plain_torch():
        task = member.load(config, data_dir).holding_back(config.validation, config.hold_back)
    otherwise = (
        "than task.fingerprint records: bring back those that it was made of, or leave it out to begin with these"
    )
    require_same_data(config.fingerprint, task, otherwise)
    return task


def require_same_data(known: Mapping[str, str] | None, task: Task, otherwise: str) -> None:
    """Refuse data that are not those that are known.

    Args:
        known: Their fingerprint; without one any data will do.
        task: The data.
        otherwise: What the message goes on with, after what has changed: of what it is told, and what to do.

    Raises:
        UserError: They are others.
    """
    if not known:
        return
    from srnn.tasks.fingerprint import difference

    if changed := difference(known, task.fingerprint):
        raise UserError(f"{task.source}: other data ({changed}) {otherwise}")


def shape(config: TaskConfig) -> tuple[int, int, int] | None:
    """Inputs, outputs and training examples of a task, known without its data.

    None for ``arrays`` whose file is missing or damaged: ``load`` says why.

    Raises:
        UserError: There is no such task.
    """
    if (known := _member(config.name).shape(config)) is None:
        return None
    inputs, outputs, examples = known
    return inputs, outputs, examples - (config.validation if config.hold_back else 0)


def image(config: TaskConfig) -> tuple[int, int, int] | None:
    """What an example is as a picture, ``(channels, height, width)``, known without the data; None if unknown."""
    pictured = getattr(_member(config.name), "image", None)
    return None if pictured is None else pictured(config)


def complete(config: TaskConfig, task: Task | None = None) -> TaskConfig:
    """The same task with everything said that ``load`` would fill in, for the record of a run.

    The size of pictures becomes a number, the path of ``arrays`` absolute: the run may be looked at from elsewhere.

    Args:
        config: The section ``[task]`` of a preset.
        task: What was loaded by it; then what its data say is said, too: scale, target, classes and fingerprint.

    Raises:
        UserError: What the data say cannot be recorded, such as a target whose name commands a terminal.
    """
    config = _member(config.name).complete(config)
    if task is None or config.fingerprint == {}:  # an older srnn's run goes on as one
        return config
    classes = list(task.classes or ()) or None
    if classes and (len(classes) > _MOST_RECORDED or len(tomli_w.dumps({"": classes}).encode()) > _MOST_BYTES):
        classes = None
    said: dict[str, Any] = {"target": task.target, "scale": task.scale, "classes": classes}
    said["fingerprint"] = dict(task.fingerprint) or None
    try:
        return type(config).read({**config.model_dump(), **said})  # not copied: a run that cannot be read is none
    except UserError as error:
        raise UserError(f"{task.source}: cannot be recorded: task.{error}") from None


def _member(name: str) -> _Member:
    if name not in TASKS:
        raise UserError(f"task.name is {name!r}; allowed: {', '.join(TASKS)}{nearest(name, TASKS)}")
    return TASKS[name]
