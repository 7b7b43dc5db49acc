"""fully_convolutional: a classifier on pictures larger than its own, its dense layers read as convolutions.

flatten → dense(w) is a convolution whose kernel is as large as what was flattened, w (H·W·C, units) read as
(H, W, C, units); the dense layers behind it are 1×1 convolutions. The map of scores is averaged over space where a
softmax or the end wants one vector. Sermanet et al. 2014; Simonyan, Zisserman 2015, section 3.2.
"""

from __future__ import annotations

from cnndsl.errors import error
from cnndsl.graph.graph import INPUT, Graph, Node, SourceAttrs, Value, rewrite
from cnndsl.graph.op import REGISTRY
from cnndsl.graph.types import BATCH


def fully_convolutional(graph: Graph, height: int, width: int) -> Graph:
    """`graph`, whose one input is (N, H, W, C), for pictures of `height` x `width`. Its outputs, names and heads keep their
    shapes. Raises E423 where an op cannot be read on a map, and the shape rules' errors where a picture is too small.
    """
    maps: dict[Value, tuple[int, ...]] = {}
    """Values of the new graph that stand for vectors → the kernel that a dense layer behind them has."""

    def visit(out: Graph, node: Node, operands: tuple[Value, ...]) -> tuple[Value, ...] | None:
        if node.op is INPUT:
            shape = (BATCH, height, width, node.outputs[0].type.shape[3])
            attrs = SourceAttrs(node.attrs.name, (), node.attrs.type.with_shape(*shape), node.attrs.batched)
            return out.add(INPUT, (), attrs, node.origin)
        if node.op.name == "flatten":
            space = node.operands[0].type.shape[1:-1]
            maps.setdefault(operands[0], tuple(n for n in space if isinstance(n, int)))
            return operands[:1]
        on_maps = [v for v in operands if v in maps]
        if not on_maps:
            return None
        kernel = maps[on_maps[0]]
        if node.op.name == "dense":
            made = _conv(out, node, operands, kernel)
        elif node.op.name in ("softmax", "log_softmax") and set(kernel) == {1}:
            return out.add(node.op, (_mean(out, operands[0], node),), node.attrs, node.origin)
        else:
            made = out.add(node.op, operands, node.attrs, node.origin)
            if any(v.type.shape[:-1] != on_maps[0].type.shape[:-1] for v in made):
                message = f"{node.op.name} cannot be read on a map of vectors, as fully_convolutional would have it"
                raise error("E423", message, node.origin.span, frames=node.origin.frames)
        maps.update(dict.fromkeys(made, (1, 1) if node.op.name == "dense" else kernel))
        return made

    out = rewrite(graph, visit)
    for old, new in ((graph.outputs, out.outputs), (graph.names, out.names), (graph.heads, out.heads)):
        for name, value in new.items():
            if value in maps and old[name].type.rank == 2:
                new[name] = _mean(out, value, old[name].node)
    return out


def _conv(out: Graph, node: Node, operands: tuple[Value, ...], kernel: tuple[int, ...]) -> tuple[Value, ...]:
    """A dense layer as a convolution without padding."""
    x, weight, *bias = operands
    conv = REGISTRY["conv"]
    shaped = out.view(weight, shape=(*kernel, x.type.shape[-1], node.attrs.units), origin=node.origin)
    attrs = conv.attrs(filters=node.attrs.units, kernel=kernel, bias=node.attrs.bias)
    return out.add(conv, (x, shaped, *bias), attrs, node.origin)


def _mean(out: Graph, value: Value, node: Node) -> Value:
    """The mean over space."""
    op = REGISTRY["global_avg_pool"]
    return out.add(op, (value,), op.attrs(), node.origin)[0]
