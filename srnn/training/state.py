"""All that a seed's training depends on, to be saved and taken up again: which tensors there are, and of which shape.

Whatever lasts is a tensor whose last dimension is the particles', a scalar for all seeds, the state of a generator, or
an ordinary tensor of the body. Who owns it gives it and takes it back; here it only gets its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from srnn.errors import UserError
from srnn.experiment import Experiment
from srnn.methods import METHODS
from srnn.methods.optimizers import build_optimizer
from srnn.methods.plain import Plain, require_same_kind
from srnn.terms.gate import gates_of
from srnn.training import past
from srnn.training.birth import STREAMS, describe_organism
from srnn.training.minima import NAME

if TYPE_CHECKING:
    from srnn.training.loop import Training

#: Particles that are kept as they are, and those of them that are dropped: bool ``(N,)`` where there are any.
MASKS = ("frozen", "dropped")
#: What the names of the tensors begin with that a seed had when it was best.
PREFIX = "best."
#: Of no run are there more.
_MOST_MINIMA = 1_000_000


def lasting(training: Training, place: int) -> dict[str, Tensor]:
    """What training has made of one seed: its particles and all that moves with them."""
    organism, method = training.organism, training.method
    columns = organism.columns(place)
    tensors = {"weights": organism.weights[:, columns]}
    if (ahead := organism.ahead) is not None:
        # The particles follow where they would have, not because of who looks on.
        tensors["effective"] = ahead[columns]
    tensors |= {name: buffer[..., columns] for name, buffer in method.buffers().items()}
    tensors |= {f"optimizer.{name}": value for name, value in method.counters().items()}
    return tensors | training.plain.tensors(place) | training.terms.tensors(place)


def put(training: Training, place: int, tensors: Mapping[str, Tensor]) -> None:
    """Take one seed to what :func:`lasting` gave; what is not among the tensors stays."""
    put_weights(training, place, tensors)
    training.plain.load(place, tensors)
    training.terms.load(place, tensors)
    scalars = {name for name in tensors if name.startswith("optimizer.") and name.count(".") == 1}
    counters = {name.removeprefix("optimizer."): tensors[name] for name in scalars}
    training.method.load(place, {name: value for name, value in tensors.items() if _is_buffer(name)}, counters)


def put_weights(training: Training, place: int, tensors: Mapping[str, Tensor]) -> None:
    """Take the particles of one seed to those among the tensors, and to be worth what is said there."""
    organism = training.organism
    columns, device = organism.columns(place), organism.weights.device
    with organism.only(columns):
        organism.weights.detach()[:, columns] = tensors["weights"].to(device)
    if "effective" in tensors:
        ahead = organism.worth()
        ahead[columns] = tensors["effective"].to(device)
        organism.remember(ahead, ahead=True)


def state(training: Training, place: int) -> tuple[dict[str, Tensor], dict[str, object]]:
    """What one seed's training depends on, inside an epoch, too: tensors, and small plain values."""
    organism, method = training.organism, training.method
    columns, tensors = organism.columns(place), lasting(training, place)
    best, told = training.stopping.state(place)
    tensors |= best | training.past.tensors(place)
    if (weights := training.batches.weights[place]) is not None:
        tensors["event.examples"] = weights
    for name in streams_of(training.experiment):
        tensors[f"generator.{name}"] = training.streams[place][name].get_state()
    if training.frozen is not None:
        tensors["frozen"] = training.frozen[columns]
    if training.dropped is not None:
        tensors["dropped"] = training.dropped[columns]
    if training.inside_epoch:
        # As it was before the epoch, whose order is drawn again.
        tensors["generator.order"] = training.batches.before[place]
        sums = training.sums
        tensors |= {"sums.replication": sums.replication[columns]}
        tensors |= {"sums.task": sums.task[place], "sums.score": sums.score[place]}
    plain: dict[str, object] = {
        "epoch": training.epoch,
        "batch": training.batch,
        "batches_of_epoch": training.sums.batches,
        "replicating": method.replicating[place],
        "diverged": training.stopped.get(place, ""),
        "inputs": training.task.inputs,
        "outputs": training.task.outputs,
    }
    plain |= told
    if "effective" in tensors:
        plain["behind"] = True
    if NAME in tensors:
        plain["minima"] = len(tensors[NAME])
    if training.experiment.body.needs_image:
        plain["image"] = list(training.task.image or ())
    return tensors, plain


def load(training: Training, place: int, tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> None:
    """Take a seed to what :func:`state` gave, so that training goes on to the same bits.

    All seeds that are still running must come from the same batch. One that had stopped stays so.

    Raises:
        KeyError, RuntimeError: The state is that of another experiment.
    """
    organism, method = training.organism, training.method
    columns, device = organism.columns(place), organism.weights.device
    put_weights(training, place, tensors)
    for name in streams_of(training.experiment):
        training.streams[place][name].set_state(tensors[f"generator.{name}"])
    method.replicating[place] = plain["replicating"]
    if plain["diverged"]:
        # It only keeps the others company: what an optimizer keeps for all seeds is theirs.
        training.stopped[place] = plain["diverged"]
    if plain.get("ended"):
        training.stopping.ended.add(place)
    if plain["diverged"] or plain.get("ended"):
        training.running.remove(place)
        return
    put(training, place, tensors)
    training.past.load(place, tensors)
    if (weights := tensors.get("event.examples")) is not None:
        if weights.shape != (count := len(training.task.train_x),):
            raise UserError(f"the checkpoint is of {len(weights):,} training examples; there are {count:,}")
        training.batches.weights[place] = weights
    training.stopping.load(place, tensors, plain)
    if "frozen" in tensors:
        training.freeze(place, tensors["frozen"].nonzero().flatten().to(device))
    if "dropped" in tensors:
        training.drop(place, tensors["dropped"].nonzero().flatten())
    training.begun = True
    training.epoch, training.batch = plain["epoch"], plain["batch"]
    training.sums.batches = plain["batches_of_epoch"]
    if training.inside_epoch:
        training.sums.replication[columns] = tensors["sums.replication"].to(device)
        training.sums.task[place] = tensors["sums.task"].to(device)
        training.sums.score[place] = tensors["sums.score"].to(device)


def streams_of(experiment: Experiment) -> list[str]:
    """The streams of random numbers that a run of the experiment may draw from."""
    used = {
        "events": bool(experiment.events),
        "gates": bool(gates_of(experiment.terms)),
        "augment": experiment.training.alters,
    }
    return [name for name in STREAMS if used.get(name, True)]


def _require_best(best: Any, ended: Any) -> None:
    """Raise ValueError unless it is as :class:`srnn.training.stopping.Stopping` tells it."""
    if type(ended) is not bool:
        raise ValueError(f"whether it has ended is {ended!r}")
    if best is None:
        return
    kinds = {"epoch": int, "loss": float}
    if not isinstance(best, dict) or {name: type(one) for name, one in best.items()} != kinds or best["epoch"] < 1:
        raise ValueError(f"its best is {best!r}")


def _is_buffer(name: str) -> bool:
    """Whether a tensor of that name is a buffer of the method, which alone have names without a prefix."""
    return "." not in name and name not in ("weights", "effective", *MASKS)


def require_layout(
    experiment: Experiment,
    tensors: Mapping[str, Tensor],
    plain: Mapping[str, Any],
) -> None:
    """Make sure that tensors are such as training the experiment leaves behind.

    Raises:
        ValueError: One is missing, too many, or of another shape or type.
        KeyError: Likewise: one that always is there is missing.
    """
    layout = _layout(experiment, plain)
    _require_best(plain.get("best"), plain.get("ended", False))
    if experiment.training.keep == "best" and "best" in plain:
        kept = {name: one for name, one in layout.items() if one.ndim and not name.startswith(("repulsion.", "sums."))}
        # It may have been behind, then or now.
        kept |= {} if f"{PREFIX}effective" in tensors else {"effective": kept["weights"]}
        layout |= {PREFIX + name: one for name, one in kept.items() if PREFIX + name in tensors}
        tensors[f"{PREFIX}weights"]
    for name, wanted in layout.items():
        require_same_kind(name, tensors[name], wanted)
    optional = _optional(experiment, tensors, plain)
    for name, wanted in optional.items():
        if name in tensors:
            require_same_kind(name, tensors[name], wanted)
    # Each would become a buffer of the optimizer.
    known = {*layout, *optional} if not plain["diverged"] else None
    if known is not None and (
        odd := [name for name in tensors if name not in known and not name.startswith("generator.")]
    ):
        raise ValueError(f"it has a tensor {odd[0]!r}")
    for stream in streams_of(experiment):
        try:
            torch.Generator().set_state(tensors[f"generator.{stream}"])
        except RuntimeError as error:
            raise ValueError(f"its generator.{stream} is none: {error}") from None


def image_of(plain: Mapping[str, Any]) -> tuple[int, ...] | None:
    """What an example is as an image, ``(channels, height, width)``; None where the body need not know.

    Raises:
        ValueError: It is none.
        KeyError: The number of an example's numbers is missing.
    """
    if (image := plain.get("image")) is None:
        return None
    if (
        not isinstance(image, list)
        or len(image) != 3
        or any(type(side) is not int or side < 1 for side in image)
        or prod(image) != plain["inputs"]
    ):
        raise ValueError(f"its image is {image!r}")
    return tuple(image)


def _optional(experiment: Experiment, tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors of :func:`state` that are there only after an event, without their content."""
    organism = describe_organism(experiment, plain["inputs"], plain["outputs"], image_of(plain))
    mask = torch.empty(organism.size, dtype=torch.bool, device="meta")
    optional = dict.fromkeys(MASKS, mask)
    if not experiment.events:
        return optional
    if (weights := tensors.get("event.examples")) is not None:
        optional["event.examples"] = torch.empty(weights.numel(), dtype=torch.float64, device="meta")
        if not (weights >= 0).all() or not 0 < float(weights.sum()) < float("inf"):
            raise ValueError("its event.examples are no weights of examples")
    return optional | past.layout(organism)


def _layout(experiment: Experiment, plain: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors of :func:`state` but for the generators, without their content."""
    organism = describe_organism(experiment, plain["inputs"], plain["outputs"], image_of(plain))
    tensors: dict[str, Tensor] = {"weights": organism.weights.detach()}
    if plain["diverged"]:
        return tensors
    if plain.get("behind"):
        tensors["effective"] = organism.weights.detach()[0]
    tensors |= _kept(experiment, METHODS[experiment.replication.method].moved(organism).shape)
    for name, value in Plain(organism, experiment.training).values(0).items():
        tensors[name] = value
    for name, parameter in organism.ordinary().items():
        for kept, value in _kept(experiment, parameter.shape).items():
            key = kept.removeprefix("optimizer.")
            tensors[f"optimizer.{key}.{name}"] = value
    for name, gate in gates_of(experiment.terms).items():
        if gate.has_numbers:
            number = organism.weights.detach()[0]
            tensors |= {f"gate.{name}{key}": number for key in ("", ".exp_avg", ".exp_avg_sq")}
            tensors[f"gate.{name}.step"] = torch.empty((), device="meta")
    if "repulsion" in experiment.terms and (found := plain.get("minima", 0)):
        if type(found) is not int or not 0 < found <= _MOST_MINIMA:
            raise ValueError(f"its minima are {found!r}")
        tensors[NAME] = torch.empty(found, *organism.weights.shape[1:], device="meta")
    replication = experiment.replication
    if (replication.method, replication.momentum) == ("sgd", "separate") and experiment.training.momentum:
        tensors["replication_buffer"] = organism.weights.detach()
    if plain["batches_of_epoch"]:
        batch = torch.empty(experiment.training.batch_size, device="meta")
        tensors |= {"sums.replication": organism.weights.detach()[0], "sums.task": batch, "sums.score": batch}
    return tensors


def _kept(experiment: Experiment, shape: torch.Size) -> dict[str, Tensor]:
    """What an optimizer keeps of one parameter after a step: of its shape by its name, else ``optimizer.KEY``."""
    small = nn.Parameter(torch.zeros([1] * len(shape), device="cpu"))
    optimizer = build_optimizer([small], experiment.training)
    small.grad = torch.zeros_like(small)
    optimizer.step()
    kept = {}
    for name, value in optimizer.state[small].items():
        if isinstance(value, Tensor):
            kept[f"optimizer.{name}" if value.ndim == 0 else name] = torch.empty(
                () if value.ndim == 0 else shape, device="meta", dtype=value.dtype
            )
    return kept
