"""An ONNX graph under construction: fresh names, nodes, initialisers, and where each of our values lies in it.

Our values are channels-last, ONNX's operators channels-first. A value of rank 3 or more therefore has up to two
tensors in the file, made when first asked for; values of lower rank have one. This is the one file that imports
`onnx`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cnndsl.errors import error
from cnndsl.graph.graph import STATE, Value
from cnndsl.version import __version__
from cnndsl.whole import write_whole

OPSET, IR_VERSION = 17, 8
"""Of 2022, which every current runtime reads."""


def library() -> Any:
    """The `onnx` package, imported on first use. Raises E641 where it is missing."""
    try:
        import onnx
    except ImportError:
        raise error("E641", "writing ONNX needs the package onnx", help='pip install "cnndsl[onnx]"') from None
    return onnx


def to_first(rank: int) -> list[int]:
    """The axes (N, *space, C) in the order (N, C, *space)."""
    return [0, rank - 1, *range(1, rank - 1)]


def to_last(rank: int) -> list[int]:
    """The axes (N, C, *space) in the order (N, *space, C)."""
    return [0, *range(2, rank), 1]


class Writer:
    """`weights`: name → array, of every state the graph reads."""

    def __init__(self, weights: Mapping[str, Any]) -> None:
        self.onnx = library()
        self.weights = weights
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self.taken: set[str] = set()
        self.firsts: dict[Value, str] = {}
        self.lasts: dict[Value, str] = {}
        self.known: dict[tuple[Any, ...], str] = {}

    def name(self, hint: str) -> str:
        """`hint`, or `hint_2`, … where it is taken."""
        found, count = hint, 1
        while found in self.taken:
            count += 1
            found = f"{hint}_{count}"
        self.taken.add(found)
        return found

    def node(self, op: str, inputs: Sequence[str], hint: str, result: str = "", **attrs: Any) -> str:
        """Append one operator of one output; the name of that output (`result`, or a fresh one from `hint`)."""
        result = result or self.name(hint)
        self.nodes.append(self.onnx.helper.make_node(op, list(inputs), [result], name=f"{op}:{result}", **attrs))
        return result

    def constant(self, array: Any, hint: str = "constant") -> str:
        """An initialiser holding `array` (a NumPy array)."""
        import numpy as np

        array = np.ascontiguousarray(array) if np.ndim(array) else np.asarray(array)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self.known:
            self.known[key] = self.name(hint)
            self.initializers.append(self.onnx.numpy_helper.from_array(array, self.known[key]))
        return self.known[key]

    def integers(self, numbers: Sequence[Any]) -> str:
        """An int64 vector, as shapes, axes and pads are given."""
        import numpy as np

        return self.constant(np.asarray(list(numbers), np.int64), "numbers")

    def numbers(self, found: Sequence[float]) -> str:
        """A float32 vector."""
        import numpy as np

        return self.constant(np.asarray(list(found), np.float32), "numbers")

    def number(self, x: float) -> str:
        """A float32 scalar."""
        import numpy as np

        return self.constant(np.asarray(x, np.float32), "number")

    def first(self, x: Value) -> str:
        """The tensor of `x` with channels after the batch."""
        if x not in self.firsts:
            self.firsts[x] = self.node("Transpose", [self.lasts[x]], f"{self.lasts[x]}.first", perm=to_first(x.type.rank))
        return self.firsts[x]

    def last(self, x: Value) -> str:
        """The tensor of `x` with channels last, as at our boundary."""
        if x not in self.lasts:
            self.lasts[x] = self.node("Transpose", [self.firsts[x]], f"{self.firsts[x]}.last", perm=to_last(x.type.rank))
        return self.lasts[x]

    def give(self, x: Value, first: str) -> None:
        """`first` is the tensor of `x`, channels-first."""
        self.firsts[x] = first
        if x.type.rank < 3:
            self.lasts[x] = first

    def take(self, x: Value, last: str) -> None:
        """`last` is the tensor of `x`, channels-last."""
        self.lasts[x] = last
        if x.type.rank < 3:
            self.firsts[x] = last

    def weight(self, x: Value, perm: Sequence[int] | None = None, flipped: Sequence[int] = ()) -> str:
        """A weight with its axes in the order `perm`, reversed along the axes `flipped` (counted before `perm`)."""
        import numpy as np

        key = (x, tuple(perm or ()), tuple(flipped))
        if key not in self.known:
            if x.node.op is not STATE:
                return self._moved(x, perm, flipped)
            array = np.asarray(self.weights[x.node.attrs.name], np.float32)
            array = np.flip(array, tuple(flipped)) if flipped else array
            array = np.ascontiguousarray(array if perm is None else array.transpose(tuple(perm)))
            self.known[key] = self.name(x.node.attrs.name)
            self.initializers.append(self.onnx.numpy_helper.from_array(array, self.known[key]))
        return self.known[key]

    def _moved(self, x: Value, perm: Sequence[int] | None, flipped: Sequence[int]) -> str:
        """The same for a weight that is an input or was computed."""
        name = self.last(x)
        if flipped:
            ends = [self.integers([k] * len(flipped)) for k in (-1, -(2**31))]
            name = self.node("Slice", [name, *ends, self.integers(flipped), self.integers([-1] * len(flipped))], f"{name}.flip")
        return name if perm is None else self.node("Transpose", [name], f"{name}.moved", perm=list(perm))

    def save(self, path: Path, name: str, inputs: Mapping[str, Value], outputs: Mapping[str, Value], batch: int | None) -> None:
        """Write the file: inputs and outputs by name, channels-last, the batch named `N` where `batch` is None."""
        helper = self.onnx.helper
        for result, x in outputs.items():
            self.node("Identity", [self.last(x)], result, result)
        graph = helper.make_graph(
            self.nodes,
            name,
            [self._described(n, x, batch) for n, x in inputs.items()],
            [self._described(n, x, batch) for n, x in outputs.items()],
            self.initializers,
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="cnndsl",
            producer_version=__version__,
        )
        self.onnx.checker.check_model(model)
        data = model.SerializeToString(deterministic=True)
        write_whole(path, data)

    def _described(self, name: str, x: Value, batch: int | None) -> Any:
        kinds = {"float32": "FLOAT", "float64": "DOUBLE", "int32": "INT32", "int64": "INT64", "uint8": "UINT8", "bool": "BOOL"}
        kind = getattr(self.onnx.TensorProto, kinds[x.type.dtype])
        sizes = (x.type if batch is None else x.type.bind({"N": batch})).shape
        return self.onnx.helper.make_tensor_value_info(name, kind, [n if isinstance(n, int) else str(n) for n in sizes])
