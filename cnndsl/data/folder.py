"""A folder of pictures by class: `cats/…`, `dogs/…`, or the same under `train/` and `test/` (or `val/`)."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.data.images import SUFFIXES, check_picture, open_picture
from cnndsl.data.links import stay_in
from cnndsl.data.records import Dataset, Part
from cnndsl.data.resample import Photograph
from cnndsl.errors import CnnError, Diagnostic, error

KEPT = 256 << 20  # bytes of decoded pictures kept in memory
MOST_FILES = 5_000_000
MOST_NAMED = 20
"""Pictures that cannot be read, in one message."""
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
    """The data set of a folder of pictures by class; classes in the order of their names. Raises E702, E703, E704.

    check: look at the head of every picture at once. Links that lead out of `folder` are refused: what a folder of a
    stranger's brings along is all in it.
    """
    home = folder.resolve()
    names = _folders(folder, home)
    split = [x for x in names if x.lower() in (*TRAIN, *TEST) and _folders(folder / x, home)]  # else classes called so
    train = next((x for x in split if x.lower() in TRAIN), None)
    test = next((x for x in split if x.lower() in TEST), None)
    held: Part | None = None
    if train is None:
        classes = names
        part = _part(folder, classes, home)
    else:
        classes = _folders(folder / train, home)
        part = _part(folder / train, classes, home)
        held = _part(folder / test, classes, home) if test is not None else None
        extra = [x for x in _folders(folder / test, home) if x not in classes] if test is not None else []
        if test is not None and extra:
            raise error("E705", f"{folder / test} has a class {extra[0]} that {folder / train} does not have")
    found = Dataset(home.name, tuple(classes), part, held)
    if check:
        refuse(unreadable(found), str(folder))
    return found


def unreadable(data: Dataset) -> list[Diagnostic]:
    """What is wrong with each picture that cannot be read, as far as its head tells; nothing of pictures in arrays."""
    parts = [data.train, *([data.test] if data.test is not None else [])]
    paths = [path for part in parts if isinstance(part.images, PictureFiles) for path in part.images.paths]
    return [d for path in sorted(paths) for d in faults(path)]


def faults(path: Path) -> Sequence[Diagnostic]:
    """What is wrong with a picture, as far as its head tells: one entry, or none."""
    try:
        check_picture(path)
    except CnnError as e:
        return e.diagnostics
    except (OSError, ValueError) as e:  # a name too long
        return (Diagnostic("E703", f"{path} cannot be read: {getattr(e, 'strerror', None) or e}"),)
    return ()


def refuse(found: Sequence[Diagnostic], where: str) -> None:
    """Raise the one fault there is, or one E703 that names all of them, up to `MOST_NAMED`."""
    if found:
        raise CnnError(together(found, where))


def together(found: Sequence[Diagnostic], where: str) -> Diagnostic:
    """Several pictures that cannot be read, in one message."""
    help = "train and eval go on without {}: --on-bad-image skip"
    if len(found) == 1:
        return replace(found[0], help=found[0].help or help.format("it"))
    more = [f"and {len(found) - MOST_NAMED:,} more"] if len(found) > MOST_NAMED else []
    notes = (*(d.message for d in found[:MOST_NAMED]), *more)
    return Diagnostic("E703", f"{where}: {len(found):,} pictures cannot be read", notes=notes, help=help.format("them"))


def list_pictures(folder: Path, home: Path | None = None) -> list[Path]:
    """The files in `folder` that are named like pictures, by name. Hidden files are left out.

    home: the resolved folder that no link may lead out of; None: `folder` itself. Raises E702.
    """
    home = folder.resolve() if home is None else home
    return [folder / x for x in _entries(folder, home, lambda e: Path(e.name).suffix.lower() in SUFFIXES and e.is_file())]


def _folders(folder: Path, home: Path) -> list[str]:
    return _entries(folder, home, lambda e: e.is_dir())


def _entries(folder: Path, home: Path, wanted: Callable[[os.DirEntry[str]], bool]) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            found = sorted((e.name, e.is_symlink()) for e in entries if not e.name.startswith(".") and wanted(e))
        for name in (name for name, link in found if link):
            stay_in(folder / name, home, "pictures")
    except OSError as e:
        raise error("E702", f"{folder} cannot be read: {getattr(e, 'strerror', None) or e}") from None
    return [name for name, _ in found]


def _part(folder: Path, classes: list[str], home: Path) -> Part:
    help = "one folder for each class, with its pictures inside: " + str(folder / "cat" / "1.png")
    if not classes:
        raise error("E702", f"{folder} has no folders: there are no classes", help=help)
    paths: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        found = list_pictures(folder / name, home) if (folder / name).is_dir() else []
        paths += found
        labels += [label] * len(found)
        if len(paths) > MOST_FILES:
            raise error("E704", f"{folder} has more than {MOST_FILES:,} pictures")
    if not paths:
        raise error("E702", f"{folder}: there is no picture in its folders ({', '.join(classes[:5])})", help=help)
    return Part(PictureFiles(paths), np.asarray(labels, np.int32))
