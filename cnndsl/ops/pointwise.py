"""pointwise: an unnamed scalar function of its operands, with NumPy broadcasting. What gradients are made of.

y[i] = expr(x0[i], x1[i], …). Operands of any shapes that broadcast; one output for each expression.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cnndsl.graph.expr import Expr, evaluate, ordered
from cnndsl.graph.op import Op, Work, expect, sample
from cnndsl.graph.sizes import Size
from cnndsl.graph.types import TensorType


@dataclass(frozen=True, slots=True)
class PointwiseAttrs:
    exprs: tuple[Expr, ...]


def broadcast(*shapes: tuple[Size, ...]) -> tuple[Size, ...]:
    """The shape that NumPy's rule gives; raises E301 where sizes differ and neither is 1."""
    rank = max(map(len, shapes))
    out: list[Size] = []
    for axis in range(-rank, 0):
        size: Size = 1
        for shape in shapes:
            if len(shape) >= -axis and shape[axis] != 1:
                expect(
                    size == 1 or size == shape[axis],
                    "sizes that agree",
                    sizes=" and ".join(f"{s}" for s in (size, shape[axis])),
                )
                size = shape[axis]
        out.append(size)
    return tuple(out)


def result_dtype(root: Expr, types: tuple[TensorType, ...]) -> str:
    """The element type an expression gives: bool from comparisons, a cast's own, else that of its floats."""
    known: dict[Expr, str] = {}  # each subexpression once: a shared one may be reached by exponentially many ways
    for e in ordered([root]):
        known[e] = _dtype_of(e, [known[a] for a in e.args], types)
    return known[root]


def _dtype_of(e: Expr, args: list[str], types: tuple[TensorType, ...]) -> str:
    if e.fn in ("lt", "le", "gt", "ge", "eq", "and", "or", "not", "isfinite"):
        return "bool"
    if e.fn == "cast":
        return str(e.value)
    if e.fn == "var":
        return types[e.value].dtype
    if e.fn == "const":
        return "const"
    if e.fn == "uniform":
        return "float64"
    found = {*(args[1:] if e.fn == "select" else args)} - {"const"}
    if len(found) > 1:  # a rank-0 float32 beside float64 tensors and the like: the widest wins
        return next(d for d in ("float64", "float32", "int64", "int32", "uint64", "uint8", "bool") if d in found)
    return found.pop() if found else "float32"


def infer(a: PointwiseAttrs, *xs: TensorType) -> tuple[TensorType, ...]:
    shape = broadcast(*(x.shape for x in xs))
    kinds = (result_dtype(e, xs) for e in a.exprs)
    return tuple(TensorType(shape, "float32" if k == "const" else k) for k in kinds)


def reference(xp: Any, a: PointwiseAttrs, *xs: Any) -> tuple[Any, ...]:
    shape = xp.broadcast_shapes(*(x.shape for x in xs))
    return tuple(xp.broadcast_to(xp.asarray(evaluate(xp, e, xs)), shape) for e in a.exprs)


def work(a: PointwiseAttrs, *xs: TensorType) -> Work:
    out = infer(a, *xs)[0]
    return Work(operations=out.elements * len(a.exprs))


_X, _Y = Expr("var", (), 0), Expr("var", (), 1)

POINTWISE = Op(
    "pointwise",
    PointwiseAttrs,
    infer,
    reference,
    inputs=None,
    pointwise=lambda e, a, *xs: _inlined(a, xs),
    work=work,
    samples=(
        sample((2, 3, 4), (4,), exprs=(_X * _Y + 1.0,)),
        sample((2, 3), (), exprs=(_X * _Y, _X - _Y)),
    ),
)


def _inlined(a: PointwiseAttrs, xs: tuple[Expr, ...]) -> tuple[Expr, ...]:
    from cnndsl.graph.expr import substitute

    return tuple(substitute(e, xs) for e in a.exprs)
