"""Weights on disk: safetensors, read and written by a few lines.

The reader's text is the one that emitted modules carry (`cnndsl.targets.numpy.frame.tensors`); here stand its errors with
codes, and the writer.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.errors import error
from cnndsl.targets.numpy.frame.tensors import KINDS, Tensors
from cnndsl.whole import whole

Array = NDArray[Any]


class WeightFile(Mapping[str, Array]):
    """The arrays of a weight file by name, each read when it is asked for, a writable copy.

    Raises E501 (cannot be read) and E502 (not a whole, honest safetensors file, or changed since it was opened), when it is
    opened and when an array is read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        if not os.path.isfile(self.path):
            raise error("E501", f"{self.path} is {'a folder' if os.path.isdir(self.path) else 'not a file'}, not a weight file"
                        if os.path.exists(self.path) else f"there is no weight file {self.path}")  # fmt: skip
        with self._told():
            self.tensors = Tensors(self.path)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as e:
            raise error("E501", f"{self.path} cannot be read: {e.strerror or e}") from None
        except ValueError as e:
            raise error("E502", str(e)) from None

    def __getitem__(self, name: str) -> Array:
        with self._told():
            return self.tensors[name]

    def __contains__(self, name: object) -> bool:
        return name in self.tensors.header

    def __iter__(self) -> Iterator[str]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)

    def shape(self, name: str) -> tuple[int, ...]:
        return self.tensors.shape(name)


def read_weights(path: str | os.PathLike[str]) -> dict[str, Array]:
    """name → array, each a writable copy, all of them in memory. Raises as `WeightFile`."""
    return dict(WeightFile(path))


def write_weights(
    path: str | os.PathLike[str], weights: Mapping[str, Any], metadata: Mapping[str, str] | None = None, *, follow: bool = True
) -> None:
    """Write name → array. The file appears whole or not at all: written aside, synced, renamed. Raises OSError.

    follow: a link at `path` stays one, and the file that it leads to is replaced; else the link is.
    """
    codes = {np.dtype(text).newbyteorder("="): code for code, text in KINDS.items() if code != "BF16"}
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
    with whole(Path(path), follow) as aside, open(aside, "wb") as file:
        file.write(len(text).to_bytes(8, "little"))
        file.write(text)
        for x in arrays.values():
            file.write(x.astype(x.dtype.newbyteorder("<"), copy=False).tobytes())
        file.flush()
        os.fsync(file.fileno())
