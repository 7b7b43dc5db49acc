"""Several errors in one run: ten seeded in a file, at least nine found, and none that is a consequence."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from cnndsl.errors import CnnError, Source
from cnndsl.language.load import bundled_models, check
from cnndsl.language.syntax.parse import parse

SEEDED = Path(__file__).parent / "seeded"


@pytest.mark.parametrize("name", ["syntax", "meaning"])
def test_ten_seeded_errors(name: str) -> None:
    path = SEEDED / f"{name}.cnn"
    marked = {n for n, line in enumerate(path.read_text().splitlines(), 1) if line.rstrip().endswith("#!")}
    assert len(marked) == 10
    found = [d.span.line for d in check(path) if d.span is not None]
    assert len(set(found) & marked) >= 9
    assert set(found) <= marked
    assert len(found) == len(set(found))


Mutation = Callable[[str], str]
MUTATIONS: dict[str, Mutation] = {
    "no )": lambda x: x[: x.rindex(")")] + x[x.rindex(")") + 1 :] if ")" in x else x,
    "no (": lambda x: x.replace("(", "", 1),
    "] for )": lambda x: x.replace(")", "]", 1),
    "two commas": lambda x: x.replace(",", ",,", 1),
    "two arrows": lambda x: x.replace("->", "-> ->", 1),
    "two equals": lambda x: re.sub(r"(?<![=!<>])=(?!=)", "= =", x, count=1),
    "no size": lambda x: re.sub(r"\b\dx\d\b", "1xn", x, count=1),
    "two steps": lambda x: re.sub(r"(\w+)\(", r"\1 \1(", x, count=1) if not x.startswith(("block", "model")) else x,
    "a sign": lambda x: x + " @",
    "a quote": lambda x: x + " 'x",
}


def is_wrong(lines: list[str]) -> bool:
    try:
        parse(Source("x", "\n".join(lines)))
    except CnnError:
        return True
    return False


def seeded(text: str, seed: int) -> tuple[list[str], set[int]]:
    """The lines of a text with ten errors of syntax, no two on neighbouring lines; and which lines have them."""
    rng, lines = random.Random(seed), text.split("\n")
    places = [i for i, line in enumerate(lines) if line.strip() and "#" not in line]
    rng.shuffle(places)
    wrong: dict[int, str] = {}
    for i in places:
        made = MUTATIONS[rng.choice(list(MUTATIONS))](lines[i])
        near = any(abs(i - j) < 2 for j in wrong)
        if len(wrong) < 10 and not near and made != lines[i] and is_wrong([*lines[:i], made, *lines[i + 1 :]]):
            wrong[i] = made
    return [wrong.get(i, line) for i, line in enumerate(lines)], set(wrong)


@pytest.mark.parametrize("name", ["resnet50", "googlenet"])
@pytest.mark.parametrize("seed", range(4))
def test_errors_of_syntax_anywhere(name: str, seed: int) -> None:
    lines, wrong = seeded(bundled_models()[name].read_text(), seed)
    assert len(wrong) == 10
    with pytest.raises(CnnError) as caught:
        parse(Source("x", "\n".join(lines)))
    found = {d.span.line - 1 for d in caught.value.diagnostics if d.span is not None}
    assert len(found & wrong) >= 9
    assert not found - wrong
