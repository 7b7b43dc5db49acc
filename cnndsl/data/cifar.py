"""CIFAR-10 and CIFAR-100: the binary files or the Python files, in a folder or in the archive they are published as.

Binary: records of one label (CIFAR-10) or a coarse and a fine one (CIFAR-100), then 3 x 32 x 32 bytes, red, green and
blue planes. Python: pickled dicts with `data` (n, 3072) and `labels` or `fine_labels`, read by `unpickle`, which runs
nothing. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009, and the page of the data set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.data.archive import read_tar
from cnndsl.data.links import file_of
from cnndsl.data.records import Dataset, Part
from cnndsl.data.unpickle import read_pickle
from cnndsl.errors import error

Array = NDArray[Any]
Files = Mapping[str, Callable[[], bytes]]
"""name → what reads it."""
LARGEST = 256 << 20  # bytes of one file: CIFAR-100's training part has 155 MB
PIXELS = 3 * 32 * 32
BATCHES = tuple(f"data_batch_{i}" for i in range(1, 100))
_TABLES = {"": {10: "batches.meta", 100: "meta"}, ".bin": {10: "batches.meta.txt", 100: "fine_label_names.txt"}}
_NAMES = {f"{name}{end}" for name in (*BATCHES, "test_batch", "train", "test") for end in _TABLES}
_NAMES |= {table for tables in _TABLES.values() for table in tables.values()}


def read_cifar(path: Path) -> Dataset | None:
    """The data set in that folder or archive; None where there is none. Raises E702, E704, E705."""
    files: Files
    if path.is_dir():
        found = {name: file_of(path, name) for name in sorted(_NAMES)}
        files = {name: _reader(file) for name, file in found.items() if file is not None}
    else:
        files = {name: _content(data) for name, data in read_tar(path, _NAMES).items()}
    hundred = next((n for n in ("train.bin", "train") if n in files), None)
    ten = next((n for n in ("data_batch_1.bin", "data_batch_1") if n in files), None)
    first = ten or hundred
    if first is None or (first == "train" and "meta" not in files):
        if path.is_dir():
            return None
        raise error("E702", f"{path} holds no data set that is known", help="CIFAR's archives are read; unpack any other")
    end = ".bin" if first.endswith(".bin") else ""
    train, test = (_batches(files, end, path), f"test_batch{end}") if ten else ((first,), f"test{end}")
    classes = _classes(files, end, 10 if ten else 100, path)
    read = _binary if end else _python

    def part(names: tuple[str, ...]) -> Part:
        found = [read(files[name](), len(classes), f"{path}, {name}") for name in names]
        return Part(np.concatenate([x for x, _ in found]), np.concatenate([y for _, y in found]))

    name = path.resolve().name.removesuffix(".gz").removesuffix(".tar")
    return Dataset(name, classes, part(train), part((test,)) if test in files else None)


def _batches(files: Files, end: str, path: Path) -> tuple[str, ...]:
    found = [b for b in BATCHES if b + end in files]
    missing = next((a for a, b in zip(BATCHES, found, strict=False) if a != b), None)
    if missing is not None:
        raise error("E702", f"{path}: {missing}{end} is missing, though there is {found[-1]}{end}")
    return tuple(b + end for b in found)


def _reader(path: Path) -> Callable[[], bytes]:
    def read() -> bytes:
        try:
            size = path.stat().st_size
            if size > LARGEST:
                raise error("E704", f"{path}: {size:,} bytes; at most {LARGEST:,} are read")
            return path.read_bytes()
        except OSError as e:
            raise error("E702", f"{path} cannot be read: {e.strerror}") from None

    return read


def _content(data: bytes) -> Callable[[], bytes]:
    return lambda: data


def _binary(data: bytes, classes: int, where: str) -> tuple[Array, Array]:
    labels = 1 if classes == 10 else 2
    if not data or len(data) % (labels + PIXELS):
        raise error("E702", f"{where}: {len(data):,} bytes are no whole number of records of {labels + PIXELS:,} bytes")
    records = np.frombuffer(data, np.uint8).reshape(-1, labels + PIXELS)
    return _images(records[:, labels:]), _labels(records[:, labels - 1].astype(np.int32), classes, where)


def _python(data: bytes, classes: int, where: str) -> tuple[Array, Array]:
    found = _table(data, where)
    key = "labels" if classes == 10 else "fine_labels"
    pixels, labels = found.get("data"), found.get(key)
    if not isinstance(pixels, np.ndarray) or pixels.ndim != 2 or pixels.shape[1] != PIXELS or not len(pixels):
        raise error("E702", f"{where} has no data of shape (n, {PIXELS})")
    if not isinstance(labels, list) or len(labels) != len(pixels):
        many = f"{len(labels):,}" if isinstance(labels, list) else "no"
        raise error("E702", f"{where} has {many} {key} for {len(pixels):,} pictures")
    wrong = next((i for i, x in enumerate(labels) if type(x) is not int or not -(2**31) <= x < 2**31), None)
    if wrong is not None:
        raise error("E705", f"{where}, record {wrong}: the label is no whole number")
    return _images(pixels), _labels(np.asarray(labels, np.int32), classes, where)


def _table(data: bytes, where: str) -> dict[str, Any]:
    try:
        found = read_pickle(data)
    except ValueError as e:
        raise error(
            "E702", f"{where} cannot be read: {e}", help="pickles are read as data alone; nothing in them is run"
        ) from None
    if not isinstance(found, dict):
        raise error("E702", f"{where} holds no dictionary")
    return found


def _images(planes: Array) -> Array:
    """(n, 32, 32, 3) from (n, 3072)."""
    return np.ascontiguousarray(planes.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))


def _labels(labels: Array, classes: int, where: str) -> Array:
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(wrong):
        i = int(wrong[0])
        raise error("E705", f"{where}, record {i}: the label is {labels[i]}, labels go from 0 to {classes - 1}")
    return labels


def _classes(files: Files, end: str, count: int, path: Path) -> tuple[str, ...]:
    """The names of the classes, from the table beside the batches; numbers where there is none."""
    table = _TABLES[end][count]
    if table not in files:
        return tuple(map(str, range(count)))
    if end:
        names: Any = files[table]().decode("utf-8", "replace").split()
    else:
        names = _table(files[table](), f"{path}, {table}").get("label_names" if count == 10 else "fine_label_names")
    if not isinstance(names, list) or len(names) != count or not all(isinstance(n, (str, bytes)) for n in names):
        raise error("E702", f"{path}, {table} does not name {count} classes")
    return tuple(n if isinstance(n, str) else n.decode("utf-8", "replace") for n in names)
