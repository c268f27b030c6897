"""Which weights of a body become particles."""

from __future__ import annotations

from collections.abc import Callable, Collection

from torch import Tensor, nn

#: Which weight tensors become particles: their names, those of modules that hold them, or a function of both.
Choice = Collection[str] | Callable[[str, Tensor], bool]


def replaced(body: nn.Module, only: Choice | None = None, exclude: Choice | None = None) -> dict[str, nn.Parameter]:
    """The weight tensors of a body that become particles, by their names: see :class:`Organism`.

    Raises:
        ValueError: A name is neither that of a parameter nor that of a module that holds one.
    """
    parameters = dict(body.named_parameters())
    for choice in (only, exclude):
        for one in () if choice is None or callable(choice) else _names(choice):
            if not any(_chosen(one, name, weight) for name, weight in parameters.items()):
                raise ValueError(f"{one!r} is no parameter of the body; it has {', '.join(parameters)}")
    return {
        name: weight
        for name, weight in parameters.items()
        if weight.ndim >= 2
        and (_multiplies(body, weight) if only is None else _chosen(only, name, weight))
        and (exclude is None or not _chosen(exclude, name, weight))
    }


def _multiplies(body: nn.Module, weight: nn.Parameter) -> bool:
    """Whether a tensor is trained and multiplies something: the rows of an embedding are only looked up."""
    holders = [module for module in body.modules() if any(one is weight for one in module._parameters.values())]
    return weight.requires_grad and not all(isinstance(one, nn.Embedding | nn.EmbeddingBag) for one in holders)


def _chosen(choice: Choice, name: str, weight: Tensor) -> bool:
    if callable(choice):
        return choice(name, weight)
    return any(name == one or name.startswith(f"{one}.") for one in _names(choice))


def _names(choice: Collection[str]) -> Collection[str]:
    return [choice] if isinstance(choice, str) else choice
