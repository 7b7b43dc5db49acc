"""Small files that would take much: each is refused with one sentence, before it takes anything."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnndsl.data import arrays, datasets, images
from cnndsl.data.records import Dataset, Part, by_class
from cnndsl.errors import CnnError


def refused(path: Path, text: str, code: str) -> None:
    with pytest.raises(CnnError, match=text) as caught:
        datasets.open(path)
    assert caught.value.code == code


def member(kind: bytes, content: bytes = b"", name: str = "a") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(content)
    return info.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % 512)


def record(key: str, value: str) -> bytes:
    """A line of a pax header, which begins with its own length."""
    rest = f" {key}={value}\n"
    length = len(rest) + 1
    while len(f"{length}{rest}") != length:
        length += 1
    return f"{length}{rest}".encode()


@pytest.mark.parametrize(
    "data",
    [
        member(tarfile.GNUTYPE_SPARSE)[:512],
        member(tarfile.XHDTYPE, record("GNU.sparse.major", "1") + record("GNU.sparse.minor", "0")) + member(b"0", b"9" * 512),
    ],
    ids=["old", "pax"],
)
def test_a_tar_of_files_with_holes(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(data + bytes(10240))
    refused(path, "a file with holes", "E702")


def test_a_tar_with_a_long_header_for_all(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(member(tarfile.XGLTYPE, record("comment", "x" * 9000)) + bytes(10240))
    refused(path, "a header of 9,0", "E702")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_that_names_an_array_twice(tmp_path: Path) -> None:
    packed = io.BytesIO()
    np.save(packed, np.zeros((2, 4, 4, 1), np.uint8))
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for _ in range(3):
            archive.writestr("images.npy", packed.getvalue())
    refused(tmp_path / "a.npz", "two members named images", "E702")


def test_numbers_without_bytes(tmp_path: Path) -> None:
    text = "{'descr': '|V0', 'fortran_order': False, 'shape': (1000000000000000000000000000000,), }"
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode())
    with pytest.raises(CnnError, match="have no bytes") as caught:
        arrays.read_npy(tmp_path / "a.npy")
    assert caught.value.code == "E702"


def test_names_of_classes_that_are_no_text(tmp_path: Path) -> None:
    names = np.frombuffer(b"\xff\xff\xff\xff" * 2, "<U1")
    np.savez(tmp_path / "a.npz", images=np.zeros((4, 4, 4, 1), np.uint8), labels=np.arange(4) % 2, classes=names)
    refused(tmp_path / "a.npz", "names of the classes are no text", "E705")


def test_classes_without_images_cost_nothing() -> None:
    """One pass over the labels, not one for each of a million classes."""
    labels = np.full(200_000, 999_999, np.int32)
    part = Part(np.zeros((len(labels), 1, 1, 1), np.uint8), labels)
    found = datasets.split(Dataset("many", tuple(map(str, range(1_000_000))), part))
    assert found.test is not None
    assert (len(found.train), len(found.test)) == (160_000, 40_000)


def test_by_class() -> None:
    labels = np.random.default_rng(0).integers(0, 7, 100)
    order, place, count = by_class(labels)
    for label in range(7):
        mine = labels[order] == label
        assert order[mine].tolist() == np.flatnonzero(labels == label).tolist()
        assert place[mine].tolist() == list(range(mine.sum()))
        assert (count[mine] == mine.sum()).all()


@pytest.mark.parametrize("form", ["EPS", "ICO"])
def test_a_picture_of_another_kind_under_a_pictures_name(tmp_path: Path, form: str) -> None:
    """Pillow would run Ghostscript for the one, and unpack the other when it opens it."""
    path = tmp_path / "a.png"
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(path, format=form)
    with pytest.raises(CnnError, match="not a picture that can be read") as caught:
        images.read_picture(path)
    assert caught.value.code == "E703"


def test_a_jpeg_of_many_scans(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(path, progressive=True)
    assert images.read_picture(path).shape == (64, 64, 3)
    data = path.read_bytes()
    at = data.index(b"\xff\xda")
    path.write_bytes(data[:at] + data[at:].replace(b"\xff\xd9", b"") * 100 + b"\xff\xd9")
    with pytest.raises(CnnError, match="more than 100 scans") as caught:
        images.read_picture(path)
    assert caught.value.code == "E704"
