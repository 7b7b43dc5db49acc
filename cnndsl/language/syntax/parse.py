"""The parser: what each rule of the grammar becomes. `parse` reports several syntax errors in one run (`recover`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from cnndsl.errors import CnnError, Source, Span
from cnndsl.language.syntax import scan, tree
from cnndsl.language.syntax.machine import Build, Machine, Token, Unexpected
from cnndsl.language.syntax.recover import Recovery, mend
from cnndsl.language.syntax.tables import tables


@dataclass(frozen=True, slots=True)
class _Part:
    """Children of a rule that have no record of their own: arguments, parameters, names, a repetition, conditions."""

    kind: str
    span: Span
    items: tuple[Any, ...]


# Punctuation has no part in the records.
_KEPT = frozenset(
    [
        "RECIPE",
        "INPUT",
        "OUTPUT",
        "NAME",
        "LOCAL",
        "INT",
        "FLOAT",
        "SIZE",
        "SHAPE",
        "STRING",
        "CMP",
        "SIGN",
        "STAR",
        "MULOP",
        "AND",
        "OR",
        "NOT",
        "TRUE",
        "FALSE",
        "ANY",
    ]
)


def _rule(build: Callable[[_Build, Span, list[Any]], Any]) -> Callable[[_Build, int, int, list[Any]], Any]:
    """A rule's builder: its place, and the parts that carry meaning."""

    def reduce(self: _Build, begin: int, end: int, parts: list[Any]) -> Any:
        return build(self, Span(self.source, begin, end), parts)

    return reduce


class _Build:
    """Each rule's parts to a record of `tree`, while the parser reduces."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def builders(self) -> dict[str, Build]:
        """rule → its builder. In the grammar a rule whose name is a word of Python has a _ behind it."""
        return {name: getattr(self, name) for name in _RULES}

    def word(self, token: Token) -> tree.Name:
        return tree.Name(Span(self.source, token.start, token.end), token.text)

    def token(self, token: Token) -> Span:
        return Span(self.source, token.start, token.end)

    @_rule
    def start(self, at: Span, xs: list[Any]) -> tree.File:
        return tree.File(Span(self.source, 0, len(self.source.text)), tuple(x for x in xs if not isinstance(x, Token)))

    @_rule
    def value(self, at: Span, xs: list[Any]) -> tree.Expr:
        return xs[0]

    @_rule
    def version(self, at: Span, xs: list[Any]) -> tree.Version:
        return tree.Version(at, int(xs[0].text))

    @_rule
    def use(self, at: Span, xs: list[Any]) -> tree.Use:
        return tree.Use(at, tree.Text(self.token(xs[0]), xs[0].text[1:-1]))

    @_rule
    def block(self, at: Span, xs: list[Any]) -> tree.Block:
        return tree.Block(at, self.word(xs[0]), xs[1].items if len(xs) == 3 else (), xs[-1])

    @_rule
    def model(self, at: Span, xs: list[Any]) -> tree.ModelItem:
        return tree.ModelItem(at, self.word(xs[0]), xs[1].items if len(xs) == 3 else (), xs[-1])

    @_rule
    def instance(self, at: Span, xs: list[Any]) -> tree.Instance:
        return tree.Instance(at, self.word(xs[0]), self.word(xs[1]), xs[2].items)

    @_rule
    def recipe(self, at: Span, xs: list[Any]) -> tree.Recipe:
        named = len(xs) > 1 and isinstance(xs[1], Token)
        return tree.Recipe(at, xs[0].text, self.word(xs[1]) if named else None, tuple(xs[1 + named :]))

    @_rule
    def entry(self, at: Span, xs: list[Any]) -> tree.Entry:
        return tree.Entry(at, self.word(xs[0]), xs[1])

    @_rule
    def params(self, at: Span, xs: list[Any]) -> _Part:
        return _Part("params", at, tuple(xs))

    @_rule
    def param(self, at: Span, xs: list[Any]) -> tree.Param:
        return tree.Param(at, self.word(xs[0]), xs[1] if len(xs) > 1 else None)

    @_rule
    def choices(self, at: Span, xs: list[Any]) -> tree.Choices:
        return tree.Choices(at, tuple(map(self.word, xs)))

    @_rule
    def body(self, at: Span, xs: list[Any]) -> tree.Body:
        return tree.Body(at, tuple(xs))

    branches = body

    @_rule
    def input_(self, at: Span, xs: list[Any]) -> tree.Input:
        return tree.Input(at, self.word(xs[1]), xs[2], xs[3].items if len(xs) > 3 else ())

    @_rule
    def where(self, at: Span, xs: list[Any]) -> _Part:
        return _Part("where", at, tuple(xs))

    @_rule
    def output(self, at: Span, xs: list[Any]) -> tree.Output:
        return tree.Output(at, self.word(xs[0]))

    @_rule
    def head(self, at: Span, xs: list[Any]) -> tree.Head:
        return tree.Head(at, self.word(xs[0]), xs[1])

    @_rule
    def share(self, at: Span, xs: list[Any]) -> tree.Share:
        return tree.Share(at, self.word(xs[0]), xs[1])

    @_rule
    def defaults(self, at: Span, xs: list[Any]) -> tree.Defaults:
        return tree.Defaults(at, tuple(xs))

    @_rule
    def default(self, at: Span, xs: list[Any]) -> tree.Invoke:
        return tree.Invoke(at, self.word(xs[0]), xs[1].items, None)

    @_rule
    def if_(self, at: Span, xs: list[Any]) -> tree.If:
        otherwise = xs[-1] if isinstance(xs[-1], tree.Body) else None
        return tree.If(at, tuple(xs if otherwise is None else xs[:-1]), otherwise)

    branch_if = if_

    @_rule
    def case(self, at: Span, xs: list[Any]) -> tree.Case:
        return tree.Case(at, xs[0], xs[1])

    branch_case = case

    @_rule
    def for_(self, at: Span, xs: list[Any]) -> tree.For:
        return tree.For(at, xs[0].items, xs[1], xs[2])

    branch_for = for_

    @_rule
    def names(self, at: Span, xs: list[Any]) -> _Part:
        return _Part("names", at, tuple(map(self.word, xs)))

    @_rule
    def pipeline(self, at: Span, xs: list[Any]) -> tree.Pipeline:
        return tree.Pipeline(at, tuple(xs))

    @_rule
    def step(self, at: Span, xs: list[Any]) -> tree.Step:
        repeat = name = check = None
        for x in xs[1:]:
            if isinstance(x, _Part) and x.kind == "repeat":
                repeat = x.items[0]
            elif isinstance(x, _Part):
                name = x.items[0]
            else:
                check = x
        return tree.Step(at, xs[0], repeat, name, check)

    @_rule
    def repeat(self, at: Span, xs: list[Any]) -> _Part:
        return _Part("repeat", at, (xs[-1],))

    @_rule
    def name(self, at: Span, xs: list[Any]) -> _Part:
        return _Part("name", at, (self.word(xs[0]),))

    @_rule
    def check(self, at: Span, xs: list[Any]) -> tree.Shape:
        return xs[0]

    @_rule
    def begin(self, at: Span, xs: list[Any]) -> tree.Begin:
        return tree.Begin(self.token(xs[0]))

    @_rule
    def invoke(self, at: Span, xs: list[Any]) -> tree.Invoke:
        args = next((x.items for x in xs[1:] if isinstance(x, _Part)), ())
        branches = next((x for x in xs[1:] if isinstance(x, tree.Body)), None)
        return tree.Invoke(at, self.word(xs[0]), args, branches)

    @_rule
    def args(self, at: Span, xs: list[Any]) -> _Part:
        return _Part("args", at, tuple(xs))

    @_rule
    def positional(self, at: Span, xs: list[Any]) -> tree.Argument:
        return tree.Argument(at, None, xs[0])

    @_rule
    def keyword(self, at: Span, xs: list[Any]) -> tree.Argument:
        return tree.Argument(at, self.word(xs[0]), xs[1])

    @_rule
    def branch(self, at: Span, xs: list[Any]) -> tree.Branch:
        return tree.Branch(at, self.word(xs[0]), xs[1] if len(xs) > 1 else None)

    @_rule
    def shape(self, at: Span, xs: list[Any]) -> tree.Shape:
        if not (isinstance(xs[0], Token) and xs[0].type == "SHAPE"):
            return tree.Shape(at, tuple(xs), True)
        span = self.token(xs[0])
        parts: list[tree.Expr] = []
        for part in xs[0].text.split("x"):
            if part == "_":
                parts.append(tree.Anything(span))
            else:
                parts.append(tree.Literal(span, int(part)) if part.isdigit() else tree.Name(span, part))
        return tree.Shape(span, tuple(parts), False)

    @_rule
    def any(self, at: Span, xs: list[Any]) -> tree.Anything:
        return tree.Anything(self.token(xs[0]))

    @_rule
    def arrow(self, at: Span, xs: list[Any]) -> tree.Arrow:
        return tree.Arrow(at, tuple(xs))

    @_rule
    def sum_chain(self, at: Span, xs: list[Any]) -> tree.Chain:
        return tree.Chain(at, xs[0], tuple(zip((x.text for x in xs[1::2]), xs[2::2], strict=True)))

    product_chain = or_chain = and_chain = sum_chain

    @_rule
    def negation(self, at: Span, xs: list[Any]) -> tree.Prefix:
        return tree.Prefix(at, tuple(x.text for x in xs[:-1]), xs[-1])

    signed = negation

    @_rule
    def comparison(self, at: Span, xs: list[Any]) -> tree.Compare:
        return tree.Compare(at, xs[0], xs[1].text, xs[2])

    @_rule
    def interval(self, at: Span, xs: list[Any]) -> tree.Range:
        return tree.Range(at, xs[0], xs[1])

    @_rule
    def postfix(self, at: Span, xs: list[Any]) -> tree.Postfix:
        return tree.Postfix(at, xs[0], tuple(xs[1:]))

    @_rule
    def index(self, at: Span, xs: list[Any]) -> tree.ListOf:
        return tree.ListOf(at, (xs[0],))

    @_rule
    def attribute(self, at: Span, xs: list[Any]) -> tree.Name:
        return self.word(xs[0])

    @_rule
    def number(self, at: Span, xs: list[Any]) -> tree.Literal:
        token = xs[0]
        return tree.Literal(self.token(token), int(token.text) if token.type == "INT" else float(token.text))

    @_rule
    def truth(self, at: Span, xs: list[Any]) -> tree.Literal:
        return tree.Literal(self.token(xs[0]), xs[0].text == "true")

    @_rule
    def size(self, at: Span, xs: list[Any]) -> tree.SizeLiteral:
        return tree.SizeLiteral(self.token(xs[0]), tuple(map(int, xs[0].text.split("x"))))

    @_rule
    def text(self, at: Span, xs: list[Any]) -> tree.Text:
        return tree.Text(self.token(xs[0]), xs[0].text[1:-1])

    @_rule
    def list_(self, at: Span, xs: list[Any]) -> tree.ListOf:
        return tree.ListOf(at, tuple(xs))

    @_rule
    def reference(self, at: Span, xs: list[Any]) -> tree.Expr:
        name = self.word(xs[0])
        return tree.Apply(at, name, xs[1].items) if len(xs) > 1 else name

    @_rule
    def itself(self, at: Span, xs: list[Any]) -> tree.Name:
        return self.word(xs[0])


_NO_RULES = ("__init__", "builders", "word", "token")
_RULES = [name for name, made in vars(_Build).items() if callable(made) and name not in _NO_RULES]


@cache
def _machine() -> Machine:
    """The parser of our grammar."""
    return Machine(tables(), _KEPT)


def _run(source: Source, text: str, start: str) -> Any:
    """One parse of `text`, which has the positions of `source`."""
    return _machine().run(text, start, _Build(source).builders())


def parse(source: Source) -> tree.File:
    """The tree of a file. Raises a `CnnError` with every syntax error found, ordered by place."""
    scan.check(source)
    trouble = Recovery(source)
    while True:
        try:
            parsed = _run(source, trouble.text, "start")
        except Unexpected as e:
            if not trouble.goes_on(e):
                break
        else:
            if not trouble.found:
                return parsed
            break
    raise CnnError(sorted(trouble.found, key=lambda d: d.span.start if d.span else 0))


def parse_value(source: Source) -> tree.Expr:
    """The tree of one value: `[3, 4, 6, 3]`, `bottleneck(stride_in = first)`, `step(every = 2) -> …`."""
    scan.check(source)
    try:
        return _run(source, source.text, "value")
    except Unexpected as e:
        raise CnnError(mend(source, source.text, e)[0]) from None
