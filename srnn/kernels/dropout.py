"""Which units dropout sets to zero: a function of where a unit is, and of no state.

Random numbers by their place, of Philox 4x32-10 (Salmon et al., *Parallel random numbers: as easy as 1, 2, 3*, 2011):
whatever computes, in whatever order and on however many threads, drops the same units. Here is the reference;
:mod:`srnn.kernels.philox` computes the same in a kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

#: Philox's multipliers, what its two keys grow by from round to round, and its rounds.
MULTIPLIERS, GROWTH, ROUNDS = (0xD2511F53, 0xCD9E8D57), (0x9E3779B9, 0xBB67AE85), 10

_WORD = 2**32 - 1


class Drop(NamedTuple):
    """The dropout of a batch.

    Attributes:
        share: Of the hidden units, above 0 and below 1.
        keys: Of each network, below 2⁶⁴.
        batch: The number of the batch.
    """

    share: float
    keys: Sequence[int]
    batch: int

    @property
    def bound(self) -> int:
        """Units whose random number, below 2³², is below this are dropped."""
        return min(round(self.share * 2**32), _WORD)

    @property
    def kept(self) -> np.float32:
        """What the other units are multiplied by."""
        return np.float32(1 / (1 - self.share))

    def factors(self, place: int, layer: int, units: int, examples: int) -> Tensor:
        """What the units of one network's hidden layer are multiplied by, float32 ``(units, examples)``.

        Args:
            place: Of the network.
            layer: Of the hidden layers, counted from 0.
            units: How many it has.
            examples: How many the batch has.
        """
        fours = np.arange(-(-units // 4))[:, None]
        words = philox((np.arange(examples), fours, layer, self.batch & _WORD), self.keys[place])
        numbers = np.stack(words, axis=1).reshape(-1, examples)[:units]
        return torch.from_numpy(np.where(numbers >= self.bound, self.kept, np.float32(0)))


def philox(counter: Sequence[Any], key: int) -> list[NDArray[np.uint64]]:
    """Four random numbers below 2³² for each counter, four numbers below 2³² that are broadcast; and a key below 2⁶⁴.

    Example:
        >>> [hex(int(word)) for word in philox((0, 0, 0, 0), 0)]
        ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    a, b, c, d = np.broadcast_arrays(*(np.asarray(part, dtype=np.uint64) for part in counter))
    low, high = key & _WORD, key >> 32
    for _ in range(ROUNDS):
        first, second = a * np.uint64(MULTIPLIERS[0]), c * np.uint64(MULTIPLIERS[1])
        a, b = (second >> np.uint64(32)) ^ b ^ np.uint64(low), second & np.uint64(_WORD)
        c, d = (first >> np.uint64(32)) ^ d ^ np.uint64(high), first & np.uint64(_WORD)
        low, high = (low + GROWTH[0]) & _WORD, (high + GROWTH[1]) & _WORD
    return [a, b, c, d]
