"""What the weight gradients of convolutions cost on one core, in nanoseconds, and their blocks. See `cost`."""

from __future__ import annotations

from cnndsl.targets.numpy.cost import CACHE, Windows, forward, moved, product

WINOGRAD_TILES = 48  # tiles in one product, at least: shorter ones cost more in adding up than they save in the cache
LONG = 1.2  # products along thousands of positions are slower than those along hundreds: measured over counted
MEMORY = 1.4  # arrays of Winograd's tiles leave the cache: measured over counted


def windows(x: Windows, t: int) -> float:
    """`conv2d_weight_grad` with t outputs together."""
    return LONG * forward(x, t)


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
