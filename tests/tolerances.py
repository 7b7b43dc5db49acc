"""When are two arrays equal? One rule, used everywhere: max|a − b| ≤ tol · max|b| over the whole tensor.

Elementwise relative error means nothing near zero. A reference of zeros demands zeros; NaNs stand at the same places.
"""

from __future__ import annotations

from typing import Any

import numpy as np

OP = 5e-6
"""One op in float32 against its meaning in float64."""
WINOGRAD = 5e-5
"""The same for convolutions by Winograd's tiles, whose numbers in between are larger than their results."""
NETWORK = 1e-4
"""Logits and heads of a whole network in float32."""
GRAD64 = 1e-5
"""A gradient in float64 against central differences."""
GRAD32 = 1e-3
"""All gradients of a network together, in float32."""


def of(op: str) -> float:
    """The tolerance of an op in float32, by its name."""
    return WINOGRAD if op == "winograd_conv" else OP


def distance(a: Any, b: Any) -> float:
    """max|a − b| / max|b|; infinite where shapes, NaNs or infinities differ; 0 for equal arrays, zeros included."""
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return float("inf")
    finite = np.isfinite(b)
    if not np.array_equal(a[~finite], b[~finite], equal_nan=True):
        return float("inf")
    p, q = a[finite].astype(np.float64), b[finite].astype(np.float64)
    largest, apart = np.abs(q).max(initial=0.0), np.abs(p - q).max(initial=0.0)
    return 0.0 if apart == 0 else float(apart / largest) if largest else float("inf")


def close(a: Any, b: Any, tol: float) -> None:
    """Assert that `a` is `b` within `tol`; whole numbers and truth values must be equal."""
    if np.asarray(b).dtype.kind in "iub":
        np.testing.assert_array_equal(a, b)
        return
    found = distance(a, b)
    assert found <= tol, f"max|a - b| / max|b| = {found:.3g}, allowed {tol:.3g}"
