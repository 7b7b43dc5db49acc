"""What the weight gradients of convolutions cost on one core, in nanoseconds, and their blocks. See `cost`."""

from __future__ import annotations

from cnndsl.targets.numpy.cost import CACHE, FLOPS, NARROW, Windows, moved

WINOGRAD_TILES = 48  # tiles in one product, at least: shorter ones cost more in adding up than they save in the cache
LONG = 1.2  # products along thousands of positions are slower than those along hundreds: measured over counted
MEMORY = 1.4  # arrays of Winograd's tiles leave the cache: measured over counted


def product(m: float, k: int, n: int) -> float:
    """A product whose sum runs along many positions: BLAS packs its operands, whatever their size."""
    return 2.0 * m * k * n / (FLOPS * min(1.0, min(n, k) / NARROW))


def windows(x: Windows, t: int) -> float:
    """`conv2d_weight_grad` with t outputs together."""
    rows, reach = x.n * x.h * (x.w // t), (t - 1) * x.stride + x.kw
    gathering = 0.0 if x.kh == x.kw == x.stride == 1 else moved(rows * x.kh * x.groups, reach * x.c)
    banding = 0.0 if t == 1 else moved(x.kh * reach * x.c * 2, t * x.f)
    return LONG * (gathering + banding + x.groups * product(rows, x.kh * reach * x.c, t * x.f))


def rows_block(x: Windows, t: int, deep: int) -> tuple[int, int]:
    """(images, output rows) of one product for `conv2d_weight_grad_rows`; deep: more rows of input than of output."""
    row = (x.w // t) * ((t - 1) * x.stride + x.kw) * x.c * 4
    if row * (x.h + deep) <= CACHE // 2:
        return min(x.n, max(1, CACHE // 2 // (row * (x.h + deep)))), x.h
    return 1, max(1, min(x.h, CACHE // 2 // row - deep))


def rows(x: Windows, t: int, deep: int, padded: bool) -> float:
    """`conv2d_weight_grad_rows` with t outputs together."""
    reach, w = (t - 1) * x.stride + x.kw, x.w // t
    images, height = rows_block(x, t, deep)
    pieces = -(-x.n // images) * images * -(-x.h // height)
    lines = x.n * (x.h + deep * -(-x.h // height))
    gathering = moved(lines * w, reach * x.c) + (moved(lines, x.w * x.stride * x.c) if padded else 0.0)
    adding = pieces * x.kh * reach * x.c * t * x.f * 0.5
    return gathering + adding + x.kh * product(x.n * x.h * w, reach * x.c, t * x.f)


def winograd_block(x: Windows) -> tuple[int, int]:
    """(images, rows of tiles) at a time."""
    across, down = -(-x.w // 4), -(-x.h // 4)
    tiles = max(2 * CACHE // (144 * (2 * x.c + x.f)), WINOGRAD_TILES, x.c * x.f // 512)
    if 4 * tiles >= 3 * across * down:
        return min(x.n, max(1, tiles // (across * down))), down
    return 1, max(1, tiles // across)


def winograd(x: Windows) -> float:
    """`winograd_weight_grad`."""
    across, down = -(-x.w // 4), -(-x.h // 4)
    tiles, (images, height) = x.n * across * down, winograd_block(x)
    pieces = -(-x.n // images) * -(-down // height)
    lower = moved(36 * tiles, x.c) + product(36, 36, tiles * x.c) + moved(x.n * x.h, x.w * x.c)
    upper = moved(16 * tiles, x.f) + product(36, 16, tiles * x.f)
    adding = (1.15 * pieces - 0.75) * 36 * x.c * x.f
    back = 4 * product(9, 36, x.c * x.f) + 36 * x.c * x.f * 0.3
    return MEMORY * (lower + upper + adding) + back + 36 * product(x.c, tiles, x.f)
