"""What both estimators say of their parameters and attributes, in the words of scikit-learn's documents."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T", bound=type)

_PARAMETERS = """Parameters
    ----------
    depth : int, default=2
        Weight layers: one more than hidden layers.
    width : int, default=100
        Units of each hidden layer.
    activation : {'none', 'relu', 'tanh', 'sigmoid', 'gelu'}, default='relu'
        Of hidden layers.
    residual : {'none', 'layer', 'pair'}, default='none'
        Which layers add an input, see ``body.residual``.
    intercept : bool, default=True
        Whether an input that is always 1 is added to the features: its weights are particles, too. No other layer has
        biases.
    kind : {'weightwise', 'number'}, default='weightwise'
        What a weight is made of; ``number`` makes the dense network.
    hidden : int, default=4
        Units H of both hidden layers of a particle.
    method : {'lifted', 'placed', 'newton', 'sgd', 'none'}, default='lifted'
        How particles learn to replicate themselves; numbers do not.
    every : int, 'epoch' or 'log', default='log'
        Batches after which particles follow their effective weights (``lifted``, ``placed``) or are put back onto the
        self-replicators (``newton``); ``epoch``: at the end of each, ``log``: only at the end of the fit.
    optimizer : str, default='adam'
        ``training.optimizer``.
    lr : float, default=0.003
        Learning rate.
    momentum : float, default=0.9
        Of optimizers that have one.
    batch_size : int, default=200
        Examples of a step, at most all there are. An incomplete last batch is left out of its epoch.
    max_iter : int, default=200
        Epochs, at most.
    tol : float, default=1e-4
        By how much the loss, or the validation score, must become better to count.
    n_iter_no_change : int, default=10
        Epochs without that, after which training ends.
    early_stopping : bool, default=False
        Whether to hold examples back, end by their score and keep the epoch that was best by it.
    validation_fraction : float, default=0.1
        The share held back.
    standardize : bool, default=True
        Bring each feature to mean 0 and standard deviation 1, as the training data ask for.
    warm_start : bool, default=False
        Whether ``fit`` goes on where it ended, with what it began with but for ``lr``, ``batch_size`` and when to end.
    random_state : int, RandomState instance or None, default=None
        With an int, fits are equal to the bit.
    settings : sequence of str, default=()
        Any other setting of an experiment, such as ``("replication.alpha=10",)``: see ``srnn schema``. Those of no
        effect here, such as ``task.scale``, are refused.
"""
_ATTRIBUTES = """n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Only of data whose columns have names that are text.
    n_outputs_ : int
    n_iter_ : int
        Epochs trained.
    loss_curve_ : list of float
        Mean loss of each epoch; of a regression that of the scaled targets.
    validation_loss_curve_ : list of float or None
        With ``early_stopping``, the mean loss of the share held back after each epoch.
    validation_scores_ : list of float or None
        With ``early_stopping``, the accuracy or R² of the share held back after each epoch.
    best_validation_score_ : float
        Only with ``early_stopping``: that of the epoch that was kept.
    organism_ : srnn.Organism
        In evaluation and, if it has gates, behind them at rest.
    effective_weights_ : list of ndarray
        Of each layer ``(outputs, inputs)``.
    census_ : pandas.DataFrame or None
        Particles of each fixpoint type, by layer.
"""


def described(estimator: T) -> T:
    """A class with these in its docstring, in place of the words PARAMETERS and ATTRIBUTES."""
    text = estimator.__doc__ or ""  # of which there is none under -OO
    estimator.__doc__ = text.replace("PARAMETERS", _PARAMETERS).replace("ATTRIBUTES", _ATTRIBUTES)
    return estimator
