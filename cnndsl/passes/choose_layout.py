"""choose_layout: which parts of the graph work on images, and which on arrays of lanes, by what each costs the target.

    images  (N, H, W, C)                 what the model says: the channels of a place lie together
    lanes   (N / L, H, W, C · L)         L images side by side: of each channel of a place, the numbers of L images

Where channels are few and the batch is large, a convolution on lanes gathers less and multiplies longer rows (see
`targets/numpy/kernels/lanes.py`). On the border a value is laid out anew, which costs a pass over memory; so the choice
is made for whole regions: the cheapest two-colouring of the graph, costs on nodes and on borders, which is a minimum
cut (Greig, Porteous, Seheult, "Exact Maximum A Posteriori Estimation for Binary Images", 1989).

What it relies on: `passes/lanes.py`. It must not fire where the target has no kernels for lanes, where the batch is no
multiple of the lanes of every worker, or where the whole gain is less than the borders cost.
"""

from __future__ import annotations

from collections.abc import Sequence

from cnndsl.graph.batch import batched_values
from cnndsl.graph.graph import Graph, Node, Value, copy_node, finish
from cnndsl.graph.target import Target
from cnndsl.passes.context import Context
from cnndsl.passes.lanes import CONVS, in_lanes, refuses

LANES = (64, 32, 16)
LEAST = 100e-6  # seconds that all regions together must win: below, the estimates are worth less


def choose_layout(graph: Graph, ctx: Context) -> Graph:
    """`graph` must be specialised."""
    convs = [n for n in graph.nodes if n.op.name in CONVS]
    if ctx.target is None or not ctx.target.lanes or not convs:
        return graph
    workers = min(ctx.options.workers, ctx.options.batch)
    fitting = [n for n in LANES if ctx.options.batch % (n * workers) == 0]
    if not fitting:
        most = f"{LANES[-1]} images for each of {workers} workers" if workers > 1 else f"{LANES[-1]} images"
        ctx.log.refused("lanes", convs[0], f"{ctx.options.batch} images are no multiple of {most}")
        return graph
    batched = batched_values(graph)
    found = [_Regions(graph, batched, lanes, workers, ctx.target) for lanes in fitting]
    best = max(found, key=lambda r: r.won)
    if best.won < LEAST:
        ctx.log.refused("lanes", convs[0], "no region wins more than laying its values out anew costs")
        return graph
    for node in convs:
        if node in best.chosen:
            ctx.log.fired(f"{node.op.name} on {best.lanes} lanes", node)
        else:
            why = refuses(node, batched) or "it is faster on images, or its neighbours are"
            ctx.log.refused("lanes", node, why)
    return _rewritten(graph, best, batched)


class _Regions:
    """The nodes to put on lanes: the minimum cut. `won`: seconds, the borders paid."""

    def __init__(self, graph: Graph, batched: set[Value], lanes: int, workers: int, target: Target) -> None:
        self.lanes = lanes
        self.gains: dict[Node, float] = {}
        for node in graph.nodes:
            if not refuses(node, batched):
                gain = target.lane_gain(node, lanes, workers)
                if gain is not None:
                    self.gains[node] = gain
        self.chosen: set[Node] = set()
        self.won = 0.0
        if any(g > 0 for g in self.gains.values()):
            self._cut(graph, batched, workers, target)

    def _cut(self, graph: Graph, batched: set[Value], workers: int, target: Target) -> None:
        from cnndsl.graph.networks import cheapest_side

        users = graph.users()
        results = set(graph.results)
        borders: list[tuple[Node, list[Node | None], float]] = []
        for node in graph.nodes:
            for y in node.outputs:
                if y in batched:
                    readers: list[Node | None] = [u for u in dict.fromkeys(users[node.id]) if y in u.operands]
                    if y in results:
                        readers.append(None)
                    if readers:
                        borders.append((node, readers, target.lane_border(y, self.lanes, workers)))
        self.chosen = cheapest_side(self.gains, borders)
        self.won = sum(self.gains[n] for n in self.chosen)
        for node, readers, cost in borders:
            inside = [r in self.chosen for r in readers if r is not None] + [False] * (None in readers)
            self.won -= cost * ((not all(inside)) if node in self.chosen else any(inside))


def _rewritten(graph: Graph, regions: _Regions, batched: set[Value]) -> Graph:
    """The graph with the chosen nodes on lanes; values are laid out anew where they are first needed otherwise."""
    out = Graph(graph.name)
    out.state.update(graph.state)
    lanes = regions.lanes
    images: dict[Value, Value] = {}
    wide: dict[Value, Value] = {}

    def as_images(x: Value) -> Value:
        if x not in images:
            images[x] = out.from_lanes(wide[x], lanes=lanes, origin=x.node.origin)
        return images[x]

    def as_lanes(x: Value) -> Value:
        if x not in wide:
            wide[x] = out.to_lanes(images[x], lanes=lanes, origin=x.node.origin)
        return wide[x]

    for node in graph.nodes:
        if node in regions.chosen:
            operands = tuple(as_lanes(x) if x in batched else as_images(x) for x in node.operands)
            made: Sequence[Value] = in_lanes(out, node, operands, batched, lanes)
            for old, new in zip(node.outputs, made, strict=True):
                (wide if old in batched else images)[old] = new
        else:
            copied = copy_node(out, node, tuple(as_images(x) for x in node.operands))
            images.update(zip(node.outputs, copied, strict=True))
    for value in graph.results:
        as_images(value)
    return finish(out, graph, images.get)
