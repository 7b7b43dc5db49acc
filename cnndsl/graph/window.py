"""Window arithmetic that convolution and pooling share: pads, output sizes, rounding.

Per axis, with input n, kernel k, stride s, dilation d, pads b and e: output = ⌊(n + b + e − (d(k − 1) + 1)) / s⌋ + 1,
or with ⌈·⌉ under `ceil`, where a last window that would start beyond input and begin pad is dropped (as Caffe,
PyTorch). `same`: output ⌈n / s⌉, the odd row of padding at the end (TensorFlow). `same_symmetric`: d(k − 1)/2 on
both sides, odd kernels only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnndsl.errors import counted, error, in_words
from cnndsl.graph.op import expect
from cnndsl.graph.sizes import Size, ceil_div, may_reach, shown
from cnndsl.graph.types import TensorType

Pad = str | tuple[tuple[int, int], ...]


def whole(x: Any, what: str, minimum: int = 1) -> int:
    """One whole number of at least `minimum`."""
    if type(x) is int and minimum <= x <= 2**31 - 1:  # nearly always: no messages are put together for nothing
        return x
    expect(isinstance(x, int) and not isinstance(x, bool), f"{what} to be a whole number", "E302", given=x)
    expect(minimum <= x <= 2**31 - 1, f"{what} from {minimum} to 2147483647", "E303", given=x)
    return int(x)


def per_axis(x: Any, what: str, minimum: int = 1) -> int | tuple[int, ...]:
    """An integer for all axes, or a tuple with one each; checked to be at least `minimum`."""
    if not isinstance(x, (tuple, list)):
        return whole(x, what, minimum)
    return tuple(whole(p, what, minimum) for p in x)


def spread(x: int | tuple[int, ...], rank: int, what: str) -> tuple[int, ...]:
    """One number for each of `rank` axes."""
    if isinstance(x, tuple):
        expect(len(x) == rank, f"{what} with one number for each of {counted(rank, 'axis')}", "E304", given=x)
        return x
    return (x,) * rank


def clean_pad(pad: Any) -> Any:
    """`valid | same | same_symmetric`, an integer, one integer an axis, or (begin, end) an axis; checked."""
    if isinstance(pad, str):
        expect(pad in ("valid", "same", "same_symmetric"), "pad to be valid, same, same_symmetric or numbers", "E305", pad=pad)
        return pad
    if not isinstance(pad, (tuple, list)):
        return whole(pad, "pad", 0)
    parts = tuple(per_axis(p, "pad", 0) for p in pad)
    expect(
        all(isinstance(p, int) or len(p) == 2 for p in parts),
        "pad with one number or [begin, end] for each axis",
        "E304",
        pad=pad,
    )
    return parts


def kernel(x: Any, what: str) -> tuple[int, ...]:
    """The sizes of a kernel or window: one number for each of 1, 2 or 3 axes."""
    if not isinstance(x, (tuple, list)):
        square = isinstance(x, int) and not isinstance(x, bool) and 0 < x < 2**31
        help = f"{x}x{x} is a square {what}" if square else None
        raise error(
            "E302", f"expected a {what} with one number for each axis, such as 3x3, but given is {in_words(x)}", help=help
        )
    expect(1 <= len(x) <= 3, f"a {what} of 1, 2 or 3 axes", "E304", given=x)
    return tuple(whole(p, what) for p in x)


def one_number_an_axis(sizes: Sequence[int], what: str, x: TensorType) -> None:
    """Refuse a kernel or window that has not as many numbers as `x` has axes of space: E304."""
    axes = x.rank - 2
    if axes <= 0:
        help = "flatten, dense and the global pools take height and width away: what has a window stands before them"
        raise error("E304", f"expected a value with space, but x is {x}", help=help)
    if axes != len(sizes) and 2 <= axes + len(sizes) <= 5:
        help = "the batch is no part of a shape: 28x28x1" if axes > len(sizes) else "a shape ends with its channels: 28x28x1"
        wanted = f"expected a {what} with {counted(axes, 'number')} for this value"
        raise error("E304", f"{wanted}, but {what} is {sizes}, x is {x}", help=help)
    expect(axes == len(sizes), f"a {what} with {counted(axes, 'number')} for this value", "E304", **{what: sizes, "x": x})


def check_whole(x: Any, what: str, count: int, minimum: int = 1) -> None:
    """Refuse what is no tuple of `count` whole numbers of at least `minimum`: gradients and layouts have nothing left open."""
    expect(isinstance(x, tuple) and len(x) == count, f"{what} with {count} whole numbers", "E304", given=x)
    for p in x:
        whole(p, what, minimum)


def check_resolved(k: Any, s: Any, p: Any, d: Any = None) -> int:
    """Refuse kernel, stride, pad and dilation that do not go together, or leave anything open; how many axes they have."""
    rank = len(kernel(k, "kernel"))
    check_whole(k, "kernel", rank)
    check_whole(s, "stride", rank)
    if d is not None:
        check_whole(d, "dilation", rank)
    check_pairs(p, "pad", rank)
    return rank


def check_pairs(p: Any, what: str, rank: int) -> None:
    """Refuse what is not (begin, end) for each of `rank` axes."""
    expect(isinstance(p, tuple) and len(p) == rank, f"{what} with [begin, end] for each of the {rank} axes", "E304", given=p)
    for pair in p:
        check_whole(pair, what, 2, 0)


def pads(pad: Any, n: Sequence[Size], k: Sequence[int], s: Sequence[int], d: Sequence[int]) -> tuple[tuple[Size, Size], ...]:
    """(begin, end) for each axis."""
    if pad == "valid":
        return ((0, 0),) * len(k)
    if pad == "same_symmetric":
        expect(all(x % 2 for x in k), "an odd kernel with pad = same_symmetric", "E306", kernel="x".join(map(str, k)))
        return tuple((d_ * (x - 1) // 2,) * 2 for x, d_ in zip(k, d, strict=True))
    if pad == "same":
        found = []
        for n_, k_, s_, d_ in zip(n, k, s, d, strict=True):
            reach = d_ * (k_ - 1) + 1
            total = reach - 1 if s_ == 1 else (ceil_div(n_, s_) - 1) * s_ + reach - n_
            if not isinstance(total, int):
                raise error("E602", f"pad = same with stride {s_} on size {shown(n_)} cannot be decided for every size")
            total = max(total, 0)
            found.append((total // 2, total - total // 2))
        return tuple(found)
    parts = spread(pad, len(k), "pad") if not isinstance(pad, tuple) else pad
    expect(len(parts) == len(k), f"pad with one entry for each of {counted(len(k), 'axis')}", "E304", pad=pad)
    return tuple((p, p) if isinstance(p, int) else (p[0], p[1]) for p in parts)


def check_reflection(n: Sequence[Size], p: Sequence[tuple[Size, Size]]) -> None:
    """Refuse (E307) to reflect more rows than there are beyond the edge."""
    for n_, (b, e) in zip(n, p, strict=True):
        expect(may_reach(n_, b + 1) and may_reach(n_, e + 1), "a reflected pad smaller than the input", "E307",
               pad=(b, e), input=n_)  # fmt: skip


def out_sizes(
    n: Sequence[Size], k: Sequence[int], s: Sequence[int], d: Sequence[int], p: Sequence[tuple[Size, Size]], ceil: bool = False
) -> tuple[Size, ...]:
    """The output size of each axis; raises E307 where the kernel is larger than the padded input."""
    found: list[Size] = []
    for n_, k_, s_, d_, (b, e) in zip(n, k, s, d, p, strict=True):
        reach = d_ * (k_ - 1) + 1
        if not may_reach(n_ + b + e, reach):
            window = "x".join(str(d1 * (k1 - 1) + 1) for k1, d1 in zip(k, d, strict=True))
            padded = "x".join(str(m + q[0] + q[1]) for m, q in zip(n, p, strict=True))
            expect(False, "a window that fits its padded input", "E307", window=window, input=padded)
        room = n_ + b + e - reach
        count = (ceil_div(room, s_) if ceil else room // s_) + 1
        if ceil and isinstance(count, int) and (count - 1) * s_ >= n_ + b:
            count -= 1
        found.append(count)
    return tuple(found)
