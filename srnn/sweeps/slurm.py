"""The script by which SLURM begins the same sweep many times, as an array."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

#: Tasks of an array, which SLURM allows 1,001 of unless it is configured otherwise.
MOST = 1000
#: Seconds before the end of a job's time at which it is told to save its state.
_WARNING = 60


def script(name: str, command: Sequence[str], folder: Path, tasks: int) -> str:
    """A script for ``sbatch``.

    ``exec`` so that SLURM's signals reach srnn; requeued jobs, as after the loss of a node, go on where they were.

    Args:
        name: Of the job.
        command: What each task of the array calls.
        folder: Where it is called.
        tasks: How many there are.
    """
    return f"""#!/bin/bash
#SBATCH --job-name={name}
#SBATCH --array=0-{min(tasks, MOST) - 1}
#SBATCH --cpus-per-task=1
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:TERM@{_WARNING}
#SBATCH --output={name}-%a.log

# All tasks are the same: each takes a point that no other has. Submitted again, the script goes on.
cd {shlex.quote(str(folder))} || exit
export OMP_NUM_THREADS="${{SLURM_CPUS_PER_TASK:-1}}"
exec {shlex.join(command)}
"""
