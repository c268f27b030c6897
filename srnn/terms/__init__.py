"""Gates and costs on the effective weights, above whatever they are made of: one file a family of terms."""

from __future__ import annotations

from srnn.terms.norms import L1, L2
from srnn.terms.term import Term

#: ``[terms.NAME]`` → its settings and what they do.
TERMS: dict[str, type[Term]] = {
    "l1": L1,
    "l2": L2,
}
