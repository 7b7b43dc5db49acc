"""lark's tree → the syntax tree. Depth is bounded: brackets by the source check, chains of operators here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lark import Token, Tree

from cnndsl.errors import Source, Span, error
from cnndsl.language import syntax as s

LONGEST_CHAIN = 400
STACK = 12_000  # Python frames: 100 brackets and a chain of 400 operators need less than half


@contextmanager
def deep() -> Iterator[None]:
    """Room on Python's stack for what the limits allow."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, STACK))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


class Builder:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.depth = 0

    def file(self, tree: Tree[Token]) -> s.File:
        with deep():
            items = tuple(self.item(t) for t in tree.children if isinstance(t, Tree))
            return s.File(items, Span(self.source, 0, len(self.source.text)))

    # Places and names ----------------------------------------------------------------------------------------------

    def span(self, x: Any) -> Span:
        if isinstance(x, Token):
            start = x.start_pos or 0
            return Span(self.source, start, x.end_pos or start)
        start = getattr(x.meta, "start_pos", 0)
        return Span(self.source, start, getattr(x.meta, "end_pos", start))

    def label(self, token: Token) -> s.Label:
        return s.Label(str(token), self.span(token))

    # Items ------------------------------------------------------------------------------------------------------------

    def item(self, t: Tree[Token]) -> s.Item:
        c: list[Any] = list(t.children)
        match t.data:
            case "version":
                return s.Version(int(c[0]), self.span(t))
            case "use":
                return s.Use(s.Text(str(c[0])[1:-1], self.span(c[0])), self.span(t))
            case "defaults":
                return self.defaults(t)
            case "block":
                return s.Block(self.label(c[0]), self.params(c[1]), self.body(c[2]), self.span(t))
            case "model":
                return s.ModelItem(self.label(c[0]), self.params(c[1]), self.body(c[2]), self.span(t))
            case "instance":
                return s.Instance(self.label(c[0]), self.label(c[1]), self.args(c[2]), self.span(t))
            case _:
                entries = tuple(self.entry(x) for x in c[1:] if isinstance(x, Tree))
                label = next((self.label(x) for x in c[1:] if isinstance(x, Token) and x.type == "NAME"), None)
                return s.RecipeItem(str(c[0]), label, entries, self.span(t))

    def params(self, t: Tree[Token] | None) -> tuple[s.Parameter, ...]:
        return tuple(self.param(x) for x in t.children if isinstance(x, Tree)) if t is not None else ()

    def param(self, t: Tree[Token]) -> s.Parameter:
        name, default = t.children[0], t.children[1] if len(t.children) > 1 else None
        assert isinstance(name, Token)
        if isinstance(default, Tree) and default.data == "words":
            return s.Parameter(self.label(name), None, tuple(map(str, default.children)), self.span(t))
        return s.Parameter(self.label(name), None if default is None else self.expr(default), (), self.span(t))

    def entry(self, t: Tree[Token]) -> s.Entry:
        key, value = t.children
        assert isinstance(key, Token)
        return s.Entry(self.label(key), self.expr(value), self.span(t))

    def defaults(self, t: Tree[Token]) -> s.Defaults:
        found = []
        for d in t.children:
            if isinstance(d, Tree):
                name, args = d.children
                assert isinstance(name, Token) and isinstance(args, Tree)
                found.append(s.Default(self.label(name), self.args(args), self.span(d)))
        return s.Defaults(tuple(found), self.span(t))

    # Bodies -----------------------------------------------------------------------------------------------------------

    def body(self, t: Any) -> s.Body:
        return s.Body(tuple(self.statement(x) for x in t.children if isinstance(x, Tree)), self.span(t))

    def statement(self, t: Tree[Token]) -> s.Statement:
        c: list[Any] = list(t.children)
        match t.data:
            case "pipeline":
                return self.pipeline(t)
            case "if_":
                cases, otherwise = self.cases(c, self.body)
                return s.If(cases, otherwise, self.span(t))
            case "for_":
                return s.For(self.names(c[0]), self.expr(c[1]), self.body(c[2]), self.span(t))
            case "head":
                return s.Head(self.label(c[0]), self.body(c[1]), self.span(t))
            case "output":
                return s.Output(self.label(c[0]), self.span(t))
            case "share":
                return s.Share(self.label(c[0]), self.pipeline(c[1]), self.span(t))
            case "defaults":
                return self.defaults(t)
            case "input_":
                where = tuple(self.expr(x) for x in c[3].children) if len(c) > 3 and c[3] is not None else ()
                return s.Input(self.label(c[1]), self.shape(c[2]), where, self.span(t))
            case _:
                found = self.item(t)
                assert isinstance(found, s.Block)
                return found

    def cases(self, c: list[Any], build: Any) -> tuple[tuple[tuple[s.Expr, Any], ...], Any]:
        """Pairs of condition and body, and the last body where there is one without a condition."""
        pairs = tuple((self.expr(c[i]), build(c[i + 1])) for i in range(0, len(c) - 1, 2))
        return pairs, build(c[-1]) if len(c) % 2 and c[-1] is not None else None

    def names(self, t: Tree[Token]) -> tuple[s.Label, ...]:
        return tuple(self.label(x) for x in t.children if isinstance(x, Token))

    def pipeline(self, t: Any) -> s.Pipeline:
        return s.Pipeline(tuple(self.step(x) for x in t.children), self.span(t))

    def step(self, t: Tree[Token]) -> s.Step:
        what, repeat, label, check = t.children
        assert isinstance(what, Tree)
        made: s.Call | s.Begin | s.Body
        if what.data == "call":
            made = self.call(what)
        elif what.data == "begin":
            made = s.Begin(self.span(what))
        else:
            made = self.body(what)
        return s.Step(
            made,
            self.expr(repeat.children[0]) if isinstance(repeat, Tree) else None,
            self.label(label.children[0]) if isinstance(label, Tree) else None,  # type: ignore[arg-type]
            self.shape(check.children[0]) if isinstance(check, Tree) else None,
            self.span(t),
        )

    def call(self, t: Tree[Token]) -> s.Call:
        name, args, branches = t.children
        assert isinstance(name, Token)
        return s.Call(
            str(name),
            self.args(args) if isinstance(args, Tree) else (),
            self.branches(branches) if isinstance(branches, Tree) else None,
            self.span(t),
        )

    def branches(self, t: Any) -> tuple[s.BranchItem, ...]:
        return tuple(self.branch(x) for x in t.children if isinstance(x, Tree)) if t is not None else ()

    def branch(self, t: Tree[Token]) -> s.BranchItem:
        c: list[Any] = list(t.children)
        if t.data == "branch":
            return s.Branch(self.label(c[0]), self.pipeline(c[1]) if c[1] is not None else None, self.span(t))
        if t.data == "branch_if":
            cases, otherwise = self.cases(c, self.branches)
            return s.BranchIf(cases, otherwise or (), self.span(t))
        return s.BranchFor(self.names(c[0]), self.expr(c[1]), self.branches(c[2]), self.span(t))

    def shape(self, t: Any) -> s.ShapeNote:
        first = t.children[0]
        if isinstance(first, Token):
            parts = tuple(int(p) if p.isdigit() else p for p in self.digits(first).split("x"))
            return s.ShapeNote(parts, self.span(t))
        listed = tuple("_" if isinstance(x, Tree) and x.data == "any" else self.expr(x) for x in t.children)
        return s.ShapeNote(listed, self.span(t))

    # Expressions --------------------------------------------------------------------------------------------------------

    def args(self, t: Any) -> tuple[s.Argument, ...]:
        return tuple(self.argument(x) for x in t.children if isinstance(x, Tree)) if t is not None else ()

    def argument(self, t: Tree[Token]) -> s.Argument:
        if t.data == "keyword":
            return s.Argument(str(t.children[0]), self.expr(t.children[1]), self.span(t))
        return s.Argument(None, self.expr(t.children[0]), self.span(t))

    def expr(self, t: Any) -> s.Expr:
        self.depth += 1
        if self.depth > LONGEST_CHAIN:
            raise error("E902", f"an expression is nested more than {LONGEST_CHAIN} deep", self.span(t))
        found = self.expression(t)
        self.depth -= 1
        return found

    def expression(self, t: Any) -> s.Expr:
        c, span = t.children, self.span(t)
        match t.data:
            case "integer":
                return s.Number(int(self.digits(c[0])), span)
            case "float_":
                return s.Number(float(c[0]), span)
            case "true" | "false":
                return s.Number(t.data == "true", span)
            case "size":
                return s.SizeLiteral(tuple(int(p) for p in self.digits(c[0]).split("x")), span)
            case "string":
                return s.Text(str(c[0])[1:-1], span)
            case "reference":
                return s.Reference(str(c[0]), self.args(c[1]) if c[1] is not None else None, span)
            case "begin":
                return s.InputRef(span)
            case "output_value":
                return s.OutputRef(span)
            case "attribute":
                return s.Attribute(self.expr(c[0]), str(c[1]), span)
            case "index":
                return s.Index(self.expr(c[0]), self.expr(c[1]), span)
            case "list":
                return s.ListOf(tuple(self.expr(x) for x in c if x is not None), span)
            case "negative":
                return s.Unary(str(c[0]), self.expr(c[1]), span)
            case "not_":
                return s.Unary("not", self.expr(c[0]), span)
            case "and_" | "or_":
                return s.Binary(t.data[:-1], self.expr(c[0]), self.expr(c[1]), span)
            case "interval":
                return s.Between(self.expr(c[0]), self.expr(c[1]), span)
            case "chain":
                return s.Chain(tuple(self.expr(x) for x in c), span)
            case _:  # comparison, sum, product
                return s.Binary(str(c[1]), self.expr(c[0]), self.expr(c[2]), span)

    def digits(self, token: Token) -> str:
        """The token's text; Python refuses to read integers of many thousand digits, so do we."""
        if any(len(p) > 18 for p in str(token).split("x")):
            raise error("E903", f"{str(token)[:12]}… is a larger number than is allowed", self.span(token))
        return str(token)
