"""The graph: the one representation everything else is a view or a rewrite of.

A `Graph` is append-only: nodes are added in topological order and never changed. A pass makes a new graph
(`rewrite`). A node belongs to one graph and knows its position in it, so analyses are plain lists indexed by
`node.id` and every walk is a loop.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cnndsl.errors import CnnError, Diagnostic, Frame, Span, briefly, error
from cnndsl.graph.blocks import Flowing, Naming
from cnndsl.graph.expr import Expr
from cnndsl.graph.naming import Scope
from cnndsl.graph.op import REGISTRY, NoAttrs, Op
from cnndsl.graph.sizes import Affine, Size, opened, whole_size
from cnndsl.graph.types import TensorType
from cnndsl.graph.words import Words


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a node comes from: its place in the source, the call chain, and the path that names its weights."""

    path: str = ""
    span: Span | None = None
    frames: tuple[Frame, ...] = ()


NOWHERE = Origin()


class Value(Words, Flowing):
    """One output of a node. Compares by identity. Op words are methods: `x.conv(6, (5, 5)).tanh()`."""

    __slots__ = ("index", "node", "type")

    def __init__(self, node: Node, index: int, type: TensorType) -> None:
        self.node = node
        self.index = index
        self.type = type

    @property
    def shape(self) -> tuple[Any, ...]:
        return self.type.shape

    def __repr__(self) -> str:
        return f"%{self.node.id}{f'.{self.index}' if self.index else ''}: {self.type}"


class Node:
    """One application of an op. `outputs` are its values; frozen once made."""

    __slots__ = ("attrs", "graph", "id", "op", "operands", "origin", "outputs")

    def __init__(
        self,
        graph: Graph,
        id: int,
        op: Op,
        attrs: Any,
        operands: tuple[Value, ...],
        types: Sequence[TensorType],
        origin: Origin,
    ) -> None:
        self.graph = graph
        self.id = id
        self.op = op
        self.attrs = attrs
        self.operands = operands
        self.origin = origin
        self.outputs = (Value(self, 0, types[0]),) if len(types) == 1 else tuple(Value(self, i, t) for i, t in enumerate(types))

    @property
    def path(self) -> str:
        return self.origin.path

    @property
    def resolved(self) -> Any:
        """The attributes with everything that depends on sizes made explicit."""
        return self.op.resolved(self.attrs, *(x.type for x in self.operands))

    def __repr__(self) -> str:
        return f"<{self.id}: {self.op.name} {self.path}>"


@dataclass(frozen=True, slots=True)
class State:
    """An array that outlives a run: a parameter, a buffer, an optimiser's slot, the step counter, or a sum over the parts
    of a step, which nothing reads after its last part.

    init, fan_in, decay: as in `WeightSpec`.
    """

    name: str
    type: TensorType
    kind: str = "parameter"  # parameter | buffer | slot | counter | sum
    init: str = "zeros"
    fan_in: int = 1
    decay: bool = True
    head: str = ""  # the head it belongs to, where it does


@dataclass(frozen=True, slots=True)
class SourceAttrs:
    """Of `input` and `state` nodes: the name. Of `constant` nodes: dtype and numbers, at most 4 KB."""

    name: str = ""
    data: tuple[Any, ...] = ()
    type: TensorType = field(default=TensorType(()))
    batched: bool = False  # whether axis 0 is the batch


def _source_infer(a: SourceAttrs) -> tuple[TensorType]:
    return (a.type,)


def _constant_reference(xp: Any, a: SourceAttrs) -> tuple[Any]:
    return (xp.asarray(a.data, dtype=a.type.dtype).reshape(a.type.shape),)


def _no_reference(xp: Any, a: SourceAttrs) -> tuple[Any]:
    raise ValueError(f"{a.name} is given by the caller")


INPUT = Op("input", SourceAttrs, _source_infer, _no_reference, inputs=0, no_gradient="a source")
STATE = Op("state", SourceAttrs, _source_infer, _no_reference, inputs=0, no_gradient="a source")
CONSTANT = Op("constant", SourceAttrs, _source_infer, _constant_reference, inputs=0, no_gradient="a source", batch="whole")
SOURCES = (INPUT, STATE, CONSTANT)
CONSTANT_BYTES = 4096


class Graph(Naming):
    """Nodes in topological order, with named inputs, state, outputs, updates (state → new value) and named values.

    `names`: values a user named (`as logits`); `heads`: side outputs that exist in training, by name.
    """

    def __init__(self, name: str = "graph") -> None:
        self.name = name
        self.nodes: list[Node] = []
        self.inputs: dict[str, Value] = {}
        self.state: dict[str, State] = {}
        self.state_values: dict[str, Value] = {}
        self.outputs: dict[str, Value] = {}
        self.updates: dict[str, Value] = {}
        self.names: dict[str, Value] = {}
        self.heads: dict[str, Value] = {}
        self.symbols: dict[str, Size] = {}  # sizes that inputs of the graph API leave open, by name
        self.scope = Scope()
        self.origin = NOWHERE  # of nodes added without one: while gradients are formed, the layer they belong to

    # Building -------------------------------------------------------------------------------------------------

    def add(self, op: Op | str, operands: Sequence[Value], attrs: Any = None, origin: Origin = NOWHERE) -> tuple[Value, ...]:
        """Append `op` on `operands`; its outputs. Raises E3xx with the node's place if the shape rule refuses."""
        op = REGISTRY[op] if isinstance(op, str) else op
        attrs = op.attrs() if attrs is None else attrs
        origin = self.origin if origin is NOWHERE else origin
        self.check_own(op, operands, origin)
        try:
            if op.becomes is not None:
                op, attrs = op.becomes(attrs, *(x.type for x in operands))
            types = op.infer(attrs, *(x.type for x in operands))
        except CnnError as e:
            raise placed(e, op.name, origin) from None
        return self.append(op, attrs, tuple(operands), types, origin)

    def check_own(self, op: Op, operands: Sequence[Value], origin: Origin) -> None:
        """Raises E601 where an operand is of another graph."""
        for x in operands:
            if x.node.graph is not self:
                raise error("E601", f"{op.name}: an operand belongs to another graph", origin.span)

    def append(
        self, op: Op, attrs: Any, operands: tuple[Value, ...], types: Sequence[TensorType], origin: Origin
    ) -> tuple[Value, ...]:
        """A node whose types are known to follow from `op.infer`; its outputs."""
        node = Node(self, len(self.nodes), op, attrs, operands, types, origin)
        self.nodes.append(node)
        return node.outputs

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """`g.relu(x)`, `g.conv_weight_grad(x, gy, …)`: any op by name, attributes as keys; what `vjp` rules use."""
        op = REGISTRY.get(name)
        if op is None:
            raise AttributeError(f"{name!r} is not an op")

        def apply(*operands: Value, **attrs: Any) -> Any:
            origin = attrs.pop("origin", NOWHERE)
            found = self.add(op, operands, op.attrs(**attrs), origin)
            return found[0] if len(found) == 1 else found

        return apply

    def input(
        self,
        name: str,
        shape: Sequence[Any],
        dtype: str = "float32",
        *,
        batched: bool = True,
        where: Mapping[str, int] | None = None,
        span: Span | None = None,
    ) -> Value:
        """A named input. `shape` is that of one image, channels last; the batch axis comes first by itself.

        A word in `shape` is a size left open; `where` says of words what divides them:
        `g.input("z", ("H", "W", 3), where={"H": 32, "W": 32})`. Raises E203, E204, E316.
        """
        from cnndsl.graph.types import BATCH

        if not isinstance(name, str):
            raise error("E103", f"{briefly(name)} cannot be the name of an input", span, help='a name is a word: "image"')
        if name in self.inputs or name in self.scope.names[0]:
            raise error("E204", f"there are two inputs named {name}", span)
        if not isinstance(shape, (tuple, list)):
            raise error("E302", f"the shape of an input is a list of sizes, not {briefly(shape)}", span, help="(28, 28, 1)")
        for divisor in (where or {}).values():
            whole_size(divisor, "a divisor in where", span)
        sizes = [self._open(s, where or {}) if isinstance(s, str) else s for s in shape]
        sizes = [s if isinstance(s, Affine) else whole_size(s, f"a size of {name}", span) for s in sizes]
        for word in where or {}:
            if word not in shape:
                raise error("E316", f"{word} is no symbol of this input", span)
        self.scope.names[0].add(name)
        type_ = TensorType(((BATCH, *sizes) if batched else tuple(sizes)), dtype)
        return self.source(INPUT, name, type_, Origin(name, span), batched)

    def _open(self, word: str, where: Mapping[str, int]) -> Size:
        """The size that inputs call `word`."""
        if not (word[:1].isascii() and word[:1].isupper() and (len(word) == 1 or word[1:].isdecimal())):
            raise error("E203", f"{word!r} is not known here", help="a symbol is a capital letter: H, W2")
        if word == "N":
            raise error("E204", "N is the batch, which is always free", help="take another letter")
        return opened(word, where.get(word), self.symbols)

    def source(self, op: Op, name: str, type_: TensorType, origin: Origin = NOWHERE, batched: bool = False) -> Value:
        value = self.add(op, (), SourceAttrs(name, (), type_, batched), origin)[0]
        if op is INPUT:
            self.inputs[name] = value
        return value

    def add_state(self, state: State, origin: Origin = NOWHERE) -> Value:
        """Declare an array that outlives a run, and the value it has before one."""
        if state.name in self.state:
            raise error("E204", f"two weights would be named {state.name}", origin.span)
        self.state[state.name] = state
        value = self.append(STATE, SourceAttrs(state.name, (), state.type), (), (state.type,), origin)[0]
        self.state_values[state.name] = value
        return value

    def constant(self, data: Any, dtype: str = "float32", shape: tuple[int, ...] = ()) -> Value:
        """A small constant: a number, or a flat sequence of numbers with its shape."""
        flat = tuple(data) if isinstance(data, (tuple, list)) else (data,)
        type_ = TensorType(shape, dtype)
        if len(flat) != type_.elements or type_.nbytes > CONSTANT_BYTES:
            raise error("E601", f"a constant of {len(flat)} numbers does not fit {type_}")
        return self.add(CONSTANT, (), SourceAttrs("", flat, type_))[0]

    def pointwise(self, rule: Callable[..., Expr], *operands: Value, origin: Origin = NOWHERE) -> Value:
        """An unnamed scalar function of values: `g.pointwise(lambda e, gy, y: gy * (1 - y * y), gy, y)`."""
        from cnndsl.graph.expr import expr

        op = REGISTRY["pointwise"]
        return self.add(op, operands, op.attrs((expr(rule, len(operands)),)), origin)[0]

    def output(self, value: Value, name: str = "output") -> Value:
        """Return `value` too; under a name of its own it is a named value as well, as after `output name`. Raises E204."""
        if name != "output" and self.names.setdefault(name, value) is not value:
            raise error("E204", f"{name} names another value already")
        self.outputs[name] = value
        return value

    def update(self, state: str, value: Value) -> None:
        """After a run, `state` holds `value`. All reads in the run see the old one."""
        if value.type.shape != self.state[state].type.shape or value.type.dtype != self.state[state].type.dtype:
            raise error("E601", f"the update of {state} has type {value.type}, the state {self.state[state].type}")
        self.updates[state] = value

    # Looking --------------------------------------------------------------------------------------------------

    @property
    def results(self) -> list[Value]:
        """Everything a run is for: outputs, then updates."""
        return [*self.outputs.values(), *self.updates.values()]

    def users(self) -> list[list[Node]]:
        """For each node id, the nodes that read any of its outputs, in order (once per use)."""
        users: list[list[Node]] = [[] for _ in self.nodes]
        for node in self.nodes:
            for x in node.operands:
                users[x.node.id].append(node)
        return users

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    def initial_weights(self, seed: int = 0) -> dict[str, Any]:
        """name → float32 array for every parameter and buffer, drawn by Philox keyed by seed and name. Raises E302."""
        if not hasattr(seed, "__index__") or not -(2**63) <= operator.index(seed) < 2**63:
            raise error("E302", f"a seed is a whole number of 64 bits, not {briefly(seed)}")
        from cnndsl.random import initial_array

        kept = (s for s in self.state.values() if s.kind in ("parameter", "buffer"))
        return {s.name: initial_array(s.name, s.type.sizes, s.init, s.fan_in, operator.index(seed)) for s in kept}

    def to_cnn(self) -> str:
        """The `.cnn` text of a model that parses to this graph again, with the same names of weights.

        Raises E642 for an op that the language has no word for, E646 for what else it cannot say.
        """
        from cnndsl.language.writing.model import graph_to_cnn

        return graph_to_cnn(self)

    def to_networkx(self) -> Any:
        """A `networkx.MultiDiGraph`: nodes by number with `op`, `path`, `types`; edges with `operand` and `output`."""
        from cnndsl.graph.networks import to_networkx

        return to_networkx(self)

    def __repr__(self) -> str:
        return f"<Graph {self.name}: {len(self.nodes)} nodes>"


Visit = Callable[[Graph, Node, tuple[Value, ...]], Sequence[Value] | None]


def rewrite(graph: Graph, visit: Visit, order: Iterable[Node] | None = None, gone: Collection[Node] = ()) -> Graph:
    """A new graph, node by node. `visit(out, node, operands)` gives the values that stand for `node.outputs` in
    `out`, or None to copy the node as it is. Inputs, state, outputs, updates, names and heads follow.

    order: all nodes, operands first; None: as they stand. gone: nodes whose own value is not computed any more, whatever
    stands in their place.
    """
    out = Graph(graph.name)
    out.state.update(graph.state)
    new: dict[int, Sequence[Value]] = {}
    for node in graph.nodes if order is None else order:
        operands = tuple(new[x.node.id][x.index] for x in node.operands)
        found = visit(out, node, operands)
        new[node.id] = copy_node(out, node, operands) if found is None else found
    return finish(out, graph, lambda x: new[x.node.id][x.index], gone)


def finish(out: Graph, graph: Graph, new: Callable[[Value], Value | None], gone: Collection[Node] = ()) -> Graph:
    """`out`, which holds the nodes that stand for those of `graph`, with inputs, state, outputs, updates, names and heads.

    new: what stands for a value; None: nothing does. State that nothing stands for is left out; names and heads of such
    values, and of those that nodes of `gone` made, are forgotten.
    """

    def moved(values: Mapping[str, Value]) -> dict[str, Value]:
        found = {key: new(x) for key, x in values.items() if x.node not in gone}
        return {key: x for key, x in found.items() if x is not None}

    out.inputs.update(moved(graph.inputs))
    out.state_values.update(moved(graph.state_values))
    out.state.update((name, graph.state[name]) for name in graph.state_values if name in out.state_values)
    out.outputs, out.updates = moved(graph.outputs), moved(graph.updates)
    out.names, out.heads = moved(graph.names), moved(graph.heads)
    out.symbols = dict(graph.symbols)
    return out


def copy_node(out: Graph, node: Node, operands: tuple[Value, ...], attrs: Any = None) -> tuple[Value, ...]:
    """`node` again in `out` on other operands; types are inferred anew only where an operand's type changed."""
    same = attrs is None and all(a.type == b.type for a, b in zip(operands, node.operands, strict=True))
    if not same:
        return out.add(node.op, operands, node.attrs if attrs is None else attrs, node.origin)
    made = Node(out, len(out.nodes), node.op, node.attrs, operands, [v.type for v in node.outputs], node.origin)
    out.nodes.append(made)
    return made.outputs


def placed(e: CnnError, what: str, origin: Origin) -> CnnError:
    """`e` with the node's place and call chain, where it has none of its own."""
    return CnnError(
        d
        if d.span is not None
        else replace(d, message=f"{what}: {d.message}", span=origin.span, frames=origin.frames or d.frames)
        for d in e.diagnostics
    )


__all__ = [
    "CONSTANT",
    "Diagnostic",
    "Graph",
    "INPUT",
    "NoAttrs",
    "Node",
    "Origin",
    "STATE",
    "State",
    "Value",
    "copy_node",
    "finish",
    "rewrite",
]
