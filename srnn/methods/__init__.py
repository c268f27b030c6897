"""How what lies below the effective weights is trained: one file a method."""

from __future__ import annotations

from srnn.methods.descent import Descent
from srnn.methods.lifted import Lifted
from srnn.methods.newton import Newton
from srnn.methods.replicating import Replicating

#: ``replication.method`` → what does it.
METHODS: dict[str, type[Descent]] = {
    "none": Descent,
    "sgd": Replicating,
    "newton": Newton,
    "lifted": Lifted,
}
