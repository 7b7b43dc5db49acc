"""Arrays in `.npy` and `.npz` files: images, and images with labels. Sizes are checked before memory is taken."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.data.channels import check_order
from cnndsl.data.links import file_of
from cnndsl.data.records import Dataset, Part, check_labels
from cnndsl.data.room import PACKED, check_room
from cnndsl.errors import error
from cnndsl.runtime.notes import MOST_CLASSES

Array = NDArray[Any]
LONGEST_HEADER = 10_000
CHUNK = 1 << 20
"""Bytes that are read at a time, and what the list of a zip's members may have: a data set has nine."""
EACH = ("images", "labels", "targets", "masks")
ARRAYS = (*EACH, *(f"test_{x}" for x in EACH), "classes")
_FAULTS = (
    OSError,
    ValueError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
    KeyError,
    NotImplementedError,
    RuntimeError,
    SyntaxError,
)


def read_npy(path: str | Path, wanted: Sequence[int] | None = None) -> Array:
    """Images from an `.npy` file, as `as_images` wants them. Raises E702, E704, E706.

    wanted: (H, W, C) of the model that they are for; axes in another order are then refused.
    """
    path = Path(path)
    try:
        with path.open("rb") as f:
            found = _array(f, str(path), path.stat().st_size)
    except _FAULTS as e:
        raise error("E702", f"{path} cannot be read as an array: {_reason(e)}") from None
    if wanted is not None:
        check_order(found.shape, wanted, str(path))
    return as_images(found, str(path))


def read_npz(path: Path) -> Dataset:
    """`images` and `labels` of an `.npz` file (`targets`, `masks`, each with `test_` before it, `classes`).

    Raises E702, E704 … E706.
    """
    parts: dict[str, Array] = {}
    try:
        with path.open("rb") as whole, zipfile.ZipFile(_InPieces(whole, path)) as archive:
            for member in archive.infolist():
                name = member.filename.removesuffix(".npy")
                if name not in ARRAYS:
                    continue
                if name in parts:
                    raise ValueError(f"it has two members named {name}")
                if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise ValueError(f"{name} is packed in another way than NumPy's")
                with archive.open(member) as f:
                    size = min(member.file_size, member.compress_size * PACKED)
                    parts[name] = _array(f, f"{path}, {name}", size, taken(parts))
    except _FAULTS as e:
        raise error("E702", f"{path} cannot be read: {_reason(e)}") from None
    return _dataset(path, path.stem, parts)


def read_npy_files(folder: Path) -> Dataset | None:
    """The same arrays as files `images.npy`, `labels.npy` … of a folder; None where there are none. Raises E702 … E706."""
    parts: dict[str, Array] = {}
    for name in ARRAYS:
        path = file_of(folder, f"{name}.npy")
        if path is not None:
            try:
                with path.open("rb") as f:
                    parts[name] = _array(f, str(path), path.stat().st_size, taken(parts))
            except _FAULTS as e:
                raise error("E702", f"{path} cannot be read: {_reason(e)}") from None
    return _dataset(folder, folder.resolve().name, parts) if parts.keys() & set(EACH) else None


def _dataset(path: Path, name: str, parts: dict[str, Array]) -> Dataset:
    for wanted in ("images", "labels"):
        if wanted not in parts and not (wanted == "labels" and "targets" in parts):
            help = "it needs images (n, H, W, C) and labels (n,), or targets"
            raise error("E702", f"{path} has no array named {wanted}", help=help)
    count = 1 + int(max((parts[x].max() for x in ("labels", "test_labels") if x in parts and _whole(parts[x])), default=0))
    if "classes" in parts and parts["classes"].size > MOST_CLASSES:
        raise error("E705", f"{path}: {parts['classes'].size:,} names of classes; at most {MOST_CLASSES:,} are read")
    given = parts["classes"] if "classes" in parts and parts["classes"].ndim == 1 else ()
    try:
        names = tuple(x.decode("utf-8", "replace") if isinstance(x, bytes) else str(x) for x in given)
    except (SystemError, ValueError):  # code points that there are not
        raise error("E705", f"{path}: the names of the classes are no text") from None
    if count > MOST_CLASSES:
        raise error("E705", f"{path}: a label is {count - 1}; labels are the numbers of classes, from 0")
    classes = names or tuple(map(str, range(count))) if "labels" in parts else ()
    train = _part(parts, "", classes, path)
    tests = [f"test_{x}" for x in EACH if x in parts or f"test_{x}" in parts]
    there, missing = [x for x in tests if x in parts], [x for x in tests if x not in parts]
    if there and missing:
        raise error("E702", f"{path} has {there[0]} and no {missing[0]}", help="give both, or neither")
    test = _part(parts, "test_", classes, path) if there else None
    return Dataset(name, classes, train, test)


def as_images(found: Array, where: str) -> Array:
    """An array of images as (n, H, W, C), uint8 or float32 in [0, 1]. Raises E706 where it cannot be one.

    (H, W) is one grey image; of rank 3, (H, W, 1 or 3 or 4) is one image in colour and anything else n grey ones.
    """
    if found.dtype.kind not in "uifb" or (found.dtype.kind == "f" and found.dtype.itemsize > 8):
        raise error("E706", f"{where}: images are numbers, not {found.dtype}")
    if found.ndim == 2:
        found = found[None, :, :, None]
    elif found.ndim == 3:
        found = found[None] if found.shape[-1] in (1, 3, 4) and found.shape[-1] < min(found.shape[:2]) else found[..., None]
    if found.ndim != 4 or 0 in found.shape[1:]:
        raise error("E706", f"{where}: expected images of shape (n, H, W, C), this array has shape {found.shape}")
    if found.dtype == np.uint8:
        return found
    if found.dtype.kind == "f":
        if found.size and not bool(np.isfinite(found).all()):
            raise error("E706", f"{where}: the images hold a value that is not a finite number")
        images = found.astype(np.float32)
        low, high = (float(images.min()), float(images.max())) if found.size else (0.0, 0.0)
        if low < 0 or high > 1:
            raise error(
                "E706", f"{where}: float images lie in 0..1, these in {low:g}..{high:g}", help="divide by 255, or give uint8"
            )
        return images
    low, high = (int(found.min()), int(found.max())) if found.size else (0, 0)
    if found.dtype == np.uint16 and high > 255:
        return (found / np.float32(65535)).astype(np.float32)
    if low < 0 or high > 255:
        raise error("E706", f"{where}: whole-number images lie in 0..255, these in {low}..{high}")
    return found.astype(np.uint8) * np.uint8(255 if found.dtype.kind == "b" else 1)


def taken(parts: Mapping[str, Array]) -> int:
    """Bytes of the arrays that were read."""
    return sum(x.nbytes for x in parts.values())


def _array(f: IO[bytes], where: str, size: int, before: int = 0) -> Array:
    """One `.npy` stream of at most `size` bytes; its header is believed only where the bytes are there. before: bytes of the
    arrays that were read with it. Raises E704 where all together are too many."""
    shape, fortran, dtype = _header(f)
    if min(shape, default=0) < 0 or not all(type(n) is int for n in shape):
        raise ValueError(f"its header promises the shape {shape}")
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are never read")
    if not dtype.itemsize:
        raise ValueError(f"its numbers have no bytes: {dtype}")
    elements = 1
    for n in shape:
        elements *= n
    nbytes = elements * dtype.itemsize
    check_room(before + nbytes, where)
    if nbytes > size:
        raise ValueError(f"its header promises {nbytes:,} bytes, the file has {size:,}")
    data, at = np.empty(nbytes, np.uint8), 0
    while at < nbytes:
        part = f.read(min(CHUNK, nbytes - at))
        if not part:
            raise ValueError("it ends too early")
        data[at : at + len(part)] = np.frombuffer(part, np.uint8)
        at += len(part)
    return np.frombuffer(data, dtype, elements).reshape(shape, order="F" if fortran else "C")


def _header(f: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """(shape, whether in Fortran's order, dtype), from a header that is short."""
    version = np.lib.format.read_magic(f)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"format {version[0]}.{version[1]} is not known")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    count = f.read(2 if version == (1, 0) else 4)
    length = int.from_bytes(count, "little")
    if length > LONGEST_HEADER:
        raise ValueError(f"its header has {length:,} bytes")
    try:
        found: tuple[tuple[int, ...], bool, np.dtype[Any]] = read(io.BytesIO(count + f.read(length)))
    except Exception as e:  # NumPy reads the header as Python's literals, and fails in as many ways as they can be written
        raise ValueError("its header is damaged") from e
    return found


class _InPieces(io.RawIOBase):
    """A file that gives at most `CHUNK` bytes at a time: `zipfile` reads the list of members in one."""

    def __init__(self, f: IO[bytes], path: Path) -> None:
        self.f, self.path = f, path

    def read(self, size: int = -1) -> bytes:
        data = self.f.read(size if 0 <= size <= CHUNK else CHUNK + 1)
        if len(data) > CHUNK:
            raise error("E704", f"{self.path}: a list of members of more than {CHUNK:,} bytes is not read")
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        return self.f.seek(offset, whence)

    def tell(self) -> int:
        return self.f.tell()

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True


def _part(parts: dict[str, Array], prefix: str, classes: tuple[str, ...], path: Path) -> Part:
    images = parts[f"{prefix}images"]
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4:
        raise error("E706", f"{path}: expected images of shape (n, H, W, C) or (n, H, W), {prefix}images has {images.shape}")
    labels = parts.get(f"{prefix}labels", np.zeros(len(images), np.int32))
    if labels.ndim == 2 and 1 in labels.shape:
        labels = labels.ravel()
    if labels.ndim == 4 and labels.shape[3] == 1:
        labels = labels[..., 0]
    _together(path, prefix, images, "labels", labels, labels.ndim in (1, 3))
    if not len(labels):
        raise error("E702", f"{path}: there is no image in {prefix}images")
    beside = {}
    if f"{prefix}targets" in parts:
        beside["target"] = _numbers(parts[f"{prefix}targets"], f"{path}, {prefix}targets")
        _together(path, prefix, images, "targets", beside["target"], beside["target"].ndim > 1)
    if f"{prefix}masks" in parts:
        mask = parts[f"{prefix}masks"]
        beside["mask"] = as_images(mask[..., None] if mask.ndim == 3 else mask, f"{path}, {prefix}masks")
        _together(path, prefix, images, "masks", beside["mask"], True)
    found = check_labels(labels, max(1, len(classes)), str(path))
    return Part(as_images(images, str(path)), found, beside)


def _together(path: Path, prefix: str, images: Array, name: str, x: Array, fits: bool) -> None:
    """Raises E705 where an array is not one entry for each image."""
    if not fits or len(images) != len(x):
        shapes = f"{images.shape} and {x.shape}"
        raise error("E705", f"{path}: {prefix}images and {prefix}{name} of shapes {shapes} do not belong together")


def _numbers(x: Array, where: str) -> Array:
    """What a network is to give: float32, or bytes that are pixels from 0 to 255. Raises E706."""
    if x.dtype == np.uint8 and x.ndim > 2:
        return x
    if x.dtype.kind not in "uifb":
        raise error("E706", f"{where}: targets are numbers, not {x.dtype}")
    found = x.astype(np.float32)
    if not bool(np.isfinite(found).all()):
        raise error("E706", f"{where}: there is a value that is not a finite number")
    return found


def _whole(labels: Array) -> bool:
    return labels.dtype.kind in "iu" and labels.size > 0


def _reason(e: BaseException) -> str:
    text = str(e).strip().split("\n")[0]
    return (e.strerror or text) if isinstance(e, OSError) else text or type(e).__name__
