"""Which newborns fall into zero: by replication alone, and in training."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch

import srnn
from srnn import MLP, Experiment, Organism, Particle, replication
from srnn.analysis.basin import basin, fates
from srnn.errors import NotApplicableError, UserError
from srnn.experiment import MLPConfig
from srnn.fixpoints import classify
from srnn.particle import matrices, row_vector
from srnn.plots.basin import basin as draw

EXPERIMENT = Experiment(body=MLPConfig(depth=3, width=6))


def organism(seed: int = 0) -> Organism:
    return Organism(MLP(8, 6, 3, 3), Particle(4, "l2", "fan_in"), torch.Generator().manual_seed(seed))


def test_each_newborn_is_told_with_what_becomes_of_it() -> None:
    newborn, trained = organism(), organism(1)
    before = newborn.weights.detach().clone()
    frame = basin(newborn, trained, EXPERIMENT, steps=400)
    assert torch.equal(newborn.weights, before)
    assert frame["Layer"].value_counts().to_dict() == {"L0": 48, "L1": 36, "L2": 18}
    particle, after = newborn.replicator, before.clone()
    replication.train(after, particle, 400, EXPERIMENT.training.lr, 0.9, 100.0, "live")
    assert {*frame["Alone"]} == {"zero", "identity"}
    assert (frame["Alone"] == "zero").to_list() == [kind == 1 for kind in classify(after, particle)]
    assert {*frame["Trained"]} == {"other"}
    _, W2, _ = matrices(before, particle)
    assert frame["Norm 2"][7] == pytest.approx(float(W2[..., 7].norm()), rel=1e-6)
    assert frame["Norm"][7] == pytest.approx(float(before[:, 7].norm()), rel=1e-6)
    assert frame["v0"][7] == pytest.approx(float(row_vector(before, particle)[0, 7]), rel=1e-5)


def test_the_overlap_is_that_of_either_and_both() -> None:
    frame = pd.DataFrame(
        {
            "Alone": ["zero", "zero", "zero", "identity"],
            "Trained": ["zero", "zero", "other", "zero"],
            "v0": [0.1, 0.2, 0.4, 1.0],
            "Norm": [1.0, 2.0, 3.0, 4.0],
        }
    )
    found = fates(frame).set_index("Fate")
    assert found.loc["zero"].to_list() == [0.75, 0.75, 0.5, 0.2, 2.0]
    assert found.loc["identity", ["Alone", "Trained", "Overlap", "v0"]].to_list() == [0.25, 0, 0, 1.0]
    assert found.loc["other", ["Alone", "Trained", "Overlap"]].to_list() == [0, 0.25, 0]
    assert found.loc["other", ["v0", "Norm"]].isna().all()


def test_the_zeros_of_training_are_those_of_replication_alone(tmp_path: Path) -> None:
    chosen = srnn.load_preset("digits").override(["training.epochs=10", "log.every=10"])
    [run] = srnn.run(chosen, tmp_path, image_format=None)
    found = fates(basin(run.organism(0), run.organism(), run.experiment)).set_index("Fate")
    assert found.at["zero", "Alone"] > 0.5
    assert found.at["zero", "Overlap"] > 0.9


@pytest.mark.parametrize("method", ["none", "newton", "lifted"])
def test_other_methods_have_no_basin(method: str) -> None:
    with pytest.raises(NotApplicableError, match=r"replication\.method 'sgd'"):
        basin(organism(), organism(), EXPERIMENT.override(f"replication.method={method}"))


def test_it_is_drawn_of_one_seed_and_of_several() -> None:
    frames = [basin(organism(seed), organism(seed), EXPERIMENT, 100).assign(Seed=seed) for seed in (0, 1)]
    for frame in (frames[0].drop(columns="Seed"), pd.concat(frames)):
        above, below = draw(frame, "a title").axes
        assert len(above.collections) == frame["Alone"].nunique()
        assert below.get_ylabel() == "fall into zero"
    with pytest.raises(UserError, match="no particles"):
        draw(frames[0].iloc[:0])
