"""explain: what the passes did, as text: for each its nodes before and after, what fired, what was refused and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from cnndsl.errors import printable
from cnndsl.graph.graph import SOURCES, Graph
from cnndsl.passes.context import Log

MOST_LINES = 40  # of each kind, for each pass


@dataclass(frozen=True, slots=True)
class Size:
    """Of a graph with integer sizes. kernels: nodes that run; traffic: bytes its kernels read and write."""

    nodes: int
    kernels: int
    multiply_adds: int
    traffic: int


def size(graph: Graph) -> Size:
    """Counts of a graph; work and traffic are 0 while a size is unknown."""
    running = [n for n in graph.nodes if n.op not in SOURCES and not n.op.view]
    if not all(y.type.is_static for n in graph.nodes for y in n.outputs):
        return Size(len(graph.nodes), len(running), 0, 0)
    work = sum(n.op.work(n.attrs, *(x.type for x in n.operands)).multiply_adds for n in running if n.op.work)
    traffic = sum(v.type.nbytes for n in running for v in (*dict.fromkeys(n.operands), *n.outputs))
    return Size(len(graph.nodes), len(running), work, traffic)


def explain(log: Log) -> str:
    """The log for people."""
    lines: list[str] = []
    done: Counter[str] = Counter()
    for name, before, after in log.graphs:
        a, b = size(before), size(after)
        lines.append(f"{name}: {a.nodes} → {b.nodes} nodes, {a.kernels} → {b.kernels} kernels")
        if b.traffic:
            lines.append(f"    {b.multiply_adds / 1e6:,.2f} M multiply-adds, {b.traffic / 1e6:,.2f} MB read and written")
        done[name] += 1
        if done[name] > 1:
            continue  # the entries of a pass that runs twice stand at its first mention
        for head, refused in (("", False), ("not ", True)):
            found = Counter((e.what, e.node, e.why) for e in log.entries if e.step == name and bool(e.why) == refused)
            for (what, node, why), times in list(found.items())[:MOST_LINES]:
                more = f" ({times} times)" if times > 1 else ""
                lines.append(f"    {head}{what} at {printable(node)}{': ' + printable(why) if why else ''}{more}")
            if len(found) > MOST_LINES:
                lines.append(f"    … and {len(found) - MOST_LINES} more")
    return "\n".join(lines) + "\n"
