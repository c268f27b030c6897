"""Gates and costs on the effective weights, above whatever they are made of: one file a family of terms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from srnn.family import Family

if TYPE_CHECKING:
    from srnn.terms.term import Term

#: ``[terms.NAME]`` → its settings and what they do.
TERMS: Family[type[Term]] = Family(
    "srnn.terms",
    {
        "l1": "norms:L1",
        "l2": "norms:L2",
    },
)
