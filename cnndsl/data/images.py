"""Pictures from files: PNG, JPEG and the few other kinds of `FORMATS`, as arrays (H, W, C).

Pillow decodes only after the size in the header has been found acceptable. Transparency is laid over white, as on
paper; CMYK and palettes become RGB; sixteen bits become float32 in [0, 1]; a picture turned by its EXIF tag is turned.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.data.resample import Photograph
from cnndsl.errors import CnnError, error

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm", ".pbm")
FORMATS = ("PNG", "JPEG", "BMP", "DIB", "GIF", "TIFF", "WEBP", "PPM")
"""What Pillow may take a file for, whatever it is called: others run programs (EPS) or unpack while they open (ICO)."""
MOST_SCANS = 100
"""Of a progressive JPEG: each goes over the whole picture again."""
LARGEST = 32_000_000
"""Pixels of a picture: reading one, transparent at that, stays below half a gigabyte. Larger ones are refused from
their header, before anything is decoded."""
_FILTERS = threading.RLock()


def read_picture(path: str | Path) -> NDArray[Any]:
    """The picture at `path`: (H, W, 1) where it is grey, else (H, W, 3); uint8, or float32 in [0, 1] where it has
    sixteen bits. Raises E703 where it is no picture, E704 where it is too large.
    """
    found = open_picture(path)
    return found.array()[0] if isinstance(found, Photograph) else found


def open_picture(path: str | Path) -> Photograph | NDArray[Any]:
    """The same, decoded, but eight bits not yet made an array."""
    path = Path(path)
    with _opened(path) as image:
        image.load()
        return _decoded(image)


def check_picture(path: Path) -> None:
    """Raise as `read_picture` would, as far as the header tells. Decodes nothing."""
    with _opened(path):
        pass


@contextmanager
def _opened(path: Path) -> Iterator[Image]:
    from PIL import Image, UnidentifiedImageError

    if not path.is_file():  # also keeps FIFOs and devices from being opened
        raise error("E703", f"there is no picture {path}" if not path.exists() else f"{path} is not a file")
    try:
        with _quietly():
            image = Image.open(path, formats=FORMATS)
        with image:
            width, height = image.size
            if width * height > LARGEST:
                raise error("E704", f"{path}: {width} x {height} pixels; at most {LARGEST:,} are read")
            if _tile(image) > LARGEST:
                raise error("E704", f"{path}: tiles of {_tile(image):,} pixels; at most {LARGEST:,} are read")
            if image.info.get("progressive") and path.read_bytes().count(b"\xff\xda") > MOST_SCANS:
                raise error("E704", f"{path}: more than {MOST_SCANS} scans; such pictures are not read")
            if width < 1 or height < 1:
                raise error("E703", f"{path}: a picture without pixels")
            yield image
    except Image.DecompressionBombError:
        raise error("E704", f"{path}: too many pixels; at most {LARGEST:,} are read") from None
    except UnidentifiedImageError:
        raise error("E703", f"{path} is not a picture that can be read") from None
    except CnnError:
        raise
    except Exception as e:  # Pillow's readers raise whatever comes up in them
        raise error("E703", f"{path} cannot be read as a picture: {getattr(e, 'strerror', None) or e}") from None


def _tile(image: Image) -> int:
    """Pixels of one tile of a TIFF, which is decoded whole however small the picture is; 0 for others."""
    tags = getattr(image, "tag_v2", {})
    return int(tags.get(322, 0)) * int(tags.get(323, 0))


@contextmanager
def _quietly() -> Iterator[None]:
    """Without Pillow's warnings: of large pictures by a bound of its own (ours is checked after), of odd EXIF data.

    One thread at a time: filters of warnings belong to the process. Decoding, which takes longest, stays outside.
    """
    with _FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _decoded(image: Image) -> Photograph | NDArray[Any]:
    from PIL import Image, ImageOps

    if image.mode != "RGB" or image.format != "JPEG" or "exif" in image.info or "xmp" in image.info:
        with _quietly():
            ImageOps.exif_transpose(image, in_place=True)  # no copy where nothing is turned
            if image.mode.startswith("I;16") or image.mode in ("I", "F"):
                return _deep(image)
            transparent = image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info
            if transparent:
                image = image if image.mode == "RGBA" else image.convert("RGBA")
                paper = Image.new("RGB", image.size, (255, 255, 255))
                paper.paste(image, mask=image.getchannel("A"))
                image = paper
            elif image.mode in ("1", "L"):
                image = image.convert("L")
            elif image.mode != "RGB":
                image = image.convert("RGB")
    return Photograph(image)


def _deep(image: Image) -> NDArray[Any]:
    """A grey picture of more than eight bits."""
    pixels = np.asarray(image).astype(np.float32)
    if not np.isfinite(pixels).all():
        raise ValueError("it holds a value that is not a finite number")
    if image.mode == "F":
        top = 1.0
        if pixels.min(initial=0.0) < 0 or pixels.max(initial=0.0) > 1:
            raise ValueError(f"its numbers lie in {pixels.min():g}..{pixels.max():g}, those of float pictures in 0..1")
    else:  # "I" is how Pillow opens some 16-bit files; 8-bit numbers do not come that way
        top = 65535.0
    return np.clip(pixels / np.float32(top), 0, 1)[:, :, None]


def write_picture(path: Path, x: NDArray[Any]) -> None:
    """Write (H, W, 1 or 3) as PNG: uint8, or floats that are cut to [0, 1] and rounded to eight bits. Raises OSError, and
    E706 for other channels."""
    from PIL import Image

    if x.shape[2] not in (1, 3):
        raise error("E706", f"a picture of {x.shape[2]} channels cannot be written as PNG")
    pixels = x if x.dtype == np.uint8 else np.rint(np.clip(x, 0, 1) * 255).astype(np.uint8)
    Image.fromarray(pixels[:, :, 0] if x.shape[2] == 1 else pixels).save(path)
