"""A data set as a folder of pictures by class: to look at, to add to, to train on."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from cnndsl.data.images import write_picture
from cnndsl.data.records import Dataset, Part, check_some
from cnndsl.errors import error


def write_folder(data: Dataset, folder: Path, each: int | None = None) -> int:
    """Write pictures as `folder/train/CLASS/001.png` and `folder/test/…`, which `--data folder` reads; how many.

    each: at most so many of each class in each part. Raises E598 where the folder holds something already, E705 where a
    part holds no picture, or the name of a class cannot be that of a folder.
    """
    if not data.classes or data.train.labels.ndim > 1:
        raise error("E705", f"{data.name} has no classes of whole pictures, so there are no folders to write")
    check_some(data.train, data.name, "to train on")
    if data.test is not None:
        check_some(data.test, data.name, "to test on")
    for name in data.classes:
        if not name or name.startswith(".") or any(c in "/\\:\0" or not c.isprintable() for c in name) or len(name) > 100:
            raise error("E705", f"{data.name}: a folder cannot be called {name!r}, as one of its classes is")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise error("E598", f"{folder} is there already", help="name another folder")
    parts = {"train": data.train} | ({"test": data.test} if data.test is not None else {})
    return sum(_write(part, data.classes, folder / name, each) for name, part in parts.items())


def _write(part: Part, classes: tuple[str, ...], folder: Path, each: int | None) -> int:
    counts = Counter(part.labels.tolist())
    most = max(min(n, each or n) for n in counts.values())
    done: Counter[int] = Counter()
    for name in classes:
        (folder / name).mkdir(parents=True, exist_ok=True)
    for i, label in enumerate(part.labels.tolist()):
        if each is not None and done[label] >= each:
            continue
        done[label] += 1
        pictures, _ = part.take(np.array([i]))
        write_picture(folder / classes[label] / f"{done[label]:0{len(str(most))}}.png", np.asarray(pictures[0]))
    return sum(done.values())
