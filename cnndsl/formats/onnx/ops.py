"""How each op is written as ONNX: one entry an op, `(writer, node, resolved attributes) -> tensor of its output`.

Inside, tensors are channels-first. Attributes have been through `resolve`, so pads are numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cnndsl.formats.onnx.writer import Writer, to_first
from cnndsl.graph import window
from cnndsl.graph.graph import Node, Value

Rule = Callable[[Writer, Node, Any], str]


def hint(node: Node) -> str:
    return node.path or node.op.name


def simple(op: str, **attrs: Any) -> Rule:
    """An op whose operands and meaning are ONNX's."""

    def rule(w: Writer, node: Node, a: Any) -> str:
        return w.node(op, [w.first(x) for x in node.operands], hint(node), **attrs)

    return rule


def conv(w: Writer, node: Node, a: Any) -> str:
    x, weight, *bias = node.operands
    pads = a.pad
    data = w.first(x)
    if a.pad_mode != "zero":
        data = padded(w, data, hint(node), [(0, 0), (0, 0), *pads], a.pad_mode)
        pads = [(0, 0)] * len(pads)
    rank = len(a.kernel)
    kernel = w.weight(weight, [rank + 1, rank, *range(rank)], tuple(range(rank)) if a.flip else ())
    shape: dict[str, Any] = {"kernel_shape": list(a.kernel), "strides": list(a.stride), "dilations": list(a.dilation)}
    inputs = [data, kernel, *(w.weight(b) for b in bias)]
    return w.node("Conv", inputs, hint(node), group=a.groups, pads=ends(pads), **shape)


def conv_transpose(w: Writer, node: Node, a: Any) -> str:
    x, weight, *bias = node.operands
    rank = len(a.kernel)
    kernel = w.weight(weight, [rank + 1, rank, *range(rank)], tuple(range(rank)) if a.flip else ())
    shape: dict[str, Any] = {"kernel_shape": list(a.kernel), "strides": list(a.stride), "dilations": list(a.dilation)}
    shape["output_padding"] = list(a.output_pad)
    inputs = [w.first(x), kernel, *(w.weight(b) for b in bias)]
    return w.node("ConvTranspose", inputs, hint(node), group=a.groups, pads=ends(a.pad), **shape)


def ends(pads: Sequence[tuple[Any, Any]]) -> list[int]:
    """(begin, end) an axis as ONNX lists them: every begin, then every end."""
    return [b for b, _ in pads] + [e for _, e in pads]


def padded(w: Writer, data: str, name: str, pads: Sequence[tuple[int, int]], mode: str, value: float = 0.0) -> str:
    """`data` widened by `pads`, an entry for each axis of the channels-first tensor."""
    inputs = [data, w.integers(ends(pads))]
    if mode == "zero":
        return w.node("Pad", [*inputs, w.number(value)], f"{name}.padded", mode="constant")
    return w.node("Pad", inputs, f"{name}.padded", mode=mode)


def pad(w: Writer, node: Node, a: Any) -> str:
    data, name = w.first(node.operands[0]), hint(node)
    if any(p != (0, 0) for p in a.amount):
        data = padded(w, data, name, [(0, 0), (0, 0), *a.amount], a.mode)
    if tuple(a.channels) != (0, 0):
        data = padded(w, data, name, [(0, 0), tuple(a.channels), *((0, 0) for _ in a.amount)], "zero")
    return data


def reach(node: Node, a: Any, dilation: Sequence[int]) -> list[tuple[int, int]]:
    """The pads with rows that `round = ceil` reaches at the end, and without those no window reaches: so that ONNX's
    floor gives the same size."""
    x, y = node.operands[0].type, node.outputs[0].type
    found = []
    for n, k, s, d, o, (b, e) in zip(x.space, a.window, a.stride, dilation, y.space, a.pad, strict=True):
        total = window.out_sizes([n], [k], [s], [d], [(b, e)])[0]
        found.append((b, e if total == o else (o - 1) * s + d * (k - 1) + 1 - n - b))
    return found


def max_pool(w: Writer, node: Node, a: Any) -> str:
    pads = reach(node, a, a.dilation)
    data = w.first(node.operands[0])
    if any(p >= k for k, both in zip(a.window, pads, strict=True) for p in both):  # which runtimes refuse
        data = padded(w, data, hint(node), [(0, 0), (0, 0), *pads], "zero", float("-inf"))
        pads = [(0, 0)] * len(pads)
    shape: dict[str, Any] = {"kernel_shape": list(a.window), "strides": list(a.stride), "dilations": list(a.dilation)}
    return w.node("MaxPool", [data], hint(node), pads=ends(pads), **shape)


def avg_pool(w: Writer, node: Node, a: Any) -> str:
    """Padding that counts is written as zeros of the input; rows that only ceil reaches are never counted."""
    pads = reach(node, a, (1,) * len(a.window))
    data = w.first(node.operands[0])
    if a.count_padding:
        data = padded(w, data, hint(node), [(0, 0), (0, 0), *a.pad], "zero")
        pads = [(0, more - e) for (_, more), (_, e) in zip(pads, a.pad, strict=True)]
    shape: dict[str, Any] = {"kernel_shape": list(a.window), "strides": list(a.stride)}
    return w.node("AveragePool", [data], hint(node), pads=ends(pads), count_include_pad=0, **shape)


def global_pool(op: str) -> Rule:
    def rule(w: Writer, node: Node, a: Any) -> str:
        pooled = w.node(op, [w.first(node.operands[0])], f"{hint(node)}.pooled")
        return w.node("Flatten", [pooled], hint(node), axis=1)

    return rule


def dense(w: Writer, node: Node, a: Any) -> str:
    x, weight, *bias = node.operands
    return w.node("Gemm", [w.first(x), w.weight(weight), *(w.weight(b) for b in bias)], hint(node))


def batch_norm(w: Writer, node: Node, a: Any) -> str:
    x, *stats = node.operands
    return w.node("BatchNormalization", [w.first(x), *map(w.weight, stats)], hint(node), epsilon=float(a.eps))


def softmax(op: str) -> Rule:
    """Over the channels, which stand second."""

    def rule(w: Writer, node: Node, a: Any) -> str:
        return w.node(op, [w.first(node.operands[0])], hint(node), axis=1)

    return rule


def flatten(w: Writer, node: Node, a: Any) -> str:
    """Row-major over H, W, C: so from the channels-last tensor."""
    return w.node("Flatten", [w.last(node.operands[0])], hint(node), axis=1)


def reshape(w: Writer, node: Node, a: Any) -> str:
    y = node.outputs[0].type
    sizes = [n if isinstance(n, int) else 0 for n in y.shape]  # 0: as in the input
    last = w.node("Reshape", [w.last(node.operands[0]), w.integers(sizes)], f"{hint(node)}.last")
    return last if y.rank < 3 else w.node("Transpose", [last], hint(node), perm=to_first(y.rank))


def same(w: Writer, node: Node, a: Any) -> str:
    return w.first(node.operands[0])


def scale(w: Writer, node: Node, a: Any) -> str:
    return w.node("Mul", [w.first(node.operands[0]), w.number(a.factor)], hint(node))


def aligned(w: Writer, x: Value, rank: int) -> str:
    """`x` to be combined with values of a higher rank: NumPy aligns the last axes, channels-first the channels."""
    if x.type.rank in (0, rank):
        return w.first(x)
    wide = w.node("Unsqueeze", [w.last(x), w.integers(range(rank - x.type.rank))], f"{w.last(x)}.wide")
    return wide if rank < 3 else w.node("Transpose", [wide], f"{w.last(x)}.first", perm=to_first(rank))


def join(op: str) -> Rule:
    """A chain of a binary operator over any number of operands."""

    def rule(w: Writer, node: Node, a: Any) -> str:
        total, *others = (aligned(w, x, node.outputs[0].type.rank) for x in node.operands)
        for other in others:
            total = w.node(op, [total, other], hint(node))
        return total

    return rule


def leaky_relu(w: Writer, node: Node, a: Any) -> str:
    return w.node("LeakyRelu", [w.first(node.operands[0])], hint(node), alpha=float(a.slope))


def concat(w: Writer, node: Node, a: Any) -> str:
    space = node.outputs[0].type.space
    return w.node("Concat", [cropped(w, x, space, hint(node)) for x in node.operands], hint(node), axis=1)


def cropped(w: Writer, x: Value, space: Sequence[Any], name: str) -> str:
    """The middle of `x`, as large as `space`."""
    starts = [0 if m == n else (n - m) // 2 for n, m in zip(x.type.space, space, strict=True)]
    if all(m == n for n, m in zip(x.type.space, space, strict=True)):
        return w.first(x)
    stops = [b + m for b, m in zip(starts, space, strict=True)]
    axes = range(2, 2 + len(starts))
    return w.node("Slice", [w.first(x), w.integers(starts), w.integers(stops), w.integers(axes)], f"{name}.cropped")


def crop(w: Writer, node: Node, a: Any) -> str:
    x = node.operands[0]
    cut = [(k, b, e) for k, (b, e) in enumerate([tuple(a.channels), *a.amount], 1) if (b, e) != (0, 0)]
    if not cut:
        return w.first(x)
    sizes: list[Any] = [x.type.shape[0], x.type.channels, *x.type.space]
    stops = [sizes[k] - e for k, _, e in cut]
    inputs = [w.first(x), w.integers([b for _, b, _ in cut]), w.integers(stops), w.integers([k for k, _, _ in cut])]
    return w.node("Slice", inputs, hint(node))


def channel_shuffle(w: Writer, node: Node, a: Any) -> str:
    x = node.operands[0].type
    return rearranged(w, node, [*x.shape[1:-1], a.groups, x.channels // a.groups], [*range(x.rank - 1), x.rank, x.rank - 1])


def space_to_depth(w: Writer, node: Node, a: Any) -> str:
    x, rank = node.operands[0].type, node.operands[0].type.rank - 2
    if rank == 2:
        return w.node("SpaceToDepth", [w.first(node.operands[0])], hint(node), blocksize=a.block)
    split = [part for n in x.space for part in (n // a.block, a.block)]
    return rearranged(w, node, [*split, x.channels], [0, *range(1, 2 * rank, 2), *range(2, 2 * rank + 1, 2), 2 * rank + 1])


def depth_to_space(w: Writer, node: Node, a: Any) -> str:
    x, rank = node.operands[0].type, node.operands[0].type.rank - 2
    if rank == 2:
        return w.node("DepthToSpace", [w.first(node.operands[0])], hint(node), blocksize=a.block, mode="DCR")
    order = [0, *(k for i in range(rank) for k in (1 + i, 1 + rank + i)), 2 * rank + 1]
    return rearranged(w, node, [*x.space, *[a.block] * rank, node.outputs[0].type.channels], order)


def rearranged(w: Writer, node: Node, split: Sequence[Any], order: Sequence[int]) -> str:
    """The channels-last tensor of each image cut into `split`, its axes (the batch's is 0) in another order."""
    y, name, sizes = node.outputs[0].type, hint(node), node.outputs[0].type.shape[1:]
    cut = w.node("Reshape", [w.last(node.operands[0]), w.integers([0, *split])], f"{name}.cut")
    turned = w.node("Transpose", [cut], f"{name}.turned", perm=list(order))
    last = w.node("Reshape", [turned, w.integers([0, *sizes])], f"{name}.last")
    return last if y.rank < 3 else w.node("Transpose", [last], name, perm=to_first(y.rank))


def resample(w: Writer, node: Node, a: Any) -> str:
    """What ONNX has by name; else a product with each axis' matrix, which is what the op does to a unit along it."""
    data, name, f = w.first(node.operands[0]), hint(node), list(a.factor)
    if a.method == "nearest" and not a.transposed:
        keys = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return w.node("Resize", [data, "", w.numbers([1, 1, *f])], name, **keys)
    if a.method == "bilinear" and not a.transposed and len(f) == 2:
        keys = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
        return w.node("Resize", [data, "", w.numbers([1, 1, *f])], name, **keys)
    if a.method == "average" and not a.transposed:
        return w.node("AveragePool", [data], name, kernel_shape=f, strides=f)
    rank = len(f)
    space: tuple[Any, ...] = node.operands[0].type.space
    for k, (n, one) in enumerate(zip(space, f, strict=True)):
        units = np.eye(n)[:, :, None]
        matrix = node.op.reference(np, node.op.attrs((one,), a.method, a.transposed), units)[0][:, :, 0]
        order = list(range(rank + 2))
        order[2 + k], order[-1] = order[-1], order[2 + k]
        last = w.node("Transpose", [data], f"{name}.turned", perm=order)
        product = w.node("MatMul", [last, w.constant(matrix.astype(np.float32))], f"{name}.product")
        data = w.node("Transpose", [product], name, perm=order)
    return data


def matmul(w: Writer, node: Node, a: Any) -> str:
    inputs = [w.first(x) for x in node.operands]
    return w.node("Gemm", inputs, hint(node), transA=int(a.transpose_a), transB=int(a.transpose_b))


def reduce_sum(w: Writer, node: Node, a: Any) -> str:
    y = node.outputs[0].type
    last = w.node("ReduceSum", [w.last(node.operands[0]), w.integers(a.axes)], hint(node), keepdims=0)
    return last if y.rank < 3 else w.node("Transpose", [last], f"{hint(node)}.first", perm=to_first(y.rank))


def prelu(w: Writer, node: Node, a: Any) -> str:
    """ONNX stretches the slope over what comes after the channels, so it gets an axis for each."""
    x, slope = node.operands
    ones = [1] * (x.type.rank - 2)
    shaped = w.node("Reshape", [w.weight(slope), w.integers([x.type.channels, *ones])], f"{hint(node)}.slope")
    return w.node("PRelu", [w.first(x), shaped], hint(node))


def gelu(w: Writer, node: Node, a: Any) -> str:
    """Opset 17 has no Gelu, so it is written out."""
    x, name = w.first(node.operands[0]), hint(node)
    if a.approximate == "tanh":
        cube = w.node("Mul", [x, w.node("Mul", [x, x], f"{name}.square")], f"{name}.cube")
        inner = w.node("Add", [x, w.node("Mul", [cube, w.number(0.044715)], f"{name}.part")], f"{name}.inner")
        bent = w.node("Tanh", [w.node("Mul", [inner, w.number(0.7978845608028654)], f"{name}.scaled")], f"{name}.tanh")
    else:
        bent = w.node("Erf", [w.node("Mul", [x, w.number(0.7071067811865476)], f"{name}.scaled")], f"{name}.erf")
    half = w.node("Mul", [x, w.number(0.5)], f"{name}.half")
    return w.node("Mul", [half, w.node("Add", [bent, w.number(1.0)], f"{name}.plus")], name)


def silu(w: Writer, node: Node, a: Any) -> str:
    x = w.first(node.operands[0])
    return w.node("Mul", [x, w.node("Sigmoid", [x], f"{hint(node)}.gate")], hint(node))


def relu6(w: Writer, node: Node, a: Any) -> str:
    return w.node("Clip", [w.first(node.operands[0]), w.number(0.0), w.number(6.0)], hint(node))


def group_norm(w: Writer, node: Node, a: Any) -> str:
    """InstanceNormalization of (N, groups, all the rest), then scale and shift; opset 17 has no GroupNormalization."""
    x, gamma, beta = node.operands
    name, groups, rank = hint(node), a.groups, x.type.rank
    parts = w.node("Reshape", [w.first(x), w.integers([0, groups, -1])], f"{name}.groups")
    ones, zeros = w.numbers([1.0] * groups), w.numbers([0.0] * groups)
    normal = w.node("InstanceNormalization", [parts, ones, zeros], f"{name}.normal", epsilon=float(a.eps))
    back = w.node("Reshape", [normal, w.node("Shape", [w.first(x)], f"{name}.shape")], f"{name}.whole")
    vectors = []
    for s in (gamma, beta):
        shape = w.integers([x.type.channels, *[1] * (rank - 2)])
        vectors.append(w.node("Reshape", [w.weight(s), shape], f"{name}.vector"))
    return w.node("Add", [w.node("Mul", [back, vectors[0]], f"{name}.scaled"), vectors[1]], name)


def lrn(w: Writer, node: Node, a: Any) -> str:
    """ONNX divides alpha by the size, and ONNX Runtime wants two axes of space."""
    (x,), name = node.operands, hint(node)
    keys = {"alpha": float(a.alpha) * a.size, "beta": float(a.beta), "bias": float(a.k), "size": a.size}
    data = w.first(x)
    if x.type.rank == 4:
        return w.node("LRN", [data], name, **keys)
    flat = w.node("Reshape", [data, w.integers([0, x.type.channels, -1, 1])], f"{name}.flat")
    return w.node("Reshape", [w.node("LRN", [flat], f"{name}.lrn", **keys), w.node("Shape", [data], f"{name}.shape")], name)


EXPORTS: dict[str, Rule] = {
    "conv": conv,
    "conv_transpose": conv_transpose,
    "max_pool": max_pool,
    "avg_pool": avg_pool,
    "global_avg_pool": global_pool("GlobalAveragePool"),
    "global_max_pool": global_pool("GlobalMaxPool"),
    "dense": dense,
    "matmul": matmul,
    "batch_norm": batch_norm,
    "relu": simple("Relu"),
    "leaky_relu": leaky_relu,
    "prelu": prelu,
    "relu6": relu6,
    "elu": lambda w, node, a: w.node("Elu", [w.first(node.operands[0])], hint(node), alpha=float(a.alpha)),
    "gelu": gelu,
    "silu": silu,
    "hard_swish": simple("HardSwish"),
    "hard_sigmoid": simple("HardSigmoid", alpha=1 / 6, beta=0.5),
    "softplus": simple("Softplus"),
    "group_norm": group_norm,
    "lrn": lrn,
    "sigmoid": simple("Sigmoid"),
    "tanh": simple("Tanh"),
    "softmax": softmax("Softmax"),
    "log_softmax": softmax("LogSoftmax"),
    "flatten": flatten,
    "reshape": reshape,
    "view": reshape,
    "spread": reshape,
    "identity": same,
    "dropout": same,
    "spatial_dropout": same,
    "stochastic_depth": same,
    "noise": same,
    "pad": pad,
    "crop": crop,
    "channel_shuffle": channel_shuffle,
    "space_to_depth": space_to_depth,
    "depth_to_space": depth_to_space,
    "resample": resample,
    "scale": scale,
    "add": join("Add"),
    "subtract": join("Sub"),
    "multiply": join("Mul"),
    "maximum": join("Max"),
    "concat": concat,
    "reduce_sum": reduce_sum,
}
