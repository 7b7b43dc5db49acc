"""The layout: idempotent, meaning and comments kept, one golden page; over the bundled models, the docs and random files."""

from __future__ import annotations

import random
import re
import sys
import textwrap
from pathlib import Path

import pytest

from cnndsl.errors import CnnError, Source
from cnndsl.language.format import formatted, layout, with_shapes
from cnndsl.language.pages import families
from cnndsl.language.syntax.parse import parse
from cnndsl.language.syntax.walk import same

sys.path.insert(0, str(Path(__file__).parent))
from mutations import sources
from ugly import Writer, comments, disturbed

ROOT = Path(__file__).parents[2]
MODELS = sorted((ROOT / "models").glob("*.cnn"))
FENCE = re.compile(r"^```cnn[ \t]*(.*?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def laid_out(text: str) -> str:
    return formatted(Source("test.cnn", text))


def hold(text: str) -> str:
    """What is held for every text: its layout, after the checks."""
    found = laid_out(text)
    assert same(parse(Source("test.cnn", found)), parse(Source("test.cnn", text)))
    assert comments(found) == comments(text)
    assert laid_out(found) == found
    assert not re.search(r"[ \t\r]\n|\n\n\n|^\n|\n\n\Z|[^\n]\Z|\t(?!.*#|.*\")", re.sub("#.*", "#", found))
    return found


def respaced(text: str, draw: random.Random) -> str:
    """The text with other blanks where there were some, and at the beginnings of lines."""
    blank = re.compile(r"(\"[^\"\n]*\"|#[^\n]*)|(?<!^)[ \t]+|^[ \t]*", re.MULTILINE)
    return blank.sub(lambda m: m[1] or draw.choice((" ", "   ", "\t", " \t ")), text)


# What is kept by it -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", MODELS, ids=lambda p: p.stem)
def test_bundled_models_are_laid_out_with_their_shapes(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert laid_out(text) == text
    assert with_shapes(Source(str(path), text), path.parent) == (text, [])


EXAMPLES = [
    pytest.param(kind, text, id=f"{page.stem}-{k}")
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    for k, (kind, text) in enumerate(FENCE.findall(page.read_text(encoding="utf-8")))
]


@pytest.mark.parametrize(("kind", "text"), EXAMPLES)
def test_examples_of_the_docs_are_laid_out(kind: str, text: str) -> None:
    if kind.startswith("steps"):
        text = f"model example {{\n{textwrap.indent(text, '    ')}}}\n"
    assert laid_out(text) == text


@pytest.mark.parametrize("text", [p.right for f in families() for p in f.pages if p.right])
def test_right_examples_of_the_messages_are_laid_out(text: str) -> None:
    assert laid_out(text) == text


# One page ---------------------------------------------------------------------------------------------------------------


def test_a_page_written_in_haste(request: pytest.FixtureRequest) -> None:
    """`pytest --update-golden` writes it anew; read the difference aloud."""
    before, after = (ROOT / "tests" / "language" / "layout" / f"{name}.cnn" for name in ("before", "after"))
    found = hold(before.read_text(encoding="utf-8"))
    if request.config.getoption("--update-golden"):
        after.write_text(found, encoding="utf-8")
    assert found == after.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ""),
        ("\n\n  \n", ""),
        ("# only a comment", "# only a comment\n"),
        ("# a\n\n\n\n# b  \n\n", "# a\n\n# b\n"),
        ("model m{}", "model m { }\n"),
        ("model m{\n\n\n}", "model m { }\n"),
        ("model m{;;relu;;;tanh;}", "model m { relu; tanh }\n"),
        ("model m{\nrelu;\ntanh\n;\n}", "model m {\n    relu\n    tanh\n}\n"),
        ("model m{relu # a\n}", "model m {\n    relu  # a\n}\n"),
        ("model m{ # a\nrelu}", "model m {  # a\n    relu\n}\n"),
        ("model m{relu\n# a\n}\n# b", "model m {\n    relu\n    # a\n}\n# b\n"),
        ("model m{relu:_ x_}", None),
        ("model m{relu:H}", "model m { relu : H }\n"),
        ("block a{relu\n}\nblock b{tanh}\nblock c{x}", "block a {\n    relu\n}\n\nblock b { tanh }\nblock c { x }\n"),
        ("model a=b(\nc=1)", "model a = b(c = 1)\n"),
        ("model a=b(\nc=1,)", "model a = b(\n    c = 1,\n)\n"),
        ("model a=b(c=[\n[1],\n[20]\n])", "model a = b(\n    c = [\n        [ 1],\n        [20]\n    ]\n)\n"),
        ("model a=b(c= # why\n1)", "model a = b(\n    c =  # why\n    1\n)\n"),
        ("model a=b(c\n,d\n=1+\n2)", "model a = b(c, d = 1 + 2)\n"),
        ("train{a=1\nlonger=2\n\nb=3}", "train {\n    a      = 1\n    longer = 2\n\n    b = 3\n}\n"),
        ("train{a=1;b=2}", "train { a = 1; b = 2 }\n"),
        ("train{a=1;longer=2\nb=3}", "train {\n    a      = 1\n    longer = 2\n    b      = 3\n}\n"),
        ("model m{a;b->c\n->d;e}", "model m {\n    a\n    b -> c\n        -> d\n    e\n}\n"),
        ("model m{a;b{\nc:d\n};e}", "model m {\n    a\n    b {\n        c: d\n    }\n    e\n}\n"),
        ("model m{a->b\n\n->c}", "model m {\n    a -> b\n        -> c\n}\n"),
        ("model m{a:[\n# c\n1]}", "model m {\n    a : [\n        # c\n        1\n    ]\n}\n"),
    ],
)
def test_small(before: str, after: str | None) -> None:
    if after is None:
        with pytest.raises(CnnError, match="E10"):
            laid_out(before)
    else:
        assert hold(before) == after


def test_lines_too_long_are_broken_outside_in() -> None:
    long = " -> ".join(["conv(16, 3x3, pad = same)"] * 9)
    found = hold(f"model m {{ {long}; if a {{ {long} }} else {{ relu }}; x([{', '.join(['[1, 2, 3, 4]'] * 12)}]) }}")
    assert max(map(len, found.splitlines())) <= 120
    assert found.splitlines()[:3] == [
        "model m {",
        f"    {' -> '.join(['conv(16, 3x3, pad = same)'] * 4)}",
        f"        -> {' -> '.join(['conv(16, 3x3, pad = same)'] * 3)}",
    ]
    assert "    } else {\n        relu\n    }\n    x([\n        [1, 2, 3, 4],\n" in found


def test_what_cannot_be_broken_stays_long() -> None:
    text = f"model m {{\n    {'a' * 300} -> b\n}}\n"
    assert hold(text) == f"model m {{\n    {'a' * 300}\n        -> b\n}}\n"
    text = f'preprocess {{\n    labels = "{"a" * 300}"\n}}\n'
    assert hold(text) == text


def test_a_note_too_far_out_stands_alone() -> None:
    long = "conv(16, 3x3, stride = 2, pad = same_symmetric, bias = false) -> batch_norm -> relu -> relu"
    found = hold(f"model m {{\n{long}:14x14x6\nrelu:7x7x100\nflatten:9\n}}").splitlines()
    assert found[1:4] == [f"    {long} : 14x14x6", "    relu    : 7x7x100", "    flatten :       9"]


# What must not happen ---------------------------------------------------------------------------------------------------


def test_a_mistake_of_ours_is_no_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    good = layout.laid_out
    for wrong in (
        lambda lines: [*good(lines)][:-1],  # cannot be parsed
        lambda lines: [x.replace("relu", "tanh") for x in good(lines)],  # another tree
        lambda lines: [x.replace("# a", "# b") for x in good(lines)],  # another comment
        lambda lines: [x.replace("# a", "") for x in good(lines)],
    ):
        monkeypatch.setattr(layout, "laid_out", wrong)
        with pytest.raises(CnnError) as caught:
            laid_out("model m {\nrelu # a\n}")
        assert caught.value.code == "E799"
        assert "would not say the same" in str(caught.value)


def test_nests_as_deep_as_the_language() -> None:
    hold("model m" + "{" * 100 + "relu" + "}" * 100)
    hold("model m{a(" + "[" * 98 + "1\n" + "]" * 98 + ")}")


def test_a_layout_beyond_the_limits_is_refused() -> None:
    with pytest.raises(CnnError) as caught:
        laid_out("model m" + "{" * 99 + "a\n" * 2000 + "}" * 99)
    assert caught.value.code == "E901"
    assert "cannot be laid out" in str(caught.value)


def test_what_is_the_same() -> None:
    def tree(text: str) -> object:
        return parse(Source("x", text))

    one = tree("model m { a -> b(1) }")
    assert same(one, tree("model m {\n a\n -> b( 1 )\n}"))  # type: ignore[arg-type]
    for other in ("model m { a -> b(2) }", "model m { a -> b(1.0) }", "model m { a -> b }", "model m { a; b(1) }", ""):
        assert not same(one, tree(other))  # type: ignore[arg-type]


# Random files -----------------------------------------------------------------------------------------------------------


def run(seed: int, count: int) -> int:
    """`count` random files of the grammar; the number of their words."""
    size = 0
    for k in range(count):
        draw = random.Random(seed * 1_000_000 + k)
        text = Writer(draw).text()
        found = hold(text)
        assert parse(Source("test.cnn", found)) == parse(Source("test.cnn", text)), (seed, k)
        assert k % 4 or laid_out(respaced(text, draw)) == found, (seed, k)
        size += len(found.split())
    return size


def test_random_files() -> None:
    assert run(0, 200) > 5_000


def test_disturbed_models() -> None:
    texts = sources()
    for k in range(40):
        draw = random.Random(k)
        text = draw.choice(texts)
        ugly = disturbed(text, draw)
        assert parse(Source("x", ugly)) == parse(Source("x", text)), k
        hold(ugly)


def test_blanks_alone_never_matter() -> None:
    for k, text in enumerate(sources()):
        assert laid_out(respaced(text, random.Random(k))) == laid_out(text)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(1, 21))
def test_ten_thousand_random_files(seed: int) -> None:
    print(f"seed {seed}: 500 files, {run(seed, 500):,} words")
