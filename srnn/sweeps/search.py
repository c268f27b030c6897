"""Points that are chosen by how those before them have ended: by optuna's ask and tell, on a journal in the folder.

All that is remembered is the journal and the run folders: whatever process dies, and when, another one goes on. Nobody
reads or writes the journal but under the lock of the sweep's folder, which dies with its process.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srnn.errors import UserError
from srnn.settings import RangeConfig
from srnn.sweeps.folder import JOURNAL, Sweep, alone, unmeasured, wanted
from srnn.sweeps.plan import Point, key_of, point_of, read_plan, rounded, write_plan

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial


class Search:
    """The search of a sweep, a part of which any process may do.

    Args:
        sweep: Whose points are chosen.

    Attributes:
        left: Whether there are points that nobody has asked for.

    Raises:
        UserError: Optuna is not installed.
    """

    def __init__(self, sweep: Sweep) -> None:
        if find_spec("optuna") is None:
            raise UserError("sweep.method optuna needs the package optuna: pip install 'srnn[sweep]'")
        self._sweep, self.left = sweep, True

    def ask(self, count: int) -> list[Point]:
        """Tell how what is asked for has ended, and ask for more: all points there are by then.

        Args:
            count: How many more at most; those that are known already are none.

        Raises:
            UserError: No run measures what is searched for.
        """
        with alone(self._sweep.folder):
            study = _study(self._sweep)
            points = {point.key: point for point in read_plan(self._sweep.folder)}
            known, trials = len(points), study.get_trials(deepcopy=False)
            self._add(study, trials, points)
            # Of all trials, where a plan was lost.
            lost = sum(trial.state.name == "COMPLETE" for trial in trials) > known
            for trial in study.get_trials(deepcopy=False):
                if lost or not trial.state.is_finished():
                    self._settle(study, trial, points)
            while (asked := len(study.get_trials(deepcopy=False))) < self._sweep.experiment.sweep.points:
                if len(points) - known >= count:
                    break
                study.sampler = _sampler(self._sweep.experiment.sweep.seed + asked)
                number = study.ask(self._distributions()).number
                self._settle(study, study.get_trials(deepcopy=False)[number], points)
            self.left = asked < self._sweep.experiment.sweep.points
            if len(points) > known:
                write_plan(self._sweep.folder, self._sweep.experiment.sweep, points.values())
        return list(points.values())

    def _add(self, study: Study, trials: Iterable[FrozenTrial], points: Mapping[str, Point]) -> None:
        """Make a trial of each planned point that has none: there was another journal, or none, when it was planned."""
        from optuna.trial import TrialState, create_trial

        over, distributions = self._sweep.experiment.sweep.over, self._distributions()
        have = {key_of(_settings(over, one.params)) for one in trials if one.params.keys() == over.keys()}
        for key, point in points.items():
            if key not in have:
                params = {
                    name: value if isinstance(over[name], RangeConfig) else json.dumps(value)
                    for name, value in point.settings.items()
                }
                study.add_trial(create_trial(state=TrialState.RUNNING, params=params, distributions=distributions))

    def _settle(self, study: Study, trial: FrozenTrial, points: dict[str, Point]) -> None:
        """Make sure that a trial is planned, and tell how it has ended if it has."""
        from optuna.trial import TrialState

        from srnn.analysis.sweeps import final_metrics

        over = self._sweep.experiment.sweep.over
        fails = partial(study.tell, trial.number, state=TrialState.FAIL, skip_if_finished=True)
        if trial.params.keys() != over.keys():  # whoever asked was killed before it had an answer
            fails()
            return
        settings = _settings(over, trial.params)
        if (known := points.get(key_of(settings))) is None:
            try:
                known, _ = point_of(self._sweep.experiment, settings)
            except UserError:  # not all that may be drawn fits together
                fails()
                return
        point = points.setdefault(known.key, known)
        sweep = Sweep(self._sweep.folder, self._sweep.experiment, [point])
        if trial.state.is_finished() or {task.state for task in sweep.tasks} != {"ended"}:
            return
        finals, goals = final_metrics(sweep.runs(point)), wanted(sweep.experiment.sweep)
        if missing := unmeasured(sweep.experiment.sweep, map(str, finals)):
            raise UserError(missing)
        values = finals[list(goals)].mean(skipna=False)
        if values.isna().any():
            fails()
        else:
            study.tell(trial.number, values.tolist())

    def _distributions(self) -> dict[str, Any]:
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        found: dict[str, Any] = {}
        for key, values in self._sweep.experiment.sweep.over.items():
            if not isinstance(values, RangeConfig):
                found[key] = CategoricalDistribution([json.dumps(value) for value in values])
            elif isinstance(values.low, int) and isinstance(values.high, int):
                found[key] = IntDistribution(values.low, values.high, log=values.log)
            else:
                found[key] = FloatDistribution(float(values.low), float(values.high), log=values.log)
        return found


def study_of(sweep: Sweep) -> Study:
    """The optuna study of a sweep, for optuna's own tools."""
    with alone(sweep.folder):
        return _study(sweep)


def _study(sweep: Sweep) -> Study:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    path = sweep.folder / JOURNAL
    _mend(path)
    goals = wanted(sweep.experiment.sweep)
    return optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(path), lock_obj=_Held())),
        study_name=sweep.experiment.name,
        directions=["maximize" if more else "minimize" for more in goals.values()],
        load_if_exists=True,
    )


class _Held:
    """Optuna's lock of its journal: that of the folder is held already, and a killed process leaves it to nobody."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


def _mend(path: Path) -> None:
    """Remove the half line that a killed process may have left, to which the next one would be added.

    A journal with any other damage goes as a whole: it is made again of the plan and the runs.
    """
    try:
        content = path.read_bytes()
        lines = content.split(b"\n")
        for line in lines[:-1]:
            json.loads(line)
    except FileNotFoundError:
        return
    except ValueError:
        path.unlink()
        return
    if lines[-1]:
        with path.open("r+b") as file:
            file.truncate(len(content) - len(lines[-1]))


def _sampler(seed: int) -> Any:
    """Its random numbers are of the trial: another process, or one that was begun again, does not repeat them."""
    import optuna

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(seed=seed % 2**31, constant_liar=True)


def _settings(over: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    settings = {}
    for key, values in over.items():
        given = params[key]
        if not isinstance(values, RangeConfig):
            settings[key] = json.loads(given)
        else:
            settings[key] = given if isinstance(given, int) else rounded(given, values)
    return settings
