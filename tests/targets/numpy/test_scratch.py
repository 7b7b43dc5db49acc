"""Kernels take all the scratch that is set aside for them: what is asked for beyond that is memory that nobody uses."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import programs
from programs import arrays_of, narrow, run_op
from test_ops import CASES, flowing

LOOSE = ("max_pool_grad", "lane_conv_input_grad")
"""They ask for the most of several ways to go."""


@pytest.mark.parametrize(("op", "n"), [p for p in CASES if p.values[0].name not in LOOSE])
def test_all_of_it_is_used(op: Any, n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, used = 0, 0
    load = programs.load_source

    def watched(text: str, name: str) -> Any:
        nonlocal asked
        module = load(text, name)
        asked = module.SCRATCH_BYTES
        if hasattr(module, "carve"):
            monkeypatch.setattr(module, "carve", counted(module.carve))
        return module

    def counted(carve: Any) -> Any:
        def counts(scratch: Any, *wanted: Any) -> Any:
            nonlocal used
            found = carve(scratch, *wanted)
            if scratch.dtype == np.uint8:  # not a part of what is counted already
                used = max(used, asked - scratch.nbytes + sum(-(-x.nbytes // 64) * 64 for x in found))
            return found

        return counts

    monkeypatch.setattr(programs, "load_source", watched)
    sample = op.samples[n]
    arrays = [narrow(x) for x in arrays_of(sample)]
    batched = [x.ndim > 0 and i in flowing(op, len(arrays), sample.attrs) for i, x in enumerate(arrays)]
    batched = [b and x.shape[:1] == arrays[0].shape[:1] for b, x in zip(batched, arrays, strict=True)]
    run_op(op, dict(sample.attrs), arrays, batched)
    assert used == asked
