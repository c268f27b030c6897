"""Organisms as scikit-learn's estimators."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.datasets import load_iris, make_regression
from sklearn.ensemble import AdaBoostClassifier, BaggingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from srnn import OrganismClassifier, OrganismRegressor, UserError
from srnn.estimators.examples import Examples, divided
from srnn.estimators.progress import Progress
from srnn.training import Report

#: Tiny and quick.
QUICK: dict[str, Any] = {"width": 6, "hidden": 2, "lr": 0.05, "max_iter": 40}
#: Quicker still, and enough for what scikit-learn asks.
CHECKED: dict[str, Any] = {"width": 12, "hidden": 2, "lr": 0.1, "max_iter": 12}
IRIS, SPECIES = load_iris(return_X_y=True)
#: Gates that close, which are half open on the way.
GATES = ("terms.hard_concrete.strength=0.01",)


def classifier(**settings: Any) -> OrganismClassifier:
    return OrganismClassifier(**QUICK | {"random_state": 0} | settings)


@parametrize_with_checks(
    [kind(**CHECKED, kind=of) for kind in (OrganismClassifier, OrganismRegressor) for of in ("weightwise", "number")]
)
def test_it_is_an_estimator_as_scikit_learn_has_them(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.parametrize("method", ["lifted", "placed", "newton", "sgd", "none"])
def test_every_method_trains_it_and_exact_ones_end_with_self_replicators_alone(method: str) -> None:
    # Of sgd the replication has to have its time; what is asked here is that it runs.
    lr = 0.01 if method == "sgd" else 0.05
    model = classifier(method=method, every="epoch", hidden=4, max_iter=80, lr=lr).fit(IRIS, SPECIES)
    assert model.score(IRIS, SPECIES) > (0.5 if method == "sgd" else 0.85)
    types = model.census_.loc["total"]
    assert types.sum() == 5 * 6 + 6 * 3
    if method in ("lifted", "placed", "newton"):
        assert types["identity"] == types.sum()


def test_particles_that_follow_in_the_end_alone_are_worth_what_was_trained() -> None:
    late, soon = (classifier(every=every).fit(IRIS, SPECIES) for every in ("log", 1))
    assert late.census_.loc["total", "identity"] == 48
    assert late.score(IRIS, SPECIES) > 0.9
    for a, b in zip(late.effective_weights_, soon.effective_weights_, strict=True):
        np.testing.assert_allclose(a, b, rtol=0.05, atol=0.02)


def test_numbers_are_the_dense_control_and_have_no_types() -> None:
    model = classifier(kind="number").fit(IRIS, SPECIES)
    assert model.score(IRIS, SPECIES) > 0.9
    assert model.census_ is None
    assert [weight.shape for weight in model.effective_weights_] == [(6, 5), (3, 6)]


@pytest.mark.parametrize("ends", [{}, {"tol": 0.1, "n_iter_no_change": 3}, {"early_stopping": True}], ids=str)
def test_the_effective_weights_are_what_it_answers_with_wherever_it_ended(ends: dict[str, Any]) -> None:
    model = classifier(standardize=False, **ends).fit(IRIS, SPECIES)
    assert ends == {} or model.n_iter_ < model.max_iter
    first, second = model.effective_weights_
    x = np.column_stack([IRIS, np.ones(len(IRIS))])
    logits = np.maximum(x @ first.T, 0) @ second.T
    np.testing.assert_allclose(
        logits - logits.mean(1, keepdims=True), centred(model.predict_log_proba(IRIS)), atol=1e-3
    )


def centred(values: np.ndarray) -> np.ndarray:
    return values - values.mean(1, keepdims=True)


@pytest.mark.parametrize("labels", [["x", "a", "m"], [7, -3, 100], [True, False, False]], ids=str)
def test_labels_may_be_anything(labels: list[Any]) -> None:
    y = np.array(labels)[SPECIES]
    model = classifier().fit(IRIS, y)
    assert model.classes_.tolist() == sorted({*labels})
    assert {*model.predict(IRIS)} <= {*labels}
    assert model.score(IRIS, y) > 0.7


def test_the_same_random_state_gives_the_same_bits_and_another_others() -> None:
    a, b, c = (classifier(random_state=seed).fit(IRIS, SPECIES).predict_proba(IRIS) for seed in (1, 1, 2))
    assert (a == b).all()
    assert (a != c).any()


def test_sparse_examples_are_learnt_to_the_bit_as_dense_ones() -> None:
    X = np.where(IRIS > 2, IRIS, 0)
    dense, filled = classifier().fit(X, SPECIES), classifier().fit(sparse.csr_array(X), SPECIES)
    assert (dense.predict_proba(X) == filled.predict_proba(sparse.csr_array(X))).all()


@pytest.mark.parametrize("make", [classifier, lambda: OrganismRegressor(**QUICK, random_state=0)])
def test_weights_are_repetitions_to_the_bit_where_a_batch_holds_all(make: Any) -> None:
    weight = np.random.default_rng(0).integers(0, 4, size=60)
    X, y = IRIS[::2][:60] + np.arange(60)[:, None] / 1e3, SPECIES[::2][:60]
    weighted = make().fit(X, y, sample_weight=weight)
    repeated = make().fit(X.repeat(weight, axis=0), y.repeat(weight))
    assert (weighted.predict(X) == repeated.predict(X)).all()
    assert weighted.loss_curve_ == repeated.loss_curve_


def test_in_smaller_batches_weights_count_too() -> None:
    # Two classes at one place: the heavier one wins.
    X, y = np.zeros((100, 1)), np.arange(100) % 2
    heavy = classifier(batch_size=20).fit(X, y, sample_weight=np.where(y == 1, 3.0, 1.0))
    np.testing.assert_allclose(heavy.predict_proba(X[:1])[0], [0.25, 0.75], atol=0.08)
    with pytest.raises(ValueError, match=r"[Nn]egative"):
        heavy.fit(X, y, sample_weight=-np.ones(100))


def test_epochs_in_pieces_are_those_of_one_fit_and_a_pickled_one_goes_on() -> None:
    whole = classifier(max_iter=6, tol=-np.inf, batch_size=40, method="none").fit(IRIS, SPECIES)
    pieces = classifier(batch_size=40, method="none")
    for piece in range(6):
        pieces.partial_fit(IRIS, SPECIES, classes=[0, 1, 2] if piece == 0 else None)
        pieces = pickle.loads(pickle.dumps(pieces))
    assert pieces.loss_curve_ == whole.loss_curve_
    assert (pieces.predict_proba(IRIS) == whole.predict_proba(IRIS)).all()
    assert pieces.n_iter_ == 6


def test_a_warm_start_goes_on_where_it_ended() -> None:
    model = classifier(warm_start=True, max_iter=5, tol=-np.inf, method="none").fit(IRIS, SPECIES).fit(IRIS, SPECIES)
    assert model.n_iter_ == 10
    assert model.loss_curve_ == classifier(max_iter=10, tol=-np.inf, method="none").fit(IRIS, SPECIES).loss_curve_
    with pytest.raises(ValueError, match="training began with"):
        model.fit(IRIS, SPECIES + 1)


@pytest.mark.parametrize("settings", [(), GATES], ids=["plain", "gates"])
def test_early_stopping_keeps_the_best(settings: tuple[str, ...]) -> None:
    model = classifier(early_stopping=True, validation_fraction=0.3, n_iter_no_change=4, lr=0.3, max_iter=200)
    model.set_params(settings=settings)
    model.fit(IRIS, SPECIES)
    scores, losses = model.validation_scores_, model.validation_loss_curve_
    assert len(scores) == len(losses) == model.n_iter_ == len(model.loss_curve_) < 200
    assert model.best_validation_score_ == max(scores)
    best = int(np.argmax(scores)) + 1
    split_seed = np.random.RandomState(0).randint(2**31 - 1, size=2)[1]
    held = divided(Examples(IRIS, SPECIES, None), 0.3, split_seed)[1]
    assert model.score(held.X, held.y) == scores[best - 1]
    assert log_loss(held.y, model.predict_proba(held.X)) == pytest.approx(losses[best - 1], rel=1e-3)
    # The one of that epoch, as a fit that ends there has it.
    assert best < len(scores)
    alone = clone(model).set_params(max_iter=best).fit(IRIS, SPECIES)
    np.testing.assert_array_equal(model.predict_proba(IRIS), alone.predict_proba(IRIS))


def test_it_answers_behind_its_gates_as_they_are_at_rest() -> None:
    model = classifier(batch_size=50, standardize=False, settings=GATES).fit(IRIS, SPECIES)
    organism = model.organism_
    worth = organism.particle.worth(organism.weights.detach())
    with organism.behind(None):
        used = worth * model._training.terms.opened(model.n_iter_)
    assert (used - worth).abs().max() > 0.1
    first, second = (part.numpy() for part in organism.in_shape(used))
    logits = np.maximum(np.column_stack([IRIS, np.ones(len(IRIS))]) @ first.T, 0) @ second.T
    answered = model.predict_proba(IRIS)
    np.testing.assert_allclose(centred(logits), centred(model.predict_log_proba(IRIS)), atol=1e-3)
    np.testing.assert_array_equal(model.effective_weights_[0], first)
    for same in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model), clone(model).fit(IRIS, SPECIES)):
        np.testing.assert_array_equal(same.predict_proba(IRIS), answered)


def test_that_it_is_at_rest_between_epochs_changes_no_training() -> None:
    settings = (*GATES, "body.dropout=0.2")
    whole = classifier(max_iter=6, tol=-np.inf, settings=settings, batch_size=40, method="none").fit(IRIS, SPECIES)
    pieces = clone(whole).set_params(warm_start=True, max_iter=2)
    for _ in range(3):
        pieces.fit(IRIS, SPECIES).predict(IRIS)
    assert pieces.loss_curve_ == whole.loss_curve_
    np.testing.assert_array_equal(pieces.predict_proba(IRIS), whole.predict_proba(IRIS))


def test_an_answer_changes_nothing_that_another_thread_could_see(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRNN_KERNELS", "torch")
    model = classifier(max_iter=3, settings=("body.dropout=0.5",)).fit(IRIS, SPECIES)
    answered = model.predict_proba(IRIS)

    def change(*_: Any) -> None:
        raise AssertionError("another thread would see that")

    monkeypatch.setattr(model.organism_, "train", change)
    np.testing.assert_array_equal(model.predict_proba(IRIS), answered)


@contextmanager
def doubles() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


AROUND: dict[str, Any] = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "doubles": doubles,
    "meta": lambda: torch.device("meta"),
    "autocast": lambda: torch.autocast("cpu"),
}


@pytest.mark.parametrize("around", AROUND)
def test_what_is_set_for_all_of_torch_changes_no_bit(around: str) -> None:
    def told() -> list[Any]:
        model = classifier(max_iter=3, batch_size=50).fit(IRIS, SPECIES)
        model.partial_fit(IRIS, SPECIES)
        regressor = OrganismRegressor(**QUICK | {"max_iter": 3}, random_state=0).fit(IRIS, SPECIES)
        answers = [model.predict(IRIS), model.predict_proba(IRIS), model.predict_log_proba(IRIS)]
        return [*answers, *model.effective_weights_, model.census_, regressor.predict(IRIS)]

    expected = told()
    with AROUND[around]():
        found = told()
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


class TestDivergence:
    """Training that led to nothing says so, and what to do."""

    WILD: dict[str, Any] = {"method": "sgd", "optimizer": "sgd", "lr": 0.5, "standardize": False, "hidden": 4}

    def test_an_end_that_is_not_finite_is_refused_and_nothing_goes_on_from_there(self) -> None:
        model = classifier(**self.WILD, batch_size=50, warm_start=True)
        with pytest.raises(ValueError, match=r"diverged: [\d,]+ particles .*; try a smaller lr, or standardize=True"):
            model.fit(IRIS * 30, SPECIES)
        model.set_params(method="lifted", lr=0.01, standardize=True).fit(IRIS * 30, SPECIES)
        assert np.isfinite(model.loss_curve_).all()

    @pytest.mark.parametrize("goes_on", [False, True])
    def test_numbers_of_which_nothing_finite_is_left_are_refused_whenever_that_happens(self, goes_on: bool) -> None:
        model = OrganismRegressor(kind="number", optimizer="sgd", activation="none", batch_size=20, warm_start=True)
        if goes_on:
            model.set_params(lr=1e-6, max_iter=2).fit(IRIS, SPECIES)
        with pytest.raises(ValueError, match=r"diverged: (\d+) of \1 numbers .* in epoch [13]; try a smaller lr$"):
            model.set_params(lr=900, max_iter=20).fit(IRIS, SPECIES)

    def test_what_was_drawn_anew_and_trained_since_is_warned_of(self) -> None:
        progress = Progress(classifier(max_iter=2).fit(IRIS, SPECIES)._training, 0.0, keeps=False)
        progress.note(Report(1, 1, {0: {}}, False, diverged={0: "2 particles held a NaN"}), 2.0)
        with pytest.raises(ValueError, match="2 particles held a NaN in epoch 1; less"):
            progress.require_finite("less")
        progress.note(Report(2, 2, {0: {}}, False), 1.0)
        with pytest.warns(ConvergenceWarning, match="2 particles held a NaN in epoch 1; less"):
            progress.require_finite("less")

    def test_early_stopping_keeps_what_was_best_before(self) -> None:
        model = OrganismRegressor(kind="number", optimizer="sgd", lr=0.9, momentum=0, width=6, random_state=0)
        with pytest.warns(ConvergenceWarning, match="diverged for a while"):
            model.set_params(early_stopping=True, batch_size=20).fit(IRIS, SPECIES)
        assert not np.isfinite(model.validation_scores_[-1])
        assert np.isfinite(model.predict(IRIS)).all()
        assert model.best_validation_score_ == np.nanmax(model.validation_scores_)
        model.set_params(warm_start=True, early_stopping=False, lr=0.01).fit(IRIS, SPECIES)
        assert np.isfinite(model.loss_curve_[-1])
        assert model.n_iter_ > np.nanargmax(model.validation_scores_) + 1

    @pytest.mark.parametrize("standardize", [False, True])
    def test_what_is_too_large_for_it_is_refused_as_such(self, standardize: bool) -> None:
        cell = IRIS.copy()
        cell[5, 3] = 1e39
        model = classifier(standardize=standardize, max_iter=2)
        for X in (cell, IRIS * 1e200, sparse.csr_array(cell)):
            with pytest.raises(
                ValueError, match=r"Input X contains infinity or a value too large for dtype\('float32'\)"
            ):
                model.fit(X, SPECIES)
        model.fit(IRIS, SPECIES)
        with pytest.raises(ValueError, match="Input X contains infinity"):
            model.predict(cell)
        with pytest.raises(ValueError, match="Input y contains infinity"):
            OrganismRegressor(standardize=standardize).fit(IRIS, SPECIES * 1e200)

    def test_only_the_ratios_of_weights_matter_however_large(self) -> None:
        weight = np.where(SPECIES == 1, 2.0, 1.0)
        small, large = (classifier(max_iter=3).fit(IRIS, SPECIES, weight * 2.0**by) for by in (0, 1000))
        np.testing.assert_array_equal(small.predict_proba(IRIS), large.predict_proba(IRIS))


def test_it_goes_through_pipelines_searches_and_pickles() -> None:
    monitor = ScoringMonitor(scoring="accuracy")
    pipeline = make_pipeline(MinMaxScaler(), classifier(max_iter=5, tol=-np.inf).set_callbacks(monitor))
    search = GridSearchCV(pipeline, {"organismclassifier__width": np.array([3, 5])}, cv=2, n_jobs=2).fit(IRIS, SPECIES)
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    assert (again.predict_proba(IRIS) == search.predict_proba(IRIS)).all()
    # Of two widths in two folds, and of the best on all data, in whatever process, each epoch.
    rows = [row for log in monitor.get_logs(select="all") for row in log.data if row["task_name"] == "epoch"]
    assert len(rows) == (2 * 2 + 1) * 5
    assert all(0 <= row["accuracy"] <= 1 for row in rows)
    X, y = make_regression(60, 3, random_state=0)
    assert cross_val_score(OrganismRegressor(**QUICK, random_state=0), X, y, cv=3).min() > 0.5
    assert not hasattr(clone(search.best_estimator_[-1]), "organism_")


def test_a_regression_of_several_outputs_answers_in_their_units() -> None:
    X, y = make_regression(80, 3, n_targets=2, random_state=0)
    y = y * [1, 1000] + [0, 1e5]
    model = OrganismRegressor(**QUICK | {"max_iter": 200}, random_state=0).fit(X, y)
    assert model.predict(X).shape == y.shape
    assert model.score(X, y) > 0.9


def test_callbacks_see_every_epoch_and_the_scores_there() -> None:
    monitor = ScoringMonitor(scoring="accuracy")
    model = classifier(max_iter=4, tol=-np.inf).set_callbacks(monitor).fit(IRIS, SPECIES)
    rows = [row for row in monitor.get_logs(select="most_recent").data if row["task_name"] == "epoch"]
    assert len(rows) == model.n_iter_ == 4
    assert rows[-1]["accuracy"] == model.score(IRIS, SPECIES)


def test_callbacks_are_shown_what_a_fit_that_ends_there_is() -> None:
    monitor, asked = ScoringMonitor(scoring="accuracy"), {"hidden": 4, "tol": -np.inf, "settings": GATES}
    classifier(max_iter=8, **asked).set_callbacks(monitor).fit(IRIS, SPECIES)
    rows = [row for row in monitor.get_logs(select="most_recent").data if row["task_name"] == "epoch"]
    scores = [classifier(max_iter=epochs, **asked).fit(IRIS, SPECIES).score(IRIS, SPECIES) for epochs in range(1, 9)]
    assert [row["accuracy"] for row in rows] == scores
    assert len({*scores}) > 2


def test_its_bar_is_full_in_the_end_even_if_training_has_ended_early(capsys: pytest.CaptureFixture[str]) -> None:
    model = classifier(max_iter=30, tol=0.1, n_iter_no_change=2).set_callbacks(ProgressBar()).fit(IRIS, SPECIES)
    assert model.n_iter_ < 30
    assert re.search(r"OrganismClassifier - fit .*100%", capsys.readouterr().out)


def test_weights_are_routed_to_the_fit_and_the_score() -> None:
    weight = np.where(SPECIES == 1, 0.01, 1.0)
    with config_context(enable_metadata_routing=True):
        model = classifier(max_iter=5).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        search = GridSearchCV(make_pipeline(model), {"organismclassifier__width": [3]}, cv=2)
        search.fit(IRIS, SPECIES, sample_weight=weight)
        score = search.score(IRIS, SPECIES, sample_weight=weight)
    alone = classifier(max_iter=5, width=3).fit(IRIS, SPECIES, sample_weight=weight)
    assert (search.predict_proba(IRIS) == alone.predict_proba(IRIS)).all()
    assert (search.predict_proba(IRIS) != alone.fit(IRIS, SPECIES).predict_proba(IRIS)).any()
    assert score == search.best_estimator_.score(IRIS, SPECIES, sample_weight=weight) != search.score(IRIS, SPECIES)


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(UserError, match=r"body\.activation is 'swish'"):
        classifier(activation="swish").fit(IRIS, SPECIES)
    with pytest.raises(UserError, match=r"replication\.alhpa"):
        classifier(settings=("replication.alhpa=1",)).fit(IRIS, SPECIES)
    with pytest.raises(ValueError, match=r"y has the classes \[5\]"):
        classifier().partial_fit(IRIS, SPECIES, classes=[0, 1, 2]).partial_fit(IRIS, np.full(150, 5))


@pytest.mark.parametrize(
    ("setting", "instead"),
    [
        ("seed=3", "set random_state"),
        ("task.validation=50", "set .*early_stopping"),
        ("start.run=runs/a", "set warm_start=True"),
        ("training.keep=best", "set early_stopping=True"),
        (" training.epochs = 3", "set max_iter"),
        ("pruning.rounds=3", "leave it out"),
        ('comparison.variants.a=["training.lr=0.1"]', "leave it out"),
        ("sweep.over.training.lr=[0.1]", "leave it out"),
        ("checkpoint.every=1", "leave it out"),
    ],
)
def test_settings_of_no_effect_are_refused(setting: str, instead: str) -> None:
    key = re.escape(setting.partition("=")[0].strip())
    for settings in ((setting,), ("replication.alpha=10", setting), setting):
        with pytest.raises(UserError, match=f"{key}, which is of no effect on an estimator: {instead}"):
            classifier(settings=settings).fit(IRIS, SPECIES)


@pytest.mark.parametrize("make", [classifier, lambda **settings: OrganismRegressor(**settings)])
def test_single_epochs_hold_nothing_back(make: Any) -> None:
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping=True"):
        make(early_stopping=True).partial_fit(IRIS, SPECIES)


CHANGES: dict[str, Any] = {"depth": 3, "width": 9, "activation": "tanh", "intercept": False, "kind": "number"}
CHANGES |= {"hidden": 3, "method": "none", "optimizer": "sgd", "standardize": False, "settings": ["body.dropout=0.1"]}


@pytest.mark.parametrize("name", CHANGES)
def test_what_goes_on_goes_on_with_what_it_began_with(name: str) -> None:
    model = classifier(warm_start=True, max_iter=1).fit(IRIS, SPECIES).set_params(**{name: CHANGES[name]})
    for go_on in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match=f"^{name} is .*, and training began with"):
            go_on(IRIS, SPECIES)
    assert model.set_params(warm_start=False).fit(IRIS, SPECIES).n_iter_ == 1


def test_a_warm_start_may_go_on_at_another_learning_rate() -> None:
    model = classifier(warm_start=True, max_iter=3, method="none").fit(IRIS, SPECIES)
    before = model.effective_weights_[0]
    np.testing.assert_allclose(model.set_params(lr=1e-12).fit(IRIS, SPECIES).effective_weights_[0], before, atol=1e-6)
    assert np.abs(model.set_params(lr=0.1).fit(IRIS, SPECIES).effective_weights_[0] - before).max() > 0.01


class TestEnsembles:
    """scikit-learn's own, of organisms."""

    def test_bagging_has_members_of_other_examples_and_means_what_they_say(self) -> None:
        model = BaggingClassifier(classifier(kind="number", max_iter=15), n_estimators=3, random_state=0)
        model.fit(IRIS, SPECIES)
        assert model.score(IRIS, SPECIES) > 0.85
        members = np.stack([one.predict_proba(IRIS) for one in model.estimators_])
        np.testing.assert_allclose(model.predict_proba(IRIS), members.mean(0), atol=1e-6)
        assert np.ptp(members, axis=0).max() > 0.01
        # With replacement, 63 % of the examples are in a sample.
        assert all(0.5 < len({*sample}) / len(IRIS) < 0.75 for sample in model.estimators_samples_)

    def test_boosting_weighs_what_was_missed_by_samme(self) -> None:
        hard = SPECIES.copy()
        hard[::15] = (hard[::15] + 1) % 3
        model = AdaBoostClassifier(classifier(kind="number", max_iter=15), n_estimators=3, random_state=0)
        model.fit(IRIS, hard)
        assert len(model.estimators_) == 3
        weight = np.full(len(IRIS), 1 / len(IRIS))
        for member, error, voice in zip(
            model.estimators_, model.estimator_errors_, model.estimator_weights_, strict=True
        ):
            missed = member.predict(IRIS) != hard
            assert error == pytest.approx(weight[missed].sum())
            assert voice == pytest.approx(np.log((1 - error) / error) + np.log(2))
            weight = weight * np.exp(voice * missed)
            weight /= weight.sum()
