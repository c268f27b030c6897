"""A study of pruning: a trunk and its branches are run, and what became of each is told beside the trunk.

All of it is in one folder: ``config.toml`` is the experiment with its ``[pruning]``, each run is ``BRANCH/seed-S``, and
``results/`` and ``figures/`` tell of all. Killed at whatever moment, it goes on: a run that has ended is left as it is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from srnn.analysis import rounds
from srnn.analysis.densities import densities
from srnn.analysis.rounds import DENSE, KEYS
from srnn.errors import StoppedError, UserError
from srnn.experiment import Experiment
from srnn.files import is_file, write_whole
from srnn.laboratory.beginning import require_all_can_begin
from srnn.laboratory.branches import SCORED, Branch, branches
from srnn.laboratory.compare import begun
from srnn.plots import rounds as draw
from srnn.plots.style import save
from srnn.runs.groups import is_study, open_runs
from srnn.runs.masks import kept_of
from srnn.runs.records import explained
from srnn.runs.run import Run, figures
from srnn.runs.start import can_begin
from srnn.shown import Rows, Shown, figure
from srnn.untrusted import expanded, require_file

_KEYS: dict[str, Any] = {"By": str, "Round": int, "Control": str}
_ENDS = ("Mean", "Low", "High", "Difference", "Difference low", "Difference high")
#: Columns of the tables that are shown of them, with their types.
_COLUMNS: dict[str, dict[str, Any]] = {
    "branches": {"Seed": int, **_KEYS, "Metric": str, "Density": float, "End score": float},
    "layers": {"Seed": int, **_KEYS, "Layer": str, "Density": float},
    "summary": {**_KEYS, "Quantity": str, **dict.fromkeys(_ENDS, float)},
}
#: Told how many runs are done, of how many, and the name of the next.
Watch = Callable[[int, int, str], None]


class Study(Shown, list[Run]):
    """The runs of a study of pruning, and what became of them.

    Attributes:
        folder: Where all is.
        experiment: What has the ``[pruning]``.

    Example:
        >>> study = srnn.laboratory.study.Study.open("runs/tickets")  # doctest: +SKIP
        >>> study.summary.query("Quantity == 'Test score'")  # doctest: +SKIP
    """

    def __init__(self, folder: Path, experiment: Experiment, runs: Sequence[Run]) -> None:
        super().__init__(runs)
        self.folder, self.experiment = folder, experiment

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> Study:
        """The study in that folder.

        Raises:
            UserError: The folder is missing or is not that of a study.
        """
        folder = expanded(folder)
        if not is_study(folder):
            raise UserError(f"{folder} is not the folder of a study of pruning; name one such as runs/tickets")
        return cls(folder, Experiment.from_toml(folder / "config.toml"), open_runs([folder]))

    @cached_property
    def branches(self) -> pd.DataFrame:
        """A row for each seed of each branch; the columns are explained in ``docs/data-dictionary.md``.

        Raises:
            UserError: The study has not ended yet, or the file is damaged.
        """
        return self._result("branches")

    @cached_property
    def layers(self) -> pd.DataFrame:
        """What each branch keeps of each layer, likewise."""
        return self._result("layers")

    @cached_property
    def summary(self) -> pd.DataFrame:
        """What became of each branch over the seeds: :func:`srnn.analysis.rounds.summary`."""
        return self._result("summary")

    @property
    def figures(self) -> list[Path]:
        """The figures, by name."""
        return figures(self.folder)

    def _line(self) -> str:
        return f"Study({str(self.folder)!r}: {len(self)} runs)"

    def _shown(self) -> tuple[str, Rows]:
        found = self.summary[self.summary["Quantity"] == "End score"]
        rows = [("branch", "test score", "seeds")]
        for by, number, control, mean, seeds in found[[*KEYS, "Mean", "Seeds"]].itertuples(index=False, name=None):
            rows.append((" ".join(filter(None, (by, str(number or ""), control))), figure(float(mean)), str(seeds)))
        return str(self.folder), rows

    def _result(self, name: str) -> pd.DataFrame:
        path = self.folder / "results" / f"{name}.csv"
        if not is_file(path):
            raise UserError(f"{path} is missing: {self.experiment.name} has not ended yet; go on with it")
        with explained(path):
            require_file(path)
            with path.open("rb") as file:
                frame = pd.read_csv(file, dtype=_COLUMNS[name])
            # All that is told of must be there.
            frame[[*_COLUMNS[name]]]
            return frame.fillna({"By": ""})


def run_study(
    run: Callable[..., list[Run]],
    experiment: Experiment,
    out: Path,
    seeds: Sequence[int],
    *,
    resume: bool,
    data_dir: Path | None,
    device: str = "cpu",
    image_format: str | None,
    stop: Callable[[], bool],
    watch: Watch = lambda done, total, name: None,
    **options: Any,
) -> Study:
    """Run a study: its trunk and its branches, one after the other, and tell what became of them.

    No seed is left out. What another run marks is as its weights are in the end, even if it diverged: a particle that
    did is dropped last. A branch that cannot begin, because what it begins from diverged before, is as good as that.
    What answers nothing in the end is as accurate as a guess.

    Args:
        run: :func:`srnn.run`, by which a single experiment is run; the other arguments are its own.
        experiment: With ``[pruning]``.
        out: As for ``run``, and so are all that follow, but for ``watch``.
        watch: Told before each run.
    """
    every = branches(experiment, (out / experiment.name).resolve())
    places = [out / experiment.name / branch.experiment.name for branch in every]
    runs: dict[str, list[Run]] = {}
    common: dict[str, Any] = {"resume": resume, "data_dir": data_dir, "device": device}
    with begun(experiment, out, places) as folder:
        first = [branch.experiment for branch in every if not branch.experiment.start.run]
        require_all_can_begin(first, folder, seeds, **common)
        for done, branch in enumerate(every):
            if done and stop():
                raise StoppedError("a study was asked to stop before all of its branches were trained")
            name = branch.experiment.name
            watch(done, len(every), name)
            able = [seed for seed in seeds if _can_begin(branch, runs, seed)]
            # Their own figures would be a hundred, of which nobody looks at one.
            own: dict[str, Any] = {"image_format": None, "stop": stop, **common, **options}
            runs[name] = run(branch.experiment, folder, seeds=able, **own) if able else []
        watch(len(every), len(every), "")
        _tell({branch.experiment.name: branch for branch in every}, runs, folder, image_format)
    return Study(folder, experiment, [one for own in runs.values() for one in own])


def _can_begin(branch: Branch, runs: Mapping[str, Sequence[Run]], seed: int) -> bool:
    """Whether a seed of a branch has what it begins from: the trunk begins from nothing."""
    start = branch.experiment.start
    sources = [Path(path).name for path in (start.run, start.mask, start.of) if path]
    found = [one for name in sources for one in runs[name] if one.experiment.seed == seed]
    return len(found) == len(sources) and (not found or can_begin(found[0], start))


def _tell(branches: Mapping[str, Branch], runs: Mapping[str, Sequence[Run]], folder: Path, image: str | None) -> None:
    """Write the tables and figures of a study whose runs have ended."""
    dense = {one.experiment.seed: one for one in next(iter(runs.values()))}
    rows, layers, ended = [], list[pd.DataFrame](), dict[str, dict[int, Run]]()
    for name, own in runs.items():
        branch = branches[name]
        before = ended.get(Path(branch.experiment.start.run).name, {})
        ended[name] = before | {one.experiment.seed: one for one in own}
        for seed, one in ended[name].items() if branch.control != SCORED else ():
            key: dict[str, Any] = {"Seed": seed}
            key |= zip(KEYS, (branch.by, branch.round, branch.control), strict=True)
            metric = "accuracy" if (one.metrics["Metric"] == "test_accuracy").any() else "mae"
            guess = 1 / one.outputs if metric == "accuracy" else float("nan")
            rows.append({**key, "Metric": metric, **rounds.outcome(one.metrics, dense[seed].metrics, metric, guess)})
            if one in own:
                organism, kept = one.organism(), kept_of(one)
                birth, parts = one.organism(branch.begins).worth().detach(), densities(organism, kept)
                rows[-1] |= rounds.choice(organism, birth, kept, parts)
                layers.append(parts.assign(**key))
    frame, parts = pd.DataFrame(rows), pd.concat(layers, ignore_index=True)
    # Of what could not begin, so that it stands where the other seeds do.
    frame["Density"] = frame["Density"].fillna(frame.groupby([*KEYS])["Density"].transform("mean"))
    frames = {
        "branches": frame,
        "layers": parts[["Seed", *KEYS, *(one for one in parts if one not in ("Seed", *KEYS))]],
        "summary": rounds.summary(frame),
    }
    (folder / "results").mkdir(exist_ok=True)
    for name, table in frames.items():
        write_whole(folder / "results" / f"{name}.csv", table.to_csv(index=False).encode())
    if image is None:
        return
    epochs = max(branch.experiment.training.epochs for branch in branches.values())
    for by in dict.fromkeys(frame["By"]):
        own = frame[(frame["By"] == by) | (frame["Control"] == DENSE)]
        if by and frame.loc[frame["By"] == by, "Density"].notna().any():  # some could begin
            figure = draw.rounds(own, f"{folder.name}, {by}", epochs)
            save(figure, folder / "figures" / f"rounds-{by}.{image}")
