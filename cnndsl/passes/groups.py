"""Groups of nodes that become one kernel, kept free of cycles by levels. What `fuse` decides with.

Nodes are taken from the results towards the inputs. Every group has a level, above those of all groups that read it:
so an edge always leads from a higher level to a lower one, and joining groups can never close a cycle as long as
that stays true. Each check looks at neighbours only; the whole walk is linear in the graph.
"""

from __future__ import annotations

from collections.abc import Iterable

from cnndsl.graph.graph import Node, Value

MOST_NODES = 48  # in one kernel: beyond, a printed function is too long to read and to keep in registers
FAR = 1 << 60


class Group:
    """Nodes that run as one kernel: an anchor with what stands `before` and after it, or a pointwise chain.

    kind: shape, batched, prepared of a chain's or an epilogue's results; None where there is neither.
    supply: no group that this one reads lies at a lower level.
    """

    __slots__ = ("anchor", "before", "into", "kind", "level", "members", "results", "supply")

    def __init__(self, node: Node, level: int, kind: tuple[object, ...] | None) -> None:
        self.members = [node]
        self.level = level
        self.supply = FAR
        self.kind = kind
        self.anchor: Node | None = None
        self.before: set[Node] = set()  # the anchor and what only it reads
        self.results: set[Value] = set()  # values read outside
        self.into: Group | None = None

    def find(self) -> Group:
        group = self
        while group.into is not None:
            if group.into.into is not None:
                group.into = group.into.into
            group = group.into
        return group

    def can_rise(self, level: int) -> bool:
        return level <= self.level or level < self.supply

    def may_take(self, others: Iterable[Group]) -> bool:
        """Whether a node read by this group and by `others` may join it."""
        return self.can_rise(1 + max((g.level for g in others), default=-1))

    def take(self, node: Node, others: Iterable[Group]) -> None:
        level = 1 + max((g.level for g in others), default=-1)
        self.level = max(self.level, level)
        self.members.append(node)

    def may_merge(self, other: Group) -> bool:
        level = max(self.level, other.level)
        small = len(self.members) + len(other.members) < MOST_NODES
        return small and self.can_rise(level) and other.can_rise(level)

    def merge(self, other: Group) -> None:
        self.level = max(self.level, other.level)
        self.supply = min(self.supply, other.supply)
        self.members += other.members
        self.results |= other.results
        other.into = self


def arrange(groups: list[Group], group_of: list[Group | None], nodes: list[Node]) -> list[list[Node]]:
    """Sources alone and groups as lists of members, in an order in which each comes after what it reads, and as near
    to the old order as that allows."""
    import heapq

    units: list[list[Node]] = []
    unit_of = [0] * len(nodes)
    for node in nodes:
        if group_of[node.id] is None:
            unit_of[node.id] = len(units)
            units.append([node])
    for group in groups:
        for node in group.members:
            unit_of[node.id] = len(units)
        units.append(sorted(group.members, key=lambda n: n.id))
    readers: list[set[int]] = [set() for _ in units]
    missing = [0] * len(units)
    for u, unit in enumerate(units):
        for v in {unit_of[x.node.id] for n in unit for x in n.operands} - {u}:
            readers[v].add(u)
            missing[u] += 1
    ready = [(unit[-1].id, u) for u, unit in enumerate(units) if not missing[u]]
    heapq.heapify(ready)
    order: list[list[Node]] = []
    while ready:
        _, u = heapq.heappop(ready)
        order.append(units[u])
        for v in readers[u]:
            missing[v] -= 1
            if not missing[v]:
                heapq.heappush(ready, (units[v][-1].id, v))
    assert len(order) == len(units), "levels keep groups free of cycles"
    return order
