"""MNIST's idx files, plain or gzipped, in one folder.

A file is 0, 0, type (8: uint8), rank, then the sizes as big-endian uint32, then the numbers. Images are rank 3 (or 4,
channels last), labels rank 1. The names are those of the MNIST pages: `train-images-idx3-ubyte` (also with `.idx3`
in place of `-idx3`), `t10k-…` for the test part.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.data.links import file_of
from cnndsl.data.records import Dataset, Part, check_labels
from cnndsl.data.room import PACKED, check_room
from cnndsl.errors import error


def read_idx(folder: Path) -> Dataset | None:
    """The data set of the idx files in `folder`; None where there are none. Raises E702, E704, E705."""
    train = _pair(folder, "train")
    test = _pair(folder, "t10k") or _pair(folder, "test")
    if train is None:
        return None
    count = 1 + max(int(part.max()) for _, part in (train, test or train))
    classes = tuple(map(str, range(count)))

    def part(pair: tuple[NDArray[Any], NDArray[Any]]) -> Part:
        return Part(pair[0], check_labels(pair[1], count, str(folder)))

    return Dataset(folder.resolve().name, classes, part(train), part(test) if test else None)


def _pair(folder: Path, stem: str) -> tuple[NDArray[Any], NDArray[Any]] | None:
    images = _find(folder, f"{stem}-images", "idx3") or _find(folder, f"{stem}-images", "idx4")
    labels = _find(folder, f"{stem}-labels", "idx1")
    if images is None and labels is None:
        return None
    if images is None or labels is None:
        raise error("E702", f"{folder}: there are {stem} {'labels' if images is None else 'images'} but no {stem} "
                    f"{'images' if images is None else 'labels'}")  # fmt: skip
    x, y = read_idx_file(images), read_idx_file(labels)
    if x.ndim not in (3, 4) or y.ndim != 1 or len(x) != len(y) or not len(y):
        raise error("E702", f"{images} of shape {x.shape} and {labels.name} of shape {y.shape} do not belong together")
    return (x[..., None] if x.ndim == 3 else x), y


def _find(folder: Path, stem: str, kind: str) -> Path | None:
    for joint in ("-", "."):
        for end in ("", ".gz"):
            path = file_of(folder, f"{stem}{joint}{kind}-ubyte{end}")
            if path is not None:
                return path
    return None


def read_idx_file(path: Path) -> NDArray[Any]:
    """The uint8 array of one idx file. Raises E702, E704."""
    try:
        with path.open("rb") as probe:
            packed = probe.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as f:
            head = f.read(4)
            if len(head) < 4 or head[:3] != b"\0\0\x08" or not 1 <= head[3] <= 4:
                raise ValueError("it does not begin as an idx file of bytes does")
            shape = struct.unpack(f">{head[3]}I", f.read(4 * head[3]))
            wanted = 1
            for n in shape:
                wanted *= n
            check_room(wanted, str(path))
            if wanted > path.stat().st_size * (PACKED if packed else 1):
                raise ValueError(f"its header promises {wanted:,} bytes, the file is too short for that")
            data = f.read(wanted)
    except (OSError, EOFError, ValueError, struct.error, zlib.error) as e:
        raise error("E702", f"{path} cannot be read: {getattr(e, 'strerror', None) or e}") from None
    if len(data) != wanted:
        raise error("E702", f"{path} ends too early: {len(data):,} of {wanted:,} bytes")
    return np.frombuffer(data, np.uint8).reshape(shape)
