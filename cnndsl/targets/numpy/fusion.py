"""What may be fused here, and what a fused node means as expressions: of its prologue, and of its epilogue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cnndsl.graph.expr import Expr, substitute, variables
from cnndsl.graph.graph import CONSTANT, INPUT, Node, Value
from cnndsl.targets.numpy.chains import has_range, kind_of
from cnndsl.targets.numpy.lower import LOWERINGS, sums_rows


@dataclass(frozen=True)
class Parts:
    """A kernel's node taken apart.

    anchor     the node that is not pointwise, or None
    operands   of the anchor: the number of the kernel's input, or −1: the prologue
    prologue   the expression over the kernel's inputs that the anchor reads
    epilogue   for each output an expression over (anchor's result, *the kernel's inputs); None: the result itself
    """

    anchor: Node | None
    operands: tuple[int, ...]
    prologue: Expr | None
    epilogue: tuple[Expr | None, ...]


def refuses(anchor: Node | None, inner: Node, place: str) -> str | None:
    """Why `inner` may not be fused with `anchor` at `place`; None: it may."""
    if inner.op.pointwise is None:
        return f"{inner.op.name} is not pointwise"
    if place == "chain" or anchor is None:
        return None
    shape = inner.outputs[0].type.sizes
    types = [x.type for x in inner.operands]
    lowering = LOWERINGS.get(anchor.op.name)
    if lowering is None or lowering.choose(anchor, 1) is None:
        return f"{anchor.op.name} has no kernel here for these attributes"
    if not has_range(types, shape):
        return "its operands broadcast in a way that cannot be cut into rows"
    if place == "prologue":
        if inner.outputs[0].type.dtype != "float32":
            return f"its result is {inner.outputs[0].type}, and sums of float32 alone have a kernel"
        if anchor.op.name != "reduce_sum" or not sums_rows(anchor):
            return f"{anchor.op.name} reads whole arrays"
        if shape != anchor.operands[0].type.shape or not any(kind_of(x, shape) == "tile" for x in types):
            return "it has another shape than what is summed"
        return None
    if not lowering.finishes:
        return f"{anchor.op.name} makes its result in one go"
    if shape != anchor.outputs[0].type.shape or inner.outputs[0].type.dtype != "float32":
        return f"its result is {inner.outputs[0].type}, that of {anchor.op.name} {anchor.outputs[0].type}"
    return None


def parts_of(node: Node) -> Parts:
    """Of any node: fused, pointwise by its record, or an anchor on its own. A conv's or dense's bias is epilogue."""
    if node.op.name == "fused":
        return _fused(node)
    if node.op.pointwise is not None:
        found = node.op.expressions(node.attrs, len(node.operands))
        shifted = [substitute(e, variables(len(node.operands) + 1)[1:]) for e in found]
        return Parts(None, (), None, tuple(shifted))
    operands = list(range(len(node.operands)))
    acc = variables(1)[0]
    if _has_bias(node):
        return Parts(node, tuple(operands[:2]), None, (acc + variables(4)[3],))
    return Parts(node, tuple(operands), None, (None,) * len(node.outputs))


def _has_bias(node: Node) -> bool:
    return node.op.name in ("conv", "dense", "winograd_conv") and len(node.operands) == 3


def _fused(node: Node) -> Parts:
    attrs: Any = node.attrs
    inner, anchor = attrs.inner, attrs.anchor
    inputs = list(inner.inputs.values())
    all_vars = variables(len(inputs) + 1)
    meaning: dict[Value, Expr] = {v: all_vars[k + 1] for k, v in enumerate(inputs)}
    operands: tuple[int, ...] = ()
    prologue: Expr | None = None
    for x in inner.nodes:
        if x.op is INPUT:
            continue
        if x.op is CONSTANT:
            meaning[x.outputs[0]] = Expr("const", (), x.attrs.data[0])
        elif x is anchor:
            numbers = []
            for v in x.operands[: 2 if _has_bias(x) else None]:
                numbers.append(inputs.index(v) if v in inputs else -1)
                if v not in inputs:
                    prologue = substitute(meaning[v], [all_vars[0], *variables(len(inputs))])
            operands = tuple(numbers)
            result = all_vars[0]
            if _has_bias(x):
                result = result + meaning[x.operands[2]]
            meaning[x.outputs[0]] = result
        elif x.op.pointwise is None:  # a view inside: the same numbers
            meaning[x.outputs[0]] = meaning[x.operands[0]]
        else:
            args = [meaning[v] for v in x.operands]
            for y, e in zip(x.outputs, x.op.expressions(x.attrs, len(args)), strict=True):
                meaning[y] = substitute(e, args)
    if anchor is not None and anchor.op.name == "moments":
        return Parts(anchor, operands, prologue, (None,) * len(anchor.outputs))
    found = tuple(meaning[v] for v in inner.outputs.values())
    plain = tuple(None if anchor is not None and e == all_vars[0] else e for e in found)
    return Parts(anchor, operands, prologue, plain)
