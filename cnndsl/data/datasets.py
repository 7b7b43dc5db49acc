"""Data sets: pictures with labels, in a training and a test part. `open` takes a bundled name or a path.

A data set is one of: the bundled `digits`; an `.npz` file (`images`, `labels`, and perhaps `test_images`,
`test_labels`); a folder with MNIST's idx files; a folder of pictures by class. Nothing is ever unpickled, and every
size is checked against the file before memory is taken.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cnndsl.data.arrays import read_npz
from cnndsl.data.folder import read_folder
from cnndsl.data.idx import read_idx
from cnndsl.data.records import Dataset
from cnndsl.errors import error

BUNDLED = ("digits",)
HOLD_BACK = 5  # every fifth image of a class is held back for testing


def open(name_or_path: str | Path) -> Dataset:
    """The data set of that bundled name, or at that path. Raises E701 (not there), E702 … E705 (does not fit)."""
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
    if folder:
        found = read_idx(path) or read_folder(path)
        return split(found) if found.test is None else found
    if not path.is_file():
        raise error("E702", f"{path} is neither a file nor a folder")
    if path.suffix == ".npz":
        found = read_npz(path)
        return split(found) if found.test is None else found
    if "idx3" in path.name:
        beside = read_idx(path.parent)
        if beside is not None:
            return split(beside) if beside.test is None else beside
    raise error("E702", f"{path} is no data set", help="a folder of pictures by class, a folder of idx files, or an .npz file")


def digits() -> Dataset:
    """The 5,000 bundled digits (`digits/README.md` says where they come from), split 4,000 / 1,000."""
    found = read_npz(Path(__file__).parent / "digits" / "digits.npz")
    return split(Dataset("digits", tuple("0123456789"), found.train))


def split(whole: Dataset) -> Dataset:
    """`whole`, with every fifth image of each class, counted in order, held back for testing."""
    labels = whole.train.labels
    held = np.zeros(len(labels), bool)
    for label in range(len(whole.classes)):
        held[np.flatnonzero(labels == label)[HOLD_BACK - 1 :: HOLD_BACK]] = True
    if not held.any():
        return whole
    train, test = whole.train.only(np.flatnonzero(~held)), whole.train.only(np.flatnonzero(held))
    return Dataset(whole.name, whole.classes, train, test)
