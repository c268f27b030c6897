"""Who is chosen: the useless, the silent, the small, some at random, or some by name."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from pydantic import Field

from srnn.errors import UserError, shorten
from srnn.events.event import Event
from srnn.section import Count, Share, Text

if TYPE_CHECKING:
    from torch import Tensor

    from srnn.training.loop import Training

Who = Literal[
    "useless",
    "useful",
    "harmful",
    "persistent",
    "predicted",
    "dormant",
    "active",
    "contribution",
    "smallest",
    "largest",
    "zero",
    "identity",
    "other",
    "random",
    "named",
    "unchanged",
    "all",
]
#: Who is found by how useful units are on training data.
_BY_USEFULNESS = ("useless", "useful", "harmful", "persistent", "predicted")
#: Who is known of units alone.
_OF_UNITS = (*_BY_USEFULNESS, "dormant", "active", "contribution")
_TYPES = ("divergent", "zero", "identity", "secondary", "other")
#: Who is chosen however many they are.
_WHOLE = ("named", "unchanged", "all")
#: The part of a layer that counts as its lowest.
_TENTH = 0.1


class Unit(NamedTuple):
    """A hidden unit that is chosen: its layer's place, its own in the layer, and the particles that enter it."""

    layer: int
    cell: int
    entering: Tensor


class Choosing(Event):
    """What happens to some units or particles of each seed."""

    who: Who = "useless"
    """Which. Of units, on training data: ``useless``, ``useful``, ``harmful`` by the mean of the last three
    measurements of what is lost without them, ``persistent``: in the lowest tenth in all three, ``predicted``: see
    ``predictor``, ``dormant``: see ``dormancy``, ``active``, ``contribution``: the least activity times weights out. Of
    both: ``smallest``, ``largest`` by their weights, by type, by chance, or ``unchanged``: all that no event has
    changed of late."""
    of: Literal["unit", "particle"] = "unit"
    """Units are chosen in each hidden layer, and stand for the particles that enter them; particles among all."""
    share: Share = 0.1
    """Of each hidden layer, at least one unit; or of all particles."""
    count: Count | None = None
    """As many instead."""
    layers: Annotated[list[Text], Field(max_length=100)] = []
    """Only in these, such as ``["L0"]``; without any, in all: of units all that are hidden."""
    names: Annotated[list[Text], Field(max_length=10_000)] = []
    """Of ``who = "named"``: which units, ``L0_C3``, or particles, ``L0_C3_W1``."""
    rest: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Epochs in which those that an event has changed are not chosen again; of ``unchanged`` at least one."""
    dormancy: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Of ``who = "dormant"``: their mean activity is at most this part of their layer's (G. Sokar et al., arXiv
    2302.12902, have 0.025 and 0.1)."""
    predictor: Annotated[list[float], Field(max_length=3)] = []
    """Of ``who = "predicted"``: three factors of a unit's rank in its layer, from 0 to 1, in the last measurements, the
    newest last; those with the least sum are expected to be useless."""

    @property
    def recalls(self) -> bool:
        return self.of == "unit" and self.who in _BY_USEFULNESS

    def require_fitting(self, training: Training, name: str) -> None:
        from srnn import units

        organism = training.organism
        if self.of == "unit" and not units.has_units(organism):
            raise UserError(
                f"{name} is of units, which are known of an MLP with hidden layers, all of whose weights are made of "
                "particles: set of to 'particle'"
            )
        if self.of == "particle" and self.who in _OF_UNITS:
            raise UserError(f"{name}.who is '{self.who}', which is known of units: set of to 'unit', or take another")
        if self.who in _TYPES and not organism.particle.has_types:
            raise UserError(f"{name}.who is '{self.who}'; plain numbers have no types: take another")
        if self.who == "predicted" and len(self.predictor) != 3:
            raise UserError(f"{name}.predictor has {len(self.predictor)} numbers; needed: three")
        if bool(self.names) != (self.who == "named"):
            raise UserError(f"{name}.names goes with who = 'named', and that with names")
        known = [*organism.layers][: -1 if self.of == "unit" else None]
        if odd := [layer for layer in self.layers if layer not in known]:
            raise UserError(f"{name}.layers names {shorten(repr(odd[0]))}; allowed: {', '.join(known)}")
        names = {*chain(*units.names(organism))} if self.of == "unit" else {*organism.names}
        if odd := [one for one in self.names if one not in names]:
            raise UserError(f"{name}.names names {shorten(repr(odd[0]))}, which there is not; the first is L0_C0")

    def particles(self, training: Training, place: int) -> Tensor:
        """Those chosen, or entering the units that are: their places in the seed's organism, int64 ``(n,)``."""
        import torch

        if self.of == "unit":
            chosen = [unit.entering for unit in self.units(training, place)]
            return torch.cat(chosen) if chosen else torch.zeros(0, dtype=torch.int64, device=training.weights.device)
        return self._particles(training, place)

    def units(self, training: Training, place: int) -> list[Unit]:
        """The units that are chosen, in the order of the layers, in each the first choice first."""
        organism, free = training.organism, self._free(training, place)
        chosen = []
        for layer, name in enumerate([*organism.layers][:-1]):
            if self.layers and name not in self.layers:
                continue
            entering = training.past.places[layer]
            order = self._order(training, place, layer, free[entering].any(1))
            count = self.count or max(1, round(self.share * len(entering)))
            limit = None if self.who in _WHOLE else count
            chosen += [Unit(layer, cell, entering[cell]) for cell in order[:limit].tolist()]
        return chosen

    def _order(self, training: Training, place: int, layer: int, free: Tensor) -> Tensor:
        """The units of a layer that may be chosen, the first choice first."""
        import torch

        if self.who == "random":
            order = torch.randperm(len(free), generator=training.streams[place]["events"]).to(free.device)
        else:
            score, possible = self._score(training, place, layer)
            order, free = score.argsort(descending=True, stable=True), free & possible
        return order[free[order]]

    def _score(self, training: Training, place: int, layer: int) -> tuple[Tensor, Tensor]:
        """How much each unit of a layer is one of those meant, and which can be, ``(units,)`` each."""
        import torch

        from srnn import units
        from srnn.fixpoints import FixpointType, classify

        past, task = training.past, training.task
        body, matrices = past.body, past.weights(place)
        weights = matrices[layer]
        every = torch.ones(len(weights), dtype=torch.bool, device=weights.device)
        match self.who:
            case "useless" | "useful" | "harmful":
                mean = past.usefulness(place, layer).mean(0)
                return (mean, every) if self.who == "useful" else (-mean, mean < 0 if self.who == "harmful" else every)
            case "persistent":
                known = past.usefulness(place, layer)
                return -known.mean(0), (_ranks(known) <= max(_TENTH, 0.5 / len(weights))).all(0)
            case "predicted":
                ranks = _ranks(past.usefulness(place, layer))
                factors = torch.tensor(self.predictor[-len(ranks) :], dtype=ranks.dtype, device=ranks.device)
                return -(factors @ ranks), every
            case "dormant":
                active = units.activity(body, matrices, task)[layer]
                return -active, active <= self.dormancy * active.mean()
            case "active":
                return units.activity(body, matrices, task)[layer], every
            case "contribution":
                return -units.contribution(body, matrices, task)[layer], every
            case "smallest" | "largest":
                size = weights.norm(dim=1)
                return (size if self.who == "largest" else -size), every
            case "named":
                chosen = torch.tensor([name in self.names for name in units.names(training.organism)[layer]])
                return chosen.to(weights), chosen.to(every.device)
            case "all" | "unchanged":
                return every.double(), every
        kind = FixpointType[self.who.upper()]
        own = training.weights.detach()[:, training.columns(place)]
        of_type = (classify(own, training.organism.replicator) == kind).double()
        share = of_type[past.places[layer]].mean(1)
        return share, share > 0

    def _particles(self, training: Training, place: int) -> Tensor:
        import torch

        from srnn.fixpoints import FixpointType, classify

        organism, free = training.organism, self._free(training, place)
        columns = training.columns(place)
        size = organism.worth()[columns].abs()
        if self.layers:
            inside = torch.zeros_like(free)
            for layer in self.layers:
                inside[organism.layers[layer]] = True
            free &= inside
        if self.who == "named":
            free &= torch.tensor([name in self.names for name in organism.names], device=free.device)
        elif self.who in _TYPES:
            own = training.weights.detach()[:, columns]
            free &= classify(own, organism.replicator) == FixpointType[self.who.upper()]
        count = self.count or round(self.share * organism.size)
        if self.who in ("smallest", "largest"):
            # Stable, so that ties do not hang on the machine.
            order = size.argsort(descending=self.who == "largest", stable=True)
        else:
            order = torch.randperm(organism.size, generator=training.streams[place]["events"]).to(size.device)
        return order[free[order]][: None if self.who in _WHOLE else count]

    def _free(self, training: Training, place: int) -> Tensor:
        """The particles that may be chosen, bool ``(N,)``: neither frozen nor changed a short while ago."""
        columns = training.columns(place)
        rest = max(self.rest, 1) if self.who == "unchanged" else self.rest
        free = training.past.rested(place, training.epoch, rest)
        return free if training.frozen is None else free & ~training.frozen[columns]


def _ranks(values: Tensor) -> Tensor:
    """The rank of each number in its row, from 0 to 1: (r − ½) / n, of equal ones the middle; ``(k, n)``."""
    below = (values[:, None] < values[:, :, None]).double().sum(2)
    equal = (values[:, None] == values[:, :, None]).double().sum(2)
    return (below + equal / 2) / values.shape[1]
