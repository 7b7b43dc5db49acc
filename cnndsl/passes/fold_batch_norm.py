"""fold_batch_norm: a scale and a shift of each channel become part of the layer before or after them.

    conv(x, w, b) · s + t            =  conv(x, w · s, b · s + t)                   s, t along the output channels
    conv(x · s + t, w, b)            =  conv(x, w · s, b + Σ w · t)                 s, t along the input channels
    batch_norm(x, γ, β, m, v)        =  x · s + t,   s = γ / √(v + ε),  t = β − m · s

Layers: conv (depthwise too), conv_transpose, dense, and dense behind a flatten, where channels repeat. Output channels
are the last axis of a conv's or dense weight, so `w · s` is NumPy's broadcasting, with groups too; those of a
conv_transpose are the axis before the last, within each group, and so are the input channels of a conv. The new weights
are values: `prepare` makes them whenever weights are loaded; no parameter is changed. Several follow one another.

It must not fire where the value between is read elsewhere or wanted itself, where a weight is used by two layers (it
would be kept twice), or where s and t are the batch's own (training). A shift goes into a layer after it only where that
layer pads with no zeros: those are not shifted. Nor through a ReLU, which keeps no scale of a negative sign.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from cnndsl.graph.expr import Expr, ordered, substitute, variables, wrap
from cnndsl.graph.fixed import fixed_nodes
from cnndsl.graph.graph import Graph, Node, Origin, Value, rewrite
from cnndsl.passes.affine import Affine, affine_of, channel_vectors, computed
from cnndsl.passes.context import Context

LAYERS = ("conv", "conv_transpose", "dense")


def fold_batch_norm(graph: Graph, ctx: Context) -> Graph:
    """`graph` must be specialised."""
    plan = _Plan(graph, ctx)
    parts: dict[Node, tuple[Value, ...]] = {}

    def visit(out: Graph, node: Node, operands: tuple[Value, ...]) -> tuple[Value, ...] | None:
        parts[node] = operands
        if node in plan.layer_before:  # its layer is made in the place of the last that folds into it
            layer = plan.layer_before[node]
            return _folded(out, layer, plan, parts) if plan.after[layer][-1].node is node else (operands[0],)
        if node in plan.layers_after:
            return (operands[plan.layers_after[node].at],)
        if plan.after[node]:
            return (operands[0],)  # read by what folds into it alone
        return _folded(out, node, plan, parts) if plan.before[node] else None

    return rewrite(graph, visit, gone=plan.gone())


@dataclass
class _Plan:
    """What folds where. after[layer], before[layer]: what stands after and before it, the nearest first."""

    graph: Graph
    ctx: Context
    layer_before: dict[Node, Node] = field(default_factory=dict)
    layers_after: dict[Node, Affine] = field(default_factory=dict)
    after: dict[Node, list[Affine]] = field(default_factory=dict)
    before: dict[Node, list[Affine]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        graph = self.graph
        self.users = graph.users()
        self.reads = Counter(x for node in graph.nodes for x in node.operands)
        self.wanted = {x.node for x in graph.results}
        self.fixed = fixed_nodes(graph)
        self.after = {node: [] for node in graph.nodes}
        self.before = {node: [] for node in graph.nodes}
        left: list[tuple[Affine, str]] = []
        for node in graph.nodes:
            found = affine_of(node, self.fixed)
            if found is None:
                if node.op.name == "batch_norm" and not self.fixed[node.id]:
                    self.ctx.log.refused("folded", node, "its statistics are those of the batch")
                continue
            why = self._into_layer_before(found)
            if why:
                left.append((found, why))
        for found, before in reversed(left):  # the nearest to a layer first
            why = self._into_layers_after(found)
            if why:
                self.ctx.log.refused("folded", found.node, f"{before}; {why}")

    def gone(self) -> set[Node]:
        """Nodes whose value no longer exists: layers before the last fold, and what folded into a layer after it."""
        found = set(self.layers_after)
        for layer, chain in self.after.items():
            if chain:
                found |= {layer, *(a.node for a in chain[:-1])}
        return found

    def _into_layer_before(self, a: Affine) -> str:
        """Fold `a` into the layer that makes its operand; or why not."""
        made = a.x.node
        layer = self.layer_before.get(made, made)
        if layer.op.name not in LAYERS:
            return f"before it stands {made.op.name}, no layer with weights"
        if len(self.users[made.id]) != a.node.operands.count(a.x):
            return f"the value of {made.op.name} is read elsewhere too"
        if made in self.wanted:
            return f"the value of {made.op.name} is a result"
        biased = layer.attrs.bias or any(b.shift is not None for b in self.after[layer])
        if a.shift is not None and not biased and not _is_vector(a, a.shift):
            return f"{layer.op.name} has no bias, and one number is no vector for it"
        why = self._weights_refuse(layer)
        if not why:
            self.layer_before[a.node] = layer
            self.after[layer].append(a)
            self.ctx.log.fired(f"folded into {layer.op.name} {layer.path}, before it", a.node)
        return why

    def _weights_refuse(self, layer: Node) -> str:
        if not all(self.fixed[x.node.id] for x in layer.operands[1:]):
            return f"the weights of {layer.op.name} change in every run"
        if any(self.reads[x] > 1 for x in layer.operands[1:]):
            return f"the weights of {layer.op.name} are shared with another layer"
        return ""

    def _into_layers_after(self, a: Affine) -> str:
        """Fold `a` into every layer that reads it; or why not."""
        if a.node in self.wanted:
            return "it is a result"
        layers: list[Node] = []
        waiting = [a.node]
        while waiting:
            node = waiting.pop()
            for user in dict.fromkeys(self.users[node.id]):
                flat = user.op.name in ("flatten", "reshape") and user.outputs[0].type.rank == 2 and user not in self.wanted
                if user in self.layers_after or flat:
                    waiting.append(user)
                    continue
                why = self._layer_refuses(user, a)
                if why:
                    return why
                layers.append(user)
        if not layers:
            return "nothing reads it"
        self.layers_after[a.node] = a
        for layer in layers:
            self.before[layer].append(a)
        names = ", ".join(f"{x.op.name} {x.path}" for x in layers)
        self.ctx.log.fired(f"folded into {names}, after it", a.node)
        return ""

    def _layer_refuses(self, layer: Node, a: Affine) -> str:
        """Why the reader `layer` cannot take `a`."""
        if layer.op.name not in LAYERS:
            what = "no layer with weights" if layer.op.pointwise is None else "through which no shift passes"
            return f"after it stands {layer.op.name}, {what}"
        if a.shift is not None and layer.op.name == "conv_transpose":
            return "at its border a transposed convolution would see less of the shift"
        zeros = layer.op.name == "conv" and layer.attrs.pad_mode == "zero" and any(n > 0 for p in layer.resolved.pad for n in p)
        if a.shift is not None and zeros:
            return f"the zeros that {layer.op.name} pads with would not be shifted"
        return self._weights_refuse(layer)


def _is_vector(a: Affine, e: Expr) -> bool:
    """Whether `e`, over the operands of `a`, has one number a channel."""
    used = (a.node.operands[x.value].type for x in ordered([e]) if x.fn == "var")
    return any(x.rank and x.sizes[-1] == a.x.type.sizes[-1] for x in used)


def _folded(out: Graph, layer: Node, plan: _Plan, parts: dict[Node, tuple[Value, ...]]) -> tuple[Value, ...]:
    """The layer with other weights, made of its own and of what folds into it."""
    x, weight, *rest = parts[layer]
    bias = rest[0] if rest else None
    scales, weights, biases = (
        Origin(f"{layer.path}.folded.{part}", layer.origin.span, layer.origin.frames) for part in ("scale", "weight", "bias")
    )
    name, groups = layer.op.name, getattr(layer.attrs, "groups", 1)
    for a in plan.before[layer]:
        known = _known(out, a, parts[a.node])
        slope, channels = computed(out, a.slope, known, scales), a.x.type.sizes[-1]
        if a.shift is not None:
            shift = computed(out, a.shift, known, biases)
            products = _scaled(out, weight, shift, channels, groups if name == "conv" else 1, biases)
            total = out.reduce_sum(products, axes=tuple(range(products.type.rank - 1)), origin=biases)
            bias = total if bias is None else out.pointwise(lambda e, b, t: b + t, bias, total, origin=biases)
        if name == "conv_transpose":
            weight = _product(out, weight, slope, weights)
        else:
            weight = _scaled(out, weight, slope, channels, groups if name == "conv" else 1, weights)
    for a in plan.after[layer]:
        known = _known(out, a, parts[a.node])
        slope = computed(out, a.slope, known, scales)
        if name == "conv_transpose":
            weight = _scaled(out, weight, slope, a.x.type.sizes[-1], groups, weights)
        else:
            weight = _product(out, weight, slope, weights)
        bias = _shifted(out, a, bias, known, biases)
    attrs = replace(layer.attrs, bias=bias is not None)
    return out.add(layer.op, (x, weight) if bias is None else (x, weight, bias), attrs, layer.origin)


def _known(out: Graph, a: Affine, operands: tuple[Value, ...]) -> dict[int, Value]:
    """The operands of `a` that are known for each channel, by number."""
    moving = a.node.operands[a.at]
    return channel_vectors(out, {i: v for i, v in enumerate(operands) if a.node.operands[i] is not moving})


def _shifted(out: Graph, a: Affine, bias: Value | None, known: dict[int, Value], origin: Origin) -> Value | None:
    """The bias of what was scaled and shifted: the very same function of the old one."""
    if bias is None and a.shift is None:
        return None
    names = [wrap(0.0) if i == a.at and bias is None else v for i, v in enumerate(variables(len(a.node.operands)))]
    found = computed(out, substitute(a.root, names), known if bias is None else {**known, a.at: bias}, origin)
    assert isinstance(found, Value)
    return found


def _product(out: Graph, weight: Value, factor: Value | float, origin: Origin) -> Value:
    """weight · factor, a number or a vector along the last axis."""
    if isinstance(factor, float):
        return out.pointwise(lambda e, w: w * factor, weight, origin=origin)
    return out.pointwise(lambda e, w, s: w * s, weight, factor, origin=origin)


def _scaled(out: Graph, weight: Value, factor: Value | float, channels: int, groups: int, origin: Origin) -> Value:
    """weight · factor along the axis before the last, which holds the channels of each group, or repeats them (flatten).

    Index (i, l) of the last two axes, with l in group g, means channel g · (channels / groups) + i.
    """
    if isinstance(factor, float) or factor.type.elements == 1:
        return _product(out, weight, factor, origin)
    *lead, size, last = weight.type.sizes
    shapes: tuple[tuple[int, ...], tuple[int, ...]] = (*lead, size // channels, channels, last), (channels, 1)
    if groups > 1:
        each = channels // groups
        if each > 1:  # (groups, each) → (each, groups)
            factor = out.channel_shuffle(out.view(factor, shape=(1, channels)), groups=groups, origin=origin)
        shapes = (*lead, size, groups, last // groups), (each, groups, 1)
    product = _product(out, out.view(weight, shape=shapes[0]), out.view(factor, shape=shapes[1]), origin)
    return out.view(product, shape=weight.type.sizes)
