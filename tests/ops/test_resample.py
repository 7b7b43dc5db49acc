"""Downsampling as Pillow does it, and what resampling must keep: means, constants, and where a picture's middle is."""

from __future__ import annotations

import numpy as np
import pytest

from cnndsl.ops.resample import RESAMPLE, ResampleAttrs


def resampled(x: np.ndarray, *factor: int, method: str) -> np.ndarray:
    return RESAMPLE.reference(np, ResampleAttrs(factor, method), x)[0]


@pytest.mark.parametrize("factor", [(2, 2), (4, 4), (3, 5), (8, 1)])
@pytest.mark.parametrize("method", ["lanczos", "average"])
def test_as_pillow(factor: tuple[int, int], method: str) -> None:
    image = pytest.importorskip("PIL.Image")
    x = np.random.default_rng(0).uniform(0, 1, (factor[0] * 9, factor[1] * 7)).astype(np.float32)
    how = image.Resampling.LANCZOS if method == "lanczos" else image.Resampling.BOX
    wanted = np.asarray(image.fromarray(x).resize((7, 9), how))
    found = resampled(x[None, :, :, None].astype(np.float64), *factor, method=method)[0, :, :, 0]
    assert np.abs(found - wanted).max() <= 1e-5


@pytest.mark.parametrize("method", ["nearest", "bilinear", "average", "lanczos"])
def test_a_constant_stays_and_a_mirrored_picture_is_mirrored(method: str) -> None:
    x = np.random.default_rng(0).standard_normal((1, 12, 8, 2))
    np.testing.assert_allclose(resampled(np.full_like(x, 0.3), 2, 4, method=method), 0.3, rtol=1e-12)
    turned = resampled(x[:, ::-1, ::-1], 2, 4, method=method)[:, ::-1, ::-1]
    np.testing.assert_allclose(turned, resampled(x, 2, 4, method=method), atol=1e-12)
