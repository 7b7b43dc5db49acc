"""Equality of graphs: the same nodes in the same order, and the same interface. Iterative, linear in the graph."""

from __future__ import annotations

import hashlib

from cnndsl.graph.graph import Graph
from cnndsl.graph.text import to_text


def fingerprint(graph: Graph) -> str:
    """A hash of all that a graph means: the same for equal graphs, in every process."""
    return hashlib.blake2b(to_text(graph).encode(), digest_size=16).hexdigest()


def equal(a: Graph, b: Graph) -> bool:
    """Whether `a` and `b` are the same graph node by node; where values were written in a source does not count."""
    return len(a.nodes) == len(b.nodes) and to_text(a) == to_text(b)
