"""The macro networks: what an organism looks like, whoever its weights are. One file a body."""

from __future__ import annotations

from typing import TYPE_CHECKING

from srnn.family import Family

if TYPE_CHECKING:
    from srnn.bodies.body import BodyConfig

#: ``body.name`` → its settings, which build it.
BODIES: Family[type[BodyConfig]] = Family(
    "srnn.bodies",
    {
        "mlp": "body:MLPConfig",
        "conv": "conv:ConvConfig",
        "recurrent": "recurrent:RecurrentConfig",
        "module": "module:ModuleConfig",
    },
)
