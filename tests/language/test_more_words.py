"""Words that stand for other ops, sizes with `_`, ranges of channels, weights' beginnings: as a model's text has them."""

from __future__ import annotations

import numpy as np
import pytest

from cnndsl.errors import CnnError
from cnndsl.language.load import load_text

TEXT = """
model m {
    input image: 16x16x6
    depthwise_conv(3x3, pad = same, multiplier = 2) -> batch_norm -> relu : 16x16x12
    conv(12, 1x1, init = glorot_uniform)
    conv_transpose(8, 3x3, stride = 2, pad = same)                        : 32x32x8
    channel_shuffle(2) -> space_to_depth(2)                               : 16x16x32
    depth_to_space(2) -> crop(30x30)                                      : 30x30x8
    take(channels = 0..3)                                                 : 30x30x4
    take(channels = [1, 3])                                               : 30x30x2
    downsample(2, average) -> crop(amount = [[1, 2], [0, 3]])             : 12x12x2
    upsample(2, bilinear) -> upsample(2) -> downsample(4, lanczos)        : 12x12x2
    reshape([6, 24, _])                                                   : 6x24x2
    reshape(12x12x2)                                                      : 12x12x2
    multiply { value: identity; gate: conv(1, 1x1) -> sigmoid }           : 12x12x2
    flatten -> dense(5, init = zeros) as logits
}
"""


def test_a_model_of_them_runs_as_its_meaning() -> None:
    import cnndsl

    m = load_text(TEXT)
    weights = m.initial_weights(0)
    assert weights["depthwise_conv.weight"].shape == (3, 3, 1, 12)
    assert weights["conv_transpose.weight"].shape == (3, 3, 8, 12)
    assert not weights["logits.dense.weight"].any() if "logits.dense.weight" in weights else True
    side = np.sqrt(6 / (12 + 12))
    assert 0.9 * side < np.abs(weights["conv.weight"]).max() <= side
    rng = np.random.default_rng(0)
    weights = {k: np.abs(rng.standard_normal(v.shape)).astype(np.float32) for k, v in weights.items()}
    x = rng.standard_normal((3, 16, 16, 6)).astype(np.float32)
    wanted, found = (np.asarray(cnndsl.compile(m, weights, target=t)(x)) for t in ("reference", "numpy"))
    assert np.abs(found - wanted).max() <= 1e-4 * np.abs(wanted).max()


def test_graphs_hold_what_a_word_stands_for() -> None:
    names = {n.op.name for n in load_text(TEXT).graph.nodes}
    assert {"conv", "resample", "crop"} <= names
    assert not names & {"depthwise_conv", "upsample", "downsample", "take"}


@pytest.mark.parametrize(
    ("step", "code", "says"),
    [
        ("reshape([5, _])", "E303", "numbers that there are"),
        ("reshape([_, _])", "E304", "at most one _"),
        ("conv([3, _], 3x3)", "E205", "only in a shape"),
        ("take(channels = 4..6)", "E303", "channels that exist"),
        ("conv(4, 3..5)", "E205", "only in a recipe"),
        ("conv(4, 3x3, init = best)", "E201", "not a word"),
        ("crop(17x17)", "E307", "within the value"),
        ("downsample(3)", "E308", "divides the size"),
        ("channel_shuffle(4)", "E308", "divide the channels"),
        ("conv_transpose(4, 3x3, output_pad = 1)", "E303", "below the stride"),
        ("upsample(2, lanczos)", "E201", "not a word"),
    ],
)
def test_refusals(step: str, code: str, says: str) -> None:
    with pytest.raises(CnnError) as caught:
        load_text(f"model m {{\n input image: 16x16x6\n {step}\n}}")
    assert caught.value.code == code
    assert says in str(caught.value)
    assert caught.value.diagnostics[0].span is not None


def test_a_training_step_of_them_is_the_same_on_numpy() -> None:
    from cnndsl.training.step import compile_step

    m = load_text(TEXT.replace(", init = zeros", ""))
    x, y = np.random.default_rng(0).standard_normal((3, 16, 16, 6)).astype(np.float32), np.array([0, 1, 2], np.int32)
    steps = [compile_step(m, loss="cross_entropy(logits)", batch=3, target=t) for t in ("numpy", "reference")]
    curves = [[s(x, y) for _ in range(4)] for s in steps]
    np.testing.assert_allclose(*curves, rtol=1e-5)
    for name, w in steps[1].weights.items():
        assert np.abs(steps[0].weights[name] - w).max() <= 1e-4 * np.abs(w).max() + 1e-7, name
