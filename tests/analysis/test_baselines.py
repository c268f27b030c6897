"""Dense baselines against a plain torch loop, sizes by hand, and the search for the smallest body."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import typer
from torch import Tensor, nn
from typer.testing import CliRunner

from srnn import MLP, Experiment, UserError, load_preset, run, tasks
from srnn.analysis import baselines
from srnn.analysis.baselines import (
    NETWORKS,
    NO_REPLICATION,
    ORGANISM,
    SAME_WEIGHTS,
    final_scores,
    layers,
    shown,
    sizes,
    smallest_body,
    train,
    train_baselines,
    variants,
    width_for,
)
from srnn.commands import minimal
from srnn.errors import NotApplicableError
from srnn.experiment import MLPConfig
from srnn.plots import baselines as plots
from srnn.tasks import Task
from srnn.training.birth import generators
from srnn.training.loop import Training


def small_task(kind: str = "classification", examples: int = 23) -> Task:
    """Four numbers, three classes or targets; 23 examples make two batches of ten and a rest that is left out."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(examples, 4, generator=generator)
    y = x @ torch.randn(4, 3, generator=generator)
    labels = y.argmax(1) if kind == "classification" else y
    return Task("small", kind, x, labels, x[:9] + 0.1, labels[:9], outputs=3)  # type: ignore[arg-type]


def small(*settings: str, **body: Any) -> Experiment:
    plain = {"depth": 3, "width": 5, **body}
    made = Experiment.from_dict({"body": plain, "particle": {"hidden": 2}, "log": {"every": 2}})
    return made.override(["training.epochs=3", "training.batch_size=10", "training.lr=0.05", *settings])


class Plain(nn.Module):
    """A dense network as anyone would write it: 4 → 5 → 5 → 3 with tanh and a residual around the middle layer."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(4, 5, False), nn.Linear(5, 5, False), nn.Linear(5, 3, False)

    def forward(self, x: Tensor) -> Tensor:
        first = torch.tanh(self.a(x))
        output: Tensor = self.c(torch.tanh(self.b(first)) + first)
        return output


def plain_loop(experiment: Experiment, task: Task, seed: int) -> dict[tuple[int, str], float]:
    """Train a :class:`Plain` for one seed by the book; (epoch, metric) → score."""
    streams = generators(seed)
    network = Plain()
    with torch.no_grad():
        for layer in (network.a, network.b, network.c):
            bound = layer.in_features**-0.5
            layer.weight.uniform_(-bound, bound, generator=streams["body"])
    kind = torch.optim.SGD if experiment.training.optimizer == "sgd" else torch.optim.Adam
    options = {"momentum": experiment.training.momentum} if kind is torch.optim.SGD else {}
    optimizer = kind(network.parameters(), lr=experiment.training.lr, **options)  # type: ignore[arg-type]

    def error(output: Tensor, y: Tensor) -> Tensor:
        return (output.argmax(1) == y).float().mean() if task.kind == "classification" else (output - y).abs().mean()

    lossy = nn.CrossEntropyLoss() if task.kind == "classification" else nn.MSELoss()
    scores = {(0, f"test_{task.metric}"): error(network(task.test_x), task.test_y).item()}
    for epoch in (1, 2, 3):
        order = torch.randperm(23, generator=streams["order"])
        losses, errors = [], []
        for batch in (order[:10], order[10:20]):
            output = network(task.train_x[batch])
            loss = lossy(output, task.train_y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            errors.append(error(output, task.train_y[batch]).item())
        scores[epoch, "task_loss"] = sum(losses) / 2
        scores[epoch, f"train_{task.metric}"] = sum(errors) / 2
        if epoch in (2, 3):  # every second, and the last
            scores[epoch, f"test_{task.metric}"] = error(network(task.test_x), task.test_y).item()
    return scores


class TestNumbers:
    """A dense network is a run of plain numbers, by the same loop as an organism."""

    @pytest.mark.parametrize("kind", ["classification", "regression"])
    @pytest.mark.parametrize("optimizer", ["sgd", "adam"])
    def test_they_are_trained_as_anyone_would(self, kind: str, optimizer: str) -> None:
        task = small_task(kind)
        experiment = small(
            f"training.optimizer={optimizer}",
            "replication.method=none",
            "particle.kind=number",
            residual="layer",
            activation="tanh",
        )
        found = train(experiment, task, seeds=[3, 8])
        assert list(found.columns) == ["Epoch", "Batch", "Metric", "Score", "Seed"]
        assert (found["Batch"] == 2 * found["Epoch"]).all()
        for seed, own in found.groupby("Seed"):
            expected = plain_loop(experiment, task, int(str(seed)))
            scores = dict(zip(zip(own["Epoch"], own["Metric"], strict=True), own["Score"], strict=True))
            assert {key: scores[key] for key in expected} == pytest.approx(expected, abs=1e-5)

    def test_their_batches_are_those_of_the_organism(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The examples themselves, as the networks get them."""
        monkeypatch.setenv("SRNN_KERNELS", "torch")
        experiment, task = small("replication.method=none"), small_task()
        seen: list[Tensor] = []
        forward = MLP.forward

        def listen(self: MLP, x: Tensor) -> Tensor:
            seen.append(x.clone())
            return forward(self, x)

        monkeypatch.setattr(MLP, "forward", listen)
        train(experiment.override(["particle.kind=number"]), task, [4, 5])
        dense, seen[:] = [x for x in seen if len(x) == 10], []
        train(experiment, task, [4, 5])
        organism = [x for x in seen if len(x) == 10]
        assert len(dense) == len(organism) == 12
        assert all(torch.equal(a, b) for a, b in zip(dense, organism, strict=True))

    def test_they_begin_as_the_body_does(self) -> None:
        training = Training(small("replication.method=none", "particle.kind=number"), small_task(), [0, 7])
        alone = MLP(4, 5, 3, 3, generator=generators(7)["body"])
        dense = training.organism.to_dense(place=1)
        assert all(torch.equal(a, b) for a, b in zip(dense.parameters(), alone.parameters(), strict=True))

    def test_or_as_newborn_self_replicators_are_worth(self) -> None:
        changes = "replication.method=none", "particle.kind=number", "particle.values=particles"
        numbers = Training(small(*changes), small_task(), [7, 8]).organism
        lifted = Training(small("replication.method=lifted"), small_task(), [7, 8]).organism
        assert torch.equal(numbers.worth(), lifted.worth())

    def test_lifted_organisms_stay_with_them_and_those_of_sgd_do_not(self, tmp_path: Path) -> None:
        ended = {}
        for method in ("lifted", "sgd", "none"):
            changes = ["training.epochs=3", "body.width=3", "body.depth=3", f"replication.method={method}"]
            changes += ["particle.kind=number", "particle.values=particles"] if method == "none" else []
            experiment = load_preset("digits").override([*changes, f"name={method}"])
            runs = run(experiment, tmp_path, seeds=[3, 4], image_format=None)
            ended[method] = torch.stack([one.organism().worth() for one in runs])
        apart = {method: float((worth - ended["none"]).abs().max()) for method, worth in ended.items()}
        assert apart["lifted"] < 1e-4 < 1e-2 < apart["sgd"]

    def test_nothing_of_theirs_replicates(self) -> None:
        with pytest.raises(UserError, match=r"replication\.method is 'sgd'; with particle\.kind 'number'"):
            small("particle.kind=number")
        with pytest.raises(UserError, match=r"interactions\.melt is 0\.1; with particle\.kind 'number'"):
            small("particle.kind=number", "replication.method=none", "interactions.melt=0.1")


class TestSizes:
    def test_weights_by_hand(self) -> None:
        """The MNIST body: 225·6 + 3·36 + 6·10 = 1,518."""
        assert MLPConfig(width=6, depth=5).count(225, 10) == (1518, 34)
        assert MLPConfig(width=99, depth=1).count(4, 3) == (12, 3)

    @pytest.mark.parametrize("depth", [1, 2, 3, 5])
    @pytest.mark.parametrize("weights", [1, 40, 1000, 60_720, 170_016])
    def test_the_width_is_the_nearest_of_all(self, depth: int, weights: int) -> None:
        off = {width: abs(MLPConfig(width=width, depth=depth).count(225, 10)[0] - weights) for width in range(1, 900)}
        assert off[width_for(weights, 225, depth, 10)] == min(off.values())

    def test_the_table(self) -> None:
        """Particles of 2 hidden units have 16 weights; 60 particles so have 960, a body of width 28 has 980."""
        table = sizes(small(), 4, 3).set_index("Network")
        assert tuple(table.index) == NETWORKS
        assert table["Width"].tolist() == [5, 5, 5, 28]
        assert table["Units"].tolist() == [13, 13, 13, 59]
        assert table["Weights"].tolist() == [60, 60, 60, 980]
        assert table["Trained"].tolist() == [960, 960, 60, 980]


class TestCompared:
    def test_without_replication_nothing_else_is_changed(self) -> None:
        experiment = small("interactions.attack=0.1")
        found = train_baselines(experiment, small_task(), [2], [NO_REPLICATION])
        alone = experiment.override(["replication.method=none", "interactions.attack=0.0"])
        training = Training(alone, small_task(), [2])
        rows = [row for report in training.run() for row in report.scores[0].items()]
        expected = shown(pd.DataFrame(rows, columns=["Metric", "Score"]))
        assert found["Score"].tolist() == expected["Score"].tolist()
        assert {*found["Metric"]} == {"task_loss", "train_accuracy", "test_accuracy"}

    def test_each_network_is_a_variant(self) -> None:
        known = variants(small(), 4, 3)
        assert [*known] == [*NETWORKS]
        assert known[ORGANISM] == small()
        assert [layers(one).width for one in known.values()] == [5, 5, 5, 28]
        assert [one.particle.kind for one in known.values()] == ["weightwise", "weightwise", "number", "number"]
        assert [one.replication.method for one in known.values()] == ["sgd", "none", "none", "none"]

    def test_numbers_are_their_own_baseline(self) -> None:
        with pytest.raises(NotApplicableError, match="plain numbers"):
            variants(small("replication.method=none", "particle.kind=number"), 4, 3)

    def test_the_preset_of_the_tables_has_the_width_of_as_many_weights(self) -> None:
        same = load_preset("dense-baselines").expand()["same-weights"]
        wanted = variants(load_preset("connectivity"), 225, 10)[SAME_WEIGHTS]
        assert same.body == wanted.body
        assert same.training == wanted.training

    def test_final_scores_by_hand(self) -> None:
        """Of 2, 4 and 9: mean 5, half width 4.302653 · √13/√3; the rows before the last do not count."""
        rows = [
            (epoch, 0, "test_mae", score * epoch, seed, network)
            for network in ("b", "a")
            for epoch in (0, 1)
            for seed, score in enumerate((2.0, 4.0, 9.0))
        ]
        curves = pd.DataFrame(rows, columns=["Epoch", "Batch", "Metric", "Score", "Seed", "Network"])
        found = final_scores(curves)
        assert found[["Network", "Metric", "Seeds"]].to_numpy().tolist() == [["b", "test_mae", 3], ["a", "test_mae", 3]]
        assert found["Mean"].tolist() == [5, 5]
        assert (found["High"] - found["Mean"]).tolist() == pytest.approx([4.302653 * (13 / 3) ** 0.5] * 2)


def pretend(monkeypatch: pytest.MonkeyPatch, scores: dict[int, float], metric: str = "accuracy") -> list[int]:
    """Have a network of each width end with that score; the widths trained, in order."""
    trained: list[int] = []

    def train(experiment: Experiment, task: Task, seeds: list[int], after_epoch: Any) -> pd.DataFrame:
        width = layers(experiment).width
        trained.append(width)
        after_epoch(1)
        rows = [(3, 6, f"test_{metric}", np.float32(scores[width]), seed) for seed in seeds]
        return pd.DataFrame(rows, columns=["Epoch", "Batch", "Metric", "Score", "Seed"])

    monkeypatch.setattr(baselines, "train", train)
    return trained


class TestSmallestBody:
    @pytest.mark.parametrize("answer", range(1, 17))
    def test_every_answer_is_found_beside_one_that_fails(self, answer: int, monkeypatch: pytest.MonkeyPatch) -> None:
        trained = pretend(monkeypatch, {width: 0.95 if width >= answer else 0.9 for width in range(1, 17)})
        found = pd.DataFrame(smallest_body(small(), small_task(), 0.95, (1, 16), [0, 1]))
        assert found.loc[found["Reached"], "Width"].min() == answer
        assert answer == 1 or answer - 1 in trained
        assert len(trained) == len(set(trained)) <= 8

    def test_none_reaches_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        trained = pretend(monkeypatch, dict.fromkeys(range(3, 8), 0.5))
        assert not any(row["Reached"] for row in smallest_body(small(), small_task(), 0.9, (3, 7)))
        assert trained == [3, 6, 7]

    def test_of_an_error_less_is_better(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pretend(monkeypatch, {1: 0.5, 2: 0.3, 3: 0.2, 4: 0.1}, "mae")
        found = pd.DataFrame(smallest_body(small(), small_task("regression"), 0.2, (1, 4)))
        assert found.loc[found["Reached"], "Width"].min() == 3
        row = found.set_index("Width").loc[3]
        assert (row["Units"], row["Weights"]) == (9, 4 * 3 + 9 + 9)


class TestCommand:
    @pytest.fixture
    def minimally(self) -> Any:
        app = typer.Typer()
        app.command()(minimal.command)
        return lambda *arguments: CliRunner().invoke(app, [*arguments], env={"COLUMNS": "80"})

    def test_the_table_and_the_answer(self, minimally: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        pretend(monkeypatch, {1: 0.2, 2: 0.7, 3: 0.91, 4: 0.93})
        result = minimally("digits", "--metric", "0.9", "--widths", "1-4", "--seeds", "2")
        assert result.exit_code == 0
        assert "width 3 is the smallest with a test accuracy ≥ 0.9: 19 units, 240 weights" in result.output
        assert [line.split()[0] for line in result.output.splitlines() if line.endswith(("yes", "no"))] == [*"1234"]

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--metric", "1.5"), "--metric is 1.5; the task digits has the metric accuracy: allowed: above 0 to 1"),
            (("--metric", "nan"), "--metric is nan"),
            (("--widths", "5-2"), "--widths is '5-2'; allowed: a range"),
            (("--widths", "many"), "--widths is 'many'; allowed: a range"),
            (("--seeds", "x"), "seeds is 'x'"),
            (("--set", "body.depth=1"), "no hidden layer to make smaller"),
            (("--widths", "2", "--metric", "0.9"), "the best is 0.7 at width 2: allow other --widths"),
        ],
    )
    def test_errors(
        self, minimally: Any, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
    ) -> None:
        pretend(monkeypatch, {2: 0.7})
        result = minimally("digits", *arguments)
        assert isinstance(result.exception, UserError)
        assert message in str(result.exception)
        assert "\n" not in str(result.exception)


@pytest.mark.filterwarnings("error")
class TestPlot:
    def test_curves_and_last_points(self) -> None:
        rows = [
            (epoch, epoch, metric, score + seed / 10 + place / 100, seed, network)
            for place, network in enumerate(NETWORKS)
            for seed in (0, 1)
            for epoch in (0, 5, 10)
            for metric, score in (("test_accuracy", epoch / 20), ("task_loss", 2 - epoch / 10))
        ]
        curves = pd.DataFrame(rows, columns=["Epoch", "Batch", "Metric", "Score", "Seed", "Network"])
        top, middle, bottom = plots.baselines(curves, "by hand").axes
        assert [str(line.get_label()) for line in top.lines] == [
            "organism",
            "no replication",
            "dense, same units",
            "dense, same weights",
        ]
        assert top.lines[1].get_ydata().tolist() == pytest.approx([0.06, 0.31, 0.56])
        assert middle.lines[0].get_ydata()[0] == pytest.approx((2 * 2.1) ** 0.5)  # the mean of the logarithms
        assert [float(bar[0].get_xdata()[0]) for bar in bottom.containers] == pytest.approx([0.55, 0.56, 0.57, 0.58])

    def test_no_metric_on_test_data(self) -> None:
        curves = pd.DataFrame({"Epoch": [1], "Batch": [1], "Metric": "task_loss", "Score": 1.0, "Network": "organism"})
        with pytest.raises(UserError, match="no accuracy or mae"):
            plots.baselines(curves)


def test_digits_is_learnt() -> None:
    """Nothing but the real thing: five epochs of a plain body."""
    experiment = Experiment().override(["training.epochs=5", "body.depth=2"])
    experiment = variants(experiment, 64, 10)["same units"]
    curves = train(experiment, tasks.load(experiment.task), [0])
    assert final_scores(curves.assign(Network="dense")).set_index("Metric").at["test_accuracy", "Mean"] > 0.5
