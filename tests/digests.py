"""Trains small experiments by the kernels and prints a digest of what each leaves, as JSON.

A program of its own, since libraries look at the environment once, when they are loaded.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from srnn.experiment import Experiment
from srnn.tasks import Task, load
from srnn.training.loop import Training

# A body's own values are drawn by torch, which rounds otherwise without fused multiply-add.
NUMBERS: dict[str, Any] = {
    "particle": {"kind": "number", "values": "particles"},
    "replication": {"method": "none"},
}
EXPERIMENTS: dict[str, dict[str, Any]] = {
    "none": {"replication": {"method": "none"}},
    "sgd": {},
    "sgd, frozen, apart, GELU": {
        "replication": {"target": "frozen", "momentum": "separate"},
        "body": {"activation": "gelu"},
    },
    "sgd, sigmoid, residual pair": {"body": {"activation": "sigmoid", "residual": "pair", "depth": 5}},
    "newton, tanh, residual layer": {
        "replication": {"method": "newton", "every": 2},
        "body": {"activation": "tanh", "residual": "layer"},
    },
    "lifted, ReLU": {"replication": {"method": "lifted"}, "body": {"activation": "relu"}},
    "numbers": NUMBERS,
    "numbers, wide and linear": NUMBERS
    | {"body": {"width": 60, "depth": 4, "activation": "none", "residual": "layer"}},
    "sgd, wide and linear": {"body": {"width": 40, "depth": 4, "activation": "none", "residual": "pair"}},
    "sgd, Adam, dropout": {
        "training": {"optimizer": "adam"},
        "replication": {"momentum": "separate"},
        "body": {"dropout": 0.2, "residual": "layer"},
    },
    "newton, AdamW": {
        "training": {"optimizer": "adamw"},
        "replication": {"method": "newton", "every": 2},
        "body": {"activation": "relu"},
    },
    "lifted, Adam": {"training": {"optimizer": "adam"}, "replication": {"method": "lifted"}},
    "numbers, Adam, dropout": NUMBERS | {"training": {"optimizer": "adam"}, "body": {"dropout": 0.5}},
}


def regression() -> Task:
    """From the first half of a digit's pixels the sums of the rows of the other half."""
    digits = load(Experiment().task)
    parts = [(x[:, :32], x[:, 32:].view(-1, 4, 8).sum(-1) / 8) for x in (digits.train_x, digits.test_x)]
    (train_x, train_y), (test_x, test_y) = ((x.contiguous(), y.contiguous()) for x, y in parts)
    return Task("rows", "regression", train_x, train_y, test_x, test_y, outputs=4)


def digest(experiment: Experiment, task: Task) -> str:
    """Of the metrics, the weights and what moves them."""
    training = Training(experiment, task, [0, 1])
    reports = list(training.run())
    found = hashlib.sha256(repr([(report.epoch, report.scores) for report in reports]).encode())
    for place in range(2):
        for name, tensor in sorted(training.state(place)[0].items()):
            found.update(name.encode() + tensor.detach().numpy().tobytes())
    return found.hexdigest()[:16]


def main() -> None:
    tasks = {"classification": load(Experiment().task), "regression": regression()}
    found = {}
    for name, sections in EXPERIMENTS.items():
        values: dict[str, Any] = {
            "body": {"depth": 3, "width": 5},
            "particle": {"hidden": 2},
            "training": {"epochs": 2, "batch_size": 100},
            # The census at rest is no part of training.
            "log": {"every": 1, "rest": 0},
        }
        for section, settings in sections.items():
            values[section] = {**values.get(section, {}), **settings}
        for kind, task in tasks.items():
            found[f"{name}, {kind}"] = digest(Experiment.from_dict(values), task)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
