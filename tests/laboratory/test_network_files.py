"""A network's files: of equal content they are equal."""

from __future__ import annotations

from pathlib import Path

import pytest
import safetensors
import torch
from torch import nn

from srnn.laboratory.network_files import write_safetensors

ABOUT = {"experiment": "größe \n", "seed": "3", "epoch": "20", "task": "digits", "classes": '["a", "b"]'}


@pytest.mark.parametrize("about", [ABOUT, {}], ids=["about", "nothing"])
def test_files_of_equal_content_are_equal(about: dict[str, str], tmp_path: Path) -> None:
    network = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2, bias=False))
    files = set()
    for _ in range(20):
        write_safetensors(network, tmp_path / "one", about)
        files.add((tmp_path / "one").read_bytes())
    assert len(files) == 1
    with safetensors.safe_open(tmp_path / "one", framework="pt") as file:
        assert (file.metadata() or {}) == about
        for name, tensor in network.state_dict().items():
            assert torch.equal(file.get_tensor(name), tensor)
