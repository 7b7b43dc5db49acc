"""A data set in memory: pictures with labels, or with what a network is to make of them, in a training and a test part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.errors import error

if TYPE_CHECKING:
    from cnndsl.data.folder import PictureFiles

Array = NDArray[Any]


@dataclass(frozen=True)
class Part:
    """Pictures and their labels.

    images: (n, H, W, C) uint8 or float32 in [0, 1], or `PictureFiles`, pictures of any size read when asked for.
    labels: (n,) int32, indices into the data set's classes; (n, h, w) where every pixel has one; zeros where there are none.
    beside: `target` (n, …) and `mask` (n, h, w, 1 or C), uint8 or float32, where the data give them: what a loss compares with.
    """

    images: Array | PictureFiles
    labels: Array
    beside: Mapping[str, Array] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: Array) -> tuple[Array | Sequence[Array], Array]:
        """The pictures at `indices`, as one array or as a list of arrays of different sizes, and their labels."""
        if isinstance(self.images, np.ndarray):
            return self.images[indices], self.labels[indices]
        return self.images.take(indices), self.labels[indices]

    def name_of(self, index: int) -> str:
        """Where picture `index` comes from: its file, or its number."""
        return f"image {index}" if isinstance(self.images, np.ndarray) else str(self.images.paths[index])

    def only(self, indices: Array) -> Part:
        """The part that holds just `indices`, in that order."""
        images = self.images[indices] if isinstance(self.images, np.ndarray) else self.images.only(indices)
        beside = {name: x[indices] for name, x in self.beside.items()}
        return replace(self, images=images, labels=self.labels[indices], beside=beside)

    @property
    def groups(self) -> Array:
        """(n,): what pictures are alike when some are held back: of one class, or all where they have no class."""
        return self.labels if self.labels.ndim == 1 else np.zeros(len(self), np.int32)


@dataclass(frozen=True)
class Dataset:
    """A name, the names of the classes, the images to train on, and those to test on (None: there are none).

    passed: folders that hold no picture, and so are no classes.
    """

    name: str
    classes: tuple[str, ...]
    train: Part
    test: Part | None = None
    passed: tuple[str, ...] = ()


def check_some(part: Part, name: str, purpose: str) -> None:
    """Raises E705 where a part of the data set `name` holds no picture. purpose: as `to train on`."""
    if not len(part):
        raise error("E705", f"{name} holds no picture {purpose}")


def check_labels(labels: Array, classes: int, where: str) -> Array:
    """`labels` as int32, each from 0 to below `classes`. Raises E705."""
    if labels.ndim not in (1, 3) or labels.dtype.kind not in "iu":
        what = "labels are whole numbers, one for each image (n,) or pixel (n, H, W)"
        raise error("E705", f"{where}: {what}; these are {labels.dtype} of shape {labels.shape}")
    if labels.size:
        low, high = int(labels.min()), int(labels.max())
        if low < 0 or high >= classes:
            raise error(
                "E705",
                f"{where}: a label is {low if low < 0 else high}, with {classes} classes labels go from 0 to {classes - 1}",
            )
    return labels.astype(np.int32)


def by_class(labels: Array) -> tuple[Array, Array, Array]:
    """The numbers of the images, class by class, each class in its order; of each its place in the class; and how many images
    that class has. One sort, however many classes there are.
    """
    order = np.argsort(labels, kind="stable")
    _, first, count = np.unique(labels[order], return_index=True, return_counts=True)
    return order, np.arange(len(labels)) - np.repeat(first, count), np.repeat(count, count)
