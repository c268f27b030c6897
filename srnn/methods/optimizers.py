"""The optimizers that an experiment can name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from srnn import kernels
from srnn.methods.settings import TrainingConfig

_BY_NAME: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adagrad": torch.optim.Adagrad,
    "adam": torch.optim.Adam,
    "adamax": torch.optim.Adamax,
    "adamw": torch.optim.AdamW,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
}


class SGD:
    """:class:`torch.optim.SGD`, without the one or two seconds that its first use takes to import.

    To the bit where that uses fused multiply-add; by our kernel it does so everywhere.

    Args:
        parameters: What it moves, float tensors of any shape.
        lr: Learning rate.
        momentum: Momentum, 0 for none.

    Attributes:
        state: Of each parameter its ``momentum_buffer`` if there is momentum: zeros before the first step.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, momentum: float) -> None:
        self.parameters, self.lr, self.momentum = list(parameters), lr, momentum
        self.state: dict[Tensor, dict[str, Tensor]] = defaultdict(dict)
        if momentum:
            for parameter in self.parameters:
                self.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)

    def zero_grad(self) -> None:
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move each parameter that has a gradient."""
        for parameter in self.parameters:
            if (step := parameter.grad) is None:
                continue
            self._move(parameter, step, self.state[parameter].get("momentum_buffer"))

    @kernels.or_by_torch
    def _move(self, parameter: nn.Parameter, step: Tensor, buffer: Tensor | None) -> None:
        if (fast := kernels.number_path(parameter, step, buffer)) is not None:
            fast.number_step(parameter, step, buffer, self.lr, self.momentum)
            return
        if buffer is not None:
            step = buffer.mul_(self.momentum).add_(step)
        parameter.add_(step, alpha=-self.lr)


Optimizer = torch.optim.Optimizer | SGD


def build_optimizer(parameters: Iterable[nn.Parameter], settings: TrainingConfig) -> Optimizer:
    """The optimizer as the experiment describes it. It treats every number by itself, so that seeds do not mix."""
    lr, momentum = settings.lr, settings.momentum
    if settings.optimizer == "sgd":
        return SGD(parameters, lr, momentum)
    if settings.optimizer == "rmsprop":
        return torch.optim.RMSprop(parameters, lr=lr, momentum=momentum)
    return _BY_NAME[settings.optimizer](parameters, lr=lr)
