"""The op record: everything that an op *means*, and nothing of how a target runs it.

One op is one `Op` in one file of `cnndsl/ops/`. Shape rules build and verify; `reference` is the judge of every
target; `vjp` returns graph. See `cnndsl/ops/leaky_relu.py` for the shortest example.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from cnndsl.errors import CnnError, error, in_words
from cnndsl.graph.expr import Expr
from cnndsl.graph.types import TensorType

if TYPE_CHECKING:
    from cnndsl.graph.graph import Value


@dataclass(frozen=True, slots=True)
class NoAttrs:
    """The attributes of an op that has none."""


@dataclass(frozen=True, slots=True)
class WeightSpec:
    """One array that an op owns: `weight`, `bias`, `gamma`, … Path and name together name it in a weight file.

    init: one of `cnndsl.random.INITS`, or `ones`, `quarters`. fan_in: what the variance is divided by, the inputs of one
    output; for glorot, inputs and outputs together. kind: `parameter` (trained) or `buffer` (a running statistic).
    decay: whether weight decay with `decay_on = weights` applies.
    """

    name: str
    shape: tuple[int, ...]
    init: str = "zeros"
    fan_in: int = 1
    kind: str = "parameter"
    decay: bool = True


@dataclass(frozen=True, slots=True)
class Work:
    """What running an op costs, on any machine: multiply-adds (as papers count) and other scalar operations."""

    multiply_adds: int = 0
    operations: int = 0


@dataclass(frozen=True)
class Sample:
    """Arrays and attributes on which the test harness runs an op. A tuple stands for an array of that shape.

    `tags`: `kink` leaves the gradient check out where the op is not differentiable at the sample;
    `no_onnx: reason` leaves the export check out.
    """

    arrays: tuple[Any, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()


def sample(*arrays: Any, tags: tuple[str, ...] = (), **attrs: Any) -> Sample:
    return Sample(arrays, attrs, tags)


@dataclass(frozen=True)
class Reject:
    """Operand types (as text: `float32[2,3]`) and attributes that the op must refuse, with words of its message."""

    types: tuple[str, ...]
    says: str
    attrs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Op:
    """One operation. Compares by identity; found by name in `REGISTRY`.

    attrs       a frozen dataclass; its fields are the language's keys, in order; `Attrs.__post_init__` normalises and
                checks, raising through `expect`
    infer       (a, *types) -> tuple of types; raises `CnnError` E3xx with sizes a user can act on
    reference   (xp, a, *arrays) -> tuple of arrays. Uses only `xp`, its arguments and plain Python, because its text
                is embedded in emitted files; any float dtype. `a` has been through `resolve`
    weights     (a, *input types) -> WeightSpecs that follow the inputs as operands
    resolve     (a, *types) -> attributes with everything that depends on sizes made explicit (pads); run by `specialise`
    pointwise   (e, a, *vars) -> Expr (or tuple of them), where the op is a scalar function with NumPy broadcasting
    vjp         (g, a, xs, ys, gys) -> one Value or None an operand; `gys` holds None where no gradient flows.
                Pointwise ops without one get it by differentiating the expression
    no_gradient why there is none, where `vjp` and `pointwise` are both None
    results     what its outputs are called, where there are several
    batch       what cutting the batch axis does: `map` (each image alone), `sum` (the outputs are sums over images, so
                parts may be added), `whole` (needs all images at once), `make` (makes a batch out of none, as random
                bits do); or a function of the attributes
    view        the output is the input's memory under another shape (flatten, reshape, identity)
    becomes     (a, *input types) -> (op, attributes) for a word that is another way to write that op: graphs hold the
                other, so passes, kernels, gradients and formats know one meaning
    word        whether the language and the graph API offer it
    about       what it is, in a line, for lists of words; where empty, the first line of its file says it
    words       for fields with a fixed vocabulary: field → words, the default first
    """

    name: str
    attrs: type
    infer: Callable[..., tuple[TensorType, ...]]
    reference: Callable[..., tuple[Any, ...]]
    inputs: int | None = 1  # number of flowing operands; None: any number
    weights: Callable[..., Sequence[WeightSpec]] | None = None
    resolve: Callable[..., Any] | None = None
    pointwise: Callable[..., Any] | None = None
    vjp: Callable[..., Sequence[Value | None]] | None = None
    no_gradient: str = ""
    results: tuple[str, ...] = ()
    batch: str | Callable[[Any], str] = "map"
    view: bool = False
    becomes: Callable[..., tuple[Op, Any]] | None = None
    work: Callable[..., Work] | None = None
    window: Callable[[Any], tuple[Sequence[int], Sequence[int]]] | None = None  # a → (dilated kernel, stride) per axis
    word: bool = False
    about: str = ""
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    samples: tuple[Sample, ...] = ()
    rejects: tuple[Reject, ...] = ()

    def make(self, **attrs: Any) -> Any:
        """The attributes record; unknown keys are the caller's error (the language checks them with places)."""
        return self.attrs(**attrs)

    def resolved(self, a: Any, *types: TensorType) -> Any:
        """The attributes with everything that depends on the operands' sizes made explicit."""
        return self.resolve(a, *types) if self.resolve else a

    def batch_rule(self, a: Any) -> str:
        return self.batch if isinstance(self.batch, str) else self.batch(a)

    def expressions(self, a: Any, count: int) -> tuple[Expr, ...]:
        """The pointwise meaning over `count` variables, one expression an output."""
        from cnndsl.graph.expr import E, variables, wrap

        assert self.pointwise is not None
        found = self.pointwise(E, a, *variables(count))
        return tuple(map(wrap, found)) if isinstance(found, tuple) else (wrap(found),)

    def fields(self) -> tuple[dataclasses.Field[Any], ...]:
        return _fields(self.attrs)

    def __repr__(self) -> str:
        return f"Op({self.name})"


_fields = cache(dataclasses.fields)

LARGEST = 3.4028234663852886e38
"""The largest float32: no number of an op may be beyond it."""

REGISTRY: dict[str, Op] = {}
"""Every known op by name. `cnndsl.ops` fills it; the graph layer only reads it."""


def register(op: Op) -> Op:
    if op.name in REGISTRY and REGISTRY[op.name] is not op:
        raise ValueError(f"an op named {op.name} is registered already")
    REGISTRY[op.name] = op
    return op


def expect(condition: bool, wanted: str, code: str = "E301", **given: Any) -> None:
    """Refuse operands: `expect(x.is_float, "a float tensor", x=x)` says what was expected and what came."""
    if not condition:
        came = ", ".join(f"{name} is {in_words(value)}" for name, value in given.items())
        raise error(code, f"expected {wanted}" + (f", but {came}" if came else ""))


def number(x: Any, what: str) -> None:
    """Refuse what is not a finite number."""
    good = isinstance(x, (int, float)) and not isinstance(x, bool) and abs(x) <= LARGEST
    expect(good, f"{what} to be a number", "E302", given=x)


def truth(x: Any, what: str) -> None:
    """Refuse what is neither true nor false."""
    expect(isinstance(x, bool), f"{what} to be true or false", "E302", given=x)


__all__ = [
    "CnnError", "NoAttrs", "Op", "REGISTRY", "Reject", "Sample", "WeightSpec", "Work",
    "expect", "number", "register", "sample", "truth",
]  # fmt: skip
