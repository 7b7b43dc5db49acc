"""NumPy statements from scalar expressions: `np.multiply(x, scale, out=t0)`, one a subexpression, few arrays.

    y = max(x · s + b, 0)   →   np.multiply(x, s, out=y); np.add(y, b, out=y); np.maximum(y, zero, out=y)

What depends on channel vectors and scalars alone is computed once, before the loop over tiles. An output's tile
serves as the place for intermediate numbers where no operand that shares its memory is still to be read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from cnndsl.graph.expr import Expr, ordered
from cnndsl.graph.types import TensorType
from cnndsl.ops.pointwise import result_dtype

BINARY = {
    "add": "np.add", "sub": "np.subtract", "mul": "np.multiply", "div": "np.divide", "min": "np.minimum",
    "max": "np.maximum", "lt": "np.less", "le": "np.less_equal", "gt": "np.greater", "ge": "np.greater_equal",
    "eq": "np.equal", "and": "np.logical_and", "or": "np.logical_or",
}  # fmt: skip
UNARY = {
    "neg": "np.negative", "abs": "np.abs", "exp": "np.exp", "log": "np.log", "sqrt": "np.sqrt", "tanh": "np.tanh",
    "not": "np.logical_not", "isfinite": "np.isfinite", "erf": "erf", "cos": "np.cos",
}  # fmt: skip
INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "=="}
BINDS = {"add": 2, "sub": 2, "mul": 3, "div": 3, "lt": 1, "le": 1, "gt": 1, "ge": 1, "eq": 1}  # how tightly
CLOSED = 9  # what needs no brackets anywhere


@dataclass
class Statements:
    """What `statements` found.

    before     lines that run once; `rows` are the names among them (and operands) that must be widened like a row
    body       lines for one tile
    temporaries  (name, dtype) of the scratch tiles
    kernels    names of kernel functions that the lines call
    """

    before: list[str] = field(default_factory=list)
    body: list[str] = field(default_factory=list)
    temporaries: list[tuple[str, str]] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)
    constants: list[tuple[str, str]] = field(default_factory=list)
    kernels: set[str] = field(default_factory=set)


def literal(value: object) -> str:
    """A number as Python text that gives the same number back."""
    if isinstance(value, bool):
        return repr(value)
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return "np.nan" if value != value else ("np.inf" if value > 0 else "-np.inf")
    return repr(value)


def statements(
    roots: Sequence[Expr],
    operands: Sequence[str],
    types: Sequence[TensorType],
    kinds: Sequence[str],
    outputs: Sequence[str],
    dtypes: Sequence[str],
    aliases: Sequence[set[int]],
    wide_constants: bool = True,
    spent: int = -1,
) -> Statements:
    """Statements that give `outputs[i]` the value of `roots[i]`.

    operands, types, kinds: for each variable its name, its type, and `tile`, `row` (a channel vector) or `scalar`.
    dtypes: of the outputs. aliases[i]: the variables that share memory with output i.
    wide_constants: compare with a row of constants rather than a number in maximum and minimum, which NumPy does
    four times faster (12,288 numbers: 1.1 µs against 4.4).
    spent: a variable whose tile may be written over once it has been read; −1: none.
    """
    return _Writer(roots, operands, types, kinds, outputs, dtypes, aliases, wide_constants, spent).write()


def simplified(roots: Sequence[Expr]) -> list[Expr]:
    """The same values without a choice between equals, with which gradient rules widen a number to a shape."""
    done: dict[Expr, Expr] = {}
    for x in ordered(list(roots)):
        args = tuple(done[a] for a in x.args)
        done[x] = args[1] if x.fn == "select" and args[1] == args[2] else Expr(x.fn, args, x.value)
    return [done[r] for r in roots]


def infix(fn: str, left: tuple[str, int], right: tuple[str, int]) -> tuple[str, int]:
    """`x + y` of two texts with no more brackets than Python needs. Beside each text: how tightly it binds."""
    mine = BINDS[fn]
    a = left[0] if left[1] > mine or (left[1] == mine > 1) else f"({left[0]})"
    b = right[0] if right[1] > mine else f"({right[0]})"
    return f"{a} {INFIX[fn]} {b}", mine


class _Writer:
    def __init__(
        self,
        roots: Sequence[Expr],
        operands: Sequence[str],
        types: Sequence[TensorType],
        kinds: Sequence[str],
        outputs: Sequence[str],
        dtypes: Sequence[str],
        aliases: Sequence[set[int]],
        wide_constants: bool,
        spent: int,
    ) -> None:
        self.roots, self.operands, self.types, self.kinds = simplified(roots), operands, types, kinds
        self.outputs, self.dtypes, self.aliases = outputs, dtypes, aliases
        self.wide_constants = wide_constants
        self.spent = {operands[spent]: types[spent].dtype} if spent >= 0 else {}
        self.found = Statements()
        self.order = ordered(list(roots))
        self.kind = self._kinds()
        self.steps = [x for x in self.order if self.kind[x] == "tile" and x.fn not in ("var", "const")]
        self.position = {x: p for p, x in enumerate(self.steps)}
        self.text: dict[Expr, str] = {}
        self.free: list[tuple[str, str]] = []
        self.busy: dict[str, Expr] = {}

    def _kinds(self) -> dict[Expr, str]:
        kind: dict[Expr, str] = {}
        rank = {"const": 0, "scalar": 1, "row": 2, "tile": 3}
        for x in self.order:
            if x.fn == "var":
                kind[x] = self.kinds[x.value]
            else:
                kind[x] = max((kind[a] for a in x.args), key=rank.__getitem__, default="const")
        return kind

    def write(self) -> Statements:
        self._hoist()
        last_use = {x: p for p, x in enumerate(self.steps)}
        for p, x in enumerate(self.steps):
            for a in x.args:
                last_use[a] = p
        end = len(self.steps)
        for r in self.roots:
            last_use[r] = end
        self.last_use = last_use
        # From this step on, output i may be written: nothing that shares its memory is read later.
        self.writable = [
            max((last_use.get(x, -1) for x in self.order if x.fn == "var" and x.value in shared), default=-1)
            for shared in self.aliases
        ]
        self.root_at = [self.position.get(r, end) for r in self.roots]
        self.taken: dict[int, Expr] = {}
        for p, x in enumerate(self.steps):
            self._step(p, x)
        for i, r in enumerate(self.roots):
            if self.text.get(r) != self.outputs[i]:
                self.found.body.append(f"np.copyto({self.outputs[i]}, {self._read(r)}{self._unsafe(r, i)})")
        return self.found

    def _unsafe(self, r: Expr, i: int) -> str:
        same = result_dtype(r, tuple(self.types)) in (self.dtypes[i], "const")
        return "" if same else ', casting="unsafe"'

    def _hoist(self) -> None:
        """Statements before the loop, for what is no tile but is read by one (or is an output)."""
        read = {a for x in self.steps for a in x.args} | set(self.roots)
        times = Counter(a for x in self.order for a in set(x.args))
        named = {x for x in self.order if x in read or times[x] > 1}  # each is computed once, and no text grows by nesting
        for x in self.order:
            if self.kind[x] == "tile":
                continue
            if x.fn == "var":
                self.text[x] = self.operands[x.value]
            elif x.fn == "const":
                self.text[x] = literal(x.value)
            elif x in named:
                name = f"{'row' if self.kind[x] == 'row' else 'number'}{len(self.found.before)}"
                self.found.before.append(f"{name} = {self._inline(x)}")
                self.text[x] = name
            if x in read and self.kind[x] == "row" and self.text[x] not in self.found.rows:
                self.found.rows.append(self.text[x])

    def _inline(self, root: Expr) -> str:
        """A nested expression over rows and numbers; already named parts by name."""
        text: dict[Expr, tuple[str, int]] = {}
        for x in ordered([root]):
            if x in self.text:
                text[x] = self.text[x], CLOSED
                continue
            args = [text[a][0] for a in x.args]
            if x.fn in INFIX:
                text[x] = infix(x.fn, text[x.args[0]], text[x.args[1]])
            elif x.fn in BINARY:
                text[x] = f"{BINARY[x.fn]}({args[0]}, {args[1]})", CLOSED
            elif x.fn in UNARY:
                if x.fn == "erf":
                    self.found.kernels.add("erf")
                text[x] = f"{UNARY[x.fn]}({args[0]})", CLOSED
            elif x.fn == "select":
                text[x] = f"np.where({', '.join(args)})", CLOSED
            elif x.fn == "cast":
                text[x] = f'np.asarray({args[0]}).astype("{x.value}")', CLOSED
            else:  # uniform
                text[x] = f"((({args[0]}) >> np.uint64(11)) * 2.0**-53)", CLOSED
        return text[root][0]

    def _dtype(self, x: Expr) -> str:
        found = result_dtype(x, tuple(self.types))
        return "float32" if found == "const" else found

    def _read(self, x: Expr) -> str:
        return self.operands[x.value] if x.fn == "var" else self.text[x]

    def _place(self, p: int, x: Expr, dtype: str, avoid: Sequence[str] = ()) -> str:
        """Where step p's result goes: its output, else an output not needed yet, else a temporary."""
        for i, r in enumerate(self.roots):
            if r == x and self.writable[i] <= p and self.dtypes[i] == dtype and self._idle(i, p):
                self.taken[i] = x
                return self.outputs[i]
        for i in range(len(self.roots)):
            fits = self.dtypes[i] == dtype and self.writable[i] <= p and self.last_use[x] <= self.root_at[i] < len(self.steps)
            if fits and self._idle(i, p) and self.outputs[i] not in avoid:
                self.taken[i] = x
                return self.outputs[i]
        return self._temporary(dtype, avoid)

    def _idle(self, i: int, p: int) -> bool:
        """Whether output i holds nothing that is read after step p."""
        held = self.taken.get(i)
        return held is None or (self.last_use[held] <= p and held != self.roots[i])

    def _temporary(self, dtype: str, avoid: Sequence[str] = ()) -> str:
        for k, (name, kind) in enumerate(self.free):
            if kind == dtype and name not in avoid:
                del self.free[k]
                return name
        name = f"t{len(self.found.temporaries)}"
        self.found.temporaries.append((name, dtype))
        return name

    def _release(self, p: int, x: Expr) -> None:
        kinds = dict(self.found.temporaries) | self.spent
        for a in dict.fromkeys(x.args):
            name = self._read(a) if self.kind[a] == "tile" else ""
            if name in kinds and self.last_use[a] == p:
                self.free.append((name, kinds[name]))

    def _step(self, p: int, x: Expr) -> None:
        dtype = self._dtype(x)
        args = [self._read(a) for a in x.args]
        # Elementwise, so a result may lie where an argument of the same type lies that is not needed any more.
        if x.fn not in ("select", "uniform"):
            self._release(p, x)
        place = self._place(p, x, dtype, args if x.fn in ("select", "uniform") else ())
        body = self.found.body
        if x.fn in BINARY:
            if x.fn in ("min", "max"):
                args = [self._wide(a, t) for a, t in zip(x.args, args, strict=True)]
            body.append(f"{BINARY[x.fn]}({args[0]}, {args[1]}, out={place})")
        elif x.fn == "erf":
            self.found.kernels.add("erf")
            scratch = [self._temporary(dtype, args) for _ in range(2)]
            body.append(f"erf({args[0]}, {place}, {', '.join(scratch)})")
            self.free += [(name, dtype) for name in scratch]
        elif x.fn in UNARY:
            body.append(f"{UNARY[x.fn]}({args[0]}, out={place})")
        elif x.fn == "cast":
            body.append(f'np.copyto({place}, {args[0]}, casting="unsafe")')
        elif x.fn == "uniform":
            word = self._temporary("uint64", args)
            body.append(f"np.right_shift({args[0]}, np.uint64(11), out={word})")
            body.append(f'np.copyto({place}, {word}, casting="unsafe")')
            body.append(f"np.multiply({place}, 2.0**-53, out={place})")
            self.free.append((word, "uint64"))
        else:
            self._select(x, args, place, dtype)
        if x.fn in ("select", "uniform"):
            self._release(p, x)
        self.text[x] = place

    def _wide(self, x: Expr, text: str) -> str:
        if x.fn != "const" or not self.wide_constants:
            return text
        name = "zero" if x.value == 0 else f"bound{len(self.found.constants)}"
        for known, value in self.found.constants:
            if value == text:
                return known
        self.found.constants.append((name, text))
        return name

    def _select(self, x: Expr, args: list[str], place: str, dtype: str) -> None:
        body = self.found.body
        condition, a, b = x.args
        if self.kind[condition] in ("scalar", "const"):
            body.append(f"np.copyto({place}, {args[1]} if {args[0]} else {args[2]})")
            return
        if (dtype != "float32" or self.kind[condition] != "tile") and args[1] == place:
            body.append(f"np.copyto({place}, np.where({', '.join(args)}))")
            return
        if dtype != "float32" or self.kind[condition] != "tile":
            body += [f"np.copyto({place}, {args[2]})"] if args[2] != place else []
            body.append(f"np.copyto({place}, {args[1]}, where={args[0]})")
            return
        mask = self._temporary("int32", args)
        if b.fn == "const" and b.value == 0 and self.kind[a] == "tile":
            self.found.kernels.add("keep")
            body.append(f"keep({args[0]}, {args[1]}, {place}, {mask})")
        else:
            self.found.kernels.add("select")
            body.append(f"select({args[0]}, {args[1]}, {args[2]}, {place}, {mask})")
        self.free.append((mask, "int32"))
