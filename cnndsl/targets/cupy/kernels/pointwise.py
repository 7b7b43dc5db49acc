"""Generated kernels for pointwise nodes and chains: each number is read, computed with and written by one thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnndsl.graph.expr import Expr, ordered, substitute, variables
from cnndsl.graph.graph import CONSTANT, INPUT, Node, Value
from cnndsl.graph.types import TensorType
from cnndsl.ops.pointwise import result_dtype
from cnndsl.targets.cupy.launch import C_TYPES, Launch, Parameter, launch, number, product

INFIX = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==",
    "and": "&&", "or": "||",
}  # fmt: skip
CALLS = {"abs": "fabs", "exp": "exp", "log": "log", "sqrt": "sqrt", "tanh": "tanh", "erf": "erf", "cos": "cos"}


def expressions(node: Node) -> tuple[Expr, ...]:
    """One expression an output over the node's operands: of a pointwise op, or of a fused chain of them."""
    if node.op.name != "fused":
        return node.op.expressions(node.attrs, len(node.operands))
    attrs: Any = node.attrs
    inputs = list(attrs.inner.inputs.values())
    meaning: dict[Value, Expr] = dict(zip(inputs, variables(len(inputs)), strict=True))
    for x in attrs.inner.nodes:
        if x.op is INPUT:
            continue
        if x.op is CONSTANT:
            meaning[x.outputs[0]] = Expr("const", (), x.attrs.data[0])
        elif x.op.pointwise is None:  # a view: the same numbers
            meaning[x.outputs[0]] = meaning[x.operands[0]]
        else:
            found = x.op.expressions(x.attrs, len(x.operands))
            for y, e in zip(x.outputs, found, strict=True):
                meaning[y] = substitute(e, [meaning[v] for v in x.operands])
    return tuple(meaning[v] for v in attrs.inner.outputs.values())


def pointwise(node: Node, constants: dict[int, Any]) -> list[Launch]:
    """A launch for each shape among the outputs, the largest first: an output may lie over an operand of its own
    shape, and only outputs as large read that. constants: operands that are known numbers."""
    roots = expressions(node)
    shapes = sorted({y.type.sizes for y in node.outputs}, key=lambda s: (-product(s), s))
    launches = []
    for n, shape in enumerate(shapes):
        chosen = [k for k, y in enumerate(node.outputs) if y.type.sizes == shape]
        launches.append(
            chain(node, [roots[k] for k in chosen], chosen, shape, constants, f"{n + 1}" if len(shapes) > 1 else "")
        )
    return launches


def chain(
    node: Node, roots: Sequence[Expr], outputs: Sequence[int], shape: tuple[int, ...], constants: dict[int, Any], suffix: str
) -> Launch:
    types = tuple(x.type for x in node.operands)
    order = ordered(list(roots))
    text: dict[Expr, str] = {}
    parameters: list[Parameter] = []
    loads: list[str] = []
    lines: list[str] = []
    for e in order:
        if e.fn == "var" and e.value not in constants:
            t = types[e.value]
            parameters.append(Parameter(f"x{e.value}", ("x", e.value), t.dtype))
            loads.append(f"const {C_TYPES[t.dtype]} v{e.value} = x{e.value}[{place(t.sizes, shape)}];")
            text[e] = f"v{e.value}"
    for e in order:
        if e.fn in ("var", "const"):
            continue
        args = [operand(a, e, types, text, constants) for a in e.args]
        name = f"t{len(lines)}"
        lines.append(f"const {C_TYPES[kind(e, types)]} {name} = {written(e, args, types)};")
        text[e] = name
    stores = []
    for k, e in zip(outputs, roots, strict=True):
        dtype = node.outputs[k].type.dtype
        value = text.get(e) or literal(constants[e.value] if e.fn == "var" else e.value, dtype)
        parameters.append(Parameter(f"y{k}", ("y", k), dtype, True))
        stores.append(f"y{k}[i] = {value if e in text and kind(e, types) == dtype else f'({C_TYPES[dtype]})({value})'};")
    return launch(parameters, [*loads, *lines, *stores], product(shape), suffix)


def place(sizes: tuple[int, ...], shape: tuple[int, ...]) -> str:
    """The index into an operand of `sizes` for element i of `shape`, by NumPy's broadcasting."""
    while sizes and sizes[0] == 1:
        sizes = sizes[1:]
    if product(sizes) == product(shape):
        return "i"
    if not sizes:
        return "0"
    if sizes == shape[len(shape) - len(sizes) :]:
        return f"i % {product(sizes)}"
    terms, step, inner = [], 1, 1
    for n, size in zip(reversed(sizes), reversed(shape), strict=False):
        if n != 1:
            terms.append(f"i / {inner} % {size} * {step}")
            step *= n
        inner *= size
    return " + ".join(reversed(terms))


def kind(e: Expr, types: tuple[TensorType, ...]) -> str:
    found = result_dtype(e, types)
    return "float32" if found == "const" else found


def operand(a: Expr, user: Expr, types: tuple[TensorType, ...], text: dict[Expr, str], constants: dict[int, Any]) -> str:
    """The text of an argument; a plain number gets the type of what it is combined with."""
    known = a.value if a.fn == "const" else constants.get(a.value) if a.fn == "var" else None
    if known is None:
        return text[a]
    others = user.args[1:] if user.fn == "select" and a is not user.args[0] else user.args
    numbers = tuple(o for o in others if o.fn != "const")
    dtype = kind(Expr("add", numbers) if numbers else user, types)
    return literal(known, dtype)


def literal(value: Any, dtype: str) -> str:
    if dtype == "bool":
        return "true" if value else "false"
    if dtype == "float32":
        return number(float(value))
    if dtype == "float64":
        return repr(float(value)) if abs(float(value)) < float("inf") else f"(double){number(float(value))}"
    return f"({C_TYPES[dtype]}){int(value)}{'ull' if dtype == 'uint64' else 'll'}"


def written(e: Expr, args: list[str], types: tuple[TensorType, ...]) -> str:
    """The C expression of one primitive."""
    c_type = C_TYPES[kind(e, types)]
    if e.fn in INFIX:
        return f"{args[0]} {INFIX[e.fn]} {args[1]}"
    if e.fn in ("min", "max"):
        return f"{'largest' if e.fn == 'max' else 'smallest'}<{c_type}>({args[0]}, {args[1]})"
    if e.fn in CALLS:
        return f"{CALLS[e.fn]}{'f' if c_type == 'float' else ''}({args[0]})"
    match e.fn:
        case "neg":
            return f"-{args[0]}"
        case "not":
            return f"!{args[0]}"
        case "isfinite":
            return f"{args[0]} - {args[0]} == 0"
        case "select":
            return f"{args[0]} ? {args[1]} : {args[2]}"
        case "cast":
            return f"({c_type})({args[0]})"
        case "uniform":
            return f"(double)({args[0]} >> 11) * 1.1102230246251565e-16"
        case _:
            raise ValueError(f"{e.fn} has no CUDA text")
