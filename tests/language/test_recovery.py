"""Several errors in one run: ten seeded in a file, at least nine found, and none that is a consequence; a bracket that is
missing, or one too many, is one error."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from cnndsl.errors import CnnError, Source
from cnndsl.language.load import bundled_models, check, load_text
from cnndsl.language.syntax.parse import parse
from cnndsl.language.syntax.scan import plain

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


@pytest.mark.parametrize("name", ["syntax", "meaning"])
def test_what_is_said_of_ten_seeded_errors(name: str, request: pytest.FixtureRequest) -> None:
    """`pytest --update-golden` writes it anew; read the difference."""
    path = Path(__file__).parents[1] / "golden" / "seeded" / f"{name}.txt"
    source = Source(f"{name}.cnn", (SEEDED / f"{name}.cnn").read_text(encoding="utf-8"))
    with pytest.raises(CnnError) as caught:
        load_text(source.text, source.name)
    said = f"{caught.value}\n"
    if request.config.getoption("--update-golden"):
        path.write_text(said, encoding="utf-8")
    assert said == path.read_text(encoding="utf-8")


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


@pytest.mark.parametrize("name", ["resnet50", "googlenet", "inception_v3", "efficientnet_b0"])
@pytest.mark.parametrize("seed", range(4))
def test_errors_of_syntax_anywhere(name: str, seed: int) -> None:
    lines, wrong = seeded(bundled_models()[name].read_text(), seed)
    assert len(wrong) == 10
    with pytest.raises(CnnError) as caught:
        parse(Source("x", "\n".join(lines)))
    found = {d.span.line - 1 for d in caught.value.diagnostics if d.span is not None}
    assert len(found & wrong) >= 9
    assert not found - wrong


# Brackets ----------------------------------------------------------------------------------------------------------------

PARTNER = dict(zip("([{", ")]}", strict=True))
FILES = sorted(set(bundled_models().values()))


def partners(text: str) -> dict[int, int]:
    """Each opening bracket's place, and that of its partner."""
    found, stack = {}, []
    for at, sign in enumerate(plain(text)):
        if sign in PARTNER:
            stack.append(at)
        elif sign in PARTNER.values():
            found[stack.pop()] = at
    return found


def one_error(text: str, what: str) -> tuple[str, str, int]:
    """(code, what stands at the place, its line) of the only error of a text."""
    with pytest.raises(CnnError) as caught:
        parse(Source("x", text))
    found = caught.value.diagnostics
    assert len(found) == 1, f"{what}\n{caught.value}"
    span = found[0].span
    assert span is not None
    return found[0].code, text[span.start : span.end], span.line


def around(text: str, at: int) -> int:
    """The line of the outermost ( or [ around a place, its own where there is none: what is blamed may be the whole list."""
    pairs = partners(text)
    outer = [a for a, b in pairs.items() if a <= at <= b and text[a] != "{" and not any(c in "{}" for c in plain(text)[a:b])]
    return text.count("\n", 0, min(outer, default=at)) + 1


def brackets(path: Path, every: int, first: int) -> int:
    """Take brackets of a file away, and write them twice: each time one error, at the line or at the partner. How many."""
    text, done = path.read_text(encoding="utf-8"), 0
    for opened, closed in sorted(partners(text).items())[first::every]:
        for at in (opened, closed):
            line, partner = text.count("\n", 0, at) + 1, text.count("\n", 0, opened) + 1
            outer = around(text, at)
            what = f"{path.name}:{line}: {text[at]}"
            code, said, where = one_error(text[:at] + text[at + 1 :], f"{what} is gone")
            assert where in (line, partner, outer), what
            if at == closed and text[at] == "}" and partner < line - 1:
                assert (code, said, where) == ("E101", "{", partner), what
            _, said, where = one_error(text[:at] + text[at : at + 1] + text[at:], f"{what} stands there twice")
            following = text[at + 1 :].lstrip("\n ")[:1] == "}"  # which of several in a row is one too many cannot be told
            assert where in (line, partner, outer, line - 1) or (following and where == line + 1), what
            done += 2
    return done


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_a_bracket_that_is_missing_or_too_many_is_one_error(path: Path) -> None:
    assert brackets(path, 11, 3)


@pytest.mark.campaign
def test_every_bracket_of_every_model() -> None:
    done = sum(brackets(path, 1, 0) for path in FILES)
    print(f"{done} brackets missing or too many, one error each")
    assert done > 3_000


@pytest.mark.parametrize("name", ["resnet50", "googlenet", "inception_v3", "mobilenet_v2"])
@pytest.mark.parametrize("seed", range(3))
def test_a_missing_brace_hides_no_other_error(name: str, seed: int) -> None:
    text, draw = bundled_models()[name].read_text(), random.Random(seed)
    lines, wrong = seeded(text, seed)
    ends = [i for i, line in enumerate(lines) if line.strip() == "}" and i not in wrong]
    gone = draw.choice(ends)
    places = {text.count("\n", 0, closed): text.count("\n", 0, opened) for opened, closed in partners(text).items()}
    with pytest.raises(CnnError) as caught:
        parse(Source("x", "\n".join("" if i == gone else line for i, line in enumerate(lines))))
    found = {d.span.line - 1 for d in caught.value.diagnostics if d.span is not None}
    assert found - wrong <= {places[gone]}
    assert len(found & (wrong | {places[gone]})) >= 10
