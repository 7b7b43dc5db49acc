"""The gradients of convolutions, and the transposed convolution, which is one: the algorithm, its blocks, and the call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cnndsl.graph.graph import Node
from cnndsl.graph.target import Choice
from cnndsl.targets.numpy import cost, cost_grad
from cnndsl.targets.numpy.kernels import conv_grad, winograd_grad
from cnndsl.targets.numpy.kernels.conv import padded_shape
from cnndsl.targets.numpy.lower.call import Call, Lowering, keys
from cnndsl.targets.numpy.lower.conv import geometry, is_planar, padded_bytes, weight_text, windows


def choose_weight_grad(node: Node, workers: int) -> Choice | None:
    """Gathered windows, gathered rows, or Winograd's tiles: whichever is cheapest."""
    if not is_planar(node):
        return None
    a, x, gy = node.resolved, node.operands[0].type.sizes, node.operands[1].type.sizes
    g = windows(a, x[1:], gy, gy[3], workers)
    found = [_by_windows(a, x, g)]
    if a.stride[0] == a.groups == 1 and g.kh > 1:
        found.append(_by_rows(a, x, g))
    if a.kernel == (3, 3) and a.stride == a.dilation == (1, 1) and a.groups == 1 and not a.flip and max(map(max, a.pad)) <= 2:
        found.append(_by_tiles(x, g))
    return min(found, key=lambda choice: choice.seconds)


def _by_windows(a: Any, x: Any, g: cost.Windows) -> Choice:
    t = min(cost.together_candidates(g), key=lambda t: cost_grad.windows(g, t))
    depth = g.kh * ((t - 1) * g.stride + g.kw) * g.c
    block = cost.block(g, t, max(cost.CACHE, 512 * depth * 4))
    scratch = cost.aligned(
        padded_bytes(a, x[1:], block),
        ((block[0] * block[1] * (g.w // t), depth), 4),
        ((a.groups, depth, t * g.f), 4),
        ((depth, t * g.f), 4),
    )
    return Choice("windows", (("together", t), ("block", block)), scratch, cost_grad.windows(g, t) * 1e-9)


def _by_rows(a: Any, x: Any, g: cost.Windows) -> Choice:
    deep, padded = (g.kh - 1) * a.dilation[0], a.pad != ((0, 0), (0, 0))
    t = min(cost.together_candidates(g), key=lambda t: cost_grad.rows(g, t, deep, padded))
    images, rows = block = cost_grad.rows_block(g, t, deep)
    reach = (t - 1) * g.stride + g.kw
    sums = (g.kh, reach * g.c, t * g.f)
    scratch = cost.aligned(
        (padded_shape(x[2], x[3], 1, 1, a.pad, 1, (images, rows + deep)), 4),
        ((images * (rows + deep) * (g.w // t), reach * g.c), 4),
        ((images, *sums), 4),
        (sums, 4),
        (sums, 4),
    )
    return Choice("rows", (("together", t), ("block", block)), scratch, cost_grad.rows(g, t, deep, padded) * 1e-9)


def _by_tiles(x: Any, g: cost.Windows) -> Choice:
    images, rows = block = cost_grad.winograd_block(g)
    columns = -(-g.w // 4)
    tiles = images * rows * columns
    flat = (images, 4 * rows, 4 * columns, g.f) if g.h % 4 or g.w % 4 else (0,)
    scratch = cost.aligned(
        ((images, 4 * rows + 2, 4 * columns + 2, g.c), 4),
        (flat, 4),
        ((tiles * max(36 * g.c, 16 * g.f),), 4),
        ((36 * tiles, g.c), 4),
        ((36 * tiles, g.f), 4),
        ((36, g.c, g.f), 4),
        ((36, g.c, g.f), 4),
    )
    return Choice("winograd", (("block", block),), scratch, cost_grad.winograd(g) * 1e-9)


def weight_grad_lines(call: Call) -> list[str]:
    a, numbers = call.attrs, call.numbers
    out = f"{call.ys[0]}[::-1, ::-1]" if getattr(a, "flip", False) else call.ys[0]
    shape = geometry(a)
    if call.algorithm == "rows":
        shape["stride"] = a.stride[1] if a.stride[1] != 1 else None
    t = numbers.get("together", 1)
    rest = keys(**shape, together=t if t > 1 else None, block=numbers["block"], scratch=call.scratch)
    return [f"{WEIGHT_GRADS[call.algorithm].__name__}({call.xs[0]}, {call.xs[1]}, {out}{rest})"]


WEIGHT_GRADS: dict[str, Callable[..., Any]] = {
    "windows": conv_grad.conv2d_weight_grad,
    "rows": conv_grad.conv2d_weight_grad_rows,
    "winograd": winograd_grad.winograd_weight_grad,
}


def choose_input_grad(node: Node, workers: int) -> Choice | None:
    """By adding up shares, or, for stride 1, as a convolution with the kernel turned round: whichever is cheaper."""
    if not is_planar(node):
        return None
    a, gy, x = node.resolved, node.operands[0].type.sizes, node.outputs[0].type.sizes
    g = windows(a, x[1:], gy, gy[3], workers)
    t = min(cost.together_candidates(g), key=lambda t: cost.backward(g, t))
    reach = [d * (k - 1) for d, k in zip(a.dilation, a.kernel, strict=True)]
    turned_pad = tuple((r - b, r - e) for r, (b, e) in zip(reach, a.pad, strict=True))
    turned = cost.Windows(g.n, x[1], x[2], g.kh, g.kw, g.f, g.c, 1, g.dilated, 1)
    u = min(cost.together_candidates(turned), key=lambda u: cost.forward(turned, u))
    possible = a.stride == (1, 1) and a.groups == 1 and min(min(p) for p in turned_pad) >= 0
    if possible and cost.forward(turned, u) < cost.backward(g, t):
        block = cost.block(turned, u)
        depth = g.kh * (u - 1 + g.kw) * g.f
        padded = padded_shape(gy[2], gy[3], g.kh, 1, turned_pad, a.dilation[0], block)
        scratch = cost.aligned(((*a.kernel, g.f, g.c), 4)) + cost.aligned(
            (padded, 4), ((block[0] * block[1] * (x[2] // u), depth), 4), ((depth * u * g.c if u > 1 else 0,), 4)
        )
        return Choice(
            "turned", (("together", u), ("block", block), ("pad", turned_pad)), scratch, cost.forward(turned, u) * 1e-9
        )
    depth = g.kh * ((t - 1) * g.stride + g.kw) * g.c
    images = cost.images_of(g.h * (g.w // t) * depth, g.n)
    whole = (images, sum(a.pad[0]) + x[1], sum(a.pad[1]) + x[2], g.c)
    scratch = cost.aligned((whole, 4), ((images * g.h * (g.w // t), depth), 4), ((depth * t * g.f if t > 1 else 0,), 4))
    return Choice("shares", (("together", t), ("images", images)), scratch, cost.backward(g, t) * 1e-9)


def input_grad_lines(call: Call) -> list[str]:
    a, t = call.attrs, call.numbers["together"]
    many = t if t > 1 else None
    if "pad" in call.numbers:
        dilation = a.dilation if a.dilation != (1, 1) else None
        rest = keys(
            pad=call.numbers["pad"], dilation=dilation, together=many, block=call.numbers["block"], scratch=call.scratch
        )
        return [f"conv2d_input_grad_turned({call.xs[0]}, {weight_text(call)}, {call.ys[0]}{rest})"]
    rest = keys(**geometry(a), together=many, images=call.numbers["images"], scratch=call.scratch)
    return [f"conv2d_input_grad({call.xs[0]}, {weight_text(call)}, {call.ys[0]}{rest})"]


def input_grad_kernels(call: Call) -> tuple[Callable[..., Any], ...]:
    return (conv_grad.conv2d_input_grad_turned if "pad" in call.numbers else conv_grad.conv2d_input_grad,)


def transpose_lines(call: Call) -> list[str]:
    """conv_transpose is conv_input_grad of its input; then the bias."""
    lines = input_grad_lines(call)
    return [*lines, f"np.add({call.ys[0]}, {call.xs[2]}, out={call.ys[0]})"] if len(call.xs) == 3 else lines


LOWERINGS = {
    "conv_weight_grad": Lowering(choose_weight_grad, weight_grad_lines, lambda call: (WEIGHT_GRADS[call.algorithm],)),
    "conv_input_grad": Lowering(choose_input_grad, input_grad_lines, input_grad_kernels),
    "conv_transpose": Lowering(choose_input_grad, transpose_lines, input_grad_kernels),
}
