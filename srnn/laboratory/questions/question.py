"""What every question is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from srnn.laboratory.subject import Subject

Frames = dict[str, pd.DataFrame]
#: What makes a figure of a data frame; further arguments, such as the title, may be left out.
Drawing = Callable[..., Figure]


@dataclass(frozen=True)
class Question:
    """One question of the laboratory.

    Attributes:
        about: What is asked, in a line.
        answer: The data frames that answer it, by the name of their result file.
        figures: Name of the figure → the result it shows, and what draws it.
        exports: Other files of an answer: name → the result it holds, and what writes it.
        per_run: Whether one run is drawn, not the mean of several.
        trains: Whether the answer takes training of its own: then it is asked only by name.
    """

    about: str
    answer: Callable[[Subject], Frames]
    figures: Mapping[str, tuple[str, Drawing]]
    exports: Mapping[str, tuple[str, Callable[[pd.DataFrame, Path], None]]] = field(default_factory=dict)
    per_run: bool = False
    trains: bool = False
