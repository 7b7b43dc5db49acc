"""Whatever things are called, and whatever a graph's text says of them, emitted source says what the graph means."""

from __future__ import annotations

import ast
import json
from typing import Any

import numpy as np
import pytest

import cnndsl.ops  # noqa: F401
from cnndsl.errors import CnnError
from cnndsl.graph.graph import Graph
from cnndsl.graph.read import parse_graph
from cnndsl.graph.text import to_text
from cnndsl.passes.context import Options
from cnndsl.runtime.compile import compile, lower, lower_batches
from cnndsl.runtime.load import load_source
from cnndsl.targets.numpy.lower.call import Text, keys
from cnndsl.targets.numpy.texts import plain, wrapped

WORDS = ("model", "picture", "first", "result", "side", "layer")
"""What is given another name: the model, its input, a layer with weights, the output, a head, a layer without."""
NAMES = (
    "conv2d", "import", 'a"""\nraise SystemExit(3)\n"""', "é\u2028x", "np", "1", "run", "out", "'], (", "a], b", 'x"], exit(3)',
    "\\", "# x", "lambda, x: (", "*/ b", "{}", "%s",
)  # fmt: skip


def named(name: str) -> Graph:
    """A small graph in which everything that has a name has this one; the API refuses some, the text of a graph does not."""
    g = Graph("model")
    x = g.input("picture", (6, 6, 2))
    x = x.conv(3, (3, 3), name="first").tanh(name="layer")
    g.heads["side"] = x.global_avg_pool().dense(2, name="first_too")
    g.output(x.add(x.relu(name="matmul")).softmax(), "result")
    text = to_text(g)
    for word in WORDS:
        assert f'"{word}' in text
        text = text.replace(f'"{word}', f'"{json.dumps(name)[1:-1]}')
    return parse_graph(text)


@pytest.mark.parametrize("name", NAMES)
def test_no_name_breaks_the_text(name: str) -> None:
    g = named(name)
    del g.heads[name]  # it would be a second output of the same name
    w = g.initial_weights(0)
    x = np.ones((2, 6, 6, 2), np.float32)
    run = compile(g, w, batch=2)
    np.testing.assert_allclose(run(x), compile(g, w, target="reference", batch=2)(x), atol=1e-6)
    text = run.source  # type: ignore[union-attr]
    assert plain(name) in str(ast.get_docstring(ast.parse(text)))


@pytest.mark.parametrize("name", NAMES)
def test_no_name_of_a_head_breaks_the_text(name: str) -> None:
    g = named(name)
    g.outputs = {"output": g.outputs[name]}
    w = g.initial_weights(0)
    x = np.ones((2, 6, 6, 2), np.float32)
    found = compile(g, w, batch=2, heads=True)(x)
    wanted = compile(g, w, target="reference", batch=2, heads=True)(x)
    assert len(found) == 2
    for y, z in zip(found, wanted, strict=True):
        np.testing.assert_allclose(y, z, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_no_name_breaks_a_module_for_several_batches(name: str) -> None:
    g = named(name)
    del g.heads[name]
    w = g.initial_weights(0)
    text = lower_batches(g, target="numpy", options=Options(file=name), batches=(1, 2))[1]
    found = load_source(text, "several").Network().load(w)
    x = np.ones((2, 6, 6, 2), np.float32)
    np.testing.assert_array_equal(found.run(x), compile(g, w, batch=2, threads=1)(x))


@pytest.mark.parametrize("name", NAMES)
def test_no_name_breaks_a_module_for_a_gpu(name: str) -> None:
    text = lower(named(name), target="cupy", options=Options(batch=2, heads=False))[1]
    wanted = lower(named("plain"), target="cupy", options=Options(batch=2, heads=False))[1]
    assert shape_of(text) == shape_of(wanted)


def shape_of(text: str) -> list[str]:
    """What kinds of statements a module is made of: a name that broke out would add some."""
    return [type(x).__name__ for x in ast.walk(ast.parse(text)) if isinstance(x, ast.stmt)]


def test_a_name_with_brackets_in_a_long_call() -> None:
    line = f"conv2d(a.image, s[{'a], b'!r}], s[{'(,,'!r}], {', '.join(f'key{n}=1' for n in range(20))})"
    assert ast.dump(ast.parse("\n".join(wrapped(line)))) == ast.dump(ast.parse(line))
    assert len(wrapped(line)) > 2


def test_only_code_is_printed_as_code() -> None:
    assert keys(mode="x, y=exit()", scratch=Text("scratch[8:]"), block=(1, 2), finish=Text(""), pad=None) == (
        ", mode='x, y=exit()', scratch=scratch[8:], block=(1, 2)"
    )


WRITTEN = ' stride=1 pad="valid" groups=1 bias=true pad_mode="zero" init="he_normal"'
"""What is left out where it is as nobody wrote it."""


def one_layer(**keys: Any) -> str:
    g = Graph("g")
    g.output(g.input("x", (8, 8, 4)).conv(4, (3, 3), **keys).relu())
    return to_text(g).replace(" kernel=(3, 3)", f" kernel=(3, 3){WRITTEN}").replace("[4] decay", '[4] kind="parameter" decay')


STRANGE = "\"1, 1), x=__import__('os').abort(\""


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("stride=1", f"stride={STRANGE}", "stride to be"),
        ("stride=1", 'stride="same"', "stride to be"),
        ("stride=1", f"stride=({STRANGE}, 1)", "stride to be"),
        ("stride=1", "stride=1.5", "stride to be"),
        ("stride=1", "stride=true", "stride to be"),
        ("stride=1", 'stride=graph "g" { }', "stride to be"),
        ('pad="valid"', f"pad={STRANGE}", "pad to be"),
        ("groups=1", f"groups={STRANGE}", "groups to be a whole number"),
        ("groups=1", "groups=1.0", "groups to be a whole number"),
        ("groups=1", "groups=true", "groups to be a whole number"),
        ("bias=true", "bias=1", "bias to be a truth value"),
        ("kernel=(3, 3)", "kernel=3", "kernel to be a list of whole numbers"),
        ("kernel=(3, 3)", "kernel=((3, 3), 3)", "kernel to be a list of whole numbers"),
        ('pad_mode="zero"', f"pad_mode={STRANGE}", "pad_mode to be a word"),
        ('pad_mode="zero"', 'pad_mode="other"', "pad_mode to be"),
        ('init="he_normal"', 'init="odd"', "init to be one of"),
        ('kind="parameter"', 'kind="thing"', "kind to be one of"),
        ("fan_in=36", "fan_in=0", "fan_in is at least 1"),
        ("float32[4]", "float32[0]", "at least 1"),
        ("float32[4]", "float32[-4]", "at least 1"),
        ("float32[4]", "float32[4,1,1,1,1,1,1,1,1]", "more than 8 axes"),
        ("float32[4]", "float32[99999,99999]", "9,999,800,001 numbers"),
        ("%x, %conv.weight", "%x, %-1", "stands before"),
    ],
)
def test_a_field_takes_what_it_is_for(old: str, new: str, says: str) -> None:
    text = one_layer()
    assert old in text
    with pytest.raises(CnnError, match=says) as e:
        parse_graph(text.replace(old, new, 1))
    assert e.value.diagnostics[0].span is not None


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('%0 = constant ("__import__(1)") -> float32[]', "numbers of that type"),
        ("%0 = constant ((1, 2)) -> float32[2]", "numbers of that type"),
        ("%0 = constant (1, 2) -> float32[3]", "numbers of that type"),
        ("%0 = constant (1.5) -> int32[]", "numbers of that type"),
        ("%0 = constant (-1) -> uint8[]", "numbers of that type"),
        ("%0 = constant (1e39) -> float32[]", "numbers of that type"),
        ("%0 = constant (true) -> float32[]", "numbers of that type"),
        ('%0 = state "w" -> float32[2]', "is declared"),
        ('%0 = input "x" -> float32[2]\n%1 = input "x" -> float32[2]', "two nodes"),
        ('%0 = input "x" -> float32[2]\n%1 = pointwise(%0) exprs=(["abs"]) -> float32[2]', "a value"),
        ('%0 = input "x" -> float32[2]\n%1 = pointwise(%0) exprs=([add(x0, ())]) -> float32[2]', "a value"),
        ('%0 = input "x" -> float32[2]\n%1 = pointwise(%0) exprs=([add(x0, 1e39)]) -> float32[2]', "that float32 has"),
        ('%0 = input "x" -> float32[2]\n%1 = pointwise(%0) exprs=(1) -> float32[2]', "a list of expressions"),
        (f'%0 = input "x" -> float32[2]\n%1 = pointwise(%0) exprs=({"[" * 5000}x0) -> float32[2]', "a value"),
    ],
)
def test_numbers_are_numbers(line: str, says: str) -> None:
    with pytest.raises(CnnError, match=says) as e:
        parse_graph(f'graph "g" {{\n{line}\n}}')
    assert e.value.diagnostics[0].span is not None


def test_constants_that_are_not_finite() -> None:
    g = Graph("g")
    x = g.input("x", (2,))
    edge = g.constant((float("-inf"), 1.0), shape=(2,))
    g.output(g.pointwise(lambda e, v, c, n: e.max(v, c) + e.min(n, 1.0), x, edge, g.constant(float("inf"))))
    g = parse_graph(to_text(g))
    found = compile(g, {}, batch=1)(np.zeros((1, 2), np.float32))
    assert found.tolist() == [[1.0, 2.0]]
    assert "([-np.inf, 1.0], 'float32', (2,))" in lower(g, target="cupy", options=Options(batch=1))[1]
