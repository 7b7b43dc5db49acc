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
    other = greedy(kernels, reads, kept)
    return other if peak(other, reads, kept) < peak(kernels, reads, kept) else list(kernels)


def peak(order: Sequence[Node], reads: Mapping[Node, Collection[Value]], kept: Collection[Value]) -> int:
    """The most bytes that live at once, if no two arrays that live together share any."""
    left = {x: len(found) for x, found in _readers(order, reads).items()}
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


def _readers(order: Sequence[Node], reads: Mapping[Node, Collection[Value]]) -> dict[Value, list[Node]]:
    """Which of these kernels read each value that they make."""
    made = {y for node in order for y in node.outputs}
    found: dict[Value, list[Node]] = {}
    for node in order:
        for x in reads[node]:
            if x in made:
                found.setdefault(x, []).append(node)
    return found


def greedy(kernels: Sequence[Node], reads: Mapping[Node, Collection[Value]], kept: Collection[Value]) -> list[Node]:
    """Always the kernel that can run and makes the least more than it frees; of several, the one that was written first.

    A kernel frees what it is the last to read, unless that is in `kept`.
    """
    position = {node: i for i, node in enumerate(kernels)}
    needs = {node: {x.node for x in reads[node] if x.node in position} for node in kernels}
    waiting = {node: len(found) for node, found in needs.items()}
    followers: dict[Node, list[Node]] = {node: [] for node in kernels}
    for node, found in needs.items():
        for before in found:
            followers[before].append(node)
    readers = _readers(kernels, reads)
    left = {x: len(found) for x, found in readers.items()}

    def change(node: Node) -> int:
        freed = sum(x.type.nbytes for x in reads[node] if left.get(x) == 1 and x not in kept)
        return sum(y.type.nbytes for y in node.outputs) - freed

    ready = [(change(n), position[n], n) for n in kernels if not waiting[n]]
    heapq.heapify(ready)
    order: list[Node] = []
    done: set[Node] = set()
    while ready:
        _, _, node = heapq.heappop(ready)
        if node in done:  # it stands here once more from when it freed less
            continue
        done.add(node)
        order.append(node)
        frees_more: list[Node] = []
        for x in reads[node]:
            if x in left:
                left[x] -= 1
                if left[x] == 1:
                    frees_more += [n for n in readers[x] if n not in done and not waiting[n]]
        for follower in followers[node]:
            waiting[follower] -= 1
            if not waiting[follower]:
                frees_more.append(follower)
        for n in dict.fromkeys(frees_more):
            heapq.heappush(ready, (change(n), position[n], n))
    return order
