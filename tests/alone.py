"""Trains small experiments with several seeds side by side and with each seed alone; says where a bit differs.

Told ``torch``, by torch alone; told nothing (``""``), by the kernels alone.

A program of its own, since libraries look at the environment once, when they are loaded.
"""

from __future__ import annotations

import os
import sys
from typing import Any, get_args

import torch

from srnn.errors import UserError
from srnn.experiment import Experiment, Optimizer
from srnn.kernels.arithmetic import fast_arithmetic
from srnn.tasks import Task
from srnn.training.loop import Training

SEEDS = [3, 4, 5]
OPTIMIZERS: list[dict[str, Any]] = [
    {"training": {"optimizer": name}, "replication": {"momentum": "separate"}} for name in get_args(Optimizer)
]
EXPERIMENTS: list[dict[str, Any]] = [
    {},
    *OPTIMIZERS,
    {"replication": {"method": "none"}},
    {"replication": {"objective": "joint", "alpha": 0.5}},
    {"replication": {"method": "newton", "divergent": "reset"}, "training": {"lr": 0.5}},
    {"replication": {"method": "newton", "every": 2}, "training": {"optimizer": "rmsprop"}},
    {"replication": {"method": "lifted"}, "training": {"optimizer": "adam"}},
    {"replication": {"divergent": "stop"}, "training": {"lr": 0.05}},
    {"body": {"dropout": 0.2, "activation": "gelu"}, "interactions": {"attack": 0.02, "melt": 0.02}},
    {"body": {"activation": "sigmoid", "residual": "layer", "width": 7}},
    {"body": {"activation": "tanh", "width": 1}},
    {"particle": {"kind": "number"}, "replication": {"method": "none"}, "training": {"optimizer": "adam"}},
    {"terms": {"l1": {"strength": 0.01}, "horseshoe": {}}, "events": {"half": {"do": "freeze", "at": [1]}}},
    {"terms": {"hard_concrete": {}, "gaussian": {"warmup": 1}, "targeted": {"share": 0.3}}},
]


def small_task(kind: str) -> Task:
    """Numbers of every size: products with odd shapes, and sums that round."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(97, 13, generator=generator)
    y = torch.randint(0, 5, (97,), generator=generator) if kind == "classification" else x[:, :5].cumsum(1)
    return Task("small", kind, x[:67], y[:67], x[67:], y[67:], outputs=5)  # type: ignore[arg-type]


def trained(experiment: Experiment, task: Task, seeds: list[int]) -> dict[int, tuple[str, bytes]]:
    """What was measured of each seed, and its final weights."""
    training = Training(experiment, task, seeds)
    with fast_arithmetic(training.organism.size * experiment.training.batch_size):
        reports = list(training.run())
    ended = {}
    for place, seed in enumerate(seeds):
        scores = [(report.epoch, report.scores[place]) for report in reports if place in report.scores]
        weights = training.weights.detach()[:, training.columns(place)]
        # A seed that has stopped only keeps the others company.
        ended[seed] = str(scores), weights.numpy().tobytes() if place in training.running else b""
    return ended


def main() -> None:
    odd = []
    # Both losses end in the same gradient at the waist: what lies below is looked at with one.
    for kind, experiments in (("classification", EXPERIMENTS), ("regression", EXPERIMENTS[:1] + EXPERIMENTS[-5:])):
        task = small_task(kind)
        for sections in experiments:
            values: dict[str, Any] = {
                "body": {"depth": 3, "width": 6},
                "particle": {"hidden": 2},
                "training": {"epochs": 2, "batch_size": 16},
                # Few steps of replication alone before the census at rest, which would take longer than all else.
                "log": {"every": 2, "rest": 5},
            }
            for name, section in sections.items():
                values[name] = {**values.get(name, {}), **section}
            experiment = Experiment.from_dict(values)
            for kernels in sys.argv[1:] or ("", "torch"):
                os.environ["SRNN_KERNELS"] = kernels
                together = trained(experiment, task, SEEDS)
                if any(trained(experiment, task, [seed])[seed] != together[seed] for seed in SEEDS):
                    odd.append(f"{kind} {kernels or 'kernels'} {sections}")
    sys.exit("\n".join(odd) or 0)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"refused: {error}")
