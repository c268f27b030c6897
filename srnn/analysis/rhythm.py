"""Rhythm: does the usefulness of units swing while a network learns, beyond what noise with a memory does?

A unit's usefulness drifts, and what drifts has a peak in its periodogram wherever one looks: against white noise every
such course is periodic. So each is compared with courses of red noise, x(t) = φ x(t − 1) + noise with its own φ, which
go through the same treatment; and of many units some will be beyond 95 % of theirs, so that the share that are false is
controlled (Benjamini and Hochberg).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from typing import Final

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from srnn import units
from srnn.errors import NotApplicableError
from srnn.experiment import Experiment
from srnn.tasks import Task
from srnn.training.loop import Training

Floats = NDArray[np.float64]
#: How often a course is looked at at most, and after how many batches, where it is often enough so.
EVALUATIONS: Final = 1024
_EVERY, _ENOUGH = 10, 256
#: Evaluations that are passed over: the start is a fall, not a rhythm.
BURN_IN: Final = 20
#: Courses of red noise that each is compared with.
SURROGATES: Final = 200
#: The share of a course over which a rolling mean is taken away.
_WINDOW: Final = 0.25
#: Evaluations that a rhythm takes at least.
_LEAST: Final = 16
#: Share of false ones among those called periodic, at most.
ALPHA: Final = 0.05
#: Lags that the next value may depend on, at most.
_LAGS: Final = 8
#: Bins of the spectrum that is drawn, evenly by the logarithm of the period.
_BINS: Final = 24


def courses(experiment: Experiment, task: Task, watch: Callable[[int], None] = lambda epoch: None) -> pd.DataFrame:
    """Usefulness and activity of every hidden unit over the batches of a run, which is repeated to the bit.

    Args:
        experiment: What was run.
        task: Its data; units are judged on the same test examples every time.
        watch: Told after each epoch.

    Returns:
        Columns Batch (int), Layer, Name (str), Usefulness (what is lost without it, in the loss of the test examples)
        and Activity (mean \\|output\\| over them).

    Raises:
        NotApplicableError: The run began where another was, or units are not known of its body.
    """
    if experiment.start.run:
        raise NotApplicableError("a run that began where another was is not repeated")
    training = Training(experiment, task, [experiment.seed])
    if not units.has_units(training.organism):
        raise NotApplicableError("units are known of an MLP made of particles alone")
    seen = replace(task, train_x=task.test_x, train_y=task.test_y)
    batches = experiment.training.epochs * training.batches.per_epoch
    training.step = max(min(_EVERY, batches // _ENOUGH), -(-batches // EVALUATIONS), 1)
    rows: list[tuple[int, Floats, Floats]] = []

    def look() -> None:
        if training.batch % training.step == 0:
            body, weights = training.past.body, training.past.weights(0)
            found = units.usefulness(body, weights, seen), units.activity(body, weights, seen)
            lost, active = (torch.cat(one).double().cpu().numpy() for one in found)
            rows.append((training.batch, lost, active))

    for report in training.run(look):
        watch(report.epoch)
    names = units.names(training.organism)
    layers = [layer for layer, own in zip(training.organism.layers, names, strict=False) for _ in own]
    known = pd.DataFrame({"Layer": layers, "Name": [*chain(*names)]})
    parts = [known.assign(Batch=batch, Usefulness=lost, Activity=active) for batch, lost, active in rows]
    return pd.concat(parts, ignore_index=True)[["Batch", "Layer", "Name", "Usefulness", "Activity"]]


def rhythm(courses: pd.DataFrame, per_epoch: int, generator: np.random.Generator) -> pd.DataFrame:
    """Whether each unit swings, and how.

    Args:
        courses: As :func:`courses` gives them.
        per_epoch: Batches of an epoch.
        generator: Where the red noise comes from.

    Returns:
        A row for each unit and quantity: Layer, Name, Course (str: ``Usefulness``, ``Activity``), Period (float, in
        evaluations: of the largest peak), Epochs (float: the same in epochs), Peak (float: its share of the
        variance), Autocorrelation (float: at that lag), Amplitude (float: over the standard deviation), Phase (float),
        Memory (float: φ), Lags (int: of the autoregression with the least BIC), White p (float: Fisher's test against
        white noise), p (float: against red noise), q (float: with the share of false ones controlled) and Periodic
        (bool: q is below 0.05). NaN and False of units that never changed.

    Raises:
        NotApplicableError: The course is too short.
    """
    batches = np.sort(courses["Batch"].unique())
    length = len(batches) - min(BURN_IN, len(batches) // 4)
    if length < _LEAST:
        raise NotApplicableError(f"there are {len(batches)} evaluations; a rhythm takes at least {BURN_IN + _LEAST}")
    step = float(batches[1] - batches[0]) / per_epoch
    frames = []
    for quantity in ("Usefulness", "Activity"):
        wide = courses.pivot(index="Batch", columns=["Layer", "Name"], values=quantity).iloc[-length:]
        found = pd.DataFrame([judge(wide[one].to_numpy(), generator) for one in wide])
        named = pd.DataFrame(list(wide.columns), columns=["Layer", "Name"]).assign(Course=quantity)
        frames.append(pd.concat([named, found], axis=1).assign(q=corrected(found["p"].to_numpy())))
    every = pd.concat(frames, ignore_index=True)
    every.insert(4, "Epochs", every["Period"] * step)
    return every.assign(Periodic=every["q"] < ALPHA)


def judge(course: Floats, generator: np.random.Generator) -> dict[str, float]:
    """What :func:`rhythm` says of one course ``(T,)``, with nothing corrected."""
    names = ("Period", "Peak", "Autocorrelation", "Amplitude", "Phase", "Memory", "Lags", "White p", "p")
    if not np.isfinite(course).all() or np.ptp(course) == 0:
        return dict.fromkeys(names, np.nan)
    treated = treat(course[None])[0]
    power = spectrum(treated[None])[0]
    peak = int(power.argmax())
    period = len(course) / (peak + 1)
    phi = memory(course)
    noise = red_noise(phi, len(course), SURROGATES, generator)
    largest = spectrum(treat(noise)).max(1)
    wave = np.fft.rfft(treated)[peak + 1]
    lag = max(1, round(period))
    values = (
        period,
        power[peak],
        float(treated[:-lag] @ treated[lag:] / (treated @ treated)),
        2 * np.abs(wave) / len(course),
        float(np.angle(wave)),
        phi,
        lags(treated),
        min(1.0, len(power) * (1 - power[peak]) ** (len(power) - 1)),
        (1 + int((largest >= power[peak]).sum())) / (1 + SURROGATES),
    )
    return dict(zip(names, map(float, values), strict=True))


def treat(courses: Floats) -> Floats:
    """Without a rolling mean over a quarter of their length, and with variance 1: ``(n, T)``."""
    from scipy.ndimage import uniform_filter1d

    length = courses.shape[1]
    flat = courses - uniform_filter1d(courses, max(2, round(_WINDOW * length)), axis=1, mode="nearest")
    flat -= flat.mean(1, keepdims=True)
    spread = flat.std(1, keepdims=True)
    found: Floats = np.divide(flat, spread, out=np.zeros_like(flat), where=spread > 0)
    return found


def spectrum(courses: Floats) -> Floats:
    """The share of each frequency 1/T, 2/T … in the variance, ``(n, T) -> (n, T // 2)``."""
    from scipy.signal import periodogram

    power = periodogram(courses, axis=1)[1][:, 1:]
    total = power.sum(1, keepdims=True)
    found: Floats = np.divide(power, total, out=np.zeros_like(power), where=total > 0)
    return found


def memory(course: Floats) -> float:
    """φ of x(t) = φ x(t − 1) + noise, without a straight line, corrected for its bias in short courses (Kendall)."""
    time = np.arange(len(course))
    flat = course - np.polyval(np.polyfit(time, course, 1), time)
    if (size := float(flat @ flat)) == 0:
        return 0.0
    phi = float(flat[:-1] @ flat[1:]) / size
    return float(np.clip(phi + (1 + 3 * phi) / len(course), 0.0, 0.999))


def red_noise(phi: float, length: int, count: int, generator: np.random.Generator) -> Floats:
    """Courses of noise with that memory, at rest from the start: ``(count, length)``."""
    from scipy.signal import lfilter

    drawn = generator.standard_normal((count, length))
    drawn[:, 0] /= np.sqrt(1 - phi**2)
    found: Floats = lfilter([1.0], [1.0, -phi], drawn, axis=1)
    return found


def lags(course: Floats) -> int:
    """On how many values before it the next depends, by BIC: a course ``(T,)``."""
    most = min(_LAGS, len(course) // 4)
    rows = np.stack([course[most - lag - 1 : len(course) - lag - 1] for lag in range(most)], 1)
    goal, bic = course[most:], []
    for count in range(1, most + 1):
        factors = np.linalg.lstsq(rows[:, :count], goal, rcond=None)[0]
        error = float(np.square(goal - rows[:, :count] @ factors).mean())
        bic.append(len(goal) * np.log(max(error, np.finfo(float).tiny)) + count * np.log(len(goal)))
    return 1 + int(np.argmin(bic))


def corrected(p: Floats) -> Floats:
    """p-values with which the share of false discoveries is controlled (Benjamini and Hochberg); NaN stays NaN."""
    from scipy.stats import false_discovery_control

    found = np.full(len(p), np.nan)
    if (known := np.isfinite(p)).any():
        found[known] = false_discovery_control(p[known])
    return found


def measures(rhythm: pd.DataFrame) -> pd.DataFrame:
    """What there is to say of a run: columns Course, Metric (str) and Score (float).

    Of the units that changed at all: the share ``white_share`` that Fisher's test against white noise would call
    periodic, ``red_share`` with p below 0.05 against red noise (of chance 0.05), ``periodic_share`` of which that is
    so with false discoveries controlled, ``epoch_share`` of all whose period is an epoch, within a tenth, the median
    ``memory`` and ``lags``.
    """
    rows = []
    for quantity, own in rhythm.dropna(subset="p").groupby("Course", sort=False):
        found = {
            "white_share": (own["White p"] < ALPHA).mean(),
            "red_share": (own["p"] < ALPHA).mean(),
            "periodic_share": own["Periodic"].mean(),
            "epoch_share": (np.abs(own["Epochs"] - 1) < 0.1).mean(),
            "memory": own["Memory"].median(),
            "lags": own["Lags"].median(),
        }
        rows += [(quantity, metric, float(score)) for metric, score in found.items()]
    return pd.DataFrame(rows, columns=["Course", "Metric", "Score"])


def spectra(courses: pd.DataFrame, per_epoch: int) -> pd.DataFrame:
    """The spectrum of each unit's usefulness in bins of the period, those that hold a frequency.

    Returns:
        Columns Layer, Name (str), Epochs (float: the geometric mean of its periods), Share (float: of the variance)
        and Power (float: that over what white noise would have there; NaN of a unit that never changed).
    """
    wide = courses.pivot(index="Batch", columns=["Layer", "Name"], values="Usefulness")
    wide = wide.iloc[min(BURN_IN, len(wide) // 4) :]
    power = spectrum(treat(wide.to_numpy().T))
    step = float(wide.index[1] - wide.index[0]) / per_epoch
    periods = step * len(wide) / np.arange(1, power.shape[1] + 1)
    edges = np.geomspace(periods[-1] * 0.999, periods[0] * 1.001, _BINS + 1)
    place = np.searchsorted(edges, periods) - 1
    names = pd.DataFrame(list(wide.columns), columns=["Layer", "Name"])
    changing = power.sum(1) > 0
    parts = []
    for one in np.unique(place):
        share = power[:, place == one].sum(1)
        relative = np.where(changing, share / (place == one).mean(), np.nan)
        middle = float(np.exp(np.log(periods[place == one]).mean()))
        parts.append(names.assign(Epochs=middle, Share=share, Power=relative))
    return pd.concat(parts, ignore_index=True)


def features(rhythm: pd.DataFrame) -> tuple[list[str], Floats]:
    """The units that swing at all and what they are clustered by, ``(n, 3)``: log period, cos and sin of the phase."""
    own = rhythm[rhythm["Course"] == "Usefulness"].dropna(subset="p")
    columns = np.log(own["Period"]), np.cos(own["Phase"]), np.sin(own["Phase"])
    return own["Name"].tolist(), np.stack([column.to_numpy() for column in columns], 1)
