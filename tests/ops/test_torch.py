"""The ops' meanings and gradients in float64 against PyTorch, where it is installed."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import cnndsl.ops  # noqa: F401  (fills the registry)
from cnndsl.graph.op import REGISTRY
from cnndsl.graph.types import TensorType
from tests.tolerances import close

pytestmark = pytest.mark.torch
TOL = 1e-12


def meaning(word: str, *arrays: Any, **attrs: Any) -> tuple[Any, Any]:
    """(the op's first result, its resolved attributes)."""
    op = REGISTRY[word]
    a = op.attrs(**attrs)
    if op.resolve:
        a = op.resolve(a, *(TensorType(x.shape, str(x.dtype)) for x in arrays))
    return op.reference(np, a, *arrays)[0], a


def first(x: Any) -> Any:
    """Channels first, as a tensor whose gradient is wanted."""
    import torch

    return torch.tensor(np.moveaxis(x, -1, 1).copy()).requires_grad_()


def last(x: Any) -> Any:
    return np.moveaxis(x.detach().numpy(), 1, -1)


@pytest.mark.parametrize("mode", ["zero", "reflect", "edge"])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_conv(rank: int, mode: str) -> None:
    import torch
    from torch.nn import functional

    rng, k = np.random.default_rng(0), (3, 2, 3)[:rank]
    conv = getattr(functional, f"conv{rank}d")
    torch_mode = {"zero": "constant", "reflect": "reflect", "edge": "replicate"}[mode]
    for s, p, d, groups, flip in itertools.product((1, 2, 3), (0, 1, 2), (1, 2), (1, 2), (False, True)):
        x = rng.standard_normal((2, *(9, 8, 7)[:rank], 4))
        w, b = rng.standard_normal((*k, 4 // groups, 6)), rng.standard_normal(6)
        keys: dict[str, Any] = {"stride": s, "dilation": d, "groups": groups}
        y, a = meaning("conv", x, w, b, filters=6, kernel=k, pad=p, flip=flip, pad_mode=mode, **keys)
        tx, tw = first(x), torch.tensor(np.moveaxis(w, (-1, -2), (0, 1)).copy()).requires_grad_()
        wide = functional.pad(tx, [p] * (2 * rank), mode=torch_mode)
        ty = conv(wide, tw.flip(list(range(2, 2 + rank))) if flip else tw, torch.tensor(b), **keys)
        close(y, last(ty), TOL)
        gy = rng.standard_normal(y.shape)
        ty.backward(first(gy))
        resolved = {f: getattr(a, f) for f in ("kernel", "stride", "dilation", "groups", "flip")}
        padded = meaning("pad", x, amount=p, mode=mode)[0]
        resolved |= {"pad": ((0, 0),) * rank, "sizes": padded.shape[1:]}
        gx = meaning("conv_input_grad", gy, w, **resolved)[0]
        gx = meaning("pad_grad", gx, amount=a.pad, channels=(0, 0), mode=mode, sizes=x.shape[1:])[0]
        close(gx, last(tx.grad), TOL)
        gw = meaning("conv_weight_grad", padded, gy, **resolved)[0]
        close(gw, np.moveaxis(tw.grad.numpy(), (0, 1), (-1, -2)), TOL)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_pools(rank: int) -> None:
    """On small whole numbers, so that there are ties."""
    from torch.nn import functional

    rng = np.random.default_rng(0)
    for size, k, s, p, ceil in itertools.product((5, 6, 7, 8), (2, 3), (1, 2, 3), (0, 1), (False, True)):
        x = rng.integers(0, 4, (2, *(size, 9, 6)[:rank], 3)).astype(float)
        keys: dict[str, Any] = {"window": (k,) * rank, "stride": s, "pad": p, "round": "ceil" if ceil else "floor"}
        tx = first(x)
        ty = getattr(functional, f"max_pool{rank}d")(tx, k, s, p, ceil_mode=ceil)
        y, a = meaning("max_pool", x, **keys)
        close(y, last(ty), TOL)
        gy = rng.standard_normal(y.shape)
        ty.backward(first(gy))
        close(meaning("max_pool_grad", x, y, gy, **{f: getattr(a, f) for f in a.__slots__})[0], last(tx.grad), TOL)
        for counted in (False, True):
            tx = first(x)
            ty = getattr(functional, f"avg_pool{rank}d")(tx, k, s, p, ceil_mode=ceil, count_include_pad=counted)
            y, a = meaning("avg_pool", x, count_padding=counted, **keys)
            close(y, last(ty), TOL)
            ty.backward(first(gy))
            resolved = {f: getattr(a, f) for f in a.__slots__}
            close(meaning("avg_pool_grad", gy, sizes=x.shape[1:], **resolved)[0], last(tx.grad), TOL)


@pytest.mark.parametrize("shape", [(6, 5), (4, 3, 5), (3, 4, 4, 5), (2, 3, 2, 4, 5)])
def test_batch_norm(shape: tuple[int, ...]) -> None:
    import torch
    from torch.nn import functional

    rng = np.random.default_rng(0)
    x, gamma, beta, mean = rng.standard_normal(shape), *(rng.standard_normal(5) for _ in range(3))
    variance = rng.uniform(0.2, 2, 5)
    scale, shift, old, spread = map(torch.tensor, (gamma, beta, mean, variance))
    y = meaning("batch_norm", x, gamma, beta, mean, variance, eps=1e-5)[0]
    close(y, last(functional.batch_norm(first(x), old, spread, scale, shift, False, 0, 1e-5)), TOL)
    now = REGISTRY["moments"].reference(np, None, x)
    y = meaning("batch_norm", x, gamma, beta, *now, eps=1e-5)[0]
    close(y, last(functional.batch_norm(first(x), None, None, scale, shift, True, 0, 1e-5)), TOL)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_cross_entropy(smoothing: float) -> None:
    import torch
    from torch.nn import functional

    rng = np.random.default_rng(0)
    x, label = rng.standard_normal((7, 5)), rng.integers(0, 5, 7).astype(np.int32)
    tx = torch.tensor(x).requires_grad_()
    loss = functional.cross_entropy(tx, torch.tensor(label.astype(int)), label_smoothing=smoothing)
    loss.backward()
    close(meaning("cross_entropy", x, label, label_smoothing=smoothing)[0], loss.detach().numpy(), TOL)
    close(meaning("cross_entropy_grad", x, label, np.array(1.0), label_smoothing=smoothing)[0], tx.grad.numpy(), TOL)
    close(meaning("log_softmax", x)[0], torch.log_softmax(torch.tensor(x), -1).numpy(), TOL)
    close(meaning("softmax", x)[0], torch.softmax(torch.tensor(x), -1).numpy(), TOL)
