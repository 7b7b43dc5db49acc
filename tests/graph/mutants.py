"""Texts of graphs with one attribute of one node changed: to 0, to −1, to what is huge, to what is of another kind.

`judge` says what becomes of one: our own error where it is read, planned or run, or a graph whose text is that text, which
runs to the numbers that the ops' meanings give.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from cnndsl.errors import CnnError
from cnndsl.graph.graph import INPUT, Graph, Origin
from cnndsl.graph.op import REGISTRY, Op
from cnndsl.graph.read import parse_graph
from cnndsl.graph.text import to_text
from cnndsl.passes.stages import read_stage
from cnndsl.runtime.compile import lower
from cnndsl.runtime.executable import Executable, StepExecutable
from cnndsl.targets.reference.interpreter import walk
from tests.ops.samples import case
from tests.tolerances import of

FIELD = re.compile(r" (\w+)=(\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)|\"[^\"]*\"|[^\s{(]+)")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
HEAD = "# after 02 inference\n# rest\n# for {}, target numpy, batch {}, threads 1\n"
HUGE = ("2147483647", "2147483648", "9223372036854775808", "1000000000000000000000000000000")
WHOLE = (
    "0", "-1", "1", "3", *HUGE, "1.5", "1e300", "none", "true", "false", '"same"', '"zero"', '"nothing"', "()", "(0)", "(1, 1)",
    "(2, 2)", "((0, 0), (0, 0))", "((5, 5), (5, 5))", "((-1, 0), (0, 0))", "(1, 1, 1, 1, 1, 1)",
)  # fmt: skip
PARTS = ("0", "-1", "2", "7", *HUGE, "1.5", "true", '"same"', "(1, 1)")


def of_sample(op: Op, index: int) -> str:
    """The text of a graph of one node, with the sample's attributes as `specialise` leaves them."""
    c = case(op, index)
    g = Graph(op.name)
    operands = [g.source(INPUT, f"x{i}", t, Origin(f"x{i}")) for i, t in enumerate(c.types("float32"))]
    for k, y in enumerate(g.add(op, operands, c.attrs, Origin("op"))):
        g.outputs[f"y{k}" if k else "output"] = y
    many = c.attrs.sizes[0] if op.name == "random_bits" else 1
    return HEAD.format("inference", many) + to_text(g)


def changed(text: str, only: str = "") -> Iterator[str]:
    """The text with each value of a field of each node put otherwise, and each number within it. only: of lines that name
    such an op."""
    at = 0
    for line in text.splitlines(keepends=True):
        begin, at = at, at + len(line)
        word = re.match(r"\s*%\S+ = (\w+)\([^)]*\)", line)
        if word is None or word[1] not in REGISTRY or not re.search(only, line):
            continue
        for field in REGISTRY[word[1]].fields():
            if f" {field.name}=" not in line:  # left out, as it is as nobody wrote it
                for new in WHOLE:
                    yield f"{text[: begin + word.end()]} {field.name}={new}{text[begin + word.end() :]}"
        for m in FIELD.finditer(line):
            if m[1] == "exprs":
                continue
            for new in WHOLE:
                yield text[: begin + m.start(2)] + new + text[begin + m.end(2) :]
            for number in NUMBER.finditer(m[2]) if m[2].startswith("(") else ():
                start, end = begin + m.start(2) + number.start(), begin + m.start(2) + number.end()
                for new in PARTS:
                    yield text[:start] + new + text[end:]


def judge(text: str, run: bool = True) -> str:
    """`refused`, or what was done with the graph: `planned`, `run`. Raises AssertionError, or whatever else goes wrong."""
    try:
        g, stage = read_stage(text, "mutant.txt")
    except CnnError as e:
        if e.diagnostics[0].span is None:
            raise AssertionError("an error without a place") from e
        return "refused"
    back = to_text(g)
    assert to_text(parse_graph(back)) == back
    try:
        program, source, log = lower(g, target="numpy", options=stage.options())
        if not run:
            return "planned"
        made = (StepExecutable if stage.training else Executable)(program, source, log, g.state, 1)
        arrays = inputs(g)
        weights = {name: np.ones(s.type.sizes, s.type.dtype) for name, s in g.state.items()}
        found: Any = made.load(weights)(**arrays)
    except CnnError:
        return "refused"
    if not stage.training:
        same(g, arrays, weights, found if isinstance(found, tuple) else (found,))
    return "run"


def inputs(g: Graph) -> dict[str, Any]:
    rng = np.random.default_rng(3)
    found = {}
    for name, x in g.inputs.items():
        wide = rng.uniform(0.5, 1.5, x.type.sizes) if x.type.is_float else np.zeros(x.type.sizes)
        found[name] = np.asarray(wide, x.type.dtype)
    return found


def same(g: Graph, arrays: dict[str, Any], weights: dict[str, Any], found: tuple[Any, ...]) -> None:
    """The numbers are those of the ops' meanings."""
    with np.errstate(all="ignore"):
        wanted = walk(g, arrays, weights, dtype="float64")
    tolerance = max(of(n.op.name) for n in g.nodes)
    for y, value in zip(found, g.outputs.values(), strict=True):
        z = np.asarray(wanted[value])
        assert y.shape == z.shape
        good = np.isfinite(z) & (np.abs(z) < 1e30)
        assert np.allclose(np.asarray(y, "float64")[good], z[good].astype("float64"), rtol=1e-3, atol=tolerance)
