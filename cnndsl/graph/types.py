"""What a value is: its shape and element type.

Shapes are the batch first, then space, channels last: `(N, H, W, C)`. So are the bytes in memory; another layout is a
value of another shape, made by ops of its own (`cnndsl/ops/lanes.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from cnndsl.graph.sizes import Affine, Size, bind, shown

DTYPES = ("float32", "float64", "int32", "int64", "uint64", "uint8", "bool")
ITEM_BYTES = {"float32": 4, "float64": 8, "int32": 4, "int64": 8, "uint64": 8, "uint8": 1, "bool": 1}

BATCH = Affine.symbol("N")
"""The size of the batch axis before `specialise`."""
MOST_ELEMENTS = 2**31 - 1
"""Numbers in one tensor, those of one image where it has a batch."""


@dataclass(frozen=True, slots=True)
class TensorType:
    """Shape and element type of a value. A scalar has shape `()`."""

    shape: tuple[Size, ...]
    dtype: str = "float32"

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def is_float(self) -> bool:
        return self.dtype in ("float32", "float64")

    @property
    def space(self) -> tuple[Size, ...]:
        """The sizes between batch and channels: (H, W) of an image."""
        return self.shape[1:-1]

    @property
    def channels(self) -> Size:
        return self.shape[-1]

    @property
    def is_static(self) -> bool:
        return all(isinstance(s, int) for s in self.shape)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The shape as integers; raises E602 through the caller's arithmetic if a symbol is left."""
        from cnndsl.errors import error

        if not self.is_static:
            raise error("E602", f"the shape {self} has sizes that are not bound yet")
        return self.shape  # type: ignore[return-value]

    @property
    def elements(self) -> int:
        total = 1
        for s in self.sizes:
            total *= s
        return total

    @property
    def nbytes(self) -> int:
        return self.elements * ITEM_BYTES[self.dtype]

    def with_shape(self, *shape: Size) -> TensorType:
        return replace(self, shape=tuple(shape))

    def bind(self, values: Mapping[str, int]) -> TensorType:
        return replace(self, shape=tuple(bind(s, values) for s in self.shape))

    def __str__(self) -> str:
        return f"{self.dtype}[{','.join(map(str, self.shape))}]"


def numbers(shape: tuple[Size, ...]) -> int:
    """How many numbers a tensor of this shape has; a size that is not bound counts once."""
    total = 1
    for s in shape:
        total *= s if isinstance(s, int) else 1
    return total


def drawn(shape: tuple[Size, ...]) -> str:
    """A shape as the language writes it, the batch left out by the caller: `28x28x6`, `10`, `scalar`."""
    return "x".join(map(shown, shape)) or "scalar"
