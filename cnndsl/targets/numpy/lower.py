"""Which kernel runs an op, with which numbers, and the call as text. One entry an op in `LOWERINGS`.

A lowering has two functions: `choose(node, workers)` → `Choice` or None (no kernel for these attributes), and
`lines(call)` → statements. What an entry does not cover runs through the op's reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cnndsl.graph.graph import Node
from cnndsl.graph.target import Choice
from cnndsl.targets.numpy import cost
from cnndsl.targets.numpy.kernels import conv, dense, loss, pool, random, reduce, shape

SHARED_SECONDS = 100e-6  # below this, waking a second worker costs more than it saves


@dataclass(frozen=True)
class Call:
    """One kernel to print: operand and result texts, the choice's numbers, and text for scratch, finish and share."""

    node: Node
    attrs: Any
    xs: Sequence[str]
    ys: Sequence[str]
    numbers: Mapping[str, Any]
    scratch: str = "scratch"
    finish: str = ""
    share: str = ""
    lo: str = ""


@dataclass(frozen=True)
class Lowering:
    """finishes: whether an epilogue runs block by block inside. shares: whether workers can share one call."""

    choose: Callable[[Node, int], Choice | None]
    lines: Callable[[Call], list[str]]
    kernels: Callable[[Call], tuple[Callable[..., Any], ...]]
    finishes: bool = False
    shares: bool = False


def resolved(node: Node) -> Any:
    """The node's attributes with sizes made explicit."""
    resolve = node.op.resolve
    return resolve(node.attrs, *(x.type for x in node.operands)) if resolve else node.attrs


def plain(function: Callable[..., Any], lines: Callable[[Call], list[str]], choose: Any = None, **flags: bool) -> Lowering:
    return Lowering(choose or (lambda node, workers: Choice(node.op.name)), lines, lambda call: (function,), **flags)


def is_shared(node: Node, workers: int) -> bool:
    """Whether the workers share one call of this node's kernel, where the batch is not cut."""
    lowering = LOWERINGS[node.op.name]
    choice = lowering.choose(node, workers)
    divides = choice is not None and choice.algorithm != "depthwise"  # which has no shares
    return lowering.shares and workers > 1 and choice is not None and divides and choice.seconds > SHARED_SECONDS


def keys(**given: Any) -> str:
    """`, stride=(1, 1), …` without what is None or empty text."""
    return "".join(f", {k}={v if isinstance(v, str) else repr(v)}" for k, v in given.items() if v is not None and v != "")


# Convolution ----------------------------------------------------------------------------------------------------------


def is_planar(node: Node) -> bool:
    a = node.attrs
    return len(a.kernel) == 2 and getattr(a, "pad_mode", "zero") == "zero" and node.outputs[0].type.dtype == "float32"


def windows(a: Any, image: Any, upper: Any, filters: int, workers: int) -> cost.Windows:
    """What `cost` wants to know. image: the input's (H, W, C); upper: the output's shape."""
    n, h, w, _ = upper
    kh, kw = a.kernel
    c, f = image[-1] // a.groups, filters // a.groups
    return cost.Windows(-(-n // workers), h, w, kh, kw, c, f, a.stride[1], a.dilation != (1, 1), a.groups)


def padded_bytes(a: Any, image: Any, block: tuple[int, int]) -> tuple[tuple[int, ...], int]:
    c = image[-1] // a.groups
    return conv.padded_shape(image[1], c, a.kernel[0], a.stride[0], a.pad, a.dilation[0], block), 4


def choose_conv(node: Node, workers: int) -> Choice | None:
    if not is_planar(node):
        return None
    a, x, y = resolved(node), node.operands[0].type.sizes, node.outputs[0].type.sizes
    if a.groups == x[3] == y[3] and a.groups > 1:
        sizes = ((a.pad[0][0] + x[1] + a.pad[0][1], a.pad[1][0] + x[2] + a.pad[1][1], x[3]), 4), (y[1:], 4)
        return Choice("depthwise", (), cost.aligned(*sizes))
    g = windows(a, x[1:], y, y[3], workers)
    t = min(cost.together_candidates(g), key=lambda t: cost.forward(g, t))
    block = cost.block(g, t)
    if g.n == 1 and workers > 1:
        block = (1, min(block[1], max(1, -(-y[1] // workers))))
    depth = g.kh * ((t - 1) * g.stride + g.kw) * g.c
    scratch = cost.aligned(
        padded_bytes(a, x[1:], block), ((block[0] * block[1] * (g.w // t), depth), 4), ((depth * t * g.f if t > 1 else 0,), 4)
    )
    return Choice("products", (("together", t), ("block", block)), scratch, cost.forward(g, t) * 1e-9)


def weight_text(call: Call) -> str:
    return f"{call.xs[1]}[::-1, ::-1]" if getattr(call.attrs, "flip", False) else call.xs[1]


def geometry(a: Any, stride: bool = True) -> dict[str, Any]:
    """Keys of a convolution that differ from the plain one."""
    return {
        "stride": a.stride if stride and a.stride != (1, 1) else None,
        "pad": a.pad if a.pad != ((0, 0), (0, 0)) else None,
        "dilation": a.dilation if a.dilation != (1, 1) else None,
        "groups": a.groups if a.groups != 1 else None,
    }


def conv_lines(call: Call) -> list[str]:
    a, weight = call.attrs, weight_text(call)
    if not call.numbers:
        shared = geometry(a) | {"groups": None}
        found = [f"depthwise2d({call.xs[0]}, {weight}, {call.ys[0]}{keys(**shared, scratch=call.scratch)})"]
        return [*found, *finish_all(call)]
    t, block = call.numbers["together"], call.numbers["block"]
    rest = keys(**geometry(a), together=t if t > 1 else None, block=block, scratch=call.scratch, finish=call.finish)
    return [f"conv2d({call.xs[0]}, {weight}, {call.ys[0]}{rest}{call.share})"]


def finish_all(call: Call) -> list[str]:
    """An epilogue over everything, after a kernel that does not run it block by block."""
    return [f"finish = {call.finish}", f"finish(0, {call.ys[0]}[..., 0].size)"] if call.finish else []


def choose_weight_grad(node: Node, workers: int) -> Choice | None:
    if not is_planar(node):
        return None
    a, x, gy = resolved(node), node.operands[0].type.sizes, node.operands[1].type.sizes
    g = windows(a, x[1:], gy, gy[3], workers)
    t = min(cost.together_candidates(g), key=lambda t: cost.forward(g, t))
    depth = g.kh * ((t - 1) * g.stride + g.kw) * g.c
    block = cost.block(g, t, max(cost.CACHE, 512 * depth * 4))
    scratch = cost.aligned(
        padded_bytes(a, x[1:], block),
        ((block[0] * block[1] * (g.w // t), depth), 4),
        ((a.groups, depth, t * g.f), 4),
        ((depth, t * g.f), 4),
    )
    return Choice("products", (("together", t), ("block", block)), scratch, cost.forward(g, t) * 1e-9)


def weight_grad_lines(call: Call) -> list[str]:
    t, block = call.numbers["together"], call.numbers["block"]
    out = f"{call.ys[0]}[::-1, ::-1]" if getattr(call.attrs, "flip", False) else call.ys[0]
    rest = keys(**geometry(call.attrs), together=t if t > 1 else None, block=block, scratch=call.scratch)
    return [f"conv2d_weight_grad({call.xs[0]}, {call.xs[1]}, {out}{rest})"]


def choose_input_grad(node: Node, workers: int) -> Choice | None:
    """By adding up shares, or, for stride 1, as a convolution with the kernel turned round: whichever is cheaper."""
    if not is_planar(node):
        return None
    a, gy, x = resolved(node), node.operands[0].type.sizes, node.outputs[0].type.sizes
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
        padded = conv.padded_shape(gy[2], gy[3], g.kh, 1, turned_pad, a.dilation[0], block)
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
    return (conv.conv2d_input_grad_turned if "pad" in call.numbers else conv.conv2d_input_grad,)


def transpose_lines(call: Call) -> list[str]:
    """conv_transpose is conv_input_grad of its input; then the bias."""
    lines = input_grad_lines(call)
    return [*lines, f"np.add({call.ys[0]}, {call.xs[2]}, out={call.ys[0]})"] if len(call.xs) == 3 else lines


# Products -------------------------------------------------------------------------------------------------------------


def choose_dense(node: Node, workers: int) -> Choice:
    k, f = node.operands[1].type.sizes
    n = node.operands[0].type.sizes[0]
    return Choice("product", (("rows", 0),), 0, cost.product(n, k, f) * 1e-9)


def dense_lines(call: Call) -> list[str]:
    return [f"matmul({call.xs[0]}, {call.xs[1]}, {call.ys[0]}{keys(finish=call.finish)}{call.share})"]


def matmul_lines(call: Call) -> list[str]:
    x, y = call.xs
    x, y = f"{x}.T" if call.attrs.transpose_a else x, f"{y}.T" if call.attrs.transpose_b else y
    return [f"np.matmul({x}, {y}, out={call.ys[0]})"]


# Pooling --------------------------------------------------------------------------------------------------------------


def shares_of_average(a: Any, n: int, count: int, axis: int) -> tuple[float, ...]:
    """1 / (counted places) for each window along an axis."""
    (b, e), k, s = a.pad[axis], a.window[axis], a.stride[axis]
    low, high = (-b, n + e) if a.count_padding else (0, n)
    found = []
    for i in range(count):
        start = i * s - b
        found.append(1.0 / (min(start + k, high) - max(start, low)))
    return tuple(found)


def choose_pool(node: Node, workers: int) -> Choice | None:
    a = node.attrs
    if len(a.window) != 2 or node.outputs[0].type.dtype != "float32":
        return None
    name = node.op.name
    grad = name.endswith("grad")
    upper = node.operands[-1].type.sizes if grad else node.outputs[0].type.sizes
    image = node.outputs[0].type.sizes if grad else node.operands[0].type.sizes
    n, h, w, c = upper
    if name == "max_pool_grad":
        return Choice("taps", (), 3 * h * w * c + 192 + cost.aligned(((h, w, c), 4), ((h, w, c), 4)) + 192)
    images = cost.images_of(image[1] * image[2] * c + h * image[2] * c, -(-n // workers), cost.CACHE // 2)
    half = ((images, h, image[2], c), 4)
    return Choice("axes", (("images", images),), cost.aligned(half, ((images, h, w, c) if grad else (0,), 4)))


def pool_lines(call: Call) -> list[str]:
    a, name = call.attrs, call.node.op.name
    grad = name.endswith("grad")
    upper = (call.node.operands[-1] if grad else call.node.outputs[0]).type.sizes
    image = (call.node.outputs[0] if grad else call.node.operands[0]).type.sizes
    begin = tuple(p[0] for p in a.pad)
    dilation = getattr(a, "dilation", (1, 1))
    weights = None
    if name.startswith("avg"):
        weights = average_text(tuple(shares_of_average(a, image[i + 1], upper[i + 1], i) for i in range(2)))
    rest = keys(
        kernel=a.window,
        stride=a.stride,
        pad=begin if begin != (0, 0) else None,
        dilation=dilation if dilation != (1, 1) else None,
        weights=weights,
        images=call.numbers.get("images"),
        scratch=call.scratch,
    )
    return [f"{name.replace('pool', 'pool2d')}({', '.join([*call.xs, *call.ys])}{rest})"]


def average_text(weights: tuple[tuple[float, ...], ...]) -> str:
    """`(0.5,) * 14` where all are equal."""
    texts = [f"({w[0]!r},) * {len(w)}" if len(set(w)) == 1 else repr(w) for w in weights]
    return f"({', '.join(texts)})"


def pool_kernels(call: Call) -> tuple[Callable[..., Any], ...]:
    return (getattr(pool, call.node.op.name.replace("pool", "pool2d")),)


def global_lines(call: Call) -> list[str]:
    x = call.node.operands[0].type.sizes
    count = 1
    for n in x[1:-1]:
        count *= n
    if call.node.op.name == "global_max_pool":
        return [f"global_pool(np.maximum, {call.xs[0]}, {call.ys[0]})"]
    return [f"global_pool(np.add, {call.xs[0]}, {call.ys[0]}, scale=1 / {count})"]


# Sums, losses, random numbers, shapes ---------------------------------------------------------------------------------


def sums_rows(node: Node) -> bool:
    """Whether a reduce_sum keeps exactly the last axis."""
    rank = node.operands[0].type.rank
    return rank > 1 and tuple(sorted(node.attrs.axes)) == tuple(range(rank - 1))


def row_shape(x: Sequence[int]) -> tuple[int, int]:
    """(wide, rows) of the tiles in which an array (N, …, C) is summed."""
    unit = 1
    for n in x[1:-1]:
        unit *= n
    wide = cost.wide(x[-1], unit)
    return wide, max(1, cost.TILE // (wide * x[-1]))


def sum_lines(call: Call) -> list[str]:
    if not sums_rows(call.node):
        return [f"sum_axes({call.xs[0]}, {call.ys[0]}, axes={tuple(call.attrs.axes)!r})"]
    wide, rows = row_shape(call.node.operands[0].type.sizes)
    return [f"sum_rows({call.xs[0]}, {call.ys[0]}, wide={wide}, rows={rows})"]


def random_lines(call: Call) -> list[str]:
    a = call.attrs
    each = 1
    for n in a.sizes[1:]:
        each *= n
    start = f"{call.lo} * {each}" if call.lo else "0"
    return [f"random_bits({call.xs[0]}, {call.xs[1]}, {call.ys[0]}, stream={a.stream}, start={start})"]


def concat_lines(call: Call) -> list[str]:
    return [f"concat(({', '.join(call.xs)},), {call.ys[0]})"]


def begins(a: Any) -> tuple[int, ...]:
    return (*(p[0] for p in a.amount), a.channels[0])


def choose_zero(node: Node, workers: int) -> Choice | None:
    return Choice(node.op.name) if node.attrs.mode == "zero" else None


def choose_blocks(node: Node, workers: int) -> Choice | None:
    return Choice("blocks") if node.attrs.method in ("nearest", "average") else None


def blocks_lines(call: Call) -> list[str]:
    a = call.attrs
    share = 1.0
    for f in a.factor if a.method == "average" else ():
        share /= f
    name = "repeat_blocks" if a.grows else "sum_blocks"
    return [f"{name}({call.xs[0]}, {call.ys[0]}, factor={a.factor!r}{keys(scale=share if share != 1 else None)})"]


def blocks_kernels(call: Call) -> tuple[Callable[..., Any], ...]:
    return (shape.repeat_blocks if call.attrs.grows else shape.sum_blocks,)


def loss_keys(call: Call) -> str:
    return keys(label_smoothing=call.attrs.label_smoothing, count=call.attrs.count)


def choose_moments(node: Node, workers: int) -> Choice:
    wide, rows = row_shape(node.operands[0].type.sizes)
    return Choice(
        "shifted", (("wide", wide), ("rows", rows)), cost.aligned(((rows, wide * node.operands[0].type.sizes[-1]), 4))
    )


def moments_lines(call: Call) -> list[str]:
    rest = keys(**call.numbers, scratch="a.scratch", crew="net.crew")
    return [f"moments({call.xs[0]}, {', '.join(call.ys)}{rest})"]


LOWERINGS: dict[str, Lowering] = {
    "conv": Lowering(
        choose_conv, conv_lines, lambda c: (conv.conv2d if c.numbers else conv.depthwise2d,), finishes=True, shares=True
    ),
    "conv_weight_grad": plain(conv.conv2d_weight_grad, weight_grad_lines, choose_weight_grad),
    "conv_input_grad": Lowering(choose_input_grad, input_grad_lines, input_grad_kernels),
    "conv_transpose": Lowering(choose_input_grad, transpose_lines, input_grad_kernels),
    "dense": plain(dense.matmul, dense_lines, choose_dense, finishes=True),
    "matmul": Lowering(lambda node, workers: Choice("product"), matmul_lines, lambda call: ()),
    "max_pool": Lowering(choose_pool, pool_lines, pool_kernels),
    "avg_pool": Lowering(choose_pool, pool_lines, pool_kernels),
    "max_pool_grad": Lowering(choose_pool, pool_lines, pool_kernels),
    "avg_pool_grad": Lowering(choose_pool, pool_lines, pool_kernels),
    "global_avg_pool": plain(pool.global_pool, global_lines),
    "global_max_pool": plain(pool.global_pool, global_lines),
    "reduce_sum": Lowering(
        lambda node, workers: Choice("tiles" if sums_rows(node) else "plain"),
        sum_lines,
        lambda call: (reduce.sum_rows if sums_rows(call.node) else reduce.sum_axes,),
    ),
    "moments": plain(reduce.moments, moments_lines, choose_moments),
    "softmax": plain(loss.softmax, lambda c: [f"softmax({c.xs[0]}, {c.ys[0]})"]),
    "log_softmax": plain(loss.log_softmax, lambda c: [f"log_softmax({c.xs[0]}, {c.ys[0]})"]),
    "cross_entropy": plain(loss.cross_entropy, lambda c: [f"cross_entropy({', '.join([*c.xs, *c.ys])}{loss_keys(c)})"]),
    "cross_entropy_grad": plain(
        loss.cross_entropy_grad, lambda c: [f"cross_entropy_grad({', '.join([*c.xs, *c.ys])}{loss_keys(c)})"]
    ),
    "mse": plain(
        loss.mse, lambda c: [f"mse({', '.join([*c.xs, *['None'][len(c.xs) - 2 :], *c.ys])}{keys(count=c.attrs.count)})"]
    ),
    "resample": Lowering(choose_blocks, blocks_lines, blocks_kernels),
    "crop": plain(shape.crop, lambda c: [f"crop({c.xs[0]}, {c.ys[0]}, begin={begins(c.attrs)!r})"]),
    "random_bits": plain(random.random_bits, random_lines),
    "concat": plain(shape.concat, concat_lines),
    "take_part": plain(shape.take_part, lambda c: [f"take_part({c.xs[0]}, {c.ys[0]}, start={c.attrs.start})"]),
    "pad": plain(shape.pad_zero, lambda c: [f"pad_zero({c.xs[0]}, {c.ys[0]}, begin={begins(c.attrs)!r})"], choose_zero),
    "pad_grad": plain(shape.crop, lambda c: [f"crop({c.xs[0]}, {c.ys[0]}, begin={begins(c.attrs)!r})"], choose_zero),
}
