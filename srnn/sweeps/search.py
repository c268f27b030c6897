"""Points that are chosen by how those before them have ended: by optuna's ask and tell, on a journal in the folder.

All that is remembered is the journal and the run folders: whatever process dies, and when, another one goes on. Nobody
reads or writes the journal but under the lock of the sweep's folder, which dies with its process.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srnn.errors import UserError
from srnn.settings import RangeConfig
from srnn.sweeps.folder import Sweep, alone, unmeasured, wanted
from srnn.sweeps.plan import Point, key_of, named_apart, point_of, rounded, write_plan

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

JOURNAL = "optuna.journal"
#: What is looked for, where and in which runs, in the journal.
_SOUGHT = "sought"


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
        self._folder, self.left = sweep.folder, True

    def ask(self, count: int) -> list[Point]:
        """Tell how what is asked for has ended, and ask for more: all points there are by then.

        Args:
            count: How many more at most; those that are known already are none.

        Raises:
            UserError: No run measures what is searched for.
        """
        with alone(self._folder):
            # As it is now: whoever made it larger may have done so since.
            sweep = Sweep.open(self._folder)
            study, wished = _study(sweep), sweep.experiment.sweep
            points, known = {point.key: point for point in sweep.points}, len(sweep.points)
            _add(study, sweep)
            for trial in study.get_trials(deepcopy=False):
                _settle(study, trial, sweep, points)
            while (asked := len(study.get_trials(deepcopy=False))) < wished.points:
                if len(points) - known >= count:
                    break
                study.sampler = _sampler(wished.seed + asked)
                number = study.ask(_distributions(wished.over)).number
                _settle(study, study.get_trials(deepcopy=False)[number], sweep, points)
            self.left = asked < wished.points
            if len(points) > known:
                write_plan(self._folder, wished, points.values())
        return list(points.values())


def _add(study: Study, sweep: Sweep) -> None:
    """Make a trial of each planned point that has none: there was another journal, or none, when it was planned."""
    from optuna.trial import TrialState, create_trial

    over = sweep.experiment.sweep.over
    have = {_key(over, trial) for trial in study.get_trials(deepcopy=False)}
    for point in sweep.points:
        if point.key not in have:
            params = {
                name: value if isinstance(over[name], RangeConfig) else json.dumps(value)
                for name, value in point.settings.items()
            }
            running = create_trial(state=TrialState.RUNNING, params=params, distributions=_distributions(over))
            study.add_trial(running)


def _key(over: Mapping[str, Any], trial: FrozenTrial) -> str | None:
    """The key of the point of a trial; None if it has none, as where whoever asked was killed before the answer."""
    return key_of(_settings(over, trial.params)) if trial.params.keys() == over.keys() else None


def _settle(study: Study, trial: FrozenTrial, sweep: Sweep, points: dict[str, Point]) -> None:
    """Make sure that a trial is planned, and tell how it has ended if it has."""
    from optuna.trial import TrialState

    from srnn.analysis.sweeps import final_metrics

    settings = sweep.experiment.sweep
    key, ended = _key(settings.over, trial), trial.state.is_finished()
    if ended and (key is None or key in points):
        return
    fails = partial(study.tell, trial.number, state=TrialState.FAIL, skip_if_finished=True)
    if key is None:
        fails()
        return
    if key not in points:
        try:
            found, _ = point_of(sweep.experiment, _settings(settings.over, trial.params))
        except UserError:  # not all that may be drawn fits together
            fails()
            return
        points[key] = named_apart(found, points.values())
    own = Sweep(sweep.folder, sweep.experiment, [points[key]])
    if ended or {task.state for task in own.tasks} != {"ended"}:
        return
    finals = final_metrics(own.runs(points[key]))
    if missing := unmeasured(settings, map(str, finals)):
        raise UserError(missing)
    values = finals[list(wanted(settings))].mean(skipna=False)
    if values.isna().any():
        fails()
    else:
        study.tell(trial.number, values.tolist())


def _distributions(over: Mapping[str, Any]) -> dict[str, Any]:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, Any] = {}
    for key, values in over.items():
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
    """That of the journal; a damaged one, or one in which something else is looked for, is begun anew."""
    settings, path = sweep.experiment.sweep, sweep.folder / JOURNAL
    # What optuna was told is of these seeds, goals and values.
    sought = json.dumps([settings.model_dump()["over"], wanted(settings), settings.all_seeds])
    _cut_to_whole_lines(path)
    try:
        study = _opened(sweep, path)
        if study.user_attrs.get(_SOUGHT) == sought:
            return study
    except Exception:  # optuna itself raises whatever its lines lead to
        pass
    path.unlink(missing_ok=True)
    study = _opened(sweep, path)
    study.set_user_attr(_SOUGHT, sought)
    return study


def _opened(sweep: Sweep, path: Path) -> Study:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.ERROR)
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


def _cut_to_whole_lines(path: Path) -> None:
    """Remove the half line that a killed process may have left, to which the next one would be added."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return
    if content and not content.endswith(b"\n"):
        with path.open("r+b") as file:
            file.truncate(content.rfind(b"\n") + 1)


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
