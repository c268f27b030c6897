"""What is trained beside the particles under every method: biases, norms and other ordinary parameters."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from torch import Tensor, nn

from srnn.methods.optimizers import build_optimizer
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

    def _forget(self, place: int) -> None:
        for parameter in self._parameters[place].values():
            parameter.grad = None

    def values(self, place: int) -> dict[str, Tensor]:
        """The parameters that are not made of particles, frozen ones as well, and the buffers: ``body.NAME``."""
        return {f"body.{name}": value for name, value in named_tensors(self._organism.bodies[place]).items()}

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
        own = {f"body.{name}": value for name, value in named_tensors(self._organism.bodies[place]).items()}
        for name, value in own.items():
            value.detach().copy_(tensors[name])
        for name, parameter in self._parameters[place].items():
            for kept, value in tensors.items():
                if kept.startswith("optimizer.") and kept.endswith(f".{name}"):
                    key = kept.removeprefix("optimizer.").removesuffix(f".{name}")
                    if "." not in key:
                        self._state(parameter)[key] = value.clone()

    def _state(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        return {} if self._optimizer is None else self._optimizer.state[parameter]


def named_tensors(body: nn.Module) -> dict[str, Tensor]:
    """All that an emptied body holds: its ordinary parameters, and its buffers that are saved with it."""
    held: dict[str, Tensor] = dict(body.named_parameters())
    for path, module in body.named_modules():
        for name, buffer in module._buffers.items():
            if buffer is not None and name not in module._non_persistent_buffers_set:
                held[f"{path}.{name}" if path else name] = buffer
    return held
