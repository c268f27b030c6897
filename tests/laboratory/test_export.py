"""A run exported is read by others, without srnn, and is what the run is."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from xml.etree import ElementTree

import networks
import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch
from processes import forked, process
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.utils import prune

import srnn
from srnn import tasks
from srnn.analysis.dropping import scores_without
from srnn.bodies.module import bind
from srnn.experiment import Experiment
from srnn.fixpoints import FixpointType, classify
from srnn.laboratory.network_files import masks, write_onnx, write_program
from srnn.organism import Organism
from srnn.particle import Particle
from srnn.runs.run import Run
from srnn.training.birth import build_organism

#: Six bodies: how an experiment names them, and of the last its class.
BODIES = {
    "mlp": {"residual": "none", "activation": "relu"},
    "residual mlp": {"residual": "pair"},
    "conv": {"name": "conv", "channels": [3]},
    "lstm": {"name": "recurrent", "width": 4},
    "gru": {"name": "recurrent", "width": 4, "cell": "gru"},
    "by import path": {"name": "module", "path": "networks:RowTransformer", "input": "rows", "arguments": {"width": 4}},
}
#: More examples than were looked at, one, and as many.
BATCHES = (1, 2, 7, 64)


def newborn(body: str) -> Organism:
    experiment = Experiment.from_dict({"body": BODIES[body]})
    if body == "by import path":
        experiment = experiment.model_copy(update={"body": bind(experiment.body, networks.RowTransformer)})
    return build_organism(experiment, 64, 10, image=(1, 8, 8))


def examples(count: int) -> Tensor:
    return torch.rand(count, 64, generator=torch.Generator().manual_seed(count))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of two seeds."""
    folder = tmp_path_factory.mktemp("runs")
    short = srnn.load_preset("digits").override(["training.epochs=4", "log.every=2", "body.width=4"])
    srnn.run(short, folder, seeds=2, image_format=None)
    return folder / "digits"


class TestNetworks:
    @pytest.mark.parametrize("body", BODIES)
    def test_a_program_of_torch_is_the_network_to_the_bit(
        self, body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dense = newborn(body).to_dense().eval()
        # Outside of a program torch has a transformer's layer as one kernel, which rounds in its own way.
        monkeypatch.setattr("torch.backends.mha._is_fastpath_enabled", False)
        write_program(dense, 64, tmp_path / "network.pt2", {"seed": "3"})
        about = {"about.json": ""}
        loaded = torch.export.load(tmp_path / "network.pt2", extra_files=about).module()
        with torch.no_grad():
            for count in BATCHES:
                assert torch.equal(loaded(examples(count)), dense(examples(count)))
        assert about == {"about.json": '{"seed": "3"}'}
        assert {*loaded.state_dict()} == {*dense.state_dict()}
        # Nor does it tell where the code lay.
        assert str(Path(srnn.__file__).parent).encode() not in (tmp_path / "network.pt2").read_bytes()

    @pytest.mark.parametrize("body", BODIES)
    def test_onnx_is_the_network_for_any_batch(self, body: str, tmp_path: Path) -> None:
        for package in ("onnx", "onnxscript"):
            pytest.importorskip(package)
        onnxruntime = pytest.importorskip("onnxruntime")
        dense = newborn(body).to_dense().eval()
        write_onnx(dense, 64, tmp_path / "network.onnx", {"seed": "3"})
        session = onnxruntime.InferenceSession(tmp_path / "network.onnx", providers=["CPUExecutionProvider"])
        assert session.get_modelmeta().custom_metadata_map["seed"] == "3"
        assert [(one.name, one.shape[1]) for one in session.get_inputs()] == [("x", 64)]
        assert [(one.name, one.shape[1]) for one in session.get_outputs()] == [("y", 10)]
        for count in BATCHES:
            x = examples(count)
            [y] = session.run(None, {"x": x.numpy()})
            with torch.no_grad():
                wanted = dense(x).numpy()
            assert y.shape == wanted.shape
            assert np.abs(y - wanted).max() <= 1e-5 * np.abs(wanted).max()
        assert str(Path(srnn.__file__).parent).encode() not in (tmp_path / "network.onnx").read_bytes()

    def test_without_onnx_the_extra_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "onnx", None)
        with pytest.raises(srnn.UserError, match=r"needs the package onnx: .* pip install 'srnn\[export\]'"):
            write_onnx(nn.Linear(3, 2), 3, tmp_path / "network.onnx", {})
        assert not any(tmp_path.iterdir())

    def test_a_body_that_torch_cannot_follow_is_told_in_a_line(self, tmp_path: Path) -> None:
        class Choosy(nn.Module):
            def forward(self, x: Tensor) -> Tensor:
                return x if float(x.sum()) > 0 else -x

        with pytest.raises(srnn.UserError, match="this body cannot be exported: ") as caught:
            write_program(Choosy(), 3, tmp_path / "network.pt2", {})
        assert "\n" not in str(caught.value)
        assert not any(tmp_path.iterdir())

    def test_both_are_read_where_there_is_no_srnn(self, runs: Path, tmp_path: Path) -> None:
        program = srnn.export(runs, "torch", tmp_path / "a.pt2", seed=1)
        state = srnn.export(runs / "seed-1", "safetensors", tmp_path / "a.safetensors")
        (tmp_path / "reader.py").write_text(
            "import sys\n"
            "sys.modules['srnn'] = None\n"  # importing it fails from now on
            "import torch\n"
            "from safetensors.torch import load_file\n"
            f"network = torch.export.load({str(program)!r}).module()\n"
            f"state = load_file({str(state)!r})\n"
            "assert all(torch.equal(state[name], one) for name, one in network.state_dict().items()) and state\n"
            "print(network(torch.ones(3, 64)).tolist())\n"
        )
        answer = process((sys.executable, "reader.py"), tmp_path)
        assert answer.code == 0, answer.err
        with torch.no_grad():
            assert answer.out.strip() == str(Run(runs / "seed-1").organism().to_dense()(torch.ones(3, 64)).tolist())

    def test_a_state_of_shared_tensors_has_all_of_its_names(self, tmp_path: Path) -> None:
        from srnn.laboratory.network_files import write_safetensors

        dense = Organism(networks.Tied(6, 3), Particle(hidden=2)).to_dense()
        write_safetensors(dense, tmp_path / "tied.safetensors", {})
        read = networks.Tied(6, 3)
        read.load_state_dict(load_file(tmp_path / "tied.safetensors"))
        assert torch.equal(read(torch.ones(2, 6)), dense(torch.ones(2, 6)))

    def test_it_tells_how_the_data_were_scaled_and_what_the_classes_are(self, tmp_path: Path) -> None:
        generator = np.random.default_rng(0)
        table = pd.DataFrame(generator.normal(5, 3, (60, 2)), columns=["a", "b"])
        table.assign(y=np.where(table["a"] > 5, "high", "low")).to_csv(tmp_path / "own.csv", index=False)
        own = Experiment.from_dict(
            {
                "name": "own",
                "task": {"path": str(tmp_path / "own.csv")},
                "training": {"epochs": 1, "batch_size": 24},
                "body": {"depth": 2},
            }
        )
        [run] = srnn.run(own, tmp_path / "runs", image_format=None)
        with safe_open(srnn.export(run, "safetensors"), "pt") as file:
            about = file.metadata()
        assert about["classes"] == '["high", "low"]'
        task = tasks.load(run.experiment.task)
        assert task.x_scaling is not None
        assert about["x_shift"] == str(task.x_scaling.shift.tolist())
        assert about["x_factor"] == str(task.x_scaling.factor.tolist())


class TestMasks:
    def test_pruned_by_torch_it_has_the_accuracy_without_that_type(self, runs: Path, tmp_path: Path) -> None:
        run = Run(runs / "seed-0")
        organism, task = run.organism(), tasks.load(run.experiment.task)
        types = classify(organism.weights.detach(), organism.replicator)
        read = load_file(srnn.export(run, "mask", tmp_path / "masks.safetensors"))
        left: dict[str, float] = {}
        for kind in FixpointType:
            dense = organism.to_dense()
            own = {
                name.removeprefix(f"without_{kind.label}/"): mask
                for name, mask in read.items()
                if name.startswith(f"without_{kind.label}/")
            }
            for name, mask in own.items():
                path, _, attribute = name.rpartition(".")
                prune.custom_from_mask(dense.get_submodule(path), attribute, mask)
            with torch.no_grad():
                right = task.score(dense(task.test_x), task.test_y).mean()
            left[kind.label] = float(right)
            assert float(scores_without(organism, task, (types == kind)[None])) == pytest.approx(float(right), abs=1e-6)
        assert len({*left.values()}) > 1  # it tells the types apart

    @pytest.mark.parametrize("kind", networks.KINDS)
    def test_they_name_the_bodys_own_parameters(self, kind: str) -> None:
        make, shape = networks.KINDS[kind]
        organism = Organism(make(), Particle(hidden=2), torch.Generator().manual_seed(0))
        organism.weights.data[:, ::2] = 0
        dense, without = organism.to_dense().eval(), masks(organism)
        whole = {name: one.shape for name, one in dense.named_parameters(remove_duplicate=False)}
        for name, mask in without.items():
            what, _, parameter = name.partition("/")
            assert mask.shape == whole[parameter]
            if what == "without_zero":
                path, _, attribute = parameter.rpartition(".")
                prune.custom_from_mask(dense.get_submodule(path), attribute, mask)
        x = torch.rand(shape, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():  # zeros are dropped: it is what it was
            torch.testing.assert_close(dense(x), organism.to_dense().eval()(x))
        assert not all(mask.all() for name, mask in without.items() if "zero" in name)

    def test_plain_numbers_have_none(self) -> None:
        numbers = Experiment.from_dict({"particle": {"kind": "number"}, "replication": {"method": "none"}})
        with pytest.raises(srnn.UserError, match="plain numbers do not replicate"):
            masks(build_organism(numbers, 64, 10))


class TestGraphs:
    def test_the_timeline_has_each_edge_at_each_epoch(self, runs: Path) -> None:
        run = Run(runs / "seed-0")
        path = srnn.export(run, "gexf")
        assert path == run.folder / "export/timeline.gexf"
        read = nx.read_gexf(path)
        assert run.logged_epochs == [0, 2, 4]
        for epoch in run.logged_epochs:
            from srnn.analysis.connectivity import edges

            for edge in edges(run.organism(epoch)).itertuples():
                held = read.edges[edge.Source, edge.Target]
                assert held["particle"] == edge.Particle
                for name, value in (("fixpoint", edge.Type), ("effective_weight", edge[-1])):
                    [found] = [one for one, start, end in held[name] if float(start) <= epoch < float(end)]
                    assert found == value
        # What networkx does not read: that it is dynamic, and where the units lie.
        root = ElementTree.parse(path).getroot()
        [graph] = root.findall("{*}graph")
        assert (graph.get("mode"), graph.get("timeformat")) == ("dynamic", "double")
        assert {one.get("mode") for one in graph.findall("{*}attributes") if one.get("class") == "edge"} >= {"dynamic"}
        places = {(one.get("x"), one.get("y")) for one in root.iter() if one.tag.endswith("position")}
        assert len(places) == read.number_of_nodes()

    def test_graph_and_table_at_an_epoch(self, runs: Path) -> None:
        run = Run(runs / "seed-0")
        graph = nx.read_graphml(srnn.export(run, "graphml", epoch=2))
        table = pd.read_csv(srnn.export(run, "csv", epoch=2))
        worth = run.organism(2).worth().detach().numpy()
        np.testing.assert_allclose(table["Effective weight"], worth, rtol=1e-6)
        for edge in table.itertuples():
            assert graph.edges[edge.Source, edge.Target]["type"] == edge.Type
        assert (run.folder / "export/edges-epoch-000002.csv").exists()


class TestCommand:
    def test_it_prints_the_file_and_replaces_none_unasked(self, runs: Path, tmp_path: Path) -> None:
        shutil.copytree(runs, tmp_path / "digits")
        command = ["export", "digits", "--seed", "1", "--to", "safetensors"]
        first = forked(command, tmp_path)
        assert first == (0, "digits/seed-1/export/network.safetensors\n", "")
        path = tmp_path / "digits/seed-1/export/network.safetensors"
        content = path.read_bytes()
        assert forked(command, tmp_path).line == (
            "digits/seed-1/export/network.safetensors is there already: give --force to replace it, or another file"
        )
        assert forked([*command, "--force"], tmp_path).code == 0
        assert path.read_bytes() == content
        assert [one.name for one in path.parent.iterdir()] == [path.name]
        assert forked(["show", "digits", "--verify"], tmp_path).code == 0  # the run is as it was

    @pytest.mark.parametrize(
        ("arguments", "line"),
        [
            (
                ["--to", "onxx"],
                "--to is 'onxx'; allowed: torch, onnx, safetensors, graphml, gexf, csv, mask",
            ),
            (
                ["--to", "csv"],
                "digits holds digits/seed-0, digits/seed-1: name one of them, or one seed with --seed",
            ),
            (
                ["--to", "csv", "--seed", "7"],
                "--seed is 7; digits holds digits/seed-0, digits/seed-1: name one of them, or one seed with --seed",
            ),
            (["--to", "csv", "--seed", "0", "--epoch", "3"], "epoch is 3; the trajectory of digits/seed-0 has 0, 2, 4"),
            (
                ["--to", "gexf", "--seed", "0", "--epoch", "2"],
                "--epoch is 2; gexf holds all logged epochs: leave it out, or take graphml",
            ),
            (
                ["--to", "csv", "--seed", "0", "--out", "."],
                "--out is ., a folder; name a file, such as edges.csv",
            ),
        ],
    )
    def test_what_is_wrong_is_told_in_a_line(self, arguments: list[str], line: str, runs: Path) -> None:
        assert forked(["export", "digits", *arguments], runs.parent).line == line

    def test_a_graph_of_another_body_is_refused_and_nothing_is_made(self, tmp_path: Path) -> None:
        conv = Experiment.from_dict(
            {"name": "conv", "body": {"name": "conv", "channels": [2]}, "training": {"epochs": 1, "batch_size": 700}}
        )
        [run] = srnn.run(conv, tmp_path, image_format=None)
        for to in ("graphml", "csv", "gexf"):
            with pytest.raises(srnn.UserError, match="needed is one organism of matrices"):
                srnn.export(run, to)
        assert not (run.folder / "export").exists()
