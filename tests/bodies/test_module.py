"""Any torch module as a body: named by its path, made as the task asks, and never without consent."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

import networks
import pytest
import torch
from torch import nn

from srnn import UserError
from srnn.bodies.module import ModuleConfig, bind, with_body
from srnn.experiment import Experiment
from srnn.organism import Organism, replaced
from srnn.particle import Particle
from srnn.training.birth import build_organism, describe_organism

IMAGE = (1, 8, 8)


def settings(name: str, **values: Any) -> ModuleConfig:
    return ModuleConfig.read({"path": f"networks:{name}", **values})


def built(name: str, **values: Any) -> nn.Module:
    own = settings(name, **values)
    return bind(own, own.path).build(64, 10, IMAGE, torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("RowTransformer", {"input": "rows", "arguments": {"width": 4}}),
        ("Tied", {}),
        ("Tied", {"arguments": {"inputs": 64, "width": 3}}),
        ("Pictures", {"input": "image"}),
    ],
)
def test_a_module_is_made_with_the_sizes_that_it_asks_for_and_gets_what_it_takes(
    name: str, values: dict[str, Any]
) -> None:
    body = built(name, **values)
    assert type(body) is getattr(networks, name)
    assert body.training
    assert body(torch.rand(3, 64)).shape == (3, 10)
    again = built(name, **values)
    assert all(torch.equal(one, other) for one, other in zip(body.parameters(), again.parameters(), strict=True))


@pytest.mark.parametrize("taken", ["flat", "image"])
def test_one_that_changes_its_input_in_place_leaves_the_data_alone(taken: str) -> None:
    body, x = built("InPlace", input=taken), torch.rand(3, 64)
    before = x.clone()
    answer = body(x)
    assert torch.equal(x, before)
    assert torch.equal(body(x), answer)


def test_building_draws_from_its_own_generator_alone() -> None:
    before = torch.get_rng_state()
    built("RowTransformer", input="rows")
    assert torch.equal(torch.get_rng_state(), before)


def test_embeddings_and_frozen_parameters_stay_ordinary_and_others_as_one_chooses() -> None:
    body = built("RowTransformer", input="rows")
    particles = {"enter.weight", "leave.weight", "position"}
    particles |= {f"layer.{name}.weight" for name in ("linear1", "linear2", "self_attn.out_proj")}
    particles.add("layer.self_attn.in_proj_weight")
    assert replaced(body).keys() == particles
    assert replaced(body, exclude=["position"]).keys() == particles - {"position"}
    assert replaced(body, only=["layer.linear1", "scale", "marks"]).keys() == {
        "layer.linear1.weight",
        "scale",
        "marks.weight",
    }
    assert replaced(body, only=lambda name, weight: weight.ndim == 3).keys() == {"position"}
    with pytest.raises(ValueError, match=r"'positions' is no parameter of the body; it has position, scale, enter"):
        replaced(body, exclude=["positions"])


def test_the_choice_may_be_written_into_the_experiment() -> None:
    values = {"path": "networks:RowTransformer", "input": "rows", "exclude": ["position", "layer"]}
    experiment = with_body(Experiment.from_dict({"body": {"name": "module", **values}}), None, begins=True)
    organism = build_organism(experiment, 64, 10, image=IMAGE)
    assert organism.shapes == [(8, 8), (10, 8)]
    assert experiment.body.count(64, 10, IMAGE)[0] == organism.size == 144
    assert describe_organism(experiment, 64, 10, IMAGE).shapes == organism.shapes


def test_an_organism_of_frozen_weights_alone_is_refused() -> None:
    frozen = nn.Linear(3, 2).requires_grad_(False)
    with pytest.raises(ValueError, match="become particles only where only= names them"):
        Organism(frozen, Particle(2))
    assert Organism(frozen, Particle(2), only=["weight"]).size == 6


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "body.path is ''; allowed: the import path of a class, package.module:Class"),
        ({"path": "os.system"}, "body.path is 'os.system'; allowed: the import path of a class"),
        ({"path": "a:b()"}, "body.path is 'a:b()'"),
        ({"path": ".a:b"}, "body.path is '.a:b'"),
        ({"path": "a:" + "b" * 300}, "allowed: the import path"),
        ({"path": "a:b", "arguments": {"x": "\x1b[2J"}}, "body.arguments holds"),
        ({"path": "a:b", "arguments": {"x": float("nan")}}, "body.arguments holds"),
        ({"path": "a:b", "arguments": {"x": None}}, "allowed: up to 1,000 numbers, texts, true or false, and lists"),
        ({"path": "a:b", "arguments": {"x": [[[[[[[[[1]]]]]]]]]}}, "body.arguments holds"),
        ({"path": "a:b", "arguments": {"x": [0] * 2_000}}, "body.arguments holds"),
        ({"path": "a:b", "arguments": {"x-y": 1}}, "body.arguments has a key 'x-y'; allowed: names of parameters"),
        ({"path": "a:b", "input": "sound"}, "body.input is 'sound'; allowed: flat, image, rows"),
    ],
)
def test_bad_settings_are_told_in_one_line(body: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        Experiment.from_dict({"body": {"name": "module", **body}})
    assert message in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("Narrow", {}, "answers 2 examples with a tensor of shape (2, 1); the task asks for one of shape (2, 10)"),
        ("Narrow", {"input": "image"}, "does not take examples of 64 numbers with body.input 'image': RuntimeError"),
        ("Outer.Inner", {}, "answers 2 examples with a tensor of shape (2, 1)"),
        ("Tied", {"arguments": {"depth": 3}}, "cannot be made: TypeError"),
        ("Missing", {}, "cannot be imported: AttributeError"),
        ("make", {}, "allowed: a class of torch.nn.Module"),
        ("Outer", {}, "allowed: a class of torch.nn.Module"),
        ("Doubled", {}, "has weights of torch.float64 (weight); allowed: float32, as particles are"),
    ],
)
def test_what_is_no_body_for_the_task_is_told_in_one_line(name: str, values: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        built(name, **values)
    assert message in str(caught.value)
    assert str(caught.value).isprintable()


class TestConsent:
    def test_reading_settings_imports_nothing_and_building_asks(self) -> None:
        experiment = Experiment.from_dict({"body": {"name": "module", "path": "antigravity:Body"}})
        assert experiment.override(["training.epochs=3"]).expand() == {}
        for act in (experiment.body.count, experiment.body.outline):
            with pytest.raises(UserError, match="imported unasked: if you trust it, give body=, the class"):
                act(64, 10)
        with pytest.raises(UserError, match="imported unasked"):
            with_body(experiment, None, begins=False)
        assert "antigravity" not in sys.modules

    def test_what_is_named_must_be_what_is_written_before_anything_is_imported(self) -> None:
        with pytest.raises(UserError, match=r"body is antigravity:Body; the body of the run is networks:Tied"):
            bind(settings("Tied"), "antigravity:Body")
        with pytest.raises(UserError, match=r"body is networks:Narrow; the body of the run is"):
            bind(settings("Tied"), networks.Narrow)
        assert "antigravity" not in sys.modules

    def test_it_is_for_that_experiment_and_those_made_of_it(self) -> None:
        experiment = Experiment.from_dict({"body": {"name": "module", "path": "networks:Tied"}})
        ours = with_body(experiment, networks.Tied, begins=False)
        assert ours.override(["body.arguments.width=3"]).body.count(64, 10)[0] == 64 * 3 + 3 * 3 + 3 * 10
        assert with_body(ours, None, begins=False) is ours
        for other in (experiment, ours.override(["body.path=networks:Narrow"])):
            with pytest.raises(UserError, match="imported unasked"):
                other.body.count(64, 10)

    @pytest.mark.parametrize("body", [networks.make, partial(networks.make, width=3)])
    def test_from_python_a_function_will_do_too(self, body: Any) -> None:
        experiment = with_body(Experiment(), body, begins=True)
        assert isinstance(experiment.body, ModuleConfig)
        assert experiment.body.path == "networks:make"
        assert experiment.body.arguments == ({"width": 3} if isinstance(body, partial) else {})
        assert experiment.body.build(64, 10, None, None)(torch.zeros(2, 64)).shape == (2, 10)
        with pytest.raises(UserError, match="body has the arguments"):
            bind(experiment.body, partial(networks.make, width=5))

    def test_a_class_that_has_no_path_is_given_by_itself(self) -> None:
        class Local(networks.Tied):
            pass

        experiment = with_body(Experiment(), Local, begins=True)
        assert isinstance(experiment.body.build(64, 10, None, None), Local)
        read = Experiment.from_dict(experiment.model_dump(exclude_none=True))
        with pytest.raises(UserError, match="cannot be imported"):
            with_body(read, None, begins=True)

    @pytest.mark.parametrize("body", [networks.Narrow(), 3, partial(networks.make, 3)])
    def test_what_makes_no_module_is_refused(self, body: Any) -> None:
        with pytest.raises(UserError, match="allowed: a class, or a function that makes a module"):
            with_body(Experiment(), body, begins=True)

    @pytest.mark.parametrize("entry", ["", ".", "here"])
    def test_the_current_folder_is_not_searched(
        self, entry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "strangers_net.py").write_text(
            "from pathlib import Path\nPath('ran').touch()\nfrom torch import nn\nclass Net(nn.Linear):\n"
            "    def __init__(self, inputs, outputs):\n        super().__init__(inputs, outputs)\n"
        )
        monkeypatch.chdir(tmp_path)
        monkeypatch.syspath_prepend(str(tmp_path) if entry == "here" else entry)
        own = ModuleConfig.read({"path": "strangers_net:Net"})
        before = list(sys.path)
        with pytest.raises(UserError, match=r"ModuleNotFoundError.*\(the current folder is not searched\)"):
            bind(own, own.path)
        assert sys.path == before
        assert not Path("ran").exists()
        # Who names it in full means it.
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", str(tmp_path)]))
        monkeypatch.syspath_prepend(str(tmp_path))
        assert bind(own, own.path).build(64, 10, None, None)(torch.zeros(2, 64)).shape == (2, 10)
        del sys.modules["strangers_net"]
