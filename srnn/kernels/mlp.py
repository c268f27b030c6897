"""A batch of the MLP body in one call: forward, loss, score and backward, several networks side by side.

In place of some fifty operations of torch on tiny matrices. Every network's results depend, to the last bit, on its own
weights and examples alone: not on the networks beside it, the threads, or the processor (with fused multiply-add)::

    if type(body) is MLP and mlp.learns(body, task.kind, w, task.train_x):
        losses, scores, gradient = mlp.learn(w, body, task.train_x, task.train_y, index)

Tensors are contiguous and on the CPU. Numba is imported on the first use.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from types import ModuleType
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from srnn.kernels import available, choice, threads
from srnn.kernels.calls import Kernel, kernel
from srnn.kernels.dropout import Drop
from srnn.kernels.layout import BLOCK, LANES, Layout, Shaped, layout_of

_ACTIVATIONS: dict[type[nn.Module], int] = {nn.Identity: 0, nn.ReLU: 1, nn.Tanh: 2, nn.Sigmoid: 3, nn.GELU: 4}
#: Multiply-adds for which other threads are worth calling: a thread does some 30 in a nanosecond.
_WORTH_THREADS = 1_500_000
#: Stretches of a batch, at most, whose gradients are summed apart: as many threads can work on one network.
STRETCHES = 8
#: Tasks for each thread of an evaluation: not all are equally fast.
_TASKS = 4
#: How many times as many weights as the product of its layers a linear body has to be learnt by that.
_FEWER = 4
#: Bytes up to which each stretch of each network has memory of its own; beyond, a thread takes whole networks.
_PARTS = 2**25


class Stack(Shaped, Protocol):
    """What the kernel asks of a body that computes as :class:`srnn.MLP` does."""

    _modules: dict[str, nn.Module | None]


def learns(body: Stack, kind: str, *tensors: Tensor) -> bool:
    """Whether :func:`learn` and :func:`answer` can compute with this body, kind of task and float32 tensors."""
    if torch.compiler.is_compiling():
        return False
    if kind not in ("classification", "regression") or _activation(body) is None:
        return False
    return all(choice.plain(tensor) for tensor in tensors) and not choice.watched() and available.fused()


class Batch(NamedTuple):
    """A batch to be learnt from: what the kernel computes with, and where its results go.

    Attributes:
        packet: The kernel's, of :data:`srnn.kernels.passes.CALL` and counters.
        compound: Of wide linear networks the packet of the kernel that multiplies their layers, to be called before.
        unfold: Likewise a second packet of the kernel that learns, which takes their gradient to all layers, to be
            called afterwards.
        losses: ``(S, B)``.
        scores: ``(S, B)``.
        gradient: Of the sum over the networks of their mean losses, ``(S · N,)``.
        held: What the packet has the addresses of.
    """

    packet: NDArray[np.int64]
    compound: NDArray[np.int64] | None
    unfold: NDArray[np.int64] | None
    losses: Tensor
    scores: Tensor
    gradient: Tensor
    held: list[object]

    def read_from(self, index: Tensor) -> None:
        """Learn from the examples of another index, int64 ``(S, B)``, which must be held meanwhile."""
        self.packet[_passes().PLACES["index"]] = index.data_ptr()


def batch(
    w: Tensor,
    body: Stack,
    train_x: Tensor,
    train_y: Tensor,
    index: Tensor,
    drop: Drop | None = None,
) -> Batch:
    """What :func:`learn` computes with; its arguments.

    Raises:
        ValueError: A tensor is not what it should be.
    """
    layout, examples = layout_of(body), index.shape[-1]
    networks, rows = _networks(w, layout), train_x.shape[0]
    _check((rows, body.sizes[0]), "train_x", train_x)
    classes = _classes(train_y, body, rows, "train_y")
    _check((networks, examples), "index", index, torch.int64)
    # Before and after, as many examples as there are outputs, in whole vectors, go through all layers.
    many = 2 * LANES * -(-body.sizes[-1] // LANES)
    if drop is None and examples >= many and _multiplies(body, layout):
        return _batch_by_product(w, body, train_x, train_y, index)
    # Held until the end: a contiguous copy may be the only one.
    held = [w.contiguous(), train_x.contiguous(), train_y.contiguous(), index.contiguous()]
    dropped = None if drop is None else _dropped(drop, networks)
    losses, scores = (torch.empty(networks, examples, dtype=torch.float32) for _ in range(2))
    gradient = torch.empty_like(w)
    packet = _packet_to_learn(
        layout,
        _activation(body) or 0,
        networks,
        examples,
        classes=classes,
        rows=rows,
        w=held[0].data_ptr(),
        x=held[1].data_ptr(),
        y=held[2].data_ptr(),
        index=held[3].data_ptr(),
        losses=losses.data_ptr(),
        scores=scores.data_ptr(),
        gradient=gradient.data_ptr(),
        drop=0 if dropped is None else dropped.ctypes.data,
    )
    return Batch(packet, None, None, losses, scores, gradient, [*held, dropped, _memory.held])


def _packet_to_learn(
    layout: Layout,
    activation: int,
    networks: int,
    examples: int,
    whole: bool = False,
    **values: int,
) -> NDArray[np.int64]:
    """A packet of the kernel that learns, with the threads and the memory that it needs.

    Args:
        layout: Of the body.
        activation: Its number.
        networks: S.
        examples: B of each.
        whole: Whether each network is learnt by one thread, in any case: then no counter is to be set back before the
            packet is used again.
        values: What else it computes with.
    """
    team = _team(3 * networks * examples * layout.weights)
    team = min(team, networks) if whole else team
    blocks_a_stretch = max(1, -(-examples // (STRETCHES * BLOCK)))
    stretches = -(-examples // (blocks_a_stretch * BLOCK))
    whole = whole or team == 1 or networks * stretches * layout.part_size > _PARTS
    scratch = _room(team * layout.scratch_size + (team if whole else networks * stretches) * layout.part_size)
    return _packet(
        layout,
        team,
        networks=networks,
        examples=examples,
        blocks_a_stretch=blocks_a_stretch,
        stretches=stretches,
        tasks=networks if whole else networks * stretches,
        whole=whole,
        scratch=scratch,
        parts=scratch + team * layout.scratch_size,
        activation=activation,
        **values,
    )


@dataclass
class _Product:
    """A body of one layer: what a linear one comes to."""

    sizes: tuple[int, int]
    sources: tuple[None]
    _modules: dict[str, nn.Module | None]


def _product_of(body: Stack) -> Stack:
    return _Product((body.sizes[0], body.sizes[-1]), (None,), body._modules)


def _multiplies(body: Stack, layout: Layout) -> bool:
    """Whether the product of a body's layers learns and answers in place of all of them, without dropout.

    Of a linear body the answer is M x with M = W_L ⋯ W_1. The gradient by M, G, is a sum over the examples; that of
    each layer, (W_L ⋯ W_{l+1})ᵀ G (W_{l-1} ⋯ W_1)ᵀ, has none. With residuals likewise: see docs/mathematics.md.
    """
    product = body.sizes[0] * body.sizes[-1]
    return _activation(body) == 0 and len(body.sources) > 1 and layout.weights >= _FEWER * product


def _packet_to_multiply(w: Tensor, body: Stack) -> tuple[NDArray[np.int64], Tensor, object]:
    """A packet of the kernel that multiplies layers, where their products go, ``(S · M,)``, and what is to be held."""
    layout = layout_of(body)
    networks = _networks(w, layout)
    products = torch.empty(networks * body.sizes[0] * body.sizes[-1], dtype=torch.float32)
    team = _team(networks * layout.weights * LANES)
    packet = _packet(
        layout,
        min(team, networks),
        networks=networks,
        tasks=networks,
        w=w.data_ptr(),
        outputs=products.data_ptr(),
        scratch=_room(team * layout.scratch_size),
    )
    return packet, products, (w, _memory.held)


def _batch_by_product(w: Tensor, body: Stack, train_x: Tensor, train_y: Tensor, index: Tensor) -> Batch:
    """A batch by the product of the body's layers, with what comes before and after.

    With G held fixed the gradient of all layers is that of Σ_o (M g_o)_o, where g_o is row o of G: a backward pass of
    as many examples as there are outputs, from one for its own output of each.
    """
    w, layout = w.contiguous(), layout_of(body)
    compound, products, held = _packet_to_multiply(w, body)
    made = batch(products, _product_of(body), train_x, train_y, index)
    networks, outputs, gradient = len(index), body.sizes[-1], torch.empty_like(w)
    rows = torch.arange(networks * outputs)
    unfold = _packet_to_learn(
        layout,
        0,
        networks,
        outputs,
        whole=True,
        rows=len(rows),
        w=w.data_ptr(),
        x=made.gradient.data_ptr(),
        index=rows.data_ptr(),
        gradient=gradient.data_ptr(),
    )
    held = [*made.held, made.gradient, held, rows, _memory.held]
    return made._replace(compound=compound, unfold=unfold, gradient=gradient, held=held)


def learn(
    w: Tensor,
    body: Stack,
    train_x: Tensor,
    train_y: Tensor,
    index: Tensor,
    drop: Drop | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Losses, scores, and the gradient of the sum over the networks of their mean losses.

    Args:
        w: Weights of S networks, one after the other, ``(S · N,)``; of each, layer by layer, ``(out, in)`` in C order.
        body: What the networks look like.
        train_x: float32 ``(rows, inputs)``.
        train_y: int64 ``(rows,)`` for classification, float32 ``(rows, outputs)`` for regression.
        index: The row of each example of each network, int64 ``(S, B)``.
        drop: Which units dropout sets to zero; None for none.

    Returns:
        Losses and scores as :class:`srnn.tasks.Task` has them, ``(S, B)``, and the gradient, ``(S · N,)``.

    Raises:
        ValueError: A tensor is not what it should be, or names a row or a class that is not there.
    """
    made = batch(w, body, train_x, train_y, index, drop)
    if index.shape[-1] == 0:
        return made.losses, made.scores, made.gradient.zero_()
    if made.compound is not None:
        multiplier().call(made.compound.ctypes.data)
    learner().call(made.packet.ctypes.data)
    require_sound(made)
    if made.unfold is not None:
        learner().call(made.unfold.ctypes.data)
    return made.losses, made.scores, made.gradient


def learner() -> Kernel:
    """The kernel that learns from a :class:`Batch`."""
    return kernel("learn", _passes().learn)


def multiplier() -> Kernel:
    """The kernel that multiplies the layers of a :class:`Batch` that has ``compound``."""
    return kernel("compound", _passes().compound)


def require_sound(made: Batch) -> None:
    """Raise ValueError if the batch named a row or a class that is not there."""
    _require_sound(made.packet, "train_y")


def _require_sound(packet: NDArray[np.int64], labels: str) -> None:
    passes = _passes()
    call = packet[: passes.COUNTERS].view(passes.CALL)[0]
    if call["problem"] == passes.NO_ROW:
        raise ValueError(f"index names a row that is not there: there are {call['rows']}")
    if call["problem"] == passes.NO_CLASS:
        raise ValueError(f"{labels} names a class that is not there: there are {call['classes']}")


def answer(w: Tensor, body: Stack, x: Tensor) -> Tensor:
    """What all networks put out for the same examples, without dropout: ``(rows, inputs) -> (S, rows, outputs)``.

    To the bit what :func:`learn` judges; of a wide linear body, which answers by the product of its layers, where it
    learns by that, too. There one weight that is not finite may make all outputs NaN.

    Raises:
        ValueError: A tensor is not what it should be.
    """
    outputs = torch.empty(_networks(w, layout_of(body)), x.shape[0], body.sizes[-1], dtype=torch.float32)
    _evaluate(w, body, x, None, outputs=outputs)
    return outputs


def judge(w: Tensor, body: Stack, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Losses and scores of all networks for the same examples, without dropout, each ``(S, rows)``.

    To the bit those of :func:`learn`, whose arguments these are; of a wide linear body as :func:`answer`.

    Raises:
        ValueError: A tensor is not what it should be, or names a class that is not there.
    """
    networks = _networks(w, layout_of(body))
    losses, scores = (torch.empty(networks, x.shape[0], dtype=torch.float32) for _ in range(2))
    _evaluate(w, body, x, y, losses=losses, scores=scores)
    return losses, scores


def _evaluate(w: Tensor, body: Stack, x: Tensor, y: Tensor | None, **results: Tensor) -> None:
    """Put what is wanted of all networks into the memory of the results."""
    layout, examples = layout_of(body), x.shape[0]
    networks = _networks(w, layout)
    _check((examples, body.sizes[0]), "x", x)
    classes = 0 if y is None else _classes(y, body, examples, "y")
    if examples == 0:
        return
    if _multiplies(body, layout):
        packet, products, _ = _packet_to_multiply(w.contiguous(), body)
        multiplier().call(packet.ctypes.data)
        return _evaluate(products, _product_of(body), x, y, **results)
    held = w.contiguous(), x.contiguous(), None if y is None else y.contiguous()
    team = _team(networks * examples * layout.weights)
    blocks = -(-examples // BLOCK)
    # A block is brought in once for all networks, unless there are too few blocks for the threads.
    groups = 1 if team == 1 else min(networks, -(-_TASKS * team // blocks))
    networks_a_task = -(-networks // groups)
    packet = _packet(
        layout,
        team,
        networks=networks,
        classes=classes,
        rows=examples,
        examples=examples,
        tasks=blocks * -(-networks // networks_a_task),
        networks_a_task=networks_a_task,
        w=held[0].data_ptr(),
        x=held[1].data_ptr(),
        y=_address(held[2]),
        **{name: tensor.data_ptr() for name, tensor in results.items()},
        scratch=_room(team * layout.scratch_size),
        activation=_activation(body) or 0,
    )
    kernel("answer", _passes().answer).call(packet.ctypes.data)
    _require_sound(packet, "y")


def _classes(y: Tensor, body: Stack, rows: int, name: str) -> int:
    """How many classes these labels are of; 0 if they are targets."""
    if y.dtype is torch.int64:
        _check((rows,), name, y, torch.int64)
        return body.sizes[-1]
    _check((rows, body.sizes[-1]), name, y)
    return 0


def _address(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.data_ptr()


def _activation(body: Stack) -> int | None:
    """The number of the activation in :data:`srnn.kernels.functions.ACTIVATIONS`; None if it is none of them."""
    activation = body._modules["activation"]  # as `body.activation`, which takes a microsecond to find
    if type(activation) is nn.GELU and activation.approximate != "none":
        return None
    return None if activation is None else _ACTIVATIONS.get(type(activation))


def _networks(w: Tensor, layout: Layout) -> int:
    networks = w.numel() // layout.weights
    _check((max(networks, 1) * layout.weights,), "w", w)
    return networks


def _check(shape: tuple[int, ...], name: str, tensor: Tensor, dtype: torch.dtype = torch.float32) -> None:
    if tensor.shape != shape or tensor.dtype is not dtype or not tensor.is_cpu:
        found = f"{tensor.dtype} {tuple(tensor.shape)} on {tensor.device}"
        raise ValueError(f"{name} is {found}; needed: {dtype} {shape} on the CPU")


def _team(products: int) -> int:
    """How many threads are worth calling."""
    return threads.count() if products > _WORTH_THREADS and threads.parallel() else 1


def _dropped(drop: Drop, networks: int) -> NDArray[np.int64]:
    """What :func:`srnn.kernels.philox.put_factors` reads."""
    if len(drop.keys) != networks:
        raise ValueError(f"drop has {len(drop.keys)} keys; needed: one for each of {networks} networks")
    keys = np.array(drop.keys, dtype=np.uint64).view(np.int64)
    return np.array([drop.batch, drop.bound, int(drop.kept.view(np.int32)), *keys], dtype=np.int64)


class _Memory(threading.local):
    """Each thread of Python keeps its scratch memory from call to call: fresh memory has to be zeroed by the system."""

    size = address = 0
    held: Tensor | None = None


_memory = _Memory()


def _room(size: int) -> int:
    """The address of so many bytes, until the next call."""
    if _memory.size < size:
        _memory.held = torch.empty(size, dtype=torch.uint8)
        _memory.size, _memory.address = size, _memory.held.data_ptr()
    return _memory.address


def _packet(layout: Layout, team: int, **values: int) -> NDArray[np.int64]:
    """What a kernel computes with: values by their names in :data:`srnn.kernels.passes.CALL`, the others 0."""
    passes = _passes()
    call = np.zeros(passes.COUNTERS + values["networks"], dtype=np.int64)
    call[: passes.COUNTERS] = layout.call
    values |= {"layers": layout.address, "parallel": threads.parallel(), "threads": team, "number": threads.number()}
    for name, value in values.items():
        call[passes.PLACES[name]] = value
    return call


def _passes() -> ModuleType:
    # Here and not above: Numba takes a while to import.
    from srnn.kernels import passes

    return passes
