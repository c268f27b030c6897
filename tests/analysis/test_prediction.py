"""Early prediction: ends that can be told, that cannot, and that only their order tells."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from srnn import MLP, Organism, Particle
from srnn.analysis.prediction import _threshold, features, predict, predictor
from srnn.errors import NotApplicableError
from srnn.plots.prediction import prediction as draw
from srnn.tasks import Task

SEEDS, UNITS = 3, 20


def seeds(courses: np.ndarray, evaluations: int, told: np.ndarray | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Film and features of units whose usefulness is ``courses (SEEDS, UNITS, epochs)``; all else says ``told``."""
    film = [
        (seed, epoch + 1, "L0", f"L0_C{unit}", courses[seed, unit, epoch])
        for seed, unit, epoch in np.ndindex(courses.shape)
    ]
    known = [
        (seed, evaluations, evaluations, "L0", f"L0_C{unit}", "W told", 0.0 if told is None else told[seed, unit])
        for seed, unit in np.ndindex(courses.shape[:2])
    ]
    return (
        pd.DataFrame(film, columns=["Seed", "Epoch", "Layer", "Name", "Loss change"]),
        pd.DataFrame(known, columns=["Seed", "Evaluations", "Epoch", "Layer", "Name", "Feature", "Value"]),
    )


def means(film: pd.DataFrame, known: pd.DataFrame) -> pd.Series:
    """By metric, model and features, over the folds."""
    frame = predict(film, known)
    assert frame["Fold"].nunique() == SEEDS
    return frame.groupby(["Metric", "Model", "Features"])["Score"].mean()


RANDOM = np.random.default_rng(0)
NOISE = RANDOM.normal(size=(SEEDS, UNITS, 4))


def test_what_stays_as_it_is_can_be_told_by_everyone() -> None:
    courses = np.repeat(NOISE[..., :1], 4, axis=2)
    found = means(*seeds(courses, 2))
    assert found["accuracy", "persistence", "last usefulness"] == 1
    assert found["accuracy", "linear", "usefulness"] > 0.9
    assert found["accuracy", "the commoner", "none"] == 0.5
    assert found["rank correlation", "persistence", "last usefulness"] == pytest.approx(1)


def test_the_factors_of_an_event_are_those_of_what_tells() -> None:
    """The end is as it was in the last of three measurements."""
    courses = np.concatenate([NOISE, NOISE[..., 3:]], axis=2)
    film, _ = seeds(courses, 2)
    assert predictor(film, 4) == pytest.approx([0, 0, 1], abs=1e-9)
    with pytest.raises(NotApplicableError, match="up to 2: 2"):
        predictor(film, 2)


def test_noise_cannot_be_told() -> None:
    frame = predict(*seeds(NOISE, 2))
    found = frame[frame["Metric"] == "accuracy"].groupby(["Model", "Features"])["Score"].mean()
    for who in (("persistence", "last usefulness"), ("linear", "usefulness"), ("boosted trees", "all")):
        assert 0.3 < found[who] < 0.7
    labels = draw(frame.rename(columns={"Fold": "Seed"})).axes[0].get_legend_handles_labels()[1]
    assert labels[:2] == ["the commoner answer", "persistence"]


def test_where_only_the_order_tells() -> None:
    """(0, 1) becomes useful and (1, 0) does not: sorted, the two are the same."""
    useful = np.arange(UNITS) % 2
    first = np.stack([1 - useful, useful], 1)
    end = np.repeat(useful[:, None], 2, 1) + np.linspace(0, 0.1, UNITS)[:, None]
    courses = np.repeat(np.concatenate([first, end], 1)[None], SEEDS, 0)
    found = means(*seeds(courses, 2))
    assert found["accuracy", "linear", "usefulness"] == 1
    assert found["accuracy", "linear", "usefulness, sorted"] == 0.5
    assert found["accuracy", "persistence", "last usefulness"] == 1


def test_what_the_network_is_like_may_tell() -> None:
    found = means(*seeds(NOISE, 2, told=NOISE[..., -1]))
    assert found["accuracy", "linear", "weights"] > 0.9
    assert found["useless AUC", "linear", "weights"] == 1


def test_the_threshold_is_right_nine_times_of_ten() -> None:
    chance = np.array([0.9, 0.8, 0.7, 0.7, 0.1])
    assert _threshold(chance, np.array([True, True, True, True, False])) == 0.7
    # Two of equal chance, one of them wrong: three of four are not enough.
    assert _threshold(chance, np.array([True, True, True, False, False])) == 0.8
    assert _threshold(chance, np.array([False] * 5)) == np.inf


def test_features_of_organisms() -> None:
    """Numbers of every unit after 1 and 2 of five evaluations; birth is none of them."""
    random = torch.Generator().manual_seed(0)
    organisms = [(epoch, Organism(MLP(3, 4, 3, 2, activation="relu"), Particle(2), random)) for epoch in range(6)]
    x, y = torch.randn(30, 3, generator=random), torch.randint(2, (30,), generator=random)
    task = Task("random", "classification", x, y, x, y, outputs=2)
    found = features(organisms, task, random)
    assert found["film"]["Epoch"].unique().tolist() == [1, 2, 3, 4, 5]
    every = found["features"].set_index(["Evaluations", "Epoch", "Layer", "Name", "Feature"])["Value"].unstack()
    assert every.groupby(["Evaluations", "Epoch"]).size().to_dict() == {(1, 1): 8, (2, 2): 8}
    frame = every.loc[1].reset_index()
    first = organisms[1][1].effective_weights()[0].detach()
    assert frame["W in mean"][:4].to_numpy() == pytest.approx(first.mean(1).numpy(), abs=1e-6)
    assert frame["W out largest"][:4].to_numpy() == pytest.approx(
        organisms[1][1].effective_weights()[1].detach().abs().amax(0).numpy(), abs=1e-6
    )
    assert set(np.unique(frame[[name for name in frame if name.startswith("S ")]])) <= {-1, 0, 1}
    assert {"R zero", "R identity", "R loss"} <= set(frame)
    assert np.isfinite(every.to_numpy()).all()


def test_what_it_does_not_apply_to() -> None:
    film, known = seeds(NOISE, 2)
    one = film["Seed"] == 0
    with pytest.raises(NotApplicableError, match="at least two"):
        predict(film[one], known)
    with pytest.raises(NotApplicableError, match="needs two"):
        features([], Task("none", "regression", *[torch.ones(1, 1)] * 4, outputs=1), torch.Generator())
