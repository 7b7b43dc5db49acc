"""Bounds before memory: what a file of arrays promises is held against limits, its own size and this machine's memory."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cnndsl.data import arrays, room
from cnndsl.data.arrays import read_npy, read_npz
from cnndsl.data.idx import read_idx_file
from cnndsl.errors import CnnError

MB = 1 << 20


def npy(array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def promising(shape: str, content: bytes = b"", version: int = 1, length: int | None = None) -> bytes:
    """An `.npy` file whose header promises that shape of bytes. length: what it says of its header's length."""
    head = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    size = struct.pack("<H" if version == 1 else "<I", len(head) if length is None else length)
    return b"\x93NUMPY" + bytes([version, 0]) + size + head + content


def npz(path: Path, packing: int = zipfile.ZIP_DEFLATED, **files: bytes) -> Path:
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, content in files.items():
            archive.writestr(f"{name}.npy", content)
    return path


def refused(read: Callable[[Path], object], path: Path) -> tuple[str, str]:
    """(code, message), with next to no memory taken on the way."""
    tracemalloc.start()
    try:
        with pytest.raises(CnnError) as caught:
            read(path)
        assert tracemalloc.get_traced_memory()[1] < 8 * MB
    finally:
        tracemalloc.stop()
    return caught.value.code, caught.value.diagnostics[0].message.replace(f"{path.parent}/", "")


EIGHT = "(8589934593,)"


def test_a_header_that_promises_more_than_is_ever_read(tmp_path: Path) -> None:
    told = ("E704", "x.npz, images: 8,589,934,593 bytes; at most 8,589,934,592 are read")
    assert refused(read_npz, npz(tmp_path / "x.npz", images=promising(EIGHT))) == told
    (tmp_path / "x.npy").write_bytes(promising(EIGHT))
    assert refused(read_npy, tmp_path / "x.npy") == ("E704", told[1].replace("x.npz, images", "x.npy"))


def test_a_header_that_promises_more_than_the_file_can_hold(tmp_path: Path) -> None:
    code, said = refused(read_npz, npz(tmp_path / "x.npz", images=promising("(500000000,)", bytes(1000))))
    assert (code, said.partition(",")[0]) == ("E702", "x.npz cannot be read: its header promises 500")


def test_a_directory_that_lies_about_the_size(tmp_path: Path) -> None:
    """The list of members says 500 MB, the bytes packed there can never become so many."""
    path = npz(tmp_path / "x.npz", images=promising("(500000000,)", bytes(1000)))
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", 500_000_200)
    path.write_bytes(data)
    assert refused(read_npz, path)[0] == "E702"


def test_a_small_file_that_unpacks_to_more_than_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = npz(tmp_path / "x.npz", images=promising("(64000000,)", bytes(64_000_000)))
    assert path.stat().st_size < 100_000
    monkeypatch.setattr(room, "memory", lambda: 50_000_000)
    assert refused(read_npz, path) == ("E704", "x.npz, images: 64,000,000 bytes; this machine has 50,000,000 free")


def test_arrays_that_are_too_large_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = npy(np.zeros((1, 4, 4, 1), np.uint8))
    path = npz(tmp_path / "x.npz", images=whole, labels=npy(np.zeros(1, np.uint8)), test_images=whole)
    monkeypatch.setattr(room, "LARGEST", 32)
    assert refused(read_npz, path) == ("E704", "x.npz, test_images: 33 bytes; at most 32 are read")
    monkeypatch.setattr(room, "LARGEST", 33)
    with pytest.raises(CnnError, match=r"E702|E705|E706") as caught:  # it is read, and is no whole data set
        read_npz(npz(path, images=whole, test_images=whole))
    assert "no array named labels" in str(caught.value)


@pytest.mark.parametrize("length", [10_001, 2**32 - 1])
def test_a_header_that_says_it_is_long(tmp_path: Path, length: int) -> None:
    """NumPy reads the whole header before it asks how long it is; packed, gigabytes of it take no room in a file."""
    path = npz(tmp_path / "x.npz", images=promising("(4,)", bytes(64_000_000), 2, length))
    assert refused(read_npz, path) == ("E702", f"x.npz cannot be read: its header has {length:,} bytes")


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_numpy_never_packs(tmp_path: Path, packing: int) -> None:
    path = npz(tmp_path / "x.npz", packing, images=promising("(64000000,)", bytes(64_000_000)))
    assert refused(read_npz, path) == ("E702", "x.npz cannot be read: images is packed in another way than NumPy's")


def test_a_list_of_very_many_members(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        for k in range(16_000):
            archive.writestr(f"a{k:020}", b"")
    with pytest.raises(CnnError, match="a list of members of more than 1,048,576 bytes is not read"):
        read_npz(tmp_path / "x.npz")


def test_shapes_that_are_no_numbers(tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_bytes(promising("(True, 4, 4)", bytes(16)))
    assert refused(read_npy, tmp_path / "x.npy")[0] == "E702"


def test_names_of_very_many_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "MOST_CLASSES", 10)
    given = {"images": np.zeros((1, 4, 4, 1), np.uint8), "labels": np.zeros(1, np.uint8), "classes": np.zeros(11, np.uint8)}
    path = npz(tmp_path / "x.npz", **{name: npy(x) for name, x in given.items()})
    assert refused(read_npz, path) == ("E705", "x.npz: 11 names of classes; at most 10 are read")


def test_idx_files_are_held_to_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(bytes([0, 0, 8, 3]) + struct.pack(">3I", 100, 10, 10) + bytes(10_000))
    assert read_idx_file(path).shape == (100, 10, 10)
    monkeypatch.setattr(room, "memory", lambda: 9_999)
    told = ("E704", "train-images-idx3-ubyte: 10,000 bytes; this machine has 9,999 free")
    assert refused(read_idx_file, path) == told


def test_what_is_packed_is_read_whole(tmp_path: Path) -> None:
    """Over several pieces, in both orders of memory, and with a checksum that is looked at."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, 700, 600, 3)).astype(np.uint8)
    for given in (images, np.asfortranarray(images)):
        path = npz(tmp_path / "x.npz", images=npy(given), labels=npy(np.arange(3)))
        assert np.array_equal(read_npz(path).train.images, images)
    data = bytearray(path.read_bytes())
    data[MB] ^= 1
    path.write_bytes(data)
    assert refused_code(path) == "E702"


def refused_code(path: Path) -> str:
    with pytest.raises(CnnError) as caught:
        read_npz(path)
    return caught.value.code


def test_memory_is_told_by_the_system() -> None:
    assert 16 * MB < room.memory() < 1 << 50
