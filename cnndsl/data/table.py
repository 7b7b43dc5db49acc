"""A CSV of pictures: a line each, with a path inside the CSV's own folder, a label, and perhaps the part it belongs to.

The first line names the columns: `path` (or file, filename, image), `label` (or class), perhaps `split` (or part), whose
words are train and test (or val, validation). Without such a line the columns are path, label, split.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnndsl.data.folder import MOST_FILES, PictureFiles, faults, refuse
from cnndsl.data.images import SUFFIXES
from cnndsl.data.records import Dataset, Part
from cnndsl.errors import Diagnostic, error
from cnndsl.runtime.notes import MOST_CLASSES

LARGEST = 1 << 30  # bytes of the CSV itself
COLUMNS = {
    "path": ("path", "file", "filename", "image", "picture"),
    "label": ("label", "class"),
    "split": ("split", "part", "set"),
}
PARTS = {"": 0, "train": 0, "training": 0, "test": 1, "testing": 1, "val": 1, "valid": 1, "validation": 1}


def read_table(path: Path, check: bool = True) -> Dataset:
    """The data set of a CSV. check: look at the head of every picture at once. Raises E702 … E705."""
    rows = _rows(path)
    if not rows:
        raise error("E702", f"{path} is empty")
    wide = len(rows[0][1])
    columns = _columns(path, rows)
    home = path.parent, path.parent.resolve()
    files: tuple[list[Path], list[Path]] = ([], [])
    named: tuple[list[str], list[str]] = ([], [])
    bad: list[Diagnostic] = []
    for line, row in rows:
        where = f"{path}, line {line}"
        if len(row) != wide:
            raise error("E702", f"{where}: {len(row)} fields, the first line has {wide}")
        label = row[columns["label"]].strip()
        split = row[columns["split"]].strip().lower() if "split" in columns else ""
        if not label:
            raise error("E705", f"{where}: there is no label")
        if split not in PARTS:
            raise error("E702", f"{where}: a part is train or test, not {split}")
        picture = _inside(home, row[columns["path"]], where)
        bad += [replace(d, message=f"{where}: {d.message}") for d in (faults(picture) if check else ())]
        files[PARTS[split]].append(picture)
        named[PARTS[split]].append(label)
    refuse(bad, str(path))
    if not files[0]:
        raise error("E702", f"{path}: there is no picture to train on")
    classes, numbers = _classes(path, named)
    train, test = (Part(PictureFiles(f), n) for f, n in zip(files, numbers, strict=True))
    return Dataset(path.stem, classes, train, test if len(test) else None)


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """(number of the line, its fields), empty lines left out."""
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise error("E704", f"{path}: {size:,} bytes; at most {LARGEST:,} are read")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as e:
        raise error("E702", f"{path} cannot be read: {e.strerror}") from None
    except UnicodeDecodeError as e:
        raise error("E702", f"{path} is not UTF-8: byte {e.start:,}") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows = []
    try:
        for row in reader:
            if row:
                rows.append((reader.line_num, row))
            if len(rows) > MOST_FILES:
                raise error("E704", f"{path} has more than {MOST_FILES:,} lines")
    except csv.Error as e:
        raise error("E702", f"{path}, line {reader.line_num}: {e}") from None
    return rows


def _columns(path: Path, rows: list[tuple[int, list[str]]]) -> dict[str, int]:
    """column → its place. Takes the first line away where it names them."""
    head = [x.strip().lower() for x in rows[0][1]]
    found = {column: i for column, words in COLUMNS.items() for i, x in enumerate(head) if x in words}
    if "path" in found and "label" in found:
        del rows[0]
        if not rows:
            raise error("E702", f"{path} has no line below its columns")
        return found
    if len(head) in (2, 3) and Path(head[0]).suffix in SUFFIXES:
        return {column: i for i, column in enumerate(COLUMNS) if i < len(head)}
    raise error("E702", f"{path}, line 1 names no columns path and label", help="path,label")


def _inside(home: tuple[Path, Path], text: str, where: str) -> Path:
    """The picture of that name, which lies in the folder `home` (as given, and resolved) also when links are followed."""
    text = text.strip()
    name = text.replace("\\", "/")
    if not name or "\0" in name:
        raise error("E702", f"{where}: there is no path")
    if name.startswith("/") or ":" in name.split("/")[0] or ".." in name.split("/"):
        raise error(
            "E702", f"{where}: {text} leads out of the folder of the table", help="paths are relative, and go downwards only"
        )
    path = home[0] / name
    try:
        if not path.resolve().is_relative_to(home[1]):
            raise error("E702", f"{where}: {text} is a link that leads out of the folder of the table")
    except (OSError, RuntimeError, ValueError) as e:
        raise error("E702", f"{where}: {text} cannot be read: {getattr(e, 'strerror', None) or e}") from None
    return path


def _classes(path: Path, named: tuple[list[str], list[str]]) -> tuple[tuple[str, ...], list[NDArray[np.int32]]]:
    """The classes, and each part's labels. Names in their order; where all labels are whole numbers, 0 … the largest."""
    distinct = {x for names in named for x in names}
    if all(re.fullmatch(r"[0-9]{1,9}", x) for x in distinct):
        index = {x: int(x) for x in distinct}
        most = max(index.values())
        if most >= MOST_CLASSES:
            raise error("E705", f"{path}: a label is {most}; labels are the numbers of classes, from 0")
        classes = tuple(map(str, range(most + 1)))
    else:
        classes = tuple(sorted(distinct))
        index = {x: i for i, x in enumerate(classes)}
    return classes, [np.asarray([index[x] for x in names], np.int32) for names in named]
