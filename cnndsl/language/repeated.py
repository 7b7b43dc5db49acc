"""What a step came to the last time it was met. A large model says the same again and again: `conv(64, 3x3)` in each of a
thousand repetitions has the same attributes and, on a value of the same type, makes the same layer.

What is kept is taken again only where all that it depends on is the same: the op, its defaults, what each name in the
arguments means, the types of the values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cnndsl.errors import error
from cnndsl.graph.layers import Layer, layer_of
from cnndsl.graph.op import Op
from cnndsl.graph.types import MOST_ELEMENTS, TensorType, numbers
from cnndsl.language.arguments import op_arguments, op_record
from cnndsl.language.scope import Binding, Env, OpValue
from cnndsl.language.syntax import tree

Names = tuple[tuple[str, Binding | None], ...]


@dataclass(slots=True)
class _Kept:
    """Of one place in the text. names: what its arguments name, None where they ask for a value's size as well."""

    x: tree.Invoke
    names: tuple[str, ...] | None
    op: Op | None = None
    defaults: Mapping[str, Any] | None = None
    fixed: Mapping[str, Any] | None = None
    meant: Names = ()
    attrs: Any = None
    inputs: tuple[TensorType, ...] = ()
    layer: Layer | None = None


class Repeated:
    """The attributes and layers of one elaboration, by the place in the text."""

    def __init__(self) -> None:
        self.kept: dict[int, _Kept] = {}

    def attributes(self, target: OpValue, x: tree.Invoke, env: Env) -> Any:
        """The record of an op's attributes: defaults, what is fixed, what the step says. Raises E201 … E314 as `op_record`."""
        op, defaults = target.op, env.defaults.get(target.op.name)
        kept = self.kept.get(id(x))
        if kept is None:
            kept = self.kept[id(x)] = _Kept(x, _names(x.args))
        elif kept.op is op and kept.defaults is defaults and kept.fixed is target.fixed and _mean(kept.meant, env):
            return kept.attrs
        given = {**(defaults or {}), **target.fixed, **op_arguments(op, x.args, env, target.fixed)}
        attrs = op_record(op, given, x)
        if kept.names is not None:
            kept.op, kept.defaults, kept.fixed, kept.attrs, kept.layer = op, defaults, target.fixed, attrs, None
            kept.meant = tuple((name, env.find(name)) for name in kept.names)
        return attrs

    def layer(self, op: Op, attrs: Any, inputs: Sequence[TensorType], x: tree.Invoke) -> Layer:
        """What the op makes of values of these types. Raises E909 for tensors too large, and what the op's rules refuse."""
        kept = self.kept[id(x)]
        known = kept.attrs is attrs
        if known and kept.layer is not None and tuple(inputs) == kept.inputs:
            kept.inputs = tuple(inputs)  # the next ones are these very types, mostly
            return kept.layer
        found = layer_of(op, attrs, inputs)
        for type_, sizes in [(found.types[0], found.types[0].shape[1:]), *((t, t.shape) for _, t in found.weights)]:
            total = numbers(sizes)
            if total > MOST_ELEMENTS:
                message = f"{op.name} makes {type_} with {total:,} numbers, at most {MOST_ELEMENTS:,} are allowed"
                raise error("E909", message, x.span)
        if known:
            kept.layer, kept.inputs = found, tuple(inputs)
        return found


def _names(args: Sequence[tree.Argument]) -> tuple[str, ...] | None:
    """The names in arguments whose values depend on nothing else; None where they depend on more."""
    found: dict[str, None] = {}
    todo: list[tree.Expr] = [a.value for a in args]
    while todo:
        match todo.pop():
            case tree.Literal() | tree.SizeLiteral() | tree.Anything():
                pass
            case tree.Name(text=text):
                found[text] = None
            case tree.ListOf(items=items):
                todo += items
            case tree.Prefix(operand=operand):
                todo.append(operand)
            case tree.Chain(first=first, rest=rest):
                todo += [first, *(item for _, item in rest)]
            case _:
                return None
    return tuple(found)


def _mean(meant: Names, env: Env) -> bool:
    """Whether every name means here what it meant there."""
    for name, before in meant:
        now = env.find(name)
        if now is before:
            continue
        if now is None or before is None or now.kind != before.kind or not _same(now.value, before.value):
            return False
    return True


def _same(a: Any, b: Any) -> bool:
    """Whether two values are the same, of the same kind: 1 is neither 1.0 nor true."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    return isinstance(a, int | float | str) and a == b
