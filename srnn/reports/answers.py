"""What the runs were asked before: the tables in their ``results/``, as means over the seeds, and charts of some."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import pandas as pd

from srnn.analysis.dropout import REFERENCES
from srnn.errors import UserError, shorten
from srnn.files import is_file
from srnn.laboratory.ask import summarize
from srnn.laboratory.questions import QUESTIONS
from srnn.laboratory.questions.question import Summary
from srnn.reports.overview import Groups
from srnn.reports.render import as_json
from srnn.reports.section import Chart, Menu, Section
from srnn.runs.records import explained
from srnn.runs.run import Run
from srnn.untrusted import require_file

#: Bytes of a table that is read.
_LARGEST: Final = 64 * 1024**2
#: Answered from the run itself, in sections of their own.
_ELSEWHERE: Final = ("connectivity", "trajectories")
#: Tables of a single seed that are no means but are told all the same.
_AS_THEY_ARE: Final[Mapping[str, Sequence[str]]] = {
    "usefulness": ("usefulness_layers", "usefulness_types"),
    "baselines": ("baselines_sizes",),
}


def answers(groups: Groups) -> list[Section]:
    """A section for each question that one of the experiments was asked, and a last one that names the others."""
    sections, unasked = [], []
    for name, question in QUESTIONS.items():
        if name in _ELSEWHERE:
            continue
        section = Section(name, name.capitalize(), question.about)
        for result, summary in question.summaries.items():
            parts = []
            for group, runs in groups.items():
                with _left_out_if_damaged(section, group, result):
                    if (frame := _read(runs, result)) is not None:
                        told = _told(frame, result, summary, group)
                        _require_shown(_added(Section(name, "", ""), result, told))
                        parts.append(told)
            if parts:
                _added(section, result, pd.concat(parts, ignore_index=True))
        if section.tables:
            _as_they_are(section, groups, _AS_THEY_ARE.get(name, ()))
        if section.tables or section.notes:
            sections.append(section)
        else:
            unasked.append(name)
    if unasked:
        note = f"{', '.join(unasked)}: ask with srnn analyze RUN --only QUESTION, and make the report again."
        sections.append(
            Section("unasked", "Not asked", "Questions that nobody has asked these runs yet.", notes=[note])
        )
    return sections


@contextmanager
def _left_out_if_damaged(section: Section, group: str, result: str) -> Iterator[None]:
    """Do without a table that is damaged, and say so."""
    try:
        yield
    except UserError as error:
        section.notes.append(f"{group}: {error}")
    except Exception as error:  # whatever a stranger's numbers make of pandas: the rest of the report is none the worse
        section.notes.append(f"{group}: results/{result}.csv is not as srnn writes it: {shorten(str(error), 200)}")


def _told(frame: pd.DataFrame, result: str, summary: Summary, group: str) -> pd.DataFrame:
    """The means of a result over the seeds of an experiment, which is named in the first column."""
    if frame.empty:
        raise UserError(f"results/{result}.csv has no rows")
    told = summarize(frame, summary)
    if told.empty:
        raise ValueError("it has no complete row")
    told.insert(0, "Experiment", group)
    return told


def _added(section: Section, result: str, told: pd.DataFrame) -> Section:
    """The section, with a table and its charts."""
    title = result.replace("_", " ").capitalize()
    section.tables[title] = told
    if result in _CHARTS:
        _CHARTS[result](section, title, told)
    return section


def _require_shown(section: Section) -> None:
    """Make sure that a page can hold it.

    Raises:
        TypeError, ValueError: It cannot.
    """
    as_json([section])


def _read(runs: Sequence[Run], result: str) -> pd.DataFrame | None:
    """A result of every seed that has it, one below the other, with a column Seed.

    Raises:
        UserError: A file is damaged, too large or none.
    """
    frames = []
    for run in runs:
        path = run.folder / "results" / f"{result}.csv"
        if is_file(path):
            with explained(path):
                if (size := require_file(path)) > _LARGEST:
                    raise UserError(f"{path} has {size:,} bytes; at most {_LARGEST:,} are read")
                with path.open("rb") as file:
                    frames.append(pd.read_csv(file).assign(Seed=run.experiment.seed))
    # What is empty has no numbers: beside it those of other seeds would be none either.
    frames = [frame for frame in frames if not frame.empty] or frames
    return pd.concat(frames, ignore_index=True) if frames else None


def _as_they_are(section: Section, groups: Groups, results: Sequence[str]) -> None:
    for result in results:
        for group, runs in groups.items():
            with _left_out_if_damaged(section, group, result):
                if (frame := _read(runs, result)) is not None:
                    title = f"{result.replace('_', ' ').capitalize()} of {group}"
                    _require_shown(Section("", "", "", tables={title: frame}))
                    section.tables[title] = frame


def _for_each(
    section: Section,
    title: str,
    told: pd.DataFrame,
    kind: str,
    spec: Mapping[str, Any],
    where: Mapping[str, str] | None = None,
    what: str = "",
) -> None:
    """A chart for each experiment."""
    for group, own in told.groupby("Experiment", sort=False):
        count = int(own["Seeds"].max())
        seeds = f"{count} seed{'s' if count > 1 else ''}"
        named = ", ".join(filter(None, [str(group), what, seeds]))
        section.charts.append(
            Chart(named, kind, {"frame": title, "where": {"Experiment": group, **(where or {})}, **spec})
        )


def _menu(section: Section, told: pd.DataFrame, column: str, label: str, first: Sequence[str] = ("total",)) -> None:
    choices = [str(value) for value in told[column].unique()]
    section.menus.append(Menu(column, label, sorted(choices, key=lambda one: one not in first)))


def _thinning(section: Section, title: str, told: pd.DataFrame) -> None:
    _menu(section, told, "Layer", "layer")
    edges = ["live_type", "live_weight", "live_signal", "on_paths"]
    structure = ["paths_share", "units_without_output", "units_without_input", "gini"]
    for what, order in (("live edges", edges), ("structure", structure)):
        spec = {"x": "Epoch", "series": "Metric", "order": order, "share": True}
        _for_each(section, title, told, "lines", spec, what=what)


def _dropout(section: Section, title: str, told: pd.DataFrame) -> None:
    _menu(section, told, "Scope", "in layer")
    _menu(section, told, "Type", "dropped", ("identity",))
    rows = {"Before": "nothing", "After": "all of the type", **REFERENCES}
    bars = "95 % intervals over the seeds; of a single seed, the range of 95 % of the choices"
    said = f"{told['Metric'].iloc[0]} on test data; bars: {bars}"
    spec = {
        "by": "Quantity",
        "rows": list(rows.items()),
        "marked": ["Before", "After"],
        "guide": "Before",
        "said": said,
    }
    _for_each(section, title, told, "intervals", spec)


def _pruning(section: Section, title: str, told: pd.DataFrame) -> None:
    spec = {"x": "Share", "series": "Order", "order": list(told["Order"].unique()), "share": True}
    _for_each(section, title, told, "lines", spec, {"Quantity": "Score"}, f"{told['Metric'].iloc[0]} on test data")


def _usefulness(section: Section, title: str, told: pd.DataFrame) -> None:
    _menu(section, told, "Layer", "layer")
    spec = {"x": "Epoch", "series": "State", "order": ["dead", "unclear", "useful", "harmful"]}
    _for_each(section, title, told, "areas", spec)


def _baselines(section: Section, title: str, told: pd.DataFrame) -> None:
    _menu(section, told, "Metric", "figure", ("test_accuracy", "test_mae"))
    spec = {"x": "Epoch", "series": "Network", "order": list(told["Network"].unique())}
    _for_each(section, title, told, "lines", spec)


#: Result → its charts.
_CHARTS: Final[Mapping[str, Callable[[Section, str, pd.DataFrame], None]]] = {
    "thinning": _thinning,
    "dropout": _dropout,
    "pruning": _pruning,
    "usefulness_states": _usefulness,
    "baselines": _baselines,
}
