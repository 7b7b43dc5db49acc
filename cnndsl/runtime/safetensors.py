"""Weights on disk: safetensors, read and written by these few lines.

A file is 8 bytes (the header's length, little-endian), a JSON header name → {dtype, shape, data_offsets}, then the
numbers. A file is a stranger's data: every length is checked against the file's size before anything is allocated.
Format: github.com/huggingface/safetensors, README, "Format".
"""

from __future__ import annotations

import itertools
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.errors import CnnError, error

Array = NDArray[Any]

DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1",
}  # fmt: skip
READ = {**DTYPES, "BF16": "<u2"}
LARGEST_HEADER = 100_000_000


def read_weights(path: str | os.PathLike[str]) -> dict[str, Array]:
    """name → array, each a writable copy. Raises E501 (cannot be read), E502 (not a whole, honest safetensors file)."""
    shown = os.fspath(path)
    try:
        if not os.path.isfile(shown):
            raise error("E501", f"{shown} is {'a folder' if os.path.isdir(shown) else 'not a file'}, not a weight file"
                        if os.path.exists(shown) else f"there is no weight file {shown}")  # fmt: skip
        with open(shown, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            entries, start = _header(file, size, shown)
            return {name: _tensor(file, entry, start, size, shown, name) for name, entry in entries.items()}
    except OSError as e:
        raise error("E501", f"{shown} cannot be read: {e.strerror or e}") from None


def _header(file: Any, size: int, shown: str) -> tuple[dict[str, Any], int]:
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > min(size - 8, LARGEST_HEADER):
        raise _bad(shown, "it is not a safetensors file, or it is cut short")
    try:
        header = json.loads(file.read(length).decode("utf-8"))
    except (ValueError, RecursionError):
        raise _bad(shown, "its header is not JSON") from None
    if not isinstance(header, dict):
        raise _bad(shown, "its header is not a JSON object")
    header.pop("__metadata__", None)
    spans = []
    for name, entry in header.items():
        spans.append((*_span(entry, shown, name, size - 8 - length), name))
    spans.sort()
    for (_, end, a), (begin, _, b) in itertools.pairwise(spans):
        if begin < end:
            raise _bad(shown, f"the numbers of {a} and {b} overlap")
    return header, 8 + length


def _span(entry: Any, shown: str, name: str, room: int) -> tuple[int, int]:
    """The stretch of bytes that an entry claims, after every check on it."""
    try:
        dtype, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
        whole = all(isinstance(x, int) and not isinstance(x, bool) and x >= 0 for x in (*shape, begin, end))
    except (TypeError, KeyError, ValueError):
        whole = False
    if not whole:
        raise _bad(shown, f"its entry for {name} is broken")
    if not isinstance(dtype, str) or dtype not in READ:
        raise _bad(shown, f"{name} has element type {dtype}, which is not supported")
    if (
        len(shape) > 32
        or max(shape, default=0) >= 2**40
        or not begin <= end <= room
        or math.prod(shape) * np.dtype(READ[dtype]).itemsize != end - begin
    ):
        raise _bad(shown, f"the numbers of {name} do not lie where its header says; the file may be cut short")
    return begin, end


def _tensor(file: Any, entry: Any, start: int, size: int, shown: str, name: str) -> Array:
    begin, _ = entry["data_offsets"]
    array = np.empty(entry["shape"], READ[entry["dtype"]])
    file.seek(start + begin)
    if array.nbytes and file.readinto(array.reshape(-1).view(np.uint8).data) != array.nbytes:
        raise _bad(shown, f"{name} is cut short")
    if entry["dtype"] == "BF16":  # the upper half of a float32
        return (array.astype("<u4") << 16).view("<f4")
    return array


def _bad(shown: str, why: str) -> CnnError:
    return error("E502", f"{shown}: {why}")


def write_weights(path: str | os.PathLike[str], weights: Mapping[str, Any], metadata: Mapping[str, str] | None = None) -> None:
    """Write name → array. The file appears whole or not at all: written aside, synced, renamed. Raises OSError."""
    codes = {np.dtype(text).newbyteorder("="): code for code, text in DTYPES.items()}
    arrays = {name: np.ascontiguousarray(x).reshape(np.shape(x)) for name, x in sorted(weights.items())}
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    offset = 0
    for name, x in arrays.items():
        code = codes.get(x.dtype.newbyteorder("="))
        if code is None:
            raise error("E503", f"{name} has element type {x.dtype}, which safetensors does not know")
        header[name] = {"dtype": code, "shape": list(x.shape), "data_offsets": [offset, offset + x.nbytes]}
        offset += x.nbytes
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    target = Path(path)
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with open(aside, "wb") as file:
            file.write(len(text).to_bytes(8, "little"))
            file.write(text)
            for x in arrays.values():
                file.write(x.astype(x.dtype.newbyteorder("<"), copy=False).tobytes())
            file.flush()
            os.fsync(file.fileno())
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)
