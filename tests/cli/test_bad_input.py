"""Whatever a user types or gives: one located message with a code, exit code 1, no traceback, and not for long."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnndsl.errors import size

LENET = Path(__file__).parents[2] / "models" / "lenet5.cnn"
TINY = "model tiny {\n    input image: 8x8x1\n    flatten\n    dense(10) as logits\n    softmax\n}\n"


def refused(done: Any, code: str, *says: str) -> None:
    """One message, of the code expected (a prefix will do), with these words in it."""
    assert done.code == 1, done
    assert done.err.count("error[") == 1, done.err
    assert f"error[{code}" in done.err, done.err
    assert "Traceback" not in done.err
    assert "E799" not in done.err, done.err
    for words in says:
        assert words in done.err, done.err


# Models -------------------------------------------------------------------------------------------------------------

MODELS: dict[str, tuple[bytes, str, str]] = {
    "empty": (b"", "E", "no model"),
    "no model": (b"# nothing\n", "E", "no model"),
    "NUL": (b"model m {\x00}\n", "E1", ""),
    "Latin-1": ("# caf\u00e9\n".encode("latin-1") + TINY.encode(), "E1", "UTF-8"),
    "noise": (bytes(range(1, 256)) * 12_000, "E", ""),
    "too long": (b"# " + b"x" * 600_000 + b"\n", "E9", ""),
    "parentheses": (b"model m {\n    input image: 8x8x1\n    conv(" + b"(" * 100_000, "E", ""),
    "braces": (b"model m " + b"{" * 100_000, "E", ""),
    "unknown op": (TINY.replace("softmax", "sofmax").encode(), "E2", "softmax"),
    "unknown key": (TINY.replace("dense(10)", "dense(10, bais = false)").encode(), "E2", "bias"),
    "a name that breaks out": (TINY.replace("tiny", 'tiny"; import os').encode(), "E1", ""),
    "endless recursion": (b"block b { b }\nmodel m {\n    input image: 8x8x1\n    b\n}\n", "E9", ""),
    "a tower": (b"block b(n) { b(n * n) }\nmodel m {\n    input image: 8x8x1\n    b(3)\n}\n", "E", ""),
    "many repetitions": (TINY.replace("softmax", "relu * 1000000000").encode(), "E9", ""),
    "a huge image": (TINY.replace("8x8x1", "1000000000x1000x1").encode(), "E", ""),
    "zero filters": (TINY.replace("flatten", "conv(0, 3x3) -> flatten").encode(), "E3", "filters"),
    "stride of zero": (TINY.replace("flatten", "conv(2, 3x3, stride = 0) -> flatten").encode(), "E3", "stride"),
    "division by zero": (TINY.replace("dense(10)", "dense(10 / 0)").encode(), "E3", "zero"),
    "kernel too large": (TINY.replace("flatten", "conv(2, 9x9) -> flatten").encode(), "E3", ""),
    "groups": (TINY.replace("flatten", "conv(4, 3x3, groups = 3) -> flatten").encode(), "E3", "groups"),
    "a wrong shape": (TINY.replace("    softmax", "    softmax : 11").encode(), "E3", "11"),
}


@pytest.mark.parametrize("command", ["check", "show"])
@pytest.mark.parametrize("case", MODELS)
def test_models(cli: Any, tmp_path: Path, command: str, case: str) -> None:
    text, code, says = MODELS[case]
    (tmp_path / "bad.cnn").write_bytes(text)
    began = time.perf_counter()
    done = cli(command, "bad.cnn")
    assert time.perf_counter() - began < 2
    assert done.code == 1, done
    assert f"error[{code}" in done.err, done.err
    assert "Traceback" not in done.err
    assert "E799" not in done.err, done.err
    assert says in done.err


def test_a_missing_file(cli: Any) -> None:
    refused(cli("show", "none.cnn"), "E5", "none.cnn")
    refused(cli("check", "none.cnn"), "E5", "none.cnn")


def test_a_folder_as_a_model(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "folder.cnn").mkdir()
    refused(cli("show", "folder.cnn"), "E5", "folder")


def test_an_unknown_name_tells_those_there_are(cli: Any) -> None:
    refused(cli("show", "lenet"), "E5", "lenet5")


def test_a_model_that_is_not_in_the_file_tells_those_that_are(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "two.cnn").write_text(TINY + TINY.replace("tiny", "small"))
    refused(cli("show", "two.cnn:tidy"), "E", "tiny", "small")
    refused(cli("show", "two.cnn"), "E", "tiny", "small")


def test_arguments_that_do_not_fit(cli: Any) -> None:
    refused(cli("show", LENET, "clases=3"), "E", "classes")
    refused(cli("show", LENET, "classes=many"), "E")
    refused(cli("show", LENET, "classes=0"), "E3")
    refused(cli("show", LENET, "train.epochs=3"), "E770")
    refused(cli("show", LENET, "26"), "E770", "key=value")


ASKED = """
import json, sys
from cnndsl.cli.main import main
for words in json.loads(sys.argv[1]):
    sys.argv[1:] = words
    try:
        main()
    except SystemExit as e:
        print("code", e.code, file=sys.stderr, flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no FIFOs here")
def test_a_fifo_is_never_waited_for(tmp_path: Path) -> None:
    """In a process of its own, which can be ended where it waits."""
    for name in ("pipe.cnn", "pipe.png", "pipe.npy", "pipe.safetensors", "pipe.npz"):
        os.mkfifo(tmp_path / name)
    Image.new("L", (28, 28)).save(tmp_path / "one.png")
    commands = [
        ("show", "pipe.cnn"),
        ("run", "lenet5", "pipe.png"),
        ("run", "lenet5", "pipe.npy"),
        ("run", "lenet5", "-w", "pipe.safetensors", "one.png"),
        ("eval", "lenet5", "--data", "pipe.npz"),
    ]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", ASKED, json.dumps(commands)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=20, check=False)
    said = done.stderr.split("code 1\n")
    assert (done.returncode, len(said), said[-1]) == (0, len(commands) + 1, ""), done.stderr
    for words, each in zip(commands, said, strict=False):
        assert each.count("error[") == 1, (words, each)


# Recipes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("train.epochs=-1",), "epochs"),
        (("train.epochs=two",), "epochs"),
        (("train.epoch=2",), "epochs"),
        (("train.batch=0",), "batch"),
        (("train.batch=100000",), "batch"),
        (("train.optimizer=sgdd(rate = 1)",), "sgd"),
        (("train.schedule=cosinus",), "cosine"),
        (("--data", "no/such/place"), "no/such/place"),
        (("--recipe", "x30"), "x30"),
        (("--resume",), "resume"),
    ],
)
def test_recipes(cli: Any, words: tuple[str, ...], says: str) -> None:
    done = cli("train", "lenet5", *words)
    refused(done, "E", says)
    assert not list(Path("runs").glob("*/*/checkpoints/*"))


# Weights ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "one.png"
    Image.new("L", (28, 28), 255).save(path)
    return path


def stored(**arrays: np.ndarray[Any, Any]) -> bytes:
    """A safetensors file, written by hand."""
    header, body = {}, b""
    for name, array in arrays.items():
        data = array.tobytes()
        header[name.replace("__", ".")] = {
            "dtype": {"float32": "F32", "float64": "F64"}[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [len(body), len(body) + len(data)],
        }
        body += data
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def tiny_weights(**changed: Any) -> dict[str, Any]:
    whole = {"logits__weight": np.zeros((64, 10), np.float32), "logits__bias": np.zeros(10, np.float32)}
    return {name: array for name, array in (whole | changed).items() if array is not None}


WEIGHTS: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "text": lambda: b"these are no weights",
    "a header that lies about its length": lambda: struct.pack("<Q", 1 << 60) + b"{}",
    "a header that is no JSON": lambda: struct.pack("<Q", 8) + b"{{{{{{{{",
    "truncated": lambda: stored(**tiny_weights())[:-100],
    "one missing": lambda: stored(**tiny_weights(logits__bias=None)),
    "one left over": lambda: stored(**tiny_weights(extra=np.zeros(3, np.float32))),
    "another shape": lambda: stored(**tiny_weights(logits__bias=np.zeros(11, np.float32))),
    "NaN": lambda: stored(**tiny_weights(logits__bias=np.full(10, np.nan, np.float32))),
    "offsets beyond the end": lambda: stored(**tiny_weights()).replace(b"[0, 2560]", b"[0, 9560]"),
}


@pytest.mark.parametrize("case", WEIGHTS)
def test_weights(cli: Any, tmp_path: Path, picture: Path, case: str) -> None:
    (tmp_path / "tiny.cnn").write_text(TINY + "preprocess { images = grey -> resize(8x8) }\n")
    (tmp_path / "w.safetensors").write_bytes(WEIGHTS[case]())
    refused(cli("run", "tiny.cnn", picture, "--weights", "w.safetensors"), "E5")


def test_good_weights_of_the_same_kind_pass(cli: Any, tmp_path: Path, picture: Path) -> None:
    (tmp_path / "tiny.cnn").write_text(TINY + "preprocess { images = grey -> resize(8x8) }\n")
    (tmp_path / "w.safetensors").write_bytes(stored(**tiny_weights()))
    done = cli("run", "tiny.cnn", picture, "--weights", "w.safetensors")
    assert done.code == 0, done.err
    assert "10.00 %" in done.out


def test_no_weights_at_all(cli: Any, tmp_path: Path, picture: Path) -> None:
    (tmp_path / "tiny.cnn").write_text(TINY)
    refused(cli("run", "tiny.cnn", picture), "E771", "help: name a file: --weights w.safetensors\n")
    refused(cli("run", "hourglass", picture), "E771", "help: name a file: --weights w.safetensors\n")
    (tmp_path / "tiny.cnn").write_text(TINY + "train { data = digits; loss = cross_entropy(logits) }\n")
    refused(cli("run", "tiny.cnn", picture), "E771", "train it first: cnndsl train tiny.cnn; or name a file")
    refused(cli("export", "tiny.cnn"), "E771", "; or write initial ones: --seed 1\n")
    refused(cli("run", "lenet5", picture, "-w", "none.safetensors"), "E5", "none.safetensors")
    refused(cli("run", "lenet5", picture, "-w", tmp_path), "E5")


# Pictures -----------------------------------------------------------------------------------------------------------


def bomb() -> bytes:
    """A PNG of 60,000 × 60,000 pixels in a few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 100_000)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("text.png", b"no picture"),
        ("empty.jpg", b""),
        ("bomb.png", bomb()),
        ("cut.png", bomb()[:40]),
        ("text.npy", b"no array"),
        (
            "objects.npy",
            b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(128) + b"cos\nsystem\n",
        ),
    ],
)
def test_pictures_that_are_none(cli: Any, tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    began = time.perf_counter()
    refused(cli("run", "lenet5", name), "E70", name)
    assert time.perf_counter() - began < 2


def test_pictures_that_are_missing(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    refused(cli("run", "lenet5", "none.png"), "E703", "none.png")
    refused(cli("run", "lenet5", "none.npy"), "E70", "none.npy")
    refused(cli("run", "lenet5", "folder"), "E703", "folder")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
@pytest.mark.parametrize("size", [(1, 1), (28, 28), (300, 200)])
def test_odd_pictures_are_read(cli: Any, tmp_path: Path, mode: str, size: tuple[int, int]) -> None:
    path = tmp_path / ("a.tif" if mode in ("CMYK", "I;16") else "a.png")
    Image.new(mode, size).save(path)
    done = cli("run", "lenet5", path)
    assert done.code == 0, done.err


def test_a_bad_picture_among_good_ones_loses_nothing(cli: Any, tmp_path: Path, picture: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    done = cli("run", "lenet5", picture, "bad.png", picture)
    refused(done, "E703", "bad.png")
    assert done.out.count("one.png") == 2


# Data ---------------------------------------------------------------------------------------------------------------


def test_data_that_does_not_fit(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    refused(cli("eval", "lenet5", "--data", "none"), "E70")
    images = np.zeros((20, 28, 28, 1), np.uint8)
    np.savez(tmp_path / "many.npz", images=images, labels=np.arange(20))
    refused(cli("eval", "lenet5", "--data", "many.npz"), "E705", "20 classes")
    refused(cli("train", "lenet5", "--data", "many.npz"), "E705")
    np.savez(tmp_path / "negative.npz", images=images, labels=np.arange(20) - 3)
    refused(cli("eval", "lenet5", "--data", "negative.npz"), "E705")
    np.savez(tmp_path / "unlabelled.npz", images=images)
    refused(cli("eval", "lenet5", "--data", "unlabelled.npz"), "E702", "labels")


def test_amounts_of_memory_are_told_in_units_that_fit(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "tiny.cnn").write_text(TINY)
    refused(cli("compile", "tiny.cnn", "--max-memory", "1KB"), "E605", "KB more than the 1.0 KB it may have")
    refused(cli("compile", "tiny.cnn", "--max-memory", "700"), "E605", "KB at the least", "more than the 700 B it may have")
    assert [size(n) for n in (0, 999, 1000, 12_340, 4_000_000, 1_520_000_000)] == [
        "0 B", "999 B", "1.0 KB", "12.3 KB", "4.0 MB", "1.52 GB",
    ]  # fmt: skip
