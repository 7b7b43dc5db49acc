"""Every loss of a recipe in a training step, with values computed inside it; and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from cnndsl.errors import CnnError
from cnndsl.language.load import load_text
from cnndsl.training.step import compile_step

TEXT = """
model m {
    input z: 8x8x2
    conv(3, 3x3, pad = same) as raw
    sigmoid
}
train { loss = LOSS; optimizer = sgd(rate = 0.5); epochs = 1 }
"""
RNG = np.random.default_rng(0)
GIVEN = RNG.random((4, 8, 8, 2)).astype(np.float32)
LARGE, SMALL = (RNG.random((4, n, n, 3)).astype(np.float32) for n in (8, 2))


@pytest.mark.parametrize(
    ("loss", "target"),
    [
        ("mae(output)", LARGE), ("mae(output, target)", LARGE), ("huber(output, delta = 0.1)", LARGE),
        ("binary_cross_entropy(raw, label_smoothing = 0.1)", LARGE), ("total_variation(output)", LARGE),
        ("mse(downsample(output, 4, lanczos), target)", SMALL),
        ("mse(crop(downsample(output, 2), 2x2), target) + 0.1 * total_variation(output)", SMALL),
    ],
)  # fmt: skip
def test_a_loss_falls_on_every_target_alike(loss: str, target: np.ndarray) -> None:
    m = load_text(TEXT.replace("LOSS", loss))
    assert list(m.warnings) == []
    curves = []
    for kind in ("numpy", "reference"):
        step = compile_step(m, batch=4, target=kind)
        curves.append([step(GIVEN, target) for _ in range(4)])
    np.testing.assert_allclose(*curves, rtol=1e-5)
    assert all(b < a for a, b in zip(curves[0], curves[0][1:], strict=False))


@pytest.mark.parametrize(
    ("loss", "code"),
    [
        ("binary_cross_entropy(output)", "E405"), ("mse(conv(output, 3), target)", "E403"),
        ("mse(downsampl(output, 2), target)", "E402"), ("mse(downsample(output), target)", "E403"),
        ("mse(downsample(output, 2, area), target)", "E403"), ("mse(downsample(outptu, 2), target)", "E404"),
        ("mse(downsample(output, 2, factor = 2), target)", "E402"),
    ],
)  # fmt: skip
def test_refused_where_it_is_written(loss: str, code: str) -> None:
    with pytest.raises(CnnError) as caught:
        load_text(TEXT.replace("LOSS", loss))
    assert caught.value.code == code
    assert caught.value.diagnostics[0].span is not None


@pytest.mark.parametrize(("loss", "code"), [("mse(downsample(output, 3), target)", "E308"), ("huber(output, z, raw)", "E424")])
def test_refused_when_the_step_is_built(loss: str, code: str) -> None:
    with pytest.raises(CnnError) as caught:
        compile_step(load_text(TEXT.replace("LOSS", loss)), batch=4)
    assert caught.value.code == code
