"""The tables that ``srnn show`` prints."""

from __future__ import annotations

import pandas as pd
import pytest
from scipy import stats

from srnn.analysis.statistics import over_seeds
from srnn.commands.show import layer_table
from srnn.fixpoints import FixpointType

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

    def test_the_same_of_the_intervals(self) -> None:
        table = layer_table(self.summary, "High")
        assert table.loc["L1"].tolist() == [100] * 5
        assert table.at["L0", "zero"] == pytest.approx(11 + stats.t.ppf(0.975, 1))
