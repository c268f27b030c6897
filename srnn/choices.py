"""The words by which settings and the algebra name what there is to choose from."""

from __future__ import annotations

from typing import Final, Literal

from srnn.errors import UserError, option, shorten

#: How a weight's position is put into numbers.
Encoding = Literal["max", "l2"]
#: Where a particle's weights are drawn from.
Init = Literal["fan_in", "xavier", "copying"]
#: Where the weights of an MLP itself are drawn from.
Birth = Literal["fan_in", "xavier", "kaiming"]
#: Whether the weights as data are constants to the gradient of replication.
Target = Literal["frozen", "live"]
#: Which layers of an MLP add an input to their output.
Residual = Literal["none", "layer", "pair"]
#: What data are brought to.
Scale = Literal["none", "standard", "unit"]
#: What each weight of a body is worth keeping for (:mod:`srnn.importance`).
Score = Literal[
    "magnitude",
    "magnitude_increase",
    "movement",
    "lamp",
    "snip",
    "fisher",
    "random",
    "quiet_inputs",
    "replication",
    "type",
    "gate",
]
#: Those that are known in the middle of training, of what there is then.
ScoreInTraining = Literal["magnitude", "lamp", "snip", "fisher", "random", "replication", "type"]
#: Whether weights are ranked all together, or in each layer.
Scope = Literal["global", "layer"]
#: What a branch has in place of the start of the run that it begins from.
Control = Literal["reinit", "shuffle", "signs", "same_worth"]
#: What an MLP applies to the output of every layer but the last.
Activation = Literal["none", "relu", "tanh", "sigmoid", "gelu"]
#: What a run can be exported as.
Export = Literal["torch", "onnx", "safetensors", "graphml", "gexf", "csv", "mask"]

#: What figures are written as.
FORMATS: Final = ("png", "svg", "pdf")
#: How many measurements of usefulness are remembered.
RECENT: Final = 3


def require_format(image_format: str) -> None:
    """Make sure that figures can be written so, before there are any.

    Raises:
        UserError: They cannot.
    """
    if image_format not in FORMATS:
        given, allowed = shorten(repr(image_format)), ", ".join(FORMATS)
        raise UserError(f"{option('format', 'image_format')} is {given}; allowed: {allowed}")
