"""Matrix products: dense layers and their gradients."""

from __future__ import annotations

from cnndsl.graph.graph import Node
from cnndsl.graph.target import Choice
from cnndsl.targets.numpy import cost
from cnndsl.targets.numpy.kernels import dense
from cnndsl.targets.numpy.lower.call import Call, Lowering, keys, plain


def choose_dense(node: Node, workers: int) -> Choice:
    k, f = node.operands[1].type.sizes
    n = node.operands[0].type.sizes[0]
    return Choice("product", (), 0, cost.product(n, k, f) * 1e-9)


def dense_lines(call: Call) -> list[str]:
    return [f"matmul({call.xs[0]}, {call.xs[1]}, {call.ys[0]}{keys(finish=call.finish)}{call.share})"]


def matmul_lines(call: Call) -> list[str]:
    x, y = call.xs
    x, y = f"{x}.T" if call.attrs.transpose_a else x, f"{y}.T" if call.attrs.transpose_b else y
    return [f"np.matmul({x}, {y}, out={call.ys[0]})"]


LOWERINGS = {
    "dense": plain(dense.matmul, dense_lines, choose_dense, finishes=True),
    "matmul": Lowering(lambda node, workers: Choice("product"), matmul_lines, lambda call: ()),
}
