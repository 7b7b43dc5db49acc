"""Inputs of a model: their sizes, symbols among them, and the conditions on symbols."""

from __future__ import annotations

from typing import Any

from cnndsl.errors import CnnError, Span, error
from cnndsl.graph.graph import Graph, Value
from cnndsl.graph.sizes import opened
from cnndsl.graph.types import MOST_ELEMENTS, numbers
from cnndsl.language.evaluate import evaluate, is_size
from cnndsl.language.scope import POISON, Binding, Env
from cnndsl.language.syntax import tree
from cnndsl.language.values import shown


def declare_input(graph: Graph, x: tree.Input, env: Env) -> Value:
    """The input's value, bound to its name. Raises E204, E303, E304, E316, E909."""
    symbols = _symbols(x, env)
    sizes: list[Any] = []
    for part in x.shape.parts:
        if isinstance(part, tree.Anything):
            raise error("E304", "an input's size cannot be left open", part.span, help="write a symbol: HxWx3")
        if isinstance(part, tree.Name) and part.text in symbols:
            sizes.append(symbols[part.text])
            continue
        size = evaluate(part, env)
        if not is_size(size):
            raise error("E302", f"a size is a whole number, not {shown(size)}", part.span)
        if isinstance(size, int) and size < 1:
            raise error("E303", f"a size is at least 1, not {size}", part.span)
        sizes.append(size)
    if len(sizes) > 4:
        raise error("E304", f"an input has at most three axes and channels, not {len(sizes)} sizes", x.shape.span)
    total = numbers(tuple(sizes))
    if total > MOST_ELEMENTS:
        raise error("E909", f"an input of {total:,} numbers; at most {MOST_ELEMENTS:,} are allowed", x.shape.span)
    env.declare(x.name, Binding("value", POISON, span=x.name.span))
    value = graph.input(x.name.text, sizes, span=x.span)
    env.names[x.name.text] = Binding("value", value, span=x.name.span)
    env.input = value if len(graph.inputs) == 1 else None
    return value


def no_input_yet(span: Span, shape: tree.Shape | None) -> CnnError:
    """`input` stands where no input was declared: perhaps as `input: 28x28x1`."""
    told = shape.span.source.text[shape.span.start : shape.span.end] if shape is not None else "28x28x1"
    return error("E205", "there is no input yet", span, help=f"declare it, with a name: input image: {told}")


def nothing_flows(graph: Graph, span: Span) -> CnnError:
    """Why no value has come to a step: there is no input, or there are several."""
    if not graph.inputs:
        help = "write it as the first line, height, width and channels: input image: 28x28x1"
        return error("E205", f"the model {graph.name} has no input, so nothing flows into its steps", span, help=help)
    message = f"the model has {len(graph.inputs)} inputs, and nothing flows here until a line begins with one"
    return error("E205", message, span, help=f"for example: {next(iter(graph.inputs))} -> conv(6, 5x5)")


def _symbols(x: tree.Input, env: Env) -> dict[str, Any]:
    """The symbols of the shape, under its conditions."""
    divisors = dict(map(_divisor, x.where))
    names = [p for p in x.shape.parts if isinstance(p, tree.Name) and env.find(p.text) is None]
    for part in names:
        if not (part.text[0].isupper() and (len(part.text) == 1 or part.text[1:].isdecimal())):
            raise error("E203", f"{part.text} is not known here", part.span, help="a symbol is a capital letter: HxWx3")
        if part.text == "N":
            help = "leave it out: the batch is never written"
            raise error("E204", "N is the batch, which is always free", part.span, help=help)
        opened(part.text, divisors.get(part.text), env.symbols, x.span)
    for name in divisors:
        if name not in {part.text for part in names}:
            raise error("E316", f"{name} is no symbol of this input", x.span)
    return env.symbols


def _divisor(x: tree.Expr) -> tuple[str, int]:
    """`H % 32 == 0` as (H, 32)."""
    match x:
        case tree.Compare(
            left=tree.Chain(first=tree.Name(text=name), rest=(("%", tree.Literal(value=int(divisor))),)),
            operator="==",
            right=tree.Literal(value=0),
        ) if 0 < divisor <= 2**20:
            return name, divisor
    raise error("E316", "a condition has the form H % 32 == 0", x.span)
