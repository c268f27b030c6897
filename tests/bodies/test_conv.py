"""The small convolutional network, and the recurrent one: shapes, sizes told without building, what they refuse."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from srnn import UserError
from srnn.bodies import BODIES
from srnn.experiment import BodyConfig, Experiment
from srnn.organism import replaced

SETTINGS: dict[str, dict[str, Any]] = {
    "conv": {"name": "conv", "channels": [3, 5]},
    "conv of colours": {"name": "conv", "channels": [4], "kernel": 5, "pooling": 1, "norm": False},
    "lstm": {"name": "recurrent", "width": 5},
    "gru on steps": {"name": "recurrent", "cell": "gru", "width": 4, "layers": 2, "steps": 6},
}
IMAGES = {"conv of colours": (3, 4, 6)}


def settings(name: str) -> BodyConfig:
    return Experiment.from_dict({"body": SETTINGS[name]}).body


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", SETTINGS)
def test_it_answers_flat_examples_and_its_size_is_known_without_it(name: str) -> None:
    image = IMAGES.get(name, (1, 6, 6))
    inputs = torch.Size(image).numel()
    body = settings(name).build(inputs, 7, image, generator())
    assert body(torch.rand(2, inputs)).shape == (2, 7)
    weights, units = settings(name).count(inputs, 7, image)
    assert weights == sum(weight.numel() for weight in replaced(body).values())
    assert units > 7
    described = settings(name).outline(inputs, 7, image)
    assert {(key, one.shape) for key, one in described.named_parameters()} == {
        (key, one.shape) for key, one in body.named_parameters()
    }
    assert all(one.is_meta for one in described.parameters())


@pytest.mark.parametrize("name", SETTINGS)
def test_its_weights_are_those_of_the_generator_and_nothing_else_is_drawn(name: str) -> None:
    image = IMAGES.get(name, (1, 6, 6))
    inputs, own, before = torch.Size(image).numel(), generator(1), torch.get_rng_state()
    bodies = [settings(name).build(inputs, 7, image, one) for one in (own, generator(1), own)]
    assert torch.equal(torch.get_rng_state(), before)
    first, again, next_one = (torch.cat([one.flatten() for one in body.parameters()]) for body in bodies)
    assert torch.equal(first, again)
    assert not torch.equal(first, next_one)


def test_the_recurrent_network_reads_the_rows_of_an_image() -> None:
    body = settings("lstm").build(2 * 3 * 4, 7, (2, 3, 4), generator())
    x = torch.rand(2, 2, 3, 4)
    rows = body.get_submodule("sequence")(x.flatten(1))
    assert torch.equal(rows[:, 1], torch.cat([x[:, 0, 1], x[:, 1, 1]], dim=1))


@pytest.mark.parametrize(
    ("changes", "image", "message"),
    [
        ({"name": "conv", "kernel": 4}, (1, 6, 6), "body.kernel is 4; allowed: odd numbers"),
        ({"name": "conv"}, None, "body.name is 'conv', which needs images"),
        (
            {"name": "conv", "channels": [2, 2, 2]},
            (1, 6, 7),
            "body.pooling is 2, after each of 3 convolutions: nothing",
        ),
        ({"name": "recurrent", "steps": 5}, None, "body.steps is 5; an example's 36 numbers"),
        ({"name": "recurrent"}, None, "no images whose rows to read: set body.steps"),
    ],
)
def test_what_does_not_fit_the_task_is_told_in_one_line(
    changes: dict[str, Any], image: tuple[int, ...] | None, message: str
) -> None:
    body = Experiment.from_dict({"body": changes}).body
    for act in (body.count, body.outline):
        with pytest.raises(UserError) as caught:
            act(36, 7, image)
        assert message in str(caught.value)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"name": "conv", "channels": []}, "body.channels is []; allowed: a list"),
        ({"name": "conv", "channels": [0]}, "body.channels.0 is 0; allowed: a whole number from 1 to 10,000"),
        ({"name": "conv", "width": 3}, "body.width is not a setting"),
        ({"name": "recurrent", "cell": "rnn"}, "body.cell is 'rnn'; allowed: lstm, gru"),
        ({"name": "cnov"}, f"body.name is 'cnov'; allowed: {', '.join(BODIES)}; did you mean conv?"),
    ],
)
def test_bad_settings_are_told_in_one_line(body: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        Experiment.from_dict({"body": body})
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["conv", "lstm"])
def test_settings_go_through_a_file_and_overrides(name: str) -> None:
    experiment = Experiment.from_dict({"body": SETTINGS[name]})
    assert Experiment.from_dict(experiment.model_dump(exclude_none=True)) == experiment
    changed = experiment.override(["body.channels=[2]" if name == "conv" else "body.width=2"])
    assert type(changed.body) is type(experiment.body)
    assert changed != experiment
