"""The benchmark measures what it says; how fast anything is, is no test."""

from __future__ import annotations

import torch

from srnn import replication
from srnn.laboratory import bench, race
from srnn.particle import Particle, replication_loss
from srnn.training.loop import Training


def test_the_naive_particle_is_the_particle() -> None:
    """One step of the loop that the swarm is compared with is one step of the swarm."""
    particle = Particle(4, "l2", "fan_in")
    weights = particle.draw(3, torch.Generator().manual_seed(0))
    modules = [bench.NaiveParticle(particle, column) for column in weights.T]
    optimizer = torch.optim.SGD((weight for one in modules for weight in one.parameters()), lr=0.1)
    for place, one in enumerate(modules):
        data = one.own_inputs()
        loss = torch.nn.functional.mse_loss(one(data)[:, 0], data[:, 0])
        torch.testing.assert_close(loss, replication_loss(weights, particle)[place])
        loss.backward()
    optimizer.step()
    replication.train(weights, particle, 1, 0.1, 0.0)
    for place, one in enumerate(modules):
        torch.testing.assert_close(one.own_inputs()[:, 0], weights[:, place])


def test_the_torch_path_is_measured_inside_its_context_alone(monkeypatch) -> None:
    from srnn import kernels

    monkeypatch.delenv("SRNN_KERNELS", raising=False)
    particle = Particle(4)
    weights = particle.draw(2)
    assert kernels.fast_path(weights, particle) is not None
    with bench.by_torch():
        assert kernels.fast_path(weights, particle) is None
    assert kernels.fast_path(weights, particle) is not None


def test_contenders_train_the_same_body() -> None:
    found = race.cell("225-6-6-6-6-10", 50, seeds=(2,), turns=1)
    assert (found.body, found.batch) == ("225-6-6-6-6-10", 50)
    assert set(found.ratios) == {*race.METHODS, "2 seeds"}
    assert all(seconds > 0 for seconds in (found.dense, *found.ratios.values()))


def test_bodies_are_what_their_names_say() -> None:
    for name, (experiment, inputs) in race.BODIES.items():
        body = Training(experiment, race.random_task(1_000, inputs), [0]).organism.body
        assert "-".join(map(str, body.sizes)) == name


def test_the_connectivity_body_is_that_of_the_preset() -> None:
    import srnn

    preset = srnn.load_preset("connectivity")
    assert (race.CONNECTIVITY.body, race.CONNECTIVITY.particle) == (preset.body, preset.particle)
    assert preset.training.batch_size == race.BATCH
