"""Recipes: every word with its options, what is refused and where, and what cannot be carried out yet."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from cnndsl.data import pipeline
from cnndsl.errors import CnnError
from cnndsl.language import vocabulary
from cnndsl.language.load import check, load_text
from cnndsl.language.recipe import Adam, AdamW, Linear, RmsProp, Sgd, Warmup
from cnndsl.language.recipes import refuse

NET = """model m {
    input image: 32x32x3
    flatten -> dense(16) as early -> relu
    head aux { dense(10) }
    dense(10) as logits
    softmax
}
"""


def told(recipe: str) -> list[tuple[str, str]]:
    """(code, the text it points at) for each message of a recipe."""
    text = NET + recipe
    try:
        found = load_text(text).warnings
    except CnnError as e:
        found = e.diagnostics
    return [(d.code, text[d.span.start : d.span.end] if d.span else "") for d in found]


GOOD = """
train {
    data = digits
    loss = cross_entropy(logits, label_smoothing = 0.1) + 0.3 * cross_entropy(aux) + 2 * 0.5 * mse(early, target)
    optimizer = sgd(0.1, momentum = 0.9, nesterov = true, weight_decay = 1e-4, rate_in = update, decay_on = weights)
    schedule = warmup(0.5) -> step(at = [2, 4], factor = 0.1)
    batch = 64; epochs = 3; seed = 0; precision = float32; validate = 0.1
    augment = resize(36..48) -> pad([2, 1], mode = reflect) -> random_crop(32x32) -> flip(vertical) -> shift(-2..1)
        -> affine(rotate = -5..5, scale = 0.9, shear = 3) -> normalize(mean = [0.5, 0.4, 0.3], std = 0.2) -> grey -> invert
}
train a { optimizer = adam(rate = 0.01, beta1 = 0.9, beta2 = 0.999, eps = 1e-8) }
train b { optimizer = adamw(0.01, weight_decay = 0.1, decay_on = weights) }
train c { optimizer = rmsprop(rate = 0.01, decay = 0.9, eps = 1.0, momentum = 0.9) }
train d { clip = norm(2.0) }
train e { clip = value(1.0) }
train f { clip = global_norm(2) }
train g { average = ema(0.999) }
train h { freeze = [early, aux.dense] }
train k { augment = random_resized_crop(32, area = 0.08..1.0, aspect = 0.75..1.33) -> flip }
train l { augment = color_jitter(brightness = 0.4, hue = -0.1..0.1) -> pca_jitter(0.1) -> cutout(8) -> noise(0.1) }
preprocess { images = grey -> invert(auto) -> resize(28x28) -> crop(24, at = [1, 2])
    labels = [cat, 3, "guinea pig", a, b, c, d, e, f, g] }
train m { validate = "pictures/val" }
train n { validate = pictures }
eval { metrics = [accuracy, loss, confusion]; data = digits; batch = 3 }
eval p { views = resize([32, 36]) -> squares -> six_crop(32) -> flip; reduce = max }
eval q { views = resize(256) -> fully_convolutional; metrics = top(5) }
task r { input = noise(0..0.1); loss = mse(output, image); optimizer = adam(0.01); jitter = 0.03; steps = 6000 }
task s { input = meshgrid; loss = mse(early, image); schedule = exponential(0.99); steps = 3 }
"""

WHOLE = "train { loss = cross_entropy(logits); optimizer = sgd(0.1); epochs = 40 }\n"
LATER = """
train j { precision = bf16 }
"""


def test_every_word_with_its_options() -> None:
    assert told(GOOD) == []
    train = load_text(NET + GOOD).trains[""]
    assert train.optimizer == Sgd(0.1, 0.9, True, 1e-4, "update", "weights")
    trains = load_text(NET + GOOD).trains
    assert trains["a"].optimizer == Adam(0.01)
    assert trains["b"].optimizer == AdamW(0.01, weight_decay=0.1, decay_on="weights")
    assert trains["c"].optimizer == RmsProp(0.01, 0.9, 1.0, 0.9)
    assert trains["h"].freeze == ("early", "aux.dense")
    assert isinstance(train.schedule, Warmup)
    assert [t.weight for t in train.loss] == [1.0, 0.3, 1.0]


def test_what_cannot_be_carried_out_yet_is_a_warning_each() -> None:
    lines = {line.split()[1] for line in LATER.strip().splitlines()}
    found = load_text(NET + WHOLE + LATER).warnings
    assert {d.code for d in found} == {"W402"}
    assert {d.message.split()[1] for d in found} == lines
    train = load_text(NET + WHOLE + LATER).trains["j"]
    with pytest.raises(CnnError, match="cannot carry out precision: bf16 yet") as caught:
        refuse("train j", {"precision": train.precision}, train.spans)
    assert caught.value.code == "E423"
    assert caught.value.diagnostics[0].span is not None


@pytest.mark.parametrize(
    ("recipe", "code", "at"),
    [
        ("train { optimiser = sgd(0.1) }", "E401", "optimiser"),
        ("eval { augment = flip }", "E401", "augment"),
        ("train { batch = 3; batch = 4 }", "E401", "batch"),
        ("train { optimizer = sgd(rate = -1) }", "E403", "rate = -1"),
        ("train { optimizer = sgd(0.1, 0.9, yes) }", "E403", "yes"),
        ("train { optimizer = sgd(0.1, rate_in = updat) }", "E402", "rate_in = updat"),
        ("train { optimizer = adam(0.1, beta1 = 1) }", "E403", "beta1 = 1"),
        ("train { optimizer = sgd(rate = 0.1, 0.9) }", "E403", "0.9"),
        ("train { schedule = cosine(3) }", "E403", "3"),
        ("train { schedule = cosine -> step(every = 3) }", "E403", "cosine"),
        ("train { schedule = step(every = 0) }", "E403", "every = 0"),
        ("train { schedule = step(at = [2, 0]) }", "E403", "at = [2, 0]"),
        ("train { schedule = exponential }", "E403", "exponential"),
        ("train { loss = cross_entropy(logits, label_smoothing = 1) }", "E403", "label_smoothing = 1"),
        ("train { loss = cross_entropy(logits, smoothing = 1) }", "E402", "smoothing = 1"),
        ("train { clip = norm }", "E403", "norm"),
        ("train { clip = nrm(1) }", "E402", "nrm(1)"),
        ("train { average = ema(1) }", "E403", "1"),
        ("train { precision = float }", "E402", "float"),
        ("train { validate = 1 }", "E403", "1"),
        ('train { validate = "../val" }', "E403", '"../val"'),
        ('train { validate = "/data/val" }', "E403", '"/data/val"'),
        ('train { validate = "c:val" }', "E403", '"c:val"'),
        ("train { freeze = 3 }", "E403", "3"),
        ("train { augment = resize(0) }", "E403", "0"),
        ("train { augment = resize(3x3x3) }", "E403", "3x3x3"),
        ("train { augment = crop(8, at = 1.5) }", "E403", "at = 1.5"),
        ("train { augment = affine(scale = 0..1) }", "E403", "scale = 0..1"),
        ("train { augment = affine(shear = 90) }", "E403", "shear = 90"),
        ("train { augment = pad(-1) }", "E403", "-1"),
        ("train { augment = invert(sometimes) }", "E402", "sometimes"),
        ("train { augment = normalize(0.5, 0) }", "E403", "0"),
        ("train { augment = ten_crop(8) }", "E403", "ten_crop(8)"),
        ("train { augment = resize }", "E403", "resize"),
        ("preprocess { images = flip }", "E403", "flip"),
        ("preprocess { images = resize(30..40) }", "E403", "resize(30..40)"),
        ("eval { views = random_crop(8) }", "E403", "random_crop(8)"),
        ("eval { views = resize(200..300) }", "E403", "200..300"),
        ("eval { reduce = sum }", "E402", "sum"),
        ("eval { metrics = [accuracy, accurracy] }", "E402", "accurracy"),
        ("eval { metrics = top(0) }", "E403", "0"),
        ("task { input = flip }", "E403", "flip"),
        ("task { jitter = -1 }", "E403", "-1"),
        ("task { steps = 0.5 }", "E403", "0.5"),
        ("train { loss = cross_entropy(earl) }", "E404", "earl"),
    ],
)
def test_what_is_wrong_is_refused_at_its_place(recipe: str, code: str, at: str) -> None:
    assert told(recipe) == [(code, at)]


def test_the_words_that_can_be_carried_out_are_those_of_the_data_pipeline() -> None:
    assert set(vocabulary.PLACES["augment"]) == set(pipeline.STEPS)
    for name, make in pipeline.STEPS.items():
        assert tuple(inspect.signature(make).parameters) == tuple(vocabulary.STEPS[name]), name
    assert set(vocabulary.PLACES["augment"]) | set(vocabulary.PLACES["views"]) | set(vocabulary.PLACES["input"]) == set(
        vocabulary.STEPS
    )


def test_a_named_recipe_is_the_unnamed_one_with_entries_changed() -> None:
    text = NET + "train { batch = 8; epochs = 3; schedule = cosine }\ntrain x30 { schedule = linear; steps = 7 }\n"
    named = load_text(text).trains["x30"]
    assert (named.batch, named.epochs, named.steps, named.schedule) == (8, None, 7, Linear())


def test_recipes_are_checked_against_each_model_and_not_brought_in(tmp_path: Path) -> None:
    (tmp_path / "other.cnn").write_text(NET + "train { loss = nonsense(1) }\n")
    (tmp_path / "two.cnn").write_text(
        'use "other.cnn"\nmodel one { input i: 4x4x1; flatten -> dense(2) as logits }\n'
        "model two { input i: 4x4x1; flatten -> dense(2) as scores }\n" + WHOLE
    )
    found = check(tmp_path / "two.cnn")
    assert [(d.code, d.message) for d in found] == [("E404", "the loss names logits, which is no value of two")]
