"""What every task is: fixed training and test data, a loss to train by and a score to report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import isnan, nan
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from srnn.choices import Scale
from srnn.errors import UserError
from srnn.tasks import scores
from srnn.tasks.scaling import Scaling

Kind = Literal["classification", "regression"]
Metric = Literal["accuracy", "mae"]


@dataclass(frozen=True, eq=False)
class Task:
    """Data and what counts as success on them. The tensors may be shared between tasks: never change them in place.

    Args:
        name: As in a preset.
        kind: ``classification`` (cross entropy, accuracy) or ``regression`` (squared error, mean absolute error).
        train_x: float32 ``(n, inputs)``.
        train_y: int64 ``(n,)`` in 0 … outputs − 1 for classification, float32 ``(n, outputs)`` for regression.
        test_x: As ``train_x``, with rows of its own.
        test_y: As ``train_y``.
        outputs: What the network must put out: one number per class, or per target.
        validation_x: Of the training data those that are held back, as ``train_x``; None if there are none.
        validation_y: As ``train_y``.
        classes: What the classes are called, in their order; None if by their number.
        target: The column of a table that y is.
        probes: Inputs ``(inputs,)`` whose answer, the first output, a run records under that name.
        image: Channels, height and width of an example that is a picture: a row of x holds its pixels in that order.
        scale: What x and, for regression, y were brought to (:mod:`srnn.tasks.scaling`).
        x_scaling: How x was scaled; None if it was not.
        y_scaling: How y was scaled; None if it was not. ``score`` is in the units before that.
        fingerprint: By what the data are known again (:func:`srnn.tasks.fingerprint.fingerprint`); empty if they are
            drawn.
        source: The file or folder that they are from.
        notes: What the user should know of how the data were taken, a line each.
        train_weight: What each training example's loss is multiplied by, float32 ``(n,)``; None for 1.
    """

    name: str
    kind: Kind
    train_x: Tensor
    train_y: Tensor
    test_x: Tensor
    test_y: Tensor
    outputs: int
    validation_x: Tensor | None = None
    validation_y: Tensor | None = None
    classes: tuple[str, ...] | None = None
    target: str | None = None
    probes: Mapping[str, Tensor] = field(default_factory=dict)
    image: tuple[int, int, int] | None = None
    scale: Scale = "none"
    x_scaling: Scaling | None = None
    y_scaling: Scaling | None = None
    fingerprint: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    notes: tuple[str, ...] = ()
    train_weight: Tensor | None = None

    @property
    def inputs(self) -> int:
        """Numbers per example."""
        return self.train_x.shape[1]

    @property
    def metric(self) -> Metric:
        """What ``score`` measures: ``accuracy`` (higher is better) or ``mae`` (lower is better)."""
        return "accuracy" if self.kind == "classification" else "mae"

    def loss(self, output: Tensor, y: Tensor, smoothing: float = 0.0) -> Tensor:
        """Cross entropy or squared error of each answer, differentiable.

        ``output (…, n, outputs)`` and ``y (…, n)``, for regression ``(…, n, outputs)``, give ``(…, n)``: leading
        dimensions are networks side by side. Of classes, a share ``smoothing`` of the target is divided among all.

        Raises:
            ValueError: Output and y differ in shape (they would broadcast to a wrong mean).
        """
        if self.kind == "classification":
            _check_shapes(output.shape[:-1], y.shape)
            # Examples, of which there are many, last: they and not the few classes then fill the vector registers.
            networks = y.shape[:-1].numel()
            logits, right = output.mT.reshape(networks, *output.mT.shape[-2:]), y.reshape(networks, -1)
            return cross_entropy(logits, right, reduction="none", label_smoothing=smoothing).view(y.shape)
        _check_shapes(output.shape, y.shape)
        return (output - y).square().mean(-1)

    def score(self, output: Tensor, y: Tensor) -> Tensor:
        """The metric of each answer: whether it is right (1 or 0), or its absolute error; shapes as for :meth:`loss`.

        An error is in the units of the data before they were scaled. An answer that is not finite has none: NaN.

        Raises:
            ValueError: As for :meth:`loss`.
        """
        if self.kind == "classification":
            _check_shapes(output.shape[:-1], y.shape)
            # Where the units come first, as of an MLP, argmax takes several times as long.
            right = (output.max(-1).indices == y).float()
            return right + 0 * output.sum(-1)
        _check_shapes(output.shape, y.shape)
        errors = (output - y).abs()
        if self.y_scaling is not None:
            errors = errors * torch.from_numpy(self.y_scaling.factor).to(errors)
        return errors.mean(-1) + 0 * output.sum(-1)

    @torch.no_grad()
    def metrics(self, output: Tensor, y: Tensor) -> dict[str, float]:
        """Everything that is measured of one network's answers.

        Args:
            output: ``(n, outputs)``.
            y: As for :meth:`loss`.

        Returns:
            The mean of :meth:`score` under the name of :attr:`metric`, then what :mod:`srnn.tasks.scores` has for this
            kind of task. If one of the answers is not finite, all are NaN: such a network has no accuracy.
        """
        mean = float(self.score(output, y).mean())
        others = (
            scores.of_classes(output, y, self.classes)
            if self.kind == "classification"
            else scores.of_numbers(output, y)
        )
        found = {str(self.metric): mean} | others
        return dict.fromkeys(found, nan) if isnan(mean) else found

    def holding_back(self, examples: int, untrained: bool = True) -> Task:
        """The same task with the last examples of its training data for validation.

        Args:
            examples: How many.
            untrained: Whether they are no longer trained on.

        Raises:
            UserError: None would be left to train on.
        """
        if examples == 0:
            return self
        if examples >= (count := len(self.train_x)):
            raise UserError(
                f"task.validation is {examples:,}; the task {self.name} has {count:,} training examples: set it to "
                f"less than that"
            )
        first, last = slice(None, -examples if untrained else None), slice(-examples, None)
        return replace(
            self,
            train_x=self.train_x[first],
            train_y=self.train_y[first],
            validation_x=self.train_x[last],
            validation_y=self.train_y[last],
        )

    def to(self, device: torch.device | str) -> Task:
        """The same task with its data on ``device``."""
        return replace(
            self,
            train_x=self.train_x.to(device),
            train_y=self.train_y.to(device),
            train_weight=None if self.train_weight is None else self.train_weight.to(device),
            test_x=self.test_x.to(device),
            test_y=self.test_y.to(device),
            validation_x=None if self.validation_x is None else self.validation_x.to(device),
            validation_y=None if self.validation_y is None else self.validation_y.to(device),
            probes={name: x.to(device) for name, x in self.probes.items()},
        )


def _check_shapes(output: torch.Size, y: torch.Size) -> None:
    if output != y:
        raise ValueError(f"the output has shape {tuple(output)}, y has {tuple(y)}; they must agree")
