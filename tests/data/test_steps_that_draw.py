"""Steps that draw crops, colours and noise, against the same steps told a second time: loops in float64, by formulas of
their sources, with numbers from NumPy's Philox.
"""

from __future__ import annotations

import colorsys
import hashlib
import itertools
import math

import numpy as np
import pytest
from PIL import Image

from cnndsl.data import pipeline
from cnndsl.data.resample import Photograph
from cnndsl.errors import CnnError
from cnndsl.language.recipe import Call, Interval

SEED, EPOCH = 11, 4
SIZES = [(37, 50), (64, 31), (9, 9), (224, 300)]


def call(name: str, *args: object, **keys: object) -> Call:
    return Call(name, args, keys)


def bound(*calls: Call) -> tuple[pipeline.Step, ...]:
    return pipeline.bind(calls, "augment", random=True)


def pictures(channels: int = 3, sizes: list[tuple[int, int]] = SIZES) -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    return [rng.integers(0, 256, (*size, channels)).astype(np.uint8) for size in sizes]


def words(stream: str, block: int, count: int) -> np.ndarray:
    """Numbers in [0, 1) of a stream from a block on, by NumPy's own generator, which counts up before its first block."""
    named = int.from_bytes(hashlib.blake2b(stream.encode()).digest()[:8], "little")
    counter = (block + (EPOCH << 64) + (named << 128) - 1) % (1 << 256)
    return (np.random.Philox(key=SEED, counter=counter).random_raw(count) >> np.uint64(11)) * 2.0**-53


def numbers(name: str, sample: int, count: int) -> np.ndarray:
    """What picture `sample` draws in step `name`, the first of its pipeline."""
    return words(f"augment.0.{name}", sample * -(-count // 4), count)


def each(step: Call, given: list[np.ndarray], samples: list[int]) -> list[np.ndarray]:
    steps = bound(step)
    return [pipeline.run(steps, [x], SEED, EPOCH, np.array([s]))[0] for x, s in zip(given, samples, strict=True)]


def triangle(x: np.ndarray, height: int, width: int, bits: int | None = None) -> np.ndarray:
    """The filter of `resize`, pixel by pixel, along rows and then along columns. bits: of Pillow's whole-number weights
    (libImaging/Resample.c), with which each direction is rounded to eight bits.
    """

    def along(x: np.ndarray, new: int) -> np.ndarray:
        old = len(x)
        scale = old / new
        reach = max(scale, 1.0)
        rows = []
        for i in range(new):
            centre = (i + 0.5) * scale - 0.5
            weights = np.array([max(0.0, 1 - abs(j - centre) / reach) for j in range(old)])
            weights /= weights.sum()
            if bits is None:
                rows.append(np.tensordot(weights, x, 1))
            else:
                whole = np.floor(weights * 2**bits + 0.5).astype(np.int64)
                rows.append(((np.tensordot(whole, x.astype(np.int64), 1) + (1 << (bits - 1))) >> bits).clip(0, 255))
        return np.stack(rows)

    return along(along(x.swapaxes(0, 1), width).swapaxes(0, 1), height)


def eight_bits(found: np.ndarray, x: np.ndarray, height: int, width: int) -> None:
    """`found` is `x` by the filter on eight bits, rows first or columns first: which, is for Pillow's version to choose."""
    wanted = (triangle(x, height, width, 22), triangle(x.swapaxes(0, 1), width, height, 22).swapaxes(0, 1))
    assert any(np.array_equal(found, pipeline.floats(y.astype(np.uint8))) for y in wanted)
    assert np.abs(wanted[0] - triangle(x.astype(float), height, width)).max() < 1.01


@pytest.mark.parametrize("size", [(20, 24), (100, 90), (5, 60)])
def test_resize_of_eight_bits_and_of_floats(size: tuple[int, int]) -> None:
    for x in (*pictures(3, SIZES[:3]), *pictures(1, SIZES[:2]), *pictures(4, SIZES[:1])):
        steps = pipeline.bind([call("resize", size)], "preprocess", random=False)
        eight_bits(pipeline.run(steps, [x])[0], x, *size)
        floats = pipeline.floats(x)
        np.testing.assert_allclose(pipeline.run(steps, [floats])[0], triangle(floats.astype(float), *size), atol=1e-6)


@pytest.mark.parametrize("keys", [{}, {"area": Interval(0.3, 0.5), "aspect": Interval(1, 1)}, {"area": 1, "aspect": 3}])
def test_random_resized_crop(keys: dict[str, object]) -> None:
    areas = keys.get("area", Interval(0.08, 1.0))
    aspects = keys.get("aspect", Interval(3 / 4, 4 / 3))
    (a0, a1), (r0, r1) = (((v.low, v.high) if isinstance(v, Interval) else (v, v)) for v in (areas, aspects))
    given, samples = pictures(), [0, 7, 123, 50_000]
    for x, s, found in zip(given, samples, each(call("random_resized_crop", (20, 24), **keys), given, samples), strict=True):
        h, w = x.shape[:2]
        u = numbers("random_resized_crop", s, 40)
        for k in range(10):
            area = h * w * (a0 + u[4 * k] * (a1 - a0))
            aspect = r0 * (r1 / r0) ** u[4 * k + 1]
            wide, high = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
            if wide <= w and high <= h:
                top, left = int(u[4 * k + 2] * (h - high + 1)), int(u[4 * k + 3] * (w - wide + 1))
                break
        else:
            wide, high = (w, round(w / r0)) if w / h < r0 else (round(h * r1), h) if w / h > r1 else (w, h)
            top, left = (h - high) // 2, (w - wide) // 2
        part = x[top : top + high, left : left + wide]
        eight_bits(found, part, 20, 24)
        theirs = Image.fromarray(part).resize((24, 20), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(found, pipeline.floats(np.asarray(theirs)))


def test_a_random_crop_keeps_an_even_share_of_the_area() -> None:
    """The whole gradient comes out somewhere: no corner is left out, and areas are spread evenly."""
    x = np.broadcast_to(np.arange(100, dtype=np.uint8)[:, None, None] * 2, (100, 100, 1))
    steps = bound(call("random_resized_crop", 10))
    found = pipeline.run(steps, np.broadcast_to(x, (400, 100, 100, 1)), 3, 0)[..., 0, 0] * 255 / 2
    spans = found.max(axis=1) - found.min(axis=1)
    assert found.min() < 3
    assert found.max() > 96
    assert 0.2 < np.mean(spans < 65) < 0.6


def blend(x: np.ndarray, other: np.ndarray, f: float) -> np.ndarray:
    return np.clip(f * x + (1 - f) * other, 0, 1)


def grey(x: np.ndarray) -> np.ndarray:
    return (x @ [0.299, 0.587, 0.114])[..., None] if x.shape[2] == 3 else x


def jittered(x: np.ndarray, factors: list[float], order: tuple[int, ...]) -> np.ndarray:
    """torchvision's formulas (functional_tensor.py), hue by Python's colorsys."""
    for what in order:
        f = factors[what]
        if what == 0:
            x = blend(x, np.zeros_like(x), f)
        elif what == 1:
            x = blend(x, grey(x).mean(), f)
        elif what == 2:
            x = blend(x, grey(x), f) if x.shape[2] == 3 else x
        elif x.shape[2] == 3:
            flat = [colorsys.rgb_to_hsv(*p) for p in x.reshape(-1, 3)]
            x = np.array([colorsys.hsv_to_rgb((h + f) % 1, s, v) for h, s, v in flat]).reshape(x.shape)
    return x


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"brightness": 0.8, "contrast": 0, "saturation": 0, "hue": 0},
        {"brightness": 0, "contrast": 2, "saturation": Interval(0.1, 0.2), "hue": 0.5},
        {"brightness": 0, "contrast": 0, "saturation": 0, "hue": Interval(0.1, 0.3)},
    ],
)
def test_color_jitter(keys: dict[str, object], channels: int) -> None:
    bounds = []
    for name, default in (("brightness", 0.4), ("contrast", 0.4), ("saturation", 0.4)):
        v = keys.get(name, default)
        bounds.append((v.low, v.high) if isinstance(v, Interval) else (max(0, 1 - v), 1 + v))
    v = keys.get("hue", 0)
    bounds.append((v.low, v.high) if isinstance(v, Interval) else (-v, v))
    given, samples = pictures(channels, SIZES[:3]), [0, 9, 77]
    given[0][:5] = 200  # some grey pixels, which have no hue
    for x, s, found in zip(given, samples, each(call("color_jitter", **keys), given, samples), strict=True):
        u = numbers("color_jitter", s, 5)
        factors = [a + u[i] * (b - a) for i, (a, b) in enumerate(bounds)]
        order = list(itertools.permutations(range(4)))[int(u[4] * 24)]
        np.testing.assert_allclose(found, jittered(x / 255, factors, order), atol=2e-6)


def test_color_jitter_without_freedom_changes_nothing() -> None:
    (x,) = pictures(sizes=[(8, 9)])
    (found,) = each(call("color_jitter", 0, 0, 0, 0), [x], [3])
    np.testing.assert_array_equal(found, pipeline.floats(x))


def test_pca_jitter() -> None:
    # https://github.com/facebookarchive/fb.resnet.torch/blob/master/datasets/imagenet.lua
    eigval = np.array([0.2175, 0.0188, 0.0045])
    eigvec = np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])
    given, samples = pictures(), [0, 1, 2, 90]
    for x, s, found in zip(given, samples, each(call("pca_jitter", 0.1), given, samples), strict=True):
        u = numbers("pca_jitter", s, 4)
        pairs = [(-2 * math.log(1 - u[i])) ** 0.5 * np.exp(2j * math.pi * u[i + 1]) for i in (0, 2)]
        alpha = 0.1 * np.array([pairs[0].real, pairs[0].imag, pairs[1].real])
        np.testing.assert_allclose(found, x / 255 + eigvec @ (alpha * eigval), atol=1e-6)
    steps = bound(call("pca_jitter", 0.1))
    added = pipeline.run(steps, np.zeros((4000, 1, 1, 3), np.uint8))[:, 0, 0].astype(np.float64)
    np.testing.assert_allclose(np.cov(added.T), 0.01 * (eigvec * eigval**2) @ eigvec.T, atol=3e-5)


@pytest.mark.parametrize("size", [8, (3, 30), 500])
def test_cutout(size: int | tuple[int, int]) -> None:
    high, wide = size if isinstance(size, tuple) else (size, size)
    given, samples = pictures(), [0, 1, 2, 90]
    for x, s, found in zip(given, samples, each(call("cutout", size), given, samples), strict=True):
        h, w = x.shape[:2]
        row, column = (int(u * n) for u, n in zip(numbers("cutout", s, 2), (h, w), strict=True))
        rows, columns = np.arange(h) - (row - high // 2), np.arange(w) - (column - wide // 2)
        out = ((rows >= 0) & (rows < high))[:, None] & ((columns >= 0) & (columns < wide))
        np.testing.assert_array_equal(found, np.where(out[..., None], 0, pipeline.floats(x)))


def test_noise() -> None:
    x = np.full((2, 120, 130, 3), 128, np.uint8)
    samples = np.array([0, 3])
    found = pipeline.run(bound(call("noise", 0.2)), x, SEED, EPOCH, samples)
    for s, picture in zip(samples.tolist(), found, strict=True):
        u = words("augment.0.noise.pixels", s << 32, 120 * 130 * 3)
        pairs = np.sqrt(-2 * np.log(1 - u[0::2])) * np.exp(2j * math.pi * u[1::2])
        wanted = 128 / 255 + 0.2 * pairs.view(float).reshape(120, 130, 3)
        np.testing.assert_allclose(picture, wanted, atol=1e-6)
    added = (found - pipeline.floats(x)) / 0.2
    assert abs(added.mean()) < 0.02
    assert abs(added.std() - 1) < 0.02
    assert abs(np.corrcoef(added[0].ravel(), added[1].ravel())[0, 1]) < 0.02


def test_noise_of_a_drawn_amount() -> None:
    x = np.zeros((50, 20, 20, 1), np.uint8)
    found = pipeline.run(bound(call("noise", Interval(0, 0.5))), x).std(axis=(1, 2, 3))
    assert found.min() < 0.1
    assert found.max() > 0.4


ALL = (
    call("random_resized_crop", 16),
    call("flip"),
    call("color_jitter", hue=0.1),
    call("pca_jitter"),
    call("cutout", 5),
    call("noise", Interval(0, 0.1)),
)


def test_a_picture_alone_and_in_a_batch_has_the_same_bits() -> None:
    rng = np.random.default_rng(1)
    x = rng.integers(0, 256, (12, 30, 40, 3)).astype(np.uint8)
    samples = np.arange(12) * 1_000_003
    for steps in (bound(*ALL), bound(*ALL[1:])):
        whole = pipeline.run(steps, x, SEED, EPOCH, samples)
        some = pipeline.run(steps, x[3:8], SEED, EPOCH, samples[3:8])
        np.testing.assert_array_equal(some, whole[3:8])
        for i in (0, 5, 11):
            np.testing.assert_array_equal(pipeline.run(steps, [x[i]], SEED, EPOCH, samples[i : i + 1])[0], whole[i])


def test_photographs_and_arrays_have_the_same_bits() -> None:
    """What Pillow holds is cut and resized there, and comes out as the same pixels in an array do."""
    first = (call("random_resized_crop", 16), call("resize", 20), call("resize", Interval(16, 40)), call("resize", (16, 17)))
    then = (
        call("random_crop", 16),
        call("center_crop", 16),
        call("crop", 16, at=(0, 0)),
        call("flip"),
        call("flip", "vertical"),
    )
    then = (*then, call("pad", 1), call("shift", 1), call("grey"), call("color_jitter"), call("normalize", 0.5, 2))
    for channels in (1, 3):
        for x in pictures(channels, SIZES[:3]):
            photograph = Photograph(Image.fromarray(x if channels == 3 else x[:, :, 0]))
            assert photograph.shape == (1, *x.shape)
            for a, b in itertools.product(first, then):
                steps = bound(a, b)
                found, wanted = (pipeline.run(steps, [y], SEED, EPOCH, np.array([5])) for y in (photograph, x))
                np.testing.assert_array_equal(found, wanted)


def test_given_pictures_are_not_written_on() -> None:
    x = np.random.default_rng(1).random((3, 16, 16, 3), np.float32)
    before = x.copy()
    for step in (*ALL, call("affine", rotate=9), call("shift", 2), call("resize", 16), call("grey"), call("invert")):
        pipeline.run(bound(step), x)
        np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (call("random_resized_crop"), r"size, area = 0.08..1, aspect = 0.75..1.3333"),
        (call("random_resized_crop", 0), "from 1 to"),
        (call("random_resized_crop", 8, area=0), "a share above 0"),
        (call("random_resized_crop", 8, area=Interval(0.5, 2)), "a share above 0"),
        (call("random_resized_crop", 8, aspect=0), "an aspect is above 0"),
        (call("color_jitter", -0.1), "brightness is from 0"),
        (call("color_jitter", hue=0.6), "half the circle"),
        (call("color_jitter", gamma=1), "gamma"),
        (call("pca_jitter", -1), "strength"),
        (call("cutout", 0), "from 1 to"),
        (call("noise"), "amount"),
        (call("noise", -0.1), "from 0 up"),
    ],
)
def test_refused(wrong: Call, says: str) -> None:
    with pytest.raises(CnnError, match=says) as e:
        bound(wrong)
    assert e.value.code == "E422"


def test_channels_that_have_no_colour() -> None:
    for step, n in ((call("color_jitter"), 4), (call("pca_jitter"), 1)):
        with pytest.raises(CnnError, match=f"these have {n}") as e:
            pipeline.run(bound(step), np.zeros((1, 4, 4, n), np.uint8))
        assert e.value.code == "E706"
