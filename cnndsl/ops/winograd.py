"""winograd_filter, winograd_conv: a convolution of stride 1 by tiles, with fewer multiplications. Made by the pass `winograd`,
never written by a user.

Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A gives a tile of m × m outputs from a tile d of a × a inputs, a = m + k − 1, and a k × k kernel
g: with a² products for what takes k² m² directly, 36 instead of 144 for m = 4 and k = 3. Along an axis where the kernel
has one place, m = a = 1: a 1 × 7 kernel makes 2 outputs with 8 products instead of 14. Over channels the products become
matrix products. The matrices multiply polynomials by their values at a − 1 points and at ∞ (Toom, Cook): A and G hold the
powers of the points, B the inverse. Winograd, "Arithmetic Complexity of Computations", 1980; Lavin, Gray, "Fast Algorithms
for Convolutional Neural Networks", 2016. Numbers in between grow, and with them rounding: in float32 about 5e-7 of the
largest result for a = 4, 1e-6 for 6 and 3e-6 for 8, along one axis.

    winograd_filter   w (kH, kW, C, F) → u (aH·aW, C, F); `turned`: of the convolution that is the input gradient, (…, F, C)
    winograd_conv     x (N, H, W, C), u (aH·aW, C, F), bias (F,) → y (N, H + pad − kH + 1, W + pad − kW + 1, F)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cnndsl.graph import window
from cnndsl.graph.op import Op, Reject, Work, expect, sample, truth
from cnndsl.graph.types import TensorType

TILES = (2, 4)
# Points for a inputs along an axis. Roots of 2 keep the numbers in between smaller than 1 and 2 would.
POINTS = {
    1: (),
    4: (0.0, 1.0, -1.0),
    6: (0.0, 0.5**0.5, -(0.5**0.5), 2.0**0.5, -(2.0**0.5)),
    8: (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5),
}
MOST_PLACES = 36


def along(outputs: int, places: int) -> tuple[Any, Any, Any]:
    """Along one axis, for a = outputs + places − 1: Bᵀ (a, a), G (a, places), Aᵀ (outputs, a)."""
    a = outputs + places - 1
    points = np.array(POINTS[a], np.float64)

    def powers(n: int) -> Any:
        """1, x, x², … at each point; at ∞ the highest power alone."""
        return np.vstack([np.vander(points, n, increasing=True), np.eye(1, n, n - 1)])

    return np.linalg.inv(powers(a)).T, powers(places), powers(outputs).T


def sides(kernel: tuple[int, int], tile: int) -> tuple[int, int]:
    """The outputs of a tile along each axis."""
    return (1 if kernel[0] == 1 else tile, 1 if kernel[1] == 1 else tile)


def inputs_of(kernel: tuple[int, int], tile: int) -> tuple[int, int]:
    """The inputs of a tile along each axis."""
    m = sides(kernel, tile)
    return m[0] + kernel[0] - 1, m[1] + kernel[1] - 1


def fits(kernel: tuple[int, ...], tile: int) -> bool:
    """Whether there are points for such a kernel and tile, and few enough places."""
    if len(kernel) != 2 or tile not in TILES or kernel[0] == kernel[1] == 1 or min(kernel) < 1:
        return False
    a = inputs_of((kernel[0], kernel[1]), tile)
    return all(n in POINTS for n in a) and a[0] * a[1] <= MOST_PLACES


@dataclass(frozen=True, slots=True)
class WinogradFilterAttrs:
    tile: int
    turned: bool = False

    def __post_init__(self) -> None:
        check_tile(self.tile)
        truth(self.turned, "turned")


@dataclass(frozen=True, slots=True)
class WinogradConvAttrs:
    """pad: rows above and below, columns left and right."""

    tile: int
    kernel: tuple[int, int] = (3, 3)
    pad: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))

    def __post_init__(self) -> None:
        check_tile(self.tile)
        window.check_resolved(self.kernel, (1, 1), self.pad)
        expect(fits(self.kernel, self.tile), "a kernel that has tiles", "E305", kernel=self.kernel, tile=self.tile)


def check_tile(tile: Any) -> None:
    expect(tile in TILES, "tile to be 2 or 4", "E305", tile=tile)


def filter_infer(a: WinogradFilterAttrs, w: TensorType) -> tuple[TensorType]:
    expect(
        w.is_float and w.rank == 4 and fits(w.sizes[:2], a.tile), "a float weight (kH, kW, C, F) that has tiles", "E309", w=w
    )
    c, f = w.shape[2:]
    high, wide = inputs_of((w.sizes[0], w.sizes[1]), a.tile)
    return (w.with_shape(high * wide, *((f, c) if a.turned else (c, f))),)


def filter_reference(xp: Any, a: Any, w: Any) -> tuple[Any]:
    if a.turned:
        w = xp.swapaxes(w[::-1, ::-1], 2, 3)
    m = sides(w.shape[:2], a.tile)
    g, h = (xp.asarray(along(n, k)[1], w.dtype) for n, k in zip(m, w.shape[:2]))
    return (xp.einsum("im,jq,mqcf->ijcf", g, h, w).reshape(-1, *w.shape[2:]),)


def conv_infer(a: WinogradConvAttrs, x: TensorType, u: TensorType, b: TensorType | None = None) -> tuple[TensorType]:
    expect(x.is_float and x.rank == 4, "a float tensor of images", x=x)
    window.out_sizes(x.space, a.kernel, (1, 1), (1, 1), a.pad)  # E307 where the kernel does not fit
    high, wide = inputs_of(a.kernel, a.tile)
    wanted = (high * wide, x.channels)
    expect(u.rank == 3 and u.shape[:2] == wanted, f"a filter of shape ({wanted[0]}, {wanted[1]}, F)", "E309", u=u)
    if b is not None:
        expect(b.shape == (u.channels,), f"a bias of shape ({u.channels},)", "E309", bias=b)
    (top, bottom), (left, right) = a.pad
    h, w = x.shape[1] + top + bottom - a.kernel[0] + 1, x.shape[2] + left + right - a.kernel[1] + 1
    return (x.with_shape(x.shape[0], h, w, u.channels),)


def conv_reference(xp: Any, a: Any, x: Any, u: Any, b: Any = None) -> tuple[Any]:
    (mh, mw), (high, wide) = sides(a.kernel, a.tile), inputs_of(a.kernel, a.tile)
    (down, _, up), (across, _, back) = along(mh, a.kernel[0]), along(mw, a.kernel[1])
    (top, bottom), (left, right) = a.pad
    h, w = x.shape[1] + top + bottom - a.kernel[0] + 1, x.shape[2] + left + right - a.kernel[1] + 1
    rows, columns = -(-h // mh), -(-w // mw)
    x = xp.pad(x, ((0, 0), (top, bottom + rows * mh - h), (left, right + columns * mw - w), (0, 0)))
    y = xp.zeros((x.shape[0], rows * mh, columns * mw, u.shape[2]), x.dtype)
    places = [(k, n) for k in range(high) for n in range(wide)]
    for i, j in places:
        seen = 0
        for k, n in places:
            if down[i, k] * across[j, n]:
                part = x[:, k : k + (rows - 1) * mh + 1 : mh, n : n + (columns - 1) * mw + 1 : mw]
                seen = seen + float(down[i, k] * across[j, n]) * part
        product = xp.matmul(seen, u[i * wide + j])
        for p in range(mh):
            for q in range(mw):
                y[:, p::mh, q::mw] += float(up[p, i] * back[q, j]) * product
    y = y[:, :h, :w]
    return (y.copy() if b is None else y + b,)


def multiply_adds(a: WinogradConvAttrs, x: TensorType, u: TensorType, *rest: TensorType) -> Work:
    """As papers count: of the convolution, not of this way to compute it."""
    y = conv_infer(a, x, u)[0]
    return Work(multiply_adds=a.kernel[0] * a.kernel[1] * y.elements * u.sizes[1])


_REASON = "it is made after differentiation"

WINOGRAD_FILTER = Op(
    "winograd_filter", WinogradFilterAttrs, filter_infer, filter_reference, batch="whole", no_gradient=_REASON,
    samples=(
        *(sample((3, 3, 4, 5), tile=tile, turned=turned) for tile in TILES for turned in (False, True)),
        *(sample((*kernel, 3, 2), tile=2, turned=turned) for kernel in ((1, 7), (5, 5), (3, 1)) for turned in (False, True)),
    ),
    rejects=(
        Reject(("float32[7,7,3,4]",), "a float weight (kH, kW, C, F) that has tiles", {"tile": 2}),
        Reject(("float32[1,1,3,4]",), "a float weight (kH, kW, C, F) that has tiles", {"tile": 4}),
        Reject(("int32[3,3,3,4]",), "a float weight (kH, kW, C, F) that has tiles", {"tile": 4}),
    ),
)  # fmt: skip
WINOGRAD_CONV = Op(
    "winograd_conv", WinogradConvAttrs, conv_infer, conv_reference, work=multiply_adds, no_gradient=_REASON,
    samples=(
        sample((2, 8, 8, 3), (16, 3, 4), (4,), tile=2, pad=((1, 1), (1, 1))),
        sample((2, 8, 12, 3), (36, 3, 4), (4,), tile=4, pad=((1, 1), (1, 1))),
        sample((3, 7, 6, 5), (16, 5, 3), tile=2),
        sample((3, 7, 9, 5), (36, 5, 3), tile=4, pad=((2, 0), (0, 1))),
        sample((1, 3, 3, 2), (36, 2, 2), tile=4, pad=((2, 2), (2, 2))),
        sample((2, 5, 9, 3), (8, 3, 4), (4,), tile=2, kernel=(1, 7), pad=((0, 0), (3, 3))),
        sample((2, 9, 5, 3), (8, 3, 4), tile=2, kernel=(7, 1), pad=((3, 3), (0, 0))),
        sample((2, 9, 8, 3), (36, 3, 4), (4,), tile=2, kernel=(5, 5), pad=((2, 2), (2, 1))),
        sample((1, 5, 6, 3), (6, 3, 2), tile=4, kernel=(1, 3)),
        sample((1, 5, 6, 3), (24, 3, 2), tile=2, kernel=(3, 5), pad=((1, 1), (2, 2))),
    ),
    rejects=(
        Reject(("float32[2,7,7,3]", "float32[16,4,4]"), "a filter of shape (16, 3, F)", {"tile": 2}),
        Reject(("float32[2,7,7,3]", "float32[36,3,4]"), "a filter of shape (16, 3, F)", {"tile": 2}),
        Reject(("float32[2,7,7,3]", "float32[36,3,4]", "float32[3]"), "a bias of shape (4,)", {"tile": 4}),
        Reject(("float32[7,7,3]", "float32[16,3,4]"), "a float tensor of images", {"tile": 2}),
        Reject(("float32[2,7,7,3]", "float32[64,3,4]"), "a kernel that has tiles", {"tile": 2, "kernel": (7, 7)}),
    ),
)  # fmt: skip
