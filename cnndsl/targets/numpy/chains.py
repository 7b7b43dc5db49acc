"""Small functions for pointwise chains, printed tile by tile. They hold no sizes, so layers of many sizes share one.

Where operands are full arrays, channel vectors and numbers, an array is seen as a matrix with `wide` positions side
by side in a row, and rows are taken a cache-sized tile at a time; channel vectors are repeated `wide` times. Other
broadcasts are cut along axis 0 only. A chain that finishes a convolution or a product is a function that makes a function:
what is the same for all positions is done once, then ranges of positions come as they lie in the cache.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from cnndsl.graph.expr import Expr, ordered
from cnndsl.graph.types import ITEM_BYTES, TensorType
from cnndsl.targets.numpy import cost
from cnndsl.targets.numpy.statements import BINARY, CLOSED, INFIX, UNARY, infix, literal, simplified, statements
from cnndsl.targets.numpy.texts import WIDTH

SHORT = {"float32": "f4", "float64": "f8", "int32": "i4", "int64": "i8", "uint64": "u8", "uint8": "u1", "bool": "?"}


@dataclass(frozen=True)
class Operand:
    """A parameter of the printed function. name: what to call it, or empty: by its kind. `strided`: a view whose rows of
    channels do not lie end to end.
    """

    name: str
    type: TensorType
    strided: bool = False


@dataclass(frozen=True)
class Chain:
    """What to print: roots over operands; the outputs' types; which operands are which output's memory.

    same[i]: the number of the output whose array operand i is, or −1. unit: the positions that every call covers a
    multiple of. ranged: makes a function of (start, stop) positions. returns: which gives a tile back instead of writing it.
    apart: operand 0 holds the positions of one range alone, and may be written over.
    """

    roots: tuple[Expr, ...]
    operands: tuple[Operand, ...]
    outputs: tuple[Operand, ...]
    same: tuple[int, ...]
    unit: int
    ranged: bool = False
    returns: bool = False
    apart: bool = False


@dataclass
class Printed:
    """The function's text with `@` for its name, the operands it takes (by number), scratch bytes, kernel functions it
    calls; wide, rows: of its tiles. matrix: it is called with `wide`. says: a formula for each output.
    """

    text: str
    takes: list[int]
    scratch: int
    kernels: set[str]
    wide: int
    rows: int
    matrix: bool
    says: list[str]


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
    return _Printer(chain).printed()


class _Printer:
    """One chain in the making."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.shape = chain.outputs[0].type.sizes
        self.roots = simplified(chain.roots)
        used = {x.value for x in ordered(self.roots) if x.fn == "var"}
        self.takes = [i for i in range(len(chain.operands)) if i in used]
        kinds = [kind_of(o.type, self.shape) if i in used else "scalar" for i, o in enumerate(chain.operands)]
        self.matrix = bool(self.shape) and "other" not in kinds
        if not self.matrix:
            kinds = ["scalar" if k == "scalar" and self.shape else "tile" for k in kinds]
        self.kinds = kinds
        strided = any(o.strided for o in (*(chain.operands[i] for i in self.takes), *chain.outputs))
        channels = self.shape[-1] if self.shape else 1
        self.wide = 1 if not self.matrix or strided else cost.wide(channels, chain.unit)
        self.width = self.wide * channels if self.matrix else math.prod(self.shape[1:]) if self.shape else 1
        self.rows = max(1, min(cost.TILE, math.prod(self.shape)) // self.width)
        one = len(chain.outputs) == 1
        named = [o.name for o in chain.outputs if o.name]
        self.outs = (
            named if len({*named}) == len(chain.outputs) else ["out"] if one else [f"out{k}" for k in range(len(chain.outputs))]
        )
        self.tiles = ["y"] if one else [f"y{k}" for k in range(len(chain.outputs))]
        self.names = self._names()
        self.roots = sorted_addends(self.roots, kinds, self.names)
        self.found = statements(
            self.roots,
            [self._tile(i) for i in range(len(chain.operands))],
            [o.type for o in chain.operands],
            kinds,
            self.tiles,
            [o.type.dtype for o in chain.outputs],
            [{i for i, s in enumerate(chain.same) if s == k} for k in range(len(self.outs))],
            wide_constants=self.matrix and self.width <= cost.LONGEST_ROW,
            spent=0 if chain.apart else -1,
        )

    def _names(self) -> list[str]:
        """What each operand is called: the output's name where it is its memory, else its own, each once."""
        seen = dict.fromkeys(self.outs, 1)
        found = []
        for i, o in enumerate(self.chain.operands):
            if self.chain.same[i] >= 0:
                found.append(self.outs[self.chain.same[i]])
                continue
            name = o.name or {"tile": "x", "row": "v", "scalar": "n"}[self.kinds[i]]
            seen[name] = seen.get(name, 0) + (i in self.takes)
            found.append(name if seen[name] < 2 else f"{name}_{seen[name]}")
        return found

    def _tile(self, i: int) -> str:
        """What the statements call operand i: a tile's own name, or the parameter."""
        if self.kinds[i] != "tile":
            return self.names[i]
        return self.tiles[self.chain.same[i]] if self.chain.same[i] >= 0 else f"{self.names[i]}_at"

    def _own(self, kind: str) -> list[int]:
        """The operands of a kind that are parameters."""
        return [i for i in self.takes if self.kinds[i] == kind and self.chain.same[i] < 0]

    def printed(self) -> Printed:
        chain, found = self.chain, self.found
        tile = ((self.rows, self.width) if self.matrix else (self.rows, *self.shape[1:])) if self.shape else ()
        kept = [(tile, ITEM_BYTES[d]) for _, d in found.temporaries] + ([(tile, 4)] if chain.returns else [])
        lines = [*self._head(bool(kept)), *self._single(), *(f"    {x}" for x in found.before)]
        if self.matrix:
            lines += [f"    {name} = row_of({name}, wide)" for name in found.rows]
            lines += self._views()
        else:
            lines += [f"    {name} = np.ravel({name})" for name in found.rows]
        if self.matrix:
            lines += [f"    {name} = filled({self._full()}.shape[1], {value})" for name, value in found.constants]
        lines += self._scratch(tile)
        lines += self._ranged() if chain.ranged else self._loop()
        scratch = cost.aligned(*kept)
        kernels = found.kernels | ({"rows_of", "tiles"} if self.matrix else set())
        if self.matrix and chain.returns:
            kernels.discard("tiles")
        kernels |= {name for name in ("tile_shape", "row_of", "filled") if any(f"{name}(" in x for x in lines)}
        return Printed("\n".join(lines), self.takes, scratch, kernels, self.wide, self.rows, self.matrix, self._formulas())

    def _head(self, scratch: bool) -> list[str]:
        parameters = [self.names[i] for i in self.takes if self.chain.same[i] < 0]
        parameters += [] if self.chain.returns else self.outs
        keys = [*(["wide"] if self.matrix else []), *(["scratch"] if scratch else [])]
        if keys:
            parameters += ["*", *keys]
        rows = [self.names[i] for i in self._own("row")]
        says = self._formulas()
        if self.chain.returns:
            says = [f"gives {formula(self.roots[0], self.names)}"]
        if self.chain.ranged:
            says[0] = f"A function of start, stop: {says[0]}"
        if rows and self.matrix:
            says.append(f"{', '.join(rows)}: one number a channel")
        if self.chain.apart:
            says.append(f"{self.names[0]} holds the positions start:stop alone, and is written over")
        return [f"def @({', '.join(parameters)}):", *docstring(says)]

    def _formulas(self) -> list[str]:
        return [f"{o} = {formula(r, self.names)}" for o, r in zip(self.outs, self.roots, strict=True)]

    def _single(self) -> list[str]:
        """One number of more axes than a tile would stretch the tile to as many, and so would what is computed of it."""
        if not self.matrix:
            return []
        single = [i for i in self._own("scalar") if self.chain.operands[i].type.rank > 2]
        return [f"    {self.names[i]} = {self.names[i]}.reshape(())" for i in single]

    def _full(self) -> str:
        """An array of the chain's shape among the parameters."""
        return self.outs[0] if not self.chain.returns else self.names[self._own("tile")[0]]

    def _views(self) -> list[str]:
        full = [self.names[i] for i in self._own("tile")] + ([] if self.chain.returns else self.outs)
        some = (full[i : i + 3] for i in range(0, len(full), 3))
        return [f"    {', '.join(part)} = {', '.join(f'rows_of({name}, wide)' for name in part)}" for part in some]

    def _scratch(self, tile: tuple[int, ...]) -> list[str]:
        wanted = [(name, SHORT[dtype]) for name, dtype in self.found.temporaries]
        wanted += [(self.tiles[0], "f4")] if self.chain.returns else []
        if not wanted:
            return []
        shape = f"tile_shape({self._full()})" if self.matrix else repr(tile)
        sizes = ", ".join(f'({shape}, "{dtype}")' for _, dtype in wanted)
        names = ", ".join(f"{n}_tile" for n, _ in wanted)
        return [f"    {names if len(wanted) > 1 else f'({names},)'} = carve(scratch, {sizes})"]

    def _body(self, indent: str, cut: bool, count: str) -> list[str]:
        """The statements of one tile `at`. cut: whether there is more than one; count: its rows."""
        left, right = [], []
        for i in self._own("tile"):
            o = self.chain.operands[i].type
            batch = self.matrix or (o.rank == len(self.shape) > 0 and o.shape[0] == self.shape[0] != 1)
            left.append(self._tile(i))
            if i == 0 and self.chain.apart:
                right.append(f"{self.names[i]}[at.start - start // wide : at.stop - start // wide]")
                continue
            right.append(f"{self.names[i]}[at]" if cut and batch else self.names[i])
        if not self.chain.returns:
            left += self.tiles
            right += [f"{o}[at]" if cut else o for o in self.outs]
        kept = [n for n, _ in self.found.temporaries] + ([self.tiles[0]] if self.chain.returns else [])
        lines = [f"{indent}{', '.join(left)} = {', '.join(right)}"]
        if kept:
            lines.append(
                f"{indent}{', '.join(kept)} = {', '.join(f'{n}_tile[:{count}]' if cut else f'{n}_tile' for n in kept)}"
            )
        return [*lines, *(f"{indent}{x}" for x in self.found.body)]

    def _loop(self) -> list[str]:
        if not self.shape:
            return self._body("    ", False, "")
        if self.matrix:
            head = f"    for at in tiles({self.outs[0]}):"
        else:
            rows = self.rows
            head = f"    for at in (slice(i, i + {rows}) for i in range(0, len({self.outs[0]}), {rows})):"
        return [head, *self._body("        ", True, f" len({self.tiles[0]})")]

    def _ranged(self) -> list[str]:
        if self.chain.returns:
            make = ["", "    def make(start, stop):", "        at = slice(start // wide, stop // wide)"]
            body = self._body("        ", True, " (stop - start) // wide")
            return [*make, *body, f"        return {self.tiles[0]}", "", "    return make"]
        lines = ["", "    def finish(start, stop):", f"        for at in tiles({self.outs[0]}, start // wide, stop // wide):"]
        return [*lines, *self._body("            ", True, f" len({self.tiles[0]})"), "", "    return finish"]


def docstring(says: Sequence[str]) -> list[str]:
    """Sentences on one line where they fit, else the first on the first line and the others below it."""
    ended = [x if x.endswith("…") else f"{x}." for x in says]
    whole = f'    """{" ".join(ended)}"""'
    if len(whole) <= WIDTH:
        return [whole]
    rest = [f"    {line}" for x in ended[1:] for line in textwrap.wrap(x, WIDTH - 4)]
    first = textwrap.wrap(ended[0], WIDTH - 7, subsequent_indent="    ")
    if not rest and len(first) == 1:
        return [f'    """{first[0]}', '    """']
    return [f'    """{first[0]}', *(f"    {x}" for x in first[1:]), *([""] if rest else []), *rest, '    """']


def formula(root: Expr, names: Sequence[str], limit: int = 240) -> str:
    """An expression for people."""
    text: dict[Expr, tuple[str, int]] = {}
    for x in ordered([root]):
        args = [text[a][0] for a in x.args]
        if x.fn == "var":
            text[x] = names[x.value], CLOSED
        elif x.fn == "const":
            text[x] = literal(x.value), CLOSED
        elif x.fn == "sub" and x.args[0].fn == "const" and x.args[0].value == 0:
            text[x] = f"-{args[1]}" if text[x.args[1]][1] == CLOSED else f"-({args[1]})", CLOSED
        elif x.fn in INFIX:
            text[x] = infix(x.fn, text[x.args[0]], text[x.args[1]])
        elif x.fn == "select":
            text[x] = f"{args[1]} where {args[0]} else {args[2]}", 0
        elif x.fn == "neg":
            text[x] = f"-{args[0]}" if text[x.args[0]][1] == CLOSED else f"-({args[0]})", CLOSED
        else:
            name = BINARY.get(x.fn) or UNARY.get(x.fn) or x.fn
            text[x] = f"{name.removeprefix('np.')}({', '.join(args)})", CLOSED
        if len(text[x][0]) > 4 * limit:
            text[x] = "…", CLOSED
    found = text[root][0]
    return found if len(found) <= limit else found[: limit - 1] + "…"


def sorted_addends(roots: Sequence[Expr], kinds: Sequence[str], names: Sequence[str]) -> list[Expr]:
    """The same sums with their two addends in one order, so that two chains that differ in it alone share one function.

    What is computed stands before what is given; arrays before channel vectors, numbers and constants. a + b and b + a are
    the same to the bit.
    """

    def place(x: Expr) -> tuple[int, str]:
        if x.fn not in ("var", "const"):
            return 0, formula(x, names)
        return ["tile", "row", "scalar", "const"].index(kinds[x.value] if x.fn == "var" else "const") + 1, formula(x, names)

    done: dict[Expr, Expr] = {}
    for x in ordered(list(roots)):
        args = tuple(done[a] for a in x.args)
        done[x] = Expr(x.fn, tuple(sorted(args, key=place)) if x.fn == "add" else args, x.value)
    return [done[r] for r in roots]
