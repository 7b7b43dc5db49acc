"""Arrays of lanes: the way there and back, and the convolutions on them."""

from __future__ import annotations

from typing import Any

from cnndsl.graph.graph import Node
from cnndsl.graph.target import Choice
from cnndsl.targets.numpy import cost
from cnndsl.targets.numpy.kernels import lanes
from cnndsl.targets.numpy.lower.call import Call, keys, plain

FINISHED = 1 << 18  # bytes of result after which an epilogue runs: what stays in the cache


def span(a: Any, wide: int) -> int:
    return int((wide - 1) * a.stride[1] + a.kernel[1])


def choose_conv(node: Node, workers: int) -> Choice:
    a, w, y = node.attrs, node.operands[1].type.sizes, node.outputs[0].type.sizes
    taps, c, f = a.kernel[0] * a.kernel[1], a.sizes[2], w[3]
    rows = max(1, min(y[1], FINISHED // (4 * y[2] * y[3])))
    scratch = cost.aligned(((f, taps * c), 4), ((span(a, y[2]), a.kernel[0], c, a.lanes), 4))
    seconds = cost.lane_forward(y[0] * y[1] * y[2] / max(workers, 1), a.kernel, c, f, a.lanes) * 1e-9
    return Choice("lanes", (("rows", rows),), scratch, seconds)


def conv_lines(call: Call) -> list[str]:
    rest = keys(**geometry(call.attrs), rows=call.numbers["rows"], scratch=call.scratch, finish=call.finish)
    return [f"lane_conv2d({call.xs[0]}, {call.xs[1]}, {call.ys[0]}{rest})"]


def geometry(a: Any) -> dict[str, Any]:
    return {
        "lanes": a.lanes,
        "stride": a.stride if a.stride != (1, 1) else None,
        "pad": a.pad if a.pad != ((0, 0), (0, 0)) else None,
    }


def choose_input_grad(node: Node, workers: int) -> Choice:
    a, f, x = node.attrs, node.operands[1].type.sizes[3], node.outputs[0].type.sizes
    taps, c = a.kernel[0] * a.kernel[1], a.sizes[2]
    scratch = cost.aligned(((c, taps * f), 4), ((x[2] + a.kernel[1] - 1, a.kernel[0], f, a.lanes), 4))
    share = x[0] * x[1] * x[2] / (a.stride[0] * a.stride[1]) / max(workers, 1)
    return Choice("lanes", (), scratch, cost.lane_forward(share, a.kernel, f, c, a.lanes) * 1e-9)


def input_grad_lines(call: Call) -> list[str]:
    rest = keys(**geometry(call.attrs), scratch=call.scratch)
    return [f"lane_conv2d_input_grad({call.xs[0]}, {call.xs[1]}, {call.ys[0]}{rest})"]


def choose_weight_grad(node: Node, workers: int) -> Choice:
    a, gy = node.attrs, node.operands[1].type.sizes
    taps, c, f = a.kernel[0] * a.kernel[1], a.sizes[2], gy[3] // a.lanes
    turned = cost.lane_turned(a.kernel, c, f)
    scratch = cost.aligned(
        ((span(a, gy[2]), a.kernel[0], c, a.lanes), 4),
        ((gy[2] if turned else 0, a.lanes, f), 4),
        ((gy[2], taps * c, f), 4),
        ((taps * c, f), 4),
        ((taps * c, f), 4),
    )
    seconds = cost.lane_weight_grad(gy[0] * gy[1] * gy[2] / max(workers, 1), a.kernel, c, f, a.lanes) * 1e-9
    return Choice("lanes", (("turned", turned),), scratch, seconds)


def weight_grad_lines(call: Call) -> list[str]:
    rest = keys(**geometry(call.attrs), turned=call.numbers["turned"] or None, scratch=call.scratch)
    return [f"lane_conv2d_weight_grad({call.xs[0]}, {call.xs[1]}, {call.ys[0]}{rest})"]


LOWERINGS = {
    "to_lanes": plain(lanes.images_to_lanes, lambda c: [f"images_to_lanes({c.xs[0]}, {c.ys[0]}, lanes={c.attrs.lanes!r})"]),
    "from_lanes": plain(lanes.lanes_to_images, lambda c: [f"lanes_to_images({c.xs[0]}, {c.ys[0]}, lanes={c.attrs.lanes!r})"]),
    "repeat_lanes": plain(lanes.repeat_lanes, lambda c: [f"repeat_lanes({c.xs[0]}, {c.ys[0]}, lanes={c.attrs.lanes!r})"]),
    "lane_conv": plain(lanes.lane_conv2d, conv_lines, choose_conv, finishes=True),
    "lane_conv_input_grad": plain(lanes.lane_conv2d_input_grad, input_grad_lines, choose_input_grad),
    "lane_conv_weight_grad": plain(lanes.lane_conv2d_weight_grad, weight_grad_lines, choose_weight_grad),
}
