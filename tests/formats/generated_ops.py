"""Single ops with attributes drawn at random: paddings, strides, dilations, groups, odd and even sizes, ranks 1 to 3."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

from cnndsl.errors import CnnError
from cnndsl.graph.graph import Graph, Value

PADS = ("valid", "same", "same_symmetric", 0, 1, 2, "pairs")


def generated(count: int, seed: int, words: tuple[str, ...] = ()) -> Iterator[tuple[str, Graph]]:
    """`count` graphs of one op each, and what they are in words. What an op's own rules refuse is drawn again."""
    draw = random.Random(seed)
    for _ in range(count):
        word = draw.choice(words or WEIGHTED)
        while True:
            g = Graph("generated")
            try:
                y, keys = MAKERS[word](g, draw)
            except CnnError:
                continue  # a window larger than its input, a reflected pad too wide
            break
        g.output(y)
        x = " ".join(f"{v.type}" for v in g.inputs.values())
        yield f"{word}({', '.join(f'{k} = {v}' for k, v in keys.items())}) of {x}", g


def sizes(draw: random.Random, rank: int, most: int) -> tuple[int, ...]:
    return tuple(draw.randint(1, most) for _ in range(rank))


def windowed(draw: random.Random) -> tuple[int, tuple[int, ...], dict[str, Any]]:
    """Rank, kernel, and keys that convolutions and pools share."""
    rank = draw.choice((1, 2, 2, 2, 3))
    kernel = sizes(draw, rank, 5 if rank < 3 else 3)
    keys: dict[str, Any] = {"stride": draw.choice((1, 1, 2, 3, sizes(draw, rank, 3))), "pad": draw.choice(PADS)}
    if keys["pad"] == "pairs":
        keys["pad"] = tuple((draw.randint(0, 2), draw.randint(0, 2)) for _ in range(rank))
    return rank, kernel, keys


def image(g: Graph, draw: random.Random, rank: int, channels: int) -> Value:
    return g.input("image", (*sizes(draw, rank, {1: 23, 2: 14, 3: 8}[rank]), channels))


def conv(g: Graph, draw: random.Random) -> tuple[Value, dict[str, Any]]:
    rank, kernel, keys = windowed(draw)
    groups = draw.choice((1, 1, 1, 2, 4))
    keys |= {"dilation": draw.choice((1, 1, 2, sizes(draw, rank, 3))), "groups": groups, "bias": draw.random() < 0.5}
    keys["pad_mode"] = draw.choice(("zero", "zero", "reflect", "edge"))
    keys["flip"] = draw.random() < 0.2
    x = image(g, draw, rank, groups * draw.choice((1, 2, 3, 5)))
    filters = groups * draw.choice((1, 2, 3, 7))
    return x.conv(filters, kernel, **keys), {"filters": filters, "kernel": kernel, **keys}


def pool(word: str) -> Callable[[Graph, random.Random], tuple[Value, dict[str, Any]]]:
    def make(g: Graph, draw: random.Random) -> tuple[Value, dict[str, Any]]:
        rank, window, keys = windowed(draw)
        keys["round"] = draw.choice(("floor", "ceil"))
        if word == "avg_pool":
            keys["count_padding"] = draw.random() < 0.5
        x = image(g, draw, rank, draw.choice((1, 2, 3, 4, 8)))
        return getattr(x, word)(window, **keys), {"window": window, **keys}

    return make


def pad(g: Graph, draw: random.Random) -> tuple[Value, dict[str, Any]]:
    rank = draw.choice((1, 2, 3))
    amount = tuple((draw.randint(0, 3), draw.randint(0, 3)) for _ in range(rank))
    keys = {"amount": amount, "channels": (draw.randint(0, 2), draw.randint(0, 2))}
    keys["mode"] = draw.choice(("zero", "reflect", "edge"))  # type: ignore[assignment]
    return image(g, draw, rank, draw.choice((1, 3, 4))).pad(**keys), keys


def plain(word: str, **choices: Any) -> Callable[[Graph, random.Random], tuple[Value, dict[str, Any]]]:
    """A word of one operand; `choices` lists what its keys may be."""

    def make(g: Graph, draw: random.Random) -> tuple[Value, dict[str, Any]]:
        keys = {k: draw.choice(v) for k, v in choices.items()}
        return getattr(image(g, draw, draw.choice((1, 2, 2, 3)), draw.choice((1, 2, 4, 8, 12))), word)(**keys), keys

    return make


def dense(g: Graph, draw: random.Random) -> tuple[Value, dict[str, Any]]:
    units, bias = draw.randint(1, 40), draw.random() < 0.5
    return g.input("image", (draw.randint(1, 60),)).dense(units, bias=bias), {"units": units, "bias": bias}


def join(word: str) -> Callable[[Graph, random.Random], tuple[Value, dict[str, Any]]]:
    def make(g: Graph, draw: random.Random) -> tuple[Value, dict[str, Any]]:
        x = image(g, draw, draw.choice((1, 2, 3)), draw.choice((1, 3, 4)))
        y = x.scale(0.5).tanh()
        return getattr(x, word)(y), {}

    return make


def concat(g: Graph, draw: random.Random) -> tuple[Value, dict[str, Any]]:
    rank = draw.choice((1, 2, 3))
    x = image(g, draw, rank, draw.choice((1, 3, 4)))
    y = x.conv(draw.randint(1, 5), (1,) * rank)
    return x.concat(y, x.relu()), {}


def conv_transpose(g: Graph, draw: random.Random) -> tuple[Value, dict[str, Any]]:
    rank = draw.choice((1, 2, 2, 2, 3))
    kernel, groups = sizes(draw, rank, 4 if rank < 3 else 3), draw.choice((1, 1, 2))
    keys: dict[str, Any] = {"stride": draw.choice((1, 2, 3, sizes(draw, rank, 3))), "groups": groups}
    keys |= {"pad": draw.choice(("valid", "same", 0, 1)), "bias": draw.random() < 0.5}
    x = g.input("image", (*sizes(draw, rank, {1: 11, 2: 7, 3: 4}[rank]), groups * draw.choice((1, 2, 3))))
    filters = groups * draw.choice((1, 2, 5))
    return x.conv_transpose(filters, kernel, **keys), {"filters": filters, "kernel": kernel, **keys}


def depthwise_conv(g: Graph, draw: random.Random) -> tuple[Value, dict[str, Any]]:
    rank, kernel, keys = windowed(draw)
    keys |= {"multiplier": draw.choice((1, 1, 2)), "dilation": draw.choice((1, 1, 2)), "bias": draw.random() < 0.5}
    return image(g, draw, rank, draw.choice((1, 3, 8))).depthwise_conv(kernel, **keys), {"kernel": kernel, **keys}


def scaled(word: str) -> Callable[[Graph, random.Random], tuple[Value, dict[str, Any]]]:
    """upsample and downsample: whole factors that divide the size."""

    def make(g: Graph, draw: random.Random) -> tuple[Value, dict[str, Any]]:
        rank = draw.choice((1, 2, 2, 3))
        factor = sizes(draw, rank, 4)
        method = draw.choice(("nearest", "bilinear") if word == "upsample" else ("average", "lanczos"))
        small = sizes(draw, rank, {1: 9, 2: 5, 3: 3}[rank])
        space = small if word == "upsample" else tuple(n * f for n, f in zip(small, factor, strict=True))
        x = g.input("image", (*space, draw.choice((1, 3))))
        return getattr(x, word)(factor, method), {"factor": factor, "method": method}

    return make


def blocked(word: str) -> Callable[[Graph, random.Random], tuple[Value, dict[str, Any]]]:
    def make(g: Graph, draw: random.Random) -> tuple[Value, dict[str, Any]]:
        rank, block = draw.choice((1, 2, 3)), draw.choice((1, 2, 3))
        small, c = sizes(draw, rank, 4), draw.choice((1, 2))
        deep = word == "space_to_depth"
        x = g.input("image", (*(n * block if deep else n for n in small), c if deep else c * block**rank))
        return getattr(x, word)(block), {"block": block}

    return make


def shuffle(g: Graph, draw: random.Random) -> tuple[Value, dict[str, Any]]:
    groups = draw.choice((1, 2, 3))
    x = image(g, draw, draw.choice((1, 2, 3)), groups * draw.choice((1, 2, 4)))
    return x.channel_shuffle(groups), {"groups": groups}


def crop(g: Graph, draw: random.Random) -> tuple[Value, dict[str, Any]]:
    rank = draw.choice((1, 2, 3))
    size = sizes(draw, rank, 6)
    return image(g, draw, rank, draw.choice((1, 3))).crop(size), {"size": size}


def take(g: Graph, draw: random.Random) -> tuple[Value, dict[str, Any]]:
    first, count = draw.randint(0, 3), draw.randint(1, 4)
    return image(g, draw, draw.choice((1, 2, 3)), 8).take((first, first + count)), {"channels": (first, first + count)}


def reshape(g: Graph, draw: random.Random) -> tuple[Value, dict[str, Any]]:
    a, b, c = sizes(draw, 3, 5)
    return g.input("image", (a, b, c)).reshape((c, b * a)), {"shape": (c, b * a)}


def group_norm(g: Graph, draw: random.Random) -> tuple[Value, dict[str, Any]]:
    groups = draw.choice((1, 2, 3))
    x = image(g, draw, draw.choice((1, 2, 3)), groups * draw.choice((2, 3, 4)))
    return x.group_norm(groups), {"groups": groups}


MAKERS: dict[str, Callable[[Graph, random.Random], tuple[Value, dict[str, Any]]]] = {
    "conv": conv, "max_pool": pool("max_pool"), "avg_pool": pool("avg_pool"), "pad": pad, "dense": dense, "concat": concat,
    "global_avg_pool": plain("global_avg_pool"), "global_max_pool": plain("global_max_pool"),
    "batch_norm": plain("batch_norm", eps=(1e-3, 1e-5)), "flatten": plain("flatten"),
    "relu": plain("relu"), "leaky_relu": plain("leaky_relu", slope=(0.01, 0.2)), "sigmoid": plain("sigmoid"),
    "tanh": plain("tanh"), "softmax": plain("softmax"), "log_softmax": plain("log_softmax"),
    "conv_transpose": conv_transpose, "depthwise_conv": depthwise_conv, "upsample": scaled("upsample"),
    "downsample": scaled("downsample"), "space_to_depth": blocked("space_to_depth"),
    "depth_to_space": blocked("depth_to_space"),
    "channel_shuffle": shuffle, "crop": crop, "take": take, "reshape": reshape, "group_norm": group_norm,
    "layer_norm": plain("layer_norm", eps=(1e-5, 1e-3)), "instance_norm": plain("instance_norm"),
    "lrn": plain("lrn", size=(1, 3, 5), alpha=(1e-4, 0.1), beta=(0.75, 0.5), k=(1, 2)),
    "prelu": plain("prelu"), "relu6": plain("relu6"), "elu": plain("elu", alpha=(1.0, 0.3)), "silu": plain("silu"),
    "gelu": plain("gelu", approximate=("none", "tanh")), "hard_swish": plain("hard_swish"),
    "hard_sigmoid": plain("hard_sigmoid"), "softplus": plain("softplus"), "noise": plain("noise", amount=(0.1,)),
    "dropout": plain("dropout", rate=(0.5,)), "spatial_dropout": plain("spatial_dropout", rate=(0.5,)),
    "stochastic_depth": plain("stochastic_depth", rate=(0.5,)),
    "scale": plain("scale", factor=(0.5, -2.0)),
    "add": join("add"), "subtract": join("subtract"), "multiply": join("multiply"), "maximum": join("maximum"),
}  # fmt: skip

WEIGHTED = tuple(MAKERS) + ("conv",) * 20 + ("max_pool", "avg_pool") * 7 + ("conv_transpose",) * 6
"""Words to draw from: those with many options more often."""
