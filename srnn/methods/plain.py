"""What is trained beside the particles under every method: biases, norms and other ordinary parameters."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from srnn.methods.optimizers import build_optimizer, set_rate
from srnn.methods.settings import TrainingConfig
from srnn.organism import Organism


class Plain:
    """The ordinary parameters of all organisms side by side, moved as plain numbers are.

    Args:
        organism: Whose bodies have them.
        training: Which optimizer moves them, the same as the task's.
    """

    def __init__(self, organism: Organism, training: TrainingConfig) -> None:
        self._organism = organism
        self._parameters = [organism.ordinary(place) for place in range(organism.copies)]
        every = [one for own in self._parameters for one in own.values()]
        self._optimizer = build_optimizer(every, training) if every else None

    def step(self, spared: Collection[int] = ()) -> None:
        """Move them down the gradients that they have, but for those of some organisms, and forget the gradients."""
        if self._optimizer is None:
            return
        for place in spared:
            self._forget(place)
        self._optimizer.step()
        for place in range(len(self._parameters)):
            self._forget(place)

    def set_rate(self, lr: float) -> None:
        """Take the steps to come at that learning rate."""
        if self._optimizer is not None:
            set_rate(self._optimizer, lr)

    def scale(self, factor: float) -> None:
        """Multiply the gradients that they have."""
        for own in self._parameters:
            for parameter in own.values():
                if parameter.grad is not None:
                    parameter.grad *= factor

    def _forget(self, place: int) -> None:
        for parameter in self._parameters[place].values():
            parameter.grad = None

    def values(self, place: int) -> dict[str, Tensor]:
        """The parameters that are not made of particles, frozen ones as well, and the buffers: ``body.NAME``."""
        return ordinary_tensors(self._organism.bodies[place])

    def tensors(self, place: int) -> dict[str, Tensor]:
        """:meth:`values`, and what the optimizer keeps of each: ``optimizer.KEY.NAME``."""
        kept = self.values(place)
        for name, parameter in self._parameters[place].items():
            kept |= {
                f"optimizer.{key}.{name}": value
                for key, value in self._state(parameter).items()
                if isinstance(value, Tensor)
            }
        return kept

    def load(self, place: int, tensors: Mapping[str, Tensor]) -> None:
        """Take one organism's to what :meth:`tensors` gave."""
        fill(self._organism.bodies[place], tensors)
        for name, parameter in self._parameters[place].items():
            for kept, value in tensors.items():
                if kept.startswith("optimizer.") and kept.endswith(f".{name}"):
                    key = kept.removeprefix("optimizer.").removesuffix(f".{name}")
                    if "." not in key:
                        self._state(parameter)[key] = value.clone()

    def _state(self, parameter: nn.Parameter) -> dict[str, Any]:
        return {} if self._optimizer is None else self._optimizer.state[parameter]


def ordinary_tensors(body: nn.Module) -> dict[str, Tensor]:
    """Copies of all that an emptied body holds, by ``body.NAME``: its ordinary parameters, and its buffers if saved.

    Each is in memory of its own, as a file of tensors asks for.
    """
    held = _held(body).items()
    return {f"body.{name}": one.detach().clone(memory_format=torch.contiguous_format) for name, one in held}


def fill(body: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Take a body to what :func:`ordinary_tensors` gave.

    Raises:
        KeyError: One is missing.
        ValueError: One is of another shape or type.
    """
    for name, own in _held(body).items():
        require_same_kind(name := f"body.{name}", tensors[name], own)
        own.detach().copy_(tensors[name])


def require_same_kind(name: str, found: Tensor, wanted: Tensor) -> None:
    """Raise ValueError unless a tensor of a file has the shape and type that it must have."""
    if found.shape != wanted.shape or found.dtype != wanted.dtype:
        raise ValueError(
            f"its {name} is {found.dtype} of shape {tuple(found.shape)}, not "
            f"{str(wanted.dtype).removeprefix('torch.')} of {tuple(wanted.shape)}"
        )


def _held(body: nn.Module) -> dict[str, Tensor]:
    held: dict[str, Tensor] = dict(body.named_parameters())
    for path, module in body.named_modules():
        for name, buffer in module._buffers.items():
            # One that two modules share is held once.
            if (
                buffer is None
                or name in module._non_persistent_buffers_set
                or any(buffer is one for one in held.values())
            ):
                continue
            held[f"{path}.{name}" if path else name] = buffer
    return held
