"""The samples of every op as deterministic arrays: what each target's tests run over.

    for case in cases():
        y = case.reference()          # the meaning, in float64

A float array comes as float64; `case.narrow` has float32. Arrays are contiguous and read-only, so a kernel that
writes on its inputs fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cnndsl.graph.op import Op, Sample
from cnndsl.graph.types import TensorType
from cnndsl.ops import OPS


@dataclass(frozen=True)
class Case:
    """One sample of one op. `attrs` have been through `resolve`; `given` are as a user would write them."""

    op: Op
    index: int
    given: Any
    attrs: Any
    arrays: tuple[Any, ...]
    tags: tuple[str, ...]

    @property
    def id(self) -> str:
        return f"{self.op.name}-{self.index}"

    @property
    def narrow(self) -> tuple[Any, ...]:
        """The arrays with float64 as float32."""
        return tuple(frozen(x.astype(np.float32)) if x.dtype == np.float64 else x for x in self.arrays)

    def types(self, dtype: str = "float64") -> tuple[TensorType, ...]:
        return tuple(TensorType(x.shape, dtype if x.dtype == np.float64 else str(x.dtype)) for x in self.arrays)

    def reference(self) -> tuple[Any, ...]:
        return tuple(self.op.reference(np, self.attrs, *self.arrays))


def frozen(x: Any) -> Any:
    x = np.ascontiguousarray(x) if np.ndim(x) else np.asarray(x)
    x.setflags(write=False)
    return x


def spaced(shape: tuple[int, ...], seed: int) -> Any:
    """Distinct numbers in ±[0.2, 1.7], at least 0.2 from zero: no kink, and no tie, nor with another seed's."""
    rng = np.random.default_rng(seed)
    size = int(np.prod(shape, dtype=int))
    numbers = 0.2 + 1.5 * (np.arange(size) + 0.618 * seed % 1) / max(size, 1)
    return rng.permutation(numbers * rng.choice([-1.0, 1.0], size)).reshape(shape)


def arrays_of(s: Sample, seed: int = 1) -> tuple[Any, ...]:
    """The sample's arrays; a tuple stands for an array of that shape."""
    found = (spaced(x, seed + 31 * i) if isinstance(x, tuple) else np.array(x) for i, x in enumerate(s.arrays))
    return tuple(frozen(x) for x in found)


def case(op: Op, index: int) -> Case:
    s = op.samples[index]
    arrays = arrays_of(s)
    given = op.attrs(**s.attrs)
    types = [TensorType(x.shape, str(x.dtype)) for x in arrays]
    return Case(op, index, given, op.resolve(given, *types) if op.resolve else given, arrays, s.tags)


def cases(ops: tuple[Op, ...] = OPS) -> list[Case]:
    return [case(op, i) for op in ops for i in range(len(op.samples))]
