"""The gradients of generated single ops, for their input and their weights, in float64 against central differences."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import cnndsl.ops  # noqa: F401  (fills the registry)
from cnndsl.autodiff import differentiate
from cnndsl.graph.graph import Graph
from cnndsl.passes.context import Context, Options
from cnndsl.passes.specialise import specialise
from cnndsl.targets.reference.interpreter import evaluate
from tests.tolerances import GRAD64

sys.path.insert(0, str(Path(__file__).parent))
import generated_ops
from onnx_networks import random_weights

STEPS = (1e-5, 1e-6, 1e-7)


def relative_error(made: Graph, k: int) -> float:
    """|by differences − by the gradients| along a random direction; the best of three steps, because of kinks."""
    g = specialise(made, Context(None, Options(batch=2, training=True)))
    y = g.outputs["output"]
    rng = np.random.default_rng(k)
    d = rng.standard_normal(y.type.sizes)
    weighing = g.input("d", d.shape, batched=False)
    product = g.pointwise(lambda e, p, q: p * q, y, weighing)
    total = g.reduce_sum(product, axes=tuple(range(y.type.rank)))
    names = [n for n, s in g.state.items() if s.kind == "parameter"]
    found = differentiate(g, total, [g.inputs["image"], *(g.state_values[n] for n in names)])
    assert found[0] is not None
    image = rng.standard_normal(g.inputs["image"].type.sizes)
    state = {n: np.asarray(x, np.float64) for n, x in random_weights(made, k).items()}
    g.outputs = {"total": total, **{str(i): x for i, x in enumerate(found) if x is not None}}
    here = evaluate(g, {"image": image, "d": d}, state, dtype="float64")[0]
    along = {n: rng.standard_normal(x.shape) for n, x in [("image", image), *((n, state[n]) for n in names)]}
    parts = [(here[str(i)], along[n]) for i, n in enumerate(along) if str(i) in here]
    exact = sum(float((gx * a).sum()) for gx, a in parts)
    size = sum(float(np.sqrt((gx**2).sum() * (a**2).sum())) for gx, a in parts)

    def value(t: float) -> float:
        moved = {n: x + t * along[n] if n in along else x for n, x in state.items()}
        return float(evaluate(g, {"image": image + t * along["image"], "d": d}, moved, dtype="float64")[0]["total"])

    apart = min(abs((value(h) - value(-h)) / (2 * h) - exact) for h in STEPS)
    return apart / max(abs(exact), 0.01 * size, 1e-9)


def compare(count: int, seed: int) -> None:
    errors = {f"{k}: {what}": relative_error(g, k) for k, (what, g) in enumerate(generated_ops.generated(count, seed))}
    wrong = {what: e for what, e in errors.items() if not e <= GRAD64}
    assert not wrong, wrong


def test_generated_gradients() -> None:
    compare(150, 100)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(101, 106))
def test_a_thousand_generated_gradients(seed: int) -> None:
    compare(1000, seed)
