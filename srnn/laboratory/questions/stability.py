"""Are self-replicators stable, and do noisy ones return?"""

from __future__ import annotations

import pandas as pd

from srnn.analysis import stability
from srnn.analysis.statistics import POSITIVE, SHARE
from srnn.laboratory.questions.question import Frames, Question, Summary, up_to_sum
from srnn.laboratory.subject import Subject
from srnn.plots import stability as draw


def _medians(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.median(numeric_only=True).to_frame().T


def answer(subject: Subject) -> Frames:
    organism = subject.organism()
    return {
        "self_application": stability.self_application(organism),
        "multipliers": stability.multipliers(organism),
        "noisy_return": stability.noisy_return(organism, generator=subject.generator),
        "census_by_tolerance": stability.census_by_tolerance(organism),
    }


#: Quartiles of distances.
_AWAY = [f"Distance{part}" for part in ("", " 25 %", " 75 %", " max")]
_DISTANCES = [f"{name}{part}" for name in ("From original", "From clone", "Worth") for part in ("", " 25 %", " 75 %")]
QUESTION = Question(
    "Are self-replicators stable, and do noisy ones return?",
    answer,
    {
        "self_application": Summary(
            ("Applications",),
            within={
                **dict.fromkeys(("Identity", "Zero", "Divergent", "Other"), SHARE),
                **dict.fromkeys(_AWAY, POSITIVE),
            },
            rows="Applications",
            where="Applications in [1, 5, 10, 20, 1000] and Quantity in ['Distance', 'Identity', 'Zero']",
        ),
        "multipliers": Summary(
            (),
            _medians,
            {"Radius": POSITIVE, "Applications": POSITIVE},
            "Quantity",
            "",
            "Quantity in ['Radius', 'Applications']",
        ),
        "noisy_return": Summary(
            ("Level",),
            stability.return_by_level,
            {"Identity": SHARE, **dict.fromkeys(_DISTANCES, POSITIVE)},
            "Quantity",
            "Level",
            "Level > 1e-6 and Quantity in ['Identity', 'From original', 'From clone']",
        ),
        "census_by_tolerance": Summary(
            ("Tolerance", "Type"),
            within={"Particles": up_to_sum("Particles", "Tolerance")},
            rows="Type",
            columns="Tolerance",
            where="Tolerance != 1e-4 and Type in ['identity', 'zero']",
        ),
    },
    {
        "self_application": ("self_application", draw.self_application),
        "multipliers": ("multipliers", draw.multipliers),
        "noisy_return": ("noisy_return", draw.noisy_return),
        "census_by_tolerance": ("census_by_tolerance", draw.census_by_tolerance),
    },
)
