"""The parser: lark's LALR tables, a transformer that builds our records, and the way back from an error.

The one file that imports lark. `parse` reports several syntax errors in one run: an error is recorded, its logical
line blanked but for its braces, and the text parsed again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import cache
from typing import Any

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedInput

from cnndsl.errors import CnnError, Diagnostic, Source, Span
from cnndsl.language.bundled import grammar
from cnndsl.language.syntax import scan, tree

MOST_ERRORS = 20
MOST_SECONDS = 0.5


class _Newlines:
    """Drops the newlines inside ( ) and [ ], by counting."""

    always_accept = ("_NL",)

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        open_: list[str] = []
        for token in stream:
            kind = token.type
            if kind in ("LPAR", "LSQB", "LBRACE"):
                open_.append(kind)
            elif kind in ("RPAR", "RSQB", "RBRACE") and open_:
                open_.pop()
            if kind != "_NL" or not open_ or open_[-1] == "LBRACE":
                yield token


class _Args(tuple[tree.Argument, ...]):
    """The arguments of a call, to tell them from its other children."""


class _Params(tuple[tree.Param, ...]):
    """The parameters of a block or model."""


class _Repeat:
    def __init__(self, count: tree.Expr) -> None:
        self.count = count


@v_args(meta=True)
class _Build(Transformer[Token, Any]):
    """Each rule's children to a record of `tree`."""

    def __init__(self, source: Source) -> None:
        super().__init__(visit_tokens=False)
        self.source = source

    def at(self, meta: Any) -> Span:
        return Span(self.source, getattr(meta, "start_pos", 0), getattr(meta, "end_pos", 0))

    def word(self, token: Token) -> tree.Name:
        return tree.Name(self.token(token), str(token))

    def token(self, token: Token) -> Span:
        return Span(self.source, token.start_pos or 0, token.end_pos or 0)

    def start(self, meta: Any, xs: list[Any]) -> tree.File:
        return tree.File(Span(self.source, 0, len(self.source.text)), tuple(xs))

    def value(self, meta: Any, xs: list[Any]) -> tree.Expr:
        return xs[0]

    def version(self, meta: Any, xs: list[Any]) -> tree.Version:
        return tree.Version(self.at(meta), int(xs[0]))

    def use(self, meta: Any, xs: list[Any]) -> tree.Use:
        return tree.Use(self.at(meta), tree.Text(self.token(xs[0]), str(xs[0])[1:-1]))

    def block(self, meta: Any, xs: list[Any]) -> tree.Block:
        return tree.Block(self.at(meta), self.word(xs[0]), tuple(xs[1]) if len(xs) == 3 else (), xs[-1])

    def model(self, meta: Any, xs: list[Any]) -> tree.ModelItem:
        return tree.ModelItem(self.at(meta), self.word(xs[0]), tuple(xs[1]) if len(xs) == 3 else (), xs[-1])

    def instance(self, meta: Any, xs: list[Any]) -> tree.Instance:
        return tree.Instance(self.at(meta), self.word(xs[0]), self.word(xs[1]), tuple(xs[2]))

    def recipe(self, meta: Any, xs: list[Any]) -> tree.Recipe:
        named = len(xs) > 1 and isinstance(xs[1], Token)
        return tree.Recipe(self.at(meta), str(xs[0]), self.word(xs[1]) if named else None, tuple(xs[1 + named :]))

    def entry(self, meta: Any, xs: list[Any]) -> tree.Entry:
        return tree.Entry(self.at(meta), self.word(xs[0]), xs[1])

    def params(self, meta: Any, xs: list[Any]) -> _Params:
        return _Params(xs)

    def param(self, meta: Any, xs: list[Any]) -> tree.Param:
        return tree.Param(self.at(meta), self.word(xs[0]), xs[1] if len(xs) > 1 else None)

    def choices(self, meta: Any, xs: list[Any]) -> tree.Choices:
        return tree.Choices(self.at(meta), tuple(map(self.word, xs)))

    def body(self, meta: Any, xs: list[Any]) -> tree.Body:
        return tree.Body(self.at(meta), tuple(xs))

    branches = body

    def input_(self, meta: Any, xs: list[Any]) -> tree.Input:
        return tree.Input(self.at(meta), self.word(xs[1]), xs[2], xs[3] if len(xs) > 3 else ())

    def where(self, meta: Any, xs: list[Any]) -> tuple[tree.Expr, ...]:
        return tuple(xs)

    def output(self, meta: Any, xs: list[Any]) -> tree.Output:
        return tree.Output(self.at(meta), self.word(xs[0]))

    def head(self, meta: Any, xs: list[Any]) -> tree.Head:
        return tree.Head(self.at(meta), self.word(xs[0]), xs[1])

    def share(self, meta: Any, xs: list[Any]) -> tree.Share:
        return tree.Share(self.at(meta), self.word(xs[0]), xs[1])

    def defaults(self, meta: Any, xs: list[Any]) -> tree.Defaults:
        return tree.Defaults(self.at(meta), tuple(xs))

    def default(self, meta: Any, xs: list[Any]) -> tree.Invoke:
        return tree.Invoke(self.at(meta), self.word(xs[0]), tuple(xs[1]), None)

    def if_(self, meta: Any, xs: list[Any]) -> tree.If:
        otherwise = xs[-1] if isinstance(xs[-1], tree.Body) else None
        return tree.If(self.at(meta), tuple(xs if otherwise is None else xs[:-1]), otherwise)

    branch_if = if_

    def case(self, meta: Any, xs: list[Any]) -> tree.Case:
        return tree.Case(self.at(meta), xs[0], xs[1])

    branch_case = case

    def for_(self, meta: Any, xs: list[Any]) -> tree.For:
        return tree.For(self.at(meta), xs[0], xs[1], xs[2])

    branch_for = for_

    def names(self, meta: Any, xs: list[Any]) -> tuple[tree.Name, ...]:
        return tuple(map(self.word, xs))

    def pipeline(self, meta: Any, xs: list[Any]) -> tree.Pipeline:
        return tree.Pipeline(self.at(meta), tuple(xs))

    def step(self, meta: Any, xs: list[Any]) -> tree.Step:
        repeat = name = check = None
        for x in xs[1:]:
            if isinstance(x, _Repeat):
                repeat = x.count
            elif isinstance(x, tree.Name):
                name = x
            else:
                check = x
        return tree.Step(self.at(meta), xs[0], repeat, name, check)

    def repeat(self, meta: Any, xs: list[Any]) -> _Repeat:
        return _Repeat(xs[0])

    def name(self, meta: Any, xs: list[Any]) -> tree.Name:
        return self.word(xs[0])

    def check(self, meta: Any, xs: list[Any]) -> tree.Shape:
        return xs[0]

    def begin(self, meta: Any, xs: list[Any]) -> tree.Begin:
        return tree.Begin(self.token(xs[0]))

    def invoke(self, meta: Any, xs: list[Any]) -> tree.Invoke:
        args = next((tuple(x) for x in xs[1:] if isinstance(x, _Args)), ())
        branches = next((x for x in xs[1:] if isinstance(x, tree.Body)), None)
        return tree.Invoke(self.at(meta), self.word(xs[0]), args, branches)

    def args(self, meta: Any, xs: list[Any]) -> _Args:
        return _Args(xs)

    def positional(self, meta: Any, xs: list[Any]) -> tree.Argument:
        return tree.Argument(self.at(meta), None, xs[0])

    def keyword(self, meta: Any, xs: list[Any]) -> tree.Argument:
        return tree.Argument(self.at(meta), self.word(xs[0]), xs[1])

    def branch(self, meta: Any, xs: list[Any]) -> tree.Branch:
        return tree.Branch(self.at(meta), self.word(xs[0]), xs[1] if len(xs) > 1 else None)

    def shape(self, meta: Any, xs: list[Any]) -> tree.Shape:
        if not (isinstance(xs[0], Token) and xs[0].type == "SHAPE"):
            return tree.Shape(self.at(meta), tuple(xs), True)
        span = self.token(xs[0])
        parts: list[tree.Expr] = []
        for part in str(xs[0]).split("x"):
            if part == "_":
                parts.append(tree.Any_(span))
            else:
                parts.append(tree.Literal(span, int(part)) if part.isdigit() else tree.Name(span, part))
        return tree.Shape(span, tuple(parts), False)

    def any(self, meta: Any, xs: list[Any]) -> tree.Any_:
        return tree.Any_(self.token(xs[0]))

    def arrow(self, meta: Any, xs: list[Any]) -> tree.Arrow:
        return tree.Arrow(self.at(meta), tuple(xs))

    def sum_chain(self, meta: Any, xs: list[Any]) -> tree.Chain:
        return tree.Chain(self.at(meta), xs[0], tuple(zip(map(str, xs[1::2]), xs[2::2], strict=True)))

    product_chain = or_chain = and_chain = sum_chain

    def negation(self, meta: Any, xs: list[Any]) -> tree.Prefix:
        return tree.Prefix(self.at(meta), tuple(map(str, xs[:-1])), xs[-1])

    signed = negation

    def comparison(self, meta: Any, xs: list[Any]) -> tree.Compare:
        return tree.Compare(self.at(meta), xs[0], str(xs[1]), xs[2])

    def interval(self, meta: Any, xs: list[Any]) -> tree.Range:
        return tree.Range(self.at(meta), xs[0], xs[1])

    def postfix(self, meta: Any, xs: list[Any]) -> tree.Postfix:
        return tree.Postfix(self.at(meta), xs[0], tuple(xs[1:]))

    def index(self, meta: Any, xs: list[Any]) -> tree.ListOf:
        return tree.ListOf(self.at(meta), (xs[0],))

    def attribute(self, meta: Any, xs: list[Any]) -> tree.Name:
        return self.word(xs[0])

    def number(self, meta: Any, xs: list[Any]) -> tree.Literal:
        token = xs[0]
        return tree.Literal(self.token(token), int(token) if token.type == "INT" else float(token))

    def truth(self, meta: Any, xs: list[Any]) -> tree.Literal:
        return tree.Literal(self.token(xs[0]), str(xs[0]) == "true")

    def size(self, meta: Any, xs: list[Any]) -> tree.SizeLiteral:
        return tree.SizeLiteral(self.token(xs[0]), tuple(map(int, str(xs[0]).split("x"))))

    def text(self, meta: Any, xs: list[Any]) -> tree.Text:
        return tree.Text(self.token(xs[0]), str(xs[0])[1:-1])

    def list(self, meta: Any, xs: list[Any]) -> tree.ListOf:
        return tree.ListOf(self.at(meta), tuple(xs))

    def reference(self, meta: Any, xs: list[Any]) -> tree.Expr:
        name = self.word(xs[0])
        return tree.Apply(self.at(meta), name, tuple(xs[1])) if len(xs) > 1 else name

    def itself(self, meta: Any, xs: list[Any]) -> tree.Name:
        return self.word(xs[0])


@cache
def _parser(start: str) -> Lark:
    return Lark(
        grammar(), start=start, parser="lalr", lexer="contextual", postlex=_Newlines(),
        propagate_positions=True, maybe_placeholders=False,
    )  # fmt: skip


def _run(source: Source, text: str, start: str) -> Any:
    """One parse of `text`, which has the positions of `source`."""
    return _Build(source).transform(_parser(start).parse(text))


def parse(source: Source) -> tree.File:
    """The tree of a file. Raises a `CnnError` with every syntax error found, ordered by place."""
    scan.check(source)
    text, found = source.text, []
    until = time.monotonic() + MOST_SECONDS
    while True:
        try:
            parsed = _run(source, text, "start")
        except UnexpectedInput as e:
            diagnostic, blanked = _mend(source, text, e)
            found.append(diagnostic)
            if blanked == text or len(found) == MOST_ERRORS or time.monotonic() > until:
                break
            text = blanked
        else:
            if not found:
                return parsed
            break
    raise CnnError(sorted(found, key=lambda d: d.span.start if d.span else 0))


def parse_value(source: Source) -> tree.Expr:
    """The tree of one value: `[3, 4, 6, 3]`, `bottleneck(stride_in = first)`, `step(every = 2) -> …`."""
    scan.check(source)
    try:
        return _run(source, source.text, "value")
    except UnexpectedInput as e:
        raise CnnError(_mend(source, source.text, e)[0]) from None


def _mend(source: Source, text: str, e: UnexpectedInput) -> tuple[Diagnostic, str]:
    """What is wrong, and `text` with the place blanked (unchanged where one cannot go on)."""
    token = getattr(e, "token", None)
    at = getattr(e, "pos_in_stream", None)
    if token is not None and token.type == "$END" or at is None:
        return scan.unfinished(source, text), text
    start, end = scan.logical_line(text, at)
    opener = scan.opener(text, at)
    if opener is not None and "\n" in text[opener:at]:
        start, end = scan.logical_line(text, opener)
        message = Diagnostic("E101", f"`{text[opener]}` is not closed", Span(source, opener, opener + 1))
    else:
        expected = set(getattr(e, "expected", None) or getattr(e, "allowed", None) or ())
        message = scan.unexpected(source, text, at, token.type if token is not None else "", expected)
    return message, scan.blank(text, start, end)
