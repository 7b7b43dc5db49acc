"""Views of an evaluation against the input: what is refused before a picture is read, what is left to the pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cnndsl.data.records import Dataset, Part
from cnndsl.errors import CnnError
from cnndsl.language.load import check, load_text
from cnndsl.training.evaluate import evaluate

TEXT = """model m(side = 32) {
    input image: [side, side, 3]
    flatten -> dense(2) as logits -> softmax
}
train { loss = cross_entropy(logits); optimizer = sgd(rate = 0.1); epochs = 1 }
"""


@pytest.mark.parametrize(
    "views",
    [
        "resize(36) -> ten_crop(32)", "resize(32)", "flip", "ten_crop(32)", "resize(32x32) -> flip",
        "resize(36) -> crop(32, at = [9, 0])", "resize(28) -> pad(2)", "resize(28x28) -> pad(2)",
        "resize([32, 40]) -> squares -> six_crop(32)", "resize([20, 60]) -> fully_convolutional", "crop(32, at = 4)",
    ],
)  # fmt: skip
def test_views_that_may_fit_are_left_alone(views: str) -> None:
    assert not load_text(f"{TEXT}eval {{ views = {views} }}").warnings


def test_where_sizes_are_arguments_or_there_are_two_models_it_is_a_warning(tmp_path: Path) -> None:
    text = f"{TEXT}eval {{ views = resize(36) -> ten_crop(32) }}"
    load_text(text)
    small = load_text(text, side=24)
    assert [(d.code, d.help) for d in small.warnings] == [("W409", "ten_crop(24)")]
    (tmp_path / "two.cnn").write_text(
        f"{text}\nmodel other {{ input image: 24x24x3; flatten -> dense(2) as logits -> softmax }}\n"
    )
    found = check(tmp_path / "two.cnn")
    assert [(d.code, d.message) for d in found] == [("W409", "the views are 32x32, and the input image is 24x24x3")]
    part = Part(np.zeros((2, 40, 40, 3), np.uint8), np.array([0, 1], np.int32))
    with pytest.raises(CnnError, match="the views are 32x32, and the input image is 24x24x3") as e:
        evaluate(small, small.initial_weights(), Dataset("two", ("a", "b"), part, part))
    assert e.value.code == "E422" and e.value.diagnostics[0].span is not None


def test_what_only_the_pictures_tell_is_said_at_the_view() -> None:
    net = load_text(f"{TEXT}eval {{ views = flip -> ten_crop(32) }}")
    part = Part(np.zeros((2, 30, 40, 3), np.uint8), np.array([0, 1], np.int32))
    with pytest.raises(CnnError, match=r"image 0: ten_crop: 32x32 pixels do not lie within a picture of 30x40") as e:
        evaluate(net, net.initial_weights(), Dataset("two", ("a", "b"), part, part))
    (said,) = e.value.diagnostics
    assert said.span is not None and said.span.source.text[said.span.start : said.span.end] == "ten_crop(32)"
    assert said.help == "resize first"
