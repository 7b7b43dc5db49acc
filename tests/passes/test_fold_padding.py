"""Folding padding: where a pad vanishes, that the numbers stay, forward and backward, and where it must stay."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from cnndsl.autodiff import differentiate
from cnndsl.graph.expr import evaluate, expr
from cnndsl.graph.graph import Graph, Value
from cnndsl.language.recipe import Sgd, parse_loss
from cnndsl.passes.dead_code import dead_code
from cnndsl.passes.fold_padding import fold_padding
from cnndsl.passes.ranges import bounds, ranges
from cnndsl.passes.training import training
from cnndsl.training.step import build_step
from tests.passes.networks import BATCH, after, bound, context, refusals, words


def image(g: Graph) -> Value:
    return g.input("image", (7, 8, 4))


def uneven(g: Graph) -> Value:
    return image(g).pad(((1, 2), (0, 3))).conv(5, (3, 3), stride=2)


def on_top_of_its_own(g: Graph) -> Value:
    return image(g).pad(1).conv(6, (3, 2), pad=((1, 0), (0, 2)), groups=2, dilation=(1, 2))


def depthwise(g: Graph) -> Value:
    return image(g).pad(1).depthwise_conv((3, 3), stride=2, bias=False)


def two_pads(g: Graph) -> Value:
    return image(g).pad(1).pad(((0, 0), (2, 1))).conv(3, (3, 3))


def two_readers(g: Graph) -> Value:
    y = image(g).pad(1)
    return y.conv(3, (3, 3)).concat(y.conv(4, (3, 3)).relu())


def mode_of_no_padding(g: Graph) -> Value:
    return image(g).pad(1).conv(3, (3, 3), pad_mode="reflect")


def average(g: Graph) -> Value:
    return image(g).pad(1).avg_pool((3, 3), stride=2)


def average_that_counts(g: Graph) -> Value:
    return image(g).pad(((1, 0), (0, 1))).avg_pool((3, 3), stride=2, pad=1, count_padding=True)


def maximum_of_what_is_no_less_than_0(g: Graph) -> Value:
    return image(g).relu().pad(1).max_pool((3, 3), stride=2)


def maximum_on_top_of_its_own(g: Graph) -> Value:
    y = image(g)
    return y.sigmoid().concat(y.multiply(y)).pad(((1, 0), (1, 0))).max_pool((4, 4), stride=2, pad=1)


FOLDS: list[Callable[[Graph], Value]] = [
    uneven, on_top_of_its_own, depthwise, two_pads, two_readers, mode_of_no_padding, average, average_that_counts,
    maximum_of_what_is_no_less_than_0, maximum_on_top_of_its_own,
]  # fmt: skip


@pytest.mark.parametrize("build", FOLDS)
def test_folds(build: Callable[[Graph], Value]) -> None:
    g = Graph("g")
    g.output(build(g))
    ctx = context()
    new = after(bound(g), (fold_padding,), ctx)
    assert "pad" not in words(new) and words(new) == [w for w in words(bound(g)) if w != "pad"]
    assert not refusals(ctx)
    assert words(after(new, (fold_padding,), context())) == words(new)


@pytest.mark.parametrize("build", [uneven, on_top_of_its_own, depthwise, two_pads, average, average_that_counts])
def test_gradients_fold_too(build: Callable[[Graph], Value]) -> None:
    g = Graph("g")
    g.output(build(g))
    whole = training(bound(g), context(training=True))
    y = whole.outputs["output"]
    loss = whole.reduce_sum(whole.pointwise(lambda e, v: v * v, y), axes=(0, 1, 2, 3))
    names = [n for n, s in whole.state.items() if s.kind == "parameter"]
    wanted = [whole.inputs["image"], *(whole.state_values[n] for n in names)]
    for k, gradient in enumerate(differentiate(whole, loss, wanted)):
        assert gradient is not None
        whole.output(gradient, f"gradient{k}")
    whole = dead_code(whole, context())
    assert "pad_grad" in words(whole)
    ctx = context(training=True)
    found = words(after(whole, (fold_padding,), ctx))
    assert "pad" not in found and "pad_grad" not in found
    assert not refusals(ctx)


def test_a_gradient_stays_where_the_pool_would_round_otherwise() -> None:
    g = Graph("g")
    x = g.input("image", (6, 6, 2)).conv(3, (1, 1)).pad(((0, 1), (0, 1)))
    g.output(x.avg_pool((2, 2), stride=2, round="ceil", count_padding=True).global_avg_pool().dense(3, name="logits"))
    step = build_step(g, parse_loss("cross_entropy(logits)"), Sgd(0.1), BATCH)
    ctx = context(training=True)
    after(dead_code(step, ctx), (fold_padding,), ctx)
    assert any("avg_pool_grad would refuse it" in why for why in refusals(ctx))


def test_a_head_on_a_folded_pad_is_forgotten() -> None:
    """The value is not computed any more: the smaller one before it must not take its name."""
    g = Graph("g")
    y = image(g).pad(1)
    g.heads["padded"] = g.names["also"] = y
    g.output(y.conv(3, (3, 3)))
    new = after(bound(g), (fold_padding,), context())
    assert "pad" not in words(new) and not new.heads and not new.names


def a_result(g: Graph) -> None:
    y = image(g).pad(1)
    g.output(y, "padded")
    g.output(y.conv(3, (3, 3)))


def channels(g: Graph) -> None:
    g.output(image(g).pad(1, channels=(0, 2)).conv(3, (3, 3)))


def reflected(g: Graph) -> None:
    g.output(image(g).pad(1, mode="reflect").conv(3, (3, 3)))


def other_mode(g: Graph) -> None:
    g.output(image(g).pad(1).conv(3, (3, 3), pad=1, pad_mode="edge"))


def transposed(g: Graph) -> None:
    g.output(image(g).pad(1).conv_transpose(3, (3, 3)))


def one_of_two(g: Graph) -> None:
    y = image(g).pad(1)
    g.output(y.conv(4, (1, 1)).add(y.relu()))


def average_with_its_own(g: Graph) -> None:
    g.output(image(g).pad(1).avg_pool((3, 3), pad=1))


def maximum_of_anything(g: Graph) -> None:
    g.output(image(g).tanh().pad(1).max_pool((3, 3)))


def wider_than_the_window(g: Graph) -> None:
    g.output(image(g).pad(2).avg_pool((2, 2), stride=2))


def window_in_the_padding(g: Graph) -> None:
    """One row, and a window whose places lie two apart: it can straddle it."""
    g.output(g.input("image", (1, 9, 2)).relu().pad(((1, 2), (0, 0))).max_pool((2, 2), dilation=2, stride=1))


def rounded_up(g: Graph) -> None:
    """With the pad, a last window begins inside it; without, it would be dropped."""
    g.output(g.input("image", (4, 4, 2)).pad(((0, 1), (0, 1))).avg_pool((2, 2), stride=4, round="ceil"))


def a_kernel(g: Graph) -> None:
    x, kernel = g.input("image", (5, 5, 2)), g.input("kernel", (3, 1, 2, 3), batched=False)
    g.output(g.add("conv", (x, kernel.pad(((0, 0), (0, 0)))), x.conv(3, (3, 1), bias=False).node.attrs)[0])


@pytest.mark.parametrize(
    ("build", "why"),
    [
        (a_result, "its value is a result"),
        (channels, "it pads channels"),
        (reflected, "by the mode reflect"),
        (other_mode, "own padding has the mode edge"),
        (transposed, "conv_transpose reads it, which does not pad by itself"),
        (one_of_two, "relu reads it, which does not pad by itself"),
        (average_with_its_own, "counts these zeros and not its own padding"),
        (maximum_of_anything, "zeros would win over negative numbers"),
        (wider_than_the_window, "avg_pool would refuse it"),
        (window_in_the_padding, "some windows lie in the padding alone"),
        (rounded_up, "avg_pool would round its size otherwise"),
        (a_kernel, "conv reads it, which does not pad by itself"),
    ],
)
def test_refuses_with_its_reason(build: Callable[[Graph], None], why: str) -> None:
    g = Graph("g")
    build(g)
    ctx = context()
    assert "pad" in words(after(bound(g), (fold_padding,), ctx))
    assert any(why in r for r in refusals(ctx)), refusals(ctx)


def cropped(g: Graph, gx: Value, mode: str = "zero", channels: tuple[int, int] = (0, 0)) -> Value:
    """The gradient by a value that was padded by 1, from that by the padded value."""
    _, h, w, c = gx.type.shape
    amount = ((1, 1), (1, 1))
    return g.pad_grad(gx, amount=amount, channels=channels, mode=mode, sizes=(h - 2, w - 2, c - sum(channels)))


def conv_gradient(g: Graph) -> Value:
    kernel = g.input("kernel", (3, 3, 4, 3), batched=False)
    keys = {"kernel": (3, 3), "stride": (1, 1), "dilation": (1, 1), "groups": 1, "flip": False}
    return g.conv_input_grad(g.input("gy", (5, 6, 3)), kernel, pad=((0, 0), (0, 0)), sizes=(7, 8, 4), **keys)


def average_gradient(g: Graph, pad: int, count_padding: bool, window: int = 3) -> Value:
    size = 8 + 2 * pad - window + 1
    keys = {"window": (window,) * 2, "stride": (1, 1), "pad": ((pad, pad),) * 2, "round": "floor", "sizes": (8, 8, 2)}
    return g.avg_pool_grad(g.input("gy", (size, size, 2)), count_padding=count_padding, **keys)


def read_twice(g: Graph) -> Value:
    gx = conv_gradient(g)
    g.output(gx.relu(), "other")
    return cropped(g, gx)


@pytest.mark.parametrize(
    ("build", "why"),
    [
        (read_twice, "the value of conv_input_grad is read elsewhere too"),
        (lambda g: cropped(g, conv_gradient(g), "reflect"), "it undoes the mode reflect"),
        (lambda g: cropped(g, conv_gradient(g), channels=(1, 0)), "it crops channels"),
        (lambda g: cropped(g, conv_gradient(g).relu()), "what is cropped comes from relu"),
        (lambda g: cropped(g, average_gradient(g, 1, False)), "counts these zeros and not its own padding"),
        (lambda g: cropped(g, average_gradient(g, 2, True)), "some windows would lie in the padding alone"),
    ],
)
def test_gradients_that_stay(build: Callable[[Graph], Value], why: str) -> None:
    g = Graph("g")
    g.output(build(g))
    ctx = context()
    assert "pad_grad" in words(after(bound(g), (fold_padding,), ctx))
    assert len(refusals(ctx)) == 1 and why in refusals(ctx)[0]


@pytest.mark.parametrize(("pad", "count_padding", "window"), [(0, False, 3), (1, True, 3)])
def test_gradients_of_averages(pad: int, count_padding: bool, window: int) -> None:
    g = Graph("g")
    g.output(cropped(g, average_gradient(g, pad, count_padding, window)))
    assert words(after(bound(g), (fold_padding,), context())) == ["avg_pool_grad"]


def test_names_stay_but_for_what_is_no_longer_computed() -> None:
    """What a pad made is not there any more; what a crop made is, and comes from the gradient itself."""
    g = Graph("g")
    g.names["padded"] = image(g).pad(1)
    g.output(g.names["padded"].conv(3, (3, 3)))
    g.names["cropped"] = cropped(g, conv_gradient(g))
    g.output(g.names["cropped"].relu(), "positive")
    new = after(bound(g), (fold_padding,), context())
    assert "padded" not in new.names and new.names["cropped"].node.op.name == "conv_input_grad"


@pytest.mark.parametrize(
    ("word", "low", "high"),
    [
        ("relu", 0, None), ("relu6", 0, 6), ("sigmoid", 0, 1), ("softplus", 0, None), ("hard_sigmoid", 0, 1),
        ("softmax", 0, 1), ("tanh", -1, 1), ("silu", None, None), ("batch_norm", None, None),
    ],
)  # fmt: skip
def test_ranges_of_words(word: str, low: float | None, high: float | None) -> None:
    g = Graph("g")
    y = getattr(image(g), word)()
    found = ranges(g)[y]
    assert found[0] == (float("-inf") if low is None else low)
    assert found[1] == (float("inf") if high is None else high)


def test_ranges_of_what_moves_numbers() -> None:
    g = Graph("g")
    x = image(g)
    above = g.pointwise(lambda e, v: e.max(v, 2.0), x)
    padded, counted = above.pad(1), above.avg_pool((2, 2), pad=1, count_padding=True)
    pooled = above.max_pool((2, 2))
    found = ranges(g)
    assert found[above] == found[pooled] == (2.0, float("inf"))
    assert found[padded][0] == found[counted][0] == 0.0


ENDS = (float("-inf"), -3.0, -1.0, -0.25, 0.0, 0.5, 1.0, 2.0, 800.0, float("inf"))
RULES = {
    "add": lambda e, x, y: x + y, "sub": lambda e, x, y: x - y, "mul": lambda e, x, y: x * y, "div": lambda e, x, y: x / y,
    "max": lambda e, x, y: e.max(x, y), "min": lambda e, x, y: e.min(x, y), "neg": lambda e, x, y: -x,
    "abs": lambda e, x, y: e.abs(x), "exp": lambda e, x, y: e.exp(x), "log": lambda e, x, y: e.log(x),
    "sqrt": lambda e, x, y: e.sqrt(x), "tanh": lambda e, x, y: e.tanh(x), "cos": lambda e, x, y: e.cos(x),
    "square": lambda e, x, y: (x + y) * (x + y), "select": lambda e, x, y: e.select(x > 0, x, y),
}  # fmt: skip

TWO = ("add", "sub", "mul", "div", "max", "min", "square", "select")


@pytest.mark.parametrize("rule", RULES)
def test_bounds_hold_and_are_tight_where_they_can_be(rule: str) -> None:
    """Whatever numbers lie in the intervals, those of the expression lie in its own; NaN is in every interval."""
    root = expr(RULES[rule], 2)
    pairs = [(low, high) for low in ENDS for high in ENDS if low < high]
    for x in pairs:
        for y in pairs if rule in TWO else [x]:
            low, high = bounds(root, [x, y])
            with np.errstate(all="ignore"):
                grid = np.meshgrid(*(np.array([n for n in ENDS if a <= n <= b]) for a, b in (x, y)))
                found = np.asarray(evaluate(np, root, grid), np.float64)
            found = found[~np.isnan(found)]
            assert not found.size or (low <= found.min() and found.max() <= high), (x, y, low, high)
            if rule in ("max", "min", "neg", "abs", "tanh", "sqrt", "exp", "log"):
                assert not found.size or (low, high) == pytest.approx((found.min(), found.max()))


def test_bounds_of_a_square_and_of_nothing_known() -> None:
    assert bounds(expr(lambda e, x: x * x, 1), [(-3.0, 2.0)]) == (0.0, 9.0)
    assert bounds(expr(lambda e, x, y: x * y, 2), [(-3.0, 2.0), (-1.0, 5.0)]) == (-15.0, 10.0)
    assert bounds(expr(lambda e, x: x - x, 1), [(float("-inf"), float("inf"))]) == (float("-inf"), float("inf"))
    assert bounds(expr(lambda e, x: e.abs(x) - 1.0, 1), [(-3.0, 2.0)]) == (-1.0, 2.0)
