"""Pictures: every kind that people have, and files that are none."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnndsl.data.images import check_picture, read_picture
from cnndsl.errors import CnnError

RGB = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], np.uint8)


def test_colour_and_grey(tmp_path: Path) -> None:
    Image.fromarray(RGB).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png"), RGB)
    Image.fromarray(RGB[..., 0]).save(tmp_path / "b.png")
    np.testing.assert_array_equal(read_picture(str(tmp_path / "b.png")), RGB[..., :1])
    Image.fromarray(RGB).save(tmp_path / "c.jpg")
    assert read_picture(tmp_path / "c.jpg").shape == (2, 2, 3)
    Image.fromarray(RGB).convert("P").save(tmp_path / "d.gif")
    assert read_picture(tmp_path / "d.gif").shape == (2, 2, 3)
    Image.fromarray(RGB[..., 0]).convert("1").save(tmp_path / "e.png")
    assert read_picture(tmp_path / "e.png").shape == (2, 2, 1)


def test_cmyk(tmp_path: Path) -> None:
    Image.fromarray(RGB).convert("CMYK").save(tmp_path / "a.tif")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tif"), RGB)


def test_transparent_lies_over_white(tmp_path: Path) -> None:
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[0, 0] = [255, 0, 0, 255]
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = read_picture(tmp_path / "a.png")
    assert found[0, 0].tolist() == [255, 0, 0]
    assert found[1, 1].tolist() == [255, 255, 255]
    Image.fromarray(pixels[..., 2:]).save(tmp_path / "b.png")
    assert read_picture(tmp_path / "b.png")[1, 1].tolist() == [255, 255, 255]


def test_sixteen_bits(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 32768], [65535, 1]], np.uint16)).save(tmp_path / "a.png")
    found = read_picture(tmp_path / "a.png")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.ravel(), [0, 32768 / 65535, 1, 1 / 65535], rtol=1e-5)


def test_one_pixel(tmp_path: Path) -> None:
    Image.new("L", (1, 1), 7).save(tmp_path / "a.png")
    assert read_picture(tmp_path / "a.png").tolist() == [[[7]]]


def test_turned_by_exif(tmp_path: Path) -> None:
    image = Image.fromarray(np.zeros((2, 5, 3), np.uint8))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.jpg", exif=exif)
    assert read_picture(tmp_path / "a.jpg").shape == (5, 2, 3)


def png(width: int, height: int, data: bytes) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(30_000, 30_000), (10_000, 10_000), (2**31 - 1, 2**31 - 1)])
def test_decompression_bomb(tmp_path: Path, size: tuple[int, int]) -> None:
    (tmp_path / "a.png").write_bytes(png(*size, b"\0" * 1000))
    for look in (read_picture, check_picture):
        with pytest.raises(CnnError, match=r"a\.png") as e:
            look(tmp_path / "a.png")
        assert e.value.code in ("E704", "E703")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"\x89PNG\r\n\x1a\n",
        png(4, 4, b"\0" * 20)[:40],
        b"GIF89a",
        b"BM" + b"\xff" * 60,
        b"\xff\xd8\xff\xe0",
        b"II*\0" + b"\xff" * 90,
    ],
)
def test_no_picture(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(CnnError, match=r"a\.png") as e:
        read_picture(tmp_path / "a.png")
    assert e.value.code == "E703"


def test_truncated_pixels(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(64, 64, b"\0" * 100))
    with pytest.raises(CnnError, match=r"a\.png"):
        read_picture(tmp_path / "a.png")


def test_not_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    for path, says in ((tmp_path, "not a file"), (tmp_path / "b.png", "no picture"), (tmp_path / "pipe.png", "not a file")):
        with pytest.raises(CnnError, match=says):
            read_picture(path)
