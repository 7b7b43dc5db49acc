"""Graphs drawn at random through the graph API: every word of the language, joins and gates, skips from anywhere, scopes,
branches, blocks, shared steps, heads, names, several inputs and outputs, sizes left open."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import cnndsl
from cnndsl.errors import CnnError
from cnndsl.graph.graph import Graph, Value
from cnndsl.graph.op import REGISTRY

NAMES = ("stem", "low", "deep", "feature", "tower", "same", "zero", "H", "conv1", "relu_out")
LABELS = ("main", "skip", "one", "three", "pool", "gate", "image")
LARGEST = 40_000
PLAIN = (
    "relu", "relu6", "silu", "sigmoid", "hard_sigmoid", "hard_swish", "tanh", "softplus", "softmax", "log_softmax", "prelu",
    "identity", "flatten", "global_avg_pool", "global_max_pool", "layer_norm", "instance_norm",
)  # fmt: skip
PADS: tuple[Any, ...] = ("valid", "valid", "same", "same", "same_symmetric", 0, 1, 2)
INITS = ("he_normal", "he_normal", "he_uniform", "glorot_normal", "glorot_uniform", "normal", "zeros")


@cnndsl.block
def conv_bn(x: Value, filters: int, stride: int = 1) -> Value:
    rank = x.type.rank - 2
    return x.conv(filters, (3,) * rank, stride=stride, pad="same_symmetric", bias=False).batch_norm()


@cnndsl.block
def unit(x: Value, activation: str = "relu") -> Value:
    """A residual block whose skip is the value itself."""
    y = getattr(conv_bn(x, x.channels), activation)()  # type: ignore[arg-type]
    return conv_bn(y, x.channels).add(x).relu()  # type: ignore[arg-type]


@cnndsl.block
def labelled(x: Value) -> Value:
    g = x.node.graph
    with g.branch("main"):
        main = unit(x).tanh()
    with g.branch("skip"):
        skip = x.identity()
    return main.add(skip)


class Maker:
    """Draws one graph."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.g = Graph(self.draw.choice(("net", "model 7", "conv", "x")))
        self.values: list[Value] = []
        self.shared: list[tuple[Any, Any]] = []
        self.deep = 0
        self.divisor = self.draw.choice((1, 8))

    def graph(self, steps: int) -> Graph:
        draw, g = self.draw, self.g
        for k in range(draw.choice((1, 1, 1, 2, 3))):
            self.values.append(self.input(f"image{k or ''}"))
        self.last = self.values[-1]
        self.grow(draw.randint(3, steps))
        while self.last.node.op.name in ("input", "state"):
            self.last = self.last.relu()
        g.output(self.last)
        for name in [*g.names]:
            if draw.random() < 0.2 and g.names[name].node.op.name != "input":
                g.output(g.names[name], name)
        return g

    def input(self, name: str) -> Value:
        draw = self.draw
        channels = draw.choice((1, 2, 4, 6))
        kind = draw.random()
        if kind < 0.1:
            return self.g.input(name, (channels,))
        if kind < 0.2:
            return self.g.input(name, (draw.choice((8, 12)), channels))
        if kind < 0.26:
            return self.g.input(name, (4, 4, 4, channels))
        if kind < 0.36:
            return self.g.input(name, ("H", "W", channels), where={"H": 8, "W": self.divisor})
        return self.g.input(name, (*draw.choice(((8, 8), (8, 8), (12, 8), (7, 9))), channels))

    # Actions -----------------------------------------------------------------------------------------------------

    def grow(self, steps: int) -> None:
        actions: list[tuple[int, Callable[[], Value | None]]] = [
            (30, self.step), (12, self.join), (6, self.branches), (6, self.scope), (5, self.block), (4, self.share),
            (4, self.use), (2, self.head), (3, self.alias), (2, self.twice),
        ]  # fmt: skip
        for _ in range(steps):
            _, action = self.draw.choices(actions, [w for w, _ in actions])[0]
            try:
                made = action()
            except CnnError:
                continue
            if made is not None:
                self.last = made
                self.values.append(made)

    def some(self) -> Value:
        """Mostly what came last, sometimes anything there is."""
        return self.last if self.draw.random() < 0.75 else self.draw.choice(self.values)

    def name(self) -> str | None:
        return self.draw.choice(NAMES) if self.draw.random() < 0.12 else None

    def step(self) -> Value | None:
        word = self.draw.choice(WORDS)
        made = MAKERS[word](self.draw, self.some(), self.name())
        return made if small(made) else None

    def join(self) -> Value:
        draw, x = self.draw, self.some()
        word = draw.choice(("concat", "concat", "add", "add", "subtract", "multiply", "maximum"))
        keys: dict[str, Any] = {"name": self.name()}
        if word == "concat":
            keys["fit"] = draw.choice(("exact", "exact", "crop"))
        likely = [v for v in self.values if fits(word, x, v, keys)]
        count = 1 if word == "subtract" else draw.choice((0, 1, 1, 1, 2, 3))
        others = [draw.choice(likely or [x]) for _ in range(count)]
        if word == "multiply" and draw.random() < 0.3:
            others.append(x.global_avg_pool().dense(x.channels, name=None).sigmoid())  # type: ignore[arg-type]
        made: Value = getattr(x, word)(*others, **keys)
        if not small(made):
            raise CnnError(())
        return made

    def branches(self) -> Value:
        """A join as the language writes it: each branch under its label."""
        draw, x, g = self.draw, self.some(), self.g
        word = draw.choice(("concat", "add", "maximum"))
        scope: AbstractContextManager[None] = g.inside(draw.choice(NAMES)) if draw.random() < 0.2 else nullcontext()
        with scope:
            made = []
            for _ in range(draw.choice((2, 2, 3))):
                with g.branch(draw.choice(LABELS)):
                    y = x
                    for _ in range(draw.randint(0, 3)):
                        y = MAKERS[draw.choice(KEEPING)](draw, y, self.name())
                    made.append(y)
                    if draw.random() < 0.1:
                        self.values.append(y)
            return getattr(made[0], word)(*made[1:])  # type: ignore[no-any-return]

    def scope(self) -> None:
        if self.deep > 3:
            return
        self.deep += 1
        opened = self.g.inside(self.draw.choice(NAMES)) if self.draw.random() < 0.7 else self.g.branch(self.draw.choice(LABELS))
        with opened:
            self.grow(self.draw.randint(1, 5))
        self.deep -= 1
        if self.draw.random() < 0.4 and self.last.node.op.name != "input":
            self.last.named(self.draw.choice(NAMES))

    def block(self) -> Value:
        draw, x = self.draw, self.some()
        return draw.choice((
            lambda name: conv_bn(x, draw.choice((2, 4)), draw.choice((1, 2)), name=name),
            lambda name: unit(x, draw.choice(("relu", "tanh")), name=name),
            lambda name: labelled(x, name=name),
        ))(self.name())  # fmt: skip

    def share(self) -> Value | None:
        """A shared step, to be used now, or later, or never."""
        words = [self.draw.choice(KEEPING) for _ in range(self.draw.randint(1, 3))]
        seed, skip = self.draw.random(), self.draw.random() < 0.3

        def pipeline(x: Value) -> Value:
            draw, y = random.Random(seed), x
            for word in words:
                y = tried(word, draw, y, None)
            return y.add(x) if skip and y.shape == x.shape else y

        self.shared.append((self.g.share(self.draw.choice(NAMES[:5]), pipeline), []))
        for _ in range(self.draw.choice((0, 1, 2, 3))):
            self.last = self.use(self.shared[-1]) or self.last
            self.values.append(self.last)
            if self.draw.random() < 0.3:
                self.last = self.last.tanh()
        return self.last

    def use(self, shared: tuple[Any, Any] | None = None) -> Value | None:
        if not self.shared:
            return None
        step, types = shared or self.draw.choice(self.shared)
        x = self.some()
        if types:
            like = [v for v in self.values if v.type == types[0]]
            if not like:
                return None
            x = self.draw.choice(like)
        made: Value = step(x)
        types.append(x.type)
        return made

    def twice(self) -> Value | None:
        """The same scope entered by two values that both go on."""
        x = self.some()
        with self.g.inside(self.draw.choice(NAMES)):
            low = MAKERS[self.draw.choice(KEEPING)](self.draw, x, None)
            high = MAKERS[self.draw.choice(WORDS)](self.draw, low, None)
        self.values.append(low)
        return high if small(high) else None

    def head(self) -> None:
        if self.g.scope.prefix:
            return
        words = [self.draw.choice(KEEPING) for _ in range(self.draw.randint(0, 3))]

        def side(x: Value) -> Value:
            for word in words:
                x = tried(word, self.draw, x, self.name())
            return x

        self.some().head(self.draw.choice(NAMES[:4]), side)

    def alias(self) -> None:
        self.some().named(self.draw.choice(NAMES))


def tried(word: str, draw: random.Random, x: Value, name: str | None) -> Value:
    """`x` after a step; as it is where the step is refused."""
    try:
        return MAKERS[word](draw, x, name)
    except CnnError:
        return x


def small(x: Value) -> bool:
    total = 1
    for s in x.shape[1:]:
        total *= s if isinstance(s, int) else 8
    return total <= LARGEST


def fits(word: str, x: Value, v: Value, keys: dict[str, Any]) -> bool:
    if word == "concat":
        return v.type.rank == x.type.rank and (keys["fit"] == "crop" or v.type.space == x.type.space)
    return v.shape == x.shape


# Steps ------------------------------------------------------------------------------------------------------------------

Step = Callable[[random.Random, Value, "str | None"], Value]


def window(draw: random.Random, x: Value, sizes: tuple[int, ...] = (1, 2, 3, 3)) -> tuple[int, ...]:
    return tuple(draw.choice(sizes) for _ in range(max(1, x.type.rank - 2)))


def axes(draw: random.Random, x: Value, choices: tuple[int, ...]) -> Any:
    few = tuple(draw.choice(choices) for _ in range(max(1, x.type.rank - 2)))
    return few if draw.random() < 0.2 else few[0]


def pads(draw: random.Random, x: Value) -> Any:
    rank = max(1, x.type.rank - 2)
    kind = draw.random()
    if kind < 0.1:
        return tuple((draw.randint(0, 1), draw.randint(0, 2)) for _ in range(rank))
    return tuple(draw.randint(0, 1) for _ in range(rank)) if kind < 0.2 else draw.choice(PADS)


def conv(draw: random.Random, x: Value, name: str | None) -> Value:
    keys: dict[str, Any] = {"pad": pads(draw, x), "bias": draw.random() < 0.5, "init": draw.choice(INITS)}
    if draw.random() < 0.3:
        keys |= {"stride": axes(draw, x, (1, 2)), "dilation": axes(draw, x, (1, 2))}
    if draw.random() < 0.2:
        keys |= {"pad_mode": draw.choice(("zero", "reflect", "edge")), "flip": draw.random() < 0.5}
    groups = draw.choice((1, 1, 1, 2, x.channels))
    return x.conv(groups * draw.choice((1, 2, 3)), window(draw, x), groups=groups, name=name, **keys)  # type: ignore[arg-type]


def depthwise_conv(draw: random.Random, x: Value, name: str | None) -> Value:
    keys: dict[str, Any] = {"pad": pads(draw, x), "bias": draw.random() < 0.5, "multiplier": draw.choice((1, 1, 2))}
    return x.depthwise_conv(window(draw, x), name=name, **keys)


def conv_transpose(draw: random.Random, x: Value, name: str | None) -> Value:
    keys: dict[str, Any] = {"stride": axes(draw, x, (1, 2)), "pad": draw.choice(("valid", "same", 0)), "output_pad": 0}
    return x.conv_transpose(draw.choice((1, 2, 4)), window(draw, x), name=name, bias=draw.random() < 0.5, **keys)


def pool(word: str) -> Step:
    def make(draw: random.Random, x: Value, name: str | None) -> Value:
        keys: dict[str, Any] = {"pad": pads(draw, x), "round": draw.choice(("floor", "ceil"))}
        if draw.random() < 0.6:
            keys["stride"] = axes(draw, x, (1, 2))
        if word == "avg_pool":
            keys["count_padding"] = draw.random() < 0.3
        return getattr(x, word)(window(draw, x, (1, 2, 3)), name=name, **keys)  # type: ignore[no-any-return]

    return make


def options(word: str, **choices: Any) -> Step:
    """A word whose options are each one of `choices`; a function is called with the value."""

    def make(draw: random.Random, x: Value, name: str | None) -> Value:
        keys = {}
        for key, few in choices.items():
            given = draw.choice(few)
            keys[key] = given(draw, x) if callable(given) else given
        return getattr(x, word)(name=name, **keys)  # type: ignore[no-any-return]

    return make


def reshape(draw: random.Random, x: Value, name: str | None) -> Value:
    c = x.channels
    return x.reshape(draw.choice((("_", c), ("_",), (c, "_"), (2, "_"))), name=name)


def keeping(draw: random.Random, x: Value, name: str | None) -> Value:
    """A convolution that keeps the shape."""
    return x.conv(x.channels, (3,) * (x.type.rank - 2), pad="same", init=draw.choice(INITS), name=name)  # type: ignore[arg-type]


MAKERS: dict[str, Step] = {
    "conv": conv, "depthwise_conv": depthwise_conv, "conv_transpose": conv_transpose, "keeping": keeping,
    "max_pool": pool("max_pool"), "avg_pool": pool("avg_pool"), "reshape": reshape,
    "dense": options("dense", units=(1, 3, 5), bias=(True, False), init=INITS),
    "batch_norm": options("batch_norm", momentum=(0.99, 0.9, 1), eps=(1e-3, 1e-5)),
    "group_norm": options("group_norm", groups=(1, 2, lambda draw, x: x.channels), eps=(1e-5, 1e-3)),
    "lrn": options("lrn", size=(3, 5), alpha=(1e-4, 0.1), k=(1, 2.0)),
    "leaky_relu": options("leaky_relu", slope=(0.01, 0.2, -0.5)), "elu": options("elu", alpha=(1.0, 0.3, 2)),
    "gelu": options("gelu", approximate=("none", "tanh")), "scale": options("scale", factor=(0.5, -2, 1e-7, 1 / 3, 1e17)),
    "dropout": options("dropout", rate=(0.5, 0.07500000000000001, 0)), "noise": options("noise", amount=(0.1,)),
    "spatial_dropout": options("spatial_dropout", rate=(0.5,)), "stochastic_depth": options("stochastic_depth", rate=(0.2,)),
    "pad": options("pad", amount=(0, 1, pads), channels=((0, 0), (1, 2)), mode=("zero", "reflect", "edge")),
    "crop": options("crop", amount=(0, 1), channels=((0, 0), (0, 1))),
    "take": options("take", channels=((0, 1), (1, 2), (0, 2))),
    "upsample": options("upsample", factor=(1, 2, lambda draw, x: axes(draw, x, (1, 2))), method=("nearest", "bilinear")),
    "downsample": options("downsample", factor=(1, 2), method=("average", "lanczos")),
    "space_to_depth": options("space_to_depth", block=(1, 2)), "depth_to_space": options("depth_to_space", block=(1, 2)),
    "channel_shuffle": options("channel_shuffle", groups=(1, 2)),
    **{word: options(word) for word in PLAIN},
}  # fmt: skip
WORDS = [*MAKERS] + ["conv"] * 10 + ["relu", "batch_norm", "max_pool", "dense", "dropout"] * 3
KEEPING = [
    "keeping", "keeping", "relu", "tanh", "batch_norm", "prelu", "identity", "dropout", "leaky_relu", "group_norm", "scale",
    "layer_norm", "depthwise_conv",
]  # fmt: skip


def generated(seed: int, steps: int = 14) -> Graph:
    """The graph of a seed."""
    return Maker(seed).graph(steps)


def every_word() -> set[str]:
    """The words that `generated` draws from."""
    return {w for w in MAKERS if w in REGISTRY} | {"concat", "add", "subtract", "multiply", "maximum"}
