"""hard_sigmoid: y = min(max(x / 6 + ½, 0), 1), and hard_swish: y = x · hard_sigmoid(x).

x, y: any shape, any float type. The slope is a sixth, as in MobileNetV3 and PyTorch; Keras before version 3 and ONNX's
default have a fifth. Howard et al., "Searching for MobileNetV3", 2019.
"""

from __future__ import annotations

from typing import Any

from cnndsl.graph.op import NoAttrs, Op, Reject, expect, sample
from cnndsl.graph.types import TensorType


def infer(a: NoAttrs, x: TensorType) -> tuple[TensorType]:
    expect(x.is_float, "a float tensor", x=x)
    return (x,)


def sigmoid_reference(xp: Any, a: Any, x: Any) -> tuple[Any]:
    return (xp.clip(x / 6 + 0.5, 0, 1),)


def swish_reference(xp: Any, a: Any, x: Any) -> tuple[Any]:
    return (x * xp.clip(x / 6 + 0.5, 0, 1),)


HARD_SIGMOID = Op(
    "hard_sigmoid",
    NoAttrs,
    infer,
    sigmoid_reference,
    word=True,
    about="y = min(max(x / 6 + ½, 0), 1)",
    pointwise=lambda e, a, x: e.min(e.max(x * (1 / 6) + 0.5, 0.0), 1.0),
    samples=(sample((2, 5, 7, 3)), sample([[-4.0, 2.0, 3.5], [1.0, -2.9, -9.0]])),
    rejects=(Reject(("int32[4]",), "a float tensor"),),
)
HARD_SWISH = Op(
    "hard_swish",
    NoAttrs,
    infer,
    swish_reference,
    word=True,
    about="y = x · hard_sigmoid(x)",
    pointwise=lambda e, a, x: x * e.min(e.max(x * (1 / 6) + 0.5, 0.0), 1.0),
    samples=(sample((2, 5, 7, 3)), sample([[-4.0, 2.0, 3.5], [1.0, -2.9, -9.0]])),
    rejects=(Reject(("int32[4]",), "a float tensor"),),
)
