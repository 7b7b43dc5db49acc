"""How the printed module reads: one function for equal sums, no brackets beyond need, docstrings that are sentences."""

from __future__ import annotations

import ast
import io
import json
import pkgutil
import tokenize

import numpy as np
import pytest

import cnndsl
from cnndsl.graph.expr import Expr, variables
from cnndsl.graph.graph import Graph
from cnndsl.graph.read import parse_graph
from cnndsl.graph.text import to_text
from cnndsl.passes.context import Options
from cnndsl.runtime.compile import compile, lower
from cnndsl.targets.numpy import kernels
from cnndsl.targets.numpy.chains import formula, sorted_addends
from cnndsl.targets.numpy.kernels.conv import conv2d
from cnndsl.targets.numpy.sources import Copied, parsed
from cnndsl.targets.numpy.statements import INFIX
from cnndsl.targets.numpy.texts import KERNELS, WIDTH, identifier, quoted, wrapped
from cnndsl.training.step import compile_step
from tests.tolerances import OP, close


def residual(*order: str) -> Graph:
    """Two residual sums whose addends stand in the given orders."""
    g = Graph("residual")
    x = g.input("image", (8, 8, 4)).conv(16, (3, 3), pad=1, name="stem").relu()
    for n, first in enumerate(order):
        y = x.conv(16, (3, 3), pad=1, name=f"unit{n}")
        x = (x.add(y) if first == "skip" else y.add(x)).relu()
    g.output(x.global_avg_pool().dense(3).softmax())
    return g


def test_two_sums_that_differ_in_the_order_of_addends_share_one_function() -> None:
    g = residual("skip", "main", "skip")
    run = compile(g, g.initial_weights(0), batch=2, threads=1)
    text = run.source  # type: ignore[union-attr]
    assert text.count("def bias_add_relu") == 1
    assert text.count("bias_add_relu") == 4
    images = np.random.default_rng(0).standard_normal((2, 8, 8, 4)).astype(np.float32)
    np.testing.assert_allclose(run(images), compile(g, g.initial_weights(0), target="reference", batch=2)(images), atol=1e-5)


def test_what_is_computed_stands_before_what_is_given() -> None:
    x, v, n = variables(3)
    one = Expr("const", (), 1.0)
    names, kinds = ["x", "v", "n"], ["tile", "row", "scalar"]
    for given, wanted in ((v + x, "x + v"), (one + n, "n + 1.0"), (x + x * v, "x * v + x"), (v - x, "v - x"), (v * x, "v * x")):
        assert formula(sorted_addends([given], kinds, names)[0], names) == wanted


@pytest.mark.parametrize(
    ("build", "wanted"),
    [
        (lambda x, y: x + y + x, "x + y + x"),
        (lambda x, y: x + (y + x), "x + (y + x)"),
        (lambda x, y: x - (y - x), "x - (y - x)"),
        (lambda x, y: (x + y) * x / (y / x), "(x + y) * x / (y / x)"),
        (lambda x, y: x * y + x / y, "x * y + x / y"),
        (lambda x, y: -(x + y) * -y, "-(x + y) * -y"),
    ],
)
def test_brackets_are_those_that_python_needs(build: object, wanted: str) -> None:
    names = ["x", "y"]
    expression = build(*variables(2))  # type: ignore[operator]
    assert formula(expression, names) == wanted
    assert ast.dump(ast.parse(wanted)) == ast.dump(ast.parse(bracketed(expression, names)))


def bracketed(x: Expr, names: list[str]) -> str:
    """The same with brackets around everything."""
    if x.fn == "var":
        return names[x.value]
    args = [bracketed(a, names) for a in x.args]
    return f"(-{args[0]})" if x.fn == "neg" else f"({args[0]} {INFIX[x.fn]} {args[1]})"


def source_of(name: str, batch: int, training: bool = False, threads: int = 2) -> str:
    net = cnndsl.load(name)
    if training:
        return str(compile_step(net, batch=batch, threads=threads).executable.source)
    return str(compile(net, batch=batch, threads=threads).source)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("name", "batch", "training"),
    [("lenet5", 8, False), ("lenet5", 16, True), ("resnet20", 1, False), ("resnet20", 4, True), ("googlenet", 1, False)],
)
def test_a_file_is_narrow_in_one_style_and_has_nothing_that_it_does_not_use(name: str, batch: int, training: bool) -> None:
    text = source_of(name, batch, training)
    assert [line for line in text.split("\n") if len(line) > WIDTH] == []
    assert [x.string for x in tokens(text) if x.type == tokenize.STRING and not x.string.lstrip("fbr").startswith('"')] == []
    assert not [x.string for x in tokens(text) if x.type == tokenize.COMMENT and ("type:" in x.string or "fmt:" in x.string)]
    tops = {x.name for x in ast.parse(text).body if isinstance(x, (ast.FunctionDef, ast.ClassDef))}
    read = {x.id for x in ast.walk(ast.parse(text)) if isinstance(x, ast.Name) and isinstance(x.ctx, ast.Load)}
    assert tops - read <= {"load"}  # what the caller of a step uses
    constants = [t.id for x in ast.parse(text).body if isinstance(x, ast.Assign) for t in x.targets if isinstance(t, ast.Name)]
    assert len(constants) == len({*constants})
    assert {*constants} <= read
    methods = {
        m.name for c in ast.parse(text).body if isinstance(c, ast.ClassDef) for m in c.body if isinstance(m, ast.FunctionDef)
    }
    assert ("step" in methods) == training
    assert ("\ndef run(" in text) != training


def tokens(text: str) -> list[tokenize.TokenInfo]:
    return list(tokenize.generate_tokens(io.StringIO(text).readline))


def comments(text: str, within: str = "def part(") -> list[str]:
    """The comments in a function of an emitted module."""
    return [x.strip() for x in text.split(within)[1].split("\n\n\n")[0].split("\n") if x.strip().startswith("#")]


def test_a_residual_block_says_what_is_added_to_what() -> None:
    found = comments(source_of("resnet18", 1))
    assert [x.strip("# -") for x in found if x.startswith("# ----")] == ["stem", "stage1", "stage2", "stage3", "stage4"]
    assert "# -- stage2.unit2" in found
    says = " ".join(x.strip("# ") for x in found)
    assert "stem.conv_bn.conv: 7x7 conv + batch norm + relu, 224x224x3 → 112x112x64" in says
    assert "stage2.unit.skip.shortcut.conv_bn.conv: 1x1 conv + batch norm + add(main.conv_bn2.conv) + relu, 56x56x64 →" in says
    assert "+ batch norm + add(stage2.unit) + relu, 28x28x128 → 28x28x128" in says


def test_a_training_step_has_its_phases_and_its_formula() -> None:
    text = source_of("lenet5", 16, training=True)
    found = comments(text, "def part1(") + comments(text, "def part2(")
    assert [x.strip("# -") for x in found if x.startswith("# ----")] == ["Forward", "Loss", "Backward", "Update"]
    assert "# conv2.weight.grad: 5x5 conv weight grad, 14x14x6, 10x10x16 → 5x5x6x16" in found
    assert "# - velocity = 0.9 * velocity - rate * grad where finite else velocity" in found
    assert "def update_weight(grad, rate, finite, velocity, weight, " in text
    assert "a.conv2_weight_grad" in text


def test_layers_that_are_prepared_alike_have_a_line_each() -> None:
    text = source_of("resnet18", 1)
    body = text.split("def prepare_weights(net, a):\n")[1].split("\n\n\n")[0]
    assert 'prepare_weight_bias(a, "stem.conv_bn", wide=21)' in body
    assert len(body.split("\n")) < 25
    assert 's[f"{layer}.batch_norm.gamma"]' in text


def test_three_layers_that_are_prepared_alike_share_a_function() -> None:
    texts = []
    for count in (2, 3):
        g = Graph("alike")
        x = g.input("image", (8, 8, 4))
        for n in range(count):
            x = x.conv(4, (3, 3), pad=1, bias=False, name=f"conv{n}").batch_norm(name=f"norm{n}").relu()
        g.output(x)
        texts.append(lower(g, target="numpy", options=Options())[1])
    assert "def prepare_weight_bias(" not in texts[0]
    head = 'def prepare_weight_bias(a, norm, layer):\n    """Prepare the weight and bias of a layer; norm: that batch norm."""'
    assert head in texts[1]
    assert texts[1].count("    prepare_weight_bias(a, ") == 3


def test_a_file_has_no_gaps_and_names_arrays_by_what_they_are() -> None:
    g = Graph("plain")
    x = g.input("picture", (8, 8, 4))
    g.output(x.sigmoid().concat(x.conv(4, (3, 3), pad=1).relu()))
    text = lower(g, target="numpy", options=Options())[1]
    assert "\n\n\n\n" not in text and text.endswith("main(sys.argv[1:]))\n")
    assert "def sigmoid(x, out, *, wide):" in text  # it serves whatever is given to it, not this picture alone
    assert "KEPT = tuple(STATE)" in text
    assert "self.picture = self.output = self.results = self.state = self.prepared = None\n" in text
    assert "stride=" not in text.partition("def filled(")[0]  # what is usual is not said


@pytest.mark.parametrize("name", ["a", "it's", 'say "no"', "'\"", "\\", "back\\'slash", 'x\\"', "é\u2028", "\n"])
def test_strings_have_double_quotes_and_say_what_they_hold(name: str) -> None:
    assert quoted(name).startswith('"')
    assert ast.literal_eval(quoted(name)) == name


@pytest.mark.parametrize(
    "line",
    [
        f"x = first({', '.join(f'a_{n}[at]' for n in range(20))}, finish=second({', '.join(f'b_{n}' for n in range(20))}))",
        "(one,) = carve(scratch, " + ", ".join(f'((1, {n}), "f4")' for n in range(12)) + ")",
        f"state[{'_' * 120!r}]",
        f"total = ({' + '.join(f'number_{n}' for n in range(12))})",
        f"f(x for x in ({', '.join(f'number_{n}' for n in range(12))}))",
        f"x = f({', '.join(f'number_{n}' for n in range(12))}).reshape(-1, 4)",
    ],
)
def test_lines_are_broken_where_it_changes_nothing(line: str) -> None:
    found = "\n".join(wrapped(line))
    assert ast.dump(ast.parse(found)) == ast.dump(ast.parse(line))


ODD = ('say "no"', "{x}", "it's", "\\", "a], b", "new\nline")


def test_names_that_are_odd_break_out_of_no_function_of_the_weights() -> None:
    """Layers that are prepared alike share a function, which puts their names together from parts."""
    g = Graph("odd")
    x = g.input("image", (8, 8, 4))
    for n in range(len(ODD)):
        x = x.conv(4, (3, 3), pad=1, bias=False, name=f"conv{n}").batch_norm(name=f"norm{n}").relu()
    g.output(x.global_avg_pool().dense(3).softmax())
    text = to_text(g)
    for n, name in enumerate(ODD):
        for word in (f"conv{n}", f"norm{n}"):
            text = text.replace(f'"{word}', f'"{json.dumps(f"{name} {word[0]}.{word}")[1:-1]}')
    g = parse_graph(text)
    w = g.initial_weights(0)
    images = np.random.default_rng(0).standard_normal((2, 8, 8, 4)).astype(np.float32)
    run = compile(g, w, batch=2)
    assert "def prepare_" in run.source.replace("def prepare_weights", "")  # type: ignore[union-attr]
    np.testing.assert_allclose(run(images), compile(g, w, target="reference", batch=2)(images), atol=1e-5)


@pytest.mark.parametrize("name", ODD)
def test_no_more_do_odd_names_below_a_block(name: str) -> None:
    """Four blocks, in each of which a layer has the same odd name: what they share is no safe part of a text."""
    g = Graph("odd")
    x = g.input("image", (8, 8, 4))
    for n in range(4):
        x = x.conv(4, (3, 3), pad=1, bias=False, name=f"conv{n}").batch_norm(name=f"norm{n}").relu()
    g.output(x.global_avg_pool().dense(3).softmax())
    text = to_text(g)
    for n in range(4):
        for word in (f"conv{n}", f"norm{n}"):
            text = text.replace(f'"{word}', f'"{json.dumps(f"block{n}.{name} {word[0]}")[1:-1]}')
    g = parse_graph(text)
    w = g.initial_weights(0)
    images = np.random.default_rng(0).standard_normal((2, 8, 8, 4)).astype(np.float32)
    np.testing.assert_allclose(compile(g, w, batch=2)(images), compile(g, w, target="reference", batch=2)(images), atol=1e-5)


@pytest.mark.parametrize(
    ("file", "shown"),
    [
        ("net", '    net.load("weights.safetensors")\n    output = net.run(image)'),
        ("my-net 1", "or `python 'my-net 1.py' weights.safetensors image.npy`."),
        ('"""\nraise SystemExit(3)\n"""', "___raise SystemExit(3)____.py"),
        ("", '    lenet5.load("weights.safetensors")'),
    ],
)
def test_the_first_lines_name_the_file_that_they_stand_in(file: str, shown: str) -> None:
    net = cnndsl.load("lenet5")
    text = lower(net.graph, target="numpy", options=Options(takes=net.takes, file=file))[1]
    assert shown in text.split('"""')[1]
    assert ast.get_docstring(ast.parse(text))


def test_what_is_made_on_the_side_stands_in_the_brackets_of_what_takes_it() -> None:
    """A gate on the main branch, and the shortcut's convolution that the sum is fused with."""
    found = " ".join(x.strip("# ") for x in comments(source_of("se_resnet50", 1)))
    assert (
        "1x1 conv + batch norm + add(multiply(main.conv_bn3.conv, main.squeeze_excite.gate.dense2)) + relu, 56x56x64 →" in found
    )
    assert "multiply(main.conv_bn3.conv, main.squeeze_excite.gate.dense2) + add(stage1.unit) + relu" in found
    assert (
        "added in place: a.stage1_unit is the memory of a.stage1_unit_main_conv_bn3_conv, which it takes the place of" in found
    )


def test_kernels_have_names_of_their_own() -> None:
    """An emitted file is one namespace: of two functions of a name the later one would win."""
    seen: dict[str, str] = {}
    assert {m.__name__.rpartition(".")[2] for m in KERNELS} == {m.name for m in pkgutil.iter_modules(kernels.__path__)}
    for module in KERNELS:
        for name, node in parsed(module.__name__)[1].items():
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                assert name not in seen, f"{name} stands in {seen[name]} and in {module.__name__}"
                seen[name] = module.__name__
    assert {identifier(name) for name in ("pieces", "standardize", "window_sum")} == {"pieces_", "standardize_", "window_sum_"}


def test_two_definitions_of_one_name_are_refused() -> None:
    copied = Copied()
    copied.definitions["elsewhere", "carve"] = "def carve(): ..."
    with pytest.raises(ValueError, match="both define carve"):
        copied.add(conv2d)


def test_a_gate_before_a_norm_of_groups() -> None:
    """With one image the gate is one row of channels; the norm lays rows side by side too, in its own way."""
    gate, rest = "gate: global_avg_pool -> dense(4) -> sigmoid", "relu -> conv(4, 3x3, pad = 1, bias = false) -> group_norm(2)"
    g = cnndsl.load_text(f"model gated {{ input x: 8x8x4\nmultiply {{ {gate}\nmain: relu }} -> {rest} }}").graph
    weights = g.initial_weights(0)
    image = np.random.default_rng(0).standard_normal((1, 8, 8, 4), dtype=np.float32)
    want = compile(g, weights, batch=1, target="reference")(image)
    close(compile(g, weights, batch=1)(image), want, OP)
