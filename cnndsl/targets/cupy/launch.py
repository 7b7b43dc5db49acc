"""One launch of one CUDA kernel, and the pieces of text that kernels are made of.

Every kernel here is one thread a result: thread i computes number i and nothing else, so there are no barriers, no
shared memory and no atomics, and each sum has one order. Sizes are written into the text as numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cnndsl.graph.graph import Node

THREADS = 128  # a block
C_TYPES = {
    "float32": "float", "float64": "double", "int32": "int", "int64": "long long", "uint64": "unsigned long long",
    "uint8": "unsigned char", "bool": "bool",
}  # fmt: skip

Arg = tuple[str, int]
"""`("x", i)`: operand i; `("y", i)`: output i; `("scratch", offset)`: the scratch memory from that byte on."""


@dataclass(frozen=True, slots=True)
class Launch:
    """What an executor needs: the kernel's text and name, its grid and block, bytes of shared memory, its arguments.

    Every argument is a pointer. `source` holds the name as `NAME`, so that kernels of equal text can share one.
    """

    source: str
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    shared: int
    args: tuple[Arg, ...]
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A pointer that a kernel takes: its C type, its name in the text, and what it points to."""

    name: str
    arg: Arg
    dtype: str = "float32"
    written: bool = False

    @property
    def text(self) -> str:
        return f"{'' if self.written else 'const '}{C_TYPES[self.dtype]}* {self.name}"


def reads(name: str, index: int, dtype: str = "float32") -> Parameter:
    return Parameter(name, ("x", index), dtype)


def writes(name: str, index: int, dtype: str = "float32") -> Parameter:
    return Parameter(name, ("y", index), dtype, True)


def parts(written: bool) -> Parameter:
    """The partial results of a sum in two stages, in scratch memory."""
    return Parameter("parts", ("scratch", 0), "float32", written)


def launch(parameters: Sequence[Parameter], body: Sequence[str], count: int, suffix: str = "", wide: bool = False) -> Launch:
    """A kernel of `count` threads; `body` may use `i`, the thread's number. wide: indices beyond 2³¹ occur."""
    index = "long long" if wide or count >= 2**31 else "int"
    lines = [
        f'extern "C" __global__ void NAME({", ".join(p.text for p in parameters)}) {{',
        f"    const {index} i = ({index})blockIdx.x * blockDim.x + threadIdx.x;",
        f"    if (i >= {count}) return;",
        *(f"    {line}" for line in body),
        "}",
    ]
    grid = (-(-count // THREADS), 1, 1)
    return Launch("\n".join(lines), grid, (THREADS, 1, 1), 0, tuple(p.arg for p in parameters), suffix)


def unravel(index: str, names: Sequence[str], sizes: Sequence[int]) -> list[str]:
    """Statements that declare `names` as the coordinates of the row-major `index` in an array of `sizes`."""
    lines, step = [], 1
    for name, size in reversed(list(zip(names, sizes, strict=True))):
        lines.append(f"const int {name} = {index if step == 1 else f'{index} / {step:d}'} % {size:d};")
        step *= size
    if lines:
        lines[-1] = lines[-1].rsplit(" % ", 1)[0] + ";"  # the first axis takes what is left
    return lines[::-1]


def linear(name: str, factor: int, shift: int = 0) -> str:
    """`name * factor + shift` without what changes nothing."""
    text = name if factor == 1 else f"{name} * {factor:d}"
    return text if shift == 0 else f"{text} {'+' if shift > 0 else '-'} {abs(shift):d}"


def offset(names: Sequence[str], sizes: Sequence[int]) -> str:
    """The row-major index of the coordinates `names`: `(n * 28 + h) * 28 + w`; a coordinate `0` is left out."""
    text = names[0]
    for name, size in zip(names[1:], sizes[1:], strict=True):
        text = linear(f"({text})" if "+" in text else text, size)
        text = text if name == "0" else f"{text} + {name}"
    return text


def product(sizes: Sequence[int]) -> int:
    total = 1
    for n in sizes:
        total *= n
    return total


def chunks(rows: int, columns: int) -> int:
    """Into how many parts a sum over `rows` is cut: about √rows, so that both stages are as long, within 64 MB."""
    count = 1
    while count * count < rows:
        count += 1
    return max(1, min(count, rows, (1 << 24) // max(columns, 1)))


def total_of_parts(count: int, columns: int, output: int = 0, finish: str = "total") -> Launch:
    """The second stage of a sum: y[i] = Σ over parts, in their order. `finish` is an expression of `total`."""
    body = ["float total = 0.0f;", f"for (int p = 0; p < {count}; ++p) total += parts[p * {columns} + i];", f"y[i] = {finish};"]
    return launch([parts(False), writes("y", output)], body, columns, "total")


def number(x: float) -> str:
    """A float32 literal."""
    if x != x or x in (float("inf"), float("-inf")):
        return "NOT_A_NUMBER" if x != x else ("INFINITE" if x > 0 else "(-INFINITE)")
    return f"{float(x)!r}f"


def all_float32(node: Node) -> bool:
    """Whether every float array of the node is float32: what these kernels are written for."""
    return all(v.type.dtype in ("float32", "int32") for v in (*node.operands, *node.outputs))
