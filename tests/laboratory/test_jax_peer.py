"""JAX computes the very training that it is compared with."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("jax")

from srnn.laboratory import race
from srnn.laboratory.jax_peer import Peer
from srnn.training.loop import Training


def some_batches(examples: int, size: int) -> torch.Tensor:
    return torch.stack(torch.randperm(examples, generator=torch.Generator().manual_seed(1)).split(size)[:6])


@pytest.mark.parametrize("body", list(race.BODIES)[:2])
def test_its_organism_is_ours_batch_after_batch(body: str) -> None:
    experiment, inputs = race.BODIES[body]
    experiment = experiment.override("training.batch_size=50")
    task, index = race.random_task(500, inputs), some_batches(500, 50)
    ours, peer = Training(experiment, task, [0]), Peer(experiment, task, dense=False)
    born = ours.weights.detach().clone()
    for _ in ours.train_batches(index[:, None]):
        pass
    peer.train(index)
    weights, momentum = (torch.tensor(array.tolist()) for array in peer.state)
    assert (ours.weights - born).abs().max() > 0.01
    torch.testing.assert_close(weights, ours.weights.detach(), rtol=0, atol=3e-6)
    torch.testing.assert_close(momentum, ours.method.buffer("momentum_buffer"), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("body", list(race.BODIES)[:2])
def test_its_dense_network_is_torchs(body: str) -> None:
    experiment, inputs = race.BODIES[body]
    experiment = experiment.override("training.batch_size=50")
    task, index = race.random_task(500, inputs), some_batches(500, 50)
    dense, peer = Training(experiment, task, [0]).organism.to_dense(), Peer(experiment, task, dense=True)
    settings = experiment.training
    optimizer = torch.optim.SGD(dense.parameters(), lr=settings.lr, momentum=settings.momentum)
    for rows in index:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(dense(task.train_x[rows]), task.train_y[rows]).backward()
        optimizer.step()
    peer.train(index)
    weights = torch.tensor(peer.state[0].tolist())
    torch.testing.assert_close(
        weights, torch.cat([weight.flatten() for weight in dense.parameters()]), atol=1e-6, rtol=0
    )
