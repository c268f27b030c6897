"""The table about regularisation: what each way does to accuracy and likelihood on test data, paired over seeds."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd

from srnn.analysis.ensembles import ensemble, probabilities
from srnn.analysis.statistics import POSITIVE, SHARE, holm, mean_interval, paired
from srnn.plots.differences import differences
from srnn.tables.desk import ALPHA, Desk, between, interval, markdown, probability, values

PRESETS: Final = ("regularisation",)
#: Each variant and what it is compared with.
PAIRS: Final = {
    "l1": "plain",
    "l2": "plain",
    "dropout": "plain",
    "stopped": "plain",
    "smoothing": "plain",
    "mixup": "plain",
    "noise": "plain",
    "adamw": "adam",
    "particles-l2": "particles",
    "particles-decay": "particles",
}
_COLUMNS: Final = ("Accuracy", "NLL", "ECE")
_PS: Final = ("p", "corrected")


def regularisation(desk: Desk) -> str:
    """Which way of regularising helps, and in what?"""
    variants = [*dict.fromkeys([*PAIRS.values(), *PAIRS])]
    scores = {variant: _scores(desk, f"regularisation-{variant}") for variant in variants}
    tests = _tests(scores)
    rows = []
    for variant in variants:
        own = scores[variant]
        cells = [
            interval(*mean_interval(own[name], POSITIVE if name == "NLL" else SHARE), form="{:.4f}")
            for name in _COLUMNS
        ]
        cells[0] += values(own["Accuracy"], "{:.4f}")
        rows.append([variant, *cells, *_against(tests, variant)])
    columns = ["variant", "accuracy", "NLL", "ECE", "against", "points", *_PS, "NLL", *_PS]
    return f"""A network of 64 units in two hidden layers, of plain numbers and of particles (sgd), with one thing after
another that is to keep it from learning its examples by heart. Accuracy, negative log likelihood in nats and expected
calibration error are on test data at the end; *stopped* ended as it was when the loss on 5,000 validation examples,
which none is trained on, was least. Differences are paired by seed; p-values are corrected for all in their column.

{markdown(rows, columns)}

{desk.image(differences, _drawn(tests), "what each way of regularising changes", "differences")}

Judged: {_judged(tests)}
"""


def _scores(desk: Desk, preset: str) -> pd.DataFrame:
    """Accuracy, NLL and ECE of each seed."""
    task, rows = desk.task(preset), {}
    for run in desk.runs[preset]:
        desk.watch(f"{preset}, seed {run.experiment.seed}")
        rows[run.experiment.seed] = ensemble([probabilities(run.organism(), task.test_x)], task.test_y).iloc[0]
    return pd.DataFrame(rows).T[[*_COLUMNS]].astype(float)


def _tests(scores: dict[str, pd.DataFrame]) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for variant, other in PAIRS.items():
        row: dict[str, Any] = {"Variant": variant}
        for name in ("Accuracy", "NLL"):
            pairs = pd.concat([scores[variant][name], scores[other][name]], axis=1, join="inner")
            row |= {f"{key} ({name})": value for key, value in paired(*pairs.to_numpy().T).items()}
        rows.append(row)
    found = pd.DataFrame(rows).set_index("Variant")
    for name in ("Accuracy", "NLL"):
        found[f"Holm ({name})"] = holm(found[f"p ({name})"].to_numpy(dtype=float))
    return found


def _against(tests: pd.DataFrame, variant: str) -> list[str]:
    if variant not in tests.index:
        return ["–"] * 7
    one, cells = tests.to_dict("index")[variant], [PAIRS[variant]]
    for name, factor, form in (("Accuracy", 100, "{:+.2f}"), ("NLL", 1, "{:+.4f}")):
        cells.append(between(*(factor * one[f"{key} ({name})"] for key in ("Difference", "Low", "High")), form=form))
        cells += [probability(one[f"{p} ({name})"]) for p in ("p", "Holm")]
    return cells


def _drawn(tests: pd.DataFrame) -> pd.DataFrame:
    """The differences as :func:`srnn.plots.differences.differences` draws them."""
    frames = []
    for name, factor, measure in (("Accuracy", 100, "accuracy, points"), ("NLL", 1, "NLL, nats")):
        frame = pd.DataFrame({key: factor * tests[f"{key} ({name})"] for key in ("Difference", "Low", "High")})
        frame["Against"], frame["Measure"] = frame.index.map(PAIRS), measure
        frame["Shown"], frame["Seeds"] = tests[f"Holm ({name})"] < ALPHA, tests[f"n ({name})"]
        frames.append(frame.reset_index())
    return pd.concat(frames, ignore_index=True)


def _judged(tests: pd.DataFrame) -> str:
    told = []
    for name, better in (("Accuracy", 1), ("NLL", -1)):
        shown = tests[tests[f"Holm ({name})"] < ALPHA]
        what, factor, form = ("accuracy, in points,", 100, "{:+.2f}") if name == "Accuracy" else ("NLL", 1, "{:+.4f}")
        parts: dict[bool, list[str]] = {True: [], False: []}
        for variant, one in shown.to_dict("index").items():
            ends = between(*(factor * one[f"{key} ({name})"] for key in ("Difference", "Low", "High")), form=form)
            parts[better * one[f"Difference ({name})"] > 0].append(f"{variant}: {ends} against {PAIRS[str(variant)]}")
        helps, harms = ("; ".join(part) or "none" for part in parts.values())
        told.append(f"the {what} is better with ({helps}) and worse with ({harms})")
    return f"{', '.join(told)}. Of the others no difference is shown."
