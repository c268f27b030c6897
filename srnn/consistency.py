"""What the sections of an experiment ask of one another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, get_args

from srnn.bodies.body import MLPConfig, require_affordable
from srnn.choices import Score, ScoreInTraining
from srnn.methods import EXACT
from srnn.terms.gate import gates_of

if TYPE_CHECKING:
    from srnn.experiment import Experiment
    from srnn.settings import PruningConfig


def require_consistent(experiment: Experiment) -> None:
    """Make sure that an experiment's settings, each of which is allowed, go together.

    Raises:
        ValueError: The first that does not, and what to do.
    """
    if experiment.particle.kind == "number":
        _suits_numbers(experiment)
    _suits_the_birth(experiment)
    _suits_the_step(experiment)
    _suits_the_schedule(experiment)
    _suits_validation(experiment)
    _suits_the_method(experiment)
    if "particle_decay" in experiment.terms and experiment.replication.method in EXACT:
        raise ValueError(
            f"terms.particle_decay is there; with replication.method '{experiment.replication.method}' particles are "
            "put back where they were: leave it out, and take terms.l2"
        )
    _suits_the_start(experiment)
    _suits_the_study(experiment)
    if isinstance(experiment.body, MLPConfig):
        require_affordable(experiment.body, experiment.particle.size)


def _suits_the_birth(experiment: Experiment) -> None:
    particle, body = experiment.particle, experiment.body
    if not isinstance(body, MLPConfig) or body.init == "fan_in":
        return
    if particle.kind != "number":
        raise ValueError(
            f"body.init is '{body.init}', which is of plain numbers, and particle.kind is '{particle.kind}': set it to "
            "'fan_in', and particle.init as you like"
        )
    if particle.values != "body":
        raise ValueError(
            f"body.init is '{body.init}', and particle.values '{particle.values}', so that numbers begin otherwise: "
            "set body.init to 'fan_in', or particle.values to 'body'"
        )


def _suits_the_step(experiment: Experiment) -> None:
    particle, step = experiment.particle, f"particle.step is '{experiment.particle.step}'"
    if particle.step == "alike":
        return
    if (particle.kind, particle.values) != ("number", "particles"):
        raise ValueError(
            f"{step}, which needs particle.kind 'number' and particle.values 'particles', not '{particle.kind}' and "
            f"'{particle.values}': set it to 'alike'"
        )
    if experiment.training.optimizer != "sgd":
        raise ValueError(
            f"{step}, which needs training.optimizer 'sgd', not '{experiment.training.optimizer}': set it to 'alike'"
        )


def _suits_the_schedule(experiment: Experiment) -> None:
    schedule, optimizer, repulsion = (
        experiment.schedule,
        experiment.training.optimizer,
        experiment.terms.get("repulsion"),
    )
    if getattr(repulsion, "follow_lr", False) and schedule.scales != "all":
        raise ValueError(
            "terms.repulsion.follow_lr is true, and no schedule changes the learning rate: set schedule.scales to 'all'"
        )
    if schedule.kind == "constant":
        return
    # What divides a gradient by its own size does not mind a factor.
    if schedule.scales == "task" and optimizer != "sgd":
        raise ValueError(
            f"schedule.kind is '{schedule.kind}', which needs training.optimizer 'sgd', not '{optimizer}', where "
            "schedule.scales is 'task': set that to 'all'"
        )


def _suits_validation(experiment: Experiment) -> None:
    training, task = experiment.training, experiment.task
    if training.patience and training.keep != "best":
        raise ValueError(f"training.patience is {training.patience}, and the last is kept: set training.keep to 'best'")
    for key, value, without in (("keep", training.keep, "last"), ("until_loss", training.until_loss, 0.0)):
        if value != without and not task.validation:
            raise ValueError(
                f"training.{key} is {value!r}, and there are no validation data to see by: set task.validation to a "
                f"number of examples, or training.{key} to {without!r}"
            )


def _suits_the_method(experiment: Experiment) -> None:
    replication, optimizer = experiment.replication, experiment.training.optimizer
    joint = replication.objective == "joint"
    if joint and replication.steps != 1:
        raise ValueError(
            f"replication.steps is {replication.steps}; with replication.objective 'joint' each batch takes one "
            "step on the sum of both losses: set it to 1"
        )
    if joint and replication.method in EXACT:
        raise ValueError(
            f"replication.objective is 'joint', which needs replication.method 'sgd', not '{replication.method}': "
            "set it to 'alternate'"
        )
    if replication.start_accuracy > 0 and replication.method in ("lifted", "placed"):
        raise ValueError(
            f"replication.start_accuracy is {replication.start_accuracy}; {replication.method} particles are "
            "self-replicators from birth: set it to 0"
        )
    if replication.method == "placed" and experiment.particle.hidden < 4:
        raise ValueError(
            f"particle.hidden is {experiment.particle.hidden}; smaller particles than of 4 hidden units cannot all be "
            "placed: set it to 4 or more"
        )
    if optimizer != "sgd" and replication.momentum == "shared" and replication.method == "sgd" and not joint:
        raise ValueError(
            f"replication.momentum is 'shared', which needs training.optimizer 'sgd', not '{optimizer}'; "
            "allowed here: separate, fresh"
        )
    if replication.start_accuracy > 0 and experiment.task.name in ("multiply", "add"):
        raise ValueError(
            f"replication.start_accuracy is {replication.start_accuracy}; the task {experiment.task.name} has no "
            "accuracy: set it to 0"
        )


def _suits_the_start(experiment: Experiment) -> None:
    start = experiment.start
    if not start.run:
        if start != type(start)():
            raise ValueError("[start] names no run to begin from: set start.run to the folder of one")
        return
    if start.mask and start.drop is not None:
        raise ValueError(f"start.mask and start.drop ({start.drop}) both say what is dropped: leave one of them out")
    if start.of and start.drop is None:
        raise ValueError("start.of says whose weights are scored, and nothing says by what: set start.drop")
    if start.density != 1 and start.drop is None:
        raise ValueError(f"start.density is {start.density}, and nothing says what is dropped: set start.drop")
    if isinstance(start.density, list) and start.scope != "layer":
        raise ValueError("start.density is a list, one for each layer: set start.scope to 'layer'")
    if start.control == "shuffle" and not start.mask and start.drop is None:
        raise ValueError("start.control is 'shuffle', and there is no mask: set start.drop or start.mask")
    if start.control == "same_worth" and experiment.particle.kind == "number":
        raise ValueError("start.control is 'same_worth'; a plain number is what it is worth: set it to 'none'")


def _suits_the_study(experiment: Experiment) -> None:
    study = experiment.pruning
    if not study.asked:
        if study != type(study)():
            raise ValueError("[pruning] says how, and not how much: set pruning.rounds or pruning.densities")
        return
    if study.rounds and study.densities:
        raise ValueError("pruning.rounds and pruning.densities both say how much is dropped: leave one of them out")
    if experiment.start.run or experiment.comparison.variants:
        other = "start" if experiment.start.run else "comparison"
        raise ValueError(f"[pruning] begins from a trunk of its own, and compares: leave [{other}] out")
    if not study.by and not any(other.by for other in study.others.values()):
        raise ValueError("pruning.by is empty: name a score, or one of another run in pruning.others")
    if study.rewind == "end" and study.controls:
        raise ValueError(
            f"pruning.controls has {study.controls[0]!r}, another start; with pruning.rewind 'end' nothing starts "
            "anew: leave it out"
        )
    if study.rewind != "end" and not study.rewind < experiment.training.epochs:
        raise ValueError(
            f"pruning.rewind is {study.rewind}, and training.epochs {experiment.training.epochs}: branches are trained "
            "from the one to the other"
        )
    if isinstance(study.rounds, int) and study.others:
        raise ValueError(
            "pruning.others are scored once, and pruning.rounds is a number of rounds, each of which is scored: set it "
            "to a list, or set pruning.densities"
        )
    _suits_the_densities(study, experiment.training.epochs)
    if beyond := [one for one in study.controlled if one > study.steps]:
        raise ValueError(
            f"pruning.controlled has {beyond[0]}, and there are {study.steps} rounds or densities: name some of these, "
            "the first of which is 1, or leave it out"
        )
    if study.rounds and study.scope == "layer" and not isinstance(experiment.body, MLPConfig):
        raise ValueError("pruning.scope is 'layer', whose rounds are those of an mlp: set it to 'global'")
    if "same_worth" in study.controls and experiment.particle.kind == "number":
        raise ValueError("pruning.controls has 'same_worth'; a plain number is what it is worth: leave it out")
    require_scorable(experiment, study.by, "pruning.by")


def _suits_the_densities(study: PruningConfig, epochs: int) -> None:
    """What a study asks of its densities that are not each reached at once from the trunk."""
    for key, told in (("iterative", study.iterative), ("cubic", study.cubic)):
        if told and not study.densities:
            raise ValueError(
                f"pruning.{key} is {str(told).lower()}, which is of pruning.densities, and there are none: leave it out"
            )
        if told and study.others:
            raise ValueError(f"pruning.others are scored once, and pruning.{key} scores again: leave one of them out")
    if study.iterative and study.densities != sorted({*study.densities}, reverse=True):
        raise ValueError("pruning.densities do not become smaller, each of which is left of the one before: sort them")
    if not study.cubic:
        return
    if study.iterative:
        raise ValueError("pruning.cubic and pruning.iterative both say how a density is reached: leave one of them out")
    if len(study.cubic) != 2 or not study.cubic[0] < study.cubic[1] <= epochs:
        raise ValueError(
            f"pruning.cubic is {study.cubic}; needed: two epochs, the first of them smaller, up to training.epochs "
            f"({epochs})"
        )
    if study.rewind or study.controls:
        key = "rewind" if study.rewind else "controls"
        raise ValueError(f"pruning.{key} is of trainings after the trunk's, and with pruning.cubic there is none")
    if odd := [one for one in study.by if one not in get_args(ScoreInTraining)]:
        raise ValueError(
            f"pruning.by has {odd[0]!r}, which is not known in the middle of training; allowed with pruning.cubic: "
            f"{', '.join(get_args(ScoreInTraining))}"
        )


def require_scorable(experiment: Experiment, by: Sequence[Score], key: str) -> None:
    """Make sure that an experiment's weights can be ranked by these scores.

    Raises:
        ValueError: The first by which they cannot.
    """
    of_particles = [one for one in by if one in ("replication", "type")]
    if of_particles and experiment.particle.kind == "number":
        raise ValueError(f"{key} has {of_particles[0]!r}; a plain number replicates nothing: leave it out")
    if "gate" in by and len(gates_of(experiment.terms)) != 1:
        raise ValueError(
            f"{key} has 'gate', which is known where there are gates of one kind: set one of terms.hard_concrete, "
            "terms.gaussian and terms.targeted"
        )
    if "quiet_inputs" in by and not isinstance(experiment.body, MLPConfig):
        raise ValueError(f"{key} has 'quiet_inputs', which are known of an mlp only: leave it out")


def _suits_numbers(experiment: Experiment) -> None:
    found = {"replication.method": experiment.replication.method}
    found |= {"replication.birth": experiment.replication.birth}
    found |= {f"interactions.{name}": rate for name, rate in experiment.interactions.model_dump().items()}
    for key, value in found.items():
        nothing: str | float = {"replication.method": "none", "replication.birth": "drawn"}.get(key, 0.0)
        if value != nothing:
            raise ValueError(
                f"{key} is {value!r}; with particle.kind 'number' nothing replicates: set it to {nothing!r}"
            )
