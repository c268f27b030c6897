"""Early prediction: can the usefulness of a unit at the end be told from the first evaluations?

Every unit of every seed is a row. Models learn from the units of some seeds and are judged on those of others, never on
units of the same network. Beside them stand two references: the commoner answer, and *persistence*, which says that
what is useful now will be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from srnn.analysis.thinning import signals
from srnn.analysis.usefulness import film, properties
from srnn.choices import RECENT
from srnn.errors import NotApplicableError
from srnn.organism import Organism
from srnn.tasks import Task

Floats = NDArray[np.float64]
#: After how many evaluations the end is foretold; the newborn network, which knows nothing yet, is none of them.
EVALUATIONS: Final = (1, 2, 5, 10, 20)
#: How many weights of each unit, drawn once, are asked for their sign, of those that enter and of those that leave it.
SIGNS: Final = 32
#: What a model is told: usefulness so far in its order or sorted, and then what the network is like now.
FEATURES: Final = {
    "usefulness": ("U",),
    "usefulness, sorted": ("V",),
    "weights": ("W",),
    "signs": ("S",),
    "activity": ("A",),
    "particles": ("R",),
    "all": ("U", "W", "S", "A", "R"),
}
#: The part of a layer that counts as useless.
_TENTH: Final = 0.1
#: How often a warning of uselessness has to be right.
_PRECISE: Final = 0.9
_FOLDS: Final = 5
#: What a replication loss of nothing is taken for, before its logarithm.
_TINY: Final = 1e-30
_EXAMPLES: Final = 1000


@torch.no_grad()
def features(
    organisms: Iterable[tuple[int, Organism]], task: Task, generator: torch.Generator
) -> dict[str, pd.DataFrame]:
    """What is known of every hidden unit after the first evaluations, and what came of it.

    Args:
        organisms: Logged epochs, and the organism as it was after each; epoch 0 is passed over.
        task: Its task.
        generator: Which weights' signs are looked at is drawn from it: the same of every seed, if it begins alike.

    Returns:
        - ``film``: as :func:`srnn.analysis.usefulness.film`, on test data;
        - ``features``: columns Evaluations, Epoch (int), Layer, Name, Feature (str) and Value (float). The names of
          features begin with what they are of: W (nine deciles, mean, spread, mean of the absolute value, norm, largest
          and share above zero of the weights in and out), S (their signs, drawn), A (mean, mean of the absolute value,
          largest, spread and share above zero of the unit's output over 1,000 training examples), R (of particles:
          share of zeros and of self-replicators and log10 of the replication loss of those that enter it).

    Raises:
        NotApplicableError: Fewer than two evaluations were logged, or units are not known of the body.
    """
    seen = [(epoch, organism) for epoch, organism in organisms if epoch > 0]
    if len(seen) < 2:
        raise NotApplicableError(f"epochs logged after birth: {len(seen)}; prediction needs two: see log.every")
    parts = []
    for count in EVALUATIONS:
        # So near to the end there is nothing to foretell.
        if 2 * count > len(seen):
            break
        epoch, organism = seen[count - 1]
        known = properties(organism, task)[["Layer", "Name"]].assign(Evaluations=count, Epoch=epoch)
        wide = pd.concat([known, _features(organism, task, generator)], axis=1)
        parts.append(wide.melt(["Evaluations", "Epoch", "Layer", "Name"], var_name="Feature", value_name="Value"))
    return {"film": film(seen, task), "features": pd.concat(parts, ignore_index=True)}


def predict(film: pd.DataFrame, features: pd.DataFrame) -> pd.DataFrame:
    """How well the end is foretold, by model, features and number of evaluations.

    Args:
        film: As :func:`features` gives it, of several seeds one below the other, with a column Seed.
        features: Likewise.

    Returns:
        Columns Model, Features (str), Evaluations (int), Share (float: of the training that had passed), Metric (str),
        Fold (int) and Score (float). The metrics are ``accuracy``, ``balanced accuracy`` and ``AUC`` of being in the
        upper half of the layer at the end; ``useless AUC`` of being in its lowest tenth (at least one), ``useless
        precision`` and ``useless recall`` at the threshold that was right nine times of ten on the seeds that were
        learnt from (NaN: none was); ``rank error`` (mean absolute) and ``rank correlation`` of the rank in the layer,
        from 0 to 1.

    Raises:
        NotApplicableError: There are fewer than two seeds.
    """
    if (seeds := film["Seed"].nunique()) < 2:
        raise NotApplicableError("prediction is judged on other seeds than it is learnt from: at least two are needed")
    keys = ["Seed", "Layer", "Name"]
    course = film.pivot(index=keys, columns="Epoch", values="Loss change").sort_index(axis=1)
    end = course.iloc[:, -1]
    goal = pd.DataFrame({"rank": _ranks(end)})
    lowest = goal["rank"].groupby(level=["Seed", "Layer"]).transform("min")
    goal["upper"], goal["useless"] = goal["rank"] > 0.5, goal["rank"] <= lowest.clip(lower=_TENTH)
    rows: list[tuple[str, str, int, float, str, int, float]] = []
    for count in map(int, features["Evaluations"].unique()):
        own = features[features["Evaluations"] == count]
        known = own.pivot(index=keys, columns="Feature", values="Value").loc[course.index]
        share = float(own["Epoch"].iloc[0] / course.columns[-1])
        table = _table(known, course.iloc[:, :count])
        now = _ranks(course.iloc[:, count - 1])
        for fold, (learn, judge) in enumerate(_folds(course.index.get_level_values("Seed").to_numpy(), seeds)):
            for model, name, guess in _guesses(table, goal, now, learn):
                scores = _judged(guess, goal, learn, judge)
                rows += [(model, name, count, share, metric, fold, score) for metric, score in scores.items()]
    return pd.DataFrame(rows, columns=["Model", "Features", "Evaluations", "Share", "Metric", "Fold", "Score"])


def predictor(film: pd.DataFrame, epoch: int) -> list[float]:
    """What is to be told an event with ``who = "predicted"``: factors of the ranks in the last three measurements.

    Args:
        film: As for :func:`predict`, of several seeds or one.
        epoch: When the event is to happen: measured after it and after the two epochs before that were logged.

    Returns:
        Three factors, the newest last: the least squares of the rank at the end.

    Raises:
        NotApplicableError: Fewer than three epochs were logged by then.
    """
    course = film.pivot(index=["Seed", "Layer", "Name"], columns="Epoch", values="Loss change").sort_index(axis=1)
    known = [int(one) for one in film["Epoch"].sort_values().unique() if one <= epoch][-RECENT:]
    if len(known) < RECENT:
        raise NotApplicableError(f"epochs logged up to {epoch}: {len(known)}; needed: {RECENT}")
    ranks = np.stack([_ranks(course[one]).to_numpy() for one in known], 1)
    found = np.linalg.lstsq(ranks - 0.5, _ranks(course.iloc[:, -1]).to_numpy() - 0.5, rcond=None)[0]
    return [float(factor) for factor in found]


# -- what is known ----------------------------------------------------------------------------------------------------


def _features(organism: Organism, task: Task, generator: torch.Generator) -> pd.DataFrame:
    weights = [weight.double() for weight in organism.effective_weights()]
    outputs = [signal.double() for signal in signals(organism, task.train_x[:_EXAMPLES])[1:-1]]
    found: dict[str, list[Floats]] = {}
    for index, output in enumerate(outputs):
        sides = {"in": weights[index], "out": weights[index + 1].mT}
        for side, lines in sides.items():
            for name, value in _spread(lines).items():
                found.setdefault(f"W {side} {name}", []).append(value.cpu().numpy())
            places = torch.randint(lines.shape[1], (SIGNS,), generator=generator)
            for place, column in enumerate(lines[:, places].sign().mT):
                found.setdefault(f"S {side} {place}", []).append(column.cpu().numpy())
        for name, value in _spread(output.mT, deciles=False).items():
            found.setdefault(f"A {name}", []).append(value.cpu().numpy())
    frame = pd.DataFrame({name: np.concatenate(parts) for name, parts in found.items()})
    if organism.particle.has_types:
        own = properties(organism, task)
        frame["R zero"], frame["R identity"] = own["Zero"], own["Identity"]
        frame["R loss"] = np.log10(own["Replication loss"].to_numpy() + _TINY)
    return frame


def _spread(lines: Tensor, deciles: bool = True) -> dict[str, Tensor]:
    """What rows ``(n, m)`` are like, ``(n,)`` each."""
    found = {
        "mean": lines.mean(1),
        "mean modulus": lines.abs().mean(1),
        "largest": lines.abs().amax(1),
        "spread": lines.std(1, correction=0),
        "positive": (lines > 0).double().mean(1),
    }
    if deciles:
        found["norm"] = lines.norm(dim=1)
        tenths = torch.arange(1, 10, dtype=lines.dtype, device=lines.device) / 10
        found |= {f"decile {place + 1}": row for place, row in enumerate(torch.quantile(lines, tenths, dim=1))}
    return found


def _table(known: pd.DataFrame, course: pd.DataFrame) -> pd.DataFrame:
    """All features, standardised within each seed, and the layer as one column for each."""
    values = course.to_numpy()
    numbers = pd.concat(
        [
            known,
            pd.DataFrame(values, known.index, [f"U {place}" for place in range(values.shape[1])]),
            pd.DataFrame(np.sort(values, 1), known.index, [f"V {place}" for place in range(values.shape[1])]),
        ],
        axis=1,
    )
    groups = numbers.groupby(level="Seed")
    scaled = (numbers - groups.transform("mean")) / groups.transform("std").replace(0, 1)
    layers = pd.get_dummies(known.index.get_level_values("Layer"), prefix="layer", dtype=float).set_index(known.index)
    return pd.concat([scaled.fillna(0), layers], axis=1)


def _ranks(values: pd.Series) -> pd.Series:
    """The rank of each unit within its layer and seed, from 0 to 1: (r − ½) / n."""
    groups = values.groupby(level=["Seed", "Layer"])
    return (groups.rank() - 0.5) / groups.transform("size")


# -- who foretells ----------------------------------------------------------------------------------------------------


def _folds(seeds: Any, count: int) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    from sklearn.model_selection import GroupKFold

    yield from GroupKFold(min(_FOLDS, count)).split(seeds, groups=seeds)


def _guesses(
    table: pd.DataFrame, goal: pd.DataFrame, now: pd.Series, learn: NDArray[np.intp]
) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Model, features and what it says of each unit: ``upper`` and ``useless`` as chances, ``rank``."""
    means = goal.iloc[learn].mean().to_dict()
    yield "the commoner", "none", pd.DataFrame({name: float(mean) for name, mean in means.items()}, goal.index)
    yield "persistence", "last usefulness", pd.DataFrame({"upper": now, "useless": 1 - now, "rank": now})
    for name, groups in FEATURES.items():
        columns = [column for column in table if str(column).startswith((*(f"{group} " for group in groups), "layer_"))]
        if not any(str(column).startswith(f"{groups[0]} ") for column in columns):
            continue  # plain numbers have no types
        x = table[columns].to_numpy()
        for model, classifier, regressor in _models():
            chances = {
                target: _chance(classifier, x, goal[target].to_numpy(), learn) for target in ("upper", "useless")
            }
            rank = regressor().fit(x[learn], goal["rank"].to_numpy()[learn]).predict(x)
            yield model, name, pd.DataFrame({**chances, "rank": rank}, goal.index)


def _chance(classifier: Any, x: Floats, true: NDArray[np.bool_], learn: NDArray[np.intp]) -> Floats:
    """How likely each is true, by a model that has learnt from some of them; where those are all alike, as they."""
    if len(np.unique(true[learn])) < 2:
        return np.full(len(x), float(true[learn][0]))
    found: Floats = classifier().fit(x[learn], true[learn]).predict_proba(x)[:, 1]
    return found


def _models() -> Iterator[tuple[str, Any, Any]]:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.linear_model import LogisticRegression, Ridge

    yield "linear", lambda: LogisticRegression(max_iter=1000), Ridge
    few: dict[str, Any] = {"max_iter": 50, "max_leaf_nodes": 8, "random_state": 0}
    yield (
        "boosted trees",
        lambda: HistGradientBoostingClassifier(**few),
        lambda: HistGradientBoostingRegressor(loss="absolute_error", **few),
    )


def _judged(
    guess: pd.DataFrame, goal: pd.DataFrame, learn: NDArray[np.intp], judge: NDArray[np.intp]
) -> dict[str, float]:
    from sklearn.metrics import balanced_accuracy_score

    said, true = guess.iloc[judge], goal.iloc[judge]
    threshold = _threshold(guess["useless"].to_numpy()[learn], goal["useless"].to_numpy()[learn])
    warned, useless = said["useless"].to_numpy() >= threshold, true["useless"].to_numpy()
    found = {
        "accuracy": float(((said["upper"] > 0.5) == true["upper"]).mean()),
        "balanced accuracy": float(balanced_accuracy_score(true["upper"], said["upper"] > 0.5)),
        "AUC": _auc(true["upper"], said["upper"]),
        "useless AUC": _auc(true["useless"], said["useless"]),
        "useless precision": float(useless[warned].mean()) if warned.any() else np.nan,
        "useless recall": float(warned[useless].mean()) if warned.any() else np.nan,
        "rank error": float((said["rank"] - true["rank"]).abs().mean()),
    }
    both = pd.DataFrame({"said": said["rank"], "true": true["rank"]})
    within = [
        own["said"].corr(own["true"], method="spearman")
        for _, own in both.groupby(level=["Seed", "Layer"])
        if own["said"].nunique() > 1
    ]
    return found | {"rank correlation": float(np.mean(within)) if within else 0.0}


def _auc(true: pd.Series, said: pd.Series) -> float:
    """The chance that one that is true is said to be likelier than one that is not; NaN where all are alike."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(true, said)) if true.nunique() > 1 else float("nan")


def _threshold(chance: Floats, useless: NDArray[np.bool_]) -> float:
    """The least chance from which on nine of ten are useless; infinite if there is none."""
    order = chance.argsort()[::-1]
    right = useless[order].cumsum() / np.arange(1, len(order) + 1)
    # Equal chances stand or fall together.
    last = np.append(np.diff(chance[order]) != 0, True)
    good = np.flatnonzero((right >= _PRECISE) & last)
    return float(chance[order][good[-1]]) if len(good) else np.inf
