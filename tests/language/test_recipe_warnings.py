"""What a recipe most likely does not mean, and what it lacks: where it is told of, and where it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnndsl.errors import CnnError
from cnndsl.language.load import check, load_text
from cnndsl.language.recipe_warnings import lacking, of_train

NET = """model m {
    input image: 28x28x1
    head aux { global_avg_pool }
    conv(4, 3x3) -> relu as maps
    flatten -> dense(10) as logits
}
"""
GOOD = {"loss": "cross_entropy(logits)", "optimizer": "sgd(rate = 0.1)", "epochs": "40"}


def told(entries: dict[str, str], after: str = "") -> list[tuple[str, str]]:
    """(code, message) of each warning of a recipe with these entries."""
    text = NET + "train {\n" + "".join(f"    {key} = {x}\n" for key, x in entries.items()) + "}\n" + after
    return [(d.code, d.message) for d in load_text(text).warnings]


@pytest.mark.parametrize(
    ("left_out", "says"),
    [
        ("loss", "a loss"), ("optimizer", "an optimizer"), ("epochs", "how long to train"),
        ("loss optimizer epochs", "a loss, an optimizer and how long to train"),
    ],
)  # fmt: skip
def test_what_is_left_out_is_told(left_out: str, says: str) -> None:
    entries = {key: x for key, x in GOOD.items() if key not in left_out.split()} | {"batch": "8"}
    assert told(entries) == [("W413", f"train leaves out what training needs: {says}")]
    assert told({**GOOD, "batch": "8"}) == []


def test_a_recipe_may_count_steps() -> None:
    assert told({key: x for key, x in GOOD.items() if key != "epochs"} | {"steps": "9"}) == []


def test_named_recipes_repeat_nothing_that_the_unnamed_one_lacks() -> None:
    short = {key: x for key, x in GOOD.items() if key != "epochs"}
    assert [code for code, _ in told(short, "train long { batch = 8 }\ntrain whole { epochs = 3 }\n")] == ["W413"]
    alone = load_text(NET + "train long { batch = 8 }\n").warnings
    assert [d.message for d in alone] == [
        "train long leaves out what training needs: a loss, an optimizer and how long to train"
    ]


@pytest.mark.parametrize(
    ("key", "doubtful", "fine"),
    [
        ("optimizer", "sgd(rate = 0)", "sgd(rate = 1e-9)"),
        ("optimizer", "sgd(rate = 0.1, momentum = 1)", "sgd(rate = 0.1, momentum = 0.999)"),
        ("optimizer", "rmsprop(rate = 0.1, momentum = 1)", "rmsprop(rate = 0.1)"),
        ("schedule", "step(at = [5, 3])", "step(at = [3, 5])"),
        ("schedule", "step(at = [3, 3])", "step(at = 3)"),
        ("schedule", "warmup(40)", "warmup(39.5)"),
        ("schedule", "warmup(2) -> step(at = [5, 3])", "warmup(2) -> cosine"),
        ("schedule", "step(every = 3, factor = 0)", "step(every = 3, factor = 1)"),
        ("augment", "cutout(28)", "cutout(27)"),
        ("augment", "cutout([30, 40])", "cutout([30, 20])"),
        ("augment", "resize(36) -> random_crop(24) -> cutout(24)", "resize(36) -> cutout(35)"),
        ("augment", "random_resized_crop(28, area = 0.5..1) -> cutout(28)", "resize(28..36) -> cutout(28)"),
        ("loss", "cross_entropy(logits) - 0.1 * mse(maps, target)", "cross_entropy(logits) + 0.1 * mse(maps, target)"),
        ("loss", "cross_entropy(logits) + 0 * mse(maps, target)", "1e-9 * cross_entropy(logits)"),
        ("loss", "cross_entropy(logits) + mse(aux, target)", "cross_entropy(logits) + mse(maps, target)"),
    ],
)
def test_what_is_hardly_meant(key: str, doubtful: str, fine: str) -> None:
    assert [code for code, _ in told({**GOOD, key: doubtful})] == ["W411"]
    assert told({**GOOD, key: fine}) == []


def test_pictures_that_are_brought_into_shape_may_be_larger_than_the_input() -> None:
    after = "preprocess { images = resize(28x28) }\n"
    assert told({**GOOD, "augment": "cutout(28)"}, after) == []
    net = load_text(NET + "train { augment = cutout(28) }\n" + after)
    assert net.train is not None
    small = [d.code for d in of_train(net.train, net.graph, net.preprocess, (28, 28))]
    assert (small, list(of_train(net.train, net.graph, net.preprocess, (64, 64)))) == (["W411"], [])


def test_top_of_as_many_as_there_are() -> None:
    assert [m for _, m in told(GOOD, "eval { metrics = [top(5), top(12)] }\n")] == ["top(12) of 10 classes is always 100 %"]


def test_a_decimal_comma_is_told_once() -> None:
    """`sgd(0,1)` has a rate of 0, which is no second mistake."""
    assert [m for _, m in told({**GOOD, "optimizer": "sgd(0,1)"})] == [
        "two numbers stand here, which look like one with decimals"
    ]


@pytest.mark.parametrize(
    ("loss", "says"),
    [
        ("mse(logits, image)", "logits is 10, and image is 28x28x1"),
        ("mse(logits, maps)", "logits is 10, and maps is 26x26x4"),
        ("mae(logits, label)", "mae compares numbers, and label holds classes"),
        ("cross_entropy(logits, target)", "cross_entropy compares with label"),
        ("mse(logits, target, mask, image)", "mse takes 3 values at most"),
        ("mse(image, image)", "no weight that is trained leads to image, so nothing would be learned"),
        ("cross_entropy(aux)", "no weight that is trained leads to aux, so nothing would be learned"),
        ("cross_entropy(logits) + cross_entropy(maps)", "label would be"),
    ],
)  # fmt: skip
def test_a_loss_that_cannot_train_is_refused_at_its_place(loss: str, says: str) -> None:
    with pytest.raises(CnnError) as e:
        told({**GOOD, "loss": loss})
    assert [d.code for d in e.value.diagnostics] == ["E424"]
    assert says in str(e.value)
    assert e.value.diagnostics[0].span is not None


def test_frozen_weights_teach_nothing() -> None:
    with pytest.raises(CnnError, match="no weight that is trained leads to maps"):
        told({**GOOD, "loss": "mse(maps, target)", "freeze": "maps"})
    with pytest.raises(CnnError, match="freeze leaves nothing to train"):
        told({**GOOD, "freeze": "[maps, logits]"})
    assert told({**GOOD, "loss": "mse(maps, target)", "freeze": "logits"}) == []


def test_a_loss_of_an_open_size_is_left_to_training() -> None:
    text = "model m {\n    input image: HxWx3\n    conv(3, 1x1)\n}\ntrain { loss = mse(output, image) }\n"
    assert [d.code for d in load_text(text).warnings] == ["W413"]


def test_of_several_models_each_is_told_once(tmp_path: Path) -> None:
    text = NET + NET.replace("model m", "model n").replace("10", "12") + "train { loss = mse(logits, image) }\n"
    (tmp_path / "two.cnn").write_text(text)
    assert [d.code for d in check(tmp_path / "two.cnn")] == ["E424"]


def test_a_whole_recipe_lacks_nothing() -> None:
    net = load_text(NET + "train { loss = cross_entropy(logits); optimizer = sgd(0.1) }\n")
    assert net.train is not None
    short = lacking(net.train, "E423")
    assert short is not None and (short.code, short.help) == ("E423", "epochs = 40")
    assert lacking(net.train.override({"steps": "3"})) is None
