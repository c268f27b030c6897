"""The optimizers that an experiment can name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from srnn import kernels
from srnn.kernels import Kind, adam
from srnn.methods.settings import TrainingConfig

if TYPE_CHECKING:
    from srnn.kernels.packets import Call, Paced

_BY_NAME: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adagrad": torch.optim.Adagrad,
    "adamax": torch.optim.Adamax,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
}
#: Of AdamW, as in torch.
_DECAY = 0.01


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


class Adam:
    """:class:`torch.optim.Adam`, and with decay :class:`torch.optim.AdamW`, but for rounding.

    By our kernel to the same bits on every processor with fused multiply-add.

    Args:
        parameters: What it moves, float tensors of any shape.
        lr: Learning rate.
        decay: Share, times the learning rate, by which each number shrinks in a step.

    Attributes:
        state: Of each parameter, from the start, ``step``, ``exp_avg`` and ``exp_avg_sq``: zeros before the first step.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, decay: float = 0.0) -> None:
        self.parameters, self.lr, self.decay = list(parameters), lr, decay
        self.state: dict[Tensor, dict[str, Tensor]] = {
            parameter: {
                "step": torch.zeros((), dtype=torch.float32, device="cpu"),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.zeros_like(parameter),
            }
            for parameter in self.parameters
        }
        #: What kernels compute with: one counts a step there, the next takes it.
        self._settings = torch.tensor(adam.settings(lr, decay), dtype=torch.float32, device="cpu")

    def zero_grad(self) -> None:
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move each parameter that has a gradient."""
        for parameter in self.parameters:
            if parameter.grad is not None:
                self._move(parameter, parameter.grad)

    @kernels.or_by_torch
    def _move(self, parameter: nn.Parameter, gradient: Tensor) -> None:
        step, mean, square = (self.state[parameter][name] for name in ("step", "exp_avg", "exp_avg_sq"))
        if (fast := kernels.number_path(parameter, gradient, mean, square)) is not None:
            for call in self.calls(fast, parameter, parameter, gradient):
                call()
            torch.autograd.graph.increment_version(parameter)
            return
        step += 1
        size, correction = adam.corrections(int(step), self.lr)
        mean.lerp_(gradient, 1 - adam.MEAN)
        square.mul_(adam.SQUARE).addcmul_(gradient, gradient, value=1 - adam.SQUARE)
        parameter.mul_(1 - self.lr * self.decay)
        parameter.addcdiv_(mean, square.sqrt().mul_(correction).add_(adam.SMALLEST), value=-size)

    def calls(
        self,
        fast: ModuleType,
        parameter: nn.Parameter,
        moved: Tensor,
        gradient: Tensor,
        particle: Kind | None = None,
        worth: Tensor | None = None,
        iterations: int | None = None,
    ) -> tuple[Call, Call]:
        """A step of a parameter as calls of kernels, one that counts and one that moves: :func:`srnn.kernels.cpu.adam`.

        Args:
            fast: The kernels.
            parameter: Which.
            moved: The memory that stands for it.
            gradient: Of what is moved or, of particles, of what they are worth.
            particle: What is moved, if not plain numbers.
            worth: Where goes what particles are then worth.
            iterations: Of a projection that follows; None for none.
        """
        count, move = fast.adam(
            moved, gradient, self.state[parameter], self._settings, self.lr, particle, worth, iterations
        )
        return count._replace(paced=(*count.paced, *self._undecayed())), move

    def _undecayed(self) -> tuple[Paced, ...]:
        """The share of a number that a step leaves, where kernels read it."""
        if not self.decay:
            return ()
        from srnn.kernels.packets import Paced

        place = self._settings[adam.UNDECAYED :].data_ptr()
        return (Paced(place, lambda lr: np.float32(1 - lr * self.decay)),)

    def set_rate(self, lr: float) -> None:
        """Take the steps to come at that learning rate."""
        self.lr = lr
        self._settings[adam.UNDECAYED] = 1 - lr * self.decay


Optimizer = torch.optim.Optimizer | SGD | Adam


def build_optimizer(parameters: Iterable[nn.Parameter], settings: TrainingConfig) -> Optimizer:
    """The optimizer as the experiment describes it. It treats every number by itself, so that seeds do not mix."""
    lr, momentum = settings.lr, settings.momentum
    if settings.optimizer == "sgd":
        return SGD(parameters, lr, momentum)
    if settings.optimizer in ("adam", "adamw"):
        return Adam(parameters, lr, decay=_DECAY if settings.optimizer == "adamw" else 0.0)
    if settings.optimizer == "rmsprop":
        return torch.optim.RMSprop(parameters, lr=lr, momentum=momentum)
    return _BY_NAME[settings.optimizer](parameters, lr=lr)


def set_rate(optimizer: Optimizer, lr: float) -> None:
    """Have an optimizer take the steps to come at that learning rate."""
    match optimizer:
        case SGD():
            optimizer.lr = lr
        case Adam():
            optimizer.set_rate(lr)
        case _:
            for group in optimizer.param_groups:
                group["lr"] = lr
