"""Elaboration: a model's body, expanded step by step into a graph.

Nothing here recurses on Python's stack: every method that may nest is a generator which yields the methods it needs,
and `drive` keeps them on a list. After an error a poison value flows on, so that each cause is reported once.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import Any, NoReturn

from cnndsl.errors import CnnError, Diagnostic, Frame, Span, error
from cnndsl.graph.graph import Graph, Origin, Value, placed
from cnndsl.graph.layers import place_layer
from cnndsl.graph.op import Op
from cnndsl.language import joins
from cnndsl.language.arguments import bind_parameters, block_arguments
from cnndsl.language.axes import channels_last
from cnndsl.language.called import begins, called
from cnndsl.language.decided import choose, defaults, turns
from cnndsl.language.evaluate import drawn_type, evaluate
from cnndsl.language.inputs import declare_input, no_input_yet, nothing_flows
from cnndsl.language.phrases import plainly
from cnndsl.language.repeated import Repeated
from cnndsl.language.scope import POISON, Binding, BlockValue, Env, OpValue, Poisoned, ShareValue, Words, nearest
from cnndsl.language.syntax import tree
from cnndsl.language.tasks import Enough, Task
from cnndsl.language.values import shown, whole

MOST_STEPS = 100_000
DEEPEST = 100
MOST_REPORTS = 50


class Elaborator:
    """One elaboration of one model."""

    def __init__(self, name: str) -> None:
        self.graph = Graph(name)
        self.found: list[Diagnostic] = []
        self.seen: set[tuple[str, int, int]] = set()
        self.steps = 0
        self.repeated = Repeated()

    # Reports ---------------------------------------------------------------------------------------------------

    def report(self, e: CnnError, env: Env, span: Span | None = None) -> None:
        """Keep an error once for each place; raises Enough after the fiftieth."""
        for d in e.diagnostics:
            at = d.span or span
            key = (d.code, at.start if at else -1, at.end if at else -1)
            if key not in self.seen:
                self.seen.add(key)
                self.found.append(plainly(replace(d, span=at, frames=d.frames or env.frames)))
        if len(self.found) >= MOST_REPORTS:
            raise Enough

    def value_of(self, x: tree.Expr, env: Env, allowed: Words = ()) -> Any:
        """The value of an expression; POISON where that is an error, which is then reported."""
        try:
            return evaluate(x, env, allowed)
        except CnnError as e:
            self.report(e, env, x.span)
        except Poisoned:
            pass
        return POISON

    def tick(self, span: Span, env: Env, count: int = 1) -> None:
        """One more step of the elaboration. Raises Enough beyond the limit, having reported it."""
        self.steps += count
        if self.steps > MOST_STEPS:
            self.report(error("E907", f"the model takes more than {MOST_STEPS:,} steps to expand", span), env)
            raise Enough

    # Bodies ----------------------------------------------------------------------------------------------------

    def body(self, body: tree.Body, value: Any, env: Env) -> Task:
        """The value after the statements of `body`."""
        for statement in body.statements:
            self.tick(statement.span, env)
            try:
                value = yield self.statement(statement, value, env)
            except Poisoned:
                value = POISON
            except CnnError as e:
                self.report(e, env, statement.span)
                value = POISON if isinstance(statement, (tree.Pipeline, tree.If, tree.For, tree.Input)) else value
        return value

    def statement(self, x: tree.Statement, value: Any, env: Env) -> Any:
        """The value after one statement, or the task that makes it."""
        match x:
            case tree.Pipeline():
                return self.pipeline(x, value, env)
            case tree.If():
                chosen = choose(x, env)
                return value if chosen is None else self.body(chosen, value, env)
            case tree.For():
                return self.turned(x, value, env)
            case tree.Block():
                env.declare(x.name, Binding("block", BlockValue(x, env), span=x.name.span))
            case tree.Defaults():
                env.defaults = defaults(x, env)
            case tree.Share():
                path = self.graph.scope.path(self.graph.scope.segment(x.name.text))
                env.declare(x.name, Binding("share", ShareValue(x.pipeline, env, path), span=x.name.span))
            case tree.Head() | tree.Output() | tree.Input() if not env.top:
                what = type(x).__name__.lower()
                raise error("E208", f"{what} stands in a model's own body only", x.span)
            case tree.Head():
                return self.head(x, value, env)
            case tree.Input():
                made = declare_input(self.graph, x, env)
                return made if value is None and len(self.graph.inputs) == 1 else None
            case tree.Output():
                found = env.find(x.name.text)
                if found is None or found.kind != "value":
                    help = nearest(x.name.text, self.graph.names)
                    raise error("E203", f"no value is named {x.name.text}", x.name.span, help=help)
                if found.value is not POISON:
                    self.graph.output(found.value, x.name.text)
            case _:
                raise error("E208", "a branch stands only in a join", x.span)
        return value

    def turned(self, x: tree.For, value: Any, env: Env) -> Task:
        """The value after the turns of a `for`."""
        for child in turns(x, env):
            self.tick(x.span, env)
            value = yield self.body(x.body, value, child)
        return value

    def head(self, x: tree.Head, value: Any, env: Env) -> Task:
        """A side output; the value that came in flows on."""
        scope = self.graph.scope
        env.declare(x.name, Binding("head", None, span=x.name.span))  # only the name leaves it, for losses
        with scope.inside(scope.segment(x.name.text)):
            out = yield self.body(x.body, value, Env(env, head=x.name.text, input=value))
        if out is not POISON and out is not None:
            self.graph.heads[x.name.text] = out
        return value

    # Pipelines -------------------------------------------------------------------------------------------------

    def pipeline(self, x: tree.Pipeline, value: Any, env: Env) -> Task:
        """The value after a pipeline, as a task."""
        alone = len(x.steps) == 1 and x.steps[0].name is None
        return self.step(x.steps[0], value, env, True, None) if alone else self.groups(x, value, env)

    def groups(self, x: tree.Pipeline, value: Any, env: Env) -> Task:
        """Steps in groups, each up to a name: `a -> b as first -> c as second`."""
        start = 0
        for end, last in enumerate(x.steps):
            if last.name is None and end < len(x.steps) - 1:
                continue
            group = x.steps[start : end + 1]
            real = [s for i, s in enumerate(group) if not (start == i == 0 and begins(s, env))]
            if last.name:
                env.free(last.name)
            name = last.name.text if last.name and not last.name.local else None
            alone = len(real) == 1 and real[0].repeat is None
            scope = self.graph.scope
            with scope.inside(scope.segment(name)) if name and not alone else nullcontext():
                for i, step in enumerate(group):
                    head = start == i == 0
                    value = yield self.step(step, value, env, head, name if alone and step is real[0] else None)
            if last.name:
                self.bind(last.name, value, env)
            if last.name and last.check is not None:
                value = self.checked(last.check, value, env)
            start = end + 1
        return value

    def bind(self, name: tree.Name, value: Any, env: Env) -> None:
        env.declare(name, Binding("value", value, span=name.span))
        top: Env | None = env
        if value is not POISON and value is not None and top is not None and top.top and not name.local:
            self.graph.names[name.text] = value

    def step(self, x: tree.Step, value: Any, env: Env, first: bool, segment: str | None) -> Task:
        """`primary * n : shape`."""
        count = 1
        if x.repeat is not None:
            found = self.value_of(x.repeat, env)
            if found is POISON:
                return POISON
            try:
                count = whole(found, "a repetition")
            except CnnError as e:
                self.report(e, env, x.repeat.span)
                return POISON
            if count > MOST_STEPS:
                self.too_many(f"{count:,} repetitions", x.repeat.span, env)
        for i in range(count):
            before, spent = value, self.steps
            self.tick(x.span, env)
            turn = f", repetition {i + 1} of {count}" if count > 1 else ""
            try:
                value = yield self.primary(x, value, env, first, segment, turn)
            except Poisoned:
                value = POISON
            except CnnError as e:
                self.report(e, env, x.primary.span)
                value = POISON
            if before is POISON and value is POISON:
                break  # what is wrong in what follows has been said
            if x.repeat is not None and isinstance(before, Value) and isinstance(value, Value) and before.type == value.type:
                each = self.steps - spent  # what follows meets the same value, and takes as many steps
                if self.steps + each * (count - i - 1) > MOST_STEPS:
                    self.too_many(f"{count:,} repetitions of {each:,} steps", x.repeat.span, env)
        return self.checked(x.check, value, env) if x.check is not None and x.name is None else value

    def too_many(self, what: str, span: Span, env: Env) -> NoReturn:
        self.report(error("E907", f"{what}: a model takes at most {MOST_STEPS:,} steps to expand", span), env)
        raise Enough

    def primary(self, step: tree.Step, value: Any, env: Env, first: bool, segment: str | None, turn: str) -> Any:
        """The value after one step, or the task that makes it."""
        x = step.primary
        if first and begins(step, env):
            if isinstance(x, tree.Invoke):
                return env.find(x.name.text).value  # type: ignore[union-attr]
            if env.top and not self.graph.inputs:
                raise no_input_yet(x.span, step.check)
            if env.input is None:
                raise error("E205", "there is no input here, or more than one: name it", x.span)
            return env.input
        if isinstance(x, tree.Begin):
            raise error("E205", "a value stands only at the beginning of a pipeline", x.span)
        if value is None:
            raise nothing_flows(self.graph, x.span)
        if isinstance(x, tree.Body):
            frames = (Frame(turn[2:], x.span), *env.frames) if turn else env.frames
            return self.inner(x, value, Env(env, frames=frames), segment)
        target = called(x, env)
        if isinstance(target, OpValue):
            return self.op(target, x, value, env, segment)
        if isinstance(target, ShareValue):
            return self.shared(x, target, value, env)
        return self.call(target, x, value, env, segment, turn)

    def inner(self, x: tree.Body, value: Any, env: Env, segment: str | None) -> Task:
        """`{ … }` as a step."""
        with self.graph.scope.inside(segment) if segment else nullcontext():
            return (yield self.body(x, value, env))

    # Steps -----------------------------------------------------------------------------------------------------

    def op(self, target: OpValue, x: tree.Invoke, value: Any, env: Env, segment: str | None) -> Any:
        """An op's value, or the task that makes its branches first."""
        op = target.op
        if x.branches is not None and op.name not in joins.JOINS:
            raise error("E208", f"{op.name} has no branches", x.branches.span, help=f"{', '.join(joins.JOINS)} have")
        attrs = self.repeated.attributes(target, x, env)
        scope = self.graph.scope
        path = scope.path(segment or scope.segment(op.name))
        if op.name in joins.JOINS:
            if x.branches is None:
                raise error("E208", f"{op.name} needs branches", x.span, help=f"{op.name} {{ main: …; skip: identity }}")
            return self.join(op, attrs, x, x.branches, value, env, segment, path)
        if op.inputs != 1:
            raise error("E208", f"{op.name} stands in a recipe, not among the steps", x.span)
        return value if value is POISON else self.add(op, [value], attrs, path, x, env)

    def join(
        self, op: Op, attrs: Any, x: tree.Invoke, body: tree.Body, value: Any, env: Env, segment: str | None, path: str
    ) -> Task:
        found: list[joins.Part] = []
        with self.graph.scope.inside(segment) if segment else nullcontext():
            yield self.branches(body, value, env, found)
        parts = joins.fitted(self.graph, op, attrs, found, x, value)
        return self.add(op, parts, attrs, path, x, env) if len(parts) > 1 else parts[0]

    def add(self, op: Op, inputs: list[Value], attrs: Any, path: str, x: tree.Invoke, env: Env) -> Value:
        """The node, with its weights."""
        origin = Origin(path, x.span, env.frames)
        try:
            layer = self.repeated.layer(op, attrs, [v.type for v in inputs], x)
        except CnnError as e:
            raise placed(e, op.name, origin) from None
        return place_layer(self.graph, layer, inputs, origin, env.head, reuse=env.shared)

    def branches(self, body: tree.Body, value: Any, env: Env, found: list[joins.Part]) -> Task:
        """The values of a join's branches, appended to `found`."""
        scope = self.graph.scope
        for x in body.statements:
            self.tick(x.span, env)
            match x:
                case tree.Branch(pipeline=None):
                    named = env.find(x.label.text)
                    if named is None or named.kind != "value":
                        known = [n for n in env.visible() if (b := env.find(n)) and b.kind == "value"]
                        help = nearest(x.label.text, known) or f"a branch is written `{x.label.text}: step -> step`"
                        raise error("E203", f"{x.label.text} is not a named value", x.span, help=help)
                    found.append(joins.Part(x.label.text, named.value, x.label.span))
                case tree.Branch():
                    assert x.pipeline is not None
                    with scope.inside(scope.segment(x.label.text)):
                        try:
                            made = yield self.pipeline(x.pipeline, value, Env(env))
                        except CnnError as e:
                            self.report(e, env, x.span)
                            made = POISON
                    found.append(joins.Part(x.label.text, made, x.pipeline.span))
                case tree.If():
                    chosen = choose(x, env)
                    if chosen is not None:
                        yield self.branches(chosen, value, env, found)
                case tree.For():
                    for child in turns(x, env):
                        yield self.branches(x.body, value, child, found)

    def call(self, target: BlockValue, x: tree.Invoke, value: Any, env: Env, segment: str | None, turn: str) -> Task:
        """Expand a block."""
        if x.branches is not None:
            raise error("E208", f"{x.name.text} is a block and has no branches", x.branches.span)
        if env.depth >= DEEPEST:
            self.report(error("E906", f"blocks nest at most {DEEPEST} deep", x.span, help="end the recursion with an if"), env)
            raise Enough
        given = block_arguments(target, x.args, env)
        told = ", ".join(f"{k} = {shown(v)}" for k, v in {**target.fixed, **given}.items())
        what = f"{target.block.name.text}({told})" if told else target.block.name.text
        frames = (Frame(what + turn, x.span), *env.frames)
        inner = Env(target.env, frames=frames, depth=env.depth + 1, head=env.head, shared=env.shared, input=value)
        inner.symbols = env.symbols
        bind_parameters(target, {**target.fixed, **given}, inner, x.span)
        scope = self.graph.scope
        with scope.inside(segment or scope.segment(x.name.text)):
            return (yield self.body(target.block.body, value, inner))

    def shared(self, x: tree.Invoke, share: ShareValue, value: Any, env: Env) -> Task:
        """Expand a shared step: the same names, hence the same weights, each time."""
        if x.args or x.branches is not None:
            raise error("E206", f"{x.name.text} is a shared step and takes no arguments", x.span)
        frames = (Frame(f"share {x.name.text}", x.span), *env.frames)
        inner = Env(share.env, frames=frames, depth=env.depth + 1, head=env.head, shared=True, input=value)
        if env.depth >= DEEPEST:
            self.report(error("E906", f"blocks nest at most {DEEPEST} deep", x.span), env)
            raise Enough
        with self.graph.scope.elsewhere(share.path.split(".")):
            return (yield self.pipeline(share.pipeline, value, inner))

    # Shapes ----------------------------------------------------------------------------------------------------

    def wanted(self, shape: tree.Shape, env: Env) -> list[Any]:
        """The sizes that are written: None for `_`, POISON for what cannot be evaluated, which is then reported."""
        wanted: list[Any] = []
        for part in shape.parts:
            if isinstance(part, tree.Anything):
                wanted.append(None)
            elif not shape.listed and isinstance(part, tree.Name) and part.text in env.symbols and env.find(part.text) is None:
                wanted.append(env.symbols[part.text])
            else:
                wanted.append(self.value_of(part, env))
        return wanted

    def checked(self, shape: tree.Shape, value: Any, env: Env) -> Any:
        """`value`, if its shape is what is written; else a report, and POISON."""
        wanted = self.wanted(shape, env)
        if value is POISON or value is None or any(w is POISON for w in wanted):
            return POISON if value is not None else None
        sizes = value.type.shape[1:]
        if len(sizes) == len(wanted) and all(w is None or w == s for w, s in zip(wanted, sizes, strict=True)):
            return value
        said = "x".join("_" if w is None else str(w) for w in wanted)
        help = f"if the network is what you mean, write : {drawn_type(value)}"
        for name, x in self.graph.inputs.items():
            meant = channels_last(x.type.shape[1:])
            if meant is not None:
                turned = f"the input {name} is {drawn_type(x)}, as if its channels came first"
                help = f"{turned}; height, width, channels: {meant}. Else, {help}"
        self.report(error("E310", f"the shape here is {drawn_type(value)}, not {said}", shape.span, help=help), env)
        return POISON
