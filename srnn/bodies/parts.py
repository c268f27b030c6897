"""Small modules of which bodies are put together."""

from __future__ import annotations

from torch import Tensor, nn


class Rows(nn.Module):
    """An image as the sequence of its rows: ``(batch, numbers) -> (batch, height, channels · width)``.

    Args:
        image: ``(channels, height, width)``.
    """

    def __init__(self, image: tuple[int, ...]) -> None:
        super().__init__()
        self.image = tuple(image)

    def forward(self, x: Tensor) -> Tensor:
        rows: Tensor = x.unflatten(1, self.image).transpose(1, 2).flatten(2)
        return rows

    def extra_repr(self) -> str:
        return "×".join(map(str, self.image))


class LastState(nn.Module):
    """What a recurrent layer puts out in the end: ``((batch, steps, width), …) -> (batch, width)``."""

    def forward(self, answer: tuple[Tensor, object]) -> Tensor:
        return answer[0][:, -1]
