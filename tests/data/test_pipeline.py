"""Image steps: what they do to pixels, what they draw, and what they refuse."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnndsl.data import datasets, pipeline
from cnndsl.errors import CnnError, Source, Span
from cnndsl.language.load import load_text
from cnndsl.language.recipe import Call, Interval, Preprocess

SPAN = Span(Source("m.cnn", "augment = wobble"), 10, 16)


def call(name: str, *args: object, **keys: object) -> Call:
    return Call(name, args, keys, SPAN)


def fixed(*calls: Call) -> tuple[pipeline.Step, ...]:
    return pipeline.bind(calls, "preprocess", random=False)


def drawn(*calls: Call) -> tuple[pipeline.Step, ...]:
    return pipeline.bind(calls, "augment", random=True)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return pipeline.floats(datasets.open("digits").train.images[::40])


def test_pictures_enter_as_floats_from_zero_to_one() -> None:
    x = pipeline.run((), np.array([0, 128, 255], np.uint8).reshape(1, 1, 3, 1))
    assert x.dtype == np.float32
    np.testing.assert_allclose(x.ravel(), [0, 128 / 255, 1], rtol=1e-6)


def test_one_picture_is_an_array_of_one_and_pixels_as_floats_are_refused() -> None:
    colours = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    normal = Preprocess((call("normalize", mean=(0.1, 0.2, 0.3), std=0.5),))
    wanted = (colours / 255 - [0.1, 0.2, 0.3]) / 0.5
    for given in (colours, colours[None], [colours], colours / 255, Image.fromarray(colours)):
        found = pipeline.apply(normal, given)
        assert found.shape == (1, 4, 5, 3) and found.dtype == np.float32
        np.testing.assert_allclose(found[0], wanted, atol=1e-6)
    grey = colours[:, :, 0]
    assert pipeline.apply(None, grey).shape == (1, 4, 5, 1)
    for given in (grey, [grey], [colours, grey][1:]):  # three channels before they meet three numbers
        found = pipeline.apply(normal, given, (4, 5, 3))
        np.testing.assert_allclose(found[0], (grey[:, :, None] / 255 - [0.1, 0.2, 0.3]) / 0.5, atol=1e-6)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (np.full((4, 5, 3), 40.0), r"pictures: float images lie in 0..1, these in 40..40"),
        ([np.full((4, 5, 3), -0.5)], r"pictures\[0\]: float images lie in 0..1"),
        (np.zeros(7), "expected images of shape"),
        ([np.zeros((2, 4, 5, 3))], r"a list holds arrays \(H, W, C\), one a picture"),
        ([[[1, 2], [3]]], r"pictures\[0\]: expected an array of numbers"),
        ([], "no picture in an empty list"),
        (np.zeros((0, 4, 5, 3)), "no picture in an array of shape"),
        ("photo.png", "images are numbers"),
        (None, "images are numbers"),
        (np.zeros((4, 5), np.uint8), "normalize has 3 numbers for mean, the pictures have 1 channel"),
    ],
)
def test_what_is_no_picture_is_refused_in_words(given: Any, says: str) -> None:
    normal = Preprocess((call("normalize", mean=(0.1, 0.2, 0.3), std=0.5),))
    with pytest.raises(CnnError, match=says) as e:
        pipeline.apply(normal, given)
    assert e.value.code == "E706"


def test_grey_is_bt_601() -> None:
    x = pipeline.run(fixed(call("grey")), np.eye(3, dtype=np.float32).reshape(1, 1, 3, 3))
    np.testing.assert_allclose(x.ravel(), [0.299, 0.587, 0.114], rtol=1e-6)


def test_invert_auto_turns_ink_on_paper_only(images: np.ndarray) -> None:
    steps = fixed(call("invert", "auto"))
    np.testing.assert_array_equal(pipeline.run(steps, images), images)
    np.testing.assert_allclose(pipeline.run(steps, 1 - images), images, atol=1e-6)


def test_resize_keeps_a_constant_and_the_mean(images: np.ndarray) -> None:
    for size in [(14, 14), (56, 28), (9, 40)]:
        x = pipeline.run(fixed(call("resize", size)), images)
        assert x.shape[1:3] == size
        assert abs(float(x.mean() - images.mean())) < 0.01
        ones = pipeline.run(fixed(call("resize", size)), np.ones_like(images))
        np.testing.assert_allclose(ones, 1, rtol=1e-6)


def test_resize_agrees_with_pillow(images: np.ndarray) -> None:
    from PIL import Image

    for size in [(13, 17), (28, 56), (40, 20)]:
        ours = pipeline.run(fixed(call("resize", size)), images[:1])[0, :, :, 0]
        theirs = np.asarray(Image.fromarray(images[0, :, :, 0]).resize(size[::-1], Image.Resampling.BILINEAR))
        assert np.abs(ours - theirs).max() < 2e-6


def test_each_picture_of_a_drawn_size_has_its_own_whatever_its_numbers_are_called(images: np.ndarray) -> None:
    resize, crop = drawn(call("resize", Interval(20, 30)), call("center_crop", 20))
    assert (resize.own_size, crop.own_size, resize.stream) == (True, False, "augment.0.resize")
    assert not fixed(call("resize", 20))[0].own_size
    renamed = (replace(resize, stream="augment.0.scale"), crop)
    together = pipeline.run(renamed, images[:8], samples=np.arange(8))
    alone = [pipeline.run(renamed, images[i : i + 1], samples=np.array([i])) for i in range(8)]
    np.testing.assert_array_equal(together, np.concatenate(alone))


def test_resize_to_a_number_sets_the_shorter_side() -> None:
    x = np.zeros((1, 30, 60, 3), np.float32)
    assert pipeline.run(fixed(call("resize", 15)), x).shape == (1, 15, 30, 3)
    assert pipeline.run(fixed(call("resize", 15)), x.transpose(0, 2, 1, 3)).shape == (1, 30, 15, 3)


def test_crops_and_pads() -> None:
    x = np.arange(36, dtype=np.float32).reshape(1, 6, 6, 1)
    np.testing.assert_array_equal(pipeline.run(fixed(call("center_crop", 2)), x).ravel(), [14, 15, 20, 21])
    np.testing.assert_array_equal(pipeline.run(fixed(call("crop", (1, 2), at=(1, 3))), x).ravel(), [9, 10])
    padded = pipeline.run(fixed(call("pad", 2)), x)
    assert padded.shape == (1, 10, 10, 1)
    assert padded.sum() == x.sum()
    x = np.tile(x, (50, 1, 1, 1))
    corners = {float(y[0, 0, 0]) for y in pipeline.run(drawn(call("random_crop", (5, 5))), x)}
    assert corners == {0, 1, 6, 7}


def test_flip_mirrors_about_half(images: np.ndarray) -> None:
    x = pipeline.run(drawn(call("flip")), images)
    mirrored = [np.array_equal(a, b[:, ::-1]) and not np.array_equal(a, b) for a, b in zip(x, images, strict=True)]
    same = [np.array_equal(a, b) for a, b in zip(x, images, strict=True)]
    assert all(m or s for m, s in zip(mirrored, same, strict=True))
    assert 0.3 < np.mean(mirrored) < 0.7


def test_shift_moves_by_whole_pixels() -> None:
    x = np.zeros((200, 9, 9, 1), np.float32)
    x[:, 4, 4] = 1
    y = pipeline.run(drawn(call("shift", 2)), x)
    places = {tuple(int(v) for v in np.argwhere(p[..., 0])[0]) for p in y}
    assert places == {(r, c) for r in range(2, 7) for c in range(2, 7)}


def test_affine_without_freedom_is_the_identity(images: np.ndarray) -> None:
    np.testing.assert_allclose(pipeline.run(drawn(call("affine")), images), images, atol=1e-6)


def test_affine_turns_by_ninety_degrees(images: np.ndarray) -> None:
    x = pipeline.run(drawn(call("affine", rotate=Interval(90.0, 90.0))), images)
    error = min(np.abs(x - np.rot90(images, k, (1, 2))).max() for k in (1, 3))
    assert error < 1e-4


def test_affine_scales_and_shifts() -> None:
    x = np.zeros((1, 21, 21, 1), np.float32)
    x[0, 8:13, 8:13] = 1
    double = pipeline.run(drawn(call("affine", scale=2)), x)
    assert abs(float(double.sum()) / 25 - 4) < 0.2
    moved = pipeline.run(drawn(call("affine", shift=Interval(3, 3))), x)
    np.testing.assert_allclose(moved, np.roll(x, (3, 3), (1, 2)), atol=1e-6)


def test_draws_depend_on_sample_and_epoch_not_on_the_batch(images: np.ndarray) -> None:
    steps = drawn(call("affine", rotate=12, scale=Interval(0.88, 1.14), shift=2), call("flip"), call("shift", 1))
    whole = pipeline.run(steps, images, seed=3, epoch=5, samples=np.arange(len(images)) + 1000)
    for some in (np.array([7, 3, 50]), np.array([3])):
        part = pipeline.run(steps, images[some], seed=3, epoch=5, samples=some + 1000)
        np.testing.assert_array_equal(part, whole[some])
    assert not np.array_equal(pipeline.run(steps, images, seed=3, epoch=6, samples=np.arange(len(images)) + 1000), whole)
    assert not np.array_equal(pipeline.run(steps, images, seed=4, epoch=5, samples=np.arange(len(images)) + 1000), whole)


def test_two_steps_of_one_name_draw_apart(images: np.ndarray) -> None:
    once, twice = drawn(call("flip")), drawn(call("flip"), call("flip"))
    assert not np.array_equal(pipeline.run(twice, images), images)
    assert not np.array_equal(pipeline.run(twice, images), pipeline.run(once, images))


def test_pictures_of_different_sizes(images: np.ndarray) -> None:
    pictures = [np.zeros((20, 30, 3), np.uint8), np.zeros((40, 30, 1), np.uint8)]
    assert pipeline.run(fixed(call("resize", (8, 8))), pictures).shape == (2, 8, 8, 3)
    with pytest.raises(CnnError, match="different shapes"):
        pipeline.run(fixed(call("grey")), pictures)
    random = drawn(call("resize", Interval(8, 12)), call("random_crop", 8))
    assert pipeline.run(random, images).shape == (len(images), 8, 8, 1)


def test_pictures_that_do_not_fit_the_model() -> None:
    x = np.zeros((2, 28, 28, 1), np.uint8)
    assert pipeline.apply(None, x, (28, 28, 3)).shape == (2, 28, 28, 3)
    with pytest.raises(CnnError, match="28x28x1, the model takes 32x32x1") as e:
        pipeline.apply(None, x, (32, 32, 1))
    assert "resize(32x32)" in str(e.value)
    with pytest.raises(CnnError, match="grey"):
        pipeline.apply(None, np.zeros((2, 28, 28, 3), np.uint8), (28, 28, 1))


@pytest.mark.parametrize(
    ("wrong", "code", "says"),
    [
        (call("wobble"), "E421", "no image step"),
        (call("reszie", 3), "E421", "did you mean resize"),
        (call("resize"), "E422", "resize"),
        (call("resize", 0), "E422", "from 1 to"),
        (call("resize", (4, 4, 4)), "E422", "n or HxW"),
        (call("resize", "big"), "E422", "a number or a range"),
        (call("resize", 99999999), "E422", "from 1 to"),
        (call("grey", 3), "E422", "grey"),
        (call("invert", "never"), "E422", "always or auto"),
        (call("normalize", 0.5, 0), "E422", "above 0"),
        (call("normalize", "a", 1), "E422", "is a number"),
        (call("affine", scale=0), "E422", "above 0"),
        (call("affine", turn=3), "E422", "turn"),
        (call("affine", shear=90), "E422", "below 80"),
        (call("shift", 1.5), "E422", "whole pixels"),
        (call("pad", -1), "E422", "a pad"),
        (call("flip", "diagonal"), "E422", "horizontal or vertical"),
        (call("crop", 2, at=-3), "E422", "row, column"),
    ],
)
def test_refused(wrong: Call, code: str, says: str) -> None:
    with pytest.raises(CnnError, match=says) as e:
        drawn(wrong)
    assert e.value.code == code
    assert e.value.diagnostics[0].span is SPAN


def test_preprocess_has_no_randomness() -> None:
    for step in (
        call("flip"),
        call("affine", rotate=3),
        call("random_crop", 8),
        call("resize", Interval(8, 9)),
        call("shift", 1),
    ):
        with pytest.raises(CnnError, match="no randomness"):
            fixed(step)


def test_a_crop_larger_than_the_picture(images: np.ndarray) -> None:
    for name in ("center_crop", "random_crop", "crop"):
        with pytest.raises(CnnError, match="do not lie within"):
            pipeline.run(drawn(call(name, 29)), images)
    with pytest.raises(CnnError, match="3 numbers for mean"):
        pipeline.run(drawn(call("normalize", (1, 2, 3), 1)), images)


@pytest.mark.parametrize(
    "step", ["color_jitter(hue = 0.7)", "color_jitter(brightness = -1)", "shift(0.5)", "crop(8, at = 0.5)"]
)
def test_what_no_step_can_do_is_refused_when_the_text_is_read(step: str) -> None:
    with pytest.raises(CnnError) as caught:
        load_text(f"model m {{\n input image: 8x8x3\n flatten -> dense(2)\n}}\ntrain {{ augment = {step} }}")
    assert caught.value.code == "E403"


@pytest.mark.parametrize(
    "step",
    ["color_jitter(hue = -0.5)", "color_jitter(hue = 0..0.5)", "color_jitter(brightness = 0)", "shift(2)", "crop(8, at = 3)"],
)
def test_what_the_text_may_say_can_be_done(step: str) -> None:
    net = load_text(f"model m {{\n input image: 8x8x3\n flatten -> dense(2)\n}}\ntrain {{ augment = {step} }}")
    assert net.train is not None
    assert len(pipeline.bind(net.train.augment, "augment", random=True)) == 1
