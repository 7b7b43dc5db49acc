"""Which random graphs are judged: the everyday ones in parts of fifty, or those that --cases asks for."""

from __future__ import annotations

import pytest

EVERYDAY, PART = 500, 50


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seeds" not in metafunc.fixturenames:
        return
    first, _, end = str(metafunc.config.getoption("--cases")).partition(":")
    low, high = (int(first), int(end or int(first) + 1)) if first else (0, EVERYDAY)
    parts = [range(k, min(k + PART, high)) for k in range(low, high, PART)]
    metafunc.parametrize("seeds", parts, ids=lambda r: f"{r.start}-{r.stop - 1}")
