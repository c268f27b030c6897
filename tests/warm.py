"""Imported by the process that others are forked from: a first small run loads all that a run needs."""

from __future__ import annotations

import gc
from tempfile import TemporaryDirectory

import processes  # noqa: F401 (what each of them is told to do)
import sklearn.datasets  # noqa: F401
import tomli_w  # noqa: F401

import srnn
from srnn import commands
from srnn.kernels.arithmetic import order_products
from srnn.laboratory.questions import QUESTIONS

order_products()
commands._command()
list(QUESTIONS.values())
with TemporaryDirectory() as folder:
    experiment = srnn.Experiment.from_dict(
        {"body": {"depth": 1}, "particle": {"hidden": 3}, "training": {"epochs": 1, "batch_size": 512}}
    )
    srnn.run(experiment, folder)
# What is there is nobody's garbage: a process that looked through it would make a copy of it all.
gc.collect()
gc.freeze()
