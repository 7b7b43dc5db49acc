"""Which layer of a network is meant by a name, and which are worth a picture where none is named."""

from __future__ import annotations

from collections.abc import Sequence

from cnndsl.errors import error, printable
from cnndsl.graph.graph import Graph, Node, Value
from cnndsl.language.spelling import listed, nearest
from cnndsl.view.summary import rows

PASSES_ON = ("batch_norm", "layer_norm", "instance_norm", "group_norm", "lrn", "dropout", "identity")
CONVOLUTIONS = ("conv", "depthwise_conv")


def named_layers(graph: Graph) -> dict[str, Value]:
    """Every layer by its path, as `show --json` has it, and by its own name (`as stage1`), which goes first."""
    found = {row.name: node.outputs[0] for node, row in rows(graph).items()}
    return found | dict(graph.names)


def layer_named(graph: Graph, name: str) -> Value:
    """The layer of that path or name; of a block's path, what the block gives. Raises E203."""
    known = named_layers(graph)
    inside = [x for path, x in known.items() if path.startswith(f"{name}.")]
    if name in known:
        return known[name]
    if inside:
        return max(inside, key=lambda x: x.node.id)
    near = nearest(name, known)
    told = near or f"cnndsl show --json tells the layers of {graph.name}: {listed(known)}"
    raise error("E203", f"{printable(graph.name)} has no layer {name}", help=told)


def name_of(graph: Graph, value: Value) -> str:
    """The name by which `layer_named` finds it: its own where it has one."""
    return next((name for name, x in graph.names.items() if x is value), value.node.path)


def convolution(graph: Graph, name: str = "") -> Node:
    """The first convolution over two axes, or the one of that name. Raises E203, E770 where there is none."""
    if name:
        node = layer_named(graph, name).node
        if not _convolves(node):
            raise error("E770", f"{name} is no convolution of pictures, it is {node.op.name}", help=_some(graph))
        return node
    found = next(filter(_convolves, graph.nodes), None)
    if found is None:
        raise error("E770", f"{printable(graph.name)} has no convolution of pictures")
    return found


def _convolves(node: Node) -> bool:
    return node.op.name in CONVOLUTIONS and node.operands[1].type.rank == 4


def _some(graph: Graph) -> str:
    return f"these are: {listed(n.path for n in graph.nodes if _convolves(n))}"


def telling_layers(graph: Graph, most: int = 8) -> list[Value]:
    """Values worth looking at, over two axes: the named ones (`as stage1`) where there are three of them; else those through
    which all flows, or all where the smallest maps are not among these, after norm, sum and activation. Of more than `most`,
    evenly spread ones."""
    users = graph.users()
    layers = [node for node, row in rows(graph).items() if not row.head]
    alone = _alone(layers, users)
    maps = [node for node in layers if len(node.outputs[0].type.space) == 2]
    named = [node.outputs[0] for node in maps if any(node.outputs[0] is y for y in graph.names.values())]
    if len(named) >= 3:
        return spread(named, most)
    found = [node for node in maps if not _passed_on(users[node.id])]
    trunk = [node for node in found if node in alone]
    deep = len(trunk) >= 3 and _smallest(trunk) == _smallest(found)  # not so in a U: its skips pass by all that is deep
    return spread([node.outputs[0] for node in (trunk if deep else found)], most)


def _smallest(nodes: Sequence[Node]) -> int:
    """Positions of the smallest map; 0 where sizes are open."""
    spaces = [node.outputs[0].type.space for node in nodes]
    return min(h * w if isinstance(h, int) and isinstance(w, int) else 0 for h, w in spaces)


def _alone(layers: Sequence[Node], users: Sequence[Sequence[Node]]) -> set[Node]:
    """Of layers in order, those at which no earlier one is needed any more: between blocks, not within branches."""
    place = {node: k for k, node in enumerate(layers)}
    found, needed = set(), 0
    for k, node in enumerate(layers):
        if needed <= k:
            found.add(node)
        needed = max([needed, *(place[user] for user in users[node.id] if user in place)])
    return found


def _passed_on(follows: Sequence[Node]) -> bool:
    """Whether a value goes into one norm, sum or activation alone."""
    return len(follows) == 1 and (follows[0].op.pointwise is not None or follows[0].op.name in PASSES_ON)


def spread(found: Sequence[Value], most: int) -> list[Value]:
    """The first, the last, and as many between them as `most` allows."""
    if len(found) <= most:
        return list(found)
    return [found[round(k * (len(found) - 1) / (most - 1))] for k in range(most)]
