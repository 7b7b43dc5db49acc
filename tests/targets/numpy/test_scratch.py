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

from cnndsl.graph.graph import Node
from cnndsl.graph.target import Choice
from cnndsl.ops.conv import CONV_INPUT_GRAD, CONV_WEIGHT_GRAD
from cnndsl.ops.pool import MAX_POOL_GRAD
from cnndsl.targets.numpy import NumpyTarget, cost, cost_grad
from cnndsl.targets.numpy.lower import LOWERINGS
from cnndsl.targets.numpy.lower.call import Lowering

LOOSE = ("lane_conv_input_grad-1", "lane_conv_input_grad-3")
"""A stride leaves windows fewer places than there may be."""
NONE = Lowering(None, None, None)  # type: ignore[arg-type]


class Scratch:
    """What the programs that are loaded ask for, and what their kernels carve."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked = self.used = 0
        self.apart = True  # whether every array begins where its numbers may lie
        load = programs.load_source

        def watched(text: str, name: str) -> Any:
            module = load(text, name)
            self.asked, self.used = module.SCRATCH_BYTES, 0
            if hasattr(module, "carve"):
                monkeypatch.setattr(module, "carve", self.counted(module.carve))
            return module

        monkeypatch.setattr(programs, "load_source", watched)

    def counted(self, carve: Any) -> Any:
        def counts(scratch: Any, *wanted: Any) -> Any:
            found = carve(scratch, *wanted)
            self.apart &= all(x.flags.aligned for x in found)
            if scratch.dtype == np.uint8:  # not a part of what is counted already
                self.used = max(self.used, self.asked - scratch.nbytes + sum(-(-x.nbytes // 64) * 64 for x in found))
            return found

        return counts


@pytest.fixture
def scratch(monkeypatch: pytest.MonkeyPatch) -> Scratch:
    return Scratch(monkeypatch)


def run(op: Any, n: int) -> None:
    sample = op.samples[n]
    arrays = [narrow(x) for x in arrays_of(sample)]
    batched = [x.ndim > 0 and i in flowing(op, len(arrays), sample.attrs) for i, x in enumerate(arrays)]
    batched = [b and x.shape[:1] == arrays[0].shape[:1] for b, x in zip(batched, arrays, strict=True)]
    run_op(op, dict(sample.attrs), arrays, batched)


@pytest.mark.parametrize(("op", "n"), [p for p in CASES if p.id not in LOOSE])
def test_all_of_it_is_used(op: Any, n: int, scratch: Scratch) -> None:
    run(op, n)
    assert scratch.used == scratch.asked
    assert scratch.apart


def test_arrays_of_an_odd_size_begin_where_their_numbers_may_lie(scratch: Scratch) -> None:
    """Behind three arrays of 105 truth values each come numbers of four bytes."""
    x = np.random.default_rng(0).standard_normal((2, 6, 10, 7)).astype(np.float32)
    y = x.reshape(2, 3, 2, 5, 2, 7).max(axis=(2, 4))
    run_op(
        MAX_POOL_GRAD,
        {"window": (2, 2), "stride": (2, 2), "pad": ((0, 0), (0, 0)), "dilation": (1, 1)},
        [x, y, y],
        [True, True, True],
    )
    assert scratch.apart and scratch.used == scratch.asked


@pytest.mark.parametrize(("op", "n"), [p for p in CASES if LOWERINGS.get(p.values[0].name, NONE).candidates])
def test_by_every_algorithm(op: Any, n: int, scratch: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = 0
    labels: list[str] = ["first"]
    choose = NumpyTarget.choose

    def chosen(target: NumpyTarget, node: Node, workers: int) -> Choice:
        if node.op is not op:
            return choose(target, node, workers)
        listed = LOWERINGS[op.name].candidates(node, workers)  # type: ignore[misc]
        labels[:] = listed or ["none"]
        return listed[labels[tried]] if listed else choose(target, node, workers)

    monkeypatch.setattr(NumpyTarget, "choose", chosen)
    while tried < len(labels):
        run(op, n)
        assert scratch.used == scratch.asked, labels[tried]
        tried += 1


@pytest.mark.parametrize("cheap", ["windows", "rows", "winograd"])
@pytest.mark.parametrize("n", range(len(CONV_WEIGHT_GRAD.samples)))
def test_of_weight_gradients(n: int, cheap: str, scratch: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost_grad, cheap, lambda *given: -1.0)
    run(CONV_WEIGHT_GRAD, n)
    assert scratch.used == scratch.asked


@pytest.mark.parametrize("cheap", ["forward", "backward"])
@pytest.mark.parametrize("n", range(len(CONV_INPUT_GRAD.samples)))
def test_of_input_gradients(n: int, cheap: str, scratch: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a convolution with the kernel turned round, where that can be, and by adding up shares."""
    monkeypatch.setattr(cost, cheap, lambda *given: -1.0)
    run(CONV_INPUT_GRAD, n)
    assert scratch.used == scratch.asked
