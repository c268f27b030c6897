"""The trade-off between self-replication and the task: how its runs ended, and what is left of it without artefacts."""

from __future__ import annotations

from typing import Final

import pandas as pd

from srnn.analysis.statistics import SHARE, last_scores, mean_interval
from srnn.tables.desk import Desk, interval, particles, with_values

#: The runs of sgd that lie between accuracy and self-replication.
_TRADE_OFF: Final = (
    "trade-off-alpha-0.01",
    "trade-off-alpha-0.1",
    "trade-off-alpha-1",
    "trade-off-alpha-10",
    "connectivity",
    "trade-off-alpha-1000",
)
#: What the trade-off is without its two artefacts: at rest, born exact, and with a task that fades.
_CONTROLS: Final = {
    "connectivity": ("α = 100, at rest", "rest_identity", "rest_zero", "rest_test_accuracy"),
    "birth-exact": ("born exact, at rest", "rest_identity", "rest_zero", "rest_test_accuracy"),
    "birth-exact-fading": ("born exact, task fades", "identity", "zero", "test_accuracy"),
}
#: The same with larger particles.
_LARGER_PARTICLES: Final = "residual-h8"


def ended(desk: Desk) -> pd.DataFrame:
    """How the runs of the trade-off ended, as its figure takes it."""
    rows = []
    for preset in (*_TRADE_OFF, _LARGER_PARTICLES, "exact-newton", "exact-lifted"):
        for run in desk.runs[preset]:
            last = last_scores([run]).set_index("Metric")["Score"]
            replication, count = run.experiment.replication, particles(run)
            name = f"α = {replication.alpha:g}" if replication.method == "sgd" else replication.method
            larger = f", H = {run.experiment.particle.hidden}" if preset == _LARGER_PARTICLES else ""
            rows.append(
                {
                    "Name": name + larger,
                    "Method": replication.method + larger,
                    "Seed": run.experiment.seed,
                    "Identity share": last["identity"] / count,
                    "Identity or zero share": (last["identity"] + last["zero"]) / count,
                    "Diverged": run.status.status == "diverged" or last["divergent"] > 0,
                    "Accuracy": last["test_accuracy"],
                }
            )
    for preset, (name, identity, zero, accuracy) in _CONTROLS.items():
        for run in desk.runs[preset]:
            last = last_scores([run]).set_index("Metric")["Score"]
            rows.append(
                {
                    "Name": name,
                    "Method": name,
                    "Seed": run.experiment.seed,
                    "Identity share": last[identity] / particles(run),
                    "Identity or zero share": (last[identity] + last[zero]) / particles(run),
                    "Diverged": run.status.status == "diverged",
                    "Accuracy": last[accuracy],
                }
            )
    for run in desk.runs["exact-dense"]:
        accuracy = last_scores([run]).set_index("Metric")["Score"]["test_accuracy"]
        seed = run.experiment.seed
        rows.append({"Name": "dense", "Method": "dense", "Seed": seed, "Accuracy": accuracy, "Diverged": False})
    return pd.DataFrame(rows)


def frontier(ended: pd.DataFrame) -> str:
    """What the most accurate and the most replicating sgd have, in a sentence."""
    of_sgd = ended[ended["Method"] == "sgd"]
    means = of_sgd.groupby("Name", sort=False)[["Identity share", "Accuracy"]].mean()
    best, most = str(means["Accuracy"].idxmax()), str(means["Identity share"].idxmax())
    accuracy, share = (
        {
            name: interval(*mean_interval(own[column], SHARE), form=form)
            for name, own in of_sgd.groupby("Name", sort=False)
        }
        for column, form in (("Accuracy", "{:.3f}"), ("Identity share", "{:.1%}"))
    )
    return (
        f"Of sgd the most accurate, {best}, has {accuracy[best]} with {share[best]} self-replicators; the most "
        f"self-replicators, {share[most]}, are had with {most} at {accuracy[most]}."
    )


def without_artefacts(ended: pd.DataFrame) -> str:
    """What is left of the trade-off of sgd at rest and from another birth, in a sentence."""
    told = []
    for name, *_ in _CONTROLS.values():
        own = ended[ended["Name"] == name]
        share = interval(*mean_interval(100 * own["Identity share"], (0, 100)), form="{:.1f}")
        told.append(f"{name}: {share} % at {with_values(own['Accuracy'], '{:.4f}', SHARE)}")
    return f"Self-replicators and accuracy with sgd alone and these controls: {'; '.join(told)}."
