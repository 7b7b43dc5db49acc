"""winograd_filter, winograd_conv: a 3×3 convolution of stride 1 by tiles, with fewer multiplications. Made by the pass
`winograd`, never written by a user.

Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A gives a tile of m × m outputs from a tile d of a × a inputs, a = m + 2, and a 3 × 3 kernel g:
with a² products for what takes 9 m² directly, 16 instead of 36 for m = 2, 36 instead of 144 for m = 4. Over channels the
products become a² matrix products. Winograd, "Arithmetic Complexity of Computations", 1980; Lavin, Gray, "Fast Algorithms
for Convolutional Neural Networks", 2016, whose matrices these are. Numbers in between grow, and with them rounding:
in float32 about 5e-7 of the largest result for m = 2 and 1e-5 for m = 4.

    winograd_filter   w (3, 3, C, F) → u (a², C, F); `turned`: of the convolution that is the input gradient, (a², F, C)
    winograd_conv     x (N, H, W, C), u (a², C, F), bias (F,) → y (N, H + pad − 2, W + pad − 2, F)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cnndsl.graph.op import Op, Reject, Work, expect, sample, truth
from cnndsl.graph.types import TensorType

TILES = (2, 4)


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
    pad: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))

    def __post_init__(self) -> None:
        check_tile(self.tile)


def check_tile(tile: Any) -> None:
    expect(tile in TILES, "tile to be 2 or 4", "E305", tile=tile)


def filter_infer(a: WinogradFilterAttrs, w: TensorType) -> tuple[TensorType]:
    expect(w.is_float and w.rank == 4 and w.shape[:2] == (3, 3), "a float weight of shape (3, 3, C, F)", "E309", weight=w)
    c, f = w.shape[2:]
    return (w.with_shape((a.tile + 2) ** 2, *((f, c) if a.turned else (c, f))),)


def filter_reference(xp: Any, a: Any, w: Any) -> tuple[Any]:
    if a.turned:
        w = xp.swapaxes(w[::-1, ::-1], 2, 3)
    rows: Any = [[2, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 2]]
    share = 2
    if a.tile == 4:
        rows = [[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]
        share = 24
    g = xp.asarray([[n / share for n in row] for row in rows], w.dtype)
    return (xp.einsum("im,jq,mqcf->ijcf", g, g, w).reshape(-1, *w.shape[2:]),)


def conv_infer(a: WinogradConvAttrs, x: TensorType, u: TensorType, b: TensorType | None = None) -> tuple[TensorType]:
    expect(x.is_float and x.rank == 4, "a float tensor of images", x=x)
    wanted = ((a.tile + 2) ** 2, x.channels)
    expect(u.rank == 3 and u.shape[:2] == wanted, f"a filter of shape ({wanted[0]}, {wanted[1]}, F)", "E309", u=u)
    if b is not None:
        expect(b.shape == (u.channels,), f"a bias of shape ({u.channels},)", "E309", bias=b)
    (top, bottom), (left, right) = a.pad
    h, w = x.shape[1] + top + bottom - 2, x.shape[2] + left + right - 2
    return (x.with_shape(x.shape[0], h, w, u.channels),)


def conv_reference(xp: Any, a: Any, x: Any, u: Any, b: Any = None) -> tuple[Any]:
    m = a.tile
    forth: Any = [[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]]
    back: Any = [[1, 1, 1, 0], [0, 1, -1, -1]]
    if m == 4:
        forth = [
            [4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0],
            [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1],
        ]  # fmt: skip
        back = [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]
    (top, bottom), (left, right) = a.pad
    h, w = x.shape[1] + top + bottom - 2, x.shape[2] + left + right - 2
    rows, columns = -(-h // m), -(-w // m)
    x = xp.pad(x, ((0, 0), (top, bottom + rows * m - h), (left, right + columns * m - w), (0, 0)))
    y = xp.zeros((x.shape[0], rows * m, columns * m, u.shape[2]), x.dtype)
    places = [(k, n) for k in range(m + 2) for n in range(m + 2)]
    for i, j in places:
        seen = 0
        for k, n in places:
            if forth[i][k] * forth[j][n]:
                part = x[:, k : k + (rows - 1) * m + 1 : m, n : n + (columns - 1) * m + 1 : m]
                seen = seen + forth[i][k] * forth[j][n] * part
        product = xp.matmul(seen, u[i * (m + 2) + j])
        for p in range(m):
            for q in range(m):
                y[:, p::m, q::m] += back[p][i] * back[q][j] * product
    y = y[:, :h, :w]
    return (y.copy() if b is None else y + b,)


def multiply_adds(a: WinogradConvAttrs, x: TensorType, u: TensorType, *rest: TensorType) -> Work:
    """As papers count: of the convolution, not of this way to compute it."""
    y = conv_infer(a, x, u)[0]
    return Work(multiply_adds=9 * y.elements * u.sizes[1])


_REASON = "it is made after differentiation"

WINOGRAD_FILTER = Op(
    "winograd_filter", WinogradFilterAttrs, filter_infer, filter_reference, batch="whole", no_gradient=_REASON,
    samples=tuple(sample((3, 3, 4, 5), tile=tile, turned=turned) for tile in TILES for turned in (False, True)),
    rejects=(
        Reject(("float32[5,5,3,4]",), "a float weight of shape (3, 3, C, F)", {"tile": 2}),
        Reject(("int32[3,3,3,4]",), "a float weight of shape (3, 3, C, F)", {"tile": 4}),
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
    ),
    rejects=(
        Reject(("float32[2,7,7,3]", "float32[16,4,4]"), "a filter of shape (16, 3, F)", {"tile": 2}),
        Reject(("float32[2,7,7,3]", "float32[36,3,4]"), "a filter of shape (16, 3, F)", {"tile": 2}),
        Reject(("float32[2,7,7,3]", "float32[36,3,4]", "float32[3]"), "a bias of shape (4,)", {"tile": 4}),
        Reject(("float32[7,7,3]", "float32[16,3,4]"), "a float tensor of images", {"tile": 2}),
    ),
)  # fmt: skip
