"""The loop: particles learn to replicate themselves and, as an organism, a task."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor

from srnn.errors import UserError
from srnn.events.event import Event, Moment
from srnn.events.meeting import Meeting
from srnn.experiment import Experiment, require_affordable
from srnn.methods import METHODS
from srnn.methods.plain import Plain, fill, ordinary_tensors
from srnn.organism import stack
from srnn.tasks import Task
from srnn.training import state
from srnn.training.batches import Batches
from srnn.training.birth import build_organism, generators, steps
from srnn.training.divergence import Divergence, columns_of
from srnn.training.fitting import require_fitting
from srnn.training.learning import answer_by_torch, learn, rows_at_once
from srnn.training.measuring import Report, Sums, densities, kept_and_left, measure
from srnn.training.past import Past
from srnn.training.stopping import Stopping
from srnn.training.stretch import Done, stretch
from srnn.training.terms import Terms

#: Seconds after which Python looks again between batches, if for nothing but Ctrl-C.
_PATIENCE = 0.2


class Training:
    """One experiment in training, for several seeds side by side, each as it would be alone.

    Args:
        experiment: What to train; its own seed is not used.
        task: The data, on the device where training happens.
        seeds: One organism is drawn and trained for each. Everywhere else a seed is told by its *place* among them.

    Attributes:
        seeds: The seeds, in their places.
        organism: The organisms of all seeds, side by side; its weights are ``(P, S · N)``.
        method: What moves the particles.
        plain: What moves biases and norms.
        streams: The generators of each seed.
        followed: The particles of each seed that the trajectory follows, by their place, int64 ``(n,)`` each.
        running: Places of the seeds still in training.
        stopped: Places of the seeds that stopped because they diverged, and what of them is not finite.
        frozen: The particles that stay as they are, bool ``(S · N,)``; None if there are none.
        steps: By what the learning rate of each plain number is multiplied, ``(S · N,)``; None if by nothing.
        dropped: Those among them that are worth exactly 0, bool ``(S · N,)``; None if there are none.
        past: What events know of it.
        step: ``after_batch`` is called at every multiple of so many batches, if not more often.
        begun: Whether what there is at the beginning has been done and reported.
        sums: Those of the epoch that is being trained.
        epoch: Epochs trained so far.
        batch: Batches trained so far.

    Raises:
        UserError: The batch is larger than the training data, replication waits for the accuracy of a regression, or
            the organisms would not fit into memory.
    """

    def __init__(self, experiment: Experiment, task: Task, seeds: Sequence[int]) -> None:
        require_fitting(experiment, task)
        held_back = 0 if task.validation_x is None else len(task.validation_x)
        rows = max(experiment.training.batch_size, rows_at_once(experiment.body, max(len(task.test_x), held_back)))
        size = experiment.particle.size
        require_affordable(experiment.body, size, task.inputs, task.outputs, rows, len(seeds), task.image)
        self.experiment, self.task, self.seeds = experiment, task, list(seeds)
        self.streams = [generators(seed) for seed in seeds]
        newborn = [build_organism(experiment, task.inputs, task.outputs, own, task.image) for own in self.streams]
        self.organism = stack(newborn).to(task.train_x.device)
        self.batches = Batches(len(task.train_x), experiment.training, self.streams)
        self.past, self.step = Past(self.organism, task), 1_000_000
        self.stopping = Stopping(experiment.training, len(seeds))
        self.terms = Terms(experiment, self.organism, self.streams, len(task.train_x))
        self.events = _events(experiment)
        self.epoch = self.batch = 0
        self.followed = [self._sample(streams["sample"]) for streams in self.streams]
        self.running = list(range(len(seeds)))
        self.stopped: dict[int, str] = {}
        self.frozen: Tensor | None = None
        own_steps = [steps(experiment, newborn[0].size, seed) for seed in seeds]
        told = [own for own in own_steps if own is not None]
        self.steps = torch.cat(told).to(self.organism.weights) if told else None
        self.dropped: Tensor | None = None
        self.begun = False
        self.sums = self.no_sums()
        self._set_out()
        for name, event in experiment.events.items():
            if isinstance(event, Event):
                event.require_fitting(self, f"events.{name}")

    def _set_out(self) -> None:
        """Be about to move newborn organisms, with nothing that lasts from before."""
        replication, settings = self.experiment.replication, self.experiment.training
        self.method = METHODS[replication.method](self.organism, replication, settings)
        self.plain = Plain(self.organism, settings)
        self.divergence = Divergence(replication.divergent, self.organism, self.method, self.streams)
        if replication.method != "none" and replication.start_accuracy == 0:
            self.method.begin(self.running)

    def _sample(self, generator: torch.Generator) -> Tensor:
        count = self.experiment.log.particles
        if count == "all" or count >= self.organism.size:
            return torch.arange(self.organism.size)
        return torch.randperm(self.organism.size, generator=generator)[:count].sort().values

    @property
    def weights(self) -> torch.nn.Parameter:
        """The swarm of all seeds, ``(P, S · N)``."""
        return self.organism.weights

    def columns(self, place: int) -> slice:
        """The particles of the seed at that place."""
        return self.organism.columns(place)

    @property
    def inside_epoch(self) -> bool:
        """Whether some but not all of an epoch is trained."""
        return self.sums.batches > 0

    def no_sums(self) -> Sums:
        """The sums of no batch."""
        return Sums.none(self.organism, self.experiment.training.batch_size)

    def go_on_with(self, experiment: Experiment, task: Task) -> None:
        """Between epochs, let the same organisms go on with other examples, or with other settings of time and batches.

        Raises:
            UserError: The batch is larger than the training data.
        """
        require_fitting(experiment, task)
        self.experiment, self.task = experiment, task
        self.past.task = task
        self.batches = Batches(len(task.train_x), experiment.training, self.streams)
        self.sums = self.no_sums()

    def state(self, place: int) -> tuple[dict[str, Tensor], dict[str, object]]:
        """All that one seed's training depends on, to be saved: :func:`srnn.training.state.state`."""
        return state.state(self, place)

    def load_state(self, place: int, tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> None:
        """Take a seed to what :meth:`state` gave: :func:`srnn.training.state.load`."""
        state.load(self, place, tensors, plain)

    def run(self, after_batch: Callable[[], None] = lambda: None) -> Iterator[Report]:
        """Train, with a report before the first epoch, after each epoch, and when seeds stop.

        ``after_batch`` is called after each batch, or after some that were trained in one call, for at most about a
        fifth of a second. It may end training by an exception: :meth:`state` is then that after the batch.
        """
        if not self.begun:
            self.begun = True
            if not self.experiment.start.run:  # else it has happened where this goes on from
                self._happen("start", 0)
                self._happen("epoch", 0)
            yield self._report(self.running, logged=True)
        while self.running and self.epoch < self.experiment.training.epochs:
            if not self.inside_epoch:
                self._leave_minimum()
            for diverged in self.train_batches(self.batches.epoch(self.sums.batches).to(self.weights.device)):
                if diverged:
                    self.running = [place for place in self.running if place not in diverged]
                    self._follow(diverged)
                    report = self._report(diverged, logged=True, stopped=True)
                    self.stopped |= report.diverged
                    yield report
                    if not self.running:
                        return
                after_batch()
            self.divergence.redraw(frozen=self.frozen)
            if self.experiment.replication.every != "log" or self._is_logged(self.epoch + 1):
                with self.organism.still(self.frozen):
                    self.method.rest(self.running)
            self.epoch += 1
            self._happen("epoch", self.epoch)
            reports = list(self._after_epoch())
            self.sums, self.divergence.redrawn = self.no_sums(), [0] * len(self.seeds)
            yield from reports

    def _after_epoch(self) -> Iterator[Report]:
        """What is to be told of the seeds that end here, and of the others."""
        losses = self.stopping.look(self) if self.stopping.looks else {}
        if ended := [place for place in self.running if place in self.stopping.ended]:
            self.running = [place for place in self.running if place not in ended]
            report = self._report(ended, logged=True)
            for place, own in report.scores.items():
                own |= self.stopping.measure(place)
            yield replace(report, ended=True)
            if not self.running:
                return
        report = self._report(self.running, self._is_logged(self.epoch))
        for place, own in report.scores.items():
            own |= {"validation_loss": losses[place]} if place in losses else {}
        self._start_replication(report)
        yield report

    def train_batches(self, order: Tensor) -> Iterator[list[int]]:
        """Train batches, the examples ``(batches, S, B)``; after one or more each time the seeds that have to stop."""
        together, at_once, done = stretch(self, order), 1, 0
        while done < len(order):
            ended = None
            if together is not None and not together.holds:
                together = stretch(self, order)
            if together is not None:
                started = time.perf_counter()
                ended = together(done, min(at_once, len(order) - done, self.step - self.batch % self.step))
                if time.perf_counter() - started < _PATIENCE / 2:
                    at_once *= 2
                done, self.batch = done + ended.batches, self.batch + ended.batches
                self.sums.batches += ended.batches
                losses = ended.losses
            if ended is None or ended.begun:
                losses = self.train_batch(order[done], self.sums, ended)
                done, self.batch = done + 1, self.batch + 1
            yield self.divergence.stopping(self.running, losses)

    def train_batch(self, index: Tensor, sums: Sums, begun: Done | None = None) -> Tensor:
        """Events, replication and a task step on one batch, the examples ``index (S, B)`` of each seed.

        Where a stretch has begun with it, it is gone on with.

        Returns:
            The task loss of each example, ``(S, B)``.
        """
        organism, method = self.organism, self.method
        task_share = self._keep_pace(sums.batches)
        if begun is None:
            self._happen("inside", sums.batches)
            with organism.still(self.frozen):
                self._happen("batch", self.batch)
                replicated = method.prepare(self.batch)
        else:
            replicated = begun.replicated
        # A task step would spread one divergent particle over the whole organism; the others need theirs.
        spared = self.divergence.stopping(self.running)

        if (ahead := organism.ahead) is not None:
            finite = ahead.view(organism.copies, -1).isfinite().all(1).tolist()
            self._follow([place for place, fine in enumerate(finite) if not fine])
        worth = organism.worth()  # the waist
        if self.divergence.redraw(worth, replicated, frozen=self.frozen):
            worth = organism.worth()
        called = self._without_dropped(self.terms.draw(worth, self.epoch))
        lesson = learn(organism, called, self.task, index, self.streams, self.batch, self.experiment.training)
        gradient = self.terms.through(worth, lesson.gradient, self.epoch)
        if task_share != 1:
            gradient = gradient * task_share
            self.plain.scale(task_share)
        if self.steps is not None:
            gradient = gradient * self.steps
        gradient = self._without_dropped(gradient)

        with organism.still(self._still(spared)):
            joint = method.move(gradient, self.batch)
            self.plain.step(spared)
            self.terms.decay()
        if self.frozen is not None:
            for buffer in method.buffers().values():
                buffer[..., self.frozen] = 0

        replicated = joint if replicated is None else replicated
        if replicated is not None:
            sums.replication += replicated
        sums.task += lesson.losses
        sums.score += lesson.scores
        sums.batches += 1
        return lesson.losses

    def pace(self, done: int) -> float:
        """What the schedule leaves of the steps in a batch of this epoch, of which so many are done."""
        schedule = self.experiment.schedule
        return schedule.share(self.epoch + (done / self.batches.per_epoch if schedule.per == "batch" else 0))

    def _keep_pace(self, done: int) -> float:
        """Take a batch's steps at its learning rate; what the gradient of the task is to be multiplied by."""
        schedule, lr = self.experiment.schedule, self.experiment.training.lr
        if schedule.kind == "constant":
            return 1.0
        share = self.pace(done)
        if schedule.scales == "task":
            return share
        for one in (self.method, self.plain, self.terms):
            one.set_rate(lr * share)
        return 1.0

    def _leave_minimum(self) -> None:
        """Where training is to be pushed away from what it has come to, keep that, and be born again if so wished."""
        minima, task = self.terms.minima, self.task
        if minima is None or not minima.term.due(self.epoch):
            return
        minima.leave()
        if minima.term.start == "clone":
            return
        weights, dropped = self.weights.detach(), self.dropped
        for place, streams in enumerate(self.streams):
            newborn = build_organism(self.experiment, task.inputs, task.outputs, streams, task.image)
            with self.organism.only(columns := self.columns(place)):
                weights[:, columns] = newborn.weights.detach().to(weights.device)
            fill(self.organism.bodies[place], ordinary_tensors(newborn.body))
        self._set_out()
        for place in range(len(self.seeds)) if dropped is not None else ():
            self.drop(place, dropped[self.columns(place)].nonzero().flatten())  # type: ignore[index]

    def freeze(self, place: int, particles: Tensor) -> None:
        """Keep particles of a seed, by their places ``(n,)``, as they are from now on, whoever moves them."""
        if self.frozen is None:
            self.frozen = torch.zeros(self.weights.shape[1], dtype=torch.bool, device=self.weights.device)
        self.frozen[self.columns(place).start + particles] = True

    def thaw(self, place: int, particles: Tensor) -> None:
        """Have particles of a seed, by their places ``(n,)``, be trained again; dropped ones stay frozen."""
        if self.frozen is not None:
            self.frozen[self.columns(place).start + particles] = False
            if self.dropped is not None:
                self.frozen |= self.dropped
            elif not self.frozen.any():
                self.frozen = None

    @torch.no_grad()
    def judge(self, place: int) -> tuple[Tensor, Tensor]:
        """What a seed answers to the training examples, in evaluation: losses and scores, ``(n,)`` each."""
        task, _ = self.task, self.organism.eval()
        with self.organism.behind(self.terms.opened(self.epoch)):
            own = self.organism.worth()[self.columns(place)]
        output = answer_by_torch(self.organism, own, task.train_x, place)
        self.organism.train()
        return task.loss(output, task.train_y), task.score(output, task.train_y)

    def drop(self, place: int, particles: Tensor) -> None:
        """Have particles of a seed, by their places ``(n,)``, be worth exactly 0 from now on, whoever moves them.

        Plain numbers are 0, and particles zero fixpoints or, under a method that keeps them self-replicators,
        self-replicators that are worth nothing. None comes back, and what an optimizer keeps of them is forgotten.

        Raises:
            UserError: Particles meet: what they take from others, or give, would be worth something again.
        """
        if any(isinstance(event, Meeting) for event in self.events):
            raise UserError(
                "weights are dropped where particles meet, which would revive them: set interactions.attack and "
                "interactions.melt to 0, and leave such events out"
            )
        if self.dropped is None:
            self.dropped = self.divergence.dropped = torch.zeros_like(self.weights[0], dtype=torch.bool)
        columns = self.columns(place).start + particles.to(self.weights.device)
        with self.organism.only(columns):
            weights = self.weights.detach()
            weights[:, columns] = self.method.worthless(weights[:, columns], place)
        for buffer in self.method.buffers().values():
            buffer[..., columns] = 0
        self.dropped[columns] = True
        self.freeze(place, particles)

    def _without_dropped(self, values: Tensor) -> Tensor:
        """Numbers of the particles, ``(S · N,)``, 0 at those that are dropped: not as a product, which leaves NaN."""
        return values if self.dropped is None else torch.where(self.dropped, 0.0, values)

    def _follow(self, places: Collection[int]) -> None:
        with self.organism.still(self.frozen):
            self.method.follow(places)

    def _still(self, spared: list[int]) -> Tensor | None:
        """The particles that a step leaves alone, ``(S · N,)``."""
        stopping = columns_of(self.organism, spared)
        if stopping is None or self.frozen is None:
            return self.frozen if stopping is None else stopping
        return self.frozen | stopping

    def _happen(self, moment: Moment | Literal["inside"], time: int) -> None:
        """Have happen what is due then, or inside an epoch after so many batches of it."""
        if moment == "inside":
            due = [event for event in self.events if time in event.due_inside(self.epoch, self.batches.per_epoch)]
        else:
            due = [event for event in self.events if event.moment == moment and event.due(time)]
        asking = [event for event in self.events if moment == "epoch" and event.asks_later(time)]
        if asking or any(event.recalls for event in due):
            self.past.measure()
        for event in due:
            self._follow(range(len(self.seeds)))
            for place in range(len(self.seeds)):
                event.act(self, place)

    def _is_logged(self, epoch: int) -> bool:
        return epoch % self.experiment.log.every == 0 or epoch == self.experiment.training.epochs

    def _start_replication(self, report: Report) -> None:
        """Begin with replication in seeds whose training accuracy has reached what it waits for."""
        if self.experiment.replication.method == "none":
            return
        enough = self.experiment.replication.start_accuracy
        waiting = [place for place in report.scores if not self.method.replicating[place]]
        if ready := [place for place in waiting if report.scores[place]["train_accuracy"] >= enough]:
            self.method.begin(ready)
            for place in ready if self.dropped is not None else ():
                # Self-replicators like the others now, and still worth nothing.
                self.drop(place, self.dropped[self.columns(place)].nonzero().flatten())  # type: ignore[index]

    def _report(self, places: Collection[int], logged: bool, stopped: bool = False) -> Report:
        scores: dict[int, dict[str, float]] = {place: {} for place in places}
        for place, own in scores.items():
            if self.inside_epoch:
                own |= self.sums.means(self.organism, self.method, self.task, place)
        if logged:
            rest = self.experiment.log.rest
            with self.organism.behind(self.terms.opened(self.epoch)):
                for place, own in measure(self.organism, self.method, self.task, places, rest).items():
                    scores[place] |= own | densities(self.organism, self.dropped, place) | self._focus(place)
                    if self.terms.minima is not None:
                        scores[place] |= self.terms.minima.measure(place)
        return Report(self.epoch, self.batch, scores, logged, stopped, self.divergence.found(scores))

    def _focus(self, place: int) -> dict[str, float]:
        """How many examples are kept in training and how many left out, and how each are answered."""
        if (weights := self.batches.weights[place]) is None:
            return {}
        frozen = None if self.frozen is None else self.frozen[self.columns(place)]
        return kept_and_left(*self.judge(place), weights > 0, self.task.metric, frozen)


def _events(experiment: Experiment) -> list[Event]:
    """What happens in training, in order: interactions first."""
    rates = experiment.interactions
    meeting = [Meeting(attack=rates.attack, melt=rates.melt)] if rates.attack or rates.melt else []
    return [*meeting, *(event for event in experiment.events.values() if isinstance(event, Event))]
