"""Data sets: pictures with labels, in a training and a test part. `open` takes a bundled name or a path.

A data set is one of: the bundled `digits`; an `.npz` file (`images`, `labels`, and perhaps `test_images`,
`test_labels`), or the same as `.npy` files of a folder; MNIST's idx files; CIFAR's, in a folder or as the archive they
are published as; a CSV of pictures; a folder of pictures by class. Nothing is ever unpickled, and every
size is checked against the file before memory is taken.
"""

from __future__ import annotations

import gzip
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from cnndsl.data.arrays import read_npy_files, read_npz
from cnndsl.data.cifar import read_cifar
from cnndsl.data.folder import read_folder
from cnndsl.data.idx import read_idx
from cnndsl.data.records import Dataset, by_class
from cnndsl.data.table import read_table
from cnndsl.errors import error
from cnndsl.language.vocabulary import DATA as BUNDLED

FORMS = "a folder of pictures by class, MNIST's or CIFAR's files, images.npy and labels.npy, an .npz file, or a .csv"
HOLD_BACK = 5  # every fifth image of a class is held back for testing


def open(name_or_path: str | Path, check: bool = True, hold_back: bool = True) -> Dataset:
    """The data set of that bundled name, or at that path. Raises E701 (not there), E702 … E705 (does not fit).

    check: look at the head of every picture of a folder at once, rather than when it is read. hold_back: make a test part
    of every fifth image where the data have none of their own.
    """
    if str(name_or_path) == "digits":
        return digits()
    path = Path(name_or_path)
    try:
        exists, folder = path.exists(), path.is_dir()
    except (OSError, ValueError):
        exists = folder = False
    if not exists:
        known = ", ".join(BUNDLED)
        raise error("E701", f"there is no data set {name_or_path}", help=f"give the path of one, or a bundled name: {known}")
    found = _folder(path, check) if folder else _file(path, check)
    return split(found) if found.test is None and hold_back else found


def _folder(path: Path, check: bool) -> Dataset:
    return read_idx(path) or read_cifar(path) or read_npy_files(path) or read_folder(path, check)


def _file(path: Path, check: bool) -> Dataset:
    """The data set of a file, told by how it begins. A file of several is read with those beside it."""
    if not path.is_file():
        raise error("E702", f"{path} is neither a file nor a folder")
    head = _head(path)
    if path.suffix == ".npz" or head.startswith(b"PK\x03\x04"):
        return read_npz(path)
    if head[257:262] == b"ustar":
        found = read_cifar(path)
    elif head.startswith(b"\0\0\x08"):
        found = read_idx(path.parent)
    elif head.startswith(b"\x93NUMPY"):
        found = read_npy_files(path.parent)
    elif head.startswith(b"\x80") or path.suffix == ".bin":
        found = read_cifar(path.parent)
    else:
        found = read_table(path, check) if path.suffix.lower() == ".csv" or b"," in head.split(b"\n")[0] else None
    if found is None:
        raise error("E702", f"{path} is no data set", help=FORMS)
    return found


def _head(path: Path) -> bytes:
    """The first bytes of a file, or of what is gzipped in it."""
    try:
        with path.open("rb") as f:
            head = f.read(512)
        if head.startswith(b"\x1f\x8b"):
            with gzip.open(path) as g:
                return g.read(512)
    except (OSError, EOFError, zlib.error) as e:
        raise error("E702", f"{path} cannot be read: {getattr(e, 'strerror', None) or e}") from None
    return head


def digits() -> Dataset:
    """The 5,000 bundled digits (`digits/README.md` says where they come from), split 4,000 / 1,000."""
    found = read_npz(Path(__file__).parent / "digits" / "digits.npz")
    return split(Dataset("digits", tuple("0123456789"), found.train))


def split(whole: Dataset) -> Dataset:
    """`whole`, with every fifth image of each class, counted in order, held back for testing."""
    labels = whole.train.groups
    held = np.zeros(len(labels), bool)
    order, place, _ = by_class(labels)
    held[order[place % HOLD_BACK == HOLD_BACK - 1]] = True
    if not held.any():
        return whole
    train, test = whole.train.only(np.flatnonzero(~held)), whole.train.only(np.flatnonzero(held))
    return replace(whole, train=train, test=test)
