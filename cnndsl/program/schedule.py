"""schedule: the order of the kernels, for the smallest peak of memory.

Two orders are weighed: the one the model was written in, and a greedy one that among the kernels that can run takes
the one that frees the most against what it makes. The better is taken, the written one at a tie, because it reads better.
Of the bundled networks none gains by it: they are written depth first. Wide towers that shrink do.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping, Sequence

from cnndsl.graph.graph import Node, Value


def schedule(kernels: Sequence[Node], reads: Mapping[Node, Collection[Value]], kept: Collection[Value]) -> list[Node]:
    """`kernels`, which stand in a valid order, in the order with the smaller peak.

    reads: the kernels' values that each one needs, looked at through views. kept: values that live to the end.
    """
    greedy = _greedy(kernels, reads, kept)
    return greedy if peak(greedy, reads, kept) < peak(kernels, reads, kept) else list(kernels)


def peak(order: Sequence[Node], reads: Mapping[Node, Collection[Value]], kept: Collection[Value]) -> int:
    """The most bytes that live at once, if no two arrays that live together share any."""
    left = _readers(order, reads)
    alive = most = 0
    for node in order:
        alive += sum(y.type.nbytes for y in node.outputs)
        most = max(most, alive)
        for x in reads[node]:
            if x in left:
                left[x] -= 1
                alive -= x.type.nbytes if not left[x] and x not in kept else 0
        alive -= sum(y.type.nbytes for y in node.outputs if not left.get(y) and y not in kept)
    return most


def _readers(order: Sequence[Node], reads: Mapping[Node, Collection[Value]]) -> dict[Value, int]:
    """How many of these kernels read each value that they make."""
    made = {y for node in order for y in node.outputs}
    found: dict[Value, int] = {}
    for node in order:
        for x in reads[node]:
            if x in made:
                found[x] = found.get(x, 0) + 1
    return found


def _greedy(kernels: Sequence[Node], reads: Mapping[Node, Collection[Value]], kept: Collection[Value]) -> list[Node]:
    position = {node: i for i, node in enumerate(kernels)}
    needs = {node: {x.node for x in reads[node] if x.node in position} for node in kernels}
    waiting = {node: len(found) for node, found in needs.items()}
    followers: dict[Node, list[Node]] = {node: [] for node in kernels}
    for node, found in needs.items():
        for before in found:
            followers[before].append(node)
    left = _readers(kernels, reads)

    def change(node: Node) -> int:
        freed = sum(x.type.nbytes for x in reads[node] if left.get(x) == 1 and x not in kept)
        return sum(y.type.nbytes for y in node.outputs) - freed

    ready = [(change(n), position[n], n) for n in kernels if not waiting[n]]
    heapq.heapify(ready)
    order: list[Node] = []
    while ready:
        _, place, node = heapq.heappop(ready)
        now = change(node)
        if ready and (now, place) > ready[0][:2]:  # it frees less than when it became ready, and another more
            heapq.heappush(ready, (now, place, node))
            continue
        order.append(node)
        for x in reads[node]:
            if x in left:
                left[x] -= 1
        for follower in followers[node]:
            waiting[follower] -= 1
            if not waiting[follower]:
                heapq.heappush(ready, (change(follower), position[follower], follower))
    return order
