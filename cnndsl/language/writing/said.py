"""Whether the language can say a graph, and under which path each of its steps must stand.

`Said` holds the steps of a graph in order, with the path of each; what keeps it from being said raises E642 (an op)
or E646, with the place of the node.
"""

from __future__ import annotations

import re

from cnndsl.errors import CnnError, error
from cnndsl.graph.graph import INPUT, STATE, Graph, Node, Value
from cnndsl.graph.joins import JOINS, difference, is_gate, widest
from cnndsl.graph.naming import check_word, is_name, is_op
from cnndsl.graph.sizes import Affine, Size
from cnndsl.graph.types import BATCH
from cnndsl.language.writing.words import words_for

CHANCE = ("dropout", "spatial_dropout", "stochastic_depth", "noise")
"""Ops whose path is the key of their random numbers."""
Path = tuple[str, ...]


class Said:
    """nodes: the steps, in order. path: of each; empty where any will do. flows: the values a step takes, those that the
    language stretches for a gate as they were before. users: who takes a value. final: values that are more than that."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes: list[Node] = []
        self.path: dict[Node, Path] = {}
        self.flows: dict[Node, tuple[Value, ...]] = {}
        self.users: dict[Value, list[Node]] = {}
        self.heads: dict[Node, str] = {}  # the head that a step's weights belong to
        self.symbols: dict[str, int] = {}
        self._spreads: dict[Node, int] = {}
        check_interface(graph)
        for node in graph.nodes:
            if node.op not in (INPUT, STATE):
                self._node(node)
        self.position = {node: k for k, node in enumerate(self.nodes)}
        self.final = {*graph.outputs.values(), *graph.names.values(), *graph.heads.values()}
        for x in self.final:
            if x.node not in self.position and x.node.op is not INPUT:
                raise unsaid(x.node, "it is a value that no step makes")
        for node, uses in self._spreads.items():
            if uses != 1:
                raise unsaid(node, "a gate is stretched by the one multiply that takes it, and by nothing else")
        self._all_weights()

    def _node(self, node: Node) -> None:
        if node.op.name == "spread":
            self._spreads[node] = 0
            return
        if not words_for(node):
            raise error(
                "E642", f"{_named(node)} has no word in the language", node.origin.span, frames=node.origin.frames,
                help="to_cnn writes networks as they were built, before any pass",
            )  # fmt: skip
        count = len(node.operands) if node.op.inputs is None else node.op.inputs
        for x in node.operands[:count]:
            if x.node.op is STATE:
                raise unsaid(node, f"the weight {x.node.attrs.name} flows into it like a value")
        flows = tuple(self._before_stretching(node, x) for x in node.operands[:count])
        if node.op.name in JOINS:
            self._join(node, flows)
        self.nodes.append(node)
        self.flows[node] = flows
        for x in flows:
            self.users.setdefault(x, []).append(node)
        self.path[node] = self._path(node, node.operands[count:])

    def _before_stretching(self, node: Node, x: Value) -> Value:
        if x.node.op.name != "spread":
            return x
        others = [y.type for y in node.operands if y.node.op.name != "spread"]
        if node.op.name != "multiply" or not others or others[widest(others)].rank != x.type.rank:
            raise unsaid(node, "a stretched value stands only in a multiply, beside the value it is stretched to")
        self._spreads[x.node] += 1
        return x.node.operands[0]

    def _join(self, node: Node, flows: tuple[Value, ...]) -> None:
        """The language's own rules for joins, which the ops do not hold."""
        types = [x.type for x in flows]
        if len(flows) < 2:
            raise unsaid(node, "a join of one branch is that branch, and makes no step")
        first = types[widest(types)]
        for x, given in zip(flows, node.operands, strict=True):
            wanted = is_gate(x.type, first) and node.op.name == "multiply" and x.type.rank != first.rank
            if difference(node.op, node.attrs, first, x.type)[0] or wanted != (given is not x):
                raise unsaid(node, "its operands have shapes that the language does not join")

    def _path(self, node: Node, weights: tuple[Value, ...]) -> Path:
        """The path that names the weights; of a step without, the node's own where it is one."""
        specs = node.op.weights(node.attrs, *(x.type for x in self.flows[node])) if node.op.weights else ()
        wanted = node.path
        for spec, x in zip(specs, weights, strict=True):
            state = self.graph.state.get(x.node.attrs.name) if x.node.op is STATE else None
            if state is None:
                raise unsaid(node, f"its {spec.name} is no weight of its own")
            stem, dot, last = state.name.rpartition(".")
            if not dot or last != spec.name or (spec is not specs[0] and stem != wanted):
                raise unsaid(node, f"its weights are not named by one path: {state.name}")
            wanted = stem
            made = (spec.kind, spec.init, spec.fan_in, spec.decay, spec.shape)
            if made != (state.kind, state.init, state.fan_in, state.decay, state.type.shape):
                raise unsaid(node, f"{state.name} does not begin as this step's {spec.name} does")
            if self.heads.setdefault(node, state.head) != state.head:
                raise unsaid(node, "its weights belong to different heads")
        parts = tuple(wanted.split("."))
        good = bool(wanted) and all(map(is_name, parts))
        if not good and (specs or node.op.name in CHANCE):
            raise unsaid(node, f"{wanted!r} is no path of names")
        return parts if good else ()

    def _all_weights(self) -> None:
        read = {x.node.attrs.name for node in self.nodes for x in node.operands if x.node.op is STATE}
        for name in self.graph.state:
            if name not in read:
                raise error("E646", f"the weight {name} is read by no step", help="a weight belongs to the step that reads it")


def unsaid(node: Node, why: str) -> CnnError:
    """E646 at a node."""
    return error("E646", f"{_named(node)}: {why}", node.origin.span, frames=node.origin.frames)


def _named(node: Node) -> str:
    return f"{node.op.name} {node.path}".rstrip()


def check_interface(graph: Graph) -> None:
    """Refuse inputs, outputs and names that the language does not have: E646."""
    if graph.updates:
        raise error("E646", f"the update of {next(iter(graph.updates))} cannot be said", help="write the model, not its step")
    output = graph.outputs.get("output")
    if output is None or output.node.op in (INPUT, STATE):
        what = "no output" if output is None else "an output that no step makes"
        raise error("E646", f"{graph.name} has {what}", help="the last value of a model is its output: g.output(y)")
    for name, x in graph.outputs.items():
        if name != "output" and graph.names.get(name, x) is not x:
            raise error("E646", f"the output {name} is not the value named {name}")
    for name, x in [*graph.names.items(), *graph.heads.items(), *graph.inputs.items()]:
        _check_name(name, x)
    tables: list[dict[str, Value]] = [graph.inputs, graph.heads, public_names(graph)]
    for k, table in enumerate(tables):
        for other in tables[k + 1 :]:
            for name in table.keys() & other.keys():
                raise error("E646", f"{name} names two things: values, heads and inputs share one set of names")
    for name, x in graph.inputs.items():
        if x.type.dtype != "float32" or not 2 <= x.type.rank <= 5 or x.type.shape[0] != BATCH:
            help = "an input has a free batch, up to three axes and channels, float32: write the model before it is specialised"
            raise error("E646", f"the input {name} is {x.type}", help=help)


def _check_name(name: str, x: Value) -> None:
    try:
        check_word(name)
    except CnnError as e:
        raise error("E646", e.diagnostics[0].message, x.node.origin.span) from None
    if is_op(name):
        raise error("E646", f"{name} is the name of an op, and names no value", x.node.origin.span)


_SYMBOL = re.compile(r"([A-Z][0-9]*)(?:/([0-9]+))?")


def input_line(graph: Graph, name: str, symbols: dict[str, int]) -> str:
    """`input z: HxWx32 where H % 32 == 0`. symbols: those of earlier inputs with what divides them; grows. Raises E646."""
    sizes = graph.inputs[name].type.shape[1:]
    fresh = {}
    for size in sizes:
        if isinstance(size, Affine) and size.const == 0 and len(size.terms) == 1:
            base, divisor = _symbol(name, size.terms[0][0])
            if size.terms[0][1] == divisor and base not in symbols:
                fresh[base] = symbols[base] = divisor
    parts = [_size(name, size, symbols) for size in sizes]
    plain = all(re.fullmatch(r"[A-Z0-9]+", p) for p in parts)
    where = ", ".join(f"{base} % {divisor} == 0" for base, divisor in fresh.items() if divisor > 1)
    return f"input {name}: {'x'.join(parts) if plain else '[' + ', '.join(parts) + ']'}" + (f" where {where}" if where else "")


def _symbol(name: str, text: str) -> tuple[str, int]:
    found = _SYMBOL.fullmatch(text)
    if found is None or found[1] == "N":
        raise error("E646", f"the input {name} has a size {text}, which is no symbol of the language")
    return found[1], int(found[2] or 1)


def _size(name: str, size: Size, symbols: dict[str, int]) -> str:
    if isinstance(size, int):
        return str(size)
    parts = []
    for text, c in size.terms:
        base, divisor = _symbol(name, text)
        if symbols.get(base) != divisor or c < 0:
            raise error("E646", f"the input {name} has a size {size}, which no condition says")
        few = base if divisor == 1 else f"({base} // {divisor})"
        parts.append(base if c == divisor else few if c == 1 else f"{c} * {few}")
    last = "" if not size.const else f" + {size.const}" if size.const > 0 else f" - {-size.const}"
    return " + ".join(parts) + last


def public_names(graph: Graph) -> dict[str, Value]:
    """Names that are known outside: those of values, and those of outputs."""
    return {**graph.names, **{k: v for k, v in graph.outputs.items() if k != "output"}}
