"""A folder of pictures by class: `cats/…`, `dogs/…`, or the same under `train/` and `test/` (or `val/`)."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
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
NO_CLASS = ("__MACOSX",)
"""Folders that archives leave behind."""
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
    """The data set of a folder of pictures by class; classes in the order of their names. Folders without a picture are no
    classes; they are named in `passed`. Raises E702, E703, E704.

    check: look at the head of every picture at once. Links that lead out of `folder` are refused: what a folder of a
    stranger's brings along is all in it.
    """
    home = folder.resolve()
    names = _folders(folder, home)
    split = [x for x in names if x.lower() in (*TRAIN, *TEST) and _folders(folder / x, home)]  # else classes called so
    train = next((x for x in split if x.lower() in TRAIN), None)
    test = next((x for x in split if x.lower() in TEST), None)
    root = folder / train if train is not None else folder
    all_files = _pictures(root, _folders(root, home), home)
    classes = [name for name, paths in all_files.items() if paths]
    part = _part(root, all_files, classes)
    held: Part | None = None
    passed = [root / name for name in all_files if name not in classes]
    if train is not None and test is not None:
        tests = _pictures(folder / test, _folders(folder / test, home), home)
        extra = next((x for x, paths in tests.items() if paths and x not in classes), None)
        if extra is not None:
            raise error("E705", f"{folder / test} has a class {extra} that {root} does not have")
        held = _part(folder / test, tests, classes)
        passed += [folder / test / name for name, paths in tests.items() if not paths and name not in classes]
    found = Dataset(home.name, tuple(classes), part, held, tuple(map(str, passed)))
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


def first_with_pictures(folder: Path) -> Path | None:
    """The first folder in `folder`, by name, that has pictures. Raises E702."""
    home = folder.resolve()
    return next((folder / name for name in _folders(folder, home) if list_pictures(folder / name, home)), None)


def _folders(folder: Path, home: Path) -> list[str]:
    return _entries(folder, home, lambda e: e.name not in NO_CLASS and e.is_dir())


def _entries(folder: Path, home: Path, wanted: Callable[[os.DirEntry[str]], bool]) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            found = sorted((e.name, e.is_symlink()) for e in entries if not e.name.startswith(".") and wanted(e))
        for name in (name for name, link in found if link):
            stay_in(folder / name, home, "pictures")
    except OSError as e:
        raise error("E702", f"{folder} cannot be read: {getattr(e, 'strerror', None) or e}") from None
    return [name for name, _ in found]


def _pictures(folder: Path, names: Sequence[str], home: Path) -> dict[str, list[Path]]:
    """Name of a folder in `folder` → the pictures in it. Raises E702, E704."""
    found: dict[str, list[Path]] = {}
    count = 0
    for name in names:
        found[name] = list_pictures(folder / name, home)
        count += len(found[name])
        if count > MOST_FILES:
            raise error("E704", f"{folder} has more than {MOST_FILES:,} pictures")
    return found


def _part(folder: Path, found: Mapping[str, Sequence[Path]], classes: Sequence[str]) -> Part:
    """The pictures of `classes` that were found in `folder`, of some perhaps none. Raises E702 where there is none at all."""
    help = "one folder for each class, with its pictures inside: " + str(folder / "cat" / "1.png")
    if not found:
        raise error("E702", f"{folder} has no folders: there are no classes", help=help)
    paths = [path for name in classes for path in found.get(name, ())]
    if not paths:
        raise error("E702", f"{folder}: there is no picture in its folders ({', '.join([*found][:5])})", help=help)
    labels = [label for label, name in enumerate(classes) for _ in found.get(name, ())]
    return Part(PictureFiles(paths), np.asarray(labels, np.int32))
