"""The machine's limits and the taking of turns, on sizes that take no time: shapes of results, never speeds."""

from __future__ import annotations

import math

import pytest

from cnndsl.runtime import limits
from cnndsl.runtime.machine import blas_core, cores, processor, vectors
from cnndsl.runtime.turns import take_turns


def test_limits_are_measured_on_as_many_threads_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SIDE", 64)
    monkeypatch.setattr(limits, "TIME", 1e-5)
    monkeypatch.setattr(limits, "beyond_caches", lambda: 4 << 20)
    for threads in (1, 2):
        found = limits.measure(threads)
        assert found.threads == threads
        assert [size for size, _ in found.memory] == sorted({size for size, _ in found.memory})
        assert found.memory[0][0] == limits.SMALLEST * threads
        assert found.memory[-1][0] == 4 << 20
        assert all(0 < x < math.inf for x in (found.product_one, found.product, *found.copy, *found.triad))
        assert found.triad == (max(rate for _, rate in found.memory), found.memory[-1][1])


def test_the_least_time_is_that_of_the_limit_that_is_met() -> None:
    found = limits.Limits(1, 100.0, 100.0, ((1000, 50.0), (100_000, 10.0)), (50.0, 10.0), (50.0, 10.0))
    assert found.bandwidth(1) == 50
    assert found.bandwidth(10_000) == pytest.approx(30)  # half way between them, by the number of digits
    assert found.bandwidth(1e9) == 10
    assert found.seconds(1e9, 1000) == pytest.approx(1e9 / 100e9)
    assert found.seconds(1, 1_000_000) == pytest.approx(1e6 / 10e9)


def test_turns() -> None:
    """Every round gives each its turn; what warms up is not counted."""
    now, calls = [0.0], []

    def takes(name: str, seconds: float) -> None:
        calls.append(name)
        now[0] += seconds

    runs = {"a": lambda: takes("a", 1.0), "b": lambda: takes("b", 2.0)}
    assert take_turns(runs, 2, burst=3, warm=1, clock=lambda: now[0]) == {"a": [1.0] * 6, "b": [2.0] * 6}
    assert "".join(calls) == "aaaabbbb" * 2
    calls.clear()
    take_turns(runs, 1, burst=1, warm=1, clock=lambda: now[0], settle=3.5)
    assert "".join(calls) == "aaaa" + "a" + "bb" + "b", "uncounted calls go on for 3.5 seconds"


def test_what_the_machine_is() -> None:
    usable, there = cores()
    assert 1 <= usable <= there
    assert processor()
    assert blas_core().isprintable()
    assert (vectors("SkylakeX"), vectors("Haswell"), vectors("Zen"), vectors("")) == ("AVX-512", "AVX2", "AVX2", "AVX2")
