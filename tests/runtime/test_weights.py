"""Weight files: held against the package `safetensors`, and hostile ones refused with one message before any memory."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cnndsl
from cnndsl.errors import CnnError
from cnndsl.runtime.safetensors import WeightFile
from cnndsl.targets.numpy.frame.tensors import KINDS as CODES
from tests.runtime.small_networks import plain

KINDS = [np.dtype(text).newbyteorder("=") for code, text in CODES.items() if code != "BF16"]


def arrays() -> dict[str, Any]:
    found = {f"{k.name}.weight": np.arange(6).reshape(2, 3).astype(k) for k in KINDS}
    return {**found, "scalar": np.float32(3.5), "empty": np.zeros((0, 4), np.float32), "Ω.β": np.ones(2, np.float32)}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    cnndsl.write_weights(path, arrays())
    found = cnndsl.read_weights(path)
    assert found.keys() == arrays().keys()
    for name, x in arrays().items():
        assert found[name].dtype == x.dtype
        assert found[name].shape == np.shape(x)
        assert np.array_equal(found[name], x)
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


def test_the_package_reads_ours_and_we_read_its(tmp_path: Path) -> None:
    theirs = pytest.importorskip("safetensors.numpy")
    given = {name: np.asarray(x) for name, x in arrays().items()}
    ours, other = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    cnndsl.write_weights(ours, given, {"made": "here"})
    theirs.save_file(given, str(other))
    for found in (theirs.load_file(str(ours)), cnndsl.read_weights(other)):
        assert found.keys() == given.keys()
        assert all(np.array_equal(found[n], x) and found[n].dtype == x.dtype for n, x in given.items())


def test_the_bytes_do_not_depend_on_the_order_given(tmp_path: Path) -> None:
    one, two = tmp_path / "1", tmp_path / "2"
    given = arrays()
    cnndsl.write_weights(one, given)
    cnndsl.write_weights(two, dict(reversed(given.items())))
    assert one.read_bytes() == two.read_bytes()


def file_of(header: Any, body: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + body


def entry(dtype: Any = "F32", shape: Any = (2,), offsets: Any = (0, 8)) -> dict[str, Any]:
    return {"w": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}


HOSTILE = {
    "empty": b"",
    "short": b"abc",
    "noise": bytes(range(256)) * 8,
    "header longer than the file": file_of({}, length=1000),
    "header of 2^63 bytes": file_of({}, length=2**63),
    "header no JSON": file_of(b"{,}"),
    "header no UTF-8": file_of(b"\xff\xfe{}"),
    "header a list": file_of([1]),
    "deep header": file_of(b"[" * 100_000),
    "entry a number": file_of({"w": 3}),
    "no dtype": file_of({"w": {"shape": [2], "data_offsets": [0, 8]}}, b"12345678"),
    "unknown dtype": file_of(entry("F4"), b"12345678"),
    "dtype a list": file_of(entry(["F32"]), b"12345678"),
    "negative size": file_of(entry(shape=(-2,)), b"12345678"),
    "size true": file_of(entry(shape=(True, 2)), b"12345678"),
    "no numbers in 2^63 columns": file_of(entry(shape=(0, 2**63), offsets=(0, 0))),
    "sizes of 2^80 numbers": file_of(entry(shape=(2**40, 2**40)), b"12345678"),
    "offsets beyond the end": file_of(entry(shape=(2**40,), offsets=(0, 2**42)), b"12345678"),
    "offsets backwards": file_of(entry(offsets=(8, 0)), b"12345678"),
    "offsets of a third": file_of(entry(offsets=(0, 8, 9)), b"12345678"),
    "shape and bytes differ": file_of(entry(shape=(3,)), b"12345678"),
    "cut short": file_of(entry(), b"1234"),
    "overlap": file_of({**entry(), "v": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}}, b"123456781234"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_file_is_refused(what: str, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(HOSTILE[what])
    with pytest.raises(CnnError, match=r"w\.safetensors") as caught:
        cnndsl.read_weights(path)
    assert caught.value.code == "E502"


def test_bfloat16_is_read_as_float32(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    given = np.array([1.0, -2.5], np.float32)
    path.write_bytes(file_of(entry("BF16", offsets=(0, 4)), (given.view(np.uint32) >> 16).astype("<u2").tobytes()))
    found = cnndsl.read_weights(path)["w"]
    assert found.dtype == np.float32
    assert np.array_equal(found, given)


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    cnndsl.write_weights(path, {"a": np.ones(3), "b": np.ones(4)})
    file = WeightFile(path)
    assert file["a"].sum() == 3
    cnndsl.write_weights(path, {"a": np.ones(3), "b": np.zeros(4)})
    with pytest.raises(CnnError, match="changed while it was read") as caught:
        file["b"]
    assert caught.value.code == "E502"


def test_a_file_is_read_array_by_array_and_only_what_runs_read_is_kept(tmp_path: Path) -> None:
    """Loading takes the prepared arrays, and of the file one array at a time."""
    net = cnndsl.load("resnet18", classes=10)
    given = net.initial_weights(seed=3)
    path = tmp_path / "w.safetensors"
    cnndsl.write_weights(path, given)
    run = cnndsl.compile(net, batch=1)
    assert set(run.module.KEPT) == {"logits.weight", "logits.bias"}
    tracemalloc.start()
    run.load(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    largest = max(x.nbytes for x in given.values())
    assert peak < run.module.PREPARED_BYTES + 2 * largest + run.module.ARENA_BYTES + (4 << 20)
    assert set(run.network.state) == {"logits.weight", "logits.bias"}
    images = np.random.default_rng(0).random((1, 224, 224, 3), np.float32)
    assert np.array_equal(run(images), cnndsl.compile(net, given, batch=1)(images))


def test_a_file_with_numbers_that_are_not_finite_changes_nothing(tmp_path: Path) -> None:
    net = plain()
    good, path = net.initial_weights(seed=1), tmp_path / "w.safetensors"
    run = cnndsl.compile(net, good, batch=2)
    images = np.random.default_rng(0).random((2, 12, 12, 1), np.float32)
    before = run(images)
    last = list(good)[-1]
    cnndsl.write_weights(path, {**{n: 2 * x for n, x in good.items()}, last: np.full_like(good[last], np.nan)})
    with pytest.raises(CnnError, match=r"w\.safetensors: the weights do not fit") as caught:
        run.load(path)
    assert (caught.value.code, last in str(caught.value)) == ("E504", True)
    assert np.array_equal(run(images), before)


def test_what_is_no_file(tmp_path: Path) -> None:
    for path, says in ((tmp_path, "is a folder"), (tmp_path / "none", "there is no weight file")):
        with pytest.raises(CnnError, match=says) as caught:
            cnndsl.read_weights(path)
        assert caught.value.code == "E501"


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    cnndsl.write_weights(path, {"a": np.ones(3)})
    with pytest.raises(CnnError, match="complex"):
        cnndsl.write_weights(path, {"a": np.ones(3, complex)})
    assert np.array_equal(cnndsl.read_weights(path)["a"], np.ones(3))
    assert len(list(tmp_path.iterdir())) == 1


def changed(**given: Any) -> dict[str, Any]:
    w = plain().initial_weights()
    w.update({k.replace("_", "."): v for k, v in given.items()})
    return {k: v for k, v in w.items() if v is not None}


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        (changed(conv_bias=None), "missing: conv.bias"),
        (changed(conv_extra=np.ones(3)), "left over: conv.extra"),
        (changed(conv_bias=None, conv_bais=np.ones(6)), "did you mean conv.bias"),
        (changed(conv_bias=np.ones(7, np.float32)), "conv.bias has shape 7, the model needs 6"),
        (changed(conv_bias=np.full(6, np.nan, np.float32)), "conv.bias holds numbers that are not finite"),
        (changed(conv_bias=np.array(["a"] * 6)), "not numbers"),
    ],
)
def test_weights_that_do_not_fit_are_refused(weights: dict[str, Any], says: str) -> None:
    run = cnndsl.compile(plain())
    with pytest.raises(CnnError) as caught:
        run.load(weights)
    assert caught.value.code == "E504"
    assert says in str(caught.value)


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(CnnError) as caught:
        cnndsl.compile(plain(), changed(conv_bias=None, logits_bias=np.ones(3), more=np.ones(1)))
    assert all(word in str(caught.value) for word in ("missing: conv.bias", "left over: more", "logits.bias has shape 3"))


def test_weights_of_another_type_are_converted() -> None:
    graph = plain()
    w = graph.initial_weights()
    x = np.ones((1, 12, 12, 1), np.float32)
    wide = {k: v.astype(np.float64) for k, v in w.items()}
    assert np.array_equal(cnndsl.compile(graph, w)(x), cnndsl.compile(graph, wide)(x))
