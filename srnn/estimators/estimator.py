"""What both estimators have in common: from examples and parameters to a training, and what is left of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from srnn import fixpoints
from srnn.estimators.examples import Examples, divided, filled, in_single, merged, plain_value
from srnn.estimators.fixed import fixed_of, require_of_effect, require_unchanged
from srnn.estimators.progress import Progress, at_rest, epochs_of, trained
from srnn.experiment import Experiment
from srnn.kernels.arithmetic import fast_arithmetic, plain_torch
from srnn.organism import Organism
from srnn.tasks import Task
from srnn.training import Report, Training
from srnn.training.learning import answers

if TYPE_CHECKING:
    import pandas as pd

#: Epochs between the measurements of a run, which nobody reads here.
_NEVER = 1_000_000


class OrganismEstimator(CallbackSupportMixin, BaseEstimator):  # type: ignore[misc]
    _kind: Literal["classification", "regression"]
    _training: Training
    _begun_with: dict[str, Any]
    n_outputs_: int
    _x_scaling: Any

    def __init__(
        self,
        *,
        depth: int = 2,
        width: int = 100,
        activation: str = "relu",
        residual: str = "none",
        intercept: bool = True,
        kind: str = "weightwise",
        hidden: int = 4,
        method: str = "lifted",
        every: int | str = "log",
        optimizer: str = "adam",
        lr: float = 0.003,
        momentum: float = 0.9,
        batch_size: int = 200,
        max_iter: int = 200,
        tol: float = 1e-4,
        n_iter_no_change: int = 10,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        standardize: bool = True,
        warm_start: bool = False,
        random_state: Any = None,
        settings: Sequence[str] = (),
    ) -> None:
        self.depth = depth
        self.width = width
        self.activation = activation
        self.residual = residual
        self.intercept = intercept
        self.kind = kind
        self.hidden = hidden
        self.method = method
        self.every = every
        self.optimizer = optimizer
        self.lr = lr
        self.momentum = momentum
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.standardize = standardize
        self.warm_start = warm_start
        self.random_state = random_state
        self.settings = settings

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    @with_callbacks  # type: ignore[untyped-decorator]
    @plain_torch()
    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """Train on examples.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            A sparse one is filled.
        y : array-like of shape (n_samples,), of a regression also (n_samples, n_outputs)
            Class labels of any type, or numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            What each example's loss counts: only the ratios matter. An example of weight 0 is left out.

        Returns
        -------
        self : the fitted estimator

        Raises
        ------
        ValueError
            The data cannot be learnt from or are too large for float32, training diverged, or it goes on and a
            parameter of the network has changed since it began.
        srnn.UserError
            A parameter is not allowed, or a setting is of no effect here.

        Warns
        -----
        sklearn.exceptions.ConvergenceWarning
            Training diverged on the way, and not in the end.
        """
        going_on = self.warm_start and hasattr(self, "_training")
        if going_on:
            require_unchanged(self, self._begun_with)
        data = self._data(X, y, sample_weight, reset=not going_on)
        random = check_random_state(self.random_state)
        seed, split_seed = random.randint(2**31 - 1, size=2).tolist()
        held = None
        if self.early_stopping:
            data, held = divided(data, self.validation_fraction, split_seed)
        data = merged(data, self.batch_size)
        if not going_on:
            self._begin()
            self._fit_scaling(data)
        training = self._prepared(data, None if going_on else seed, self.max_iter)
        context = self._init_callback_context(max_subtasks=training.experiment.training.epochs - training.epoch)
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        told: dict[str, Any] = {"estimator": self, "X": X, "y": y, "metadata": metadata}
        context.call_on_fit_task_begin(**told)
        self._improve(training, held, context, told)
        context.call_on_fit_task_end(**told, reconstruction_attributes=dict)
        return self

    @plain_torch()
    def _partial_fit(self, data: Examples, first: bool) -> Self:
        data = merged(data, self.batch_size)
        if first:
            self._begin()
            self._fit_scaling(data)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1, size=2)[0]) if first else None
        training = self._prepared(data, seed, 1)
        self._improve(training, None, None, {})
        return self

    def _require_epochs_alone(self, first: bool) -> None:
        """Raise ValueError unless single epochs can be trained as the parameters ask for it."""
        if self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True: set it to False, or call fit")
        if not first:
            require_unchanged(self, self._begun_with)

    def _begin(self) -> None:
        self.__dict__.pop("_training", None)
        self._begun_with = fixed_of(self)
        self.loss_curve_: list[float] = []
        self.validation_loss_curve_: list[float] | None = [] if self.early_stopping else None
        self.validation_scores_: list[float] | None = [] if self.early_stopping else None

    def _improve(self, training: Training, held: Examples | None, context: Any, told: dict[str, Any]) -> None:
        """Train to the end, or until nothing becomes better; of a validation share, the best is kept."""
        progress = Progress(training, self.tol, keeps=held is not None)
        called = context is not None and bool(getattr(self, "_skl_callbacks", []))
        self.organism_ = training.organism
        with fast_arithmetic(training.organism.size * training.experiment.training.batch_size), trained(training):
            epochs = epochs_of(training)
            while True:
                task = context.subcontext(task_name="epoch") if called else None
                if task is not None:
                    task.call_on_fit_task_begin(**told)
                report = next(epochs, None)
                if report is None:
                    break
                progress.note(report, self._told(report, training, held))
                stop = task is not None and task.call_on_fit_task_end(
                    **told, reconstruction_attributes=lambda: {"organism_": at_rest(training)}
                )
                waited = progress.waited > self.n_iter_no_change
                if stop or waited or training.epoch == training.experiment.training.epochs:
                    break
            self.n_iter_ = training.epoch
            progress.keep()
        self._require_finite(progress)
        if held is not None:
            self.best_validation_score_ = -progress.best

    def _told(self, report: Report, training: Training, held: Examples | None) -> float:
        """Put an epoch on the curves; what of it is to become less."""
        self.loss_curve_.append(report.scores[0]["task_loss"])
        if held is None:
            return self.loss_curve_[-1]
        loss, score = self._validated(training, held)
        self.validation_loss_curve_ = [*(self.validation_loss_curve_ or []), loss]
        self.validation_scores_ = [*(self.validation_scores_ or []), score]
        return -score

    def _require_finite(self, progress: Progress) -> None:
        try:
            progress.require_finite("try a smaller lr" + ("" if self.standardize else ", or standardize=True"))
        except ValueError:
            del self._training  # from which nothing can go on
            raise

    def _experiment(self, examples: int, epochs: int) -> Experiment:
        numbers = self.kind == "number"
        plain: dict[str, Any] = {
            "name": type(self).__name__,
            "body": {
                "depth": self.depth,
                "width": self.width,
                "activation": self.activation,
                "residual": self.residual,
            },
            "particle": {"kind": self.kind, "hidden": self.hidden},
            "replication": {
                "method": "none" if numbers else self.method,
                "every": self.every,
                "momentum": "shared" if self.optimizer == "sgd" else "separate",
            },
            "training": {
                "epochs": epochs,
                "batch_size": min(self.batch_size, examples),
                "optimizer": self.optimizer,
                "lr": self.lr,
                "momentum": self.momentum,
            },
            "log": {"every": _NEVER, "particles": 1, "rest": 0},
        }
        plain = {section: plain_value(values) for section, values in plain.items()}
        require_of_effect(self.settings)
        return Experiment.from_dict(plain).override(self.settings)

    def _prepared(self, data: Examples, seed: int | None, epochs: int) -> Training:
        """What goes on for so many epochs: a new training of that seed, or, without, the one there is."""
        x, y = self._inputs(data.X), torch.from_numpy(self._targets(data.y))
        weight = None
        if data.weight is not None:
            weight = torch.from_numpy((data.weight / data.weight.mean()).astype(np.float32))
        # Validation is done here, and the loop has one example to measure: a run's validation is of rows that are not
        # drawn, without weights, and only where there is a census, too.
        task = Task("data", self._kind, x, y, x[:1], y[:1], self.n_outputs_, train_weight=weight)
        if seed is None:
            training = self._training
            training.go_on_with(self._experiment(len(x), training.epoch + epochs), task)
            for one in (training.method, training.plain, training.terms):
                one.set_rate(training.experiment.training.lr)
        else:
            training = self._training = Training(self._experiment(len(x), epochs), task, [seed])
        return training

    def _inputs(self, X: NDArray[Any]) -> torch.Tensor:
        """What the network is given, float32 ``(n, inputs)``."""
        if self._x_scaling is not None:
            X = self._x_scaling.transform(X)
        rows = np.ones((X.shape[0], X.shape[1] + bool(self.intercept)), np.float32)
        rows[:, : X.shape[1]] = in_single(X, "X")
        return torch.from_numpy(rows)

    def _targets(self, y: NDArray[Any]) -> NDArray[Any]:
        """What the network is to answer, of the type that its loss takes."""
        return y

    def _fit_scaling(self, data: Examples) -> None:
        self._x_scaling = StandardScaler().fit(data.X, sample_weight=data.weight) if self.standardize else None

    @plain_torch()
    def _answers(self, X: Any) -> NDArray[np.float32]:
        """The answers of the network to examples, ``(n, outputs)``."""
        check_is_fitted(self)
        return self._answered(self.organism_, filled(validate_data(self, X, accept_sparse="csr", reset=False)))

    def _answered(self, organism: Organism, X: NDArray[Any]) -> NDArray[np.float32]:
        """What an organism at rest answers; nothing of it is changed."""
        x = self._inputs(X)
        with torch.no_grad(), fast_arithmetic(organism.size * len(x)):
            answered: NDArray[np.float32] = answers(organism, organism.worth(), x)[0].numpy()
        return answered

    def _checked(self, X: Any, y: Any, sample_weight: ArrayLike | None, reset: bool) -> tuple[Any, Any, Any]:
        numeric = self._kind == "regression"
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csr",
            dtype=[np.float64, np.float32],
            multi_output=numeric,
            y_numeric=numeric,
            reset=reset,
        )
        weight = None
        if sample_weight is not None:
            weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
            # Only ratios matter, and squares of what is large are too large: a power of two changes no bit of them.
            weight = np.ldexp(weight, -np.frexp(weight.max())[1])
        if numeric:
            in_single(y, "y")
        return filled(X), y, weight

    def _data(self, X: Any, y: Any, sample_weight: ArrayLike | None, reset: bool) -> Examples:
        raise NotImplementedError

    def _validated(self, training: Training, held: Examples) -> tuple[float, float]:
        """Mean loss and score of what is held back; NaN where the organism does not answer with numbers."""
        organism = training.organism.eval()
        with organism.behind(training.terms.opened(training.epoch)):
            answered = self._answered(organism, held.X)
        organism.train()
        if not np.isfinite(answered).all():
            return np.nan, np.nan
        losses = training.task.loss(torch.from_numpy(answered), torch.from_numpy(self._targets(held.y)))
        return float(np.average(losses.numpy(), weights=held.weight)), self._score_of(answered, held)

    def _score_of(self, answered: NDArray[np.float32], held: Examples) -> float:
        raise NotImplementedError

    @property
    @plain_torch()
    def effective_weights_(self) -> list[NDArray[np.float32]]:
        """What the particles are worth: of each layer ``(outputs, inputs)``; the last input is the intercept's."""
        with torch.no_grad():
            return [weight.numpy().copy() for weight in self.organism_.effective_weights()]

    @property
    @plain_torch()
    def census_(self) -> pd.DataFrame | None:
        """How many particles of each layer are of each fixpoint type; None of plain numbers, which have none."""
        organism = self.organism_
        if not organism.particle.has_types:
            return None
        types = fixpoints.classify(organism.weights.detach(), organism.replicator)
        return fixpoints.census(types, organism.layers)
