"""The laboratory for organism networks: neural networks in which every weight is a self-replicating particle."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from srnn import (
        analysis,
        chemistry,
        fixpoint_types,
        fixpoints,
        hardening,
        importance,
        laboratory,
        particle,
        replication,
        tasks,
        training,
    )
    from srnn.bodies.mlp import MLP
    from srnn.errors import UserError
    from srnn.estimators import OrganismClassifier, OrganismRegressor
    from srnn.experiment import Experiment
    from srnn.laboratory.compare import Comparison
    from srnn.laboratory.export import export
    from srnn.laboratory.job import extend, run
    from srnn.organism import Organism
    from srnn.particle import Particle
    from srnn.presets import load_preset
    from srnn.reports import report
    from srnn.runs.run import Run
    from srnn.sweeps.folder import Sweep
    from srnn.sweeps.sweep import sweep

#: Public name → where it lives. Imported when first asked for, so that ``srnn --help`` need not wait for torch.
_HOMES = {
    "MLP": "srnn.bodies.mlp",
    "Comparison": "srnn.laboratory.compare",
    "Experiment": "srnn.experiment",
    "Organism": "srnn.organism",
    "OrganismClassifier": "srnn.estimators",
    "OrganismRegressor": "srnn.estimators",
    "Particle": "srnn.particle",
    "Run": "srnn.runs.run",
    "Sweep": "srnn.sweeps.folder",
    "UserError": "srnn.errors",
    "export": "srnn.laboratory.export",
    "extend": "srnn.laboratory.job",
    "load_preset": "srnn.presets",
    "report": "srnn.reports",
    "run": "srnn.laboratory.job",
    "sweep": "srnn.sweeps.sweep",
}
_MODULES = (
    "analysis",
    "chemistry",
    "fixpoint_types",
    "fixpoints",
    "hardening",
    "importance",
    "laboratory",
    "particle",
    "replication",
    "tasks",
    "training",
)

__version__: str

__all__ = [
    "MLP",
    "Comparison",
    "Experiment",
    "Organism",
    "OrganismClassifier",
    "OrganismRegressor",
    "Particle",
    "Run",
    "Sweep",
    "UserError",
    "__version__",
    "analysis",
    "chemistry",
    "export",
    "extend",
    "fixpoint_types",
    "fixpoints",
    "hardening",
    "importance",
    "laboratory",
    "load_preset",
    "particle",
    "replication",
    "report",
    "run",
    "sweep",
    "tasks",
    "training",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("srnn")
        except PackageNotFoundError:
            return "unknown"  # its files alone, without an installation
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"srnn.{name}")
    raise AttributeError(f"module 'srnn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
