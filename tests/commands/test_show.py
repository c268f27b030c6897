"""The tables that ``srnn show`` prints."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from scipy import stats

from srnn import Experiment, run
from srnn.analysis.statistics import SHARE, last_scores, mean_interval, over_seeds
from srnn.commands.seeds import layer_table, print_runs
from srnn.commands.show import print_json
from srnn.commands.side_by_side import print_comparison
from srnn.fixpoints import FixpointType
from srnn.runs.groups import open_runs

LABELS = [kind.label for kind in FixpointType]


def scores(**values: list[float]) -> pd.DataFrame:
    """A row for each seed and metric, as :func:`srnn.analysis.statistics.last_scores` gives them."""
    rows = [(seed, 9, metric, score) for metric, own in values.items() for seed, score in enumerate(own)]
    return pd.DataFrame(rows, columns=["Seed", "Epoch", "Metric", "Score"])


class TestLayerTable:
    summary = over_seeds(
        scores(
            test_accuracy=[0.5, 0.7],
            **{f"L0_{label}": [10.0 * place, 10.0 * place + 2] for place, label in enumerate(LABELS)},
            **{f"L1_{label}": [100.0, 100.0] for label in LABELS},
            **{label: [10.0 * place + 100, 10.0 * place + 102] for place, label in enumerate(LABELS)},
        )
    )

    def test_a_row_for_each_layer_and_last_the_total(self) -> None:
        table = layer_table(self.summary)
        assert list(table.index) == ["L0", "L1", "total"]
        assert list(table.columns) == LABELS == ["divergent", "zero", "identity", "secondary", "other"]
        assert table.loc["L0"].tolist() == [1, 11, 21, 31, 41]
        assert table.loc["L1"].tolist() == [100] * 5
        assert table.loc["total"].tolist() == [101, 111, 121, 131, 141]

    def test_below_it_the_census_at_rest_and_no_class_that_is_called_like_a_type(self) -> None:
        at_rest = {f"rest_{label}": [float(place), float(place)] for place, label in enumerate(LABELS)}
        more = over_seeds(scores(test_recall_other=[0.5, 0.5], **at_rest))
        table = layer_table(pd.concat([self.summary, more]))
        assert list(table.index) == ["L0", "L1", "total", "at rest"]
        assert table.loc["at rest"].tolist() == [0, 1, 2, 3, 4]

    def test_the_same_of_the_intervals(self) -> None:
        table = layer_table(self.summary, "High")
        assert table.loc["L1"].tolist() == [100] * 5
        assert table.at["L0", "zero"] == pytest.approx(11 + stats.t.ppf(0.975, 1))


def test_seeds_of_plain_numbers_and_a_comparison_are_shown_as_tables_and_as_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    values = {"name": "both", "body": {"depth": 2}, "training": {"epochs": 1, "batch_size": 500}}
    variants = {"particles": [], "numbers": ["particle.kind=number", "replication.method=none"]}
    experiment = Experiment.from_dict({**values, "comparison": {"variants": variants}})
    run(experiment, tmp_path, seeds=2, image_format=None)
    groups = [open_runs([tmp_path / f"both-{variant}"]) for variant in variants]
    capsys.readouterr()

    print_runs(groups[1])
    shown = capsys.readouterr().out
    assert "plain numbers" in shown
    assert "identity" not in shown
    print_comparison(tmp_path / "both")
    shown = capsys.readouterr().out
    assert "particles − numbers" in shown
    assert "…" in shown
    assert "Holm" in shown
    print_json(groups)
    particles, numbers = json.loads(capsys.readouterr().out)
    accuracy = last_scores(groups[0]).query("Metric == 'test_accuracy'")["Score"]
    assert particles["metrics"]["test_accuracy"]["mean"] == pytest.approx(accuracy.mean())
    ends = [particles["metrics"]["test_accuracy"][end] for end in ("low", "high")]
    assert ends == pytest.approx(mean_interval(accuracy, SHARE)[1:])
    assert "identity" not in numbers["metrics"]
