"""Text to tree and back, several syntax errors a run, and the limits before a tree is built."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from cnndsl.errors import CnnError, Diagnostic, Source
from cnndsl.language.bundled import bundled
from cnndsl.language.load import load, load_text
from cnndsl.language.syntax.parse import parse
from cnndsl.language.syntax.printer import printed

FILES = sorted(bundled("models").glob("*.cnn"))

EVERYTHING = """cnn 1
use "other.cnn"
defaults { conv(pad = same, bias = false); batch_norm(eps = 1e-3) }
block a(x, y = 1.5, option = B | A | C, k = [1, 2][0], n = -(1 + 2) * 3 // 2) {
    { conv(x, 3x3) -> relu } * (n - 1) as twice : 8x_xC
    if not y > 1 and option != C or true { relu }
    else if option == A { tanh }
    else { sigmoid }
    for p, q in [[1, 3x3], [2, 5x5]] { conv(p, q) }
    concat(fit = crop) { twice; up: identity -> relu * len(k)
        if true { more: relu } else { tanh: tanh }
        for i in range(3) { turn: conv(i + 1, 1x1) } }
}
model m(unit = a(y = 2), depths = [3]*4) {
    input z: [H, W, 3] where H % 32 == 0, W % 32 == 0
    input i: 28x28x1
    share enc = { conv(64, 3x3) -> relu }
    block inner { relu; tanh }
    head aux { dense(10) }
    z -> enc -> inner as here : [H, W, 64]
    input -> relu
        -> tanh
    output here
}
model k = m(unit = a, depths = [1, 2])
train { loss = cross_entropy(logits) + 0.3 * cross_entropy(aux); schedule = warmup(5) -> cosine }
train x30 { batch = 3 }
task t { input = noise(0..0.1); jitter = 1/30 }
preprocess { labels = [cat, "guinea pig", 3] }
"""


@pytest.mark.parametrize("text", [EVERYTHING, *(f.read_text() for f in FILES)], ids=["everything", *(f.stem for f in FILES)])
def test_printing_and_parsing_again_gives_the_same_tree(text: str) -> None:
    tree = parse(Source("a", text))
    again = parse(Source("b", printed(tree)))
    assert again == tree
    assert printed(again) == printed(tree)


def test_places_are_those_of_the_text() -> None:
    text = "model m {\n    input i: 3x3x1\n    conv(6,\n         3x3)\n}\n"
    model = parse(Source("a", text)).items[0]
    conv = model.body.statements[1]  # type: ignore[union-attr]
    assert (conv.span.line, conv.span.column) == (3, 5)
    assert text[conv.span.start : conv.span.end] == "conv(6,\n         3x3)"


SEEDED = """
block conv_bn(filters kernel = 1x1) {
    conv(filters, kernel) -> batch_norm
}
block ok(c) {
    add {
        main: conv(c, 3x3,, pad = 1)
        skip: identity ->
    }
    relu *
}
model m(classes = 10 {
    input image: 28x28x1
    relu
}
model n {
    input image 28x28x1
    conv(6, 1xn) -> tanh : 28x28x6
    concat { a: relu; b tanh }
    dense(10)
}
train {
    loss = cross_entropy(logits) +
    batch 64
}
"""


def test_several_syntax_errors_are_reported_in_one_run() -> None:
    start = time.process_time()
    with pytest.raises(CnnError) as caught:
        parse(Source("bad", SEEDED))
    lines = [d.span.line for d in caught.value.diagnostics if d.span]
    assert lines == [2, 7, 8, 10, 12, 17, 18, 19, 23, 24]
    assert time.process_time() - start < 1


HOSTILE = {
    "parentheses": "(" * 100_000,
    "braces": "model m " + "{" * 100_000,
    "nested": "model m { input i: 3x3x1\n relu : [" + "(" * 99 + "1" + ")" * 99 + "] }",
    "brackets in a recipe": "train { a = " + "[" * 100_000,
    "noise": "a9 #$%{}()->" * 250_000,
    "NUL": "model m {\0}",
    "escape": "model m {\x1b[2J}",
    "lines": "\n" * 10_001,
    "tokens": "a " * 100_001,
    "digits": "model m(a = " + "9" * 5_000 + ") { input i: 3x3x1 }",
    "else if": "model m { input i: 3x3x1\n" + "if false { relu } else " * 4_000 + "{ relu } }",
    "sum": "model m(a = 1" + " + 1" * 20_000 + ") { input i: 3x3x1\n relu }",
    "signs": "model m(a = " + "-" * 50_000 + "1) { input i: 3x3x1\n relu }",
    "nots": "model m(a = " + "not " * 50_000 + "true) { input i: 3x3x1\n relu }",
    "indices": "model m(a = [1]" + "[0]" * 20_000 + ") { input i: 3x3x1\n relu }",
    "attributes": "model m(a = b" + ".c" * 20_000 + ") { input i: 3x3x1\n relu }",
    "arrows": "model m { input i: 3x3x1\n relu" + " -> relu" * 10_000 + " }",
    "unclosed strings": '"\n' * 5_000,
    "quote": 'use "',
    "empty": "",
    "comment": "# nothing",
    "surrogate": "model m { input i: 3x3x1\n rélu }",
}
GOOD = {"else if", "sum", "signs", "nots", "arrows", "nested"}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_gets_an_answer(name: str) -> None:
    found: tuple[Diagnostic, ...] = ()
    start = time.process_time()
    try:
        load_text(HOSTILE[name])
    except CnnError as e:
        found = e.diagnostics
    assert time.process_time() - start < 2
    assert bool(found) == (name not in GOOD or name == "nested")
    assert all(len(d.render()) < 5_000 for d in found)


def test_files_that_are_none(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "fifo.cnn")
    (tmp_path / "latin.cnn").write_bytes("model m {\n # caf\xe9\n}".encode("latin-1"))
    (tmp_path / "big.cnn").write_bytes(b"x" * 3_000_000)
    (tmp_path / "empty.cnn").write_bytes(b"")
    found = {}
    for name in ("fifo.cnn", "latin.cnn", "big.cnn", "empty.cnn", "missing.cnn", "."):
        with pytest.raises(CnnError) as caught:
            load(str(tmp_path / name) if name != "." else f"{tmp_path}/")
        found[name] = caught.value.code
    assert found == {
        "fifo.cnn": "E505", "latin.cnn": "E108", "big.cnn": "E901", "empty.cnn": "E110", "missing.cnn": "E505", ".": "E505",
    }  # fmt: skip


def test_a_byte_order_mark_and_windows_newlines_are_taken_off(tmp_path: Path) -> None:
    (tmp_path / "m.cnn").write_bytes(b"\xef\xbb\xbfmodel m {\r\n    input i: 4x4x1\r\n    relu\r\n}\r\n")
    assert load(tmp_path / "m.cnn").output_shape == (4, 4, 1)
