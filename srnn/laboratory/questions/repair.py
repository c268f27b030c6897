"""Do self-replicators repair themselves?"""

from __future__ import annotations

from srnn.analysis import repair
from srnn.analysis.statistics import POSITIVE, SHARE
from srnn.laboratory.questions.question import Frames, Question, Summary
from srnn.laboratory.subject import Subject
from srnn.plots.repair import repair as draw


def answer(subject: Subject) -> Frames:
    organism = subject.organism()
    return {
        "repair": repair.repair(organism, subject.task, generator=subject.generator),
        "placements": repair.placements(organism, subject.generator),
    }


QUESTION = Question(
    "Do self-replicators repair themselves, and at what price?",
    answer,
    {
        "repair": Summary(
            ("Placement", "Rule", "Noise", "Level"),
            within={
                "Identity": SHARE,
                **dict.fromkeys(("Before", "Noisy", "Repaired")),
                **dict.fromkeys(("Applications", "Worth noisy", "Worth repaired"), POSITIVE),
            },
            rows="Placement",
            where="Noise == 'once' and Level == 1e-2 and (Rule == 'leak' or Placement in ['placed -1', 'dense']) and "
            "Quantity in ['Identity', 'Applications', 'Noisy', 'Repaired']",
        ),
        "placements": Summary(
            ("Placement",),
            within={"Identity": SHARE, **dict.fromkeys(("Norm", "Sensitivity", "Sensitivity repaired"), POSITIVE)},
            rows="Placement",
            where="Quantity in ['Norm', 'Sensitivity']",
        ),
    },
    {"repair": ("repair", draw)},
)
