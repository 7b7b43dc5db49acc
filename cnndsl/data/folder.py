"""A folder of pictures by class: `cats/…`, `dogs/…`, or the same under `train/` and `test/` (or `val/`)."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.data.images import SUFFIXES, check_picture, open_picture
from cnndsl.data.records import Dataset, Part
from cnndsl.data.resample import Photograph
from cnndsl.errors import error

KEPT = 256 << 20  # bytes of decoded pictures kept in memory
MOST_FILES = 5_000_000
TRAIN, TEST = ("train", "training"), ("test", "val", "valid", "validation")


class PictureFiles:
    """Pictures on disk, each read when it is asked for, by any thread; the first 256 MB stay in memory."""

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths
        self._kept: dict[int, Photograph | NDArray[Any]] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.paths)

    def take(self, indices: NDArray[Any]) -> list[NDArray[Any]]:
        """Each as an array (H, W, C)."""
        return [x.array()[0] if isinstance(x, Photograph) else x for x in self.decoded(indices)]

    def only(self, indices: NDArray[Any]) -> PictureFiles:
        return PictureFiles([self.paths[int(i)] for i in indices])

    def decoded(self, indices: NDArray[Any]) -> list[Photograph | NDArray[Any]]:
        """Each as it was decoded."""
        return [self._read(int(i)) for i in indices]

    def _read(self, index: int) -> Photograph | NDArray[Any]:
        found = self._kept.get(index)
        if found is None:
            found = open_picture(self.paths[index])
            # Pillow keeps four bytes for a pixel of colour.
            size = found.shape[1] * found.shape[2] * 4 if isinstance(found, Photograph) else found.nbytes
            with self._lock:
                if index not in self._kept and self._bytes + size <= KEPT:
                    self._kept[index] = found
                    self._bytes += size
        return found


def read_folder(folder: Path, check: bool = True) -> Dataset:
    """The data set of a folder of pictures by class; classes in the order of their names. Raises E702, E703.

    check: look at the head of every picture at once.
    """
    names = _folders(folder)
    split = [x for x in names if x.lower() in (*TRAIN, *TEST) and _folders(folder / x)]  # else classes called so
    train = next((x for x in split if x.lower() in TRAIN), None)
    test = next((x for x in split if x.lower() in TEST), None)
    if train is None:
        classes = names
        return Dataset(folder.resolve().name, tuple(classes), _part(folder, classes, check))
    classes = _folders(folder / train)
    held = _part(folder / test, classes, check) if test is not None else None
    if test is not None:
        extra = [x for x in _folders(folder / test) if x not in classes]
        if extra:
            raise error("E705", f"{folder / test} has a class {extra[0]} that {folder / train} does not have")
    return Dataset(folder.resolve().name, tuple(classes), _part(folder / train, classes, check), held)


def list_pictures(folder: Path) -> list[Path]:
    """The files in `folder` that are named like pictures, by name. Hidden files are left out."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(e.name for e in entries if not e.name.startswith(".") and e.is_file())
    except OSError as e:
        raise error("E702", f"{folder} cannot be read: {e.strerror}") from None
    return [folder / name for name in names if Path(name).suffix.lower() in SUFFIXES]


def _folders(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))
    except OSError as e:
        raise error("E702", f"{folder} cannot be read: {e.strerror}") from None


def _part(folder: Path, classes: list[str], check: bool) -> Part:
    help = "one folder for each class, with its pictures inside: " + str(folder / "cat" / "1.png")
    if not classes:
        raise error("E702", f"{folder} has no folders: there are no classes", help=help)
    paths: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        found = list_pictures(folder / name) if (folder / name).is_dir() else []
        paths += found
        labels += [label] * len(found)
        if len(paths) > MOST_FILES:
            raise error("E704", f"{folder} has more than {MOST_FILES:,} pictures")
    if not paths:
        raise error("E702", f"{folder}: there is no picture in its folders ({', '.join(classes[:5])})", help=help)
    for path in paths if check else ():
        check_picture(path)
    return Part(PictureFiles(paths), np.asarray(labels, np.int32))
