"""The table of layers that `cnndsl show` prints, and the same as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cnndsl.errors import CnnError
from cnndsl.graph.graph import SOURCES, STATE, Graph, Node, Value
from cnndsl.graph.sizes import Size
from cnndsl.graph.types import BATCH, drawn
from cnndsl.view.receptive import receptive_fields

if TYPE_CHECKING:
    from cnndsl.language.model import Model

ONE_IMAGE = {str(BATCH): 1}


@dataclass(frozen=True, slots=True)
class Row:
    """One layer. parameters: those that it is the first to use. multiply_adds: of one image; None: sizes are open."""

    name: str
    op: str
    output_shape: tuple[Size, ...]
    parameters: int
    multiply_adds: int | None
    receptive_field: tuple[Size, ...]
    detail: str = ""
    named: str = ""
    head: str = ""

    def as_dict(self) -> dict[str, Any]:
        found = {
            "name": self.name,
            "op": self.op,
            "output_shape": plain(self.output_shape),
            "parameters": self.parameters,
            "multiply_adds": self.multiply_adds,
            "receptive_field": plain(self.receptive_field),
        }
        return found | ({"head": self.head} if self.head else {})


@dataclass(frozen=True, slots=True)
class Summary:
    """A model at a glance. Counts as the papers count: trainable parameters without heads; per image."""

    name: str
    input_shapes: Mapping[str, tuple[Size, ...]]
    output_shape: tuple[Size, ...]
    parameters: int
    head_parameters: int
    multiply_adds: int | None
    layers: tuple[Row, ...]

    def as_dict(self) -> dict[str, Any]:
        """For `--json`. A size that is not bound yet is its text (`H`)."""
        return {
            "name": self.name,
            "inputs": {name: plain(shape) for name, shape in self.input_shapes.items()},
            "output_shape": plain(self.output_shape),
            "parameters": self.parameters,
            "head_parameters": self.head_parameters,
            "multiply_adds": self.multiply_adds,
            "layers": [row.as_dict() for row in self.layers],
        }

    def table(self) -> str:
        """For people: one line a layer, then the totals."""
        inputs = ", ".join(f"{name} {drawn(shape)}" for name, shape in self.input_shapes.items())
        head = ("layer", "op", "output", "parameters", "multiply-adds", "sees")
        rows = [head, *(self._cells(row) for row in self.layers)]
        widths = [max(len(cells[i]) for cells in rows) for i in range(len(head))]
        lines = [f"{self.name}: {inputs} -> {drawn(self.output_shape)}", ""]
        for k, cells in enumerate(rows):
            parts = [c.rjust(w) if i in (3, 4) else c.ljust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True))]
            lines.append("  ".join(parts).rstrip())
            if k == 0:
                lines.append("  ".join("-" * w for w in widths))
        work = "open" if self.multiply_adds is None else f"{self.multiply_adds:,}"
        total = f"{self.parameters:,} parameters ({_bytes(4 * self.parameters)}), {work} multiply-adds an image"
        lines += ["", total]
        if self.head_parameters:
            lines.append(f"and {self.head_parameters:,} parameters in heads, which exist in training only")
        return "\n".join(lines)

    @staticmethod
    def _cells(row: Row) -> tuple[str, ...]:
        work = "?" if row.multiply_adds is None else f"{row.multiply_adds:,}" if row.multiply_adds else ""
        name = f"{row.name} = {row.named}" if row.named and row.named != row.name.rpartition(".")[2] else row.name
        field = drawn(row.receptive_field) if row.receptive_field else ""
        op = f"{row.op} {row.detail}".rstrip()
        return (name, op, drawn(row.output_shape), f"{row.parameters:,}" if row.parameters else "", work, field)


def summary(model: Model) -> Summary:
    """What `cnndsl show` tells about `model`: its layers in order, and the totals."""
    graph = model.graph
    layers = rows(graph)
    work = [row.multiply_adds for row in layers if not row.head]
    known = [w for w in work if w is not None]
    return Summary(
        model.name,
        {name: value.type.shape[1:] for name, value in graph.inputs.items()},
        graph.outputs["output"].type.shape[1:],
        model.parameter_count,
        model.head_parameters,
        sum(known) if len(known) == len(work) else None,
        layers,
    )


def rows(graph: Graph) -> tuple[Row, ...]:
    """One row for each node that is no source, in order."""
    fields = receptive_fields(graph)
    names: dict[Value, str] = {}
    for name, value in graph.names.items():
        names.setdefault(value, name)
    for name, value in graph.heads.items():
        names.setdefault(value, f"{name} (head)")
    inside = _head_of(graph)
    counted: set[str] = set()
    found = []
    for node in graph.nodes:
        if node.op in SOURCES:
            continue
        mine = [x.node.attrs.name for x in node.operands if x.node.op is STATE]
        fresh = [n for n in mine if n in graph.state and graph.state[n].kind == "parameter" and n not in counted]
        counted.update(fresh)
        y = node.outputs[0]
        found.append(
            Row(
                node.path or f"{node.op.name}#{node.id}",
                node.op.name,
                y.type.shape[1:],
                sum(graph.state[n].type.elements for n in fresh),
                _multiply_adds(node),
                fields.get(y, ()),
                _detail(node),
                names.get(y, ""),
                inside.get(node, ""),
            )
        )
    return tuple(found)


def plain(shape: tuple[Size, ...]) -> list[int | str]:
    """A shape as data: integers, and the text of what is not bound yet."""
    return [s if isinstance(s, int) else str(s) for s in shape]


def _head_of(graph: Graph) -> dict[Node, str]:
    """The nodes that only a head needs, with its name."""
    needed: set[Node] = set()
    owner: dict[Node, str] = {}
    roots = [("", x) for x in graph.outputs.values()] + list(graph.heads.items())
    for name, root in roots:
        stack = [root.node]
        while stack:
            node = stack.pop()
            if node in needed:
                continue
            needed.add(node)
            if name:
                owner[node] = name
            stack.extend(x.node for x in node.operands)
    return owner


def _multiply_adds(node: Node) -> int | None:
    """Of one image; None where a size is open."""
    if node.op.work is None:
        return 0
    try:
        return node.op.work(node.attrs, *(x.type.bind(ONE_IMAGE) for x in node.operands)).multiply_adds
    except CnnError:
        return None


def _detail(node: Node) -> str:
    """What the padding and the window came to: `5x5 stride 2 pad 2`."""
    if node.op.window is None:
        return ""
    a = node.attrs
    try:
        a = node.op.resolve(a, *(x.type.bind(ONE_IMAGE) for x in node.operands)) if node.op.resolve else a
    except CnnError:
        return ""
    window = getattr(a, "kernel", None) or getattr(a, "window", None)
    parts = [drawn(tuple(window))] if isinstance(window, tuple) else []
    stride = node.op.window(node.attrs)[1]
    if any(s != 1 for s in stride):
        parts.append(f"stride {_same(tuple(stride))}")
    pads = getattr(a, "pad", ())
    if isinstance(pads, tuple) and any(b or e for b, e in pads):
        parts.append("pad " + _same(tuple(b if b == e else f"{b}+{e}" for b, e in pads)))
    return " ".join(parts)


def _same(sizes: tuple[object, ...]) -> str:
    """`2` where all axes agree, else `2x1`."""
    return str(sizes[0]) if len(set(sizes)) == 1 else "x".join(map(str, sizes))


def _bytes(n: int) -> str:
    return f"{n / 1e6:.1f} MB" if n >= 1e6 else f"{n / 1e3:.0f} kB"
