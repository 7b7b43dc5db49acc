"""Random attributes for each word of the language, by the type of the value it is put on.

What does not fit (a window larger than its input) is refused by the op's own rules, and drawn again.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

Keys = dict[str, Any]
Shape = tuple[int, ...]
PADS = ("valid", "same", "same_symmetric", 0, 1, 2, "pairs")


def sizes(draw: random.Random, rank: int, most: int) -> Shape:
    return tuple(draw.randint(1, most) for _ in range(rank))


def window(draw: random.Random, x: Shape) -> tuple[Shape, Keys]:
    """A kernel, and stride and pad."""
    rank = len(x) - 1
    most = 5 if rank < 3 else 3
    kernel = sizes(draw, rank, most) if draw.random() < 0.6 else (draw.choice((1, 3, 3)),) * rank
    keys: Keys = {"stride": draw.choice((1, 1, 1, 2, 3, sizes(draw, rank, 3))), "pad": draw.choice(PADS)}
    if keys["pad"] == "pairs":
        keys["pad"] = tuple((draw.randint(0, 2), draw.randint(0, 2)) for _ in range(rank))
    return kernel, keys


def dilation(draw: random.Random, x: Shape) -> Any:
    return draw.choice((1, 1, 1, 2, sizes(draw, len(x) - 1, 3)))


def divisor(draw: random.Random, n: int) -> int:
    """Any divisor of n, 1 most often."""
    return draw.choice((1, 1, *(k for k in range(1, n + 1) if n % k == 0)))


def conv(draw: random.Random, x: Shape) -> Keys:
    kernel, keys = window(draw, x)
    groups = divisor(draw, x[-1])
    keys |= {"filters": groups * draw.choice((1, 2, 3, 5, 8)), "kernel": kernel, "groups": groups}
    keys |= {"dilation": dilation(draw, x), "bias": draw.random() < 0.5}
    keys["pad_mode"] = draw.choice(("zero",) * 5 + ("reflect", "edge"))
    keys["flip"] = draw.random() < 0.1
    return keys


def depthwise_conv(draw: random.Random, x: Shape) -> Keys:
    kernel, keys = window(draw, x)
    keys |= {"kernel": kernel, "multiplier": draw.choice((1, 1, 1, 2)), "dilation": dilation(draw, x)}
    keys["pad_mode"] = draw.choice(("zero",) * 5 + ("reflect", "edge"))
    return keys | {"bias": draw.random() < 0.5, "flip": draw.random() < 0.1}


def conv_transpose(draw: random.Random, x: Shape) -> Keys:
    rank, groups = len(x) - 1, divisor(draw, x[-1])
    keys: Keys = {"filters": groups * draw.choice((1, 2, 3)), "kernel": sizes(draw, rank, 4 if rank < 3 else 3)}
    keys |= {"stride": draw.choice((1, 2, 2, sizes(draw, rank, 3))), "pad": draw.choice(("valid", "same", 0, 1))}
    keys |= {"groups": groups, "bias": draw.random() < 0.5, "dilation": draw.choice((1, 1, 1, 2))}
    keys |= {"output_pad": draw.choice((0, 0, 0, 1)), "flip": draw.random() < 0.1}
    return keys


def max_pool(draw: random.Random, x: Shape) -> Keys:
    size, keys = window(draw, x)
    keys |= {"window": size, "round": draw.choice(("floor", "ceil")), "dilation": draw.choice((1, 1, 1, 1, 2))}
    if draw.random() < 0.3:
        keys["stride"] = None
    return keys


def avg_pool(draw: random.Random, x: Shape) -> Keys:
    keys = max_pool(draw, x)
    del keys["dilation"]
    return keys | {"count_padding": draw.random() < 0.5}


def pad(draw: random.Random, x: Shape) -> Keys:
    amount = tuple((draw.randint(0, 2), draw.randint(0, 2)) for _ in x[:-1])
    mode = draw.choice(("zero", "zero", "zero", "reflect", "edge"))
    return {"amount": amount, "channels": draw.choice(((0, 0), (0, 0), (1, 2))), "mode": mode}


def crop(draw: random.Random, x: Shape) -> Keys:
    if draw.random() < 0.5:
        return {"size": tuple(draw.randint(1, n) for n in x[:-1])}
    amount = tuple((draw.randint(0, 2), draw.randint(0, 2)) for _ in x[:-1])
    return {"amount": amount, "channels": draw.choice(((0, 0), (0, 1), (1, 0)))}


def take(draw: random.Random, x: Shape) -> Keys:
    begin = draw.randrange(x[-1])
    return {"channels": (begin, draw.randint(begin + 1, x[-1]))}


def reshape(draw: random.Random, x: Shape) -> Keys:
    """The axes in another order, some joined, or all as channels of one place."""
    if draw.random() < 0.2:
        total = 1
        for n in x:
            total *= n
        return {"size": (1, 1, total)}
    parts = list(x)
    draw.shuffle(parts)
    while len(parts) > 1 and (len(parts) > 4 or draw.random() < 0.4):
        parts[-2:] = [parts[-2] * parts[-1]]
    if draw.random() < 0.3:
        return {"size": tuple("_" if i == 0 else n for i, n in enumerate(parts))}
    return {"size": tuple(parts)}


def upsample(draw: random.Random, x: Shape) -> Keys:
    return {"factor": draw.choice((2, sizes(draw, len(x) - 1, 3))), "method": draw.choice(("nearest", "bilinear"))}


def downsample(draw: random.Random, x: Shape) -> Keys:
    factor = tuple(draw.choice([k for k in (1, 2, 3, 4) if n % k == 0]) for n in x[:-1])
    return {"factor": factor, "method": draw.choice(("average", "lanczos"))}


def space_to_depth(draw: random.Random, x: Shape) -> Keys:
    return {"block": draw.choice([k for k in (1, 2, 3) if all(n % k == 0 for n in x[:-1])])}


def depth_to_space(draw: random.Random, x: Shape) -> Keys:
    return {"block": draw.choice([k for k in (1, 2, 3) if x[-1] % k ** (len(x) - 1) == 0])}


def any_of(**choices: Any) -> Callable[[random.Random, Shape], Keys]:
    return lambda draw, x: {k: draw.choice(v) for k, v in choices.items()}


SPATIAL: dict[str, Callable[[random.Random, Shape], Keys]] = {
    "conv": conv, "depthwise_conv": depthwise_conv, "conv_transpose": conv_transpose, "max_pool": max_pool,
    "avg_pool": avg_pool, "upsample": upsample, "downsample": downsample, "space_to_depth": space_to_depth,
    "depth_to_space": depth_to_space, "pad": pad, "crop": crop, "global_avg_pool": any_of(), "global_max_pool": any_of(),
    "spatial_dropout": any_of(rate=(0.3, 0.5)),
}  # fmt: skip
"""Words for values with axes of space: images of 1, 2 or 3 dimensions."""

ANY: dict[str, Callable[[random.Random, Shape], Keys]] = {
    "batch_norm": any_of(eps=(1e-3, 1e-5), momentum=(0.99, 0.9)), "flatten": any_of(), "reshape": reshape,
    "identity": any_of(), "take": take, "channel_shuffle": lambda draw, x: {"groups": divisor(draw, x[-1])},
    "group_norm": lambda draw, x: {"groups": divisor(draw, x[-1]), "eps": draw.choice((1e-5, 1e-3))},
    "layer_norm": any_of(eps=(1e-5, 1e-3)), "instance_norm": any_of(eps=(1e-5, 1e-3)),
    "lrn": any_of(size=(1, 3, 5), alpha=(1e-4, 0.1), beta=(0.75, 0.5), k=(1.0, 2.0)),
    "scale": any_of(factor=(0.5, -2.0, 1.0, 0.0)),
    "relu": any_of(), "leaky_relu": any_of(slope=(0.01, 0.2)), "prelu": any_of(), "relu6": any_of(),
    "elu": any_of(alpha=(1.0, 0.3)), "silu": any_of(), "gelu": any_of(approximate=("none", "tanh")),
    "hard_swish": any_of(), "hard_sigmoid": any_of(), "sigmoid": any_of(), "tanh": any_of(), "softplus": any_of(),
    "softmax": any_of(), "log_softmax": any_of(), "dropout": any_of(rate=(0.0, 0.3, 0.5)),
    "stochastic_depth": any_of(rate=(0.2, 0.5)), "noise": any_of(amount=(0.0, 0.1)),
}  # fmt: skip
"""Words for values with channels."""

FLAT: dict[str, Callable[[random.Random, Shape], Keys]] = {
    "dense": lambda draw, x: {"units": draw.randint(1, 12), "bias": draw.random() < 0.6},
}
"""Words for values without space."""

JOINS = ("add", "multiply", "maximum", "subtract", "concat")
ACTIVATIONS = ("relu", "relu", "relu", "leaky_relu", "relu6", "tanh", "sigmoid", "silu", "hard_swish", "elu", "gelu", "prelu")


def keys_for(word: str, draw: random.Random, x: Shape) -> Keys:
    return (SPATIAL.get(word) or ANY.get(word) or FLAT[word])(draw, x)


SPATIAL_WEIGHTED = (*SPATIAL,) + ("conv",) * 8 + ("depthwise_conv",) * 2 + ("max_pool", "avg_pool", "conv_transpose", "pad")
ANY_WEIGHTED = (*ANY,) + ("batch_norm",) * 8 + ("relu",) * 4 + ("scale",)
FLAT_WEIGHTED = ("dense",)
