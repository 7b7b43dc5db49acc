"""Matrix products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from cnndsl.targets.numpy.kernels.product import multiply

Array = NDArray[Any]


def matmul(
    a: Array,
    b: Array,
    out: Array,
    *,
    finish: Callable[[int, int], None] | None = None,
) -> None:
    """out = a · b. a (…, K); b (K, F); out (…, F).

    finish(i, j): called when rows i:j are there, for bias and activation.
    """
    x, y = a.reshape(-1, a.shape[-1]), out.reshape(-1, out.shape[-1])
    multiply(x, b, y)
    if finish is not None:
        finish(0, len(x))
