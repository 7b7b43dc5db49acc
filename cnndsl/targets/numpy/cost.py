"""What kernels cost on one core, roughly, and the block sizes that follow. Measured on an AVX-512 core (EPYC, Zen 5).

The numbers are nanoseconds for one piece of work. They order the alternatives, and are weighed against what waking a
worker and laying a value out anew cost, which were measured on the same machine.
"""

from __future__ import annotations

from dataclasses import dataclass

from cnndsl.ops.winograd import inputs_of, sides
from cnndsl.targets.numpy.kernels.pointwise import CHAIN
from cnndsl.targets.numpy.kernels.product import PIECE, pieces

CACHE = 1 << 20  # bytes of gathered inputs in one product: what stays in the second-level cache
TILE = CHAIN  # float32 numbers in one tile of a pointwise chain: smaller ones fit the cache better, but two threads that
# make many short calls wait for the interpreter's lock (ResNet-20 step, 2 workers: 188 ms with 12,288, 141 with 131,072)
LONGEST_ROW = 16000  # of constants, below 64 KB
FLOPS = 115.0  # of a large product, per nanosecond
NARROW = 18  # columns: narrower products that BLAS packs are slower in proportion
READ = 0.1  # of a weight that does not lie in the cache
LARGEST_BLOCK = 8 * CACHE  # bytes of one block of Winograd's tiles: three rows of UNet's 195 × 390 × 128 take 57 ms, all 87
SHIFTED = 0.2  # of one number of one shifted product of a depthwise convolution
MOVED = 0.2  # of one number that a pool compares or adds
CALLS = 15000.0  # of the calls for one block of Winograd's tiles


@dataclass(frozen=True, slots=True)
class Windows:
    """One convolution: n images of h × w outputs, kernel kh × kw over c channels of a group, f filters of a group."""

    n: int
    h: int
    w: int
    kh: int
    kw: int
    c: int
    f: int
    stride: int
    dilated: bool
    groups: int


def product(m: float, k: int, n: int) -> float:
    """Nanoseconds of an (m, k) · (k, n) product: of its arithmetic, slower for few columns, and of packing its operands
    where it is too large for the kernels that do not pack.
    """
    work = 2.0 * m * k * n * (1 + 180 / n**2)
    rows, columns = pieces(max(int(m), 1), k, n)
    if rows * k * columns <= PIECE:
        return work / 190 + 0.043 * k * n * max(m / rows, 1.0) + 0.036 * m * n
    return work / 156 + 0.21 * k * n + 0.07 * m * k + 0.15 * m * n


def moved(runs: float, length: float, each: float = 3.5) -> float:
    """Nanoseconds to copy (or add, each = 15) `runs` pieces of `length` numbers."""
    return runs * (each + 0.19 * length)


def together_candidates(x: Windows) -> list[int]:
    """How many neighbouring outputs one row of the product may make."""
    if x.dilated or x.groups > 1 or x.kh == x.kw == 1:
        return [1]
    return [t for t in range(1, min(x.w, 32) + 1) if x.w % t == 0]


def forward(x: Windows, t: int) -> float:
    """Nanoseconds of the convolution, or of its weight gradient, with t outputs together."""
    rows, reach = x.n * x.h * (x.w // t), (t - 1) * x.stride + x.kw
    gathering = 0.0 if x.kh == x.kw == x.stride == 1 else moved(rows * x.kh * x.groups, reach * x.c)
    banding = 0.0 if t == 1 else moved(x.kh * reach * x.c * 2, t * x.f)
    return gathering + banding + x.groups * product(rows, x.kh * reach * x.c, t * x.f)


def backward(x: Windows, t: int) -> float:
    """Nanoseconds of the input gradient by adding up shares."""
    rows, reach, step = x.n * x.h * (x.w // t), (t - 1) * x.stride + x.kw, t * x.stride
    pieces = 1 if t == x.w else -(-reach // step)
    adding = moved(rows * x.kh * pieces * x.groups, min(step, reach) * x.c, 15.0)
    return adding + x.groups * product(rows, t * x.f, x.kh * reach * x.c)


def block(x: Windows, t: int, target: int = CACHE) -> tuple[int, int]:
    """(images, output rows) of one product."""
    row = (x.w // t) * x.kh * ((t - 1) * x.stride + x.kw) * x.c * 4
    if row * x.h <= target:
        return min(x.n, max(1, target // (row * x.h))), x.h
    return 1, max(1, min(x.h, target // row))


def block_apart(block: tuple[int, int], width: int, filters: int) -> tuple[int, int]:
    """`block`, or fewer rows of it, so that the products of a block stay in the cache until they are added."""
    images, rows = block
    row = 4 * width * filters
    if images > 1:
        return max(1, min(images, CACHE // 2 // (rows * row))), rows
    return images, max(1, min(rows, CACHE // 2 // row))


def shifts(h: int, w: int, c: int, workers: int) -> tuple[int, int]:
    """(rows, wide) of a depthwise convolution whose image `workers` share: a block of rows, and columns of one row."""
    share = -(-h // workers)
    blocks = -(-share // max(1, CACHE // 4 // (4 * w * c)))
    return -(-share // blocks), wide(c, w)


def images_of(numbers: int, count: int, target: int = CACHE) -> int:
    """How many images of `numbers` float32 numbers fit the cache, or nearly; blocks of as many are equally large."""
    blocks = max(1, round(4 * numbers * count / target))
    return -(-count // blocks)


def wide(channels: int, positions: int, limit: int = 2048) -> int:
    """How many positions to lay side by side in a row, so that rows are long: a divisor of `positions`."""
    best = 1
    for k in range(2, min(positions, limit // max(channels, 1)) + 1):
        if positions % k == 0:
            best = k
    return best


def aligned(*arrays: tuple[tuple[int, ...], int]) -> int:
    """Bytes that `carve` needs for arrays of (shape, bytes a number)."""
    total = 0
    for shape, size in arrays:
        count = size
        for n in shape:
            count *= n
        total += -(-count // 64) * 64
    return total


def lane_forward(positions: float, kernel: tuple[int, int], c: int, f: int, lanes: int) -> float:
    """Nanoseconds of a convolution on arrays of lanes: `positions` small products (f, taps · c) · (taps · c, lanes)."""
    taps = kernel[0] * kernel[1]
    gathered = 0.0 if taps == 1 else moved(positions * kernel[0], c * lanes)
    small = 60.0 + 2.0 * f * taps * c * lanes / (FLOPS * 0.85 * min(1.0, f / 12))
    return gathered + positions * small


def lane_turned(kernel: tuple[int, int], c: int, f: int) -> bool:
    """Whether the weight gradient lays filters side by side: not for few of them, nor for small products."""
    return f > 8 and kernel[0] * kernel[1] * c > 64


def lane_weight_grad(positions: float, kernel: tuple[int, int], c: int, f: int, lanes: int) -> float:
    """Nanoseconds of its weight gradient: `positions` small products (taps · c, lanes) · (lanes, f), and their sum."""
    taps, turned = kernel[0] * kernel[1], lane_turned(kernel, c, f)
    gathered = moved(positions * kernel[0], c * lanes) + (positions * lanes * f * 0.45 if turned else 0.0)
    rate = FLOPS * min(1.0, f / NARROW) * (0.95 if turned else 0.55)
    return gathered + positions * (100.0 + 0.15 * taps * c * f + 2.0 * taps * c * f * lanes / rate)


def winograd(x: Windows, tile: int) -> tuple[float, tuple[int, int]]:
    """(nanoseconds, block) of a convolution by tiles; a block: images, and rows of tiles.

    A block should stay in the cache, but each block reads the whole filter anew: the cheapest of a few sizes, and of those
    that cost nearly the same the smallest, which needs the least memory.
    """
    (mh, mw), (ah, aw) = sides((x.kh, x.kw), tile), inputs_of((x.kh, x.kw), tile)
    height, width, places = -(-x.h // mh), -(-x.w // mw), ah * aw
    choices = [(1, -(-height // k)) for k in range(height, 0, -1)] + [(k, height) for k in range(2, x.n + 1)]
    found: list[tuple[float, int, tuple[int, int]]] = []
    for images, rows in dict.fromkeys(choices):
        if found and 8 * places * images * rows * width * max(x.c, x.f) > LARGEST_BLOCK:
            continue
        tiles, times = images * rows * width, -(-x.n // images) * -(-height // rows)
        spilt = max(1.0, min(1.6, 8 * places * tiles * max(x.c, x.f) / (2.0 * CACHE)))
        gathered = moved(places * tiles, x.c) + moved(mh * mw * tiles, x.f) + moved(mh * rows * images, x.w * x.c)
        turned = product(places, places, tiles * x.c) + product(mh * mw, places, tiles * x.f)
        products = places * (product(tiles, x.c, x.f) + READ * x.c * x.f)
        found.append((times * (CALLS + spilt * (gathered + turned) + products), images * rows, (images, rows)))
    least = min(seconds for seconds, _, _ in found)
    seconds, _, block = min((x for x in found if x[0] <= 1.05 * least), key=lambda x: (x[1], x[0]))
    return seconds, block
