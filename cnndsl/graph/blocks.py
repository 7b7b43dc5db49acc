"""The graph API beyond ops: blocks, names over several steps, branches, heads, shared steps, checked shapes.

    @cnndsl.block                                  # a function of a value; undecorated ones add nothing to names
    def conv_bn(x, filters, kernel=(1, 1)):
        return x.conv(filters, kernel, pad="same_symmetric", bias=False).batch_norm()

    with g.inside("stage1"):                       # { … } as stage1
        x = conv_bn(x, 64, (3, 3))                 # weights: stage1.conv_bn.conv.weight, …

`Naming` gives these to a graph, `Flowing` to a value.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, cast

from cnndsl.errors import error
from cnndsl.graph.naming import Scope, check_name, check_word
from cnndsl.graph.sizes import Size, shown
from cnndsl.graph.types import TensorType, drawn

if TYPE_CHECKING:
    from cnndsl.graph.graph import Graph, Node, Value

P = ParamSpec("P")
R = TypeVar("R")


def block(function: Callable[Concatenate[Value, P], R]) -> Callable[..., R]:
    """`function(x, …)` as a block of the language: its layers are named under its own name, `conv_bn`, then `conv_bn2`.

    The call takes one key more, `name`, which stands in the place of the block's name, and names the value it returns.
    Raises E103, E107, E204 where the function's name, or the one given, cannot name a block.
    """

    @functools.wraps(function)
    def call(x: Value, *args: Any, name: str | None = None, **keys: Any) -> R:
        graph, scope = x.node.graph, x.node.graph.scope
        word = function.__name__
        check_name(word)
        if name is not None:
            scope.declare(name)
        top = not scope.prefix
        with scope.inside(scope.segment(word) if name is None else name):
            result = function(x, *args, **keys)
        if name is not None and top:
            graph.names[name] = _value(result, word)
        return result

    return call


class Shared:
    """A step whose weights are one set, however often it is used: `share tower = …`. Called with a value, like a block."""

    def __init__(self, graph: Graph, path: list[str], function: Callable[[Value], Value]) -> None:
        self.graph = graph
        self.path = path
        self.function = function
        self.first: list[Any] | None = None

    def __call__(self, x: Value) -> Value:
        """The value after the step. Raises E208 where the function does something else than at its first use, E209 where
        the weights do not fit."""
        graph, scope = self.graph, self.graph.scope
        before, start = scope.shared, len(graph.nodes)
        scope.shared = True
        try:
            with scope.elsewhere(self.path):
                result = _value(self.function(x), self.path[-1])
        finally:
            scope.shared = before
        done = wiring([n for n in graph.nodes[start:] if n.op.inputs != 0], x, result)
        if self.first is None:
            self.first = done
        elif self.first != done:
            message = f"the shared step {self.path[-1]} is not what it was at its first use"
            raise error("E208", message, help="a shared step is one pipeline")
        return result


def wiring(nodes: list[Node], x: Value, result: Value) -> list[Any]:
    """What nodes made of `x` do, and on what: equal for two uses of one pipeline."""
    made = {node: k for k, node in enumerate(nodes)}

    def place(y: Value) -> Any:
        if y is x:
            return "input"
        if y.node.op.name == "state":
            return y.node.attrs.name
        return (made[y.node], y.index) if y.node in made else y

    steps: list[Any] = [(n.op.name, n.attrs, n.path, tuple(map(place, n.operands))) for n in nodes]
    return [*steps, place(result)]


class Naming:
    """What a graph offers beside ops."""

    scope: Scope

    @contextmanager
    def inside(self, name: str) -> Iterator[None]:
        """`{ … } as name`: what is made inside is named under `name`, and numbering restarts. Raises E103, E107, E204.

        To name the value itself, say so: `x.named("stage1")`.
        """
        self.scope.declare(name)
        with self.scope.inside(name):
            yield

    @contextmanager
    def branch(self, label: str) -> Iterator[None]:
        """`label: …`, a branch of a join: what is made inside is named under the label; the second of it is `label2`."""
        check_word(label)
        with self.scope.inside(self.scope.segment(label)):
            yield

    def share(self, name: str, function: Callable[[Value], Value]) -> Shared:
        """`share name = …`: a step to be used as often as you like, its weights named where this stands."""
        self.scope.declare(name)
        return Shared(cast("Graph", self), [*self.scope.prefix, self.scope.segment(name)], function)


class Flowing:
    """What a value offers beside ops."""

    __slots__ = ()
    node: Node
    type: TensorType

    @property
    def channels(self) -> Size:
        return self.type.channels

    @property
    def height(self) -> Size:
        return self._side(2, "height")

    @property
    def width(self) -> Size:
        return self._side(1, "width")

    @property
    def depth(self) -> Size:
        return self._side(3, "depth")

    def _side(self, at: int, word: str) -> Size:
        space = self.type.space
        if at > len(space):
            raise error("E304", f"there is no {word}: the value is {drawn(self.type.shape[1:])}")
        found: Size = space[len(space) - at]
        return found

    def named(self, name: str) -> Value:
        """`… as name`, of the value alone: it is known by `name` to losses and to `outputs`. Raises E103, E107, E204, and
        E208 inside a block, whose names nobody outside knows."""
        graph = self.node.graph
        if graph.scope.prefix:
            raise error("E208", f"{name}: a value inside {'.'.join(graph.scope.prefix)} has no name outside of it")
        graph.scope.declare(name)
        graph.names[name] = cast("Value", self)
        return graph.names[name]

    def head(self, name: str, function: Callable[[Value], Value]) -> Value:
        """`head name { … }`: a side output that `function` makes of this value, for training; this value itself flows on.

        Raises E208 inside a block or another head.
        """
        graph = self.node.graph
        value, scope = cast("Value", self), graph.scope
        if scope.prefix:
            raise error("E208", f"the head {name} stands in the model's own body only")
        scope.declare(name)
        with scope.inside(scope.segment(name)):
            scope.head = name
            try:
                graph.heads[name] = _value(function(value), name)
            finally:
                scope.head = ""
        return value

    def check(self, *sizes: Any) -> Value:
        """`: 28x28x6`: this value, if its shape is `sizes`; `_` or None matches any size, a word is a symbol of an input.

        Raises E310 where it is not, E203 for a symbol that no input has.
        """
        graph = self.node.graph
        for s in sizes:
            if isinstance(s, str) and s != "_" and s not in graph.symbols:
                raise error("E203", f"no input has a size {s}")
        wanted = [None if s == "_" else graph.symbols[s] if isinstance(s, str) else s for s in sizes]
        found = self.type.shape[1:]
        if len(wanted) != len(found) or any(w is not None and w != s for w, s in zip(wanted, found, strict=True)):
            said = "x".join("_" if w is None else shown(w) for w in wanted)
            raise error("E310", f"the shape here is {drawn(found)}, not {said}")
        return cast("Value", self)


def _value(x: Any, what: str) -> Value:
    from cnndsl.graph.graph import Value

    if not isinstance(x, Value):
        raise error("E205", f"{what} gives {type(x).__name__}, not a value")
    return x
