"""The syntax tree: what the text says, before anything is known of what it means. Frozen, each node with its place.

Two trees are equal where they say the same; places do not count.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Union

from cnndsl.errors import Span


def _place() -> Span:
    return field(compare=False, repr=False)  # type: ignore[no-any-return]


# Expressions --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Number:
    value: int | float | bool
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class SizeLiteral:
    """`3x3`: sizes in the order written."""

    parts: tuple[int, ...]
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Text:
    value: str
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Reference:
    """A name, or a name with arguments: a parameter, a word, a block with some arguments fixed, a recipe's call."""

    name: str
    args: tuple[Argument, ...] | None
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class InputRef:
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class OutputRef:
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Attribute:
    base: Expr
    name: str
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Index:
    base: Expr
    at: Expr
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class ListOf:
    items: tuple[Expr, ...]
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Unary:
    sign: str  # + | - | not
    operand: Expr
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Binary:
    sign: str
    left: Expr
    right: Expr
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Between:
    """`a..b`."""

    low: Expr
    high: Expr
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Chain:
    """`resize(256) -> flip`, in a recipe."""

    steps: tuple[Expr, ...]
    span: Span = _place()


Expr = Union[Number, SizeLiteral, Text, Reference, InputRef, OutputRef, Attribute, Index, ListOf, Unary, Binary, Between, Chain]


@dataclass(frozen=True, slots=True)
class Argument:
    """`value`, or `key = value`."""

    key: str | None
    value: Expr
    span: Span = _place()


# Steps ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ShapeNote:
    """`: 28x28x_`. Each part a number, `_`, a symbol, or (in the list form) an expression."""

    parts: tuple[int | str | Expr, ...]
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Label:
    name: str
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Call:
    """`name(arguments) { branches }`."""

    name: str
    args: tuple[Argument, ...]
    branches: tuple[BranchItem, ...] | None
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Begin:
    """`input` as the beginning of a pipeline."""

    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Body:
    statements: tuple[Statement, ...]
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Step:
    what: Call | Begin | Body
    repeat: Expr | None
    label: Label | None
    shape: ShapeNote | None
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Pipeline:
    steps: tuple[Step, ...]
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Branch:
    """`label: pipeline`, or a named value alone."""

    label: Label
    pipeline: Pipeline | None
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class BranchIf:
    cases: tuple[tuple[Expr, tuple[BranchItem, ...]], ...]
    otherwise: tuple[BranchItem, ...]
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class BranchFor:
    names: tuple[Label, ...]
    items: Expr
    branches: tuple[BranchItem, ...]
    span: Span = _place()


BranchItem = Union[Branch, BranchIf, BranchFor]

# Statements and items -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class If:
    cases: tuple[tuple[Expr, Body], ...]
    otherwise: Body | None
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class For:
    names: tuple[Label, ...]
    items: Expr
    body: Body
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Input:
    label: Label
    shape: ShapeNote
    where: tuple[Expr, ...]
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Output:
    label: Label
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Head:
    label: Label
    body: Body
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Share:
    label: Label
    pipeline: Pipeline
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Default:
    op: Label
    args: tuple[Argument, ...]
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Defaults:
    entries: tuple[Default, ...]
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Parameter:
    """`name`, `name = default`, or `name = first | second | …`."""

    label: Label
    default: Expr | None
    words: tuple[str, ...]
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Block:
    label: Label
    params: tuple[Parameter, ...]
    body: Body
    span: Span = _place()


Statement = Union[Pipeline, If, For, Input, Output, Head, Share, Defaults, Block]


@dataclass(frozen=True, slots=True)
class Version:
    number: int
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Use:
    path: Text
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class ModelItem:
    label: Label
    params: tuple[Parameter, ...]
    body: Body
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Instance:
    label: Label
    of: Label
    args: tuple[Argument, ...]
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Entry:
    key: Label
    value: Expr
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class RecipeItem:
    kind: str  # train | eval | task | preprocess
    label: Label | None
    entries: tuple[Entry, ...]
    span: Span = _place()


Item = Union[Version, Use, Defaults, Block, ModelItem, Instance, RecipeItem]


@dataclass(frozen=True, slots=True)
class File:
    items: tuple[Item, ...]
    span: Span = _place()
