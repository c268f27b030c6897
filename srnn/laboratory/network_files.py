"""The network that an organism is, as files that others read without srnn; and which of its weights are of which type.

Every file tells of itself what ``about`` says, as text. Files of equal content are equal.
"""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from srnn.errors import UserError, shorten
from srnn.files import write_whole
from srnn.fixpoints import FixpointType, classify
from srnn.organism import Organism

if TYPE_CHECKING:
    from srnn.runs.run import Run

#: In the folder of a run that was pruned: the network that is left.
NETWORK = "network.safetensors"
#: Examples that are led through the network to see what it does; one would be taken for what never changes.
_TRIED = 2

About = Mapping[str, str]


def write_safetensors(network: nn.Module, path: Path, about: About) -> None:
    """Write the ``state_dict`` of a network, by the names that it has there."""
    _save(network.state_dict(), path, about)


def write_network(run: Run) -> None:
    """Write the network that a run is, as plain numbers by the body's names, into its folder."""
    network = run.organism().to_dense().state_dict()
    _save(network, run.folder / NETWORK, {})


def masks(organism: Organism) -> dict[str, Tensor]:
    """Which weights are left when all particles of a type are dropped, for each type.

    Returns:
        bool tensors in the shapes of the body's, True for what is kept, as ``torch.nn.utils.prune.custom_from_mask``
        takes them: ``without_zero/layers.0`` is that of the parameter ``layers.0`` without its zero fixpoints. It
        multiplies, and so a divergent particle, worth NaN, stays NaN.

    Raises:
        NotApplicableError: It is made of plain numbers, which have no types.
    """
    types = classify(organism.weights.detach(), organism.replicator)
    return {
        f"without_{kind.label}/{name}": kept
        for kind in FixpointType
        for kept, names in zip(organism.in_shape(types != kind), organism.parameters_replaced, strict=True)
        for name in names
    }


def write_masks(organism: Organism, path: Path, about: About) -> None:
    """Write the :func:`masks` as safetensors."""
    _save(masks(organism), path, about)


def write_program(network: nn.Module, inputs: int, path: Path, about: About) -> None:
    """Write a network as a program of ``torch.export`` with any number of examples, to the bit what the network is.

    ``torch.export.load(path).module()`` is a module again, also where there is no srnn. (The layer of a transformer
    that torch takes a kernel of its own for, ``torch.backends.mha``, differs from that in the last bits.)

    Raises:
        UserError: torch cannot follow what the network does.
    """
    buffer = io.BytesIO()
    with _quiet():
        torch.export.save(_program(network, inputs), buffer, extra_files={"about.json": json.dumps(dict(about))})
    write_whole(path, buffer.getvalue())


def write_onnx(network: nn.Module, inputs: int, path: Path, about: About) -> None:
    """Write a network as ONNX: input ``x (batch, inputs)``, output ``y (batch, outputs)``, with any batch.

    Raises:
        UserError: onnx and onnxscript are not installed, or torch cannot follow what the network does.
    """
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"onnx needs the package {error.name}: install the extra export, pip install 'srnn[export]'"
        ) from None
    program = _program(network, inputs)
    with _quiet(), _explained("written as ONNX"):
        exported = torch.onnx.export(program, (), input_names=["x"], output_names=["y"], dynamo=True, verbose=False)
        assert exported is not None
        model = exported.model_proto
    for node in model.graph.node:  # where on this machine the network's code lies
        del node.metadata_props[:]
    for key, text in about.items():
        model.metadata_props.add(key=key, value=text)
    write_whole(path, model.SerializeToString(deterministic=True))


def _save(tensors: Mapping[str, Tensor], path: Path, about: About) -> None:
    from safetensors.torch import save

    # Copies, for modules may share a tensor, and the format has none that are shared.
    own = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    write_whole(path, _with_about(save(own), about))


def _with_about(data: bytes, about: About) -> bytes:
    """A safetensors file that tells ``about`` of itself, in that order: the library leaves the order to chance."""
    if not about:
        return data
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.dumps({"__metadata__": dict(about), **json.loads(data[8:end])}, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # the format aligns what follows
    return len(header).to_bytes(8, "little") + header + data[end:]


def _program(network: nn.Module, inputs: int) -> torch.export.ExportedProgram:
    like = next((one for one in network.parameters() if one.is_floating_point()), torch.zeros(()))
    x = torch.zeros(_TRIED, inputs, dtype=like.dtype, device=like.device)
    with _quiet(), _explained("exported"):
        batch = torch.export.Dim("batch")
        program = torch.export.export(network.eval(), (x,), dynamic_shapes=({0: batch},))
    for module in program.graph_module.modules():
        for node in module.graph.nodes if isinstance(module, torch.fx.GraphModule) else ():
            node.meta.pop("stack_trace", None)  # where on this machine the network's code lies
    return program


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Tell in one line that torch could not do it, and why."""
    try:
        yield
    except Exception as error:
        why: Any = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
        raise UserError(f"this body cannot be {what}: {type(error).__name__}: {shorten(why, 200)}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch warns of while it looks at a network: its own modules, and packages that nobody needs."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
