"""The syntax tree: what a `.cnn` file says, before any of it means something.

Frozen records with their places. Places do not count in comparisons, so that printing a tree and parsing it again
gives an equal one. Chains of operators are flat: only brackets and braces nest.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cnndsl.errors import Span


@dataclass(frozen=True, slots=True)
class Syntax:
    """Anything that stands somewhere."""

    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Name(Syntax):
    """A name in a declaration, and a name (or `input`, `output`) as a value."""

    text: str

    @property
    def local(self) -> bool:
        """Whether it names a value for the text alone: `_low`."""
        return self.text.startswith("_")


# Values ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Literal(Syntax):
    """A number or a truth value."""

    value: int | float | bool


@dataclass(frozen=True, slots=True)
class SizeLiteral(Syntax):
    """`3x3`."""

    parts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Text(Syntax):
    """`"…"`: class names and files."""

    text: str


@dataclass(frozen=True, slots=True)
class ListOf(Syntax):
    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Apply(Syntax):
    """`name(…)` as a value: a function, a block with arguments fixed, a word of a recipe with its options."""

    name: Name
    args: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Postfix(Syntax):
    """`operand[index].attribute…`; an attribute is a Name."""

    operand: Expr
    tail: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Prefix(Syntax):
    """Signs or `not`s before a value, as written."""

    signs: tuple[str, ...]
    operand: Expr


@dataclass(frozen=True, slots=True)
class Chain(Syntax):
    """`first op a op b …`, one level of precedence, from the left."""

    first: Expr
    rest: tuple[tuple[str, Expr], ...]


@dataclass(frozen=True, slots=True)
class Compare(Syntax):
    left: Expr
    operator: str
    right: Expr


@dataclass(frozen=True, slots=True)
class Range(Syntax):
    """`low..high`, both ends included."""

    low: Expr
    high: Expr


@dataclass(frozen=True, slots=True)
class Arrow(Syntax):
    """`a -> b` as a value: a pipeline of image steps, a warm-up before a schedule."""

    steps: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Anything(Syntax):
    """`_` in a shape: any one size."""


Expr = Name | Literal | SizeLiteral | Text | ListOf | Apply | Postfix | Prefix | Chain | Compare | Range | Arrow | Anything


@dataclass(frozen=True, slots=True)
class Argument(Syntax):
    """Positional where `key` is None."""

    key: Name | None
    value: Expr


# Bodies ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shape(Syntax):
    """After `:`. A part is a number, a symbol (Name), `_`, or in the list form any value."""

    parts: tuple[Expr, ...]
    listed: bool


@dataclass(frozen=True, slots=True)
class Invoke(Syntax):
    """`name(args) { branches }`; `branches` None where there are no braces."""

    name: Name
    args: tuple[Argument, ...]
    branches: Body | None


@dataclass(frozen=True, slots=True)
class Begin(Syntax):
    """`input` at the head of a pipeline."""


@dataclass(frozen=True, slots=True)
class Step(Syntax):
    """`primary * repeat as name : check`."""

    primary: Invoke | Begin | Body
    repeat: Expr | None
    name: Name | None
    check: Shape | None


@dataclass(frozen=True, slots=True)
class Pipeline(Syntax):
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Branch(Syntax):
    """`label: pipeline`, or a named value alone."""

    label: Name
    pipeline: Pipeline | None


@dataclass(frozen=True, slots=True)
class Body(Syntax):
    """`{ … }`: statements, or the branches of a join."""

    statements: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Case(Syntax):
    condition: Expr
    body: Body


@dataclass(frozen=True, slots=True)
class If(Syntax):
    cases: tuple[Case, ...]
    otherwise: Body | None


@dataclass(frozen=True, slots=True)
class For(Syntax):
    names: tuple[Name, ...]
    over: Expr
    body: Body


@dataclass(frozen=True, slots=True)
class Head(Syntax):
    name: Name
    body: Body


@dataclass(frozen=True, slots=True)
class Output(Syntax):
    name: Name


@dataclass(frozen=True, slots=True)
class Share(Syntax):
    name: Name
    pipeline: Pipeline


@dataclass(frozen=True, slots=True)
class Defaults(Syntax):
    entries: tuple[Invoke, ...]


@dataclass(frozen=True, slots=True)
class Input(Syntax):
    name: Name
    shape: Shape
    where: tuple[Expr, ...]


# Items ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Choices(Syntax):
    """`B | A | C`: the words of a parameter, the default first."""

    words: tuple[Name, ...]


@dataclass(frozen=True, slots=True)
class Param(Syntax):
    name: Name
    default: Expr | Choices | None


@dataclass(frozen=True, slots=True)
class Block(Syntax):
    name: Name
    params: tuple[Param, ...]
    body: Body


@dataclass(frozen=True, slots=True)
class ModelItem(Syntax):
    name: Name
    params: tuple[Param, ...]
    body: Body


@dataclass(frozen=True, slots=True)
class Instance(Syntax):
    """`model name = template(args)`."""

    name: Name
    template: Name
    args: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Entry(Syntax):
    key: Name
    value: Expr


@dataclass(frozen=True, slots=True)
class Recipe(Syntax):
    """kind: train, eval, task or preprocess."""

    kind: str
    name: Name | None
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Version(Syntax):
    number: int


@dataclass(frozen=True, slots=True)
class Use(Syntax):
    file: Text


Statement = Pipeline | If | For | Head | Output | Share | Defaults | Input | Block | Branch
Item = Version | Use | Defaults | Block | ModelItem | Instance | Recipe


@dataclass(frozen=True, slots=True)
class File(Syntax):
    items: tuple[Item, ...]
