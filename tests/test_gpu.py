"""The torch path on a GPU gives what it gives on the CPU. Skipped where there is none."""

from __future__ import annotations

import pytest
import torch
from strategies import drawn

from srnn import Experiment, Particle, particle, replication, tasks
from srnn.fixpoints import classify
from srnn.training.loop import Training

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("cuda")]


@pytest.mark.parametrize("target", ["frozen", "live"])
def test_replication(target: particle.Target) -> None:
    kind = Particle(4, "l2", "fan_in")
    ours = drawn(kind, 1000, 0, torch.float32)
    theirs = ours.cuda()
    buffers = torch.zeros_like(ours), torch.zeros_like(theirs)
    for weights, buffer in zip((ours, theirs), buffers, strict=True):
        replication.train(weights, kind, 20, 0.004, 0.9, 1.0, target, buffer)
    torch.testing.assert_close(theirs.cpu(), ours, atol=1e-5, rtol=1e-4)
    assert torch.equal(classify(theirs, kind).cpu(), classify(theirs.cpu(), kind))


def test_training() -> None:
    chosen = Experiment.from_dict(
        {
            "training": {"epochs": 2, "batch_size": 300, "lr": 0.002},
            "interactions": {"attack": 0.01, "melt": 0.01},
            "body": {"dropout": 0.1},
        }
    )
    task = tasks.load(chosen.task)
    ends = []
    for device in ("cpu", "cuda"):
        training = Training(chosen, task.to(device), [0, 1])
        reports = list(training.run())
        ends.append((training.weights.detach().cpu(), reports[-1].scores[1]["test_accuracy"]))
    torch.testing.assert_close(ends[0][0], ends[1][0], atol=1e-3, rtol=1e-2)
    assert ends[0][1] == pytest.approx(ends[1][1], abs=0.02)
