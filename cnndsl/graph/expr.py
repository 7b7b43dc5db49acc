"""Scalar expressions: the meaning of a pointwise op, once, from which every target's text and the gradient come.

    expr(lambda e, x: e.select(x > 0, x, 0.01 * x), 1)

An `Expr` is a frozen tree over about twenty primitives. Equal expressions are one object, so that comparing and
hashing cost nothing however deep they are, and shared work is counted and emitted once. Filliâtre, Conchon,
"Type-Safe Modular Hash-Consing", 2006.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Union

Operand = Union["Expr", float, int, bool]

_KNOWN: weakref.WeakValueDictionary[tuple[Any, ...], Expr] = weakref.WeakValueDictionary()
_LOCK = threading.RLock()  # re-entrant: collecting garbage inside may drop an expression

# name → number of arguments. `cast` carries the dtype in `value`; `uniform` reads a uint64 word as [0, 1).
PRIMITIVES = {
    "var": 0, "const": 0,
    "add": 2, "sub": 2, "mul": 2, "div": 2, "min": 2, "max": 2,
    "lt": 2, "le": 2, "gt": 2, "ge": 2, "eq": 2, "and": 2, "or": 2,
    "neg": 1, "abs": 1, "exp": 1, "log": 1, "sqrt": 1, "tanh": 1, "erf": 1, "cos": 1, "not": 1, "isfinite": 1,
    "cast": 1, "uniform": 1,
    "select": 3,
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Expr:
    """One primitive applied to expressions. `value`: the index of a `var`, the number of a `const`, a `cast`'s dtype."""

    fn: str
    args: tuple[Expr, ...] = ()
    value: Any = None

    def __new__(cls, fn: str, args: tuple[Expr, ...] = (), value: Any = None) -> Expr:
        # repr tells apart what == does not: 0.0 from −0.0, 1 from 1.0 from True; and makes NaN equal to itself.
        key = (fn, args, type(value), repr(value))
        with _LOCK:
            found = _KNOWN.get(key)
            if found is None:
                found = _KNOWN[key] = object.__new__(cls)
            return found

    def __add__(self, o: Operand) -> Expr:
        return call("add", self, o)

    def __radd__(self, o: Operand) -> Expr:
        return call("add", o, self)

    def __sub__(self, o: Operand) -> Expr:
        return call("sub", self, o)

    def __rsub__(self, o: Operand) -> Expr:
        return call("sub", o, self)

    def __mul__(self, o: Operand) -> Expr:
        return call("mul", self, o)

    def __rmul__(self, o: Operand) -> Expr:
        return call("mul", o, self)

    def __truediv__(self, o: Operand) -> Expr:
        return call("div", self, o)

    def __rtruediv__(self, o: Operand) -> Expr:
        return call("div", o, self)

    def __neg__(self) -> Expr:
        return call("neg", self)

    def __lt__(self, o: Operand) -> Expr:
        return call("lt", self, o)

    def __le__(self, o: Operand) -> Expr:
        return call("le", self, o)

    def __gt__(self, o: Operand) -> Expr:
        return call("gt", self, o)

    def __ge__(self, o: Operand) -> Expr:
        return call("ge", self, o)


def wrap(x: Operand) -> Expr:
    return x if isinstance(x, Expr) else Expr("const", (), x)


def call(fn: str, *args: Operand, value: Any = None) -> Expr:
    """`fn` applied; x · 1 is x, which keeps NaN and signed zero right, as x + 0 and x · 0 would not."""
    xs = tuple(wrap(a) for a in args)
    if fn == "mul" and _is_one(xs[1]):
        return xs[0]
    if fn == "mul" and _is_one(xs[0]):
        return xs[1]
    return Expr(fn, xs, value)


def _is_one(x: Expr) -> bool:
    return x.fn == "const" and x.value == 1 and not isinstance(x.value, bool)


class Calculus:
    """The `e` that `pointwise` rules receive: the primitives that have no operator of their own."""

    def __getattr__(self, fn: str) -> Callable[..., Expr]:
        if fn not in PRIMITIVES:
            raise AttributeError(f"{fn} is not a scalar primitive")
        return lambda *args: call(fn, *args)

    def cast(self, x: Operand, dtype: str) -> Expr:
        return call("cast", x, value=dtype)

    def both(self, a: Operand, b: Operand) -> Expr:
        return call("and", a, b)


E = Calculus()


def variables(count: int) -> tuple[Expr, ...]:
    return tuple(Expr("var", (), i) for i in range(count))


def expr(rule: Callable[..., Expr], count: int) -> Expr:
    """The expression that `rule(e, x0, …)` describes over `count` variables."""
    return wrap(rule(E, *variables(count)))


def ordered(roots: Sequence[Expr]) -> list[Expr]:
    """Every distinct subexpression once, arguments before uses; iterative."""
    seen: set[Expr] = set()
    out: list[Expr] = []
    stack = [(r, False) for r in reversed(roots)]
    while stack:
        x, ready = stack.pop()
        if x in seen:
            continue
        if ready:
            seen.add(x)
            out.append(x)
        else:
            stack.append((x, True))
            stack += [(a, False) for a in reversed(x.args) if a not in seen]
    return out


def substitute(root: Expr, inner: Sequence[Expr]) -> Expr:
    """`root` with variable i replaced by `inner[i]`."""
    done: dict[Expr, Expr] = {}
    for x in ordered([root]):
        done[x] = inner[x.value] if x.fn == "var" else Expr(x.fn, tuple(done[a] for a in x.args), x.value)
    return done[root]


def evaluate(xp: Any, root: Expr, arrays: Sequence[Any]) -> Any:
    """The value of `root` on arrays that broadcast by NumPy's rule. Slow and plain; targets print their own text."""
    done: dict[Expr, Any] = {}
    for x in ordered([root]):
        done[x] = _apply(xp, x, [done[a] for a in x.args], arrays)
    return done[root]


def _apply(xp: Any, x: Expr, args: list[Any], arrays: Sequence[Any]) -> Any:
    match x.fn:
        case "var":
            return arrays[x.value]
        case "const":
            return x.value
        case "add":
            return args[0] + args[1]
        case "sub":
            return args[0] - args[1]
        case "mul":
            return args[0] * args[1]
        case "div":
            return args[0] / args[1]
        case "neg":
            return -args[0]
        case "min" | "max":
            return (xp.minimum if x.fn == "min" else xp.maximum)(*args)
        case "lt":
            return args[0] < args[1]
        case "le":
            return args[0] <= args[1]
        case "gt":
            return args[0] > args[1]
        case "ge":
            return args[0] >= args[1]
        case "eq":
            return xp.equal(*args)
        case "and":
            return xp.logical_and(*args)
        case "or":
            return xp.logical_or(*args)
        case "not":
            return xp.logical_not(args[0])
        case "select":
            return xp.where(*args)
        case "cast":
            return xp.asarray(args[0]).astype(x.value)
        case "uniform":
            return (xp.asarray(args[0]) >> xp.uint64(11)).astype("float64") * 2.0**-53
        case "erf":
            import math

            return xp.vectorize(math.erf, otypes=[float])(args[0]).astype(xp.asarray(args[0]).dtype)
        case fn:
            return getattr(xp, fn)(args[0])


def derivative(root: Expr, index: int) -> Expr | None:
    """d root / d var[index], or None where it does not depend on it. At a kink the branch that `select` takes counts."""
    grads: dict[Expr, Expr | None] = {}
    for x in ordered([root]):
        grads[x] = _derive(x, [grads[a] for a in x.args], index)
    return grads[root]


def _derive(x: Expr, d: list[Expr | None], index: int) -> Expr | None:
    if x.fn == "var":
        return wrap(1.0) if x.value == index else None
    if x.fn == "select":
        if d[1] is None and d[2] is None:
            return None
        return call("select", x.args[0], d[1] or wrap(0.0), d[2] or wrap(0.0))
    if all(g is None for g in d) or x.fn in ("lt", "le", "gt", "ge", "eq", "and", "or", "not", "isfinite", "uniform"):
        return None
    rules = _PARTIALS.get(x.fn)
    if rules is None:
        smooth = x.fn == "cast" and str(x.value).startswith("float")  # a whole number moves in steps
        return Expr("cast", (d[0],), x.value) if smooth and d[0] is not None else None
    total: Expr | None = None
    for g, partial in zip(d, rules, strict=True):
        if g is not None:
            term = call("mul", partial(x, *x.args), g)
            total = term if total is None else call("add", total, term)
    return total


_PARTIALS: dict[str, tuple[Callable[..., Operand], ...]] = {
    "add": (lambda y, a, b: wrap(1.0), lambda y, a, b: wrap(1.0)),
    "sub": (lambda y, a, b: wrap(1.0), lambda y, a, b: wrap(-1.0)),
    "mul": (lambda y, a, b: b, lambda y, a, b: a),
    "div": (lambda y, a, b: 1.0 / b, lambda y, a, b: -y / b),
    "min": (lambda y, a, b: E.select(a <= b, 1.0, 0.0), lambda y, a, b: E.select(a <= b, 0.0, 1.0)),
    "max": (lambda y, a, b: E.select(a >= b, 1.0, 0.0), lambda y, a, b: E.select(a >= b, 0.0, 1.0)),
    "neg": (lambda y, a: wrap(-1.0),),
    "abs": (lambda y, a: E.select(a > 0, 1.0, E.select(a < 0, -1.0, 0.0)),),
    "exp": (lambda y, a: y,),
    "log": (lambda y, a: 1.0 / a,),
    "sqrt": (lambda y, a: 0.5 / y,),
    "tanh": (lambda y, a: 1.0 - y * y,),
    "cos": (lambda y, a: -E.cos(a - 1.5707963267948966),),  # sin a
    "erf": (lambda y, a: 1.1283791670955126 * E.exp(-(a * a)),),
}
