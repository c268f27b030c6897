"""Gates: what stands between the effective weights and the body, with numbers and chance of its own."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, NamedTuple

from pydantic import Field

from srnn.section import Section

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Rate = Annotated[float, Field(gt=0, le=1000)]


class Circumstances(NamedTuple):
    """When and where a gate is passed.

    Attributes:
        epoch: Epochs trained.
        examples: Training examples: what is summed over them is divided by as many, like the loss.
        shapes: Of the body's weights, whose first dimension are the units that they lead to.
    """

    epoch: int
    examples: int
    shapes: Sequence[torch.Size]


class Drawn(NamedTuple):
    """A passage of the gates of one organism, ``(N,)`` each.

    Attributes:
        used: With which weights the body is called.
        noise: What was drawn.
        moved: What that made of the gates: what a weight was multiplied by or, of a Gaussian, what was added.
    """

    used: Tensor
    noise: Tensor
    moved: Tensor


class Gate(Section):
    """A gate for every effective weight of an organism: ``[terms.NAME]`` of an experiment.

    All methods are of one organism and act on ``(N,)`` numbers, float32; nothing is differentiated by torch.
    """

    #: Whether it has a number for every weight, which is trained.
    has_numbers: ClassVar[bool] = True

    lr: Rate = 0.02
    """Learning rate of the gates' own Adam. It moves a number by about as much in a step: over the whole training it
    should get as far as 10."""

    @abstractmethod
    def born(self, worth: Tensor, generator: torch.Generator) -> Tensor:
        """The gates' own numbers at birth."""

    @abstractmethod
    def noise(self, count: int, generator: torch.Generator) -> Tensor:
        """What one passage draws."""

    @abstractmethod
    def draw(self, worth: Tensor, numbers: Tensor, noise: Tensor, at: Circumstances) -> Drawn:
        """Pass the gates."""

    @abstractmethod
    def pull_back(
        self, gradient: Tensor, worth: Tensor, numbers: Tensor, drawn: Drawn, at: Circumstances
    ) -> tuple[Tensor, Tensor]:
        """From a gradient behind the gates to those before them and of their numbers, with those of the cost."""

    @abstractmethod
    def cost(self, worth: Tensor, numbers: Tensor, at: Circumstances) -> Tensor:
        """What is added to the mean task loss, a scalar."""

    @abstractmethod
    def at_rest(self, worth: Tensor, numbers: Tensor, at: Circumstances) -> Tensor:
        """What each weight is multiplied by in evaluation: 0 for a gate that is closed."""

    @abstractmethod
    def score(self, worth: Tensor, numbers: Tensor) -> Tensor:
        """How much each weight is worth keeping, the larger the more."""

    def bound(self, numbers: Tensor) -> None:
        """Keep numbers where they may be, in place, after a step."""


def gates_of(terms: Mapping[str, Section]) -> dict[str, Gate]:
    """The gates among the terms of an experiment, in the order in which they are passed."""
    return {name: term for name, term in terms.items() if isinstance(term, Gate)}


def opened(gates: Mapping[str, Gate], worth: Tensor, numbers: Mapping[str, Tensor], at: Circumstances) -> Tensor | None:
    """What each weight of one organism is multiplied by behind all gates at rest, ``(N,)``; None without gates.

    Args:
        gates: By name.
        worth: What is before them.
        numbers: Theirs, by name.
        at: The circumstances.
    """
    factor = None
    for name, gate in gates.items():
        own = gate.at_rest(worth, numbers[name] if gate.has_numbers else worth, at)
        worth, factor = worth * own, own if factor is None else factor * own
    return factor
