"""The loop: particles learn to replicate themselves and, as an organism, a task."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from srnn import chemistry, kernels, replication
from srnn.bodies.mlp import Dropout
from srnn.errors import UserError
from srnn.experiment import Experiment, require_affordable
from srnn.fixpoints import TOLERANCE, FixpointType, census, classify
from srnn.methods.optimizers import SCALING, build_optimizer
from srnn.organism import stack
from srnn.particle import (
    INPUTS,
    Particle,
    effective_weight,
    matrices,
    pull_back,
    replication_gradient,
    self_output,
)
from srnn.tasks import Task
from srnn.training.birth import build_organism, generators


@dataclass(frozen=True)
class Report:
    """What was measured of some seeds after a number of epochs (0: before training).

    Attributes:
        epoch: Epochs trained.
        batch: Batches trained, over all epochs.
        scores: For each seed reported, by its place among the seeds of the training: metric → value. The losses and
            the training metric are means over the epoch's batches; ``replication_loss`` is ``alpha · Σ`` over the
            particles; the others are measured after the epoch. With an exact method there is no such loss, but
            ``replication_error``: the largest deviation of any weight from its particle's output for it.
        logged: Whether this is one of the epochs whose census, test metric and trajectory are recorded.
        stopped: Whether training of these seeds ended here because they diverged.
        diverged: What of a seed is not finite, in words, by its place; seeds that are well are left out.
    """

    epoch: int
    batch: int
    scores: dict[int, dict[str, float]]
    logged: bool
    stopped: bool = False
    diverged: Mapping[int, str] = field(default_factory=dict)


class Training:
    """One experiment in training, for several seeds side by side, each as it would be alone.

    Args:
        experiment: What to train; its own seed is not used.
        task: The data, on the device where training happens.
        seeds: One organism is drawn and trained for each.

    Attributes:
        seeds: The seeds, in their places.
        organism: The organisms of all seeds, stacked; its weights are ``(P, S · N)``.
        streams: The generators of each seed.
        epoch: Epochs trained so far.
        batch: Batches trained so far.
        inside_epoch: Whether some but not all of an epoch is trained.

    Raises:
        UserError: The batch is larger than the training data, replication waits for the accuracy of a regression, or
            the organisms would not fit into memory.
    """

    def __init__(self, experiment: Experiment, task: Task, seeds: Sequence[int]) -> None:
        if experiment.training.batch_size > len(task.train_x):
            raise UserError(
                f"training.batch_size is {experiment.training.batch_size:,}; the task {task.name} has "
                f"{len(task.train_x):,} training examples: set it to at most that"
            )
        if experiment.replication.start_accuracy > 0 and task.metric != "accuracy":
            raise UserError(
                f"replication.start_accuracy is {experiment.replication.start_accuracy}; a regression has no accuracy: "
                "set it to 0"
            )
        # Evaluation takes all test data at once.
        rows = max(experiment.training.batch_size, len(task.test_x))
        size = Particle(experiment.particle.hidden).size
        require_affordable(experiment.body, size, task.inputs, task.outputs, rows, len(seeds))
        self.experiment = experiment
        self.task = task
        self.seeds = list(seeds)
        self.streams = [generators(seed) for seed in seeds]
        self.organism = stack(
            [build_organism(experiment, task.inputs, task.outputs, streams) for streams in self.streams]
        ).to(task.train_x.device)
        self.epoch = 0
        self.batch = 0
        #: The particles of each seed that the trajectory follows, by their place, int64 ``(n,)`` each.
        self.followed = [self._sample(streams["sample"]) for streams in self.streams]
        batch = experiment.training.batch_size
        self._x = task.train_x.new_empty(len(seeds) * batch, task.inputs)
        # Each example's part in the mean loss of its batch: the gradient to begin with.
        self._share = task.train_x.new_full((batch,), 1 / batch)
        #: Places of the seeds still in training.
        self.running = list(range(len(seeds)))
        #: Places of the seeds that stopped because they diverged, and what of them is not finite.
        self.stopped: dict[int, str] = {}
        settings = experiment.replication
        #: Which seeds train replication by now.
        self.replicating = [settings.method != "none" and settings.start_accuracy == 0] * len(seeds)
        if experiment.exact:
            for seed in self.running:
                if self.replicating[seed]:
                    self._make_exact(seed)
        self._build_optimizer()
        # What the particles were worth at a version of the weights, which counts all changes in place.
        self._worth = self.weights.new_empty(0), -1
        self._sums = self.no_sums()
        # The generators of the order as they were before this epoch's, to draw it again.
        self._order_states = [streams["order"].get_state() for streams in self.streams]
        self._redrawn = [0] * len(seeds)

    def _build_optimizer(self) -> None:
        settings, method = self.experiment.training, self.experiment.replication.method
        #: What the optimizer moves: the weights of the particles or, lifted, what they are worth.
        self.trained = self.weights
        if method == "lifted":
            self.trained = nn.Parameter(effective_weight(self.weights.detach(), self.organism.particle))
        self.optimizer = build_optimizer([self.trained], settings)
        own = self.optimizer.state[self.trained]
        self.replication_buffer: Tensor | None = None
        if method == "sgd":
            match self.experiment.replication.momentum:
                case "shared":
                    # There from the start: replication drives it before the first task step.
                    self.replication_buffer = own.get("momentum_buffer")
                case "separate" if settings.momentum:
                    self.replication_buffer = torch.zeros_like(self.weights)

    def _sample(self, generator: torch.Generator) -> Tensor:
        count = self.experiment.log.particles
        if count == "all" or count >= self.organism.size:
            return torch.arange(self.organism.size)
        return torch.randperm(self.organism.size, generator=generator)[:count].sort().values

    @property
    def weights(self) -> torch.nn.Parameter:
        """The swarm of all seeds, ``(P, S · N)``."""
        return self.organism.weights

    def columns(self, seed: int) -> slice:
        """The particles of the seed at that place."""
        return slice(seed * self.organism.size, (seed + 1) * self.organism.size)

    @property
    def batches_per_epoch(self) -> int:
        """Whole batches in the training data."""
        return len(self.task.train_x) // self.experiment.training.batch_size

    @property
    def inside_epoch(self) -> bool:
        return self._sums.batches > 0

    def buffers(self) -> dict[str, Tensor]:
        """What the next step depends on besides the weights, by name: ``(P, S · N)`` or, lifted, ``(S · N,)``."""
        state = {
            name: value
            for name, value in self.optimizer.state[self.trained].items()
            if isinstance(value, Tensor) and value.shape == self.trained.shape
        }
        if self.experiment.replication.momentum == "separate" and self.replication_buffer is not None:
            state["replication_buffer"] = self.replication_buffer
        return state

    def state(self, seed: int) -> tuple[dict[str, Tensor], dict[str, object]]:
        """All that one seed's training depends on, to be saved: tensors, and small plain values.

        Inside an epoch, too: with the sums so far, and the generator of the order as it was before the epoch.
        """
        columns = self.columns(seed)
        tensors = {"weights": self.weights[:, columns]}
        tensors |= {name: buffer[..., columns] for name, buffer in self.buffers().items()}
        # What an optimizer keeps besides is the same for all seeds, such as Adam's count of steps.
        tensors |= {
            f"optimizer.{name}": value
            for name, value in self.optimizer.state[self.trained].items()
            if isinstance(value, Tensor) and value.ndim == 0
        }
        tensors |= {f"generator.{name}": one.get_state() for name, one in self.streams[seed].items()}
        if self.inside_epoch:
            tensors["generator.order"] = self._order_states[seed]
            sums = self._sums
            tensors |= {"sums.replication": sums.replication[columns]}
            tensors |= {"sums.task": sums.task[seed], "sums.score": sums.score[seed]}
        plain: dict[str, object] = {
            "epoch": self.epoch,
            "batch": self.batch,
            "batches_of_epoch": self._sums.batches,
            "replicating": self.replicating[seed],
            "diverged": self.stopped.get(seed, ""),
            "inputs": self.task.inputs,
            "outputs": self.task.outputs,
        }
        return tensors, plain

    def load_state(self, seed: int, tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> None:
        """Take a seed to what :meth:`state` gave, so that training goes on to the same bits.

        All seeds that are still running must come from the same batch. One that had stopped stays so.

        Raises:
            KeyError, RuntimeError: The state is that of another experiment.
        """
        columns, settings = self.columns(seed), self.optimizer.state[self.trained]
        self.weights.detach()[:, columns] = tensors["weights"].to(self.weights.device)
        for name, generator in self.streams[seed].items():
            generator.set_state(tensors[f"generator.{name}"])
        self.replicating[seed] = plain["replicating"]
        if plain["diverged"]:
            # It only keeps the others company: what an optimizer keeps for all seeds is theirs.
            self.stopped[seed] = plain["diverged"]
            self.running.remove(seed)
            return
        for name, value in tensors.items():
            kind, _, part = name.partition(".")
            if kind == "optimizer":
                settings[part] = value.clone()
            elif kind == "replication_buffer":
                assert self.replication_buffer is not None
                self.replication_buffer[:, columns] = value.to(self.weights.device)
            elif kind not in ("weights", "generator", "sums"):
                # An optimizer's buffer; Adam has none before its first step.
                buffer = settings.setdefault(name, torch.zeros_like(self.trained))
                buffer[..., columns] = value.to(self.weights.device)
        self.epoch, self.batch = plain["epoch"], plain["batch"]
        self._sums.batches = plain["batches_of_epoch"]
        if self.inside_epoch:
            self._sums.replication[columns] = tensors["sums.replication"].to(self.weights.device)
            self._sums.task[seed] = tensors["sums.task"].to(self.weights.device)
            self._sums.score[seed] = tensors["sums.score"].to(self.weights.device)

    def run(self, after_batch: Callable[[], None] = lambda: None) -> Iterator[Report]:
        """Train, with a report before the first epoch, after each epoch, and when seeds stop.

        ``after_batch`` may end training by an exception: :meth:`state` is then that after the batch.
        """
        settings = self.experiment.training
        examples, size = len(self.task.train_x), settings.batch_size
        device = self.weights.device
        if self.batch == 0:
            yield self._report(self.running, logged=True)
        while self.running and self.epoch < settings.epochs:
            self._order_states = [one["order"].get_state() for one in self.streams]
            order = torch.stack([torch.randperm(examples, generator=one["order"]) for one in self.streams]).to(device)
            # An incomplete last batch is left out.
            for start in range(self._sums.batches * size, self.batches_per_epoch * size, size):
                diverged = self.train_batch(order[:, start : start + size], self._sums)
                self.batch += 1
                if diverged:
                    self.running = [seed for seed in self.running if seed not in diverged]
                    report = self._report(diverged, logged=True, sums=self._sums, stopped=True)
                    self.stopped |= report.diverged
                    yield report
                    if not self.running:
                        return
                after_batch()
            if self.experiment.exact:
                self._end_exact_epoch()
            self.epoch += 1
            logged = self.epoch % self.experiment.log.every == 0 or self.epoch == settings.epochs
            report = self._report(self.running, logged, self._sums)
            if self.experiment.replication.method != "none":
                self._start_replication(report)
            self._sums, self._redrawn = self.no_sums(), [0] * len(self.seeds)
            yield report

    def no_sums(self) -> _Sums:
        weights, examples = self.weights.detach(), (len(self.streams), self.experiment.training.batch_size)
        return _Sums(weights.new_zeros(weights.shape[1]), weights.new_zeros(examples), weights.new_zeros(examples))

    def train_batch(self, index: Tensor, sums: _Sums) -> list[int]:
        """Interactions, replication and a task step on one batch, the examples ``index (S, B)`` of each seed.

        Returns:
            The seeds that have to stop because they diverged.
        """
        task, settings = self.task, self.experiment.replication
        self._interact()
        if settings.method == "sgd" and settings.objective == "alternate" and any(self.replicating):
            sums.replication += self._replicate()
            self._redraw_divergent()
        # A task step would spread one divergent particle over the whole organism; the others need theirs.
        spared = {seed: self.weights.detach()[:, self.columns(seed)].clone() for seed in self._stopping()}

        # Into the same memory at each batch: a fresh piece of that size would be handed out by the system page by page.
        torch.index_select(task.train_x, 0, index.flatten(), out=self._x)
        x = self._x.view(*index.shape, -1)
        y = task.train_y.index_select(0, index.flatten()).view(*index.shape, *task.train_y.shape[1:])
        output, losses = self._task_step(x, y, sums)
        for seed, weights in spared.items():
            self.weights.detach()[:, self.columns(seed)] = weights
        self._redraw_divergent()

        sums.task += losses
        sums.score += task.score(output, y)
        sums.batches += 1
        return self._stopping(losses)

    @kernels.or_by_torch
    def _task_step(self, x: Tensor, y: Tensor, sums: _Sums) -> tuple[Tensor, Tensor]:
        """One step of the optimizer on the task, or on both losses; output ``(S, B, outputs)``, losses ``(S, B)``."""
        settings, method = self.experiment.training, self.experiment.replication.method
        joint = self.experiment.replication.objective == "joint" and any(self.replicating)
        project = method == "newton" and (self.batch + 1) % self.experiment.replication.every == 0
        buffer = self.optimizer.state[self.trained].get("momentum_buffer")
        fast = kernels.fast_path(self.weights, self.organism.particle, buffer)
        if method == "lifted":
            output, losses, gradient = self._effective_gradient(x, y)
            self._lift(gradient)
        elif fast is not None and settings.optimizer == "sgd" and not joint:
            output, losses, gradient = self._effective_gradient(x, y)
            # A kernel takes the gradient on to the particles as it steps.
            step = self.weights.detach(), self.organism.particle, gradient, buffer, settings.lr, settings.momentum
            if project and all(self.replicating):
                worth = fast.sgd_and_project(*step, self.experiment.replication.iterations)
                self._worth = worth, self.weights._version
                project = False
            else:
                fast.sgd_step(*step)
        else:
            output, losses, gradient = self._effective_gradient(x, y)
            self.weights.grad = self._pull_back(gradient)
            if joint:
                sums.replication += self._add_replication_gradient()
            self.optimizer.step()
        if project:
            self._project()
        return output, losses

    def _effective_gradient(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Output, losses, and the gradient of the mean losses that stops at the effective weights, ``(S · N,)``.

        One seed after the other: how torch computes a product or the end of a row may depend on what is beside it.
        """
        outputs, losses, gradients = [], [], []
        for place, worth in enumerate(self._effective_weights().view(len(self.seeds), -1)):
            leaf = worth.detach().requires_grad_()
            output = self._answer(leaf, x[place], place)
            loss = self.task.loss(output, y[place])
            # To give backward() the gradient to begin with would have torch import its symbolic algebra, for a second.
            torch.dot(loss, self._share).backward()
            assert leaf.grad is not None
            outputs.append(output.detach())
            losses.append(loss.detach())
            gradients.append(leaf.grad)
        return torch.stack(outputs), torch.stack(losses), torch.cat(gradients)

    @kernels.or_by_torch
    def _pull_back(self, gradient: Tensor) -> Tensor:
        """The gradient ``(P, S · N)`` of the weights from that of what they are worth, ``(S · N,)``."""
        weights = self.weights.detach()
        if (fast := kernels.fast_path(weights, self.organism.particle)) is not None:
            pulled: Tensor = fast.pull_back(weights, self.organism.particle, gradient)
            return pulled
        return self._each_alone(self._pull_back_by_torch, weights, gradient)

    def _pull_back_by_torch(self, weights: Tensor, gradient: Tensor) -> Tensor:
        _, W2, W3 = matrices(weights, self.organism.particle)
        g = torch.zeros(INPUTS, weights.shape[1], device=weights.device)
        g[4] = gradient
        return pull_back(weights, self.organism.particle, (W3[:, None] * W2).sum(0), g)

    def _each_alone(self, compute: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
        """What torch computes of particles ``(…, S · N)``, one seed after the other; by the kernels, of all at once."""
        if self._together:
            return compute(*tensors)
        parts = [
            [tensor[..., self.columns(seed)].contiguous() for tensor in tensors] for seed in range(len(self.seeds))
        ]
        return torch.cat([compute(*own) for own in parts], dim=-1)

    def _lift(self, gradient: Tensor) -> None:
        """Have the optimizer move the effective weights, and the particles follow."""
        # It goes on from what the particles really are, not from a copy of its own.
        effective = self._effective_weights()
        self.trained.data, self.trained.grad = effective, gradient
        self.optimizer.step()
        iterations, particle = self.experiment.replication.iterations, self.organism.particle
        if self._together:
            replication.lift(self.weights.detach(), particle, effective, iterations, worth=effective)
        else:
            for seed in range(len(self.seeds)):
                columns = self.columns(seed)
                part = self.weights.detach()[:, columns].contiguous()
                replication.lift(part, particle, effective[columns], iterations, worth=effective[columns])
                self.weights.detach()[:, columns] = part
        self._worth = effective, self.weights._version

    def _effective_weights(self) -> Tensor:
        """What the particles are worth, ``(S · N,)``: as the last step left it if nothing has changed them since."""
        worth, version = self._worth
        if version != self.weights._version:
            particle = self.organism.particle
            worth = self._each_alone(lambda weights: effective_weight(weights, particle), self.weights.detach())
            self._worth = worth, self.weights._version
        return worth

    def _project(self) -> None:
        """Put the particles back onto the set of self-replicators."""
        iterations = self.experiment.replication.iterations
        if all(self.replicating) and self._together:
            replication.project(self.weights.detach(), self.organism.particle, iterations)
            return
        for seed, on in enumerate(self.replicating):
            if on:
                self._project_seed(seed, iterations)

    def _project_seed(self, seed: int, iterations: int) -> float:
        """Project the particles of one seed; how far the farthest still is."""
        part = self.weights.detach()[:, self.columns(seed)].contiguous()
        left = replication.project(part, self.organism.particle, iterations)
        self.weights.detach()[:, self.columns(seed)] = part
        return float(left.max())

    def _make_exact(self, seed: int) -> None:
        """Make self-replicators of particles that are far from it, worth the same, with balanced matrices."""
        self._project_seed(seed, replication.NEWBORN)
        self._balance_seed(seed)

    def _balance_seed(self, seed: int) -> Tensor:
        """Balance the particles of one seed; what each weight was multiplied by, ``(P, N)``."""
        part = self.weights.detach()[:, self.columns(seed)].contiguous()
        scale = replication.balance(part, self.organism.particle)
        self.weights.detach()[:, self.columns(seed)] = part
        return scale

    def _end_exact_epoch(self) -> None:
        """At the end of an epoch all particles are self-replicators, however far it took them, and balanced."""
        buffers = self.buffers()
        for seed in self.running:
            if not self.replicating[seed]:
                continue
            if not self._project_seed(seed, self.experiment.replication.iterations) < TOLERANCE:
                self._project_seed(seed, replication.NEWBORN)
            columns = self.columns(seed)
            scale = self._balance_seed(seed)
            if self.trained is self.weights:
                for name, buffer in buffers.items():
                    # RMSprop's is of steps, in which the gradient is divided by its own size.
                    steps = (self.experiment.training.optimizer, name) == ("rmsprop", "momentum_buffer")
                    buffer[:, columns] /= scale ** (0 if steps else SCALING[name])

    def _answer(self, worth: Tensor, x: Tensor, place: int) -> Tensor:
        """What one seed answers, worth ``(N,)``: ``(B, inputs) -> (B, outputs)``. The one way through the body."""
        for module in self.organism.modules():
            if isinstance(module, Dropout):
                module.generators = [self.streams[place]["dropout"]]
        parts = worth.split([shape.numel() for shape in self.organism.shapes])
        shaped = [part.view(shape) for part, shape in zip(parts, self.organism.shapes, strict=True)]
        return self.organism.call_with(shaped, x)

    @property
    def _together(self) -> bool:
        """Whether all seeds may be computed at once, with the bits that each has alone."""
        alone = len(self.seeds) == 1
        return alone or kernels.fast_path(self.weights.detach(), self.organism.particle) is not None

    def _interact(self) -> None:
        rates = self.experiment.interactions
        if rates.attack or rates.melt:
            for seed, streams in enumerate(self.streams):
                chemistry.interact(
                    self.weights.detach()[:, self.columns(seed)],
                    self.organism.particle,
                    self.organism.shapes,
                    rates.attack,
                    rates.melt,
                    streams["chemistry"],
                )

    def _start_replication(self, report: Report) -> None:
        """Begin with replication in seeds whose training accuracy has reached what it waits for."""
        for seed, scores in report.scores.items():
            if not self.replicating[seed]:
                self.replicating[seed] = scores["train_accuracy"] >= self.experiment.replication.start_accuracy
                if self.replicating[seed] and self.experiment.exact:
                    self._make_exact(seed)

    def _replicate(self) -> Tensor:
        """Take the replication steps of one batch; each particle's mean loss over them, ``(S · N,)``."""
        weights, buffer = self.weights.detach(), self.replication_buffer
        if all(self.replicating) and self._together:
            return self._replication_steps(weights, buffer)
        loss = weights.new_zeros(weights.shape[1])
        for columns in (self.columns(seed) for seed, on in enumerate(self.replicating) if on):
            part = weights[:, columns].clone()
            part_buffer = None if buffer is None else buffer[:, columns].clone()
            loss[columns] = self._replication_steps(part, part_buffer)
            weights[:, columns] = part
            if buffer is not None and part_buffer is not None:
                buffer[:, columns] = part_buffer
        return loss

    def _replication_steps(self, weights: Tensor, buffer: Tensor | None) -> Tensor:
        settings, training = self.experiment.replication, self.experiment.training
        return replication.train(
            weights,
            self.organism.particle,
            settings.steps,
            training.lr,
            training.momentum,
            settings.alpha,
            settings.target,
            buffer,
        )

    def _add_replication_gradient(self) -> Tensor:
        """Add the gradient of ``alpha · Σ replication loss`` to the task's; each particle's loss, ``(S · N,)``."""
        settings, weights = self.experiment.replication, self.weights.detach()
        parts = [weights[:, self.columns(seed)].contiguous() for seed in range(len(self.seeds))]
        found = [replication_gradient(part, self.organism.particle, settings.target) for part in parts]
        loss, gradient = (torch.cat(both, dim=-1) for both in zip(*found, strict=True))
        on = torch.tensor(self.replicating, device=loss.device).repeat_interleave(self.organism.size)
        assert self.weights.grad is not None
        self.weights.grad.add_(torch.where(on, gradient, 0), alpha=settings.alpha)
        return torch.where(on, loss, 0)

    def _divergent(self) -> Tensor | None:
        """Which particles, ``(S · N,)``, hold a NaN or an infinity; None if none does."""
        weights = self.weights.detach()
        # One pass in nearly every batch: a finite sum has finite terms.
        if weights.sum().isfinite():
            return None
        divergent = ~weights.isfinite().all(0)
        return divergent if divergent.any() else None

    def _stopping(self, losses: Tensor | None = None) -> list[int]:
        """Seeds in training that have to stop because a particle, or the task loss ``(S, B)``, diverged."""
        if self.experiment.replication.divergent != "stop":
            return []
        lost = set() if losses is None else {*(~losses.isfinite().all(1)).nonzero().flatten().tolist()}
        if (divergent := self._divergent()) is not None:
            lost |= {seed for seed in self.running if divergent[self.columns(seed)].any()}
        return [seed for seed in self.running if seed in lost]

    def _redraw_divergent(self) -> None:
        if self.experiment.replication.divergent != "reset" or (divergent := self._divergent()) is None:
            return
        for seed, streams in enumerate(self.streams):
            columns = self.columns(seed)
            places = columns.start + divergent[columns].nonzero().flatten()
            self._redrawn[seed] += len(places)
            drawn = self.organism.particle.draw(len(places), streams["reset"])
            if self.experiment.exact and self.replicating[seed]:
                replication.project(drawn, self.organism.particle, replication.NEWBORN)
            self.weights.detach()[:, places] = drawn.to(self.weights.device)
            for buffer in self.buffers().values():
                buffer[..., places] = 0

    @torch.no_grad()
    def _report(self, seeds: Sequence[int], logged: bool, sums: _Sums | None = None, stopped: bool = False) -> Report:
        scores: dict[int, dict[str, float]] = {seed: {} for seed in seeds}
        if sums is not None:
            for seed, own in scores.items():
                if self.replicating[seed] and not self.experiment.exact:
                    # numpy's sum of many numbers does not depend on the number of threads.
                    total = sums.replication[self.columns(seed)].cpu().numpy().sum(dtype=np.float64)
                    own["replication_loss"] = self.experiment.replication.alpha * float(total) / sums.batches
                own["task_loss"] = float(sums.task[seed].mean()) / sums.batches
                own[f"train_{self.task.metric}"] = float(sums.score[seed].mean()) / sums.batches
        if logged:
            self._measure(scores)
        return Report(self.epoch, self.batch, scores, logged, stopped, self._not_finite(scores))

    def _not_finite(self, scores: Mapping[int, Mapping[str, float]]) -> dict[int, str]:
        """What of each seed is not finite, in words."""
        divergent, found = self._divergent(), {}
        for seed, own in scores.items():
            count = 0 if divergent is None else int(divergent[self.columns(seed)].sum())
            loss = own.get("task_loss", 0.0)
            if count:
                found[seed] = f"{count:,} of {self.organism.size:,} particles hold a NaN or an infinity"
            elif self._redrawn[seed]:
                found[seed] = f"{self._redrawn[seed]:,} particles held a NaN or an infinity"
            elif not isfinite(loss):
                found[seed] = f"the task loss is {loss}"
        return found

    def _measure(self, scores: dict[int, dict[str, float]]) -> None:
        """Add the metric on test data, the task's probes and the census to the seeds' scores."""
        self.organism.eval()
        worth, particle = self._effective_weights().view(len(self.seeds), -1), self.organism.particle
        types = self._each_alone(lambda weights: classify(weights, particle), self.weights.detach())
        for seed, own in scores.items():
            answer = self._answer(worth[seed], self.task.test_x, seed)
            own[f"test_{self.task.metric}"] = float(self.task.score(answer, self.task.test_y).mean())
            for name, x in self.task.probes.items():
                own[name] = float(self._answer(worth[seed], x[None], seed).flatten()[0])
            if self.experiment.exact:
                weights = self.weights[:, self.columns(seed)].contiguous()
                own["replication_error"] = float((self_output(weights, self.organism.particle) - weights).abs().max())
            counts = census(types[self.columns(seed)], self.organism.layers)
            for layer, row in counts.iterrows():
                prefix = "" if layer == "total" else f"{layer}_"
                own.update({f"{prefix}{kind.label}": float(row[kind.label]) for kind in FixpointType})
        self.organism.train()


@dataclass
class _Sums:
    """Sums over the batches of an epoch, on the device, so that no batch waits for them.

    They are taken over a seed only in the end, one seed at a time: the order of the additions, and so the last bit,
    would depend on how many seeds there are.
    """

    #: Replication loss of each particle, ``(S · N,)``.
    replication: Tensor
    #: Task loss and score of each place in the batch, ``(S, B)``.
    task: Tensor
    score: Tensor
    batches: int = 0
