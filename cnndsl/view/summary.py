"""What `cnndsl show` tells about a model: its layers in order, the totals, and the same as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from cnndsl.graph.graph import SOURCES, Graph, Node, Value
from cnndsl.graph.sizes import Size
from cnndsl.view.fold import Group, heads_of, tree
from cnndsl.view.receptive import Seen, seen
from cnndsl.view.words import Padding, activation_bytes, first_parameters, multiply_adds, options, padding, word

if TYPE_CHECKING:
    from cnndsl.language.model import Model

NOTHING = Seen((), (), ())


@dataclass(frozen=True, slots=True)
class Row:
    """One layer. parameters: those that it is the first to use. multiply_adds, bytes: of one image; None: sizes are open."""

    name: str
    op: str
    output_shape: tuple[Size, ...]
    parameters: int
    multiply_adds: int | None
    bytes: int | None = 0
    seen: Seen = NOTHING
    options: str = ""
    padding: Padding | None = None
    named: str = ""
    head: str = ""

    @property
    def receptive_field(self) -> tuple[Size, ...]:
        """How much of the input it depends on, along each axis."""
        return self.seen.size

    @property
    def detail(self) -> str:
        """The options that matter, and what padding and rounding came to."""
        return f"{self.options} {self.padding or ''}".strip()

    def as_dict(self) -> dict[str, Any]:
        found = {
            "name": self.name,
            "op": self.op,
            "options": self.options,
            "output_shape": plain(self.output_shape),
            "parameters": self.parameters,
            "multiply_adds": self.multiply_adds,
            "activation_bytes": self.bytes,
            "receptive_field": plain(self.seen.size),
            "receptive_stride": [number(x) for x in self.seen.step],
            "receptive_offset": [number(x) for x in self.seen.start],
        }
        if self.padding is not None:
            found["pad"] = [plain(pair) for pair in self.padding.pads]
            if self.padding.rounding:
                found["rounding"] = list(self.padding.rounding)
        return found | ({"as": self.named} if self.named else {}) | ({"head": self.head} if self.head else {})


@dataclass(frozen=True, slots=True)
class Summary:
    """A model at a glance. Counts as the papers count: trainable parameters without heads; per image.

    activation_bytes: of all values that layers make, heads left out. peak_bytes: the most of them that are needed at one
    time, when layers run in order and nothing is written in place; the compiler's plan needs less. tree: its blocks.
    """

    name: str
    input_shapes: Mapping[str, tuple[Size, ...]]
    output_shapes: Mapping[str, tuple[Size, ...]]
    parameters: int
    head_parameters: int
    multiply_adds: int | None
    activation_bytes: int | None
    peak_bytes: int | None
    rows: Mapping[Node, Row]
    tree: Group

    @property
    def layers(self) -> tuple[Row, ...]:
        return tuple(self.rows.values())

    def as_dict(self) -> dict[str, Any]:
        """For `--json`: every layer, nothing folded. A size that is not bound yet is its text (`H`)."""
        return {
            "name": self.name,
            "inputs": {name: plain(shape) for name, shape in self.input_shapes.items()},
            "output_shape": plain(self.output_shapes.get("output", ())),
            "outputs": {name: plain(shape) for name, shape in self.output_shapes.items()},
            "parameters": self.parameters,
            "head_parameters": self.head_parameters,
            "multiply_adds": self.multiply_adds,
            "activation_bytes": self.activation_bytes,
            "peak_bytes": self.peak_bytes,
            "layers": [row.as_dict() for row in self.layers],
        }

    def table(self, depth: int | None = None) -> str:
        """For people: one line a layer or block, then the totals. depth: how deep blocks are unfolded."""
        from cnndsl.view.table import table

        return table(self, depth)


def summary(model: Model) -> Summary:
    """What `cnndsl show` tells about `model`: its layers in order, and the totals."""
    return graph_summary(model.graph, model.name)


def graph_summary(graph: Graph, name: str = "") -> Summary:
    """The same of a graph."""
    found = rows(graph)
    main = [row for row in found.values() if not row.head]
    counts = {"": 0, "head": 0}
    for state in graph.state.values():
        if state.kind == "parameter":
            counts["head" if state.head else ""] += state.type.elements
    return Summary(
        name or graph.name,
        {key: value.type.shape[1:] for key, value in graph.inputs.items()},
        {key: value.type.shape[1:] for key, value in graph.outputs.items()},
        counts[""],
        counts["head"],
        total([row.multiply_adds for row in main]),
        total([row.bytes for row in main]),
        peak(graph, found),
        found,
        tree(graph),
    )


def rows(graph: Graph) -> dict[Node, Row]:
    """One row for each node that is no source, in order."""
    fields = seen(graph)
    names: dict[Value, str] = {}
    for name, value in (*graph.names.items(), *((n, v) for n, v in graph.heads.items())):
        names.setdefault(value, name)
    inside = heads_of(graph)
    parameters = first_parameters(graph)
    return {
        node: Row(
            node.path or f"{node.op.name}#{node.id}",
            word(node),
            node.outputs[0].type.shape[1:],
            parameters.get(node, 0),
            multiply_adds(node),
            activation_bytes(node),
            fields.get(node.outputs[0], NOTHING),
            options(node),
            padding(node),
            names.get(node.outputs[0], ""),
            inside.get(node, ""),
        )
        for node in graph.nodes
        if node.op not in SOURCES
    }


def peak(graph: Graph, found: Mapping[Node, Row]) -> int | None:
    """The most bytes of values, inputs included, that are needed at one time; heads left out. None: sizes are open."""
    order = [n for n in graph.nodes if n in found and not found[n].head]
    owner: dict[Node, Node] = {}
    last: dict[Node, int] = {}
    for k, node in enumerate(order):
        owner[node] = owner.get(node.operands[0].node, node.operands[0].node) if node.op.view else node
        for x in node.operands:
            last[owner.get(x.node, x.node)] = k
    for x in graph.outputs.values():
        last[owner.get(x.node, x.node)] = len(order)
    ends: dict[int, list[Node]] = {}
    for node, k in last.items():
        ends.setdefault(k, []).append(node)
    sizes = {node: row.bytes for node, row in found.items()}
    sizes |= {value.node: activation_bytes(value.node) for value in graph.inputs.values()}
    if any(sizes.get(n, 0) is None for n in (*order, *last)):
        return None
    now = most = sum(sizes[v.node] or 0 for v in graph.inputs.values())
    for k, node in enumerate(order):
        now += sizes[node] or 0
        most = max(most, now)
        now -= sum(sizes.get(done) or 0 for done in ends.get(k, []))
    return most


def total(counts: list[int | None]) -> int | None:
    """Their sum; None where one is open."""
    known = [c for c in counts if c is not None]
    return sum(known) if len(known) == len(counts) else None


def plain(shape: tuple[Size, ...]) -> list[int | str]:
    """A shape as data: integers, and the text of what is not bound yet."""
    return [s if isinstance(s, int) else str(s) for s in shape]


def number(x: Fraction | None) -> int | float | None:
    """A whole number where it is one."""
    return None if x is None else int(x) if x.denominator == 1 else float(x)
