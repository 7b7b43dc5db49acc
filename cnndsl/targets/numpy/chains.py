"""Small functions for pointwise chains, printed tile by tile.

Where operands are full arrays, channel vectors and numbers, an array is seen as a matrix with `wide` positions side
by side in a row, and rows are taken a cache-sized tile at a time; channel vectors are repeated `wide` times. Other
broadcasts are cut along axis 0 only. A chain that finishes a convolution or a product gets the range of positions
that is in the cache.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cnndsl.graph.expr import Expr, ordered
from cnndsl.graph.types import TensorType, drawn
from cnndsl.targets.numpy import cost
from cnndsl.targets.numpy.statements import BINARY, BYTES, INFIX, UNARY, Statements, literal, simplified, statements

SHORT = {"float32": "f4", "float64": "f8", "int32": "i4", "int64": "i8", "uint64": "u8", "uint8": "u1", "bool": "?"}


@dataclass(frozen=True)
class Operand:
    """A parameter of the printed function. `strided`: a view whose rows of channels do not lie end to end."""

    name: str
    type: TensorType
    strided: bool = False


@dataclass(frozen=True)
class Chain:
    """What to print: roots over operands; outputs (name, type); which operands are which output's memory.

    same[i]: the number of the output whose array operand i is, or −1. unit: the positions that every call covers a
    multiple of. ranged: called with (start, stop) positions. returns: gives the tile back instead of writing it.
    """

    name: str
    roots: tuple[Expr, ...]
    operands: tuple[Operand, ...]
    outputs: tuple[Operand, ...]
    same: tuple[int, ...]
    unit: int
    ranged: bool = False
    returns: bool = False


@dataclass
class Printed:
    """The function's text, the operands it takes (by number), scratch bytes, kernel functions it calls."""

    text: str
    takes: list[int]
    scratch: int
    kernels: set[str]
    wide: int
    rows: int


def kind_of(x: TensorType, shape: Sequence[int]) -> str:
    """`tile`, `row`, `scalar`, or `other` for an operand of a chain over `shape`."""
    if tuple(x.shape) == tuple(shape):
        return "tile"
    if x.elements == 1:
        return "scalar"
    if len(shape) and x.shape[-1] == shape[-1] and x.elements == shape[-1]:
        return "row"
    return "other"


def has_range(types: Sequence[TensorType], shape: Sequence[int]) -> bool:
    """Whether a chain over these operands can run on a range of positions."""
    return bool(len(shape)) and all(kind_of(x, shape) != "other" for x in types)


def print_chain(chain: Chain) -> Printed:
    shape = chain.outputs[0].type.sizes
    roots = simplified(chain.roots)
    used = {x.value for x in ordered(roots) if x.fn == "var"}
    takes = [i for i in range(len(chain.operands)) if i in used]
    kinds = [kind_of(o.type, shape) if i in used else "scalar" for i, o in enumerate(chain.operands)]
    matrix = bool(shape) and "other" not in kinds
    if not matrix:
        kinds = ["scalar" if k == "scalar" and shape else "tile" for k in kinds]
    strided = any(o.strided for o in (*(chain.operands[i] for i in takes), *chain.outputs))
    channels = shape[-1] if shape else 1
    wide = 1 if not matrix or strided else cost.wide(channels, chain.unit)
    width = wide * channels if matrix else math.prod(shape[1:]) if shape else 1
    rows = max(1, cost.TILE // width)
    names = [_operand_text(chain, i, kinds[i]) for i in range(len(chain.operands))]
    outs = ["y"] if len(chain.outputs) == 1 else [f"y{k}" for k in range(len(chain.outputs))]
    found = statements(
        roots,
        names,
        [o.type for o in chain.operands],
        kinds,
        outs,
        [o.type.dtype for o in chain.outputs],
        [{i for i, s in enumerate(chain.same) if s == k} for k in range(len(outs))],
        wide_constants=matrix and width <= cost.LONGEST_ROW,
    )
    lines = _head(chain, takes, roots)
    lines += [f"    {x}" for x in found.before]
    tile = ((rows, width) if matrix else (rows, *shape[1:])) if shape else ()
    lines += _widened(found, wide) + _views(chain, takes, kinds, matrix, width) + _scratch(chain, found, tile, outs)
    lines += _loop(chain, takes, kinds, found, rows, wide, bool(shape), matrix)
    kept = [(tile, BYTES[d]) for _, d in found.temporaries]
    if chain.returns:
        kept.append((tile, 4))
    return Printed("\n".join(lines), takes, cost.aligned(*kept), found.kernels, wide, rows)


def _operand_text(chain: Chain, i: int, kind: str) -> str:
    if kind != "tile":
        return chain.operands[i].name
    if chain.same[i] >= 0:
        return "y" if len(chain.outputs) == 1 else f"y{chain.same[i]}"
    return f"x{i}"


def _parameters(chain: Chain, takes: Sequence[int]) -> list[str]:
    found = [chain.operands[i].name for i in takes if chain.same[i] < 0]
    return found if chain.returns else [*found, *(o.name for o in chain.outputs)]


def _head(chain: Chain, takes: Sequence[int], roots: Sequence[Expr]) -> list[str]:
    parameters = [*(["start", "stop"] if chain.ranged else []), *_parameters(chain, takes), "scratch"]
    names = [chain.outputs[chain.same[i]].name if chain.same[i] >= 0 else o.name for i, o in enumerate(chain.operands)]
    shape = (
        drawn(chain.outputs[0].type.shape[1:]) if len(chain.outputs[0].type.shape) > 1 else drawn(chain.outputs[0].type.shape)
    )
    lines = [f"def {chain.name}({', '.join(parameters)}):"]
    says = [f"{o.name} = {formula(r, names)}" for o, r in zip(chain.outputs, roots, strict=True)]
    what = f"; {shape}" if shape != "scalar" else ""
    if chain.returns:
        says = [f"Give {formula(roots[0], names)}"]
    if chain.ranged:
        what += ", positions start:stop"
    if len(says) == 1:
        lines.append(f'    """{says[0]}{what}."""')
    else:
        lines += [f'    """{says[0]}', *(f"    {s}" for s in says[1:]), f"    {what[2:].capitalize() or 'Numbers'}.", '    """']
    return lines


def _widened(found: Statements, wide: int) -> list[str]:
    return (
        [f"    {name} = np.tile(np.ravel({name}), {wide})" for name in found.rows]
        if wide > 1
        else [f"    {name} = np.ravel({name})" for name in found.rows]
    )


def _views(chain: Chain, takes: Sequence[int], kinds: Sequence[str], matrix: bool, width: int) -> list[str]:
    if not matrix:
        return []
    full = [chain.operands[i].name for i in takes if kinds[i] == "tile" and chain.same[i] < 0]
    full += [] if chain.returns else [o.name for o in chain.outputs]
    # One number of more axes than a tile would stretch the tile to as many.
    single = [chain.operands[i] for i in takes if kinds[i] == "scalar" and chain.same[i] < 0]
    return [
        *(f"    {name} = {name}.reshape(-1, {width})" for name in full),
        *(f"    {o.name} = {o.name}.reshape(())" for o in single if o.type.rank > 2),
    ]


def _scratch(chain: Chain, found: Statements, tile: tuple[int, ...], outs: Sequence[str]) -> list[str]:
    wanted = [(name, SHORT[dtype]) for name, dtype in found.temporaries]
    if chain.returns:
        wanted.append((outs[0], "f4"))
    lines = []
    if wanted:
        sizes = ", ".join(f'({tile}, "{dtype}")' for _, dtype in wanted)
        comma = "," if len(wanted) == 1 else ""
        lines.append(f"    {', '.join(_whole(n) for n, _ in wanted)}{comma} = carve(scratch, {sizes})")
    lines += [f"    {name} = np.full({tile[-1]}, {value}, np.float32)" for name, value in found.constants]
    return lines


def _whole(name: str) -> str:
    return f"{name}_tile"


def _loop(
    chain: Chain,
    takes: Sequence[int],
    kinds: Sequence[str],
    found: Statements,
    rows: int,
    wide: int,
    looped: bool,
    matrix: bool,
) -> list[str]:
    shape = chain.outputs[0].type.shape
    outs = ["y"] if len(chain.outputs) == 1 else [f"y{k}" for k in range(len(chain.outputs))]
    left, right = [], []
    for i in takes:
        if kinds[i] == "tile" and chain.same[i] < 0:
            o = chain.operands[i]
            cut = looped and (matrix or (len(o.type.shape) == len(shape) and o.type.shape[0] == shape[0] and shape[0] != 1))
            left.append(f"x{i}")
            right.append(f"{o.name}[at]" if cut else o.name)
    if chain.returns:
        count = f"(stop - start) // {wide}" if wide > 1 else "stop - start"
        lines = [f"    at = slice(start // {wide}, stop // {wide})" if wide > 1 else "    at = slice(start, stop)"]
        lines += [f"    {n} = {_whole(n)}[: {count}]" for n, _ in found.temporaries]
        lines += [f"    {outs[0]} = {_whole(outs[0])}[: {count}]"]
        lines += [f"    {', '.join(left)} = {', '.join(right)}"] if left else []
        return [*lines, *(f"    {s}" for s in found.body), f"    return {outs[0]}"]
    for o, y in zip(chain.outputs, outs, strict=True):
        left.append(y)
        right.append(f"{o.name}[at]" if looped else o.name)
    if not looped:
        return [
            f"    {', '.join(left)} = {', '.join(right)}",
            *(f"    {n} = {_whole(n)}" for n, _ in found.temporaries),
            *(f"    {s}" for s in found.body),
        ]
    first = chain.outputs[0].name
    if chain.ranged:
        low, high = (f"start // {wide}", f"stop // {wide}") if wide > 1 else ("start", "stop")
        lines = [f"    for i in range({low}, {high}, {rows}):", f"        at = slice(i, min(i + {rows}, {high}))"]
    else:
        lines = [f"    for i in range(0, len({first}), {rows}):", f"        at = slice(i, i + {rows})"]
    lines.append(f"        {', '.join(left)} = {', '.join(right)}")
    if found.temporaries:
        names = [n for n, _ in found.temporaries]
        lines.append(f"        {', '.join(names)} = {', '.join(f'{_whole(n)}[: len({outs[0]})]' for n in names)}")
    return [*lines, *(f"        {s}" for s in found.body)]


def formula(root: Expr, names: Sequence[str], limit: int = 90) -> str:
    """An expression for people."""
    text: dict[Expr, str] = {}
    for x in ordered([root]):
        args = [text[a] for a in x.args]
        if x.fn == "var":
            text[x] = names[x.value]
        elif x.fn == "const":
            text[x] = literal(x.value)
        elif x.fn in INFIX:
            text[x] = f"({args[0]} {INFIX[x.fn]} {args[1]})"
        elif x.fn == "select":
            text[x] = f"({args[1]} where {args[0]} else {args[2]})"
        elif x.fn == "neg":
            text[x] = f"-{args[0]}"
        else:
            name = BINARY.get(x.fn) or UNARY.get(x.fn) or x.fn
            text[x] = f"{name.removeprefix('np.')}({', '.join(args)})"
        if len(text[x]) > 4 * limit:
            text[x] = "…"
    found = text[root]
    if root.fn in (*INFIX, "select"):
        found = found[1:-1]
    return found if len(found) <= limit else found[: limit - 1] + "…"
