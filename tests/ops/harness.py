"""The checks that every op goes through: functions of an op's record, so that planted faults can be shown caught."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cnndsl.autodiff import differentiate
from cnndsl.graph.graph import INPUT, Graph, Origin, Value
from cnndsl.graph.op import Op, Reject
from cnndsl.graph.types import TensorType
from tests.ops.samples import Case
from tests.tolerances import GRAD64, close, of

# Where one number of the result depends on few of the operand, and where a NaN that came in may be left out by right.
DROPS_NAN = {"cross_entropy", "take_part", "pad_grad", "avg_pool_grad", "max_pool_grad"}


def run(graph: Graph, inputs: dict[str, Any]) -> dict[Value, Any]:
    """Every value of `graph` by the ops' meanings. (The reference target is tested against this, not the other way.)"""
    values: dict[Value, Any] = {}
    for node in graph.nodes:
        if node.op is INPUT:
            values[node.outputs[0]] = inputs[node.attrs.name]
            continue
        types = [x.type for x in node.operands]
        attrs = node.op.resolve(node.attrs, *types) if node.op.resolve else node.attrs
        values.update(zip(node.outputs, node.op.reference(np, attrs, *(values[x] for x in node.operands)), strict=True))
    return values


def check_record(op: Op) -> None:
    """What an op must have: a docstring in its file, samples, a gradient or the reason why there is none."""
    assert op.samples or op.name == "fused", f"{op.name} has no samples"
    assert op.vjp or op.pointwise or op.no_gradient, f"{op.name} has neither a gradient nor a reason"
    assert not op.word or op.rejects or op.name == "identity", f"{op.name} is a word and refuses nothing"
    names = [f.name for f in op.fields()]
    assert set(op.words) <= set(names)


def check_types(case: Case) -> None:
    """`infer` gives the shapes and types that `reference` has, in float32 and float64; before and after `resolve`."""
    for dtype, arrays in (("float64", case.arrays), ("float32", case.narrow)):
        found = case.op.reference(np, case.attrs, *arrays)
        for attrs in (case.given, case.attrs):
            inferred = case.op.infer(attrs, *case.types(dtype))
            assert len(found) == len(inferred)
            for y, t in zip(found, inferred, strict=True):
                assert (np.shape(y), str(np.asarray(y).dtype)) == (t.shape, t.dtype), f"{case.id}: {t} is not what comes"


def check_precision(case: Case) -> None:
    """The meaning in float32 is the meaning in float64, rounded."""
    for y, wide in zip(case.op.reference(np, case.attrs, *case.narrow), case.reference(), strict=True):
        close(y, wide, of(case.op.name))


def check_order(case: Case) -> None:
    """Arrays that are not contiguous give the same numbers."""
    strided = [np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x for x in case.arrays]
    for y, wanted in zip(case.op.reference(np, case.attrs, *strided), case.reference(), strict=True):
        close(y, wanted, 1e-12)


def check_pointwise(case: Case) -> None:
    """The scalar expression says what the reference says."""
    from cnndsl.graph.expr import evaluate

    for root, wanted in zip(case.op.expressions(case.attrs, len(case.arrays)), case.reference(), strict=True):
        close(np.broadcast_to(evaluate(np, root, case.arrays), wanted.shape), wanted, 1e-12)


def check_nan(case: Case) -> None:
    """A NaN in an operand is seen in the result, so that a broken run is diagnosed and not hidden."""
    for i, x in enumerate(case.arrays):
        if x.dtype != np.float64 or not x.size:
            continue
        arrays = list(case.arrays)
        arrays[i] = np.full_like(x, np.nan)
        with np.errstate(all="ignore"):
            found = case.op.reference(np, case.attrs, *arrays)
        assert any(np.isnan(y).any() for y in found if np.asarray(y).dtype.kind == "f"), f"{case.id}: operand {i}'s NaN is lost"


def check_batch(case: Case) -> None:
    """What `batch` claims: `map` treats each image alone, `sum` adds up over images. The first operand has the batch."""
    rule, x = case.op.batch_rule(case.attrs), case.arrays[0] if case.arrays else None
    if rule not in ("map", "sum") or x is None or x.ndim == 0 or x.shape[0] < 2 or case.op.name in ("view", "pointwise"):
        return
    n = x.shape[0]
    flows = len(case.arrays) if case.op.inputs is None else case.op.inputs
    carries = [i < flows and y.ndim > 0 and y.shape[0] == n for i, y in enumerate(case.arrays)]
    if case.op.name in ("conv_input_grad", "lane_conv_input_grad", "matmul") and rule == "map":
        carries[1] = False
    parts = []
    first = case.attrs.lanes if case.op.name == "to_lanes" else 1  # whole blocks of images
    for lo, hi in ((0, first), (first, n)):
        cut = [y[lo:hi] if c else y for y, c in zip(case.arrays, carries, strict=True)]
        parts.append(case.op.reference(np, case.attrs, *cut))
    for a, b, whole in zip(*parts, case.reference(), strict=True):
        close(np.concatenate([a, b]) if rule == "map" else a + b, whole, 1e-12)


def gradient_graph(case: Case, op: Op | None = None) -> tuple[Graph, Value, list[Value], list[Value | None]]:
    """A graph that takes the op's operands, sums each output with fixed weights, and differentiates."""
    graph = Graph("gradient")
    operands = [graph.source(INPUT, f"x{i}", t, Origin(f"x{i}")) for i, t in enumerate(case.types())]
    total: Value | None = None
    for k, y in enumerate(graph.add(op or case.op, operands, case.given, Origin("op"))):
        direction = graph.source(INPUT, f"d{k}", y.type, Origin(f"d{k}"))
        product = graph.pointwise(lambda e, p, q: p * q, y, direction)
        term = graph.reduce_sum(product, axes=tuple(range(y.type.rank))) if y.type.rank else product
        total = term if total is None else graph.pointwise(lambda e, p, q: p + q, total, term)
    assert total is not None
    wrt = [x for x in operands if x.type.is_float]
    return graph, total, wrt, differentiate(graph, total, wrt)


def check_gradient(case: Case, op: Op | None = None, step: float = 1e-5) -> None:
    """Along a random direction, in float64: the gradient against central differences, ≤ GRAD64 for each operand."""
    op = op or case.op
    graph, loss, wrt, gradients = gradient_graph(case, op)
    rng = np.random.default_rng(9)
    inputs = {f"x{i}": x for i, x in enumerate(case.arrays)}
    inputs |= {k: rng.standard_normal(v.type.sizes) for k, v in graph.inputs.items() if k.startswith("d")}
    values = run(graph, inputs)
    for x, g in zip(wrt, gradients, strict=True):
        name = x.node.attrs.name
        along = rng.standard_normal(x.type.sizes)
        high = run(graph, inputs | {name: inputs[name] + step * along})[loss]
        low = run(graph, inputs | {name: inputs[name] - step * along})[loss]
        measured = float(high - low) / (2 * step)
        if g is None:
            assert measured == 0, f"{case.id}: no gradient flows to {name}, the value moves by {measured}"
            continue
        assert g.type.shape == x.type.shape, f"{case.id}: the gradient of {name} has shape {g.type.shape}"
        size = float(np.sqrt(np.sum(values[g] ** 2) * np.sum(along**2)))
        found = float(np.sum(values[g] * along))
        apart = abs(found - measured)
        assert apart <= GRAD64 * max(abs(measured), 1e-2 * size, 1e-6), f"{case.id}: {name}: {found} against {measured}"


def check_reject(op: Op, reject: Reject) -> str:
    """The message an op gives, which must hold the words promised."""
    import pytest

    from cnndsl.errors import CnnError

    with pytest.raises(CnnError) as caught:
        op.infer(op.attrs(**reject.attrs), *map(parsed, reject.types))
    message = caught.value.diagnostics[0].message
    assert reject.says in message, message
    return message


def parsed(text: str) -> TensorType:
    """`float32[2,3]` as a type."""
    dtype, _, sizes = text.rstrip("]").partition("[")
    return TensorType(tuple(int(n) for n in sizes.split(",") if n), dtype)


def planted(op: Op, **changes: Any) -> Op:
    """`op` with a fault; not registered."""
    return replace(op, **changes)


def all_checks(case: Case) -> Sequence[str]:
    """The names of the checks that apply to a case."""
    checks = ["types", "precision", "order", "batch"]
    if case.op.pointwise is not None:
        checks.append("pointwise")
    if case.op.name not in DROPS_NAN:
        checks.append("nan")
    if not case.op.no_gradient and "kink" not in case.tags:
        checks.append("gradient")
    return checks
