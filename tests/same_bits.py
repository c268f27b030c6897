"""Does a change of the code leave every bit of every run as it was? To be run by hand, in two checkouts.

    PYTHONPATH=BEFORE python tests/same_bits.py record before.json
    PYTHONPATH=AFTER python tests/same_bits.py record after.json
    python tests/same_bits.py compare before.json after.json

Twenty-six experiments, which use all that a batch can depend on, of one seed and of three side by side, by the kernels
and by torch; each is run through, and stopped inside an epoch and resumed.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

#: As in the tests of resuming, and in those of training.
EXPERIMENTS: list[dict[str, Any]] = [
    {},
    {
        "replication": {"momentum": "separate", "steps": 2},
        "body": {"dropout": 0.2, "activation": "relu"},
        "interactions": {"attack": 0.01, "melt": 0.01},
    },
    {"training": {"optimizer": "adam"}, "replication": {"momentum": "fresh", "start_accuracy": 0.16}},
    {"replication": {"objective": "joint", "alpha": 0.5}},
    {"replication": {"divergent": "reset"}, "training": {"lr": 0.1}, "particle": {"init": "xavier"}},
    {"replication": {"divergent": "stop"}, "particle": {"hidden": 2}, "log": {"particles": 7}},
    {
        "replication": {"divergent": "stop", "momentum": "fresh"},
        "training": {"optimizer": "adam", "lr": 0.02},
    },
    {"replication": {"method": "newton", "every": 3, "start_accuracy": 0.16}},
    {"replication": {"method": "lifted"}, "training": {"optimizer": "nadam"}},
    {"task": {"name": "add"}, "checkpoint": {"every": 1, "keep": 1}},
    {"replication": {"method": "none"}},
    {"replication": {"momentum": "separate", "steps": 2}},
    {"replication": {"start_accuracy": 0.16, "momentum": "shared"}},
    {"training": {"optimizer": "adam"}, "replication": {"momentum": "fresh"}},
    {"body": {"dropout": 0.2, "activation": "relu", "residual": "layer"}},
    {"interactions": {"attack": 0.01, "melt": 0.01}},
    {"replication": {"divergent": "reset"}, "training": {"lr": 0.05}},
    {"replication": {"divergent": "stop"}, "training": {"lr": 0.02}},
    {"task": {"name": "add"}, "body": {"width": 1}},
    {"body": {"width": 1}},
    {"task": {"name": "add"}, "training": {"batch_size": 20}},
    {"body": {"width": 2}, "training": {"batch_size": 100, "epochs": 1}},
    {"replication": {"method": "newton", "every": 3}, "training": {"optimizer": "rmsprop"}},
    {"replication": {"method": "newton", "divergent": "reset"}, "training": {"lr": 0.5}},
    {"replication": {"method": "lifted"}, "training": {"optimizer": "adam"}},
    {"replication": {"method": "newton"}, "body": {"activation": "gelu"}},
]
SMALL: dict[str, Any] = {
    "name": "small",
    "task": {"name": "digits", "size": 4},
    "body": {"depth": 3, "width": 3},
    "particle": {"hidden": 3},
    "replication": {"divergent": "keep"},
    "training": {"epochs": 3, "batch_size": 100},
    "log": {"every": 1},
    "checkpoint": {"every": 1, "keep": 2},
}


def record() -> dict[str, dict[str, str]]:
    """Digests of all that the runs leave behind: experiment → file or tensor → digest."""
    import srnn
    from srnn.errors import StoppedError

    def say_nothing(message: str) -> None:
        pass

    found = {}
    for number, sections in enumerate(EXPERIMENTS):
        values = {key: dict(section) if isinstance(section, dict) else section for key, section in SMALL.items()}
        for key, section in sections.items():
            values[key] = section if key == "task" else {**values.get(key, {}), **section}
        experiment = srnn.Experiment.from_dict(values)
        for seeds, kernels, stopped in itertools.product(([5], [3, 4, 5]), ("", "torch"), (False, True)):
            os.environ["SRNN_KERNELS"] = kernels
            with TemporaryDirectory() as folder:
                options: dict[str, Any] = {"seeds": seeds, "image_format": None, "say": say_nothing}
                if stopped:
                    batches = itertools.count(1)
                    with suppress(StoppedError):
                        srnn.run(experiment, folder, stop=lambda: next(batches) >= 9, **options)  # noqa: B023
                srnn.run(experiment, folder, resume=stopped, **options)
                found[f"{number} {sections} {seeds} {kernels or 'kernels'} {stopped}"] = digests(Path(folder))
        print(number, end=" ", flush=True, file=sys.stderr)
    return found


def digests(folder: Path) -> dict[str, str]:
    """Of each file that a run promises to the byte, and of each tensor of its checkpoints."""
    from safetensors import safe_open

    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.suffix in (".csv", ".parquet"):
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        elif path.suffix == ".safetensors" and "checkpoints" in name:
            with safe_open(path, framework="np") as file:
                for key in file.keys():  # noqa: SIM118 (it is no mapping)
                    found[f"{name} {key}"] = hashlib.sha256(file.get_tensor(key).tobytes()).hexdigest()
    return found


def compare(before: dict[str, dict[str, str]], after: dict[str, dict[str, str]]) -> int:
    """Print what differs; how many of the runs do."""
    odd = 0
    for name, ours in before.items():
        theirs = after[name]
        differing = [key for key in {**ours, **theirs} if ours.get(key) != theirs.get(key)]
        if differing:
            odd += 1
            print(f"{name}: {len(differing)} of {len(ours)}: {differing[:3]}")
    print(f"{len(before) - odd} of {len(before)} runs are equal to the byte")
    return odd


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["record", path]:
            Path(path).write_text(json.dumps(record()))
        case ["compare", before, after]:
            sys.exit(compare(json.loads(Path(before).read_text()), json.loads(Path(after).read_text())) > 0)
        case _:
            sys.exit(__doc__)
