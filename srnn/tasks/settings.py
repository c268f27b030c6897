"""What an experiment says of its task."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from srnn.choices import Scale
from srnn.errors import shorten
from srnn.section import Count, Section, Text
from srnn.tasks import TASKS
from srnn.untrusted import as_text

if TYPE_CHECKING:
    TaskName = str
else:  # for pydantic, which checks the name when it reads an experiment
    TaskName = Literal[tuple(TASKS)]


class TaskConfig(Section):
    """What the organism learns."""

    name: TaskName = "digits"
    """One of the data sets, or ``arrays`` for your own."""
    size: Annotated[int, Field(ge=2, le=28)] | None = None
    """Images are resized to size × size; without one, 8 for digits and 15 for mnist and fashion_mnist."""
    path: Text | None = None
    """The data of the task ``arrays``: an .npz or .safetensors with X and y, a table as .csv, .tsv or .parquet, or a
    folder of IDX files as of MNIST. Where it is set, no name need be."""
    target: Text | None = None
    """Of a table the column that is learnt; without one ``y``, ``target``, ``label`` or ``class``, else the last."""
    scale: Scale | None = None
    """What X is brought to, as fitted on the training data, and with it what a regression learns: ``standard``, mean 0
    and standard deviation 1 in each column; ``unit``, 0 to 1; ``none``, as it is. Without one, of ``arrays`` tables are
    ``standard`` and pictures ``unit``; the other tasks are ``none``."""
    factor: Annotated[float, Field(ge=-1e30, le=1e30)] = 0.03
    """n of the task ``multiply``, y = n·x."""
    samples: Count = 1_000
    """Training samples of the tasks ``multiply`` and ``add``."""
    validation: Annotated[int, Field(ge=0, le=100_000_000)] = 0
    """Training examples that are held back, the last ones: what is measured of them decides when to stop and what to
    choose, so that test data need be looked at once. Where data are scaled, that is still fitted with them."""
    hold_back: bool = True
    """Whether they are; false: they are measured, and trained on as well."""
    classes: Annotated[list[Text], Field(max_length=1_000)] | None = None
    """What the classes of ``arrays`` are called, in the order of the outputs: recorded by a run, where they are not
    0, 1, 2 …"""
    fingerprint: dict[str, Text] | None = None
    """Type, shape and SHA-256 of the data: recorded by a run, which goes on with no others. Empty if the run is of an
    srnn that did not record it."""

    @model_validator(mode="before")
    @classmethod
    def _of_path(cls, values: Any) -> Any:
        return {"name": "arrays", **values} if isinstance(values, dict) and values.get("path") else values

    @field_validator("path", mode="before")
    @classmethod
    def _any_path(cls, path: Any) -> Any:
        """A path may be of any kind, and of bytes that are not text; none at all is an oversight."""
        if isinstance(path, str | bytes) and not path:
            raise ValueError(
                "task.path is empty, as of a shell variable that is not set; allowed: the path of a file or folder of "
                "data: name one, or leave task.path out"
            )
        paths = isinstance(path, bytes | os.PathLike)
        return as_text(path) if paths or (isinstance(path, str) and not _is_unicode(path)) else path

    @model_validator(mode="after")
    def _needs_path(self) -> Self:
        if self.name == "arrays" and not self.path:
            raise ValueError('task.name "arrays" needs the data: set task.path to a file or folder')
        if self.name != "arrays" and self.path:
            raise ValueError(
                f"task.path is {shorten(repr(self.path))}, which only the task arrays reads, and task.name is "
                f"'{self.name}': set task.name to arrays, or leave task.path out"
            )
        if self.name != "arrays" and self.target is not None:
            raise ValueError(
                f"task.target is {shorten(repr(self.target))}, a column of a table that task.path names, and task.name "
                f"is '{self.name}': set task.path, or leave task.target out"
            )
        return self

    def replaced(self, values: Any, changed: set[str]) -> None:
        """Let nothing remain of these data among the values of this section where ``--set`` has named others.

        Args:
            values: The section as plain values, with what was set; it is changed in place.
            changed: The keys that were set, dotted.
        """
        if not isinstance(values, dict):
            return
        if values["path"] and "task.path" in changed and "task.name" not in changed:
            values["name"] = "arrays"
        if values["name"] != "arrays" and "task.name" in changed and "task.path" not in changed:
            values["path"] = None
        if values["name"] == "arrays" != self.name and "task.size" not in changed:
            values["size"] = None
        of_others = set[str]()
        if (values["name"], values["path"]) != (self.name, self.path):
            of_others = {"target", "classes", "fingerprint"}
        elif values["target"] != self.target:
            of_others = {"classes", "fingerprint"}
        for key in of_others - {one.removeprefix("task.") for one in changed}:
            values[key] = None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
