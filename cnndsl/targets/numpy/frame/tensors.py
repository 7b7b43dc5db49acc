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
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# The element types of the format, as NumPy calls them.
KINDS = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "BOOL": "|b1", "I64": "<i8", "I32": "<i4",
    "I16": "<i2", "I8": "|i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1",
}  # fmt: skip
LARGEST_HEADER = 16_000_000  # bytes: some hundred thousand arrays; Python takes 20 times that to read it


class Tensors(Mapping[str, Array]):
    """The arrays of a safetensors file by name, each read when it is asked for, as a copy.

    spans: of each its first and last byte in the file. Raises OSError; ValueError if the file is not
    honest, or has changed since it was opened.
    """

    READS = True

    def __init__(self, path: str) -> None:
        self.path = path
        with open(path, "rb") as file:
            self.version = self.version_of(file)
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
        self.notes = header.pop("__metadata__", None)
        self.header = header
        self.spans = {name: tensor_span(path, name, e, size - 8 - length) for name, e in header.items()}
        self.first = 8 + length
        ordered = sorted((*span, name) for name, span in self.spans.items())
        for (_, end, a), (begin, _, b) in itertools.pairwise(ordered):
            if begin < end:
                raise ValueError(f"{path}: the numbers of {a} and {b} overlap")

    @staticmethod
    def version_of(file: Any) -> tuple[int, ...]:
        """What tells one state of a file from another."""
        found = os.fstat(file.fileno())
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns

    def __getitem__(self, name: str) -> Array:
        (begin, end), kind = self.spans[name], self.header[name]["dtype"]
        array = np.empty(self.shape(name), KINDS[kind])
        with open(self.path, "rb") as file:
            if self.version_of(file) != self.version:
                raise ValueError(f"{self.path}: it changed while it was read")
            file.seek(self.first + begin)
            if end > begin and file.readinto(array.reshape(-1).view(np.uint8).data) != end - begin:
                raise ValueError(f"{self.path}: {name} is cut short")
        # bfloat16 is the upper half of a float32
        return (array.astype("<u4") << 16).view("<f4") if kind == "BF16" else array

    def __contains__(self, name: object) -> bool:
        return name in self.header

    def __iter__(self) -> Iterator[str]:
        return iter(self.header)

    def __len__(self) -> int:
        return len(self.header)

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self.header[name]["shape"])


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


def class_names(path: str, count: int) -> list[str]:
    """The classes as a file of weights names them, else their numbers."""
    notes = Tensors(path).notes
    try:
        names = json.loads(notes["classes"])
        if len(names) == count and all(isinstance(x, str) for x in names):
            return ["".join(c if c.isprintable() else "?" for c in x) for x in names]
    except (KeyError, TypeError, ValueError, RecursionError):
        pass
    return [str(n) for n in range(count)]
