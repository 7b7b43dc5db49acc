"""Generated single ops: our NumPy kernels and ONNX Runtime on our export, against the meaning in float64."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import cnndsl
import cnndsl.ops
from cnndsl.formats.onnx import export_onnx
from cnndsl.targets.reference.interpreter import walk
from tests.tolerances import OP, distance

sys.path.insert(0, str(Path(__file__).parent))
import generated_ops
from onnx_networks import random_weights

pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")


def compare(count: int, seed: int, folder: Path) -> None:
    """Two images through `count` generated ops; all that is wrong, in words."""
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    wrong = []
    for k, (what, g) in enumerate(generated_ops.generated(count, seed)):
        weights = random_weights(g, k)
        x = np.random.default_rng(k).normal(0, 1, (2, *g.inputs["image"].type.shape[1:])).astype(np.float32)
        values = walk(g, {"image": x}, weights, dtype="float64")
        want = values[g.outputs["output"]]
        export_onnx(g, weights, folder / "op.onnx")
        session = runtime.InferenceSession(str(folder / "op.onnx"), options, providers=["CPUExecutionProvider"])
        found = {
            "numpy": cnndsl.compile(g, weights, batch=2, threads=1)(x),
            "ONNX Runtime": session.run(None, {"image": x})[0],
        }
        wrong += [f"{who}: {what}: {distance(y, want):.2g}" for who, y in found.items() if distance(y, want) > OP]
    assert not wrong, "\n".join(wrong)


def test_generated_ops(tmp_path: Path) -> None:
    compare(250, 0, tmp_path)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(1, 7))
def test_a_thousand_generated_ops(seed: int, tmp_path: Path) -> None:
    compare(1000, seed, tmp_path)


def test_every_word_is_generated() -> None:
    words = {op.name for op in cnndsl.ops.OPS if op.word}
    assert words - set(generated_ops.MAKERS) == {"identity", "concat"} - set(generated_ops.MAKERS)
