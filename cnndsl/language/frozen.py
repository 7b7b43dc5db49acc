"""Weights by their paths: which of them `freeze` keeps as they are, which begin anew on a trained network."""

from __future__ import annotations

from collections.abc import Iterable

from cnndsl.errors import CnnError, Span, error
from cnndsl.graph.graph import Graph
from cnndsl.language.losses import check_paths

KINDS = ("parameter", "buffer")


def names_under(graph: Graph, paths: Iterable[str], span: Span | None = None, what: str = "freeze") -> frozenset[str]:
    """The weights and running statistics at or under each path: of `stage1` too `stage1.conv.weight`, not `stage10.…`.

    what: the word that named them, for messages. Raises E404, at `span`, for a path without weights.
    """
    paths = tuple(paths)
    wrong = list(check_paths(paths, graph, span, what))
    if wrong:
        raise CnnError(wrong)
    return frozenset(n for n, s in graph.state.items() if s.kind in KINDS for p in paths if n == p or n.startswith(f"{p}."))


def frozen(graph: Graph, paths: Iterable[str], span: Span | None = None) -> frozenset[str]:
    """What `freeze` names. Raises E404, and E423 where no parameter would be left to train."""
    found = names_under(graph, paths, span)
    if found and all(n in found for n, s in graph.state.items() if s.kind == "parameter"):
        raise error("E423", "freeze leaves nothing to train", span, help="leave a layer out of it, such as the last")
    return found
