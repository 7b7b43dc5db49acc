"""Faults made mechanically: where one can be made in a file, and the file's text with it.

    guard     a condition under which something is refused or left alone is never met, or one of several conditions is dropped
    axis      rows and columns exchanged: shape[1] for shape[2], (top, left) for (left, top), axis 0 for 1, a transposition
    offset    a number in an index, a slice, a range or a sum is one more, or what is added to a place is left out
    alias     lifetimes end early, places are shared, edges are met: the larger of two is the first of them, < is ≤
    gradient  a sign turned, a factor left out, an attribute not handed on, an operand in place of another

A fault is a piece of text put in the place of another; all else in the file, comments too, stays as it is.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

Edit = tuple[ast.AST, str]
SIZES = ("shape", "sizes", "space", "strides")
PAIRS = ("stride", "pad", "kernel", "window", "dilation", "block", "tile", "factor", "amount")
PLACES = ("offset", "at", "start", "begin", "low", "first", "top", "left", "base", "lo", "step")


@dataclass(frozen=True)
class Fault:
    """`now` in place of the bytes from `start` to `end` of the file. where: the functions around it, outermost first."""

    part: str
    kind: str
    path: str
    line: int
    start: int
    end: int
    was: str
    now: str
    where: tuple[str, ...] = ()

    def applied(self, source: bytes) -> bytes:
        return source[: self.start] + self.now.encode() + source[self.end :]

    def __str__(self) -> str:
        return f"{self.kind:<8} {self.path}:{self.line}  {_short(self.was)}  →  {_short(self.now)}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) < 80 else line[:79] + "…"


# What is changed ------------------------------------------------------------------------------------------------------


def guard(node: ast.AST) -> Iterator[Edit]:
    if isinstance(node, ast.If) and not node.orelse and _refuses(node.body[-1]):
        yield node.test, "False"
    if isinstance(node, ast.IfExp):
        for way, other in ((node.body, node.orelse), (node.orelse, node.body)):
            if isinstance(way, ast.Constant) and way.value in ("", None, False, 0) and not isinstance(other, ast.Constant):
                yield node, ast.unparse(other)
            elif isinstance(way, ast.Constant) and way.value == "":
                yield node, '""'
    if isinstance(node, ast.BoolOp):
        for k in range(len(node.values)):
            rest = [x for i, x in enumerate(node.values) if i != k]
            word = " and " if isinstance(node.op, ast.And) else " or "
            yield node, f"({word.join(f'({ast.unparse(x)})' for x in rest)})"
    for each in getattr(node, "generators", ()):
        for test in each.ifs:
            yield test, "True"


def _refuses(last: ast.stmt) -> bool:
    left = isinstance(last, ast.Return) and (
        last.value is None or isinstance(last.value, (ast.Constant, ast.JoinedStr, ast.Name, ast.Dict, ast.List))
    )
    return left or isinstance(last, (ast.Raise, ast.Continue, ast.Break))


def axis(node: ast.AST) -> Iterator[Edit]:
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, int):
        said, at = ast.unparse(node.value), node.slice.value
        if said.endswith(SIZES) and at in (1, 2):
            yield node.slice, str(3 - at)
        elif said.endswith(PAIRS) and at in (0, 1):
            yield node.slice, str(1 - at)
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple):
        names = node.targets[0].elts
        for a, b in pairwise(names):
            if _rows_and_columns(a, b):
                swapped = [b if x is a else a if x is b else x for x in names]
                yield node.targets[0], ", ".join(map(ast.unparse, swapped))
    if isinstance(node, ast.keyword) and node.arg in ("axis", "axes") and isinstance(node.value, (ast.Constant, ast.UnaryOp)):
        said = ast.unparse(node.value)
        if said.lstrip("-").isdigit():
            yield node.value, str({0: 1, 1: 0, -1: -2}.get(int(said), int(said) - 1))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("transpose", "moveaxis"):
        order = [a for a in node.args if ast.unparse(a).lstrip("-").isdigit()]
        for a, b in pairwise(order):
            swapped = [b if x is a else a if x is b else x for x in node.args]
            yield node, f"{ast.unparse(node.func)}({', '.join(map(ast.unparse, swapped))})"
    if isinstance(node, ast.Tuple) and len(node.elts) > 2 and isinstance(node.ctx, ast.Load):
        for a, b in pairwise(node.elts):
            if _rows_and_columns(a, b):
                swapped = [b if x is a else a if x is b else x for x in node.elts]
                yield node, f"({', '.join(map(ast.unparse, swapped))})"


def _rows_and_columns(a: ast.expr, b: ast.expr) -> bool:
    p, q = ast.unparse(a), ast.unparse(b)
    names = (("h", "w"), ("top", "left"), ("height", "width"), ("rows", "columns"), ("by_row", "by_column"))
    if isinstance(a, ast.Tuple) and isinstance(b, ast.Tuple):
        return len(a.elts) == len(b.elts) and isinstance(a.ctx, ast.Store)
    return any(p.endswith(x) and q.endswith(y) and p[: -len(x)] == q[: -len(y)] for x, y in names)


def offset(node: ast.AST) -> Iterator[Edit]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
        left, right = ast.unparse(node.left), ast.unparse(node.right)
        if right == "1":
            yield node.right, "2"
        elif left == "1":
            yield node.left, "2"
        elif isinstance(node.op, ast.Add) and (left.rpartition(".")[2] in PLACES or right.rpartition(".")[2] in PLACES):
            yield node, f"({left})"
            yield node, f"({right})"
    if isinstance(node, ast.Slice):
        if node.lower is not None:
            yield node.lower, f"({ast.unparse(node.lower)}) + 1"
        if node.upper is not None:
            yield node.upper, f"({ast.unparse(node.upper)}) - 1"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range" and node.args:
        if len(node.args) > 1:
            yield node.args[0], f"({ast.unparse(node.args[0])}) + 1"
        end = node.args[min(1, len(node.args) - 1)]
        yield end, f"({ast.unparse(end)}) - 1"
    if isinstance(node, ast.keyword) and node.arg in ("offset", "start", "begin"):
        yield node.value, f"({ast.unparse(node.value)}) + 1"
    if isinstance(node, ast.AugAssign) and isinstance(node.op, (ast.Add, ast.Sub)):
        yield node, "pass"


def alias(node: ast.AST) -> Iterator[Edit]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id in ("max", "min") and len(node.args) == 2 and not any(isinstance(a, ast.Starred) for a in node.args):
            for a in node.args:
                yield node, f"({ast.unparse(a)})"
        if node.func.id == "Life" and len(node.args) == 4:
            yield node.args[3], ast.unparse(node.args[2])
            yield node.args[2], ast.unparse(node.args[3])
            yield node.args[1], f"({ast.unparse(node.args[1])}) // 2"
        if node.func.id == "aligned" and len(node.args) == 1:
            yield node, f"({ast.unparse(node.args[0])})"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "copy" and not node.args:
        yield node, ast.unparse(node.func.value)
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        turned = {ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">"}.get(type(node.ops[0]))
        if turned:
            yield node, f"{ast.unparse(node.left)} {turned} {ast.unparse(node.comparators[0])}"
        same = {ast.Is: "is not", ast.In: "not in"}.get(type(node.ops[0]))
        if same and ast.unparse(node.comparators[0]) != "None":
            yield node, f"{ast.unparse(node.left)} {same} {ast.unparse(node.comparators[0])}"


def gradient(node: ast.AST) -> Iterator[Edit]:
    if isinstance(node, ast.BinOp):
        left, right = ast.unparse(node.left), ast.unparse(node.right)
        if isinstance(node.op, (ast.Add, ast.Sub)):
            yield node, f"({left} {'-' if isinstance(node.op, ast.Add) else '+'} ({right}))"
        elif isinstance(node.op, (ast.Mult, ast.Div)):
            yield node, f"({left})"
            if isinstance(node.op, ast.Mult):
                yield node, f"({right})"
    if isinstance(node, ast.Call):
        for key in node.keywords:
            if key.arg and isinstance(key.value, ast.Constant) and isinstance(key.value.value, bool):
                yield key.value, str(not key.value.value)
            elif key.arg and key.arg != "origin":
                rest = [*map(ast.unparse, node.args), *(ast.unparse(k) for k in node.keywords if k is not key)]
                yield node, f"{ast.unparse(node.func)}({', '.join(rest)})"
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and isinstance(node.slice, ast.Constant):
        other = {"xs": "ys", "ys": "xs"}.get(node.value.id)
        if other:
            yield node.value, other
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        turned = {ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">"}.get(type(node.ops[0]))
        if turned:
            yield node, f"{ast.unparse(node.left)} {turned} {ast.unparse(node.comparators[0])}"


KINDS = {"guard": guard, "axis": axis, "offset": offset, "alias": alias, "gradient": gradient}


# Where ----------------------------------------------------------------------------------------------------------------


class _Walk:
    """All faults of one file, in order. only: names of functions, one of which must be around a fault; none: any."""

    def __init__(self, part: str, path: str, source: bytes, kinds: tuple[str, ...], only: str) -> None:
        self.part, self.path, self.source, self.kinds, self.only = part, path, source, kinds, only
        self.starts = [0]
        for line in source.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))
        self.found: dict[tuple[int, int, str], Fault] = {}

    def walk(self, node: ast.AST, where: tuple[str, ...]) -> None:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            where = (*where, node.name)
        if isinstance(node, ast.keyword) and node.arg == "vjp":
            where = (*where, "vjp")
        if _estimates(node) or isinstance(node, ast.JoinedStr):  # inside f-strings Python 3.11 tells no places
            return
        if where and (not self.only or any(self.only in name for name in where)):
            for kind in self.kinds:
                for place, text in KINDS[kind](node):
                    self._add(kind, place, text, where)
        for child in ast.iter_child_nodes(node):
            self.walk(child, where)

    def _add(self, kind: str, place: ast.AST, now: str, where: tuple[str, ...]) -> None:
        at: ast.expr = place  # type: ignore[assignment]
        start = self.starts[at.lineno - 1] + at.col_offset
        end = self.starts[(at.end_lineno or 0) - 1] + (at.end_col_offset or 0)
        was = self.source[start:end].decode()
        if " ".join(was.split()) != now:
            self.found.setdefault((start, end, now), Fault(self.part, kind, self.path, at.lineno, start, end, was, now, where))


def _estimates(node: ast.AST) -> bool:
    """What only predicts time, which no test of numbers can see; annotations, which do nothing; and asserts."""
    if isinstance(node, ast.FunctionDef):
        return node.returns is not None and ast.unparse(node.returns) == "float"
    if isinstance(node, ast.Assign):
        return all(ast.unparse(t) in ("seconds", "nanoseconds") for t in node.targets)
    return isinstance(node, (ast.arg, ast.Assert))


def faults(part: str, path: str, source: bytes, kinds: tuple[str, ...], only: str = "") -> list[Fault]:
    """Every fault of these kinds that the file offers."""
    walk = _Walk(part, path, source, kinds, only)
    walk.walk(ast.parse(source), ())
    return sorted(walk.found.values(), key=lambda f: (f.start, f.end, f.now))
