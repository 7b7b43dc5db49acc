"""Images whose axes stand in another order than (n, H, W, C): told before they become pictures without a meaning."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cnndsl.data.records import Dataset
from cnndsl.errors import CnnError, error

USUAL = (1, 3, 4)
"""Channels of pictures: grey, colour, colour with transparency."""


def check_order(shape: Sequence[int], wanted: Sequence[int], where: str) -> None:
    """Raise E706 where an array of images of this shape has its channels, or its images, at another axis.

    wanted: (H, W, C) of the model's input. What can be meant as it stands is not refused: pictures may have any size.
    """
    if len(shape) == 4:
        count = {wanted[2], *USUAL}
        if tuple(shape[1:]) != tuple(wanted) and shape[3] not in count and shape[1] in count:
            raise _refused(where, shape, "its channels at axis 1", "np.moveaxis(images, 1, -1)")
    elif len(shape) == 3:
        if shape[0] == 3 == wanted[2] and shape[2] not in USUAL:
            message = f"{where}: an array of shape {tuple(shape)} may be three grey images, or one with its channels first"
            help = "images[..., None] for three, np.moveaxis(image, 0, -1)[None] for one"
            raise error("E706", message, help=help)
        if tuple(shape[:2]) == tuple(wanted[:2]) != tuple(shape[1:]) and shape[2] not in USUAL:
            raise _refused(where, shape, "its images at the last axis", "np.moveaxis(images, -1, 0)")


def check_dataset(data: Dataset, wanted: Sequence[int]) -> None:
    """The same of every part of a data set that is held as arrays."""
    for part in (data.train, data.test):
        if part is not None and isinstance(part.images, np.ndarray):
            check_order(part.images.shape, wanted, data.name)


def _refused(where: str, shape: Sequence[int], what: str, mend: str) -> CnnError:
    message = f"{where}: an array of shape {tuple(shape)} seems to have {what}; images are (n, H, W, C) here"
    return error("E706", message, help=mend)
