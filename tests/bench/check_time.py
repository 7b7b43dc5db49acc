"""How long `check` takes, after the imports: `python tests/bench/check_time.py`.

Processor time, the best of three. Bounds: resnet152 and inception_v3 0.25 s; 10,000 lines of text 2 s; 100,000 nodes by
repetition and nearly 100,000 steps of any kind 2 s; 100,000 nodes through the graph API 20 s; and 100,000 at most 12 times
as long as 10,000. Exit code 1 where one is passed. Beside
that, what lark's own loop takes to parse the first text, and what ours takes (`cnndsl/language/syntax/machine.py`).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from lark import Lark

import cnndsl.ops  # noqa: F401  (the imports are not measured)
from cnndsl import Graph
from cnndsl.errors import Source
from cnndsl.language.bundled import grammar
from cnndsl.language.load import check
from cnndsl.language.syntax.parse import parse

LINES = 9_990  # with the lines around them below 10,000


def text(lines: list[str]) -> str:
    """A model of these lines."""
    return "\n".join(["model m {", "    input i: 32x32x8", *lines, "}", ""])


TEXTS = {
    "10,000 lines of convolutions": text(["    conv(8, 1x1) -> relu"] * LINES),
    "10,000 lines, all sorts": text(
        [(f"    conv(8, 1x1) as v{k}", "    max_pool(1x1) -> tanh : 32x32x8", "    # said", "")[k % 4] for k in range(LINES)]
    ),
    "10,000 nodes by repetition": text(["    { conv(8, 1x1) -> relu } * 2490"]),
    "100,000 nodes by repetition": text(["    { conv(8, 1x1) -> relu } * 24900"]),
    "99,900 steps, pools": text(["    max_pool(1x1) * 99900"]),
    "99,900 steps, convolutions": text(["    conv(8, 3x3, pad = same) * 99900"]),
    "99,000 steps, joins": text(["    { concat { a: relu; b: tanh -> relu } -> conv(8, 1x1) } * 11000"]),
    "99,000 steps, blocks": "block u(w) { add { main: conv(w, 1x1, bias = false) -> batch_norm -> relu; skip: identity } }\n"
    + text(["    u(8) * 11000"]),
    "98,000 steps, shared": text(["    share s = conv(8, 1x1)", "    s * 49000"]),
}
LONGEST = 2.0
"""Seconds for any of these texts."""


def best(run: Callable[[], object], times: int = 3) -> float:
    """Seconds."""
    found = []
    for _ in range(times):
        start = time.process_time()
        run()
        found.append(time.process_time() - start)
    return min(found)


def built(count: int) -> None:
    """About so many nodes through the graph API."""
    graph = Graph("m")
    x = graph.input("i", (32, 32, 8))
    for _ in range(count // 4):  # a convolution has two nodes for its weights
        x = x.conv(8, (1, 1)).relu()
    graph.output(x)
    assert 0.98 * count < len(graph.nodes) < 1.02 * count


def parsers() -> dict[str, Callable[[], object]]:
    """Ours, which makes our records, and lark's, which makes its own trees; without what drops newlines in brackets."""
    source = Source("m.cnn", TEXTS["10,000 lines of convolutions"])
    lark = Lark(grammar(), start=["start"], parser="lalr", lexer="contextual", keep_all_tokens=True, maybe_placeholders=False)
    return {"parse": lambda: parse(source), "lark's own parse": lambda: lark.parse(source.text)}


def main() -> int:
    took: dict[str, float] = {}
    passed = True
    check("lenet5")
    for name in ("resnet152", "inception_v3"):
        took[name] = best(lambda name=name: check(name))
        passed &= took[name] <= 0.25
    with TemporaryDirectory() as folder:
        path = Path(folder) / "m.cnn"
        for name, source in TEXTS.items():
            path.write_text(source)
            assert not check(path), name
            took[name] = best(lambda: check(path))
            passed &= took[name] <= LONGEST
    for count in (10_000, 100_000):
        took[f"{count:,} nodes through the API"] = best(lambda count=count: built(count))
    for name, seconds in took.items():
        print(f"{name:<32} {seconds:7.3f} s")
    for how in ("by repetition", "through the API"):
        ratio = took[f"100,000 nodes {how}"] / took[f"10,000 nodes {how}"]
        print(f"{'10 times the nodes ' + how:<32} {ratio:7.1f} times as long")
        passed &= ratio <= 12 and took[f"100,000 nodes {how}"] <= 20
    for name, run in parsers().items():
        print(f"{name:<32} {best(run):7.3f} s")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
