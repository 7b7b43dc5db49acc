"""Every op's samples through the printed program, in one piece and cut between workers, against the reference."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cnndsl.ops
from cnndsl.graph.graph import CONSTANT, INPUT, STATE

sys.path.insert(0, str(Path(__file__).parent))
from programs import arrays_of, narrow, run_op

from tests.tolerances import of

CASES = [
    pytest.param(op, n, id=f"{op.name}-{n}")
    for op in cnndsl.ops.OPS
    for n in range(len(op.samples))
    if op not in (INPUT, STATE, CONSTANT) and not op.view
]


def expected(op: Any, sample: Any, arrays: list[Any]) -> tuple[Any, ...]:
    from cnndsl.graph.types import TensorType

    a = op.attrs(**sample.attrs)
    if op.resolve:
        a = op.resolve(a, *(TensorType(x.shape, str(x.dtype)) for x in arrays))
    wide = [x.astype(np.float64) if x.dtype == np.float32 else x for x in arrays]
    return tuple(np.asarray(y) for y in op.reference(np, a, *wide))


def close(found: Any, wanted: Any, tolerance: float) -> None:
    if wanted.dtype.kind in "iub":
        np.testing.assert_array_equal(found, wanted)
        return
    np.testing.assert_array_equal(np.isnan(found), np.isnan(wanted))
    assert np.nanmax(np.abs(found - wanted), initial=0) <= tolerance * np.nanmax(np.abs(wanted), initial=0)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(("op", "n"), CASES)
def test_printed_program_gives_the_reference(op: Any, n: int, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnndsl.program.regions.FORK_SECONDS", -1.0)  # cut every batch, however small
    sample = op.samples[n]
    arrays = [narrow(x) for x in arrays_of(sample)]
    before = [x.copy() for x in arrays]
    first = arrays[0].shape[:1]
    batched = [
        x.ndim > 0 and x.shape[:1] == first and i in flowing(op, len(arrays), sample.attrs) for i, x in enumerate(arrays)
    ]
    outs, _ = run_op(op, dict(sample.attrs), arrays, batched, workers)
    for found, wanted in zip(outs, expected(op, sample, arrays), strict=True):
        close(found, wanted, of(op.name))
    for x, y in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(x, y)


def flowing(op: Any, count: int, attrs: Any) -> range:
    """Which operands carry the batch."""
    if op.name == "repeat_lanes":
        return range(0)
    if (
        op.weights is not None
        or op.name in ("conv_input_grad", "lane_conv", "lane_conv_input_grad", "random_bits", "winograd_conv")
        or (op.name == "matmul" and not attrs.get("transpose_a"))
    ):
        return range(1)
    return range(count)
