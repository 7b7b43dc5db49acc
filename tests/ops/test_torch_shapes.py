"""Transposed and depthwise convolutions, resampling, rearranging and losses against PyTorch, in float64, with gradients."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from cnndsl.graph.graph import INPUT, Graph, Origin
from cnndsl.graph.types import TensorType
from tests.ops.harness import run
from tests.ops.test_torch import TOL, first, last
from tests.tolerances import close

pytestmark = pytest.mark.torch


def both(word: str, *arrays: Any, seed: int = 3, **attrs: Any) -> tuple[Any, Any, list[Any]]:
    """(the word's value, the direction that flows back into it, the gradient of each operand)."""
    from cnndsl.autodiff import differentiate

    g = Graph("compared")
    xs = [g.source(INPUT, f"x{k}", TensorType(x.shape, "float64"), Origin(f"x{k}")) for k, x in enumerate(arrays)]
    y = getattr(g, word)(*xs, **attrs)
    d = g.source(INPUT, "d", y.type, Origin("d"))
    total = g.pointwise(lambda e, p, q: p * q, y, d)
    total = g.reduce_sum(total, axes=tuple(range(y.type.rank))) if y.type.rank else total
    gradients = differentiate(g, total, xs)
    gy = np.random.default_rng(seed).standard_normal(y.type.sizes)
    values = run(g, {f"x{k}": x for k, x in enumerate(arrays)} | {"d": gy})
    return values[y], gy, [values[v] for v in gradients if v is not None]


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_conv_transpose(rank: int) -> None:
    import torch
    from torch.nn import functional

    rng, k = np.random.default_rng(0), (3, 2, 3)[:rank]
    transposed = getattr(functional, f"conv_transpose{rank}d")
    for s, p, d, groups, extra in itertools.product((1, 2, 3), (0, 1), (1, 2), (1, 2), (0, 1)):
        if extra >= max(s, 1) or (rank > 1 and p and d == 1 and s == 1):
            continue
        x = rng.standard_normal((2, *(4, 3, 4)[:rank], 4))
        w, b = rng.standard_normal((*k, 6 // groups, 4)), rng.standard_normal(6)
        keys: dict[str, Any] = {"stride": s, "dilation": d, "groups": groups}
        y, gy, (gx, gw, gb) = both("conv_transpose", x, w, b, filters=6, kernel=k, pad=p, output_pad=extra, **keys)
        tx, tb = first(x), torch.tensor(b).requires_grad_()
        tw = torch.tensor(np.moveaxis(w, (-1, -2), (0, 1)).copy()).requires_grad_()
        ty = transposed(tx, tw, tb, padding=p, output_padding=extra, **keys)
        close(y, last(ty), TOL)
        ty.backward(first(gy))
        close(gx, last(tx.grad), TOL)
        close(gw, np.moveaxis(tw.grad.numpy(), (0, 1), (-1, -2)), TOL)
        close(gb, tb.grad.numpy(), TOL)


@pytest.mark.parametrize("multiplier", [1, 2])
def test_depthwise_conv(multiplier: int) -> None:
    import torch
    from torch.nn import functional

    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 7, 6, 3)), rng.standard_normal((3, 3, 1, 3 * multiplier))
    keys: dict[str, Any] = {"kernel": (3, 3), "stride": 2, "pad": 1, "multiplier": multiplier, "bias": False}
    y, gy, (gx, gw) = both("depthwise_conv", x, w, **keys)
    tx, tw = first(x), torch.tensor(np.moveaxis(w, (-1, -2), (0, 1)).copy()).requires_grad_()
    ty = functional.conv2d(tx, tw, stride=2, padding=1, groups=3)
    close(y, last(ty), TOL)
    ty.backward(first(gy))
    close(gx, last(tx.grad), TOL)
    close(gw, np.moveaxis(tw.grad.numpy(), (0, 1), (-1, -2)), TOL)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("factor", [2, 3, 4])
def test_resampling(rank: int, factor: int) -> None:
    from torch.nn import functional

    rng = np.random.default_rng(0)
    linear = ("linear", "bilinear", "trilinear")[rank - 1]
    for word, method in (("upsample", "nearest"), ("upsample", "bilinear"), ("downsample", "average")):
        sizes = [n * factor if word == "downsample" else n for n in (5, 3, 1)[:rank]]
        x = rng.standard_normal((2, *sizes, 2))
        y, gy, (gx,) = both(word, x, factor=factor, method=method)
        tx = first(x)
        if method == "average":
            ty = getattr(functional, f"avg_pool{rank}d")(tx, factor)
        elif method == "nearest":
            ty = functional.interpolate(tx, scale_factor=factor, mode="nearest")
        else:
            ty = functional.interpolate(tx, scale_factor=factor, mode=linear, align_corners=False)
        close(y, last(ty), TOL)
        ty.backward(first(gy))
        close(gx, last(tx.grad), TOL)


def test_rearranging() -> None:
    """PyTorch's pixel_shuffle has the channel outside its block, ours (as TensorFlow's) inside: so it is turned here."""
    from torch.nn import functional

    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, 4, 12))
    y, gy, (gx,) = both("channel_shuffle", x, groups=3)
    tx = first(x)
    ty = functional.channel_shuffle(tx, 3)
    close(y, last(ty), 0)
    for word, undone in (("depth_to_space", "space_to_depth"),):
        y, gy, (gx,) = both(word, x, block=2)
        inside = x.reshape(2, 3, 4, 4, 3).swapaxes(-1, -2).reshape(x.shape)
        close(y, last(functional.pixel_shuffle(first(inside), 2)), 0)
        close(both(undone, y, block=2)[0], x, 0)
        close(gx, both(undone, gy, block=2)[0], 0)


def test_losses() -> None:
    import torch
    from torch.nn import functional

    rng = np.random.default_rng(0)
    x, t = 3 * rng.standard_normal((2, 3, 4, 2)), rng.uniform(0, 1, (2, 3, 4, 2))
    for word, keys, theirs in (
        ("mae", {}, functional.l1_loss),
        ("huber", {"delta": 0.7}, lambda a, b: functional.huber_loss(a, b, delta=0.7)),
        ("mse", {}, functional.mse_loss),
        ("binary_cross_entropy", {}, functional.binary_cross_entropy_with_logits),
        (
            "binary_cross_entropy",
            {"label_smoothing": 0.2},
            lambda a, b: functional.binary_cross_entropy_with_logits(a, 0.8 * b + 0.1),
        ),
    ):
        tx, tt = torch.tensor(x).requires_grad_(), torch.tensor(t).requires_grad_()
        y, gy, (gx, gt) = both(word, x, t, **keys)  # type: ignore[arg-type]
        loss = theirs(tx, tt)  # type: ignore[operator]
        close(y, loss.detach().numpy(), TOL)
        loss.backward(torch.tensor(gy))
        close(gx, tx.grad.numpy(), TOL)
        close(gt, tt.grad.numpy(), TOL)
    tx = torch.tensor(x).requires_grad_()
    y, gy, (gx,) = both("total_variation", x)
    loss = (tx[:, 1:] - tx[:, :-1]).abs().mean() + (tx[:, :, 1:] - tx[:, :, :-1]).abs().mean()
    close(y, loss.detach().numpy(), TOL)
    loss.backward(torch.tensor(gy))
    close(gx, tx.grad.numpy(), TOL)
