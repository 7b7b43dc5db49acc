"""`freeze`: which weights of a network stay as they are while the rest is trained."""

from __future__ import annotations

from collections.abc import Iterable

from cnndsl.errors import CnnError, Span, error
from cnndsl.graph.graph import Graph
from cnndsl.language.losses import check_paths

KINDS = ("parameter", "buffer")


def names_under(graph: Graph, paths: Iterable[str], span: Span | None = None) -> frozenset[str]:
    """The weights and running statistics at or under each path: of `stage1` too `stage1.conv.weight`, not `stage10.…`.

    Raises E404, at `span`, for a path without weights; E423 where no parameter would be left to train.
    """
    paths = tuple(paths)
    wrong = list(check_paths(paths, graph, span))
    if wrong:
        raise CnnError(wrong)
    names = [n for n, s in graph.state.items() if s.kind in KINDS]
    found = frozenset(n for n in names for p in paths if n == p or n.startswith(f"{p}."))
    if found and all(n in found for n in names if graph.state[n].kind == "parameter"):
        raise error("E423", "freeze leaves nothing to train", span)
    return found
