"""Gates and costs on the effective weights, above whatever they are made of: one file a family of terms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from srnn.family import Family

if TYPE_CHECKING:
    from srnn.section import Section

#: ``[terms.NAME]`` → its settings and what they do.
TERMS: Family[type[Section]] = Family(
    "srnn.terms",
    {
        "l1": "penalties:L1",
        "l2": "penalties:L2",
        "lp": "penalties:Lp",
        "student_t": "penalties:StudentT",
        "log": "penalties:LogUniform",
        "horseshoe": "penalties:Horseshoe",
        "horseshoe_plus": "penalties:HorseshoePlus",
        "inverse_gamma_gamma": "penalties:InverseGammaGamma",
        "capped_l1": "penalties:CappedL1",
        "particle_decay": "decay:ParticleDecay",
        "repulsion": "repulsion:Repulsion",
        "hard_concrete": "hard_concrete:HardConcrete",
        "gaussian": "gaussian:Gaussian",
        "targeted": "targeted:Targeted",
    },
)
