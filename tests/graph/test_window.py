"""Window arithmetic against counting, by hand-known layers, and with symbols."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnndsl.errors import CnnError
from cnndsl.graph import window
from cnndsl.graph.sizes import Affine

H = Affine.symbol("H")


def starts(n: int, k: int, s: int, d: int, b: int, e: int, ceil: bool) -> int:
    """How many windows: those that fit; under ceil also one that hangs over the end but starts inside or in begin pad."""
    reach, count, at = d * (k - 1) + 1, 0, 0
    while at + reach <= n + b + e:
        count, at = count + 1, at + s
    if ceil and at - s + reach < n + b + e and at < n + b:
        count += 1
    return count - (1 if ceil and (count - 1) * s >= n + b else 0)


@given(
    n=st.integers(1, 30), k=st.integers(1, 5), s=st.integers(1, 4), d=st.integers(1, 3),
    b=st.integers(0, 3), e=st.integers(0, 3), ceil=st.booleans(),
)  # fmt: skip
def test_sizes_are_counted(n: int, k: int, s: int, d: int, b: int, e: int, ceil: bool) -> None:
    b, e = min(b, d * (k - 1)), min(e, d * (k - 1))
    if d * (k - 1) + 1 > n + b + e:
        with pytest.raises(CnnError):
            window.out_sizes([n], [k], [s], [d], [(b, e)], ceil)
    else:
        assert window.out_sizes([n], [k], [s], [d], [(b, e)], ceil) == (starts(n, k, s, d, b, e, ceil),)


@given(n=st.integers(1, 40), k=st.integers(1, 7), s=st.integers(1, 5), d=st.integers(1, 3))
def test_same_is_tensorflows(n: int, k: int, s: int, d: int) -> None:
    """⌈n / s⌉ outputs, the least padding that gives them, the odd row at the end."""
    ((b, e),) = window.pads("same", [n], [k], [s], [d])
    assert window.out_sizes([n], [k], [s], [d], [(b, e)]) == (-(-n // s),)
    assert 0 <= e - b <= 1
    assert b + e == max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)


@pytest.mark.parametrize(
    ("n", "k", "s", "pad", "ceil", "out"),
    [
        (224, 7, 2, 3, False, 112), (112, 3, 2, 1, False, 56), (28, 5, 1, 2, False, 28),
        (32, 3, 2, "same_symmetric", False, 16),
        (112, 3, 2, "valid", True, 56), (32, 3, 2, "valid", True, 16), (7, 7, 1, "valid", False, 1),
        (227, 11, 4, "valid", False, 55),
    ],
)  # fmt: skip
def test_layers_of_the_papers(n: int, k: int, s: int, pad: Any, ceil: bool, out: int) -> None:
    pads = window.pads(pad, [n], [k], [s], [1])
    assert window.out_sizes([n], [k], [s], [1], pads, ceil) == (out,)


def test_symbols() -> None:
    assert window.out_sizes([H], [3], [1], [1], window.pads("same", [H], [3], [1], [1])) == (H,)
    assert window.out_sizes([4 * H], [2], [2], [1], [(0, 0)]) == (2 * H,)
    assert window.out_sizes([2 * H], [3], [2], [1], [(1, 1)]) == (H,)
    assert window.pads("same", [2 * H], [3], [2], [1]) == ((0, 1),)
    with pytest.raises(CnnError) as caught:
        window.out_sizes([H], [3], [2], [1], [(1, 1)])
    assert caught.value.code == "E602"


@pytest.mark.parametrize(
    ("pad", "code"),
    [("some", "E305"), (-1, "E303"), (True, "E302"), (1.5, "E302"), (((1, 2, 3),), "E304"), (((1,),), "E304"), (2**31, "E303")],
)
def test_pads_refused(pad: Any, code: str) -> None:
    with pytest.raises(CnnError) as caught:
        window.clean_pad(pad)
    assert caught.value.code == code


def test_lists_of_the_wrong_length() -> None:
    for pad in ((1, 2, 3), ((1, 1),)):
        with pytest.raises(CnnError) as caught:
            window.pads(window.clean_pad(pad), [8, 8], [3, 3], [1, 1], [1, 1])
        assert caught.value.code == "E304"
    with pytest.raises(CnnError) as caught:
        window.spread((1, 2, 3), 2, "stride")
    assert caught.value.code == "E304"


def test_an_even_kernel_has_no_middle() -> None:
    with pytest.raises(CnnError) as caught:
        window.pads("same_symmetric", [8, 8], [2, 3], [1, 1], [1, 1])
    assert caught.value.code == "E306"
    assert "2x3" in caught.value.diagnostics[0].message
