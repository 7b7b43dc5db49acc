"""Means and variances in one pass: where the numbers lie far from zero, tiles are shifted by the mean of the first."""

from __future__ import annotations

import numpy as np
import pytest

from cnndsl.targets.numpy.kernels.reduce import moments_of_share


@pytest.mark.parametrize("wide", [1, 2])
@pytest.mark.parametrize("rows", [1, 2, 3, 50])
def test_far_from_zero(rows: int, wide: int) -> None:
    x = (1000 + np.random.default_rng(0).standard_normal((2, 4, 5, 3))).astype(np.float32)
    mean, spread = np.empty(3), np.empty(3)
    scratch = np.empty(rows * wide * 3 * 4, np.uint8)
    assert moments_of_share(x, mean, spread, wide=wide, rows=rows, scratch=scratch) == 40
    true = x.astype(np.float64).reshape(40, 3)
    np.testing.assert_allclose(mean, true.mean(axis=0), rtol=1e-7)
    np.testing.assert_allclose(spread, 40 * true.var(axis=0), rtol=1e-4)
