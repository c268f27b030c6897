"""How what lies below the effective weights is trained: one file a method."""

from __future__ import annotations

from typing import TYPE_CHECKING

from srnn.family import Family

if TYPE_CHECKING:
    from srnn.methods.descent import Descent

#: ``replication.method`` → what does it.
METHODS: Family[type[Descent]] = Family(
    "srnn.methods",
    {
        "none": "descent:Descent",
        "sgd": "replicating:Replicating",
        "newton": "newton:Newton",
        "lifted": "lifted:Lifted",
        "placed": "placed:Placed",
    },
)
#: Those that keep every particle a self-replicator: known without importing them.
EXACT = ("newton", "lifted", "placed")
