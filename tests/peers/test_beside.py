"""How far results are apart, in one number."""

from __future__ import annotations

import math

import numpy as np

from cnndsl.peers.beside import difference


def test_difference() -> None:
    a = np.array([1.0, -4.0], np.float32)
    assert difference([a], [a]) == 0
    assert difference([a, a + 1], [a, a]) == 0.25
    assert difference([2.0], [1.0]) == 1
    assert difference([np.ones(2)], [np.zeros(2)]) == 1
    assert difference([np.array([np.nan])], [np.ones(1)]) == math.inf
