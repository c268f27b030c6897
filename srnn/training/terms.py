"""The terms of an experiment in effect: gates before the body, and what costs add to the gradient at the waist."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from srnn.experiment import Experiment
from srnn.methods.optimizers import Adam
from srnn.organism import Organism
from srnn.terms.decay import ParticleDecay
from srnn.terms.gate import Circumstances, Drawn, Gate, gates_of, opened
from srnn.terms.penalties import Penalty
from srnn.terms.repulsion import Repulsion
from srnn.terms.term import Term
from srnn.training.learning import Streams
from srnn.training.minima import Minima

if TYPE_CHECKING:
    from srnn.kernels.packets import Call


class Terms:
    """The terms of an experiment, in effect on organisms side by side, each as it would be alone.

    Args:
        experiment: Whose terms.
        organism: The organisms as they are at birth.
        streams: The generators of each; the gates draw from ``gates``.
        examples: How many training examples there are.
    """

    def __init__(self, experiment: Experiment, organism: Organism, streams: Streams, examples: int) -> None:
        terms, lr = experiment.terms.values(), experiment.training.lr
        self._organism, self._examples = organism, examples
        self._slopes = [term.slope(organism, lr) for term in terms if isinstance(term, Penalty)]
        self._decays = [term.strength for term in terms if isinstance(term, ParticleDecay)]
        self._lr = lr
        self._costs = [term for term in terms if isinstance(term, Term) and type(term).cost is not Term.cost]
        repulsion = [term for term in terms if isinstance(term, Repulsion)]
        #: Where the organisms have been, if they are pushed away from there.
        self.minima = Minima(repulsion[0], organism, lr) if repulsion else None
        self._gates = {name: _Passed(gate, organism, streams) for name, gate in gates_of(experiment.terms).items()}

    def draw(self, worth: Tensor, epoch: int) -> Tensor:
        """With which weights the bodies are called in a batch: ``(S · N,)``; the worth itself without gates."""
        for gate in self._gates.values():
            worth = gate.draw(worth, self._at(epoch))
        return worth

    def through(self, worth: Tensor, gradient: Tensor, epoch: int) -> Tensor:
        """From the gradient behind the gates to that at the waist, with that of the costs; the gates take a step.

        All are ``(S · N,)``; the gradient may be written in.
        """
        for gate in reversed(self._gates.values()):
            gradient = gate.pull_back(gradient, self._at(epoch))
        if self._costs:
            gradient = gradient + self._by_torch(worth)
        for slope in self._slopes:
            slope.add(worth, gradient)
        if self.minima is not None:
            self.minima.add(worth, gradient, self._lr)
        return gradient

    @torch.no_grad()
    def decay(self) -> None:
        """Shrink what the particles are made of, after a step."""
        for strength in self._decays:
            self._organism.weights.mul_(1 - self._lr * strength)

    def set_rate(self, lr: float) -> None:
        """Take the steps to come at that learning rate."""
        self._lr = lr

    def opened(self, epoch: int) -> Tensor | None:
        """What each effective weight is multiplied by at rest, ``(S · N,)``; None without gates."""
        if not self._gates:
            return None
        parts, gates = [], {name: passed.gate for name, passed in self._gates.items()}
        for place, worth in enumerate(self._organism.worth().view(self._organism.copies, -1)):
            columns = self._organism.columns(place)
            numbers = {name: one.numbers.detach()[columns] for name, one in self._gates.items()}
            parts.append(opened(gates, worth, numbers, self._at(epoch)))
        return torch.cat([part for part in parts if part is not None])

    def _at(self, epoch: int) -> Circumstances:
        return Circumstances(epoch, self._examples, self._organism.shapes)

    def _by_torch(self, worth: Tensor) -> Tensor:
        """The gradient of what torch has to differentiate, one organism after the other."""
        gradients = []
        for own in worth.view(self._organism.copies, -1):
            leaf = own.detach().clone().requires_grad_()
            total = leaf.new_zeros(())
            for term in self._costs:
                if (cost := term.cost(leaf)) is not None:
                    total = total + cost
            if total.requires_grad:
                total.backward()
            gradients.append(torch.zeros_like(own) if leaf.grad is None else leaf.grad)
        return torch.cat(gradients)

    def call(self, worth: Tensor, gradient: Tensor) -> Call | None:
        """What the penalties add to a gradient, both ``(S · N,)``, as a call of a kernel; None for nothing."""
        call = None
        for slope in reversed(self._slopes):
            call = slope.call(worth, gradient, call)
        return call

    def push(self, worth: Tensor, gradient: Tensor) -> Call | None:
        """What repulsion adds after that, likewise."""
        return None if self.minima is None else self.minima.call(worth, gradient)

    @property
    def together(self) -> bool:
        """Whether :meth:`call` and :meth:`push` do it all."""
        return not (self._costs or self._decays or self._gates)

    # -- what lasts from one batch to the next ------------------------------------------------------------------------

    def tensors(self, place: int) -> dict[str, Tensor]:
        """What the terms of one organism depend on: of gates by ``gate.NAME`` and ``gate.NAME.KEY``, and its minima."""
        kept = {} if self.minima is None else self.minima.tensors(place)
        for name, gate in self._gates.items():
            kept |= {f"gate.{name}{key}": value for key, value in gate.tensors(self._organism.columns(place)).items()}
        return kept

    def numbers(self, place: int) -> dict[str, Tensor]:
        """The gates' own numbers of one organism, ``(N,)``, by ``gate.NAME``: copies."""
        gates = {name: one for name, one in self.tensors(place).items() if name.startswith("gate.")}
        return {name: one.clone() for name, one in gates.items() if name.count(".") == 1}

    def load(self, place: int, tensors: Mapping[str, Tensor]) -> None:
        """Take the gates and minima of one organism to what :meth:`tensors` gave."""
        if self.minima is not None:
            self.minima.load(place, tensors)
        columns = self._organism.columns(place)
        for name, gate in self._gates.items():
            for key, value in gate.tensors(columns).items():
                if (kept := tensors.get(f"gate.{name}{key}")) is not None:
                    value.copy_(kept)


class _Passed:
    """The gates of one kind of all organisms, with their numbers and their optimizer."""

    def __init__(self, gate: Gate, organism: Organism, streams: Streams) -> None:
        self.gate = gate
        self._organism, self._streams = organism, [own["gates"] for own in streams]
        worth = organism.worth()
        self._before, self._drawn = worth, list[Drawn]()
        if gate.has_numbers:
            born = [gate.born(*one) for one in zip(worth.view(organism.copies, -1), self._streams, strict=True)]
            self.numbers = nn.Parameter(torch.cat(born).to(worth))
            self._optimizer = Adam([self.numbers], gate.lr)
        else:
            self.numbers = nn.Parameter(torch.zeros_like(worth))

    def _split(self, tensor: Tensor) -> Tensor:
        # One organism after the other: how torch ends a row of exponentials may depend on what is beside it.
        return tensor.view(self._organism.copies, -1)

    @torch.no_grad()
    def draw(self, worth: Tensor, at: Circumstances) -> Tensor:
        self._before, self._drawn = worth, []
        for own, numbers, stream in zip(self._split(worth), self._split(self.numbers), self._streams, strict=True):
            noise = self.gate.noise(len(own), stream).to(own)
            self._drawn.append(self.gate.draw(own, numbers, noise, at))
        return torch.cat([drawn.used for drawn in self._drawn])

    @torch.no_grad()
    def pull_back(self, gradient: Tensor, at: Circumstances) -> Tensor:
        rows = zip(*map(self._split, (gradient, self._before, self.numbers)), strict=True)
        pairs = [
            self.gate.pull_back(behind, own, numbers, drawn, at)
            for (behind, own, numbers), drawn in zip(rows, self._drawn, strict=True)
        ]
        before, of_numbers = zip(*pairs, strict=True)
        if self.gate.has_numbers:
            # A weight that diverged may be drawn anew: its gate stays.
            self.numbers.grad = torch.cat(of_numbers).nan_to_num_(0.0, 0.0, 0.0)
            self._optimizer.step()
            self.gate.bound(self.numbers.data)
        return torch.cat(before)

    def tensors(self, columns: slice) -> dict[str, Tensor]:
        if not self.gate.has_numbers:
            return {}
        state = self._optimizer.state[self.numbers]
        kept = {f".{key}": value[columns] if value.ndim else value for key, value in state.items()}
        return {"": self.numbers.detach()[columns], **kept}
