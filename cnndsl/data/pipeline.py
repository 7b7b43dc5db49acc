"""Pipelines of image steps: `preprocess.images` (without randomness) and `augment` (drawn anew for every image).

Images enter as float32 in [0, 1], shape (n, H, W, C), and go through the steps in order. A step's draws depend on the
seed, the epoch, the number of the image in its data set and the step's place in the pipeline: never on the batch, the
worker or what was drawn before, so that a resumed run sees the same pictures.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.data import affine, colour, crops, geometry, jitter, spoil
from cnndsl.data.arrays import as_images
from cnndsl.data.channels import check_order
from cnndsl.data.draws import Draws
from cnndsl.data.resample import Photograph, floats
from cnndsl.errors import CnnError, Span, error, located

if TYPE_CHECKING:
    from cnndsl.language.recipe import Call, Preprocess

Array = NDArray[Any]
Pictures = Array | Sequence[Array | Photograph]
Apply = Callable[..., Array | Photograph]

STEPS: dict[str, Callable[..., tuple[int, Apply]]] = {
    "grey": colour.grey,
    "invert": colour.invert,
    "normalize": colour.normalize,
    "resize": geometry.resize,
    "center_crop": crops.center_crop,
    "random_crop": crops.random_crop,
    "random_resized_crop": crops.random_resized_crop,
    "crop": crops.crop,
    "flip": geometry.flip,
    "pad": geometry.pad,
    "shift": geometry.shift,
    "affine": affine.affine,
    "color_jitter": jitter.color_jitter,
    "pca_jitter": jitter.pca_jitter,
    "cutout": spoil.cutout,
    "noise": spoil.noise,
}
"""word → its arguments → (how many random numbers an image needs, the step). The signature is the language's."""
ON_BYTES = ("resize", "center_crop", "random_crop", "random_resized_crop", "crop", "flip", "pad", "shift", "color_jitter",
            "normalize")  # fmt: skip
"""Steps that may meet eight bits, before they become floats: what is cut away is never made floats."""
INTO = ("normalize",)
"""Steps that write into an array they are given: where one comes last, a picture needs no array of its own."""
MOVES_BESIDE = ("flip",)
"""Steps that move what stands beside a picture (labels of pixels, targets, masks) as they move the picture."""
OWN_SIZE = ("resize",)
"""Steps that, where they draw, give each picture a size of its own: such pictures come one by one."""


@dataclass(frozen=True)
class Step:
    """One bound step. stream: names its random numbers. draws: how many an image needs. on_bytes, into, moves_beside: whether
    it is of `ON_BYTES`, of `INTO`, of `MOVES_BESIDE`. own_size: whether it draws and is of `OWN_SIZE`. span: its place.
    """

    stream: str
    draws: int
    run: Apply
    on_bytes: bool = False
    into: bool = False
    moves_beside: bool = False
    own_size: bool = False
    span: Span | None = field(default=None, compare=False, repr=False)


def bind(calls: Sequence[Call], where: str, random: bool) -> tuple[Step, ...]:
    """The steps that `calls` ask for. Raises E421 for an unknown step, E422 for arguments, each at its place.

    where: `augment` or `preprocess`; random: whether steps may draw.
    """
    steps = []
    for i, call in enumerate(calls):
        make = STEPS.get(call.name)
        if make is None:
            near = difflib.get_close_matches(call.name, STEPS, 1)
            help = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(STEPS))}"
            raise error("E421", f"{call.name} is no image step that can be run", call.span, help=help)
        count, run = _made(call, make)
        if count and not random:
            raise error(
                "E422", f"{call.name} draws at random; {where} has no randomness", call.span, help="put it into augment"
            )
        steps.append(
            Step(
                f"{where}.{i}.{call.name}",
                count,
                run,
                on_bytes=call.name in ON_BYTES,
                into=call.name in INTO,
                moves_beside=call.name in MOVES_BESIDE,
                own_size=count > 0 and call.name in OWN_SIZE,
                span=call.span,
            )
        )
    return tuple(steps)


def preprocessing(preprocess: Preprocess | None) -> tuple[Step, ...]:
    """The steps that every picture goes through; none where the file says nothing of them. Raises E421, E422."""
    return bind(preprocess.images, "preprocess", random=False) if preprocess is not None else ()


def _made(call: Call, make: Callable[..., tuple[int, Apply]]) -> tuple[int, Apply]:
    try:
        bound = inspect.signature(make).bind(*call.args, **call.keys)
    except TypeError as e:
        usage = f"{call.name}{inspect.signature(make)}".split(" -> ")[0]
        raise error("E422", f"{call.name}: {e}", call.span, help=_plain(usage)) from None
    try:
        return make(*bound.args, **bound.kwargs)
    except CnnError as e:
        raise CnnError(replace(d, message=f"{call.name}: {d.message}", span=call.span) for d in e.diagnostics) from None


def apply(preprocess: Preprocess | None, pictures: Pictures, shape: Sequence[int] | None = None) -> Array:
    """Pictures as a model wants them: (n, H, W, C) float32.

    pictures: an array (n, H, W, C), or a list of arrays (H, W, C) of any sizes; uint8, or floats in [0, 1]. One picture, (H, W)
    or (H, W, 1, 3 or 4), is an array of one, as in `arrays.as_images`.
    shape: (H, W, C) of the model's input; grey pictures are then repeated over the channels of a coloured input at first.
    Raises E421, E422 (the recipe), E706 (they are no pictures, or come out in another shape).
    """
    return fitted(run(preprocessing(preprocess), coloured(_given(pictures, shape), shape)), shape)


def coloured(pictures: Pictures, shape: Sequence[int] | None) -> Pictures:
    """Grey pictures repeated over three channels where `shape`, the (H, W, C) of a model's input, has as many; all others as
    they are. Before any step, so that one of three numbers for each pixel meets three."""
    if shape is None or shape[2] != 3:
        return pictures
    if isinstance(pictures, np.ndarray):
        return np.repeat(pictures, 3, axis=3) if pictures.shape[3] == 1 else pictures
    return [_in_colour(x) for x in pictures]


def _in_colour(x: Array | Photograph) -> Array | Photograph:
    if x.shape[-1] != 1:
        return x
    return Photograph(x.image.convert("RGB")) if isinstance(x, Photograph) else np.repeat(x, 3, axis=2)


def _given(pictures: Any, shape: Sequence[int] | None) -> Pictures:
    """What a caller gives as pictures, each held to what arrays of images are. Raises E706."""
    if not isinstance(pictures, (list, tuple)):
        found = _array(pictures, "pictures")
        if found.ndim and not len(found):
            raise error("E706", f"there is no picture in an array of shape {found.shape}")
        if shape is not None:
            check_order(found.shape, shape, "pictures")
        return as_images(found, "pictures")
    if not pictures:
        raise error("E706", "there is no picture in an empty list")
    each = []
    for i, x in enumerate(pictures):
        one = x if isinstance(x, Photograph) else as_images(_array(x, f"pictures[{i}]"), f"pictures[{i}]")
        if len(one) != 1:
            message = f"pictures[{i}]: a list holds arrays (H, W, C), one a picture, this has shape {np.shape(x)}"
            raise error("E706", message, help="np.concatenate makes one array of arrays (n, H, W, C)")
        each.append(one if isinstance(one, Photograph) else one[0])
    return each


def _array(x: Any, where: str) -> Array:
    try:
        return np.asarray(x)
    except (ValueError, TypeError):
        raise error("E706", f"{where}: expected an array of numbers (H, W, C), not {type(x).__name__}") from None


def run(steps: Sequence[Step], pictures: Pictures, seed: int = 0, epoch: int = 0, samples: Array | None = None) -> Array:
    """`pictures` through `steps`, as one array. samples: (n,) the numbers of the pictures in their data set."""
    samples = np.arange(len(pictures)) if samples is None else samples
    return through(steps, pictures, drawing(steps, seed, epoch, samples))


def drawing(steps: Sequence[Step], seed: int, epoch: int, samples: Array) -> list[Draws]:
    """For each step, what the images `samples` draw in it."""
    return [Draws(seed, epoch, step.stream, samples, step.draws).filled() for step in steps]


def through(steps: Sequence[Step], pictures: Pictures, draws: Sequence[Draws], out: Array | None = None) -> Array:
    """`pictures` through `steps`, as one array, with numbers drawn before; into `out` where that comes without a copy."""
    alone = any(step.own_size for step in steps)
    if isinstance(pictures, np.ndarray) and not alone:
        return _through(steps, pictures, draws, out)
    arrays = [x for x in pictures if isinstance(x, np.ndarray)]
    if not alone and len(arrays) == len(pictures) and len({(x.shape, x.dtype) for x in arrays}) == 1:
        return _through(steps, np.stack(arrays), draws, out)
    if len(pictures) == 1:
        return _through(steps, pictures[0] if isinstance(pictures[0], Photograph) else pictures[0][None], draws, out)
    each = (x if isinstance(x, Photograph) else x[None] for x in pictures)
    single = [_through(steps, x, [d.only(i, i + 1) for d in draws]) for i, x in enumerate(each)]
    sizes = sorted({x.shape[1:] for x in single})
    if {s[:2] for s in sizes} == {sizes[0][:2]} and {s[2] for s in sizes} == {1, 3}:
        single = [np.repeat(x, 3, axis=3) if x.shape[3] == 1 else x for x in single]
    elif len(sizes) > 1:
        found = " and ".join("x".join(map(str, s)) for s in sizes[:2])
        raise error("E706", f"the pictures come out in different shapes: {found}", help="preprocess: images = … -> resize(HxW)")
    return np.concatenate(single)


def _through(steps: Sequence[Step], x: Array | Photograph, draws: Sequence[Draws], out: Array | None = None) -> Array:
    for step, own in zip(steps, draws, strict=True):
        x = x if step.on_bytes else floats(x)
        last = step.into and step is steps[-1] and out is not None and out.shape == x.shape
        try:
            x = step.run(x, own, out) if last else step.run(x, own)
        except CnnError as e:
            raise located(e, step.span) from None
    return floats(x)


def fitted(x: Array, shape: Sequence[int] | None) -> Array:
    """`x`, contiguous and of shape (n, *shape). Raises E706."""
    if shape is not None:
        if x.shape[3] == 1 and shape[2] == 3:
            x = np.repeat(x, 3, axis=3)
        if x.shape[1:] != tuple(shape):
            came, wanted = ("x".join(map(str, s)) for s in (x.shape[1:], shape))
            grey = x.shape[3] != shape[2] and shape[2] == 1
            step = "grey" if grey else f"resize({shape[0]}x{shape[1]})"
            raise error("E706", f"the pictures are {came}, the model takes {wanted}", help=f"preprocess: images = {step} -> …")
    return np.ascontiguousarray(x, np.float32)


def _plain(usage: str) -> str:
    """A Python signature as a reader of `.cnn` files expects it: without annotations."""
    inside = usage[usage.index("(") + 1 : -1]
    parts = [p.split(":")[0].strip() + (" =" + p.split("=")[1] if "=" in p else "") for p in inside.split(", ")]
    return f"{usage[: usage.index('(')]}({', '.join(parts)})"
