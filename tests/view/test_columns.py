"""Columns of a tall picture: as even as they can be, by trying every way to cut it."""

from __future__ import annotations

import random
from itertools import combinations, pairwise

import pytest

from cnndsl.view.columns import _Part, _split


@pytest.mark.parametrize("seed", range(12))
def test_no_other_cut_is_more_even(seed: int) -> None:
    draw = random.Random(seed)
    edges = sorted(draw.sample(range(20), 9)) if seed % 3 else list(range(9))  # equal heights: many cuts are as good
    parts = [_Part(top=a, bottom=b + draw.choice([0, 0, 3]), left=0, right=1) for a, b in pairwise(edges)]

    def uneven(cuts: tuple[int, ...]) -> float:
        ends = (0, *cuts, len(parts))
        stretches = [parts[a:b] for a, b in pairwise(ends)]
        return sum((max(p.bottom for p in s) - s[0].top) ** 6 for s in stretches)

    for n in range(1, 6):
        found = _split(parts, n)
        assert len(found) == n
        tops = [p.top for p in parts]
        cuts = tuple(tops.index(column.top) for column in found[1:])
        ways = sorted(combinations(range(1, len(parts)), n - 1), key=lambda c: c[::-1])
        assert uneven(cuts) == min(map(uneven, ways))
        assert cuts == next(c for c in ways if uneven(c) == uneven(cuts))  # of equal ones the last column begins first
