"""Matrix products, cut into pieces where small ones are faster."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.targets.numpy.frame.threads import BLAS

Array = NDArray[Any]

PIECE = 1_000_000  # multiply-adds: OpenBLAS's AVX-512 kernels pack no operands of products up to here
FEW = 32  # rows or columns: narrower pieces are slow themselves


def multiply(a: Array, b: Array, out: Array) -> None:
    """out = a · b, for matrices (M, K) · (K, N) or stacks of them; in pieces if that is faster.

    On one AVX-512 core (12544, 16) · (16, 96) takes 0.29 ms in pieces instead of 0.52, (3136, 64) · (64, 64)
    0.15 instead of 0.22, 36 products (49, 256) · (256, 256) 1.7 instead of 2.3.
    """
    m, k = a.shape[-2:]
    n = b.shape[-1]
    rows, columns = pieces(m, k, n) if BLAS.small else (m, n)
    if rows == m and columns == n:
        np.matmul(a, b, out=out)
        return
    whole = m - m % rows
    b_cut = b.reshape(*b.shape[:-1], n // columns, columns).swapaxes(-3, -2)[..., None, :, :, :]
    a_cut = a[..., :whole, :].reshape(*a.shape[:-2], whole // rows, 1, rows, k)
    cut = *out.shape[:-2], whole // rows, rows, n // columns, columns
    out_cut = out[..., :whole, :].reshape(cut).swapaxes(-3, -2)
    np.matmul(a_cut, b_cut, out=out_cut)
    if whole < m:
        np.matmul(a[..., whole:, :], b, out=out[..., whole:, :])


def pieces(m: int, k: int, n: int) -> tuple[int, int]:
    """Rows and columns of one piece of an (m, k) · (k, n) product; (m, n): it stays whole."""
    if m * k * n <= PIECE:
        return m, n
    if k * n * FEW <= PIECE:
        return PIECE // (k * n), n
    if m <= 4 * FEW and k <= 12 * FEW:
        for parts in range(2, n // FEW + 1):
            if n % parts == 0 and m * k * (n // parts) <= PIECE:
                return m, n // parts
    return m, n
