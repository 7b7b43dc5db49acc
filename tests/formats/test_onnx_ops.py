"""Every op's samples through ONNX Runtime, against the op's meaning in float64."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cnndsl.ops
from cnndsl.formats.onnx import export_onnx
from cnndsl.formats.onnx.ops import EXPORTS
from cnndsl.graph.graph import Graph, State
from cnndsl.graph.op import Op, Sample
from cnndsl.graph.types import TensorType

pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

NOT_EXPORTED = {
    "winograd_filter", "winograd_conv",
    "to_lanes", "from_lanes", "repeat_lanes", "lane_conv", "lane_conv_input_grad", "lane_conv_weight_grad",
    "conv_input_grad", "conv_weight_grad", "max_pool_grad", "avg_pool_grad", "pad_grad", "take_part", "cross_entropy_grad",
    "moments", "standardize", "standardize_grad", "window_sum",
    "cross_entropy", "mse", "mae", "huber", "binary_cross_entropy", "total_variation",
    "random_bits", "fused", "pointwise",
}  # fmt: skip
"""Parts of a training step: ONNX files carry networks that are asked, not trained."""

CASES = [
    pytest.param(op, s, id=f"{op.name}-{k}")
    for op in cnndsl.ops.OPS
    if op.name in EXPORTS or op.becomes
    for k, s in enumerate(op.samples)
]


def arrays_of(s: Sample) -> list[Any]:
    """The sample's arrays as float32; a shape stands for numbers drawn by a fixed seed, none of them near zero."""
    rng = np.random.default_rng(3)
    found = []
    for x in s.arrays:
        if isinstance(x, tuple):
            x = rng.uniform(0.2, 1.5, x) * rng.choice([-1.0, 1.0], x)
        found.append(np.asarray(x, np.float32) if np.asarray(x).dtype.kind == "f" else np.asarray(x))
    return found


def sample_graph(op: Op, s: Sample, arrays: list[Any]) -> Graph:
    """The op alone: what flows comes as inputs (with a free batch for the language's words), the rest as state."""
    g = Graph("sample")
    flowing = len(arrays) if op.inputs is None else op.inputs
    operands = []
    for k, x in enumerate(arrays):
        batched = op.word and len({a.shape[0] for a in arrays[:flowing]}) == 1
        if k < flowing:
            operands.append(g.input(f"x{k}", x.shape[1:] if batched else x.shape, str(x.dtype), batched=batched))
        else:
            operands.append(g.add_state(State(f"w{k}", TensorType(x.shape))))
    for y in g.add(op, operands, op.attrs(**s.attrs)):
        g.output(y)
    return g


@pytest.mark.parametrize(("op", "s"), CASES)
def test_op(op: Op, s: Sample, tmp_path: Path) -> None:
    arrays = arrays_of(s)
    g = sample_graph(op, s, arrays)
    weights = {name: arrays[int(name[1:])] for name in g.state}
    export_onnx(g, weights, tmp_path / "op.onnx")
    session = runtime.InferenceSession(str(tmp_path / "op.onnx"), providers=["CPUExecutionProvider"])
    y = session.run(None, {name: arrays[int(name[1:])] for name in g.inputs})[0]
    a = op.attrs(**s.attrs)
    if op.resolve is not None:
        a = op.resolve(a, *(TensorType(x.shape, str(x.dtype)) for x in arrays))
    want = op.reference(np, a, *(x.astype(np.float64) for x in arrays))[0]
    assert y.shape == want.shape
    assert y.dtype == np.float32
    assert np.max(np.abs(y - want)) <= 5e-6 * np.max(np.abs(want))


def test_every_op_is_exported_or_listed() -> None:
    assert {op.name for op in cnndsl.ops.OPS if op.becomes is None} == set(EXPORTS) | NOT_EXPORTED
    assert not set(EXPORTS) & NOT_EXPORTED
    assert {op.name for op in cnndsl.ops.OPS if op.word and op.becomes is None} <= set(EXPORTS)
