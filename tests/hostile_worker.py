"""``srnn …``, many times in one process that may not take 200 MB more memory than it has after a warm-up.

``python hostile_worker.py COUNT JOBS ANSWERS``: the first COUNT lines of JOBS, a list of arguments each, are for
warming up; the answers to the others are written to ANSWERS, one a line. Whatever ends otherwise than by an exit code
is answered with its traceback.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import resource
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

#: Bytes.
LIMIT = 200 * 1024**2


def memory(what: str) -> int:
    """A number of /proc/self/status, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{what}:"))


def call(arguments: list[str]) -> dict[str, Any]:
    """The real entry point; a file of its own for each stream, as a process has."""
    from srnn.commands import main

    sys.argv = ["srnn", *arguments]
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    code: Any = None
    fault = ""
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as ended:
            code = ended.code
        except BaseException:
            fault = traceback.format_exc()
    return {
        "code": code,
        "fault": fault,
        **{name: s.buffer.getvalue().decode() for name, s in (("out", out), ("err", err))},
    }


def work(warm: int, jobs: Path, answers: Path) -> None:
    warnings.simplefilter("always")  # not only the first time
    lines = [json.loads(line) for line in jobs.read_text().splitlines()]
    for arguments in lines[:warm]:
        answer = call(arguments)
        assert answer["code"] == 0, answer
    import srnn.laboratory.job

    srnn.laboratory.job.draw = lambda *arguments: None  # nobody looks at the figures of the others
    gc.collect()
    resource.setrlimit(resource.RLIMIT_DATA, (memory("VmData") + LIMIT, resource.RLIM_INFINITY))
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins here
    before = memory("VmRSS")
    with answers.open("w") as file:
        for arguments in lines[warm:]:
            file.write(json.dumps({"arguments": arguments, **call(arguments)}) + "\n")
            file.flush()
        file.write(json.dumps({"extra": memory("VmHWM") - before}) + "\n")


if __name__ == "__main__":
    work(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
