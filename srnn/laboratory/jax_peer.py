"""What JAX makes of the same training: many batches of a dense network, or of an organism, compiled into one call.

The organism is what one would write by hand: replication by its closed-form gradient, the task by ``jax.grad`` at the
effective weights, both with momentum. This module can be imported only where JAX is installed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import torch
from torch import Tensor

from srnn.bodies.body import MLPConfig
from srnn.bodies.mlp import MLP
from srnn.experiment import Experiment
from srnn.organism import Organism
from srnn.particle import INPUTS, Particle
from srnn.tasks import Task
from srnn.training.loop import Training

#: A step: ``(weights, momentum), x (B, inputs), y (B,) -> (weights, momentum)``. JAX's arrays are not told apart here.
_Step = Callable[[Any, Any, Any], Any]


class Peer:
    """A training by JAX, on the CPU, that begins where ours does with seed 0.

    Args:
        experiment: An MLP without dropout, with ReLU or linear, that learns to classify by SGD; of particles that take
            one ``live`` step of replication before each on the task, with the momentum of both.
        task: The data.
        dense: Whether to train the body as plain numbers in the place of the organism.

    Attributes:
        state: What is trained and its momentum: effective weights, ``(N,)`` each, or particles, ``(P, N)`` each.
    """

    def __init__(self, experiment: Experiment, task: Task, dense: bool) -> None:
        organism = Training(experiment, task, [0]).organism
        weights = organism.particle.worth(organism.weights) if dense else organism.weights
        # Not the device that JAX likes best: the others compute on the CPU.
        self._device = jax.devices("cpu")[0]
        self._data = self._put(task.train_x), self._put(task.train_y)
        self.state = self._put(weights), self._put(torch.zeros_like(weights))
        step = (_dense_step if dense else _organism_step)(experiment, organism)

        def train(state: Any, x: Any, y: Any, index: Any) -> Any:
            return jax.lax.scan(lambda state, rows: (step(state, x[rows], y[rows]), None), state, index)[0]

        self._train = jax.jit(train)

    def train(self, index: Tensor) -> None:
        """Train batches of these examples, int64 ``(batches, B)``, and wait for their end."""
        self.state = jax.block_until_ready(self._train(self.state, *self._data, self._put(index.int())))

    def _put(self, tensor: Tensor) -> Any:
        # Ours goes on with its own memory, which JAX would otherwise share.
        return jax.device_put(tensor.detach().numpy().copy(), self._device)


def _dense_step(experiment: Experiment, organism: Organism) -> _Step:
    learn, settings = _gradient(experiment, organism), experiment.training

    def step(state: Any, x: Any, y: Any) -> Any:
        weights, buffer = state
        buffer = settings.momentum * buffer + learn(weights, x, y)
        return weights - settings.lr * buffer, buffer

    return step


def _organism_step(experiment: Experiment, organism: Organism) -> _Step:
    learn, settings, alpha = _gradient(experiment, organism), experiment.training, experiment.replication.alpha
    particle = organism.particle
    assert isinstance(particle, Particle)
    H, P, positions = particle.hidden, particle.size, jnp.asarray(particle.positions.numpy())

    def matrices(weights: Any) -> tuple[Any, Any, Any, Any]:
        """W1, W2, W3 and ``S = W3 W2``, particles last."""
        W1, W2, W3 = jnp.split(weights, [INPUTS * H, INPUTS * H + H * H])
        W1, W2 = W1.reshape(H, INPUTS, -1), W2.reshape(H, H, -1)
        return W1, W2, W3, (W3[:, None] * W2).sum(0)

    def pull_back(W1: Any, W2: Any, W3: Any, S: Any, g: Any) -> Any:
        W1g = (W1 * g).sum(1)
        parts = S[:, None] * g, W3[:, None] * W1g, (W2 * W1g).sum(1)
        return jnp.concatenate([part.reshape(-1, S.shape[1]) for part in parts])

    def replicate(weights: Any) -> Any:
        """The gradient of the replication losses."""
        W1, W2, W3, S = matrices(weights)
        v = (S[:, None] * W1).sum(0)
        scaled = (weights * (v[0] - 1) + positions @ v[1:4]) * (2 / P)
        g = jnp.concatenate([(scaled * weights).sum(0)[None], positions.T @ scaled, jnp.zeros_like(v[4:])])
        return pull_back(W1, W2, W3, S, g) + scaled * (v[0] - 1)

    def task(weights: Any, x: Any, y: Any) -> Any:
        """That of the task's."""
        W1, W2, W3, S = matrices(weights)
        worth = (S * W1[:, 4]).sum(0)
        g = jnp.zeros_like(W1[0]).at[4].set(learn(worth, x, y))
        return pull_back(W1, W2, W3, S, g)

    def step(state: Any, x: Any, y: Any) -> Any:
        weights, buffer = state
        buffer = settings.momentum * buffer + alpha * replicate(weights)
        weights = weights - settings.lr * buffer
        buffer = settings.momentum * buffer + task(weights, x, y)
        return weights - settings.lr * buffer, buffer

    return step


def _gradient(experiment: Experiment, organism: Organism) -> _Step:
    """The gradient of the cross entropy at the effective weights: ``(N,), x, y -> (N,)``."""
    config, body = experiment.body, organism.body
    assert isinstance(config, MLPConfig)
    assert isinstance(body, MLP)
    activation = {"none": lambda x: x, "relu": jax.nn.relu}[config.activation]
    sizes = [shape.numel() for shape in organism.shapes]
    ends = [sum(sizes[: place + 1]) for place in range(len(sizes) - 1)]

    def loss(worth: Any, x: Any, y: Any) -> Any:
        # Units first, examples last, as in ours: on narrow layers several times as fast.
        signals, parts = [x.T], jnp.split(worth, ends)
        for layer, (part, shape) in enumerate(zip(parts, organism.shapes, strict=True)):
            signal = part.reshape(shape) @ signals[-1]
            if layer < len(parts) - 1:
                signal = activation(signal)
            if (source := body.sources[layer]) is not None:
                signal = signal + signals[source]
            signals.append(signal)
        own = jnp.take_along_axis(signals[-1], y[None], axis=0)[0]
        return (jax.nn.logsumexp(signals[-1], axis=0) - own).mean()

    gradient: _Step = jax.grad(loss)
    return gradient
