"""What a model says of pictures: which of its values are the scores of classes, and what they mean in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.errors import error

if TYPE_CHECKING:
    from cnndsl.language.model import Model

Array = NDArray[Any]


def losses(scores: Array, truth: Array, are_logits: bool) -> Array:
    """−log of the probability of the true class, for each image, in float64. scores (n, classes), truth (n,)."""
    scores = scores.astype(np.float64)
    own = scores[np.arange(len(truth)), truth]
    if not are_logits:
        return -np.log(np.maximum(own, np.finfo(np.float32).tiny))
    top = scores.max(axis=1)
    return np.asarray(np.log(np.exp(scores - top[:, None]).sum(axis=1)) + top - own)


def scores_of(model: Model) -> tuple[str, bool]:
    """The value that says how likely each class is: the first cross entropy's logits, else the model's output.

    ("", …) is the output. The second: whether it holds logits, rather than probabilities.
    """
    recipe = model.train
    for term in recipe.loss if recipe is not None else ():
        name = term.call.args[0] if term.call.args else None
        if term.call.name == "cross_entropy" and isinstance(name, str) and name in model.graph.names:
            return name, True
    output = model.graph.outputs["output"].node
    return "", output.op.name != "softmax"


def input_shape(model: Model) -> tuple[int, ...]:
    """(H, W, C) of the model's one picture input. Raises E706 where there is another number of inputs."""
    if len(model.graph.inputs) != 1:
        raise error("E706", f"{model.name} has {len(model.graph.inputs)} inputs; pictures fill one")
    shape = next(iter(model.graph.inputs.values())).shape[1:]
    if len(shape) != 3 or not all(isinstance(n, int) for n in shape):
        raise error("E706", f"{model.name} takes no pictures of one size: its input is {'x'.join(map(str, shape))}")
    return tuple(shape)


def last(outputs: Any) -> Any:
    """Of what an executable returns, the value asked for: it comes last, whether or not the model's output comes too."""
    if isinstance(outputs, Mapping):
        return list(outputs.values())[-1]
    return outputs[-1] if isinstance(outputs, (tuple, list)) else outputs


def softmax(x: Array) -> Array:
    """Over the last axis."""
    powers = np.exp(x - x.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
