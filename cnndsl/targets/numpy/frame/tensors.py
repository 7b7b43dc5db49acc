"""Reading safetensors: one text, which the library runs and every emitted module carries.

A file is 8 bytes (the header's length, little-endian), a JSON header name → {dtype, shape, data_offsets}, and
the numbers. It is a stranger's data: every length is checked against the file's size before anything is
allocated.
Format: github.com/huggingface/safetensors, README, "Format".
"""

from __future__ import annotations

import itertools
import json
import math
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# The element types of the format, as NumPy calls them.
KINDS = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "BOOL": "|b1", "I64": "<i8", "I32": "<i4",
    "I16": "<i2", "I8": "|i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1",
}  # fmt: skip
LARGEST_HEADER = 100_000_000  # bytes


def read_tensors(path: str) -> dict[str, Array]:
    """The arrays of a safetensors file by name, copies. Raises OSError; ValueError if it is not honest."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, LARGEST_HEADER):
            raise ValueError(f"{path}: it is not a safetensors file, or it is cut short")
        try:
            header = json.loads(file.read(length).decode("utf-8"))
        except (ValueError, RecursionError):
            raise ValueError(f"{path}: its header is not JSON") from None
        if not isinstance(header, dict):
            raise ValueError(f"{path}: its header is not a JSON object")
        header.pop("__metadata__", None)
        spans = sorted(
            (*tensor_span(path, name, entry, size - 8 - length), name) for name, entry in header.items()
        )
        for (_, end, a), (begin, _, b) in itertools.pairwise(spans):
            if begin < end:
                raise ValueError(f"{path}: the numbers of {a} and {b} overlap")
        found = {}
        for begin, end, name in spans:
            kind = header[name]["dtype"]
            array = np.empty(header[name]["shape"], KINDS[kind])
            file.seek(8 + length + begin)
            if end > begin and file.readinto(array.reshape(-1).view(np.uint8).data) != end - begin:
                raise ValueError(f"{path}: {name} is cut short")
            # bfloat16 is the upper half of a float32
            found[name] = (array.astype("<u4") << 16).view("<f4") if kind == "BF16" else array
    return {name: found[name] for name in header}


def tensor_span(path: str, name: str, entry: Any, room: int) -> tuple[int, int]:
    """The stretch of bytes that an entry of the header claims, after every check on it."""
    try:
        kind, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
        whole = all(type(x) is int and x >= 0 for x in (*shape, begin, end))
    except (TypeError, KeyError, ValueError):
        whole = False
    if not whole:
        raise ValueError(f"{path}: its entry for {name} is broken")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"{path}: {name} has element type {kind}, which is not supported")
    small = len(shape) <= 32 and max(shape, default=0) < 2**40 and begin <= end <= room
    if not small or math.prod(shape) * np.dtype(KINDS[kind]).itemsize != end - begin:
        raise ValueError(
            f"{path}: the numbers of {name} do not lie where its header says; the file may be cut short"
        )
    return begin, end
