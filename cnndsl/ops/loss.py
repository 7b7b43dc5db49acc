"""cross_entropy and mse: the mean loss of a batch, and their gradients.

cross_entropy(logits (…, K), label (…) int32) = −(1/count) Σ Σ_k t_k · log_softmax(logits)_k, with t one-hot, or
(1 − ε)·one-hot + ε/K under label smoothing (Szegedy et al. 2015, section 7). mse(output, target[, mask]) =
(1/count) Σ mask · (output − target)². `count` is fixed by `resolve` (labels; numbers of output), so that parts of a
cut batch add up to the whole mean.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cnndsl.graph import window
from cnndsl.graph.op import Op, Reject, Work, expect, number, sample
from cnndsl.graph.types import TensorType


@dataclass(frozen=True, slots=True)
class CrossEntropyAttrs:
    label_smoothing: float = 0.0
    count: int = 0

    def __post_init__(self) -> None:
        number(self.label_smoothing, "label_smoothing")
        expect(0 <= self.label_smoothing < 1, "label_smoothing from 0 to below 1", "E303", given=self.label_smoothing)
        window.whole(self.count, "count", 0)


def ce_infer(a: CrossEntropyAttrs, logits: TensorType, label: TensorType) -> tuple[TensorType]:
    expect(logits.is_float and logits.rank >= 2, "float logits with a class axis", logits=logits)
    expect(label.dtype == "int32" and label.shape == logits.shape[:-1], "an int32 label for each row of logits",
           label=label, logits=logits)  # fmt: skip
    return (TensorType((), logits.dtype),)


def ce_resolve(a: CrossEntropyAttrs, logits: TensorType, *rest: TensorType) -> CrossEntropyAttrs:
    return a if a.count else replace(a, count=logits.elements // logits.sizes[-1])


def ce_reference(xp: Any, a: Any, logits: Any, label: Any) -> tuple[Any]:
    shifted = logits - xp.max(logits, axis=-1, keepdims=True)
    logs = shifted - xp.log(xp.sum(xp.exp(shifted), axis=-1, keepdims=True))
    right = xp.arange(logits.shape[-1]) == label[..., None]
    picked = xp.sum(xp.where(right, logs, xp.zeros_like(logs)))
    total = (1 - a.label_smoothing) * picked + a.label_smoothing / logits.shape[-1] * xp.sum(logs)
    return ((-total / a.count).astype(logits.dtype),)


def ce_vjp(g: Any, a: CrossEntropyAttrs, xs: Any, ys: Any, gys: Any) -> tuple[Any, None]:
    b = ce_resolve(a, xs[0].type)
    return g.cross_entropy_grad(xs[0], xs[1], gys[0], label_smoothing=b.label_smoothing, count=b.count), None


def ce_grad_infer(a: CrossEntropyAttrs, logits: TensorType, label: TensorType, g: TensorType) -> tuple[TensorType]:
    ce_infer(a, logits, label)
    expect(g.shape == () and g.dtype == logits.dtype, "the gradient of a number", g=g)
    return (logits,)


def ce_grad_reference(xp: Any, a: Any, logits: Any, label: Any, g: Any) -> tuple[Any]:
    powers = xp.exp(logits - xp.max(logits, axis=-1, keepdims=True))
    chance = powers / xp.sum(powers, axis=-1, keepdims=True)
    right = (xp.arange(logits.shape[-1]) == label[..., None]).astype(logits.dtype)
    target = (1 - a.label_smoothing) * right + a.label_smoothing / logits.shape[-1]
    return (((chance - target) * (g / a.count)).astype(logits.dtype),)


@dataclass(frozen=True, slots=True)
class MseAttrs:
    count: int = 0

    def __post_init__(self) -> None:
        window.whole(self.count, "count", 0)


def mse_infer(a: MseAttrs, output: TensorType, target: TensorType, mask: TensorType | None = None) -> tuple[TensorType]:
    expect(output.is_float and output.shape == target.shape, "a target of the output's shape", output=output, target=target)
    if mask is not None:
        expect(mask.shape in (output.shape, (*output.shape[:-1], 1)), "a mask of the output's size", mask=mask, output=output)
    return (TensorType((), output.dtype),)


def mse_resolve(a: MseAttrs, output: TensorType, *rest: TensorType) -> MseAttrs:
    return a if a.count else replace(a, count=output.elements)


def mse_reference(xp: Any, a: Any, output: Any, target: Any, mask: Any = None) -> tuple[Any]:
    squares = (output - target) ** 2
    total = xp.sum(squares if mask is None else mask * squares)
    return ((total / a.count).astype(output.dtype),)


def mse_vjp(g: Any, a: MseAttrs, xs: Any, ys: Any, gys: Any) -> tuple[Any, ...]:
    share = 2.0 / mse_resolve(a, xs[0].type).count
    if len(xs) == 2:
        gx = g.pointwise(lambda e, d, o, t: (o - t) * (d * share), gys[0], xs[0], xs[1])
    else:
        gx = g.pointwise(lambda e, d, o, t, m: m * (o - t) * (d * share), gys[0], *xs)
    gt = g.pointwise(lambda e, x: -x, gx)
    if len(xs) == 2:
        return gx, gt
    gmask = g.pointwise(lambda e, d, o, t: (o - t) * (o - t) * (d * (share / 2)), gys[0], xs[0], xs[1])
    if xs[2].type.shape != xs[0].type.shape:
        gmask = g.view(g.reduce_sum(gmask, axes=(gmask.type.rank - 1,)), shape=xs[2].type.shape)
    return gx, gt, gmask


CROSS_ENTROPY = Op(
    "cross_entropy",
    CrossEntropyAttrs,
    ce_infer,
    ce_reference,
    inputs=2,
    batch="sum",
    resolve=ce_resolve,
    vjp=ce_vjp,
    work=lambda a, x, *rest: Work(operations=4 * x.elements),
    samples=(
        sample((4, 10), np.array([0, 9, 3, 3], np.int32)),
        sample((3, 5), np.array([1, 0, 4], np.int32), label_smoothing=0.1),
        sample((2, 3, 4), np.array([[1, 0, 3], [2, 2, 1]], np.int32)),
    ),
    rejects=(Reject(("float32[2,3]", "float32[2]"), "an int32 label"),),
)
CROSS_ENTROPY_GRAD = Op(
    "cross_entropy_grad",
    CrossEntropyAttrs,
    ce_grad_infer,
    ce_grad_reference,
    inputs=3,
    resolve=ce_resolve,
    no_gradient="it is a gradient itself; second derivatives are not offered",
    samples=(
        sample((4, 10), np.array([0, 9, 3, 3], np.int32), ()),
        sample((3, 5), np.array([1, 0, 4], np.int32), (), label_smoothing=0.1),
    ),
)
MSE = Op(
    "mse",
    MseAttrs,
    mse_infer,
    mse_reference,
    inputs=None,
    batch="sum",
    resolve=mse_resolve,
    vjp=mse_vjp,
    work=lambda a, x, *rest: Work(operations=3 * x.elements),
    samples=(sample((2, 3, 4, 2), (2, 3, 4, 2)), sample((2, 3, 4, 2), (2, 3, 4, 2), (2, 3, 4, 1))),
    rejects=(Reject(("float32[2,3]", "float32[2,4]"), "a target of the output's shape"),),
)
