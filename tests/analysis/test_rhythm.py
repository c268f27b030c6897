"""Rhythm: a sine is one, red noise is none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import QuadMesh

from srnn import Experiment, load_preset, tasks
from srnn.analysis import rhythm as asked
from srnn.analysis.rhythm import courses, judge, measures, red_noise, rhythm, spectra, spectrum, treat
from srnn.errors import NotApplicableError
from srnn.plots.rhythm import rhythm as draw
from srnn.training.loop import Training

SINE = np.sin(2 * np.pi * np.arange(256) / 16)


def frame(values: np.ndarray, step: int = 10) -> pd.DataFrame:
    """Courses ``(units, T)`` as they are measured, activity the same."""
    parts = [
        pd.DataFrame({"Batch": step * (np.arange(len(own)) + 1), "Usefulness": own}).assign(Name=f"L0_C{unit}")
        for unit, own in enumerate(values)
    ]
    every = pd.concat(parts, ignore_index=True).assign(Layer="L0")
    return every.assign(Activity=every["Usefulness"])


def test_a_sine_has_its_period() -> None:
    """Of period 16: exactly that, over 99 % in one bin, the autocorrelation's peak there, and beyond red noise."""
    found = judge(SINE, np.random.default_rng(0))
    assert found["Period"] == 16
    assert spectrum(SINE[None]).max() > 0.99
    assert found["Autocorrelation"] > 0.9
    assert found["p"] == pytest.approx(1 / 201)


def test_red_noise_has_none() -> None:
    """White noise as the reference would call nearly every course of φ = 0.9 periodic; ours at most 5 %."""
    found = rhythm(frame(red_noise(0.9, 276, 60, np.random.default_rng(1))), 10, np.random.default_rng(0))
    own = found[found["Course"] == "Usefulness"]
    assert (own["White p"] < 0.05).mean() > 0.9
    assert (own["p"] < 0.05).mean() <= 0.1
    assert own["Periodic"].mean() <= 0.05
    assert own["Memory"].median() == pytest.approx(0.9, abs=0.05)
    assert own["Lags"].median() <= 3


def test_a_run_in_numbers() -> None:
    """Three sines of 16 evaluations, 10 batches apart, of epochs of 160 batches; and a unit that never changes."""
    long = np.sin(2 * np.pi * np.arange(276) / 16)
    found = rhythm(frame(np.stack([long, 2 * long, long - 1, 0 * long])), 160, np.random.default_rng(0))
    own = found[found["Course"] == "Usefulness"]
    assert own["Periodic"].tolist() == [True, True, True, False]
    assert own["Epochs"].dropna().tolist() == pytest.approx([1.0] * 3)
    scores = measures(found).query("Course == 'Usefulness'").set_index("Metric")["Score"]
    assert scores["periodic_share"] == scores["epoch_share"] == scores["red_share"] == 1
    names, points = asked.features(found)
    assert names == ["L0_C0", "L0_C1", "L0_C2"]
    assert points.shape == (3, 3)
    drawn = spectra(frame(long[None]), 160)
    assert drawn["Share"].sum() == pytest.approx(1)
    assert drawn.loc[drawn["Share"].idxmax(), "Epochs"] == pytest.approx(1, rel=0.2)
    mesh = draw(drawn).axes[0].collections[0]
    assert isinstance(mesh, QuadMesh)
    assert np.ma.compressed(mesh.get_array()) == pytest.approx(drawn.sort_values("Epochs")["Power"])


def test_a_mean_over_a_quarter_is_taken_away() -> None:
    assert np.abs(treat(np.arange(100.0)[None])[0, 20:80]).max() < 0.1


def test_a_course_that_is_too_short_is_refused() -> None:
    with pytest.raises(NotApplicableError, match="10 evaluations"):
        rhythm(frame(SINE[None, :10]), 10, np.random.default_rng(0))


def test_the_run_is_repeated_to_the_bit() -> None:
    chosen: Experiment = load_preset("digits").override(["training.epochs=2", "body.width=3", "body.depth=3"])
    task = tasks.load(chosen.task)
    found = courses(chosen, task)
    training = Training(chosen, task, [0])
    list(training.run())
    batches = found["Batch"].unique()
    assert (np.diff(batches) == batches[0]).all()
    at_end = Training(chosen, task, [0])
    at_end.step = 1
    ends = []

    def look() -> None:
        if at_end.batch == batches[-1]:
            body, weights = at_end.past.body, at_end.past.weights(0)
            ends.extend(float(one) for layer in asked.units.activity(body, weights, task) for one in layer)

    list(at_end.run(look))
    assert (at_end.weights == training.weights).all()
    assert len(ends) == found["Name"].nunique()
