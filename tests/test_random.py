"""The random numbers: against NumPy's generator, by address, by distribution."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from cnndsl import random
from cnndsl.ops.random_bits import RANDOM_BITS
from cnndsl.random import blocks, initial_array, normal, stream_of, uniform, words
from cnndsl.targets.numpy.kernels.random import random_bits

LARGEST = 2**64 - 1


def numpy_words(seed: int, step: int, stream: int, count: int) -> np.ndarray:
    """The same words from NumPy's Philox, which raises its counter before the first block: started one earlier."""
    counter = (step << 64 | stream << 128) - 1
    parts = [counter % 2**256 >> 64 * i & LARGEST for i in range(4)]
    generator = np.random.Philox(counter=np.array(parts, np.uint64), key=np.array([seed, 0], np.uint64))
    return generator.random_raw(count)


@pytest.mark.parametrize(
    ("seed", "step", "stream"),
    [(0, 0, 0), (7, 3, 11), (LARGEST, 2**63, LARGEST), (1, 0, 2**63 + 1), (0, 1, 0), (0, LARGEST, 1)],
)
def test_numpy_gives_the_same_words(seed: int, step: int, stream: int) -> None:
    wanted = numpy_words(seed, step, stream, 41)
    np.testing.assert_array_equal(words(np, seed, step, stream, 0, 41), wanted)
    found = RANDOM_BITS.reference(np, RANDOM_BITS.attrs(stream=stream, sizes=(41,)), np.uint64(seed), np.uint64(step))[0]
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("count", [1, 4095, 4096, 4097, 8193])
def test_the_kernel_fills_its_array_to_the_last_word(count: int) -> None:
    out = np.zeros(count, np.uint64)
    random_bits(np.uint64(7), np.uint64(3), out, stream=11, start=0)
    np.testing.assert_array_equal(out, numpy_words(7, 3, 11, count))


def test_any_stretch_is_the_same_words() -> None:
    whole = words(np, 5, 2, 9, 0, 100)
    for start in range(9):
        for count in (0, 1, 3, 4, 5, 50):
            np.testing.assert_array_equal(words(np, 5, 2, 9, start, count), whole[start : start + count])
    np.testing.assert_array_equal(blocks(np, 5, 2, 9, np.array([3, 1], np.uint64)), whole.reshape(25, 4)[[3, 1]])


def test_streams_come_from_names() -> None:
    assert stream_of("conv.weight") == int.from_bytes(hashlib.blake2b(b"conv.weight").digest()[:8], "little")
    assert len({stream_of(f"layer{i}") for i in range(1000)}) == 1000


def test_uniform_and_normal() -> None:
    u = uniform(np, words(np, 1, 0, 2, 0, 200_000))
    assert u.dtype == np.float64
    assert u.min() >= 0
    assert u.max() < 1
    assert abs(u.mean() - 0.5) < 3e-3
    assert abs(u.var() - 1 / 12) < 1e-3
    assert uniform(np, np.array([0, LARGEST], np.uint64)).tolist() == [0.0, 1 - 2.0**-53]
    z = normal(np, 1, 0, 2, 200_001)
    assert z.shape == (200_001,)
    assert np.isfinite(z).all()
    assert abs(z.mean()) < 1e-2
    assert abs(z.std() - 1) < 1e-2
    assert abs((z**4).mean() - 3) < 0.1


def test_initial_arrays() -> None:
    w = initial_array("conv.weight", (3, 3, 16, 32), "he_normal", 144, seed=0)
    assert (w.shape, w.dtype) == ((3, 3, 16, 32), np.float32)
    assert abs(w.std() / np.sqrt(2 / 144) - 1) < 0.03
    np.testing.assert_array_equal(w, initial_array("conv.weight", (3, 3, 16, 32), "he_normal", 144, seed=0))
    assert not np.array_equal(w, initial_array("conv.weight", (3, 3, 16, 32), "he_normal", 144, seed=1))
    assert not np.array_equal(w, initial_array("conv2.weight", (3, 3, 16, 32), "he_normal", 144, seed=0))
    assert initial_array("b", (4,), "zeros", 1, 0).tolist() == [0] * 4
    assert initial_array("g", (4,), "ones", 1, 0).tolist() == [1] * 4
    assert initial_array("empty", (0, 3), "he_normal", 3, 0).shape == (0, 3)


def test_the_numbers_stay() -> None:
    """Written down once: a change here would change every trained model."""
    assert [hex(int(x)) for x in words(np, 0, 0, 0, 0, 4)] == [
        "0x16554d9eca36314c", "0xdb20fe9d672d0fdc", "0xd7e772cee186176b", "0x7e68b68aec7ba23b",
    ]  # fmt: skip


def test_every_initialisation_has_its_spread() -> None:
    from cnndsl.random import INITS

    for init in INITS:
        w = initial_array("conv.weight", (3, 3, 16, 32), init, 144, seed=0)
        wanted = {"zeros": 0.0, "normal": 0.01}.get(init, np.sqrt(2 / 144))
        assert abs(w.std() - wanted) <= 0.03 * wanted, init
        assert w.dtype == np.float32
        if init.endswith("uniform"):
            assert np.abs(w).max() <= np.sqrt(6 / 144) * (1 + 1e-6)


def test_many_words_come_from_numpy_and_few_from_our_own_lines() -> None:
    """The same words, also where the counter's block 0 lies before NumPy's first and where seeds are as large as may be."""
    for seed, step, stream in ((0, 0, 0), (7, 3, 2**63 + 11), (2**64 - 1, 2**63, 2**64 - 1)):
        many = random.words(np, seed, step, stream, 0, 6 * random.FEW)
        few = [random.words(np, seed, step, stream, k * random.FEW, random.FEW) for k in range(6)]
        assert np.array_equal(many, np.concatenate(few))
        assert np.array_equal(random.words(np, seed, step, stream, 5, 3 * random.FEW), many[5 : 5 + 3 * random.FEW])


def test_a_large_weight_is_made_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = {init: random.initial_array("w", (41, 25), init, 9, 3) for init in random.INITS}
    monkeypatch.setattr(random, "CHUNK", 100)
    for init, x in whole.items():
        assert np.array_equal(random.initial_array("w", (41, 25), init, 9, 3), x)
