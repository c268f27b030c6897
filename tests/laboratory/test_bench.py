"""The benchmark measures what it says; how fast anything is, is no test."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from srnn import commands, replication
from srnn.laboratory import bench, race, scaling
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
    assert set(found.jax) == ({"dense", "sgd"} if find_spec("jax") else set())
    assert all(seconds > 0 for seconds in (found.dense, *found.ratios.values(), *found.jax.values()))


def test_bodies_are_what_their_names_say() -> None:
    for name, (experiment, inputs) in race.BODIES.items():
        body = Training(experiment, race.random_task(1_000, inputs), [0]).organism.body
        assert "-".join(map(str, body.sizes)) == name


def test_the_connectivity_body_is_that_of_the_preset() -> None:
    import srnn

    preset = srnn.load_preset("connectivity")
    assert (race.CONNECTIVITY.body, race.CONNECTIVITY.particle) == (preset.body, preset.particle)
    assert preset.training.batch_size == race.BATCH


@pytest.mark.parametrize("jax", [{}, {"dense": 0.5, "sgd": 1.6}])
def test_jax_has_a_table_where_it_is_installed(jax: dict[str, float], capsys: pytest.CaptureFixture[str]) -> None:
    ours = {"sgd": 0.4, "numbers": 0.1}
    commands.bench._print(bench.Result("a machine", [], [race.Cell("225-6-6-6-6-10", 500, 1e-3, ours, jax)], {}))
    printed = capsys.readouterr().out
    if jax:
        [row] = [line.split() for line in printed.splitlines() if line.startswith("225")][1:]
        assert row == ["225-6-6-6-6-10", "500", "0.5", "0.1", "1.6", "0.4", "0.25"]
    else:
        assert "JAX dense" not in printed
        assert "pip install jax" in printed


def test_the_exponent_of_what_grows_with_the_square_is_two() -> None:
    sizes = np.array([1, 2, 4, 8])
    measured = pd.DataFrame(
        {
            "Grows": "seeds",
            "Network": "organism",
            "Examples": 500,
            "Particles": 1_518,
            "Seeds": sizes,
            "Microseconds": 10.0 * sizes**2,
            "Nanoseconds": 1.0,
        }
    )
    [row] = scaling.summarize(measured).to_dict("records")
    assert (row["From"], row["To"], row["First"], row["Last"]) == (1, 8, 10, 640)
    assert row["Exponent"] == pytest.approx(2)
    assert row["Upper"] == pytest.approx(2)


def test_scaling_is_measured_recorded_and_drawn(tmp_path: Path) -> None:
    measured = scaling.measure({"examples": (10,), "particles": (3,), "seeds": (2,)})
    assert list(measured["Grows"].unique()) == ["examples", "particles", "seeds"]
    assert list(measured["Network"]) == ["organism", "numbers", "torch"] * 3
    assert list(measured["Examples"]) == [10] * 3 + [500] * 6
    assert list(measured["Seeds"]) == [1] * 6 + [2] * 3
    single = measured["Microseconds"] * 1e3 / (measured["Examples"] * measured["Particles"] * measured["Seeds"])
    np.testing.assert_allclose(measured["Nanoseconds"], single)
    # At width 3 with 225 inputs, three square layers and 10 outputs.
    assert list(measured["Particles"]) == [1_518] * 3 + [225 * 3 + 3 * 9 + 30] * 3 + [1_518] * 3
    table, figure = scaling.write(measured, tmp_path / "new" / "folder")
    pd.testing.assert_frame_equal(pd.read_csv(table), measured)
    assert figure.read_bytes().startswith(b"\x89PNG")
