"""The macro networks: what an organism looks like, whoever its weights are. One file a body."""

from __future__ import annotations

from srnn.bodies.conv import ConvConfig
from srnn.bodies.module import ModuleConfig
from srnn.bodies.recurrent import RecurrentConfig
from srnn.experiment import BodyConfig, MLPConfig

#: ``body.name`` → its settings, which build it.
BODIES: dict[str, type[BodyConfig]] = {
    "mlp": MLPConfig,
    "conv": ConvConfig,
    "recurrent": RecurrentConfig,
    "module": ModuleConfig,
}
