"""What a file is that is no text, by its first bytes: `check photo.png` says what was given, not which byte is wrong."""

from __future__ import annotations

_PICTURE = "a model comes before its pictures: cnndsl run MODEL {name}"
_WEIGHTS = "weights are given to a model: cnndsl run MODEL PICTURE --weights {name}"
_TORCH = "weights are read from safetensors files"
_DATA = "data are given to a model: cnndsl train MODEL --data {name}"
_ARRAY = "a model comes before its images: cnndsl run MODEL {name}"
_TEXT = "save it as UTF-8"
_NONE = "a model is a .cnn file, or a bundled name: cnndsl models lists those"

_BEGINNINGS: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "a PNG picture", _PICTURE),
    (0, b"\xff\xd8\xff", "a JPEG picture", _PICTURE),
    (0, b"GIF8", "a GIF picture", _PICTURE),
    (8, b"WEBP", "a WebP picture", _PICTURE),
    (0, b"II*\0", "a TIFF picture", _PICTURE),
    (0, b"MM\0*", "a TIFF picture", _PICTURE),
    (4, b"ftypheic", "a HEIC picture", _PICTURE),
    (4, b"ftypavif", "an AVIF picture", _PICTURE),
    (0, b"\x93NUMPY", "a NumPy array", _ARRAY),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file", _NONE),
    (0, b"%PDF-", "a PDF document", _NONE),
    (0, b"\x7fELF", "a program", _NONE),
    (0, b"MZ\x90\0", "a program", _NONE),
    (0, b"\xcf\xfa\xed\xfe", "a program", _NONE),
    (0, b"\xca\xfe\xba\xbe", "a program", _NONE),
    (0, b"\x1f\x8b", "a gzip archive", _NONE),
    (0, b"BZh", "a bzip2 archive", _NONE),
    (0, b"\xfd7zXZ\0", "an xz archive", _NONE),
    (0, b"7z\xbc\xaf'\x1c", "a 7z archive", _NONE),
    (0, b"Rar!\x1a\x07", "a RAR archive", _NONE),
    (257, b"ustar", "a tar archive", _NONE),
    (0, b"SQLite format 3\0", "an SQLite database", _NONE),
    (0, b"\xff\xfe", "text in UTF-16", _TEXT),
    (0, b"\xfe\xff", "text in UTF-16", _TEXT),
)  # fmt: skip
"""(where, bytes, what it is, the mend)."""


def other_kind(data: bytes, name: str) -> tuple[str, str] | None:
    """What a file with these bytes is, and what to do with it; None where it may be a text."""
    if data.startswith(b"PK\x03\x04"):
        first = data[30 : 30 + int.from_bytes(data[26:28], "little")]
        if first.endswith(b".npy"):
            return "an archive of NumPy arrays", _DATA.format(name=name)
        return ("a PyTorch file", _TORCH) if first.endswith(b"/data.pkl") else ("a zip archive", _NONE)
    if (
        len(data) > 9
        and data[:1] == b"\x80"
        and data[1] in range(2, 6)
        and data[2:3] in (b"c", b"}", b"]", b"(", b"\x95", b"\x8a")
    ):
        return "a Python pickle", _TORCH
    if data[4:9] == b"\0\0\0\0{":
        return "a safetensors file", _WEIGHTS.format(name=name)
    for at, wanted, what, help in _BEGINNINGS:
        if data.startswith(wanted, at):
            return what, help.format(name=name)
    return None
