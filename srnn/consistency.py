"""What the sections of an experiment ask of one another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from srnn.bodies.body import MLPConfig, require_affordable
from srnn.methods import EXACT

if TYPE_CHECKING:
    from srnn.experiment import Experiment


def require_consistent(experiment: Experiment) -> None:
    """Make sure that an experiment's settings, each of which is allowed, go together.

    Raises:
        ValueError: The first that does not, and what to do.
    """
    if experiment.particle.kind == "number":
        _suits_numbers(experiment)
    _suits_the_schedule(experiment)
    _suits_validation(experiment)
    _suits_the_method(experiment)
    if "particle_decay" in experiment.terms and experiment.replication.method in EXACT:
        raise ValueError(
            f"terms.particle_decay is there; with replication.method '{experiment.replication.method}' particles are "
            "put back where they were: leave it out, and take terms.l2"
        )
    _suits_the_start(experiment)
    if isinstance(experiment.body, MLPConfig):
        require_affordable(experiment.body, experiment.particle.size)


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
    if start.density != 1 and start.drop is None:
        raise ValueError(f"start.density is {start.density}, and nothing says what is dropped: set start.drop")
    if isinstance(start.density, list) and start.scope != "layer":
        raise ValueError("start.density is a list, one for each layer: set start.scope to 'layer'")
    if start.control == "shuffle" and not start.mask and start.drop is None:
        raise ValueError("start.control is 'shuffle', and there is no mask: set start.drop or start.mask")
    if start.control == "same_worth" and experiment.particle.kind == "number":
        raise ValueError("start.control is 'same_worth'; a plain number is what it is worth: set it to 'none'")


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
