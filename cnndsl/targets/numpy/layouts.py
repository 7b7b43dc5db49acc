"""What `choose_layout` asks: what images and lanes cost here."""

from __future__ import annotations

from cnndsl.graph.graph import Node, Value
from cnndsl.targets.numpy import cost
from cnndsl.targets.numpy.lower import LOWERINGS

TURNED = 0.9  # nanoseconds a number to lay it out anew


def gain(node: Node, lanes: int, workers: int) -> float | None:
    """Seconds a convolution wins on lanes; what works number by number costs the same in both."""
    name = node.op.name
    if name not in ("conv", "conv_input_grad", "conv_weight_grad"):
        return 0.0 if node.op.pointwise is not None or name in LOWERINGS or node.op.view else None
    now = LOWERINGS[name].choose(node, workers)
    if now is None:
        return None
    a = node.attrs
    kernel = (a.kernel[0], a.kernel[1])
    if name == "conv":
        (n, h, w, f), c = node.outputs[0].type.sizes, node.operands[0].type.sizes[3]
        then = cost.lane_forward(n * h * w / (lanes * workers), kernel, c, f, lanes)
    elif name == "conv_weight_grad":
        (n, h, w, f), c = node.operands[1].type.sizes, a.sizes[2]
        then = cost.lane_weight_grad(n * h * w / (lanes * workers), kernel, c, f, lanes)
    else:
        (n, h, w, c), f = node.outputs[0].type.sizes, node.operands[0].type.sizes[3]
        then = cost.lane_forward(n * h * w / (lanes * workers * a.stride[0] * a.stride[1]), kernel, f, c, lanes)
    return min(now.seconds, by_tiles(node, workers)) - then * 1e-9


def by_tiles(node: Node, workers: int) -> float:
    """Seconds of a convolution by Winograd's tiles, where that is possible."""
    from cnndsl.targets.numpy.lower.winograd import seconds_of

    return min((seconds_of(node, tile, workers) for tile in (2, 4)), default=float("inf"))


def border(value: Value, lanes: int, workers: int) -> float:
    return value.type.elements / workers * TURNED * 1e-9
